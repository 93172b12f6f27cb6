"""Equilibrium propagation (Scellier & Bengio 2017): layers that descend one energy, and contrast two equilibria.

    Φ = ½ Σ_k ‖s_k‖² - Σ_k s_{k+1}ᵀ(W_k s_k + b_{k+1}) + β‖s_P - y‖²,   s_0 = x,   0 ≤ s_k ≤ 1

The loss in Φ has no ½, as in the runs that CorInfoMax was compared with. In the free phase β = 0; in the nudge phase
the outputs are drawn to y. W_k and b_{k+1} then move along -∂Φ/∂W_k and -∂Φ/∂b_{k+1} of the nudged less those of the
free state. For β → 0, in equilibrium, that is gradient descent on ‖s_P - y‖².
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import brian2 as b2
import numpy as np

from ..errors import ParameterError
from ..models import Cell, HiddenPoint, OutputPoint, StimulusCell
from ..parameters import Count, Deep, Index, Positive, Rates, Seed, Time, validated, validated_fields
from .circuit import Circuit, layer_names
from .initial import generator, with_users_weights, xavier_uniform
from .optimisers import GradientStep
from .plasticity import DenseChange, OuterProducts, Plasticity, Weights
from .population import PopulationSpec
from .projection import Bias, Projection
from .schedules import Schedule, Staircase
from .states import PhaseEnd, contrast


@validated_fields
@dataclass(frozen=True)
class ContrastiveHebbianRule:
    """ΔW_k = ⟨[s_{k+1} s_kᵀ]_plus - [s_{k+1} s_kᵀ]_minus⟩/β, -∂Φ/∂W_k contrasted; β is signed.

    Parameters
    ----------
    k : int
        Projection, 0 … P-1.
    """

    k: Index

    def __call__(self, weights: Weights, plus: PhaseEnd, minus: PhaseEnd) -> OuterProducts:
        """ΔW_k, (N_{k+1}, N_k)."""
        k, scale = self.k, contrast(plus, minus)
        if plus.r[k] is minus.r[k]:  # the stimulus
            return OuterProducts(plus.r[k + 1] - minus.r[k + 1], plus.r[k], scale)
        post, pre = np.concatenate([plus.r[k + 1], -minus.r[k + 1]]), np.concatenate([plus.r[k], minus.r[k]])
        return OuterProducts(post, pre, scale)


@validated_fields
@dataclass(frozen=True)
class ContrastiveBiasRule:
    """Δb_k = ⟨[s_k]_plus - [s_k]_minus⟩/β, -∂Φ/∂b_k contrasted; β is signed.

    Parameters
    ----------
    k : int
        Layer, 1 … P.
    """

    k: Index

    def __call__(self, weights: Weights, plus: PhaseEnd, minus: PhaseEnd) -> DenseChange:
        """Δb_k, (N_k,)."""
        return DenseChange(contrast(plus, minus) * (plus.r[self.k] - minus.r[self.k]).sum(axis=0))


def contrastive_plasticity(schedules: Sequence[Schedule]) -> list[Plasticity]:
    """W_k and b_{k+1} at rates of their own, k = 0 … P-1.

    Parameters
    ----------
    schedules : sequence of Schedule
        One for each k.
    """
    plasticity = []
    for k, rate in enumerate(schedules):
        plasticity.append(Plasticity(ContrastiveHebbianRule(k), GradientStep(("W", k), rate)))
        plasticity.append(Plasticity(ContrastiveBiasRule(k + 1), GradientStep(("b", k + 1), rate)))
    return plasticity


def one_for_each(learning_rate: float | Sequence[float], architecture: Sequence[int]) -> list[float]:
    """A rate for each pair of layers; a `ParameterError` if there are as many neither as one nor as pairs."""
    P = len(architecture) - 1
    rates = learning_rate if isinstance(learning_rate, Sequence) else [learning_rate] * P
    if len(rates) != P:
        raise ParameterError(f"learning_rate has {len(rates)} values; this architecture needs one number or {P}")
    return [float(rate) for rate in rates]


class EquilibriumPropagation(Circuit):
    """A circuit of any depth that learns by equilibrium propagation.

    Parameters
    ----------
    architecture : sequence of int
        Numbers of units: stimulus, hidden layers, output, such as ``[784, 500, 10]``. P = len - 1.
    learning_rate : float or sequence of P floats, default [.1, .05]
        Rate α of W_k and b_{k+1}, k = 0 … P-1 (MNIST, as Bozkurt et al. 2023 ran it; FashionMNIST: [.05, .025]).
    learning_rate_factor : float, default 1
        What rates are multiplied by every `learning_rate_every` epochs (1 for MNIST; CIFAR10: .75).
    learning_rate_every : int, default 15
        Epochs between two such steps (CIFAR10).
    tau : float, default 10
        Time constant, in ms (not in the paper, which has no physical time).
    projection : {"dense", "synapses"}
        BLAS products, or Brian2 `Synapses`.
    seed : int, default 0
        Seed of the initial weights, W Xavier-uniform; biases are 0.
    weights : mapping, optional
        Initial weights in place of the random ones, indexed as `weights`, such as ``{"b": {1: array}}``.

    Attributes
    ----------
    weights : dict
        ``W[k]`` (N_{k+1}, N_k), k = 0 … P-1, which the feedback carries transposed; ``b[k]`` (N_k,) of layer k ≥ 1.

    Raises
    ------
    ParameterError
        For parameters out of range or at odds with the architecture.

    Notes
    -----
    As run for the comparison: ``|β| = 1`` of random sign, steps of .5, 20 free and 4 nudged. There β = -1 has no
    equilibrium, since the nudged output relaxes with 1 + 2β, and only the clip of the rates holds it: so no bound of β
    is stated.
    """

    @validated
    def __init__(
        self,
        architecture: Deep,
        *,
        learning_rate: Rates = [0.1, 0.05],  # noqa: B006
        learning_rate_factor: Positive = 1.0,
        learning_rate_every: Count = 15,
        tau: Time = 10.0,
        projection: Literal["dense", "synapses"] = "dense",
        seed: Seed = 0,
        weights: Any = None,
    ):
        self.architecture = tuple(architecture)
        rates = one_for_each(learning_rate, architecture)
        arrays = initial_weights(architecture, seed)
        if weights is not None:
            arrays = with_users_weights(weights, arrays)
        schedules = [Staircase(rate, learning_rate_factor, learning_rate_every) for rate in rates]
        layers = layer_names(architecture)
        super().__init__(
            populations=list(populations(layers, architecture, tau * b2.ms)),
            projections=list(projections(layers, projection)),
            plasticity=contrastive_plasticity(schedules),
            weights=arrays,
            layers=layers,
            teacher=(layers[-1], "drive_teacher"),
            tau=tau * b2.ms,
        )

    def step_bound(self, beta: float) -> float:
        """Largest Euler step: ``η(1 + 2|β|) < 2`` in the output layer, which is the stiffest.

        The loop through W and Wᵀ is not counted; in a saturated circuit the clip breaks it.
        """
        return 2 / (1 + 2 * abs(beta))


def initial_weights(architecture: Sequence[int], seed: int) -> Weights:
    """W Xavier-uniform, b = 0, as in the runs that CorInfoMax was compared with.

    Parameters
    ----------
    architecture : sequence of int
        Numbers of units N_0 (stimulus), …, N_P (output).
    seed : int

    Returns
    -------
    dict
        ``W[k]`` (N_{k+1}, N_k), k = 0 …; ``b[k]`` (N_k,), k ≥ 1.
    """
    rng = generator(seed)
    pairs = list(zip(architecture[1:], architecture[:-1], strict=True))
    return {
        "W": {k: xavier_uniform(rng, post, pre) for k, (post, pre) in enumerate(pairs)},
        "b": {k: np.zeros(units) for k, units in enumerate(architecture) if k},
    }


def populations(
    layers: Sequence[str], sizes: Sequence[int], tau: b2.Quantity, hidden: type[Cell] = HiddenPoint
) -> Iterator[PopulationSpec]:
    """Stimulus, hidden layers and the output, which is nudged.

    Parameters
    ----------
    layers : sequence of str
        Names of the layers 0, …, P.
    sizes : sequence of int
    tau : Quantity
    hidden : type of Cell
        Of hidden layers.
    """
    yield PopulationSpec(layers[0], StimulusCell(), sizes[0], layer=0)
    for k, name in enumerate(layers[1:], start=1):
        cell = OutputPoint(tau=tau) if name == layers[-1] else hidden(tau=tau)
        yield PopulationSpec(name, cell, sizes[k], layer=k)


def projections(layers: Sequence[str], pattern: Literal["dense", "synapses"] = "dense") -> Iterator[Projection | Bias]:
    """W up, Wᵀ down, and biases.

    Parameters
    ----------
    layers : sequence of str
        Populations of the layers 0, …, P.
    pattern : {"dense", "synapses"}
    """
    for k, (below, here) in enumerate(zip(layers, layers[1:], strict=False)):
        yield Projection(below, here, "drive_feedforward", ("W", k), pattern, constant=k == 0)
        yield Bias(here, "drive_bias", ("b", k + 1))
        if k:
            yield Projection(here, below, "drive_feedback", ("W", k), pattern, transposed=True)
