"""What the commands share: where they print, and how they show time passing."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ..errors import RunError


class _Console(Console):
    """A console that says when nobody reads it, so that nothing is lost by it."""

    def on_broken_pipe(self):
        """Raise what Rich would end the process for."""
        raise


#: Without markup: brackets and colons in paths mean themselves.
console = _Console(soft_wrap=True, highlight=False, markup=False, emoji=False)

#: Option of all commands that open run folders.
Trust = Annotated[
    bool, typer.Option("--trust", help="Import code that the run folder holds or names, as of custom cells.")
]


@contextlib.contextmanager
def goes_on_with(command: Callable[[], str | None]) -> Iterator[None]:
    """Make a context in which something is done that can be gone on with, by a command, if it is stopped.

    Parameters
    ----------
    command : callable
        Gives the command, or None if there is nothing yet to go on with.

    Raises
    ------
    RunError
        If standard output cannot be written to any more, with the command.
    """
    try:
        yield
    except KeyboardInterrupt as error:
        by = f" by {error}" if str(error) else ""
        if (words := command()) is not None:
            with contextlib.suppress(OSError):  # of a terminal that was closed
                console.print(f"Stopped{by}; go on with: {words}")
        raise
    except OSError as error:
        if (words := command()) is None:
            raise
        raise RunError(f"standard output: {error.strerror or error}; stopped, go on with: {words}") from None


def progress_bar() -> Progress:
    """Make a bar with the present score and the time left; on anything but a terminal it stays silent."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TextColumn("{task.fields[score]}"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
