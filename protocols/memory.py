"""Memory that a run needs, compared with what there is before it begins."""

import gc
import math
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import psutil

from ..errors import ParameterError
from ..networks.trainable import Trainable

#: How often weights stand in memory while they are made, in the type that they are made in (see
#: `networks.initial.Fresh`).
_BUILT = 2


#: Bytes of what was mounted and is still there, by what was mounted.
_there: weakref.WeakKeyDictionary[Any, float] = weakref.WeakKeyDictionary()
#: How many may be there, and how many bytes, before those are looked for that nobody uses any more.
_MANY, _LARGE = 16, 2.0**26


def make_room(for_what: Any, needed: float):
    """Let go of circuits on clocks that nobody uses any more, if there are many or large ones.

    They refer to themselves in circles, so that only Python's search finds them; and it does not know how large arrays
    are.

    Parameters
    ----------
    for_what : object
        What is being mounted.
    needed : float
        Its bytes.
    """
    if len(_there) >= _MANY or sum(_there.values()) + needed > _LARGE:
        gc.collect()
    _there[for_what] = needed


def check_memory(needed: float, what: str):
    """Raise a `ParameterError` if something needs more bytes of memory than are free.

    Parameters
    ----------
    needed : float
        Bytes.
    what : str
        What needs them, and what would need less.
    """
    free = psutil.virtual_memory().available
    if needed > free:
        raise ParameterError(f"{what}: needs {needed / 2**30:.3g} GB of memory; {free / 2**30:.3g} GB are free")


def check_weights(build: Callable[[list[int]], Trainable], sizes: Sequence[int], name: str):
    """Raise a `ParameterError` for layers whose weights cannot be made in the memory that is free.

    Parameters
    ----------
    build : callable
        Builds a system of given sizes. A small one tells which layers each of its weights belong to.
    sizes : sequence of int
        Numbers of units by layer.
    name : str
        Of the parameter that holds them.
    """
    small = list(range(len(sizes) + 1, 1, -1))
    units = dict(zip(small, sizes, strict=True))
    try:
        smaller = build(small)
    except ParameterError:
        return  # for other reasons than its size, which it will be refused for, too
    numbers = sum(
        math.prod(units.get(n, n) for n in array.shape)
        for arrays in smaller.weights.values()
        for array in arrays.values()
    )
    check_memory(_BUILT * smaller.made_in.itemsize * numbers, f"{name} = {list(sizes)}")
