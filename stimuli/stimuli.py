"""`Stimuli`: a stimulus set in training and test parts, checked once, when it is made."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np

from ..errors import ParameterError, StimulusError


def one_hot(labels: np.ndarray, classes: int, dtype: Any = np.float64) -> np.ndarray:
    """Targets in which the unit of the right class is 1 and all others are 0.

    Parameters
    ----------
    labels : (n,) integer array
        Each in 0 .. classes − 1.
    classes : int
        Number of classes, that is of output units.
    dtype : numpy dtype, optional
        Of the targets.

    Returns
    -------
    (n, classes) array
    """
    targets = np.zeros((len(labels), classes), dtype)
    targets[np.arange(len(labels)), labels] = 1
    return targets


def first_nonfinite_row(array: np.ndarray) -> int | None:
    """First row of `array` (n, ...) that holds a NaN or an infinity, or None if all are finite."""
    finite = np.isfinite(array)
    if finite.all():
        return None
    return int(np.argmin(finite.reshape(len(array), -1).all(axis=1)))


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Stimuli:
    """A stimulus set: inputs and targets, for training and for testing.

    The arrays are read-only views and keep the precision they come with: float32 stays float32 (as in mnist, to halve
    its memory), all other real numbers become float64. Nothing is rescaled, unless by `normalised`.

    Parameters
    ----------
    name : str
        Name of the set, which its errors carry.
    x_train, x_test : (n, inputs) arrays
        Input rates, one row a stimulus. The built-in sets keep them in [0, 1] (dimensionless; 1 ↔ 100 Hz).
    y_train, y_test : (n, outputs) arrays
        Target rates of the output units; only values in the circuit's output domain can be reached. In
        classification the largest entry of a row is at its label.
    labels_train, labels_test : (n,) integer arrays or None
        Class of each stimulus, in 0 .. outputs − 1; None in regression.
    task : {"classification", "regression"}
        What the outputs are judged by: accuracy, or R².
    image_shape : tuple of int or None
        (height, width) or (height, width, channels) whose row-major flattening a row of x is; None if not an image.
    class_names : tuple of str or None
        One name per output unit.

    Raises
    ------
    StimulusError
        An array of the wrong shape, length or type, that is empty or not finite, or labels out of range or at odds
        with the targets. The message names the set, the array and the first bad row.

    See Also
    --------
    Stimuli.from_labels : makes the one-hot targets.
    """

    name: str
    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    labels_train: np.ndarray | None = None
    labels_test: np.ndarray | None = None
    task: Literal["classification", "regression"]
    image_shape: tuple[int, ...] | None = None
    class_names: tuple[str, ...] | None = None

    def __post_init__(self):
        if self.task not in ("classification", "regression"):
            raise self._error("task", f"is {self.task!r}; allowed are 'classification' and 'regression'")
        for part in ("train", "test"):
            self._check_rates(f"x_{part}")
            self._check_rates(f"y_{part}", rows_of=f"x_{part}")
        for kind in ("x", "y"):
            train, test = getattr(self, f"{kind}_train"), getattr(self, f"{kind}_test")
            if train.shape[1] != test.shape[1]:
                raise self._error(f"{kind}_test", f"has {test.shape[1]} columns, {kind}_train {train.shape[1]}")
        for part in ("train", "test"):
            self._check_labels(part)
        self._check_description()

    @classmethod
    def from_labels(
        cls,
        name: str,
        x_train: np.ndarray,
        labels_train: np.ndarray,
        x_test: np.ndarray,
        labels_test: np.ndarray,
        *,
        classes: int | Sequence[str] | None = None,
        image_shape: tuple[int, ...] | None = None,
    ) -> Stimuli:
        """Make a classification set with one-hot targets, in the precision of `x_train`.

        Parameters
        ----------
        name, x_train, labels_train, x_test, labels_test, image_shape
            As in `Stimuli`.
        classes : int or sequence of str, optional
            Number of classes or their names; by default the largest label plus one.

        Raises
        ------
        StimulusError
            As in `Stimuli`.
        """
        labels = {"labels_train": np.asarray(labels_train), "labels_test": np.asarray(labels_test)}
        for array_name, array in labels.items():
            _check_label_type(name, array_name, array)
        if classes is None:
            classes = 1 + max(int(array.max()) for array in labels.values())
        if isinstance(classes, int | np.integer):
            outputs, class_names = int(classes), None
        else:
            outputs, class_names = len(classes), tuple(classes)
        dtype = np.float32 if np.asarray(x_train).dtype == np.float32 else np.float64
        for array_name, array in labels.items():
            _check_label_range(name, array_name, array, outputs)
        return cls(
            name=name,
            x_train=x_train,
            y_train=one_hot(labels["labels_train"], outputs, dtype),
            x_test=x_test,
            y_test=one_hot(labels["labels_test"], outputs, dtype),
            **labels,
            task="classification",
            image_shape=image_shape,
            class_names=class_names,
        )

    def normalised(
        self, mean: float | Sequence[float] | None = None, std: float | Sequence[float] | None = None
    ) -> Stimuli:
        """Return the set with inputs (x − mean)/std, in training and test part; the targets stay.

        Parameters
        ----------
        mean, std : float or sequence of float, optional
            A number, one for each channel of an image (the last of its three axes; an image of two has one channel),
            or one for each input; by default 0 and 1.

        Returns
        -------
        Stimuli
            In the precision of this set: float32 stays float32.

        Raises
        ------
        ParameterError
            Another length, numbers that are not finite in that precision, or a standard deviation that is not above 0.
        StimulusError
            The results are not finite.
        """
        parts = {}
        for part in ("x_train", "x_test"):
            x = getattr(self, part)
            shift, scale = self._per_input("mean", mean, 0, x.dtype), self._per_input("std", std, 1, x.dtype)
            with np.errstate(over="ignore"):
                parts[part] = x - shift
                parts[part] /= scale
        return replace(self, **parts)

    @property
    def inputs(self) -> int:
        """Number of input units."""
        return self.x_train.shape[1]

    @property
    def outputs(self) -> int:
        """Number of output units: of classes, or of regression targets."""
        return self.y_train.shape[1]

    @cached_property
    def digest(self) -> str:
        """Fingerprint of all arrays (SHA-256), by which a run knows its stimuli again."""
        sha = hashlib.sha256()
        for array in (self.x_train, self.y_train, self.x_test, self.y_test):
            sha.update(f"{array.shape} {array.dtype}".encode())
            sha.update(array.data)
        return sha.hexdigest()

    def __repr__(self) -> str:
        return (
            f"<Stimuli {self.name}: {self.task}, inputs {self.inputs}, outputs {self.outputs}, "
            f"train {len(self.x_train)}, test {len(self.x_test)}>"
        )

    def _per_input(self, key: str, given: float | Sequence[float] | None, default: float, dtype: Any) -> np.ndarray:
        """Spread what is given for all inputs, for each channel or for each input to a number, or one an input."""
        try:
            with np.errstate(over="ignore", under="ignore"):
                values = np.asarray(default if given is None else given, dtype)
        except (TypeError, ValueError, OverflowError):
            raise ParameterError(f"{key} is {given!r}; allowed are a number or a list of numbers") from None
        allowed = {self.inputs: "one per input"}
        if self.image_shape is not None:
            allowed[self.image_shape[2] if len(self.image_shape) == 3 else 1] = "one per channel"
        if values.ndim > 1 or (values.ndim == 1 and len(values) not in allowed):
            lengths = " or ".join(f"{length} ({meaning})" for length, meaning in sorted(allowed.items()))
            shown = f"has {len(values)} values" if values.ndim == 1 else f"has shape {values.shape}"
            raise ParameterError(f"{key} {shown}; allowed for {self.name} are a number, or a list of {lengths}")
        if not np.isfinite(values).all() or (key == "std" and not (values > 0).all()):
            raise ParameterError(f"{key} must be finite{' and above 0' if key == 'std' else ''}, in {np.dtype(dtype)}")
        return values if values.ndim == 0 else np.resize(values, self.inputs)

    def _error(self, array_name: str, message: str) -> StimulusError:
        return StimulusError(f"{self.name}: {array_name} {message}")

    def _keep(self, array_name: str, array: np.ndarray) -> None:
        # A view, so that the caller's own array stays writable.
        view = array.view()
        view.flags.writeable = False
        object.__setattr__(self, array_name, view)

    def _check_rates(self, array_name: str, rows_of: str | None = None) -> None:
        array = np.asarray(getattr(self, array_name))
        if array.dtype.kind not in "biuf":
            raise self._error(array_name, f"is of type {array.dtype}; allowed are real numbers")
        if array.ndim != 2:
            raise self._error(array_name, f"has shape {array.shape}; allowed is (stimuli, units)")
        if array.size == 0:
            raise self._error(array_name, f"is empty, of shape {array.shape}")
        if rows_of is not None and len(array) != (expected := len(getattr(self, rows_of))):
            raise self._error(array_name, f"has {len(array)} rows, {rows_of} {expected}")
        if (row := first_nonfinite_row(array)) is not None:
            raise self._error(array_name, f"is not finite at row {row}; allowed are finite numbers")
        self._keep(array_name, np.ascontiguousarray(array, np.float32 if array.dtype == np.float32 else np.float64))

    def _check_labels(self, part: str) -> None:
        array_name = f"labels_{part}"
        given, targets = getattr(self, array_name), getattr(self, f"y_{part}")
        if self.task == "regression":
            if given is not None:
                raise self._error(array_name, "must be None in regression")
            if len(targets) < 2:
                raise self._error(f"y_{part}", "is one target; R² needs at least 2")
            return
        if given is None:
            raise self._error(array_name, "is missing; classification needs integer labels")
        labels = np.asarray(given)
        _check_label_type(self.name, array_name, labels)
        _check_label_range(self.name, array_name, labels, self.outputs)
        if len(labels) != len(targets):
            raise self._error(array_name, f"has {len(labels)} rows, y_{part} {len(targets)}")
        if (odd := targets.argmax(axis=1) != labels).any():
            row = int(odd.argmax())
            raise self._error(array_name, f"is {labels[row]} at row {row}, where the largest target is another's")
        self._keep(array_name, labels.astype(np.int64))

    def _check_description(self) -> None:
        if self.image_shape is not None:
            shape = tuple(self.image_shape)
            if len(shape) not in (2, 3) or math.prod(shape) != self.inputs:
                raise self._error("image_shape", f"is {shape}, which does not make {self.inputs} inputs in 2-D or 3-D")
            object.__setattr__(self, "image_shape", shape)
        if self.class_names is not None:
            names = tuple(self.class_names)
            if len(names) != self.outputs:
                raise self._error("class_names", f"has {len(names)} names for {self.outputs} outputs")
            object.__setattr__(self, "class_names", names)


def _check_label_type(name: str, array_name: str, labels: np.ndarray) -> None:
    if labels.ndim != 1 or labels.size == 0 or labels.dtype.kind not in "iu":
        raise StimulusError(
            f"{name}: {array_name} is {labels.dtype} of shape {labels.shape}; allowed are integers of shape (stimuli,)"
        )


def _check_label_range(name: str, array_name: str, labels: np.ndarray, outputs: int) -> None:
    if (bad := (labels < 0) | (labels >= outputs)).any():
        row = int(bad.argmax())
        raise StimulusError(f"{name}: {array_name} is {labels[row]} at row {row}; allowed is 0 to {outputs - 1}")
