"""What is wrong with an array, and where: the checks that the set and its readers share."""

from __future__ import annotations

import numpy as np


def first_row(bad: np.ndarray) -> int | None:
    """First row at which `bad` (n,) is true, or None if it nowhere is."""
    return int(bad.argmax()) if bad.any() else None


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
