"""Threads of the linear algebra: how many a run has, and how many serve it best."""

import functools
import os
import time
from collections.abc import Iterable

import numpy as np
from threadpoolctl import ThreadpoolController

from ..errors import ParameterError

#: A product is timed for so long, in seconds, by turns with the other numbers of threads.
_TIMED, _TURNS = 0.004, 5
#: One thread more has to save this fraction of the time: each takes a core from what else runs.
_WORTHWHILE = 0.1


@functools.cache
def _libraries() -> ThreadpoolController:
    # Finding the libraries takes milliseconds, as long as a short run does.
    return ThreadpoolController()


def limited_to(threads: int | None):
    """Make a context in which BLAS uses so many threads; None for as many as the process has.

    Parameters
    ----------
    threads : int or None
    """
    return _libraries().limit(limits=threads, user_api="blas")


def usable_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def check_threads(threads: int):
    """Raise a `ParameterError` if there are fewer cores than threads, which would wait for each other."""
    if threads > (cores := usable_cores()):
        raise ParameterError(f"blas_threads = {threads}: must be at most {cores}, the cores that this process may use")


def fastest_threads(weights: Iterable[np.ndarray], rows: int) -> int:
    """Measure with how many threads the products of a step take the least time.

    Parameters
    ----------
    weights : iterable of ndarray (post, pre)
        Each is multiplied once a step; arrays of other dimensions are passed over.
    rows : int
        Stimuli of a minibatch.

    Returns
    -------
    int
        1, 2, 4, … up to the usable cores. More are taken only where they save a tenth of the time.
    """
    operands = [(np.ones((rows, W.shape[1]), W.dtype), W.T) for W in weights if W.ndim == 2]
    candidates = sorted({*(2**n for n in range(10) if 2**n < usable_cores()), usable_cores()})
    seconds = dict.fromkeys(candidates, np.inf)
    for _ in range(_TURNS):
        for threads in candidates:
            with limited_to(threads):
                seconds[threads] = min(seconds[threads], sum(_time_of(*pair) for pair in operands))
    best = 1
    for threads in candidates[1:]:
        if seconds[threads] < (1 - _WORTHWHILE) * seconds[best]:
            best = threads
    return best


def _time_of(a: np.ndarray, b: np.ndarray) -> float:
    """Seconds of one product a b, the least of as many as fit into the time."""
    out, least, until = np.empty((len(a), b.shape[1]), a.dtype), np.inf, time.perf_counter() + _TIMED
    while time.perf_counter() < until:
        started = time.perf_counter()
        np.dot(a, b, out=out)
        least = min(least, time.perf_counter() - started)
    return least
