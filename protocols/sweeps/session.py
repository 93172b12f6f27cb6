"""A sweep from beginning to end, as the command line and Python both do it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ...errors import FolderInUseError, ParameterError
from ...progress import draws_bars, progress_bar, shared_console
from ..linear_algebra import usable_cores
from ..runs.execution import Outcome
from ..runs.reading import settings_of
from .cluster import JOBQUEUE, Slurm, dashboard, extra, slurm_cluster, workers
from .folder import NAME, PARENT, Sweep
from .plan import Plan
from .task import Task

#: Where data files are looked for, if nothing is said.
_DATA = "CORINFOMAX_DATA"


def sweep(
    file: str | os.PathLike[str] | None = None,
    *,
    out: str | os.PathLike[str] | None = None,
    jobs: int | None = None,
    scheduler: str | None = None,
    slurm: bool = False,
    data: str | os.PathLike[str] | None = None,
    progress: bool = True,
    trust: bool = False,
    **plan: Any,
) -> Sweep:
    """Train many runs that differ in some keys, as ``corinfomax sweep`` does.

    In a script, call it below ``if __name__ == "__main__":``, as workers import the script, too.

    Parameters
    ----------
    file : path-like, optional
        A sweep file.
    out : path-like, optional
        Folder; by default ``sweeps/NAME`` of the file, or of `source`. One that exists is gone on with.
    jobs : int, optional
        Runs at a time, by default one for each core; with `slurm` the number of jobs, by default 1.
    scheduler : str, optional
        Address of a scheduler of Dask that has workers of its own, as ``"tcp://host:8786"``.
    slurm : bool, default False
        Submit workers as jobs of SLURM.
    data : path-like, optional
        Folder with data files; by default the environment variable CORINFOMAX_DATA.
    progress : bool, default True
        Whether to tell how it goes.
    trust : bool, default False
        Whether code in run folders may be imported.
    **plan
        Fields of `Plan` that are set otherwise than in the file, or without one: ``source="digits"``,
        ``parameters={"beta": [1.0, 2.0]}``, ``seeds=[0, 1]``, ``method="grid"``, ``settings={"epochs": 5}``, ….

    Returns
    -------
    Sweep
        With ``table()``, ``summary()`` and ``write()``; files and figure are written.

    Raises
    ------
    ParameterError, RunError
        In one line, for what cannot be swept, or not where it is to be.
    KeyboardInterrupt
        If it was interrupted; what was done is kept.

    Examples
    --------
    >>> found = corinfomax.sweep(source="digits_bp_mse", parameters={"learning_rate": [0.1, 0.3]}, seeds=[0, 1])
    >>> found.summary()
    """
    settings = plan.pop("settings", {})
    found = opened(file, out, settings, data, trust, **plan)
    with written_in_the_end(found, found.write):
        train(found, jobs, scheduler, slurm, progress)
    return found


@contextlib.contextmanager
def written_in_the_end(sweep: Sweep, write: Callable[[], object]) -> Iterator[None]:
    """Write what is done of a sweep, also if it is interrupted, but not if another process runs it.

    Parameters
    ----------
    sweep : Sweep
    write : callable
    """
    try:
        yield
    except FolderInUseError:
        raise
    except BaseException:
        if sweep.has_begun:
            write()
        raise
    if sweep.has_begun:
        write()


def opened(
    file: str | os.PathLike[str] | None,
    out: str | os.PathLike[str] | None,
    settings: Sequence[str] | dict[str, Any] = (),
    data: str | os.PathLike[str] | None = None,
    trust: bool = False,
    **changes: Any,
) -> Sweep:
    """Open the sweep of a file, of what is said without one, or of a folder; nothing is written yet.

    Parameters
    ----------
    file, out, data, trust
        As of `sweep`.
    settings : sequence of str, or dict
        Keys set otherwise in all runs, as ``key=value`` or by key.
    **changes
        Fields of `Plan`.
    """
    given = {key: value for key, value, _ in settings_of(settings)}
    if strange := [
        key for key, value in given.items() if not isinstance(value, str | bool | int | float | list | dict)
    ]:
        raise ParameterError(f"sweep: {strange[0]}: runs elsewhere have no stimuli in memory; name an .npz file")
    data = data if data is not None else os.environ.get(_DATA)
    if data is not None:
        given["data"] = os.path.abspath(os.path.expanduser(data))
    there = None if out is None else Path(out) / NAME
    if file is None and there is not None and there.exists():
        plan = Plan.kept(there)
        fields = {**plan.model_dump(), **changes, "settings": {**plan.settings, **given}}
        return Sweep(out, Plan(**fields) if changes or given else None, trust)
    if file is None and "parameters" not in changes:
        if out is not None:
            return Sweep(out, trust=trust)
        raise ParameterError("sweep: needs a sweep file, or with --out the folder of a sweep that has begun")
    plan = Plan(settings=given, **changes) if file is None else Plan.read(file, settings=given, **changes)
    plan.check_size("sweep" if file is None else file)
    stem = Path(file).stem if file is not None else Path(plan.source).stem
    return Sweep(PARENT / stem if out is None else out, plan, trust)


def threads_of(found: Sweep) -> int:
    """Threads of the linear algebra that each worker needs."""
    return max(task.configuration.training.blas_threads for task in found.tasks or [found.first])


def workers_of(found: Sweep, jobs: int | None = None, slurm: bool = False) -> int:
    """How many runs there are at a time: so many that no core is used twice, or as is said."""
    if slurm:
        return (jobs or 1) * (found.plan.slurm or Slurm()).processes
    return jobs or max(1, min(usable_cores() // threads_of(found), found.runs))


def job_script(found: Sweep) -> str:
    """The script by which jobs of SLURM would be submitted."""
    with slurm_cluster(found.plan.slurm or Slurm(), threads_of(found), found.path / "slurm") as cluster:
        return cluster.job_script()


def train(
    found: Sweep,
    jobs: int | None = None,
    scheduler: str | None = None,
    slurm: bool = False,
    progress: bool = True,
):
    """Train all runs of a sweep that are not finished.

    Parameters
    ----------
    found : Sweep
    jobs, scheduler, slurm, progress
        As of `sweep`.
    """
    say = shared_console().print if progress else lambda line: None
    if slurm:
        extra("dask_jobqueue", *JOBQUEUE)
    found.create()
    ended = sum(found.outcome(task).status in ("finished", "failed") for task in found.tasks)
    done = f", {ended} of them done" if ended else ""
    say(f"{found.runs} runs{done}, in {found.path}")
    if ended >= found.runs:
        return
    number, threads = (jobs or 1) if slurm else workers_of(found, jobs), threads_of(found)
    how = (found.plan.slurm or Slurm()) if slurm else None
    file = found.path.resolve() / NAME
    mark, simulate = (str(file), file.read_text(encoding="utf-8")), found.first.configuration.form is not None
    with workers(number, threads, mark, simulate, scheduler, how, found.path / "slurm") as client:
        there = len(client.nthreads())
        at_a_time = f"{there} at a time" if there else "waiting for workers"
        say(f"{at_a_time}; {dashboard(client)}")
        with progress_bar(progress) as bar:
            shown = bar.add_task("sweeping", total=found.runs, completed=ended, score="")
            epochs = {task.name: task.configuration.training.epochs for task in found.tasks}

            def report(task: Task, end: Outcome):
                nonlocal ended
                epochs.setdefault(task.name, task.configuration.training.epochs)
                if end.status in ("finished", "failed"):
                    ended += 1
                    say(f"{task}: {_line(found, task, end)}")

            def look(under_way):
                part = sum(done / epochs.get(name, done or 1) for name, done in under_way.items())
                bar.update(shown, completed=ended + part, total=max(found.runs, ended))

            found.run(client, report, look)
    if not draws_bars(shared_console()):
        say(f"{ended} of {found.runs} runs done")


def _line(found: Sweep, task: Task, end: Outcome) -> str:
    if end.status == "failed":
        return f"failed: {end.reason}"
    row = found.last(task)
    if found.score not in row:
        return "finished"
    value = row[found.score]
    part, _, kind = found.score.partition("_")
    shown = f"{part} {100 * value:.2f} %" if kind == "accuracy" else f"{found.score} {value:.4g}"
    return f"{shown}, {row['seconds']:.0f} s"
