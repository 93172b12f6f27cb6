import numpy as np
import pytest

from corinfomax.analysis import cmi_backward, cmi_forward, cmi_joint, ridge_predictor
from corinfomax.errors import ParameterError

EPSILON = 0.15


@pytest.fixture
def layers():
    """Correlated, nonnegative activities of 12 and 7 units to 300 stimuli."""
    rng = np.random.default_rng(0)
    x = rng.random((300, 12))
    y = np.clip(x @ rng.standard_normal((12, 7)) * 0.5 + 0.1 * rng.standard_normal((300, 7)), 0, 1)
    return x, y


def test_forward_backward_and_joint_agree(layers):
    """With the ridge predictors the three forms of the information are equal (eqs 2 and 4), to 1e-12."""
    x, y = layers
    joint = cmi_joint(x, y, EPSILON)
    assert joint > 0.1
    assert cmi_forward(x, y, EPSILON) == pytest.approx(joint, abs=1e-12)
    assert cmi_backward(x, y, EPSILON) == pytest.approx(joint, abs=1e-12)


def test_joint_form_against_eigenvalues(layers):
    """Against ½ Σ log(λ + ε) over the eigenvalues of stimulus-wise summed correlations, to 1e-12."""
    x, y = layers

    def half_log_det(z):
        R = sum(np.outer(a, a) for a in z) / len(z)
        return 0.5 * np.log(np.linalg.eigvalsh(R) + EPSILON).sum()

    theory = half_log_det(x) + half_log_det(y) - half_log_det(np.hstack([x, y]))
    assert cmi_joint(x, y, EPSILON) == pytest.approx(theory, abs=1e-12)


def test_scalar_layers_closed_form():
    """One unit each: ½ log[(a + ε)(b + ε) / ((a + ε)(b + ε) − c²)] with the moments a, b, c, to 1e-14."""
    x, y = np.array([[1.0], [2.0], [0.0]]), np.array([[1.0], [1.0], [3.0]])
    a, b, c = 5 / 3, 11 / 3, 1.0
    product = (a + EPSILON) * (b + EPSILON)
    theory = 0.5 * np.log(product / (product - c**2))
    assert cmi_joint(x, y, EPSILON) == pytest.approx(theory, abs=1e-14)
    assert cmi_forward(x, y, EPSILON) == pytest.approx(theory, abs=1e-14)


@pytest.mark.parametrize("size", [1e-3, 0.1, 1.0, 10.0])
def test_any_other_predictor_is_a_lower_bound(layers, size):
    """Ridge predictors, perturbed in twenty random directions, give less than the joint form, both ways."""
    x, y = layers
    rng = np.random.default_rng(1)
    joint = cmi_joint(x, y, EPSILON)
    forward, backward = ridge_predictor(x, y, EPSILON), ridge_predictor(y, x, EPSILON)
    for _ in range(20):
        assert cmi_forward(x, y, EPSILON, forward + size * rng.standard_normal(forward.shape)) < joint
        assert cmi_backward(x, y, EPSILON, backward + size * rng.standard_normal(backward.shape)) < joint


def test_ridge_predictor_minimises_the_regularised_error(layers):
    """Against least squares on the stimuli with √(nε) I appended, to 1e-12."""
    x, y = layers
    n, inputs = x.shape
    padded_x = np.vstack([x, np.sqrt(n * EPSILON) * np.eye(inputs)])
    padded_y = np.vstack([y, np.zeros((inputs, y.shape[1]))])
    theory = np.linalg.lstsq(padded_x, padded_y, rcond=None)[0].T
    np.testing.assert_allclose(ridge_predictor(x, y, EPSILON), theory, atol=1e-12)


def test_uncorrelated_layers_share_no_information():
    """Activities orthogonal over stimuli have information 0, to 1e-14."""
    x, y = np.array([[1.0], [1.0], [1.0], [1.0]]), np.array([[1.0], [-1.0], [1.0], [-1.0]])
    assert cmi_joint(x, y, EPSILON) == pytest.approx(0, abs=1e-14)


def test_single_precision_is_computed_in_double(layers):
    """float32 activity gives the value of the same numbers in float64, and more units than stimuli are no trouble."""
    x, y = (z.astype(np.float32) for z in layers)
    assert cmi_joint(x, y, EPSILON) == cmi_joint(x.astype(float), y.astype(float), EPSILON)
    assert cmi_forward(x[:5], y[:5], EPSILON) == pytest.approx(cmi_joint(x[:5], y[:5], EPSILON), abs=1e-12)


def test_information_refuses_what_it_cannot_measure(layers):
    """Other stimuli, a predictor of other layers, ε = 0 and activity that is not finite are each refused."""
    x, y = layers
    with pytest.raises(ParameterError, match="same stimuli"):
        cmi_joint(x, y[:-1], EPSILON)
    with pytest.raises(ParameterError, match="does not predict"):
        cmi_forward(x, y, EPSILON, np.zeros((12, 7)))
    with pytest.raises(ParameterError, match="positive"):
        cmi_joint(x, y, 0)
    with pytest.raises(ParameterError, match="finite"):
        cmi_joint(np.where(x > 0.9, np.nan, x), y, EPSILON)
