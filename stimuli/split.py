"""Splits of a stimulus set: into training and test part, and of the training part for validation."""

from __future__ import annotations

import math
from numbers import Integral, Real

import numpy as np

from ..errors import ParameterError, StimulusError

TEST_FRACTION = 0.2


def train_test_rows(n: int, labels: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Rows of an 80/20 split, stratified if there are labels, always the same (scikit-learn's, `random_state` 0).

    Parameters
    ----------
    n : int
        Number of stimuli, at least 2.
    labels : (n,) integer array, optional
        Classes whose proportions both parts shall keep.

    Returns
    -------
    train, test : (n_train,) and (n_test,) integer arrays
        n_test = ⌈n/5⌉.

    Raises
    ------
    StimulusError
        Too few stimuli, altogether or of one class.
    """
    if n < 2:
        raise StimulusError(f"a split into training and test stimuli needs at least 2 of them, not {n}")
    n_test = math.ceil(TEST_FRACTION * n)
    if labels is not None:
        classes, counts = np.unique(labels, return_counts=True)
        if counts.min() < 2:
            single = classes[counts.argmin()]
            raise StimulusError(f"a stratified split needs 2 stimuli of each label; label {single} has 1")
        if n_test < len(classes):
            raise StimulusError(
                f"a stratified split needs 5 stimuli per label on average; there are {n} for {len(classes)} labels"
            )
    return _split(n, n_test, labels, seed=0)


def validation_rows(
    n: int, fraction: float, seed: int = 0, labels: np.ndarray | None = None, least: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the training part that are left to train, and those that stand apart for validation (scikit-learn's).

    Parameters
    ----------
    n : int
        Number of training stimuli.
    fraction : float
        Share of them that stands apart, above 0 and below 1.
    seed : int, default 0
        `random_state` of the split, below 2³².
    labels : (n,) integer array, optional
        Classes whose proportions both parts shall keep. Each must have a stimulus in both.
    least : int, default 1
        Stimuli that each part needs.

    Returns
    -------
    train, validation : (n_train,) and (n_validation,) integer arrays
        n_validation = ⌈fraction · n⌉.

    Raises
    ------
    ParameterError
        A fraction or seed out of range, or a fraction that leaves a part or a class empty.
    """
    if isinstance(fraction, bool) or not isinstance(fraction, Real) or not 0 < fraction < 1:
        raise ParameterError(f"validation fraction is {fraction!r}; allowed are numbers above 0 and below 1")
    if isinstance(seed, bool) or not isinstance(seed, Integral) or not 0 <= seed < 2**32:
        raise ParameterError(f"validation seed is {seed!r}; allowed are integers from 0 to 2³² − 1")
    n_validation = math.ceil(float(fraction) * n)
    split = f"validation fraction {fraction} of {n} training stimuli"
    for part, count in (("train", n - n_validation), ("validate", n_validation)):
        if count < least:
            raise ParameterError(f"{split} leaves {count} to {part}; allowed are {least} and more")
    if labels is None:
        return _split(n, n_validation, None, seed)
    classes, counts = np.unique(labels, return_counts=True)
    # scikit-learn refuses the first two itself, but not a class that comes out empty by rounding.
    if counts.min() > 1 and min(n_validation, n - n_validation) >= len(classes):
        parts = _split(n, n_validation, labels, seed)
        if all(len(np.unique(labels[rows])) == len(classes) for rows in parts):
            return parts
    raise ParameterError(
        f"{split} does not leave each of {len(classes)} labels a stimulus to train and one to validate; "
        f"the rarest, {classes[counts.argmin()]}, has {counts.min()}"
    )


def _split(n: int, apart: int, labels: np.ndarray | None, seed: int) -> tuple[np.ndarray, np.ndarray]:
    # Imported here because scikit-learn takes a second to import, which the command line's help need not wait for.
    from sklearn.model_selection import train_test_split

    rest, chosen = train_test_split(np.arange(n), test_size=apart, stratify=labels, random_state=int(seed))
    return np.asarray(rest), np.asarray(chosen)
