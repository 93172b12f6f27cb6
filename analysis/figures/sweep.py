"""Sweeps: how the score depends on each key by itself."""

import numpy as np
import pandas as pd

from ...errors import ParameterError
from .meanings import PARTS
from .style import literal, new_panels, publication_style

#: Values up to which each has its mean; more are put together in so many bins.
_MOST_VALUES, _BINS = 12, 8
#: Largest over least value from which on an axis may be logarithmic.
_WIDE = 10
#: Characters of a label of a value that is no number, beyond which it is shortened.
_LONGEST = 16


@publication_style()
def marginals(table, keys, score, logarithmic=()):
    """Draw the score of a sweep's runs over each key: each run, the mean of each value, and one standard deviation.

    The mean is over all runs of a value: over the other keys, and over seeds. Where a key has more than a dozen
    values, runs are put together in bins of the same number.

    Parameters
    ----------
    table : pandas.DataFrame
        A row for each run: the keys, `status` and the score. Runs that are not finished are passed over.
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
    scale = 100 if score.endswith("accuracy") else 1
    axes = new_panels(len(keys), 2.7)
    for ax in axes[1:]:
        ax.sharey(axes[0])
    scores = scale * runs[score].astype(float)
    for ax, key in zip(axes, keys, strict=True):
        numbers = pd.to_numeric(runs[key], errors="coerce")
        if numbers.isna().any() or runs[key].map(lambda value: isinstance(value, bool | np.bool_)).any():
            _draw_words(ax, runs[key].astype(str), scores)
        else:
            _draw_numbers(ax, numbers.astype(float), scores, key in logarithmic)
        ax.set_xlabel(literal(key))
    of = score.replace("_", " ").capitalize().replace("r squared", "$R^2$")
    for ax in axes:
        if ax.get_subplotspec().is_first_col():
            ax.set_ylabel(f"{of} (%)" if scale == 100 else of)
    return axes[0].figure


def _draw_numbers(ax, values, scores, logarithmic):
    """A line through means, with a band of one standard deviation, and runs as points behind it."""
    if logarithmic or _is_spread_logarithmically(values):
        ax.set_xscale("log")
    ax.plot(values, scores, "o", color="0.7", markersize=2.5, zorder=1)
    groups = values
    if values.nunique() > _MOST_VALUES:
        groups = pd.qcut(values, min(_BINS, len(values) // 2), labels=False, duplicates="drop")
    by_group = scores.groupby(groups)
    places, means = values.groupby(groups).mean(), by_group.mean()
    deviations = by_group.std(ddof=1).fillna(0)
    colour = PARTS["test"]
    ax.fill_between(places, means - deviations, means + deviations, color=colour, alpha=0.2, linewidth=0)
    ax.plot(places, means, color=colour, marker="o", markersize=4)


def _is_spread_logarithmically(values):
    """Whether positive values are far apart, and their middle lies nearer to that of their logarithms."""
    low, high, middle = values.min(), values.max(), np.median(values.unique())
    if low <= 0 or high < _WIDE * low:
        return False
    from_linear = abs(middle - (low + high) / 2) / (high - low)
    return abs(np.log(middle**2 / (low * high))) / 2 / np.log(high / low) < from_linear


def _draw_words(ax, values, scores):
    """Means of values that are no numbers, with bars of one standard deviation, and runs as points beside them."""
    names = list(dict.fromkeys(values))
    places = values.map({name: n for n, name in enumerate(names)}).astype(float)
    ax.plot(places - 0.15, scores, "o", color="0.7", markersize=2.5)
    by_value = scores.groupby(places)
    ax.errorbar(
        range(len(names)), by_value.mean(), by_value.std(ddof=1).fillna(0), fmt="o", color=PARTS["test"], markersize=4
    )
    labels = [name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…" for name in names]
    turned = {"rotation": 30, "ha": "right"} if sum(map(len, labels)) > 24 else {}
    ax.set_xticks(range(len(names)), [literal(label) for label in labels], **turned)
    ax.set_xlim(-0.5, len(names) - 0.5)
