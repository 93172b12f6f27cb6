"""One floating-point type for a circuit's weights and for all preparations that share them."""

from __future__ import annotations

import gc
import weakref
from typing import TYPE_CHECKING

import numpy as np

from ...errors import ParameterError
from ...networks import Circuit

if TYPE_CHECKING:
    from .preparation import Preparation

_in_use: weakref.WeakKeyDictionary[Circuit, weakref.WeakSet[Preparation]] = weakref.WeakKeyDictionary()


def agree_on_dtype(preparation: Preparation, dtype) -> np.dtype:
    """Bring a preparation's circuit to a floating-point type.

    Parameters
    ----------
    preparation : Preparation
    dtype : dtype or None
        None for the one that the circuit has.

    Raises
    ------
    ParameterError
        If it is neither float32 nor float64, or another preparation uses the circuit in another type.
    """
    circuit = preparation.circuit
    try:
        wanted = np.dtype(circuit.dtype if dtype is None else dtype)
    except TypeError:
        wanted = dtype
    if wanted not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise ParameterError(f"dtype = {wanted}: must be float32 or float64")
    others = _in_use.setdefault(circuit, weakref.WeakSet())
    if wanted != circuit.dtype:
        if any(others):
            gc.collect()  # preparations stand in cycles: one that was deleted may still be there
        if any(others):
            raise ParameterError(
                f"dtype = {wanted}: another preparation of this circuit, still in use, runs in {circuit.dtype}; "
                "delete it first, or take its dtype"
            )
        circuit.astype(wanted)
    others.add(preparation)
    return wanted
