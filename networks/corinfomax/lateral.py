"""B, and the autapses D and SST weights O that carry it: D - O = M = cB + dI, where one follows from the other."""

import numpy as np

from ..plasticity import Weights
from .parameters import Parameters


def follow_inverse(weights: Weights, parameters: Parameters):
    """Let D and O follow from B, in place: D = c diag(B) + d, O = -cB off the diagonal; O ≥ 0 by Dale's law."""
    for k, B in weights["B"].items():
        c, d = parameters.lateral_gains(k)
        O, D = weights["O"][k], weights["D"][k]
        np.multiply(B, -c, out=O)
        np.fill_diagonal(O, 0.0)
        if "O" in parameters.dale:
            np.maximum(O, 0, out=O)
        D[:] = c * np.diagonal(B).astype(D.dtype) + d


def follow_autapses(weights: Weights, parameters: Parameters):
    """Let B follow from D and O, in place: B = (D - O - dI)/c."""
    for k, B in weights["B"].items():
        c, d = parameters.lateral_gains(k)
        np.multiply(weights["O"][k], -1 / c, out=B)
        np.fill_diagonal(B, (weights["D"][k] - d) / c)
