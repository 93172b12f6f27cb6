"""Inputs less a shift and over a scale, of a whole set or of single stimuli that are to suit it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from ..errors import ParameterError, StimulusError
from .checks import misfit_of_numbers
from .stimulus import as_rows


class Inputs(Protocol):
    """What is read of a stimulus set: its name, what its inputs are, and the training stimuli for their precision."""

    name: str
    inputs: int
    image_shape: tuple[int, ...] | None
    x_train: np.ndarray


def plain_inputs(stimuli: Inputs, x) -> np.ndarray:
    """Give inputs as rows in the precision of a set; a `StimulusError` names those that do not fit it.

    Parameters
    ----------
    stimuli : Inputs
    x : array_like (n, inputs), (inputs,), or images of the set's shape
    """
    x, shape = as_rows(f"{stimuli.name}: x", x, stimuli.x_train.dtype), stimuli.image_shape
    if shape is not None and x.shape[1:] == tuple(shape):
        x = x.reshape(len(x), -1)
    if x.ndim != 2 or x.shape[1] != stimuli.inputs:
        images = "" if shape is None else f" or (n, {', '.join(map(str, shape))})"
        raise StimulusError(f"{stimuli.name}: x has shape {x.shape}; allowed is (n, {stimuli.inputs}){images}")
    if (misfit := misfit_of_numbers(x)) is not None:
        raise StimulusError(f"{stimuli.name}: x {misfit}")
    return x


def normalised(
    stimuli: Inputs,
    name: str,
    x: np.ndarray,
    mean: float | Sequence[float] | None,
    std: float | Sequence[float] | None,
) -> np.ndarray:
    """(x - mean)/std; a `ParameterError` names what is given that does not fit the set.

    Parameters
    ----------
    stimuli : Inputs
    name : str
        Of the inputs, for errors.
    x : ndarray (n, inputs)
    mean, std : float or sequence of float, optional
        As in `Stimuli.normalised`.
    """
    shift = _per_input(stimuli, "mean", mean, 0, x.dtype)
    scale = _per_input(stimuli, "std", std, 1, x.dtype)
    with np.errstate(over="ignore"):
        found = x - shift
        found /= scale
    if not np.isfinite(found).all():
        given = " and ".join(f"{key} = {v!r}" for key, v in (("mean", mean), ("std", std)) if v is not None)
        raise ParameterError(f"{given}: takes {name} beyond the numbers of {x.dtype}")
    return found


def _per_input(
    stimuli: Inputs, key: str, given: float | Sequence[float] | None, default: float, dtype: Any
) -> np.ndarray:
    """Spread what is given for all inputs, for each channel or for each input to a number, or one an input."""
    allowed = {stimuli.inputs: "one per input"}
    if stimuli.image_shape is not None:
        allowed[stimuli.image_shape[2] if len(stimuli.image_shape) == 3 else 1] = "one per channel"
    return spread(stimuli.name, key, given, default, dtype, allowed)


def spread(
    name: str,
    key: str,
    given: float | Sequence[float] | None,
    default: float,
    dtype: Any,
    allowed: Mapping[int, str],
) -> np.ndarray:
    """Spread a number, or a list of one of some lengths, to a number or to a list of the first of these lengths.

    Parameters
    ----------
    name : str
        Of the set, for errors.
    key : str
        What is given; a key that ends in "std" must be above 0.
    given : float or sequence of float, optional
    default : float
        Where nothing is given.
    dtype : numpy dtype
    allowed : mapping of int to str
        Lengths, the first that of what is returned, and what they mean.

    Raises
    ------
    ParameterError
        For what is no number or such a list, not finite, or not above 0 where it must be.
    """
    try:
        with np.errstate(over="ignore", under="ignore"):
            values = np.asarray(default if given is None else given, dtype)
    except (TypeError, ValueError, OverflowError):
        raise ParameterError(f"{key} is {given!r}; allowed are a number or a list of numbers") from None
    if values.ndim > 1 or (values.ndim == 1 and len(values) not in allowed):
        lengths = " or ".join(f"{length} ({meaning})" for length, meaning in sorted(allowed.items()))
        shown = f"has {len(values)} values" if values.ndim == 1 else f"has shape {values.shape}"
        raise ParameterError(f"{key} {shown}; allowed for {name} are a number, or a list of {lengths}")
    above = key.endswith("std")
    if not np.isfinite(values).all() or (above and not (values > 0).all()):
        raise ParameterError(f"{key} must be finite{' and above 0' if above else ''}, in {np.dtype(dtype)}")
    return values if values.ndim == 0 else np.resize(values, next(iter(allowed)))
