"""The split of a stimulus set into a training and a test part, always the same."""

from __future__ import annotations

import math

import numpy as np

from ..errors import StimulusError

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
    if labels is not None:
        classes, counts = np.unique(labels, return_counts=True)
        if counts.min() < 2:
            raise StimulusError(f"a stratified split needs 2 stimuli of each label; {classes[counts.argmin()]} has 1")
        if math.ceil(TEST_FRACTION * n) < len(classes):
            raise StimulusError(
                f"a stratified split needs 5 stimuli per label on average; there are {n} for {len(classes)} labels"
            )
    # Imported here because scikit-learn takes a second to import, which the command line's help need not wait for.
    from sklearn.model_selection import train_test_split

    train, test = train_test_split(np.arange(n), test_size=TEST_FRACTION, stratify=labels, random_state=0)
    return np.asarray(train), np.asarray(test)
