"""Similarity matching (Pehlevan, Sengupta & Chklovskii 2018): a layer that learns the principal subspace of its input.

One layer of linear cells, y, gets the stimulus x through W and inhibits itself through M; it settles at y = M⁻¹W x.
Both weights learn by local rules, which stand for the two players of a min-max problem,

    principal subspace projection (psp):  min_W max_M  2 Tr WᵀW - Tr MᵀM + min_Y Tr(-(4/T) XᵀWᵀY + (2/T) YᵀMY)
    principal subspace whitening (psw):   min_W max_M    Tr WᵀW - Tr M   + min_Y Tr(-(2/T) XᵀWᵀY + (1/T) YᵀMY)

so that the rows of F = M⁻¹W span the subspace of the largest principal components: orthonormal in the first, and
whitening, F C Fᵀ = I with C = ⟨x xᵀ⟩, in the second. There is no teacher, and one phase, "settle".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import brian2 as b2
import numpy as np
from pydantic import Field

from ..errors import DivergenceError, ParameterError
from ..models import LinearPoint, StimulusCell
from ..parameters import Architecture, Positive, Seed, Time, validated
from .circuit import Circuit
from .initial import checked_symmetric, generator, with_users_weights
from .optimisers import GradientStep
from .plasticity import DenseChange, OuterProducts, Plasticity, Weights
from .population import PopulationSpec
from .projection import Projection
from .schedules import Constant, InverseTime, Schedule
from .states import PhaseEnd

OneLayer = Annotated[Architecture, Field(max_length=2)]


@dataclass(frozen=True)
class HebbianRule:
    """ΔW = ⟨y xᵀ⟩; the optimiser's decay makes it ⟨y xᵀ⟩ - W."""

    def __call__(self, weights: Weights, settled: PhaseEnd) -> OuterProducts:
        """⟨y xᵀ⟩, (N_1, N_0)."""
        y, x = settled.r[1], settled.r[0]
        return OuterProducts(y, x, 1.0 / len(y))


@dataclass(frozen=True)
class AntiHebbianRule:
    """ΔM = ⟨y yᵀ⟩, of psp; the optimiser's decay makes it ⟨y yᵀ⟩ - M. M inhibits: so the rule is anti-Hebbian."""

    def __call__(self, weights: Weights, settled: PhaseEnd) -> OuterProducts:
        """⟨y yᵀ⟩, (N_1, N_1)."""
        y = settled.r[1]
        return OuterProducts(y, y, 1.0 / len(y))


@dataclass(frozen=True)
class WhiteningRule:
    """ΔM = ⟨y yᵀ⟩ - I, of psw: M rests when the outputs are white."""

    def __call__(self, weights: Weights, settled: PhaseEnd) -> DenseChange:
        """⟨y yᵀ⟩ - I, (N_1, N_1)."""
        y = settled.r[1]
        return DenseChange(y.T @ y / len(y) - np.eye(y.shape[1], dtype=y.dtype))


class SimilarityMatchingCircuit(Circuit):
    """A layer that matches the similarities of its outputs to those of its stimuli.

    Parameters
    ----------
    architecture : sequence of 2 int
        Numbers of inputs n and of output cells k, such as ``[10, 3]``.
    objective : {"psp", "psw"}
        Principal subspace projection, or whitening.
    ratio : float, default .5
        τ, the ratio of W's to M's rate of learning. Learning converges for all pairs of the k largest eigenvalues λ of
        ⟨x xᵀ⟩ if 1 - 1/(2τ) < 2/(λ_i/λ_j + λ_j/λ_i) (psp; so for any τ ≤ ½), τ < (λ_i + λ_j)/(2(λ_i - λ_j)²) (psw).
    learning_rate : float, default 1
        η: W ← W + 2η(⟨y xᵀ⟩ - W), and M ← M + (η/τ)(⟨y yᵀ⟩ - M) (psp) or M ← M + (η/τ)(⟨y yᵀ⟩ - I) (psw).
    learning_rate_offset : float, optional, default 1000
        η_t = learning_rate/(offset + t) at presentation t = 0, 1, … (the paper's 1/(1000 + t)); None keeps η constant,
        and then `learning_rate` is to be far below 1.
    tau : float, default 10
        Time constant of the cells, in ms (not in the paper, which has no physical time).
    seed : int, default 0
        Seed of the initial W, Gaussian with variance 1/n. M begins as I.
    weights : mapping, optional
        Initial weights in place of these, such as ``{"W_ff": {0: array}, "M": {1: array}}``; M symmetric and positive
        definite.

    Attributes
    ----------
    weights : dict
        ``W_ff[0]`` (k, n) and ``M[1]`` (k, k), exactly symmetric.

    Raises
    ------
    ParameterError
        For parameters out of range, or initial weights that do not fit.

    Notes
    -----
    A presentation of one stimulus is the paper's online learning, one of all stimuli its offline learning.
    """

    @validated
    def __init__(
        self,
        architecture: OneLayer,
        *,
        objective: Literal["psp", "psw"] = "psp",
        ratio: Positive = 0.5,
        learning_rate: Positive = 1.0,
        learning_rate_offset: Positive | None = 1000.0,
        tau: Time = 10.0,
        seed: Seed = 0,
        weights: Any = None,
    ):
        inputs, outputs = self.architecture = tuple(architecture)
        if outputs > inputs:
            raise ParameterError(
                f"architecture = {list(architecture)}: there are no {outputs} components of {inputs} inputs"
            )
        self.objective, self.ratio = objective, ratio
        arrays = initial_weights(inputs, outputs, seed)
        if weights is not None:
            arrays = with_users_weights(weights, arrays)
        arrays["M"][1] = _checked_M(arrays["M"][1])

        def rate(factor: float) -> Schedule:
            value = factor * learning_rate
            return Constant(value) if learning_rate_offset is None else InverseTime(value, learning_rate_offset)

        self._rate_M = rate(1 / ratio)
        if objective == "psp":
            lateral, step = AntiHebbianRule(), GradientStep(("M", 1), self._rate_M, weight_decay=1.0, symmetric=True)
        else:
            lateral, step = WhiteningRule(), GradientStep(("M", 1), self._rate_M, symmetric=True)
        super().__init__(
            populations=[
                PopulationSpec("stimulus", StimulusCell(), inputs, layer=0),
                PopulationSpec("layer_1", LinearPoint(tau=tau * b2.ms), outputs, layer=1),
            ],
            projections=[
                Projection("stimulus", "layer_1", "drive_feedforward", ("W_ff", 0), constant=True),
                Projection("layer_1", "layer_1", "drive_lateral", ("M", 1)),
            ],
            plasticity=[
                Plasticity(HebbianRule(), GradientStep(("W_ff", 0), rate(2), weight_decay=1.0), reads=("settle",)),
                Plasticity(lateral, step, reads=("settle",)),
            ],
            weights=arrays,
            layers=["stimulus", "layer_1"],
            teacher=None,
            tau=tau * b2.ms,
        )

    @property
    def filters(self) -> np.ndarray:
        """F = M⁻¹W, what the settled layer does to its input, (k, n), float64."""
        M, W = (self.weights[key][k].astype(np.float64) for key, k in (("M", 1), ("W_ff", 0)))
        return np.linalg.solve(M, W)

    def step_bound(self, beta: float) -> float:
        """Largest Euler step: η λmax < 2, λmax the largest eigenvalue of the present M."""
        M = self.weights["M"][1].astype(np.float64)
        largest = np.linalg.eigvalsh(M)[-1] if np.isfinite(M).all() else 0.0
        return 2 / largest if largest > 0 else np.inf

    def check_lesioned(self, lesions: Mapping[tuple[str, int], np.ndarray]):
        """Raise a `ParameterError` if layer 1 would no longer settle: M's eigenvalues must have positive real parts."""
        if (mask := lesions.get(("M", 1))) is not None:
            least = np.linalg.eigvals(np.where(mask, 0, self.weights["M"][1].astype(np.float64))).real.min()
            if least <= 1e-12:
                raise ParameterError(
                    f"M[1] of layer_1 would have an eigenvalue of real part {least:.3g}, which must be above 0 for the "
                    "layer to settle; allowed are lesions that leave each cell its own M[1][i, i], such as of post = "
                    "[0], pre = [1], and enough between cells"
                )

    def check_finite(self):
        """Raise a `DivergenceError` for weights that are not finite, or if M is no longer positive definite.

        Then y no longer settles at M⁻¹W x, but grows without bound.
        """
        super().check_finite()
        least = np.linalg.eigvalsh(self.weights["M"][1].astype(np.float64))[0]
        if least <= 0:
            rate = self._rate_M(self.progress)
            advice = "below 1 keeps M so" if self.objective == "psp" else "take less, or fewer outputs"
            raise DivergenceError(
                f"weights M[1] have the least eigenvalue {least:.3g}; it must stay above 0 for the layer to settle "
                f"(η/τ = {rate:.3g}; {advice})"
            )


def initial_weights(inputs: int, outputs: int, seed: int) -> Weights:
    """W Gaussian with variance 1/n, M = I.

    Parameters
    ----------
    inputs, outputs, seed : int

    Returns
    -------
    dict
        ``W_ff[0]`` (outputs, inputs) and ``M[1]`` (outputs, outputs).
    """
    rng = generator(seed)
    W = rng.standard_normal((outputs, inputs)) / np.sqrt(inputs)
    return {"W_ff": {0: W}, "M": {1: np.eye(outputs)}}


def _checked_M(M: np.ndarray) -> np.ndarray:
    M = checked_symmetric("M", 1, M)
    if (least := np.linalg.eigvalsh(M)[0]) <= 0:
        raise ParameterError(f"weights: M[1] must be positive definite; its least eigenvalue is {least:.3g}")
    return M
