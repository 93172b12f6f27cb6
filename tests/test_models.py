"""Models of one's own in parameter files: a trainable, its protocols and what presents stimuli to it."""

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from toys import OJA, REGRESSOR, Regressor, stimuli, without_figures

import corinfomax
from corinfomax.analysis import read_history
from corinfomax.errors import ParameterError, RunError
from corinfomax.networks import CorInfoMax
from corinfomax.parameters import Count, validated
from corinfomax.protocols.clockwork import Preparation, Protocol
from corinfomax.protocols.runs import Configuration, Run, RunFolder, Training
from corinfomax.protocols.systems import MODELS, Model, model_named
from corinfomax.stimuli import load_stimuli

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

STATIC = {
    "regressor": """
[stimuli]
stimuli = "toy.npz"
[circuit]
model = "regressor"
architecture = [6, 3]
[training]
epochs = 2
batch_size = 5
""",
    "oja": """
[stimuli]
stimuli = "subspace"
[circuit]
model = "oja"
[training]
epochs = 2
batch_size = 5
""",
}


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

    def settle(self, x, variables=None, seed=None):
        return self._preparation.settle(x, variables, seed)

    def state_dict(self):
        return self._preparation.state_dict()

    def load_state_dict(self, state):
        self._preparation.load_state_dict(state)


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Register the models, and write their parameter files and toy stimuli."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(MODELS, "small", Model(SmallCircuit, protocols={"phases": Protocol}, learner=BareLearner))
    monkeypatch.setitem(MODELS, "regressor", REGRESSOR)
    monkeypatch.setitem(MODELS, "oja", OJA)
    np.savez(tmp_path / "toy.npz", **stimuli())
    for name, text in {"small": PARAMETERS, **STATIC}.items():
        (tmp_path / f"{name}.toml").write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "said", "columns"),
    [
        (
            "small",
            "small 6-4-3 on toy (48 training, 12 test stimuli)",
            ["epoch", "train_accuracy", "unlearnt", "test_accuracy", "seconds", "evaluation_seconds"],
        ),
        (
            "regressor",
            "regressor 6-3 on toy",
            ["epoch", "train_accuracy", "unlearnt", "test_accuracy", "norm_W_0", "seconds", "evaluation_seconds"],
        ),
        (
            "oja",
            "oja 10-1 on subspace (2000 training, 2000 test stimuli)",
            ["epoch", "misalignment", "seconds", "evaluation_seconds"],
        ),
    ],
)
def test_a_registered_model_is_trained_by_the_command_line(command, files, monkeypatch, name, said, columns):
    """With its own trainable, learner and metrics it trains to the end, resumes and is evaluated; nothing to record."""
    code, out, err = command("train", f"{name}.toml", "--out", "run")
    assert (code, err) == (0, "")
    assert said in out
    assert list(read_history(files / "run")) == columns
    assert not (files / "run" / "recording.npz").exists()
    assert (files / "run" / "activity.npz").exists()
    assert (files / "run" / "circuit.json").exists() == (name == "small")
    without_figures(monkeypatch)
    code, out, err = command("train", "--resume", "--out", "run", "--set", "epochs=3")
    assert (code, err) == (0, "")
    assert len(read_history(files / "run")) == 3
    assert command("evaluate", "run")[0] == 0


@pytest.mark.parametrize(
    ("name", "line"), [("regressor", r"Test accuracy \d+\.\d\d % after 2"), ("oja", "Score: misalignment ")]
)
def test_the_last_line_has_the_model_s_score(command, undrawn, files, name, line):
    """Classifiers end with their accuracy, others with the column that the model names, and the history's value."""
    _, out, _ = command("train", f"{name}.toml", "--out", "run")
    assert re.search(line, out)
    if name == "oja":
        value = read_history(files / "run")["misalignment"].iloc[-1]
        assert f"Score: misalignment {value:.4g} after 2 epochs" in out


def test_a_static_learner_learns(files):
    """Adam halves the regressor's squared error in 20 epochs; Oja's rule finds the first component to 1e-3."""
    for name, score in (("regressor", "train_accuracy"), ("oja", "misalignment")):
        training = Training(Configuration.read(f"{name}.toml", ["epochs=20"]), RunFolder(files / name))
        training.folder.create(training.configuration)
        training.run()
        first, last = training.rows[0][score], training.rows[-1][score]
        assert last > max(first, 0.8) if name == "regressor" else last < 1e-3
    x, y = training.stimuli.x_train, None
    assert y is training.stimuli.y_train
    np.testing.assert_array_equal(training.learner.predict(x), training.circuit.states(x.astype(np.float32)).r[1])


@pytest.mark.parametrize("name", sorted(STATIC))
@pytest.mark.parametrize("batch", [3, 9])
def test_a_static_learner_resumes_bit_by_bit(files, name, batch):
    """Interrupted by a hook, resumed: weights, Adam's moments and history equal those of one go, bit for bit."""
    whole, stopped = (
        Training(Configuration.read(f"{name}.toml", ["epochs=3"]), RunFolder(files / part)) for part in ("a", "b")
    )
    for training in (whole, stopped):
        training.folder.create(training.configuration)
    whole.run()

    def stop(moment, ends):
        stopped.learner.interrupted |= (stopped.epoch, stopped.batch) == (1, batch)

    stopped.learner.on_presentation.append(stop)
    with pytest.raises(KeyboardInterrupt):
        stopped.run()
    state = stopped.folder.arrays("checkpoint.npz")
    ends = batch == 9 and name == "regressor"  # Oja's epochs have 400 minibatches
    assert (int(state["epoch"]), int(state["batch"])) == ((2, 0) if ends else (1, batch + 1))
    again = Training(stopped.configuration, stopped.folder, resume=True)
    again.run()
    one, other = whole.folder.arrays("checkpoint.npz"), again.folder.arrays("checkpoint.npz")
    assert one.keys() == other.keys()
    assert ("optimiser/W/0/m" in one) == (name == "regressor")
    for key in one:
        np.testing.assert_array_equal(one[key], other[key], err_msg=key)
    rows = [[{**row, "seconds": 0, "evaluation_seconds": 0} for row in training.rows] for training in (whole, again)]
    assert rows[0] == rows[1]


def test_schedules_see_every_presentation(files):
    """Progress counts epochs and presentations, also when an epoch is taken up in its midst: 0, 1, 2, …; exact."""
    training = Training(Configuration.read("regressor.toml"), RunFolder(files / "run"))
    training.folder.create(training.configuration)
    seen = []

    def note(moment, ends):
        seen.append((training.circuit.progress.epoch, training.circuit.progress.presentation))
        training.learner.interrupted |= len(seen) == 13

    training.learner.on_presentation.append(note)
    with pytest.raises(KeyboardInterrupt):
        training.run()
    training = Training(training.configuration, training.folder, resume=True)
    training.learner.on_presentation.append(note)
    training.run()
    assert seen == [(n // 10, n + 1) for n in range(20)]
    assert Run(files / "run").circuit.progress == training.circuit.progress


def test_a_run_without_dynamics_is_loaded(files):
    """`load` gives the trained weights back, exactly; there is no preparation, and one line says why."""
    training = Training(Configuration.read("regressor.toml"), RunFolder(files / "run"))
    training.folder.create(training.configuration)
    training.run()
    loaded = corinfomax.load(files / "run")
    assert isinstance(loaded, Regressor)
    np.testing.assert_array_equal(loaded.weights["W"][0], training.circuit.weights["W"][0])
    assert loaded.dtype == np.float32
    run = Run(files / "run")
    np.testing.assert_array_equal(
        run.learner(7).predict(run.stimuli.x_test), training.evaluator.predict(run.stimuli.x_test)
    )
    with pytest.raises(ParameterError, match="regressor has no cells in time"):
        run.preparation()


IMPORTS_NO_BRIAN2 = """
import sys
from toys import REGRESSOR
from corinfomax.commands import main
from corinfomax.protocols.systems import MODELS
MODELS["regressor"] = REGRESSOR
try:
    main()
finally:
    assert "brian2" not in sys.modules
"""


@pytest.mark.parametrize("words", [["train", "regressor.toml", "--out", "run"], ["--help"], ["presets"]])
def test_what_needs_no_brian2_does_not_import_it(files, words):
    """In a process of its own the command ends with 0, and Brian2 is not among the modules."""
    path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    process = subprocess.run(
        [sys.executable, "-c", IMPORTS_NO_BRIAN2, *words],
        cwd=files,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert (process.returncode, process.stderr) == (0, "")


def test_a_model_without_dynamics_has_no_protocol(files):
    """Its files have no section [protocol], and one that has is refused with what is allowed; exact words."""
    with pytest.raises(ParameterError, match=r"unknown section \[protocol\]; allowed: stimuli, circuit, training"):
        Configuration({"circuit": {"model": "regressor", "architecture": [6, 3]}, "protocol": {"step": 0.1}})
    assert "protocol" not in Configuration.read("regressor.toml").to_dict()
    assert Configuration.read("regressor.toml").build_protocol() is None


def test_a_model_refuses_stimuli_of_another_task(files):
    """One line names model, set, its task and what is allowed; a model that needs no targets leaves them out."""
    with pytest.raises(ParameterError, match=r"regressor cannot learn 'subspace', which has no targets; allowed"):
        Configuration.read("regressor.toml", ["stimuli=subspace"]).load_stimuli()
    MODELS["regressor"] = replace(REGRESSOR, tasks=("classification",))
    with pytest.raises(ParameterError, match=r"cannot learn 'diabetes', which has the task regression; allowed: class"):
        Configuration.read("regressor.toml", ["stimuli=diabetes"]).load_stimuli()
    found = Configuration.read("oja.toml", ["stimuli=digits", "inputs=64"]).load_stimuli()
    assert (found.task, found.y_train, found.outputs) == ("none", None, 0)
    np.testing.assert_array_equal(found.labels_train, load_stimuli("digits").labels_train)


def test_sizes_are_found_by_their_annotation(files):
    """A model's architecture that does not fit the stimuli is refused, whatever model it is; exact words."""
    with pytest.raises(ParameterError, match=r"architecture = \[6, 4\]: the stimuli 'toy' have 6 inputs and 3 outputs"):
        Configuration.read("regressor.toml", ["architecture=[6,4]"]).load_stimuli()


def test_a_model_is_imported_when_it_is_used(monkeypatch):
    """A string names module and object; an unknown name is one line with those that there are."""
    monkeypatch.setitem(MODELS, "late", "toys:OJA")
    assert model_named("late") is OJA
    assert model_named("corinfomax").trainable is CorInfoMax
    with pytest.raises(ParameterError, match=r"no model 'lat'; there are corinfomax, equilibrium, "):
        model_named("lat")
    with pytest.raises(ParameterError, match=r"tasks = \('dreaming',\)"):
        Model(Regressor, tasks=("dreaming",))


def test_another_model_is_another_configuration(files):
    """Resuming a run with a file of another model is refused with the key `model`."""
    training = Training(Configuration.read("regressor.toml"), RunFolder(files / "run"))
    training.folder.create(training.configuration)
    training.run()
    values = Configuration.read("small.toml").to_dict()
    with pytest.raises(RunError, match="with model = 'regressor', where 'small' is asked for"):
        Training(Configuration(values), training.folder, resume=True)


def test_learning_from_one_phase_can_be_stated_in_a_file(files):
    """`minus = ""`, or None in Python, stays that through config.toml; the protocol then contrasts with nothing."""
    single = {"form": "phases", "phases": [{"name": "response", "steps": 4}], "plus": "response"}
    for minus in ("", None):
        configuration = Configuration({"circuit": {"model": "small"}, "protocol": {**single, "minus": minus}})
        again = Configuration.from_toml(configuration.to_toml())
        assert again.to_dict() == configuration.to_dict()
        assert again.build_protocol().minus == ""


def test_a_score_that_the_metrics_lack_is_named(files, monkeypatch):
    """A model that is judged by a column which its metrics do not give: one line with model and column."""
    monkeypatch.setitem(MODELS, "regressor", replace(REGRESSOR, score="loss"))
    training = Training(Configuration.read("regressor.toml"), RunFolder(files / "run"))
    training.folder.create(training.configuration)
    with pytest.raises(RunError, match="model regressor: its metrics have no loss"):
        training.run()


@pytest.mark.parametrize("words", [["record", "run"], ["perturb", "run", "--silence", "layer_1"]])
def test_what_needs_dynamics_refuses_a_model_without(command, undrawn, refused, files, words):
    """Recording and perturbing a run of such a model is one line that says why; its files stay as they are."""
    assert command("train", "regressor.toml", "--out", "run")[0] == 0
    before = {path: path.read_bytes() for path in (files / "run").rglob("*.*")}
    assert "regressor has no cells in time" in refused(*words)
    assert {path: path.read_bytes() for path in (files / "run").rglob("*.*")} == before


def test_a_perturbed_training_refuses_a_model_without_dynamics(refused, files):
    """`perturb --training` of such a model is one line that names the file, before anything is written."""
    line = refused("perturb", "regressor.toml", "--training", "--freeze", "W:0", "--out", "out")
    assert "regressor.toml: regressor has no cells in time" in line
    assert not (files / "out").exists()
