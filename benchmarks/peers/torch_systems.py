"""PyTorch's systems for `worker.py`: the loops of `torch_loops.py`, and backpropagation as everyone writes it."""

import torch
import torch_loops

torch.set_num_threads(1)


class Looped:
    """A loop that trains minibatches."""

    packages = ("torch", "numpy")

    def __init__(self, loop):
        self.loop = loop

    def run(self, portions):
        """Train all portions."""
        for portion in portions:
            for x, y, beta in zip(*portion, strict=True):
                self.loop.train(torch.from_numpy(x), torch.from_numpy(y), beta)

    def predict(self, x):
        """Output."""
        return self.loop.predict(torch.from_numpy(x)).numpy()

    def wait(self):
        """Nothing is under way."""


class CorInfoMax(Looped):
    """From the simulator's initial weights, with its settings."""

    def __init__(self, weights):
        super().__init__(torch_loops.CorInfoMax(weights, rates_ff=[1.0, 0.7], rates_fb=[0.0, 0.15]))


class Equilibrium(Looped):
    """From the simulator's initial weights, with its settings."""

    def __init__(self, weights):
        super().__init__(torch_loops.EquilibriumPropagation(weights, rates=[0.1, 0.05]))


class Perceptron:
    """784-500-10 with ReLU, cross-entropy and Adam; autograd; from the simulator's initial weights."""

    def __init__(self, weights):
        self.net = torch.nn.Sequential(torch.nn.Linear(784, 500), torch.nn.ReLU(), torch.nn.Linear(500, 10))
        with torch.no_grad():
            for k in (0, 1):
                self.net[2 * k].weight.copy_(torch.from_numpy(weights[f"W/{k}"]))
                self.net[2 * k].bias.copy_(torch.from_numpy(weights[f"b/{k}"]))
        self.adam, self.loss = torch.optim.Adam(self.net.parameters(), lr=1e-3), torch.nn.CrossEntropyLoss()

    def train(self, x, y, beta):
        """One step of Adam."""
        self.adam.zero_grad()
        self.loss(self.net(x), y).backward()
        self.adam.step()

    @torch.no_grad()
    def predict(self, x):
        """Logits."""
        return self.net(x)


class Backpropagation(Looped):
    """`Perceptron`."""

    def __init__(self, weights):
        super().__init__(Perceptron(weights))
