"""`Stimuli`: a stimulus set in training, validation and test parts, checked once, when it is made."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np

from ..errors import StimulusError
from ..summary import shortened
from ..units import dropped_by_arrays
from .checks import first_row, misfit_of_names, misfit_of_numbers
from .normalisation import normalised, plain_inputs
from .split import validation_rows

TASKS = ("classification", "regression", "none")


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


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Stimuli:
    """A stimulus set: inputs and, unless its task is "none", targets; for training, testing and perhaps validation.

    The arrays are read-only views and keep the precision they come with: float32 stays float32 (as in mnist, to halve
    its memory), all other real numbers become float64. Nothing is rescaled, unless by `normalised`.

    Parameters
    ----------
    name : str
        Name of the set, which its errors carry.
    x_train, x_test : (n, inputs) arrays
        Input rates, one row a stimulus. The built-in sets but `subspace` keep them in [0, 1] (dimensionless;
        1 ↔ 100 Hz).
    y_train, y_test : (n, outputs) arrays or None
        Target rates of the output units; only values in the circuit's output domain can be reached. In
        classification the largest entry of a row is at its label. None if the task is "none".
    labels_train, labels_test : (n,) integer arrays or None
        Class of each stimulus, in 0 .. outputs − 1; None in regression. If the task is "none" they are optional, in
        all parts or in none, and any integers from 0.
    x_validation, y_validation, labels_validation : arrays or None
        The same of stimuli that no training sees, on which parameters are chosen; None without such a part.
    task : {"classification", "regression", "none"}
        What the outputs are judged by: accuracy, or R², or nothing in the set, which then has no targets.
    image_shape : tuple of int or None
        (height, width) or (height, width, channels) whose row-major flattening a row of x is; None if not an image.
    class_names : tuple of str or None
        One name per output unit; if the task is "none", of the labels from 0.
    remark : str
        What whoever uses the set should be told of how it was read.

    Raises
    ------
    StimulusError
        An array of the wrong shape, length or type, that is empty or not finite, or labels out of range or at odds
        with the targets. The message names the set, the array and the first bad row.

    See Also
    --------
    Stimuli.from_labels : makes the one-hot targets.
    Stimuli.with_validation : splits the validation part off.
    """

    name: str
    x_train: np.ndarray
    y_train: np.ndarray | None = None
    x_test: np.ndarray
    y_test: np.ndarray | None = None
    labels_train: np.ndarray | None = None
    labels_test: np.ndarray | None = None
    x_validation: np.ndarray | None = None
    y_validation: np.ndarray | None = None
    labels_validation: np.ndarray | None = None
    task: Literal["classification", "regression", "none"]
    image_shape: tuple[int, ...] | None = None
    class_names: tuple[str, ...] | None = None
    remark: str = ""

    def __post_init__(self):
        if self.task not in TASKS:
            raise self._error("task", f"is {self.task!r}; allowed are {', '.join(map(repr, TASKS))}")
        if self.x_validation is None and (self.y_validation is not None or self.labels_validation is not None):
            raise self._error("x_validation", "is missing; there are targets or labels of that part")
        kinds = ("x",) if self.task == "none" else ("x", "y")
        for part in self.parts:
            for kind in kinds:
                self._check_rates(f"{kind}_{part}", rows_of=f"x_{part}")
            if self.task == "none" and getattr(self, f"y_{part}") is not None:
                raise self._error(f"y_{part}", "must be None if the task is 'none'")
        for kind in kinds:
            train, *others = (getattr(self, f"{kind}_{part}") for part in self.parts)
            for part, other in zip(self.parts[1:], others, strict=True):
                if other.shape[1] != train.shape[1]:
                    raise self._error(f"{kind}_{part}", f"has {other.shape[1]} columns, {kind}_train {train.shape[1]}")
        for part in self.parts:
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
        labels = {}
        for array_name, given in (("labels_train", labels_train), ("labels_test", labels_test)):
            if (misfit := dropped_by_arrays(given)) is not None:
                raise StimulusError(f"{name}: {array_name} {misfit}")
            labels[array_name] = np.asarray(given)
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
        """Return the set with inputs (x − mean)/std, in all parts; the targets stay.

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
            Another length, numbers that are not finite in that precision, a standard deviation that is not above 0, or
            results that are not finite.
        """
        names = [f"x_{part}" for part in self.parts]
        return replace(self, **{name: normalised(self, name, getattr(self, name), mean, std) for name in names})

    def normalised_inputs(
        self, x, mean: float | Sequence[float] | None = None, std: float | Sequence[float] | None = None
    ) -> np.ndarray:
        """Scale further inputs as `normalised` scales those of the set.

        Parameters
        ----------
        x : array_like (n, inputs), or images of the set's shape
            (inputs,) for one.
        mean, std : float or sequence of float, optional
            As in `normalised`.

        Returns
        -------
        ndarray (n, inputs)
            (x − mean)/std, in the precision of this set.

        Raises
        ------
        StimulusError
            Inputs of another number, that are not finite, or no plain numbers.
        ParameterError
            As in `normalised`.
        """
        return normalised(self, "x", plain_inputs(self, x), mean, std)

    def with_validation(self, fraction: float, seed: int = 0) -> Stimuli:
        """Return the set with a part of its training stimuli set apart for validation; the test part stays.

        Parameters
        ----------
        fraction : float
            Share of the training stimuli that is set apart, above 0 and below 1: ⌈fraction · n⌉ of n, with labels
            stratified by them. Neither part is in the order that the training stimuli had.
        seed : int, default 0
            Of the choice, which is scikit-learn's `train_test_split`.

        Returns
        -------
        Stimuli

        Raises
        ------
        ParameterError
            A fraction out of range, or one that leaves a part without stimuli (in regression with fewer than 2), or
            without any of a label that the training stimuli have; a seed that is no integer from 0 to 2³² − 1.
        StimulusError
            The set has a validation part already.
        """
        if self.x_validation is not None:
            raise self._error("x_validation", "is there already; allowed is a set without a validation part")
        least = 2 if self.task == "regression" else 1
        rows = dict(
            zip(
                ("train", "validation"),
                validation_rows(len(self.x_train), fraction, seed, self.labels_train, least),
                strict=True,
            )
        )
        return replace(
            self,
            **{
                f"{kind}_{part}": array[chosen]
                for kind in ("x", "y", "labels")
                if (array := getattr(self, f"{kind}_train")) is not None
                for part, chosen in rows.items()
            },
        )

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the parts: ("train", "test"), or ("train", "validation", "test")."""
        return ("train", "test") if self.x_validation is None else ("train", "validation", "test")

    @property
    def inputs(self) -> int:
        """Number of input units."""
        return self.x_train.shape[1]

    @property
    def outputs(self) -> int:
        """Number of output units: of classes, or of regression targets; 0 without targets."""
        return 0 if self.y_train is None else self.y_train.shape[1]

    @property
    def class_labels(self) -> list[str]:
        """What the classes are called: their names, or their numbers where they have none."""
        return [str(name) for name in self.class_names or range(self.outputs)]

    @property
    def short_labels(self) -> list[str]:
        """The same as tables and messages have room for them; see `summary.shortened`."""
        return shortened(self.class_labels)

    @cached_property
    def digest(self) -> str:
        """Fingerprint of all arrays (SHA-256), by which a run knows its stimuli again."""
        # Labels count only where there are no targets, which are made of them; and what is None leaves no trace, so
        # that sets with targets and without validation have the digests that older runs hold.
        kinds = ("x", "labels") if self.task == "none" else ("x", "y")
        sha = hashlib.sha256()
        for part in ("train", "test", "validation"):
            for kind in kinds:
                if (array := getattr(self, f"{kind}_{part}")) is not None:
                    sha.update(f"{array.shape} {array.dtype}".encode())
                    sha.update(array.data)
        return sha.hexdigest()

    def __repr__(self) -> str:
        task = "no targets" if self.task == "none" else self.task
        outputs = f", outputs {self.outputs}" if self.outputs else ""
        parts = ", ".join(f"{part} {len(getattr(self, f'x_{part}'))}" for part in self.parts)
        return f"<Stimuli {self.name}: {task}, inputs {self.inputs}{outputs}, {parts}>"

    def _error(self, array_name: str, message: str) -> StimulusError:
        return StimulusError(f"{self.name}: {array_name} {message}")

    def _keep(self, array_name: str, array: np.ndarray) -> None:
        # A view, so that the caller's own array stays writable.
        view = array.view()
        view.flags.writeable = False
        object.__setattr__(self, array_name, view)

    def _check_rates(self, array_name: str, rows_of: str) -> None:
        given = getattr(self, array_name)
        if given is None:
            raise self._error(array_name, "is missing; only targets may be, if the task is 'none'")
        if (misfit := dropped_by_arrays(given)) is not None:
            raise self._error(array_name, misfit)
        array = np.asarray(given)
        if array.ndim != 2:
            raise self._error(array_name, f"has shape {array.shape}; allowed is (stimuli, units)")
        if (misfit := misfit_of_numbers(array)) is not None:
            raise self._error(array_name, misfit)
        if len(array) != (expected := len(getattr(self, rows_of))):
            raise self._error(array_name, f"has {len(array)} rows, {rows_of} {expected}")
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
        if self.task == "none":
            if (given is None) != (self.labels_train is None):
                raise self._error(array_name, f"is {'missing' if given is None else 'there'}, unlike labels_train")
            if given is None:
                return
        elif given is None:
            raise self._error(array_name, "is missing; classification needs integer labels")
        if (misfit := dropped_by_arrays(given)) is not None:
            raise self._error(array_name, misfit)
        labels = np.asarray(given)
        _check_label_type(self.name, array_name, labels)
        _check_label_range(self.name, array_name, labels, None if self.task == "none" else self.outputs)
        rows_of = f"x_{part}" if targets is None else f"y_{part}"
        if len(labels) != (expected := len(getattr(self, rows_of))):
            raise self._error(array_name, f"has {len(labels)} rows, {rows_of} {expected}")
        if targets is not None and (row := first_row(targets.argmax(axis=1) != labels)) is not None:
            raise self._error(array_name, f"is {labels[row]} at row {row}, where the largest target is another's")
        self._keep(array_name, labels.astype(np.int64))

    def _check_description(self) -> None:
        if self.image_shape is not None:
            shape = tuple(self.image_shape)
            if len(shape) not in (2, 3) or math.prod(shape) != self.inputs:
                raise self._error("image_shape", f"is {shape}, which does not make {self.inputs} inputs in 2-D or 3-D")
            object.__setattr__(self, "image_shape", shape)
        if self.class_names is not None:
            if (misfit := misfit_of_names(self.class_names)) is not None:
                raise self._error("class_names", misfit)
            names = tuple(self.class_names)
            if self.task != "none":
                if len(names) != self.outputs:
                    raise self._error("class_names", f"has {len(names)} names for {self.outputs} outputs")
            elif self.labels_train is None:
                raise self._error("class_names", "must be None without labels")
            elif len(names) <= (largest := max(getattr(self, f"labels_{part}").max() for part in self.parts)):
                raise self._error("class_names", f"has {len(names)} names for labels up to {largest}")
            object.__setattr__(self, "class_names", names)


def _check_label_type(name: str, array_name: str, labels: np.ndarray) -> None:
    if labels.ndim != 1 or labels.size == 0 or labels.dtype.kind not in "iu":
        raise StimulusError(
            f"{name}: {array_name} is {labels.dtype} of shape {labels.shape}; allowed are integers of shape (stimuli,)"
        )


def _check_label_range(name: str, array_name: str, labels: np.ndarray, outputs: int | None) -> None:
    # Unsigned 64-bit labels beyond the signed range turn negative here, and are refused as such.
    signed = labels.astype(np.int64)
    if (row := first_row((signed < 0) | (False if outputs is None else signed >= outputs))) is not None:
        allowed = "integers from 0" if outputs is None else f"0 to {outputs - 1}"
        raise StimulusError(f"{name}: {array_name} is {labels[row]} at row {row}; allowed is {allowed}")
