"""Tables and figure of perturbed circuits against their controls."""

import numpy as np
import pandas as pd
import pytest

from corinfomax.analysis import against_control, over_seeds
from corinfomax.analysis.figures import perturbation_effects, perturbed_learning
from corinfomax.errors import ParameterError


def rows(changes=(0.5, 2.0)):
    """Accuracy and somatic potentials of two seeds, control and tested perturbed."""
    for seed, change in enumerate(changes):
        for tested in ("control", "perturbed"):
            less = change if tested == "perturbed" else 0.0
            here = {"seed": seed, "trained": "control", "tested": tested}
            yield {**here, "quantity": "test_accuracy", "unit": "", "layer": 0, "phase": ""} | {
                "value": 0.9 - 0.1 * less,
                "rms_change": np.nan,
            }
            for phase in ("free", "nudge"):
                for variable in ("V_soma", "V_SST"):
                    yield {**here, "quantity": variable, "unit": "mV", "layer": 1, "phase": phase} | {
                        "value": -60.0 - less,
                        "rms_change": less * (1e-6 if variable == "V_SST" else 1.0),
                    }


def test_differences_are_from_the_control_of_the_same_seed():
    """Each row's control and difference, and mean and sample standard deviation over seeds, are those by hand."""
    table = against_control(list(rows()))
    perturbed = table[(table["tested"] == "perturbed") & (table["quantity"] == "test_accuracy")]
    np.testing.assert_allclose(perturbed["control"], 0.9)
    np.testing.assert_allclose(perturbed["difference"], [-0.05, -0.2])
    means = over_seeds(table).set_index(["tested", "quantity", "phase"])
    row = means.loc["perturbed", "V_soma", "free"]
    np.testing.assert_allclose(row[["difference_mean", "difference_sd"]].astype(float), [-1.25, 1.5 / np.sqrt(2)])
    np.testing.assert_allclose(row[["rms_change_mean", "control_mean"]].astype(float), [1.25, -60])
    assert row["seeds"] == 2
    assert over_seeds(against_control(list(rows([1.0]))))["value_sd"].isna().all()


def test_a_table_without_control_is_refused():
    """A seed without control, and a missing column, are named."""
    table = pd.DataFrame(rows())
    with pytest.raises(ParameterError, match="seed 1 has no control"):
        against_control(table[(table["seed"] == 0) | (table["tested"] == "perturbed")])
    with pytest.raises(ParameterError, match="no column phase"):
        against_control(table.drop(columns="phase"))


def test_the_figure_shows_each_seed_and_each_potential():
    """Left the accuracies of both seeds in per cent, right a panel a phase with the changes on a logarithmic axis."""
    left, *right = perturbation_effects(against_control(list(rows()))).axes
    points = sorted(line.get_ydata()[0] for line in left.lines if line.get_marker() == "o")
    np.testing.assert_allclose(points, [70, 85, 90, 90])
    assert [label.get_text() for label in left.get_xticklabels()] == ["control", "tested\nperturbed"]
    assert len(right) == 2
    for ax in right:
        assert ax.get_yscale() == "log"
        np.testing.assert_allclose(
            np.sort(np.concatenate([line.get_ydata() for line in ax.lines])), [5e-7, 2e-6, 0.5, 2.0]
        )


def test_the_figure_shows_that_nothing_changes():
    """Without any change the panels have open markers only, and the accuracy's axis is as wide as 4 %."""
    left, *right = perturbation_effects(against_control(list(rows([0.0, 0.0])))).axes
    assert {line.get_markerfacecolor() for ax in right for line in ax.lines} == {"white"}
    np.testing.assert_allclose(np.diff(left.get_ylim()), 4)
    with pytest.raises(ParameterError, match="no score, such as test_accuracy"):
        perturbation_effects(against_control([row for row in rows() if row["quantity"] == "V_soma"]))


def test_learning_is_drawn_of_each_seed_and_of_their_mean():
    """A panel for accuracy and one for each angle, with each seed's curve, the means, and the shaded period."""
    histories = {
        (seed, trained): pd.DataFrame({"epoch": [1, 2], "test_accuracy": [0.5, 0.7 + 0.1 * seed], "angle_1": [80, 60]})
        for seed in (0, 1)
        for trained in ("control", "perturbed")
    }
    accuracies, angles = perturbed_learning(histories, [(0.5, 1.5)]).axes
    lasts = sorted(line.get_ydata()[-1] for line in accuracies.lines)
    np.testing.assert_allclose(lasts, [70, 70, 75, 75, 80, 80])
    assert len(angles.lines) == 6
    left, right = accuracies.patches[0].get_window_extent().transformed(accuracies.transData.inverted()).intervalx
    np.testing.assert_allclose([left, right], [0.5, 1.5])
    with pytest.raises(ParameterError, match="no score, such as test_accuracy"):
        perturbed_learning({})
