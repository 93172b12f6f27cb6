"""Toy stimuli, toy systems and the command line that trains them, for several test modules."""

import matplotlib.pyplot as plt
import numpy as np

from corinfomax.networks.optimisers import Adam, GradientStep
from corinfomax.networks.plasticity import OuterProducts, Plasticity
from corinfomax.networks.schedules import InverseTime
from corinfomax.networks.states import PhaseEnd
from corinfomax.networks.trainable import Trainable
from corinfomax.parameters import Architecture, Count, Positive, validated
from corinfomax.protocols.systems import Model
from corinfomax.protocols.systems.metrics import performance


def stimuli(**changes):
    """Arrays of 60 stimuli of 6 inputs in 3 classes, with some keys replaced."""
    rng = np.random.default_rng(0)
    x = rng.uniform(size=(60, 6))
    return {"x": x, "y": np.argmax(x[:, :3] + x[:, 3:], axis=1), **changes}


def on_toys(path, *settings):
    """Words of a `train` command on toy stimuli, as they are, and with initial weights as published."""
    plain = ("scale=none", "bias=false", "initial_gain_ff=1.0")
    own = (f"stimuli={path}", "architecture=[6,5,3]", "batch_size=5", "epochs=2", "target=numpy", *plain, *settings)
    return ["train", *(word for setting in own for word in ("--set", setting))]


def without_figures(patch):
    """Let commands draw nothing, which takes most of their time, where something else is tested."""

    def closed(figure, files):
        plt.close(figure)
        return list(files)

    patch.setattr("corinfomax.analysis.figures.draw_run", lambda folder: [])
    patch.setattr("matplotlib.figure.Figure.draw_without_rendering", lambda figure: None)
    # In this order: the first takes from the second when it is imported.
    for module in ("protocols.perturbations.report", "analysis.figures.report"):
        patch.setattr(f"corinfomax.{module}.save_figure", closed)


class Regressor(Trainable):
    """One layer without dynamics, y = Wx, that goes down the squared error by Adam."""

    @validated
    def __init__(self, architecture: Architecture, *, learning_rate: Positive = 0.02, seed: int = 0):
        shape = tuple(architecture[::-1])
        super().__init__(
            weights={"W": {0: 0.1 * np.random.default_rng(seed).standard_normal(shape)}},
            sizes=architecture,
            plasticity=[Plasticity(self._rule, Adam(("W", 0), shape, learning_rate), reads=("forward",))],
        )

    @staticmethod
    def _rule(weights, forward):
        return OuterProducts(forward.delta[1], forward.r[0], -1.0)

    def states(self, x, y=None):
        """Output for x, and with targets the error's derivative."""
        r = {0: x, 1: x @ self.weights["W"][0].T}
        return PhaseEnd(0.0, {"r": r} if y is None else {"r": r, "delta": {1: 2 * (r[1] - y) / y.size}})


class Oja(Trainable):
    """Oja's rule: one layer without dynamics and targets, that finds the first principal component."""

    @validated
    def __init__(self, *, inputs: Count = 10, rate: Positive = 20.0, seed: int = 0):
        optimiser = GradientStep(("W", 0), InverseTime(rate, 1000.0))
        super().__init__(
            weights={"W": {0: np.random.default_rng(seed).standard_normal((1, inputs)) / np.sqrt(inputs)}},
            sizes=(inputs, 1),
            plasticity=[Plasticity(self._rule, optimiser, reads=("forward",))],
        )

    @staticmethod
    def _rule(weights, forward):
        x, y = forward.r[0], forward.r[1]
        return OuterProducts(y, x - y @ weights["W"][0], 1 / len(x))

    def states(self, x, y=None):
        """Output for x."""
        assert y is None
        return PhaseEnd(0.0, {"r": {0: x, 1: x @ self.weights["W"][0].T}})


def misalignment(oja, states, stimuli):
    """1 - |cos| of W and the first eigenvector of the covariance."""
    W = oja.weights["W"][0][0].astype(float)
    first = np.linalg.eigh(stimuli.x_train.T @ stimuli.x_train)[1][:, -1]
    return {"misalignment": 1 - abs(W @ first) / np.linalg.norm(W)}


#: Systems that share no code with CorInfoMax, and need no Brian2.
REGRESSOR = Model(
    Regressor,
    metrics=lambda trainable, states, stimuli: {
        **performance(states.r[1], stimuli),
        "norm_W_0": float(np.linalg.norm(trainable.weights["W"][0])),
    },
)
OJA = Model(Oja, tasks=("none",), metrics=misalignment, score="misalignment")
