"""What perturbations change: performance and potentials against the control."""

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import EngFormatter, FixedLocator, MaxNLocator, NullLocator

from ...errors import ParameterError
from .meanings import BOTH, CONTROL, OTHERS, SST, TESTED, TRAINED
from .style import PAGE, TOP_PER_CENT, literal, new_figure, new_panels, publication_style
from .training import scores
from .voltages import COMPARTMENTS, INTERNEURON

#: How the circuits of a comparison were trained and tested: label and colour.
CONDITIONS = {
    ("control", "control"): ("control", CONTROL),
    ("control", "perturbed"): ("tested\nperturbed", TESTED),
    ("perturbed", "control"): ("trained\nperturbed", TRAINED),
    ("perturbed", "perturbed"): ("trained and\ntested perturbed", BOTH),
}
_POTENTIALS = dict(reversed(COMPARTMENTS.items())) | {INTERNEURON: ("SST soma", SST)}
_MEASURES = {"test_accuracy": "Test accuracy (%)", "test_r_squared": "Test $R^2$"}


@publication_style()
def perturbation_effects(table, figure=None):
    """Draw performance on test stimuli, seed by seed, and how far potentials are from the control's.

    In the first panel a line connects the circuits of a seed. In the others a point is, of a seed, the root mean square
    over stimuli and cells of what differs from the control at the end of a phase, on a logarithmic axis: SST cells move
    by nanovolts, dendrites by millivolts. Horizontal lines are means over seeds. A compartment that does not change at
    all has an open marker at the bottom.

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
    # One condition stands beside the performance; more stand below it.
    above = len(changed) > 1
    if figure is None:
        width = PAGE if changed else 1.6 + 0.75 * len(conditions)
        figure = new_figure(width, 0.8 + 1.9 * (max(1, len(phases)) + above))
    if above:
        grid = figure.add_gridspec(1 + len(phases), len(changed))
        performance, first_row, first_column = figure.add_subplot(grid[0, :]), 1, 0
    else:
        shares = [1.1 + 0.45 * len(conditions), *[5.0] * len(changed)]
        grid = figure.add_gridspec(max(1, len(phases)), 1 + len(changed), width_ratios=shares)
        performance, first_row, first_column = figure.add_subplot(grid[:, 0]), 0, 1
    _draw_performance(performance, table[table["quantity"] == measure], conditions)
    of_changed = [pair in changed for pair in zip(potentials["trained"], potentials["tested"], strict=True)]
    levels = _levels(potentials["rms_change"][np.array(of_changed, dtype=bool)])
    first = None
    for column, condition in enumerate(changed):
        for row, phase in enumerate(phases):
            ax = figure.add_subplot(grid[first_row + row, first_column + column], sharey=first)
            first = first or ax
            chosen = potentials[
                (potentials["trained"] == condition[0])
                & (potentials["tested"] == condition[1])
                & (potentials["phase"] == phase)
            ]
            _draw_changes(ax, chosen, looks, levels[0])
            if row == 0:
                name = CONDITIONS[condition][0]
                ax.set_title(name if above else name.replace("\n", " "))
            if row == len(phases) - 1:
                ax.set_xlabel("Layer")
            if column == 0:
                ax.set_ylabel(f"{literal(phase)} phase\nRMS change")
            else:
                ax.tick_params(labelleft=False)
    if first is not None:
        _scale(first, levels)
        handles = [Line2D([], [], color=colour, marker="o", label=label) for label, colour in looks.values()]
        figure.legend(handles=handles, loc="outside lower right", ncols=min(4, len(handles)))
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
        name: rf"Angle of $W_\mathrm{{ff}}$ and $W_\mathrm{{fb}}^\top$ (°)|layer {name.removeprefix('angle_')}"
        for name in table.columns
        if name.startswith("angle_")
    }
    columns = [name for name in labels if name in table]
    if measure is None:
        raise ParameterError("perturbed_learning: the histories have no score, such as test_accuracy")
    if figure is None:
        axes = new_panels(len(columns), 2.4)
        figure = axes[0].figure
    else:
        axes = figure.subplots(1, len(columns), squeeze=False)[0]
    looks = {"control": CONTROL, "perturbed": TRAINED}
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
        label, _, layer = labels[name].partition("|")
        ax.set_ylabel(label)
        ax.set_title(layer)
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
    if measure == "test_accuracy":
        ax.set_ylim(top=min(ax.get_ylim()[1], TOP_PER_CENT))


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
    looks = {name: look for name, look in _POTENTIALS.items() if name in there}
    return looks | {name: (name.removeprefix("V_"), OTHERS[n % len(OTHERS)]) for n, name in enumerate(others)}


def _levels(changes):
    """Find where what does not change is drawn, and the decades of what does: (level, lowest, highest)."""
    positive = changes[changes > 0]
    if positive.empty:
        return 0.0, 0.0, 1.0
    low, high = 10.0 ** np.floor(np.log10(positive.min()) - 0.1), 10.0 ** np.floor(np.log10(positive.max()) + 1.1)
    if not (changes == 0).any():
        return low, low, high
    return low * (low / high) ** 0.12, low, high


def _draw_changes(ax, table, looks, unchanged):
    layers = sorted(table["layer"].unique())
    names = [name for name in looks if (table["quantity"] == name).any()]
    width = 0.8 / max(1, len(names))
    for number, name in enumerate(names):
        colour = looks[name][1]
        for place, k in enumerate(layers):
            changes = table[(table["quantity"] == name) & (table["layer"] == k)]["rms_change"].to_numpy()
            here, still = place + (number - (len(names) - 1) / 2) * width, changes == 0
            moved = changes[changes > 0]
            if len(moved):
                ax.plot(np.full(len(moved), here), moved, "o", color=colour, markersize=4)
                ax.hlines(moved.mean(), here - 0.4 * width, here + 0.4 * width, color=colour)
            if still.any():
                ax.plot(here, unchanged, "o", color=colour, markersize=4, markerfacecolor="white")
    ax.set_xlim(-0.5, len(layers) - 0.5)
    ax.set_xticks(range(len(layers)), [f"{k}" for k in layers])


def _scale(ax, levels):
    """Label the axis of changes, in millivolts, by decades with their units, and the level below them."""
    unchanged, low, high = levels
    if low == 0:
        ax.set_ylim(-0.2, 1)
        ax.set_yticks([0], ["unchanged"])
        return
    ax.set_yscale("log")
    decades = np.arange(round(np.log10(low)), round(np.log10(high)) + 1)
    every = 1 if len(decades) <= 5 else 3
    ticks = {10.0**n: EngFormatter("V")(1e-3 * 10.0**n) for n in decades if (n + 3) % every == 0}
    if unchanged < low:
        ticks[unchanged] = "unchanged"
        for other in ax.figure.axes:
            if other.get_shared_y_axes().joined(ax, other):
                other.axhline(np.sqrt(unchanged * low), color="0.75", linewidth=0.8, linestyle=":")
    ax.yaxis.set_major_locator(FixedLocator(list(ticks)))
    ax.yaxis.set_major_formatter(
        lambda value, _: next((n for t, n in ticks.items() if np.isclose(t, value, atol=0)), "")
    )
    ax.yaxis.set_minor_formatter("")
    ax.yaxis.set_minor_locator(NullLocator() if every == 1 else FixedLocator(list(10.0**decades)))
    ax.set_ylim(unchanged * (low / high) ** 0.07, high * (high / low) ** 0.05)
