"""Contrastive similarity matching (Qin, Mudur & Pehlevan 2021): equilibrium propagation whose hidden cells compete.

    E = Φ + ½ Σ_{0<k<P} s_kᵀ M_k s_k,   Φ that of equilibrium propagation (`equilibrium`)

W_k and b_k move as in equilibrium propagation, M_k by the nudged phase alone:

    M_k ← M_k + α_M (⟨s_k s_kᵀ⟩_nudge/(2β) - M_k/(2|β|))

For β > 0 it comes to rest at M_k = ⟨s_k s_kᵀ⟩: cells that are active together inhibit each other. For β < 0 it would be
the negative of that. So if β's sign is a fair coin the Hebbian part averages out and M decays to about 0, as in the
runs that CorInfoMax was compared with: what is left is equilibrium propagation.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import brian2 as b2
import numpy as np
from scipy.sparse.linalg import eigsh

from ..errors import DivergenceError
from ..models import CompetingPoint
from ..parameters import Count, Deep, Index, NonNegative, Positive, Rates, Seed, Time, validated, validated_fields
from . import equilibrium
from .circuit import Circuit, layer_names
from .equilibrium import contrastive_plasticity, one_for_each
from .initial import checked_symmetric, symmetrised, with_users_weights
from .optimisers import GradientStep
from .plasticity import DenseChange, Plasticity, Weights
from .projection import Bias, Projection
from .schedules import Staircase
from .states import PhaseEnd

#: Cells from which on not all eigenvalues of M are computed.
_LARGE = 100


@validated_fields
@dataclass(frozen=True)
class SimilarityRule:
    """ΔM_k = ⟨s_k s_kᵀ⟩/(2β) - M_k/(2|β|), of the nudged phase; β is signed.

    Parameters
    ----------
    k : int
        Hidden layer, 1 … P-1.
    """

    k: Index

    def __call__(self, weights: Weights, nudged: PhaseEnd) -> DenseChange:
        """ΔM_k, (N_k, N_k), exactly symmetric."""
        s, M = nudged.r[self.k], weights["M"][self.k]
        change = np.dot(s.T, s).T  # BLAS computes one triangle and mirrors it; transposed, it lies in memory as M does
        change *= np.sign(nudged.beta) / len(s)
        change -= M
        change /= 2 * abs(nudged.beta)
        return DenseChange(change)


class ContrastiveSimilarityMatching(Circuit):
    """A circuit of any depth that learns by contrastive similarity matching.

    Rates default to those of the original (MNIST). As run for the comparison with CorInfoMax, with β of random sign and
    `learning_rate_factor` .75 every 15 epochs, they were [.4, .275] and .01 (MNIST), [.1, .06] and .002 (FashionMNIST),
    [.059, .017] and .067 (CIFAR10).

    Parameters
    ----------
    architecture : sequence of int
        Numbers of units: stimulus, hidden layers, output, such as ``[784, 500, 10]``. P = len - 1.
    learning_rate : float or sequence of P floats, default [.5, .375]
        Rate α_W of W_k and b_{k+1}, k = 0 … P-1.
    learning_rate_lateral : float, default .01
        Rate α_M of all M_k. The published -.01 is the same in another sign convention.
    learning_rate_factor : float, default 1
        What all rates are multiplied by every `learning_rate_every` epochs.
    learning_rate_every : int, default 15
        Epochs.
    tau : float, default 10
        Time constant, in ms (not in the paper, which has no physical time).
    seed : int, default 0
        Seed of the initial weights: W Xavier-uniform, b = 0, M_k = W_{k-1} W_{k-1}ᵀ.
    weights : mapping, optional
        Initial weights in place of these, indexed as `weights`. M follows from W unless it is given, too.

    Attributes
    ----------
    weights : dict
        ``W[k]`` (N_{k+1}, N_k), k = 0 … P-1, which the feedback carries transposed; ``b[k]`` (N_k,) of layer k ≥ 1;
        ``M[k]`` (N_k, N_k) of hidden layers, exactly symmetric, diagonal included.

    Raises
    ------
    ParameterError
        For parameters out of range or at odds with the architecture.

    Notes
    -----
    Published steps of .5 begin beyond Euler's bound: M₀'s largest eigenvalue is about 4, so that the hidden layer's
    step factor is 1 - .5·5. Only the clip of the rates holds it until M has shrunk, after some hundred minibatches.
    """

    @validated
    def __init__(
        self,
        architecture: Deep,
        *,
        learning_rate: Rates = [0.5, 0.375],  # noqa: B006
        learning_rate_lateral: NonNegative = 0.01,
        learning_rate_factor: Positive = 1.0,
        learning_rate_every: Count = 15,
        tau: Time = 10.0,
        seed: Seed = 0,
        weights: Any = None,
    ):
        self.architecture = tuple(architecture)
        rates = one_for_each(learning_rate, architecture)
        arrays = initial_weights(architecture, seed, weights)
        schedules = [Staircase(rate, learning_rate_factor, learning_rate_every) for rate in rates]
        lateral = Staircase(learning_rate_lateral, learning_rate_factor, learning_rate_every)
        layers = layer_names(architecture)
        super().__init__(
            populations=list(equilibrium.populations(layers, architecture, tau * b2.ms, CompetingPoint)),
            projections=list(_projections(layers)),
            plasticity=[
                *contrastive_plasticity(schedules),
                *(Plasticity(SimilarityRule(k), GradientStep(("M", k), lateral), reads=("plus",)) for k in arrays["M"]),
            ],
            weights=arrays,
            layers=layers,
            teacher=(layers[-1], "drive_teacher"),
            tau=tau * b2.ms,
        )

    def step_bound(self, beta: float) -> float:
        """Largest Euler step: ``η(1 + 2|β|) < 2`` in the output layer, ``η(1 + λmax(M)) < 2`` in hidden ones.

        The loop through W and Wᵀ is not counted; in a saturated circuit the clip breaks it.
        """
        stiffest = max(2 * abs(beta), *(_largest_eigenvalue(M) for M in self.weights["M"].values()))
        return 2 / (1 + stiffest)


def initial_weights(architecture: Sequence[int], seed: int, weights: Any = None) -> Weights:
    """W Xavier-uniform, b = 0, M_k = W_{k-1} W_{k-1}ᵀ, or the user's.

    Parameters
    ----------
    architecture : sequence of int
        Numbers of units N_0 (stimulus), …, N_P (output).
    seed : int
    weights : mapping, optional
        As in `initial.with_users_weights`.

    Returns
    -------
    dict
        ``W[k]`` (N_{k+1}, N_k), k = 0 …; ``b[k]`` (N_k,), k ≥ 1; ``M[k]`` (N_k, N_k), 1 ≤ k < P.
    """
    arrays = equilibrium.initial_weights(architecture, seed)
    arrays["M"] = {k: np.full((units, units), np.nan) for k, units in enumerate(architecture[:-1]) if k}
    if weights is not None:
        arrays = with_users_weights(weights, arrays)
    for k, M in arrays["M"].items():
        W = arrays["W"][k - 1]
        arrays["M"][k] = symmetrised(W @ W.T) if np.isnan(M).any() else checked_symmetric("M", k, M)
    return arrays


def _largest_eigenvalue(M: np.ndarray) -> float:
    """Largest eigenvalue, of large matrices to a thousandth: it is asked for once a presentation."""
    if not np.isfinite(M).all():
        raise DivergenceError("weights M are not finite")
    M = M.astype(np.float64)
    if len(M) < _LARGE:
        return float(np.linalg.eigvalsh(M)[-1])
    return float(eigsh(M, k=1, which="LA", tol=1e-3, v0=np.ones(len(M)), return_eigenvectors=False)[0])


def _projections(layers: Sequence[str]) -> Iterator[Projection | Bias]:
    yield from equilibrium.projections(layers)
    for k, name in enumerate(layers[1:-1], start=1):
        yield Projection(name, name, "drive_lateral", ("M", k))
