"""A circuit in plain words and numbers, for figures, papers and other programs."""

import ast
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
        ``populations``: each `name`, `kind` (class of the cell), `role` (the cell's), `layer`, `size`, `compartments`
        and `recordables`;
        ``projections``: each `name`, `source` (None for a bias), `target`, `slot`, `compartment` that the slot's input
        enters, `weights` (key and number), `pattern`, `signal`, `transposed` and `sign`;
        ``links``: each `source`, `target`, `variable`, which the target reads under the name `slot`, `compartment`
        and `sign`;
        ``teacher``: `population`, `slot` and `compartment`, or None.
        A compartment is None where the equations name none, as where inhibition raises the threshold of a rate.
        A sign is 1 where more activity of the source excites the target, by the equations of both and at positive
        weights, -1 where it inhibits the target, and 0 where that depends on more than the equations.
    """
    cells = {spec.name: spec.cell for spec in populations}
    return {
        "layers": list(layers),
        "populations": [
            {
                "name": spec.name,
                "kind": type(spec.cell).__name__,
                "role": spec.cell.role,
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
                "sign": effect(cells[item.target], item.slot)
                * (1 if item.source is None else polarity(cells[item.source], item.signal)),
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
                "sign": effect(spec.cell, slot) * polarity(cells[source], variable),
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


def effect(cell: Cell, slot: str) -> int:
    """Tell whether an input excites or inhibits a cell, from the signs with which its equations take it up.

    Followed are the equations that the input gets to, up to the first state variable, potential or output.

    Parameters
    ----------
    cell : Cell
    slot : str
        Drive slot or linked variable.

    Returns
    -------
    int
        1 or -1; 0 if the equations take it up with both signs, or with one that they leave open, as where the distance
        to a reversal potential does.
    """
    ends = {cell.potential, *cell.outputs, *cell.parsed.diff_eq_names}
    return _only(_followed(_lines(cell), slot, ends))


def polarity(cell: Cell, variable: str) -> int:
    """Tell whether a variable rises (1) or falls (-1) with the cell's potential, or neither for certain (0).

    An SST cell sends its potential with a minus sign. What does not follow from the potential is taken as it is.

    Parameters
    ----------
    cell : Cell
    variable : str
        What projections or links carry.
    """
    lines = {name: line for name, line in _lines(cell).items() if name not in cell.parsed.diff_eq_names}
    if variable == cell.potential or variable not in lines:
        return 1
    return _only(_followed(lines, cell.potential, {variable}) or {1})


def _lines(cell: Cell) -> dict[str, ast.expr]:
    """Right-hand sides of a cell's equations, that of the rate from its domain included."""
    code = {name: line.expr.code for name, line in cell.parsed.items() if line.expr is not None}
    if cell.domain is not None and cell.potential != "r":
        code.setdefault("r", cell.domain.nonlinearity)
    return {name: ast.parse(" ".join(text.split()), mode="eval").body for name, text in code.items()}


def _followed(lines: dict[str, ast.expr], start: str, ends: set[str]) -> set[int]:
    """Signs with which a variable gets to others, along all ways through the equations."""
    found: set[int] = set()
    reached = {start: {1}}
    while reached:
        further: dict[str, set[int]] = {}
        for target, line in lines.items():
            for name, signs in reached.items():
                arriving = {a * b for a in signs for b in _signs(line, name)}
                if target in ends:
                    found |= arriving
                elif arriving:
                    further.setdefault(target, set()).update(arriving)
        reached = further
    return found


def _signs(node: ast.expr, name: str) -> set[int]:
    """Signs with which a variable stands in an expression; functions are taken to rise with what they are of."""
    match node:
        case ast.Name(found):
            return {1} if found == name else set()
        case ast.UnaryOp(op, operand):
            return _times(_signs(operand, name), {-1 if isinstance(op, ast.USub) else 1})
        case ast.BinOp(left, ast.Add(), right):
            return _signs(left, name) | _signs(right, name)
        case ast.BinOp(left, ast.Sub(), right):
            return _signs(left, name) | _times(_signs(right, name), {-1})
        case ast.BinOp(left, ast.Mult(), right):
            return _times(_signs(left, name), _factor(right)) | _times(_signs(right, name), _factor(left))
        case ast.BinOp(left, ast.Div(), right):
            falling = _times(_signs(right, name), {-1})
            return _times(_signs(left, name), _factor(right)) | _times(falling, _factor(left))
        case ast.BinOp(left, ast.Pow(), _):
            return _signs(left, name)
        case ast.Call(_, arguments):
            return set().union(*(_signs(argument, name) for argument in arguments))
    return {1, -1} if any(isinstance(part, ast.Name) and part.id == name for part in ast.walk(node)) else set()


def _factor(node: ast.expr) -> set[int]:
    """Signs that a factor may have, where variables are positive, as gates, conductances and rates are."""
    match node:
        case ast.Constant(value):
            return {1 if value >= 0 else -1}
        case ast.UnaryOp(ast.USub(), operand):
            return _times(_factor(operand), {-1})
        case ast.BinOp(left, ast.Mult() | ast.Div(), right):
            return _times(_factor(left), _factor(right))
        case ast.BinOp(left, ast.Add(), right):
            return _factor(left) | _factor(right)
        case ast.BinOp(left, ast.Sub(), _):  # 1 - r is what a rate leaves; of two variables either may be the larger
            return {1} if isinstance(left, ast.Constant) else {1, -1}
    return {1}


def _times(signs: set[int], factors: set[int]) -> set[int]:
    return {a * b for a in signs for b in factors}


def _only(signs: set[int]) -> int:
    return next(iter(signs)) if len(signs) == 1 else 0
