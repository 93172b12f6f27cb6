"""Nonnegative similarity matching (Pehlevan & Chklovskii 2014): rectified cells learn parts and clusters, not axes.

The layer is that of similarity matching, and so are its rules; but a rate cannot fall below 0, so that the layer
settles at the least of ½ yᵀMy - yᵀWx over y ≥ 0. The objective is min_{Y ≥ 0} ‖XᵀX - YᵀY‖²/T²: symmetric nonnegative
matrix factorisation. There are no closed fixed points of learning, and no thresholds of τ that could be told before.
"""

from collections.abc import Mapping
from typing import Any, Literal

import brian2 as b2
import numpy as np
from scipy.optimize import nnls

from ...errors import DivergenceError
from ...models import LinearPoint
from ...models.domains import RECTIFIED
from ...parameters import Positive, Seed, Time, validated
from ..circuit import Circuit
from ..initial import with_users_weights
from ..optimisers import GradientStep
from ..plasticity import Plasticity
from ..schedules import Constant, InverseTime, Schedule
from ..states import PhaseEnd
from .circuit import PHASE, OneLayer, check_lesioned, checked_M, initial_weights, one_layer, settled, step_bound
from .rules import AntiHebbianRule, HebbianRule


def nonnegative_fixed_point(driven: np.ndarray, M: np.ndarray) -> np.ndarray:
    """Least of ½ yᵀMy - yᵀb over y ≥ 0, exactly, by SciPy's active sets: ‖Lᵀy - L⁻¹b‖ with M = LLᵀ.

    Parameters
    ----------
    driven : ndarray (m, k)
        b = W x, one stimulus a row.
    M : ndarray (k, k)
        Symmetric and positive definite.

    Returns
    -------
    ndarray (m, k)
    """
    L = np.linalg.cholesky(M)
    return np.array([nnls(L.T, row)[0] for row in np.linalg.solve(L, driven.T).T])


class NonnegativeSimilarityMatching(Circuit):
    """A layer of rectified cells that matches the similarities of its outputs to those of its stimuli.

    Parameters
    ----------
    architecture : sequence of 2 int
        Numbers of inputs and of output cells; there may be more outputs than inputs.
    ratio, learning_rate, learning_rate_offset, tau
        As in `SimilarityMatchingCircuit`; the rules are those of psp.
    solver : {"dynamics", "fixed_point"}
        Whether a training run integrates the cells, or finds by active sets where they settle.
    seed : int, default 0
        Seed of the initial W, ``|Gaussian|`` with variance 1/n, so that cells respond to stimuli that are rates.
        M begins as I.
    weights : mapping, optional
        Initial weights in place of these; M symmetric and positive definite.

    Attributes
    ----------
    weights : dict
        ``W_ff[0]`` (k, n) and ``M[1]`` (k, k), exactly symmetric.

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
        ratio: Positive = 0.5,
        learning_rate: Positive = 1.0,
        learning_rate_offset: Positive | None = 1000.0,
        solver: Literal["dynamics", "fixed_point"] = "dynamics",
        tau: Time = 10.0,
        seed: Seed = 0,
        weights: Any = None,
    ):
        inputs, outputs = self.architecture = tuple(architecture)
        self.ratio, self.solver = ratio, solver
        arrays = initial_weights(inputs, outputs, seed)
        arrays["W_ff"][0] = np.abs(arrays["W_ff"][0])
        if weights is not None:
            arrays = with_users_weights(weights, arrays)
        arrays["M"][1] = checked_M(arrays["M"][1])

        def rate(factor: float) -> Schedule:
            value = factor * learning_rate
            return Constant(value) if learning_rate_offset is None else InverseTime(value, learning_rate_offset)

        self._rate_M = rate(1 / ratio)
        lateral = GradientStep(("M", 1), self._rate_M, weight_decay=1.0, symmetric=True)
        super().__init__(
            **one_layer(LinearPoint(RECTIFIED, tau=tau * b2.ms), inputs, outputs, tau),
            plasticity=[
                Plasticity(HebbianRule(), GradientStep(("W_ff", 0), rate(2), weight_decay=1.0), reads=(PHASE,)),
                Plasticity(AntiHebbianRule(), lateral, reads=(PHASE,)),
            ],
            weights=arrays,
        )

    def states(self, x: np.ndarray, y: np.ndarray | None = None) -> PhaseEnd:
        """Where the layer settles, as in `SimilarityMatchingCircuit`, by `nonnegative_fixed_point`."""
        return settled(self, x, lambda M, driven: nonnegative_fixed_point(driven.T, M).T)

    def step_bound(self, beta: float) -> float:
        """Largest Euler step: η λmax < 2, λmax the largest eigenvalue of the present M, as if all cells were active."""
        return step_bound(self.weights)

    def check_lesioned(self, lesions: Mapping[tuple[str, int], np.ndarray]):
        """Raise a `ParameterError` if M's eigenvalues would not all have positive real parts."""
        check_lesioned(self.weights, lesions)

    def check_finite(self):
        """Raise a `DivergenceError` for weights that are not finite, or if M is no longer positive definite."""
        super().check_finite()
        least = np.linalg.eigvalsh(self.weights["M"][1].astype(np.float64))[0]
        if least <= 0:
            rate = self._rate_M(self.progress)
            raise DivergenceError(
                f"weights M[1] have the least eigenvalue {least:.3g}; it must stay above 0 for the layer to settle "
                f"(η/τ = {rate:.3g}; below 1 would have kept M so)"
            )
