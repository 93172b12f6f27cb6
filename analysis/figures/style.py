"""One look for all figures."""

import matplotlib as mpl
import matplotlib.pyplot as plt

# Okabe & Ito's colours, which the colour-blind can tell apart; the yellow is left out, too pale for lines on white.
COLOURS = {
    "blue": "#0072B2",
    "vermillion": "#D55E00",
    "green": "#009E73",
    "purple": "#CC79A7",
    "orange": "#E69F00",
    "sky": "#56B4E9",
    "black": "#000000",
}

RC = {
    "axes.prop_cycle": mpl.cycler(color=list(COLOURS.values())),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 9,
    "axes.labelsize": 9,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "legend.title_fontsize": 8,
    "legend.frameon": False,
    "font.size": 9,
    "lines.linewidth": 1.4,
    "lines.markersize": 3.5,
    "figure.constrained_layout.use": True,
    "figure.dpi": 100,
    "savefig.dpi": 200,
    "savefig.facecolor": "white",
    # Text stays text in vector formats, so that it can be searched and edited.
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
}


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
