"""Sweeps: which runs there are, what they are called, what may be added, what is refused, and what is told."""

import itertools
import json
import re

import numpy as np
import pandas as pd
import pytest

import corinfomax
from corinfomax import report
from corinfomax.analysis.figures import marginals
from corinfomax.analysis.files import locked_folder
from corinfomax.errors import FolderInUseError, ParameterError, RunError
from corinfomax.protocols.runs import Configuration
from corinfomax.protocols.runs.execution import train
from corinfomax.protocols.sweeps import Plan, Slurm, Sweep, cluster, estimate, opened, worker
from corinfomax.protocols.sweeps import task as tasks
from corinfomax.protocols.sweeps.search import Search

#: A grid of backpropagation, which needs no Brian2.
GRID = """
source = "digits_bp_mse"
seeds = [0, 1]
[settings]
epochs = 2
stimuli = "toy.npz"
architecture = [6, 5, 3]
batch_size = 20
[parameters]
learning_rate = [0.001, 0.01]
"circuit.learning_rate_every" = [5, 15]
"""


@pytest.fixture
def written(beside_toys):
    """Write a sweep file beside toy stimuli, in an empty folder."""
    return lambda text=GRID, name="grid.toml": beside_toys(text, name)


def train_here(sweep, count=None):
    """Train a sweep's runs in this process, without a cluster."""
    sweep.create()
    for task in sweep.tasks[:count]:
        train(sweep.path / task.folder, task.configuration)


def test_a_grid_is_every_combination_with_every_seed(written):
    """Oracle: itertools.product; each run's configuration is that of `train` with these settings."""
    sweep = opened(written(), None)
    theory = list(itertools.product([0.001, 0.01], [5, 15], [0, 1]))
    assert [(*task.values.values(), task.seed) for task in sweep.tasks] == theory
    assert len({task.name for task in sweep.tasks}) == 8
    settings = {"epochs": 2, "stimuli": "toy.npz", "architecture": [6, 5, 3], "batch_size": 20}
    for task, (rate, every, seed) in zip(sweep.tasks, theory, strict=True):
        own = {**settings, "learning_rate": rate, "learning_rate_every": every, "seed": seed}
        assert task.configuration.to_dict() == Configuration.read("digits_bp_mse", own).to_dict()


def test_two_at_once(written, command):
    """The second one ends with one line, and writes no table of the first one's folder (bytes of all files)."""
    sweep = opened(written(), None)
    train_here(sweep, 1)
    sweep.write()
    before = {path: path.read_bytes() for path in sweep.path.rglob("*") if path.is_file()}
    with locked_folder(sweep.path, "is this test"):
        for more in ((), ("--seeds", "0-4")):
            code, _, err = command("sweep", "--out", sweep.path, "--jobs", "1", *more)
            assert code == 1
            assert f"{sweep.path.name}: another process runs this sweep" in err
        with pytest.raises(FolderInUseError, match="another process runs this sweep"):
            corinfomax.sweep(out=sweep.path, jobs=1, progress=False)
    kept = {path: path.read_bytes() for path in before}
    assert kept == before


def test_names_follow_from_what_decides_about_a_run(written):
    """More epochs are the same run; another seed or value is not; of swept epochs each number is a run of its own."""
    sweep = opened(written(), None)
    longer = opened(written(GRID.replace("epochs = 2", "epochs = 7")), None)
    assert [task.name for task in longer.tasks] == [task.name for task in sweep.tasks]
    text = GRID.replace("epochs = 2\n", "").replace("[0.001, 0.01]", "[0.001]") + "epochs = [1, 2]\n"
    assert len({task.name for task in opened(written(text), None).tasks}) == 8


def test_ranges_are_spaced_and_drawn(written):
    """Oracle: NumPy's linspace and geomspace; drawn values lie between the limits, whole ones where these are whole."""
    assert tasks.spaced(_range(low=0.0, high=1.0, number=5)) == np.linspace(0, 1, 5).tolist()
    theory = np.geomspace(0.01, 10, 4)
    np.testing.assert_allclose(tasks.spaced(_range(low=0.01, high=10.0, number=4, scale="log")), theory, rtol=1e-5)
    assert tasks.spaced(_range(low=1, high=7, number=3)) == [1, 4, 7]
    limits = {"beta": _range(low=0.1, high=10.0, scale="log"), "n": _range(low=2, high=4), "word": ["a", "b"]}
    few, many = (
        list(tasks.points(Plan(method="random", trials=trials, parameters=limits, random_seed=3)))
        for trials in (50, 99)
    )
    assert many[:50] == few
    assert {point["n"] for point in few} == {2, 3, 4}
    assert {point["word"] for point in few} == {"a", "b"}
    assert all(0.1 <= point["beta"] <= 10 for point in few)
    assert 15 < sum(point["beta"] < 1 for point in few) < 35  # half of them, on the logarithmic scale


def _range(**limits):
    return Plan(method="random", trials=1, parameters={"x": limits}).parameters["x"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("learning_rate =", "lerning_rate =", r"unknown key 'lerning_rate'; did you mean 'learning_rate'\?"),
        ('"circuit.learning', '"training.learning', "is a key of .circuit., not of .training."),
        ("[0.001, 0.01]", "[0.001, -1.0]", "learning_rate = -1.0: should be"),
        ("[0.001, 0.01]", "[0.001, 0.001]", "learning_rate: 0.001 is named twice"),
        ("[0.001, 0.01]", "{low = 1.0, high = 2.0}", "learning_rate: in a grid needs number"),
        ("[0.001, 0.01]", "{low = 2.0, high = 1.0, number = 3}", "should be less than high"),
        ("[0.001, 0.01]", '{low = 0.0, high = 1.0, number = 3, scale = "log"}', "should be positive on the scale log"),
        ("[0.001, 0.01]", "{low = 1, high = 2, number = 3}", "no 3 whole numbers"),
        ("[0.001, 0.01]", "0.001", "learning_rate"),
        ("[0.001, 0.01]", "[]", "learning_rate"),
        (
            "[5, 15]",
            "{low = 1, high = 1000000, number = 250000}",
            r"1000000 runs \(500000 combinations × 2 seeds\)",
        ),
        ("seeds = [0, 1]", "seeds = [1, 1]", "seeds: 1 is named twice"),
        ("[parameters]", "[parameters]\nseed = [1, 2]", "seed is set by seeds"),
        ("[parameters]", "[parameters]\nepochs = [1, 2]", "epochs is named twice"),
        ("seeds =", "sedes =", "unknown key 'sedes'; did you mean 'seeds'"),
        ("seeds =", "trials = 3\nseeds =", "trials: of a grid"),
        ("seeds =", 'method = "random"\nseeds =', "trials: is missing"),
        ("seeds =", 'method = "swarm"\nseeds =', "method = 'swarm'"),
        ('"digits_bp_mse"', '"digits_bp_nse"', "no such preset; did you mean"),
        ('"digits_bp_mse"', '"elsewhere.toml"', "elsewhere.toml: no such file"),
        ("seeds = [0, 1]", "seeds = [0, 1", "not a readable TOML file"),
        ("[parameters]", "[slurm]\nwalltme = 3\n[parameters]", "walltme"),
    ],
)
def test_what_cannot_be_swept_is_refused(written, refused, tmp_path, old, new, message):
    """One line that names the key, before anything runs, and nothing is left behind."""
    assert old in GRID
    with pytest.raises(ParameterError, match=message) as error:
        opened(written(GRID.replace(old, new)), None)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "sweeps").exists()


def test_refusals_of_the_command(refused, written):
    """A file that is not there, options that exclude each other, a folder of something else, no file at all."""
    assert "nothing.toml: cannot be read" in refused("sweep", "nothing.toml")
    assert "exclude each other" in refused("sweep", "x.toml", "--slurm", "--scheduler", "tcp://127.0.0.1:1")
    assert "--jobs is for processes" in refused("sweep", "x.toml", "--jobs", 2, "--scheduler", "tcp://127.0.0.1:1")
    written("x = 1", "other.txt")
    assert "holds something else" in refused("sweep", written(), "--out", ".")
    assert "needs a sweep file" in refused("sweep")
    assert "no sweep" in refused("sweep", "--out", "elsewhere")
    assert "--seeds x: should be numbers" in refused("sweep", "grid.toml", "--seeds", "x")


def test_a_sweep_grows_and_does_not_change(written, tmp_path):
    """Seeds and values are added, and runs that are there keep their names; anything else that differs is refused."""
    train_here(opened(written(), None), 3)
    grown = opened(written(GRID.replace("[0, 1]", "[0, 1, 2]").replace("[5, 15]", "[5, 10, 15]")), None)
    ends = [grown.outcome(task).status for task in grown.tasks]
    assert (len(ends), ends.count("finished"), ends.count("missing")) == (18, 3, 15)
    before = {path: path.read_bytes() for path in (tmp_path / "sweeps").rglob("*") if path.is_file()}
    for old, new, message in [
        ("[0.001, 0.01]", "[0.01]", r"has learning_rate = \[0.001, 0.01\], not \[0.01\]"),
        ("[0, 1]", "[1]", r"has seeds = \[0, 1\], not \[1\]"),
        ("batch_size = 20", "batch_size = 10", "has batch_size = 20, not 10"),
        ("batch_size = 20\n", "", "has batch_size = 20, not nothing"),
        ('"circuit.learning_rate_every" = [5, 15]', "", "learning_rate_every = .5, 15., not nothing"),
        ("epochs = 2", "epochs = 1", "epochs = 1: .* has 2 done already"),
        ("digits_bp_mse", "digits_bp_ce", "loss = ce, and the sweep was begun with mse"),
    ]:
        with pytest.raises(ParameterError, match=message) as error:
            opened(written(GRID.replace(old, new)), None)
        assert "\n" not in str(error.value)
    assert {path: path.read_bytes() for path in (tmp_path / "sweeps").rglob("*") if path.is_file()} == before


def test_a_parameter_file_that_changes_is_told(written):
    """Runs start from what the file was when the sweep was begun; a file that has another value since is refused."""
    text = GRID.replace("digits_bp_mse", "mine.toml")
    mine = '[circuit]\nmodel = "backpropagation"\nloss = "mse"\nlearning_rate_factor = 0.9\n'
    written(mine, "mine.toml")
    opened(written(text), None).create()
    written(mine.replace("0.9", "0.8"), "mine.toml")
    with pytest.raises(ParameterError, match=r"mine.toml: has learning_rate_factor = 0.8, and .* begun with 0.9"):
        opened(written(text), None)
    assert Sweep("sweeps/grid").tasks[0].configuration.circuit.learning_rate_factor == 0.9


def test_damaged_files_are_named(written, tmp_path):
    """A plan or a parameter file that is cut short is named in one line, and stays."""
    opened(written(), None).create()
    for name in ("sweep.toml", "base.toml"):
        file = tmp_path / "sweeps" / "grid" / name
        whole = file.read_bytes()
        file.write_bytes(whole[:15])
        with pytest.raises(RunError, match=f"{name}: is damaged"):
            opened(written(), None)
        assert file.read_bytes() == whole[:15]
        file.write_bytes(whole)


def test_table_and_summary(written, tmp_path):
    """Oracle: the histories. A row for each run, with its last epoch; the best first; CSV and Parquet agree."""
    sweep = opened(written(GRID.replace("[0.001, 0.01]", "[0.001, 1e300]")), None)
    train_here(sweep, 7)
    files = sweep.write()
    assert [path.name for path in files] == ["runs.csv", "runs.parquet", "marginals.png"]
    table = pd.read_csv(files[0])
    pd.testing.assert_frame_equal(table.iloc[:, :4], pd.read_parquet(files[1]).iloc[:, :4], check_dtype=False)
    for row, task in zip(table.itertuples(), sweep.tasks, strict=True):
        history = sweep.path / task.folder / "history.csv"
        assert (row.run, row.seed, row.learning_rate) == (
            task.folder.as_posix(),
            task.seed,
            task.values["learning_rate"],
        )
        if row.status == "finished":
            assert row.test_accuracy == pd.read_csv(history)["test_accuracy"].iloc[-1]
    assert table["status"].tolist() == ["finished"] * 4 + ["failed"] * 3 + ["missing"]
    assert table["reason"].iloc[4].startswith("epoch 1, ")
    summary = sweep.summary()
    assert summary["failed"].sum() == 3
    finished = table[table["status"] == "finished"].groupby("circuit.learning_rate_every")["test_accuracy"]
    assert summary["mean"].iloc[0] == pytest.approx(finished.mean().max(), abs=1e-15)
    assert summary["deviation"].iloc[0] in finished.std().to_list()


def test_a_report_shows_a_sweep_and_its_best_run(written):
    """What was swept, the combinations, why runs failed, the figure; the run is one of the best combination."""
    sweep = opened(written(GRID.replace("[0.001, 0.01]", "[0.001, 1e300]")), None)
    train_here(sweep, 5)
    page = report([sweep.path], "page.html").read_text(encoding="utf-8")
    for title in ("What was swept", "In all runs", "Combinations", "Runs that failed", "Course of training"):
        assert f"<h3>{title}</h3>" in page
    assert "Grid from digits_bp_mse, 8 runs: 4 finished, 1 failed, 3 missing." in page
    assert "epoch 1, " in page
    best = sweep.summary()["circuit.learning_rate_every"].iloc[0]
    theory = [each.name for each in sweep.tasks if each.values["circuit.learning_rate_every"] == best]
    assert re.search(r'<h2 id="run-1">(\w+)</h2>', page).group(1) in theory
    assert page.index('id="sweep-1"') < page.index('id="run-1"')


def test_marginals_are_means_over_the_other_keys():
    """Oracle: means and standard deviations by pandas; words stand beside one another; far numbers are logarithmic."""
    grid = list(itertools.product([0.001, 0.1, 1.0], ["a", "b$"], [0, 1]))
    table = pd.DataFrame(grid, columns=["rate", "cell", "seed"]).assign(status="finished")
    table["test_accuracy"] = np.random.default_rng(0).uniform(size=len(table))
    table.loc[0, "status"] = "failed"
    figure = marginals(table, ["rate", "cell"], "test_accuracy")
    rate, cell = figure.axes
    finished = table[table["status"] == "finished"]
    theory = 100 * finished.groupby("rate")["test_accuracy"].mean()
    _, means, whole, opened_, crosses, *_ = (line.get_xydata() for line in rate.lines)
    np.testing.assert_allclose(means, theory.reset_index(), rtol=1e-12)
    np.testing.assert_allclose(whole, means[1:], rtol=1e-12)
    np.testing.assert_allclose(opened_, means[:1], rtol=1e-12)
    assert crosses[:, 0].tolist() == [0.001]
    assert [label.get_text() for label in rate.get_xticklabels()] == ["0.001", "0.1", "1"]
    assert rate.get_xscale() == "log"
    band = rate.collections[0].get_paths()[0].vertices[:, 1]
    spread = 100 * finished.groupby("rate")["test_accuracy"].std()
    assert band.max() == pytest.approx(min(100, (theory + spread).max()))
    certain = marginals(table.assign(test_accuracy=[0.5, 1.0] * 6), ["rate"], "test_accuracy").axes[0]
    assert certain.collections[0].get_paths()[0].vertices[:, 1].max() == 100
    lost = marginals(table.assign(status=np.where(table["rate"] == 1, "failed", "finished")), ["rate"], "test_accuracy")
    assert lost.axes[0].get_xlim()[1] > 1
    assert [label.get_text() for label in cell.get_xticklabels()] == ["a", r"b\$"]
    many = pd.DataFrame({"x": np.linspace(0, 1, 200), "status": "finished", "score": np.linspace(0, 2, 200)})
    line = marginals(many, ["x"], "score").axes[0].lines[1].get_xydata()
    assert len(line) == 8
    assert marginals(many.assign(x=many["x"] + 0.01), ["x"], "score").axes[0].get_xscale() == "linear"
    np.testing.assert_allclose(line[:, 1], 2 * line[:, 0], rtol=1e-12)
    with pytest.raises(ParameterError, match="no run is finished"):
        marginals(table.assign(status="failed"), ["rate"], "test_accuracy")


def test_an_estimate_before_and_after(written, command):
    """Before, some runs are tried and not kept; once there are finished ones, these tell: mean × what is left."""
    sweep = opened(written(), None)
    found = estimate(sweep)
    assert (found.runs, found.done) == (8, 0)
    assert found.seconds > 0
    assert not sweep.path.exists()
    train_here(sweep, 2)
    found = estimate(sweep)
    theory = np.mean([sweep.last(task)["seconds"] for task in sweep.tasks[:2]])
    assert (found.runs, found.done, found.seconds) == (8, 2, pytest.approx(6 * theory))
    code, out, _ = command("sweep", written(), "--dry-run", "--json")
    assert code == 0
    assert json.loads(out)[0]["runs"] == 8


def test_an_estimate_names_the_runs_that_are_refused(written, command):
    """Some tried runs diverge: the others tell, and the estimate names the first; if all do, that is the error."""
    text = GRID.replace('"digits_bp_mse"', '"digits"').replace(
        "learning_rate = [0.001, 0.01]", "epsilon = [0.15, 1e-4]"
    )
    text = text.replace('"circuit.learning_rate_every" = [5, 15]\n', "")
    code, out, _ = command("sweep", written(text), "--dry-run")
    assert code == 0
    assert re.search(
        r"; 2 more failed, the first is epsilon = 0\.0001, seed = 0: digits .* beyond the stability",
        " ".join(out.split()),
    )
    code, _, err = command("sweep", written(text.replace("0.15, 1e-4", "1e-4")), "--dry-run")
    assert code == 1
    assert re.search(
        r"all 2 runs that were tried failed, the first is epsilon = 0\.0001, seed = 0: digits .* beyond the",
        " ".join(err.split()),
    )


def test_a_search_draws_and_goes_on(written, tmp_path):
    """Values lie between their limits; what was drawn and told is there again; trials end at their number."""
    text = GRID.replace("seeds", 'method = "search"\ntrials = 4\nseeds').replace(
        "[0.001, 0.01]", "{low = 1e-4, high = 1e-2}"
    )
    sweep = opened(written(text), None)
    assert sweep.plan.settings["validation"] == 0.2
    assert (sweep.score, sweep.direction) == ("validation_accuracy", "maximize")
    sweep.create()
    search = Search(sweep.plan, sweep.path, "maximize")
    drawn = [search.ask() for _ in range(3)]
    search.tell(0, 0.5)
    again = Search(sweep.plan, sweep.path, "maximize")
    assert list(again.begun()) == drawn
    assert again.ask() is not None
    assert again.ask() is None
    assert all(1e-4 <= point["learning_rate"] <= 1e-2 for _, point in drawn)
    assert len(Sweep(sweep.path).tasks) == 2 * 4


def test_a_job_script_of_slurm(written, command):
    """As dask-jobqueue writes it: the wanted lines, a worker with one thread, threads of the linear algebra."""
    lines = '[slurm]\nqueue = "long"\nwalltime = "02:00:00"\nmemory = "3GB"\nprologue = ["module load gcc"]\n'
    code, out, err = command("sweep", written(GRID + lines), "--dry-run", "--slurm")
    assert (code, err) == (0, "")
    for line in (
        "#SBATCH -p long",
        "#SBATCH -t 02:00:00",
        "#SBATCH --cpus-per-task=1",
        "#SBATCH --mem=3G",
        "module load gcc",
    ):
        assert line in out.splitlines()
    assert "export OPENBLAS_NUM_THREADS=1" in out
    assert "--nthreads 1" in out
    with cluster.slurm_cluster(Slurm(processes=3), 2, written().parent) as jobs:
        script = jobs.job_script()
    assert "#SBATCH --cpus-per-task=6" in script
    assert "--nworkers 3" in script
    assert "--nthreads 1" in script


def test_a_library_that_is_missing_is_named(written, refused, monkeypatch):
    """Without Optuna a search says in one line what to install."""
    monkeypatch.setattr(cluster.importlib.util, "find_spec", lambda name: None)
    text = GRID.replace("seeds", 'method = "search"\ntrials = 4\nseeds')
    assert "needs Optuna, which is not installed; pip install 'corinfomax[sweep]'" in refused("sweep", written(text))
    assert not (written(text).parent / "sweeps").exists()
    assert "--slurm needs dask-jobqueue" in refused("sweep", written(), "--slurm")


def test_workers_that_cannot_take_part_say_why(tmp_path):
    """Another version, other code, and a folder that is not seen; None if all is well."""
    (tmp_path / "sweep.toml").write_text("x")
    mark = (str(tmp_path / "sweep.toml"), "x")
    own = worker.versions()
    assert worker.fault(own, mark) is None
    assert worker.fault({**own, "corinfomax": "9"}, mark) == f"has corinfomax {own['corinfomax']}, and the sweep 9"
    assert "has the code of corinfomax" in worker.fault({**own, "the code of corinfomax": "abc"}, mark)
    assert "does not see" in worker.fault(own, (mark[0], "y"))
