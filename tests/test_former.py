"""Files that version 0.1.0 wrote; the oracle is what that version gave for them, beside them in ``tests/former``."""

import shutil
from pathlib import Path

import h5py
import matplotlib.pyplot as plt
import numpy as np
import pytest

from corinfomax.analysis import export_nwb, open_traces, read_history, read_recording
from corinfomax.analysis.archives import read_archive
from corinfomax.analysis.figures import draw_run
from corinfomax.analysis.former import CHECKPOINT_FORMAT, by_layer, converted_checkpoint
from corinfomax.errors import RunError
from corinfomax.protocols.perturbations import Freeze, perturb_training, read_perturbations
from corinfomax.protocols.runs import Configuration, Run, RunFolder, Training

FORMER = Path(__file__).parent / "former"
RUNS = ("normative", "autapse", "regularised")
TRAINED = (*RUNS, "frozen_B/perturbed/seed_0", "frozen_W_fb/perturbed/seed_0")

#: Rounding that other libraries may do otherwise, of rates up to 1; with B of the two layers exchanged, rates change by
#: .009 to .19.
RATE_TOLERANCE = 1e-4
#: The same after up to 72 minibatches of learning, relative to the largest weight.
WEIGHT_TOLERANCE = 1e-3

#: Numbers of version 0.1.0 and of today, written out.
TODAY = {
    **{f"weights/{name}": f"weights/{name}" for name in ("W_ff/0", "W_ff/1", "W_fb/1")},
    **{f"weights/{key}/0": f"weights/{key}/1" for key in "BDO"},
    **{f"weights/{key}/1": f"weights/{key}/2" for key in "BDO"},
    **{f"optimiser/B/0/{name}": f"optimiser/B/1/{name}" for name in ("presentations", "accumulated")},
    **{f"optimiser/B/1/{name}": f"optimiser/B/2/{name}" for name in ("presentations", "accumulated")},
}


@pytest.fixture
def copy(tmp_path):
    """Copy a folder of version 0.1.0 to where it may be changed."""
    return lambda name: shutil.copytree(FORMER / name, tmp_path / name)


def learnt(arrays):
    """Those arrays of a checkpoint that learning changes."""
    return {name: array for name, array in arrays.items() if name.startswith(("weights/", "optimiser/"))}


def assert_learnt_alike(found, former):
    """Weights of a checkpoint are those that version 0.1.0 arrived at."""
    found = learnt(found)
    assert found.keys() == {TODAY[name] for name in former}
    for name, theory in former.items():
        scale = np.abs(theory).max()
        np.testing.assert_allclose(found[TODAY[name]], theory, rtol=0, atol=WEIGHT_TOLERANCE * scale, err_msg=name)


@pytest.mark.parametrize("name", TRAINED)
def test_a_checkpoint_is_converted(name):
    """Names are those of a table written out by hand, values the same bit by bit; a second time nothing moves."""
    former = read_archive(FORMER / name / "checkpoint.npz")
    converted = converted_checkpoint(former)
    theory = {TODAY.get(key, key): array for key, array in former.items()} | {"format": np.array(2)}
    assert list(converted) == list(theory)
    for key, array in theory.items():
        np.testing.assert_array_equal(converted[key], array, err_msg=key)
    again = converted_checkpoint(converted)
    assert list(again) == list(theory)
    assert all(again[key] is array for key, array in converted.items() if key != "format")


def test_numbers_of_other_circuits_are_their_own():
    """Weights called B and O of a model that is not CorInfoMax keep their numbers; so do names that only look alike."""
    arrays = {name: np.zeros(1) for name in ("weights/B/0", "optimiser/O/3/rate", "weights/b/0", "state/B/0")}
    own = arrays | {"configuration": np.array('[circuit]\nmodel = "mine"\n')}
    assert converted_checkpoint(own).keys() == {*own, "format"}
    assert converted_checkpoint(arrays).keys() == {
        "weights/B/1",
        "optimiser/O/4/rate",
        "weights/b/0",
        "state/B/0",
        "format",
    }


@pytest.mark.parametrize("written", [CHECKPOINT_FORMAT + 1, 0, [2, 2], "two"])
def test_other_formats_are_refused(copy, refused, written):
    """A newer checkpoint, or a format that is no number, is one line that names the file."""
    folder = copy("normative")
    arrays = read_archive(folder / "checkpoint.npz")
    np.savez(folder / "checkpoint.npz", **arrays, format=np.array(written))
    reason = (
        "written by a newer version; this one reads format 2" if written == 3 else "damaged (format is no whole number"
    )
    assert f"{folder / 'checkpoint.npz'}: {reason}" in refused("evaluate", folder)
    if written == CHECKPOINT_FORMAT + 1:
        assert f"{folder / 'checkpoint.npz'}: {reason}" in refused("figures", folder)


@pytest.mark.parametrize("name", TRAINED)
def test_a_run_is_loaded(name):
    """The circuit has each layer's weights bit by bit, and predicts what version 0.1.0 did, to 1e-4."""
    opened = Run(FORMER / name)
    former = read_archive(FORMER / name / "checkpoint.npz")
    for place, array in learnt(former).items():
        kind, key, k = TODAY[place].split("/")[:3]
        if kind == "weights":
            np.testing.assert_array_equal(opened.circuit.weights[key][int(k)], array, err_msg=place)
    theory = read_archive(FORMER / name.partition("/")[0] / "predictions.npz")["r"]
    found = opened.preparation(100).predict(opened.stimuli.x_test)
    np.testing.assert_allclose(found, theory, rtol=0, atol=RATE_TOLERANCE)


@pytest.mark.parametrize("name", ["autapse", "regularised"])
def test_a_run_is_evaluated(name):
    """Columns of the test stimuli equal those of the history that version 0.1.0 wrote, to 1e-3 of their size."""
    folder = RunFolder(FORMER / name)
    training = Training(folder.configuration(), folder, resume=True)
    theory = read_history(folder.path).iloc[-1]
    found = training.evaluate()
    assert theory.index.intersection(list(found)).size > 10
    for column in theory.index.intersection(list(found)):
        np.testing.assert_allclose(found[column], theory[column], rtol=1e-3, atol=1e-4, err_msg=column)


@pytest.mark.parametrize("name", RUNS)
def test_a_run_goes_on(copy, name):
    """Taken up again, in mid-epoch too, a run ends with the weights that version 0.1.0 ended with, to 1e-3."""
    folder = RunFolder(copy(name))
    configuration = Configuration.read(folder.path / "config.toml", ["epochs=2"])
    Training(configuration, folder, resume=True).run()
    written = folder.arrays("checkpoint.npz")
    assert (int(written["format"]), int(written["epoch"])) == (CHECKPOINT_FORMAT, 2)
    assert_learnt_alike(written, read_archive(FORMER / name / "resumed.npz"))
    assert Run(folder.path).circuit.epoch == 2


def test_a_run_is_drawn(copy, monkeypatch):
    """All figures of version 0.1.0's files are drawn; the histograms of B are called by their layers, 1 and 2."""
    drawn, before = {}, plt.get_fignums()
    monkeypatch.setattr("corinfomax.analysis.figures.report.weight_histogram", lambda W, ax, layers: drawn.update(W))
    folder = copy("normative")
    names = {path.stem for path in draw_run(folder)}
    assert names == {
        *("learning_curve", "angle", "cmi", "signs", "circuit", "receptive_fields", "weight_histograms"),
        *("activity_histograms", "embedding_pca", "compartment_voltages"),
    }
    former = read_archive(folder / "checkpoint.npz")
    for k in (1, 2):
        np.testing.assert_array_equal(drawn[f"$B$, layer {k}"], former[f"weights/B/{k - 1}"])
    assert plt.get_fignums() == before


def test_a_recording_of_layers_is_read():
    """recording.npz has the phases and layers of the run, and the archive's potentials bit by bit."""
    recording, archive = (read(FORMER / "normative" / "recording.npz") for read in (read_recording, read_archive))
    assert len(recording.t) == 40
    assert list(recording.layers) == [1, 2]
    for k, layer in recording.layers.items():
        np.testing.assert_array_equal(layer.traces["V_apical"], archive[f"layer_{k}/V_apical"])


def test_weights_in_a_recording_are_called_by_their_layers(tmp_path):
    """B_0 is B_1 in dictionary and archive, with the arrays that version 0.1.0 read; O_2 is -2γε B_2 off diagonal."""
    former = read_archive(FORMER / "recording.npz")
    today = {"B_0": "B_1", "B_1": "B_2", "O_1": "O_2", "W_ff_0": "W_ff_0"}
    with open_traces(FORMER / "recording.h5") as traces:
        assert list(traces.weights) == ["B_1", "B_2", "O_2", "W_ff_0"]
        for name, found in traces.weights.items():
            assert "_".join(map(str, found.weights)) == name
        for name, own in today.items():
            np.testing.assert_array_equal(traces.weights[own].values[:], former[f"{name}/values"])
            assert (traces.weights[own].changes is None) == (f"{name}/changes" not in former)
        O, B = (traces.weights[name].values[:] for name in ("O_2", "B_2"))
        theory = -2 * 0.02 / 0.98 * 0.15 * B * (1 - np.eye(5))
        np.testing.assert_allclose(O, theory, rtol=0, atol=1e-12)
        traces.save_npz(tmp_path / "again.npz")
    again = read_archive(tmp_path / "again.npz")

    def renamed(key):
        name, slash, column = key.partition("/")
        return today.get(name, name) + slash + column

    assert again.keys() == {renamed(key) for key in former} | {"phases/taught", "layer_1/s"}
    assert np.isnan(again["layer_1/s"]).all()
    np.testing.assert_array_equal(again["phases/taught"], former["phases/beta_last"] != 0)
    for key, array in former.items():
        np.testing.assert_array_equal(again[renamed(key)], array, err_msg=key)


def test_recordings_of_the_second_format_read_alike(tmp_path):
    """A recording of format 2: all arrays as version 0.2.0 read them, but for s, which it did not record."""
    former = read_archive(FORMER / "recording_2.npz")
    with open_traces(FORMER / "recording_2.h5") as traces:
        assert (traces.version, traces.seed, traces.units["V_soma"]) == (2, 7, "V")
        assert traces.trials["learn"].tolist() == [True] * 3
        assert traces.phases["name"].tolist() == ["free", "nudge"] * 2
        traces.save_npz(tmp_path / "again.npz")
        export_nwb(traces, tmp_path / "a.nwb")
        found = traces.to_xarray("layer_1")["V_soma"]
    np.testing.assert_array_equal(found, former["layer_1/V_soma"])
    again = read_archive(tmp_path / "again.npz")
    assert again.keys() == former.keys() | {"layer_1/s", "layer_2/s"}
    for key, array in former.items():
        np.testing.assert_array_equal(again[key], array, err_msg=key)


@pytest.mark.parametrize(("attribute", "value"), [("circuit", "Mine"), ("version", 2)])
def test_weights_in_other_recordings_keep_their_numbers(tmp_path, attribute, value):
    """Of another circuit, or of version 2 of the file, B_0 is B_0; a constructed file."""
    path = shutil.copy(FORMER / "recording.h5", tmp_path)
    with h5py.File(path, "a") as file:
        file.attrs[attribute] = value
    with open_traces(path) as traces:
        assert list(traces.weights) == ["B_0", "B_1", "O_1", "W_ff_0"]


@pytest.mark.parametrize("key", ["A", "A_T", "shunts", "B", "D", "O", "W_ff", "W_fb", "b"])
def test_places_of_weights(key):
    """Weights of one layer move by one, weights between two layers and unknown ones do not: the rule itself."""
    assert by_layer(key, 1) == (key, 1 if key in ("W_ff", "W_fb", "b") else 2)


def contents(folder):
    """Every file of a folder, as bytes."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != ".lock"}


def test_perturbations_by_former_numbers_are_refused(copy, refused):
    """Taken up, or used for a new experiment: one line with the version and the layer's number; no file changes.

    But the control, which is sound, is taken up; its configuration gets the keys that are new since, at their defaults.
    """
    folder = copy("frozen_B")
    before = contents(folder)
    taken_up = ("perturb", "digits", "--training", "--resume", "--out", folder)
    again = ("perturb", "digits", "--training", "--out", "again", "--file", folder / "perturbations.toml")
    for words in (taken_up, (*taken_up, "--freeze", "B:1"), again):
        line = refused(*words)
        assert f"{folder / 'perturbations.toml'}: B:0 is numbered as version 0.1.0 did" in line
        assert "B:1" in line
    with pytest.raises(RunError, match=r"seed_0/perturbations.toml: B:0 is numbered as version 0\.1\.0 did"):
        perturb_training(Configuration.read(folder / "config.toml"), [Freeze(("B", 1))], folder, [0])
    after, control = contents(folder), folder / "control" / "seed_0" / "config.toml"
    former, now = (Configuration.from_toml(files.pop(control).decode()) for files in (before, after))
    assert now.difference(former) is None
    assert after == before


def test_the_same_perturbations_outside_their_folder_are_read(copy):
    """A file that is no run's, or is called otherwise, has no version: B:0 is read as it stands there."""
    folder = copy("frozen_B")
    path = folder / "perturbations.toml"
    assert read_perturbations(shutil.copy(path, folder / "mine.toml")) == [Freeze(("B", 0))]
    assert read_perturbations(shutil.copy(path, folder.parent)) == [Freeze(("B", 0))]


def test_perturbations_of_other_weights_go_on(command, copy):
    """An experiment that freezes W_fb^(1) is taken up, and ends with the weights of version 0.1.0, to 1e-3."""
    folder = copy("frozen_W_fb")
    code, _, err = command("perturb", "digits", "--training", "--resume", "--out", folder)
    assert (code, err) == (0, "")
    written = read_archive(folder / "perturbed" / "seed_0" / "checkpoint.npz")
    assert_learnt_alike(written, read_archive(folder / "resumed.npz"))
