"""Figures of the sensitivity analysis."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.ticker import FixedLocator, NullLocator
from sensitivity_designs import LEVELS
from sensitivity_factors import SPACES, Factor, shown

from corinfomax.analysis.figures import publication_style
from corinfomax.analysis.figures.meanings import CATEGORIES, REFERENCE
from corinfomax.analysis.files import replacing_path

#: Panels: presets, their titles and factors.
PANELS = {"digits": ("CorInfoMax", "corinfomax"), "digits_ep": ("Equilibrium propagation", "equilibrium")}
_SHORT = {"digits": "CorInfoMax", "digits_ep": "EP"}
#: Factors of each preset whose course is drawn.
_SHOWN = 4


@publication_style()
def draw_morris(found: Mapping[str, pd.DataFrame], path: Path):
    """Draw μ* with its interval as bars, and σ against μ*, a row for each preset.

    The dashed line is μ* of the seed: what lies below it cannot be told from chance.

    Parameters
    ----------
    found : mapping of str to DataFrame
        Of `effects`, by preset.
    path : Path
    """
    longest = {preset: len(table) for preset, table in found.items()}
    figure, axes = plt.subplots(
        len(found), 2, figsize=(7.1, 0.6 + 0.17 * sum(longest.values()) + 0.5 * len(found)), squeeze=False,
        height_ratios=list(longest.values()),
    )  # fmt: skip
    for (bars, plane), (preset, table) in zip(axes, found.items(), strict=True):
        title, model = PANELS[preset]
        symbols = {factor.name: factor.symbol for factor in SPACES[model].with_seed}
        table, chance = 100 * table, 100 * table.loc["seed", "mu_star"]
        colours = [REFERENCE if name == "seed" else CATEGORIES[0] for name in table.index]
        place = np.arange(len(table))
        bars.barh(place, table["mu_star"], xerr=table["mu_star_conf"], color=colours, height=0.7, error_kw={"lw": 0.9})
        bars.set_yticks(place, [symbols[name] for name in table.index])
        bars.invert_yaxis()
        bars.axvline(chance, color=REFERENCE, linestyle="--", linewidth=0.9)
        bars.set(title=title, xlim=(0, None), xlabel="μ* (% of accuracy)")
        bars.tick_params(axis="y", length=0)
        plane.errorbar(
            table["mu_star"], table["sigma"], xerr=table["mu_star_conf"], fmt="none", ecolor="0.75", elinewidth=0.7
        )
        plane.scatter(table["mu_star"], table["sigma"], c=colours, s=14, zorder=3)
        plane.axvline(chance, color=REFERENCE, linestyle="--", linewidth=0.9)
        plane.set(xlim=(0, None), ylim=(0, None), xlabel="μ* (% of accuracy)", ylabel="σ (% of accuracy)")
        label(plane, table, symbols)
    with replacing_path(path) as beside:
        figure.savefig(beside)
    plt.close(figure)


def label(ax, table: pd.DataFrame, symbols: Mapping[str, str]):
    """Write the names of points beside them, apart from each other; points within the crowd of chance stay unnamed."""
    chance = table.loc["seed", "mu_star"]
    named = [name for name in table.index if name == "seed" or table.loc[name, "mu_star"] > 1.3 * chance]
    high = ax.get_ylim()[1]
    taken: list[tuple[float, float]] = []
    for name in named:
        x, y = table.loc[name, "mu_star"], table.loc[name, "sigma"]
        for side, up in ((1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1)):
            spot = (x + side * 0.08 * ax.get_xlim()[1], y + up * 0.05 * high)
            free = all(abs(spot[0] - a) > 0.13 * ax.get_xlim()[1] or abs(spot[1] - b) > 0.045 * high for a, b in taken)
            if free:
                break
        taken.append(spot)
        ax.annotate(
            symbols[name], (x, y), (6 * side, 9 * up), textcoords="offset points", va="center",
            ha="left" if side > 0 else "right", fontsize=7,
        )  # fmt: skip


@publication_style()
def draw_levels(screened: Mapping[str, pd.DataFrame], found: Mapping[str, pd.DataFrame], centres, path: Path):
    """Draw accuracy against the factors that matter most: median and quartiles over all runs at a level.

    Parameters
    ----------
    screened : mapping of str to DataFrame
        Rows of the designs, by preset.
    found : mapping of str to DataFrame
        Of `effects`, by preset.
    centres : mapping of str to mapping
        Values of each preset.
    path : Path
    """
    figure, axes = plt.subplots(len(screened), _SHOWN, figsize=(7.1, 2.1 * len(screened)), sharey=True, squeeze=False)
    for panels, (preset, rows) in zip(axes, screened.items(), strict=True):
        _, model = PANELS[preset]
        order = SPACES[model].with_seed
        names = [name for name in found[preset].index if name != "seed"][:_SHOWN]
        for ax, name in zip(panels, names, strict=False):
            place = next(n for n, factor in enumerate(order) if factor.name == name)
            factor, centre = order[place], centres[preset][name]
            values = rows["levels"].map(
                lambda levels, n=place, f=factor, c=centre: f.value(int(levels[n]) / (LEVELS - 1), c)
            )
            accuracies = 100 * rows["accuracy"].groupby(values, sort=True).quantile([0.25, 0.5, 0.75]).unstack()
            x = np.arange(len(accuracies)) if factor.choices else accuracies.index.to_numpy(dtype=float)
            ax.plot(x, accuracies[0.5], "o-", ms=3, color=CATEGORIES[0])
            ax.fill_between(x, accuracies[0.25], accuracies[0.75], color=CATEGORIES[0], alpha=0.2, linewidth=0)
            if factor.choices:
                ax.set_xticks(x, [shown(value) for value in accuracies.index])
                ax.set_xlim(-0.3, 1.3)
            else:
                ax.axvline(centre, color=REFERENCE, linestyle=":", linewidth=0.9)
                _ticks(ax, factor, x)
            ax.set_xlabel(factor.symbol)
        panels[0].set_ylabel(f"{_SHORT[preset]}: accuracy (%)")
    axes[0, 0].set_ylim(0, 100)
    with replacing_path(path) as beside:
        figure.savefig(beside)
    plt.close(figure)


def _ticks(ax, factor: Factor, values: np.ndarray):
    """Three ticks of a logarithmic axis at values that occur, with numbers that can be read."""
    if factor.scale != "log":
        return
    ax.set_xscale("log")
    ticks = np.geomspace(values.min(), values.max(), 3)
    ax.xaxis.set_major_locator(FixedLocator(ticks))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xticklabels([f"{tick:.0f}" if tick >= 20 else f"{tick:.2g}" for tick in ticks])


@publication_style()
def draw_mnist(
    rows: pd.DataFrame,
    factors: Sequence[Factor],
    dependences: Mapping[str, tuple[np.ndarray, np.ndarray]],
    centre: Mapping[str, float],
    path: Path,
):
    """Draw accuracy against each factor: runs, and the partial dependence.

    Parameters
    ----------
    rows : DataFrame
    factors : sequence of Factor
    dependences : mapping of str to (ndarray, ndarray)
        Values and mean accuracies, by the factor's name; none of a forest that explains nothing.
    centre : mapping of str to float
        The preset's values.
    path : Path
    """
    columns = 3
    figure, axes = plt.subplots(2, columns, figsize=(7.1, 4.4), sharey=True)
    for ax, factor in zip(axes.flat, factors, strict=False):
        ax.plot(rows[factor.name], 100 * rows["accuracy"], "o", ms=3, color="0.6", label="runs")
        values, means = dependences.get(factor.name, (rows[factor.name].to_numpy(dtype=float), None))
        if means is not None:
            ax.plot(values, 100 * means, "-", color=CATEGORIES[0], label="partial dependence")
        ax.axvline(centre[factor.name], color=REFERENCE, linestyle=":", linewidth=0.9, label="preset")
        if factor.choices is None:
            _ticks(ax, factor, values)
        else:
            ax.set_xticks([float(choice) for choice in factor.choices], [shown(choice) for choice in factor.choices])
        ax.set_xlabel(factor.symbol)
    for ax in axes.flat[len(factors) :]:
        ax.set_axis_off()
    handles, labels = axes.flat[0].get_legend_handles_labels()
    axes.flat[-1].legend(handles, labels, loc="center")
    for ax in axes[:, 0]:
        ax.set_ylabel("Validation accuracy (%)")
    with replacing_path(path) as beside:
        figure.savefig(beside)
    plt.close(figure)
