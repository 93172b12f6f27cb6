"""Signals that arrive late: what an axon holds that is on its way."""

from collections.abc import Callable

import numpy as np

from ..errors import ParameterError


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


def steps_of(delay: float, dt: float, source: str) -> int:
    """Count the steps of a delay, or say that it does not end with one.

    Parameters
    ----------
    delay, dt : float
        In ms.
    source : str
        The population whose signals are on their way, for errors.

    Raises
    ------
    ParameterError
        If it is no whole number of steps.
    """
    steps = round(delay / dt)
    if steps < 1 or abs(delay - steps * dt) > 1e-6 * dt:
        raise ParameterError(f"delay = {delay:g} ms of {source}: must be a whole number of steps, of {dt:g} ms each")
    return steps
