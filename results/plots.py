"""Figures of the report."""

import itertools

import numpy as np
from evidence import CHANCE, Evidence, Published, Task
from experiments import Ablation
from matplotlib import pyplot as plt
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from corinfomax.analysis.figures import publication_style
from corinfomax.analysis.figures.meanings import CATEGORIES, REFERENCE, category_look, layer_colour
from corinfomax.analysis.figures.style import legend_beside, new_axis


@publication_style()
def accuracy(found: list[Evidence], task: Task):
    """Draw test accuracy against epoch: mean and standard deviation over seeds, single runs faint, published points."""
    ax = new_axis(5.8, 3.2)
    for evidence, colour in zip(found, CATEGORIES, strict=False):
        _over_seeds(ax, evidence, "test_accuracy", 100, colour)
    ax.plot(list(task.curve), list(task.curve.values()), "D", color=REFERENCE, markerfacecolor="none", zorder=5,
            label="published, 10 seeds")  # fmt: skip
    ax.set_xscale("log")
    ax.set_xlabel("Epoch")
    ax.set_ylabel("Test accuracy (%)")
    _ticks(ax.xaxis, (1, 2, 5, 10, 20, 50))
    legend_beside(ax, title=_domain_set(task.title), alignment="left")
    return ax


@publication_style()
def angle(found: list[Evidence], task: Task):
    """Draw the angles between W_ff and W_fbᵀ against epoch, with the published start, minimum and end."""
    ax = new_axis(5.8, 3.2)
    colours = itertools.cycle(CATEGORIES)
    for evidence in found:
        for column in evidence.angles:
            k = int(column.removeprefix("angle_"))
            layers = f", layers {k} and {k + 1}" if len(evidence.angles) > 1 else ""
            _over_seeds(ax, evidence, column, 1, layer_colour(k) if layers else next(colours), layers)
    if task.angle:
        # Where the iteration of the minimum is not known, a line stands for it.
        known = "iteration" in task.angle
        epochs = [0, 50] if not known else [0, task.angle["iteration"] / task.angle["iterations_per_epoch"], 50]
        values = [task.angle[name] for name in (("start", "minimum", "end") if known else ("start", "end"))]
        ax.plot(epochs, values, "D", color=REFERENCE, markerfacecolor="none", zorder=5, clip_on=False,
                label="published start,\nminimum and end" if known else "published start and end")  # fmt: skip
        if not known:
            ax.axhline(task.angle["minimum"], color=REFERENCE, linewidth=0.9, linestyle=":", label="published minimum")
    ax.set_xlim(-1, 51)
    ax.set_xlabel("Epoch")
    ax.set_ylabel(r"Angle of $W_\mathrm{ff}$ and $W_\mathrm{fb}^\top$ (°)")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    legend_beside(ax, title=_domain_set(task.title), alignment="left")
    return ax


@publication_style()
def ablation(which: list[tuple[Ablation, dict[float, Evidence]]], published: Published):
    """Draw accuracy against a quantity, ours and the published MNIST; points that diverged are crosses at chance."""
    ax = new_axis(6.0, 3.2)
    drawn, diverged = set(), False
    for n, (each, points) in enumerate(which):
        look = category_look(n)
        samples = {x: evidence.at(each.epochs) for x, evidence in points.items()}
        reached = {x: sample for x, sample in samples.items() if sample.n}
        if reached:
            ax.errorbar(
                list(reached), [sample.mean for sample in reached.values()],
                yerr=np.nan_to_num([sample.std for sample in reached.values()]), capsize=2.5, **look,
                label=f"{each.title}, epoch {each.epochs}",
            )  # fmt: skip
        gone = [x for x, evidence in points.items() if evidence.failures and not samples[x].n]
        ax.plot(gone, [CHANCE] * len(gone), "x", color=look["color"], markersize=6, markeredgewidth=1.5)
        drawn |= {*reached, *gone}
        diverged |= bool(gone)
    # CIFAR10's lie so far below that all else would look flat; they stand in the table.
    for name in dict.fromkeys(each.published[0] for each, _ in which if each.published):
        theirs = published.ablations[name]
        stds = [theirs["std"].get(x, 0) for x in theirs["x"]]
        ax.errorbar(theirs["x"], theirs["accuracy"], yerr=stds, fmt="D--", color=REFERENCE, markerfacecolor="white",
                    capsize=2.5, linewidth=1, label=f"published: {theirs['title']}")  # fmt: skip
        drawn |= set(theirs["x"])
    ax.set_xscale("log")
    ax.set_xlabel(which[0][0].quantity)
    ax.set_ylabel("Test accuracy (%)")
    _ticks(ax.xaxis, sorted(drawn))
    ax.set_ylim(top=min(ax.get_ylim()[1], 102))
    handles, labels = ax.get_legend_handles_labels()
    if diverged:
        handles.append(Line2D([], [], color="0.3", marker="x", linestyle="", markersize=6, markeredgewidth=1.5))
        labels.append("diverged, drawn at chance")
    legend_beside(ax, handles=handles, labels=labels)
    return ax


@publication_style()
def save(ax, path):
    """Write an axis's figure and close it."""
    ax.figure.savefig(path)
    plt.close(ax.figure)


def _over_seeds(ax, evidence: Evidence, column: str, scale: float, colour, suffix: str = ""):
    """Mean and band as far as all seeds go, each seed faint to its own end."""
    histories = evidence.histories
    if not histories:
        return
    title = evidence.experiment.title.replace("`", "") + suffix
    if len(histories) == 1:
        ((seed, history),) = histories.items()
        ax.plot(history["epoch"], scale * history[column], "-", color=colour, label=f"{title},\nseed {seed}")
        return
    for history in histories.values():
        ax.plot(history["epoch"], scale * history[column], "-", color=colour, linewidth=0.7, alpha=0.4)
    epochs = range(1, min(int(history["epoch"].max()) for history in histories.values()) + 1)
    samples = [evidence.at(epoch, column, scale) for epoch in epochs]
    mean, std = (np.array([getattr(sample, name) for sample in samples]) for name in ("mean", "std"))
    ax.fill_between(epochs, mean - std, mean + std, color=colour, alpha=0.2, linewidth=0)
    label = f"{title},\nmean ± std of {len(histories)} seeds"
    ax.plot(epochs, mean, "-", color=colour, linewidth=1.8, label=label)


def _ticks(axis, values, apart: float = 1.2):
    """Ticks at these values of a logarithmic axis, but none so near the one before that their labels would touch."""
    shown = []
    for value in values:
        if not shown or value >= apart * shown[-1]:
            shown.append(value)
    axis.set_major_locator(FixedLocator(shown))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _domain_set(title: str) -> str:
    return title.replace("B_∞,+", r"$B_{\infty,+}$").replace("B_1,+", "$B_{1,+}$")
