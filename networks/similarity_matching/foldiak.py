"""Földiák's network (1989): Hebbian and anti-Hebbian learning by heuristics, to be compared with similarity matching.

Oja's rule for each cell, and lateral inhibition that learns until the outputs are uncorrelated. No objective is known
of which these rules are the descent. At best the cells span the principal subspace, but F = M⁻¹W is not orthonormal.
"""

from typing import Any, Literal

import brian2 as b2
import numpy as np

from ...models import LinearPoint
from ...parameters import Positive, Seed, Time, validated
from ..optimisers import GradientStep
from ..plasticity import Plasticity
from ..states import PhaseEnd
from .layer import PHASE, InhibitedLayer, OneLayer, check_components, initial_weights, rates
from .rules import DecorrelationRule, OjaRule


class FoldiakCircuit(InhibitedLayer):
    """A layer of linear cells by Oja's rule and anti-Hebbian decorrelation, τ dy/dt = -y + W x - (M - I) y.

    Parameters
    ----------
    architecture : sequence of 2 int
        Numbers of inputs n and of output cells k.
    learning_rate : float, default 1
        η: W ← W + η(⟨y xᵀ⟩ - ⟨y²⟩W) and, between different cells, M ← M + (η/τ)⟨y yᵀ⟩.
    ratio : float, default 1
        τ, the ratio of W's to M's rate.
    learning_rate_offset : float, optional, default 1000
        η_t = learning_rate/(offset + t) at presentation t; None keeps η constant.
    solver : {"dynamics", "fixed_point"}
        Whether a training run integrates the cells, or takes y = M⁻¹W x at once.
    tau : float, default 10
        Time constant of the cells, in ms.
    seed : int, default 0
        Seed of the initial W, Gaussian with variance 1/n. M begins, and its diagonal stays, as I: the leak.
    weights : mapping, optional
        Initial weights in place of these.

    Attributes
    ----------
    weights : dict
        ``W_ff[0]`` (k, n) and ``M[1]`` (k, k), the leak and the lateral inhibition.

    Raises
    ------
    ParameterError
        For parameters out of range, or initial weights that do not fit.
    """

    @validated
    def __init__(
        self,
        architecture: OneLayer,
        *,
        learning_rate: Positive = 1.0,
        ratio: Positive = 1.0,
        learning_rate_offset: Positive | None = 1000.0,
        solver: Literal["dynamics", "fixed_point"] = "dynamics",
        tau: Time = 10.0,
        seed: Seed = 0,
        weights: Any = None,
    ):
        check_components(architecture)
        self.solver = solver
        rate = rates(learning_rate, learning_rate_offset)
        rate_M = rate(1 / ratio)
        super().__init__(
            architecture,
            LinearPoint(tau=tau * b2.ms),
            tau,
            plasticity=[
                Plasticity(OjaRule(), GradientStep(("W_ff", 0), rate(1)), reads=(PHASE,)),
                Plasticity(DecorrelationRule(), GradientStep(("M", 1), rate_M, symmetric=True), reads=(PHASE,)),
            ],
            rate_M=rate_M,
            initial=initial_weights(*architecture, seed),
            weights=weights,
        )

    @property
    def filters(self) -> np.ndarray:
        """F = M⁻¹W, what the settled layer does to its input, (k, n), float64."""
        return self._linear_filters()

    def states(self, x: np.ndarray, y: np.ndarray | None = None) -> PhaseEnd:
        """Where the layer settles, y = M⁻¹W x, as in `SimilarityMatchingCircuit`."""
        return self._settled(x)

    def _remedy(self) -> str:
        return "take less"
