"""What can go wrong for a user of `corinfomax`, each with one line that names the file, key, layer or batch."""

import difflib
import re
import sys
import warnings
from collections.abc import Iterable
from unicodedata import category

#: Categories of characters that break a line or cannot be printed: control characters, separators, lone surrogates.
_UNSHOWN = ("Cc", "Cs", "Zl", "Zp")
_NUMBER = re.compile(r"\d+")


class CorInfoMaxError(Exception):
    """Root of all errors that a user can cause or must hear of: one line, whatever text of the user's it repeats.

    Parameters
    ----------
    *arguments : object
        The message first. Line breaks and other control characters in it are shown as Python writes them.
    """

    def __init__(self, *arguments, **named):
        super().__init__(*(_in_one_line(each) if isinstance(each, str) else each for each in arguments), **named)


class ParameterError(CorInfoMaxError, ValueError):
    """A parameter that is unknown, of the wrong type, out of range or at odds with another one."""


class StimulusError(CorInfoMaxError, ValueError):
    """Stimuli that cannot be read, or that do not fit what they are presented to."""


class RunError(CorInfoMaxError):
    """A run folder, checkpoint or recording that is missing, damaged, in the way, or of another run."""


class FolderInUseError(RunError):
    """A run folder that another process trains into."""


class FigureError(RunError):
    """Figures that could not be drawn, once all others are; a line for each.

    Parameters
    ----------
    failures : sequence of str
        What failed, and why.
    written : sequence of pathlib.Path
        The files of the figures that did not.
    """

    def __init__(self, failures, written=()):
        super().__init__("; ".join(failures))
        self.failures, self.written = list(failures), list(written)


class DivergenceError(CorInfoMaxError, ArithmeticError):
    """Activity or weights that left the finite numbers."""


def _in_one_line(text: str) -> str:
    return "".join(
        character.encode("unicode_escape").decode() if category(character) in _UNSHOWN else character
        for character in text
    )


class StimulusWarning(UserWarning):
    """Stimuli that can be presented, but hardly as they are meant."""


def warn_caller(message: str, category: type[Warning]):
    """Warn in the line of the user's that called this package, whatever lies between.

    Parameters
    ----------
    message : str
    category : type of Warning
    """
    level, frame = 2, sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] in ("corinfomax", "brian2"):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)


def reason_of(error: BaseException) -> str:
    """Say in one line what is at the root of a library's error, through all that were raised from one another."""
    while error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, SyntaxError) and error.text:
        return f"{error.msg} in {error.text.strip()!r}"
    told = error.args[0] if isinstance(error, KeyError) and error.args else error  # which else stands in quotes
    lines = [line.strip() for line in str(told).splitlines() if line.strip()] or [type(error).__name__]
    # What ends in a colon says nothing without what follows.
    return " ".join(lines[:2]) if lines[0].endswith(":") else lines[0]


def nearest(word: str, allowed: Iterable[str]) -> str:
    """Ask for the word that is meant, or list those that are allowed."""
    return meant(word, allowed).rstrip() or f"allowed: {', '.join(sorted(allowed))}"


def meant(word: str, allowed: Iterable[str]) -> str:
    """Ask for the word that is meant, before those are listed that are there; "" if none is like it."""
    word = str(word)
    # Who writes layer_9 of a circuit with two layers has not mistyped layer_2.
    others = [name for name in allowed if name == word.lower() or _NUMBER.sub("", name) != _NUMBER.sub("", word)]
    close = difflib.get_close_matches(word, others, n=1) or difflib.get_close_matches(word.lower(), others, n=1)
    return f"did you mean {close[0]!r}? " if close else ""


class LibraryError(CorInfoMaxError, ImportError):
    """A library that cannot be imported, for what its settings say or because it is not there."""
