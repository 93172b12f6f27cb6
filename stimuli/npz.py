"""The user's own stimuli: arrays by key, in one .npz file or in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import numpy as np

from ..archives import ArchiveError, opened_npz, read_member
from ..errors import StimulusError, nearest
from ..units import dropped_by_arrays
from .checks import first_row, misfit_of_numbers
from .classes import classes_in
from .split import train_test_rows
from .stimuli import Stimuli

ALLOWED = ("x", "y", "split", "classes", "task")
#: What a whole `Stimuli` is kept as: a file with the first of these is read as one.
_PARTS = tuple(f"{kind}_{part}" for kind in ("x", "y", "labels") for part in ("train", "test", "validation"))
_DESCRIPTION = ("name", "task", "image_shape", "class_names", "remark")
#: Channels of images in colour.
_COLOURS = 3
#: What errors call a key: that of which file, or of arrays in memory.
_Place = Path | str


def load_npz(path: str | Path) -> Stimuli:
    """Stimuli from a .npz file, as `numpy.savez` writes it, or `save_npz` a whole set.

    =========  ==========================================================================================
    key        array
    =========  ==========================================================================================
    x          (n, inputs), or images (n, height, width), in colour (n, height, width, 3), which are flattened.
               float32 stays float32, other numbers become float64. Runs scale it to 0 … 1, unless they have
               scale = "none"
    y          for classification labels (n,): words, or whole numbers, also such as are kept as floats if
               there are at least five stimuli of each on average; or rows (n, classes) with a single 1. Other
               real numbers (n,) or (n, outputs) are the targets of a regression. Without it the set has no
               targets (task "none")
    task       optional: "classification" or "regression", where y can be read as both
    split      optional, (n,): "train" or "test" each, or 0 (train) and 1 (test); without it 80/20, stratified
               by the labels, always the same
    classes    optional, with labels only: the number of classes or (classes,) names. Without it the labels
               must be 0 .. k − 1 with none left out
    =========  ==========================================================================================

    Parameters
    ----------
    path : str or Path
        The file; the set is named after it.

    Returns
    -------
    Stimuli

    Raises
    ------
    StimulusError
        A file that is missing or damaged; a key that is missing, unknown, or of the wrong shape, length or type;
        numbers that are not finite; labels out of range; an empty training or test part; a test label that no
        training stimulus has, which no circuit could learn (for such an experiment make the `Stimuli` yourself).
    """
    path = Path(path)
    arrays = _read_arrays(path)
    return _whole(path, arrays) if _PARTS[0] in arrays else _of_arrays(path, path.stem, arrays)


def from_arrays(arrays: Mapping[str, Any], name: str = "own") -> Stimuli:
    """Stimuli from arrays in memory, as `load_npz` has them from a file.

    Parameters
    ----------
    arrays : mapping of str to array_like
        The keys x, y, split, classes and task of `load_npz`; DataFrames and lists are welcome.
    name : str, default "own"
        Of the set, which its errors carry.

    Returns
    -------
    Stimuli

    Raises
    ------
    StimulusError
        As in `load_npz`, and for units and masked entries.
    """
    for key in arrays:
        if key not in ALLOWED:
            raise StimulusError(f"{name}: key {key!r} is unknown; {nearest(str(key), ALLOWED)}")
    if "x" not in arrays:
        raise _error(name, "x", "is missing; wanted are x, and y if there are targets")
    return _of_arrays(name, name, {key: _array(name, key, value) for key, value in arrays.items() if value is not None})


def save_npz(stimuli: Stimuli, file: str | Path | IO[bytes]) -> None:
    """Save a whole set, which `load_npz` reads again: the same arrays, bit for bit, in the same parts.

    Parameters
    ----------
    stimuli : Stimuli
    file : path or binary file
        As `numpy.savez` takes it.
    """
    kept = {key: getattr(stimuli, key) for key in (*_PARTS, *_DESCRIPTION)}
    np.savez(file, **{key: np.asarray(value) for key, value in kept.items() if value is not None})


def _whole(path: Path, arrays: dict[str, np.ndarray]) -> Stimuli:
    """Make the set that `save_npz` has saved."""
    plain: dict[str, Any] = {key: arrays.pop(key).tolist() for key in _DESCRIPTION if key in arrays}
    if "task" not in plain:
        raise _error(path, _PARTS[0], "needs task beside it, as save_npz has it; arrays of your own are x, y and split")
    try:
        return Stimuli(**arrays, **{"name": path.stem, **plain})
    except (StimulusError, TypeError, ValueError) as error:
        raise StimulusError(f"{path}: holds no set of stimuli ({' '.join(str(error).split())})") from None


def _array(name: str, key: str, value: Any) -> np.ndarray:
    if (misfit := dropped_by_arrays(value)) is not None:
        raise _error(name, key, misfit)
    try:
        array = np.asarray(value)
    except ValueError:  # rows of unequal lengths
        raise _error(name, key, "is no array; allowed are plain numbers and strings") from None
    if array.dtype == object and all(isinstance(each, str) for each in array.flat):
        return array.astype(str)  # words of a DataFrame or Series
    return array


def _of_arrays(path: _Place, name: str, arrays: dict[str, np.ndarray]) -> Stimuli:
    x, image_shape = _inputs(path, arrays["x"])
    y = arrays.get("y")
    if y is not None and y.ndim:
        _check_length(path, "y", y, len(x))
    found, task = None if y is None else _found_classes(y), _task(path, arrays)
    if task == "classification" and found is None:
        raise _error(path, "task", "is 'classification', but y holds no labels")
    if found is not None and task != "regression":
        y, names, what = found
        given = arrays.get("classes")
        labels = _labels(path, y)
        classes = names if given is None and names is not None else _classes(path, given, labels)
        train, test = _rows(path, arrays.get("split"), len(x), labels)
        if unseen := sorted(set(labels[test].tolist()) - set(labels[train].tolist())):
            raise _error(path, "split", f"leaves no training stimulus of label {unseen[0]}, which is tested")
        stimuli = Stimuli.from_labels(
            name, x[train], labels[train], x[test], labels[test], classes=classes, image_shape=image_shape
        )
        if not what or task is not None:
            return stimuli
        taken = f"y of {path if isinstance(path, str) else path.name}, {what}, is taken for {stimuli.outputs} classes"
        return replace(stimuli, remark=f"{taken}; for a regression save task = 'regression' beside it.")
    if y is not None and task is None and y.dtype.kind in "biu" and y.ndim == 2:
        raise _error(
            path,
            "y",
            f"holds integers of shape {y.shape}; labels are (n,), or rows with a single 1; targets of a regression are "
            "saved as y.astype(float), or with task = 'regression' beside them",
        )
    targets = None if y is None else _targets(path, y)
    if "classes" in arrays:
        raise _error(path, "classes", f"needs integer labels; y {'is missing' if y is None else 'holds real targets'}")
    train, test = _rows(path, arrays.get("split"), len(x))
    return Stimuli(
        name=name,
        x_train=x[train],
        y_train=None if targets is None else targets[train],
        x_test=x[test],
        y_test=None if targets is None else targets[test],
        task="none" if targets is None else "regression",
        image_shape=image_shape,
    )


def _error(path: _Place, key: str, message: str) -> StimulusError:
    return StimulusError(f"{path}: key {key!r} {message}")


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    if not path.is_file():
        raise StimulusError(f"{path}: {'is no file' if path.exists() else 'no such file'}")
    try:
        with opened_npz(path) as archive:
            allowed = (*_PARTS, *_DESCRIPTION) if _PARTS[0] in archive.files else ALLOWED
            for key in archive.files:
                if key not in allowed:
                    raise _error(path, key, f"is unknown; allowed are {', '.join(allowed)}")
            if allowed[0] not in archive.files:
                raise _error(path, "x", "is missing; wanted are x, and y if there are targets")
            return {key: _read_array(path, archive, key) for key in archive.files}
    except ArchiveError as error:
        wanted = f"wanted is a .npz file with the keys {', '.join(ALLOWED)}"
        raise StimulusError(f"{path}: cannot be read ({error}); {wanted}") from error


def _read_array(path: Path, archive: np.lib.npyio.NpzFile, key: str) -> np.ndarray:
    try:
        return read_member(archive, key)
    except ArchiveError as error:
        if "allow_pickle" in str(error):  # the only word by which NumPy tells such arrays
            words = ": words are saved as y.astype(str)" if key == "y" else ""
            told = f"holds Python objects; allowed are plain numbers and strings{words}"
            raise _error(path, key, told) from error
        raise _error(path, key, f"cannot be read ({error}); allowed are arrays of plain numbers and strings") from error


def _inputs(path: _Place, x: np.ndarray) -> tuple[np.ndarray, tuple[int, ...] | None]:
    if x.ndim not in (2, 3, 4) or (x.ndim == 4 and x.shape[3] != _COLOURS):
        allowed = f"(n, inputs), (n, height, width) and (n, height, width, {_COLOURS})"
        raise _error(path, "x", f"has shape {x.shape}; allowed are {allowed}")
    _check_numbers(path, "x", x)
    return x.reshape(len(x), -1), None if x.ndim == 2 else x.shape[1:]


def _targets(path: _Place, y: np.ndarray) -> np.ndarray:
    if y.ndim not in (1, 2):
        raise _error(path, "y", f"has shape {y.shape}; allowed are (n,) and (n, outputs)")
    if y.dtype.kind in "US":
        raise _error(path, "y", f"holds words of shape {y.shape}; allowed are labels (n,), and numbers in a regression")
    _check_numbers(path, "y", y)
    return y.reshape(len(y), -1)


def _check_numbers(path: _Place, key: str, array: np.ndarray) -> None:
    if (misfit := misfit_of_numbers(array)) is not None:
        raise _error(path, key, misfit)


def _check_length(path: _Place, key: str, array: np.ndarray, n: int) -> None:
    if len(array) != n:
        raise _error(path, key, f"has {len(array)} rows, x {n}; both have a row for each stimulus")


def _found_classes(y: np.ndarray) -> tuple[np.ndarray, list[str] | None, str] | None:
    return classes_in(y) if y.dtype.kind in "biufUS" and y.ndim in (1, 2) else None


def _task(path: _Place, arrays: dict[str, np.ndarray]) -> str | None:
    if "task" not in arrays:
        return None
    task, allowed = arrays["task"], ("classification", "regression")
    if task.ndim or str(task) not in allowed or "y" not in arrays:
        raise _error(path, "task", f"is {task!s}; allowed are {' and '.join(map(repr, allowed))}, beside y")
    return str(task)


def _labels(path: _Place, y: np.ndarray) -> np.ndarray:
    if y.ndim != 1:
        raise _error(path, "y", f"holds integers of shape {y.shape}; labels are (n,), regression targets real numbers")
    # Unsigned 64-bit labels beyond the signed range turn negative here, and are refused as such.
    labels = y.astype(np.int64)
    if (row := first_row(labels < 0)) is not None:
        raise _error(path, "y", f"is {y[row]} at row {row}; labels count from 0")
    return labels


def _classes(path: _Place, classes: np.ndarray | None, labels: np.ndarray) -> int | list[str]:
    """Find the number or the names of the classes, and check that the labels fit them."""
    if classes is None:
        present = np.unique(labels)
        if len(gaps := np.flatnonzero(present != np.arange(len(present)))):
            raise _error(path, "y", f"has no label {gaps[0]} but higher ones; labels count from 0, or give 'classes'")
        answer, count = len(present), len(present)
    elif classes.ndim == 0 and classes.dtype.kind in "iu":
        answer, count = int(classes), int(classes)
    elif classes.ndim == 1 and classes.dtype.kind == "U":
        answer, count = classes.tolist(), len(classes)
    else:
        raise _error(
            path, "classes", f"is {classes.dtype} of shape {classes.shape}; allowed are an integer and (classes,) names"
        )
    if count > max(2, len(labels)):
        raise _error(path, "classes", f"makes {count} classes of {len(labels)} stimuli")
    if count < 2:
        raise _error(path, "y" if classes is None else "classes", f"makes {count} class; allowed are 2 and more")
    if (row := first_row(labels >= count)) is not None:
        raise _error(path, "y", f"is {labels[row]} at row {row}; allowed is 0 to {count - 1}, from key 'classes'")
    return answer


def _rows(
    path: _Place, split: np.ndarray | None, n: int, labels: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    if split is None:
        try:
            return train_test_rows(n, labels)
        except StimulusError as error:
            raise StimulusError(f"{path}: {error}; or give the key 'split'") from error
    if split.ndim != 1 or split.dtype.kind not in "Ubiu":
        raise _error(path, "split", f"is {split.dtype} of shape {split.shape}; allowed are (n,) strings or 0 and 1")
    _check_length(path, "split", split, n)
    train, test = ("train", "test") if split.dtype.kind == "U" else (0, 1)
    if (row := first_row((split != train) & (split != test))) is not None:
        raise _error(path, "split", f"is {split[row].item()!r} at row {row}; allowed are {train!r} and {test!r}")
    rows = np.flatnonzero(split == train), np.flatnonzero(split == test)
    for part, chosen in zip(("training", "test"), rows, strict=True):
        if len(chosen) == 0:
            raise _error(path, "split", f"leaves no {part} stimulus")
    return rows
