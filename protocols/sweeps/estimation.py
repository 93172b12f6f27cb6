"""What a sweep will take: runs that are done tell, or else a few seconds of some of its runs, which are not kept."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...analysis import read_history
from ...errors import CorInfoMaxError, RunError
from ..runs import RunFolder, Training
from ..runs.training import Report
from .folder import Sweep
from .task import Task

#: Runs that are tried, spread over the sweep, and seconds that each is, once it is under way.
_TRIED, _SECONDS = 3, 3.0
#: Bytes of a row of the history.
_ROW = 400


@dataclass(frozen=True)
class Estimate:
    """What the runs of a sweep will take that are not done.

    Parameters
    ----------
    runs, done : int
        All runs, and those that are finished or have failed.
    seconds : float
        Of all runs that are left, one after the other.
    bytes : float
        That they write.
    basis : str
        What it was estimated from.
    """

    runs: int
    done: int
    seconds: float
    bytes: float
    basis: str


class _EnoughError(Exception):
    """A run that is tried has lasted long enough."""


def estimate(sweep: Sweep) -> Estimate:
    """Estimate what the runs that are left will take.

    Parameters
    ----------
    sweep : Sweep
    """
    ends = {task.name: sweep.outcome(task).status for task in sweep.tasks}
    done = sum(status in ("finished", "failed") for status in ends.values())
    finished = [task for task in sweep.tasks if ends[task.name] == "finished"]
    left = sweep.runs - done
    if finished:
        found = [_of_finished(sweep.path / task.folder) for task in finished]
        basis = f"{len(finished)} finished runs"
    else:
        tasks = sweep.tasks or [sweep.first]
        chosen = {round(n * (len(tasks) - 1) / max(1, _TRIED - 1)) for n in range(_TRIED)}
        found, refused = [], []
        for task in (tasks[n] for n in sorted(chosen)):
            try:
                found.append(_tried(task))
            except CorInfoMaxError as error:
                values = ", ".join(f"{key} = {value}" for key, value in task.values.items())
                refused.append(f"{values}, seed = {task.seed}: {error}")
        if not found:
            raise RunError(f"all {len(refused)} runs that were tried failed, the first is {refused[0]}")
        basis = f"{len(found)} of the runs, tried for some seconds on this machine"
        if refused:
            basis += f"; {len(refused)} more failed, the first is {refused[0]}"
    seconds, size = (sum(values) / len(found) for values in zip(*found, strict=True))
    return Estimate(sweep.runs, done, left * seconds, left * size, basis)


def _of_finished(folder: Path) -> tuple[float, float]:
    seconds = read_history(folder).filter(["seconds", "evaluation_seconds"]).to_numpy().sum()
    return float(seconds), _size(folder)


def _size(folder: Path) -> float:
    return float(sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()))


def _tried(task: Task) -> tuple[float, float]:
    """Seconds and bytes of a run, by its first seconds in a folder that is removed again."""
    epochs = task.configuration.training.epochs
    seen: list[tuple[float, float, dict | None]] = []

    def look(report: Report):
        done = report.epoch if report.row is not None else report.epoch - 1 + report.batch / report.batches
        seen.append((time.perf_counter(), done, report.row))
        if seen[-1][0] - seen[0][0] > _SECONDS:
            raise _EnoughError

    with tempfile.TemporaryDirectory() as place:
        folder = RunFolder(Path(place) / "run")
        training = Training(task.configuration, folder)
        folder.create(task.configuration)
        with contextlib.suppress(_EnoughError):
            training.run(look)
        size = _size(folder.path)
    return epochs * _per_epoch(seen), size + _ROW * epochs


def _per_epoch(seen: Sequence[tuple[float, float, dict | None]]) -> float:
    """Seconds of an epoch; what comes before the first look, as compiling does, is left out where it can be."""
    (first, begun, row), (last, done, _) = seen[0], seen[-1]
    if done > begun:
        return (last - first) / (done - begun)
    return 0.0 if row is None else row["seconds"] + row["evaluation_seconds"]
