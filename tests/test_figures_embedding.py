import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex

from corinfomax.analysis.figures import embedding
from corinfomax.errors import ParameterError

matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.fixture
def rates():
    """Rates of 7 cells to 40 stimuli, in two classes far from each other."""
    rng = np.random.default_rng(0)
    return rng.random((40, 7)) * np.arange(1, 8) + 20 * (np.arange(40) % 2)[:, None]


def points(ax):
    return np.concatenate([group.get_offsets() for group in ax.collections])


def test_principal_components_are_those_of_the_singular_value_decomposition(rates):
    """Coordinates equal the U S of NumPy up to the axes' signs, to 1e-9; shares of variance, to the digit shown."""
    ax = embedding(rates)
    U, S, _ = np.linalg.svd(rates - rates.mean(axis=0), full_matrices=False)
    theory, found = U[:, :2] * S[:2], points(ax)
    np.testing.assert_allclose(found * np.sign(np.sum(found * theory, axis=0)), theory, rtol=0, atol=1e-9)
    shares = 100 * S**2 / np.sum(S**2)
    assert f"({shares[0]:.1f} % of variance)" in ax.get_xlabel()
    assert f"({shares[1]:.1f} % of variance)" in ax.get_ylabel()


@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_points_are_coloured_by_class(rates, method):
    """One group of points a class, of its own colour, which the legend names; all points are there."""
    labels = np.array([3, 8])[np.arange(40) % 2]
    given = plt.subplots()[1]
    ax = embedding(rates, labels, method, given)
    assert ax is given
    assert [len(group.get_offsets()) for group in ax.collections] == [20, 20]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["3", "8"]
    colours = [to_hex(group.get_facecolor()[0]) for group in ax.collections]
    assert len(set(colours)) == 2
    one, other = (group.get_offsets() for group in ax.collections)
    between = np.linalg.norm(one[:, None] - other, axis=-1).min(axis=1)
    within = np.linalg.norm(one[:, None] - one, axis=-1)
    assert np.all(np.sort(within, axis=1)[:, 1] < between)  # the nearest neighbour is of one's class


def test_without_labels_there_is_one_colour(rates):
    """All points in one group, and no legend."""
    (group,) = embedding(rates).collections
    assert len(group.get_offsets()) == 40
    assert group.axes.get_legend() is None


def test_tsne_is_fixed_by_its_seed(rates):
    """The same seed gives the same points, exactly."""
    np.testing.assert_array_equal(*(points(embedding(rates, method="tsne", seed=3)) for _ in range(2)))


def test_classes_have_colours_and_markers_of_their_own(rates):
    """Ten classes: ten colours and ten shapes of markers; the legend has their names, dollar signs included."""
    labels = np.arange(40) % 10
    names = [f"digit ${n}$" for n in range(10)]
    ax = embedding(rates, labels, names=names)
    assert len({to_hex(group.get_facecolor()[0]) for group in ax.collections}) == 10
    assert len({group.get_paths()[0].vertices.tobytes() for group in ax.collections}) == 10
    assert [text.get_text().replace("\\$", "$") for text in ax.get_legend().get_texts()] == names
    ax.figure.draw_without_rendering()


def test_targets_colour_points(rates):
    """Without classes the points' shades are the targets, exactly, and a bar tells them."""
    targets = np.linspace(-1, 2, 40)
    ax = embedding(rates, targets=targets)
    np.testing.assert_array_equal(ax.collections[0].get_array(), targets)
    assert [other.get_ylabel() for other in ax.figure.axes] == [ax.get_ylabel(), "Target"]


def test_what_cannot_be_embedded_is_refused(rates):
    """An unknown method, labels of another number, silent cells, one cell, infinite rates: one line each."""
    for arguments, complaint in (
        ((rates, None, "umap"), "unknown method 'umap'; known are pca, tsne"),
        ((rates, [1, 2]), "labels have shape"),
        ((rates, None, "pca", None, 0, [1, 2]), "targets have shape"),
        ((np.zeros((40, 7)),), "do not span two dimensions"),
        ((rates[:, :1],), "do not span two dimensions"),
        ((np.full((40, 7), np.inf),), "not finite"),
    ):
        with pytest.raises(ParameterError, match=complaint) as error:
            embedding(*arguments)
        assert "\n" not in str(error.value)
