"""Principal subspaces, and how near a linear similarity matching circuit has come to them.

C = XXᵀ/T is the uncentred covariance of the stimuli, λ_1 ≥ λ_2 ≥ … its eigenvalues and U its first k eigenvectors; the
circuit's output is y = Fx with F = M⁻¹W (Pehlevan, Sengupta & Chklovskii 2018).
"""

import numpy as np
from scipy.linalg import eigh

from ..errors import ParameterError


def covariance(x):
    """Compute the uncentred covariance C = XXᵀ/T.

    Parameters
    ----------
    x : array, (T, n)
        One stimulus a row.

    Returns
    -------
    ndarray, (n, n)
    """
    x = np.asarray(x, dtype=float)
    return x.T @ x / len(x)


def principal_directions(C, k):
    """Find the leading eigenvalues and eigenvectors of a covariance.

    Parameters
    ----------
    C : array, (n, n)
    k : int
        How many, 1 to n.

    Returns
    -------
    values : ndarray, (k,)
        λ_1 ≥ … ≥ λ_k.
    U : ndarray, (n, k)
        The eigenvectors, one a column.

    Raises
    ------
    ParameterError
        There are not so many.
    """
    if not 1 <= k <= len(C):
        raise ParameterError(f"principal_directions: k = {k}: must be from 1 to {len(C)}")
    values, vectors = eigh(C, subset_by_index=[len(C) - k, len(C) - 1])
    return values[::-1], vectors[:, ::-1]


def subspace_error(W, M, C, whitened=False):
    """Measure the distance of FᵀF from what similarity matching converges to, in the Frobenius norm.

    Parameters
    ----------
    W : array, (k, n)
        Feedforward weights.
    M : array, (k, k)
        Lateral weights.
    C : array, (n, n)
        Covariance of the stimuli.
    whitened : bool, default False
        Whether it is ‖FᵀF − UΛ⁻¹Uᵀ‖ (principal subspace whitening, PSW) in place of ‖FᵀF − UUᵀ‖ (projection, PSP).

    Returns
    -------
    float
        From 0; √k for weights F = 0 that do not whiten.
    """
    F = _filters(W, M)
    values, U = principal_directions(C, len(F))
    target = (U / values) @ U.T if whitened else U @ U.T
    return float(np.linalg.norm(F.T @ F - target))


def objective(W, M, C, whitened=False):
    """Evaluate the function of which similarity matching seeks the saddle, min over W and max over M.

    PSP: 2 Tr WᵀW − Tr MᵀM − 2 Tr WCWᵀM⁻¹; PSW: Tr WᵀW − Tr M − Tr WCWᵀM⁻¹, in which the activity is already the best,
    Y = M⁻¹WX.

    Parameters
    ----------
    W, M, C, whitened
        As in `subspace_error`.

    Returns
    -------
    float
        At the saddle −Σλ_i² (PSP) or −Σλ_i (PSW), the sum of the k largest.
    """
    W, M = np.asarray(W, dtype=float), np.asarray(M, dtype=float)
    driven = float(np.sum((W @ C) * _filters(W, M)))
    if whitened:
        return float(np.sum(W**2) - np.trace(M) - driven)
    return float(2 * np.sum(W**2) - np.sum(M**2) - 2 * driven)


def _filters(W, M):
    try:
        return np.linalg.solve(np.asarray(M, dtype=float), np.asarray(W, dtype=float))
    except (ValueError, np.linalg.LinAlgError) as error:
        raise ParameterError(f"W {np.shape(W)} and M {np.shape(M)} have no F = M⁻¹W ({error})") from None
