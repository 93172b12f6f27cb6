import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest

from corinfomax.analysis.figures import activity_histogram, receptive_fields, weight_histogram
from corinfomax.errors import ParameterError

matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def test_receptive_fields_are_the_weights():
    """The first image of the mosaic is the first cell chosen; colours are symmetric; 64 fields at most."""
    W = np.random.default_rng(0).standard_normal((100, 48))
    ax = receptive_fields(W, (6, 8), cells=[7, 3])
    image = ax.images[0]
    np.testing.assert_array_equal(image.get_array()[:6, :8], W[7].reshape(6, 8))
    assert image.norm.vmin == -image.norm.vmax
    assert "64 of 100 cells" in receptive_fields(W, (6, 8)).get_title()


@pytest.mark.parametrize("shape", [(3, 4, 5), (4, 5, 3)])
def test_receptive_fields_of_colour_images_are_coloured(shape):
    """Channels, first or last, are red, green and blue: a half at weight 0, linear up to the limits; gaps are white."""
    W = np.random.default_rng(0).standard_normal((4, 60))
    drawn = receptive_fields(W, shape).images[0]
    theory = np.clip(0.5 + np.moveaxis(W[0].reshape(shape), shape.index(3), -1) / (2 * drawn.norm.vmax), 0, 1)
    np.testing.assert_allclose(drawn.get_array()[:4, :5], theory)
    assert drawn.norm.vmin == -drawn.norm.vmax
    np.testing.assert_array_equal(drawn.get_array()[4], 1)


@pytest.mark.parametrize("shape", [(2, 5, 6), (5, 6, 2)])
def test_receptive_fields_of_other_channels_are_means(shape):
    """Channels, first or last, that are not three are averaged."""
    W = np.random.default_rng(0).standard_normal((1, 60))
    image = receptive_fields(W, shape).images[0].get_array()
    np.testing.assert_allclose(image, W.reshape(shape).mean(axis=shape.index(2)))


def test_receptive_fields_refuse_what_does_not_fit():
    """Images of another size, and cells that do not exist, are refused."""
    with pytest.raises(ParameterError, match="no images of shape"):
        receptive_fields(np.zeros((3, 48)), (7, 7))
    with pytest.raises(ParameterError, match="cells 0 to 2"):
        receptive_fields(np.zeros((3, 48)), (6, 8), cells=[3])


def test_histograms_add_up():
    """The shares of each matrix and of each layer sum to 100 %, to 1e-9."""
    rng = np.random.default_rng(0)
    drawn = weight_histogram({"a": rng.standard_normal((9, 30)), "b": rng.standard_normal((4, 5))}).lines
    drawn = [*drawn, *activity_histogram({1: rng.random((20, 5)), 2: 2 * rng.random((20, 3))}).lines]
    assert len(drawn) == 4
    for outline in drawn:
        heights = outline.get_ydata()[1:-1]  # each bin's height stands at both of its edges
        assert heights.sum() / 2 == pytest.approx(100, abs=1e-9)


def test_activity_below_zero_is_no_rate():
    """Values below 0 are called activity, without a share of silent ones; rates keep both: by definition."""
    ax = activity_histogram({1: np.array([[0.0, 1.0]])})
    assert (ax.get_xlabel(), ax.lines[0].get_label()) == ("Rate $r$ (dimensionless)", "layer 1 (50 % silent)")
    ax = activity_histogram({1: np.array([[-0.5, 0.0, 1.0]])})
    assert (ax.get_xlabel(), ax.lines[0].get_label()) == ("Activity (dimensionless)", "layer 1")


@pytest.mark.parametrize("count", [3, 40, 20000])
def test_shares_are_labelled_with_plain_numbers(count):
    """Labels of the logarithmic axis, read as numbers, are the ticks, at least two of them, over any span."""
    weights = np.append(np.zeros(count), 1.0)
    ax = weight_histogram({"a": weights})
    ax.figure.draw_without_rendering()
    low, high = ax.get_ylim()
    ticks = [(tick, label.get_text()) for tick, label in zip(ax.get_yticks(), ax.get_yticklabels(), strict=True)]
    shown = [(tick, text) for tick, text in ticks if low <= tick <= high]
    assert len(shown) >= 2
    np.testing.assert_allclose([float(text) for _, text in shown], [tick for tick, _ in shown], rtol=1e-9)
    assert not any("e" in text for _, text in shown)
