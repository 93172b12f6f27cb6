"""Initial weights that any network may begin with, and the user's own in their place."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from ..errors import ParameterError
from ..units import real_array
from .plasticity import Weights

#: How forward weights may begin: uniform within ±1/√N of the layer below, or with orthonormal rows or columns.
InitialForward = Literal["uniform", "orthogonal"]

#: Weights that belong to layers, which count from 1; the others belong to pairs of layers, which count from 0.
OF_LAYERS = ("B", "D", "O", "M", "b")


#: Random numbers that are drawn at once, where weights are rounded as they are made.
_AT_ONCE = 2**18


class Fresh(dict):
    """Weights that were made for one learner, which takes the arrays over: there is no moment with two copies.

    Parameters
    ----------
    arrays : dict
    dtype : dtype, default float64
        What the learner keeps them in.
    """

    def __init__(self, arrays: Weights, dtype: Any = np.float64):
        super().__init__(arrays)
        self.dtype = np.dtype(dtype)


def generator(seed: int) -> np.random.Generator:
    """Random numbers of initial weights: stream 0 of a run's seed, which its other streams do not touch."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0,)))


def xavier_uniform(
    rng: np.random.Generator, post: int, pre: int, gain: float = 1.0, dtype: Any = np.float64
) -> np.ndarray:
    """Weights (post, pre) uniform within ±√(6/(post + pre)), times a gain, and then rounded to `dtype`."""
    bound = np.sqrt(6 / (post + pre))
    W = np.empty((post, pre), dtype)
    for rows in blocks(post, pre):
        W[rows] = gain * rng.uniform(-bound, bound, W[rows].shape)
    return W


def blocks(post: int, pre: int) -> Iterator[slice]:
    """Rows of weights (post, pre), as many at a time as are made at once in double precision."""
    step = max(_AT_ONCE // max(pre, 1), 1)
    return (slice(start, min(start + step, post)) for start in range(0, post, step))


def orthogonal(rng: np.random.Generator, post: int, pre: int) -> np.ndarray:
    """Weights (post, pre) with orthonormal rows or columns, whichever are fewer, of evenly distributed directions."""
    Q, R = np.linalg.qr(rng.standard_normal((max(post, pre), min(post, pre))))
    Q *= np.sign(np.diag(R))
    return Q if post >= pre else Q.T


def with_orthogonal(rng: np.random.Generator, weights: Weights) -> Weights:
    """Draw W[k] of the same shapes with orthonormal rows or columns, and let biases be 0; other weights stay."""
    W = {k: orthogonal(rng, *array.shape) for k, array in weights["W"].items()}
    return {**weights, "W": W, "b": {k: np.zeros_like(b) for k, b in weights["b"].items()}}


def kaiming_uniform(rng: np.random.Generator, architecture: Sequence[int]) -> Weights:
    """Weights uniform within ±√(6/N_k), biases within ±1/√N_k, N_k the units of the layer below.

    Parameters
    ----------
    rng : numpy.random.Generator
    architecture : sequence of int
        Numbers of units N_0 (stimulus), …, N_P (output).

    Returns
    -------
    dict
        As of `uniform_by_fan_in`.
    """
    weights = uniform_by_fan_in(rng, architecture)
    for W in weights["W"].values():
        W *= np.sqrt(6)
    return weights


def uniform_by_fan_in(rng: np.random.Generator, architecture: Sequence[int]) -> Weights:
    """Weights and biases uniform within ±1/√N_k, N_k the units of the layer below: PyTorch's default.

    Parameters
    ----------
    rng : numpy.random.Generator
    architecture : sequence of int
        Numbers of units N_0 (stimulus), …, N_P (output).

    Returns
    -------
    dict
        ``W[k]`` (N_{k+1}, N_k), k = 0 … P-1; ``b[k]`` (N_k,), k = 1 … P.
    """
    W, b = {}, {}
    for k, (post, pre) in enumerate(zip(architecture[1:], architecture[:-1], strict=True)):
        bound = 1 / np.sqrt(pre)
        W[k] = rng.uniform(-bound, bound, (post, pre))
        b[k + 1] = rng.uniform(-bound, bound, post)
    return {"W": W, "b": b}


def symmetrised(B: np.ndarray) -> np.ndarray:
    """Symmetric part of B, exactly symmetric, in Fortran order."""
    found = B + B.T
    found /= 2
    return found.T


def checked_symmetric(key: str, k: int, array: np.ndarray) -> np.ndarray:
    """Make the user's weights exactly symmetric; a `ParameterError` if they are not so to rounding."""
    if not np.allclose(array, array.T, rtol=1e-6, atol=1e-9 * np.abs(array).max()):
        raise ParameterError(f"weights: {key}[{k}] is not symmetric")
    return symmetrised(array)


def with_users_weights(weights: Mapping, initial: Weights) -> Weights:
    """Replace initial weights by the user's.

    Parameters
    ----------
    weights : mapping
        Either nested, ``{"W": {0: array, …}, "b": {1: array, …}}``, or flat: as in a checkpoint, ``{"W/0": array, …}``,
        or ``{("W", 0): array, …}``. A sequence may stand for a mapping, None where there is none: those of weights
        between layers begin with the pair 0, those of `OF_LAYERS` with layer 1. What is not given keeps its initial
        value.
    initial : dict
        The complete weights, which fix keys and shapes.

    Raises
    ------
    ParameterError
        For unknown keys, other shapes, or values that are not finite.
    """
    result = {key: dict(arrays) for key, arrays in initial.items()}
    for (key, k), value in flattened(weights, initial).items():
        if k not in initial.get(key, {}):
            allowed = ", ".join(f"{name}[{index}]" for name, arrays in initial.items() for index in arrays)
            raise ParameterError(f"weights: unknown {key}[{k}]; this circuit has {allowed}")
        array, shape = _as_array(key, k, value), initial[key][k].shape
        if array.shape != shape:
            axes = "(post, pre)" if len(shape) == 2 else "(units,)"
            raise ParameterError(f"weights: {key}[{k}] has shape {array.shape}, must be {axes} = {shape}")
        if not np.isfinite(array).all():
            raise ParameterError(f"weights: {key}[{k}] contains NaN or infinity")
        result[key][k] = array
    return result


def flattened(weights: Mapping, initial: Weights) -> dict[tuple[str, int], object]:
    """Take weights in any form that `with_users_weights` takes as one mapping by (key, k)."""
    if not isinstance(weights, Mapping):
        *most, last = initial
        names = f"{', '.join(most)} and {last}" if most else last
        raise ParameterError(f"weights: is {type(weights).__name__}; must map {names} to arrays")
    flat = {}
    for key, value in weights.items():
        if isinstance(key, tuple):
            flat[key] = value
        elif "/" in str(key):
            name, _, k = str(key).rpartition("/")
            flat[name.rpartition("/")[2], int(k) if k.isdecimal() else k] = value
        elif not isinstance(value, Mapping | Sequence | np.ndarray) or isinstance(value, str):
            raise ParameterError(f"weights: {key} must be a mapping or a sequence of arrays")
        else:
            first = 1 if key in OF_LAYERS else 0
            items = value.items() if isinstance(value, Mapping) else enumerate(value, start=first)
            flat.update({(str(key), k): array for k, array in items if array is not None})
    return flat


def _as_array(key: str, k: int, value) -> np.ndarray:
    try:
        return real_array(value).astype(np.float64)
    except ValueError as error:
        raise ParameterError(f"weights: {key}[{k}] {error}") from None
