"""Runs go to the workers of a cluster, as many as it has, and what becomes of them comes back."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import RunError
from ..runs.execution import Outcome, epochs_done
from .cluster import TIMEOUTS
from .task import Task
from .worker import stop, train_task, versions

if TYPE_CHECKING:
    from distributed import Client, Future

#: What becomes of futures whose scheduler is lost.
_LOST = ("cancelled", "lost")
#: Seconds between two looks at how far runs are.
_LOOK_EVERY = 0.5


class Engine:
    """Trains runs on a cluster.

    Parameters
    ----------
    client : Client
        Of Dask.
    path : Path
        Folder that those of the runs stand in.
    mark : tuple of str
        A file of this folder, and what it holds, by which workers see that they share it.
    """

    def __init__(self, client: Client, path: Path, mark: tuple[str, str]):
        self.client, self.path, self.mark = client, path, mark
        self.token = f"corinfomax-{uuid.uuid4().hex[:12]}"
        #: Epochs done of the runs that are under way, by the name of the run.
        self.under_way: dict[str, float] = {}
        self._tasks: dict[Future, Task] = {}
        #: Epochs that a run had when it was last sent out, by which one is known that never gets on.
        self._sent_with: dict[str, tuple[int, int]] = {}

    def run(
        self,
        tasks: Iterator[Task | None],
        report: Callable[[Task, Outcome], object],
        look: Callable[[], object] = lambda: None,
    ):
        """Train all.

        Parameters
        ----------
        tasks : iterator of Task or None
            Asked for the next run when a worker is free; None if it depends on runs under way.
        report : callable
            ``report(task, outcome)``, as runs end. A run that fails does not stop the others.
        look : callable
            Called twice a second, or as often as a run ends.

        Raises
        ------
        RunError
            If a worker cannot take part, or the scheduler is lost.
        KeyboardInterrupt
            After Ctrl-C, once all runs under way have written their checkpoints.
        """
        from distributed import wait
        from distributed.comm import CommClosedError

        self.client.subscribe_topic(self.token, self._note)
        with self.client.as_current():
            try:
                more = True
                while more or self._tasks:
                    more = more and self._send(tasks)
                    if not self._tasks:
                        continue
                    with contextlib.suppress(*TIMEOUTS):
                        wait(list(self._tasks), timeout=_LOOK_EVERY, return_when="FIRST_COMPLETED")
                    self._take(report)
                    look()
            except (CommClosedError, CancelledError):
                raise _lost() from None
            except BaseException:
                self._stop(report)
                raise

    def _note(self, event):
        _, told = event
        self.under_way[told["run"]] = told["epochs"]

    def _send(self, tasks: Iterator[Task | None]) -> bool:
        """Send out runs while there are workers for them; return whether there may be more."""
        while len(self._tasks) < max(1, self._workers()):
            try:
                task = next(tasks)
            except StopIteration:
                return False
            if task is None:
                return True
            self._submit(task)
        return True

    def _workers(self) -> int:
        try:
            return len(self.client.nthreads())
        except (OSError, *TIMEOUTS):  # nobody answers
            raise _lost() from None

    def _submit(self, task: Task):
        folder = self.path / task.folder
        self._sent_with[task.name] = _progress(folder)
        future = self.client.submit(
            train_task,
            *(task.configuration.to_toml(), str(folder), self.token, versions(), self.mark),
            key=f"{task.name}-{uuid.uuid4().hex[:6]}",
            pure=False,
        )
        self._tasks[future] = task

    def _take(self, report: Callable[[Task, Outcome], object]):
        """Take what has come back."""
        for future in [each for each in self._tasks if each.status != "pending"]:
            task = self._tasks.pop(future)
            found = self._outcome(future, task)
            if found is not None:
                self.under_way.pop(task.name, None)
                report(task, found)

    def _outcome(self, future: Future, task: Task) -> Outcome | None:
        """What became of a run; None if it goes on elsewhere."""
        from distributed import KilledWorker

        if future.status in _LOST:
            raise _lost()
        error = future.exception() if future.status == "error" else None
        folder = self.path / task.folder
        if isinstance(error, KilledWorker):
            if _progress(folder) != self._sent_with[task.name]:  # as where jobs are shorter than runs
                self._submit(task)
                return None
            return Outcome("failed", epochs_done(folder), reason=f"{error.allowed_failures + 1} workers died of it")
        if error is not None:
            told = " ".join(str(error).split())
            reason = told if isinstance(error, RunError) else f"{type(error).__name__}: {told}"
            return Outcome("failed", epochs_done(folder), reason=reason)
        fault, found = future.result()
        if fault is not None:
            raise RunError(f"a worker {fault}")
        return found

    def _stop(self, report: Callable[[Task, Outcome], object]):
        """Let runs under way stop after their minibatch, and wait until they have; another Ctrl-C does not wait."""
        from distributed import wait

        if any(future.status in _LOST for future in self._tasks):
            return
        with contextlib.suppress(Exception):  # as where the scheduler is lost just now
            self.client.run(stop, self.token, on_error="ignore")
            wait(list(self._tasks))
            self._take(report)


def _lost() -> RunError:
    return RunError("the scheduler is lost; the same command goes on with the sweep once it is there again")


def _progress(folder: Path) -> tuple[int, int]:
    """How far a run is: epochs, and when its checkpoint was written."""
    checkpoint = folder / "checkpoint.npz"
    return epochs_done(folder), checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
