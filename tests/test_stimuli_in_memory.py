"""Training on stimuli that exist in memory, and what their run keeps of them; stimuli are loaded once."""

import shutil

import numpy as np
import pandas as pd
import pytest
from toys import on_toys, stimuli

import corinfomax
from corinfomax import Run
from corinfomax.errors import CorInfoMaxError, RunError, StimulusError
from corinfomax.protocols.runs import Configuration, loading
from corinfomax.stimuli import Stimuli, from_arrays, load_npz, save_npz

QUICK = {"epochs": 1, "batch_size": 20, "target": "numpy", "progress": False}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """Let every test have a folder of its own."""
    monkeypatch.chdir(tmp_path)


def whole(name="my set/1", seed=1):
    """Make a set with a validation part, soft targets, images and names, of which one is no folder's."""
    rng = np.random.default_rng(seed)
    parts = {}
    for part, count in (("train", 20), ("validation", 6), ("test", 8)):
        labels = np.arange(count) % 2
        parts |= {f"x_{part}": rng.uniform(0, 255, (count, 6)).astype(np.float32), f"labels_{part}": labels}
        parts[f"y_{part}"] = np.where(np.eye(2)[labels] > 0, 0.9, 0.1)
    return Stimuli(
        name=name, **parts, task="classification", image_shape=(2, 3), class_names=["a", "b"], remark="Soft."
    )


@pytest.mark.parametrize("kind", ["whole", "regression", "none"])
def test_a_set_is_saved_whole(kind):
    """What `save_npz` has saved is read again with the same arrays in the same precision, and the same description."""
    found = whole()
    if kind != "whole":
        parts = {f"x_{part}": getattr(found, f"x_{part}") for part in ("train", "test")}
        targets = {f"y_{part}": parts[f"x_{part}"] / 255 for part in ("train", "test")} if kind == "regression" else {}
        found = Stimuli(name="plain", **parts, **targets, task=kind)
    save_npz(found, "set.npz")
    again = load_npz("set.npz")
    assert again.digest == found.digest
    assert repr(again) == repr(found)
    for field in ("image_shape", "class_names", "remark"):
        assert getattr(again, field) == getattr(found, field)
    for part in found.parts:
        np.testing.assert_array_equal(getattr(again, f"labels_{part}"), getattr(found, f"labels_{part}"))


def test_a_damaged_set_is_refused_in_one_line():
    """Keys that belong to no set, and arrays that make none, are named with the file."""
    np.savez("odd.npz", x_train=np.ones((2, 2)), x=1)
    with pytest.raises(StimulusError, match=r"odd.npz: key 'x' is unknown; allowed are x_train, "):
        load_npz("odd.npz")
    np.savez("part.npz", x_train=np.ones((2, 2)), task="none", x_test=np.ones((2, 3)))
    with pytest.raises(StimulusError, match=r"part.npz: holds no set of stimuli \(part: x_test has 3 columns"):
        load_npz("part.npz")
    np.savez("less.npz", x_train=np.ones((2, 2)))
    with pytest.raises(StimulusError, match=r"less.npz: key 'x_train' needs task beside it"):
        load_npz("less.npz")


def test_arrays_in_memory_train_as_their_file_does():
    """Of arrays by key and of the set that they make come the weights and history of their .npz file, bit for bit."""
    arrays = stimuli(split=np.repeat([0, 1], [40, 20]))
    np.savez("toy.npz", **arrays)
    runs = [corinfomax.train(stimuli=given, **QUICK) for given in ("toy.npz", arrays, from_arrays(arrays, "theirs"))]
    assert [run.folder.path.name for run in runs] == ["toy", "own", "theirs"]
    first, *others = runs
    values = first.configuration.to_dict()
    assert values["stimuli"]["scale"] == "auto"
    assert values["circuit"]["bias"] is True
    for run in others:
        assert run.configuration.to_dict() == values | {"stimuli": values["stimuli"] | {"stimuli": "stimuli.npz"}}
        np.testing.assert_array_equal(run.circuit.weights["W_ff"][0], first.circuit.weights["W_ff"][0])
        histories = (each.history.drop(columns=["seconds", "evaluation_seconds"]) for each in (run, first))
        pd.testing.assert_frame_equal(*histories)


def test_the_run_folder_is_complete(command, undrawn):
    """A folder that has moved is loaded, resumed, evaluated and recorded; other stimuli cannot take it up."""
    run = corinfomax.train(stimuli=whole(), architecture=[6, 5, 2], **QUICK)
    assert run.folder.path.name == "my_set_1"
    assert 'stimuli = "stimuli.npz"' in (run.folder.path / "config.toml").read_text()
    predicted = run.predict(run.stimuli.x_test)
    shutil.move(run.folder.path, "moved")
    again = Run("moved")
    np.testing.assert_array_equal(again.predict(run.stimuli.x_test), predicted)
    assert again.stimuli.digest == run.stimuli.digest
    for words in (
        ["evaluate", "moved"],
        ["record", "moved", "--stimuli", "1"],
        ["train", "--out", "moved", "--resume"],
    ):
        assert command(*words)[0] == 0
    twice = QUICK | {"epochs": 2, "resume": True, "out": "moved"}
    assert len(corinfomax.train(**twice).history) == 2
    assert len(corinfomax.train("moved/config.toml", **twice | {"epochs": 3}).history) == 3
    assert len(corinfomax.train(stimuli=whole(), **twice | {"epochs": 4}).history) == 4
    with pytest.raises(RunError, match="of other stimuli"):
        corinfomax.train(stimuli=whole(seed=2), **twice)
    new = corinfomax.train("moved/config.toml", **QUICK)
    shutil.rmtree("moved")
    assert Run(new.folder.path).stimuli.digest == run.stimuli.digest


def test_a_perturbation_experiment_keeps_them_too(command, undrawn):
    """Runs with and without a perturbation, trained as a run on stimuli in memory, outlive that run."""
    corinfomax.train(stimuli=whole(), architecture=[6, 5, 2], out="run", **QUICK)
    words = ["perturb", "run", "--silence", "layer_1", "--training", "--seeds", "1", "--out", "cut"]
    code, _, err = command(*words)
    assert (code, err) == (0, "")
    shutil.rmtree("run")
    for folder in ("cut/control/seed_1", "cut/perturbed/seed_1"):
        assert Run(folder).stimuli.name == "my set/1"
    assert Configuration.read("cut/config.toml", folder=Run("cut").folder.path).load_stimuli().name == "my set/1"


def test_what_are_no_stimuli_is_told_in_one_line(tmp_path):
    """Tuples, bare arrays, wrong keys, units, ragged rows and sets that a model cannot learn: one line, no folder."""
    x, y = np.ones((10, 2)), np.arange(10) % 2
    untaught = Stimuli(name="plain", x_train=x, x_test=x, task="none")
    for given, words in (
        ((x, y), "stimuli is a tuple; allowed are a name, the path of an .npz file, a Stimuli, and arrays by key"),
        (x, "stimuli is of type ndarray"),
        (None, "stimuli is of type NoneType"),
        ({"x": x, "z": y}, "own: key 'z' is unknown; allowed: classes, split, task, x, y"),
        ({"y": y}, "own: key 'x' is missing"),
        ({"x": x, "y": y[1:]}, "own: key 'y' has 9 rows, x 10"),
        ({"x": [[1, 2], [3]], "y": y}, "own: key 'x' is no array"),
        ({"x": np.ma.masked_equal(x, 1), "y": y}, "own: key 'x' has masked entries"),
        ({"x": np.array([[1, None]]), "y": [0]}, "own: key 'x' is of type object"),
        (untaught, "has no targets"),
    ):
        with pytest.raises(CorInfoMaxError) as raised:
            corinfomax.train(stimuli=given, **QUICK)
        assert words in str(raised.value)
        assert "\n" not in str(raised.value)
    with pytest.raises(CorInfoMaxError) as raised:
        corinfomax.train(stimulus={"x": x, "y": y})
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "runs").exists()


def test_tables_and_words_are_welcome():
    """A DataFrame and a Series of words make the set that their values make."""
    arrays = stimuli()
    named = np.array(["a", "b", "c"])[arrays["y"]]
    framed = from_arrays({"x": pd.DataFrame(arrays["x"]), "y": pd.Series(named), "split": None})
    assert framed.digest == from_arrays(arrays).digest
    assert framed.class_names == ("a", "b", "c")


def test_stimuli_are_read_once(command, undrawn, monkeypatch):
    """From the start of `train` to its end a file is read once, and by an experiment of two runs; a resumed run too."""
    np.savez("toy.npz", **stimuli())
    read, load = [], loading.load_stimuli
    monkeypatch.setattr(loading, "load_stimuli", lambda *args, **given: read.append(args) or load(*args, **given))
    assert command("train", "--set", "stimuli=toy.npz", "--set", "epochs=1", "--set", "target=numpy")[0] == 0
    assert len(read) == 1
    corinfomax.train(out="runs/toy", resume=True, **QUICK | {"epochs": 2})
    assert len(read) == 2
    words = on_toys("toy.npz", "epochs=1")[1:]
    assert (
        command("perturb", "own", "--silence", "layer_1", "--training", *words, "--seeds", "1", "--out", "cut")[0] == 0
    )
    assert len(read) == 3
