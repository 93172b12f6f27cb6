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
        row = first_row(~finite.reshape(len(array), -1).all(axis=1))
        return f"is not finite at row {row}; allowed are finite numbers"
    return None
