"""One look for all figures."""

import contextlib
import warnings
from importlib import resources

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import AutoLocator, LogLocator, NullLocator

from ...summary import shortened

RC = mpl.rc_params_from_file(resources.files(__package__) / "corinfomax.mplstyle", use_default_template=False)

# The style file's colours by name.
_NAMES = ("blue", "vermillion", "green", "purple", "orange", "sky", "black")
COLOURS = dict(zip(_NAMES, RC["axes.prop_cycle"].by_key()["color"], strict=True))

#: Width in inches of a journal's page (180 mm), which no figure exceeds, so that its text stays as large as it is.
PAGE = 7.1
#: Where an axis of accuracies ends at most: markers at 100 % are whole.
TOP_PER_CENT = 101


@contextlib.contextmanager
def publication_style():
    """Put the figures' settings in force for a while, as a context manager or a decorator.

    What the user has set otherwise does not reach the figures: with ``text.usetex`` they would need LaTeX, and with a
    font that is missing each text would be a warning.
    """
    with mpl.rc_context(), warnings.catch_warnings():
        mpl.rcdefaults()
        mpl.rcParams.update(RC)
        # Of names that users gave to classes; the sign that stands for such a letter tells as much.
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        yield


def new_figure(width, height):
    """Make a figure, sizes in inches.

    Pyplot shows it in notebooks and windows; where its backend cannot be used, as without a display, the figure can
    be saved all the same.
    """
    try:
        from matplotlib import pyplot

        return pyplot.figure(figsize=(width, height))
    except Exception:  # backends raise what they like
        figure = Figure(figsize=(width, height))
        FigureCanvasAgg(figure)
        return figure


def new_axis(width=4.8, height=3.0):
    """Make an axis in a new figure of its own, sizes in inches."""
    return new_figure(width, height).subplots()


def new_panels(number, height, most=3, beside=0.0):
    """Make so many axes in a new figure that is as wide as a page at most.

    Parameters
    ----------
    number : int
    height : float
        Of a panel, in inches.
    most : int, default 3
        Panels in a row.
    beside : float, default 0
        Inches that something beside the panels takes, such as a legend.

    Returns
    -------
    array of matplotlib.axes.Axes, (number,)
    """
    columns = min(most, number)
    rows = -(-number // columns)
    width = min(PAGE, 3.6 * columns + beside)
    axes = new_figure(width, height * rows).subplots(rows, columns, squeeze=False).flat
    for ax in axes[number:]:
        ax.remove()
    return axes[:number]


def legend_beside(ax, **options):
    """Put a legend to the right of an axis, where it covers no data."""
    return ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0, **options)


def literal(text):
    """Give a name that users have chosen as a figure shows it, also where it holds dollar signs."""
    return str(text).replace("$", r"\$")


def place(figure):
    """Find each axis's place, which takes less time than drawing; of a figure in a figure that of all."""
    whole = figure.canvas.figure
    if (engine := whole.get_layout_engine()) is not None:
        engine.execute(whole)


def short_literals(names, longest=20):
    """Give the names of classes as a figure has room for them, a string for each; see `summary.shortened`."""
    return [literal(name) for name in shortened(names, longest)]


def logarithmic_in_plain_numbers(ax):
    """Make the y-axis logarithmic, its ticks labelled as 40 or 0.6, not as powers of ten; call it after plotting.

    Numbers of more than six digits are powers of ten all the same.
    """
    ax.set_yscale("log")
    low, high = ax.get_ylim()
    steps = (1,) if high > 1e3 * low else (1, 2, 5) if high > 10 * low else (1, 2, 3, 5, 7)
    ax.yaxis.set_major_locator(LogLocator(subs=steps) if high > 3 * low else AutoLocator())
    ax.yaxis.set_major_formatter(lambda value, _: _plain(value))
    if len(steps) > 1:
        ax.yaxis.set_minor_locator(NullLocator())
    else:
        ax.yaxis.set_minor_formatter("")


def outline(ax, edges, heights, **look):
    """Draw a histogram as one line around its bars, so that the legend shows the line's style."""
    ax.plot(np.repeat(edges, 2), np.concatenate(([0], np.repeat(heights, 2), [0])), **look)


def _plain(value):
    if value == 0 or 1e-6 < abs(value) < 1e6:
        return np.format_float_positional(value, precision=6, trim="-")
    power = int(np.floor(np.log10(abs(value)) + 1e-9))
    factor = np.format_float_positional(value / 10.0**power, precision=3, trim="-")
    return rf"$10^{{{power}}}$" if factor == "1" else rf"${factor} \times 10^{{{power}}}$"
