"""Sweeps: how the score depends on each key by itself."""

import numpy as np
import pandas as pd
from matplotlib.ticker import NullLocator

from ...errors import ParameterError
from .meanings import PARTS
from .style import TOP_PER_CENT, literal, new_panels, publication_style, short_literals

#: Values up to which each has its mean; more are put together in so many bins.
_MOST_VALUES, _BINS = 12, 8
#: Values up to which a logarithmic axis has a tick at each.
_MOST_TICKS = 6
#: Largest over least value from which on an axis may be logarithmic.
_WIDE = 10
#: Characters of a label of a value that is no number, beyond which it is shortened.
_LONGEST = 16


@publication_style()
def marginals(table, keys, score, logarithmic=()):
    """Draw the score of a sweep's runs over each key: each run, the mean of each value, and one standard deviation.

    The mean is over all finished runs of a value: over the other keys, and over seeds. Where a key has more than a
    dozen values, runs are put together in bins of the same number. Runs that failed are crosses at the bottom; means
    of values that have some are open circles, since they are over other runs than the means beside them.

    Parameters
    ----------
    table : pandas.DataFrame
        A row for each run: the keys, `status` and the score. Runs that are neither finished nor failed are passed over.
    keys : sequence of str
    score : str
        Column; accuracies are drawn in per cent.
    logarithmic : sequence of str
        Keys whose axes are logarithmic; others are if their values are positive and far apart.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ParameterError
        A column is missing, or no run is finished.
    """
    if missing := [name for name in (*keys, score, "status") if name not in table]:
        raise ParameterError(f"marginals: has no column {missing[0]}")
    runs = table[(table["status"] == "finished") & table[score].notna()]
    if runs.empty:
        raise ParameterError("marginals: no run is finished")
    failed = table[table["status"] == "failed"]
    percent = score.endswith("accuracy")
    axes = new_panels(len(keys), 2.7)
    for ax in axes[1:]:
        ax.sharey(axes[0])
    scores = (100 if percent else 1) * runs[score].astype(float)
    for ax, key in zip(axes, keys, strict=True):
        values = pd.concat([runs[key], failed[key].dropna()])
        numbers = pd.to_numeric(values, errors="coerce")
        if numbers.isna().any() or values.map(lambda value: isinstance(value, bool | np.bool_)).any():
            places = _put_words(ax, values.astype(str))
            _draw_means(ax, places.iloc[: len(runs)], scores, places.iloc[len(runs) :], percent, joined=False)
        else:
            numbers = numbers.astype(float)
            _put_numbers(ax, numbers, key in logarithmic)
            _draw_means(ax, numbers.iloc[: len(runs)], scores, numbers.iloc[len(runs) :], percent, joined=True)
        ax.set_xlabel(literal(key))
    if percent:
        axes[0].set_ylim(top=min(axes[0].get_ylim()[1], TOP_PER_CENT))
    if len(failed):
        axes[0].figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper right")
    of = score.replace("_", " ").capitalize().replace("r squared", "$R^2$")
    for ax in axes:
        if ax.get_subplotspec().is_first_col():
            ax.set_ylabel(f"{of} (%)" if percent else of)
    return axes[0].figure


def _draw_means(ax, values, scores, failed, percent, joined):
    """Means with one standard deviation, runs as points behind them, and crosses where runs failed."""
    groups, groups_of_failed = values, failed
    if joined and values.nunique() > _MOST_VALUES:
        groups, edges = pd.qcut(values, min(_BINS, len(values) // 2), labels=False, duplicates="drop", retbins=True)
        groups_of_failed = pd.cut(failed, edges, labels=False, include_lowest=True)
    by_group = scores.groupby(groups)
    places, means = values.groupby(groups).mean(), by_group.mean()
    deviations = by_group.std(ddof=1).fillna(0)
    low, high = means - deviations, means + deviations
    if percent:
        low, high = low.clip(lower=0), high.clip(upper=100)
    colour = PARTS["test"]
    ax.plot(values if joined else values - 0.15, scores, "o", color="0.7", markersize=2.5, zorder=1)
    if joined:
        ax.fill_between(places, low, high, color=colour, alpha=0.2, linewidth=0)
        ax.plot(places, means, color=colour)
    else:
        ax.errorbar(places, means, [means - low, high - means], fmt="none", ecolor=colour)
    whole = ~means.index.isin(groups_of_failed)
    ax.plot(places[whole], means[whole], "o", color=colour, markersize=4)
    ax.plot(places[~whole], means[~whole], "o", color=colour, markerfacecolor="white", markersize=4)
    if len(failed):
        look = {"color": "0.35", "markersize": 4, "label": "failed runs; open circles: means without them"}
        ax.plot(failed, np.full(len(failed), 0.03), "x", transform=ax.get_xaxis_transform(), clip_on=False, **look)


def _put_numbers(ax, values, logarithmic):
    """Choose the axis of numbers, with a tick at each value where there are few."""
    if not (logarithmic or _is_spread_logarithmically(values)):
        return
    ax.set_xscale("log")
    if values.nunique() <= _MOST_TICKS:
        distinct = np.sort(values.unique())
        ax.set_xticks(distinct, [f"{value:g}" for value in distinct])
        ax.xaxis.set_minor_locator(NullLocator())


def _put_words(ax, values):
    """Give values that are no numbers places on the axis, one beside the other."""
    names = list(dict.fromkeys(values))
    labels = short_literals(names, _LONGEST)
    turned = {"rotation": 30, "ha": "right"} if sum(map(len, labels)) > 24 else {}
    ax.set_xticks(range(len(names)), labels, **turned)
    ax.set_xlim(-0.5, len(names) - 0.5)
    return values.map({name: n for n, name in enumerate(names)}).astype(float)


def _is_spread_logarithmically(values):
    """Whether positive values are far apart, and their middle lies nearer to that of their logarithms."""
    low, high, middle = values.min(), values.max(), np.median(values.unique())
    if low <= 0 or high < _WIDE * low:
        return False
    from_linear = abs(middle - (low + high) / 2) / (high - low)
    from_logarithmic = abs(2 * np.log(middle) - np.log(low) - np.log(high)) / 2 / (np.log(high) - np.log(low))
    return from_logarithmic < from_linear
