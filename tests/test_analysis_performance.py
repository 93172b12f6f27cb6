import numpy as np
import pytest

from corinfomax.analysis import accuracy, linear_regression_r_squared, r_squared
from corinfomax.errors import ParameterError


def test_accuracy_counts_agreements():
    """Three of four stimuli right are 0.75, with labels and with one-hot targets (exact)."""
    outputs = np.array([[0.9, 0.1, 0.0], [0.2, 0.3, 0.1], [0.0, 0.0, 0.4], [0.5, 0.4, 0.3]])
    labels = np.array([0, 1, 2, 2])
    assert accuracy(outputs, labels) == 0.75
    assert accuracy(outputs, np.eye(3)[labels]) == 0.75


def test_ties_are_decided_for_the_first_output():
    """Of equal outputs the first counts as the largest, also where all are silent (exact, as the docstring says)."""
    outputs = np.array([[0.5, 0.5, 0.1], [0.0, 0.0, 0.0], [0.1, 0.4, 0.4]])
    assert accuracy(outputs, [0, 0, 1]) == 1.0
    assert accuracy(outputs, [1, 2, 2]) == 0.0


def test_r_squared_is_one_minus_the_unexplained_variance():
    """R² against 1 − SS_res/SS_tot averaged over outputs, to 1e-12; 1-d and one-column targets agree."""
    rng = np.random.default_rng(0)
    targets = rng.standard_normal((50, 3))
    outputs = targets + 0.3 * rng.standard_normal((50, 3))
    theory = np.mean(1 - ((targets - outputs) ** 2).sum(0) / ((targets - targets.mean(0)) ** 2).sum(0))
    assert r_squared(outputs, targets) == pytest.approx(theory, abs=1e-12)
    assert r_squared(outputs[:, :1], targets[:, 0]) == r_squared(outputs[:, 0], targets[:, :1])


def test_linear_regression_recovers_an_affine_map():
    """The baseline explains noiseless affine targets fully, R² = 1 to 1e-12."""
    rng = np.random.default_rng(1)
    x = rng.standard_normal((60, 5))
    y = x @ rng.standard_normal((5, 2)) + 3
    assert linear_regression_r_squared(x[:40], y[:40], x[40:], y[40:]) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("measure", [accuracy, r_squared])
def test_performance_refuses_targets_of_other_stimuli(measure):
    """Outputs and targets of different numbers of stimuli are refused."""
    with pytest.raises(ParameterError, match="do not fit"):
        measure(np.zeros((4, 2)), np.zeros((3, 2)))
