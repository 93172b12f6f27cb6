"""Similarity matching (Pehlevan, Sengupta & Chklovskii 2018): a layer that learns the principal subspace of its input.

One layer of linear cells, y, gets the stimulus x through W and inhibits itself through M; it settles at y = M⁻¹W x.
Both weights learn by local rules, which stand for the two players of a min-max problem,

    principal subspace projection (psp):  min_W max_M  2 Tr WᵀW - Tr MᵀM + min_Y Tr(-(4/T) XᵀWᵀY + (2/T) YᵀMY)
    principal subspace whitening (psw):   min_W max_M    Tr WᵀW - Tr M   + min_Y Tr(-(2/T) XᵀWᵀY + (1/T) YᵀMY)

so that the rows of F = M⁻¹W span the subspace of the largest principal components: orthonormal in the first, and
whitening, F C Fᵀ = I with C = ⟨x xᵀ⟩, in the second. There is no teacher, and one phase, "settle".
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

import brian2 as b2
import numpy as np
from pydantic import Field

from ...errors import DivergenceError, ParameterError
from ...models import LinearPoint, StimulusCell
from ...parameters import Architecture, Positive, Seed, Time, validated
from ..circuit import Circuit
from ..initial import checked_symmetric, generator, with_users_weights
from ..optimisers import GradientStep
from ..plasticity import Plasticity, Weights
from ..population import PopulationSpec
from ..projection import Projection
from ..schedules import Constant, InverseTime, Schedule
from ..states import PhaseEnd
from .inverse import InverseStep
from .rules import AntiHebbianRule, HebbianRule, PowerRule, WhiteningRule
from .stability import EXPONENTS, check_spectrum, largest_step

OneLayer = Annotated[Architecture, Field(max_length=2)]

#: The only phase of a presentation.
PHASE = "settle"


class SimilarityMatchingCircuit(Circuit):
    """A layer that matches the similarities of its outputs to those of its stimuli.

    Parameters
    ----------
    architecture : sequence of 2 int
        Numbers of inputs n and of output cells k, such as ``[10, 3]``.
    objective : {"psp", "psw", "power"}
        Principal subspace projection, or whitening, or the generalised objective with `exponent`.
    exponent : float, optional
        p of the objective "power", in which (2/p) Tr Mᵖ stands for Tr M² and M's rule is ⟨y yᵀ⟩ - M^(p-1): p = 2 is
        psp and p = 1 twice psw. The outputs then have the variances λ^(p-1). The rule is local for p = 1 and 2 only.
    ratio : float, default .5
        τ, the ratio of W's to M's rate of learning. Learning converges for all pairs of the k largest eigenvalues λ of
        ⟨x xᵀ⟩ if 1 - 1/(2τ) < 2/(λ_i/λ_j + λ_j/λ_i) (psp; so for any τ ≤ ½), τ < (λ_i + λ_j)/(2(λ_i - λ_j)²) (psw).
        A run refuses a larger one before it begins.
    learning_rate : float, default 1
        η: W ← W + 2η(⟨y xᵀ⟩ - W), and M ← M + (η/τ)(⟨y yᵀ⟩ - M) (psp) or M ← M + (η/τ)(⟨y yᵀ⟩ - I) (psw).
    learning_rate_offset : float, optional, default 1000
        η_t = learning_rate/(offset + t) at presentation t = 0, 1, … (the paper's 1/(1000 + t)); None keeps η constant,
        and then `learning_rate` is to be far below 1.
    solver : {"dynamics", "fixed_point", "inverse"}
        How a training run finds y: it integrates the cells' equation; or takes its fixed point M⁻¹W x at once, which
        is faster by orders; or does so with a M⁻¹ that is kept beside M and updated (fast similarity matching; psp
        only). Recordings and perturbations always integrate.
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
    exponent : float
        p: 2 of psp, 1 of psw.

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
        objective: Literal["psp", "psw", "power"] = "psp",
        exponent: Positive | None = None,
        ratio: Positive = 0.5,
        learning_rate: Positive = 1.0,
        learning_rate_offset: Positive | None = 1000.0,
        solver: Literal["dynamics", "fixed_point", "inverse"] = "dynamics",
        tau: Time = 10.0,
        seed: Seed = 0,
        weights: Any = None,
    ):
        inputs, outputs = self.architecture = tuple(architecture)
        if outputs > inputs:
            raise ParameterError(
                f"architecture = {list(architecture)}: there are no {outputs} components of {inputs} inputs"
            )
        if (exponent is None) == (objective == "power"):
            raise ParameterError(f"exponent = {exponent}: belongs to objective = 'power', and only to that")
        if solver == "inverse" and objective != "psp":
            raise ParameterError("solver = 'inverse': only psp changes M by outer products; take 'fixed_point'")
        self.objective, self.ratio, self.solver = objective, ratio, solver
        self.exponent = EXPONENTS.get(objective, exponent)
        arrays = initial_weights(inputs, outputs, seed)
        if weights is not None:
            arrays = with_users_weights(weights, arrays)
        arrays["M"][1] = checked_M(arrays["M"][1])

        def rate(factor: float) -> Schedule:
            value = factor * learning_rate
            return Constant(value) if learning_rate_offset is None else InverseTime(value, learning_rate_offset)

        self._rate_M, self._constant = rate(1 / ratio), learning_rate if learning_rate_offset is None else None
        decay = 1.0 if objective == "psp" else 0.0
        step: GradientStep | InverseStep = GradientStep(("M", 1), self._rate_M, weight_decay=decay, symmetric=True)
        lateral = {"psp": AntiHebbianRule, "psw": WhiteningRule}.get(objective, lambda: PowerRule(exponent))()
        super().__init__(
            **one_layer(LinearPoint(tau=tau * b2.ms), inputs, outputs, tau),
            plasticity=[
                Plasticity(HebbianRule(), GradientStep(("W_ff", 0), rate(2), weight_decay=1.0), reads=(PHASE,)),
                Plasticity(lateral, InverseStep(step) if solver == "inverse" else step, reads=(PHASE,)),
            ],
            weights=arrays,
        )
        self._limit = self._limit_of_M(np.linalg.eigvalsh(arrays["M"][1]))
        self.renew()

    @property
    def filters(self) -> np.ndarray:
        """F = M⁻¹W, what the settled layer does to its input, (k, n), float64."""
        return filters(self.weights)

    def refresh(self):
        """Let the inverse that is kept be that of M, where M has been exchanged."""
        for plasticity in self.plasticity:
            if isinstance(plasticity.optimiser, InverseStep):
                plasticity.optimiser.follow(self.weights["M"][1])

    def states(self, x: np.ndarray, y: np.ndarray | None = None) -> PhaseEnd:
        """Where the layer settles: y = M⁻¹W x.

        Parameters
        ----------
        x : ndarray (m, n)
        y : ndarray, optional
            Targets, which are not read.

        Returns
        -------
        PhaseEnd
            ``r[0]`` is x, ``r[1]`` (m, k).
        """
        inverse = next((getattr(each.optimiser, "inverse", None) for each in self.plasticity[1:]), None)
        return settled(self, x, (lambda M, driven: inverse @ driven) if inverse is not None else np.linalg.solve)

    def check_stimuli(self, x: np.ndarray):
        """Raise a `ParameterError` if learning these stimuli cannot converge, by linearisation (`stability`).

        Parameters
        ----------
        x : ndarray (stimuli, n)
            The training stimuli.

        Raises
        ------
        ParameterError
            If they have fewer than k principal components, τ is too large for their eigenvalues, η/τ does not keep M
            positive definite (psp), or a constant η is too large.
        """
        x = np.asarray(x, dtype=float)
        k, p = self.architecture[1], self.exponent
        values = np.linalg.eigvalsh(x.T @ x / len(x))[::-1]
        check_spectrum(values, k, p, self.ratio, f"architecture = {list(self.architecture)}: outputs")
        rate = self._rate_M(self.progress)
        if self.objective == "psp" and rate >= 1:
            raise ParameterError(f"η/τ = {rate:.3g}: must be below 1, which keeps M positive definite")
        if self._constant is not None and self._constant >= (bound := largest_step(values, k, p, self.ratio)):
            raise ParameterError(f"learning_rate = {self._constant:g}: a constant one must be below {bound:.3g}")

    def step_bound(self, beta: float) -> float:
        """Largest Euler step: η λmax < 2, λmax the largest eigenvalue of the present M."""
        return step_bound(self.weights)

    def check_lesioned(self, lesions: Mapping[tuple[str, int], np.ndarray]):
        """Raise a `ParameterError` if layer 1 would no longer settle: M's eigenvalues must have positive real parts."""
        check_lesioned(self.weights, lesions)
        if self.solver == "inverse" and ("M", 1) in lesions:
            raise ParameterError("solver = 'inverse' keeps M⁻¹ of an M without lesions; take 'fixed_point'")

    def check_finite(self):
        """Raise a `DivergenceError` for weights that are not finite, or if M is no longer positive definite.

        Then y no longer settles at M⁻¹W x, but grows without bound.
        """
        super().check_finite()
        values = np.linalg.eigvalsh(self.weights["M"][1].astype(np.float64))
        if values[0] <= 0:
            rate = self._rate_M(self.progress)
            raise DivergenceError(
                f"weights M[1] have the least eigenvalue {values[0]:.3g}; it must stay above 0 for the layer to settle "
                f"(η/τ = {rate:.3g}; below {self._limit:.3g} would have kept M so)"
            )
        self._limit = self._limit_of_M(values)

    def _limit_of_M(self, values: np.ndarray) -> float:
        """Largest η/τ at which M with these eigenvalues m stays positive definite: the least m^(2-p)."""
        return float(np.min(values ** (2 - self.exponent)))


def one_layer(cell: LinearPoint, inputs: int, outputs: int, tau: float) -> dict:
    """Populations and projections of a circuit of one layer that inhibits itself, as keywords of `Circuit`."""
    return {
        "populations": [
            PopulationSpec("stimulus", StimulusCell(), inputs, layer=0),
            PopulationSpec("layer_1", cell, outputs, layer=1),
        ],
        "projections": [
            Projection("stimulus", "layer_1", "drive_feedforward", ("W_ff", 0), constant=True),
            Projection("layer_1", "layer_1", "drive_lateral", ("M", 1)),
        ],
        "layers": ["stimulus", "layer_1"],
        "teacher": None,
        "tau": tau * b2.ms,
    }


def settled(circuit: Circuit, x: np.ndarray, solve: Callable = np.linalg.solve) -> PhaseEnd:
    """Where such a layer settles for stimuli x (m, n): ``y = solve(M, W x)`` in float64, stimuli in columns."""
    x = np.asarray(x, dtype=circuit.dtype)
    driven = (circuit.weights["W_ff"][0] @ x.T).astype(np.float64)
    y = solve(circuit.weights["M"][1].astype(np.float64), driven)
    return PhaseEnd(0.0, {"r": {0: x, 1: np.ascontiguousarray(y.T, dtype=circuit.dtype)}})


def filters(weights: Weights) -> np.ndarray:
    """F = M⁻¹W, (k, n), float64."""
    return np.linalg.solve(weights["M"][1].astype(np.float64), weights["W_ff"][0].astype(np.float64))


def step_bound(weights: Weights) -> float:
    """Largest Euler step of such a layer, 2/λmax(M)."""
    M = weights["M"][1].astype(np.float64)
    largest = np.linalg.eigvalsh(M)[-1] if np.isfinite(M).all() else 0.0
    return 2 / largest if largest > 0 else np.inf


def check_lesioned(weights: Weights, lesions: Mapping[tuple[str, int], np.ndarray]):
    """Raise a `ParameterError` if the layer would no longer settle without these synapses."""
    if (mask := lesions.get(("M", 1))) is not None:
        least = np.linalg.eigvals(np.where(mask, 0, weights["M"][1].astype(np.float64))).real.min()
        if least <= 1e-12:
            raise ParameterError(
                f"M[1] of layer_1 would have an eigenvalue of real part {least:.3g}, which must be above 0 for the "
                "layer to settle; allowed are lesions that leave each cell its own M[1][i, i], such as of post = "
                "[0], pre = [1], and enough between cells"
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


def checked_M(M: np.ndarray) -> np.ndarray:
    """Make the user's M exactly symmetric; a `ParameterError` if it is not so, or not positive definite."""
    M = checked_symmetric("M", 1, M)
    if (least := np.linalg.eigvalsh(M)[0]) <= 0:
        raise ParameterError(f"weights: M[1] must be positive definite; its least eigenvalue is {least:.3g}")
    return M
