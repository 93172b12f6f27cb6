"""The command line: what it does when all is well."""

import importlib
import inspect
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from toys import on_toys, stimuli

from corinfomax.analysis import read_history, read_recording
from corinfomax.analysis.figures import compartment_voltages, settling_animation
from corinfomax.commands import COMMANDS, main
from corinfomax.errors import CorInfoMaxError
from corinfomax.protocols.runs import Configuration, Run, presets


def test_train_makes_a_complete_run_folder_and_says_where(trained):
    """Exit code 0, nothing on standard error; the documented files and figures; the folder's name printed as it is."""
    code, out, err, folder = trained
    assert (code, err) == (0, "")
    assert str(folder) in out
    assert "epoch    2" in out
    files = [
        ".lock",
        "activity.npz",
        "checkpoint.npz",
        "circuit.json",
        "config.toml",
        "environment.json",
        "figures",
        "history.csv",
    ]
    assert sorted(os.listdir(folder)) == [*files, "recording.npz"]
    figures = {"learning_curve", "angle", "cmi", "weight_histograms", "activity_histograms", "compartment_voltages"}
    figures |= {"circuit", "confusion", "embedding_pca", "signs"}
    assert {path.stem for path in (folder / "figures").iterdir()} == figures
    assert len(read_history(folder)) == 2


def test_evaluate_reproduces_the_last_row_of_the_history(command, run):
    """Every column that concerns test stimuli is printed with the history's value, to the 6 digits printed."""
    code, out, err = command("evaluate", run)
    assert (code, err) == (0, "")
    numbers = out.partition("\n\n")[0].splitlines()[2:]
    printed = {name: float(value) for name, value, *_ in map(str.split, numbers)}
    last = read_history(run).iloc[-1].drop(["epoch", "train_accuracy", "unlearnt", "seconds", "evaluation_seconds"])
    assert list(printed) == list(last.index)
    np.testing.assert_allclose(list(printed.values()), last.to_numpy(dtype=float), rtol=1e-5)


def test_a_figure_that_fails_is_one_line_and_the_result_is_printed(command, monkeypatch):
    """Training ends with its score and exit code 0, one line on standard error names the figure; so do the others."""

    def fail(*arguments, **options):
        raise RuntimeError("no latex,\nno figure")

    monkeypatch.setattr("corinfomax.analysis.figures.report.alignment", fail)
    monkeypatch.setattr("corinfomax.protocols.perturbations.report.perturbation_effects", fail)
    np.savez("toy.npz", **stimuli())
    code, out, err = command(*on_toys("toy.npz"), "--out", "run")
    assert (code, err) == (0, "run/history.csv: cannot be drawn as angle (no latex, no figure)\n")
    assert "Test accuracy" in out
    code, out, err = command("perturb", "run", "--silence", "layer_1", "--out", "found")
    assert (code, err) == (0, "found/effects.png: cannot be drawn (no latex, no figure)\n")
    assert "test accuracy" in out
    assert "effects.png" not in Path("found/report.md").read_text(encoding="utf-8")
    monkeypatch.setattr("corinfomax.analysis.figures.compartment_voltages", fail)
    code, out, err = command("record", "run", "--out", "a.npz")
    assert (code, err) == (0, "a_stimulus_0.png: cannot be drawn (no latex, no figure)\n")
    assert "a.npz: 40 steps of 1 stimulus," in out


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


def test_record_draws_the_first_of_many_cells_and_the_target_and_says_so(command, run, monkeypatch):
    """A picture has room for two cells of a layer, in their order, and for the target's output cell, with its trace.

    The file holds what was chosen, no more; drawn again from it, the title tells that the target was not recorded.
    """
    drawn = []

    def draw(recording, **options):
        figure = compartment_voltages(recording, **options)
        drawn.append((options["cells"], [ax.get_title() for ax in figure.axes if "output" in ax.get_title()]))
        return figure

    monkeypatch.setattr("corinfomax.commands.record._MOST_DRAWN", 2)
    monkeypatch.setattr("corinfomax.analysis.figures.compartment_voltages", draw)
    label = int(Run(run).stimuli.labels_test[0])
    others = [cell for cell in range(3) if cell != label]
    titles = [f"output cell {label} (target)", *(f"output cell {cell}" for cell in others)]
    words = ("--cells", "1:4,0,2", "--cells", f"2:{others[1]},{others[0]}")
    code, out, err = command("record", run, *words)
    assert (code, err) == (0, "")
    assert drawn == [({1: [4, 0], 2: [label, *others[::-1]]}, [titles[0], titles[2], titles[1]])]
    recording = read_recording(run / "recording.npz")
    assert {k: layer.cells.tolist() for k, layer in recording.layers.items()} == {1: [4, 0, 2], 2: others[::-1]}
    assert "3 cells of layer 1, 2 cells of layer 2" in out
    assert "Drawn are the first 2 cells of layer 1." in out
    assert f"Drawn besides is the target's output cell: {label} for stimulus 0." in out
    figure = compartment_voltages(recording)
    assert figure.get_suptitle().endswith(f"the target, output cell {label}, was not recorded")
    moving = settling_animation(recording)
    assert moving.figure.get_suptitle().endswith(f"the target, output cell {label}, was not recorded")
    assert compartment_voltages(recording, layers=[1]).get_suptitle() == f"Stimulus 0, class {label}"
    code, out, err = command("record", run, "--cells", f"2:{others[0]},{others[1]},{label}")
    assert drawn[-1][0] == {2: [label, *others]}
    assert "Drawn are the first 2 cells of layer 2." in out
    command("record", run, "--cells", "1:1")
    assert drawn[-1] == ({1: [1], 2: [label]}, titles[:1])
    assert "layer_2/cells" not in np.load(run / "recording.npz")


def test_record_takes_representative_cells_and_the_run_s_beta_by_default_and_another_file(command, undrawn, run):
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
    for costly in ("recording.npz", "checkpoint.npz", "activity.npz", "circuit.json"):
        (run / costly).unlink()
    before = sorted(f"{name}.png" for name in ("learning_curve", "angle", "cmi", "signs"))
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
    """The list has a line for each preset, which names another rule; a printed preset is its file, to the letter."""
    code, out, _ = command("presets")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == sorted(presets())
    for name, path in presets().items():
        configuration = Configuration.read(name)
        first = path.read_text(encoding="utf-8").splitlines()[0].lower()
        assert configuration.model == "corinfomax" or configuration.entry.reads_like in first
        assert command("presets", name)[1] == path.read_text(encoding="utf-8")


def test_resume_goes_on_and_rewrites_the_configuration(command, refused, undrawn, run):
    """More epochs by --resume --set epochs: history, checkpoint and config.toml have them; other keys are refused."""
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


def test_resuming_a_finished_run_keeps_what_was_recorded_of_it(command, undrawn, run):
    """`recording.npz` of the user's choice stays, byte by byte, when there is no epoch left; one more replaces it."""
    assert command("record", run, "--stimuli", "3")[0] == 0
    recorded = (run / "recording.npz").read_bytes()
    assert command("train", "--resume", "--out", run)[0] == 0
    assert (run / "recording.npz").read_bytes() == recorded
    assert command("train", "--resume", "--out", run, "--set", "epochs=3")[0] == 0
    assert (run / "recording.npz").read_bytes() != recorded


def test_a_damaged_environment_file_is_kept_when_a_run_goes_on(command, undrawn, run):
    """What cannot be read of environment.json stands under `damaged`, and the resumption beside it."""
    for text in ("{", "[1, 2]", '{"resumed": 3}'):
        (run / "environment.json").write_text(text)
        epochs = len(read_history(run)) + 1
        assert command("train", "--resume", "--out", run, "--set", f"epochs={epochs}")[0] == 0
        environment = json.loads((run / "environment.json").read_text())
        assert environment["damaged"] == text
        assert len(environment["resumed"]) == 1


def test_a_tilde_that_the_shell_left_is_the_home_folder(command, run, tmp_path, monkeypatch):
    """With ~ in their paths all commands find the run in the home folder, and no folder named ~ is made."""
    monkeypatch.setenv("HOME", str(tmp_path))
    assert command("evaluate", "~/run")[0] == 0
    assert command("record", "~/run", "--out", "~/run/again.npz")[0] == 0
    for costly in ("recording.npz", "checkpoint.npz", "activity.npz", "circuit.json"):
        (run / costly).unlink()
    assert command("figures", "~/run", "--format", "svg")[0] == 0
    assert (run / "again.npz").exists()
    assert (run / "figures" / "angle.svg").exists()
    assert not (tmp_path / "~").exists()


@pytest.mark.parametrize("place", [0, -1])
def test_debug_shows_the_traceback(command, monkeypatch, place):
    """--debug, before or behind the command, lets the error itself through, with its traceback."""
    words = ["train", "nothing"]
    words.insert(place if place == 0 else len(words), "--debug")
    monkeypatch.setattr(sys, "argv", ["corinfomax", *words])
    with pytest.raises(CorInfoMaxError, match="nothing"):
        main()


def test_debug_shows_the_traceback_also_where_the_terminal_has_no_greek():
    """In a process with ASCII output: exit code 1, the traceback of a key with a Greek letter, no error of encoding."""
    environment = {**os.environ, "PYTHONIOENCODING": "ascii:strict", "PYTHONUTF8": "0"}
    script = "from corinfomax.commands import main; main()"
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


def test_a_run_without_a_checkpoint_is_resumed_from_its_beginning(command, undrawn, trained, run):
    """Killed before its first checkpoint, a run starts anew by --resume and ends with the same history, exactly."""
    (run / "checkpoint.npz").unlink()
    (run / "history.csv").unlink()
    assert command("train", "--resume", "--out", run)[0] == 0
    again, theory = (
        read_history(folder).drop(columns=["seconds", "evaluation_seconds"]) for folder in (run, trained[-1])
    )
    np.testing.assert_array_equal(again.to_numpy(), theory.to_numpy())
    assert len(json.loads((run / "environment.json").read_text())["resumed"]) == 1


def test_data_folders_of_any_name(command, tmp_path):
    """--data with quotes and a backslash in its name reaches the loader as it is."""
    folder = tmp_path / 'a\\t"b'
    folder.mkdir()
    code, _, err = command("train", "mnist", "--data", folder)
    assert code == 1
    assert str(folder) in err


def test_targets_that_no_rate_reaches_are_told(command, tmp_path, monkeypatch):
    """Regression targets from -3 to 3 train with one line that says which rates there are."""
    monkeypatch.setattr("corinfomax.commands.train._finish", lambda training, keep_recording: None)
    np.savez(tmp_path / "far.npz", **stimuli(y=np.linspace(-3, 3, 60)))
    code, out, err = command(*on_toys("far.npz", "architecture=[6,5,1]", "batch_size=1", "epochs=1"))
    assert (code, err) == (0, "")
    assert "rates of the output layer from 0 to 1" in out


def test_classes_that_are_not_recognised_are_told(command, undrawn, tmp_path):
    """A class whose stimuli are all dark is named, as the user has called it, by training and by the doctor.

    The teacher can lift its cell, as v_B = 0, so no cause is given.
    """
    rng = np.random.default_rng(0)
    x, labels = rng.uniform(0.2, 1, (60, 6)), np.arange(60) % 3
    x[labels == 2] = 0.0
    np.savez(tmp_path / "dark.npz", x=x, y=np.array(["auk", "crane", "gull"])[labels])
    code, out, err = command(*on_toys("dark.npz", "epochs=1"), "--out", "run")
    assert (code, err) == (0, "")
    assert re.search(r"No training stimulus of class (auk, |crane, )*gull was recognised", out)
    assert not re.search(r"cannot lift the output cell of class .*gull", out)
    assert "corinfomax doctor run" in out
    found = command("doctor", "run")[1]
    assert re.search(r"Classes never recognised in training's last epoch\W+(auk, |crane, )*gull\b", found)


def test_classes_that_the_teacher_cannot_lift_are_told(command, undrawn, tmp_path):
    """Where nothing is learnt and β is next to nothing, each class not recognised is one whose cell stays silent."""
    np.savez(tmp_path / "toy.npz", **stimuli())
    code, out, err = command(*on_toys("toy.npz", "epochs=1", "beta=1e-9", "learning_rate_ff=0", "learning_rate_fb=0"))
    assert (code, err) == (0, "")
    named = re.search(r"No training stimulus of class ([\d, ]+) was recognised", out).group(1)
    assert f"cannot lift the output cell of class {named} yet" in out
    assert "corinfomax doctor" not in out


def test_commands_are_described_as_they_describe_themselves(command):
    """The list without arguments has the first sentence of each command's docstring, character for character."""
    for name, sentence in COMMANDS.items():
        function = getattr(importlib.import_module(f"corinfomax.commands.{name}"), name)
        assert inspect.getdoc(function).splitlines()[0] == sentence
    out = " ".join(command()[1].replace("│", " ").split())
    assert all(sentence in out for sentence in COMMANDS.values())


def test_rates_that_end_before_training_are_told(command, undrawn):
    """Linear decay over 10 of 20 minibatches is told, with the number that fits; with that number nothing is."""
    np.savez("toy.npz", **stimuli())
    for linear, told in ((10, True), (20, False)):
        words = on_toys("toy.npz", f"learning_rate_decay={{linear={linear}}}", "epochs=2", "batch_size=5")
        code, out, err = command(*words, "--out", f"run_{linear}")
        assert (code, err) == (0, "")
        advice = "after 10 of 20 minibatches: learning_rate_decay = {linear = 20} spreads"
        assert (advice in " ".join(out.split())) == told
