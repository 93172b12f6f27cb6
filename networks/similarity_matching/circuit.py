"""Similarity matching (Pehlevan, Sengupta & Chklovskii 2018): a layer that learns the principal subspace of its input.

One layer of linear cells, y, gets the stimulus x through W and inhibits itself through M; it settles at y = M⁻¹W x.
Both weights learn by local rules, which stand for the two players of a min-max problem,

    principal subspace projection (psp):  min_W max_M  2 Tr WᵀW - Tr MᵀM + min_Y Tr(-(4/T) XᵀWᵀY + (2/T) YᵀMY)
    principal subspace whitening (psw):   min_W max_M    Tr WᵀW - Tr M   + min_Y Tr(-(2/T) XᵀWᵀY + (1/T) YᵀMY)

so that the rows of F = M⁻¹W span the subspace of the largest principal components: orthonormal in the first, and
whitening, F C Fᵀ = I with C = ⟨x xᵀ⟩, in the second. There is no teacher, and one phase, "settle".
"""

from collections.abc import Mapping
from typing import Any, Literal

import brian2 as b2
import numpy as np

from ...errors import ParameterError
from ...models import LinearPoint
from ...parameters import Positive, Seed, Time, validated
from ..optimisers import GradientStep
from ..plasticity import Plasticity
from ..states import PhaseEnd
from .inverse import InverseStep
from .layer import PHASE, InhibitedLayer, OneLayer, check_components, initial_weights, rates
from .rules import AntiHebbianRule, HebbianRule, PowerRule, WhiteningRule
from .stability import EXPONENTS, check_spectrum, largest_step


class SimilarityMatchingCircuit(InhibitedLayer):
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
        check_components(architecture)
        if (exponent is None) == (objective == "power"):
            raise ParameterError(f"exponent = {exponent}: belongs to objective = 'power', and only to that")
        if solver == "inverse" and objective != "psp":
            raise ParameterError("solver = 'inverse': only psp changes M by outer products; take 'fixed_point'")
        self.objective, self.ratio, self.solver = objective, ratio, solver
        self.exponent = EXPONENTS.get(objective, exponent)
        rate = rates(learning_rate, learning_rate_offset)
        rate_M, self._constant = rate(1 / ratio), learning_rate if learning_rate_offset is None else None
        decay = 1.0 if objective == "psp" else 0.0
        step: GradientStep | InverseStep = GradientStep(("M", 1), rate_M, weight_decay=decay, symmetric=True)
        lateral = {"psp": AntiHebbianRule, "psw": WhiteningRule}.get(objective, lambda: PowerRule(exponent))()
        super().__init__(
            architecture,
            LinearPoint(tau=tau * b2.ms),
            tau,
            plasticity=[
                Plasticity(HebbianRule(), GradientStep(("W_ff", 0), rate(2), weight_decay=1.0), reads=(PHASE,)),
                Plasticity(lateral, InverseStep(step) if solver == "inverse" else step, reads=(PHASE,)),
            ],
            rate_M=rate_M,
            initial=initial_weights(*architecture, seed),
            weights=weights,
        )
        self._note_spectrum(np.linalg.eigvalsh(self.weights["M"][1]))
        self.renew()

    @property
    def filters(self) -> np.ndarray:
        """F = M⁻¹W, what the settled layer does to its input, (k, n), float64."""
        return self._linear_filters()

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
        return self._settled(x, (lambda M, driven: inverse @ driven) if inverse is not None else np.linalg.solve)

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

    def check_lesioned(self, lesions: Mapping[tuple[str, int], np.ndarray]):
        """Raise a `ParameterError` if layer 1 would no longer settle: M's eigenvalues must have positive real parts."""
        super().check_lesioned(lesions)
        if self.solver == "inverse" and ("M", 1) in lesions:
            raise ParameterError("solver = 'inverse' keeps M⁻¹ of an M without lesions; take 'fixed_point'")

    def _remedy(self) -> str:
        return f"below {self._limit:.3g} would have kept M so"

    def _note_spectrum(self, values: np.ndarray):
        """Largest η/τ at which M with these eigenvalues m stays positive definite: the least m^(2-p)."""
        self._limit = float(np.min(values ** (2 - self.exponent)))
