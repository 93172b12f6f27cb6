"""Plasticity rules, eqs 26-30: pure functions of the layers' states at the phases' ends.

Every rule of the paper is local, a sum of outer products of a postsynaptic and a presynaptic signal; so a rule
returns its ΔW as those two factors. How far to go along ΔW (learning rate, decay, forgetting) is no matter of the
rule: that stands in `optimisers.py`.
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg.blas import get_blas_funcs

from .projection import Weights
from .states import Contrast


@dataclass(frozen=True)
class OuterProducts:
    """A weight change ΔW = scale · postᵀ pre.

    Parameters
    ----------
    post : ndarray (m, N_post)
    pre : ndarray (m, N_pre)
        Postsynaptic and presynaptic signals of m events.
    scale : float
    """

    post: np.ndarray
    pre: np.ndarray
    scale: float = 1.0

    def dense(self) -> np.ndarray:
        """ΔW as an array (N_post, N_pre)."""
        return self.block()

    def block(self, post=slice(None), pre=slice(None)) -> np.ndarray:
        """ΔW of the synapses between chosen cells, an array (post, pre)."""
        return self.scale * (self.post[:, post].T @ self.pre[:, pre])

    def norm(self) -> float:
        """Frobenius norm of ΔW, from products of events with events: small, where ΔW is large."""
        post, pre = self.post.astype(float), self.pre.astype(float)
        return abs(self.scale) * float(np.sqrt(max(np.vdot(post @ post.T, pre @ pre.T), 0.0)))

    def add_to(self, weights: np.ndarray, rate: float, keep: float = 1.0):
        """weights ← keep · weights + rate · ΔW, in one pass over the weights."""
        gemm = get_blas_funcs("gemm", (weights,))
        updated = gemm(rate * self.scale, self.post.T, self.pre.T, keep, weights, trans_b=True, overwrite_c=True)
        _keep_in_place(weights, updated)

    def add_to_symmetric(self, weights: np.ndarray, rate: float, keep: float = 1.0, block: int = 64):
        """As `add_to` for post = pre: computes one triangle and mirrors it, so that symmetry is exact, always."""
        syrk = get_blas_funcs("syrk", (weights,))
        updated = syrk(rate * self.scale, self.post.T, keep, weights, overwrite_c=True)
        _keep_in_place(weights, updated)
        for start in range(0, len(weights), block):
            stop = start + block
            weights[start:stop, :start] = weights[:start, start:stop].T
            corner = weights[start:stop, start:stop]
            np.copyto(corner, corner.T, where=np.tri(len(corner), k=-1, dtype=bool))


def _keep_in_place(weights: np.ndarray, updated: np.ndarray):
    # BLAS updates a copy if an array that the user has put in place is not in Fortran order.
    if not np.may_share_memory(weights, updated):
        weights[...] = updated


@dataclass(frozen=True)
class ForwardRule:
    """Eq 26: ΔW_ff^(k) = ⟨[(r_{k+1} - W_ff r_k) r_kᵀ]_nudge - [·]_free⟩/β, the bottom-up prediction error.

    Parameters
    ----------
    k : int
        Projection, 0 … P-1.
    """

    k: int

    def __call__(self, contrast: Contrast, weights: Weights) -> OuterProducts:
        """ΔW_ff^(k), (N_{k+1}, N_k)."""
        k, W_ff = self.k, weights["W_ff"][self.k]
        if contrast.plus.r[k] is contrast.minus.r[k]:
            # A clamped stimulus: its prediction is the same in both phases and cancels.
            return OuterProducts(contrast.plus.r[k + 1] - contrast.minus.r[k + 1], contrast.plus.r[k], contrast.scale)
        return _difference(contrast, pre=k, post=k + 1, W=W_ff)


@dataclass(frozen=True)
class FeedbackRule:
    """Eq 27: ΔW_fb^(k) = ⟨[(r_k - W_fb r_{k+1}) r_{k+1}ᵀ]_nudge - [·]_free⟩/β, the top-down prediction error.

    Parameters
    ----------
    k : int
        Projection, 1 … P-1.
    """

    k: int

    def __call__(self, contrast: Contrast, weights: Weights) -> OuterProducts:
        """ΔW_fb^(k), (N_k, N_{k+1})."""
        return _difference(contrast, pre=self.k + 1, post=self.k, W=weights["W_fb"][self.k])


def _difference(contrast: Contrast, pre: int, post: int, W: np.ndarray) -> OuterProducts:
    """[e rᵀ]_plus - [e rᵀ]_minus with e = r_post - W r_pre."""
    plus, minus = contrast.plus.r, contrast.minus.r
    return OuterProducts(
        np.concatenate([plus[post] - plus[pre] @ W.T, minus[pre] @ W.T - minus[post]]),
        np.concatenate([plus[pre], minus[pre]]),
        contrast.scale,
    )


@dataclass(frozen=True)
class LateralRule:
    """The outer product ⟨z zᵀ⟩, z = B r of the nudged rates, in eqs 28-30.

    Parameters
    ----------
    k : int
        Index of B: the lateral weights of layer k + 1.
    """

    k: int

    def __call__(self, contrast: Contrast, weights: Weights) -> OuterProducts:
        """⟨z zᵀ⟩, (N_{k+1}, N_{k+1})."""
        r = contrast.plus.r[self.k + 1]
        z = r @ weights["B"][self.k].T  # B = Bᵀ, and the transpose lies in memory as BLAS reads it
        return OuterProducts(z, z, 1.0 / len(r))


@dataclass(frozen=True)
class CorrelationRule:
    """⟨r rᵀ⟩ of the nudged rates, what the regularised lateral rule averages.

    Parameters
    ----------
    k : int
        Index of B, as in `LateralRule`.
    """

    k: int

    def __call__(self, contrast: Contrast, weights: Weights) -> OuterProducts:
        """⟨r rᵀ⟩, (N_{k+1}, N_{k+1})."""
        r = contrast.plus.r[self.k + 1]
        return OuterProducts(r, r, 1.0 / len(r))
