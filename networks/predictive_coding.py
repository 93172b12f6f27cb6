"""Predictive coding, clamped and nudged: layers predict one another, and error cells hold what the predictions miss.

    e_k = u_k - (W_{k-1} r_{k-1} + b_k),   r_k = σ(u_k), r_0 = x

When a stimulus comes on, each value u_k is what the layer below predicts, so that there is no error. This is the
prediction of the circuit. Then a teacher comes and raises an error at the output; the hidden values give way to it.

*Clamped* (`PredictiveCoding`; Whittington & Bogacz 2017): the output's value is its target's, and hidden values descend
½ Σ_k ‖e_k‖². *Nudged* (`NudgedPredictiveCoding`): the output is only drawn to its target, with a small strength λ of
either sign, and all values ascend F = -Σ_k ‖e_k‖² - λ‖u_P - y‖². For λ → 0, settled, e_k/λ is minus the error of
backpropagation.

Both learn from the products of error and rate at the end: W_k goes along e_{k+1} r_kᵀ.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import brian2 as b2
import numpy as np

from ..errors import StimulusError
from ..models import (
    Cell,
    ErrorCell,
    NudgedOutputValue,
    OutputValue,
    RectifiedValue,
    SigmoidValue,
    StimulusCell,
)
from ..parameters import (
    Architecture,
    Count,
    Factor,
    Finite,
    Index,
    NonNegative,
    Positive,
    Seed,
    Time,
    validated,
    validated_fields,
)
from .circuit import Circuit, layer_names
from .initial import generator, kaiming_uniform, uniform_by_fan_in, with_users_weights
from .optimisers import Adam, GradientStep
from .plasticity import DenseChange, OuterProducts, Plasticity, Weights
from .population import Population, PopulationSpec
from .projection import Bias, Drive, Projection
from .schedules import Staircase
from .states import PhaseEnd


def mean(end: PhaseEnd) -> float:
    """1/n, for ΔW as a mean over the n stimuli of a minibatch: the rule of clamped predictive coding."""
    return 1.0 / len(end.r[0])


def sum_over_nudge(end: PhaseEnd) -> float:
    """2/λ, for ΔW = ∂(F/λ)/∂W summed over the stimuli of a minibatch: the rule of nudged predictive coding."""
    return 2.0 / end.beta


@validated_fields
@dataclass(frozen=True)
class PredictionRule:
    """ΔW_k = c Σ e_{k+1} r_kᵀ over the minibatch: the prediction comes nearer to what it missed.

    Parameters
    ----------
    k : int
        Projection, 0 … P-1.
    scale : callable
        ``scale(end)``, c: `mean` or `sum_over_nudge`.
    """

    k: Index
    scale: Callable[[PhaseEnd], float]

    def __call__(self, weights: Weights, end: PhaseEnd) -> OuterProducts:
        """ΔW_k, (N_{k+1}, N_k)."""
        return OuterProducts(end.e[self.k + 1], end.r[self.k], self.scale(end))


@validated_fields
@dataclass(frozen=True)
class PredictionBiasRule:
    """Δb_k = c Σ e_k over the minibatch.

    Parameters
    ----------
    k : int
        Layer, 1 … P.
    scale : callable
        As in `PredictionRule`.
    """

    k: Index
    scale: Callable[[PhaseEnd], float]

    def __call__(self, weights: Weights, end: PhaseEnd) -> DenseChange:
        """Δb_k, (N_k,)."""
        return DenseChange(self.scale(end) * end.e[self.k].sum(axis=0))


class _PredictiveCircuit(Circuit):
    """What both forms have in common: value and error cells, predictions up, errors down, and where values begin.

    Parameters
    ----------
    architecture : sequence of int
    hidden, output : Cell
        Value cells.
    tau : Quantity
    weights : dict
    plasticity : sequence of Plasticity
    """

    starts_settled = True

    def __init__(self, architecture, hidden: Cell, output: Cell, tau, weights: Weights, plasticity):
        self.architecture = tuple(architecture)
        layers = layer_names(architecture)
        errors = {k: f"error_{k}" for k in range(1, len(architecture))}
        super().__init__(
            populations=list(_populations(layers, errors, architecture, hidden, output)),
            projections=list(_projections(layers, errors)),
            plasticity=plasticity,
            weights=weights,
            layers=layers,
            teacher=(layers[-1], "drive_teacher"),
            tau=tau,
            signals={"e": {k: (name, "error") for k, name in errors.items()}},
        )

    def initialise(self, populations: dict[str, Population], drives: dict[tuple[str, str], Drive]):
        """Let each value be what the layer below predicts: u_k = W_{k-1} r_{k-1} + b_k, from layer 1 up."""
        for k, (error, _) in self.signals["e"].items():
            here, prediction, bias = (
                populations[self.layers[k]],
                drives[error, "drive_prediction"],
                self.weights["b"][k],
            )
            prediction.follow()
            np.add(prediction.drive, bias, out=here.view("u"))
            here.set_rate()


class PredictiveCoding(_PredictiveCircuit):
    """A circuit of any depth that learns by predictive coding, its output clamped to the target.

    Rates r are sigmoids of the potentials u, and so is that of the output: its target y is taken as the rate
    ``target_scale``·y + ``target_offset``, and u_P as the potential that has this rate.

    Parameters
    ----------
    architecture : sequence of int
        Numbers of units: stimulus, hidden layers, output, such as ``[784, 600, 600, 10]``. P = len - 1.
    learning_rate : float, default 1e-3
        η of Adam, for all weights and biases.
    learning_rate_factor : float, default 1
        Multiplies η after each epoch (MNIST, of those tried the best by train accuracy: .95; FashionMNIST: .9).
    target_scale, target_offset : float, default .94, .03
        What targets are clamped to; of 0 and 1 the potential would be infinite.
    tau : float, default 10
        Time constant, in ms (not in the paper, which has no physical time).
    seed : int, default 0
        Seed of the initial weights, W Kaiming-uniform within ±√(6/N), b within ±1/√N, N the units of the layer below.
    weights : mapping, optional
        Initial weights in place of these, indexed as `weights`.

    Attributes
    ----------
    weights : dict
        ``W[k]`` (N_{k+1}, N_k), k = 0 … P-1, which errors carry down transposed; ``b[k]`` (N_k,) of layer k ≥ 1.

    Raises
    ------
    ParameterError
        For parameters out of range.
    """

    @validated
    def __init__(
        self,
        architecture: Architecture,
        *,
        learning_rate: NonNegative = 1e-3,
        learning_rate_factor: Factor = 1.0,
        target_scale: Positive = 0.94,
        target_offset: Finite = 0.03,
        tau: Time = 10.0,
        seed: Seed = 0,
        weights: Any = None,
    ):
        self.target_scale, self.target_offset = target_scale, target_offset
        arrays = kaiming_uniform(generator(seed), architecture)
        if weights is not None:
            arrays = with_users_weights(weights, arrays)
        rate = Staircase(learning_rate, learning_rate_factor, every=1)
        rules = {("W", k): PredictionRule(k, mean) for k in arrays["W"]}
        rules |= {("b", k): PredictionBiasRule(k, mean) for k in arrays["b"]}
        super().__init__(
            architecture,
            SigmoidValue(tau=tau * b2.ms),
            OutputValue(tau=tau * b2.ms),
            tau * b2.ms,
            arrays,
            [
                Plasticity(rule, Adam((key, k), arrays[key][k].shape, rate), reads=("relax",))
                for (key, k), rule in rules.items()
            ],
        )

    def check_targets(self, y: np.ndarray):
        """Raise a `StimulusError` for targets that no sigmoid has the rate of."""
        low, high = self.target_offset + self.target_scale * float(y.min()), self.target_scale * float(y.max())
        high += self.target_offset
        if not 0 < low <= high < 1:
            raise StimulusError(
                f"targets from {y.min():g} to {y.max():g} would be clamped at rates from {low:g} to {high:g} "
                f"(target_scale = {self.target_scale:g}, target_offset = {self.target_offset:g}); "
                "a sigmoid reaches what lies between 0 and 1 only"
            )

    def clamp(self, populations: dict[str, Population], presented: int) -> bool:
        """Set the output's potential to that of its target: u_P = ln(t/(1 - t)), t = .94 y + .03."""
        output = populations[self.layers[-1]]
        t = self.target_scale * output.view("drive_teacher")[:presented] + self.target_offset
        np.log(t / (1 - t), out=output.view("u")[:presented])
        output.set_rate()
        return True

    def step_bound(self, beta: float) -> float:
        """Largest Euler step, η < 2, of a value that its own error draws back; loops through W are not counted."""
        return 2.0


class NudgedPredictiveCoding(_PredictiveCircuit):
    """A circuit of any depth that learns by predictive coding, its output nudged with a small λ of either sign.

    Rates r are max(u, 0) in hidden layers; the output is linear, r = u. λ is `beta` of the protocol.

    Parameters
    ----------
    architecture : sequence of int
        Numbers of units: stimulus, hidden layers, output, such as ``[784, 128, 64, 10]``. P = len - 1.
    learning_rate : float, default 1e-3
        Of W ← W + η ∂(F/λ)/∂W, F summed over the minibatch.
    learning_rate_factor : float, default .9
        Multiplies η every `learning_rate_every` minibatches (CIFAR10: .75).
    learning_rate_every : int, default 30000
        Minibatches (FashionMNIST: 15000).
    tau : float, default 10
        Time constant, in ms (not in the paper, which has no physical time).
    seed : int, default 0
        Seed of the initial weights and biases, uniform within ±1/√N, N the units of the layer below.
    weights : mapping, optional
        Initial weights in place of these, indexed as `weights`.

    Attributes
    ----------
    weights : dict
        ``W[k]`` (N_{k+1}, N_k), k = 0 … P-1, which errors carry down transposed; ``b[k]`` (N_k,) of layer k ≥ 1.

    Raises
    ------
    ParameterError
        For parameters out of range.
    """

    @validated
    def __init__(
        self,
        architecture: Architecture,
        *,
        learning_rate: NonNegative = 1e-3,
        learning_rate_factor: Factor = 0.9,
        learning_rate_every: Count = 30000,
        tau: Time = 10.0,
        seed: Seed = 0,
        weights: Any = None,
    ):
        arrays = uniform_by_fan_in(generator(seed), architecture)
        if weights is not None:
            arrays = with_users_weights(weights, arrays)
        rate = Staircase(learning_rate, learning_rate_factor, learning_rate_every, "presentations")
        rules = {("W", k): PredictionRule(k, sum_over_nudge) for k in arrays["W"]}
        rules |= {("b", k): PredictionBiasRule(k, sum_over_nudge) for k in arrays["b"]}
        super().__init__(
            architecture,
            RectifiedValue(tau=tau * b2.ms),
            NudgedOutputValue(tau=tau * b2.ms),
            tau * b2.ms,
            arrays,
            [Plasticity(rule, GradientStep(place, rate), reads=("nudge",)) for place, rule in rules.items()],
        )

    def step_bound(self, beta: float) -> float:
        """Largest Euler step, ``2η(1 + |λ|) < 2``, of the output alone; loops through W are not counted."""
        return 1 / (1 + abs(beta))

    def beta_bound(self) -> float:
        """Least λ: at -1 the nudge pushes the output away as strongly as its error draws it back."""
        return -1.0


def _populations(layers, errors, sizes: Sequence[int], hidden: Cell, output: Cell) -> Iterator[PopulationSpec]:
    yield PopulationSpec(layers[0], StimulusCell(), sizes[0], layer=0)
    for k, name in enumerate(layers[1:], start=1):
        cell = output if name == layers[-1] else hidden
        yield PopulationSpec(name, cell, sizes[k], layer=k, links=(("error_own", (errors[k], "error")),))
    for k, name in errors.items():
        yield PopulationSpec(name, ErrorCell(), sizes[k], layer=k, links=(("u_value", (layers[k], "u")),))


def _projections(layers, errors) -> Iterator[Projection | Bias]:
    for k, below in enumerate(layers[:-1]):
        yield Projection(below, errors[k + 1], "drive_prediction", ("W", k), constant=k == 0)
        yield Bias(errors[k + 1], "drive_bias", ("b", k + 1))
        if k:
            yield Projection(errors[k + 1], below, "drive_feedback", ("W", k), output="error", transposed=True)
