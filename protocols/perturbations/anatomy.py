"""What can be perturbed in a population: compartments, gates, injected currents and membranes of its cells."""

from collections.abc import Mapping

from brian2.equations.equations import DIFFERENTIAL_EQUATION

from ...errors import ParameterError
from ...models import Cell
from ...networks import Circuit, PopulationSpec
from ...networks.description import compartment_of_slot
from ...networks.description import compartments as gated

_GATE, _CURRENT = "gate_", "I_"


def perturbable(circuit: Circuit) -> Mapping[str, PopulationSpec]:
    """Populations whose cells can be perturbed, by name.

    Parameters
    ----------
    circuit : Circuit
    """
    return {spec.name: spec for spec in circuit.populations if compartments(spec.cell) or spec.cell.domain is not None}


def compartments(cell: Cell) -> list[str]:
    """Name the compartments that have a gate, or a membrane.

    Parameters
    ----------
    cell : Cell
    """
    declared = {item.compartment or "soma" for item in cell.recordables if item.unit == "1"} | {"soma"}
    return sorted({*gated(cell), *(name for name in declared if membrane(cell, name) is not None)})


def membrane(cell: Cell, compartment: str) -> str | None:
    """Name the potential that a compartment integrates; None where it follows its input at once.

    Parameters
    ----------
    cell : Cell
    compartment : str
    """
    integrated = {name for name, line in cell.parsed.items() if line.type == DIFFERENTIAL_EQUATION}
    somatic = cell.membrane or cell.potential
    if compartment == "soma" and somatic in integrated:
        return somatic
    own = (item.name for item in cell.recordables if item.compartment == compartment and item.unit == "1")
    return next((name for name in own if name in integrated), None)


def gate(cell: Cell, compartment: str) -> str | None:
    """Name the variable that scales a compartment's input; None if it has none.

    Parameters
    ----------
    cell : Cell
    compartment : str
    """
    return _there(cell, _GATE + compartment)


def current(cell: Cell, compartment: str) -> str | None:
    """Name the current injected into a compartment; None if there is none.

    Parameters
    ----------
    cell : Cell
    compartment : str
    """
    return _there(cell, _CURRENT + compartment)


def _there(cell: Cell, variable: str) -> str | None:
    return variable if variable in cell.parsed.names else None


def feedback_slots(circuit: Circuit) -> dict[int, str]:
    """Find the drive slots that carry feedback into apical compartments and nothing else, by layer.

    Parameters
    ----------
    circuit : Circuit
    """
    layers = {name: k for k, name in enumerate(circuit.layers)}
    cells = {spec.name: spec.cell for spec in circuit.populations}
    found: dict[int, str] = {}
    for item in circuit.projections:
        here, above = layers.get(item.target), layers.get(item.source)
        if here is None or above is None or above <= here:
            continue
        if compartment_of_slot(cells[item.target], item.slot) == "apical":
            found[here] = item.slot
    return found


def check_has_cells(circuit):
    """Raise a `ParameterError` if there are no cells in time that could be perturbed.

    Parameters
    ----------
    circuit : Trainable
    """
    if not isinstance(circuit, Circuit):
        raise ParameterError(f"{type(circuit).__name__}: has no cells in time to perturb")
