"""How near a matrix is to the Moore-Penrose pseudoinverse of another one.

B is A⁺ if and only if it meets the four conditions of Penrose (1955):

    (1) A B A = A,   (2) B A B = B,   (3) (A B)ᵀ = A B,   (4) (B A)ᵀ = B A
"""

import numpy as np

from ..errors import ParameterError


def penrose_residuals(A, B):
    """Measure by how much the four conditions are missed.

    Parameters
    ----------
    A : array, (n, m)
    B : array, (m, n)

    Returns
    -------
    tuple of 4 float
        ‖A B A - A‖/‖A‖, ‖B A B - B‖/‖B‖, ‖A B - (A B)ᵀ‖/‖A B‖ and ‖B A - (B A)ᵀ‖/‖B A‖, Frobenius norms; NaN where
        the denominator is 0.

    Raises
    ------
    ParameterError
        The shapes are not each other's transpose.
    """
    A, B = _fitting(A, B)
    AB, BA = A @ B, B @ A
    missed = ((AB @ A - A, A), (BA @ B - B, B), (AB - AB.T, AB), (BA - BA.T, BA))
    return tuple(_ratio(np.linalg.norm(difference), np.linalg.norm(whole)) for difference, whole in missed)


def inverse_error(A, B):
    """Measure the distance of B from A⁺, ‖B - A⁺‖/‖A⁺‖, Frobenius norms.

    Parameters
    ----------
    A : array, (n, m)
    B : array, (m, n)

    Returns
    -------
    float
        NaN where A is 0.
    """
    A, B = _fitting(A, B)
    pseudoinverse = np.linalg.pinv(A)
    return _ratio(np.linalg.norm(B - pseudoinverse), np.linalg.norm(pseudoinverse))


def condition(A):
    """Find the condition number of a matrix: the largest of its min(n, m) singular values over the least.

    Parameters
    ----------
    A : array, (n, m)

    Returns
    -------
    float
        Infinite where the rank is not full.
    """
    return float(np.linalg.cond(np.asarray(A, dtype=float)))


def _fitting(A, B):
    A, B = np.asarray(A, dtype=float), np.asarray(B, dtype=float)
    if A.ndim != 2 or A.shape != B.shape[::-1]:
        raise ParameterError(f"pseudoinverse: A {A.shape} and B {B.shape} are not each other's transpose")
    return A, B


def _ratio(part, whole) -> float:
    return float(part / whole) if whole else float("nan")
