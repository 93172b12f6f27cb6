"""Initial weights, as published, and the user's own."""

from collections.abc import Mapping, Sequence

import numpy as np

from ...errors import ParameterError
from ..initial import flattened, generator
from ..initial import given as any_given
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
    rng = generator(seed)
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
        Nested or flat, as in `corinfomax.networks.initial.given`.
    initial : dict
        The complete weights, which fix keys and shapes.
    derived : sequence of str
        Weights that follow from B: passed over where B is given too.

    Raises
    ------
    ParameterError
        For unknown keys, other shapes, values that are not finite, or a B that is not symmetric.
    """
    flat = flattened(weights, initial)
    for key, k in [place for place in flat if place[0] in derived]:
        if ("B", k) not in flat:
            raise ParameterError(f"weights: {key}[{k}] follows from B[{k}], which is not given")
        del flat[key, k]
    result = any_given(flat, initial)
    for k in [k for key, k in flat if key == "B"]:
        B = result["B"][k]
        if not np.allclose(B, B.T, rtol=1e-6, atol=1e-9 * np.abs(B).max()):
            raise ParameterError(f"weights: B[{k}] is not symmetric")
        result["B"][k] = symmetrised(B)
    return result
