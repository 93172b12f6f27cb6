"""Progress, shown wherever someone looks: a bar in a terminal or in Jupyter, lines in a log file."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

#: Seconds after which a bar appears that nobody asked for.
_PATIENCE = 2.0
#: Lines of a log file for one stretch of work.
_LINES = 10
#: How many bars are up: one within another would flicker.
_up: list[Progress] = []


@functools.cache
def shared_console() -> Console:
    """Where everything prints, the command line too, so that who silences it silences all."""
    from rich.console import Console

    # Without markup: brackets and colons in paths mean themselves.
    return Console(soft_wrap=True, highlight=False, markup=False, emoji=False)


def draws_bars(console: Console) -> bool:
    """Whether a bar can move where a console prints: in a terminal, or in Jupyter if it has ipywidgets."""
    if console.quiet:
        return False
    if console.is_jupyter:
        return importlib.util.find_spec("ipywidgets") is not None
    return console.is_terminal


@contextlib.contextmanager
def progress_bar(show: bool = True) -> Iterator[Progress]:
    """Make a bar with the present score and the time left; where no bar can move it stays silent.

    Parameters
    ----------
    show : bool, default True
        Whether to show it; no bar within it shows either way.

    Returns
    -------
    context manager of rich.progress.Progress
        Its tasks need a field `score`, "" if there is none.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = shared_console()
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TextColumn("{task.fields[score]}"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not (show and draws_bars(console)),
    )
    _up.append(bar)
    try:
        with bar:
            yield bar
    finally:
        _up.remove(bar)


class Progression:
    """Items that are counted as they are taken, and shown to whoever waits for them.

    Parameters
    ----------
    items : iterable
        The number of those that have a length is known, and with it the time left.
    what : str
        What is done with them.
    show : bool, optional
        True shows a bar, or in a log file ten lines; False nothing. By default a bar appears after two seconds, where
        one can move, and where it stands in no other.
    """

    def __init__(self, items: Iterable, what: str, show: bool | None = None):
        self._items, self._what, self._show = items, what, show
        self._total = len(items) if hasattr(items, "__len__") else None
        self._shown = contextlib.ExitStack()
        self._bar: Progress | None = None

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._shown.close()

    def __iter__(self):
        if self._show is False or (self._show is None and (_up or not draws_bars(shared_console()))):
            yield from self._items
            return
        started, lines = time.monotonic(), 0
        in_lines = not draws_bars(shared_console())
        for done, item in enumerate(self._items):
            if in_lines:
                due = done * _LINES // self._total if self._total else done.bit_length()
                if due > lines:
                    lines = due
                    self._print(done)
            elif self._bar is not None:
                self._bar.update(self._task, completed=done)
            elif self._show or time.monotonic() - started > _PATIENCE:
                self._bar = self._shown.enter_context(progress_bar())
                self._task = self._bar.add_task(self._what, total=self._total, completed=done, score="")
            yield item
        if in_lines and self._total:
            self._print(self._total)

    def _print(self, done: int):
        of = "" if self._total is None else f" of {self._total}"
        shared_console().print(f"{self._what}: {done}{of}")
