"""Whether targets are classes: the forms in which people keep labels."""

from __future__ import annotations

import numpy as np

#: Whole numbers that are kept as floats count as classes where each has so many stimuli on average.
_STIMULI_A_CLASS = 5


def classes_in(y: np.ndarray) -> tuple[np.ndarray, list[str] | None, str] | None:
    """Read targets as classes, if they are some.

    Parameters
    ----------
    y : ndarray (n,), (n, 1) or (n, outputs)
        Words; whole numbers, also ones kept as floats; or rows with a single 1 among zeros.

    Returns
    -------
    (labels, names, what) or None
        Labels (n,) from 0; the classes' names, None where the labels are the numbers as they stand; and in words what
        was taken for classes, "" where there is no doubt. None for targets that are no classes.
    """
    if y.ndim == 2 and y.shape[1] > 1:
        return _one_hot(y)
    if y.ndim > 2 or not y.size:
        return None
    y = y.reshape(len(y))
    if y.dtype.kind in "US":
        names, labels = np.unique(y.astype(str), return_inverse=True)
        return labels, names.tolist(), ""
    if y.dtype.kind == "f":
        return _whole(y)
    present = np.unique(y)
    # Labels that count from 0 are what they are; others get names.
    if y.dtype.kind == "b" or present[0] == 0 or len(present) * _STIMULI_A_CLASS > len(y):
        return y, None, ""
    return _named(y, f"whole numbers from {present[0]} to {present[-1]}")


def _one_hot(y: np.ndarray) -> tuple[np.ndarray, None, str] | None:
    if y.dtype.kind not in "biuf" or not (np.isin(y, (0, 1)).all() and (y.sum(axis=1) == 1).all()):
        return None
    return y.argmax(axis=1), None, f"rows of {y.shape[1]} numbers with a single 1"


def _whole(y: np.ndarray) -> tuple[np.ndarray, list[str] | None, str] | None:
    if not np.isfinite(y).all() or (y != np.round(y)).any():
        return None
    present = np.unique(y)
    without_gaps = len(present) > 1 and np.ptp(present) == len(present) - 1
    if not without_gaps or len(present) * _STIMULI_A_CLASS > len(y):
        return None
    what = f"whole numbers from {present[0]:g} to {present[-1]:g}"
    return (y.astype(int), None, what) if present[0] == 0 else _named(y.astype(int), what)


def _named(y: np.ndarray, what: str) -> tuple[np.ndarray, list[str], str]:
    names, labels = np.unique(y, return_inverse=True)
    return labels, [str(name) for name in names], what
