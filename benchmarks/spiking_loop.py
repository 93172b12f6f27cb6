"""A spiking training step as a plain NumPy loop: recipe A of 784-500-10, written by hand.

Input cells fire alike for equal grey levels, so their trains are a table by level. One sparse product a presentation,
of all input spikes of all steps, gives what reaches the hidden layer.
"""

from dataclasses import dataclass

import numpy as np
from baseline import NumpyLoop, Settings
from scipy.sparse import csr_array


@dataclass(frozen=True)
class Spiking(Settings):
    """Parameters of circuit and protocol: those of the preset `mnist_spiking`, in shorter presentations.

    Parameters
    ----------
    settle_steps, cycle_steps : int
        Before and in the oscillation of the teacher, one cycle.
    lag : int
        Of the plasticity gate.
    dt, r_max, tau_s, tau_ref : float
        ms and spikes per ms.
    """

    beta: float = 2.0
    learning_rate_fb: float = 0.3
    settle_steps: int = 60
    cycle_steps: int = 100
    lag: int = 8
    dt: float = 0.5
    r_max: float = 0.4
    tau_s: float = 20.0
    tau_ref: float = 0.0


class Train:
    """Coding cells of one layer and their filtered trains."""

    def __init__(self, shape: tuple[int, ...], dtype, settings: Spiking):
        self.s, self.last = np.zeros(shape, dtype), np.full(shape, -1000, np.int32)
        self.q = dtype.type(1 / (settings.r_max * settings.tau_s))
        self.keep = dtype.type(1 - settings.dt / settings.tau_s)
        self.rest = round(settings.tau_ref / settings.dt)

    def begin(self):
        """Put the cells at rest."""
        self.s[...] = 0
        self.last[...] = -1000

    def step(self, r: np.ndarray, t: int) -> np.ndarray:
        """Decay, and spikes of cells whose train has fallen behind."""
        self.s *= self.keep
        fires = r - self.s >= self.q / 2
        if self.rest:
            fires &= t - self.last >= self.rest
            self.last[fires] = t
        self.s += self.q * fires
        return fires


class SpikingLoop(NumpyLoop):
    """A spiking circuit with one hidden layer, trained one minibatch at a time.

    Parameters
    ----------
    weights, batch
        As in `NumpyLoop`.
    levels : ndarray
        All grey levels that inputs have, in order.
    settings : Spiking
    """

    def __init__(self, weights, batch: int, levels: np.ndarray, settings: Spiking):
        super().__init__(weights, batch, settings)
        dtype, steps = self._M[0].dtype, settings.settle_steps + settings.cycle_steps
        self.trains = [Train(u.shape, dtype, settings) for u in (self._u1, self._u2)]
        self.levels, cells = levels.astype(dtype), Train(levels.shape, dtype, settings)
        table = [(cells.step(self.levels, t), cells.s.copy()) for t in range(steps)]
        self.fires, s = (np.array(each) for each in zip(*table, strict=True))
        phase = np.arange(1, settings.cycle_steps + 1)
        self.course = np.sin(2 * np.pi * phase / settings.cycle_steps)
        self.gate = 2 / settings.cycle_steps * np.roll(self.course, settings.lag)
        self.mean0 = s[settings.settle_steps :].mean(axis=0).astype(dtype)
        self.locked0 = np.tensordot(self.gate, s[settings.settle_steps :], 1).astype(dtype)

    def train(self, x: np.ndarray, y: np.ndarray, beta: float):
        """One presentation of a minibatch and its plasticity."""
        settings, dtype = self.settings, x.dtype
        level = np.searchsorted(self.levels, x)
        arriving = self._arriving(level)
        for state in (self._u1, self._r1, self._u2, self._r2):
            state[...] = 0
        for train in self.trains:
            train.begin()
        drive = np.zeros_like(self._u1)
        sums = [(np.zeros_like(r), np.zeros_like(r)) for r in (self._r1, self._r2)]
        self._top_down[...] = self._basal2[...] = 0
        sst = [np.zeros_like(self._u1), np.zeros_like(self._u2)]
        settled = settings.settle_steps
        for t in range(settled + settings.cycle_steps):
            if t == settled:
                sst = self._inhibition()
            b = beta * self.course[t - settled] if t >= settled else 0.0
            self._step(t, b, y, drive, sst)
            drive *= self.trains[0].keep
            drive += arriving[t]
            if t >= settled:
                gate = dtype.type(self.gate[t - settled])
                for (mean, locked), train in zip(sums, self.trains, strict=True):
                    mean += train.s
                    locked += gate * train.s
        for mean, _ in sums:
            mean /= settings.cycle_steps
        self._learn_from((self.mean0[level], self.locked0[level]), *sums, beta)

    def _arriving(self, level: np.ndarray) -> np.ndarray:
        """What spikes of each step bring to the hidden layer, (steps, stimuli, hidden): one sparse product."""
        spikes = csr_array(self.fires[:, level].reshape(-1, level.shape[1]), dtype=self._M[0].dtype)
        found = spikes @ self.weights["W_ff"][0].T
        found *= self.trains[0].q
        return found.reshape(len(self.fires), *self._u1.shape)

    def _inhibition(self) -> list[np.ndarray]:
        found = []
        for r, M in zip((self._r1, self._r2), self._M, strict=True):
            found.append(r @ M.T - r * np.diag(M))
        return found

    def _step(self, t: int, b: float, y: np.ndarray, drive: np.ndarray, sst: list[np.ndarray]):
        settings, W = self.settings, self.weights
        eta, coupled = settings.step, settings.step / settings.epsilon
        (u1, r1), (u2, r2) = (self._u1, self._r1), (self._u2, self._r2)
        apical = r1 * np.diag(self._M[0])
        apical += sst[0]
        apical += self._top_down
        apical += drive
        u1 *= 1 - eta * settings.g_leak - 2 * coupled
        u1 += coupled * apical
        lateral = r2 * np.diag(self._M[1]) + sst[1]
        u2 *= 1 - eta * (settings.g_leak + b) - coupled
        u2 += coupled * self._basal2 + eta * lateral + eta * b * y
        for train, r in zip(self.trains, (r1, r2), strict=True):
            train.step(r, t)
        np.clip(u1, 0.0, 1.0, out=r1)
        np.clip(u2, 0.0, 1.0, out=r2)
        np.dot(self.trains[1].s, W["W_fb"][1].T, out=self._top_down)
        np.dot(self.trains[0].s, W["W_ff"][1].T, out=self._basal2)

    def _learn_from(self, stimulus, hidden, output, beta: float):
        settings, W = self.settings, self.weights
        (m0, Q0), (m1, Q1), (m2, Q2) = stimulus, hidden, output
        scale = 1 / (len(m0) * beta)
        changes = []
        for key, k, rate, (m, Q), (p, P) in (
            ("W_ff", 0, settings.learning_rate_ff[0], (m0, Q0), (m1, Q1)),
            ("W_ff", 1, settings.learning_rate_ff[1], (m1, Q1), (m2, Q2)),
            ("W_fb", 1, settings.learning_rate_fb, (m2, Q2), (m1, Q1)),
        ):
            w = W[key][k]
            changes.append((w, np.concatenate([P - Q @ w.T, p - m @ w.T]), np.concatenate([m, Q]), scale * rate))
        z = {1: m1 @ W["B"][1].T, 2: m2 @ W["B"][2].T}
        for change in changes:
            self._accumulate(*change)
        for k in (1, 2):
            self._decorrelate(W["B"][k], z[k])
        self._refresh()
