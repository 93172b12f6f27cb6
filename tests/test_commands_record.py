"""``corinfomax record`` to HDF5, NWB and tidy tables."""

import os
import signal
import sys

import numpy as np
import pandas as pd
import pytest
import toys
from pynwb import NWBHDF5IO, validate

from corinfomax import Preparation, Run, Selection, StreamRecorder, WeightSelection
from corinfomax.analysis import open_traces, read_recording
from corinfomax.analysis.figures import compartment_voltages
from corinfomax.errors import RunError
from corinfomax.protocols.runs import Configuration, RunFolder, Training


def test_hdf5_of_many_stimuli_in_minibatches(command, run):
    """Seven stimuli, three at once, as chosen: equal to `present` of each minibatch, bit for bit, with their labels."""
    words = ("--stimuli", "3,0-5", "--replicas", "3", "--populations", "layer_1,SST_1", "--variables", "V_soma,rate")
    words += ("--cells", "1:4,0", "--cells", "SST_1:1-2", "--phases", "free", "--every", "2", "--beta", "-0.5")
    code, out, err = command("record", run, "--out", "a.h5", *words)
    assert (code, err) == (0, "")
    assert "a.h5: 7 stimuli, V_soma, rate of layer_1; V_soma of SST_1" in out
    opened, rows = Run(run), np.array([3, 0, 1, 2, 3, 4, 5])
    preparation = opened.preparation(3)
    with open_traces("a.h5") as traces:
        assert traces.trials["stimulus"].tolist() == rows.tolist()
        assert repr(traces).endswith("; 3 presentations, 7 stimuli in all>")
        assert traces.trials["label"].tolist() == opened.stimuli.labels_test[rows].tolist()
        assert (traces.trials["beta"] == -0.5).all()
        assert traces.parameters == (run / "config.toml").read_text()
        steps = opened.protocol.phases[0].steps // 2
        for trial, some in enumerate((rows[:3], rows[3:6], rows[6:])):
            shown = preparation.present(
                opened.stimuli.x_test[some],
                opened.stimuli.y_test[some],
                beta=-0.5,
                learn=False,
                variables=("V_soma", "rate", "SST_1.V_soma"),
            )
            part = slice(trial * steps, (trial + 1) * steps)
            for name in ("V_soma", "rate"):
                expected = getattr(shown.free, name)[1][1::2][:, :, [4, 0]]
                np.testing.assert_array_equal(traces["layer_1", name][part, : len(some)], expected)
            expected = shown.free["SST_1.V_soma"][1::2][:, :, [1, 2]]
            np.testing.assert_array_equal(traces["SST_1", "V_soma"][part, : len(some)], expected)


def test_nwb_and_csv_hold_what_hdf5_does(command, run):
    """The same recording in all three: the validator finds nothing, values agree to 1e-12; nothing else is left."""
    for name in ("a.h5", "a.nwb", "a.csv"):
        assert command("record", run, "--out", name, "--stimuli", "0-3", "--replicas", "1")[0] == 0
    assert sorted(os.listdir()) == ["a.csv", "a.h5", "a.nwb", "run"]
    assert not validate(path="a.nwb")
    table = pd.read_csv("a.csv")
    with open_traces("a.h5") as traces, NWBHDF5IO("a.nwb", "r") as io:
        file = io.read()
        assert [group.population for group in traces.groups] == ["layer_1", "layer_2"]
        for group in traces.groups:
            assert list(group.traces) == ["V_soma", "V_basal", "V_apical", "rate"]
            rows = table[table["population"] == group.population]
            for name, trace in group.traces.items():
                series = file.acquisition[f"{group.population}_{name}"]
                np.testing.assert_allclose(series.get_data_in_units(), trace[:, 0], rtol=0, atol=1e-12)
                np.testing.assert_allclose(rows[f"{name} ({trace.unit})"], trace[:].ravel(), rtol=1e-12)
        assert file.trials["stimulus"][:].tolist() == [0, 1, 2, 3]


def test_recording_while_a_run_trains(tmp_path):
    """A recorder on a training's learner: each epoch's trials are all training stimuli once, with their labels.

    The last weights recorded are those that the training ends with, bit for bit.
    """
    np.savez(tmp_path / "toy.npz", **toys.stimuli())
    settings = toys.on_toys(tmp_path / "toy.npz")[2::2]
    configuration, folder = Configuration.read("digits", settings), RunFolder(tmp_path / "run")
    folder.create(configuration)
    training = Training(configuration, folder)
    labels = training.stimuli.labels_train
    chosen = [Selection("layer_2", "rate", phases="free"), WeightSelection(("W_ff", 0))]
    with StreamRecorder(training.learner, tmp_path / "a.h5", chosen, labels=labels):
        training.run()
    with open_traces(tmp_path / "a.h5") as traces:
        trials, n = traces.trials, len(labels)
        assert len(trials) == 2 * n
        for epoch in range(2):
            rows = trials["stimulus"].iloc[epoch * n : (epoch + 1) * n]
            assert sorted(rows) == list(range(n))
        assert trials["label"].tolist() == labels[trials["stimulus"]].tolist()
        assert trials["learn"].all()
        weights = traces.weights["W_ff_0"]
        assert weights.trial.tolist() == sorted(set(trials["trial"]))
        np.testing.assert_array_equal(weights.values[-1], training.circuit.weights["W_ff"][0])


def test_ctrl_c_keeps_what_was_recorded(command, run, monkeypatch):
    """SIGINT in the second of five presentations: exit code 130, and the file holds two of them."""
    taken = StreamRecorder._begin_trial

    def interrupt(recorder, moment):
        taken(recorder, moment)
        if recorder._trial == 1:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(StreamRecorder, "_begin_trial", interrupt)
    assert command("record", run, "--out", "a.h5", "--stimuli", "0-4", "--replicas", "1")[0] == 130
    with open_traces("a.h5") as traces:
        assert traces.trials["stimulus"].tolist() == [0, 1]


@pytest.mark.parametrize("error", [ValueError("no\nroom"), MemoryError("all"), RunError("a: cannot be written")])
@pytest.mark.parametrize("ending", ["nwb", "csv"])
def test_a_failed_export_keeps_what_was_recorded(refused, run, tmp_path, monkeypatch, ending, error):
    """Whatever the export raises, one line names a free HDF5 file beside, which holds all presentations."""

    def fail(*arguments):
        raise error

    monkeypatch.setattr("corinfomax.protocols.recording.files.export_nwb", fail)
    monkeypatch.setattr("corinfomax.analysis.Traces.save_csv", fail)
    (tmp_path / "a.h5").write_bytes(b"mine")
    line = refused("record", run, "--out", f"a.{ending}", "--stimuli", "0-3", "--replicas", "2")
    assert "cannot be written" in line
    assert line.endswith("; what was recorded is in a-2.h5\n")
    assert sorted(os.listdir()) == ["a-2.h5", "a.h5", "run"]
    assert (tmp_path / "a.h5").read_bytes() == b"mine"
    with open_traces("a-2.h5") as traces:
        assert traces.trials["stimulus"].tolist() == [0, 1, 2, 3]
        assert traces.trials["complete"].all()


def test_a_divergence_keeps_what_was_recorded_for_nwb(refused, run, monkeypatch):
    """A first presentation that diverges: the line says so, and names the file that holds it."""
    monkeypatch.setattr("corinfomax.protocols.clockwork.presenter._DIVERGED", 0.0)
    line = refused("record", run, "--out", "a.nwb", "--stimuli", "0-3", "--replicas", "2")
    assert line.endswith(" diverges; what was recorded is in a.h5\n")
    assert sorted(os.listdir()) == ["a.h5", "run"]
    with open_traces("a.h5") as traces:
        assert traces.trials["stimulus"].tolist() == [0, 1]


def test_a_missing_pynwb_is_told_before_anything_is_presented(refused, run, monkeypatch):
    """Without pynwb the line tells how to install it; no step was simulated, no file is left."""
    monkeypatch.setitem(sys.modules, "pynwb", None)
    monkeypatch.setattr(Preparation, "run", lambda preparation, stimuli: pytest.fail("presented"))
    assert 'NWB needs pynwb: pip install "corinfomax[nwb]"' in refused("record", run, "--out", "a.nwb")
    assert os.listdir() == ["run"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--every", "2"], "--every: needs --out"),
        (["--out", "a.npz", "--populations", "layer_1"], "--populations: needs --out with a file that ends in .h5"),
        (["--out", "a.npz", "--cells", "SST_1:0"], "--cells SST_1: a .npz holds layers"),
        (["--out", "a.mat"], "must end in .npz, .h5"),
        (["--out", "a.h5", "--populations", "layer_1,PV_1"], "no population 'PV_1'; there are stimulus"),
        (
            ["--out", "a.h5", "--variables", "V_axon"],
            "no variable 'V_axon' in layer_1, layer_2; their cells declare V_soma, V_basal, ",
        ),
        (["--out", "a.h5", "--populations", "SST_1", "--variables", "V_soma,rate"], "no variable 'rate' in SST_1"),
        (["--out", "a.h5", "--populations", "stimulus", "--variables", "u"], "no variable 'u' in stimulus"),
        (["--out", "a.h5", "--phases", "third"], "no phase 'third'"),
        (["--out", "a.h5", "--every", "0"], "every = 0"),
        (["--out", "a.h5", "--replicas", "0"], "replicas = 0"),
        (["--out", "a.h5", "--cells", "2:4"], "--cells 2:4: cells of layer_2 should be from 0 to 2"),
        (
            ["--out", "a.h5", "--populations", "layer_1", "--cells", "2:0"],
            "cells of layer_2 are chosen, but only layer_1",
        ),
        (["--out", "a.h5", "--cells", "PV_1:0"], "--cells PV_1:0: no population 'PV_1'; there are stimulus"),
        (["--out", "a.h5", "--cells", "SST1:0"], "--cells SST1:0: no population 'SST1'; did you mean 'SST_1'?"),
        (["--out", "a.h5", "--cells", "9:0"], "layer 9: this circuit has layers 1 to 2"),
        (["--out", "a.h5", "--cells", "1"], "--cells 1: must be LAYER:CELLS"),
        (["--out", "a.mat", "--populations", "layer_1"], "a.mat: must end in .npz, .h5"),
        (["--out", "no/a.h5"], "no/a.h5: cannot be written"),
        (["--out", "no/a.nwb"], "no/a.nwb: cannot be written"),
        (["--out", "mine.csv"], "mine.csv: exists"),
        (["--out", "mine.h5"], "mine.h5: exists; choose another name"),
        (["--out", "a.h5", "--populations", ""], "no population ''"),
        (["--out", "a.h5", "--variables", ""], "no variable ''"),
        (["--out", "a.h5", "--phases", ""], "no phase ''"),
    ],
)
def test_refusals(refused, run, tmp_path, words, message):
    """Each is one line that names it; no file is written or changed."""
    for name in ("mine.csv", "mine.h5"):
        (tmp_path / name).write_bytes(b"mine")
    assert message in refused("record", run, *words)
    assert sorted(os.listdir(tmp_path)) == ["mine.csv", "mine.h5", "run"]
    assert (tmp_path / "mine.csv").read_bytes() == (tmp_path / "mine.h5").read_bytes() == b"mine"


def test_classes_bear_the_names_that_the_user_gave_them(command, undrawn, tmp_path):
    """Words that were labels stand in the table, the HDF5 file and the figure, those of the set, by its labels."""
    birds = np.array(["auk", "crane", "gull"])
    arrays = toys.stimuli()
    np.savez(tmp_path / "birds.npz", **(arrays | {"y": birds[arrays["y"]]}))
    assert command(*toys.on_toys("birds.npz", "epochs=1"), "--out", "run")[0] == 0
    theory = birds[Run("run").stimuli.labels_test]
    assert command("record", "run", "--out", "a.csv", "--stimuli", "0-5", "--every", "20")[0] == 0
    assert command("record", "run", "--out", "a.h5", "--stimuli", "0-5", "--every", "20")[0] == 0
    table = pd.read_csv("a.csv")
    assert table["class_name"].tolist() == theory[table["stimulus"]].tolist()
    with open_traces("a.h5") as traces:
        assert traces.trials["class_name"].tolist() == theory[:6].tolist()
        assert traces.class_names == birds.tolist()
    assert command("record", "run", "--stimuli", "0-1")[0] == 0
    recording = read_recording("run/recording.npz")
    for stimulus, name in enumerate(theory[:2]):
        figure, cell = compartment_voltages(recording, stimulus=stimulus), birds.tolist().index(name)
        assert figure.get_suptitle() == f"Stimulus {stimulus}, class {name}"
        assert f"output cell {cell}, {name} (target)" in [ax.get_title() for ax in figure.axes]
