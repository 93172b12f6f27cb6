"""What the commands share: where they print, and how they show time passing."""

import contextlib
import json
import logging
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import typer
from rich.console import Console

from ..errors import RunError
from ..progress import ReadConsole, progress_bar, shared_console

__all__ = ["Trust", "arrange", "console", "goes_on_with", "output", "plain", "print_json", "progress_bar", "warn"]

#: Where commands say what they do: on standard output, with ``--json`` on standard error, with ``--quiet`` nowhere.
console = shared_console()
#: Where they print what was asked for, tables and numbers: also with ``--quiet``, but not with ``--json``.
output = ReadConsole(soft_wrap=True, highlight=False, markup=False, emoji=False)
_errors = Console(stderr=True, soft_wrap=True, highlight=False, markup=False, emoji=False)

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


def warn(lines):
    """Print lines to standard error: what went wrong beside the result, which stands all the same."""
    for line in lines:
        _errors.print(line)


class _Told(logging.Handler):
    """Prints what the package says of itself: news where commands say what they do, warnings on standard error."""

    def emit(self, record: logging.LogRecord):
        if record.levelno < logging.WARNING:
            console.print(record.getMessage())
        else:
            warn([record.getMessage()])


def arrange(quiet: bool = False, as_json: bool = False):
    """Decide what is printed, and where.

    Parameters
    ----------
    quiet : bool
        Whether commands keep what they do to themselves.
    as_json : bool
        Whether standard output is to hold nothing but the result, as JSON.
    """
    console.quiet, console.stderr = quiet, as_json
    output.quiet = as_json
    logger = logging.getLogger("corinfomax")
    if not any(isinstance(handler, _Told) for handler in logger.handlers):
        logger.addHandler(_Told())
        logger.setLevel(logging.INFO)


def print_json(result: Any):
    """Print what a command returned: plain values, paths and arrays, or a table as a list of its rows."""
    print(json.dumps(plain(result), indent=2, ensure_ascii=False, allow_nan=False))


def plain(value: Any) -> Any:
    """Give values as JSON has them: what is not a finite number becomes null, as JSON has no other word for it.

    Parameters
    ----------
    value : object
        Mappings, sequences, arrays, tables and single values, nested at will.
    """
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if abs(value) < float("inf") else None
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if hasattr(value, "to_dict"):  # a table
        return plain(value.to_dict(orient="records"))
    if hasattr(value, "tolist"):  # an array, or NumPy's own number
        return plain(value.tolist())
    return [plain(item) for item in value] if isinstance(value, list | tuple) else str(value)
