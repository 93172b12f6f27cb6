"""Fast similarity matching: M⁻¹ is kept beside M, and follows it by the Sherman-Morrison-Woodbury identity."""

from dataclasses import dataclass, field

import numpy as np

from ..optimisers import GradientStep
from ..plasticity import OuterProducts, Weights
from ..schedules import Progress


@dataclass
class InverseStep:
    """M ← (1 - a) M + a ⟨y yᵀ⟩ by a `GradientStep`, and Q = M⁻¹ with it (Giovannucci et al. 2018).

    For one stimulus Q′ = Q/(1 - a), z = Q′y, Q ← Q′ - a z zᵀ/(1 + a yᵀz); for a minibatch the same with matrices. It
    costs k² per stimulus, where a solution by M costs k³.

    Parameters
    ----------
    step_of_M : GradientStep
        Of ``M[1]``, with the decay 1.

    Attributes
    ----------
    inverse : ndarray (k, k) or None
        Q, in float64; None until `follow` has been called.
    """

    step_of_M: GradientStep
    inverse: np.ndarray | None = field(default=None, compare=False)
    in_steps = False

    @property
    def target(self) -> tuple[str, int]:
        """Name and number of M."""
        return self.step_of_M.target

    def follow(self, M: np.ndarray):
        """Compute Q anew if it is not M's inverse, as when M has been exchanged."""
        if self.inverse is None or not np.allclose(self.inverse @ M, np.eye(len(M)), rtol=0, atol=1e-3):
            self.inverse = np.linalg.inv(M.astype(np.float64))

    def step(self, weights: Weights, change: OuterProducts, progress: Progress, duration: float = 1.0):
        """Apply one change to M and to Q."""
        a = self.step_of_M.rate(progress, duration)
        self.step_of_M.step(weights, change, progress, duration)
        if a >= 1 or self.inverse is None:  # nothing is left of M: there is no inverse to go on from
            self.inverse = np.linalg.inv(weights["M"][1].astype(np.float64))
            return
        y = change.post.astype(np.float64)
        Q = self.inverse / (1 - a)
        z = y @ Q
        core = y @ z.T
        core[np.diag_indices_from(core)] += 1 / (a * change.scale)
        Q -= z.T @ np.linalg.solve(core, z)
        self.inverse = (Q + Q.T) / 2

    def state_dict(self) -> dict:
        """Return Q, from which a resumed run goes on bit by bit."""
        return {} if self.inverse is None else {"inverse": self.inverse.copy()}

    def load_state_dict(self, state: dict):
        """Restore Q."""
        if "inverse" in state:
            self.inverse = np.array(state["inverse"], dtype=np.float64)
