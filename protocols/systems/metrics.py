"""Numbers of the history that several systems have in common."""

from collections.abc import Callable, Mapping

import numpy as np

from ...analysis import accuracy, participation_ratio, r_squared, saturation, stuck, treves_rolls_sparsity
from ...networks.trainable import Trainable
from ...stimuli.stimuli import Stimuli

#: What outputs are judged by, by the stimuli's task: the name that columns have for it, and the function.
_SCORES: dict[str, tuple[str, Callable[..., float]]] = {
    "classification": ("accuracy", accuracy),
    "regression": ("r_squared", r_squared),
}


def score_of(stimuli: Stimuli) -> tuple[str, Callable[..., float]] | None:
    """Name and function of what outputs are judged by, accuracy or R²; None where there are no targets."""
    return _SCORES.get(stimuli.task)


def performance(outputs: np.ndarray, stimuli: Stimuli) -> dict[str, float]:
    """`test_accuracy` or `test_r_squared` of the outputs (n, units) for the test stimuli; nothing without targets."""
    found = score_of(stimuli)
    return {} if found is None else {f"test_{found[0]}": found[1](outputs, stimuli.y_test)}


def norms(trainable: Trainable, key: str = "W") -> dict[str, float]:
    """`norm_W_k`, the Frobenius norms of weights."""
    return {f"norm_{key}_{k}": float(np.linalg.norm(W)) for k, W in trainable.weights[key].items()}


def codes(
    r: Mapping[int, np.ndarray], bounds: Mapping[int, tuple[float, float]], quantities: tuple[str, ...]
) -> dict[str, float]:
    """What the codes of the layers k ≥ 1 are like, as `corinfomax.analysis.activity` measures it.

    Parameters
    ----------
    r : mapping of int to ndarray (n, units)
    bounds : mapping of int to (float, float)
        Between which rates lie, for `saturation`.
    quantities : tuple of {"sparsity", "saturation", "participation_ratio", "stuck"}
        In the order of the columns, ``sparsity_k`` and so on.
    """
    measures: dict[str, Callable[[int], float]] = {
        "sparsity": lambda k: treves_rolls_sparsity(r[k]),
        "saturation": lambda k: saturation(r[k], *bounds[k]),
        "participation_ratio": lambda k: participation_ratio(r[k]),
        "stuck": lambda k: stuck(r[k]),
    }
    return {f"{name}_{k}": measures[name](k) for name in quantities for k in sorted(r) if k}
