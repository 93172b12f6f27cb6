"""What a presentation leaves for the next one, where states carry over: of cells, of spikes, and on axons."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from ...networks.population import Population
from .mounting import MountedCircuit


class Carried(NamedTuple):
    """A state that carries over.

    Parameters
    ----------
    read : callable
        Gives a copy.
    write : callable
        Restores what `read` gave, between two runs.
    """

    read: Callable[[], np.ndarray]
    write: Callable[[np.ndarray], object]


def carried(mounted: MountedCircuit) -> dict[str, Carried]:
    """All that carries over, as ``state/layer_1/u`` and so on.

    Refractory cells have ``state/layer_1/steps_since_spike``, and projections whose signals are delayed what is on its
    way, as ``state/layer_1/drive_basal/0``.
    """
    found = {}
    for name, population in mounted.populations.items():
        for variable in population.cell.state:
            found[f"state/{name}/{variable}"] = _variable(population, variable)
        if "lastspike" in population:
            found[f"state/{name}/steps_since_spike"] = _steps_since_spike(population)
    return found | dict(_on_axons(mounted))


def _variable(population: Population, variable: str) -> Carried:
    view = population.view(variable)
    return Carried(view.copy, lambda values: np.copyto(view, values))


def _steps_since_spike(population: Population) -> Carried:
    """Steps since a cell has spiked, up to one more than it is refractory: when a run began is of no account."""
    clock, last = population.group.clock, population.view("lastspike")
    longest = int(np.ceil(float(population.cell.values["tau_ref"] / clock.dt))) + 1

    def read() -> np.ndarray:
        return np.minimum(np.rint((clock.t_ - last) / clock.dt_), longest).astype(np.int32)

    def write(steps: np.ndarray):
        last[...] = clock.t_ - steps * clock.dt_

    return Carried(read, write)


def _on_axons(mounted: MountedCircuit) -> Iterator[tuple[str, Carried]]:
    for (name, slot), drive in mounted.drives.items():
        for number, transmission in enumerate(drive.transmissions):
            if transmission.line is not None:
                line = transmission.line
                yield f"state/{name}/{slot}/{number}", Carried(line.on_its_way, line.put_on_its_way)
