"""The scale of inputs: a linear map that lets the training stimuli fill the range of rates, 0 to 1."""

from __future__ import annotations

import numpy as np

from ..errors import ParameterError

#: Share of the inputs that must begin at the same value for all inputs to be of one scale, as pixels are.
_ALIKE = 0.9
#: Between these lies the largest modulus of inputs that are on the scale of rates.
_LEAST, _LARGEST = 0.05, 1.05
#: Numbers of which some should be large, by the scale of which inputs are judged.
_ENOUGH = 20


def rates_of(x: np.ndarray, image: bool = False) -> tuple[float | list[float], float | list[float]]:
    """Find the shift and scale by which (x - shift)/scale fills 0 to 1.

    Inputs of one scale, as the pixels of images or counts, get one shift and one scale, so that they keep their
    proportions. They are known by their least value, which at least nine in ten of them share. Others, as lengths
    beside weights, get a shift and a scale each. An input that never changes becomes 0.

    Parameters
    ----------
    x : ndarray (n, inputs)
        Training stimuli.
    image : bool, default False
        Whether they are images, whose inputs are of one scale.

    Returns
    -------
    shift, scale : float or list of float
        Numbers that need few digits where there is one for all.

    Raises
    ------
    ParameterError
        The inputs reach further than numbers do.
    """
    low, high = extent(x, "inputs")
    changing = high > low
    if not changing.any():
        return float(low.min()), 1.0
    if image or np.mean(low[changing] == low.min()) >= _ALIKE:
        return float(low.min()), float(high.max() - low.min())
    return low.tolist(), np.where(changing, high - low, 1.0).tolist()


def extent(values: np.ndarray, what: str) -> tuple[np.ndarray, np.ndarray]:
    """Find the least and the largest value of each column.

    Parameters
    ----------
    values : ndarray (n, columns)
    what : str
        What they are called in errors.

    Returns
    -------
    low, high : ndarray of float64 (columns,)

    Raises
    ------
    ParameterError
        The distance from the least to the largest is beyond the numbers of float64.
    """
    low, high = values.min(axis=0).astype(float), values.max(axis=0).astype(float)
    with np.errstate(over="ignore"):
        reach = high.max() - low.min()
    if not np.isfinite(reach):
        raise ParameterError(f"{what} reach from {low.min():.3g} to {high.max():.3g}, too far for numbers of float64")
    return low, high


def off_the_scale(x: np.ndarray) -> str | None:
    """Say of inputs that they are far beyond the scale of rates, or far below; None if they are on it, of either sign.

    Parameters
    ----------
    x : ndarray (n, inputs)
        Training stimuli.
    """
    largest = max(float(x.max()), -float(x.min()))
    return None if largest == 0 or _LEAST <= largest <= _LARGEST else _reach(x)


def no_rates(x: np.ndarray) -> str | None:
    """Say of some inputs, perhaps not all of their set, that they are negative or far above 1; None if they are not.

    Parameters
    ----------
    x : ndarray (n, inputs)
    """
    return _reach(x) if x.size and (x.min() < 0 or x.max() > _LARGEST) else None


def unlike(x: np.ndarray, low: float, high: float) -> str | None:
    """Say of inputs that they are not on the scale of training stimuli; None if they may be.

    They are not if one lies further beyond those than half their range. Nor are they if there are twenty and more, and
    all of them, but not all 0, are below a twentieth of the largest of those in modulus.

    Parameters
    ----------
    x : ndarray (n, inputs)
    low, high : float
        Least and largest input of the training stimuli.
    """
    if not x.size:
        return None
    reach, least, largest = high - low, float(x.min()), float(x.max())
    beyond = least < low - reach / 2 or largest > high + reach / 2
    tiny = x.size >= _ENOUGH and 0 < max(largest, -least) < _LEAST * max(high, -low)
    if not (beyond or tiny):
        return None
    return f"inputs reach from {least:.3g} to {largest:.3g}, those of training from {low:.3g} to {high:.3g}"


def _reach(x: np.ndarray) -> str:
    return f"inputs reach from {x.min():.3g} to {x.max():.3g}, where rates reach from 0 to 1"
