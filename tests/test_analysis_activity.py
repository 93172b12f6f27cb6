import numpy as np
import pytest

from corinfomax.analysis import participation_ratio, saturation, settling_residual, treves_rolls_sparsity
from corinfomax.errors import ParameterError


@pytest.mark.parametrize(("active", "theory"), [(1, 1.0), (5, (1 - 0.25) / (1 - 0.05)), (20, 0.0)])
def test_sparsity_of_binary_codes(active, theory):
    """Of 20 units, m active alike: a = m/20, S = (1 − a)/(1 − 1/20), to 1e-14, whatever their rate."""
    r = np.zeros((6, 20))
    r[:, :active] = np.array([1, 0.5, 0.1, 1e-3, 1e-200, 0.7])[:, np.newaxis]
    assert treves_rolls_sparsity(r) == pytest.approx(theory, abs=1e-14)


def test_sparsity_is_averaged_over_stimuli():
    """Random rates against the formula stimulus by stimulus, to 1e-14."""
    r = np.random.default_rng(0).random((30, 8))
    theory = np.mean([(1 - row.mean() ** 2 / (row**2).mean()) / (1 - 1 / 8) for row in r])
    assert treves_rolls_sparsity(r) == pytest.approx(theory, abs=1e-14)


@pytest.mark.filterwarnings("error")
def test_silence_is_sparse():
    """A silent stimulus counts as 1, without NaN or warning; a single unit has sparsity 0."""
    assert treves_rolls_sparsity(np.zeros((3, 5))) == 1
    assert treves_rolls_sparsity(np.array([[1.0, 1.0], [0.0, 0.0]])) == 0.5
    assert treves_rolls_sparsity(np.array([[0.0], [0.4]])) == 0


def test_saturation_counts_both_bounds():
    """Two zeros and one 1 of six rates are one half; other bounds are counted as given."""
    r = np.array([[0.0, 1.0, 0.5], [0.2, 0.0, 0.9]])
    assert saturation(r) == 0.5
    assert saturation(r, upper=np.inf) == pytest.approx(1 / 3)


@pytest.mark.parametrize("shape", [(200, 12), (9, 40)])
def test_participation_ratio_against_eigenvalues(shape):
    """(Σλ)²/Σλ² from the eigenvalues of numpy's covariance, with more and with fewer stimuli than units, to 1e-10."""
    r = np.random.default_rng(1).random(shape) * np.linspace(0.1, 1, shape[1])
    eigenvalues = np.linalg.eigvalsh(np.cov(r.T))
    theory = eigenvalues.sum() ** 2 / (eigenvalues**2).sum()
    assert participation_ratio(r) == pytest.approx(theory, rel=1e-10)


@pytest.mark.filterwarnings("error")
def test_participation_ratio_of_known_codes():
    """1 along one direction, n for n equal orthogonal ones, 0 if nothing varies, to 1e-12."""
    line = np.outer(np.arange(6.0), [1.0, 2.0, -1.0])
    cross = np.vstack([np.eye(4), -np.eye(4)])
    assert participation_ratio(line) == pytest.approx(1, abs=1e-12)
    assert participation_ratio(cross) == pytest.approx(4, abs=1e-12)
    assert participation_ratio(np.full((5, 3), 0.1)) == 0


def test_settling_residual_leaves_saturated_cells_out():
    """The largest |residual| where 0 < u < 1; 0 if there is no such cell."""
    residual = np.array([[5.0, -0.2], [0.1, 7.0]])
    u = np.array([[1.0, 0.5], [0.3, -0.4]])
    assert settling_residual(residual, u) == 0.2
    assert settling_residual(residual, np.full((2, 2), 2.0)) == 0


def test_activity_measures_refuse_other_shapes():
    """Activity that is not (stimuli, units), and a residual of other cells, are refused."""
    for measure in (treves_rolls_sparsity, saturation, participation_ratio):
        with pytest.raises(ParameterError, match=r"stimuli, units"):
            measure(np.zeros(4))
    with pytest.raises(ParameterError, match="shape"):
        settling_residual(np.zeros(3), np.zeros(4))
