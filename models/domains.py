"""Domains P of layer activity: the set that a layer's rates are confined to (the paper's r ∈ P).

A domain brings the nonlinearity r = σ_P(u). Sets that a nonlinearity alone cannot enforce need an inhibitory cell
as well; B_∞,+ needs none.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Domain:
    """A set of admissible rates and the nonlinearity that confines a layer to it.

    Parameters
    ----------
    name : str
        The set in the paper's notation.
    nonlinearity : str
        σ as a Brian2 expression in `u`. This is the definition.
    in_place : callable, optional
        ``in_place(u, out=r)``, the same function in NumPy: the hot path where it is given.
    bounds : (float, float), default (-∞, ∞)
        Between them a single rate can lie; a cell at either is saturated.
    """

    name: str
    nonlinearity: str
    in_place: Callable[..., object] | None = None
    bounds: tuple[float, float] = (-np.inf, np.inf)


def _clip_to_unit_interval(u, out):
    np.clip(u, 0.0, 1.0, out=out)


#: B_∞,+ = {r : 0 ≤ r_i ≤ 1}, the domain of the paper's main experiments.
NONNEGATIVE_UNIT_BOX = Domain("B_inf_plus", "clip(u, 0, 1)", _clip_to_unit_interval, (0.0, 1.0))
