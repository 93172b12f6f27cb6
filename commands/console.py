"""What the commands share: where they print, and how they show time passing."""

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

#: Without markup: brackets and colons in paths mean themselves.
console = Console(soft_wrap=True, highlight=False, markup=False, emoji=False)
_errors = Console(stderr=True, soft_wrap=True, highlight=False, markup=False, emoji=False)


def warn(lines):
    """Print lines to standard error: what went wrong beside the result, which stands all the same."""
    for line in lines:
        _errors.print(line)


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
