"""What is wrong with an array, and where: the checks that the set and its readers share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def first_row(bad: np.ndarray) -> int | None:
    """First row at which `bad` (n,) is true, or None if it nowhere is."""
    return int(bad.argmax()) if bad.any() else None


def misfit_of_names(names: Any) -> str | None:
    """Say why these are no names of classes, to stand after what they are; None if they are some.

    Parameters
    ----------
    names : object
        Allowed is a sequence of names: texts that a file can hold and of which something is to be seen, or numbers.
    """
    if isinstance(names, str | bytes) or not (isinstance(names, Sequence) or np.ndim(names) == 1):
        return f"is of type {type(names).__name__}; allowed is a sequence of names"
    texts = [str(name) for name in names]
    if twice := next((text for n, text in enumerate(texts) if text in texts[:n]), None):
        return f"has {twice!r} twice; each class has a name of its own"
    for n, name in enumerate(names):
        if not isinstance(name, str | int | np.integer) or isinstance(name, bool):
            return f"has {name!r} at {n}, which is no text"
        if not str(name).strip() or "\0" in str(name) or _lone(str(name)):
            return f"has {name!r} at {n}; a name must have letters, and only such as files can hold"
    return None


def _lone(text: str) -> bool:
    """Whether a text holds half characters (surrogates), which have no place in UTF-8."""
    return any("\ud800" <= letter <= "\udfff" for letter in text)


def misfit_of_numbers(array: np.ndarray) -> str | None:
    """Say why `array` (n, ...) is none of finite real numbers, to stand after its name; None if it is one."""
    if array.dtype.kind not in "biuf":
        return f"is of type {array.dtype}; allowed are real numbers"
    if array.size == 0:
        return f"is empty, of shape {array.shape}"
    finite = np.isfinite(array)
    if not finite.all():
        row, *column = np.argwhere(~finite)[0].tolist()
        place = f"row {row}" + (f", column {', '.join(map(str, column))}" if column else "")
        return f"is not finite at {place}, both from 0; allowed are finite numbers"
    return None
