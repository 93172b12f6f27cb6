"""Initial weights, as published, and the user's own."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...errors import ParameterError
from ..initial import (
    Fresh,
    blocks,
    checked_symmetric,
    flattened,
    generator,
    symmetrised,
    with_users_weights,
    xavier_uniform,
)
from ..plasticity import Weights
from .lateral import follow_inverse
from .parameters import Parameters


@np.errstate(over="ignore")  # a presentation reports, by name, what is not finite
def weights(parameters: Parameters, given: Mapping | None = None, dtype: Any = np.float64) -> Fresh:
    """Give all weights that a circuit begins with.

    Parameters
    ----------
    parameters : Parameters
    given : mapping, optional
        The user's, see `replaced`.
    dtype : dtype, default float64
        Floating-point type to which they are rounded, one after the other: at no time do all of them stand in double
        precision. Where some follow from others that are not yet rounded, that is left to the circuit.

    Raises
    ------
    ParameterError
        If those given do not fit, or break Dale's law where it holds.
    """
    if parameters.lateral_form == "autapse" or parameters.initial_feedback == "transposed":
        dtype = np.float64
    arrays = published(parameters.architecture, parameters.seed, parameters.bias, parameters.initial_gains, dtype)
    excitatory = [key for key in ("W_ff", "W_fb") if key in parameters.dale]
    if parameters.lateral_rule == "regularised":
        for k, B in arrays["B"].items():
            B.fill(0)
            np.fill_diagonal(B, 1 / parameters.epsilon[k - 1])
    for key in excitatory:
        arrays[key] = {k: np.abs(W) for k, W in arrays[key].items()}
    users = {} if given is None else flattened(given, arrays)
    if users:
        arrays = replaced(arrays, users, derived=("D", "O"))
    if parameters.initial_feedback == "transposed":
        for k, gain in parameters.initial_gains["W_fb"].items():
            if ("W_fb", k) not in users:
                arrays["W_fb"][k] = gain * arrays["W_ff"][k].T
    check_excitatory(arrays, excitatory)
    arrays["O"] = {k: np.zeros_like(B) for k, B in arrays["B"].items()}
    arrays["D"] = {k: np.zeros(len(B)) for k, B in arrays["B"].items()}
    follow_inverse(arrays, parameters)
    limits = {k: domain.constraints for k, domain in parameters.domains.items() if domain.constraints}
    arrays["A"] = {k: np.array(found.synapses) for k, found in limits.items()}
    arrays["shunts"] = {k: np.array(found.shunts) for k, found in limits.items()}
    return Fresh(arrays, dtype)


def published(
    architecture: Sequence[int],
    seed: int,
    bias: bool = False,
    gains: Mapping[str, Mapping[int, float]] | None = None,
    dtype: Any = np.float64,
) -> Weights:
    """W_ff and W_fb Xavier-uniform and independent; B = W Wᵀ with W Xavier-uniform (the paper's runs).

    Parameters
    ----------
    architecture : sequence of int
        Numbers of units N_0 (stimulus), …, N_P (output).
    seed : int
    bias : bool, default False
        Add biases (not in the paper): of the size of W_ff's entries, as those of one more unit below.
    gains : mapping, optional
        Factors of W_ff[k], with its biases, and of W_fb[k]; by default 1.
    dtype : dtype, default float64
        Floating-point type to which all are rounded in the end.

    Returns
    -------
    dict
        ``W_ff[k]`` (N_{k+1}, N_k), k = 0 …; ``W_fb[k]`` (N_k, N_{k+1}), k ≥ 1; ``B[k]`` (N_k, N_k), k ≥ 1;
        ``b[k]`` (N_k,), k ≥ 1, if there are biases.
    """
    rng = generator(seed)
    pairs = list(zip(architecture[1:], architecture[:-1], strict=True))
    ff, fb = ({} if gains is None else gains.get(key, {}) for key in ("W_ff", "W_fb"))
    W_ff = {k: xavier_uniform(rng, post, pre, ff.get(k, 1.0), dtype) for k, (post, pre) in enumerate(pairs)}
    W_fb = {k: xavier_uniform(rng, pre, post, fb.get(k, 1.0), dtype) for k, (post, pre) in enumerate(pairs) if k >= 1}
    B = {k: _of_random_products(rng, units, dtype) for k, units in enumerate(architecture[1:], start=1)}
    arrays = {"W_ff": W_ff, "W_fb": W_fb, "B": B}
    if bias:  # drawn last, so that the others are the same with and without
        arrays["b"] = {
            k + 1: xavier_uniform(rng, post, pre, ff.get(k, 1.0), dtype)[:, 0].copy()
            for k, (post, pre) in enumerate(pairs)
        }
    return arrays


def _of_random_products(rng: np.random.Generator, units: int, dtype: Any) -> np.ndarray:
    """W Wᵀ, of which W does not stay in memory; what is rounded is rounded block by block, and exactly symmetric."""
    W = xavier_uniform(rng, units, units)
    if np.dtype(dtype) == W.dtype:
        products = W @ W.T
        del W
        return symmetrised(products)
    B = np.empty((units, units), dtype, order="F")
    for rows in blocks(units, units):
        products = W[rows] @ W[: rows.stop].T
        B[rows, : rows.start] = products[:, : rows.start]
        B[: rows.start, rows] = products[:, : rows.start].T
        B[rows, rows] = symmetrised(products[:, rows.start :])
    return B


def check_excitatory(arrays: Weights, keys: Sequence[str]):
    """Raise a `ParameterError` if weights that are to be excitatory are negative somewhere."""
    for key in keys:
        for k, W in arrays[key].items():
            if W.min() < 0:
                raise ParameterError(f"weights: {key}[{k}] has negative entries, which dale = [{key!r}, …] excludes")


def replaced(initial: Weights, given: Mapping, derived: Sequence[str] = ()) -> Weights:
    """Replace initial weights by the user's.

    Parameters
    ----------
    initial : dict
        The complete weights, which fix keys and shapes.
    given : mapping
        Nested or flat, as in `corinfomax.networks.initial.with_users_weights`.
    derived : sequence of str
        Weights that follow from B: passed over where B is given too.

    Raises
    ------
    ParameterError
        For unknown keys, other shapes, values that are not finite, or a B that is not symmetric.
    """
    flat = flattened(given, initial)
    for key, k in [place for place in flat if place[0] in derived]:
        if ("B", k) not in flat:
            raise ParameterError(f"weights: {key}[{k}] follows from B[{k}], which is not given")
        del flat[key, k]
    result = with_users_weights(flat, initial)
    for k in [k for key, k in flat if key == "B"]:
        result["B"][k] = checked_symmetric("B", k, result["B"][k])
    return result
