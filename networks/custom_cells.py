"""Custom cells, named in a parameter file."""

from collections.abc import Mapping

import brian2 as b2

from ..errors import ParameterError
from ..models import Cell
from ..references import resolve
from .circuit import Circuit

#: What one unit of a parameter file is, by the unit that a cell's parameter table gives.
UNITS = {"1": 1, "second": b2.ms, "volt": b2.mV, "hertz": b2.Hz}


def install(circuit: Circuit, choice: str | Mapping[str, str] | None, values: Mapping[str, float]):
    """Exchange populations of a circuit for cells that a parameter file names.

    Parameters
    ----------
    circuit : Circuit
    choice : str or mapping of str to str, optional
        ``"module:Class"`` for all hidden layers, or one by population.
    values : mapping of str to float
        The cells' own parameters.

    Raises
    ------
    ParameterError
        If a cell cannot be found, is none, or does not fit; or a parameter is missing or not used.
    """
    if choice is None:
        choice = {}
    elif isinstance(choice, str):
        choice = dict.fromkeys(circuit.layers[1:-1], choice)
    unused = set(values)
    for population, reference in choice.items():
        kind = find_cell(reference)
        present = next((spec.cell.values for spec in circuit.populations if spec.name == population), {})
        if doubled := sorted(set(present).intersection(values)):
            raise ParameterError(f"cell_parameters: {doubled[0]!r} follows from the circuit's own parameters")
        rows = {parameter.name: parameter for parameter in kind.parameters}
        parameters = {name: value * _unit(reference, rows[name]) for name, value in values.items() if name in rows}
        unused -= set(parameters)
        try:
            circuit.exchange_cell(population, kind, **parameters)
        except (ParameterError, TypeError) as error:
            raise ParameterError(f"cell = {reference!r} for {population}: {error}") from None
    if unused:
        raise ParameterError(f"cell_parameters: no custom cell has a parameter {sorted(unused)[0]!r}")


def find_cell(reference: str) -> type[Cell]:
    """Find a cell by ``"module:Class"``, or ``"path/module.py:Class"``.

    Parameters
    ----------
    reference : str

    Raises
    ------
    ParameterError
        If there is no such module or class, or it is no `Cell`.
    """
    found = resolve(reference, "cell")
    if not isinstance(found, type) or not issubclass(found, Cell):
        raise ParameterError(
            f"cell = {reference!r}: {reference.rpartition(':')[2]} is no subclass of corinfomax.models.Cell"
        )
    return found


def _unit(reference: str, parameter):
    if parameter.unit not in UNITS:
        raise ParameterError(
            f"cell = {reference!r}: parameter {parameter.name!r} has the unit {parameter.unit!r}; a parameter file can "
            f"give those in {', '.join(UNITS)}"
        )
    return UNITS[parameter.unit]
