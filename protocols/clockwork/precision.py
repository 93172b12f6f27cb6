"""One floating-point type for a circuit's weights and for all preparations that share them."""

import gc
import weakref

import numpy as np

from ...errors import ParameterError
from ...networks.trainable import Trainable

_in_use: weakref.WeakKeyDictionary[Trainable, weakref.WeakSet] = weakref.WeakKeyDictionary()


def agree_on_dtype(preparation, circuit: Trainable, dtype) -> np.dtype:
    """Bring the circuit of a preparation to a floating-point type.

    Parameters
    ----------
    preparation : Learner
        Whatever presents stimuli to it.
    circuit : Trainable
    dtype : dtype or None
        None for the one that the circuit has.

    Raises
    ------
    ParameterError
        If it is neither float32 nor float64, or another preparation uses the circuit in another type.
    """
    try:
        wanted = np.dtype(circuit.dtype if dtype is None else dtype)
    except TypeError:
        wanted = dtype
    if wanted not in (np.dtype(np.float32), np.dtype(np.float64)):
        shown = repr(dtype) if isinstance(dtype, str) else wanted
        raise ParameterError(f"dtype = {shown}: must be float32 or float64")
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
