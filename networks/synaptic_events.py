"""Projections that carry spike trains by events: a spike adds a column of the weights to a drive that decays.

All trains of a population decay alike, so that the drive W s does, too, and W is read for cells that spike only. That
is W s of the dense product, to rounding, for a small part of the work where few cells spike at once. Where spikes are
known in advance, as of input cells, one product serves many steps.
"""

from collections.abc import Collection

import numpy as np
from scipy.sparse import csr_array

from .foreseen_spikes import ForeseenSpikes
from .plasticity import Weights
from .population import Population
from .projection import Projection, Transmission

#: Numbers that a product of known spikes gives: what stays in the processor's cache.
_AT_ONCE = 2**18


class EventTransmission(Transmission):
    """A projection of the train of a spiking population, computed from its spikes.

    Parameters
    ----------
    projection, source, target, weights
        As in `Transmission`.

    Attributes
    ----------
    exact : bool
        Whether the drive is the dense product in each step, as where something else than spikes sets the train.
    foreseen : ForeseenSpikes or None
        Of sources whose spikes may be known in advance.
    """

    def __init__(self, projection: Projection, source: Population, target: Population, weights: Weights):
        self.exact, self.foreseen = False, None
        self._brought, self._first = np.zeros((0, source.replicas, target.size)), 0
        super().__init__(projection, source, target, weights)

    def _bringer(self):
        dense, source, size = super()._bringer(), self.source, self.source.size
        ends = np.arange(source.replicas + 1) * size
        dtype = source.view("train").dtype
        decay, quantum = dtype.type(source.decay("tau_s")), dtype.type(source.cell.quantum)
        weights = self.weights
        fired = source.view("fired").ravel() if "fired" in source else np.ones(source.replicas * size, dtype)
        events = csr_array((source.replicas, size), dtype=dtype)

        def bring(out: np.ndarray):
            if self.exact:
                dense(out)
                return
            out *= decay
            if self.foreseen is not None and self.foreseen.known:
                out += self._foreseen(self.foreseen, quantum)
                return
            cells = source.group.spikes
            if len(cells):
                events.data, events.indices = quantum * fired[cells], cells % size
                events.indptr = np.searchsorted(cells, ends).astype(cells.dtype)
                out += events @ weights().T

        return bring

    def _foreseen(self, source: ForeseenSpikes, quantum: np.floating) -> np.ndarray:
        """What spikes bring in the present step, (replicas, cells): one product for this and the next ones."""
        if not self._first <= source.step < self._first + len(self._brought):
            _, replicas, targets = self._brought.shape
            number = min(max(1, _AT_ONCE // (replicas * targets)), source.end + 1 - source.step)
            steps, cells = source.spikes(source.step, source.step + number)
            rows, size = steps * replicas + cells // self.source.size, number * replicas
            fired = source.fired(source.step + steps, cells)
            data = np.full(len(cells), quantum) if fired is None else quantum * fired
            places = (np.asarray(cells % self.source.size, np.int32), np.searchsorted(rows, np.arange(size + 1)))
            events = csr_array((data, *places), shape=(size, self.source.size))
            self._brought = (events @ self.weights().T).reshape(number, replicas, targets)
            self._first = source.step
        return self._brought[source.step - self._first]

    def note_held(self, held: Collection[tuple[str, str]]):
        """A train that is held is not what spikes make of it."""
        self.exact |= (self.source.name, "train") in held

    def begin(self, out: np.ndarray):
        """Compute what a presentation begins with, from the trains themselves; silent ones need no product."""
        self._brought = self._brought[:0]  # weights may have changed
        exact, self.exact = self.exact, True
        try:
            super().begin(out)
        finally:
            self.exact = exact
