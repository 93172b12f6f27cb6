"""Figures of ``similarity_matching.py``, from its arrays."""

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from corinfomax.analysis.figures import publication_style
from corinfomax.analysis.figures.meanings import CATEGORIES

Arrays = dict[str, np.ndarray]
NAMES = {"psp": "projection (PSP)", "psw": "whitening (PSW)"}


@publication_style()
def draw_convergence(found: Arrays, ratios: dict[str, tuple[float, ...]]) -> Figure:
    """Median and band, least to largest, of ten seeds: rows offline and online, columns objectives."""
    figure, axes = plt.subplots(2, 2, figsize=(7.4, 5.4), sharex="row")
    for row, kind in zip(axes, ("offline", "online"), strict=True):
        times = found[f"times/{kind}"]
        for ax, (objective, values) in zip(row, ratios.items(), strict=True):
            for n, ratio in enumerate(values):
                errors = found[f"{kind}/{objective}/{ratio:g}"]
                median, low, high = np.median(errors, axis=0), errors.min(axis=0), errors.max(axis=0)
                ax.plot(
                    times, np.where(np.isfinite(median), median, np.nan), color=CATEGORIES[n], label=f"τ = {ratio:g}"
                )
                ax.fill_between(
                    times, low, np.where(np.isfinite(high), high, 1e3), color=CATEGORIES[n], alpha=0.2, lw=0
                )
            ax.set(xscale="log", yscale="log", ylim=(1e-9 if kind == "offline" else 1e-4, 30))
            ax.set_title(f"{NAMES[objective]}, {kind}")
            ax.set_xlabel("Iterations" if kind == "offline" else "Samples")
            ax.legend(loc="lower left")
        row[0].set_ylabel(r"$\Vert F^\top F - F_*^\top F_*\Vert$")
    return figure


@publication_style()
def draw_thresholds(found: Arrays) -> Figure:
    """Growth rate by linearisation, and the share of random starts that arrive, against τ over its limit."""
    figure, axes = plt.subplots(1, 2, figsize=(7.4, 2.9), sharex=True)
    for n, objective in enumerate(NAMES):
        name = f"{NAMES[objective]}, limit τ = {float(found[f'{objective}/limit']):.3g}"
        axes[0].plot(found["fractions"], found[f"{objective}/rate"], "o-", color=CATEGORIES[n], label=name)
        axes[1].plot(found["fractions"], 100 * found[f"{objective}/arrived"], "o-", color=CATEGORIES[n])
    axes[0].axhline(0, color="0.5", linewidth=0.8)
    for ax in axes:
        ax.axvline(1, color="0.5", linestyle="--", linewidth=0.8)
        ax.set_xlabel("τ / its limit by linearisation")
    axes[0].set_ylabel("Largest growth rate, per η")
    axes[1].set_ylabel("Random starts that arrive (%)")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return figure


@publication_style()
def draw_features(weights: dict[str, np.ndarray]) -> Figure:
    """Feedforward weights of rectified cells as pictures; silent cells, whose weights fade, are blank."""
    titles = {"digits": "Digits, 8 × 8 pixels", "patches": "Patches of MNIST, 12 × 12 pixels"}
    figure = plt.figure(figsize=(7.4, 3.9))
    parts = np.atleast_1d(figure.subfigures(1, len(weights)))
    for part, (name, W) in zip(parts, weights.items(), strict=True):
        part.suptitle(titles[name], fontsize="medium")
        side = int(np.sqrt(W.shape[1]))
        axes = part.subplots(-(-len(W) // 6), 6, squeeze=False)
        for ax in axes.flat:
            ax.set_axis_off()
        for ax, row in zip(axes.flat, W, strict=False):
            if np.linalg.norm(row) < 0.01 * np.linalg.norm(W, axis=1).max():
                continue
            largest = np.abs(row).max()
            ax.imshow(row.reshape(side, side), cmap="RdBu_r", vmin=-largest, vmax=largest, interpolation="nearest")
    return figure


@publication_style()
def draw_whitening(found: Arrays) -> Figure:
    """Variances of inputs and outputs along their principal axes."""
    figure, ax = plt.subplots(figsize=(4.2, 2.9))
    axis = np.arange(1, len(found["inputs"]) + 1)
    ax.plot(axis, found["inputs"], "o-", color="0.5", label="stimuli")
    for n, objective in enumerate(NAMES):
        ax.plot(
            axis, found[objective], "s--" if n == 0 else "D-", color=CATEGORIES[n], label=f"outputs, {NAMES[objective]}"
        )
    ax.set(yscale="log", xlabel="Principal axis", ylabel="Variance", ylim=(0.1, 3))
    ax.legend()
    return figure
