"""What the command line refuses: one line that names file, key or option, and nothing lost."""

import os

import numpy as np
import pytest
from filelock import FileLock
from toys import on_toys, stimuli

from corinfomax.errors import ParameterError
from corinfomax.protocols.runs import Configuration


@pytest.mark.parametrize("name", ["train", "evaluate", "record", "figures", "presets"])
def test_help_describes_each_command_with_an_example(command, name):
    """--help ends with 0 and holds an example; without arguments, or with --help alone, all commands are listed."""
    code, out, err = command(name, "--help")
    assert (code, err) == (0, "")
    assert f"corinfomax {name}" in " ".join(out.split())
    assert "Example" in out
    assert command("help", name) == (code, out, err)
    for words in ([], ["--help"], ["help"], ["help", "help"]):
        code, out, err = command(*words)
        assert (code, err) == (0, "")
        assert name in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["trian"], ["trian", "corinfomax --help"]),
        (["train", "--epochs", "3"], ["--epochs", "corinfomax train --help"]),
        (["train", "digits", "mnist"], ["mnist"]),
        (["train", "--set"], ["--set"]),
        (["evaluate"], ["run", "corinfomax evaluate --help"]),
        (["record", "run", "--beta", "strong"], ["--beta"]),
    ],
)
def test_errors_of_usage_are_one_line_and_code_2(refused, arguments, words):
    """Commands and options that do not exist or lack a value: one line that names them, exit code 2."""
    line = refused(*arguments, code=2)
    assert all(word in line for word in words)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "digit"], ["'digits'"]),
        (["train", "[/b]"], ["[/b]", "corinfomax presets lists them"]),
        (["train", "mine.npz"], ["mine.npz: is no preset, nor is there such a file; ", "--set stimuli=mine.npz"]),
        (["train", "--set", "stimuli=mine.npy"], ["'mine.npy' is no .npz file", "numpy.savez"]),
        (["train", "none.toml"], ["none.toml", "no such file"]),
        (["train", "--set", "epoch=3"], ["epoch=3", "'epochs'"]),
        (["train", "--set", "seed=-1"], ["seed = -1"]),
        (["train", "--set", "architecture=64"], ["architecture"]),
        (["train", "--set", "architecture=[64,10]"], ["architecture"]),
        (["train", "--set", "architecture=[65,5,10]"], ["architecture", "64 inputs"]),
        (["train", "--set", "epsilon=0"], ["epsilon"]),
        (["train", "--set", "forgetting=1"], ["forgetting"]),
        (["train", "--set", "beta=0"], ["beta"]),
        (["train", "--set", "step=0.5"], ["step", "allow_unstable"]),
        (["train", "--set", "beta=1e9"], ["beta", "allow_unstable"]),
        (["train", "--set", "learning_rate_ff=nan"], ["learning_rate_ff = nan"]),
        (["train", "--set", "stimuli=nothing"], ["'nothing'", "digits"]),
        (["train", "--set", "stimuli=nothing.npz"], ["nothing.npz", "no such file"]),
        (["train", "mnist", "--data", "nowhere"], ["nowhere", "mnist"]),
        (["train", "mnist", "--data", "."], ["train-images"]),
        (["train", "--out", "x" * 300], ["x" * 300]),
        (["train", "--resume"], ["runs/digits", "--out"]),
        (["train", "--resume", "--out", "."], ["config.toml"]),
        (["evaluate", "nowhere"], ["nowhere", "config.toml"]),
        (["record", "nowhere"], ["nowhere", "config.toml"]),
        (["figures", "nowhere"], ["nowhere", "history.csv"]),
        (["presets", "nothing"], ["nothing", "digits"]),
    ],
)
def test_bad_input_is_one_line_and_makes_no_folder(refused, tmp_path, arguments, words):
    """Exit code 1, one line that names file, key or folder and what is allowed, no traceback, nothing written."""
    line = refused(*arguments)
    assert all(word in line for word in words)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        (stimuli(x=np.where(np.arange(360).reshape(60, 6) == 50, np.nan, 0.5)), ["'x'", "row 8"]),
        (stimuli(x=np.where(np.arange(360).reshape(60, 6) == 359, np.inf, 0.5)), ["'x'", "row 59"]),
        (stimuli(y=np.arange(60) % 3, classes=2), ["'y'", "row 2", "0 to 1"]),
        (stimuli(y=np.arange(60) - 1), ["'y'", "-1", "row 0"]),
        (stimuli(y=np.arange(59) % 3), ["'y'", "59 rows"]),
        (stimuli(y=np.array([{}] * 60)), ["'y'"]),
        (stimuli(z=1), ["'z'", "unknown"]),
    ],
)
def test_bad_stimuli_are_one_line_with_file_and_key(refused, tmp_path, arrays, words):
    """NaN, infinity, labels outside the classes, wrong lengths and keys: the line names file, key and row."""
    np.savez(tmp_path / "bad.npz", **arrays)
    line = refused(*on_toys("bad.npz"))
    assert all(word in line for word in ("bad.npz", *words))
    assert os.listdir(tmp_path) == ["bad.npz"]


def test_stimuli_without_targets_are_one_line_with_model_and_tasks(refused, tmp_path):
    """A file without y is refused by a model that needs targets, with what it can learn; nothing is written."""
    np.savez(tmp_path / "untaught.npz", x=stimuli()["x"])
    line = refused(*on_toys("untaught.npz"))
    assert all(word in line for word in ("corinfomax", "'untaught'", "no targets", "classification, regression"))
    assert os.listdir(tmp_path) == ["untaught.npz"]


@pytest.mark.parametrize("share", [0, 0.3, 0.6, 0.99])
def test_truncated_stimuli_are_one_line_with_the_file(refused, tmp_path, share):
    """A stimulus file that ends too early is refused with its name, and nothing is written."""
    path = tmp_path / "cut.npz"
    np.savez(path, **stimuli())
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    assert "cut.npz" in refused(*on_toys("cut.npz"))
    assert os.listdir(tmp_path) == ["cut.npz"]


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--stimuli", "12"], "0 to 11"),
        (["--stimuli", "-1"], "--stimuli"),
        (["--stimuli", "3-1"], "--stimuli"),
        (["--stimuli", "0,,1"], "--stimuli"),
        (["--stimuli", ""], "--stimuli"),
        (["--stimuli", "0-999999999999"], "0 to 11"),
        (["--cells", "1"], "LAYER:CELLS"),
        (["--cells", "²:0"], "no population '²'"),
        (["--cells", "1:"], "--cells"),
        (["--cells", "1:a"], "--cells"),
        (["--cells", "1:0-999999999999"], "--cells"),
        (["--cells", "1:5"], "0 to 4"),
        (["--cells", "2:3"], "--cells 2:3: cells of layer_2 should be from 0 to 2"),
        (["--cells", "0:0"], "layers 1 to 2"),
        (["--cells", "3:0"], "layers 1 to 2"),
        (["--beta", "nan"], "beta"),
        (["--beta", "1e9"], "step"),
        (["--out", "missing/recording.npz"], "missing/recording.npz"),
        (["--out", "folder.npz"], "folder.npz"),
    ],
)
def test_a_bad_selection_is_one_line_and_keeps_the_old_recording(refused, run, tmp_path, words, named):
    """Stimuli, layers, cells, β and files that do not exist are named; recording.npz stays byte for byte."""
    before = (run / "recording.npz").read_bytes()
    (tmp_path / "folder.npz").mkdir()
    assert named in refused("record", run, *words)
    assert (run / "recording.npz").read_bytes() == before


@pytest.mark.parametrize(
    ("name", "commands"),
    [
        ("recording.npz", [["figures"]]),
        ("activity.npz", [["figures"]]),
        ("checkpoint.npz", [["evaluate"], ["record"], ["figures"], ["train", "--resume", "--out"]]),
        ("history.csv", [["figures"], ["train", "--resume", "--out"]]),
        ("config.toml", [["evaluate"], ["record"], ["train", "--resume", "--out"]]),
    ],
)
def test_damaged_files_of_a_run_are_named(refused, run, name, commands):
    """Files cut to a third of their length: each command that reads them is refused with the file's name."""
    good = (run / name).read_bytes()
    (run / name).write_bytes(good[: len(good) // 3])
    for words in commands:
        assert name in refused(*words, run)


def test_an_unknown_figure_format_is_named(refused, run):
    """--format docx is refused, with those that are known."""
    line = refused("figures", run, "--format", "docx")
    assert "docx" in line
    assert "pdf" in line


def test_a_run_folder_that_exists_is_kept(refused, run, tmp_path):
    """Training into a run's folder is refused with the way on, and the run stays byte for byte."""
    np.savez(tmp_path / "toy.npz", **stimuli())
    before = {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()}
    line = refused(*on_toys("toy.npz"), "--out", run)
    assert str(run) in line
    assert "--resume" in line
    assert {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()} == before


def test_divergence_is_one_line_with_epoch_and_batch(refused, tmp_path):
    """A huge learning rate: exit code 1 and one line that names epoch and batch."""
    np.savez(tmp_path / "toy.npz", **stimuli())
    assert "epoch 1, batch" in refused(*on_toys("toy.npz", "learning_rate_ff=1e30"), "--out", "run")


def test_a_full_disk_while_drawing_spares_the_old_pictures(command, refused, run, monkeypatch):
    """A disk that fills up while a figure is saved: one line with the figure's name; the old one stays, exactly."""
    assert command("record", run)[0] == 0
    pictures = {path: path.read_bytes() for path in [*(run / "figures").iterdir(), run / "recording_stimulus_0.png"]}

    def full(figure, file, **kwargs):
        file.write(b"half a picture")
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", full)
    messages = {"learning_curve.png": refused("figures", run)}
    code, _, messages["recording_stimulus_0.png"] = command("record", run)
    assert code == 0  # what was recorded is there
    for name, message in messages.items():
        assert all(word in message for word in (name, "No space left on device", "previous one is whole"))
    assert {path: path.read_bytes() for path in pictures} == pictures
    assert not list(run.rglob(".*png*"))


@pytest.mark.parametrize("name", ["checkpoint.npz", "activity.npz", "config.toml", "history.csv", "mine.txt"])
def test_record_overwrites_nothing_but_recordings(refused, run, name):
    """--out with the name of a file that is no recording is refused, and the file stays, byte for byte."""
    path = run / name
    if not path.exists():
        path.write_text("mine")
    before = path.read_bytes()
    assert name in refused("record", run, "--out", path)
    assert path.read_bytes() == before


def test_a_device_is_no_place_for_a_recording(refused, run):
    """What is no regular file is refused before anything is moved into its place."""
    (run / "pipe.npz").symlink_to(os.devnull)
    assert "pipe.npz" in refused("record", run, "--out", run / "pipe.npz")
    assert (run / "pipe.npz").is_char_device()


def test_an_edited_configuration_is_noticed_by_all_that_present_stimuli(refused, run):
    """config.toml with another ε than the checkpoint's: record, evaluate and resume name the key."""
    path = run / "config.toml"
    path.write_text(path.read_text().replace("epsilon = 0.15", "epsilon = 0.3"))
    for words in (["record"], ["evaluate"], ["train", "--resume", "--out"]):
        line = refused(*words, run)
        assert all(word in line for word in ("checkpoint.npz", "epsilon = 0.15", "0.3"))


def test_changed_stimuli_are_noticed(refused, run, trained):
    """A stimulus file with other contents than in training is refused by evaluate and resume, with the checkpoint."""
    path = trained[-1].parent / "toy.npz"
    good = path.read_bytes()
    try:
        np.savez(path, **stimuli(x=np.linspace(0, 1, 360).reshape(60, 6)))
        for words in (["evaluate"], ["train", "--resume", "--out"]):
            line = refused(*words, run)
            assert all(word in line for word in ("checkpoint.npz", "other stimuli", "toy"))
    finally:
        path.write_bytes(good)


def contents(folder):
    """Bytes of every file in a folder."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_two_processes_do_not_train_into_one_folder(refused, run):
    """While another process holds the folder's lock, resuming is refused; every file stays as it is."""
    before = contents(run)
    with FileLock(run / ".lock"):
        assert "another process" in refused("train", "--resume", "--out", run, "--set", "epochs=3")
    assert contents(run) == before


def test_a_run_does_not_end_before_it_is(refused, run):
    """With 2 epochs done, --resume with epochs = 1 is refused; every file stays as it is."""
    before = contents(run)
    assert "2 are done already" in refused("train", "--resume", "--out", run, "--set", "epochs=1")
    assert contents(run) == before


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("free_steps=10000000000000000000", ["free_steps"]),
        ("nudge_steps=999999999999", ["nudge_steps"]),
        ("stimuli=~nobody-of-this-name/x.npz", ["x.npz", "no such file"]),
        ("stimuli=\udcff.npz", [".npz"]),
        ("learning_rate_fb=[0.1,nan]", ["learning_rate_fb"]),
        ("learning_rate_decay=true", ["learning_rate_decay"]),
        ('learning_rate_decay="0.5"', ["learning_rate_decay"]),
        ("epochs=1\nseed=3", ["epochs"]),
        ("circuit.epochs=1", ["'epochs'", "[training]"]),
        ("forgetting=0.9999999", ["forgetting", "float64"]),
    ],
)
def test_odd_settings_are_one_line_and_make_no_folder(refused, tmp_path, setting, words):
    """Huge counts, paths that are no text, line breaks, numbers of another kind: named, nothing written."""
    line = refused("train", "--set", setting)
    assert all(word in line for word in words)
    assert os.listdir(tmp_path) == []


def test_errors_are_one_line_whatever_they_repeat():
    """Line breaks, control characters and lone surrogates are shown as Python writes them (definition)."""
    error = ParameterError("key 'a\nb\x85c\u2028d\x1b[2J\udcff é ²'", 3)
    assert error.args == ("key 'a\\nb\\x85c\\u2028d\\x1b[2J\\udcff é ²'", 3)
    with pytest.raises(ParameterError) as caught:
        Configuration.read("digits", ["a\nb=1"])
    assert len(str(caught.value).splitlines()) == 1


def test_stimuli_beyond_single_precision_are_named(refused, tmp_path):
    """x of 1e40 in float32: one line with the array, the set and dtype, before a folder is made."""
    np.savez(tmp_path / "far.npz", **stimuli(x=1e40 * stimuli()["x"]))
    line = refused(*on_toys("far.npz"))
    assert all(word in line for word in ("x_train", "'far'", "dtype = float32"))
    assert os.listdir(tmp_path) == ["far.npz"]


def test_one_regression_target_is_refused(refused, tmp_path):
    """A test part of one target, for which R² is not defined, is refused when it is loaded."""
    split = np.array(["train"] * 59 + ["test"])
    np.savez(tmp_path / "one.npz", **stimuli(y=np.linspace(0, 1, 60), split=split))
    line = refused(*on_toys("one.npz", "architecture=[6,5,1]"))
    assert all(word in line for word in ("one", "y_test", "at least 2"))
