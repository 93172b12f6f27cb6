"""Perturbation experiments: ``corinfomax perturb``, and the same from Python."""

import os
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from toys import on_toys, stimuli

from corinfomax.analysis import accuracy, read_history
from corinfomax.analysis.archives import read_archive
from corinfomax.analysis.quantities import quantity
from corinfomax.commands.perturb import _begun
from corinfomax.protocols.perturbations import (
    Clamp,
    CutFeedback,
    Intervention,
    Lesion,
    read_perturbations,
)
from corinfomax.protocols.runs import Configuration, Run, RunFolder, Training


@pytest.fixture
def toy(tmp_path):
    """Write toy stimuli; return their path."""
    np.savez(tmp_path / "toy.npz", **stimuli())
    return tmp_path / "toy.npz"


@pytest.fixture
def configuration(toy):
    """Build the small configuration that `on_toys` trains, and some keys otherwise."""
    return lambda *settings: Configuration.read("digits", on_toys(toy, *settings)[2::2])


def test_folders_that_are_no_runs_of_the_experiment_are_told_and_left_alone(tmp_path, capsys):
    """Of seed_0, seed_12, and what only looks alike, the seeds are 0 and 12; each of the others is one line."""
    others = ["seed_0_old", "seed_", "seed_1_0", "seed_007", "seed_-1"]
    for name in ("seed_0", "seed_12", *others):
        (tmp_path / "control" / name).mkdir(parents=True)
    assert sorted(_begun(tmp_path)) == [0, 12]
    told = capsys.readouterr().out.splitlines()
    assert sorted(line.split(":")[0] for line in told) == sorted(str(tmp_path / "control" / name) for name in others)


def train(configuration, path):
    """Train into a run folder without drawing it."""
    RunFolder(path).create(configuration)
    Training(configuration, RunFolder(path)).run()


def read_table(path):
    """Read ``table.csv`` with its empty words as such."""
    return pd.read_csv(path, keep_default_na=False, na_values={"rms_change": [""]})


def weights(folder):
    """Weights of a run folder's checkpoint."""
    arrays = read_archive(folder / "checkpoint.npz")
    return {name: array for name, array in arrays.items() if name.startswith(("weights/", "optimiser/"))}


def assert_equal(one, other):
    """Compare dictionaries of arrays bit by bit."""
    assert one.keys() == other.keys()
    for name, array in one.items():
        np.testing.assert_array_equal(array, other[name], err_msg=name)


def test_a_trained_run_is_tested_with_and_without(command, run):
    """The folder is complete; control is the history's last row, perturbed what a preparation made by hand shows."""
    words = (
        "--clamp",
        "layer_2:soma:30mV",
        "--cells",
        "2:0",
        "--cut-feedback",
        "1",
        "--cells",
        "1:0-2",
        "--phase",
        "free",
    )
    code, out, err = command("perturb", run, *words, "--out", "found")
    assert (code, err) == (0, "")
    assert "found/report.md" in out
    assert sorted(os.listdir("found")) == [
        "config.toml",
        "effects.png",
        "perturbations.toml",
        "report.md",
        "table.csv",
    ]
    table = read_table("found/table.csv").set_index(["tested", "quantity", "layer", "phase"])
    last = read_history(run).iloc[-1].drop(["epoch", "train_accuracy", "seconds", "evaluation_seconds", "unlearnt"])
    for name, value in last.items():
        np.testing.assert_allclose(table.loc[("control", name, 0, ""), "value"], value, rtol=1e-6)
    opened = Run(run)
    given = read_perturbations("found/perturbations.toml")
    assert given == [
        CutFeedback(1, cells=range(3), phases="free"),
        Clamp("layer_2", "soma", "30 mV", cells=[0], phases="free"),
    ]
    preparation = opened.preparation(12)
    x, y = opened.stimuli.x_test, opened.stimuli.y_test
    before = preparation.settle(x, ("r", "V_soma"))
    with Intervention(preparation, given):
        states = preparation.settle(x, ("r", "V_soma"))
    found = table.loc["perturbed"]
    assert found.loc[("test_accuracy", 0, ""), "value"] == accuracy(states.r[2], y)
    changed = np.mean(states.r[2].argmax(axis=1) != before.r[2].argmax(axis=1))
    assert found.loc[("predictions_changed", 0, ""), "value"] == changed > 0
    change = 1e3 * (states.V_soma[1] - before.V_soma[1])
    row = found.loc[("V_soma", 1, "free")]
    np.testing.assert_allclose(row["difference"], change.mean(), rtol=1e-6)
    np.testing.assert_allclose(row["rms_change"], np.sqrt(np.mean(change**2)), rtol=1e-6)
    assert "Why no prediction changes" not in out
    report = Path("found/report.md").read_text(encoding="utf-8")
    assert "sst every" not in report  # how it was computed is in the table alone
    assert "clamp soma of cell 0 of layer_2 at 30 mV in phase free" in report


def test_the_folder_s_perturbations_make_the_same_again(command, undrawn, run):
    """--file with what an experiment left gives its table, bit by bit."""
    assert command("perturb", run, "--lesion", "W_ff:0:0.5", "--drive", "SST_1:10mV", "--out", "one")[0] == 0
    shutil.copytree(run, "digits")  # a run, whatever preset bears its name
    assert command("perturb", "digits", "--file", "one/perturbations.toml", "--out", "two")[0] == 0
    assert Path("one/table.csv").read_bytes() == Path("two/table.csv").read_bytes()


def test_silenced_sst_cells_change_nothing_and_the_report_says_why(command, undrawn, run):
    """At the published settings no prediction changes; γ and the measured nanovolts stand there; the advice works."""
    code, out, _ = command("perturb", run, "--silence", "SST_1", "--silence", "SST_2", "--out", "found")
    assert code == 0
    table = read_table("found/table.csv").set_index(["tested", "quantity", "layer", "phase"])
    assert table.loc[("perturbed", "predictions_changed", 0, ""), "value"] == 0
    report = Path("found/report.md").read_text(encoding="utf-8")
    assert "Why no prediction changes" in out
    assert "Why no prediction changes" in report
    assert "κγ = 1e-05" in report
    assert "1/(1 − λ) = 100000" in report
    opened = Run(run)
    states = opened.preparation(12).settle(opened.stimuli.x_test, ("V_SST",))
    for k, measured in re.findall(r"layer (\d) ([\d.]+) nV \(", report):
        np.testing.assert_allclose(
            float(measured), 1e9 * np.sqrt(np.mean((states.V_SST[int(k)] + 0.07) ** 2)), atol=0.051
        )
    assert len(re.findall(r"layer (\d) ([\d.]+) nV \(", report)) == 2
    train, perturb = (shlex.split(line)[1:] for line in report.splitlines() if re.match("corinfomax [tp]", line))
    assert {"lateral_rule=regularised", "entropy_gain=30000"} <= set(train)
    assert command(*train, "--set", "epochs=1", "--set", "lateral_refresh=5")[0] == 0
    assert command(*perturb, "--out", "after")[0] == 0
    after = read_table("after/table.csv").set_index(["tested", "quantity", "layer", "phase"])
    assert (
        after.loc[("perturbed", "V_soma", 1, "free"), "rms_change"]
        > 1e3 * (table.loc[("perturbed", "V_soma", 1, "free"), "rms_change"])
    )


def test_runs_of_several_seeds_are_averaged(command, undrawn, configuration):
    """Two runs of one configuration: the report has mean ± standard deviation; a run given twice is refused."""
    for seed in (0, 1):
        train(configuration(f"seed={seed}", "epochs=1"), f"run{seed}")
    assert command("perturb", "run0", "run1", "--cut", "layer_2:basal", "--out", "found")[0] == 0
    table = read_table("found/table.csv")
    accuracies = table[(table["quantity"] == "test_accuracy") & (table["tested"] == "control")]
    assert list(accuracies["seed"]) == [0, 1]
    mean, sd = 100 * accuracies["value"].mean(), 100 * accuracies["value"].std()
    assert f"{mean:.2f} ± {sd:.2f}" in Path("found/report.md").read_text(encoding="utf-8")
    code, _, err = command("perturb", "run0", "run0", "--cut", "layer_2:basal")
    assert (code, err) == (1, "error: run0: seed 0 is there already; take runs of different seeds\n")


def test_files_that_do_not_fit_are_refused(refused, run):
    """--phase with nothing but a --file is one line that says for what it holds, a misspelt key one that names it."""
    Path("given.toml").write_text('[[perturbations]]\nkind = "silence"\npopulation = "SST_1"\n')
    line = refused("perturb", str(run), "--file", "given.toml", "--phase", "free")
    assert "--phase: holds for what is given with it; perturbations of a --file have their own" in line
    Path("given.toml").write_text('[[perturbations]]\nkind = "silence"\npopulatin = "SST_1"\n')
    assert "given.toml, perturbation 1: unknown key 'populatin'" in refused("perturb", str(run), "--file", "given.toml")


def test_training_with_perturbations_in_a_period(command, undrawn, toy, configuration):
    """Controls are bit by bit what `train` makes; perturbed runs too until the period; resumed, all stays."""
    words = ("--lesion", "W_ff:0:0.3", "--drive", "layer_1:0.5", "--freeze", "W_fb:1", "--period", "2")
    parameters = on_toys(toy)[1:]
    code, out, err = command("perturb", "digits", *parameters, *words, "--training", "--seeds", "0-1", "--out", "found")
    assert (code, err) == (0, "")
    assert "trained perturbed: difference" in out
    train(configuration("seed=1"), "alone")
    control, perturbed = (Path("found") / name / "seed_1" for name in ("control", "perturbed"))
    assert_equal(weights(Path("alone")), weights(control))
    histories = [
        read_history(folder).drop(columns=["seconds", "evaluation_seconds"]) for folder in (control, perturbed)
    ]
    pd.testing.assert_frame_equal(histories[0].iloc[:1], histories[1].iloc[:1])
    assert not histories[0].iloc[1].equals(histories[1].iloc[1])
    mask = Lesion(("W_ff", 0), 0.3).mask(configuration().build_circuit())
    assert not weights(perturbed)["weights/W_ff/0"][mask].any()
    table = read_table("found/table.csv")
    conditions = {(seed, trained, tested) for seed, trained, tested in table[["seed", "trained", "tested"]].to_numpy()}
    assert len(conditions) == 8
    again = ("perturb", "digits", *parameters, *words, "--training", "--seeds", "0-1", "--out", "found", "--resume")
    code, _, err = command(*again, "--silence", "SST_1")
    assert code == 1
    assert "other perturbations" in err
    before = table.to_csv()
    code, _, err = command("perturb", "digits", "--training", "--out", "found", "--resume")
    assert (code, err) == (0, "")
    assert read_table("found/table.csv").to_csv() == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "nothing to perturb; name a --silence"),
        (("--silence", "SST_7"), "silence SST_7: no population 'SST_7' to perturb; there are SST_1, layer_1"),
        (("--silence", "layer_1", "--cells", "1:5"), "silence cell 5 of layer_1: layer_1 has cells 0 to 4"),
        (("--silence", "layer_1", "--cells", "1:0-999999999999"), "--cells 1:0-999999999999: must be LAYER:CELLS"),
        (("--silence", "layer_1", "--cells", "2:0"), "--cells 2:…: no cells of layer 2 are perturbed"),
        (("--silence", "layer_1", "--cells", "0-2"), "--cells 0-2: must be LAYER:CELLS, such as 1:0,5,8-12"),
        (("--silence", "layer_1", "--phase", "third"), "no phase 'third'; this protocol has free, nudge"),
        (
            ("--lesion", "W_ff:0", "--phase", "free"),
            "--phase: frozen rules, lesions and rounding last through all phases",
        ),
        (("--clamp", "layer_1:-60mV"), "--clamp layer_1:-60mV: must be POPULATION:COMPARTMENT:POTENTIAL"),
        (
            ("--clamp", "layer_1:axon:0"),
            "clamp axon of layer_1 at u = 0: compartments of layer_1 are apical, basal, soma",
        ),
        (("--clamp", "layer_1:soma:60V"), "--clamp layer_1:soma:60V: potential = '60V': is 60000 mV; should be"),
        (("--cut-feedback", "2"), "cut feedback into layer 2: feedback reaches layer 1"),
        (("--cut-feedback", "top"), "--cut-feedback top: layer = 'top' should be a number"),
        (("--lesion", "W_ff:5"), "lesion W_ff:5: no projection has them; projections have W_ff:0"),
        (
            ("--clamp", "layer_1:soma:0", "--clamp", "layer_1:soma:1"),
            "overlaps with clamp soma of layer_1 at u = 0; both set layer_1.u of cell 0",
        ),
        (("--freeze", "W_fb:1"), "freeze W_fb:1: nothing learns in testing"),
        (("--silence", "SST_1", "--period", "1"), "testing has no epochs; a period is of training"),
        (("--silence", "SST_1", "--seeds", "0-2"), "--seeds: goes with --training"),
        (("--silence", "SST_1", "--epochs", "2"), "--epochs: goes with --training"),
        (("--silence", "SST_1", "--set", "beta=1"), "--set: goes with --training"),
        (("--silence", "SST_1", "--resume"), "--resume: goes with --training"),
        (("--silence", "SST_1", "--training", "--seeds", "x"), "--seeds x: should be numbers and ranges"),
        (("--silence", "SST_1", "--training", "--period", "3-9"), "period epochs 3-9: training has epochs 1 to 2"),
        (("--silence", "SST_1", "--training", "--period", "batches 1-99"), "training has batches 1 to 20"),
        (("--freeze", "W_fb:0", "--training"), "freeze W_fb:0: no rule moves them; rules move W_ff:0"),
        (("--file", "none.toml"), "none.toml: no such file"),
        (("--silence", "SST_1", "--out", "."), ".: exists; choose another folder with --out"),
        (("--silence", "SST_1", "--training", "--resume"), "--resume: name the folder with --out"),
    ],
)
def test_bad_selections_are_refused_before_anything_is_written(refused, run, words, message):
    """One line that names what was asked for and what is there; no folder is made."""
    assert message in refused("perturb", run, *words)
    assert not (run.parent / "runs").exists()


def test_a_preset_needs_training(refused):
    """Presets and files hold no weights to test."""
    assert "digits: not a run folder (no config.toml); a preset or file needs --training" in refused(
        "perturb", "digits", "--silence", "SST_1"
    )
    assert "b: --training takes one run, preset or file" in refused("perturb", "a", "b", "--training")


def test_the_report_tells_units_and_meanings(command, undrawn, run):
    """Each row of the table of performance has one cell a heading, its unit, and the meaning that `evaluate` prints."""
    assert command("perturb", run, "--lesion", "W_ff:0:0.5", "--out", "found")[0] == 0
    lines = Path("found/report.md").read_text(encoding="utf-8").splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith("| quantity"))
    rows = [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines[start : lines.index("", start)]
    ]
    assert {len(row) for row in rows} == {4}
    meanings = {row[0]: row[-1].replace("\\|", "|") for row in rows}
    assert meanings["angle 1 (°)"] == quantity("angle_1").meaning
    assert meanings["cmi forward 0 (nat)"] == quantity("cmi_forward_0").meaning
    assert meanings["settling residual"] == quantity("settling_residual").meaning
