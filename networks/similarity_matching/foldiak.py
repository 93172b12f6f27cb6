"""Földiák's network (1989): Hebbian and anti-Hebbian learning by heuristics, to be compared with similarity matching.

Oja's rule for each cell, and lateral inhibition that learns until the outputs are uncorrelated. No objective is known
of which these rules are the descent. At best the cells span the principal subspace, but F = M⁻¹W is not orthonormal.
"""

from collections.abc import Mapping
from typing import Any, Literal

import brian2 as b2
import numpy as np

from ...errors import DivergenceError, ParameterError
from ...models import LinearPoint
from ...parameters import Positive, Seed, Time, validated
from ..circuit import Circuit
from ..initial import with_users_weights
from ..optimisers import GradientStep
from ..plasticity import Plasticity
from ..schedules import Constant, InverseTime, Schedule
from ..states import PhaseEnd
from .circuit import (
    PHASE,
    OneLayer,
    check_lesioned,
    checked_M,
    filters,
    initial_weights,
    one_layer,
    settled,
    step_bound,
)
from .rules import DecorrelationRule, OjaRule


class FoldiakCircuit(Circuit):
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
        inputs, outputs = self.architecture = tuple(architecture)
        if outputs > inputs:
            raise ParameterError(
                f"architecture = {list(architecture)}: there are no {outputs} components of {inputs} inputs"
            )
        self.solver = solver
        arrays = initial_weights(inputs, outputs, seed)
        if weights is not None:
            arrays = with_users_weights(weights, arrays)
        arrays["M"][1] = checked_M(arrays["M"][1])

        def rate(factor: float) -> Schedule:
            value = factor * learning_rate
            return Constant(value) if learning_rate_offset is None else InverseTime(value, learning_rate_offset)

        self._rate_M = rate(1 / ratio)
        super().__init__(
            **one_layer(LinearPoint(tau=tau * b2.ms), inputs, outputs, tau),
            plasticity=[
                Plasticity(OjaRule(), GradientStep(("W_ff", 0), rate(1)), reads=(PHASE,)),
                Plasticity(DecorrelationRule(), GradientStep(("M", 1), self._rate_M, symmetric=True), reads=(PHASE,)),
            ],
            weights=arrays,
        )

    @property
    def filters(self) -> np.ndarray:
        """F = M⁻¹W, what the settled layer does to its input, (k, n), float64."""
        return filters(self.weights)

    def states(self, x: np.ndarray, y: np.ndarray | None = None) -> PhaseEnd:
        """Where the layer settles, y = M⁻¹W x, as in `SimilarityMatchingCircuit`."""
        return settled(self, x)

    def step_bound(self, beta: float) -> float:
        """Largest Euler step: η λmax < 2, λmax the largest eigenvalue of the present M."""
        return step_bound(self.weights)

    def check_lesioned(self, lesions: Mapping[tuple[str, int], np.ndarray]):
        """Raise a `ParameterError` if M's eigenvalues would not all have positive real parts."""
        check_lesioned(self.weights, lesions)

    def check_finite(self):
        """Raise a `DivergenceError` for weights that are not finite, or if M is no longer positive definite."""
        super().check_finite()
        least = np.linalg.eigvalsh(self.weights["M"][1].astype(np.float64))[0]
        if least <= 0:
            raise DivergenceError(
                f"weights M[1] have the least eigenvalue {least:.3g}; it must stay above 0 for the layer to settle "
                f"(η/τ = {self._rate_M(self.progress):.3g}; take less)"
            )
