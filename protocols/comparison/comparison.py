"""A comparison: its folder, its runs, the choice of learning rates, and the table."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from ...analysis import read_history
from ...analysis.files import check_unused, is_unused, locked_folder, make_folder, remove_remains, replacing
from ...errors import ParameterError, RunError
from ..interruption import held_back
from ..runs.execution import FAILURE, Outcome, begun, check_same, epochs_done
from .execution import in_process, outcome
from .plan import Cell, Plan

#: The plan, in the comparison's folder.
NAME = "comparison.toml"
#: What may be extended when a comparison is taken up again.
_GROWS = ("rules", "stimuli", "seeds", "epochs", "data")


class Comparison:
    """A comparison in a folder, begun or taken up again.

    Parameters
    ----------
    path : path-like
        Holds ``comparison.toml``, ``runs/`` and, in the matched layout, ``tuning/``.
    **changes
        Fields of `Plan`. Of a folder that has a plan those that are not named stay as they are; rules, stimuli, seeds
        and epochs that are named are added to it, and nothing else may differ.

    Raises
    ------
    RunError
        If the folder holds something else.
    ParameterError
        If the plan cannot be, or differs from that of the folder.
    """

    def __init__(self, path, **changes: Any):
        self.path = Path(path)
        file = self.path / NAME
        if file.exists():
            self.plan = _grown(Plan.from_toml(file.read_text(encoding="utf-8"), file), changes, file)
        else:
            check_unused(self.path)
            self.plan = Plan.of(**changes)
        self._lengths: dict[tuple[str, str], int] = {}
        self._choices: dict[tuple[str, str], float] = {}

    def create(self):
        """Load all stimuli once, check runs that have begun, make the folder, and write the plan.

        A plan that cannot be leaves nothing behind.

        Raises
        ------
        RunError, ParameterError
            In one line, for runs that have begun and cannot be gone on with as the plan is.
        """
        for cell in self.plan.compared:
            if cell.seed == self.plan.seeds[0]:
                self.plan.configuration(cell).load_stimuli()
        for cell in (*self.plan.tuning, *self.plan.compared):
            self._check_begun(cell)
        make_folder(self.path)
        with locked_folder(self.path, "runs this comparison"):
            remove_remains(self.path)
            with replacing(self.path / NAME) as file:
                file.write(self.plan.to_toml().encode())

    def _check_begun(self, cell: Cell):
        """Find out before anything runs whether a run that has begun can be gone on with."""
        path = self.path / cell.folder
        if (path / FAILURE).exists():
            return
        chosen = cell.factor is None and self.plan.layout == "matched"
        if not (path / "config.toml").exists():
            if not is_unused(path):
                raise RunError(f"{path}: holds files that are no run's; remove it, or choose another folder with --out")
            return
        wanted = self.plan.configuration(cell)
        epochs, there = wanted.training.epochs, begun(path, wanted)
        if (done := epochs_done(path)) > epochs:
            raise ParameterError(f"epochs = {epochs}: {path} has {done} done already; choose another folder with --out")
        if chosen and len(self.plan.factors) > 1 and there.training.epochs < epochs:
            raise ParameterError(
                f"epochs = {epochs}: {path} was begun with learning rates that runs of {there.training.epochs} epochs "
                "chose, and longer ones may choose others; choose another folder with --out"
            )
        if not chosen or self.chosen(cell.stimuli, cell.rule) is not None:
            check_same(there, self.configuration(cell), path)

    def run(self, jobs: int = 1, report: Callable[[Cell, Outcome], None] = lambda cell, found: None):
        """Train all that is not finished: first what learning rates are chosen by, then what is compared.

        Parameters
        ----------
        jobs : int
            Runs at a time, each in a process of its own if there are several.
        report : callable
            ``report(cell, outcome)``, as runs end.

        Raises
        ------
        KeyboardInterrupt
            After Ctrl-C; what was done is kept.
        """
        for cells in (self.plan.tuning, self.plan.compared):
            waiting = [cell for cell in cells if self.outcome(cell).status in ("missing", "begun")]
            try:
                with held_back():
                    ends = Parallel(n_jobs=jobs, return_as="generator")(
                        delayed(in_process)(self.path / cell.folder, self.configuration(cell)) for cell in waiting
                    )
                for cell, found in zip(waiting, ends, strict=True):
                    report(cell, found)
            except Exception as error:
                if _interrupted(error):  # what processes being stopped raise in its place
                    raise KeyboardInterrupt from None
                raise

    def configuration(self, cell: Cell):
        """Parameters of a run; of one that is compared, in the matched layout, with the chosen learning rates."""
        factor = cell.factor
        if factor is None:
            factor = 1.0 if self.plan.layout == "published" else self.chosen(cell.stimuli, cell.rule)
        return self.plan.configuration(cell, 1.0 if factor is None else factor)

    def outcome(self, cell: Cell) -> Outcome:
        """What became of a run."""
        key = cell.stimuli, cell.rule
        if key not in self._lengths:
            self._lengths[key] = self.plan.configuration(cell).training.epochs
        return outcome(self.path / cell.folder, self._lengths[key])

    def tuned(self, stimuli: str | None = None, rule: str | None = None) -> pd.DataFrame:
        """Table of the tuning: `stimuli`, `rule`, `factor`, `seed`, `status` and `validation`, the last epoch's.

        Parameters
        ----------
        stimuli, rule : str, optional
            Of these only.
        """
        rows = []
        for cell in self.plan.tuning:
            if stimuli not in (None, cell.stimuli) or rule not in (None, cell.rule):
                continue
            found = self.outcome(cell)
            value = np.nan if found.measures is None else found.measures["validation"]
            rows.append({"stimuli": cell.stimuli, "rule": cell.rule, "factor": cell.factor, "seed": cell.seed,
                         "status": found.status, "validation": value})  # fmt: skip
        return pd.DataFrame(rows, columns=["stimuli", "rule", "factor", "seed", "status", "validation"])

    def chosen(self, stimuli: str, rule: str) -> float | None:
        """Factor of the best mean validation score, the lowest of several; None before its tuning is complete.

        A factor with which a seed has failed is none. If all are, the lowest is taken.
        """
        if (stimuli, rule) not in self._choices:
            table = self.tuned(stimuli, rule)
            if not table["status"].isin(("finished", "failed")).all():
                return None
            self._choices[stimuli, rule] = choose(table)
        return self._choices[stimuli, rule]

    def results(self) -> pd.DataFrame:
        """Table of the runs that are compared: `rule`, `stimuli`, `seed`, `status`, `factor`, and what was measured.

        `reason` tells why a run failed.
        """
        factors = {}
        rows = []
        for cell in self.plan.compared:
            key = cell.stimuli, cell.rule
            if self.plan.layout == "matched" and key not in factors:
                factors[key] = self.chosen(*key)
            found = self.outcome(cell)
            rows.append({**(found.measures or {}), "rule": Path(cell.rule).stem, "stimuli": cell.stimuli,
                         "seed": cell.seed, "status": found.status, "factor": factors.get(key, 1.0),
                         "reason": found.reason})  # fmt: skip
        table = pd.DataFrame(rows)
        first = ["stimuli", "rule", "seed", "status", "factor"]
        return table[[*first, *(name for name in table if name not in (*first, "reason")), "reason"]]

    def courses(self) -> Iterator[tuple[Cell, pd.DataFrame]]:
        """Histories of the runs that are compared, as far as they are."""
        for cell in self.plan.compared:
            folder = self.path / cell.folder
            if (folder / "history.csv").exists():
                yield cell, read_history(folder)


def _interrupted(error: BaseException | None) -> bool:
    """Whether an error came of Ctrl-C."""
    return error is not None and (isinstance(error, KeyboardInterrupt) or _interrupted(error.__context__))


def choose(table: pd.DataFrame) -> float:
    """Choose a factor of learning rates.

    Parameters
    ----------
    table : pandas.DataFrame
        Of one rule on one set: `factor`, `seed`, `validation`, NaN of a run that failed.

    Returns
    -------
    float
        Of the highest mean over seeds, the lowest of those that tie; the lowest of all if each has a failure.
    """
    means = table.groupby("factor")["validation"].agg(lambda values: values.mean(skipna=False)).sort_index()
    if means.isna().all():
        return float(means.index[0])
    best = means.max()
    return float(means.index[np.flatnonzero(np.isclose(means, best, rtol=0, atol=1e-12))[0]])


def _grown(there: Plan, changes: Mapping[str, Any], file: Path) -> Plan:
    """Add to the folder's plan what is named; refuse what would change it."""
    if not changes:
        return there
    values, wanted = {}, Plan.of(**{**there.model_dump(), **changes})
    for name in changes:
        before, now = getattr(there, name), getattr(wanted, name)
        if before == now:
            continue
        if name not in _GROWS:
            raise ParameterError(f"{file}: has {name} = {before}, not {now}; choose another folder with --out")
        if isinstance(before, list):
            values[name] = [*before, *(each for each in now if each not in before)]
        elif name == "epochs" and before is not None and now < before:
            raise ParameterError(f"{file}: has epochs = {before}, which cannot become {now}")
        else:
            values[name] = now
    return Plan.of(**{**there.model_dump(), **values})
