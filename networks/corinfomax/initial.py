"""Initial weights, as published, and the user's own."""

from collections.abc import Mapping, Sequence

import numpy as np

from ...errors import ParameterError
from ..plasticity import Weights
from .lateral import follow_inverse
from .parameters import Parameters

#: Weights that belong to layers, which count from 1; the others belong to pairs, which count from 0.
_OF_LAYERS = ("B", "D", "O")


def weights(parameters: Parameters, given: Mapping | None = None) -> Weights:
    """Give all weights that a circuit begins with.

    Parameters
    ----------
    parameters : Parameters
    given : mapping, optional
        The user's, see `replaced`.

    Raises
    ------
    ParameterError
        If those given do not fit, or break Dale's law where it holds.
    """
    arrays = published(parameters.architecture, parameters.seed)
    excitatory = [key for key in ("W_ff", "W_fb") if key in parameters.dale]
    for key, gains in parameters.initial_gains.items():
        for k, gain in gains.items():
            arrays[key][k] *= gain
    if parameters.lateral_rule == "regularised":
        arrays["B"] = {k: np.eye(len(B)) / parameters.epsilon[k - 1] for k, B in arrays["B"].items()}
    for key in excitatory:
        arrays[key] = {k: np.abs(W) for k, W in arrays[key].items()}
    if given is not None:
        arrays = replaced(arrays, given, derived=("D", "O"))
    check_excitatory(arrays, excitatory)
    arrays["O"] = {k: np.zeros_like(B) for k, B in arrays["B"].items()}
    arrays["D"] = {k: np.zeros(len(B)) for k, B in arrays["B"].items()}
    follow_inverse(arrays, parameters)
    limits = {k: domain.constraints for k, domain in parameters.domains.items() if domain.constraints}
    arrays["A"] = {k: found.synapses for k, found in limits.items()}
    arrays["shunts"] = {k: found.shunts for k, found in limits.items()}
    return arrays


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
        ``W_ff[k]`` (N_{k+1}, N_k), k = 0 …; ``W_fb[k]`` (N_k, N_{k+1}), k ≥ 1; ``B[k]`` (N_k, N_k), k ≥ 1.
    """
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0,)))
    pairs = list(zip(architecture[1:], architecture[:-1], strict=True))
    W_ff = {k: xavier_uniform(rng, post, pre) for k, (post, pre) in enumerate(pairs)}
    W_fb = {k: xavier_uniform(rng, pre, post) for k, (post, pre) in enumerate(pairs) if k >= 1}
    B = {}
    for k, units in enumerate(architecture[1:], start=1):
        W = xavier_uniform(rng, units, units)
        B[k] = symmetrised(W @ W.T)
    return {"W_ff": W_ff, "W_fb": W_fb, "B": B}


def check_excitatory(arrays: Weights, keys: Sequence[str]):
    """Raise a `ParameterError` if weights that are to be excitatory are negative somewhere."""
    for key in keys:
        for k, W in arrays[key].items():
            if W.min() < 0:
                raise ParameterError(f"weights: {key}[{k}] has negative entries, which dale = [{key!r}, …] excludes")


def symmetrised(B: np.ndarray) -> np.ndarray:
    """Symmetric part of B, exactly symmetric."""
    return (B + B.T) / 2


def replaced(initial: Weights, given: Mapping, derived: Sequence[str] = ()) -> Weights:
    """Replace initial weights by the user's.

    Parameters
    ----------
    initial : dict
        The complete weights, which fix keys and shapes.
    given : mapping
        Either nested, ``{"W_ff": {0: array, …}, "B": {1: array, …}}``, or flat as in a checkpoint, ``{"W_ff/0": array,
        "B/1": array, …}``. A sequence may stand for a mapping, None where there is none: those of W_ff and W_fb begin
        with k = 0, those of B with layer 1. What is not given keeps its initial value.
    derived : sequence of str
        Weights that follow from B: passed over where B is given too.

    Raises
    ------
    ParameterError
        For unknown keys, other shapes, values that are not finite, or a B that is not symmetric.
    """
    if not isinstance(given, Mapping):
        raise ParameterError(f"weights: is {type(given).__name__}; must map W_ff, W_fb and B to arrays")
    flat = {}
    for key, value in given.items():
        if "/" in str(key):
            name, _, k = str(key).rpartition("/")
            flat[name.rpartition("/")[2], int(k) if k.isdecimal() else k] = value
        elif not isinstance(value, Mapping | Sequence | np.ndarray) or isinstance(value, str):
            raise ParameterError(f"weights: {key} must be a mapping or a sequence of arrays")
        else:
            first = 1 if key in _OF_LAYERS else 0
            items = value.items() if isinstance(value, Mapping) else enumerate(value, start=first)
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
