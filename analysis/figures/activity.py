"""How active the layers are."""

import numpy as np

from ...errors import ParameterError
from .meanings import layer_colour, layer_line
from .style import legend_beside, logarithmic_in_plain_numbers, new_axis, outline, publication_style


@publication_style()
def activity_histogram(r, ax=None, bins=50):
    """Draw the distribution of rates over all units and stimuli, layer by layer.

    Where values below 0 occur they are called activity, and no share of silent responses is told.

    Parameters
    ----------
    r : dict of int to array, (stimuli, units)
        Rates by layer, dimensionless.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.
    bins : int
        Number of bins, shared by all layers.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ParameterError
        There is no activity.
    """
    r = {k: np.ravel(rates) for k, rates in sorted(r.items()) if np.size(rates)}
    if not r:
        raise ParameterError("activity_histogram: there is no activity to draw")
    ax = new_axis() if ax is None else ax
    lowest, highest = min(rates.min() for rates in r.values()), max(rates.max() for rates in r.values())
    edges = np.linspace(min(0.0, lowest), max(1.0, highest), bins + 1)
    for k, rates in r.items():
        label = f"layer {k}" if lowest < 0 else f"layer {k} ({100 * np.mean(rates == 0):.0f} % silent)"
        share = 100 * np.histogram(rates, edges)[0] / rates.size
        outline(ax, edges, share, color=layer_colour(k), linestyle=layer_line(k), label=label)
    logarithmic_in_plain_numbers(ax)
    ax.set_xlabel("Activity (dimensionless)" if lowest < 0 else "Rate $r$ (dimensionless)")
    ax.set_ylabel("Share of responses (%)")
    legend_beside(ax)
    return ax
