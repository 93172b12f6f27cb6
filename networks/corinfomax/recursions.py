"""How the lateral weights move, eqs 28-30: recursions that forget, and the regularised inverse."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.linalg import lapack

from ...parameters import Count, Finite, Fraction, Index, Positive, validated, validated_fields
from ..plasticity import OuterProducts, Weights
from ..schedules import Progress


@validated_fields
@dataclass(frozen=True)
class InverseRecursion:
    """Eq 28: B ← λ⁻¹(B - γ⟨z zᵀ⟩), γ = (1 - λ)/λ.

    Parameters
    ----------
    k : int
        Layer, 1 … P.
    forgetting : float
        λ.
    """

    k: Index
    forgetting: Fraction
    in_steps: ClassVar[bool] = False

    @property
    def target(self) -> tuple[str, int]:
        """B of the layer."""
        return "B", self.k

    def step(self, weights: Weights, change: OuterProducts, progress: Progress, duration: float = 1.0):
        """Apply one change; B stays exactly symmetric, for antisymmetric round-off would grow as λ⁻ᵗ."""
        gamma = (1 - self.forgetting) / self.forgetting
        change.add_to_symmetric(weights["B"][self.k], -gamma / self.forgetting, keep=1 / self.forgetting)

    def state_dict(self) -> dict:
        """Return nothing: B is its own memory."""
        return {}

    def load_state_dict(self, state: dict):
        """Restore nothing."""


@validated_fields
@dataclass(frozen=True)
class AutapseRecursion:
    """Eqs 29, 30: the autapses D and the SST weights O learn by themselves, and B follows from them.

    D_ii ← λ⁻¹(D_ii - cγ⟨z_i²⟩) + d(1 - λ⁻¹);   O_ij ← λ⁻¹(O_ij + cγ⟨z_i z_j⟩), i ≠ j

    Parameters
    ----------
    k : int
        Layer, 1 … P.
    forgetting : float
        λ.
    lateral_gain, leak_gain : float
        c and d of M = cB + dI: 2κγε_k and ε_k g_lk in hidden layers, κγ and g_lk in the output layer.
    """

    k: Index
    forgetting: Fraction
    lateral_gain: Finite
    leak_gain: Finite
    in_steps: ClassVar[bool] = False

    @property
    def target(self) -> tuple[str, int]:
        """O of the layer; D goes with it."""
        return "O", self.k

    @property
    def moves(self) -> tuple[tuple[str, int], ...]:
        """O and D of the layer."""
        return ("O", self.k), ("D", self.k)

    def step(self, weights: Weights, change: OuterProducts, progress: Progress, duration: float = 1.0):
        """Apply one change to O and D."""
        gain = self.lateral_gain * (1 - self.forgetting) / self.forgetting
        O, D = weights["O"][self.k], weights["D"][self.k]
        change.add_to_symmetric(O, gain / self.forgetting, keep=1 / self.forgetting)
        np.fill_diagonal(O, 0.0)
        squares = change.scale * np.einsum("bi,bi->i", change.post, change.pre, dtype=np.float64)
        D[:] = (D - gain * squares) / self.forgetting + self.leak_gain * (1 - 1 / self.forgetting)

    def state_dict(self) -> dict:
        """Return nothing: D and O are their own memory."""
        return {}

    def load_state_dict(self, state: dict):
        """Restore nothing."""


class RegularisedInverse:
    """B = (R + εI)⁻¹ of the exponentially weighted correlation R of eq 6, renewed by Cholesky now and then.

    Unlike eq 28 it keeps εI for ever, so B cannot wind up.

    Parameters
    ----------
    k : int
        Layer, 1 … P.
    units : int
        Cells of the layer.
    forgetting, epsilon : float
        λ, and ε_{k-1} of the pair that the layer is the upper one of.
    every : int
        Presentations between two renewals.

    Attributes
    ----------
    target : (str, int)
        B of the layer.
    presentations : int
        How many R has seen.
    accumulated : ndarray (units, units)
        R(1 - λᵗ), the sum before its normalisation.
    """

    in_steps = False

    @validated
    def __init__(self, k: Index, units: Count, forgetting: Fraction, epsilon: Positive, every: Count):
        self.target = ("B", k)
        self.forgetting, self.epsilon, self.every = forgetting, epsilon, every
        self.presentations = 0
        self.accumulated = np.zeros((units, units), order="F")

    def step(self, weights: Weights, change: OuterProducts, progress: Progress, duration: float = 1.0):
        """Average ⟨r rᵀ⟩ and, when it is time, invert."""
        key, k = self.target
        self.presentations += 1
        change.add_to_symmetric(self.accumulated, 1 - self.forgetting, keep=self.forgetting)
        if self.presentations % self.every == 0:
            R = self.accumulated / (1 - self.forgetting**self.presentations)
            factor, failed = lapack.dpotrf(R + self.epsilon * np.eye(len(R)), lower=True)
            inverse, failed = (factor, failed) if failed else lapack.dpotri(factor, lower=True)
            # Diverged rates make R not finite; the finiteness check of the presentation reports it.
            weights[key][k][...] = np.nan if failed else np.tril(inverse) + np.tril(inverse, -1).T

    def state_dict(self) -> dict:
        """Return the running correlation and its age."""
        return {"presentations": self.presentations, "accumulated": self.accumulated.copy(order="K")}

    def load_state_dict(self, state: dict):
        """Restore what `state_dict` gave."""
        self.presentations = int(state["presentations"])
        self.accumulated[...] = state["accumulated"]
