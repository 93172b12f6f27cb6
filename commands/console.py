"""What the commands share: where they print, and how they show time passing."""

from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

#: Without markup: brackets and colons in paths mean themselves.
console = Console(soft_wrap=True, highlight=False, markup=False, emoji=False)

#: Option of all commands that open run folders.
Trust = Annotated[
    bool, typer.Option("--trust", help="Import code that the run folder holds or names, as of custom cells.")
]


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
