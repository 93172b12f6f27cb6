"""Learners side by side: their courses over epochs, and by how much they differ."""

import numpy as np
import pandas as pd

from ...errors import ParameterError
from .meanings import PARTS, category_look
from .style import legend_beside, literal, new_axis, publication_style
from .training import over_epochs

#: The lines of the first ten rules are solid, further ones broken.
_LINES = ("-", "--", ":")


@publication_style()
def courses(histories, column="test_accuracy", ax=None):
    """Draw the course of each rule over epochs: the mean over seeds, and a band of one standard deviation.

    Parameters
    ----------
    histories : mapping of str to sequence of pandas.DataFrame
        By rule, the history of each seed.
    column : str, default "test_accuracy"
        Accuracies are drawn in per cent.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ParameterError
        No history has this column.
    """
    scale = 100 if column.endswith("accuracy") else 1
    drawn = {
        rule: [each.set_index("epoch")[column] for each in runs if column in each] for rule, runs in histories.items()
    }
    drawn = {rule: pd.concat(series, axis=1) * scale for rule, series in drawn.items() if series}
    if not drawn:
        raise ParameterError(f"courses: no history has a column {column}")
    ax = new_axis(6.4, 3.4) if ax is None else ax
    epochs = sorted({epoch for table in drawn.values() for epoch in table.index})
    for n, (rule, table) in enumerate(drawn.items()):
        look = {"color": category_look(n)["color"], "linestyle": _LINES[n // 10 % len(_LINES)]}
        mean, deviation = table.mean(axis=1), table.std(axis=1, ddof=1).fillna(0)
        arrived = int(table.iloc[-1].notna().sum())  # seeds that go on are not in the last epoch's mean
        seeds = f"{arrived} seed{'s' * (arrived > 1)}"
        ax.plot(mean.index, mean, label=f"{literal(rule)} ({mean.iloc[-1]:.1f}, {seeds})", marker="", **look)
        low, high = mean - deviation, mean + deviation
        if scale == 100:
            low, high = low.clip(lower=0), high.clip(upper=100)
        ax.fill_between(mean.index, low, high, color=look["color"], alpha=0.15, linewidth=0)
    of = column.replace("_", " ").capitalize()
    ax.set_ylabel(f"{of} (%)" if scale == 100 else of)
    # What a rule learns in its first epochs would press all that follows together.
    late = np.concatenate([table.iloc[len(table) // 5 :].to_numpy().ravel() for table in drawn.values()])
    late = late[np.isfinite(late)]
    if len(late) and scale == 100:
        last = min(table.mean(axis=1).iloc[-1] for table in drawn.values())
        ax.set_ylim(max(0, min(np.percentile(late, 5), last) - 5), min(100, late.max() + 1))
    legend_beside(ax, title="Rule (last epoch)", alignment="left")
    return over_epochs(ax, pd.Series(epochs))


@publication_style()
def differences(summary, reference, ax=None):
    """Draw by how much each rule beats another one on the same seeds, with its 95 % t interval.

    Parameters
    ----------
    summary : pandas.DataFrame
        Of one set of stimuli: `rule`, `difference`, `low`, `high` and `pairs`, as of
        `corinfomax.analysis.learners.summarise_learners`; `score`, "accuracy" where it lacks.
    reference : str
        The rule that differences are taken from.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes
    """
    rows = summary[summary["difference"].notna() & (summary["rule"] != reference)].iloc[::-1]
    ax = new_axis(5.2, 0.6 + 0.32 * max(len(rows), 1)) if ax is None else ax
    accuracy = "score" not in summary or (summary["score"] != "r_squared").all()
    scale = 100 if accuracy else 1
    ax.axvline(0, color="0.6", linewidth=0.8)
    for n, row in enumerate(rows.itertuples()):
        if np.isfinite(row.low):
            ax.plot([scale * row.low, scale * row.high], [n, n], color=PARTS["test"], linewidth=1.6, marker="")
        ax.plot(scale * row.difference, n, "o", color=PARTS["test"])
    ax.set_yticks(range(len(rows)), [literal(rule) for rule in rows["rule"]])
    ax.set_ylim(-0.6, len(rows) - 0.4)
    measured, unit = ("Test accuracy", " (percentage points)") if accuracy else ("$R^2$ of test stimuli", "")
    ax.set_xlabel(f"{measured} less that of {literal(reference)}{unit}")
    return ax
