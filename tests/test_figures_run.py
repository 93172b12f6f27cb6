"""Figures that the command line draws of a run, beyond those at the end of training."""

import json

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from corinfomax.analysis import against_control, read_recording
from corinfomax.analysis.figures import perturbation_effects, perturbed_learning, signs
from corinfomax.errors import ParameterError
from corinfomax.networks import CorInfoMax
from corinfomax.protocols.runs import Run


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def test_training_keeps_what_the_figures_need(run):
    """circuit.json describes the run's circuit, exactly; activity.npz holds the class of each stimulus."""
    opened = Run(run)
    assert json.loads((run / "circuit.json").read_text()) == opened.circuit.description()
    with np.load(run / "activity.npz") as activity:
        np.testing.assert_array_equal(activity["labels"], opened.stimuli.labels_test[: len(activity["layer_1/r"])])


def test_figures_embed_and_animate(command, run):
    """t-SNE and, with --animation, the GIF are drawn and named, in the format asked for; nothing stays open.

    Weights are left out, and of the recording's steps all but each sixth.
    """
    (run / "checkpoint.npz").unlink()
    with np.load(run / "recording.npz") as archive:
        arrays, steps = dict(archive), len(archive["t"])
    thinned = {key: values[::6] if values.shape[:1] == (steps,) else values for key, values in arrays.items()}
    np.savez(run / "recording.npz", **thinned)
    code, out, err = command("figures", run, "--format", "svg", "--animation")
    assert (code, err) == (0, "")
    assert "settling.gif" in out
    for name in ("circuit", "embedding_pca", "embedding_tsne", "signs"):
        assert (run / "figures" / f"{name}.svg").exists()
    assert 'id="label layer_1"' in (run / "figures" / "circuit.svg").read_text()
    with Image.open(run / "figures" / "settling.gif") as picture:
        assert picture.n_frames == len(read_recording(run / "recording.npz").t) > 2
    assert plt.get_fignums() == []


@pytest.fixture
def history_undrawn(monkeypatch):
    """Leave out the figures of the history, which come first whatever else is there."""
    monkeypatch.setattr("corinfomax.analysis.figures.report._draw_history", lambda path: [])


def test_old_folders_are_drawn_without_what_they_lack(command, history_undrawn, run):
    """Without circuit.json and labels there is no diagram, and an embedding in one colour."""
    for name in ("circuit.json", "checkpoint.npz", "recording.npz"):
        (run / name).unlink()
    with np.load(run / "activity.npz") as archive:
        arrays = {key: archive[key] for key in archive.files if key != "labels"}
    np.savez(run / "activity.npz", **arrays)
    for path in (run / "figures").iterdir():
        path.unlink()
    assert command("figures", run)[0] == 0
    drawn = {path.stem for path in (run / "figures").iterdir()}
    assert {"embedding_pca", "embedding_tsne"} <= drawn
    assert "circuit" not in drawn


def test_refusals_are_one_line(refused, history_undrawn, run):
    """Nothing to animate, an unknown format, a damaged description, labels of other stimuli: one line that names it."""
    assert "docx" in refused("figures", run, "--format", "docx")
    (run / "recording.npz").unlink()
    assert "recording.npz" in refused("figures", run, "--animation")
    (run / "circuit.json").write_text("{")
    assert "circuit.json" in refused("figures", run)
    (run / "circuit.json").write_text('{"layers": []}')
    assert "circuit.json: cannot be drawn" in refused("figures", run)
    (run / "circuit.json").write_text(json.dumps(CorInfoMax((6, 5, 3)).description()))
    np.savez(run / "activity.npz", **{"layer_1/r": np.random.default_rng(0).random((9, 4)), "labels": np.ones(2)})
    assert "activity.npz: cannot be drawn" in refused("figures", run)


def test_signs_are_drawn_in_per_cent():
    """Each column has its line, 100 times its fractions, in the panel of its kind; the axis spans these: by definition.

    The line of 50 % is drawn where the axis has it; no column is refused.
    """
    columns = {"negative_ff_0": [0.51, 0.52], "negative_fb_1": [0.49, 0.48], "exciting_SST_2": [0.5, 0.53]}
    history = pd.DataFrame({"epoch": [1, 2], **columns})
    axes = signs(history).axes
    for ax, values in zip(axes, columns.values(), strict=True):
        np.testing.assert_allclose(ax.lines[0].get_ydata(), 100 * np.array(values))
        np.testing.assert_allclose(ax.lines[1].get_ydata(), 50)
        low, high = ax.get_ylim()
        assert 47 < low < 48
        assert 53 < high < 54
    assert [ax.get_legend().get_texts()[0].get_text() for ax in axes] == [
        "stimulus → layer 1",
        "layer 2 → layer 1",
        "layer 2",
    ]
    assert len(signs(history[["epoch", "negative_ff_0"]]).axes[0].lines) == 1
    with pytest.raises(ParameterError, match="no negative_ff_k"):
        signs(history[["epoch"]])


def test_perturbations_are_drawn_with_another_score():
    """Without accuracy the first score is drawn, of test stimuli before others, with what potentials there are."""
    rows = [
        {"seed": 0, "trained": "control", "tested": tested, "quantity": name, "value": value, "rms_change": change}
        | {"unit": unit, "layer": int(unit == "mV"), "phase": "response" if unit else ""}
        for tested, change in (("control", 0.0), ("perturbed", 0.5))
        for name, value, unit in (("train_error", 0.3, ""), ("test_error", 0.2 + change, ""), ("V_spine", -60.0, "mV"))
    ]
    figure = perturbation_effects(against_control(rows))
    score, changes = figure.axes
    assert score.get_ylabel() == "Test error"
    np.testing.assert_allclose(score.lines[0].get_ydata(), [0.2, 0.7])
    np.testing.assert_allclose(changes.lines[0].get_ydata(), 0.5)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["spine"]
    assert len(perturbation_effects(against_control([row for row in rows if not row["unit"]])).axes) == 1
    with pytest.raises(ParameterError, match="no score"):
        perturbation_effects(against_control([row for row in rows if row["unit"]]))
    history = pd.DataFrame({"epoch": [1, 2], "subspace_error": [0.2, 0.1], "sparsity_1": [0.5, 0.6]})
    axes = perturbed_learning({(0, "control"): history, (0, "perturbed"): history}).axes
    assert [ax.get_ylabel() for ax in axes] == ["Subspace error"]


def effects(changes):
    """Draw what perturbations change; the changes are by the potentials' names, in millivolts."""
    score = {"quantity": "test_error", "value": 0.3, "unit": "", "layer": 0, "phase": ""}
    rows = [
        {"seed": 0, "trained": "control", "tested": tested, "rms_change": change * (tested != "control"), **place}
        for tested in ("control", "perturbed")
        for place, change in [
            (score, np.nan),
            *(({"quantity": name, "value": -60.0, "unit": "mV", "layer": 1, "phase": "free"}, change)
              for name, change in changes.items()),
        ]
    ]  # fmt: skip
    ax = perturbation_effects(against_control(rows)).axes[1]
    ax.figure.draw_without_rendering()
    low, high = ax.get_ylim()
    ticks = zip(ax.get_yticks(), ax.get_yticklabels(), strict=True)
    return ax, {text.get_text(): tick for tick, text in ticks if low <= tick <= high}


def test_what_does_not_change_is_drawn_as_such():
    """A compartment without change is an open marker at a level that is named so, below all others: by construction.

    The ticks of changes tell their values with units, as 1 mV; of changes alone there is no such level.
    """
    ax, ticks = effects({"V_soma": 0.02, "V_basal": 0.0, "V_apical": 3e-6})
    markers = {line.get_markerfacecolor(): line.get_ydata()[0] for line in ax.lines if line.get_marker() == "o"}
    assert markers.pop("white") == pytest.approx(ticks.pop("unchanged"))
    assert sorted(markers.values()) == [3e-6, 0.02]
    units = {"nV": 1e-6, "µV": 1e-3, "mV": 1.0}
    assert len(ticks) >= 2
    for text, tick in ticks.items():
        number, unit = text.split()
        assert float(number) * units[unit] == pytest.approx(tick)
    assert "unchanged" not in effects({"V_soma": 0.02})[1]
    still, ticks = effects({"V_soma": 0.0, "V_basal": 0.0})
    assert [line.get_markerfacecolor() for line in still.lines] == ["white", "white"]
    assert list(ticks) == ["unchanged"]
