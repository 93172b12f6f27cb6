"""How weights move along a rule's ΔW.

An optimiser names its `target`, the weights that it moves, and holds what state it needs: `state_dict` gives all of it,
from the beginning on, for checkpoints. `in_steps` tells whether it can act in every step of a phase, as a differential
equation dW/ds does; its `duration` is then the step's.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .plasticity import Change, Weights
from .schedules import Progress, Schedule, as_schedule


@dataclass(frozen=True)
class GradientStep:
    """W ← (1 - η·decay) W + η ΔW, eqs 26, 27.

    Parameters
    ----------
    target : (str, int)
        Which weights.
    learning_rate : float or Schedule
        η.
    weight_decay : float, default 0
        Decay per unit of learning rate (the paper's optional η ε W). 1 makes W an average of ΔW.
    excitatory : bool, default False
        Whether W stays at 0 where it would become negative (not in the paper).
    symmetric : bool, default False
        Whether ΔW is symmetric, and W to stay so exactly.
    """

    target: tuple[str, int]
    learning_rate: float | Schedule
    weight_decay: float = 0.0
    excitatory: bool = False
    symmetric: bool = False
    in_steps: ClassVar[bool] = True

    def step(self, weights: Weights, change: Change, progress: Progress, duration: float = 1.0):
        """Apply one change."""
        key, k = self.target
        W, rate = weights[key][k], as_schedule(self.learning_rate)(progress) * duration
        add = change.add_to_symmetric if self.symmetric else change.add_to
        add(W, rate, keep=1.0 - rate * self.weight_decay)
        if self.excitatory:
            np.maximum(W, 0, out=W)

    def state_dict(self) -> dict:
        """Return nothing: this optimiser has no memory."""
        return {}

    def load_state_dict(self, state: dict):
        """Restore nothing."""


class Adam:
    """Adam (Kingma & Ba 2015): steps along ΔW that are scaled by its running moments.

    m ← β₁m + (1-β₁)ΔW, v ← β₂v + (1-β₂)ΔW²; W ← W + η [m/(1-β₁ᵗ)]/(√[v/(1-β₂ᵗ)] + ε).

    Parameters
    ----------
    target : (str, int)
        Which weights.
    shape : tuple of int
        Of these weights.
    learning_rate : float or Schedule
        η.
    beta_1, beta_2 : float, default .9, .999
    epsilon : float, default 1e-8
        Added to the root, after both bias corrections.

    Attributes
    ----------
    m, v : ndarray
        First and second moment, without bias correction.
    t : int
        Steps that are done.
    """

    in_steps = False

    def __init__(
        self,
        target: tuple[str, int],
        shape: tuple[int, ...],
        learning_rate: float | Schedule,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
    ):
        self.target, self.learning_rate = target, as_schedule(learning_rate)
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon
        self.m, self.v, self.t = np.zeros(shape), np.zeros(shape), 0

    def step(self, weights: Weights, change: Change, progress: Progress, duration: float = 1.0):
        """Apply one change."""
        key, k = self.target
        g = change.dense()
        self.t += 1
        self.m += (1 - self.beta_1) * (g - self.m)
        self.v += (1 - self.beta_2) * (g * g - self.v)
        mean, power = self.m / (1 - self.beta_1**self.t), self.v / (1 - self.beta_2**self.t)
        weights[key][k] += self.learning_rate(progress) * mean / (np.sqrt(power) + self.epsilon)

    def state_dict(self) -> dict:
        """Return both moments and the number of steps."""
        return {"m": self.m.copy(), "v": self.v.copy(), "t": self.t}

    def load_state_dict(self, state: dict):
        """Restore what `state_dict` gave."""
        self.m[...], self.v[...], self.t = state["m"], state["v"], int(state["t"])
