"""What perturbations change: performance and potentials against the control."""

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.pyplot import figure as new_figure
from matplotlib.ticker import MaxNLocator

from ...errors import ParameterError
from .style import COLOURS, publication_style
from .training import scores
from .voltages import COMPARTMENTS, INTERNEURON, SST_COLOUR

#: How the circuits of a comparison were trained and tested: label and colour.
CONDITIONS = {
    ("control", "control"): ("control", COLOURS["black"]),
    ("control", "perturbed"): ("tested\nperturbed", COLOURS["orange"]),
    ("perturbed", "control"): ("trained\nperturbed", COLOURS["sky"]),
    ("perturbed", "perturbed"): ("trained and\ntested perturbed", COLOURS["purple"]),
}
_POTENTIALS = dict(reversed(COMPARTMENTS.items())) | {INTERNEURON: ("SST soma", SST_COLOUR)}
_MEASURES = {"test_accuracy": "Test accuracy (%)", "test_r_squared": "Test $R^2$"}


@publication_style()
def perturbation_effects(table, figure=None):
    """Draw performance on test stimuli, seed by seed, and how far potentials are from the control's.

    On the left a line connects the circuits of a seed. On the right a point is, of a seed, the root mean square over
    stimuli and cells of what differs from the control at the end of a phase, on a logarithmic axis: SST cells move by
    nanovolts, dendrites by millivolts. Horizontal lines are means over seeds. What does not change has no point.

    Parameters
    ----------
    table : pandas.DataFrame
        As `corinfomax.analysis.against_control` returns it.
    figure : matplotlib.figure.Figure, optional
        Where to draw, an empty figure; a new one by default.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ParameterError
        The table has no score.
    """
    measure = _measure(table.loc[(table["layer"] == 0) & (table["phase"] == ""), "quantity"])
    if measure is None:
        raise ParameterError("perturbation_effects: the table has no score, such as test_accuracy")
    here = {(trained, tested) for trained, tested in zip(table["trained"], table["tested"], strict=True)}
    conditions = [condition for condition in CONDITIONS if condition in here]
    potentials = table[(table["phase"] != "") & (table["unit"] == "mV")]
    looks = _looks(potentials["quantity"])
    phases = list(dict.fromkeys(potentials["phase"]))
    changed = conditions[1:] if phases else []
    if figure is None:
        width = 2.0 + 0.75 * len(conditions) + 3.0 * max(1, len(changed))
        figure = new_figure(figsize=(width, 1.0 + 1.9 * max(1, len(phases))))
    grid = figure.add_gridspec(
        max(1, len(phases)),
        1 + len(changed),
        width_ratios=[1.1 + 0.45 * len(conditions), *[2.6] * len(changed)],
    )
    _draw_performance(figure.add_subplot(grid[:, 0]), table[table["quantity"] == measure], conditions)
    first = None
    for column, condition in enumerate(changed, start=1):
        for row, phase in enumerate(phases):
            ax = figure.add_subplot(grid[row, column], sharey=first)
            first = first or ax
            chosen = potentials[
                (potentials["trained"] == condition[0])
                & (potentials["tested"] == condition[1])
                & (potentials["phase"] == phase)
            ]
            _draw_changes(ax, chosen, looks)
            if row == 0:
                ax.set_title(CONDITIONS[condition][0].replace("\n", " "))
            if column == 1:
                ax.set_ylabel(f"{phase} phase\nRMS change (mV)")
            else:
                ax.tick_params(labelleft=False)
    if first is not None:
        _limit_decades(first, potentials["rms_change"])
        handles = [Line2D([], [], color=colour, marker="o", label=label) for label, colour in looks.values()]
        figure.legend(handles=handles, loc="outside lower right", ncols=len(handles))
    return figure


@publication_style()
def perturbed_learning(histories, periods=(), figure=None):
    """Draw performance on test stimuli, and angles, of control and perturbed circuits against epoch.

    A thin line is a circuit, a thick one the mean over seeds; epochs with perturbations are shaded.

    Parameters
    ----------
    histories : dict of (int, str) to pandas.DataFrame
        By seed and "control" or "perturbed": `epoch`, `test_accuracy`, `test_r_squared` or another score, and
        `angle_k`.
    periods : sequence of (float, float)
        From when to when there are perturbations, in epochs since training began.
    figure : matplotlib.figure.Figure, optional
        Where to draw, an empty figure; a new one by default.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ParameterError
        There is no history, or it has no score.
    """
    table = pd.concat(
        [history.assign(seed=seed, trained=trained) for (seed, trained), history in histories.items()]
        or [pd.DataFrame()]
    )
    measure = _measure(table.columns.difference(["seed", "trained"], sort=False))
    labels = {} if measure is None else {measure: _label(measure)}
    labels |= {
        name: rf"Angle of $W_\mathrm{{ff}}$ and $W_\mathrm{{fb}}^\top$ (°), layer {name.removeprefix('angle_')}"
        for name in table.columns
        if name.startswith("angle_")
    }
    columns = [name for name in labels if name in table]
    if measure is None:
        raise ParameterError("perturbed_learning: the histories have no score, such as test_accuracy")
    figure = new_figure(figsize=(0.6 + 3.4 * len(columns), 3.2)) if figure is None else figure
    axes = figure.subplots(1, len(columns), squeeze=False)[0]
    looks = {"control": COLOURS["black"], "perturbed": COLOURS["purple"]}
    for ax, name in zip(axes, columns, strict=True):
        scale = 100 if name == "test_accuracy" else 1
        for trained, colour in looks.items():
            rows = table[table["trained"] == trained]
            for _, circuit in rows.groupby("seed"):
                ax.plot(circuit["epoch"], scale * circuit[name], color=colour, linewidth=0.7, alpha=0.5)
            mean = scale * rows.groupby("epoch")[name].mean()
            ax.plot(mean.index, mean, "o-", color=colour, linewidth=1.8, label=trained)
        for first, last in periods:
            ax.axvspan(first, last, color="0.9", linewidth=0, zorder=0)
        ax.set_xlabel("Epoch")
        ax.set_ylabel(labels[name])
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    handles = axes[0].get_legend_handles_labels()[0]
    if periods:
        handles.append(Patch(color="0.9", label="perturbations in force"))
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure


def _draw_performance(ax, table, conditions):
    measure = table["quantity"].iloc[0]
    scale, label = 100 if measure == "test_accuracy" else 1, _label(measure)
    places = {condition: place for place, condition in enumerate(conditions)}
    for _, rows in table.groupby("seed", sort=False):
        found = {(row.trained, row.tested): scale * row.value for row in rows.itertuples()}
        present = [condition for condition in conditions if condition in found]
        ax.plot([places[c] for c in present], [found[c] for c in present], color="0.75", linewidth=0.9, zorder=1)
        for condition in present:
            ax.plot(places[condition], found[condition], "o", color=CONDITIONS[condition][1], markersize=5, zorder=2)
    for condition, place in places.items():
        values = scale * table[(table["trained"] == condition[0]) & (table["tested"] == condition[1])]["value"]
        ax.hlines(values.mean(), place - 0.25, place + 0.25, color=CONDITIONS[condition][1])
    ax.set_xticks(range(len(conditions)), [CONDITIONS[condition][0] for condition in conditions])
    ax.tick_params(axis="x", labelsize=7)
    ax.set_xlim(-0.6, len(conditions) - 0.4)
    ax.set_ylabel(label)
    ax.ticklabel_format(axis="y", useOffset=False)
    if np.ptp(scale * table["value"]) < 1e-9:
        ax.set_ylim(scale * table["value"].iloc[0] + np.array([-1, 1]) * 0.02 * scale)


def _label(measure):
    return _MEASURES.get(measure, measure[:1].upper() + measure[1:].replace("_", " "))


def _measure(names):
    """What performance is measured by: accuracy, R², or else what scores there are; None if there is none."""
    there = dict.fromkeys(names)
    known = [name for name in _MEASURES if name in there]
    others = [name for columns in scores(pd.DataFrame(columns=list(there))).values() for name in columns]
    others = [name for name in others if name != "predictions_changed"]
    others.sort(key=lambda name: name.startswith("train_"))  # what test stimuli show comes first
    return next(iter([*known, *others]), None)


def _looks(names):
    """Label and colour of potentials, the known ones first."""
    there = set(names)
    others = sorted(there.difference(_POTENTIALS))
    more = (COLOURS["purple"], COLOURS["orange"], COLOURS["sky"])
    looks = {name: look for name, look in _POTENTIALS.items() if name in there}
    return looks | {name: (name.removeprefix("V_"), more[n % len(more)]) for n, name in enumerate(others)}


def _draw_changes(ax, table, looks):
    layers = sorted(table["layer"].unique())
    names = [name for name in looks if (table["quantity"] == name).any()]
    width = 0.8 / max(1, len(names))
    for number, name in enumerate(names):
        colour = looks[name][1]
        for place, k in enumerate(layers):
            changes = table[(table["quantity"] == name) & (table["layer"] == k)]["rms_change"]
            changes = changes[changes > 0]
            here = place + (number - (len(names) - 1) / 2) * width
            ax.plot(np.full(len(changes), here), changes, "o", color=colour, markersize=4)
            if len(changes):
                ax.hlines(changes.mean(), here - 0.4 * width, here + 0.4 * width, color=colour)
    ax.set_yscale("log")
    ax.set_xlim(-0.5, len(layers) - 0.5)
    ax.set_xticks(range(len(layers)), [f"layer {k}" for k in layers])


def _limit_decades(ax, changes):
    positive = changes[changes > 0]
    if positive.empty:
        ax.set_yscale("linear")
        ax.set_ylim(0, 1)
    else:
        ax.set_ylim(10 ** np.floor(np.log10(positive.min()) - 0.01), 10 ** np.ceil(np.log10(positive.max()) + 0.01))
