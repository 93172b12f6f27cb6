"""All figures of a run, from the files in its folder."""

import json
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from ...errors import ParameterError, RunError
from ..archives import read_archive
from ..files import make_folder, replacing
from ..former import converted_checkpoint
from ..recordings import read_recording
from ..tables import read_history
from .activity import activity_histogram
from .animation import save_animation, settling_animation
from .circuit_diagram import circuit_diagram
from .embedding import embeddable, embedding
from .style import publication_style
from .training import alignment, course, information, learning_curve, scores, signs
from .voltages import compartment_voltages, layers_with_potentials
from .weights import receptive_fields, weight_histogram

FORMATS = ("png", "pdf", "svg")
#: Weights in the order of panels, before others; those of a layer, not of a pair; and those that no rule moves.
_WEIGHTS = ("W_ff", "W_fb", "W", "B", "D", "O", "M", "b")
_OF_LAYERS = ("B", "D", "O", "M", "b")
_UNLEARNT = ("A", "A_T", "shunts")
#: What the values are called that are no weights of synapses.
_QUANTITIES = {"B": "Entry of $B$", "b": "Bias"}
#: Histograms in a row, so that their text stays readable at the width of a page.
_PANELS = 3

#: Stimuli that t-SNE is done for, since its time grows with their square.
_MOST_NEIGHBOURS = 500


@publication_style()
def draw_run(folder, formats=("png",), tsne=False, animation=False):
    """Draw a run into its folder, under `figures/`.

    A figure is left out if its source file is absent or lacks what it shows, such as the shape of images.

    Parameters
    ----------
    folder : path-like
        The run folder: `history.csv`, and optionally `circuit.json` (`Circuit.description()`), `checkpoint.npz`
        (weights under `weights/W_ff/0`, …, and `image_shape`), `activity.npz` (rates under `layer_{k}/r`, and the
        stimuli's `labels`) and `recording.npz`.
    formats : sequence of str
        File types, of "png", "pdf" and "svg".
    tsne : bool, default False
        Whether to embed the activity by t-SNE too, which takes seconds a layer; of 500 stimuli at most.
    animation : bool, default False
        Whether to animate the recording's first presentation, as `settling.gif`.

    Returns
    -------
    list of pathlib.Path
        The files written.

    Raises
    ------
    ParameterError
        A format is unknown.
    RunError
        The run has no history, or no recording to be animated; one of its files is damaged, or a figure cannot be
        written.
    """
    folder = Path(folder)
    if unknown := [name for name in formats if name not in FORMATS]:
        raise ParameterError(f"unknown figure format {unknown[0]}; known are {', '.join(FORMATS)}")

    recording = folder / "recording.npz"
    if animation and not recording.exists():
        raise RunError(f"{recording}: no such file, and so nothing to animate; make it by corinfomax record")

    drawers = {
        "history.csv": _draw_history,
        "circuit.json": _draw_circuit,
        "checkpoint.npz": _draw_weights,
        "activity.npz": lambda path: _draw_activity(path, tsne),
        "recording.npz": _draw_recording,
    }
    target = folder / "figures"
    written = []
    for source, draw in drawers.items():
        path = folder / source
        if not path.exists() and draw is not _draw_history:
            continue
        try:
            for name, figure in draw(path):
                written += save_figure(figure, [target / f"{name}.{ending}" for ending in formats])
        except (ParameterError, ValueError, TypeError) as error:
            raise RunError(f"{path}: cannot be drawn ({error})") from error
    if animation:
        written.append(_animate(recording, target / "settling.gif"))
    return written


def _animate(path, target):
    try:
        moving = settling_animation(read_recording(path))
    except ParameterError as error:
        raise RunError(f"{path}: cannot be animated ({error})") from None
    try:
        return save_animation(moving, target)
    finally:
        plt.close(moving.figure)


def _draw_history(path):
    history = read_history(path.parent)
    if any(column.endswith(("_accuracy", "_r_squared")) for column in history):
        yield "learning_curve", learning_curve(history).figure
    if kinds := scores(history):
        figure, axes = plt.subplots(len(kinds), 1, figsize=(4.8, 2.6 * len(kinds)), squeeze=False, sharex=True)
        for ax, columns in zip(axes[:, 0], kinds.values(), strict=True):
            course(history, columns, ax)
            ax.label_outer()
        yield "scores", figure
    if any(column.startswith("angle_") for column in history):
        yield "angle", alignment(history).figure
    if any(column.startswith("cmi_") for column in history):
        yield "cmi", information(history).figure
    if any(column.startswith(("negative_", "exciting_")) for column in history):
        yield "signs", signs(history).figure


def _draw_circuit(path):
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:  # of decoding too
        raise RunError(f"{path}: not readable as JSON ({error})") from None
    yield "circuit", circuit_diagram(description).figure


def _draw_weights(path):
    checkpoint = converted_checkpoint(read_archive(path), path)
    fields = _receptive(checkpoint)
    if fields is not None:
        yield "receptive_fields", receptive_fields(*fields).figure
    kinds = {key.split("/")[1]: None for key in checkpoint if key.startswith("weights/") and key.count("/") == 2}
    order = [*(kind for kind in _WEIGHTS if kind in kinds), *(kind for kind in kinds if kind not in _WEIGHTS)]
    weights = {kind: _labelled(kind, checkpoint) for kind in order if kind not in _UNLEARNT}
    weights = {kind: matrices for kind, matrices in weights.items() if matrices}
    if weights:
        columns = min(_PANELS, len(weights))
        rows = -(-len(weights) // columns)
        figure, axes = plt.subplots(rows, columns, figsize=(3.6 * columns, 2.6 * rows), squeeze=False)
        for ax, (kind, matrices) in zip(axes.flat, weights.items(), strict=False):
            weight_histogram(matrices, ax)
            ax.set_xlabel(_QUANTITIES.get(kind, "Weight"))
        for ax in axes.flat[len(weights) :]:
            ax.remove()
        yield "weight_histograms", figure


def _receptive(checkpoint):
    """Weights from the images to the first layer, their shape and symbol; None where there are no images."""
    shape = checkpoint.get("image_shape")
    for kind in ("W_ff", "W") if shape is not None else ():
        W = checkpoint.get(f"weights/{kind}/0")
        if W is not None and (kind == "W_ff" or np.shape(W)[1:] == (np.prod(shape),)):
            return W, shape, None, None, f"{_symbol(kind)}^{{(0)}}"
    return None


def _labelled(kind, checkpoint):
    """Weights of one kind by their labels."""
    arrays = {k: W for k, W in _numbered(checkpoint, f"weights/{kind}/").items() if np.size(W)}
    if kind in _OF_LAYERS:
        return {f"${_symbol(kind)}$, layer {k}": W for k, W in arrays.items()}
    return {f"${_symbol(kind)}^{{({k})}}$": W for k, W in arrays.items()}


def _symbol(kind):
    head, _, tail = kind.partition("_")
    return rf"{head}_\mathrm{{{tail}}}" if tail else head


def _draw_activity(path, tsne):
    archive = read_archive(path)
    rates = _numbered(archive, "layer_", "/r")
    rates.pop(0, None)  # the stimulus is no activity of the circuit
    if rates:
        yield "activity_histograms", activity_histogram(rates).figure
    rates = {k: r for k, r in rates.items() if embeddable(np.asarray(r))}  # one output cell is not
    if rates:
        yield "embedding_pca", _embeddings(rates, archive.get("labels"), "pca")
        if tsne:
            first = {k: r[:_MOST_NEIGHBOURS] for k, r in rates.items() if embeddable(r[:_MOST_NEIGHBOURS])}
            labels = archive["labels"][:_MOST_NEIGHBOURS] if "labels" in archive else None
            yield "embedding_tsne", _embeddings(first, labels, "tsne")


def _embeddings(rates, labels, method):
    """Draw a panel a layer, with one legend."""
    figure, axes = plt.subplots(1, len(rates), figsize=(3.3 * len(rates) + 0.8, 3.3), squeeze=False)
    for ax, (k, r) in zip(axes[0], rates.items(), strict=True):
        embedding(r, labels, method, ax)
        ax.set_title(f"Layer {k}")
        if ax is not axes[0, -1] and ax.get_legend() is not None:
            ax.get_legend().remove()
    return figure


def _draw_recording(path):
    recording = read_recording(path)
    if layers_with_potentials(recording):
        yield "compartment_voltages", compartment_voltages(recording)


def _numbered(archive, prefix, suffix=""):
    """Collect the arrays under prefix, number, suffix, by ascending number."""
    numbers = [key.removeprefix(prefix).removesuffix(suffix) for key in archive if key.startswith(prefix)]
    return {k: archive[f"{prefix}{k}{suffix}"] for k in sorted(int(n) for n in numbers if n.isdecimal())}


@publication_style()
def save_figure(figure, files):
    """Save a figure and close it.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    files : sequence of pathlib.Path
        Where to; a folder that is missing is made. The endings of the names give the formats.

    Returns
    -------
    list of pathlib.Path
        The files written.

    Raises
    ------
    RunError
        A file cannot be written; one that was there before is then whole.
    """
    try:
        for path in files:
            make_folder(path.parent)
            with replacing(path) as file:
                figure.savefig(file, format=path.suffix.removeprefix("."))
    finally:
        plt.close(figure)
    return list(files)
