"""The evidence: the queue of its runs, its numbers, and what it compares them with."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import claims
import evidence
import numpy as np
import pandas as pd
import pytest
import report
from experiments import Experiment, Run, read_experiments
from run import Queue, chosen, overview
from toys import stimuli
from typer import BadParameter

from corinfomax.analysis import read_history
from corinfomax.protocols.runs import Configuration, RunFolder
from corinfomax.protocols.runs.execution import train

RESULTS = Path(__file__).resolve().parents[1] / "results"
SCRIPT = RESULTS / "run.py"


@pytest.fixture
def toy(tmp_path):
    """A run on toy stimuli; by backpropagation, which needs no Brian2, where another model is not asked for."""
    np.savez(tmp_path / "toy.npz", **stimuli())

    def build(name="toy", seed=0, epochs=1, settings=(), diverges=False, preset="digits_bp_mse"):
        own = (f"stimuli={tmp_path / 'toy.npz'}", "architecture=[6,5,3]", "batch_size=5", "target=numpy")
        return Run(name, preset, seed, epochs, (*own, *settings), diverges)

    return build


def one_by_one(tasks, folder, jobs, report):
    """Train in this process, as a worker does in its own."""
    for task in tasks:
        report(task, train(folder / task.folder, task.configuration))


@pytest.fixture
def queue(tmp_path):
    """A queue that works and keeps in folders of the test's own, and trains in this process."""
    return Queue(tmp_path / "kept", tmp_path / "working", one_by_one)


def keep(root, name, seed, accuracies, angles=None, revision="abcdef0123456789"):
    """Make up what is kept of a run: its test accuracies (fractions) epoch by epoch."""
    folder = root / name / f"seed_{seed}"
    folder.mkdir(parents=True)
    history = pd.DataFrame({"epoch": np.arange(len(accuracies)) + 1, "test_accuracy": accuracies})
    if angles is not None:
        history["angle_1"] = angles
    history.to_csv(folder / "history.csv", index=False)
    (folder / "environment.json").write_text(json.dumps({"git_revision": revision}), encoding="utf-8")
    return folder


def experiment(name="made_up", seeds=(0, 1, 2), epochs=2, **keys):
    return Experiment(name, name, tuple(Run(name, "digits", seed, epochs) for seed in seeds), **keys)


def test_queue_begins_resumes_and_skips(toy, queue, capsys):
    """One epoch is trained and kept; two are wanted, and the second is added to it; then there is nothing to do."""
    assert queue.status(toy()) == "not begun"
    assert queue.run([toy()]) == []
    kept = toy().kept(queue.kept)
    assert sorted(os.listdir(kept)) == ["config.toml", "environment.json", "history.csv"]
    first = read_history(kept)
    assert queue.status(toy(epochs=2)) == "begun, 1 of 2 epochs"
    assert queue.run([toy(epochs=2)]) == []
    second = read_history(kept)
    pd.testing.assert_frame_equal(second.iloc[:1], first)
    assert len(second) == 2
    (checkpoint,) = queue.working.rglob("checkpoint.npz")
    before = checkpoint.stat().st_mtime_ns
    capsys.readouterr()
    assert queue.run([toy(epochs=2)]) == []
    assert "finished already" in capsys.readouterr().out
    assert checkpoint.stat().st_mtime_ns == before


def test_queue_keeps_the_history_of_a_run_that_diverges_and_goes_on(toy, queue, capsys):
    """The second epoch's learning rate has no bounds: one line says so, one epoch is kept, and the next run is made."""
    bad = toy("bad", epochs=3, settings=("learning_rate_decay=[[0, 1.0], [1, 1e30]]",), preset="digits")
    assert queue.run([bad, toy()]) == ["bad_seed0"]
    lines = [line for line in capsys.readouterr().out.splitlines() if "failed" in line]
    assert len(lines) == 1
    assert "1 of 3 epochs: epoch 2, " in lines[0]
    kept = bad.kept(queue.kept)
    assert len(read_history(kept)) == 1
    assert (kept / "failed.txt").read_text(encoding="utf-8").startswith("epoch 2, ")
    assert str(queue.working) not in (kept / "failed.txt").read_text(encoding="utf-8")
    assert queue.status(toy()) == "finished"
    assert queue.status(bad) == "failed, 1 of 3 epochs"
    expected = toy("bad", epochs=3, settings=bad.settings[4:], diverges=True, preset="digits")
    assert queue.status(expected) == "diverged, as expected"
    assert queue.run([expected]) == []


def test_queue_refuses_what_was_kept_of_another_configuration(toy, queue, capsys):
    """A kept run does not count for an entry of the list that has changed since; a longer history is not replaced."""
    run = toy(preset="digits")
    queue.run([run])
    changed = toy(settings=("beta=0.5",), preset="digits")
    assert queue.run([changed]) == ["toy_seed0"]
    assert "beta = 2.0 in place of 0.5" in capsys.readouterr().out
    history = run.kept(queue.kept) / "history.csv"
    longer = pd.concat([read_history(history.parent)] * 2).assign(epoch=[1, 2])
    longer.to_csv(history, index=False)
    queue._keep(run, next(queue.working.rglob("config.toml")).parent, "")
    assert len(read_history(history.parent)) == 2


def test_queue_trains_runs_of_one_configuration_each_to_its_own_end(toy, queue):
    """Two entries that differ in name and epochs only have folders, histories and epochs of their own."""
    longer, shorter = toy("long", epochs=2), toy("short", epochs=1)
    assert queue.run([longer, shorter]) == []
    histories = [read_history(run.kept(queue.kept)) for run in (longer, shorter)]
    assert [len(history) for history in histories] == [2, 1]
    assert histories[0]["test_accuracy"][0] == histories[1]["test_accuracy"][0]


def test_queue_tries_again_what_failed_for_want_of_something(toy, queue, capsys, tmp_path):
    """A run whose stimuli are missing fails by name; once they are there, the same command trains it."""
    run = toy()
    (tmp_path / "toy.npz").rename(tmp_path / "gone.npz")
    assert queue.run([run]) == ["toy_seed0"]
    (tmp_path / "gone.npz").rename(tmp_path / "toy.npz")
    assert queue.run([run]) == []
    assert queue.status(run) == "finished"


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
def test_queue_stopped_by_ctrl_c_keeps_all_and_can_go_on(toy, tmp_path):
    """SIGINT to the script: exit code 130, checkpoint and what is kept of the run agree, and nothing else begins.

    The run is trained in a process of its own, by the engine of sweeps.
    """
    run = toy()
    listed = tmp_path / "experiments.toml"
    settings = ", ".join(f"'{setting}'" for setting in run.settings)
    listed.write_text(
        f'[experiments.toy]\npreset = "{run.preset}"\nseeds = [0, 1]\nepochs = 100000\nsettings = [{settings}]\n',
        encoding="utf-8",
    )
    folders = ("--experiments", listed, "--kept", tmp_path / "kept", "--working", tmp_path / "working")
    words = [sys.executable, SCRIPT, *folders]
    process = subprocess.Popen(list(map(str, words)), stdout=subprocess.PIPE, text=True)
    end = time.monotonic() + 120
    while not (histories := list((tmp_path / "working").rglob("history.csv"))) and time.monotonic() < end:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130, out
    (history,) = histories
    assert f"toy_seed0: stopped, {len(read_history(history.parent))} of 100000 epochs" in out
    assert os.listdir(tmp_path / "working") == ["toy_seed0"]
    kept = tmp_path / "kept" / "toy" / "seed_0" / "history.csv"
    assert kept.read_bytes() == history.read_bytes()
    with np.load(history.with_name("checkpoint.npz")) as checkpoint:
        assert int(checkpoint["epoch"]) == len(read_history(kept.parent))


def test_overview_has_a_line_for_each_experiment(toy, queue):
    """Seeds of one state stand together, others behind them; a run of another configuration is told, not raised."""
    runs = [toy("a"), toy("a", seed=1), toy("a", seed=2, epochs=2), toy("b", diverges=True)]
    runs.append(toy("c", seed=1, preset="digits"))
    changed = toy("c", seed=1, settings=("beta=0.5",), preset="digits")
    for made in (runs[0], runs[1], toy("a", seed=2), changed):
        for folder in (queue.working / made.name, made.kept(queue.kept)):
            folder.parent.mkdir(parents=True, exist_ok=True)
            RunFolder(folder).create(Configuration.read(made.preset, made.all_settings))
            pd.DataFrame({"epoch": [1], "test_accuracy": [0.5]}).to_csv(folder / "history.csv", index=False)
    failed = runs[3].kept(queue.kept)
    shutil.copytree(runs[0].kept(queue.kept), failed)
    (failed / "history.csv").unlink()
    (failed / "failed.txt").write_text("epoch 1, batch 1: diverges; take a smaller step or learning rate", "utf-8")
    first, second, third = overview(runs, queue)
    assert first.split() == ["a", "seeds", "0,", "1:", "finished;", "seed", "2:", "begun,", "1", "of", "2", "epochs"]
    assert second.split() == ["b", "seed", "0:", "diverged,", "as", "expected"]
    assert "beta = 0.5 in place of 2.0" in third


def test_patterns_choose_runs():
    """Names of experiments or of single runs, and patterns; one that nothing meets is refused."""
    runs = [Run("a", "digits", 0, 1), Run("a", "digits", 1, 1), Run("ab", "digits", 0, 1)]
    assert chosen(runs, []) == runs
    assert chosen(runs, ["a"]) == runs[:2]
    assert chosen(runs, ["a_seed1", "ab*"]) == runs[1:]
    with pytest.raises(BadParameter):
        chosen(runs, ["b"])


def test_list_of_experiments_is_sound():
    """Every run is named once, and every published task and ablation that the list names exists."""
    listed, published = read_experiments(), evidence.read_published()
    names = [run.name for run in listed.runs]
    assert len(set(names)) == len(names)
    tasks = {each.published for each in listed.alone.values() if each.published}
    assert tasks <= set(published.tasks)
    assert {name for each in listed.ablations.values() for name in each.published} <= set(published.ablations)
    for each in listed.ablations.values():
        assert min(run.epochs for point in each.points.values() for run in point.runs) >= each.epochs
    assert {run.seed: run.epochs for run in listed.alone["mnist"].runs} == {0: 50, 1: 20, 2: 20}


def test_published_numbers_agree_with_themselves():
    """Eight epochs a curve (six are known of MNIST's), all within 0 and 100, the last equal to the final accuracy."""
    published = evidence.read_published()
    for name, task in published.tasks.items():
        assert list(task.curve)[::7] == [1, 50] if name != "mnist" else list(task.curve) == [1, 2, 5, 10, 20, 50]
        assert all(0 <= accuracy <= 100 for accuracy in task.curve.values())
        finals = [accuracy for accuracy, _ in task.settings] if task.final is None else [task.final[0]]
        assert min(abs(task.curve[50] - accuracy) for accuracy in finals) < 0.015
        if task.angle:
            assert task.angle["minimum"] <= task.angle["end"] <= task.angle["start"]
    for each in published.ablations.values():
        assert len(each["x"]) == len(each["accuracy"])
        assert all(0 <= accuracy <= 100 for accuracy in each["accuracy"])
        assert set(each["std"]) <= set(each["x"])


def test_mean_deviation_and_tolerance(tmp_path):
    """Against values worked out by hand: 94, 96, 98 have mean 96 and s = 2; 2 · 0.3 · √(1/10 + 1/3) = .395."""
    for seed, accuracy in enumerate((0.94, 0.96, 0.98)):
        keep(tmp_path, "made_up", seed, [0.5, accuracy])
    found = evidence.Evidence.read(experiment(), tmp_path)
    sample = found.at(2)
    assert (sample.n, sample.mean, sample.std) == (3, pytest.approx(96), pytest.approx(2))
    assert evidence.tolerance(0.3, 3) == pytest.approx(0.39497, abs=1e-5)
    task = evidence.Task("t", "T", (95.7, 0.3), {1: 51.0, 2: 95.7, 50: 95.7}, 0.3, {}, [(95.7, 0.3)])
    first, second = evidence.compare(found, task)
    assert (first.difference, first.agrees) == (pytest.approx(-1), False)
    assert (second.difference, second.agrees) == (pytest.approx(0.3), True)


def test_one_seed_has_no_deviation_and_missing_epochs_do_not_count(tmp_path):
    """A run that ended earlier takes no part later; of one seed the number stands alone."""
    keep(tmp_path, "made_up", 0, [0.5, 0.6])
    keep(tmp_path, "made_up", 1, [0.7], revision="0123456789abcdef-dirty")
    found = evidence.Evidence.read(experiment(), tmp_path)
    assert list(found.at(1).values) == [0, 1]
    assert list(found.at(2).values) == [0]
    assert np.isnan(found.at(2).std)
    assert found.state == (
        "Seeds 0 (2 epochs), 1 (1 of 2 epochs so far), 2 (not run). Code: abcdef0123, 0123456789-dirty."
    )


def test_runs_of_a_comparison_take_part():
    """The last accuracies of FashionMNIST's five seeds are those of the comparison's own list of runs."""
    listed = read_experiments()
    found = evidence.Evidence.read(listed.alone["fashion_mnist"])
    theory = pd.read_csv(RESULTS / "comparisons" / "fashion_corinfomax" / "runs.csv").set_index("seed")["test"]
    assert found.at(10, scale=1).values == theory.to_dict()
    assert "comparisons/fashion_corinfomax" in found.state
    assert not any(run.experiment == "fashion_mnist" for run in listed.runs)


def test_claims_stand_in_the_files_that_prove_them():
    """Every claim's file and column are there and its command is one that exists; two numbers were taken by hand.

    A claim that speaks of epochs counts those seeds that reached them.
    """
    claimed, _ = claims.read_claims()
    for claim in claimed:
        sample = claim.sample
        assert sample.n or "*" in claim.file, claim.what  # runs may be missing, and are told so
        assert not sample.n or np.isfinite(sample.mean), claim.what
        named = re.search(r"(\d+) epochs$", claim.what)
        if named and claim.file.endswith("history.csv"):
            assert claim.epoch == int(named[1]), claim.what
            assert not sample.n or (claim.rows.groupby("seed")["epoch"].max() == claim.epoch).all()
        program, script, *_ = claim.command.removeprefix("OPENBLAS_CORETYPE=SKYLAKEX ").split()
        assert (RESULTS.parent / script).exists() if program == "python" else program == "corinfomax", claim.what
    by_name = {claim.what: claim for claim in claimed}
    fast = by_name["MNIST in few large steps, 2 epochs"].sample.values
    assert fast == pytest.approx({0: 97.02, 1: 97.25, 2: 97.05, 3: 97.28, 4: 97.10})
    assert by_name["MNIST, 784-500-10, CorInfoMax as published, 20 epochs"].sample.mean == pytest.approx(
        97.5767, abs=1e-3
    )


def test_report_of_made_up_runs(tmp_path):
    """Numbers, notes of rows, unexplained rows, divergence, angles and missing runs stand in it; figures are drawn."""
    listed = tmp_path / "experiments.toml"
    listed.write_text(
        """
        [experiments.ours]
        preset = "mnist"
        seeds = [0, 1]
        epochs = 2
        published = "mnist"
        notes = { 1 = "the reason" }
        [experiments.other]
        preset = "mnist"
        seeds = [0]
        epochs = 2
        published = "mnist_3layer"
        [experiments.own]
        preset = "digits"
        seeds = [0, 1]
        epochs = 3
        note = "no such circuit is published"
        [ablations.toy_step]
        quantity = "step"
        preset = "mnist"
        seeds = [0]
        epochs = 2
        published = ["mnist_step"]
        points = [{ x = 0.05, run = "ours" }, { x = 0.15, diverges = true }, { x = 0.3 }]
        """,
        encoding="utf-8",
    )
    for seed, accuracies in enumerate(([0.90, 0.9580], [0.92, 0.9590])):
        keep(tmp_path, "ours", seed, accuracies, angles=[66.0 + seed, 65.0])
    for seed, accuracies in enumerate(([0.80, 0.96, 0.95], [0.90, 0.97, 0.97])):
        keep(tmp_path, "own", seed, accuracies)
    gone = keep(tmp_path, "toy_step_0.15", 0, [0.1])
    (gone / "failed.txt").write_text("epoch 2, batch 1: diverges", encoding="utf-8")
    text = report.report(read_experiments(listed), evidence.read_published(), tmp_path, tmp_path / "out")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]
    # 2 · .12 · √(1/10 + 1/2) = .186
    assert ["1", "0, 1", "91.00 ± 1.41", "94.02", "-3.02", "0.19", "**no**", "the reason"] in rows
    assert ["2", "0, 1", "95.85 ± 0.07", "95.75", "+0.10", "0.19", "yes", ""] in rows
    assert ["own", "0, 1", "3", "96.00 ± 1.41", "96.50 in 2"] in rows
    assert "- own: no such circuit is published" in text.splitlines()
    angle = ["1, 2", "0, 1", "66.5 ± 0.7", "65.0 ± 0.0", "2", "65.0 ± 0.0", "2", "90", "64.2", "2.3", "82.7"]
    assert ["ours", *angle] in rows
    assert ["0.05", "95.85 ± 0.07", "0, 1", "97.43"] in rows
    assert ["0.15", "diverged", "0", "10.00"] in rows
    assert ["0.3", "not run", "–", "9.90"] in rows
    assert next(row for row in rows if row[0].startswith("FashionMNIST, B"))[1:3] == ["88.14 ± 0.28", "not run"]
    assert "### other\n\nnot run." in text
    drawn = {path.stem for path in (tmp_path / "out" / "figures").iterdir()}
    assert drawn == {"accuracy_mnist", "angle_mnist", "ablation_step"}
