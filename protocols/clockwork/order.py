"""The order of what happens in a step, which follows from what each operation reads and writes.

In the *synchronous* schedule all cells are integrated from the drives of the last step's end. Then every operation
comes after those that write what it reads: rates after potentials, drives after rates; multiplier cells have their
rates, and what these bring to the layer's thresholds, before the layer has its own. Integration breaks the loops of a
circuit, and a loop that no integration breaks has no order. Cells that read a linked variable integrate after its
owner, so that with τ_SST → 0 leaky interneurons become the instantaneous ones.

In the *sequential* schedule the populations take their turns as they are declared: each has its drives computed from
what the others are at that moment, its cells integrated, and its rates computed.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any, Literal

from ...errors import ParameterError

#: A variable of a population.
Place = tuple[str, str]


@dataclass(frozen=True, eq=False)
class Operation:
    """Something that is computed once a step.

    Parameters
    ----------
    name : str
        For messages and Brian2 objects.
    population : str
        Whose variables it writes.
    kind : {"statements", "integration", "spikes", "rate", "drive"}
    reads, writes : frozenset of (str, str)
        Population and variable.
    run : callable, optional
        What to call; None for what Brian2 does by itself.
    brian_objects : tuple
        Those of Brian2's objects that do it, if `run` is None.
    """

    name: str
    population: str
    kind: Literal["statements", "integration", "spikes", "rate", "drive"]
    reads: frozenset[Place]
    writes: frozenset[Place]
    run: Callable[[], object] | None = None
    brian_objects: tuple[Any, ...] = ()


def in_order(operations: Sequence[Operation], schedule: str, populations: Sequence[str]) -> list[Operation]:
    """Put operations in the order of a schedule.

    Parameters
    ----------
    operations : sequence of Operation
        Those that no other one needs keep this order.
    schedule : {"synchronous", "sequential"}
    populations : sequence of str
        As they are declared.

    Returns
    -------
    list of Operation

    Raises
    ------
    ParameterError
        If there is a loop of operations that no integration breaks. It names them.
    """
    return _sequential(operations, populations) if schedule == "sequential" else _synchronous(operations)


#: What advances in time; it sees the drives of the last step's end.
_ADVANCES = ("statements", "integration", "spikes")
_TURN = {"drive": 0, "statements": 1, "integration": 2, "spikes": 3, "rate": 4}


def _sequential(operations: Sequence[Operation], populations: Sequence[str]) -> list[Operation]:
    turn = {name: number for number, name in enumerate(populations)}
    for item in operations:
        if item.kind == "spikes":
            raise ParameterError(f"{item.population}: cells that spike need the synchronous schedule")
    return sorted(operations, key=lambda item: (turn[item.population], _TURN[item.kind]))


def _synchronous(operations: Sequence[Operation]) -> list[Operation]:
    writers: dict[Place, list[Operation]] = {}
    for item in operations:
        for place in item.writes:
            writers.setdefault(place, []).append(item)
    before: dict[Operation, set[Operation]] = {item: set() for item in operations}
    # All cells reach their thresholds in the same step, and what spikes is seen by all rates and drives.
    spikes = {item for item in operations if item.kind == "spikes"}
    for item in operations:
        if item.kind in ("statements", "integration"):
            for spike in spikes:
                before[spike].add(item)
        elif item.kind in ("rate", "drive"):
            before[item] |= spikes
    for item in operations:
        for writer in _distinct(writer for place in item.reads for writer in writers.get(place, ())):
            if writer is item and item.kind == "drive":
                raise _loop([item])
            if writer is item:
                continue
            if item.kind in _ADVANCES and writer.kind not in _ADVANCES:
                before[writer].add(item)  # it reads what the last step has left
            elif item.kind in _ADVANCES and writer.population == item.population:
                # One population's own: statements, then integration, then spikes.
                earlier, later = sorted((item, writer), key=lambda each: _TURN[each.kind])
                before[later].add(earlier)
            elif item.kind not in _ADVANCES or not _needs(before, writer, item):
                before[item].add(writer)  # cells that read each other by links keep the order of their declaration
    return _sorted(operations, before)


def _needs(before: Mapping[Operation, set[Operation]], item: Operation, other: Operation) -> bool:
    """Whether an operation comes after another one, by way of others too."""
    return other in before[item] or any(_needs(before, each, other) for each in before[item])


def _sorted(operations: Sequence[Operation], before: Mapping[Operation, set[Operation]]) -> list[Operation]:
    sorter = TopologicalSorter(before)
    try:
        sorter.prepare()
    except CycleError as error:
        raise _loop(error.args[1][:0:-1]) from None
    position = {item: number for number, item in enumerate(operations)}
    waiting, found = set(), []
    while sorter.is_active():
        waiting |= set(sorter.get_ready())
        # What Brian2 does comes first, so that our own is one stretch.
        chosen = min(waiting, key=lambda item: (item.run is not None, position[item]))
        waiting.remove(chosen)
        found.append(chosen)
        sorter.done(chosen)
    return found


def _loop(items: Sequence[Operation]) -> ParameterError:
    names = " → ".join(item.name for item in (*items, items[0]))
    return ParameterError(
        f"a loop that no integration breaks: {names}; one of these cells needs a differential equation"
    )


def _distinct(items: Iterable[Operation]) -> list[Operation]:
    return list(dict.fromkeys(items))
