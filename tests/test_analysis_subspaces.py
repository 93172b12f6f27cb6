"""Principal subspaces and the objective of similarity matching, against theory."""

import numpy as np
import pytest

from corinfomax.analysis.subspaces import covariance, objective, principal_directions, subspace_error
from corinfomax.errors import ParameterError

#: Eigenvalues of the covariance: three principal ones.
EIGENVALUES = np.array([3.0, 2.0, 1.0, 0.05, 0.01])


@pytest.fixture
def basis():
    """Random orthonormal directions, one a column."""
    return np.linalg.qr(np.random.default_rng(0).standard_normal((5, 5)))[0]


@pytest.fixture
def C(basis):
    """Covariance with these eigenvalues and eigenvectors."""
    return (basis * EIGENVALUES) @ basis.T


@pytest.fixture
def rotation():
    """A random rotation of the three outputs."""
    return np.linalg.qr(np.random.default_rng(1).standard_normal((3, 3)))[0]


def fixed_point(basis, rotation, whitened):
    """Where learning rests: F = QUᵀ (PSP) or QΛ^(-1/2)Uᵀ (PSW), M = QΛQᵀ and W = MF."""
    U, values = basis[:, :3], EIGENVALUES[:3]
    F = rotation @ ((values**-0.5)[:, None] * U.T if whitened else U.T)
    M = (rotation * values) @ rotation.T
    return M @ F, M


def test_directions_are_those_of_the_covariance(basis, C):
    """Eigenvalues in descending order and eigenvectors up to sign, to 1e-12; more than there are is refused."""
    values, U = principal_directions(C, 3)
    np.testing.assert_allclose(values, EIGENVALUES[:3], rtol=1e-12)
    np.testing.assert_allclose(np.abs(U.T @ basis[:, :3]), np.eye(3), atol=1e-12)
    with pytest.raises(ParameterError, match="k = 6: must be from 1 to 5"):
        principal_directions(C, 6)


def test_the_covariance_is_not_centred():
    """It is the mean of x xᵀ, sample by sample, to 1e-14."""
    x = np.random.default_rng(0).uniform(size=(7, 3))
    np.testing.assert_allclose(covariance(x), np.mean([np.outer(row, row) for row in x], axis=0), rtol=1e-14)


@pytest.mark.parametrize("whitened", [False, True])
def test_fixed_points_are_saddles_of_the_objective(basis, C, rotation, whitened):
    """The error is 0, the objective -Σλ² (PSP) or -Σλ (PSW), to 1e-12; M lowers it, W and its best M raise it."""
    W, M = fixed_point(basis, rotation, whitened)
    theory = -np.sum(EIGENVALUES[:3] ** (1 if whitened else 2))
    assert subspace_error(W, M, C, whitened) < 1e-12
    assert objective(W, M, C, whitened) == pytest.approx(theory, rel=1e-12)
    rng = np.random.default_rng(2)
    for sign in (1, -1):
        change = rng.standard_normal((3, 3))
        assert objective(W, M + sign * 1e-3 * (change + change.T), C, whitened) < theory

        def best(W):  # the least that W can make of what M makes the most of: solved for M
            S = W @ C @ W.T
            values, vectors = np.linalg.eigh(S)
            return objective(W, (vectors * values ** (1 / 2 if whitened else 1 / 3)) @ vectors.T, C, whitened)

        assert best(W + sign * 1e-3 * rng.standard_normal(W.shape)) > theory - 1e-12


@pytest.mark.parametrize("whitened", [False, True])
def test_the_objective_is_that_of_the_best_activity(C, whitened):
    """Written out with stimuli X and activity Y it is least at Y = M⁻¹WX, with the value given, to 1e-10."""
    rng = np.random.default_rng(3)
    X = np.linalg.cholesky(C) @ np.linalg.qr(rng.standard_normal((200, 5)))[0].T * np.sqrt(200)
    T, W, A = 200, rng.standard_normal((3, 5)), rng.standard_normal((3, 3))
    M = A @ A.T + np.eye(3)

    def written_out(Y):
        if whitened:
            return np.trace(W.T @ W) - np.trace(M) + np.trace(-(2 / T) * X.T @ W.T @ Y + (1 / T) * Y.T @ M @ Y)
        weights = 2 * np.trace(W.T @ W) - np.trace(M.T @ M)
        return weights + np.trace(-(4 / T) * X.T @ W.T @ Y + (2 / T) * Y.T @ M @ Y)

    Y = np.linalg.solve(M, W @ X)
    assert objective(W, M, covariance(X.T), whitened) == pytest.approx(written_out(Y), rel=1e-10)
    assert written_out(Y + 1e-3 * rng.standard_normal(Y.shape)) > written_out(Y)


def test_errors_are_distances(basis, C, rotation):
    """F = 0 is √k from the projection; a subspace with one foreign direction √2, to 1e-12; singular M is refused."""
    W, M = fixed_point(basis, rotation, whitened=False)
    assert subspace_error(0 * W, M, C) == pytest.approx(np.sqrt(3), rel=1e-12)
    assert subspace_error(basis[:, [0, 1, 3]].T, np.eye(3), C) == pytest.approx(np.sqrt(2), rel=1e-12)
    with pytest.raises(ParameterError, match="have no F"):
        subspace_error(W, np.zeros((3, 3)), C)
