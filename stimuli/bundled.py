"""Two small sets that need no download."""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path

import numpy as np

from .split import train_test_rows
from .stimuli import Stimuli

STANDARD_DEVIATIONS = 3.0
TARGET_RANGE = (0.1, 0.9)


def digits(data: Path | None = None) -> Stimuli:
    """Handwritten digits of 8 × 8 pixels (Alpaydin & Kaynak 1998, CC BY 4.0), 1437 to train and 360 to test.

    Parameters
    ----------
    data : Path, optional
        Not used: the set is part of the package.

    Returns
    -------
    Stimuli
        64 inputs, grey levels / 16 in [0, 1]; 10 classes. The split is stratified, 80/20, `random_state` 0.
    """
    # A copy of scikit-learn's and of its split; importing scikit-learn would take a first run as long as all else.
    with as_file(files(__package__) / "digits.npz") as path, np.load(path) as arrays:
        grey_levels, labels, train, test = (arrays[name] for name in ("grey_levels", "labels", "train", "test"))
    x, labels = grey_levels / 16, labels.astype(np.int64)
    return Stimuli.from_labels(
        "digits",
        x[train],
        labels[train],
        x[test],
        labels[test],
        classes=[str(digit) for digit in range(10)],
        image_shape=(8, 8),
    )


def diabetes(data: Path | None = None) -> Stimuli:
    """Progression of diabetes in 442 patients from ten measurements (Efron et al. 2004): regression.

    Each input is standardised with the training part's mean and standard deviation, and ±3 standard deviations are
    mapped to [0, 1], where it is clipped. The target is mapped linearly so that its training range is [0.1, 0.9]:
    output rates live in [0, 1], and the headroom lets them represent test targets beyond the training range and
    err on both sides. R² does not depend on this map.

    Parameters
    ----------
    data : Path, optional
        Not used: the set comes with scikit-learn.

    Returns
    -------
    Stimuli
        10 inputs in [0, 1], one output; 353 to train and 89 to test, `random_state` 0.
    """
    from sklearn.datasets import load_diabetes

    measurements, progression = map(np.asarray, load_diabetes(return_X_y=True, scaled=False))
    train, test = train_test_rows(len(progression))
    x = _standardised_rates(measurements, measurements[train])
    y = _target_rates(progression[:, None], progression[train])
    return Stimuli(
        name="diabetes", x_train=x[train], y_train=y[train], x_test=x[test], y_test=y[test], task="regression"
    )


def _standardised_rates(x: np.ndarray, x_train: np.ndarray) -> np.ndarray:
    z = (x - x_train.mean(axis=0)) / x_train.std(axis=0)
    return np.clip(0.5 + z / (2 * STANDARD_DEVIATIONS), 0, 1)


def _target_rates(y: np.ndarray, y_train: np.ndarray) -> np.ndarray:
    low, high = TARGET_RANGE
    return low + (high - low) * (y - y_train.min()) / (y_train.max() - y_train.min())
