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


def subspace_error(W, M, C, whitened=False, exponent=None):
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
    exponent : float, optional
        p of the generalised objective, for ‖FᵀF − UΛ^(p−2)Uᵀ‖.

    Returns
    -------
    float
        From 0; √k for weights F = 0 that do not whiten.
    """
    F = _filters(W, M)
    values, U = principal_directions(C, len(F))
    power = (1 if whitened else 2) if exponent is None else exponent
    return float(np.linalg.norm(F.T @ F - (U * values ** (power - 2.0)) @ U.T))


def objective(W, M, C, whitened=False, exponent=None):
    """Evaluate the function of which similarity matching seeks the saddle, min over W and max over M.

    PSP: 2 Tr WᵀW − Tr MᵀM − 2 Tr WCWᵀM⁻¹; PSW: Tr WᵀW − Tr M − Tr WCWᵀM⁻¹, in which the activity is already the best,
    Y = M⁻¹WX. Generalised: 2 Tr WᵀW − (2/p) Tr Mᵖ − 2 Tr WCWᵀM⁻¹, with p = 2 for PSP and p = 1 for twice PSW.

    Parameters
    ----------
    W, M, C, whitened, exponent
        As in `subspace_error`.

    Returns
    -------
    float
        At the saddle −Σλ_i² (PSP), −Σλ_i (PSW) or −(2/p) Σλ_iᵖ, the sum of the k largest.
    """
    W, M = np.asarray(W, dtype=float), np.asarray(M, dtype=float)
    driven = float(np.sum((W @ C) * _filters(W, M)))
    if exponent is not None:
        lateral = float(np.sum(np.linalg.eigvalsh(M) ** exponent))
        return float(2 * np.sum(W**2) - 2 / exponent * lateral - 2 * driven)
    if whitened:
        return float(np.sum(W**2) - np.trace(M) - driven)
    return float(2 * np.sum(W**2) - np.sum(M**2) - 2 * driven)


def similarity_error(x, y):
    """Evaluate what similarity matching minimises, ‖XᵀX − YᵀY‖²/T², without matrices of stimuli by stimuli.

    Parameters
    ----------
    x : array, (T, n)
        One stimulus a row.
    y : array, (T, k)
        The outputs for them.

    Returns
    -------
    float
        Relative to ‖XᵀX‖²/T²: 0 if all similarities are matched, 1 without outputs.
    """
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    if len(x) != len(y):
        raise ParameterError(f"similarity_error: {len(x)} stimuli and {len(y)} outputs: must be as many")
    whole = float(np.sum((x.T @ x) ** 2))
    return (whole - 2 * float(np.sum((y.T @ x) ** 2)) + float(np.sum((y.T @ y) ** 2))) / whole


def relative_subspace_error(filters, U):
    """Measure the distance of two projections, √(K + Tr((ÛᵀÛ)²) − 2‖ÛᵀU‖²)/√K (Giovannucci et al. 2018).

    Parameters
    ----------
    filters : array, (K, n)
        Ûᵀ, such as F = M⁻¹W; its rows need not be orthonormal.
    U : array, (n, K)
        Orthonormal directions, one a column.

    Returns
    -------
    float
        From 0; this is ‖FᵀF − UUᵀ‖ over √K.
    """
    F, U = np.asarray(filters, dtype=float), np.asarray(U, dtype=float)
    squared = U.shape[1] + np.sum((F @ F.T) ** 2) - 2 * np.sum((F @ U) ** 2)
    return float(np.sqrt(max(squared, 0.0) / U.shape[1]))


def _filters(W, M):
    try:
        return np.linalg.solve(np.asarray(M, dtype=float), np.asarray(W, dtype=float))
    except (ValueError, np.linalg.LinAlgError) as error:
        raise ParameterError(f"W {np.shape(W)} and M {np.shape(M)} have no F = M⁻¹W ({error})") from None
