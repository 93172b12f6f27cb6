"""What rules read of more than one step of a phase, as running sums that a synapse could keep."""

import numpy as np

from ...networks.plasticity import Readout
from ...networks.states import PhaseEnd


class RunningSum:
    """Signals of a phase's steps, weighted and summed up as they come.

    Parameters
    ----------
    weights : ndarray (steps,)
    beta : float
        What belongs to the sum.
    divisor : float
    """

    def __init__(self, weights: np.ndarray, beta: float, divisor: float):
        self.weights, self._beta, self._divisor = weights, beta, divisor
        self._total: dict[str, dict[int, np.ndarray]] = {}
        self._part: dict[tuple[str, int], np.ndarray] = {}

    def add(self, signals: dict[str, dict[int, np.ndarray]], step: int):
        """Add those of one step."""
        weight = float(self.weights[step])
        for name, layers in signals.items():
            total = self._total.setdefault(name, {})
            for k, x in layers.items():
                if k not in total:
                    total[k], self._part[name, k] = weight * x, np.empty_like(x)
                else:
                    total[k] += x if weight == 1 else np.multiply(weight, x, out=self._part[name, k])

    def so_far(self, readout: Readout, signals: dict[str, dict[int, np.ndarray]], step: int, eta: float) -> PhaseEnd:
        """What a rule reads that acts in a step: signals and their gate in the sum, or the mean until now."""
        if readout.lock_in is not None:
            return PhaseEnd(self._beta, signals, gate=float(self.weights[step]) / eta)
        divisor = max(self.weights[: step + 1].sum(), 1.0)
        found = {name: {k: x / divisor for k, x in layers.items()} for name, layers in self._total.items()}
        return PhaseEnd(self._beta, found or signals)

    def read(self) -> PhaseEnd:
        """Give the sum, and its β."""
        found = {name: {k: x / self._divisor for k, x in layers.items()} for name, layers in self._total.items()}
        return PhaseEnd(self._beta, found)
