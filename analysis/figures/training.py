"""How a run went, epoch by epoch."""

import numpy as np
from matplotlib.ticker import MaxNLocator

from ...errors import ParameterError
from .meanings import PARTS, layer_colour, layer_marker
from .style import legend_beside, logarithmic_in_plain_numbers, new_axis, new_panels, publication_style

#: Parts of a set, as columns of the history begin, and how they look.
_PARTS = {
    "train": {"color": PARTS["train"], "linestyle": "--", "marker": "o", "markerfacecolor": "white"},
    "validation": {"color": PARTS["validation"], "linestyle": "-.", "marker": "s", "markerfacecolor": "white"},
    "test": {"color": PARTS["test"], "linestyle": "-", "marker": "o"},
}
#: Of what the numbers are whose columns do not begin with a part of the set.
_OF = {
    "loss": "on test stimuli",
    "subspace_error": "against the training covariance",
    "objective": "for the training covariance",
}
#: Columns that say nothing of how well the circuit does.
_NO_SCORES = ("epoch", "seconds", "evaluation_seconds", "settling_residual", "sst_every", "unlearnt")
#: Largest over smallest value from which an axis is logarithmic.
_DECADES = 20


@publication_style()
def learning_curve(history, ax=None):
    """Draw performance in training and on test stimuli against epoch.

    Parameters
    ----------
    history : pandas.DataFrame
        With columns `epoch` and `train_accuracy`, `validation_accuracy`, `test_accuracy` (fractions, drawn in per
        cent), or `train_r_squared` and so on.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ParameterError
        The history has none of these columns.
    """
    measure, scale, quantity, number = (
        ("accuracy", 100, "Accuracy (%)", "{:.1f} %")
        if _columns(history, *(f"{part}_accuracy" for part in _PARTS))
        else ("r_squared", 1, "Coefficient of determination $R^2$", "{:.3f}")
    )
    columns = _columns(history, *(f"{part}_{measure}" for part in _PARTS))
    if not columns:
        raise ParameterError("learning_curve: the history has no accuracy and no r_squared")
    alone = ax is None
    ax = new_axis() if alone else ax
    for column in columns:
        stimuli = column.split("_")[0]
        values = scale * history[column]
        # Of an epoch's early stimuli by weights that learn further, and so often below that of the test stimuli.
        when = ", as presented during the epoch" if stimuli == "train" else ""
        label = f"{stimuli}{when} ({number.format(values.iloc[-1])})"
        ax.plot(history["epoch"], values, label=label, **_PARTS[stimuli])
    ax.set_ylabel(quantity)
    if alone:
        ax.figure.legend(loc="outside lower center", title="Stimuli (last epoch)")
    else:
        legend_beside(ax, title="Stimuli (last epoch)", alignment="left")
    return over_epochs(ax, history["epoch"])


@publication_style()
def course(history, columns, ax=None):
    """Draw columns of the history that are of one kind, such as errors or objectives, against epoch.

    The title tells the last values, and of which stimuli they are where that is known. The axis is logarithmic where
    all values are positive and the largest is more than 20 times the smallest.

    Parameters
    ----------
    history : pandas.DataFrame
        With a column `epoch`.
    columns : str or sequence of str
        Which columns; those of training, validation and test stimuli, as `test_loss`, look as in `learning_curve`.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ParameterError
        The history lacks a column, or none is named.
    """
    columns = [columns] if isinstance(columns, str) else list(columns)
    if absent := [name for name in columns if name not in history] or ["column to draw"] * (not columns):
        raise ParameterError(f"course: the history has no {absent[0]}")
    ax = new_axis() if ax is None else ax
    for column in columns:
        look = _PARTS.get(column.partition("_")[0], {"color": "0.2", "marker": "o"})
        ax.plot(history["epoch"], history[column], label=_name(column), **look)
    values = history[columns].to_numpy(dtype=float)
    finite = values[np.isfinite(values)]
    if len(finite) and finite.min() > 0 and finite.max() > _DECADES * finite.min():
        logarithmic_in_plain_numbers(ax)
    ax.set_ylabel(_words(_stem(columns[0])))
    last = [_number(history[column].iloc[-1]) for column in columns]
    if len(columns) == 1:
        ax.set_title(f"{_words(_name(columns[0]))}\n{last[0]} in the last epoch")
    else:
        told = ", ".join(f"{_name(column)} {value}" for column, value in zip(columns, last, strict=True))
        ax.set_title(f"Last epoch: {told}")
        ax.legend(loc="best")
    return over_epochs(ax, history["epoch"])


def scores(history):
    """Name the columns that no other figure of the history shows, numbers of the whole circuit, by what they measure.

    Parameters
    ----------
    history : pandas.DataFrame

    Returns
    -------
    dict of str to list of str
        Such as ``{"subspace_error": ["subspace_error"], "loss": ["train_loss", "test_loss"]}``.
    """
    found = {}
    for column in history.columns:
        stem = _stem(column)
        if column in _NO_SCORES or stem in ("accuracy", "r_squared") or stem.rpartition("_")[2].isdecimal():
            continue
        found.setdefault(stem, []).append(column)
    return found


@publication_style()
def alignment(history, ax=None):
    """Draw the angle between feedforward and transposed feedback weights against epoch.

    Parameters
    ----------
    history : pandas.DataFrame
        With columns `epoch` and `angle_k` (degrees).
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ParameterError
        The history has no angles.
    """
    angles = _numbered(history, "angle")
    if not angles:
        raise ParameterError("alignment: the history has no angle_k")
    ax = new_axis() if ax is None else ax
    for k, column in angles.items():
        look = {"color": layer_colour(k), "marker": layer_marker(k), "label": f"layers {k} and {k + 1}"}
        ax.plot(history["epoch"], history[column], **look)
    ax.axhline(90, color="0.5", linewidth=0.9, linestyle=":", label="orthogonal")
    ax.set_ylabel(r"Angle of $W_\mathrm{ff}$ and $W_\mathrm{fb}^\top$ (°)")
    legend_beside(ax)
    return over_epochs(ax, history["epoch"])


@publication_style()
def information(history, ax=None):
    """Draw the correlative mutual information between neighbouring layers, forward and backward, against epoch.

    Parameters
    ----------
    history : pandas.DataFrame
        With columns `epoch`, `cmi_forward_k` and `cmi_backward_k` (nats).
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ParameterError
        The history has no information.
    """
    forward, backward = _numbered(history, "cmi_forward"), _numbered(history, "cmi_backward")
    if not (forward or backward):
        raise ParameterError("information: the history has no cmi_forward_k and no cmi_backward_k")
    ax = new_axis(5.6) if ax is None else ax
    for k, column in forward.items():
        label = f"{_layer(k)} → {_layer(k + 1)}"
        # Broad and pale, since the backward form lies on it if the predictors are the best.
        look = {"color": layer_colour(k), "marker": "o", "alpha": 0.35, "linewidth": 5, "markersize": 5}
        ax.plot(history["epoch"], history[column], label=label, **look)
    for k, column in backward.items():
        label = f"{_layer(k + 1)} → {_layer(k)}"
        look = {"color": layer_colour(k), "linestyle": "--", "marker": "s", "markerfacecolor": "white"}
        ax.plot(history["epoch"], history[column], label=label, **look)
    ax.set_ylabel("Correlative mutual information (nats)")
    legend_beside(ax, title="Prediction", alignment="left")
    return over_epochs(ax, history["epoch"])


@publication_style()
def signs(history):
    """Draw the fractions of synapses whose sign is against Dale's law, against epoch.

    Pyramidal cells excite and SST cells inhibit, by the law; learning by itself keeps neither, unless the circuit's
    parameter `dale` makes it. A panel for each kind of synapse, with a line for each layer; the panels share an axis,
    which spans what there is.

    Parameters
    ----------
    history : pandas.DataFrame
        With columns `epoch`, and `negative_ff_k`, `negative_fb_k` or `exciting_SST_k` (fractions, drawn in per cent).

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ParameterError
        The history has none of these columns.
    """
    kinds = {
        "negative_ff": (r"Feedforward, $W_\mathrm{ff} < 0$", lambda k: f"{_layer(k)} → {_layer(k + 1)}"),
        "negative_fb": (r"Feedback, $W_\mathrm{fb} < 0$", lambda k: f"{_layer(k + 1)} → {_layer(k)}"),
        "exciting_SST": ("SST cells that excite", _layer),
    }
    found = {kind: columns for kind in kinds if (columns := _numbered(history, kind))}
    if not found:
        raise ParameterError("signs: the history has no negative_ff_k, negative_fb_k or exciting_SST_k")
    lines = max(map(len, found.values()))
    axes = new_panels(len(found), 2.2 + 0.17 * lines)
    for ax, (kind, columns) in zip(axes, found.items(), strict=True):
        title, name = kinds[kind]
        for k, column in columns.items():
            look = {"color": layer_colour(k), "marker": layer_marker(k), "markevery": max(1, len(history) // 10)}
            ax.plot(history["epoch"], 100 * history[column], label=name(k), **look)
        if ax is not axes[0]:
            ax.sharey(axes[0])
            ax.tick_params(labelleft=False)
        ax.set_title(title)
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.28))
        over_epochs(ax, history["epoch"])
    low, high = axes[0].get_ylim()
    if low < 50 < high:
        for ax in axes:
            ax.axhline(50, color="0.75", linewidth=0.9, zorder=1)
        look = {"xytext": (4, 0), "textcoords": "offset points", "va": "center", "fontsize": 7, "color": "0.45"}
        axes[-1].annotate("either sign\nalike", (1, 50), xycoords=("axes fraction", "data"), **look)
    axes[0].set_ylabel("Against Dale's law (%)")
    return axes[0].figure


def _stem(column):
    """What a column measures, of whatever part of the set."""
    part, _, rest = column.partition("_")
    return rest if part in _PARTS and rest else column


def _name(column):
    """Name a column with the stimuli that it is of, where they are known."""
    part, stem = column.partition("_")[0], _stem(column)
    of = f"on {part} stimuli" if stem != column else _OF.get(column, "")
    return f"{stem.replace('_', ' ')} {of}".strip()


def _number(value):
    return f"{value:.4g}".replace("-", "−")


def _words(name):
    return name[:1].upper() + name[1:].replace("_", " ")


def _layer(k):
    return f"layer {k}" if k else "stimulus"


def _columns(history, *names):
    return [name for name in names if name in history]


def _numbered(history, name):
    """Find the columns `name_k` by k, in order."""
    prefix = f"{name}_"
    numbers = (column.removeprefix(prefix) for column in history.columns if column.startswith(prefix))
    return {k: f"{prefix}{k}" for k in sorted(int(number) for number in numbers if number.isdecimal())}


def over_epochs(ax, epochs):
    """Label the axis of epochs, a Series, and give a single one room."""
    ax.set_xlabel("Epoch")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    if epochs.nunique() == 1:
        ax.set_xlim(epochs.iloc[0] - 1, epochs.iloc[0] + 1)
    return ax
