"""Phases of a recording, as bands behind what is drawn against time, and what legends say of them."""

from itertools import cycle

import numpy as np
from matplotlib.patches import Patch

from .meanings import TAUGHT, UNTAUGHT
from .style import literal

#: Least space between names of phases, in widths of a panel.
_GAP = 0.03
#: Characters of names of phases that a panel has room for.
_CHARACTERS = 30

#: Phases with the teacher are coloured, in turn where they have names of their own; the others are grey.
_TAUGHT_COLOURS = {"nudge": TAUGHT[0], "third": TAUGHT[1]}
_UNTAUGHT_COLOURS = {"free": UNTAUGHT[0]}


def milliseconds(recording):
    """Give the times of a recording's steps in ms, (steps,).

    Parameters
    ----------
    recording : corinfomax.analysis.Recording
    """
    return 1e3 * recording.t


def phase_colours(recording):
    """Give the colour of each phase of a recording by its name.

    Parameters
    ----------
    recording : corinfomax.analysis.Recording

    Returns
    -------
    dict of str to str
    """
    further, untaught, colours = cycle(_TAUGHT_COLOURS.values()), cycle(reversed(UNTAUGHT)), {}
    for name, steps in recording.phases():
        if name in colours:
            continue
        if recording.is_taught(steps):
            colours[name] = _TAUGHT_COLOURS[name] if name in _TAUGHT_COLOURS else next(further)
        else:
            colours[name] = _UNTAUGHT_COLOURS[name] if name in _UNTAUGHT_COLOURS else next(untaught)
    return colours


def shade_phases(axes, recording):
    """Draw a band a phase; between two phases, at the last step of the earlier. Their names stand above the first axis.

    Parameters
    ----------
    axes : sequence of matplotlib.axes.Axes
    recording : corinfomax.analysis.Recording
    """
    time, colours, short = milliseconds(recording), phase_colours(recording), short_names(recording)
    for name, steps in recording.phases():
        start, stop = time[steps.start - 1] if steps.start else 0.0, time[steps.stop - 1]
        for ax in axes:
            ax.axvspan(start, stop, color=colours[name], linewidth=0, zorder=0)
        look = {"transform": axes[0].get_xaxis_transform(), "ha": "center", "va": "bottom", "fontsize": 8}
        axes[0].text((start + stop) / 2, 1.02, literal(short[name]), color="0.25", **look)
    axes[0].margins(x=0)


def short_names(recording):
    """Give what stands above the bands of phases: their names, or numbers where names would not fit.

    Parameters
    ----------
    recording : corinfomax.analysis.Recording

    Returns
    -------
    dict of str to str
    """
    names = [name for name, _ in recording.phases()]
    fit = sum(len(name) + 1 for name in names) <= _CHARACTERS
    return {name: name if fit else str(number) for number, name in enumerate(dict.fromkeys(names), start=1)}


def spread(names, ax):
    """Move names of phases that would stand outside of the panel, or upon one another, as little as that takes.

    Parameters
    ----------
    names : list of matplotlib.text.Text
    ax : matplotlib.axes.Axes
    """
    left, right = ax.get_xlim()
    to_data = ax.transData.inverted()
    widths = np.array([np.ptp(to_data.transform(text.get_window_extent())[:, 0]) for text in names])
    starts = np.array([text.get_position()[0] for text in names]) - widths / 2
    reach = widths + _GAP * (right - left)
    wanted = starts.copy()
    for n in range(len(starts)):
        starts[n] = max(starts[n], starts[n - 1] + reach[n - 1] if n else left)
    for n in range(len(starts))[::-1]:
        starts[n] = min(starts[n], starts[n + 1] - reach[n] if n + 1 < len(starts) else right - widths[n])
    moved = starts != wanted
    for text, middle in zip(np.array(names)[moved], (starts + widths / 2)[moved], strict=True):
        text.set_x(middle)


def teaching(recording, name, steps=None):
    """Tell in words what the teacher does in a phase: the course of β, or whether it clamps.

    Parameters
    ----------
    recording : corinfomax.analysis.Recording
    name : str
        Of the phase, the last of this name.
    steps : slice, optional
        The steps of it that β is told of; all by default.

    Returns
    -------
    str
    """
    bands = dict(recording.phases())
    clamped = {other for other, of in bands.items() if recording.is_taught(of) and not recording.beta[of].any()}
    if name in clamped:
        return "with the teacher"
    if not recording.taught or (clamped and not recording.is_taught(bands[name])):
        return "no teacher"
    betas = recording.beta[steps or bands[name]]
    first, last = betas[[0, -1]]
    if not min(first, last) <= betas.min() <= betas.max() <= max(first, last):  # it turns, as an oscillation does
        first, last = betas.min(), betas.max()
    course = " to ".join(f"{beta:+.3g}" if beta else "0" for beta in dict.fromkeys((first, last)))
    return rf"$\beta$ = {course}"


def phase_patches(recording):
    """Give what a legend shows of the phases: their colours, names, and what the teacher does in them.

    Parameters
    ----------
    recording : corinfomax.analysis.Recording

    Returns
    -------
    list of matplotlib.patches.Patch
    """
    short, patches = short_names(recording), []
    for name, colour in phase_colours(recording).items():
        number = "" if short[name] == name else f"{short[name]}: "
        label = f"{number}{literal(name)} phase ({teaching(recording, name)})"
        patches.append(Patch(facecolor=colour, edgecolor="0.7", linewidth=0.5, label=label))
    return patches
