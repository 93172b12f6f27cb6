"""How the outputs meet their targets: which classes are taken for which, and predicted against true numbers."""

import numpy as np

from ...errors import ParameterError
from .meanings import PARTS
from .style import PAGE, new_axis, new_figure, new_panels, publication_style, short_literals

#: Classes up to which each cell of the matrix tells its number, and each class its name.
_NUMBERED, _NAMED = 12, 30
#: Outputs up to which each has a panel.
_MOST_PANELS = 9


@publication_style()
def confusion_matrix(counts, names=None, ax=None):
    """Draw which classes are taken for which.

    Rows are true classes, with the share of their stimuli that is recognised; colours are shares of a row.

    Parameters
    ----------
    counts : array of int, (classes, classes)
        Stimuli by true and predicted class, as of `corinfomax.analysis.confusion`.
    names : sequence of str, optional
        Of the classes; by default their numbers.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ParameterError
        The counts are no square matrix, or there are not as many names.
    """
    counts = np.asarray(counts)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or not counts.size:
        raise ParameterError(f"confusion_matrix: counts of shape {counts.shape} are no square matrix")
    names = range(len(counts)) if names is None else names
    if len(names) != len(counts):
        raise ParameterError(f"confusion_matrix: {len(names)} names for {len(counts)} classes")
    names = short_literals(names)
    total = counts.sum(axis=1, keepdims=True)
    share = np.divide(100 * counts, total, out=np.zeros(counts.shape), where=total > 0)
    size = float(np.clip(0.42 * len(counts) + 1.6, 3.2, PAGE - 1.2))
    ax = new_axis(size + 1.2, size) if ax is None else ax
    image = ax.imshow(share, cmap="Greys", vmin=0, vmax=100, interpolation="nearest")
    if len(counts) <= _NUMBERED:
        for (row, column), count in np.ndenumerate(counts):
            shade = "white" if share[row, column] > 55 else "black"
            look = {"ha": "center", "va": "center", "fontsize": 7, "color": shade}
            ax.text(column, row, str(count) if count else "", **look)
    if len(counts) <= _NAMED:
        long = max(map(len, names)) > 3
        ax.set_xticks(range(len(names)), names, rotation=90 if long else 0)
        recognised = np.diagonal(share)
        shown = [f"{n} ({each:.0f} %)" if of else f"{n} (none)" for n, each, of in
                 zip(names, recognised, total[:, 0], strict=True)]  # fmt: skip
        ax.set_yticks(range(len(names)), shown)
    ax.set_xlabel("Predicted class")
    ax.set_ylabel("True class (recall)" if len(counts) <= _NAMED else "True class")
    ax.set_title(f"{np.trace(counts)} of {counts.sum()} test stimuli recognised")
    bar = ax.figure.colorbar(image, ax=ax, aspect=30, pad=0.03)
    bar.set_label("Share of the true class (%)")
    bar.outline.set_linewidth(0.6)
    for spine in ax.spines.values():
        spine.set_visible(True)
    return ax


@publication_style()
def predicted_against_true(outputs, targets, r_squared=None):
    """Draw what a regression predicts for each test stimulus against the true value, an output a panel.

    On the line both are equal. Of more than nine outputs the first nine are drawn.

    Parameters
    ----------
    outputs, targets : array, (stimuli, outputs)
        Predicted and true values.
    r_squared : sequence of float, optional
        R² of each output, for the titles.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ParameterError
        There are no outputs, or their shapes are at odds.
    """
    outputs, targets = np.asarray(outputs, dtype=float), np.asarray(targets, dtype=float)
    if outputs.ndim != 2 or outputs.shape != targets.shape or not outputs.size:
        raise ParameterError(
            f"predicted_against_true: outputs {outputs.shape} and targets {targets.shape} do not fit each other"
        )
    number = min(outputs.shape[1], _MOST_PANELS)
    axes = [new_figure(3.6, 3.4).subplots()] if number == 1 else new_panels(number, 2.7)
    for n, ax in enumerate(axes):
        predicted, true = outputs[:, n], targets[:, n]
        ends = [min(predicted.min(), true.min()), max(predicted.max(), true.max())]
        ax.plot(ends, ends, color="0.75", linewidth=0.9, zorder=1)
        look = {"s": 12, "linewidth": 0, "alpha": 0.7, "color": PARTS["test"], "rasterized": len(true) > 2000}
        ax.scatter(true, predicted, **look)
        ax.set_xlabel("True value")
        ax.set_ylabel("Predicted value")
        ax.set_aspect("equal", adjustable="datalim")
        told = "" if r_squared is None else f"$R^2$ = {r_squared[n]:.3f}".replace("-", "−")
        of = f"Output {n}: " if outputs.shape[1] > 1 else f"{len(true)} test stimuli: "
        ax.set_title(f"{of}{told}".removesuffix(": "))
    return axes[0].figure
