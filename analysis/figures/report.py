"""All figures of a run, from the files in its folder."""

import contextlib
import json
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ...errors import FigureError, ParameterError, RunError
from ..archives import read_archive
from ..files import is_there, make_folder, replacing
from ..former import converted_checkpoint
from ..performance import confusion, r_squared_by_output
from ..recordings import read_recording
from ..tables import read_history
from .activity import activity_histogram
from .animation import save_animation, settling_animation
from .circuit_diagram import circuit_diagram
from .embedding import embeddable, embedding
from .predictions import confusion_matrix, predicted_against_true
from .rasters import spike_raster
from .style import new_figure, new_panels, place, publication_style
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

    A figure is left out if its source file is absent or lacks what it shows, such as the shape of images. One that
    fails keeps no other from being drawn.

    Parameters
    ----------
    folder : path-like
        The run folder: `history.csv`, and optionally `circuit.json` (`Circuit.description()`), `checkpoint.npz`
        (weights under `weights/W_ff/0`, …, and `image_shape`), `activity.npz` and `recording.npz`. The activity is
        rates under `layer_{k}/r`, and the stimuli's `labels`, or `targets`, (stimuli, outputs); of all test stimuli
        also `outputs/r`, `outputs/labels` or `outputs/targets`; and `class_names`.
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
        The run has no history, or no recording to be animated.
    FigureError
        Once all others are drawn: a file is damaged, or a figure cannot be drawn or written.
    """
    folder = Path(folder)
    if unknown := [name for name in formats if name not in FORMATS]:
        raise ParameterError(f"unknown figure format {unknown[0]}; known are {', '.join(FORMATS)}")
    recording = folder / "recording.npz"
    if animation and not is_there(recording):
        raise RunError(f"{recording}: no such file, and so nothing to animate; make it by corinfomax record")
    if not is_there(folder / "history.csv"):
        raise RunError(f"{folder}: holds no run (no history.csv)")

    drawers = {
        "history.csv": _draw_history,
        "circuit.json": _draw_circuit,
        "checkpoint.npz": _draw_weights,
        "activity.npz": lambda path: _draw_activity(path, tsne),
        "recording.npz": _draw_recording,
    }
    target = folder / "figures"
    album = Album()
    for source, figures_of in drawers.items():
        path = folder / source
        if not path.exists():
            continue
        with album.attempt(path):
            for name, draw in figures_of(path):
                with album.attempt(path, name):
                    files = [target / f"{name}.{ending}" for ending in formats]
                    album.written += save_figure(draw(), files)
    if animation:
        with album.attempt(recording, "settling"):
            album.written.append(_animate(recording, target / "settling.gif"))
    album.check()
    return album.written


class Album:
    """Figures that are drawn one after the other, of which some may fail.

    Attributes
    ----------
    written : list of pathlib.Path
        The files.
    failures : list of str
        A line for each figure that failed.
    """

    def __init__(self):
        self.written, self.failures = [], []

    def save(self, files, draw, *arguments):
        """Draw a figure by ``draw(*arguments)`` and save it; return whether that went well.

        Parameters
        ----------
        files : sequence of pathlib.Path
        draw : callable
            Gives a figure, or an axis.
        """
        before = len(self.failures)
        with self.attempt(files[0]):
            drawn = draw(*arguments)
            self.written += save_figure(drawn if isinstance(drawn, Figure) else drawn.figure, files)
        return len(self.failures) == before

    @contextlib.contextmanager
    def attempt(self, source, name=""):
        """Note what fails in this context, for a file or one of the figures that it is drawn from."""
        try:
            yield
        except Exception as error:  # LaTeX, fonts, backends and data fail in ways of their own
            reason = " ".join(str(error).split()) or type(error).__name__
            of = f" as {name}" if name else ""
            known = isinstance(error, RunError) and str(source.parent) in reason
            self.failures.append(reason if known else f"{source}: cannot be drawn{of} ({reason})")

    def check(self):
        """Raise a `FigureError` if a figure failed."""
        if self.failures:
            raise FigureError(self.failures, self.written)


def _animate(path, target):
    moving = settling_animation(read_recording(path))
    try:
        return save_animation(moving, target)
    finally:
        close(moving.figure)


def _draw_history(path):
    history = read_history(path.parent)
    if any(column.endswith(("_accuracy", "_r_squared")) for column in history):
        yield "learning_curve", lambda: learning_curve(history).figure
    if kinds := scores(history):
        yield "scores", lambda: _scores(history, kinds)
    if any(column.startswith("angle_") for column in history):
        yield "angle", lambda: alignment(history).figure
    if any(column.startswith("cmi_") for column in history):
        yield "cmi", lambda: information(history).figure
    if any(column.startswith(("negative_", "exciting_")) for column in history):
        yield "signs", lambda: signs(history)


def _scores(history, kinds):
    """Draw a panel for each kind of score, one below the other."""
    axes = np.atleast_1d(new_figure(4.8, 2.6 * len(kinds)).subplots(len(kinds), 1, sharex=True))
    for ax, columns in zip(axes, kinds.values(), strict=True):
        course(history, columns, ax)
        ax.label_outer()
    return axes[0].figure


def _draw_circuit(path):
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:  # of decoding too
        raise RunError(f"{path}: not readable as JSON ({error})") from None
    yield "circuit", lambda: circuit_diagram(description).figure


def _draw_weights(path):
    checkpoint = converted_checkpoint(read_archive(path), path)
    fields = _receptive(checkpoint)
    if fields is not None:
        yield "receptive_fields", lambda: receptive_fields(*fields).figure
    kinds = {key.split("/")[1]: None for key in checkpoint if key.startswith("weights/") and key.count("/") == 2}
    order = [*(kind for kind in _WEIGHTS if kind in kinds), *(kind for kind in kinds if kind not in _WEIGHTS)]
    weights = {kind: _labelled(kind, checkpoint) for kind in order if kind not in _UNLEARNT}
    weights = {kind: matrices for kind, matrices in weights.items() if matrices}
    if weights:
        yield "weight_histograms", lambda: _histograms(weights)


def _histograms(weights):
    """Draw a panel for each kind of weights."""
    axes = new_panels(len(weights), 2.4, most=_PANELS)
    for ax, (kind, matrices) in zip(axes, weights.items(), strict=True):
        numbers = [k for k, _ in matrices.values()]
        weight_histogram({label: W for label, (_, W) in matrices.items()}, ax, layers=numbers)
        ax.set_xlabel(_QUANTITIES.get(kind, "Weight"))
        ax.xaxis.set_major_locator(MaxNLocator(4))
        ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, handlelength=2.2, columnspacing=1.0)
    return axes[0].figure


def _receptive(checkpoint):
    """Weights from the images to the first layer, their shape and symbol; None where there are no images."""
    shape = checkpoint.get("image_shape")
    for kind in ("W_ff", "W") if shape is not None else ():
        W = checkpoint.get(f"weights/{kind}/0")
        if W is not None and (kind == "W_ff" or np.shape(W)[1:] == (np.prod(shape),)):
            return W, shape, None, None, f"{_symbol(kind)}^{{(0)}}"
    return None


def _labelled(kind, checkpoint):
    """Weights of one kind by their labels, each with its number."""
    arrays = {k: W for k, W in _numbered(checkpoint, f"weights/{kind}/").items() if np.size(W)}
    if kind in _OF_LAYERS:
        return {f"${_symbol(kind)}$, layer {k}": (k, W) for k, W in arrays.items()}
    return {f"${_symbol(kind)}^{{({k})}}$": (k, W) for k, W in arrays.items()}


def _symbol(kind):
    head, _, tail = kind.partition("_")
    return rf"{head}_\mathrm{{{tail}}}" if tail else head


def _draw_activity(path, tsne):
    archive = read_archive(path)
    rates = _numbered(archive, "layer_", "/r")
    rates.pop(0, None)  # the stimulus is no activity of the circuit
    if rates:
        yield "activity_histograms", lambda: activity_histogram(rates).figure
    names = archive.get("class_names")
    if "outputs/labels" in archive:
        counts = confusion(archive["outputs/r"], archive["outputs/labels"])
        yield "confusion", lambda: confusion_matrix(counts, names).figure
    elif "outputs/targets" in archive:
        pair = archive["outputs/r"], archive["outputs/targets"]
        yield "predictions", lambda: predicted_against_true(*pair, r_squared_by_output(*pair))
    embedded = {k: r for k, r in rates.items() if embeddable(np.asarray(r))}  # one output cell is not
    told = archive.get("labels"), archive.get("targets"), names
    if embedded:
        yield "embedding_pca", lambda: _embeddings(embedded, *told, "pca")
        if tsne:
            first = {k: r[:_MOST_NEIGHBOURS] for k, r in rates.items() if embeddable(r[:_MOST_NEIGHBOURS])}
            yield "embedding_tsne", lambda: _embeddings(first, *told, "tsne")


def _embeddings(rates, labels, targets, names, method):
    """Draw a panel a layer, with one legend."""
    number = len(next(iter(rates.values())))
    labels = None if labels is None else labels[:number]
    targets = None if targets is None or targets.shape[1] > 1 else targets[:number, 0]
    axes = new_panels(len(rates), 2.6, beside=0.8)
    for ax, (k, r) in zip(axes, rates.items(), strict=True):
        embedding(r, labels, method, ax, targets=targets, names=names)
        ax.set_title(f"Layer {k}")
        if ax is not axes[min(_PANELS, len(axes)) - 1] and ax.get_legend() is not None:
            ax.get_legend().remove()
    return axes[0].figure


def _draw_recording(path):
    recording = read_recording(path)
    if layers_with_potentials(recording):
        yield "compartment_voltages", lambda: compartment_voltages(recording)
    if recording.spikes:
        yield "spike_raster", lambda: spike_raster(recording)


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
        lay_out(figure)
        for path in files:
            make_folder(path.parent)
            with replacing(path) as file:
                figure.savefig(file, format=path.suffix.removeprefix("."))
    finally:
        close(figure)
    return list(files)


def lay_out(figure):
    """Find each axis's place once; Matplotlib would do so for each file, and draw in vain before it saves."""
    if figure.get_layout_engine() is not None:
        figure.set_dpi(mpl.rcParams["savefig.dpi"])
        place(figure)
        with mpl.rc_context({"figure.constrained_layout.use": False}):
            figure.set_layout_engine(None)


def close(figure):
    """Close a figure, if pyplot has it."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None:
        pyplot.close(figure)
