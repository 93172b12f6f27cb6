"""Voltages of circuits with error cells, and of phases with a teacher that clamps."""

import json
from types import SimpleNamespace

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest

from corinfomax.analysis import read_recording
from corinfomax.analysis.figures import compartment_voltages
from corinfomax.analysis.figures.phase_bands import teaching

matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.fixture
def predictive(tmp_path):
    """A recording with error cells beside both layers, and a clamped phase after one step without the teacher."""
    rng = np.random.default_rng(0)
    arrays = {"phase": np.array(["forward"] + ["relax"] * 7), "beta": np.zeros(8), "teacher": np.arange(8) > 0}
    arrays |= {"t": np.arange(8) * 5e-4, "s": np.arange(8) * 0.05, "stimuli": np.array([5]), "labels": np.array([1])}
    arrays |= {"V_rest": np.array(-0.07), "units": json.dumps({"V_soma": "V"})}
    for k in (1, 2):
        arrays[f"layer_{k}/cells"] = arrays[f"error_{k}/cells"] = np.array([7, 1, 4])
        arrays[f"layer_{k}/V_soma"] = rng.uniform(-0.2, 0.3, (8, 1, 3))
        arrays[f"error_{k}/V_soma"] = -0.07 + 1e-5 * rng.random((8, 1, 3))
    arrays["companions"] = json.dumps({f"error_{k}": {"layer": k, "kind": "ErrorCell"} for k in (1, 2)})
    np.savez(tmp_path / "recording.npz", **arrays)
    return read_recording(tmp_path / "recording.npz")


def test_error_cells_have_panels_below_their_layer_s(predictive):
    """A row a layer, the deviation from rest of the cell with the same number in µV, to 1e-6; the legend names it."""
    figure = compartment_voltages(predictive)
    assert len(figure.axes) == 4 * 3
    assert [ax.get_ylabel() for ax in figure.axes[::3]] == ["Potential (mV)", "Error (µV)"] * 2
    theory = 1e6 * (predictive.companions["error_2"]["V_soma"][:, 0, 1] + 0.07)  # the target's cell is 1
    np.testing.assert_allclose(figure.axes[3].lines[0].get_ydata(), theory, rtol=1e-6)
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == [
        "soma",
        "error cell, from rest",
        "forward phase (no teacher)",
        "relax phase (with the teacher)",
    ]


def bands(recording):
    return compartment_voltages(recording).axes[0].patches


def test_phases_with_the_teacher_are_coloured(predictive, tmp_path):
    """At β = 0 too: the colour of a nudge; phases without the teacher are grey, whatever their β."""
    grey, coloured = (patch.get_facecolor() for patch in bands(predictive))
    assert len(set(grey[:3])) == 1
    assert coloured == matplotlib.colors.to_rgba("#FBE6C2")
    with np.load(tmp_path / "recording.npz") as archive:
        arrays = dict(archive) | {"teacher": np.zeros(8, bool), "beta": np.ones(8)}
    np.savez(tmp_path / "recording.npz", **arrays)
    for patch in bands(read_recording(tmp_path / "recording.npz")):
        assert len(set(patch.get_facecolor()[:3])) == 1


@pytest.mark.parametrize("steps", [1, 99])
def test_names_of_short_phases_stay_clear_of_others(predictive, tmp_path, steps):
    """A phase of one step in a hundred, first or last: its name lies over the panel, beside the other's, in pixels."""
    with np.load(tmp_path / "recording.npz") as archive:
        arrays = {k: v.repeat(13, axis=0)[:100] if k.endswith("V_soma") else v for k, v in archive.items()}
    arrays |= {"t": 1e-3 * np.arange(1, 101), "s": np.arange(100), "beta": np.zeros(100)}
    arrays |= {"phase": np.where(np.arange(100) < steps, "forward", "relax"), "teacher": np.arange(100) >= steps}
    np.savez(tmp_path / "recording.npz", **arrays)
    figure = compartment_voltages(read_recording(tmp_path / "recording.npz"))
    figure.draw_without_rendering()
    for ax in figure.axes[:3]:
        panel = ax.get_window_extent()
        first, second = (text.get_window_extent() for text in ax.texts)
        assert panel.x0 - 1 <= first.x0 < first.x1 < second.x0 < second.x1 <= panel.x1 + 1


@pytest.mark.parametrize(
    ("course", "told"),
    [
        (np.full(8, 2.0), "+2"),
        (np.linspace(0, 2, 8), "0 to +2"),
        (2 * np.sin(2 * np.pi * np.arange(1, 9) / 8), "-2 to +2"),
    ],
    ids=["constant", "ramp", "oscillation"],
)
def test_the_course_of_beta_is_told(course, told):
    """Theory: a constant, both ends of a ramp, and the bounds of a β that turns."""
    recording = SimpleNamespace(
        beta=course, taught=True, phases=lambda: [("nudge", slice(0, 8))], is_taught=lambda steps: True
    )
    assert teaching(recording, "nudge") == rf"$\beta$ = {told}"
