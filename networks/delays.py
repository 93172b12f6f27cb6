"""Signals that arrive late: what an axon holds that is on its way."""

from collections.abc import Callable

import numpy as np


class DelayLine:
    """Gives a signal as it was some steps ago.

    Parameters
    ----------
    read : callable
        Gives the present signal, (replicas, cells).
    steps : int
        From 1.
    """

    def __init__(self, read: Callable[[], np.ndarray], steps: int):
        self._source, self._steps, self._oldest = read, steps, 0
        self._held = np.repeat(np.array(read())[None], steps + 1, axis=0)

    def take(self):
        """Take up the present signal; once a step."""
        self._held[(self._oldest + self._steps + 1) % len(self._held)] = self._source()
        self._oldest = (self._oldest + 1) % len(self._held)

    def read(self) -> np.ndarray:
        """Give the signal that arrives now."""
        return self._held[self._oldest]

    def forget(self):
        """Begin with the present signal, as if it had been so for long."""
        self._held[:] = self._source()

    def on_its_way(self) -> np.ndarray:
        """Give a copy of what is on its way, (steps + 1, replicas, cells), what arrives now first."""
        return np.roll(self._held, -self._oldest, axis=0)

    def put_on_its_way(self, held: np.ndarray):
        """Restore what `on_its_way` gave."""
        self._held[:], self._oldest = held, 0
