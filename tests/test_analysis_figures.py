import json

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from test_figures_training import history

from corinfomax.analysis import read_recording
from corinfomax.analysis.figures import compartment_voltages, draw_run
from corinfomax.errors import FigureError, ParameterError, RunError

matplotlib.use("Agg")

SIZES = [64, 70, 10]
P = 2
ALL_FIGURES = {
    "learning_curve",
    "angle",
    "cmi",
    "receptive_fields",
    "weight_histograms",
    "activity_histograms",
    "embedding_pca",
    "compartment_voltages",
}


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.fixture
def run(tmp_path):
    """A run folder with random contents and all files that figures are drawn from."""
    rng = np.random.default_rng(0)
    history(4).to_csv(tmp_path / "history.csv", index=False)
    weights = {f"weights/W_ff/{k}": rng.standard_normal((SIZES[k + 1], SIZES[k])) for k in range(P)}
    weights |= {f"weights/W_fb/{k}": rng.standard_normal((SIZES[k], SIZES[k + 1])) for k in range(1, P)}
    weights |= {f"weights/B/{k}": rng.standard_normal((SIZES[k + 1],) * 2) for k in range(P)}
    np.savez(tmp_path / "checkpoint.npz", **weights, image_shape=np.array([8, 8]), epoch=np.array(4))
    np.savez(tmp_path / "activity.npz", **{f"layer_{k}/r": rng.random((30, SIZES[k])) for k in range(P + 1)})
    arrays = {
        "t": 3 + np.arange(8) * 5e-4,
        "s": np.arange(8) * 0.05,
        "phase": np.array(["free"] * 5 + ["nudge"] * 3),
        "beta": np.array([0.0] * 5 + [-1.0] * 3),
        "stimuli": np.array([5, 9]),
        "V_rest": np.array(-0.07),
        "labels": np.array([1, 4]),
        "units": json.dumps({"V_soma": "V"}),
    }
    for k in range(1, P + 1):
        arrays[f"layer_{k}/cells"] = np.arange(0, SIZES[k], 1 if k == P else 2)
        for variable in ("V_soma", "V_basal", "V_apical", "V_SST"):
            arrays[f"layer_{k}/{variable}"] = rng.uniform(-0.2, 0.3, (8, 2, len(arrays[f"layer_{k}/cells"])))
    np.savez(tmp_path / "recording.npz", **arrays)
    return tmp_path


@pytest.fixture
def recording(run):
    return read_recording(run / "recording.npz")


def test_weight_histograms_name_what_they_show(run):
    """Entries of B, biases, else weights, at most three panels a row: by the names of the keys."""
    found = {}
    arrays = {f"weights/{kind}/1": np.eye(4) for kind in ("W_ff", "W_fb", "B", "D", "b")}
    np.savez(run / "checkpoint.npz", **arrays, format=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "corinfomax.analysis.figures.report.save_figure",
            lambda figure, files: found.update({files[0].stem: figure}) or files,
        )
        draw_run(run)
    axes = found["weight_histograms"].axes
    assert [ax.get_xlabel() for ax in axes] == ["Weight", "Weight", "Entry of $B$", "Weight", "Bias"]
    assert {ax.get_gridspec().ncols for ax in axes} == {3}


@pytest.mark.parametrize(("few", "marker"), [(8, "."), (7, "None")])
def test_few_samples_are_marked(recording, monkeypatch, few, marker):
    """Of 8 samples each is a point where that many are few; of more they are a line alone."""
    monkeypatch.setattr("corinfomax.analysis.figures.voltages._FEW", few)
    lines = [line for ax in compartment_voltages(recording).axes for line in ax.get_lines()]
    assert {line.get_marker() for line in lines if len(line.get_xdata()) == 8} == {marker}


def test_voltages_are_drawn_in_millivolts_and_milliseconds(recording):
    """Every line of the target's output cell against the recording, not clipped; the title says target."""
    figure = compartment_voltages(recording, stimulus=1)
    potential, interneuron = figure.axes[0], figure.axes[3]
    assert potential.get_title() == "output cell 4 (target)"
    layer = recording.layers[P]
    for line, variable in zip(potential.lines, ("V_apical", "V_basal", "V_soma"), strict=True):
        np.testing.assert_allclose(line.get_xdata(), 1e3 * recording.t, atol=1e-9)
        np.testing.assert_allclose(line.get_ydata(), 1e3 * layer[variable][:, 1, 4])
    np.testing.assert_allclose(interneuron.lines[0].get_ydata(), 1e3 * (layer["V_SST"][:, 1, 4] + 0.07))


@pytest.mark.parametrize(("size", "unit", "scale"), [(2e-3, "mV", 1e3), (4e-7, "nV", 1e9), (4e-6, "µV", 1e6)])
def test_interneurons_are_drawn_in_a_readable_unit(run, size, unit, scale):
    """The SST potential's deviation from rest is drawn in the unit in which it is at least 1, to 1e-6 relative."""
    with np.load(run / "recording.npz") as archive:
        arrays = dict(archive)
    arrays["layer_1/V_SST"] = np.full_like(arrays["layer_1/V_SST"], -0.07 + size)
    np.savez(run / "recording.npz", **arrays)
    axes = compartment_voltages(read_recording(run / "recording.npz"), layers=[1]).axes
    assert axes[3].get_ylabel() == f"SST ({unit})"
    np.testing.assert_allclose(axes[3].lines[0].get_ydata(), scale * size, rtol=1e-6)


def test_voltages_of_point_cells(run):
    """A layer of somata alone has one row of panels and one line in each; the legend tells what is drawn, no more."""
    with np.load(run / "recording.npz") as archive:
        kept = {k: v for k, v in archive.items() if not k.endswith(("V_basal", "V_apical", "V_SST"))}
    np.savez(run / "recording.npz", **kept)
    recording = read_recording(run / "recording.npz")
    figure = compartment_voltages(recording)
    assert len(figure.axes) == 2 * 3
    for ax, (k, cell) in zip(figure.axes[::3], [(2, 1), (1, None)], strict=True):
        (line,) = ax.lines
        traces = 1e3 * recording.layers[k]["V_soma"][:, 0]
        theory = traces[:, traces[-1].argmax() if cell is None else cell]
        np.testing.assert_allclose(line.get_ydata(), theory)
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert [text.split()[0] for text in texts] == ["soma", "free", "nudge"]


def test_other_compartments_have_their_own_names(run):
    """A potential V_spine is drawn beside the soma, under its name; layers without potentials are left out."""
    with np.load(run / "recording.npz") as archive:
        kept = {k: v for k, v in archive.items() if not k.startswith("layer_1/V_")}
    kept["layer_2/V_spine"] = kept.pop("layer_2/V_basal")
    kept["layer_1/r"] = kept["layer_2/V_soma"][:, :, :1].repeat(len(kept["layer_1/cells"]), axis=2)
    np.savez(run / "recording.npz", **kept)
    recording = read_recording(run / "recording.npz")
    figure = compartment_voltages(recording)
    assert {ax.get_title().split()[0] for ax in figure.axes if ax.get_title()} == {"output"}
    assert "spine" in [text.get_text() for text in figure.legends[0].get_texts()]
    with pytest.raises(ParameterError, match="no potentials of layer 1"):
        compartment_voltages(recording, layers=[1])


def test_voltages_of_chosen_layers_and_cells(recording):
    """The cells asked for are drawn under their own numbers; those that were not recorded are refused."""
    figure = compartment_voltages(recording, layers=[1], cells={1: [4, 2]})
    assert [ax.get_title() for ax in figure.axes[:2]] == ["layer 1, cell 4", "layer 1, cell 2"]
    np.testing.assert_allclose(figure.axes[0].lines[2].get_ydata(), 1e3 * recording.layers[1]["V_soma"][:, 0, 2])
    for wrong in ({"cells": {1: [3]}}, {"layers": [4]}, {"stimulus": 2}, {"layers": []}):
        with pytest.raises(ParameterError, match="compartment_voltages"):
            compartment_voltages(recording, **wrong)


def test_phases_are_shaded_where_they_end(recording):
    """The free phase is shaded from 0 to its last step's end, and the nudge phase from there to its own."""
    free_end, nudge_end = 1e3 * recording.t[4], 1e3 * recording.t[7]
    bands = [patch.get_extents().transformed(patch.axes.transData.inverted()) for patch in _bands(recording)]
    np.testing.assert_allclose(
        [(band.x0, band.x1) for band in bands], [(0, free_end), (free_end, nudge_end)], atol=1e-9
    )


def _bands(recording):
    figure = compartment_voltages(recording)
    figure.draw_without_rendering()
    return figure.axes[0].patches


def test_no_text_is_cut_off_or_overlaps(recording):
    """Titles, phase names, axis labels and legend lie inside the voltage figure, and titles clear of one another."""
    assert_nothing_overlaps(compartment_voltages(recording))


def assert_nothing_overlaps(figure):
    """Compare the boxes of all texts but tick labels."""
    figure.draw_without_rendering()
    texts = [ax.title for ax in figure.axes] + [text for ax in figure.axes for text in ax.texts]
    texts += [label for ax in figure.axes for label in (ax.xaxis.label, ax.yaxis.label)]
    boxes = [text.get_window_extent() for text in texts if text.get_text()] + [figure.legends[0].get_window_extent()]
    for n, box in enumerate(boxes):
        assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1
        assert figure.bbox.y0 <= box.y0 < box.y1 <= figure.bbox.y1
        assert not any(box.overlaps(other) for other in boxes[:n])


@pytest.mark.parametrize("number", [1, 4, 9])
def test_many_cells_fit_a_page(recording, number):
    """All cells are drawn, in rows as wide as a page (7.1 inches) at most, with panels of an inch and texts apart.

    Layers of so many cells; a cell of a layer has the potentials' axis of all others of it.
    """
    cells = {1: [2 * n for n in range(number)], 2: [(4 + n) % 10 for n in range(number)]}
    figure = compartment_voltages(recording, stimulus=1, cells=cells)
    assert figure.get_figwidth() <= 7.1 + 1e-9
    assert_nothing_overlaps(figure)
    titled = [ax for ax in figure.axes if ax.get_title()]
    names = [ax.get_title() for ax in titled]
    assert names == [f"output cell {n}" + " (target)" * (n == 4) for n in cells[2]] + [
        f"layer 1, cell {n}" for n in cells[1]
    ]
    assert all(ax.get_window_extent().width / figure.dpi > 1 for ax in titled)
    assert len({ax.get_ylim() for ax in titled[:number]}) == 1


def test_the_target_s_cell_is_always_drawn(recording):
    """Of output cells that are named without it, as the first of many are, it comes first if it was recorded."""
    titles = [ax.get_title() for ax in compartment_voltages(recording, stimulus=1, layers=[2], cells={2: [0, 1]}).axes]
    assert [title for title in titles if title] == ["output cell 4 (target)", "output cell 0", "output cell 1"]


def test_a_run_is_drawn_whole(run):
    """All eight figures in two formats; no figure stays open and the user's settings are untouched."""
    settings = dict(matplotlib.rcParams)
    paths = draw_run(run, formats=("png", "pdf"))
    assert {path.name for path in paths} == {f"{name}.{kind}" for name in ALL_FIGURES for kind in ("png", "pdf")}
    assert all(path.parent == run / "figures" and path.stat().st_size > 0 for path in paths)
    assert plt.get_fignums() == []
    assert dict(matplotlib.rcParams) == settings


def test_figures_without_source_are_left_out(run):
    """With the history alone, and a checkpoint of no images, only their figures are drawn."""
    (run / "activity.npz").unlink()
    (run / "recording.npz").unlink()
    np.savez(run / "checkpoint.npz", **{"weights/W_ff/0": np.ones((5, 4))})
    names = {path.stem for path in draw_run(run)}
    assert names == {"learning_curve", "angle", "cmi", "weight_histograms"}


def test_a_run_of_another_learner_is_drawn_with_what_it_has(run):
    """Scores of its own, weights W, M and b, receptive fields of W: figures of these, none of what it lacks."""
    rng = np.random.default_rng(0)
    for name in ("activity.npz", "recording.npz"):
        (run / name).unlink()
    columns = {"epoch": [1, 2], "subspace_error": [0.5, 0.1], "objective": [-1, -2], "seconds": [1, 1]}
    pd.DataFrame({**columns, "sparsity_1": [0.1, 0.2], "settling_residual": 0.0}).to_csv(
        run / "history.csv", index=False
    )
    weights = {"weights/W/0": rng.random((5, 64)), "weights/M/1": rng.random((5, 5)), "weights/b/1": rng.random(5)}
    np.savez(run / "checkpoint.npz", **weights, image_shape=np.array([8, 8]))
    assert {path.stem for path in draw_run(run)} == {"scores", "receptive_fields", "weight_histograms"}


@pytest.mark.parametrize("first", [0, 1])
def test_lateral_weights_are_told_by_their_layer(run, monkeypatch, first):
    """B/0 and B/1 of older folders are those of layers 1 and 2, as B/1 and B/2 are."""
    drawn = []
    monkeypatch.setattr(
        "corinfomax.analysis.figures.report.weight_histogram",
        lambda found, ax, layers: drawn.append(dict(zip(layers, found.items(), strict=True))),
    )
    weights = {f"weights/B/{first + k}": np.full((2, 2), k) for k in range(2)}
    np.savez(run / "checkpoint.npz", **weights, **({"format": 2} if first else {}))
    for other in ("activity.npz", "recording.npz"):
        (run / other).unlink()
    draw_run(run)
    found = {k: (label, W[0, 0]) for k, (label, W) in drawn[0].items()}
    assert found == {1: ("$B$, layer 1", 0), 2: ("$B$, layer 2", 1)}


@pytest.mark.parametrize("name", ["history.csv", "checkpoint.npz", "activity.npz", "recording.npz"])
def test_damaged_sources_are_named(run, name):
    """A file cut off in the middle is a RunError that names it."""
    (run / name).write_bytes((run / name).read_bytes()[:3])
    for other in {"checkpoint.npz", "activity.npz", "recording.npz"} - {name}:
        (run / other).unlink()
    with pytest.raises(RunError, match=name):
        draw_run(run)


def test_sources_that_cannot_be_drawn_are_named(run):
    """An image shape at odds with the weights is a RunError that names the checkpoint."""
    for other in ("activity.npz", "recording.npz"):
        (run / other).unlink()
    np.savez(run / "checkpoint.npz", **{"weights/W_ff/0": np.ones((5, 4)), "image_shape": np.array([3, 3])})
    with pytest.raises(RunError, match=r"checkpoint\.npz: cannot be drawn"):
        draw_run(run)


def test_a_figure_that_fails_keeps_no_other(run, monkeypatch):
    """Two figures fail, for two reasons: all others are drawn, and the error has a line for each, and their files."""

    def fail(*arguments):
        raise RuntimeError("no latex,\nno figure")

    monkeypatch.setattr("corinfomax.analysis.figures.report.learning_curve", fail)
    (run / "recording.npz").write_bytes(b"no archive")
    with pytest.raises(FigureError) as error:
        draw_run(run)
    first, second = error.value.failures
    assert first == f"{run / 'history.csv'}: cannot be drawn as learning_curve (no latex, no figure)"
    assert second.startswith(f"{run / 'recording.npz'}: ")
    assert "\n" not in str(error.value)
    drawn = {path.stem for path in (run / "figures").iterdir()}
    assert (
        drawn == {path.stem for path in error.value.written} == ALL_FIGURES - {"learning_curve", "compartment_voltages"}
    )
    assert plt.get_fignums() == []


def test_outputs_are_drawn_against_their_targets(run):
    """With the labels of all test stimuli there is a confusion matrix, with targets predicted against true."""
    with np.load(run / "activity.npz") as archive:
        arrays = dict(archive)
    for name in ("history", "checkpoint", "recording"):
        for path in run.glob(f"{name}.npz"):
            path.unlink()
    rng = np.random.default_rng(0)
    outputs = {"outputs/r": rng.random((40, 10))}
    for more, figure in (
        ({"outputs/labels": rng.integers(0, 10, 40), "class_names": np.array([*"abcdefghij"])}, "confusion"),
        ({"outputs/targets": rng.random((40, 10)), "targets": rng.random((30, 1))}, "predictions"),
    ):
        np.savez(run / "activity.npz", **arrays, **outputs, **more)
        names = {path.stem for path in draw_run(run)}
        assert names == {"learning_curve", "angle", "cmi", "activity_histograms", "embedding_pca", figure}


def test_a_run_without_history_and_an_unknown_format_are_refused(run, tmp_path_factory):
    """A folder without history is no run; a format that does not exist is named."""
    with pytest.raises(RunError, match=r"holds no run \(no history\.csv\)"):
        draw_run(tmp_path_factory.mktemp("empty"))
    with pytest.raises(ParameterError, match="xyz"):
        draw_run(run, formats=["xyz"])


def test_the_legend_fits_and_tells_the_course_of_beta(recording):
    """One cell's figure holds its whole legend; β that rises within a phase is told from first to last value."""
    recording.beta[:] = np.linspace(-1, 0.5, len(recording.beta))
    figure = compartment_voltages(recording, layers=[1], cells={1: [4]})
    figure.canvas.draw()
    (legend,) = figure.legends
    box, page = legend.get_window_extent(), figure.bbox
    assert page.x0 <= box.x0 < box.x1 <= page.x1
    texts = " ".join(text.get_text() for text in legend.get_texts())
    assert "= -1 to " in texts
    assert "to +0.5)" in texts
