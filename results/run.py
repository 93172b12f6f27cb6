"""Train what the evidence rests on: runs that can be stopped and gone on with at any time.

    python results/run.py [NAMES or patterns ...] [--jobs 1] [--list]

Names are those of ``experiments.toml``, with ``_seedN`` for a single run; patterns are the shell's, as ``'digits*'``.
A run that is finished is skipped, one that has begun is resumed, all others begin. The engine of ``corinfomax sweep``
gives them to processes of this machine. Ctrl-C stops them: what is under way writes its checkpoint first. What is kept
of a run, ``config.toml``, ``history.csv`` and ``environment.json``, goes to ``results/runs/EXPERIMENT/seed_N/``;
checkpoints stay in ``runs/results/NAME/``. To train a run anew, remove both of its folders. Stimuli that are no part of
the package are looked for as by ``corinfomax train``, in the folder that CORINFOMAX_DATA names.
"""

import contextlib
import fnmatch
import itertools
import os
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from experiments import FAILURE, KEPT, LIST, WORKING, Run, read_experiments

from corinfomax.analysis import read_history
from corinfomax.analysis.files import make_folder, replacing
from corinfomax.errors import CorInfoMaxError, RunError
from corinfomax.protocols.interruption import raising
from corinfomax.protocols.runs import Configuration
from corinfomax.protocols.runs.execution import FAILURE as FINAL
from corinfomax.protocols.runs.execution import Outcome, outcome
from corinfomax.protocols.sweeps import Task
from corinfomax.protocols.sweeps.cluster import workers
from corinfomax.protocols.sweeps.engine import Engine

#: History last: it says how far the run is.
KEPT_FILES = ("config.toml", "environment.json", "history.csv")

#: How training says that activity or weights left the finite numbers.
_DIVERGED = re.compile(r"epoch \d+, .*; take a smaller step or learning rate")

#: What trains: ``train(tasks, folder, jobs, report)`` calls ``report(task, outcome)`` as runs end.
Train = Callable[[list[Task], Path, int, Callable[[Task, Outcome], object]], object]


@dataclass(frozen=True)
class Listed(Task):
    """A run of the list as the engine takes it: it has a folder of its own, named as the list does.

    Parameters
    ----------
    run : Run
        Beside those of `Task`.
    """

    run: Run

    @property
    def name(self) -> str:
        """What one calls it on the command line."""
        return self.run.name

    @property
    def folder(self) -> Path:
        """Where it is trained, below the folder of all."""
        return Path(self.name)


def on_processes(tasks: list[Task], folder: Path, jobs: int, report: Callable[[Task, Outcome], object]):
    """Train runs below a folder, so many at a time, each in a process of this machine; Ctrl-C raises."""
    # By this file the engine sees whether its processes share the folder, as those on other machines might not.
    mark = folder / f".queue-{os.getpid()}"
    mark.write_text(mark.name, encoding="ascii")
    threads = max(task.configuration.training.blas_threads for task in tasks)
    simulate = any(task.configuration.form is not None for task in tasks)
    seen = (str(mark.resolve()), mark.name)
    try:
        with workers(min(jobs, len(tasks)), threads, seen, simulate) as client:
            Engine(client, folder.resolve(), seen).run(iter(tasks), report)
    finally:
        mark.unlink(missing_ok=True)


class Queue:
    """Runs one after the other, or several at a time.

    Parameters
    ----------
    kept, working : Path
        Root folders of what is kept of runs, and of the runs themselves.
    train : callable, default `on_processes`
    """

    def __init__(self, kept: Path = KEPT, working: Path = WORKING, train: Train = on_processes):
        self.kept, self.working, self._train = kept, working, train

    def run(self, runs: list[Run], jobs: int = 1) -> list[str]:
        """Train all that is not finished, and return the names of the runs that failed.

        Parameters
        ----------
        runs : list of Run
        jobs : int
            Runs at a time.

        Raises
        ------
        KeyboardInterrupt
            If it was stopped; what was done is kept.
        """
        failed, waiting = [], []
        for run in runs:
            try:
                if self._is_finished(run):
                    _say(run, "finished already")
                    continue
                waiting.append(Listed({}, run.seed, _configuration(run), run))
                self._let_try_again(self.working / run.name)
            except (CorInfoMaxError, OSError) as error:
                failed.append(run.name)
                _say(run, f"failed: {' '.join(str(error).split())}")

        def report(task: Listed, found: Outcome):
            try:
                fine = self._take(task.run, self.working / task.folder, found)
            except (CorInfoMaxError, OSError) as error:
                fine = False
                _say(task.run, f"failed: {' '.join(str(error).split())}")
            if not fine:
                failed.append(task.name)

        if waiting:
            typer.echo(f"{len(waiting)} runs to train, {min(jobs, len(waiting))} at a time, in {self.working}")
            make_folder(self.working)
            self._train(waiting, self.working, jobs, report)
        return failed

    @staticmethod
    def _let_try_again(folder: Path):
        """Forget why a run has failed, as for want of its data, unless it diverged."""
        reason = folder / FINAL
        if reason.exists() and not _DIVERGED.search(reason.read_text(encoding="utf-8")):
            reason.unlink()

    def status(self, run: Run) -> str:
        """How far a run is: finished, diverged as expected, begun, or not begun."""
        if self._is_finished(run):
            return "diverged, as expected" if _epochs(run.kept(self.kept)) < run.epochs else "finished"
        found = outcome(self.working / run.name, run.epochs)
        if found.status == "missing":
            return "not begun"
        return f"{found.status}, {found.epochs} of {run.epochs} epochs"

    def _is_finished(self, run: Run) -> bool:
        folder = run.kept(self.kept)
        failure = folder / FAILURE
        expected = run.diverges and failure.exists() and _DIVERGED.search(failure.read_text(encoding="utf-8"))
        if not expected and _epochs(folder) < run.epochs:
            return False
        if different := _difference(run, folder):
            raise RunError(f"{folder}: kept of another configuration ({different}); remove it")
        return True

    def _take(self, run: Run, folder: Path, found: Outcome) -> bool:
        """Keep what there is of a run that has ended or was stopped; return whether all is well with it."""
        reason = found.reason.replace(f"{folder}{os.sep}", "") if found.status == "failed" else ""
        if (folder / "config.toml").exists():
            self._keep(run, folder, reason)
        done = f"{found.epochs} of {run.epochs} epochs"
        if found.status == "finished":
            last = read_history(folder).filter(like="test_").iloc[-1]
            _say(run, f"finished, {last.index[0]} {last.iloc[0]:.4f}")
        elif found.status == "failed":
            expected = run.diverges and _DIVERGED.search(reason)
            _say(run, f"{'diverged as expected' if expected else 'failed'}, {done}: {reason}")
            return bool(expected)
        else:
            _say(run, f"stopped, {done}")
        return True

    def _keep(self, run: Run, folder: Path, failure: str):
        """Copy what is kept of a run; a longer history of the same configuration is not replaced by a shorter one."""
        kept = run.kept(self.kept)
        if _epochs(folder) < _epochs(kept) and not _difference(run, kept):
            return
        make_folder(kept)
        for name in (*KEPT_FILES, FAILURE):
            if name == FAILURE and failure:
                content = f"{failure}\n".encode()
            elif (folder / name).exists():
                content = (folder / name).read_bytes()
            else:
                (kept / name).unlink(missing_ok=True)  # of an earlier attempt
                continue
            with replacing(kept / name) as file:
                file.write(content)


def chosen(runs: list[Run], patterns: Iterable[str]) -> list[Run]:
    """Pick runs by names and patterns, of experiments or of single runs; all if there are none.

    Parameters
    ----------
    runs : list of Run
    patterns : iterable of str

    Raises
    ------
    typer.BadParameter
        A pattern that no run meets.
    """
    found = {p: [run for run in runs if fnmatch.filter((run.experiment, run.name), p)] for p in patterns}
    if missing := [pattern for pattern, met in found.items() if not met]:
        raise typer.BadParameter(f"{missing[0]}: no such run; --list shows the experiments")
    return [run for run in runs if not found or any(run in met for met in found.values())]


def overview(runs: list[Run], queue: Queue) -> list[str]:
    """Say in one line for each experiment how far its runs are, seeds of the same state together.

    Parameters
    ----------
    runs : list of Run
    queue : Queue
    """
    lines = []
    for experiment, group in itertools.groupby(runs, key=lambda run: run.experiment):
        seeds: dict[str, list[int]] = {}
        for run in group:
            try:
                state = queue.status(run)
            except CorInfoMaxError as error:
                state = str(error)
            seeds.setdefault(state, []).append(run.seed)
        told = (f"seed{'s' * (len(n) > 1)} {', '.join(map(str, n))}: {state}" for state, n in seeds.items())
        lines.append(f"{experiment:28} {'; '.join(told)}")
    return lines


def main(
    patterns: Annotated[list[str] | None, typer.Argument(metavar="[NAMES]...", help="Names or patterns.")] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Runs at a time.")] = 1,
    show: Annotated[bool, typer.Option("--list", help="Show the experiments and how far their runs are.")] = False,
    path: Annotated[Path, typer.Option("--experiments", help="List of experiments.")] = LIST,
    kept: Annotated[Path, typer.Option(help="Folder for what is kept of runs.")] = KEPT,
    working: Annotated[Path, typer.Option(help="Folder for runs and their checkpoints.")] = WORKING,
):
    """Train what is not finished."""
    runs, queue = chosen(read_experiments(path).runs, patterns or []), Queue(kept, working)
    if show:
        for line in overview(runs, queue):
            typer.echo(line)
        return
    try:
        with raising():
            failed = queue.run(runs, jobs)
    except KeyboardInterrupt:
        typer.echo("stopped; the same command goes on", err=True)
        raise typer.Exit(130) from None
    except RunError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from None
    if failed:
        typer.echo(f"failed: {', '.join(failed)}", err=True)
        raise typer.Exit(1)


def _configuration(run: Run) -> Configuration:
    return Configuration.read(run.preset, run.all_settings)


def _epochs(folder: Path) -> int:
    """Epochs in a folder's history, none if there is none that can be read."""
    with contextlib.suppress(RunError):
        return len(read_history(folder))
    return 0


def _difference(run: Run, folder: Path) -> str:
    """Say in which key a folder's configuration is not that of the list, if in any."""
    if not (folder / "config.toml").exists():
        return "no config.toml"
    theirs = Configuration.read(folder / "config.toml")
    found = _configuration(run).difference(theirs)
    return "" if found is None else f"{found[0]} = {found[2]!r} in place of {found[1]!r}"


def _say(run: Run, what: str):
    typer.echo(f"{time.strftime('%H:%M:%S')} {run.name}: {what}")


if __name__ == "__main__":
    typer.run(main)
