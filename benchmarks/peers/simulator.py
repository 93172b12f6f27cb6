"""The simulator's own systems for `worker.py`."""

import itertools

import numpy as np

from corinfomax.networks import Backpropagation, CorInfoMax, EquilibriumPropagation, PredictiveCoding
from corinfomax.protocols.clockwork import Preparation, calibrate, clamped, contrastive
from corinfomax.protocols.systems import StaticLearner
from corinfomax.stimuli import Stimulus

ARCHITECTURE = [784, 500, 10]


class Simulated:
    """A learner of the simulator."""

    packages = ("corinfomax", "brian2", "numpy")

    def __init__(self, learner):
        self.learner = learner

    def run(self, portions):
        """One run of the simulator for all portions."""
        self.learner.run(
            (Stimulus(x, y, beta, learn=True) for portion in portions for x, y, beta in zip(*portion, strict=True)),
            progress=False,
        )

    def predict(self, x):
        """Rates of the output."""
        return self.learner.predict(x)

    def wait(self):
        """Nothing is under way."""


def corinfomax_circuit(**settings):
    """The circuit of the preset `mnist`, whose learning rates stay as they are."""
    return CorInfoMax(
        ARCHITECTURE, learning_rate_ff=[1.0, 0.7], learning_rate_fb=[0.15], learning_rate_decay=1.0, **settings
    )


class CorInfoMaxByDefault(Simulated):
    """The preset `mnist`: the SST input is renewed as often as the floating-point type can tell."""

    def __init__(self, weights):
        super().__init__(Preparation(corinfomax_circuit(), 20, dtype=np.float32, protocol=contrastive()))

    def run(self, portions):
        """Calibrate on the first minibatch, as training does when an epoch begins, and run."""
        portions = iter(portions)
        first = next(portions)
        x, y, beta = (values[0] for values in first)
        calibrate(self.learner, Stimulus(x, y, beta))
        super().run(itertools.chain([first], portions))


class CorInfoMaxEveryStep(Simulated):
    """The same, with the SST input renewed in each step."""

    def __init__(self, weights):
        super().__init__(Preparation(corinfomax_circuit(sst_every=1), 20, dtype=np.float32, protocol=contrastive()))


class Equilibrium(Simulated):
    """The preset `mnist_ep`."""

    def __init__(self, weights):
        protocol = contrastive(free_steps=20, nudge_steps=4, step=0.5)
        super().__init__(Preparation(EquilibriumPropagation(ARCHITECTURE), 20, dtype=np.float32, protocol=protocol))


class Predictive(Simulated):
    """The preset `mnist_pc` with one hidden layer."""

    def __init__(self, weights):
        super().__init__(Preparation(PredictiveCoding(ARCHITECTURE), 20, dtype=np.float32, protocol=clamped()))


class Backpropagated(Simulated):
    """The preset `mnist_bp_ce`."""

    def __init__(self, weights):
        super().__init__(StaticLearner(Backpropagation(ARCHITECTURE, loss="ce"), 20, dtype=np.float32))
