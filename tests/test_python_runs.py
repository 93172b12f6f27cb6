"""Training from Python, and what its run object gives."""

import io
import shutil
import warnings
from pathlib import Path

import brian2 as b2
import numpy as np
import pandas as pd
import pytest
from pynwb import NWBHDF5IO
from rich.console import Console
from toys import on_toys, stimuli

import corinfomax
from corinfomax import Run, Stimulus, progress
from corinfomax.analysis import Recording, Traces, accuracy
from corinfomax.errors import ParameterError, RunError, StimulusError, StimulusWarning

SETTINGS = {"architecture": (6, 5, 3), "batch_size": 5, "epochs": 2, "target": "numpy"}
SETTINGS |= {"scale": "none", "bias": False, "initial_gain_ff": 1.0}


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """Toy stimuli in the present folder."""
    monkeypatch.chdir(tmp_path)
    np.savez("toy.npz", **stimuli())
    return "toy.npz"


@pytest.fixture(scope="module")
def trained_folder(tmp_path_factory):
    """Train once; what is done to the run is done to copies."""
    place = tmp_path_factory.mktemp("trained")
    np.savez(place / "toy.npz", **stimuli())
    corinfomax.train(stimuli=place / "toy.npz", out=place / "mine", progress=False, **SETTINGS)
    return place / "mine"


@pytest.fixture
def trained_run(trained_folder, toy):
    shutil.copytree(trained_folder, "mine")
    return Run("mine")


@pytest.fixture
def console(monkeypatch):
    """Let everything print into a file of a test; a function of what the console is like gives it."""

    def arrange(**options):
        made = Console(file=io.StringIO(), soft_wrap=True, highlight=False, markup=False, emoji=False, **options)
        # In this order: the first, when it is imported, takes from the second what it then keeps.
        for module in ("corinfomax.protocols.runs.session", "corinfomax.progress"):
            monkeypatch.setattr(f"{module}.shared_console", lambda: made)
        return made

    return arrange


def test_python_and_the_command_line_train_to_the_same_bits(command, toy, trained_run, undrawn):
    """Weights, and all of the history but the time that it took, are those of `corinfomax train`, bit for bit."""
    assert command(*on_toys(toy), "--out", "theirs")[0] == 0
    theirs = Run("theirs")
    for key, arrays in theirs.circuit.weights.items():
        for k, W in arrays.items():
            np.testing.assert_array_equal(trained_run.circuit.weights[key][k], W)
    pd.testing.assert_frame_equal(
        trained_run.history.drop(columns=["seconds", "evaluation_seconds"]),
        theirs.history.drop(columns=["seconds", "evaluation_seconds"]),
    )
    files = ("activity.npz", "checkpoint.npz", "circuit.json", "config.toml", "history.csv", "recording.npz")
    for name in files:
        assert trained_run.folder.has(name)


def test_load_gives_the_circuit_of_the_run(trained_run):
    """`corinfomax.load` and `Run` read one checkpoint: the weights are the same, and so are predictions."""
    again = Run("mine")
    np.testing.assert_array_equal(corinfomax.load("mine").weights["W_ff"][0], trained_run.circuit.weights["W_ff"][0])
    x = trained_run.stimuli.x_test
    np.testing.assert_array_equal(again.predict(x), trained_run.predict(x))


def test_predictions_are_those_of_the_history(trained_run):
    """Accuracy of `predict` on the test stimuli is the history's last; a DataFrame gives one, with its index."""
    x = trained_run.stimuli.x_test
    outputs = trained_run.predict(x)
    assert outputs.shape == (len(x), 3)
    assert accuracy(outputs, trained_run.stimuli.y_test) == trained_run.history["test_accuracy"].iloc[-1]
    framed = trained_run.predict(pd.DataFrame(x, index=range(5, 5 + len(x))))
    assert isinstance(framed, pd.DataFrame)
    assert framed.index[0] == 5
    np.testing.assert_array_equal(framed, outputs)


def test_raw_inputs_are_scaled_as_those_of_training(toy):
    """Inputs 16 times as large, scaled to rates in training: scaled they are the run's own; as they are they warn."""
    raw = stimuli()
    run = corinfomax.train(
        stimuli=raw | {"x": 16 * raw["x"]}, progress=False, **SETTINGS | {"scale": "auto", "epochs": 1}
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error", StimulusWarning)
        own = run.predict(run.stimuli.x_test)
        whole = run.predict(run.scaled(16 * raw["x"]))
    assert all(np.abs(whole - row).max(axis=1).min() < 1e-6 for row in own)
    frame = run.scaled(pd.DataFrame(16 * raw["x"], columns=list("abcdef")))
    assert list(frame.columns) == list("abcdef")
    np.testing.assert_array_equal(frame, run.scaled(16 * raw["x"]))
    np.testing.assert_array_equal(run.scaled(16 * raw["x"][0]), frame.iloc[:1])
    with pytest.warns(StimulusWarning, match=r"The inputs reach from .* to 16, those of training from 0 to 1: Run"):
        run.predict(16 * raw["x"])
    with pytest.warns(StimulusWarning, match="those of training"):
        run.predict(raw["x"] / 100)
    for wrong, says in (
        (np.zeros((2, 5)), r"x has shape \(2, 5\); allowed is \(n, 6\)"),
        ([[1, 2], [3]], "own: x"),
        (np.full((2, 6), "a"), "own: x"),
        (np.zeros((2, 6)) * b2.mV, "volt|unit"),
        (np.ma.masked_array(np.zeros((2, 6)), mask=True), "mask"),
    ):
        with pytest.raises(StimulusError, match=says):
            run.scaled(wrong)


def test_inputs_of_built_in_sets_stay_as_they_are(toy):
    """digits are scaled as they are loaded: no numbers to scale by, and the warning does not name `scaled`."""
    run = corinfomax.train("digits_bp_ce", epochs=1, architecture=[64, 8, 10], progress=False)
    np.testing.assert_array_equal(run.scaled(run.stimuli.x_test), run.stimuli.x_test)
    with pytest.warns(StimulusWarning, match=r"to 16, those of training from 0 to 1: scale them as those"):
        run.predict(16 * run.stimuli.x_test)


def test_images_are_scaled_as_training_scales_them(toy):
    """Oracle: the run's own stimuli, of which the file has images of 2 × 3 pixels from 0 to 255."""
    raw = stimuli()
    images = 255 * raw["x"].reshape(-1, 2, 3)
    run = corinfomax.train(stimuli=raw | {"x": images}, progress=False, **SETTINGS | {"scale": "auto", "epochs": 1})
    scaled = run.scaled(images)
    assert all(np.abs(scaled - row).max(axis=1).min() == 0 for row in run.stimuli.x_test)


def test_presenting_does_not_learn_unless_asked(trained_run):
    """`present` gives phases and layers, at the β of training by default, and leaves the weights; learn=True moves."""
    before = trained_run.circuit.weights["W_ff"][0].copy()
    x, y = trained_run.stimuli.x_test[:4], trained_run.stimuli.y_test[:4]
    shown = trained_run.present(x, y)
    assert shown.nudge.v_A[1].shape == (10, 4, 5)
    assert shown.nudge.beta[-1] == trained_run.protocol.beta
    np.testing.assert_array_equal(trained_run.circuit.weights["W_ff"][0], before)
    trained_run.present(x, y, beta=0.5, learn=True)
    assert not np.array_equal(trained_run.circuit.weights["W_ff"][0], before)


def test_presentations_are_tables(trained_run):
    """A row of the tidy table holds the trace's value at its time, stimulus and cell; a layer not there is refused."""
    x, y = trained_run.stimuli.x_test[:2], trained_run.stimuli.y_test[:2]
    shown = trained_run.present(x, y, variables=("V_soma", "r"))
    table = shown.to_dataframe(1)
    assert len(table) == 40 * 2 * 5
    row = table[(table["phase"] == "nudge") & (table["stimulus"] == 1) & (table["cell"] == 3)].iloc[4]
    assert row["V_soma"] == shown.nudge.V_soma[1][4, 1, 3]
    assert (row["time"], row["beta"], row["layer"]) == (shown.nudge.t[4], shown.nudge.beta[4], 1)
    with pytest.raises(ParameterError, match="layer 7"):
        shown.to_dataframe(7)


def test_recording_in_the_run_and_to_files(trained_run):
    """Without a path the layers, as figures want them; to HDF5 any population; to CSV a file."""
    found = trained_run.record(stimuli=[1, 2], cells={1: [0, 3]})
    assert isinstance(found, Recording)
    assert (list(found.stimuli), list(found.layers[1].cells)) == ([1, 2], [0, 3])
    with trained_run.record("a.h5", range(5), populations=["SST_1"], variables=["V_soma"]) as traces:
        assert isinstance(traces, Traces)
        assert traces["SST_1", "V_soma"][:].shape[1:] == (5, 5)
    assert len(pd.read_csv(trained_run.record("a.csv", 0, every=10))) == 4 * 8
    with pytest.raises(ParameterError, match=r"a\.csv: exists; choose another name, or replace it with --overwrite"):
        trained_run.record("a.csv")
    with pytest.raises(ParameterError, match="need a path"):
        trained_run.record(every=2)


def test_what_to_record_is_written_as_one_likes(trained_run):
    """Text as on the command line, one name or number for a list of one, and layers by number give the same traces."""
    brief = {"stimuli": "0-2", "populations": "layer_1", "variables": "V_soma", "phases": "free", "cells": {1: 3}}
    full = {"stimuli": range(3), "variables": ["V_soma"], "phases": ["free"], "cells": {"layer_1": [3]}}
    with trained_run.record("both.h5", populations="layer_1, SST_1", variables="V_soma,rate") as both:
        found = {group.population: tuple(group.traces) for group in both.groups}
        assert found == {"layer_1": ("V_soma", "rate"), "SST_1": ("V_soma",)}
    with trained_run.record("a.h5", **brief) as one, trained_run.record("b.h5", **full) as other:
        assert one.trials["stimulus"].tolist() == [0, 1, 2]
        np.testing.assert_array_equal(one["layer_1", "V_soma"][:], other["layer_1", "V_soma"][:])
    with pytest.raises(ParameterError, match="cells of layer_1 are chosen twice, by its name and by its layer"):
        trained_run.record("c.h5", cells={1: [0], "layer_1": [1]})
    with pytest.raises(ParameterError, match="populations = 1: must be a sequence of names, as text"):
        trained_run.record("c.h5", populations=1)
    assert trained_run.record(stimuli="1,0", cells={np.int64(1): "0-1"}).layers[1].cells.tolist() == [0, 1]


@pytest.mark.parametrize("path", [None, "a.h5"])
@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"stimuli": 12}, "stimulus 12: .* has test stimuli 0 to 11"),
        ({"stimuli": -1}, "stimulus -1: .* has test stimuli 0 to 11"),
        ({"stimuli": "0-"}, "stimuli '0-': should be numbers and ranges"),
        ({"stimuli": 0.5}, "stimuli 0.5: must be a whole number or a list of them"),
        ({"stimuli": []}, r"stimuli \[\]: must be a whole number"),
        ({"cells": {7: [0]}}, "layer 7: this circuit has layers 1 to 2"),
        ({"cells": {1: [5]}}, "cell 5: there are 0 to 4"),
        ({"cells": {1: "x"}}, "cell 'x': should be numbers and ranges"),
        ({"cells": {1.0: [0]}}, "layer 1.0: this circuit has layers 1 to 2"),
        ({"cells": [0, 3]}, r"cells = \[0, 3\]: must say of which layer, as \{1: \[0, 3\]\}"),
        ({"cells": "0,3"}, "cells = '0,3': must say of which layer"),
        ({"beta": float("nan")}, "beta = nan: must be a finite number"),
    ],
)
def test_what_cannot_be_recorded_is_one_line(trained_run, path, words, message):
    """Stimuli, layers and cells that are not there, or no numbers, are named, with those that are; no file is made."""
    with pytest.raises((ParameterError, StimulusError), match=message):
        trained_run.record(path, **words)
    assert not Path("a.h5").exists()


def test_recordings_are_replaced_where_it_is_asked_for(trained_run, tmp_path):
    """The second recording of one name has the second's stimuli; what is no recording stays, to the byte."""
    for suffix in ("h5", "nwb", "csv"):
        for rows in (range(2), range(3)):
            trained_run.record(f"again.{suffix}", rows, populations=["layer_2"], overwrite=True)
    with corinfomax.analysis.open_traces("again.h5") as traces:
        assert len(traces.trials) == 3
    assert pd.read_csv("again.csv")["stimulus"].nunique() == 3
    with NWBHDF5IO("again.nwb", "r") as file:
        assert len(file.read().trials) == 3
    assert not list(tmp_path.glob("again-2*"))
    (tmp_path / "mine.h5").write_bytes(b"mine")
    with pytest.raises(ParameterError, match=r"mine\.h5: exists and is no recording; choose another name$"):
        trained_run.record("mine.h5", overwrite=True)
    assert (tmp_path / "mine.h5").read_bytes() == b"mine"
    with pytest.raises(ParameterError, match="overwrite need a path"):
        trained_run.record(overwrite=True)


@pytest.mark.parametrize("suffix", ["h5", "nwb", "csv"])
def test_a_recording_stays_until_the_new_one_is_done(trained_run, tmp_path, suffix, monkeypatch):
    """After a refusal, and after an interruption half-way, the old one is there to the byte, the new one beside it."""
    path = trained_run.record(f"kept.{suffix}", range(2), populations=["layer_2"])
    path = tmp_path / f"kept.{suffix}"
    before = path.read_bytes()
    with pytest.raises(ParameterError, match="beta"):
        trained_run.record(path, range(4), overwrite=True, beta=float("nan"))
    for left in tmp_path.glob("kept-2*"):
        left.unlink()
    preparation = trained_run.preparation(2)
    preparation.on_presentation.append(lambda moment, ends: setattr(preparation, "interrupted", True))
    monkeypatch.setattr(trained_run, "_mounted", lambda replicas: preparation)
    with pytest.raises(KeyboardInterrupt, match=rf"kept-2\.{suffix}"):
        trained_run.record(path, range(6), populations=["layer_2"], overwrite=True)
    assert path.read_bytes() == before
    assert (tmp_path / f"kept-2.{suffix}").exists()


def test_recordings_renew_the_input_of_interneurons_in_each_step(trained_run):
    """With a calibrated interval of 7 steps SST potentials are recorded as with 1, bit for bit, and 7 stays."""
    chosen, interval = {"populations": ["SST_1"], "variables": ["V_soma"]}, trained_run.circuit.intervals["sst_every"]
    potentials = {}
    for interval.steps in (1, 7):
        with trained_run.record(f"{interval.steps}.h5", range(3), **chosen) as traces:
            potentials[interval.steps] = traces["SST_1", "V_soma"][:]
    np.testing.assert_array_equal(potentials[1], potentials[7])
    assert interval.steps == 7


def test_figures_are_shown_in_a_notebook(trained_run):
    """Drawn figures are files by their names, and pictures in HTML, one for each."""
    drawn = trained_run.figures()
    assert drawn["learning_curve.png"].read_bytes().startswith(b"\x89PNG")
    assert drawn._repr_html_().count("<img") == len(drawn)


def test_what_is_wrong_shows_before_a_folder_is_made(toy, tmp_path):
    """Unknown keys, values out of range, presets that do not exist: one line that names them, and no folder."""
    for settings, words in (
        ({"epoch": 3}, "epoch = 3: unknown key 'epoch'; did you mean 'epochs'?"),
        ({"epochs": 0}, "epochs = 0: should be"),
        ({"source": "digit"}, "did you mean 'digits'?"),
        ({"stimuli": "no.npz"}, "no.npz"),
    ):
        with pytest.raises((ParameterError, corinfomax.errors.StimulusError)) as raised:
            corinfomax.train(progress=False, **settings)
        assert words in str(raised.value)
    assert not (tmp_path / "runs").exists()


def test_training_goes_on_where_it_was(toy, trained_run):
    """Two epochs and then two more are four at once, bit for bit; without resume a folder that is taken is refused."""
    with pytest.raises(RunError, match="exists"):
        corinfomax.train(stimuli=toy, out="mine", progress=False, **SETTINGS)
    further = corinfomax.train(out="mine", resume=True, progress=False, epochs=4)
    whole = corinfomax.train(stimuli=toy, out="whole", progress=False, **SETTINGS | {"epochs": 4})
    np.testing.assert_array_equal(further.circuit.weights["B"][1], whole.circuit.weights["B"][1])
    assert list(further.history["epoch"]) == [1, 2, 3, 4]


def test_learners_without_dynamics_train_too(toy):
    """Backpropagation gives history and predictions, and says that it has nothing to present or record."""
    run = corinfomax.train("digits_bp_ce", stimuli=toy, progress=False, epochs=1, architecture=[6, 5, 3])
    assert run.predict(run.stimuli.x_test).shape == (len(run.stimuli.x_test), 3)
    for call in (run.record, lambda: run.present(run.stimuli.x_test)):
        with pytest.raises(ParameterError, match="has no cells in time"):
            call()


def test_a_log_file_gets_lines_and_no_bar(toy, console):
    """Where there is no terminal, training writes its lines, `run(progress=True)` ten, and nothing of a bar."""
    out = console(force_terminal=False)
    run = corinfomax.train(stimuli=toy, **SETTINGS | {"bias": True})
    lines = out.file.getvalue().splitlines()
    assert [line.split()[:2] for line in lines if line.startswith("epoch")] == [["epoch", "1"], ["epoch", "2"]]
    assert lines[-1].startswith("Test accuracy")
    out.file.truncate(0)
    preparation = run.preparation(2)
    preparation.run([Stimulus(run.stimuli.x_test[:2])] * 30, progress=True)
    lines = out.file.getvalue().strip("\0").splitlines()
    assert lines == [f"presenting: {n} of 30" for n in range(3, 31, 3)]
    assert "\r" not in out.file.getvalue()


def test_what_stands_in_the_way_is_said_again_where_the_result_is_bad(toy, console):
    """Few inputs, no bias and next to no training: the warning of the start is also the last line, exactly."""
    out = console(force_terminal=False)
    corinfomax.train(stimuli=toy, **SETTINGS)
    lines = out.file.getvalue().splitlines()
    assert lines[-2].startswith("Test accuracy")
    assert lines.count(lines[-1]) == 2
    assert "has no bias" in lines[-1]


def test_a_terminal_gets_a_bar_and_no_second_one_within(toy, console, monkeypatch):
    """A bar moves in a terminal: of training, of a run after two seconds, and never two at once."""
    monkeypatch.setattr(progress, "_PATIENCE", 0.0)
    monkeypatch.setattr("corinfomax.protocols.runs.session.complete", lambda training, keep_recording: None)
    out = console(force_terminal=True, width=100)
    run = corinfomax.train(stimuli=toy, **SETTINGS)
    shown = out.file.getvalue()
    assert "training" in shown
    assert "presenting" not in shown
    run.preparation(2).run(Stimulus(run.stimuli.x_test[:2]) for _ in range(30))
    assert "presenting" in out.file.getvalue()
    assert progress._up == []


@pytest.mark.parametrize("widgets", [True, False])
def test_jupyter_gets_a_bar_if_it_has_widgets_and_lines_otherwise(console, monkeypatch, widgets):
    """Without ipywidgets, which rich draws with, a notebook gets the lines of a log file, and no warning."""
    out = console(force_jupyter=True)
    monkeypatch.setattr(progress.importlib.util, "find_spec", lambda name: object() if widgets else None)
    assert progress.draws_bars(out) is widgets


def test_quiet_training_prints_nothing(toy, console, capfd):
    """`progress=False` writes nothing at all."""
    out = console(force_terminal=True)
    corinfomax.train(stimuli=toy, progress=False, **SETTINGS)
    assert out.file.getvalue() == ""
    assert capfd.readouterr().out == ""


def test_stimuli_that_were_changed_are_refused(trained_run, toy, command):
    """A file that holds other stimuli than those of training is one line, whatever is asked of the run."""
    source = trained_run.configuration.stimuli.stimuli
    kept = Path(source).read_bytes()
    try:
        raw = stimuli()
        np.savez(source, **raw | {"y": 2 - raw["y"]})
        with pytest.raises(RunError, match=r"checkpoint\.npz: of other stimuli than those that toy has now"):
            Run("mine").stimuli  # noqa: B018
        for words in (["record", "mine"], ["doctor", "mine"], ["perturb", "mine", "--silence", "SST_1", "--out", "p"]):
            code, _, err = command(*words)
            assert (code, err.count("\n")) == (1, 1)
            assert "of other stimuli" in err
    finally:
        Path(source).write_bytes(kept)


def test_sources_and_types_are_told_apart(toy):
    """A NumPy type is its name; stimuli in the place of a preset are refused with the keyword that takes them."""
    run = corinfomax.train(stimuli=toy, out="typed", progress=False, **SETTINGS | {"dtype": np.float64, "epochs": 1})
    assert run.circuit.weights["W_ff"][0].dtype == np.float64
    with pytest.raises(ParameterError, match=r"dict: is no preset; .* stimuli of your own as stimuli=…"):
        corinfomax.train(stimuli(), progress=False)
