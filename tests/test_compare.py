"""`corinfomax compare`: what is trained and when, how learning rates are chosen, what is counted, what is refused."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from corinfomax.analysis import read_history
from corinfomax.analysis.files import locked_folder
from corinfomax.errors import ParameterError
from corinfomax.networks import Backpropagation, CorInfoMax, EquilibriumPropagation, FeedbackAlignment
from corinfomax.protocols.clockwork import Preparation, contrastive
from corinfomax.protocols.comparison import Comparison, Plan, cost_of, names_of, prices
from corinfomax.protocols.comparison.comparison import choose
from corinfomax.protocols.comparison.plan import Cell
from corinfomax.protocols.interruption import held_back, let_through
from corinfomax.protocols.runs import RunFolder, presets
from corinfomax.protocols.systems import StaticLearner

#: Two rules without dynamics, so that runs take a fraction of a second.
QUICK = ["--rules", "bp_ce,fa_ce", "--seeds", "0,1", "--epochs", "2", "--architecture", "64,12,10", "--factors", "1,2"]


def table(**validation):
    rows = [(float(factor[1:].replace("_", ".")), seed, value) for factor, values in validation.items()
            for seed, value in enumerate(values)]  # fmt: skip
    return pd.DataFrame(rows, columns=["factor", "seed", "validation"])


@pytest.mark.parametrize(
    ("validation", "theory"),
    [
        ({"x0_5": (0.9, 0.9), "x1": (0.95, 0.91), "x2": (0.99, 0.5)}, 1.0),
        ({"x0_5": (0.9, 0.94), "x1": (0.92, 0.92), "x2": (0.5, 0.5)}, 0.5),
        ({"x0_5": (0.3, 0.3), "x1": (1.0, np.nan), "x2": (0.2, 0.2)}, 0.5),
        ({"x0_5": (np.nan, 0.9), "x1": (np.nan, np.nan), "x2": (0.9, np.nan)}, 0.5),
    ],
)
def test_choice_of_learning_rates(validation, theory):
    """The highest mean over seeds; of ties the lower rate; none with which a seed has failed (definition)."""
    assert choose(table(**validation)) == theory


def test_comparison_from_the_command_line(command, tmp_path):
    """Tables and figures are there; a further seed runs alone, and what is finished not again (by the files' times)."""
    out = tmp_path / "cmp"
    code, printed, err = command("compare", *QUICK, "--out", out)
    assert (code, err) == (0, "")
    assert "8 runs of tuning, 4 runs to compare" in printed
    tables, figures = ("comparison", "runs", "courses", "tuning"), ("courses_digits", "differences_digits")
    for name in ("comparison.md", *(f"{table}.csv" for table in tables), *(f"figures/{each}.png" for each in figures)):
        assert (out / name).stat().st_size > 0
    results = pd.read_csv(out / "runs.csv")
    for row in results.itertuples():
        history = read_history(out / "runs" / "digits" / row.rule / f"seed_{row.seed}")
        assert (row.status, row.architecture) == ("finished", "64-12-10")
        assert row.test == pytest.approx(history["test_accuracy"].iloc[-1], abs=1e-12)
        assert row.train == pytest.approx(history["train_accuracy"].iloc[-1], abs=1e-12)
    tuned = pd.read_csv(out / "tuning.csv")
    for rule, rows in tuned.groupby("rule"):
        assert results.loc[results["rule"] == rule, "factor"].unique() == [choose(rows)]
    before = {path: path.stat().st_mtime_ns for path in out.rglob("checkpoint.npz")}
    assert len(before) == 12
    code, printed, err = command("compare", "--seeds", "0,1,2", "--out", out)
    assert (code, err) == (0, "")
    assert printed.count("seed 2: test") == 2
    assert "seed 0: test" not in printed
    after = {path: path.stat().st_mtime_ns for path in out.rglob("checkpoint.npz")}
    assert len(after) == 14
    assert before.items() <= after.items()
    text = (out / "comparison.md").read_text(encoding="utf-8")
    assert "| bp_ce  | 3 " in text
    assert "No test stimulus and no seed of the table took part" in text


def test_a_failed_run_is_kept_and_shown(command, tmp_path):
    """A rule that diverges is told as failed, with its reason, not run again, and does not stop the others."""
    words = ["compare", "--layout", "published", "--rules", "bp_ce,fa_mse", "--seeds", "0,1", "--epochs", "1",
             "--set", "learning_rate=1e30", "--out", tmp_path / "cmp"]  # fmt: skip
    code, printed, _ = command(*words)
    assert code == 0
    assert printed.count("failed: epoch 1") == 4
    assert "| 0, 2 failed |" in (tmp_path / "cmp" / "comparison.md").read_text(encoding="utf-8")
    failure = tmp_path / "cmp" / "runs" / "digits" / "bp_ce" / "seed_0" / "failure.txt"
    kept = failure.stat().st_mtime_ns
    code, printed, _err = command("compare", "--out", tmp_path / "cmp")
    assert (code, "failed: epoch 1" in printed) == (0, False)
    assert failure.stat().st_mtime_ns == kept


def test_killed_and_taken_up_again(command, tmp_path):
    """Killed in the midst by SIGKILL and started again, all runs end with the histories of one go (bit-exact)."""
    words = ["compare", *QUICK[:-4], "--layout", "published", "--set", "architecture=[64,12,10]"]
    words[words.index("--epochs") + 1] = "4"
    code, _, err = command(*words, "--out", tmp_path / "whole")
    assert (code, err) == (0, "")
    out = tmp_path / "killed"
    running = subprocess.Popen(
        [sys.executable, "-c", "from corinfomax.commands import main; main()", *words, "--out", str(out)],
        stdout=subprocess.DEVNULL, env={**os.environ, "MPLBACKEND": "Agg"},
    )  # fmt: skip
    while not list(out.rglob("seed_0/history.csv")) and running.poll() is None:
        time.sleep(0.01)
    running.send_signal(signal.SIGKILL)
    running.wait()
    code, _, err = command("compare", "--out", out)
    assert (code, err) == (0, "")
    histories = list((tmp_path / "whole").rglob("history.csv"))
    assert len(histories) == 4
    for path in histories:
        one, other = (read_history(each.parent).drop(columns=["seconds", "evaluation_seconds"]) for each in
                      (path, out / path.relative_to(tmp_path / "whole")))  # fmt: skip
        pd.testing.assert_frame_equal(one, other)


def test_runs_that_exist(command, undrawn, tmp_path):
    """Runs are grouped by what they share but the seed, with their histories' numbers; files of others stay."""
    folders = []
    for rule, seed in (("bp_ce", 0), ("bp_ce", 1), ("fa_ce", 0), ("fa_ce", 1)):
        folders.append(tmp_path / f"{rule}_{seed}")
        settings = [f"seed={seed}", "epochs=1", "architecture=[64,12,10]"]
        words = [word for setting in settings for word in ("--set", setting)]
        assert command("train", f"digits_{rule}", "--out", folders[-1], *words)[0] == 0
    code, _printed, err = command("compare", *folders, "--out", tmp_path / "cmp")
    assert (code, err) == (0, "")
    summary = pd.read_csv(tmp_path / "cmp" / "comparison.csv").set_index("rule")
    assert list(summary.index) == ["bp_ce_0", "fa_ce_0"]
    theory = np.mean([read_history(folder)["test_accuracy"].iloc[-1] for folder in folders[:2]])
    assert summary.loc["bp_ce_0", "test"] == pytest.approx(theory, abs=1e-12)
    assert command("compare", *folders, "--out", tmp_path / "cmp")[0] == 0  # in the place of the older one
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "runs.csv").write_text("my own")
    for folder in (mine, folders[0], mine / "runs.csv"):
        code, _, err = command("compare", *folders, "--out", folder)
        assert code == 1
        assert f"{folder}: holds something else; choose another folder with --out" in err
    assert (mine / "runs.csv").read_text() == "my own"
    code, _, err = command("compare", *folders, "--seeds", "1")
    assert code == 1
    assert "--seeds is for new runs" in err
    code, _, err = command("compare", folders[0], folders[0], "--out", tmp_path / "twice")
    assert code == 1
    assert "bp_ce_0 on digits has seed 0 twice" in err


def test_runs_are_told_apart_by_their_paths():
    """Different rules in folders of one name get the shortest tails that differ; seeds of one rule share a name."""

    def run(path, **training):
        settings = {"circuit": {"model": path.split("/")[1]}, "training": {"seed": 0, "epochs": 1, **training}}
        folder = SimpleNamespace(path=Path("/", path))
        return SimpleNamespace(folder=folder, configuration=SimpleNamespace(to_dict=lambda: settings))

    runs = [run("a/ep/seed_0"), run("a/ep/seed_1", seed=1), run("a/pc/seed_0"), run("b/ep/seed_0", epochs=2)]
    runs.append(run("c/ep/seed_9", seed=9, target="numpy"))
    assert names_of(runs) == ["a/ep/seed_0", "a/ep/seed_0", "pc/seed_0", "b/ep/seed_0", "a/ep/seed_0"]


def test_what_a_presentation_of_a_perceptron_costs():
    """Each synapse once up, once down but for the lowest, and once for its change; events by hand (definition)."""
    rng = np.random.default_rng(0)
    x, y = rng.uniform(size=(4, 7)) * (rng.uniform(size=(4, 7)) > 0.5), np.eye(3)[[0, 1, 2, 0]]
    for kind in (Backpropagation, FeedbackAlignment):
        network = kind([7, 6, 5, 3], seed=1)
        before = network.state_dict()
        cost = cost_of(StaticLearner(network, 4), network, x, y)
        up, down = 7 * 6 + 6 * 5 + 5 * 3, 6 * 5 + 5 * 3
        assert (cost.activity, cost.plasticity) == (up + down, up + 6 + 5 + 3)
        states = network.states(x, y)
        sizes = [7, 6, 5, 3]
        theory = sum(np.count_nonzero(states.r[k]) * sizes[k + 1] for k in range(3))
        theory += sum(np.count_nonzero(states.delta[k + 1]) * sizes[k] for k in (1, 2))
        assert cost.events == theory / 4
        assert all(np.array_equal(before[name], value) for name, value in network.state_dict().items())


def test_what_a_presentation_of_a_circuit_costs():
    """Constant drives once, all others in each step; two events of learning for what both phases move (definition)."""
    circuit = EquilibriumPropagation((7, 6, 3), seed=1)
    preparation = Preparation(circuit, 5, protocol=contrastive(free_steps=6, nudge_steps=4, step=0.5))
    x, y = np.full((4, 7), 0.5), np.eye(3)[[0, 1, 2, 0]]
    before = circuit.state_dict()
    cost = cost_of(preparation, circuit, x, y)
    assert cost.activity == 7 * 6 + 10 * 2 * 6 * 3
    assert cost.plasticity == 7 * 6 + 2 * 6 * 3 + 6 + 3
    assert 7 * 6 <= cost.events < cost.activity
    assert all(np.array_equal(before[name], value) for name, value in circuit.state_dict().items())
    assert circuit.progress.presentation == 0
    assert not preparation.on_step


def test_what_spikes_cost():
    """Each spike arrives at as many synapses as its cell has; nothing else is an event: by counting in each step."""
    circuit = CorInfoMax([7, 6, 3], signal="spikes", initial_gain_ff=3.0, spikes_read=5)
    preparation = Preparation(circuit, 5, protocol=contrastive(free_steps=40, nudge_steps=10))
    x, y = np.full((4, 7), 0.8), np.eye(3)[[0, 1, 2, 0]]
    targets, counted = {"stimulus": 6, "layer_1": 3, "layer_2": 6}, dict.fromkeys(("stimulus", "layer_1", "layer_2"), 0)

    def count(moment):
        for name in targets:
            population = moment.populations[name]
            counted[name] += np.count_nonzero(population.group.spikes < 4 * population.size)

    preparation.on_step.append(count)
    cost = cost_of(preparation, circuit, x, y)
    assert min(counted.values()) > 0
    assert cost.spikes == pytest.approx(sum(counted[name] * targets[name] for name in targets) / 4)
    graded = cost.events - cost.spikes  # what layers send to themselves and to their interneurons is a rate
    assert 0 < graded <= 50 * (6 * 6 + 3 * 3 + 6 + 3)


def test_energy_has_a_price_for_each_event(tmp_path):
    """Definition: graded events, spikes and weight changes at their prices, in nJ; a file may state them."""
    row = {"events": 1000.0, "spikes": 400.0, "plasticity": 200.0}
    assert prices("float32").energy(row) == pytest.approx(1e-3 * (600 * 4.6 + 400 * 0.9 + 200 * 4.6))
    assert prices("int8").energy({"events": 10.0, "plasticity": 0.0}) == pytest.approx(1e-3 * 10 * 0.23)
    path = tmp_path / "chip.toml"
    path.write_text("graded = 1\nspike = 2\nplasticity = 3\n")
    assert prices(str(path)).energy(row) == pytest.approx(1e-3 * (600 + 800 + 600))
    path.write_text("graded = 1\n")
    with pytest.raises(ParameterError, match=r"chip\.toml: must have graded, spike and plasticity"):
        prices(str(path))
    with pytest.raises(ParameterError, match="must be one of float32, int8, loihi, or a file"):
        prices("tpu")


def test_plans_are_grown_and_not_changed(tmp_path):
    """Seeds, rules and epochs may be added to a comparison; anything else that differs is refused by name."""
    Comparison(tmp_path / "c", rules=["bp_ce"], seeds=[0], epochs=2).create()
    grown = Comparison(tmp_path / "c", rules=["fa_ce"], seeds=[1], epochs=3).plan
    assert (grown.rules, grown.seeds, grown.epochs) == (["bp_ce", "fa_ce"], [0, 1], 3)
    with pytest.raises(ParameterError, match=r"epochs = 2, which cannot become 1"):
        Comparison(tmp_path / "c", epochs=1)
    with pytest.raises(ParameterError, match=r"has factors = .* not \[1\.0\]; choose another folder"):
        Comparison(tmp_path / "c", factors=[1])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"rules": ["hebb"]}, "no rule 'hebb'; there are corinfomax, ep, "),
        ({"rules": ["pc"], "stimuli": ["cifar10"]}, "no preset 'cifar10_pc' for rule 'pc' on 'cifar10'; rules with"),
        ({"stimuli": ["faces"]}, "no preset 'faces'.*there are none for these stimuli"),
        ({"stimuli": ["faces.npz"]}, "no preset '.*faces.npz'.*parameter files as rules: --rules a.toml,b.toml"),
        ({"seeds": [0, 100]}, "seed 100 is one of seeds and of tuning_seeds"),
        ({"tuning_seeds": [7]}, "tuning_seeds"),
        ({"seeds": [1, 1]}, "seeds: 1 is named twice"),
        ({"rules": ["ep", "mine/ep.toml"]}, "rules: ep is named twice"),
        ({"factors": [0.0]}, "factors"),
        ({"layout": "fair"}, "layout"),
        ({"rules": ["fa_ce"], "architecture": [64, 10]}, "architecture"),
        ({"settings": ["colour=red"]}, "unknown key 'colour'"),
    ],
)
def test_plans_that_are_refused(values, message):
    """What cannot be compared is refused in one line, before anything runs."""
    with pytest.raises(ParameterError, match=message) as refused:
        Plan.of(**values)
    assert "\n" not in str(refused.value)


def test_damaged_files_are_named_and_kept(command, tmp_path):
    """Numbers that are none, and a plan that is cut short, are named in one line; nothing is written over."""
    words = ["compare", "--layout", "published", "--rules", "bp_ce", "--seeds", "0", "--epochs", "1"]
    out = tmp_path / "cmp"
    assert command(*words, "--out", out)[0] == 0
    measures = out / "runs" / "digits" / "bp_ce" / "seed_0" / "measures.json"
    for damaged in ("{}", "null", '{"epochs": 1}', '{"epo'):
        measures.write_text(damaged)
        code, _, err = command("compare", "--out", out)
        assert (code, err.count("\n"), measures.read_text()) == (1, 1, damaged)
        assert "measures.json: cannot be read" in err
    plan = out / "comparison.toml"
    for damaged, told in (("", "has no layout"), ('layout = "published"\n', "has no rules")):
        plan.write_text(damaged)
        code, _, err = command("compare", "--out", out)
        assert (code, plan.read_text()) == (1, damaged)
        assert told in err


def test_a_rule_of_ones_own_beside_its_file(command, tmp_path, monkeypatch):
    """A parameter file and its model beside it are found from elsewhere; a model that cannot be tuned says why."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "mine.py").write_text(
        "from corinfomax.networks import Backpropagation\nfrom corinfomax.protocols.systems import Model\n"
        "MODEL = Model(trainable=Backpropagation)\nODD = Model(trainable=Backpropagation, rates=('lr',))\n"
    )
    text = '[circuit]\nmodel = "mine.py:{}"\narchitecture = [64, 12, 10]\n[training]\nepochs = 1\n'
    (tmp_path / "own" / "mine.toml").write_text(text.format("MODEL"))
    (tmp_path / "own" / "odd.toml").write_text(text.format("ODD"))
    words = ["compare", "--layout", "published", "--rules", "own/mine.toml", "--seeds", "0", "--out", "cmp"]
    assert command(*words)[0] == 0
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    code, out, err = command("compare", "--seeds", "0,1", "--out", tmp_path / "cmp")
    assert (code, err) == (0, "")
    assert out.count("mine, seed") == 1
    with pytest.raises(ParameterError, match=r"odd\.toml: model .*mine\.py:ODD has no learning rate 'lr' to tune"):
        Plan.of(rules=[str(tmp_path / "own" / "odd.toml")])


def test_a_run_that_is_refused_fails_alone(command, tmp_path):
    """A step beyond a rule's bound fails that rule, with its reason, and no other (definition)."""
    own = tmp_path / "steep.toml"
    text = presets()["digits_ep"].read_text(encoding="utf-8")
    own.write_text(text.replace("step = 0.5", "step = 1.5"), encoding="utf-8")
    words = ["compare", "--layout", "published", "--rules", f"bp_ce,{own}", "--seeds", "0", "--epochs", "1"]
    code, printed, _ = command(*words, "--out", tmp_path / "cmp")
    assert code == 0
    assert "steep, seed 0: failed" in printed
    assert "beyond the stability bound" in printed
    assert "bp_ce, seed 0: test" in printed


def test_folders_of_others_are_left_alone(command, tmp_path):
    """A folder that holds something else, and a run that was begun with other parameters, are named and kept."""
    (tmp_path / "mine.txt").write_text("mine")
    code, _, err = command("compare", *QUICK, "--out", tmp_path)
    assert code == 1
    assert "holds something else" in err
    words = ["compare", "--layout", "published", "--rules", "bp_ce", "--seeds", "0", "--epochs", "1"]
    out = tmp_path / "cmp"
    assert command(*words, "--out", out)[0] == 0
    measures = out / "runs" / "digits" / "bp_ce" / "seed_0" / "measures.json"
    assert json.loads(measures.read_text(encoding="utf-8"))["phases"] == "–"
    measures.unlink()
    config = measures.with_name("config.toml")
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace("learning_rate = 0.04\n", "learning_rate = 0.004\n"), encoding="utf-8")
    code, _, err = command("compare", "--out", out)
    assert code == 1
    assert "was begun with learning_rate = 0.004, and is now to have 0.04" in err


def test_two_at_once(command, tmp_path):
    """The second one ends with one line, and writes no table of the first one's folder (bytes of all files)."""
    out = tmp_path / "cmp"
    words = ["compare", "--layout", "published", "--rules", "bp_ce", "--seeds", "0", "--epochs", "1", "--out", out]
    assert command(*words)[0] == 0
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    with locked_folder(out, "is this test"):
        ends = [command(*words), command(*words[:5], "--seeds", "0-4", "--out", out)]
    assert all((code, err.count("\n")) == (1, 1) for code, _, err in ends)
    assert all("cmp: another process runs this comparison" in err for *_, err in ends)
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


def test_runs_that_cannot_be_gone_on_with_are_found_at_the_start(tmp_path, command):
    """Before anything runs or is written: too many epochs done, rates chosen by shorter runs, files of others."""
    words = ["compare", "--layout", "published", "--rules", "bp_ce", "--set", "architecture=[64,12,10]", "--out", "c"]
    assert command(*words, "--seeds", "0", "--epochs", "2")[0] == 0
    plan = tmp_path / "c" / "comparison.toml"
    text = plan.read_text()
    plan.write_text(text.replace("epochs = 2\n", ""))  # then the preset's, which may be shortened
    code, _, err = command("compare", "--out", "c", "--epochs", "1", "--seeds", "0,1")
    assert (code, "seed_0 has 2 done already" in err) == (1, True)
    plan.write_text(text)
    stray = tmp_path / "c" / Cell("digits", "bp_ce", 7).folder
    stray.mkdir()
    (stray / "thesis.tex").touch()
    code, _, err = command("compare", "--out", "c", "--seeds", "1,7")
    assert (code, "seed_7: holds files that are no run's" in err, "--resume" in err) == (1, True, False)
    assert plan.read_text() == text
    assert not (tmp_path / "c" / Cell("digits", "bp_ce", 1).folder).exists()
    matched = Comparison(tmp_path / "m", rules=["bp_ce"], seeds=[0], epochs=2, factors=[1, 2])
    matched.create()
    begun = matched.plan.compared[0]
    RunFolder(tmp_path / "m" / begun.folder).create(matched.plan.configuration(begun))
    with pytest.raises(ParameterError, match=r"epochs = 3: .*seed_0 was begun with .* that runs of 2 epochs chose"):
        Comparison(tmp_path / "m", epochs=3).create()
    Comparison(tmp_path / "m", seeds=[1]).create()


def _held_back():
    return signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_ctrl_c_waits_until_processes_have_started():
    """Processes started in the context begin with SIGINT held back until `let_through`; here it is only inside."""
    with held_back():
        assert _held_back()
        begun = subprocess.run(
            [sys.executable, "-S", "-c", "import signal; print(signal.pthread_sigmask(0, [signal.SIGUSR1]))"],
            capture_output=True, text=True,
        ).stdout  # fmt: skip
    assert "SIGINT" in begun
    assert not _held_back()
    with held_back():
        let_through()
        assert not _held_back()
