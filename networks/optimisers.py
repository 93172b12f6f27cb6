"""How weights move along a rule's ΔW.

An optimiser names its `target`, the weights that it moves, and holds what state it needs: `state_dict` gives all of it,
from the beginning on, for checkpoints. `in_steps` tells whether it can act in every step of a phase, as a differential
equation dW/ds does; its `duration` is then the step's.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..errors import ParameterError
from ..parameters import Finite, Index, Positive, Switch, validated, validated_fields
from .plasticity import Change, Weights, add_scaled
from .schedules import Progress, Schedule, as_schedule


@validated_fields
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

    target: tuple[str, Index]
    learning_rate: Finite | Schedule
    weight_decay: Finite = 0.0
    excitatory: Switch = False
    symmetric: Switch = False
    in_steps: ClassVar[bool] = True

    def rate(self, progress: Progress, duration: float = 1.0) -> float:
        """η at present, times what the rule acts for."""
        rate = self.learning_rate
        return (rate(progress) if callable(rate) else rate) * duration

    def step(self, weights: Weights, change: Change, progress: Progress, duration: float = 1.0):
        """Apply one change."""
        key, k = self.target
        W, rate = weights[key][k], self.rate(progress, duration)
        add = change.add_to_symmetric if self.symmetric else change.add_to
        add(W, rate, keep=1.0 - rate * self.weight_decay)
        if self.excitatory:
            np.maximum(W, 0, out=W)

    def state_dict(self) -> dict:
        """Return nothing: this optimiser has no memory."""
        return {}

    def load_state_dict(self, state: dict):
        """Restore nothing."""


class SynapticTrace:
    """A trace in each synapse, through which weights follow ΔW late: dc/ds = η ΔW - c/τ_c, dW/ds = c/τ_c.

    All of η ∫ΔW ds arrives in the end, and what ΔW has for a moment, to take it back in the next, never does. For
    rules that act in every step. The trace is kept from presentation to presentation, and runs while the rule acts.

    Parameters
    ----------
    target : (str, int)
        Which weights.
    shape : tuple of int
        Of these weights.
    learning_rate : float or Schedule
        η.
    tau : float
        τ_c, in the circuit's time constant.
    excitatory : bool, default False
        Whether W stays at 0 where it would become negative.

    Attributes
    ----------
    c : ndarray
        The trace.
    """

    in_steps = True

    @validated
    def __init__(
        self,
        target: tuple[str, Index],
        shape: tuple[Index, ...],
        learning_rate: Finite | Schedule,
        tau: Positive,
        excitatory: Switch = False,
    ):
        self.target, self.learning_rate, self.tau = target, as_schedule(learning_rate), tau
        self.excitatory, self.c = excitatory, np.zeros(shape, order="F")

    def step(self, weights: Weights, change: Change, progress: Progress, duration: float = 1.0):
        """Let the trace take up ΔW and hand on what has decayed of it."""
        key, k = self.target
        W = weights[key][k]
        if self.c.dtype != W.dtype:
            self.c = np.asfortranarray(self.c, dtype=W.dtype)
        change.add_to(self.c, float(self.learning_rate(progress)) * duration)
        kept = math.exp(-duration / self.tau)
        add_scaled(W, 1 - kept, self.c)
        self.c *= kept
        if self.excitatory:
            np.maximum(W, 0, out=W)

    def state_dict(self) -> dict:
        """Return the trace."""
        return {"c": self.c.copy(order="K")}

    def load_state_dict(self, state: dict):
        """Restore what `state_dict` gave, in its own type."""
        self.c = np.array(state["c"], order="F")


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
        Decay of the two moments in each step, from 0 and below 1.
    epsilon : float, default 1e-8
        Added to the root, after both bias corrections. Above 0.

    Attributes
    ----------
    m, v : ndarray
        First and second moment, without bias correction; from the first step on in the weights' type.
    t : int
        Steps that are done.

    Raises
    ------
    ParameterError
        For parameters out of range.
    """

    in_steps = False

    @validated
    def __init__(
        self,
        target: tuple[str, Index],
        shape: tuple[Index, ...],
        learning_rate: Finite | Schedule,
        beta_1: Finite = 0.9,
        beta_2: Finite = 0.999,
        epsilon: Finite = 1e-8,
    ):
        for name, value in (("beta_1", beta_1), ("beta_2", beta_2)):
            if not 0 <= value < 1:
                raise ParameterError(f"Adam: {name} = {value}: must be from 0 and below 1")
        if not 0 < epsilon < np.inf:
            raise ParameterError(f"Adam: epsilon = {epsilon}: must be above 0 and finite")
        self.target, self.learning_rate = target, as_schedule(learning_rate)
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon
        self.m, self.v, self.t = np.zeros(shape, order="F"), np.zeros(shape, order="F"), 0
        self._work = np.empty(0)

    def step(self, weights: Weights, change: Change, progress: Progress, duration: float = 1.0):
        """Apply one change."""
        key, k = self.target
        W, (m, v, work) = weights[key][k], self._arrays_like(weights[key][k])
        self.t += 1
        # One array of work space and no other: large ones are expensive to get afresh in every step.
        change.add_to(work, 1.0, keep=0.0)
        m *= self.beta_1
        add_scaled(m, 1 - self.beta_1, work)
        work *= work
        v *= self.beta_2
        add_scaled(v, 1 - self.beta_2, work)
        # Both corrections as two numbers: m/(√v + ε√c₂) times √c₂/c₁, with c = 1 - βᵗ.
        root = math.sqrt(1 - self.beta_2**self.t)
        np.sqrt(v, out=work)
        work += self.epsilon * root
        np.divide(m, work, out=work)
        add_scaled(W, float(self.learning_rate(progress)) * root / (1 - self.beta_1**self.t), work)

    def _arrays_like(self, W: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Both moments and work space, in the type of the weights and the order of their memory."""
        if (self._work.dtype, self._work.shape, self._work.strides) != (W.dtype, W.shape, W.strides):
            self._work = np.zeros_like(W)
        if self.m.dtype != W.dtype or self.v.dtype != W.dtype:
            self.m, self.v = (np.asfortranarray(moment, dtype=W.dtype) for moment in (self.m, self.v))
        return self.m, self.v, self._work

    def state_dict(self) -> dict:
        """Return both moments and the number of steps."""
        return {"m": self.m.copy(order="K"), "v": self.v.copy(order="K"), "t": self.t}

    def load_state_dict(self, state: dict):
        """Restore what `state_dict` gave, in its own type."""
        self.m, self.v = (np.array(state[name], order="F") for name in ("m", "v"))
        self.t, self._work = int(state["t"]), np.empty(0)  # nothing that is not finite is left from before
