"""
A learner of one's own
======================

Two learners that share nothing with CorInfoMax. `Reservoir` is a circuit: leaky cells with random recurrent weights
that stay, and an output layer that is nudged towards the targets and learns by the delta rule. `Perceptron` is the
delta rule without dynamics. An entry in the registry is all that `corinfomax train` needs.
"""

import brian2 as b2
import numpy as np

from corinfomax.models import PHYSICAL_SCALE, Cell, Parameter, Recordable, StimulusCell
from corinfomax.models.domains import NONNEGATIVE_UNIT_BOX
from corinfomax.networks import (
    Circuit,
    GradientStep,
    OuterProducts,
    PhaseEnd,
    Plasticity,
    PopulationSpec,
    Projection,
    Trainable,
    contrast,
)
from corinfomax.parameters import Architecture, Positive, Seed, validated
from corinfomax.protocols.clockwork import Protocol, contrastive
from corinfomax.protocols.runs import Configuration, RunFolder, Training
from corinfomax.protocols.systems import MODELS, Model
from corinfomax.protocols.systems.metrics import performance


class LeakyCell(Cell):
    """A point cell, τ du/dt = -u + drive + β (y - u), of rate r = clip(u, 0, 1)."""

    equations = """
    du/dt = pace*(-u + drive_input + drive_recurrent + beta*(drive_teacher - u))/tau : 1
    r : 1                                   # the domain's nonlinearity writes it
    drive_input : 1
    drive_recurrent : 1
    drive_teacher : 1
    beta : 1 (shared)
    pace : 1 (shared)
    V_soma = V_rest + V_scale*u : volt
    """
    parameters = (Parameter("tau", "second", "membrane time constant", "this example"),)
    drives = ("drive_input", "drive_recurrent", "drive_teacher")
    state = ("u", "r")
    recordables = (
        Recordable("u", "1", "soma", "potential"),
        Recordable("r", "1", "", "rate"),
        Recordable("V_soma", "V", "soma", f"potential, rest at {PHYSICAL_SCALE['V_rest']}"),
    )


def delta_rule(weights, nudge, free):
    """ΔW = ⟨(nudged r_2 - free r_2) r_1ᵀ⟩/β: the output moves to where the teacher drew it. β may be negative."""
    return OuterProducts(nudge.r[2] - free.r[2], free.r[1], scale=contrast(nudge, free))


class Reservoir(Circuit):
    """Random recurrent cells, and an output that learns from them."""

    @validated
    def __init__(
        self, architecture: Architecture, *, learning_rate: Positive = 0.5, tau: Positive = 10.0, seed: Seed = 0
    ):
        rng = np.random.default_rng(seed)
        inputs, cells, outputs = architecture
        self.architecture = tuple(architecture)
        layer = {"domain": NONNEGATIVE_UNIT_BOX, "tau": tau * b2.ms}
        super().__init__(
            populations=[
                PopulationSpec("stimulus", StimulusCell(), inputs, layer=0),
                PopulationSpec("reservoir", LeakyCell(**layer), cells, layer=1),
                PopulationSpec("output", LeakyCell(**layer), outputs, layer=2),
            ],
            projections=[
                Projection("stimulus", "reservoir", "drive_input", ("W", 0), constant=True),
                Projection("reservoir", "reservoir", "drive_recurrent", ("R", 1)),
                Projection("reservoir", "output", "drive_input", ("W", 1)),
            ],
            plasticity=[Plasticity(delta_rule, GradientStep(("W", 1), learning_rate), reads=("nudge", "free"))],
            weights={
                "W": {0: rng.normal(0, inputs**-0.5, (cells, inputs)), 1: np.zeros((outputs, cells))},
                "R": {1: rng.normal(0, 0.5 * cells**-0.5, (cells, cells))},
            },
            layers=["stimulus", "reservoir", "output"],
            teacher=("output", "drive_teacher"),
            tau=tau * b2.ms,
        )


class Perceptron(Trainable):
    """One layer without dynamics, y = Wx, that learns by the delta rule."""

    @validated
    def __init__(self, architecture: Architecture, *, learning_rate: Positive = 0.02, seed: Seed = 0):
        self.architecture = tuple(architecture)
        super().__init__(
            weights={"W": {0: np.zeros(architecture[::-1])}},
            sizes=architecture,
            plasticity=[Plasticity(self.delta, GradientStep(("W", 0), learning_rate), reads=("forward",))],
        )

    def states(self, x, y=None):
        """Output for x, and the error where there are targets."""
        output = x @ self.weights["W"][0].T
        variables = {"r": {0: x, 1: output}}
        return PhaseEnd(0.0, variables if y is None else {**variables, "error": {1: y - output}})

    @staticmethod
    def delta(weights, forward):
        """ΔW = ⟨error xᵀ⟩."""
        return OuterProducts(forward.error[1], forward.r[0], scale=1 / len(forward.r[0]))


def metrics(learner, states, stimuli):
    """Columns of the history: accuracy, and how large the weights are."""
    output = learner.output
    norm = float(np.linalg.norm(learner.weights["W"][output - 1]))
    return {**performance(states.r[output], stimuli), "norm_W": norm}


MODELS["reservoir"] = Model(Reservoir, protocols={"contrastive": contrastive, "phases": Protocol}, metrics=metrics)
MODELS["perceptron"] = Model(Perceptron, metrics=metrics)

FILES = {
    "reservoir": {"architecture": [64, 100, 10]},
    "perceptron": {"architecture": [64, 10]},
}

# %%
# Each is trained as any other learner is: from a parameter file, into a run folder. On the command line the same is
# ``corinfomax train mine.toml`` with ``model = "custom_learner.py:MODEL"``, where the module has such an entry.
if __name__ == "__main__":
    import tempfile

    for name, circuit in FILES.items():
        values = {"circuit": {"model": name, **circuit}, "training": {"epochs": 3}}
        if name == "reservoir":
            values["protocol"] = {"step": 0.2, "free_steps": 20, "nudge_steps": 10}
        configuration = Configuration(values, name)
        with tempfile.TemporaryDirectory() as folder:
            training = Training(configuration, RunFolder(f"{folder}/run"))
            training.folder.create(configuration)
            training.run()
        print(f"{name}: {100 * training.rows[-1]['test_accuracy']:.1f} % of the test digits after 3 epochs")
