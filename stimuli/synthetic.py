"""Stimuli that are drawn at random, by a recipe from a paper, and have no targets."""

from __future__ import annotations

import math
from numbers import Integral
from pathlib import Path

import numpy as np

from ..errors import ParameterError
from .stimuli import Stimuli

#: Upper end of the singular values outside the principal subspace, in units of √T.
NOISE = 0.1


def subspace(data: Path | None = None) -> Stimuli:
    """Stimuli with three principal directions among ten inputs: `principal_subspace` as the paper has it.

    Parameters
    ----------
    data : Path, optional
        Not used: the set is computed.

    Returns
    -------
    Stimuli
        10 inputs, no targets, 2000 stimuli that are both training and test part.
    """
    return principal_subspace()


def principal_subspace(*, n: int = 10, k: int = 3, T: int = 2000, seed: int = 0) -> Stimuli:
    """Stimuli X (n × T) = U S Vᵀ with k large singular values (Pehlevan, Sengupta & Chklovskii 2018).

    The singular vectors U (n × n) and V (T × n) are random and orthonormal. The singular values are √(kT), √((k − 1)T),
    …, √T for the principal subspace, so that the covariance XXᵀ/T has the eigenvalues k, k − 1, …, 1, and uniform in
    [0, .1 √T] for the other n − k directions. The inputs are neither centred nor rates: about half are negative.

    Training and test part are the same X. What a circuit learns from it, and the errors by which the paper judges that,
    depend on the covariance alone; a test part with the same U and S and other V has exactly the same covariance.

    Parameters
    ----------
    n : int, default 10
        Inputs.
    k : int, default 3
        Dimensions of the principal subspace, 1 to n.
    T : int, default 2000
        Stimuli, at least n.
    seed : int, default 0
        Of the singular vectors and the small singular values.

    Returns
    -------
    Stimuli
        "subspace", of task "none", float64; x_train and x_test (T, n) are Xᵀ.

    Raises
    ------
    ParameterError
        A number that is no integer or out of its range.
    """
    for name, value, least in (("n", n, 1), ("k", k, 1), ("T", T, 1), ("seed", seed, 0)):
        if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
            raise ParameterError(f"subspace: {name} is {value!r}; allowed are integers from {least}")
    if not k <= n <= T:
        raise ParameterError(f"subspace: k is {k}, n is {n}, T is {T}; allowed is k ≤ n ≤ T")
    rng = np.random.default_rng(seed)
    u, v = _orthonormal_rows(rng, n, n), _orthonormal_rows(rng, n, T)
    values = math.sqrt(T) * np.concatenate([np.sqrt(np.arange(k, 0, -1)), rng.uniform(0, NOISE, n - k)])
    # Added up one by one and not multiplied as matrices, for the reason given in `_orthonormal_rows`.
    x = np.zeros((T, n))
    for value, left, right in zip(values, u, v, strict=True):
        x += (value * right)[:, None] * left
    return Stimuli(name="subspace", x_train=x, x_test=x, task="none")


def _orthonormal_rows(rng: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    """Draw orthonormal rows, uniformly: Gaussian ones, orthogonalised one after the other.

    Twice, for orthogonality to round-off, and with exactly rounded sums: LAPACK's last bits differ from processor to
    processor, and so would the set's digest, by which a run that is resumed elsewhere knows its stimuli again.
    """
    basis = rng.standard_normal((rows, columns))
    for row in range(rows):
        for earlier in (*basis[:row], *basis[:row]):
            basis[row] -= math.fsum(basis[row] * earlier) * earlier
        basis[row] /= math.sqrt(math.fsum(basis[row] ** 2))
    return basis
