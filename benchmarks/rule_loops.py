"""The baselines of `rules.py`: a training step of each learning rule as a plain NumPy loop, written by hand.

Each does what the simulator does and nothing else, for one hidden layer: no clock, no phases as data, no checks.
Products go into arrays that are there already, all else is done in place, constants are folded into as few passes as
the algebra allows, and BLAS accumulates weight changes into the weights' own memory, which is in Fortran order.
"""

import numpy as np
from scipy.linalg.blas import get_blas_funcs


class Loop:
    """What the loops have in common: a copy of the weights, work space, and ways to change weights.

    Parameters
    ----------
    weights : dict
        As those of the simulator's circuit; copied.
    batch : int
        Minibatch size.

    Attributes
    ----------
    weights : dict
        The present weights, by the same names.
    """

    def __init__(self, weights, batch: int):
        self.weights = {
            key: {k: array.copy(order="F") for k, array in arrays.items()} for key, arrays in weights.items()
        }
        self.W0, self.W1 = self.weights["W"][0], self.weights["W"][1]
        self.b1, self.b2 = self.weights["b"][1], self.weights["b"][2]
        self.batch, self.dtype = batch, self.W0.dtype
        self.gemm = get_blas_funcs("gemm", dtype=self.dtype)

    def hidden(self, count: int, dtype=None) -> list[np.ndarray]:
        """Arrays (batch, hidden units)."""
        return [np.empty((self.batch, len(self.W0)), dtype or self.dtype) for _ in range(count)]

    def outputs(self, count: int) -> list[np.ndarray]:
        """Arrays (batch, outputs)."""
        return [np.empty((self.batch, len(self.W1)), self.dtype) for _ in range(count)]

    def accumulate(self, W, post, pre, rate: float, keep: float = 1.0):
        """W ← keep · W + rate · postᵀ pre, in one pass over W."""
        self.gemm(rate, post.T, pre.T, keep, W, trans_b=True, overwrite_c=True)


class ContrastiveLoop(Loop):
    """Equilibrium propagation, and contrastive similarity matching if there are lateral weights M[1].

    Parameters
    ----------
    weights, batch
        As in `Loop`.
    beta, step : float
    free_steps, nudge_steps : int
    rates : (float, float)
        Of W[0] and b[1], and of W[1] and b[2].
    rate_lateral : float
    """

    def __init__(self, weights, batch, beta, step, free_steps, nudge_steps, rates, rate_lateral=0.0):
        super().__init__(weights, batch)
        self.beta, self.step, self.free_steps, self.nudge_steps = beta, step, free_steps, nudge_steps
        self.rates, self.rate_lateral = rates, rate_lateral
        self.M = self.weights["M"][1] if "M" in self.weights else None
        self.s1, self.bottom_up, self.top_down, self.lateral = self.hidden(4)
        self.s2, self.into_output, self.taught = self.outputs(3)

    def train(self, x: np.ndarray, y: np.ndarray):
        """Free phase, nudged phase and plasticity for one minibatch x (batch, inputs), y (batch, outputs)."""
        np.dot(x, self.W0.T, out=self.bottom_up)
        self.bottom_up += self.b1
        self.bottom_up *= self.step
        self.s1[...], self.s2[...] = 0, 0
        self.settle(self.free_steps, 0.0, y)
        free1, free2 = self.s1.copy(), self.s2.copy()
        self.settle(self.nudge_steps, self.beta, y)
        self.learn(x, free1, free2)

    def settle(self, steps: int, beta: float, y: np.ndarray):
        """s ← clip(s - η ∂Φ/∂s), both layers at once, collected as keep · s + η (drives)."""
        s1, s2, top_down, into_output, lateral = self.s1, self.s2, self.top_down, self.into_output, self.lateral
        W1, M, eta, bottom_up, taught = self.W1, self.M, self.step, self.bottom_up, self.taught
        keep1, keep2 = 1 - eta, 1 - eta * (1 + 2 * beta)
        np.multiply(y, 2 * eta * beta, out=taught)
        taught += eta * self.b2
        for _ in range(steps):
            np.dot(s2, W1, out=top_down)
            np.dot(s1, W1.T, out=into_output)
            if M is not None:
                np.dot(s1, M.T, out=lateral)
                top_down -= lateral
            top_down *= eta
            s1 *= keep1
            s1 += top_down
            s1 += bottom_up
            np.clip(s1, 0.0, 1.0, out=s1)
            into_output *= eta
            s2 *= keep2
            s2 += into_output
            s2 += taught
            np.clip(s2, 0.0, 1.0, out=s2)

    def learn(self, x, free1, free2):
        """Contrast the phases; M follows the nudged one alone."""
        s1, s2, (rate0, rate1) = self.s1, self.s2, self.rates
        scale = 1 / (self.batch * self.beta)
        change1 = s1 - free1
        self.accumulate(self.W0, change1, x, rate0 * scale)
        self.accumulate(self.W1, np.concatenate([s2, -free2]), np.concatenate([s1, free1]), rate1 * scale)
        self.b1 += (rate0 * scale) * change1.sum(axis=0)
        self.b2 += (rate1 * scale) * (s2 - free2).sum(axis=0)
        if self.M is not None:
            rate = self.rate_lateral / 2
            self.accumulate(self.M, s1, s1, rate * scale, keep=1 - rate / abs(self.beta))


class AdamLoop(Loop):
    """Loops that learn by Adam.

    Moments are kept without the factors 1 - β₁ and 1 - β₂, which go with the bias corrections into two numbers: so the
    step is ten passes over the weights.

    Parameters
    ----------
    weights, batch
        As in `Loop`.
    rate : float
    """

    BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8

    def __init__(self, weights, batch, rate):
        super().__init__(weights, batch)
        self.rate, self.t = rate, 0
        self.moments = [tuple(np.zeros_like(p) for _ in range(3)) for p in (self.W0, self.W1, self.b1, self.b2)]

    def descend(self, x, hidden, error1, error2):
        """Follow the gradients postᵀ pre of both layers, and their biases'."""
        self.t += 1
        events = [(error1, x), (error2, hidden), (error1, None), (error2, None)]
        for p, (m, v, g), (post, pre) in zip((self.W0, self.W1, self.b1, self.b2), self.moments, events, strict=True):
            if pre is None:
                post.sum(axis=0, out=g)
            else:
                self.accumulate(g, post, pre, 1.0, keep=0.0)
            self.adam(p, g, m, v)

    def adam(self, p, g, m, v):
        """One step of Adam along -g, which is overwritten."""
        corrected_1 = (1 - self.BETA_1) / (1 - self.BETA_1**self.t)
        corrected_2 = np.sqrt((1 - self.BETA_2) / (1 - self.BETA_2**self.t))
        m *= self.BETA_1
        m += g
        g *= g
        v *= self.BETA_2
        v += g
        np.sqrt(v, out=g)
        g += self.EPSILON / float(corrected_2)
        np.divide(m, g, out=g)
        g *= self.rate * corrected_1 / float(corrected_2)
        p -= g


class PredictiveLoop(AdamLoop):
    """Predictive coding, the output clamped to its target.

    Parameters
    ----------
    weights, batch, rate
        As in `AdamLoop`.
    step : float
    steps : int
    """

    SCALE, OFFSET = 0.94, 0.03

    def __init__(self, weights, batch, rate, step, steps):
        super().__init__(weights, batch, rate)
        self.step, self.steps = step, steps
        self.prediction, self.steady, self.u, self.f, self.slope, self.top_down = self.hidden(6)
        self.output, self.error2, self.clamped = self.outputs(3)

    def train(self, x: np.ndarray, y: np.ndarray):
        """Forward pass, relaxation and Adam for one minibatch x (batch, inputs), y (batch, outputs)."""
        prediction, steady, u, f, slope, top_down = (
            self.prediction, self.steady, self.u, self.f, self.slope, self.top_down
        )  # fmt: skip
        output, error2, clamped, W1, eta = self.output, self.error2, self.clamped, self.W1, self.step
        np.dot(x, self.W0.T, out=prediction)
        prediction += self.b1
        np.multiply(prediction, eta, out=steady)
        u[...] = prediction
        self.sigmoid(u, f)
        np.dot(f, W1.T, out=output)
        output += self.b2
        target = self.SCALE * y + self.OFFSET
        np.log(target / (1 - target), out=clamped)
        clamped -= self.b2
        for _ in range(self.steps):
            np.dot(f, W1.T, out=error2)
            np.subtract(clamped, error2, out=error2)
            error2 *= eta
            np.dot(error2, W1, out=top_down)
            np.subtract(1.0, f, out=slope)
            slope *= f
            slope *= top_down
            u *= 1 - eta
            u += steady
            u += slope
            self.sigmoid(u, f)
        np.dot(f, W1.T, out=error2)
        error2 -= clamped
        error2 *= 1 / self.batch
        prediction -= u
        prediction *= 1 / self.batch
        self.descend(x, f, prediction, error2)

    @staticmethod
    def sigmoid(u, out):
        """1/(1 + exp(-u))."""
        np.negative(u, out=out)
        np.exp(out, out=out)
        out += 1.0
        np.reciprocal(out, out=out)


class NudgedPredictiveLoop(Loop):
    """Predictive coding, the output nudged.

    Parameters
    ----------
    weights, batch
        As in `Loop`.
    rate, beta, step : float
    steps : int
    """

    def __init__(self, weights, batch, rate, beta, step, steps):
        super().__init__(weights, batch)
        self.rate, self.beta, self.step, self.steps = rate, beta, step, steps
        self.prediction, self.steady, self.u, self.f, self.top_down = self.hidden(5)
        (self.active,) = self.hidden(1, bool)
        self.output, self.error2, self.taught = self.outputs(3)

    def train(self, x: np.ndarray, y: np.ndarray):
        """Forward pass, relaxation and ascent for one minibatch x (batch, inputs), y (batch, outputs)."""
        prediction, steady, u, f, top_down, active = (
            self.prediction, self.steady, self.u, self.f, self.top_down, self.active
        )  # fmt: skip
        output, error2, taught, W1, eta = self.output, self.error2, self.taught, self.W1, 2 * self.step
        np.dot(x, self.W0.T, out=prediction)
        prediction += self.b1
        np.multiply(prediction, eta, out=steady)
        u[...] = prediction
        np.maximum(u, 0.0, out=f)
        np.dot(f, W1.T, out=output)
        output += self.b2
        np.multiply(y, eta * self.beta, out=taught)
        for _ in range(self.steps):
            np.dot(f, W1.T, out=error2)
            error2 += self.b2
            np.subtract(output, error2, out=error2)
            error2 *= eta
            np.dot(error2, W1, out=top_down)
            np.greater(u, 0.0, out=active)
            top_down *= active
            u *= 1 - eta
            u += steady
            u += top_down
            np.maximum(u, 0.0, out=f)
            output *= 1 - eta * self.beta
            output -= error2
            output += taught
        np.dot(f, W1.T, out=error2)
        error2 += self.b2
        np.subtract(output, error2, out=error2)
        np.subtract(u, prediction, out=prediction)
        rate = self.rate * 2 / self.beta
        self.accumulate(self.W0, prediction, x, rate)
        self.accumulate(self.W1, error2, f, rate)
        self.b1 += rate * prediction.sum(axis=0)
        self.b2 += rate * error2.sum(axis=0)


class PerceptronLoop(AdamLoop):
    """Backpropagation, and feedback alignment if there are feedback weights W_fb[1].

    Parameters
    ----------
    weights, batch, rate
        As in `AdamLoop`.
    loss : {"mse", "ce"}
    """

    def __init__(self, weights, batch, rate, loss):
        super().__init__(weights, batch, rate)
        self.loss = loss
        self.feedback = self.weights["W_fb"][1].T if "W_fb" in self.weights else self.W1
        self.h, self.error1 = self.hidden(2)
        (self.active,) = self.hidden(1, bool)
        (self.output,) = self.outputs(1)

    def train(self, x: np.ndarray, y: np.ndarray):
        """Forward pass, backward pass and Adam for one minibatch x (batch, inputs), y (batch, outputs)."""
        h, output, error1, active = self.h, self.output, self.error1, self.active
        np.dot(x, self.W0.T, out=h)
        h += self.b1
        np.maximum(h, 0.0, out=h)
        np.dot(h, self.W1.T, out=output)
        output += self.b2
        if self.loss == "ce":
            output -= output.max(axis=1, keepdims=True)
            np.exp(output, out=output)
            output /= output.sum(axis=1, keepdims=True)
        output -= y
        output *= 1 / self.batch if self.loss == "ce" else 2 / output.size
        np.dot(output, self.feedback, out=error1)
        np.greater(h, 0.0, out=active)
        error1 *= active
        self.descend(x, h, error1, output)
