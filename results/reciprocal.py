"""Reciprocal feedback: what noise teaches, and what it is worth beside controls.

    python results/reciprocal_noise.py
    python results/reciprocal_change.py
    python results/run.py --experiments results/reciprocal.toml
    python results/reciprocal.py

The first three compute, the last writes ``results/reciprocal.md`` and two figures from what is kept. The words of
``reciprocal.md`` are those of ``reciprocal_notes.md``.
"""

from collections.abc import Iterator

import matplotlib as mpl

mpl.use("Agg")
import numpy as np
import pandas as pd
import reciprocal_change
import reciprocal_noise
from evidence import Evidence, Sample, short
from experiments import HERE, KEPT, read_experiments
from matplotlib import pyplot as plt
from tables import markdown, spread

from corinfomax.analysis.figures import publication_style
from corinfomax.analysis.figures.meanings import CATEGORIES, REFERENCE
from corinfomax.analysis.figures.style import logarithmic_in_plain_numbers
from corinfomax.analysis.files import make_folder, replacing

#: Tasks: their title, the epochs that are told, and the epochs of all.
TASKS = {
    "digits": ("Digits, 64-100-100-100-10", (1, 10, 30)),
    "deep": ("Digits, 64-90-80-70-60-50-40-30-10", (1, 10, 30)),
    "mnist": ("MNIST, 784-200-200-200-10", (1, 2, 3)),
    "fashion": ("Fashion-MNIST, 784-200-200-10", (1, 2, 3)),
}
#: What stands in the figure, by the end of an experiment's name: colour and line.
LINES = {
    "bp": (REFERENCE, "-"),
    "fa": (CATEGORIES[1], "-"),
    "r1": (CATEGORIES[0], "--"),
    "r2": (CATEGORIES[0], "-"),
    "frozen": (CATEGORIES[2], "-"),
    "transposed": (CATEGORIES[3], "-"),
}
_SHORT = {
    "bp": "BP",
    "fa": "FA",
    "r1": "RF, A fixed in noise",
    "r2": "RF",
    "frozen": "B learnt before, then frozen",
    "transposed": "FA with B = W₀ᵀ",
}


def main():
    """Write page and figures."""
    experiments = read_experiments(HERE / "reciprocal.toml")
    found = {name: Evidence.read(each, KEPT) for name, each in experiments.alone.items()}
    kept = reciprocal_noise.read()
    make_folder(HERE / "figures")
    for name, figure in (("reciprocal_noise", draw_noise(kept)), ("reciprocal", draw_learning(found))):
        figure.savefig(HERE / "figures" / f"{name}.png")
        plt.close(figure)
    words = (HERE / "reciprocal_notes.md").read_text(encoding="utf-8")
    for name, table in (("shapes", shapes(kept)), ("limits", limits(kept)), ("root", roots(kept))):
        words = words.replace(f"<!-- {name} -->", table)
    words = words.replace("<!-- change -->", change(reciprocal_change.read()))
    for task in TASKS:
        words = words.replace(f"<!-- {task} -->", learning(found, task))
    with replacing(HERE / "reciprocal.md") as file:
        file.write(words.encode())


def _of(kept: pd.DataFrame, experiment: str) -> pd.DataFrame:
    rows = kept[kept["experiment"] == experiment].copy()
    rows[["t", "value"]] = rows[["t", "value"]].astype(float)
    return rows


def _mean(values: pd.Series) -> str:
    return f"{values.mean():.1e}" if len(values) else "–"


def shapes(kept: pd.DataFrame) -> str:
    """Penrose's residuals at the end, mean over seeds, of each shape, place of noise and rate."""
    rows, of = [], _of(kept, "shape")
    of = of[of["t"] == of["t"].max()]
    header = ["A", "noise at", "η", *(f"condition {k}" for k in range(1, 5)), "‖B − A⁺‖/‖A⁺‖", "cond(A)", "‖ΔA‖/‖A₀‖"]
    for circuit, values in of.groupby("circuit", sort=False):
        name, noise_at, rate = circuit.split(", ")
        m, n = reciprocal_noise.SHAPES[name]
        by = {quantity: each["value"] for quantity, each in values.groupby("quantity")}
        cells = [_mean(by[f"penrose_{k}"]) for k in range(1, 5)]
        cells += [_mean(by["inverse_error"]), f"{by['condition'].mean():.1f}", f"{by['changed'].mean():.2f}"]
        rows.append([f"{name}, {n} × {m}", noise_at, rate, *cells])
    return markdown(header, rows)


def limits(kept: pd.DataFrame) -> str:
    """How many seeds learn at a rate of so much over the units."""
    of = _of(kept, "limit")
    table: dict[int, dict[float, str]] = {}
    for circuit, values in of.groupby("circuit", sort=False):
        units, scaled = circuit.split(", ")
        table.setdefault(int(units), {})[float(scaled)] = f"{int(values['value'].sum())} of {len(values)}"
    scales = sorted({scaled for row in table.values() for scaled in row})
    rows = [[str(units), *(row.get(scaled, "–") for scaled in scales)] for units, row in sorted(table.items())]
    return markdown(["units", *(f"{scaled:g}" for scaled in scales)], rows)


def roots(kept: pd.DataFrame) -> str:
    """Distance over √(η/n), mean and range over rates, vectors and seeds."""
    of = _of(kept, "root")
    ratio = of["value"] / np.sqrt([_ratio(circuit) for circuit in of["circuit"]])
    return f"{ratio.mean():.2f} (from {ratio.min():.2f} to {ratio.max():.2f} over {len(ratio)} circuits)"


def _ratio(circuit: str) -> float:
    rate, vectors = map(float, circuit.split(", "))
    return rate / vectors


def change(kept: pd.DataFrame) -> str:
    """Test accuracy after the first and the last epoch of the first task and of the last half of them."""
    rows = []
    for (plan, rule), values in kept.groupby(["plan", "rule"], sort=False):
        cells = []
        for tasks in (values[values["task"] == 1], values[values["task"] > values["task"].max() / 2]):
            for epoch in (1, values["epoch"].max()):
                seeds = 100 * tasks[tasks["epoch"] == epoch].groupby("seed")["test_accuracy"].mean()
                cells.append(spread(Sample(seeds.to_dict())))
        last = values[(values["task"] == values["task"].max()) & (values["epoch"] == values["epoch"].max())]
        angles = last.groupby("seed")["angle_1"].mean().dropna()
        cells.append(spread(Sample(angles.to_dict()), 1))
        rows.append([plan, rule, ", ".join(map(str, sorted(values["seed"].unique()))), *cells])
    header = ["", "rule", "seeds", "task 1, epoch 1", "last epoch", "last half of the tasks, epoch 1", "last epoch"]
    header.append("angle of W_1 and B_1 at the end (°)")
    return markdown(header, rows) if rows else "Not run."


def learning(found: dict[str, Evidence], task: str) -> str:
    """Test accuracy after some epochs of each rule and control, and the angle of feedback at the end."""
    epochs, rows, revisions = TASKS[task][1], [], {}
    for name, evidence in found.items():
        if not name.startswith(f"rf_{task}_") or not evidence.histories:
            continue
        revisions |= dict.fromkeys(map(short, evidence.revisions))
        last = evidence.at(epochs[-1], "angle_1", 1) if evidence.angles else None
        cells = [spread(evidence.at(epoch)) for epoch in epochs]
        seeds = ", ".join(map(str, sorted(evidence.histories)))
        rows.append([evidence.experiment.title, seeds, *cells, "–" if last is None else spread(last, 1)])
    header = ["rule", "seeds", *(f"epoch {epoch}" for epoch in epochs), "angle of W_1 and B_1 at the end (°)"]
    return f"{markdown(header, rows)}\n\nCode: {', '.join(revisions) or 'not run'}." if rows else "Not run."


@publication_style()
def draw_noise(kept: pd.DataFrame):
    """Draw what noise teaches: distance from A⁺ by shape, its fluctuation, coloured noise, and what runs away."""
    figure, axes = plt.subplots(2, 2, figsize=(8.4, 6.2), layout="constrained")
    of = _of(kept, "shape")
    for number, name in enumerate(reciprocal_noise.SHAPES):
        for noise_at, line in (("bottom", "-"), ("both", "--")):
            curve = of[(of["circuit"] == f"{name}, {noise_at}, 0.04") & (of["quantity"] == "inverse_error")]
            mean = curve.groupby("t")["value"].mean()
            label = f"{name}, noise {'at the bottom' if noise_at == 'bottom' else 'in both layers'}"
            axes[0, 0].plot(mean.index + 1, mean, line, color=CATEGORIES[number], label=label)
    axes[0, 0].set(xscale="log", yscale="log", xlabel="Presentations of noise + 1", ylabel=r"$\|B - A^+\|/\|A^+\|$")
    axes[0, 0].legend(fontsize=6.5, loc="lower left")
    axes[0, 0].set_title("A and B learn")
    of = _of(kept, "root")
    x = np.sqrt([_ratio(circuit) for circuit in of["circuit"]])
    for number, seed in enumerate(reciprocal_noise.SEEDS):
        ours = (of["seed"] == seed).to_numpy()
        axes[0, 1].plot(
            x[ours], of["value"][ours], "o", color=CATEGORIES[number], markersize=4, label=f"A of seed {seed}"
        )
    across = np.array([x.min(), x.max()])
    axes[0, 1].plot(across, across * np.mean(of["value"] / x), color=REFERENCE, label=r"$\propto\sqrt{\eta/n}$")
    axes[0, 1].set(xscale="log", yscale="log", xlabel=r"$\sqrt{\eta/n}$, n vectors of noise")
    axes[0, 1].set(ylabel=r"Distance from $A^+$, root mean square")
    axes[0, 1].legend()
    axes[0, 1].set_title("B alone learns, from A⁺ on")
    of = _of(kept, "coloured")
    for number, (quantity, label) in enumerate(
        (("to theory", r"from $CA^\top(ACA^\top)^{-1}$"), ("to A⁺", r"from $A^+$"))
    ):
        mean = of[of["quantity"] == quantity].groupby("t")["value"].mean()
        axes[1, 0].plot(mean.index + 1, mean, color=CATEGORIES[number], label=label)
    axes[1, 0].set(xscale="log", yscale="log", xlabel="Presentations of noise + 1", ylabel="Distance, relative")
    axes[1, 0].legend()
    axes[1, 0].set_title("Coloured noise, B alone learns")
    of = _of(kept, "runaway")
    for number, start in enumerate(reciprocal_noise.STARTS):
        curve = of[of["circuit"] == f"{start:g}"]
        colour = CATEGORIES[1] if start < -1 else CATEGORIES[0]
        axes[1, 1].plot(curve["t"], curve["value"], color=colour)
        theory = [start]
        for _ in range(200):
            theory.append(theory[-1] + reciprocal_noise.RUNAWAY_RATE * (1 - theory[-1]) * (1 + theory[-1]))
        label = r"$\dot b = (1 - ab)(a + b)$, a = 1" if number == 0 else None
        axes[1, 1].plot(theory, ":", color=REFERENCE, label=label)
    axes[1, 1].set(xlabel="Presentations of noise", ylabel="b", ylim=(-5, 2))
    axes[1, 1].legend()
    axes[1, 1].set_title("Noise in both layers, a held fixed")
    return figure


def _drawn(found: dict[str, Evidence], task: str) -> Iterator[tuple[str, Evidence]]:
    """Of each rule and control the initial weights that are best at the last epoch."""
    for rule in LINES:
        variants = [found[name] for name in (f"rf_{task}_{rule}", f"rf_{task}_{rule}_orthogonal") if name in found]
        variants = [each for each in variants if each.at(TASKS[task][1][-1]).n]
        if variants:
            yield rule, max(variants, key=lambda each: each.at(TASKS[task][1][-1]).mean)


@publication_style()
def draw_learning(found: dict[str, Evidence]):
    """Draw test error against epoch of each rule and control, mean and band of a standard deviation over seeds."""
    figure, axes = plt.subplots(2, 2, figsize=(8.4, 6.4), layout="constrained")
    handles = {}
    for ax, (task, (title, epochs)) in zip(axes.flat, TASKS.items(), strict=True):
        drawn = list(_drawn(found, task))
        if not drawn:
            ax.set_axis_off()
            continue
        for rule, evidence in drawn:
            colour, line = LINES[rule]
            samples = [evidence.at(epoch) for epoch in range(1, epochs[-1] + 1)]
            mean, std = (np.array([getattr(each, what) for each in samples]) for what in ("mean", "std"))
            x = np.arange(1, epochs[-1] + 1)
            (handles[_SHORT[rule]],) = ax.plot(x, 100 - mean, line, color=colour, marker="o", markersize=2.5)
            ax.fill_between(x, 100 - mean - std, 100 - mean + std, color=colour, alpha=0.15, linewidth=0)
        ax.set(title=title, xlabel="Epoch", ylabel="Test error (%)")
        ax.xaxis.set_major_locator(mpl.ticker.MaxNLocator(integer=True))
        logarithmic_in_plain_numbers(ax)
    figure.legend(handles.values(), handles, loc="outside lower center", ncols=3)
    return figure


if __name__ == "__main__":
    main()
