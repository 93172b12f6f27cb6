"""A sweep's folder: its plan, its runs, and what became of them in one table."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tomli_w

from ...analysis import read_history
from ...analysis.files import check_unused, locked_folder, make_folder, remove_remains, replacing
from ...errors import ParameterError, RunError
from ...toml import tables
from ..runs.execution import Outcome, outcome
from ..systems.metrics import score_of
from .cluster import extra
from .plan import Plan, check_same_base
from .search import OPTUNA, Search
from .task import Point, Task, points, tasks_of, text

if TYPE_CHECKING:
    import pandas as pd
    from distributed import Client

#: In a sweep's folder: the plan, and the parameter file that all runs start from.
NAME, BASE = "sweep.toml", "base.toml"
#: Where sweeps stand if nothing is said.
PARENT = Path("sweeps")
#: Fraction of the training stimuli that a search judges by, where nothing else is said.
_VALIDATION = 0.2
#: Columns of the history that the table has its own word for.
_COUNTED = ("epoch", "seconds", "evaluation_seconds")


#: What another process does that has a sweep's folder.
_USE = "runs this sweep"


class Sweep:
    """A sweep in a folder, begun or taken up again.

    Parameters
    ----------
    path : path-like
        Holds ``sweep.toml``, ``base.toml`` and ``runs/``.
    plan : Plan, optional
        Of a new sweep; of one that is there, the same or an extension of it. By default that of the folder.
    trust : bool, default False
        Whether code in run folders may be imported.

    Attributes
    ----------
    plan : Plan
    reasons : dict of str to str
        Why runs failed that will be tried again, by their names.

    Raises
    ------
    ParameterError
        In one line, if a key cannot be had, there are too many runs, or the plan differs from that of the folder.
    RunError
        If the folder holds something else, or no sweep where no plan is given.
    """

    def __init__(self, path: str | os.PathLike, plan: Plan | None = None, trust: bool = False):
        self.path, self._trust = Path(path), trust
        self.reasons: dict[str, str] = {}
        #: Combinations that cannot be, and why; only a search meets some.
        self._refused: list[tuple[Point, str]] = []
        file = self.path / NAME
        there = Plan.kept(file) if file.exists() else None
        if there is None and plan is None:
            raise RunError(f"{self.path}: no sweep (no {NAME})")
        if there is None:
            check_unused(self.path)
        self.plan = _judged(there if plan is None else plan, self._kept_base() if plan is None else None)
        self.plan.check_size(file if plan is None else "sweep")
        if there is not None and plan is not None:
            self.plan.check_goes_on(there, file)
            check_same_base(self._kept_base(), self.plan.base(), self.path / BASE, self.plan.source)
        self._base = str(self.path / BASE) if there is not None else self.plan.source
        self._check_epochs()

    def _kept_base(self) -> dict:
        file = self.path / BASE
        try:
            return tables(file.read_text(encoding="utf-8"), file)
        except (OSError, UnicodeDecodeError, ParameterError) as error:
            raise RunError(f"{file}: is damaged ({error}); choose another folder with --out") from None

    def _check_epochs(self):
        for task in self.tasks:
            wanted, done = task.configuration.training.epochs, self.outcome(task).epochs
            if done > wanted:
                raise ParameterError(
                    f"epochs = {wanted}: {self.path / task.folder} has {done} done already; "
                    "choose another folder with --out"
                )

    @cached_property
    def tasks(self) -> list[Task]:
        """All runs, each once; of a search those that it has begun."""
        if self.plan.method == "search":
            built = (task for _, tasks in self._begun_trials() for task in tasks)
        else:
            built = (
                each for point in points(self.plan) for each in tasks_of(point, self.plan, self._base, self._trust)
            )
        return list({task.name: task for task in built}.values())

    @property
    def runs(self) -> int:
        """How many runs there are, or will be."""
        return self.plan.trials * len(self.plan.seeds) if self.plan.method == "search" else len(self.tasks)

    @cached_property
    def first(self) -> Task:
        """A run, for what all have in common; of a search that has not begun, with the first of all values."""
        if self.plan.method != "search" or self.tasks:
            return self.tasks[0]
        point = {key: v[0] if isinstance(v, list) else v.low for key, v in self.plan.parameters.items()}
        return tasks_of(point, self.plan, self._base, self._trust)[0]

    @cached_property
    def score(self) -> str | None:
        """Column of the history that tells how good a run is; None if there is none."""
        if self.plan.score is not None:
            return self.plan.score
        configuration = self.first.configuration
        if configuration.entry.score is not None:
            return configuration.entry.score
        judged = score_of(configuration.load_stimuli())
        part = "validation" if self.plan.method == "search" else "test"
        return None if judged is None else f"{part}_{judged[0]}"

    @property
    def direction(self) -> str | None:
        """Whether a high score is good or a low one; None if nobody says so."""
        if self.plan.direction is None and (self.score or "").endswith(("accuracy", "r_squared")):
            return "maximize"
        return self.plan.direction

    def create(self):
        """Load the stimuli once, make the folder, and write plan and parameter file.

        A sweep that cannot be leaves nothing behind.
        """
        if self.plan.method == "search" and (self.score is None or self.direction is None):
            told = "direction: maximize or minimize it" if self.score else "score: the column that it goes by"
            raise ParameterError(f"sweep: a search needs {told} ({self.score or 'the model has none'})")
        if self.plan.method == "search":
            extra("optuna", *OPTUNA)
        self.first.configuration.load_stimuli()
        base = self.plan.base() if not (self.path / BASE).exists() else None
        make_folder(self.path)
        with locked_folder(self.path, _USE):
            remove_remains(self.path)
            if base is not None:
                with replacing(self.path / BASE) as file:
                    file.write(tomli_w.dumps(base).encode())
            with replacing(self.path / NAME) as file:
                file.write(self.plan.to_toml().encode())
        self._base = str(self.path / BASE)

    def outcome(self, task: Task) -> Outcome:
        """What became of a run."""
        return outcome(self.path / task.folder, task.configuration.training.epochs)

    @property
    def has_begun(self) -> bool:
        """Whether there is anything of any run."""
        return any((self.path / task.folder).exists() for task in self.tasks)

    def run(
        self,
        client: Client,
        report: Callable[[Task, Outcome], object] = lambda task, found: None,
        look: Callable[[Mapping[str, float]], object] = lambda under_way: None,
    ):
        """Train all that is not finished.

        Parameters
        ----------
        client : Client
            Of Dask.
        report : callable
            ``report(task, outcome)``, as runs end.
        look : callable
            Called twice a second with the epochs done of runs under way, by their names.

        Raises
        ------
        KeyboardInterrupt
            After Ctrl-C; what was done is kept.
        RunError
            If another process runs this sweep, a worker cannot take part, or the scheduler is lost.
        """
        from .engine import Engine

        file = self.path / NAME
        with locked_folder(self.path, _USE):
            engine = Engine(client, self.path, (str(file.resolve()), file.read_text(encoding="utf-8")))
            engine.path = self.path.resolve()
            trials = _Trials(self) if self.plan.method == "search" else None

            def take(task: Task, found: Outcome):
                if found.status == "failed" and self.outcome(task).status != "failed":
                    self.reasons[task.name] = found.reason
                report(task, found)
                if trials is not None:
                    trials.take(task)

            waiting = (task for task in self.tasks if self.outcome(task).status in ("missing", "begun"))
            engine.run(waiting if trials is None else trials.tasks(), take, lambda: look(engine.under_way))

    def _begun_trials(self) -> Iterator[tuple[int, list[Task]]]:
        if (self.path / NAME).exists():
            for number, point in Search(self.plan, self.path, self.plan.direction or "maximize").begun():
                yield number, self._built(point)

    def _built(self, point: Point) -> list[Task]:
        """Runs of a combination that a search has drawn; none if it cannot be, which is noted."""
        try:
            return tasks_of(point, self.plan, self._base, self._trust)
        except ParameterError as error:
            if point not in [each for each, _ in self._refused]:
                self._refused.append((point, str(error)))
            return []

    def table(self) -> pd.DataFrame:
        """One row a run: `run`, the keys that are swept, `seed`, `status`, the history's last row, `seconds`, `reason`.

        `epochs_done` and `seconds` are those of all epochs. Lists are written as JSON.
        """
        import pandas as pd

        rows, ends = [], []
        for task in self.tasks:
            found = self.outcome(task)
            status, reason = found.status, found.reason
            if task.name in self.reasons:
                status, reason = "failed", self.reasons[task.name]
            row = {"run": task.folder.as_posix(), **_cells(task.values), "seed": task.seed, "status": status}
            rows.append({**row, "epochs_done": found.epochs, **(self.last(task) if found.epochs else {})})
            ends.append(reason)
        for point, reason in self._refused:
            rows.append({"run": "", **_cells(point), "status": "failed", "epochs_done": 0})
            ends.append(reason)
        if not rows:  # of a search that has not begun
            return pd.DataFrame(columns=["run", *self.plan.parameters, "seed", "status", "epochs_done", "reason"])
        return pd.DataFrame(rows).assign(reason=ends)

    def last(self, task: Task) -> dict[str, Any]:
        """The last row of a run's history, with `seconds` of all epochs, evaluation included."""
        history = read_history(self.path / task.folder)
        row = {name: value for name, value in history.iloc[-1].items() if name not in _COUNTED}
        return {**row, "seconds": float(history.filter(["seconds", "evaluation_seconds"]).to_numpy().sum())}

    def summary(self) -> pd.DataFrame:
        """One row a combination, the best first: `seeds` that finished, `failed`, mean and deviation of the score.

        The deviation is that of a sample, NaN of a single seed.
        """
        import pandas as pd

        table, keys = self.table(), list(self.plan.parameters)
        rows = []
        for values, runs in table.groupby(keys, sort=False, dropna=False):
            finished = runs[runs["status"] == "finished"]
            row = dict(zip(keys, values, strict=True))
            row |= {"seeds": len(finished), "failed": int((runs["status"] == "failed").sum())}
            if self.score is not None:
                scores = finished[self.score].astype(float) if self.score in finished else pd.Series(dtype=float)
                row |= {"mean": scores.mean(), "deviation": scores.std(ddof=1)}
            rows.append(row)
        found = pd.DataFrame(rows)
        if self.direction is None or "mean" not in found:
            return found
        return found.sort_values("mean", ascending=self.direction == "minimize", kind="stable", ignore_index=True)

    def write(self) -> list[Path]:
        """Write the table, as CSV and where pyarrow is installed as Parquet, and the figure; return the files."""
        import importlib.util

        table, files = self.table(), [self.path / "runs.csv"]
        with replacing(files[0]) as file:
            file.write(table.to_csv(index=False).encode())
        if importlib.util.find_spec("pyarrow") is not None:
            files.append(self.path / "runs.parquet")
            with replacing(files[1]) as file:
                file.write(_of_one_kind(table).to_parquet(None, engine="pyarrow", index=False))
        return [*files, *self._draw(table)]

    def _draw(self, table: pd.DataFrame) -> list[Path]:
        from ...analysis.figures import Album, marginals  # with matplotlib

        if self.score not in table or not (table["status"] == "finished").any():
            return []
        make_folder(self.path / "figures")
        album, path = Album(), self.path / "figures" / "marginals.png"
        logarithmic = [key for key, v in self.plan.parameters.items() if not isinstance(v, list) and v.scale == "log"]
        album.save([path], lambda: marginals(table, list(self.plan.parameters), self.score, logarithmic))
        album.check()
        return [path]


class _Trials:
    """Runs of a search: drawn one combination after the other, and told to Optuna when all its seeds are done."""

    def __init__(self, sweep: Sweep):
        self._sweep = sweep
        self._search = Search(sweep.plan, sweep.path, sweep.direction)
        self._open: dict[int, list[Task]] = {}

    def tasks(self) -> Iterator[Task]:
        """Runs to train next."""
        sweep = self._sweep
        known = {task.name for task in sweep.tasks}
        begun = {number: sweep._built(point) for number, point in self._search.begun()}
        for number, tasks in begun.items():
            yield from self._waiting(number, tasks, set())
        while (asked := self._search.ask()) is not None:
            number, point = asked
            tasks = sweep._built(point)
            sweep.tasks.extend(task for task in tasks if task.name not in known)
            running = {task.name for each in self._open.values() for task in each}
            yield from self._waiting(number, tasks, running)
            known |= {task.name for task in tasks}

    def _waiting(self, number: int, tasks: Sequence[Task], running: set[str]) -> Iterator[Task]:
        self._open[number] = list(tasks)
        for task in tasks:
            if task.name not in running and self._sweep.outcome(task).status in ("missing", "begun"):
                yield task
        self._settle()

    def take(self, task: Task):
        """Take notice of a run that has ended."""
        self._settle()

    def _settle(self):
        """Tell the scores of all trials whose runs have ended."""
        sweep = self._sweep
        for number, tasks in list(self._open.items()):
            found = [sweep.outcome(task) for task in tasks]
            lost = any(task.name in sweep.reasons for task in tasks)
            if lost or not tasks or any(each.status == "failed" for each in found):
                score = None
            elif all(each.status == "finished" for each in found):
                score = float(np.mean([self._score(task) for task in tasks]))
            else:
                continue
            self._search.tell(number, score)
            del self._open[number]

    def _score(self, task: Task) -> float:
        last = read_history(self._sweep.path / task.folder).iloc[-1]
        if self._sweep.score not in last:
            raise ParameterError(f"score = {self._sweep.score}: the history has {', '.join(map(str, last.index))}")
        return float(last[self._sweep.score])


def _judged(plan: Plan, base: dict | None) -> Plan:
    """Let a search set validation stimuli apart, unless someone has said what it goes by."""
    keys = [key.rpartition(".")[2] for key in (*plan.settings, *plan.parameters)]
    if plan.method != "search" or plan.score is not None or "validation" in keys:
        return plan
    sections = plan.base() if base is None else base
    if "validation" in sections.get("stimuli", {}):
        return plan
    return plan.model_copy(update={"settings": {**plan.settings, "validation": _VALIDATION}})


def _cells(values: Point) -> dict[str, Any]:
    return {key: text(value) for key, value in values.items()}


def _of_one_kind(table: pd.DataFrame) -> pd.DataFrame:
    """Write columns that hold words beside numbers as words, as Parquet has one kind in each."""
    mixed = [name for name in table if table[name].dtype == object]
    return table.assign(**{name: table[name].map(lambda cell: cell if cell is None else str(cell)) for name in mixed})
