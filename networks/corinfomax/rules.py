"""Plasticity rules, eqs 26-30: pure functions of the layers' states at the phases' ends."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ...parameters import Index, validated_fields
from ..plasticity import DenseChange, OuterProducts, Weights
from ..states import PhaseEnd, contrast


@validated_fields
@dataclass(frozen=True)
class ForwardRule:
    """Eq 26: ΔW_ff^(k) = ⟨[(r_{k+1} - W_ff r_k) r_kᵀ]_nudge - [·]_free⟩/β, the bottom-up prediction error.

    Where cells have a bias, it is part of the prediction: W_ff r_k + b.

    Parameters
    ----------
    k : int
        Pair of layers k and k + 1, 0 … P-1.
    """

    k: Index

    def __call__(self, weights: Weights, plus: PhaseEnd, minus: PhaseEnd) -> OuterProducts:
        """ΔW_ff^(k), (N_{k+1}, N_k)."""
        k = self.k
        if plus.r[k] is minus.r[k]:
            # A clamped stimulus: its prediction is the same in both phases and cancels.
            return OuterProducts(plus.r[k + 1] - minus.r[k + 1], plus.r[k], contrast(plus, minus))
        bias = weights["b"][k + 1] if "b" in weights else None
        return _difference(plus, minus, pre=k, post=k + 1, W=weights["W_ff"][k], bias=bias)


@validated_fields
@dataclass(frozen=True)
class BiasRule:
    """Eq 26 of a constant unit, r = 1: Δb_k = ⟨[r_k - W_ff r_{k-1} - b_k]_nudge - [·]_free⟩/β (not in the paper).

    Parameters
    ----------
    k : int
        Layer, 1 … P.
    """

    k: Index

    def __call__(self, weights: Weights, plus: PhaseEnd, minus: PhaseEnd) -> DenseChange:
        """Δb_k, (N_k,)."""
        k, difference = self.k, (plus.r[self.k] - minus.r[self.k]).sum(axis=0)
        if plus.r[k - 1] is not minus.r[k - 1]:
            difference -= (plus.r[k - 1] - minus.r[k - 1]).sum(axis=0) @ weights["W_ff"][k - 1].T
        return DenseChange(difference * difference.dtype.type(contrast(plus, minus)))


@validated_fields
@dataclass(frozen=True)
class FeedbackRule:
    """Eq 27: ΔW_fb^(k) = ⟨[(r_k - W_fb r_{k+1}) r_{k+1}ᵀ]_nudge - [·]_free⟩/β, the top-down prediction error.

    Parameters
    ----------
    k : int
        Pair of layers k and k + 1, 1 … P-1.
    """

    k: Index

    def __call__(self, weights: Weights, plus: PhaseEnd, minus: PhaseEnd) -> OuterProducts:
        """ΔW_fb^(k), (N_k, N_{k+1})."""
        return _difference(plus, minus, pre=self.k + 1, post=self.k, W=weights["W_fb"][self.k])


@validated_fields
@dataclass(frozen=True)
class SomaRule:
    """ΔW_ff^(k) = ⟨(σ(u_{k+1})_nudge - σ(u_{k+1})_free) mᵀ⟩/β, m = ½(r_k nudge + r_k free) (not in the paper).

    The first term of eq 26 as `OscillationRule` has it, without the prediction W_ff r_k. The postsynaptic cell reads
    its own soma, and only what comes over synapses are spikes, where there are some.

    Parameters
    ----------
    k : int
        Pair of layers k and k + 1.
    """

    k: Index

    def __call__(self, weights: Weights, plus: PhaseEnd, minus: PhaseEnd) -> OuterProducts:
        """ΔW_ff^(k), (N_{k+1}, N_k)."""
        k = self.k
        return OuterProducts(plus.soma[k + 1] - minus.soma[k + 1], (plus.r[k] + minus.r[k]) / 2, contrast(plus, minus))


@validated_fields
@dataclass(frozen=True)
class OscillationSomaRule:
    """The same of an oscillating teacher: ⟨P mᵀ⟩/β with P from σ(u) of the postsynaptic cell (not in the paper).

    Parameters
    ----------
    k : int
        Pair of layers k and k + 1.
    """

    k: Index

    def __call__(self, weights: Weights, mean: PhaseEnd, locked: PhaseEnd) -> OuterProducts:
        """ΔW_ff^(k), (N_{k+1}, N_k)."""
        return OuterProducts(locked.soma[self.k + 1], mean.r[self.k], 1 / (len(mean.r[0]) * locked.beta))


def _difference(plus: PhaseEnd, minus: PhaseEnd, pre: int, post: int, W: np.ndarray, bias=None) -> OuterProducts:
    """[e rᵀ]_plus - [e rᵀ]_minus with e = r_post - W r_pre - bias, over the signed β."""
    count = len(plus.r[post])
    errors = np.empty((count + len(minus.r[post]), len(W)), plus.r[post].dtype)
    np.subtract(plus.r[post], plus.r[pre] @ W.T, out=errors[:count])
    np.subtract(minus.r[pre] @ W.T, minus.r[post], out=errors[count:])
    if bias is not None:
        errors[:count] -= bias
        errors[count:] += bias
    return OuterProducts(errors, np.concatenate([plus.r[pre], minus.r[pre]]), contrast(plus, minus))


def _synapses(weights: Weights, key: str, k: int) -> tuple[int, int, np.ndarray, np.ndarray | int]:
    """Postsynaptic and presynaptic layer of W_ff^(k) or W_fb^(k), the weights, and the bias beside them."""
    post, pre = (k + 1, k) if key == "W_ff" else (k, k + 1)
    return post, pre, weights[key][k], weights["b"][post] if "b" in weights and key == "W_ff" else 0


@validated_fields
@dataclass(frozen=True)
class OscillationRule:
    """Eqs 26, 27 to first order in β, of an oscillating teacher: ⟨(P - W Q) mᵀ + (p - W m) Qᵀ⟩/β (not in the paper).

    p and m are means over the oscillation, of the postsynaptic and of the presynaptic layer, and P and Q by how much
    the layers follow the teacher (`Readout` with `lock_in`). With no stored state of another phase.

    Parameters
    ----------
    key : {"W_ff", "W_fb"}
        Which way the weights lead.
    k : int
        Pair of layers k and k + 1.
    """

    key: Literal["W_ff", "W_fb"]
    k: Index

    def __call__(self, weights: Weights, mean: PhaseEnd, locked: PhaseEnd) -> OuterProducts:
        """ΔW^(k), (post, pre)."""
        post, pre, W, bias = _synapses(weights, self.key, self.k)
        error = np.concatenate([locked.r[post] - locked.r[pre] @ W.T, mean.r[post] - mean.r[pre] @ W.T - bias])
        return OuterProducts(error, np.concatenate([mean.r[pre], locked.r[pre]]), 1 / (len(mean.r[0]) * locked.beta))


@validated_fields
@dataclass(frozen=True)
class MovingOscillationRule:
    """Eqs 26, 27 of an oscillating teacher, in every step: ΔW = s(t) ⟨e rᵀ⟩/β, e = r_post - W r_pre (not in the paper).

    s is the gate of `Readout` with `lock_in`. With a mean of the phase so far as a second readout, ⟨ē r̄ᵀ⟩ of these
    means is taken away: what stands still then moves nothing, also within a cycle.

    Parameters
    ----------
    key : {"W_ff", "W_fb"}
        Which way the weights lead.
    k : int
        Pair of layers k and k + 1.
    """

    key: Literal["W_ff", "W_fb"]
    k: Index

    def __call__(self, weights: Weights, now: PhaseEnd, mean: PhaseEnd | None = None) -> OuterProducts:
        """ΔW^(k) per unit of time s, (post, pre)."""
        post, pre, W, bias = _synapses(weights, self.key, self.k)
        scale = now.gate / (len(now.r[0]) * now.beta)
        error = now.r[post] - now.r[pre] @ W.T - bias
        if mean is None:
            return OuterProducts(error, now.r[pre], scale)
        still = mean.r[pre] @ W.T + bias - mean.r[post]
        return OuterProducts(np.concatenate([error, still]), np.concatenate([now.r[pre], mean.r[pre]]), scale)


@validated_fields
@dataclass(frozen=True)
class OscillationBiasRule:
    """The same of a constant unit, m = 1 and Q = 0: Δb_k = ⟨P - W_ff Q⟩/β (not in the paper).

    Parameters
    ----------
    k : int
        Layer, 1 … P.
    """

    k: Index

    def __call__(self, weights: Weights, mean: PhaseEnd, locked: PhaseEnd) -> DenseChange:
        """Δb_k, (N_k,)."""
        followed = (locked.r[self.k] - locked.r[self.k - 1] @ weights["W_ff"][self.k - 1].T).sum(axis=0)
        return DenseChange(followed / followed.dtype.type(len(mean.r[0]) * locked.beta))


@validated_fields
@dataclass(frozen=True)
class LateralRule:
    """The outer product ⟨z zᵀ⟩, z = B r of the nudged rates, in eqs 28-30.

    Parameters
    ----------
    k : int
        Layer, 1 … P.
    """

    k: Index

    def __call__(self, weights: Weights, plus: PhaseEnd) -> OuterProducts:
        """⟨z zᵀ⟩, (N_k, N_k)."""
        r = plus.r[self.k]
        z = r @ weights["B"][self.k].T  # B = Bᵀ, and the transpose lies in memory as BLAS reads it
        return OuterProducts(z, z, 1.0 / len(r))


@validated_fields
@dataclass(frozen=True)
class CorrelationRule:
    """⟨r rᵀ⟩ of the nudged rates, what the regularised lateral rule averages.

    Parameters
    ----------
    k : int
        Layer, 1 … P.
    """

    k: Index

    def __call__(self, weights: Weights, plus: PhaseEnd) -> OuterProducts:
        """⟨r rᵀ⟩, (N_k, N_k)."""
        r = plus.r[self.k]
        return OuterProducts(r, r, 1.0 / len(r))
