"""Threads of the linear algebra."""

import functools

from threadpoolctl import ThreadpoolController


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
