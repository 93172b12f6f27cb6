"""Train what the evidence rests on: a queue that can be stopped and started again at any time.

    python results/run.py [NAMES or patterns ...] [--jobs 1] [--list]

Names are those of ``experiments.toml``, with ``_seedN`` for a single run; patterns are the shell's, as ``'digits*'``.
A run that is finished is skipped, one that has begun is resumed, all others begin; what is kept of a run tells, so to
train one anew, remove its folders in ``results/runs/`` and ``runs/results/``. Ctrl-C stops the queue: the runs
that are under way write their checkpoints first. What is kept of a run, ``config.toml``, ``history.csv`` and
``environment.json``, goes to ``results/runs/``; checkpoints stay in ``runs/results/``. Stimuli that are no part of the
package are looked for as by ``corinfomax train``, in the folder that CORINFOMAX_DATA names.
"""

import contextlib
import fnmatch
import itertools
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from experiments import FAILURE, KEPT, LIST, WORKING, Run, read_experiments
from joblib import Parallel, delayed

from corinfomax.analysis import read_history
from corinfomax.analysis.files import make_folder, replacing
from corinfomax.errors import CorInfoMaxError, RunError
from corinfomax.protocols.runs import Configuration

#: History last: it says how far the run is.
KEPT_FILES = ("config.toml", "environment.json", "history.csv")

#: How training says that activity or weights left the finite numbers.
_DIVERGED = re.compile(r"epoch \d+, .*; take a smaller step or learning rate")


class Queue:
    """Runs one after the other, or several at a time.

    Parameters
    ----------
    kept, working : Path
        Root folders of what is kept of runs, and of the runs themselves.
    """

    def __init__(self, kept: Path = KEPT, working: Path = WORKING):
        self.kept, self.working = kept, working
        self._children: set[subprocess.Popen] = set()
        self.stopped = False

    def run(self, runs: list[Run], jobs: int = 1) -> list[str]:
        """Train all that is not finished, and return the names of the runs that failed.

        Parameters
        ----------
        runs : list of Run
        jobs : int
            Runs at a time.
        """
        with self._stopping_on_signals():
            # Threads suffice: each of them waits for a process of its own.
            queue = Parallel(n_jobs=jobs, backend="threading", pre_dispatch=jobs)
            ends = queue(delayed(self._one)(run) for run in runs)
        return [run.name for run, fine in zip(runs, ends, strict=True) if not fine]

    def status(self, run: Run) -> str:
        """How far a run is: finished, diverged as expected, begun, or not begun."""
        if self._is_finished(run):
            return "diverged, as expected" if _epochs(run.kept(self.kept)) < run.epochs else "finished"
        done = _epochs(self.working / run.name)
        if (self.working / run.name / "config.toml").exists():
            return f"begun, {done} of {run.epochs} epochs"
        return "not begun"

    def _is_finished(self, run: Run) -> bool:
        folder = run.kept(self.kept)
        failure = folder / FAILURE
        expected = run.diverges and failure.exists() and _DIVERGED.search(failure.read_text(encoding="utf-8"))
        if not expected and _epochs(folder) < run.epochs:
            return False
        if different := _difference(run, folder):
            raise RunError(
                f"{folder}: kept of another configuration ({different}); remove it, and {self.working / run.name}"
            )
        return True

    def _one(self, run: Run) -> bool:
        """Take one run as far as it goes; return whether all is well with it."""
        if self.stopped:
            return True
        try:
            if self._is_finished(run):
                _say(run, "finished already")
                return True
            folder = self.working / run.name
            if _epochs(folder) < run.epochs or _difference(run, folder):
                code, message = self._train(run, folder)
            else:  # stopped between its last epoch and the copy
                code, message = 0, ""
            self._keep(run, folder, message if code and not self.stopped else "")
        except (CorInfoMaxError, OSError) as error:
            _say(run, f"failed: {' '.join(str(error).split())}")
            return False
        done = f"{_epochs(folder)} of {run.epochs} epochs"
        if code and self.stopped:
            _say(run, f"stopped, {done}")
        elif code:
            expected = run.diverges and _DIVERGED.search(message)
            _say(run, f"{'diverged as expected' if expected else 'failed'}, {done}: {_portable(message, folder)}")
            return bool(expected)
        else:
            last = read_history(folder).filter(like="test_").iloc[-1]
            _say(run, f"finished, {last.index[0]} {last.iloc[0]:.4f}")
        return True

    def _train(self, run: Run, folder: Path) -> tuple[int, str]:
        """Train in a process of its own; return exit code and what its last line on standard error says."""
        command = shutil.which("corinfomax", path=str(Path(sys.executable).parent)) or shutil.which("corinfomax")
        if command is None:
            raise RunError("corinfomax: no such command; install the package")
        words = [command, "train", run.preset, "--out", str(folder)]
        words += [word for setting in run.all_settings for word in ("--set", setting)]
        resumed = (folder / "config.toml").exists()
        words += ["--resume"] * resumed
        make_folder(self.working)
        log = self.working / f"{run.name}.log"
        _say(run, f"{'resumed' if resumed else 'begins'}, log {log}")
        began = log.stat().st_size if log.exists() else 0
        with log.open("ab") as file:
            # In a session of its own, so that Ctrl-C reaches it once, by way of the queue.
            child = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, "MPLBACKEND": "Agg"},
            )
            self._children.add(child)
            if self.stopped:
                child.send_signal(signal.SIGINT)
            code = child.wait()
            self._children.remove(child)
        lines = log.read_bytes()[began:].decode(errors="replace").splitlines()
        return code, (lines[-1].removeprefix("error: ") if lines else f"exit code {code}")

    def _keep(self, run: Run, folder: Path, failure: str):
        """Copy what is kept of a run; a longer history of the same configuration is not replaced by a shorter one."""
        if not (folder / "config.toml").exists():
            if failure:
                raise RunError(failure)
            return
        kept = run.kept(self.kept)
        if _epochs(folder) < _epochs(kept) and not _difference(run, kept):
            return
        make_folder(kept)
        for name in (*KEPT_FILES, FAILURE):
            if name == FAILURE and failure:
                content = f"{_portable(failure, folder)}\n".encode()
            elif (folder / name).exists():
                content = (folder / name).read_bytes()
            else:
                (kept / name).unlink(missing_ok=True)  # of an earlier attempt
                continue
            with replacing(kept / name) as file:
                file.write(content)

    @contextlib.contextmanager
    def _stopping_on_signals(self) -> Iterator[None]:
        def stop(number, frame):
            self.stopped = True
            for child in tuple(self._children):
                with contextlib.suppress(ProcessLookupError):
                    child.send_signal(signal.SIGINT)

        numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
        # What is ignored, as by nohup, stays ignored.
        previous = {number: signal.getsignal(number) for number in numbers}
        previous = {number: handler for number, handler in previous.items() if handler != signal.SIG_IGN}
        for number in previous:
            signal.signal(number, stop)
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)


def chosen(runs: list[Run], patterns: list[str]) -> list[Run]:
    """Pick runs by names and patterns, of experiments or of single runs; all if there are none.

    Parameters
    ----------
    runs : list of Run
    patterns : list of str

    Raises
    ------
    typer.BadParameter
        A pattern that no run meets.
    """
    found = {p: [run for run in runs if fnmatch.filter((run.experiment, run.name), p)] for p in patterns}
    if missing := [pattern for pattern, met in found.items() if not met]:
        raise typer.BadParameter(f"{missing[0]}: no such run; --list shows the experiments")
    return [run for run in runs if not patterns or any(run in met for met in found.values())]


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
    failed = queue.run(runs, jobs)
    if failed:
        typer.echo(f"failed: {', '.join(failed)}", err=True)
    raise typer.Exit(130 if queue.stopped else int(bool(failed)))


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
    found = Configuration.read(run.preset, run.all_settings).difference(theirs)
    return "" if found is None else f"{found[0]} = {found[2]!r} in place of {found[1]!r}"


def _portable(message: str, folder: Path) -> str:
    return message.replace(f"{folder}{os.sep}", "")


def _say(run: Run, what: str):
    typer.echo(f"{time.strftime('%H:%M:%S')} {run.name}: {what}")


if __name__ == "__main__":
    typer.run(main)
