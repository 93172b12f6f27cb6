import io
import os
import shutil
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout

import numpy as np
import pytest

from corinfomax.analysis import read_history, read_recording
from corinfomax.errors import CorInfoMaxError
from corinfomax.protocols.commands import main
from corinfomax.protocols.runs import presets


def stimuli(**changes):
    """Arrays of 60 stimuli of 6 inputs in 3 classes, with some keys replaced."""
    rng = np.random.default_rng(0)
    x = rng.uniform(size=(60, 6))
    return {"x": x, "y": np.argmax(x[:, :3] + x[:, 3:], axis=1), **changes}


@pytest.fixture
def command(monkeypatch, capsys, tmp_path):
    """Run the command line in an empty folder; return exit code, standard output and standard error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CORINFOMAX_DATA", raising=False)

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["corinfomax", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main()
        out, err = capsys.readouterr()
        return end.value.code or 0, out, err

    return call


@pytest.fixture
def refused(command):
    """Run a command that must fail; return the one line that it prints to standard error."""

    def call(*arguments, code=1):
        found, _, err = command(*arguments)
        assert found == code
        assert err.startswith("error: ")
        assert err.count("\n") == 1
        assert "Traceback" not in err
        return err

    return call


def on_toys(path, *settings):
    """Words of a `train` command on toy stimuli."""
    own = (f"stimuli={path}", "architecture=[6,5,3]", "batch_size=5", "epochs=2", "target=numpy", *settings)
    return ["train", *(word for setting in own for word in ("--set", setting))]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Train by the command line; return exit code, both outputs and the run folder."""
    folder = tmp_path_factory.mktemp("trained")
    np.savez(folder / "toy.npz", **stimuli())
    words = ["corinfomax", *on_toys(folder / "toy.npz"), "--out", str(folder / "run [1]:x:")]
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", words)
        with pytest.raises(SystemExit) as end:
            main()
    return end.value.code or 0, out.getvalue(), err.getvalue(), folder / "run [1]:x:"


@pytest.fixture
def run(trained, tmp_path):
    """Copy the trained run to a folder of the test's own."""
    return shutil.copytree(trained[-1], tmp_path / "run")


def test_train_makes_a_complete_run_folder_and_says_where(trained):
    """Exit code 0, nothing on standard error; the documented files and figures; the folder's name printed as it is."""
    code, out, err, folder = trained
    assert (code, err) == (0, "")
    assert str(folder) in out
    assert "epoch    2" in out
    files = ["activity.npz", "checkpoint.npz", "config.toml", "environment.json", "figures", "history.csv"]
    assert sorted(os.listdir(folder)) == [*files, "recording.npz"]
    figures = {"learning_curve", "angle", "cmi", "weight_histograms", "activity_histograms", "compartment_voltages"}
    assert {path.stem for path in (folder / "figures").iterdir()} == figures
    assert len(read_history(folder)) == 2


def test_evaluate_reproduces_the_last_row_of_the_history(command, run):
    """Every column that concerns test stimuli is printed with the history's value, to the 6 digits printed."""
    code, out, err = command("evaluate", run)
    assert (code, err) == (0, "")
    printed = dict(line.strip("│ ").split("│") for line in out.splitlines() if line.startswith("│"))
    printed = {name.strip(): float(value) for name, value in printed.items()}
    last = read_history(run).iloc[-1].drop(["epoch", "train_accuracy", "seconds"])
    assert list(printed) == list(last.index)
    np.testing.assert_allclose(list(printed.values()), last.to_numpy(dtype=float), rtol=1e-5)


def test_record_writes_and_draws_the_chosen_cells(command, run):
    """Stimuli 3 and 0-1, layers and cells as chosen, a layer named twice included; one picture a stimulus."""
    words = ("--stimuli", "3,0-1", "--cells", "1:0,2-4", "--cells", "2:1", "--cells", "2:0", "--beta", "-0.5")
    code, out, err = command("record", run, *words)
    assert (code, err) == (0, "")
    recording = read_recording(run / "recording.npz")
    assert list(recording.stimuli) == [3, 0, 1]
    assert {k: list(layer.cells) for k, layer in recording.layers.items()} == {1: [0, 2, 3, 4], 2: [1, 0]}
    assert recording.beta[-1] == -0.5
    for stimulus in (3, 0, 1):
        assert f"recording_stimulus_{stimulus}.png" in out
        assert (run / f"recording_stimulus_{stimulus}.png").stat().st_size > 1000


def test_record_takes_telling_cells_and_the_run_s_beta_by_default_and_another_file(command, run):
    """Without options: test stimulus 0, up to 3 cells of each layer, the run's β; --out puts it elsewhere."""
    before = (run / "recording.npz").read_bytes()
    assert command("record", run, "--out", "elsewhere.npz")[0] == 0
    recording = read_recording("elsewhere.npz")
    assert list(recording.stimuli) == [0]
    assert {k: len(layer.cells) for k, layer in recording.layers.items()} == {1: 3, 2: 3}
    assert f"beta = {recording.beta[-1]}" in (run / "config.toml").read_text()
    assert (run / "recording.npz").read_bytes() == before


def test_figures_are_drawn_again_in_other_formats(command, run):
    """--format pdf --format svg writes each figure twice, and leaves the others where they are."""
    for costly in ("recording.npz", "checkpoint.npz", "activity.npz"):
        (run / costly).unlink()
    before = sorted(f"{name}.png" for name in ("learning_curve", "angle", "cmi"))
    for path in (run / "figures").iterdir():
        if path.name not in before:
            path.unlink()
    code, out, _ = command("figures", run, "--format", "pdf", "--format", "svg")
    assert code == 0
    assert len(out.splitlines()) == 2 * len(before)
    after = {path.name for path in (run / "figures").iterdir()}
    assert after == {name.replace(".png", suffix) for name in before for suffix in (".png", ".pdf", ".svg")}
    assert (run / "figures" / "learning_curve.pdf").read_bytes().startswith(b"%PDF")


def test_presets_are_listed_and_printed(command):
    """The list has a line for each preset; a printed preset is its file, character for character."""
    code, out, _ = command("presets")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == sorted(presets())
    for name, path in presets().items():
        assert command("presets", name)[1] == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["train", "evaluate", "record", "figures", "presets"])
def test_help_describes_each_command_with_an_example(command, name):
    """--help ends with 0 and holds an example; without arguments, or with --help alone, all commands are listed."""
    code, out, err = command(name, "--help")
    assert (code, err) == (0, "")
    assert f"corinfomax {name}" in " ".join(out.split())
    assert "Example" in out
    for words in ([], ["--help"]):
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
        (["train", "[/b]"], ["[/b]", "allowed"]),
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
        (stimuli(y=np.arange(60) % 3 - 1), ["'y'", "-1", "row 0"]),
        (stimuli(y=np.arange(59) % 3), ["'y'", "59 rows"]),
        (stimuli(y=np.array([{}] * 60)), ["'y'"]),
        (stimuli(z=1), ["'z'", "unknown"]),
        ({"x": np.ones((60, 6))}, ["'y'", "missing"]),
    ],
)
def test_bad_stimuli_are_one_line_with_file_and_key(refused, tmp_path, arrays, words):
    """NaN, infinity, labels outside the classes, wrong lengths and keys: the line names file, key and row."""
    np.savez(tmp_path / "bad.npz", **arrays)
    line = refused(*on_toys("bad.npz"))
    assert all(word in line for word in ("bad.npz", *words))
    assert os.listdir(tmp_path) == ["bad.npz"]


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
        (["--cells", "²:0"], "LAYER:CELLS"),
        (["--cells", "1:"], "--cells"),
        (["--cells", "1:a"], "--cells"),
        (["--cells", "1:0-999999999999"], "--cells"),
        (["--cells", "1:5"], "0 to 4"),
        (["--cells", "2:3"], "layer 2, cell 3"),
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
        ("history.csv", [["evaluate"], ["train", "--resume", "--out"]]),
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


def test_resume_goes_on_and_rewrites_the_configuration(command, refused, run, monkeypatch):
    """More epochs by --resume --set epochs: history, checkpoint and config.toml have them; other keys are refused."""
    monkeypatch.setattr("corinfomax.protocols.commands.train.draw_run", lambda folder: [])
    assert "seed" in refused("train", "--resume", "--out", run, "--set", "seed=3")
    code, out, err = command("train", "--resume", "--out", run, "--set", "epochs=3")
    assert (code, err) == (0, "")
    assert "epoch 3 to 3" in out
    assert list(read_history(run)["epoch"]) == [1, 2, 3]
    assert "epochs = 3" in (run / "config.toml").read_text()
    code, out, _ = command("train", "--resume", "--out", run)
    assert code == 0
    assert "all 3 epochs done" in out
    assert len(read_history(run)) == 3


def test_a_tilde_that_the_shell_left_is_the_home_folder(command, run, tmp_path, monkeypatch):
    """With ~ in their paths all commands find the run in the home folder, and no folder named ~ is made."""
    monkeypatch.setenv("HOME", str(tmp_path))
    assert command("evaluate", "~/run")[0] == 0
    assert command("record", "~/run", "--out", "~/run/again.npz")[0] == 0
    for costly in ("recording.npz", "checkpoint.npz", "activity.npz"):
        (run / costly).unlink()
    assert command("figures", "~/run", "--format", "svg")[0] == 0
    assert (run / "again.npz").exists()
    assert (run / "figures" / "angle.svg").exists()
    assert not (tmp_path / "~").exists()


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


@pytest.mark.parametrize("place", [0, -1])
def test_debug_shows_the_traceback(command, monkeypatch, place):
    """--debug, before or behind the command, lets the error itself through, with its traceback."""
    words = ["train", "nothing"]
    words.insert(place if place == 0 else len(words), "--debug")
    monkeypatch.setattr(sys, "argv", ["corinfomax", *words])
    with pytest.raises(CorInfoMaxError, match="nothing"):
        main()


def test_a_full_disk_while_drawing_spares_the_old_pictures(command, refused, run, monkeypatch):
    """A disk that fills up while a figure is saved: one line with the figure's name; the old one stays, exactly."""
    assert command("record", run)[0] == 0
    pictures = {path: path.read_bytes() for path in [*(run / "figures").iterdir(), run / "recording_stimulus_0.png"]}

    def full(figure, file, **kwargs):
        file.write(b"half a picture")
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", full)
    for words, name in ((["figures"], "learning_curve.png"), (["record"], "recording_stimulus_0.png")):
        message = refused(*words, run)
        assert all(word in message for word in (name, "No space left on device", "previous one is whole"))
    assert {path: path.read_bytes() for path in pictures} == pictures
    assert not list(run.rglob(".*png*"))


def test_debug_shows_the_traceback_also_where_the_terminal_has_no_greek():
    """In a process with ASCII output: exit code 1, the traceback of a key with a Greek letter, no error of encoding."""
    environment = {**os.environ, "PYTHONIOENCODING": "ascii:strict", "PYTHONUTF8": "0"}
    script = "from corinfomax.protocols.commands import main; main()"
    process = subprocess.run(
        [sys.executable, "-c", script, "train", "--debug", "--set", "β=1"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert process.returncode == 1
    assert "Traceback" in process.stderr
    assert "ParameterError" in process.stderr
    assert "UnicodeEncodeError" not in process.stderr


def test_help_can_be_read_where_the_terminal_has_no_greek(command, monkeypatch):
    """With standard output in strict ASCII, β is escaped and --help ends with 0."""
    output = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="strict")
    monkeypatch.setattr(sys, "stdout", output)
    assert command("record", "--help")[0] == 0
    output.flush()
    assert rb"strength \u03b2" in output.buffer.getvalue()
