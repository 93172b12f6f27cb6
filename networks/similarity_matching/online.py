"""Similarity matching, sample by sample, in plain arrays: what the circuit learns, without cells and without a clock.

It is the circuit's online learning with y at its fixed point, for streams that are to be learnt from in no time. PSP
carries M⁻¹ by the Sherman-Morrison identity (fast similarity matching; Giovannucci, Minden, Pehlevan & Chklovskii 2018,
arXiv:1808.02083). PSW, whose M also loses a multiple of I, solves with M, and looks at its definiteness in doing so.
"""

from typing import Literal

import numpy as np
from scipy.linalg.blas import dgemm, dger
from scipy.linalg.lapack import dposv

from ...errors import DivergenceError, ParameterError


class OnlineMatching:
    """Weights, and how they learn from one stimulus after the other.

    Parameters
    ----------
    W : ndarray (k, n)
    M : ndarray (k, k)
        Symmetric and positive definite.
    objective : {"psp", "psw"}
    ratio : float
        τ.
    learning_rate, learning_rate_offset : float
        η_t = learning_rate/(offset + t) at sample t.
    count : int, default 0
        Samples that have been learnt from, t of the next.

    Raises
    ------
    ParameterError
        If η/τ is at or above 1 for the next sample (psp).
    """

    def __init__(
        self,
        W: np.ndarray,
        M: np.ndarray,
        *,
        objective: Literal["psp", "psw"] = "psp",
        ratio: float = 0.5,
        learning_rate: float = 0.5,
        learning_rate_offset: float = 2.5,
        count: int = 0,
    ):
        self.objective, self.ratio, self.count = objective, ratio, count
        self.learning_rate, self.learning_rate_offset = learning_rate, learning_rate_offset
        self.W = np.array(W, dtype=np.float64, order="C")
        M = np.array(M, dtype=np.float64, order="F")
        self._lateral = np.asfortranarray(np.linalg.inv(M)) if objective == "psp" else M
        rate = learning_rate / (learning_rate_offset + count) / ratio
        if objective == "psp" and rate >= 1:
            raise ParameterError(
                f"learning_rate = {learning_rate:g}, learning_rate_offset = {learning_rate_offset:g}: η/τ would be "
                f"{rate:.3g} at first; must be below 1, which keeps M positive definite"
            )

    @property
    def M(self) -> np.ndarray:
        """M, (k, k)."""
        return np.linalg.inv(self._lateral) if self.objective == "psp" else self._lateral

    @property
    def filters(self) -> np.ndarray:
        """F = M⁻¹W, (k, n)."""
        return self._lateral @ self.W if self.objective == "psp" else np.linalg.solve(self._lateral, self.W)

    def learn(self, x: np.ndarray):
        """Learn from samples (m, n), in their order.

        Raises
        ------
        DivergenceError
            If M is no longer positive definite, or weights are not finite.
        """
        (self._project if self.objective == "psp" else self._whiten)(np.ascontiguousarray(x, dtype=np.float64))
        if not (np.isfinite(self.W).all() and np.isfinite(self._lateral).all()):
            raise DivergenceError(f"sample {self.count}: weights are not finite; take a smaller learning_rate")
        self._lateral = np.asfortranarray((self._lateral + self._lateral.T) / 2)  # rounding would add up
        if self.objective == "psp" and np.linalg.eigvalsh(self._lateral)[0] <= 0:
            raise DivergenceError(
                f"sample {self.count}: M⁻¹ has lost its definiteness to rounding, as M has forgotten directions "
                "that few samples have; take a larger learning_rate_offset, or fewer components"
            )

    def _project(self, x: np.ndarray):
        W, transposed, Q, t = self.W, self.W.T, self._lateral, self.count + self.learning_rate_offset
        twice, lateral = 2 * self.learning_rate, self.learning_rate / self.ratio
        for row in x:
            y = Q @ (W @ row)
            eta, a = twice / t, lateral / t
            dgemm(eta, row[:, None], y[None], 1 - eta, transposed, overwrite_c=True)
            Q /= 1 - a
            z = Q @ y
            dger(-a / (1 + a * y.dot(z)), z, z, a=Q, overwrite_a=True)
            t += 1
        self.count += len(x)

    def _whiten(self, x: np.ndarray):
        W, transposed, M = self.W, self.W.T, self._lateral
        for row in x:
            _, y, failed = dposv(M, W @ row)
            if failed:
                raise DivergenceError(self._indefinite())
            eta = self.learning_rate / (self.learning_rate_offset + self.count)
            a = eta / self.ratio
            dgemm(2 * eta, row[:, None], y[None], 1 - 2 * eta, transposed, overwrite_c=True)
            dger(a, y, y, a=M, overwrite_a=True)
            M.flat[:: len(M) + 1] -= a
            self.count += 1
        if np.linalg.eigvalsh(M)[0] <= 0:
            raise DivergenceError(self._indefinite())

    def _indefinite(self) -> str:
        rate = self.learning_rate / (self.learning_rate_offset + self.count) / self.ratio
        least = np.linalg.eigvalsh(self._lateral)[0]
        return (
            f"sample {self.count}: M has the least eigenvalue {least:.3g}, which must stay above 0 (η/τ = {rate:.3g}); "
            "η/τ is to be well below the least eigenvalue of ⟨x xᵀ⟩ that is to be found: take a smaller learning_rate, "
            "a larger learning_rate_offset, or fewer components"
        )
