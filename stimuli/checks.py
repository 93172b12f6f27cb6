"""What is wrong with an array, and where: the checks that the set and its readers share."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..units import unit_of


def misfit_of_kind(values: Any) -> str | None:
    """Say what NumPy would drop in silence, masks and units, to stand after the name of `values`; None if nothing."""
    if np.ma.is_masked(values):
        return "has masked entries; fill them in, or leave out the stimuli that have some"
    if (unit := unit_of(values)) is not None:
        return f"has the unit {unit}; allowed are plain numbers"
    return None


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
