import errno
import json
import os
import resource

import numpy as np
import pytest

import corinfomax
from corinfomax.analysis import linear_regression_r_squared, read_history, read_recording
from corinfomax.errors import DivergenceError, ParameterError, RunError, StimulusError
from corinfomax.protocols.clockwork import Preparation
from corinfomax.protocols.recording import record, representative_cells
from corinfomax.protocols.runs import Configuration, Run, RunFolder, Training, load


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    """Write 60 stimuli of 6 inputs in 3 classes and return their path."""
    rng = np.random.default_rng(0)
    x = rng.uniform(size=(60, 6))
    path = tmp_path_factory.mktemp("stimuli") / "toy.npz"
    np.savez(path, x=x, y=np.argmax(x[:, :3] + x[:, 3:], axis=1))
    return path


def own_settings(toy):
    """Settings of a short run on the toy stimuli."""
    return (f"stimuli={toy}", "architecture=[6,5,3]", "batch_size=5", "epochs=2", "target=numpy")


@pytest.fixture(scope="module")
def train(toy, tmp_path_factory):
    """Train the toy stimuli in a new folder, some keys set otherwise, and return the `Training`."""

    def run(*settings, folder=None):
        configuration = Configuration.read("digits", [*own_settings(toy), *settings])
        folder = RunFolder(folder or tmp_path_factory.mktemp("runs") / "run")
        folder.create(configuration)
        training = Training(configuration, folder)
        training.run()
        return training

    return run


@pytest.fixture(scope="module")
def finished(train):
    """Train a small circuit for two epochs."""
    return train()


def columns(hidden, score="accuracy"):
    """Columns of the history for so many hidden layers, in order."""
    output = hidden + 1
    return [
        "epoch",
        f"train_{score}",
        *(["unlearnt"] if score == "accuracy" else []),
        f"test_{score}",
        *(f"angle_{k}" for k in range(1, output)),
        *(f"norm_ff_{k}" for k in range(output)),
        *(f"norm_fb_{k}" for k in range(1, output)),
        *(f"definiteness_{k}" for k in range(1, output + 1)),
        *(f"negative_ff_{k}" for k in range(output)),
        *(f"negative_fb_{k}" for k in range(1, output)),
        *(f"exciting_SST_{k}" for k in range(1, output + 1)),
        *(f"cmi_forward_{k}" for k in range(output)),
        *(f"cmi_backward_{k}" for k in range(1, output)),
        *(f"{name}_{k}" for name in ("sparsity", "saturation", "participation_ratio") for k in range(1, output + 1)),
        *(f"stuck_{k}" for k in range(1, output + 1)),
        "settling_residual",
        "sst_every",
        "seconds",
        "evaluation_seconds",
    ]


def test_the_history_of_one_hidden_layer_has_the_documented_columns(finished):
    """Columns in order; epochs 1 and 2; accuracies are multiples of 1/48 and 1/12 within [0, 1], to 1e-12."""
    history = read_history(finished.folder.path)
    assert list(history) == columns(1)
    assert list(history["epoch"]) == [1, 2]
    for score, stimuli in (("train_accuracy", 48), ("test_accuracy", 12)):
        counts = history[score].to_numpy() * stimuli
        np.testing.assert_allclose(counts, np.round(counts), atol=1e-12)
        assert history[score].between(0, 1).all()
    assert np.isfinite(history.to_numpy()).all()


def test_the_history_of_two_hidden_layers_has_the_documented_columns(train):
    """The same with three projections and two pairs of feedforward and feedback weights."""
    rates = ("learning_rate_ff=1", "learning_rate_fb=0.1")
    training = train("architecture=[6,5,4,3]", "initial_gain_ff=1", *rates, "epochs=1")
    assert list(read_history(training.folder.path)) == columns(2)


def test_train_accuracy_is_that_of_free_phase_predictions_made_during_the_epoch(toy, train):
    """With all learning rates 0 it equals the accuracy of the training stimuli's predictions afterwards, exactly."""
    training = train("learning_rate_ff=0", "learning_rate_fb=0", "forgetting=0.9999999999", "dtype=float64", "epochs=1")
    stimuli = training.stimuli
    predicted = training.learner.predict(stimuli.x_train).argmax(axis=1)
    assert training.rows[0]["train_accuracy"] == np.mean(predicted == stimuli.labels_train)


def test_classes_that_are_never_recognised_are_named(train):
    """With all learning rates 0 they are the classes without a right prediction, at least one of the three."""
    training = train("learning_rate_ff=0", "learning_rate_fb=0", "dtype=float64", "epochs=1")
    labels = training.stimuli.labels_train
    recognised = labels[training.learner.predict(training.stimuli.x_train).argmax(axis=1) == labels]
    assert len(training.unlearnt) > 0
    assert set(training.unlearnt) == set(labels) - set(recognised)
    assert training.rows[0]["unlearnt"] == len(training.unlearnt)
    assert Run(training.folder.path).unlearnt == list(training.unlearnt)
    again = Training(training.configuration, training.folder, resume=True)
    np.testing.assert_array_equal(again.unlearnt, training.unlearnt)


def test_each_epoch_has_an_order_of_its_own(toy, tmp_path):
    """Every epoch presents each training stimulus once, no two epochs in the same order or with the same signs of β."""
    configuration = Configuration.read("digits", [*own_settings(toy), "epochs=3"])
    folder = RunFolder(tmp_path / "run")
    folder.create(configuration)
    training, seen = Training(configuration, folder), []
    training.learner.on_presentation.append(lambda learner, ends: seen.append((ends["free"].r[0], ends["nudge"].beta)))
    training.run()
    batches = len(seen) // 3
    epochs = [seen[start : start + batches] for start in range(0, len(seen), batches)]
    orders = [np.concatenate([x for x, _ in epoch]) for epoch in epochs]
    signs = [[beta for _, beta in epoch] for epoch in epochs]
    stimuli = training.stimuli.x_train.astype(np.float32)
    for one, other in ((0, 1), (0, 2), (1, 2)):
        np.testing.assert_array_equal(np.sort(orders[one], axis=0), np.sort(stimuli, axis=0))
        assert not np.array_equal(orders[one], orders[other])
        assert signs[one] != signs[other]


def test_a_run_folder_holds_what_it_should(finished):
    """Configuration as resolved, versions, seed and host, history, checkpoint and lock; no temporary file."""
    path = finished.folder.path
    assert sorted(os.listdir(path)) == [".lock", "checkpoint.npz", "config.toml", "environment.json", "history.csv"]
    assert finished.folder.configuration().to_dict() == finished.configuration.to_dict()
    environment = json.loads((path / "environment.json").read_text())
    assert environment["versions"]["numpy"] == np.__version__
    assert environment["seed"] == 0
    assert {"git_revision", "host", "started"} <= environment.keys()


def test_the_same_seed_gives_the_same_run_and_another_seed_another(train, finished):
    """Weights and history are equal bit for bit with equal seeds; other seeds give other weights and orders."""
    same, other = train(), train("seed=1")
    for key, array in finished.folder.arrays("checkpoint.npz").items():
        np.testing.assert_array_equal(same.folder.arrays("checkpoint.npz")[key], array, err_msg=key)
    rows = [
        [{**row, "seconds": 0, "evaluation_seconds": 0} for row in training.rows]
        for training in (finished, same, other)
    ]
    assert rows[0] == rows[1] != rows[2]
    assert (other.circuit.weights["W_ff"][0] != finished.circuit.weights["W_ff"][0]).mean() > 0.9


def test_training_teaches(train):
    """With 16 hidden cells on the digits, epoch 4's predictions are right more often than .5, epoch 1's by .1 less."""
    rows = train("stimuli=digits", "architecture=[64,16,10]", "batch_size=20", "epochs=4").rows
    assert rows[-1]["train_accuracy"] > max(rows[0]["train_accuracy"] + 0.1, 0.5)


def test_regression_is_judged_by_r_squared(tmp_path, train):
    """Diabetes: columns of R², finite and below 1; linear regression on the same split explains .2 to .6 of it."""
    configuration = Configuration.read("diabetes", ["epochs=2", "architecture=[10,8,1]", "target=numpy"])
    folder = RunFolder(tmp_path / "run")
    folder.create(configuration)
    training = Training(configuration, folder)
    training.run()
    history, stimuli = read_history(folder.path), training.stimuli
    assert list(history) == columns(1, "r_squared")
    assert (history["test_r_squared"] < 1).all()
    theirs = linear_regression_r_squared(stimuli.x_train, stimuli.y_train, stimuli.x_test, stimuli.y_test)
    assert 0.2 < theirs < 0.6


def test_load_gives_the_trained_circuit_back(finished):
    """Weights equal the checkpoint's, type included, D and O the trained ones; predictions agree bit for bit."""
    path = finished.folder.path
    circuit = load(path)
    for key, array in finished.folder.arrays("checkpoint.npz").items():
        if key.startswith("weights/"):
            _, name, k = key.split("/")
            np.testing.assert_array_equal(circuit.weights[name][int(k)], array, err_msg=key)
            assert circuit.weights[name][int(k)].dtype == array.dtype == np.float32
    for name in ("O", "D"):
        np.testing.assert_array_equal(circuit.weights[name][1], finished.circuit.weights[name][1])
    x = finished.stimuli.x_test
    preparation = Preparation(circuit, len(x), target="numpy")
    np.testing.assert_array_equal(preparation.predict(x), finished.evaluator.predict(x))
    assert corinfomax.load is load
    assert circuit.epoch == 2


def test_a_loaded_circuit_keeps_the_protocol_it_was_trained_with(train):
    """Without being told, a preparation of it runs 7 free and 3 nudged steps of .03, exactly."""
    circuit = load(train("free_steps=7", "nudge_steps=3", "step=0.03", "epochs=1").folder.path)
    preparation = Preparation(circuit, target="numpy")
    presentation = preparation.present(np.full(6, 0.5), np.array([0.0, 1.0, 0.0]), learn=False)
    assert (len(presentation.free.t), len(presentation.nudge.t)) == (7, 3)
    np.testing.assert_allclose(presentation.nudge.s[-1], 10 * 0.03, rtol=1e-12)


@pytest.mark.parametrize("hidden_from", ["config.toml", "checkpoint.npz"])
def test_load_refuses_what_is_no_run(tmp_path, train, hidden_from):
    """A folder without configuration or checkpoint is one line that names the missing file."""
    path = train("epochs=1").folder.path
    (path / hidden_from).unlink()
    with pytest.raises(RunError, match=hidden_from):
        load(path)
    with pytest.raises(RunError, match=r"config\.toml"):
        load(tmp_path / "nowhere")


def test_a_checkpoint_with_weights_that_are_not_finite_is_not_loaded(train):
    """NaN in the stored weights is one line that names file and weights."""
    folder = train("epochs=1").folder
    arrays = folder.arrays("checkpoint.npz")
    arrays["weights/W_fb/1"][0, 0] = np.nan
    folder.write_arrays("checkpoint.npz", arrays)
    with pytest.raises(RunError, match=r"checkpoint\.npz: damaged .*W_fb"):
        load(folder.path)


def test_a_folder_in_use_is_refused(tmp_path, train, finished):
    """A run's folder, a folder with anything in it and a file are refused with their path and stay as they were."""
    before = (finished.folder.path / "checkpoint.npz").read_bytes()
    (tmp_path / "thesis.tex").write_text("x")
    for path in (finished.folder.path, tmp_path, tmp_path / "thesis.tex", tmp_path / "thesis.tex" / "run"):
        with pytest.raises(RunError) as caught:
            train(folder=path)
        assert str(path) in str(caught.value)
    assert (finished.folder.path / "checkpoint.npz").read_bytes() == before
    assert os.listdir(tmp_path) == ["thesis.tex"]


def test_a_finished_run_is_not_trained_over(finished):
    """A new `Training` on its folder without `resume` is refused with the path; the checkpoint stays as it was."""
    before = (finished.folder.path / "checkpoint.npz").read_bytes()
    with pytest.raises(RunError, match="holds a run") as caught:
        Training(finished.configuration, RunFolder(finished.folder.path)).run()
    assert str(finished.folder.path) in str(caught.value)
    assert (finished.folder.path / "checkpoint.npz").read_bytes() == before


def test_a_run_s_threads_reach_its_preparations(train):
    """`blas_threads` and `target` of the configuration are those of the learner, the evaluator and a loaded run."""
    training = train("blas_threads=2", "epochs=1")
    opened = Run(training.folder.path).preparation(3)
    assert {item.blas_threads for item in (training.learner, training.evaluator, opened)} == {2}
    assert opened.replicas == 3


@pytest.mark.parametrize("when", ["at the start", "midway"])
def test_a_full_disk_leaves_the_previous_checkpoint_whole(toy, train, monkeypatch, when):
    """ENOSPC while a checkpoint is written: one line with file and reason, the old one byte for byte, no other file."""
    training = train("epochs=1")
    path = training.folder.path / "checkpoint.npz"
    before, listing = path.read_bytes(), sorted(os.listdir(path.parent))

    def full(file, **arrays):
        file.write(b"" if when == "at the start" else before[: len(before) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    longer = Configuration.read(training.folder.path / "config.toml", ["epochs=2"])
    again = Training(longer, training.folder, resume=True)
    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(RunError, match=r"No space left on device.*previous one is whole") as caught:
        again.run()
    assert str(path) in str(caught.value)
    assert path.read_bytes() == before
    assert sorted(os.listdir(path.parent)) == listing
    monkeypatch.undo()
    last = Training(longer, training.folder, resume=True)
    last.run()
    assert [row["epoch"] for row in last.rows] == [1, 2]


@pytest.mark.parametrize("room", [0.1, 0.5, 0.99])
def test_a_file_system_that_ends_a_write_midway_leaves_the_previous_checkpoint_whole(train, room):
    """The system itself refuses to write beyond 10, 50 or 99 % of the file: as above."""
    training = train("epochs=1")
    path = training.folder.path / "checkpoint.npz"
    before, listing = path.read_bytes(), sorted(os.listdir(path.parent))
    training.circuit.weights["W_ff"][0] += 1
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(room * len(before)), hard))
    try:
        with pytest.raises(RunError, match="previous one is whole") as caught:
            training.save_checkpoint()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert str(path) in str(caught.value)
    assert path.read_bytes() == before
    assert sorted(os.listdir(path.parent)) == listing
    training.save_checkpoint()
    assert path.read_bytes() != before


def test_divergence_stops_with_epoch_and_batch_and_keeps_the_last_good_checkpoint(toy, tmp_path):
    """A learning rate that explodes in epoch 2: epoch, batch and checkpoint are named; it is epoch 1's and finite."""
    settings = (f"stimuli={toy}", "architecture=[6,5,3]", "batch_size=5", "epochs=3", "target=numpy")
    configuration = Configuration.read("digits", [*settings, "learning_rate_decay=[[0,1.0],[1,1e300]]"])
    folder = RunFolder(tmp_path / "run")
    folder.create(configuration)
    with pytest.raises(DivergenceError, match=r"epoch 2, batch 1 of 10: .*not finite.*checkpoint\.npz") as caught:
        Training(configuration, folder).run()
    assert "\n" not in str(caught.value)
    state = folder.arrays("checkpoint.npz")
    assert (int(state["epoch"]), int(state["batch"]), len(folder.history())) == (1, 0, 1)
    assert all(np.isfinite(state[key]).all() for key in state if key.startswith(("weights", "state")))


@pytest.mark.parametrize(
    "settings",
    [["learning_rate_ff=1e30"], ["forgetting=1e-300", "dtype=float64"], ["beta=1e-30"], ["entropy_gain=1e300"]],
)
def test_divergence_in_the_first_epoch_names_epoch_and_batch(toy, tmp_path, settings):
    """Whatever it is that explodes, the message names epoch 1 and a batch; the checkpoint is that of the beginning."""
    settings = (f"stimuli={toy}", "architecture=[6,5,3]", "batch_size=5", "epochs=3", "target=numpy", *settings)
    configuration = Configuration.read("digits", settings)
    folder = RunFolder(tmp_path / "run")
    folder.create(configuration)
    with pytest.raises(DivergenceError, match=r"epoch 1, batch \d+ of 10: .*last good checkpoint: .*checkpoint\.npz"):
        Training(configuration, folder).run()
    state = folder.arrays("checkpoint.npz")
    assert (int(state["epoch"]), int(state["batch"])) == (0, 0)
    np.testing.assert_array_equal(
        state["weights/W_ff/0"], configuration.build_circuit().weights["W_ff"][0].astype(state["weights/W_ff/0"].dtype)
    )


def test_a_recording_holds_the_chosen_cells_with_units_phases_and_times(finished, tmp_path):
    """Shapes, phases, t in steps of .5 ms to 1e-12, s = Σ η, labels and cells as asked for; V = -70 + 20 u mV."""
    run = Run(finished.folder.path)
    chosen, cells = [3, 7], {1: [4, 0], 2: [0, 1, 2]}
    arrays = record(run.preparation(2), run.stimuli, chosen, cells)
    RunFolder(tmp_path).write_arrays("recording.npz", arrays)
    recording = read_recording(tmp_path / "recording.npz")
    assert [(name, part.start, part.stop) for name, part in recording.phases()] == [("free", 0, 30), ("nudge", 30, 40)]
    np.testing.assert_allclose(recording.t, 0.5e-3 * np.arange(1, 41), atol=1e-12)
    np.testing.assert_allclose(recording.s, 0.05 * np.arange(1, 41), atol=1e-12)
    np.testing.assert_array_equal(recording.beta, np.repeat([0.0, 1.0], [30, 10]))
    np.testing.assert_array_equal(recording.labels, run.stimuli.labels_test[chosen])
    assert recording.units["V_soma"] == "V"
    assert recording.units["rate"] == "Hz"
    assert recording.output_layer == 2
    for k, wanted in cells.items():
        layer = recording.layers[k]
        assert list(layer.cells) == wanted
        assert layer["V_basal"].shape == (40, 2, len(wanted))
        np.testing.assert_allclose(layer["V_soma"], -0.07 + 0.02 * layer["u"], atol=1e-7)
    whole = run.preparation(2).present(run.stimuli.x_test[chosen], run.stimuli.y_test[chosen], learn=False)
    np.testing.assert_array_equal(recording.layers[1]["u"], whole.trace("u", 1)[:, :, [4, 0]])


def test_recording_a_hidden_layer_only_remembers_which_layer_is_the_output(finished, tmp_path):
    """output_layer is 2 although only layer 1 was recorded."""
    run = Run(finished.folder.path)
    RunFolder(tmp_path).write_arrays("recording.npz", record(run.preparation(), run.stimuli, [0], {1: [0]}))
    assert read_recording(tmp_path / "recording.npz").output_layer == 2


@pytest.mark.parametrize(
    ("chosen", "cells", "error", "word"),
    [
        ([12], {1: [0]}, StimulusError, "0 to 11"),
        ([-1], {1: [0]}, StimulusError, "stimulus -1"),
        ([0], {0: [0]}, ParameterError, "layers 1 to 2"),
        ([0], {3: [0]}, ParameterError, "layers 1 to 2"),
        ([0], {1: [5]}, ParameterError, "layer 1, cell 5"),
        ([0], {2: [-1]}, ParameterError, "layer 2, cell -1"),
        ([0, 1], {1: [0]}, StimulusError, "replicas"),
    ],
)
def test_selections_that_do_not_exist_are_refused(finished, chosen, cells, error, word):
    """Stimuli, layers and cells out of range, or more stimuli than replicas, are named with what there is."""
    run = Run(finished.folder.path)
    with pytest.raises(error, match=word):
        record(run.preparation(), run.stimuli, chosen, cells)


def test_representative_cells_are_the_most_moved_and_the_target(finished):
    """Of each hidden layer those that the nudge moves most, of the output the target's among them, ascending."""
    run = Run(finished.folder.path)
    preparation = run.preparation()
    cells = representative_cells(preparation, run.stimuli, 4, number=2)
    x, y = run.stimuli.x_test[[4]], run.stimuli.y_test[[4]]
    shown = preparation.present(x, y, run.protocol.beta, learn=False)
    change = np.abs(shown.nudge.r[1][-1, 0] - shown.free.r[1][-1, 0])
    assert cells[1] == sorted(np.argsort(-change, kind="stable")[:2].tolist())
    assert int(run.stimuli.labels_test[4]) in cells[2]
    assert len(cells[2]) == 2
    with pytest.raises(StimulusError, match="0 to 11"):
        representative_cells(preparation, run.stimuli, 12)
