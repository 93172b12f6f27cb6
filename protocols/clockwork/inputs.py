"""What enters a circuit in a phase: the stimulus, nothing, given rates or noise, in layer 0 or in drive slots."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from ...errors import ParameterError
from ...networks.circuit import Circuit
from ...networks.population import Population
from .phases import Phase
from .sources import Noise, Source

#: Place of a drive slot: its live buffer, and what fills it.
_Filled = tuple[np.ndarray, Source]


class Inputs:
    """Lets layer 0 carry what a phase shows, and fills the drive slots that the phase names.

    Parameters
    ----------
    circuit : Circuit
    populations : mapping of str to Population
    layers : sequence of Population

    Attributes
    ----------
    present : ndarray (stimuli, inputs)
        What layer 0 carries now.
    """

    def __init__(self, circuit: Circuit, populations: Mapping[str, Population], layers: Sequence[Population]):
        self._populations, self._stimulus = populations, layers[0]
        self._taken = {(item.target, item.slot) for item in circuit.projections} | {circuit.teacher}
        self._filled: list[np.ndarray] = []
        self._places: dict[str, list[tuple[str, str]]] = {}

    def check(self, phases: Sequence[Phase]):
        """Raise a `ParameterError` for inputs of phases that do not fit the circuit."""
        for phase in phases:
            layer_0, slots = phase.sources
            entering = [(self._stimulus.name, self._stimulus.size, layer_0)]
            for key, source in slots.items():
                entering += [(name, self._populations[name].size, source) for name, _ in self._places_of(phase, key)]
            for name, cells, source in entering:
                size = source.cells if isinstance(source, Noise) else np.size(source)
                if source is not None and not isinstance(source, str) and size not in (None, cells):
                    what = "mixing is of" if isinstance(source, Noise) else "input has"
                    where = "layer 0" if name == self._stimulus.name else name
                    raise ParameterError(f"phase {phase.name!r}: {what} {size} rates; {where} has {cells} cells")

    def _places_of(self, phase: Phase, key: str) -> list[tuple[str, str]]:
        """Populations and slots that a key means: ``drive_noise`` of all, or ``layer_1.drive_noise`` of one."""
        if key not in self._places:
            owner, _, slot = key.rpartition(".")
            found = [
                (name, slot)
                for name, population in self._populations.items()
                if owner in ("", name) and slot in population.cell.drives
            ]
            if not found:
                raise ParameterError(f"phase {phase.name!r}: input: no population has a drive slot {key!r}")
            if taken := [place for place in found if place in self._taken]:
                slot = ".".join(taken[0])
                raise ParameterError(
                    f"phase {phase.name!r}: input: {slot} is filled already, by a projection or the teacher"
                )
            self._places[key] = found
        return self._places[key]

    def begin(self, x: np.ndarray):
        """Begin a presentation of stimuli x."""
        self._x, self._nothing = x.copy(), None
        self.present = self._shown = None

    def show(self, phase: Phase, anew: bool) -> bool:
        """Let layer 0 carry what the phase shows; tell whether that is something else than before."""
        source, rates = phase.sources[0], self._stimulus.view("r")
        if isinstance(source, str):
            shown = self._x
        elif source is None:
            shown = self._nothing = np.zeros_like(self._x) if self._nothing is None else self._nothing
        else:
            shown = _values(source, self._x.shape).astype(rates.dtype)
        anew = anew or shown is not self._shown
        self._fade = phase.fade if anew else 0
        if anew:
            self.present = self._shown = shown
            self._before = rates[: len(shown)].copy() if self._fade else None
            rates[: len(shown)], rates[len(shown) :] = shown, 0
            self.cross(0)
        return anew

    def cross(self, step: int) -> bool:
        """Go on from what was shown before to what a phase shows that fades in; tell whether that is under way."""
        if step >= self._fade:
            return False
        part = self._shown.dtype.type((step + 1) / self._fade)
        self.present = self._shown if part == 1 else self._before + part * (self._shown - self._before)
        self._stimulus.view("r")[: len(self.present)] = self.present
        return True

    def fill(self, phase: Phase):
        """Fill the drive slots that the phase names, and empty those that the last one had filled."""
        for slot in self._filled:
            slot[...] = 0
        self._filled = []
        for slot, source in self._filled_by(phase):
            slot[: len(self._x)] = _values(source, (len(self._x), slot.shape[1]))
            self._filled.append(slot)

    def _filled_by(self, phase: Phase) -> Iterator[_Filled]:
        for key, source in phase.sources[1].items():
            for name, slot in self._places_of(phase, key):
                yield self._populations[name].view(slot), source


def _values(source: Source, shape: tuple[int, int]) -> np.ndarray:
    return source.draw(*shape) if isinstance(source, Noise) else np.broadcast_to(source, shape)
