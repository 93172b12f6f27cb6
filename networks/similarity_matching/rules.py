"""Local rules of similarity matching circuits, and of Földiák's, to which they are compared.

References
----------
.. [1] Pehlevan, Sengupta & Chklovskii (2018), Why do similarity matching objectives lead to Hebbian/anti-Hebbian
   networks?, Neural Computation 30, 84-124.
.. [2] Földiák (1989), Adaptive network for optimal linear feature extraction, IJCNN, 401-405.
"""

from dataclasses import dataclass

import numpy as np

from ...parameters import Positive, validated_fields
from ..plasticity import DenseChange, OuterProducts, Weights
from ..states import PhaseEnd


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


@validated_fields
@dataclass(frozen=True)
class PowerRule:
    """ΔM = ⟨y yᵀ⟩ - M^(p-1), of the generalised objective, in which (2/p) Tr Mᵖ stands for Tr M².

    It is local for p = 1 and 2 only, whitening and projection: an entry of another power of M depends on synapses
    that the two cells do not have.

    Parameters
    ----------
    exponent : float
        p, above 0.
    """

    exponent: Positive

    def __call__(self, weights: Weights, settled: PhaseEnd) -> DenseChange:
        """⟨y yᵀ⟩ - M^(p-1), (N_1, N_1)."""
        y, M = settled.r[1], weights["M"][1]
        values, vectors = np.linalg.eigh(M)
        power = (vectors * np.maximum(values, np.finfo(M.dtype).tiny) ** (self.exponent - 1)) @ vectors.T
        return DenseChange(y.T @ y / len(y) - power)


@dataclass(frozen=True)
class OjaRule:
    """ΔW = ⟨y xᵀ⟩ - ⟨y²⟩ W, each cell with its own ⟨y_i²⟩: Oja's rule, as Földiák takes it."""

    def __call__(self, weights: Weights, settled: PhaseEnd) -> DenseChange:
        """⟨y_i x_j⟩ - ⟨y_i²⟩ W_ij, (N_1, N_0)."""
        y, x = settled.r[1], settled.r[0]
        return DenseChange(y.T @ x / len(y) - np.mean(y**2, axis=0)[:, None] * weights["W_ff"][0])


@dataclass(frozen=True)
class DecorrelationRule:
    """ΔM_ij = ⟨y_i y_j⟩ between different cells, without decay: M rests when the outputs are uncorrelated."""

    def __call__(self, weights: Weights, settled: PhaseEnd) -> DenseChange:
        """⟨y yᵀ⟩ without its diagonal, (N_1, N_1)."""
        y = settled.r[1]
        change = y.T @ y / len(y)
        np.fill_diagonal(change, 0)
        return DenseChange(change)
