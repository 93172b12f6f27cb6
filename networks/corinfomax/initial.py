"""Initial weights, as published, and the user's own."""

from collections.abc import Mapping, Sequence

import numpy as np

from ...errors import ParameterError
from ..plasticity import Weights


def xavier_uniform(rng: np.random.Generator, post: int, pre: int) -> np.ndarray:
    """Weights (post, pre) uniform within ±√(6/(post + pre))."""
    bound = np.sqrt(6 / (post + pre))
    return rng.uniform(-bound, bound, (post, pre))


def published(architecture: Sequence[int], seed: int) -> Weights:
    """W_ff and W_fb Xavier-uniform and independent; B = W Wᵀ with W Xavier-uniform (the paper's runs).

    Parameters
    ----------
    architecture : sequence of int
        Numbers of units N_0 (stimulus), …, N_P (output).
    seed : int

    Returns
    -------
    dict
        ``W_ff[k]`` (N_{k+1}, N_k), k = 0 …; ``W_fb[k]`` (N_k, N_{k+1}), k ≥ 1; ``B[k]`` (N_{k+1}, N_{k+1}).
    """
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0,)))
    pairs = list(zip(architecture[1:], architecture[:-1], strict=True))
    W_ff = {k: xavier_uniform(rng, post, pre) for k, (post, pre) in enumerate(pairs)}
    W_fb = {k: xavier_uniform(rng, pre, post) for k, (post, pre) in enumerate(pairs) if k >= 1}
    B = {}
    for k, (post, _) in enumerate(pairs):
        W = xavier_uniform(rng, post, post)
        B[k] = symmetrised(W @ W.T)
    return {"W_ff": W_ff, "W_fb": W_fb, "B": B}


def amplify(arrays: Mapping[int, np.ndarray], gains: Sequence[float]):
    """Multiply the weights of projections, in order, by gains, in place."""
    for W, gain in zip(arrays.values(), gains, strict=True):
        W *= gain


def check_excitatory(weights: Weights, keys: Sequence[str]):
    """Raise a `ParameterError` if weights that are to be excitatory are negative somewhere."""
    for key in keys:
        for k, W in weights[key].items():
            if W.min() < 0:
                raise ParameterError(f"weights: {key}[{k}] has negative entries, which dale = [{key!r}, …] excludes")


def symmetrised(B: np.ndarray) -> np.ndarray:
    """Symmetric part of B, exactly symmetric."""
    return (B + B.T) / 2


def given(weights: Mapping, initial: Weights, derived: Sequence[str] = ()) -> Weights:
    """Replace initial weights by the user's.

    Parameters
    ----------
    weights : mapping
        Either nested, ``{"W_ff": {0: array, …}, …}``, with sequences for mappings if wanted (None where there is
        none), or flat as in an archive, ``{"W_ff/0": array, …}``. What is not given keeps its initial value.
    initial : dict
        The complete weights, which fix keys and shapes.
    derived : sequence of str
        Weights that follow from B: passed over where B is given too.

    Raises
    ------
    ParameterError
        For unknown keys, other shapes, values that are not finite, or a B that is not symmetric.
    """
    if not isinstance(weights, Mapping):
        raise ParameterError(f"weights: is {type(weights).__name__}; must map W_ff, W_fb and B to arrays")
    flat = {}
    for key, value in weights.items():
        if "/" in str(key):
            name, _, k = str(key).rpartition("/")
            flat[name.rpartition("/")[2], int(k) if k.isdecimal() else k] = value
        elif not isinstance(value, Mapping | Sequence | np.ndarray) or isinstance(value, str):
            raise ParameterError(f"weights: {key} must be a mapping or a sequence of arrays")
        else:
            items = value.items() if isinstance(value, Mapping) else enumerate(value)
            flat.update({(str(key), k): array for k, array in items if array is not None})
    result = {key: dict(arrays) for key, arrays in initial.items()}
    for (key, k), value in flat.items():
        if key in derived:
            if ("B", k) not in flat:
                raise ParameterError(f"weights: {key}[{k}] follows from B[{k}], which is not given")
            continue
        if k not in initial.get(key, {}):
            allowed = ", ".join(f"{name}[{index}]" for name, arrays in initial.items() for index in arrays)
            raise ParameterError(f"weights: unknown {key}[{k}]; this circuit has {allowed}")
        array, shape = _as_array(key, k, value), initial[key][k].shape
        if array.shape != shape:
            raise ParameterError(f"weights: {key}[{k}] has shape {array.shape}, must be (post, pre) = {shape}")
        if not np.isfinite(array).all():
            raise ParameterError(f"weights: {key}[{k}] contains NaN or infinity")
        if key == "B":
            if not np.allclose(array, array.T, rtol=1e-6, atol=1e-9 * np.abs(array).max()):
                raise ParameterError(f"weights: B[{k}] is not symmetric")
            array = symmetrised(array)
        result[key][k] = array
    return result


def _as_array(key: str, k: int, value) -> np.ndarray:
    try:
        array = np.asarray(value)
    except ValueError:
        array = np.array(None)
    if array.dtype.kind not in "biuf":
        raise ParameterError(f"weights: {key}[{k}] is not an array of real numbers")
    return array.astype(np.float64)
