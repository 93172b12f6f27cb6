"""Models of one's own in parameter files: a circuit, its protocols and what presents stimuli to it."""

import numpy as np
import pytest
from toys import stimuli

from corinfomax.analysis import read_history
from corinfomax.networks import CorInfoMax
from corinfomax.parameters import Count, validated
from corinfomax.protocols.clockwork import Preparation, Protocol
from corinfomax.protocols.runs import Configuration
from corinfomax.protocols.runs.models import MODELS, Model

PARAMETERS = """
[stimuli]
stimuli = "toy.npz"

[circuit]
model = "small"
hidden = 4

[protocol]
phases = [{ name = "free", steps = 5 }, { name = "nudge", steps = 3, beta = 1.0 }]

[training]
epochs = 2
batch_size = 5
target = "numpy"
"""


class SmallCircuit(CorInfoMax):
    """A circuit whose file states one number of cells, and no architecture."""

    @validated
    def __init__(self, *, hidden: Count = 5, seed: int = 0):
        super().__init__([6, hidden, 3], seed=seed)


class BareLearner:
    """What the interface `Learner` asks for and no more, done by a preparation."""

    def __init__(self, circuit, replicas, **options):
        self._preparation = Preparation(circuit, replicas, **options)
        self.on_presentation, self.replicas = self._preparation.on_presentation, replicas
        self.prediction_phase = self._preparation.prediction_phase

    @property
    def interrupted(self):
        return self._preparation.interrupted

    @interrupted.setter
    def interrupted(self, value):
        self._preparation.interrupted = value

    def run(self, stimuli):
        self._preparation.run(stimuli)

    def check_beta(self, beta):
        self._preparation.check_beta(beta)

    def settle(self, x, *, seed=None):
        return self._preparation.settle(x)

    def state_dict(self):
        return self._preparation.state_dict()

    def load_state_dict(self, state):
        self._preparation.load_state_dict(state)


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Register the model, and write its parameter file and toy stimuli."""
    monkeypatch.setitem(MODELS, "small", Model(SmallCircuit, {"phases": Protocol}, BareLearner))
    np.savez(tmp_path / "toy.npz", **stimuli())
    (tmp_path / "small.toml").write_text(PARAMETERS)
    return tmp_path


def test_a_registered_model_is_trained_by_the_command_line(command, files):
    """It trains, resumes, draws and is evaluated with its own circuit and learner; without compartments to record."""
    code, out, err = command("train", "small.toml", "--out", "run")
    assert (code, err) == (0, "")
    assert "small 6-4-3 on toy" in out
    assert not (files / "run" / "recording.npz").exists()
    assert (files / "run" / "activity.npz").exists()
    code, out, err = command("train", "--resume", "--out", "run", "--set", "epochs=3")
    assert (code, err) == (0, "")
    assert len(read_history(files / "run")) == 3
    assert command("evaluate", "run")[0] == 0


def test_learning_from_one_phase_can_be_stated_in_a_file(files):
    """`minus = ""`, or None in Python, stays that through config.toml; the protocol then contrasts with nothing."""
    single = {"form": "phases", "phases": [{"name": "response", "steps": 4}], "plus": "response"}
    for minus in ("", None):
        configuration = Configuration({"circuit": {"model": "small"}, "protocol": {**single, "minus": minus}})
        again = Configuration.from_toml(configuration.to_toml())
        assert again.to_dict() == configuration.to_dict()
        assert again.build_protocol().minus is None
