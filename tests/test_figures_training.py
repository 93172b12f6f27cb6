"""Figures of how a run went, epoch by epoch."""

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from corinfomax.analysis.figures import alignment, course, information, learning_curve
from corinfomax.errors import ParameterError

matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def history(epochs):
    """A history of a circuit with two hidden layers."""
    epoch = np.arange(1, epochs + 1)
    columns = {"epoch": epoch, "train_accuracy": 0.9 + 0.01 * epoch, "test_accuracy": 0.8 + 0.02 * epoch}
    columns |= {f"angle_{k}": 60.0 + k * epoch for k in (1, 2)}
    columns |= {f"cmi_forward_{k}": 10.0 - k + epoch for k in (0, 1, 2)}
    columns |= {f"cmi_backward_{k}": 9.0 - k + epoch for k in (1, 2)}
    return pd.DataFrame(columns)


def test_learning_curve_draws_per_cent_on_the_axis_given():
    """Fractions are drawn in per cent, on the axis that was given and is returned."""
    given = plt.subplots()[1]
    ax = learning_curve(history(3), given)
    assert ax is given
    np.testing.assert_allclose(ax.lines[1].get_ydata(), [82, 84, 86])
    assert ax.get_ylabel() == "Accuracy (%)"


def test_learning_curve_of_a_regression():
    """R² is drawn as it is; a history without performance is refused."""
    table = pd.DataFrame({"epoch": [1, 2], "train_r_squared": [0.3, 0.5], "test_r_squared": [0.2, 0.4]})
    ax = learning_curve(table)
    np.testing.assert_allclose(ax.lines[1].get_ydata(), [0.2, 0.4])
    assert "R^2" in ax.get_ylabel()
    with pytest.raises(ParameterError, match="no accuracy"):
        learning_curve(table[["epoch"]])


def test_learning_curve_with_a_validation_part():
    """Three lines, of training, validation and test stimuli in this order, in per cent; training is told as it ran."""
    table = history(3).assign(validation_accuracy=[0.7, 0.8, 0.85])
    lines = learning_curve(table).lines
    assert [line.get_label().split()[0] for line in lines] == ["train,", "validation", "test"]
    np.testing.assert_allclose(lines[1].get_ydata(), [70, 80, 85])
    assert lines[0].get_label() == "train, as presented during the epoch (93.0 %)"


def test_other_scores_have_suitable_axes():
    """Values as they are; logarithmic where all are positive and span more than a factor of 20, else linear."""
    table = pd.DataFrame({"epoch": [1, 2, 3], "subspace_error": [0.5, 0.1, 1e-3], "objective": [-1.0, -2.0, -30.0]})
    ax = course(table, "subspace_error")
    np.testing.assert_allclose(ax.lines[0].get_ydata(), table["subspace_error"])
    assert (ax.get_yscale(), ax.get_ylabel()) == ("log", "Subspace error")
    assert course(table, ["objective"]).get_yscale() == "linear"
    both = course(table.assign(train_loss=1.0, test_loss=2.0), ["train_loss", "test_loss"])
    assert (len(both.lines), both.get_ylabel()) == (2, "Loss")
    assert both.get_title() == "Last epoch: loss on train stimuli 1, loss on test stimuli 2"
    for absent in ("accuracy", []):
        with pytest.raises(ParameterError, match="course: the history has no"):
            course(table, absent)


def test_titles_of_scores_tell_the_last_value_and_whose_it_is():
    """Four digits and a real minus sign; the stimuli by the definition of the column, not of those unknown."""
    table = pd.DataFrame(
        {"epoch": [1, 2], "objective": [-1.0, -110.4556], "loss": 0.5, "train_loss": 2.0, "gap_M": 3.0}
    )
    titles = {
        "objective": "Objective for the training covariance\n−110.5 in the last epoch",
        "loss": "Loss on test stimuli\n0.5 in the last epoch",
        "train_loss": "Loss on train stimuli\n2 in the last epoch",
        "gap_M": "Gap M\n3 in the last epoch",
    }
    for column, title in titles.items():
        ax = course(table, column)
        assert (ax.get_title(), ax.get_legend()) == (title, None)


@pytest.mark.parametrize("draw", [learning_curve, alignment, information])
def test_a_single_epoch_shows(draw):
    """One epoch is a marker inside the axis, over whole epochs."""
    ax = draw(history(1))
    assert ax.lines[0].get_marker() not in ("", "None")
    assert ax.get_xlim() == (0, 2)


def test_every_projection_has_its_line():
    """Two angles and the right angle; three forward and two backward informations, of their own values."""
    assert len(alignment(history(3)).lines) == 3
    lines = information(history(3)).lines
    assert len(lines) == 5
    np.testing.assert_allclose(lines[3].get_ydata(), [9, 10, 11])
    assert lines[3].get_label() == "layer 2 → layer 1"


@pytest.mark.parametrize("lowest", [0.02, 1e-4, 1e-9])
def test_logarithmic_axes_have_readable_ticks(lowest):
    """At least two labels within the axis, each the value of its tick: 0.1, or for very small ones 10^{-9}."""
    ax = course(pd.DataFrame({"epoch": [1, 2], "subspace_error": [0.5, lowest]}), "subspace_error")
    ax.figure.draw_without_rendering()
    low, high = ax.get_ylim()
    ticks = zip(ax.get_yticks(), ax.get_yticklabels(), strict=True)
    shown = [(tick, text.get_text()) for tick, text in ticks if low <= tick <= high and text.get_text()]
    assert len(shown) >= 2
    for tick, text in shown:
        number = text.replace("$10^{", "1e").strip("}$")
        assert float(number) == pytest.approx(tick)
