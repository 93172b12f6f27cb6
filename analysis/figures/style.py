"""One look for all figures."""

from importlib import resources

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import LogLocator, NullLocator

RC = mpl.rc_params_from_file(resources.files(__package__) / "corinfomax.mplstyle", use_default_template=False)

# The style file's colours by name.
_NAMES = ("blue", "vermillion", "green", "purple", "orange", "sky", "black")
COLOURS = dict(zip(_NAMES, RC["axes.prop_cycle"].by_key()["color"], strict=True))


def publication_style():
    """Put the figures' settings in force for a while, as a context manager or a decorator."""
    return mpl.rc_context(RC)


def layer_colour(k):
    """Give the colour of layer or projection k, the same in all figures."""
    colours = list(COLOURS.values())
    return colours[k % len(colours)]


def new_axis(width=4.8, height=3.0):
    """Make an axis in a new figure of its own, sizes in inches."""
    return plt.subplots(figsize=(width, height))[1]


def legend_beside(ax, **options):
    """Put a legend to the right of an axis, where it covers no data."""
    return ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0, **options)


def logarithmic_in_plain_numbers(ax):
    """Make the y-axis logarithmic, its ticks labelled as 40 or 0.6, not as powers of ten; call it after plotting."""
    ax.set_yscale("log")
    low, high = ax.get_ylim()
    steps = (1,) if high > 1e3 * low else (1, 2, 5) if high > 10 * low else (1, 2, 3, 5, 7)
    ax.yaxis.set_major_locator(LogLocator(subs=steps))
    ax.yaxis.set_major_formatter(lambda value, _: np.format_float_positional(value, precision=6, trim="-"))
    if len(steps) > 1:
        ax.yaxis.set_minor_locator(NullLocator())
    else:
        ax.yaxis.set_minor_formatter("")
