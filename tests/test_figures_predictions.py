"""Figures of what is predicted: confusions, and predicted against true numbers."""

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest

from corinfomax.analysis.figures import confusion_matrix, predicted_against_true
from corinfomax.errors import ParameterError
from corinfomax.summary import shortened

matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def test_confusions_are_drawn_as_shares_of_their_class():
    """Colours are 100 × count / row sum, exactly; each cell has its count, each true class its name and recall.

    A class without stimuli is told as such.
    """
    counts = np.array([[3, 1, 0], [0, 8, 0], [0, 0, 0]])
    ax = confusion_matrix(counts, ["a $", "b", "c"])
    np.testing.assert_array_equal(ax.images[0].get_array(), [[75, 25, 0], [0, 100, 0], [0, 0, 0]])
    assert [text.get_text() for text in ax.texts] == ["3", "1", "", "", "8", "", "", "", ""]
    assert [label.get_text() for label in ax.get_yticklabels()] == [r"a \$ (75 %)", "b (100 %)", "c (none)"]
    assert ax.get_title() == "11 of 12 test stimuli recognised"
    ax.figure.draw_without_rendering()
    assert not confusion_matrix(np.eye(100, dtype=int)).texts
    for wrong, names in ((np.ones((2, 3)), None), (counts, ["a"])):
        with pytest.raises(ParameterError, match="confusion_matrix"):
            confusion_matrix(wrong, names)


def test_long_names_leave_room_for_the_matrix():
    """Long names end after nineteen letters, with their numbers where they look alike; the matrix stays wide."""
    names = ["x" * 200, "x" * 199 + "y", "the inhibitory interneurons of layer 4", "line\nbreak"]
    ax = confusion_matrix(np.eye(4, dtype=int), names)
    shown = [label.get_text() for label in ax.get_xticklabels()]
    assert shown == ["0 " + "x" * 17 + "…", "1 " + "x" * 17 + "…", "the inhibitory inte…", "line break"]
    ax.figure.draw_without_rendering()
    assert ax.get_position().width * ax.figure.get_figwidth() > 1.2
    assert shortened(range(3)) == ["0", "1", "2"]


def test_predictions_are_drawn_against_the_truth():
    """Each output's points are (true, predicted), exactly, the line is the diagonal; further outputs are left out."""
    rng = np.random.default_rng(0)
    outputs, targets = rng.random((20, 11)), rng.random((20, 11))
    axes = predicted_against_true(outputs, targets, np.linspace(-0.5, 0.5, 11)).axes
    assert len(axes) == 9
    for n, ax in enumerate(axes):
        np.testing.assert_array_equal(ax.collections[0].get_offsets(), np.c_[targets[:, n], outputs[:, n]])
        np.testing.assert_array_equal(*ax.lines[0].get_data())
    assert axes[0].get_title() == "Output 0: $R^2$ = −0.500"
    assert predicted_against_true(outputs[:, :1], targets[:, :1]).axes[0].get_title() == "20 test stimuli"
    with pytest.raises(ParameterError, match="do not fit"):
        predicted_against_true(outputs, targets[:, :3])
