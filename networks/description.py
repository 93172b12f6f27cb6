"""A circuit in plain words and numbers, for figures, papers and other programs."""

from collections.abc import Sequence
from dataclasses import asdict

from ..models import Cell
from .population import PopulationSpec
from .projection import Bias, Projection

_GATE = "gate_"


def describe(
    populations: Sequence[PopulationSpec],
    projections: Sequence[Projection | Bias],
    layers: Sequence[str],
    teacher: tuple[str, str] | None,
) -> dict:
    """Describe a circuit by plain values, which JSON can hold.

    Parameters
    ----------
    populations, projections, layers, teacher
        As in `Circuit`.

    Returns
    -------
    dict
        ``layers``, the principal populations of the layers 0, …, P;
        ``populations``: each `name`, `kind` (class of the cell), `layer`, `size`, `compartments` and `recordables`;
        ``projections``: each `name`, `source` (None for a bias), `target`, `slot`, `compartment` that the slot's input
        enters, `weights` (key and number), `pattern`, `signal` and `transposed`;
        ``links``: each `source`, `target`, `variable`, which the target reads under the name `slot`, and `compartment`;
        ``teacher``: `population`, `slot` and `compartment`, or None.
        A compartment is None where the equations name none, as where inhibition raises the threshold of a rate.
    """
    cells = {spec.name: spec.cell for spec in populations}
    return {
        "layers": list(layers),
        "populations": [
            {
                "name": spec.name,
                "kind": type(spec.cell).__name__,
                "layer": spec.layer,
                "size": spec.size,
                "compartments": compartments(spec.cell),
                "recordables": [asdict(item) for item in spec.cell.recordables],
            }
            for spec in populations
        ],
        "projections": [
            {
                "name": item.name,
                "source": item.source,
                "target": item.target,
                "slot": item.slot,
                "compartment": compartment_of_slot(cells[item.target], item.slot),
                "weights": list(item.weights),
                "pattern": item.pattern,
                "signal": item.signal,
                "transposed": item.transposed,
            }
            for item in projections
        ],
        "links": [
            {
                "source": source,
                "target": spec.name,
                "variable": variable,
                "slot": slot,
                "compartment": compartment_of_slot(spec.cell, slot),
            }
            for spec in populations
            for slot, (source, variable) in spec.links
        ],
        "teacher": None if teacher is None else _teacher(cells, *teacher),
    }


def _teacher(cells: dict[str, Cell], population: str, slot: str) -> dict:
    return {"population": population, "slot": slot, "compartment": compartment_of_slot(cells[population], slot)}


def compartments(cell: Cell) -> list[str]:
    """Name a cell's compartments: those that its equations have a gate for, such as `gate_basal`.

    Parameters
    ----------
    cell : Cell
    """
    return [name.removeprefix(_GATE) for name in cell.parsed.names if name.startswith(_GATE)]


def compartment_of_slot(cell: Cell, slot: str) -> str | None:
    """Find the compartment that an input enters: the first whose gate stands in an equation the input gets to.

    Parameters
    ----------
    cell : Cell
    slot : str
        Drive slot or linked variable.

    Returns
    -------
    str or None
        None if there is no such equation, unless the cell has one compartment only.
    """
    lines = [line for line in cell.parsed.values() if line.expr is not None]
    reached, seen = {slot}, set()
    while reached:
        seen |= reached
        lines_reached = [line for line in lines if line.identifiers & reached]
        for line in lines_reached:
            if gates := sorted(name for name in line.identifiers if name.startswith(_GATE)):
                return gates[0].removeprefix(_GATE)
        reached = {line.varname for line in lines_reached} - seen
    own = compartments(cell)
    return own[0] if len(own) == 1 else None
