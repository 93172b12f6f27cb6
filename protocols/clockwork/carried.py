"""What a presentation leaves for the next one, where states carry over: of cells, of spikes, and on axons."""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np

from ...errors import ParameterError
from ...networks.population import Population
from .mounting import MountedCircuit

#: Steps after which a spike is forgotten. No refractory time is as long.
_FORGOTTEN = 1_000_000


class CarriedState(NamedTuple):
    """A state that carries over.

    Parameters
    ----------
    read : callable
        Gives a copy.
    write : callable
        Restores what `read` gave, between two runs.
    always : bool
        Whether checkpoints of all versions have it.
    """

    read: Callable[[], np.ndarray]
    write: Callable[[np.ndarray], object]
    always: bool = True


def carried_states(mounted: MountedCircuit) -> dict[str, CarriedState]:
    """All that carries over, as ``state/layer_1/u`` and so on.

    Cells that can be refractory have ``state/layer_1/steps_since_spike`` and ``state/layer_1/not_refractory``, and
    projections whose signals are delayed have what is on its way, as ``state/layer_1/drive_basal/0``.
    """
    found = {}
    for name, population in mounted.populations.items():
        for variable in population.cell.state:
            found[f"state/{name}/{variable}"] = _variable(population, variable)
        if "lastspike" in population:
            found[f"state/{name}/steps_since_spike"] = _steps_since_spike(population)
            found[f"state/{name}/not_refractory"] = _variable(population, "not_refractory", always=False)
    return found | dict(_on_axons(mounted))


def restore(states: Mapping[str, CarriedState], given: Mapping[str, np.ndarray], at_rest: bool):
    """Write states that were read before.

    Parameters
    ----------
    states : mapping of str to CarriedState
    given : mapping of str to ndarray
    at_rest : bool
        Whether presentations begin at rest: then what older checkpoints lack is not needed, and may be missing.

    Raises
    ------
    ParameterError
        That names what is missing, of another shape or not finite; nothing is written then.
    """
    needed = {place: own for place, own in states.items() if own.always or place in given or not at_rest}
    for place, own in needed.items():
        found, values = given.get(place), own.read()
        if found is None or found.shape != values.shape or found.dtype != values.dtype:
            raise ParameterError(f"{place} is missing, or not {values.dtype} of shape {values.shape}")
        if not np.isfinite(found).all():
            raise ParameterError(f"{place} is not finite")
    for place, own in needed.items():
        own.write(given[place])


def _variable(population: Population, variable: str, always: bool = True) -> CarriedState:
    view = population.view(variable)
    return CarriedState(view.copy, lambda values: np.copyto(view, values), always)


def _steps_since_spike(population: Population) -> CarriedState:
    """Steps since each cell has spiked, and not the time of the spike: each process has a clock of its own."""
    clock, last = population.group.clock, population.view("lastspike")

    def read() -> np.ndarray:
        return np.minimum(np.rint((clock.t_ - last) / clock.dt_), _FORGOTTEN).astype(np.int64)

    def write(steps: np.ndarray):
        last[...] = clock.t_ - steps * clock.dt_

    return CarriedState(read, write, always=False)


def _on_axons(mounted: MountedCircuit) -> Iterator[tuple[str, CarriedState]]:
    for (name, slot), drive in mounted.drives.items():
        for number, transmission in enumerate(drive.transmissions):
            if transmission.line is not None:
                line = transmission.line
                state = CarriedState(line.on_its_way, line.put_on_its_way, always=False)
                yield f"state/{name}/{slot}/{number}", state
