"""Draw ``concepts.svg``, the drawing of the page beside it: ``python docs/draw_concepts.py``."""

from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Polygon, Rectangle

from corinfomax.analysis.figures import publication_style
from corinfomax.analysis.figures.meanings import APICAL, BASAL, SOMA, SST, TAUGHT, UNTAUGHT
from corinfomax.stimuli import load_stimuli

HERE = Path(__file__).resolve().parent
GREY, PALE = "0.35", "0.975"
#: Size of the drawing, in its own units, of which ten are an inch.
WIDTH, HEIGHT = 76, 62
DIGITS = load_stimuli("digits")


def say(ax, x, y, text, size=9, colour="black", **options):
    """Write a text, centred unless `options` say otherwise."""
    ax.text(x, y, text, fontsize=size, color=colour, **{"ha": "center", "va": "center", **options})


def arrow(ax, start, end, colour, width=1.4, bend=0.0):
    """Draw an arrow."""
    style = f"arc3,rad={bend}"
    ax.add_patch(
        FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=9, lw=width, color=colour, connectionstyle=style)
    )


def pyramidal(ax, x, y, size=1.0):
    """Draw a pyramidal cell: soma, basal dendrites below it, apical dendrite above."""
    for dx in (-1.0, 0.0, 1.0):
        ax.plot([x, x + dx * size], [y, y - 1.5 * size], color=BASAL, lw=1.5, solid_capstyle="round")
    ax.plot([x, x], [y, y + 2.0 * size], color=APICAL, lw=1.5, solid_capstyle="round")
    for dx in (-0.7, 0.7):
        ax.plot([x, x + dx * size], [y + 2.0 * size, y + 2.7 * size], color=APICAL, lw=1.5, solid_capstyle="round")
    corners = np.array([(-0.75, -0.6), (0.75, -0.6), (0.0, 0.9)]) * size + (x, y)
    ax.add_patch(Polygon(corners, color=SOMA, zorder=3))


def replica(ax, x, y, number, stimulus):
    """Draw one replica of a circuit of two layers on its card, with its stimulus."""
    ax.add_patch(FancyBboxPatch((x, y), 17, 27.5, boxstyle="round,pad=0,rounding_size=1", fc="white", ec="0.6", lw=1))
    say(ax, x + 8.5, y + 25.9, f"replica {number}", 9, GREY)
    image = DIGITS.x_test[stimulus].reshape(8, 8)
    ax.imshow(image, cmap="Greys", extent=(x + 6.6, x + 10.4, y + 1.0, y + 4.8), zorder=2)
    ax.add_patch(Rectangle((x + 6.6, y + 1.0), 3.8, 3.8, fill=False, ec=GREY, lw=0.8, zorder=3))
    for dx in (3.3, 6.8, 10.3):
        pyramidal(ax, x + dx, y + 11.2)
    ax.add_patch(plt.Circle((x + 14.2, y + 11.2), 0.8, color=SST, zorder=3))
    for dx in (5.0, 9.0):
        pyramidal(ax, x + dx, y + 20.6)
    ax.add_patch(plt.Circle((x + 14.2, y + 20.6), 0.8, color=SST, zorder=3))
    arrow(ax, (x + 8.5, y + 5.2), (x + 8.5, y + 9.2), BASAL)
    arrow(ax, (x + 5.2, y + 14.6), (x + 5.2, y + 18.7), BASAL)
    arrow(ax, (x + 12.2, y + 19.4), (x + 12.2, y + 13.6), APICAL)
    if number == 1:
        for dx, dy, name, colour in ((9.2, 7.2, "W_ff[0]", BASAL), (5.9, 16.6, "W_ff[1]", BASAL)):
            say(ax, x + dx, y + dy, name, 7.5, colour, ha="left")
        say(ax, x + 12.7, y + 16.6, "W_fb[1]", 7.5, APICAL, ha="left")
        for dy in (9.4, 18.8):
            say(ax, x + 14.2, y + dy, "SST", 7.5, SST)


def preparation(ax):
    """Draw the preparation: three replicas on a clock, and the names of what they are made of."""
    ax.add_patch(
        FancyBboxPatch(
            (0.6, 23.6), WIDTH - 1.2, HEIGHT - 24.2, boxstyle="round,pad=0,rounding_size=1.4", fc=PALE, ec="0.4"
        )
    )
    say(ax, 2.2, 59.6, "A preparation: one circuit, mounted on a clock", 10.5, ha="left", weight="bold")
    for number, (x, stimulus) in enumerate([(18.3, 3), (36.6, 1), (54.9, 2)], start=1):
        replica(ax, x, 29.6, number, stimulus)
    for y, name in ((50.2, "output"), (40.8, "layer 1"), (32.5, "stimulus")):
        say(ax, 2.2, y, name, 9, ha="left")
    say(ax, 2.2, 45.6, "a projection is\nall synapses from\none population\nto another", 7.5, GREY, ha="left")
    say(ax, 2.2, 37.3, "each cell: soma,\nbasal and apical", 7.5, GREY, ha="left", va="center")
    ax.plot([18.3, 71.9], [27.9, 27.9], color=GREY, lw=1)
    for x in (26.8, 45.1, 63.4):
        ax.plot([x, x], [27.9, 29.4], color=GREY, lw=1)
    say(ax, 45.1, 25.9, "one set of weights, shared by all replicas: each has its own stimulus and potentials", 8.5)


def presentation(ax):
    """Draw the time axis: a presentation with its phases, what a soma does, and when the weights change."""
    say(ax, 2.2, 21.6, "A presentation: all replicas go through the phases at once", 10.5, ha="left", weight="bold")
    begin, nudge, end, after = 13.0, 43.0, 53.0, 72.5
    bottom, top = 6.2, 17.2
    ax.add_patch(Rectangle((begin, bottom), nudge - begin, top - bottom, color=UNTAUGHT[0], lw=0))
    ax.add_patch(Rectangle((nudge, bottom), end - nudge, top - bottom, color=TAUGHT[0], lw=0))
    ax.add_patch(Rectangle((58.0, bottom), after - 58.0, top - bottom, color=UNTAUGHT[0], lw=0))
    say(ax, (begin + nudge) / 2, 18.9, "free phase: no teacher, β = 0", 8.5)
    say(ax, (nudge + end) / 2, 18.9, "nudge phase, β ≠ 0", 8.5)
    say(ax, (58 + after) / 2, 18.9, "next presentation", 8.5, GREY)
    say(ax, begin - 1, 11.7, "soma of\nan output\ncell", 8.5, ha="right")
    time = np.linspace(0, 1, 60)
    free = 7.4 + 4.2 * (1 - np.exp(-4 * time))
    taught = free[-1] + 4.6 * (1 - np.exp(-2.2 * time))
    ax.plot(begin + (nudge - begin) * time, free, color=SOMA, lw=2)
    ax.plot(nudge + (end - nudge) * time, taught, color=SOMA, lw=2)
    ax.plot(58 + (after - 58) * time, 7.4 + 2.4 * (1 - np.exp(-4 * time)), color=SOMA, lw=2, alpha=0.5)
    for x, y, text in ((nudge, free[-1], "the answer"), (end, taught[-1], "")):
        ax.plot(x, y, "o", color=SOMA, ms=5)
        say(ax, x - 0.8, y + 1.5, text, 8.5, ha="right")
    arrow(ax, (begin, bottom), (after + 1.5, bottom), GREY, 1)
    for x, text in ((begin, "0"), (nudge, "15 ms"), (end, "20 ms")):
        ax.plot([x, x], [bottom, bottom - 0.6], color=GREY, lw=1)
        say(ax, x, bottom - 1.7, text, 8.5, GREY)
    say(ax, 37.5, 1.5, "the weights change by what cells did at the end of the nudge phase, less the free phase", 8.5)
    arrow(ax, (55.5, 2.6), (55.5, bottom + 3.5), "black", 1.6)


def draw(path):
    """Draw into a file; the letters are drawn as outlines, so that they look the same everywhere."""
    with publication_style(), mpl.rc_context({"svg.fonttype": "path", "svg.hashsalt": "concepts"}):
        figure = plt.figure(figsize=(WIDTH / 10, HEIGHT / 10), layout="none", facecolor="white")
        ax = figure.add_axes((0, 0, 1, 1))
        preparation(ax)
        presentation(ax)
        ax.set(xlim=(0, WIDTH), ylim=(0, HEIGHT), aspect="equal")
        ax.axis("off")
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None, dpi=110)


if __name__ == "__main__":
    draw(HERE / "concepts.svg")
