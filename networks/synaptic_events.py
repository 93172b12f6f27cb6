"""Projections that carry spike trains by events: a spike adds a column of the weights to a drive that decays.

All trains of a population decay alike, so that the drive W s does, too, and W is read for cells that spike only. That
is W s of the dense product, to rounding, for a small part of the work where few cells spike at once.
"""

from collections.abc import Collection

import numpy as np
from scipy.sparse import csr_array

from .plasticity import Weights
from .population import Population
from .projection import Projection, Transmission


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
    """

    def __init__(self, projection: Projection, source: Population, target: Population, weights: Weights):
        self.exact = False
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
            cells = source.group.spikes
            if len(cells):
                events.data, events.indices = quantum * fired[cells], cells % size
                events.indptr = np.searchsorted(cells, ends).astype(cells.dtype)
                out += events @ weights().T

        return bring

    def note_held(self, held: Collection[tuple[str, str]]):
        """A train that is held is not what spikes make of it."""
        self.exact |= (self.source.name, "train") in held

    def begin(self, out: np.ndarray):
        """Compute what a presentation begins with, from the trains themselves; silent ones need no product."""
        exact, self.exact = self.exact, True
        try:
            super().begin(out)
        finally:
            self.exact = exact
