"""How feedforward and feedback weights relate to each other."""

import numpy as np

from ..errors import ParameterError


def angle(W_ff, W_fb):
    """Measure the angle between the feedforward weights and the transposed feedback weights.

    acos(Tr(W_ff W_fb) / (‖W_ff‖ ‖W_fb‖)), with Frobenius norms: 0° for W_fb ∝ W_ffᵀ, about 90° for
    independent random weights. The weight alignment of Bozkurt et al. 2023 (arXiv:2306.04810).

    Parameters
    ----------
    W_ff : array, (N_{k+1}, N_k)
        Feedforward weights of the projection k → k + 1.
    W_fb : array, (N_k, N_{k+1})
        Feedback weights of the projection k + 1 → k.

    Returns
    -------
    float
        Degrees, 0 to 180; NaN where one matrix is zero and has no direction.

    Raises
    ------
    ParameterError
        The shapes are not each other's transpose.
    """
    W_ff, W_fb = np.asarray(W_ff, dtype=float), np.asarray(W_fb, dtype=float)
    if W_ff.ndim != 2 or W_ff.shape != W_fb.shape[::-1]:
        raise ParameterError(f"angle: W_ff {W_ff.shape} and W_fb {W_fb.shape} are not each other's transpose")
    norms = np.linalg.norm(W_ff) * np.linalg.norm(W_fb)
    if norms == 0:
        return float("nan")
    cosine = np.vdot(W_ff, W_fb.T) / norms
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))


def definiteness(B):
    """Find the least eigenvalue of a symmetric matrix, in units of the largest; above 0 it is positive definite.

    Parameters
    ----------
    B : array, (N, N)
        Symmetric; the lower triangle is read.

    Returns
    -------
    float
    """
    from scipy.linalg import eigh

    B = np.asarray(B, dtype=float)
    least, largest = (eigh(B, eigvals_only=True, subset_by_index=[i, i])[0] for i in (0, len(B) - 1))
    return float(least / largest)
