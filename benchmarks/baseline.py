"""The baseline of every claim about speed: the same training step as a plain NumPy loop, written by hand.

It does what the simulator does and nothing else: no clock, no phases as data, no recording, no checks. One hidden
layer, the normative circuit, a constant Euler step, two phases. SST cells are folded into the lateral matrix
M = D - O = cB + dI, which is the shortest way to write it and the fastest.
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg.blas import get_blas_funcs


@dataclass(frozen=True)
class Settings:
    """Parameters of circuit and protocol; the defaults are those published for MNIST (setting 3).

    Parameters
    ----------
    epsilon, g_leak, forgetting, entropy_gain, learning_rate_ff, learning_rate_fb
        As in `corinfomax.networks.CorInfoMax`.
    step : float
        Euler step dt/τ_u.
    free_steps, nudge_steps : int
    beta : float
    method : {"euler", "exponential_euler"}
        Of the simulator; the baseline knows Euler's alone.
    """

    epsilon: float = 0.15
    g_leak: float = 0.5
    forgetting: float = 0.99999
    entropy_gain: float = 1.0
    learning_rate_ff: tuple[float, float] = (1.0, 0.7)
    learning_rate_fb: float = 0.15
    step: float = 0.05
    free_steps: int = 30
    nudge_steps: int = 10
    beta: float = 1.0
    method: str = "euler"

    @property
    def steps(self) -> int:
        """Steps of one presentation."""
        return self.free_steps + self.nudge_steps


class NumpyLoop:
    """A circuit with one hidden layer, trained one minibatch at a time.

    Parameters
    ----------
    weights : dict
        ``W_ff[0]``, ``W_ff[1]``, ``W_fb[1]``, ``B[1]``, ``B[2]`` as `CorInfoMax.weights`; copied.
    batch : int
        Minibatch size.
    settings : Settings

    Attributes
    ----------
    weights : dict
        The present weights, by the same names.
    """

    def __init__(self, weights, batch: int, settings: Settings):
        self.settings = settings
        self.weights = {key: {k: W.copy(order="F") for k, W in weights[key].items()} for key in ("W_ff", "W_fb", "B")}
        W_ff = self.weights["W_ff"]
        dtype, hidden, output = W_ff[0].dtype, len(W_ff[0]), len(W_ff[1])
        self._gemm, self._syrk = get_blas_funcs(("gemm", "syrk"), dtype=dtype)
        gamma = settings.entropy_gain * (1 - settings.forgetting) / settings.forgetting
        self._lateral_gains = (
            (2 * gamma * settings.epsilon, settings.epsilon * settings.g_leak),
            (gamma, settings.g_leak),
        )
        self._M = [np.empty_like(B) for B in self.weights["B"].values()]
        self._lower = np.tri(64, k=-1, dtype=bool)
        self._refresh()
        self._u1, self._r1, self._basal1, self._apical1, self._top_down = (
            np.empty((batch, hidden), dtype) for _ in range(5)
        )
        self._u2, self._r2, self._basal2, self._lateral2 = (np.empty((batch, output), dtype) for _ in range(4))

    def train(self, x: np.ndarray, y: np.ndarray):
        """Free phase, nudge phase and plasticity for one minibatch x (batch, inputs), y (batch, outputs)."""
        settings = self.settings
        np.dot(x, self.weights["W_ff"][0].T, out=self._basal1)
        self._basal1 *= settings.step / settings.epsilon
        for state in (self._u1, self._r1, self._u2, self._r2):
            state[...] = 0
        self._settle(settings.free_steps, beta=0.0, y=y)
        free = self._r1.copy(), self._r2.copy()
        self._settle(settings.nudge_steps, beta=settings.beta, y=y)
        self._learn(x, free, (self._r1, self._r2))

    def _settle(self, steps: int, beta: float, y: np.ndarray):
        """Euler steps of eqs 14 and 15, collected as u ← keep · u + η g (drives) so that each term is one pass."""
        settings, (M1, M2) = self.settings, self._M
        W_ff, W_fb = self.weights["W_ff"][1].T, self.weights["W_fb"][1].T
        u1, r1, u2, r2 = self._u1, self._r1, self._u2, self._r2
        basal1, apical1, top_down, basal2, lateral2 = (
            self._basal1, self._apical1, self._top_down, self._basal2, self._lateral2
        )  # fmt: skip
        eta, coupled = settings.step, settings.step / settings.epsilon
        keep1 = 1 - eta * settings.g_leak - 2 * coupled
        keep2 = 1 - eta * (settings.g_leak + beta) - coupled
        taught = eta * beta * y
        for _ in range(steps):
            np.dot(r1, M1.T, out=apical1)
            np.dot(r2, W_fb, out=top_down)
            np.dot(r1, W_ff, out=basal2)
            np.dot(r2, M2.T, out=lateral2)
            apical1 += top_down
            apical1 *= coupled
            u1 *= keep1
            u1 += apical1
            u1 += basal1
            basal2 *= coupled
            lateral2 *= eta
            u2 *= keep2
            u2 += basal2
            u2 += lateral2
            u2 += taught
            np.clip(u1, 0.0, 1.0, out=r1)
            np.clip(u2, 0.0, 1.0, out=r2)

    def _learn(self, x, free, nudge):
        """Eqs 26-28. All rules see the old weights, so every signal is formed before any weight moves."""
        settings, weights = self.settings, self.weights
        (free1, free2), (nudge1, nudge2) = free, nudge
        W_ff, W_fb, B = weights["W_ff"], weights["W_fb"], weights["B"]
        change1 = nudge1 - free1
        error2 = np.concatenate([nudge2 - nudge1 @ W_ff[1].T, free1 @ W_ff[1].T - free2])
        error1 = np.concatenate([nudge1 - nudge2 @ W_fb[1].T, free2 @ W_fb[1].T - free1])
        both1, both2 = np.concatenate([nudge1, free1]), np.concatenate([nudge2, free2])
        z = {1: nudge1 @ B[1].T, 2: nudge2 @ B[2].T}

        scale = 1 / (len(x) * settings.beta)
        self._accumulate(W_ff[0], change1, x, scale * settings.learning_rate_ff[0])
        self._accumulate(W_ff[1], error2, both1, scale * settings.learning_rate_ff[1])
        self._accumulate(W_fb[1], error1, both2, scale * settings.learning_rate_fb)
        for k in (1, 2):
            self._decorrelate(B[k], z[k])
        self._refresh()

    def _accumulate(self, W, post, pre, rate):
        """W += rate · postᵀ pre in one pass over W: BLAS accumulates into its memory, which is in Fortran order."""
        self._gemm(rate, post.T, pre.T, 1.0, W, trans_b=True, overwrite_c=True)

    def _decorrelate(self, B, z):
        """B ← λ⁻¹(B - γ⟨z zᵀ⟩): one triangle by BLAS, mirrored block by block so that B stays exactly symmetric."""
        forgetting = self.settings.forgetting
        gamma = (1 - forgetting) / forgetting
        self._syrk(-gamma / forgetting / len(z), z.T, 1 / forgetting, B, overwrite_c=True)
        block = len(self._lower)
        for start in range(0, len(B), block):
            stop = start + block
            B[start:stop, :start] = B[:start, start:stop].T
            corner = B[start:stop, start:stop]
            np.copyto(corner, corner.T, where=self._lower[: len(corner), : len(corner)])

    def _refresh(self):
        """M = cB + dI."""
        for M, B, (c, d) in zip(self._M, self.weights["B"].values(), self._lateral_gains, strict=True):
            np.multiply(B, c, out=M)
            M.flat[:: len(M) + 1] += d
