"""Libraries that cannot be imported, mostly for settings of their own, and what to say of it in one line."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from .errors import CorInfoMaxError, LibraryError

#: Variables and files that these read when they are imported.
_SETTINGS = {
    "brian2": ("~/.brian/user_preferences", "brian_preferences"),
    "matplotlib": (
        "$MPLBACKEND",
        "matplotlibrc",
        "$MATPLOTLIBRC",
        "$MATPLOTLIBRC/matplotlibrc",
        "$MPLCONFIGDIR/matplotlibrc",
        "$XDG_CONFIG_HOME/matplotlib/matplotlibrc",
        "~/.config/matplotlib/matplotlibrc",
        "~/.matplotlib/matplotlibrc",
    ),
}
_NAMES = {"brian2": "Brian2", "matplotlib": "Matplotlib"}


@contextlib.contextmanager
def imported() -> Iterator[None]:
    """Make a context in which libraries are imported: a `LibraryError` names one that cannot be, and its settings."""
    try:
        yield
    except CorInfoMaxError:
        raise
    except Exception as error:
        library = _library_at_fault(error)
        if library is None:
            raise
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        where = f"; its settings are in {' and '.join(found)}" if (found := _settings(library)) else ""
        raise LibraryError(f"{_NAMES.get(library, library)} cannot be imported ({reason}){where}") from error


def _library_at_fault(error: Exception) -> str | None:
    """Name of the library whose modules were being imported when the error was raised; None if none was."""
    own, found, place = __name__.partition(".")[0], None, error.__traceback__
    while place is not None:
        if place.tb_frame.f_code.co_name == "<module>":
            name = place.tb_frame.f_globals.get("__name__", "").partition(".")[0]
            if name:  # a setting that is evaluated has none
                found = None if name in (own, "__main__") else name
        place = place.tb_next
    if found is None and isinstance(error, ModuleNotFoundError) and error.name is not None:
        found = error.name.partition(".")[0]
    return None if found == own else found


def _settings(library: str) -> list[str]:
    """Variables that are set and files that are there, of those that a library reads."""
    found = []
    for place in _SETTINGS.get(library, ()):
        path = Path(os.path.expandvars(os.path.expanduser(place)))
        if place == "$MPLBACKEND" and os.environ.get("MPLBACKEND", "Agg") != "Agg":  # which is always to be had
            found.append(f"MPLBACKEND={os.environ['MPLBACKEND']}")
        elif path.is_file():
            found.append(str(path.absolute()))
    return found
