"""Nonnegative similarity matching (Pehlevan & Chklovskii 2014): rectified cells learn parts and clusters, not axes.

The layer is that of similarity matching, and so are its rules; but a rate cannot fall below 0, so that the layer
settles at the least of ½ yᵀMy - yᵀWx over y ≥ 0. The objective is min_{Y ≥ 0} ‖XᵀX - YᵀY‖²/T²: symmetric nonnegative
matrix factorisation. There are no closed fixed points of learning, and no thresholds of τ that could be told before.
"""

from typing import Any, Literal

import brian2 as b2
import numpy as np
from scipy.optimize import nnls

from ...models import LinearPoint
from ...models.domains import RECTIFIED
from ...parameters import Positive, Seed, Time, validated
from ..optimisers import GradientStep
from ..plasticity import Plasticity
from ..states import PhaseEnd
from .layer import PHASE, InhibitedLayer, OneLayer, initial_weights, rates
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


class NonnegativeSimilarityMatching(InhibitedLayer):
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
        self.ratio, self.solver = ratio, solver
        initial = initial_weights(*architecture, seed)
        initial["W_ff"][0] = np.abs(initial["W_ff"][0])
        rate = rates(learning_rate, learning_rate_offset)
        rate_M = rate(1 / ratio)
        lateral = GradientStep(("M", 1), rate_M, weight_decay=1.0, symmetric=True)
        super().__init__(
            architecture,
            LinearPoint(RECTIFIED, tau=tau * b2.ms),
            tau,
            plasticity=[
                Plasticity(HebbianRule(), GradientStep(("W_ff", 0), rate(2), weight_decay=1.0), reads=(PHASE,)),
                Plasticity(AntiHebbianRule(), lateral, reads=(PHASE,)),
            ],
            rate_M=rate_M,
            initial=initial,
            weights=weights,
        )

    def states(self, x: np.ndarray, y: np.ndarray | None = None) -> PhaseEnd:
        """Where the layer settles, as in `SimilarityMatchingCircuit`, by `nonnegative_fixed_point`."""
        return self._settled(x, lambda M, driven: nonnegative_fixed_point(driven.T, M).T)
