"""CorInfoMax and equilibrium propagation as plain PyTorch loops, written from the equations: batched, without autograd.

Rows are stimuli. Weights are (post, pre), keyed as in the papers: ``W_ff/k`` and ``W_fb/k`` join the layers k and
k + 1, ``B/k`` is the inverse correlation of layer k + 1; ``W/k`` and ``b/k`` of equilibrium propagation lead to layer
k + 1.
"""

import torch


class CorInfoMax:
    """Equations 14 to 28 of Bozkurt, Pehlevan & Erdogan (2023).

    Parameters
    ----------
    weights : dict of ndarray
        ``W_ff/k``, ``W_fb/k`` and ``B/k``; copied.
    rates_ff, rates_fb : sequence of float
        Learning rates by k; that of ``W_fb/0`` is not read.
    epsilon, forgetting, g_leak, step : float
    free_steps, nudge_steps : int
    convention : {"normative", "authors"}
        "normative" is eq 14 at the output, with all layers at once. "authors" has an apical conductance of 1 at the
        output, takes the layers one after the other, and begins each phase with u := r.
    three_phase : bool
        A third phase at -β goes on from the nudged state, and learning contrasts it with the second.
    step_rule, step_decay, step_min
        Step i of a phase has the size `step`, or max(step/(1 + step_decay · i), step_min), or
        max(step/(i + 1), step_min).
    """

    def __init__(
        self, weights, *, rates_ff, rates_fb, epsilon=0.15, forgetting=0.99999, g_leak=0.5, step=0.05,
        free_steps=30, nudge_steps=10, convention="normative", three_phase=False,
        step_rule="constant", step_decay=0.01, step_min=0.001,
    ):  # fmt: skip
        layers = len([name for name in weights if name.startswith("W_ff")])
        tensors = {name: torch.tensor(array) for name, array in weights.items()}
        self.W_ff = [tensors[f"W_ff/{k}"] for k in range(layers)]
        self.W_fb = [None, *(tensors[f"W_fb/{k}"] for k in range(1, layers))]
        self.B = [tensors[f"B/{k}"] for k in range(layers)]
        self.rates_ff, self.rates_fb = [float(rate) for rate in rates_ff], [float(rate) for rate in rates_fb]
        self.epsilon, self.g_leak, self.forgetting = epsilon, g_leak, forgetting
        self.gamma = (1 - forgetting) / forgetting
        self.step, self.step_rule, self.step_decay, self.step_min = step, step_rule, step_decay, step_min
        self.free_steps, self.nudge_steps = free_steps, nudge_steps
        self.sequential, self.three_phase = convention == "authors", three_phase

    @property
    def weights(self):
        """The present weights, by name."""
        lists = {"W_ff": self.W_ff, "W_fb": self.W_fb, "B": self.B}
        return {f"{key}/{k}": W for key, Ws in lists.items() for k, W in enumerate(Ws) if W is not None}

    @torch.no_grad()
    def train(self, x, y, beta):
        """Free phase, nudge phase (and third phase), and plasticity, for one minibatch; the states of each phase."""
        r = self.rest(x)
        history = {"free": [], "nudge": [], "third": []}
        u, free = self.settle(r, r, self.free_steps, y, 0.0, history["free"])
        u, nudge = self.settle(u, free, self.nudge_steps, y, beta, history["nudge"])
        if self.three_phase:
            _, third = self.settle(u, nudge, self.nudge_steps, y, -beta, history["third"])
            self.learn(nudge, third, 2 * beta)
        else:
            self.learn(nudge, free, beta)
        return history

    @torch.no_grad()
    def predict(self, x):
        """Rates of the output at the end of a free phase."""
        r = self.rest(x)
        return self.settle(r, r, self.free_steps, None, 0.0)[1][-1]

    def rest(self, x):
        """Rates of all layers: the stimulus, and zeros."""
        return [x, *(x.new_zeros(len(x), len(W)) for W in self.W_ff)]

    def settle(self, u, r, steps, y, beta, history=None):
        """Integrate eqs 14 and 15 by Euler's method; potentials and rates of all layers."""
        u, r, P = list(r if self.sequential else u), list(r), len(self.W_ff)
        from_stimulus = r[0] @ self.W_ff[0].T
        for i in range(steps):
            eta, before = self.size(i), list(r)
            for k in range(1, P + 1):
                below = r if self.sequential else before
                v_B = from_stimulus if k == 1 else below[k - 1] @ self.W_ff[k - 1].T
                entropy = before[k] @ self.B[k - 1].T
                change = -self.g_leak * u[k] + self.g_leak * before[k] + (v_B - u[k]) / self.epsilon
                if k < P:
                    top_down = before[k + 1] @ self.W_fb[k].T
                    change += 2 * self.gamma * entropy + (top_down - u[k]) / self.epsilon
                else:
                    change += self.gamma * entropy
                    if self.sequential:
                        change -= u[k]
                    if beta:
                        change += beta * (y - (before[k] if self.sequential else u[k]))
                u[k] = u[k] + eta * change
                r[k] = u[k].clamp(0, 1)
            if history is not None:
                history.append(r[1:])
        return u, r

    def size(self, i):
        """Size of step i of a phase."""
        if self.step_rule == "constant":
            return self.step
        divisor = 1 + self.step_decay * i if self.step_rule == "divide_by_slow_loop_index" else i + 1
        return max(self.step / divisor, self.step_min)

    def learn(self, plus, minus, beta):
        """Equations 26 to 28, as means over the minibatch, every change from the weights before it."""
        scale = 1 / (beta * len(plus[0]))
        changes = []
        for k, W in enumerate(self.W_ff):
            for r, sign in ((plus, scale), (minus, -scale)):
                changes.append((W, (r[k + 1] - r[k] @ W.T).T, r[k], self.rates_ff[k] * sign))
        for k, W in enumerate(self.W_fb):
            if W is not None:
                for r, sign in ((plus, scale), (minus, -scale)):
                    changes.append((W, (r[k] - r[k + 1] @ W.T).T, r[k + 1], self.rates_fb[k] * sign))
        for W, error, rate, factor in changes:
            W.addmm_(error, rate, alpha=factor)
        for k, B in enumerate(self.B):
            z = plus[k + 1] @ B.T
            B.addmm_(z.T, z, beta=1 / self.forgetting, alpha=-self.gamma / (self.forgetting * len(z)))


class EquilibriumPropagation:
    """Equilibrium propagation (Scellier & Bengio 2017), with the energy and steps of Bozkurt et al. (2023).

    Φ = ½ Σ ‖s_k‖² - Σ s_{k+1}ᵀ(W_k s_k + b_k) + β ‖s_P - y‖²; all layers descend it at once, clipped to [0, 1].

    Parameters
    ----------
    weights : dict of ndarray
        ``W/k`` and ``b/k``; copied.
    rates : sequence of float
        Learning rates by k, of weights and biases.
    step : float
    free_steps, nudge_steps : int
    """

    def __init__(self, weights, *, rates, step=0.5, free_steps=20, nudge_steps=4):
        layers = range(len([name for name in weights if name.startswith("W/")]))
        self.W, self.b = ([torch.tensor(weights[f"{key}/{k}"]) for k in layers] for key in ("W", "b"))
        self.rates, self.step = [float(rate) for rate in rates], step
        self.free_steps, self.nudge_steps = free_steps, nudge_steps

    @property
    def weights(self):
        """The present weights, by name."""
        return {f"{key}/{k}": W for key, Ws in (("W", self.W), ("b", self.b)) for k, W in enumerate(Ws)}

    @torch.no_grad()
    def train(self, x, y, beta):
        """Free phase, nudged phase and plasticity, for one minibatch; the states of each phase."""
        history = {"free": [], "nudge": []}
        free = self.settle(self.rest(x), self.free_steps, y, 0.0, history["free"])
        nudge = self.settle(free, self.nudge_steps, y, beta, history["nudge"])
        for k, (W, b) in enumerate(zip(self.W, self.b, strict=True)):
            scale = self.rates[k] / (beta * len(x))
            W.addmm_(nudge[k + 1].T, nudge[k], alpha=scale).addmm_(free[k + 1].T, free[k], alpha=-scale)
            b.add_((nudge[k + 1] - free[k + 1]).sum(0), alpha=scale)
        return history

    @torch.no_grad()
    def predict(self, x):
        """States of the output at the end of a free phase."""
        return self.settle(self.rest(x), self.free_steps, None, 0.0)[-1]

    def rest(self, x):
        """States of all layers: the stimulus, and zeros."""
        return [x, *(x.new_zeros(len(x), len(W)) for W in self.W)]

    def settle(self, s, steps, y, beta, history=None):
        """s ← clip(s - η ∂Φ/∂s, 0, 1), all layers at once."""
        P = len(self.W)
        from_stimulus = torch.addmm(self.b[0], s[0], self.W[0].T)
        for _ in range(steps):
            after = [s[0]]
            for k in range(1, P + 1):
                drive = from_stimulus if k == 1 else torch.addmm(self.b[k - 1], s[k - 1], self.W[k - 1].T)
                descent = s[k] - drive
                if k < P:
                    descent.addmm_(s[k + 1], self.W[k], alpha=-1)
                elif beta:
                    descent.add_(s[k] - y, alpha=2 * beta)
                after.append(torch.add(s[k], descent, alpha=-self.step).clamp_(0, 1))
            s = after
            if history is not None:
                history.append(s[1:])
        return s
