"""The order in which stimuli are presented."""

from __future__ import annotations

from numbers import Integral

import numpy as np

from ..errors import ParameterError


def batches(n: int, batch_size: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Shuffled minibatches of one epoch, in which each stimulus comes once.

    Parameters
    ----------
    n : int
        Number of stimuli, at least 1.
    batch_size : int
        Stimuli in a batch, at least 1. The last batch is smaller if `batch_size` does not divide `n`.
    rng : numpy.random.Generator
        Source of the order; one permutation is drawn from it per call.

    Returns
    -------
    list of (batch_size,) integer arrays
        Rows of the stimulus set. A list, so that a resumed epoch can start at any batch.

    Raises
    ------
    ParameterError
        `n` or `batch_size` below 1 or not an integer, or `rng` not a generator.
    """
    for name, value in (("n", n), ("batch_size", batch_size)):
        if not isinstance(value, Integral) or value < 1:
            raise ParameterError(f"{name} is {value!r}; allowed are integers from 1")
    if not isinstance(rng, np.random.Generator):
        raise ParameterError(f"rng is a {type(rng).__name__}; allowed is a numpy.random.Generator")
    order = rng.permutation(n)
    return [order[start : start + batch_size] for start in range(0, n, batch_size)]
