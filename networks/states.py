"""States of the layers at one instant, as rules and users see them: ``states.r[k]`` is r of layer k."""

from collections.abc import Mapping

import numpy as np

from ..errors import ParameterError
from ..summary import Summarised, Summary, by_layer


class Layers(Summarised):
    """Variables of the layers: ``layers.r[k]`` is r of layer k.

    Parameters
    ----------
    variables : mapping of str to mapping of int to ndarray
    """

    def __init__(self, variables: Mapping[str, Mapping[int, np.ndarray]]):
        self.variables = variables

    def __getattr__(self, name: str) -> Mapping[int, np.ndarray]:
        if name.startswith("__") or name not in self.variables:
            raise AttributeError(f"{name!r} was not recorded; recorded: {', '.join(self.variables)}")
        return self.variables[name]

    def __dir__(self):
        return [*super().__dir__(), *self.variables]

    def _summary(self) -> Summary:
        """Show variables, layers and shapes."""
        table = by_layer(self.variables, getattr(self, "units", {}), "stimuli × units")
        return Summary(f"{type(self).__name__}: {', '.join(self.variables)}", [table])

    def _ipython_key_completions_(self):
        return list(self.variables)

    def __getstate__(self):
        return self.__dict__

    def __setstate__(self, state):
        self.__dict__.update(state)


class PhaseEnd(Layers):
    """State of a circuit at the end of a phase, or its mean over the phase's last part.

    Parameters
    ----------
    beta : float
        Nudging strength β at that instant.
    variables : mapping of str to mapping of int to ndarray (replicas, units)
        The circuit's `signals`, rates `r` first, of layers 1 to P; rates also of layer 0, the stimulus.
    gate : float, default 1
        Weight of an instant in the sum that a `Readout` with `lock_in` stands for, per unit of time s: for rules that
        act in every step.
    """

    def __init__(self, beta: float, variables: Mapping[str, Mapping[int, np.ndarray]], gate: float = 1.0):
        super().__init__(variables)
        self.beta, self.gate = beta, gate


def contrast(plus: PhaseEnd, minus: PhaseEnd) -> float:
    """1/(n (β₊ - β₋)), so that ΔW is a minibatch mean over the signed β: 1/β of two phases, 1/2β of three.

    Parameters
    ----------
    plus, minus : PhaseEnd
        The phase ends that learning compares: nudged and free, or the third phase at -β in place of the free one.

    Raises
    ------
    ParameterError
        Both end at the same β.
    """
    if plus.beta == minus.beta:
        raise ParameterError(f"both phases end at β = {plus.beta:g}; learning divides by the difference")
    return 1.0 / (len(plus.r[0]) * (plus.beta - minus.beta))
