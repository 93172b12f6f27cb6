"""Targets of a regression on the scale of rates, and what a circuit predicts back on the targets' own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..errors import ParameterError
from ..units import real_array
from .normalisation import spread
from .scale import extent
from .stimuli import Stimuli

#: A number for all targets, or one for each.
PerTarget = float | Sequence[float] | None


def scale_of(y: np.ndarray) -> tuple[float | list[float], float | list[float]]:
    """Find the shift and scale by which (y - shift)/scale fills 0 to 1, for each target by its own least and largest.

    Parameters
    ----------
    y : ndarray (n, outputs)
        Training targets.

    Returns
    -------
    shift, scale : float or list of float
        Numbers where there is one target. One that never changes becomes 0.

    Raises
    ------
    ParameterError
        The targets reach further than numbers do.
    """
    low, high = extent(y, "targets")
    reach = np.where(high > low, high - low, 1.0)
    return (low.tolist(), reach.tolist()) if len(low) > 1 else (float(low[0]), float(reach[0]))


def scaled(stimuli: Stimuli, mean: PerTarget = None, std: PerTarget = None) -> Stimuli:
    """Return the set with targets (y - mean)/std, in all parts.

    Parameters
    ----------
    stimuli : Stimuli
    mean, std : float or sequence of float, optional
        A number, or one for each target; by default 0 and 1.

    Raises
    ------
    ParameterError
        The set's task is no regression; another length, numbers that are not finite, or a scale that is not above 0.
    """
    if stimuli.task != "regression":
        raise ParameterError(f"target_mean, target_std: {stimuli.name!r} has no targets of a regression")
    found = {}
    for name in (f"y_{part}" for part in stimuli.parts):
        y = getattr(stimuli, name)
        shift, scale = (_per_target(stimuli, *given, y.dtype) for given in (("mean", mean, 0), ("std", std, 1)))
        found[name] = (y - shift) / scale
    return replace(stimuli, **found)


def unscaled(outputs, mean: PerTarget, std: PerTarget, targets: int | None = None) -> np.ndarray:
    """Take outputs back to the scale that targets had before `scaled`.

    Parameters
    ----------
    outputs : array_like (n, targets), or (targets,); of one target also (n,)
    mean, std : float or sequence of float, or None
        A number, or one for each target.
    targets : int, optional
        How many there are; by default those of the outputs' last axis.

    Raises
    ------
    ParameterError
        For outputs that are no numbers, or of another number than there are targets.
    """
    try:
        outputs = real_array(outputs)
    except ValueError as error:
        raise ParameterError(f"outputs {error}") from None
    one = outputs.ndim == 1 and targets == 1
    targets = outputs.shape[-1] if targets is None and outputs.ndim else targets
    if outputs.ndim not in (1, 2) or not (one or outputs.shape[-1] == targets):
        allowed = f"(n, {targets})"
        raise ParameterError(f"outputs of shape {np.shape(outputs)}: should be numbers of shape {allowed}")
    return outputs * (1 if std is None else np.asarray(std)) + (0 if mean is None else np.asarray(mean))


def _per_target(stimuli: Stimuli, key: str, given: PerTarget, default: float, dtype) -> np.ndarray:
    return spread(stimuli.name, f"target_{key}", given, default, dtype, {stimuli.outputs: "one per target"})
