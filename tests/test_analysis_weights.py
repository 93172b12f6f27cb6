import numpy as np
import pytest

from corinfomax.analysis import angle
from corinfomax.errors import ParameterError


def test_angle_of_known_pairs():
    """0° for W_fb ∝ W_ffᵀ, 180° for its negative, 45° halfway to an orthogonal matrix, to 1e-5° (acos at ±1)."""
    rng = np.random.default_rng(0)
    W = rng.standard_normal((4, 7))
    V = rng.standard_normal((4, 7))
    V -= W * np.sum(V * W) / np.sum(W * W)
    V *= np.linalg.norm(W) / np.linalg.norm(V)
    assert angle(W, 3 * W.T) == pytest.approx(0, abs=1e-5)
    assert angle(W, -W.T) == pytest.approx(180, abs=1e-5)
    assert angle(W, (W + V).T) == pytest.approx(45, abs=1e-10)


def test_angle_is_the_published_trace_formula():
    """Against acos(Tr(W_ff W_fb) / (‖W_ff‖ ‖W_fb‖)) written out, to 1e-10°."""
    rng = np.random.default_rng(1)
    W_ff, W_fb = rng.standard_normal((5, 8)), rng.standard_normal((8, 5))
    theory = np.degrees(np.arccos(np.trace(W_ff @ W_fb) / (np.linalg.norm(W_ff) * np.linalg.norm(W_fb))))
    assert angle(W_ff, W_fb) == pytest.approx(theory, abs=1e-10)


def test_independent_weights_are_nearly_orthogonal():
    """Independent random matrices of 10 × 500 lie at 90° to four standard deviations, of .81° each."""
    rng = np.random.default_rng(2)
    assert angle(rng.standard_normal((10, 500)), rng.standard_normal((500, 10))) == pytest.approx(90, abs=3.3)


def test_angle_of_zero_weights_is_undefined():
    """A zero matrix has no direction: NaN, without a warning; other shapes are refused."""
    assert np.isnan(angle(np.zeros((2, 3)), np.ones((3, 2))))
    with pytest.raises(ParameterError, match="transpose"):
        angle(np.ones((2, 3)), np.ones((2, 3)))
