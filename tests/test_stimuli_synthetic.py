import math

import numpy as np
import pytest

from corinfomax.errors import ParameterError
from corinfomax.stimuli import load_stimuli, principal_subspace

GOLDEN = "2f2c1caf6548a711b3fda6bda34ffe3bb6a6cd2571f9bc9207d69ed25d700185"


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(("n", "k", "T"), [(10, 3, 2000), (10, 10, 30), (4, 1, 4), (1, 1, 1), (25, 4, 100)])
def test_singular_values_are_the_papers(n, k, T, seed):
    """NumPy's SVD finds √(kT) … √T, to 1e-13 of them, and n − k others in [0, .1 √T]; the rank is n."""
    stimuli = principal_subspace(n=n, k=k, T=T, seed=seed)
    assert stimuli.x_train.shape == (T, n)
    assert stimuli.x_train.dtype == np.float64
    values = np.linalg.svd(stimuli.x_train, compute_uv=False)
    np.testing.assert_allclose(values[:k], [math.sqrt(i * T) for i in range(k, 0, -1)], rtol=1e-13)
    assert (values[k:] > 0).all()
    assert (values[k:] < 0.1 * math.sqrt(T)).all()


def test_covariance_has_the_eigenvalues_of_the_stability_bounds():
    """The uncentred XXᵀ/T has the eigenvalues 3, 2, 1 and seven below .01, which the bounds on τ are about (theory)."""
    x = load_stimuli("subspace").x_train
    eigenvalues = np.linalg.eigvalsh(x.T @ x / len(x))
    np.testing.assert_allclose(eigenvalues[-3:], [1, 2, 3], rtol=1e-13)
    assert (eigenvalues[:7] < 0.01).all()


def test_directions_and_small_values_are_uniform():
    """Over 400 seeds each input has 1/n of the first direction, and the small values a mean of .05, at 5 σ (theory)."""
    n, T, seeds = 4, 8, 400
    shares, small = [], []
    for seed in range(seeds):
        _, values, directions = np.linalg.svd(principal_subspace(n=n, k=1, T=T, seed=seed).x_train)
        shares.append(directions[0] ** 2)
        small.append(values[1:] / math.sqrt(T))
    # A squared coordinate of a random unit vector is Beta(1/2, (n − 1)/2): variance 2(n − 1)/(n²(n + 2)).
    deviation = math.sqrt(2 * (n - 1) / (n**2 * (n + 2)) / seeds)
    np.testing.assert_allclose(np.mean(shares, axis=0), 1 / n, atol=5 * deviation)
    np.testing.assert_allclose(np.mean(small), 0.05, atol=5 * 0.1 / math.sqrt(12 * 3 * seeds))


def test_set_has_no_targets_and_one_part_for_both():
    """The built-in set is `principal_subspace()`; its test part is its training part, in the same memory."""
    stimuli = load_stimuli("subspace", data="nowhere")
    assert repr(stimuli) == "<Stimuli subspace: no targets, inputs 10, train 2000, test 2000>"
    assert np.shares_memory(stimuli.x_train, stimuli.x_test)
    np.testing.assert_array_equal(stimuli.x_train, stimuli.x_test)
    assert stimuli.digest == principal_subspace(n=10, k=3, T=2000, seed=0).digest


def test_set_is_the_same_on_every_machine():
    """The digest is the one that it had on other processors, with and without vector units (golden)."""
    assert load_stimuli("subspace").digest == GOLDEN


def test_seeds_give_other_stimuli():
    """Each seed has stimuli of its own, and the same ones twice (property)."""
    digests = [principal_subspace(n=5, k=2, T=20, seed=seed).digest for seed in (0, 1, 2, 0)]
    assert len(set(digests)) == 3
    assert digests[0] == digests[3]


def test_validation_part_is_of_the_training_stimuli():
    """A quarter of the stimuli can be set apart; the test part stays X."""
    new = load_stimuli("subspace").with_validation(0.25)
    assert repr(new) == "<Stimuli subspace: no targets, inputs 10, train 1500, validation 500, test 2000>"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 0}, "subspace: n is 0; allowed are integers from 1"),
        ({"k": 0}, "subspace: k is 0; allowed are integers from 1"),
        ({"T": 1.5}, "subspace: T is 1.5; allowed are integers from 1"),
        ({"n": True}, "subspace: n is True; allowed are integers from 1"),
        ({"seed": -1}, "subspace: seed is -1; allowed are integers from 0"),
        ({"seed": None}, "subspace: seed is None; allowed are integers from 0"),
        ({"k": 11}, "subspace: k is 11, n is 10, T is 2000; allowed is k ≤ n ≤ T"),
        ({"T": 9}, "subspace: k is 3, n is 10, T is 9; allowed is k ≤ n ≤ T"),
    ],
)
def test_wrong_numbers_are_refused(arguments, message):
    """Numbers out of range, and no integers, are refused in one line with what is allowed."""
    with pytest.raises(ParameterError) as refusal:
        principal_subspace(**arguments)
    assert str(refusal.value) == message
