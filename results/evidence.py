"""Numbers of the evidence: what is kept of runs, means over seeds, and the comparison with published numbers."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from experiments import COMPARISONS, FAILURE, KEPT, PUBLISHED, Experiment, read_toml

from corinfomax.analysis import read_history

#: Chance, in per cent, of the ten classes of all stimulus sets that are run here.
CHANCE = 10.0


@dataclass(frozen=True)
class Sample:
    """Mean and sample standard deviation (ddof = 1, NaN for one) of a number over seeds.

    Parameters
    ----------
    values : dict of int to float
        By seed.
    """

    values: dict[int, float]

    @property
    def n(self) -> int:
        """How many seeds."""
        return len(self.values)

    @property
    def mean(self) -> float:
        """Mean over seeds."""
        return float(np.mean(list(self.values.values()))) if self.values else np.nan

    @property
    def std(self) -> float:
        """Sample standard deviation over seeds."""
        return float(np.std(list(self.values.values()), ddof=1)) if self.n > 1 else np.nan


@dataclass(frozen=True)
class Evidence:
    """What is kept of an experiment.

    Parameters
    ----------
    experiment : Experiment
    histories : dict of int to DataFrame
        Seed → one row an epoch.
    failures : dict of int to str
        Seed → why the run failed.
    revisions : tuple of str
        Of the code that ran, all that took part.
    """

    experiment: Experiment
    histories: dict[int, pd.DataFrame]
    failures: dict[int, str]
    revisions: tuple[str, ...]

    @classmethod
    def read(cls, experiment: Experiment, root: Path = KEPT) -> "Evidence":
        """Read an experiment's runs from the folder of what is kept; runs that are missing are left out."""
        if experiment.comparison is not None:
            return cls(experiment, _courses(experiment), {}, ())
        histories, failures, revisions = {}, {}, {}
        for run in experiment.runs:
            folder = run.kept(root)
            if (folder / FAILURE).exists():
                failures[run.seed] = (folder / FAILURE).read_text(encoding="utf-8").strip()
            if (folder / "history.csv").exists():
                histories[run.seed] = read_history(folder)
            if run.seed in histories or run.seed in failures:
                revisions |= dict.fromkeys(_revisions(folder))
        return cls(experiment, histories, failures, tuple(revisions))

    def at(self, epoch: int, column: str = "test_accuracy", scale: float = 100) -> Sample:
        """Sample of a history's column after an epoch, over the seeds that reached it."""
        rows = {seed: history.loc[history["epoch"] == epoch, column] for seed, history in self.histories.items()}
        return Sample({seed: scale * float(row.iloc[0]) for seed, row in rows.items() if len(row)})

    def minimum(self, column: str, until: int) -> tuple[Sample, Sample]:
        """Smallest value of a column up to an epoch, and its epoch, over the seeds that reached that epoch."""
        reached = {seed: h[h["epoch"] <= until] for seed, h in self.histories.items() if h["epoch"].max() >= until}
        places = {seed: history[column].idxmin() for seed, history in reached.items()}
        return tuple(
            Sample({seed: float(history.loc[places[seed], name]) for seed, history in reached.items()})
            for name in (column, "epoch")
        )

    @property
    def epochs(self) -> list[int]:
        """Epochs that the seeds have ended at, each once, in order."""
        return sorted({int(history["epoch"].max()) for history in self.histories.values()})

    @property
    def angles(self) -> list[str]:
        """Columns of angles between W_ff and W_fbᵀ."""
        found = [set(history.filter(regex=r"^angle_\d+$").columns) for history in self.histories.values()]
        return sorted(set.intersection(*found)) if found else []

    @property
    def state(self) -> str:
        """Seeds, their epochs and the code's revision, in words; "not run" if there is nothing."""
        if not self.histories and not self.failures:
            return "not run"
        seeds = []
        for run in self.experiment.runs:
            history = self.histories.get(run.seed)
            done = 0 if history is None else int(history["epoch"].max())
            if run.seed in self.failures:
                seeds.append(f"{run.seed} (failed after epoch {done}: {self.failures[run.seed]})")
            elif done >= run.epochs:
                seeds.append(f"{run.seed} ({done} epochs)")
            else:
                seeds.append(f"{run.seed} ({f'{done} of {run.epochs} epochs so far' if done else 'not run'})")
        code = ", ".join(short(revision) for revision in self.revisions) or "unknown"
        if self.experiment.comparison is not None:
            return f"Seeds {', '.join(seeds)}. By `corinfomax compare`: comparisons/{self.experiment.comparison}."
        return f"Seeds {', '.join(seeds)}. Code: {code}."


def _courses(experiment: Experiment) -> dict[int, pd.DataFrame]:
    """Histories of CorInfoMax by seed, out of a comparison of rules."""
    path = COMPARISONS / experiment.comparison / "courses.csv"
    if not path.exists():
        return {}
    courses = pd.read_csv(path)
    seeds = {run.seed for run in experiment.runs}
    ours = courses[(courses["rule"] == "corinfomax") & courses["seed"].isin(seeds)]
    return {int(seed): rows.reset_index(drop=True) for seed, rows in ours.groupby("seed")}


def _revisions(folder: Path) -> list[str]:
    path = folder / "environment.json"
    if not path.exists():
        return []
    environment = json.loads(path.read_text(encoding="utf-8"))
    return [
        revision for each in [environment, *environment.get("resumed", [])] if (revision := each.get("git_revision"))
    ]


def short(revision: str) -> str:
    """First ten digits of a revision, and whether the code was changed beyond it."""
    number, *dirty = revision.split("-")
    return "-".join([number[:10], *dirty])


def tolerance(std: float, n: int, seeds: int = 10) -> float:
    """How far the mean of n seeds may lie from a published mean: 2 s √(1/seeds + 1/n).

    Parameters
    ----------
    std : float
        Published sample standard deviation, taken for ours as well.
    n, seeds : int
        Our seeds, and the published ones.
    """
    return 2 * std * np.sqrt(1 / seeds + 1 / n)


@dataclass(frozen=True)
class Task:
    """Published numbers of a task.

    Parameters
    ----------
    name, title : str
    final : tuple of float, optional
        Test accuracy and its standard deviation of the setting that the paper reports, in per cent.
    curve : dict of int to float
        Epoch → test accuracy.
    std : float
        Standard deviation at the last epoch of the setting that the curve belongs to.
    angle : dict of str to float
        ``start``, ``minimum``, ``end`` in degrees; ``iteration`` and ``iterations_per_epoch`` where they are known.
    settings : list of (float, float)
        Test accuracy and standard deviation of all settings.
    """

    name: str
    title: str
    final: tuple[float, float] | None
    curve: dict[int, float]
    std: float
    angle: dict[str, float]
    settings: list[tuple[float, float]]


@dataclass(frozen=True)
class Published:
    """All published numbers.

    Parameters
    ----------
    seeds : int
    sources : dict of str to str
    tasks : dict of str to Task
    ablations : dict of str to dict
        ``title``, ``x``, ``accuracy``, and ``std`` by x.
    """

    seeds: int
    sources: dict[str, str]
    tasks: dict[str, Task]
    ablations: dict[str, dict]


def read_published(path: Path = PUBLISHED) -> Published:
    """Read ``published.toml``."""
    values = read_toml(path)
    tasks = {}
    for name, keys in values["tasks"].items():
        settings = list(zip(keys["test"], keys["std"], strict=True))
        final = settings[keys["reported"] - 1] if "reported" in keys else None
        curve = dict(zip(keys["curve"]["epochs"], keys["curve"]["accuracy"], strict=True))
        std = settings[keys.get("curve_setting", keys.get("reported")) - 1][1]
        tasks[name] = Task(name, keys["title"], final, curve, std, keys.get("angle", {}), settings)
    ablations = {
        name: {**keys, "std": {float(x): std for x, std in keys.get("std", {}).items()}}
        for name, keys in values["ablations"].items()
    }
    return Published(values["seeds"], values["sources"], tasks, ablations)


@dataclass(frozen=True)
class Comparison:
    """Ours against a published number after an epoch.

    Parameters
    ----------
    epoch : int
    ours : Sample
    published, std : float
    seeds : int
        Published seeds.
    """

    epoch: int
    ours: Sample
    published: float
    std: float
    seeds: int = 10

    @property
    def difference(self) -> float:
        """Ours minus published."""
        return self.ours.mean - self.published

    @property
    def tolerance(self) -> float:
        """See `tolerance`."""
        return tolerance(self.std, self.ours.n, self.seeds)

    @property
    def agrees(self) -> bool:
        """Whether the difference is within tolerance."""
        return bool(abs(self.difference) <= self.tolerance)


def compare(evidence: Evidence, task: Task, seeds: int = 10) -> list[Comparison]:
    """Compare at all epochs for which there is a published number and a run that reached them."""
    pairs = [(epoch, evidence.at(epoch), accuracy) for epoch, accuracy in task.curve.items()]
    return [Comparison(epoch, ours, accuracy, task.std, seeds) for epoch, ours, accuracy in pairs if ours.n]
