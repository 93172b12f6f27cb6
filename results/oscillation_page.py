"""Page and figures of learning without phases, of the trials that are kept."""

from pathlib import Path

import pandas as pd
from matplotlib import pyplot as plt
from tables import markdown

from corinfomax.analysis.figures import publication_style
from corinfomax.analysis.figures.meanings import CATEGORIES
from corinfomax.analysis.files import make_folder, replacing
from corinfomax.protocols.comparison import PRICES


def write_page(kept: pd.DataFrame, out: Path):
    """Write ``oscillation.md`` and ``figures/oscillation*.png``.

    Parameters
    ----------
    kept : pandas.DataFrame
    out : Path
    """
    make_folder(out / "figures")
    for name, draw in (("oscillation", learning), ("oscillation_hardware", hardware)):
        figure = draw(kept)
        figure.savefig(out / "figures" / f"{name}.png")
        plt.close(figure)
    text = (out / "oscillation_notes.md").read_text(encoding="utf-8")
    text = text.replace("<!-- stream -->", streams(kept))
    for part in ("mnist_search", "moving"):
        text = text.replace(f"<!-- {part} -->", table(kept, part))
    text = text.replace("<!-- alignment -->", both(kept)).replace("<!-- hardware -->", of_hardware(kept))
    text = text.replace("<!-- costs -->", costs(kept))
    text = text.replace("<!-- excursions -->", excursions(kept))
    text = text.replace("<!-- moving_search -->", seeds(kept, "moving_search"))
    with replacing(out / "oscillation.md") as file:
        file.write(text.encode())


def rows_of(kept: pd.DataFrame, part: str, what: str | None = None) -> pd.DataFrame:
    """Rows of a part, or of one of its lines, by x."""
    rows = kept[(kept["part"] == part) & (True if what is None else kept["what"] == what)]
    return rows.sort_values("x", kind="stable")


def _shown(accuracy: float) -> str:
    return "diverges" if pd.isna(accuracy) else f"{accuracy:.1f}"


def table(kept: pd.DataFrame, part: str) -> str:
    """What was tried, and its accuracy on validation stimuli."""
    rows = [[row.what, _shown(row.accuracy)] for row in rows_of(kept, part).itertuples()]
    return markdown(["what", "validation accuracy (%)"], rows)


def seeds(kept: pd.DataFrame, part: str) -> str:
    """What was tried, its accuracy on validation stimuli by seed, and the mean."""
    rows = []
    for what, group in rows_of(kept, part).groupby("what", sort=False):
        found = group.sort_values("seed")
        numbers = ", ".join(str(seed) for seed in found["seed"])
        each = ", ".join(_shown(accuracy) for accuracy in found["accuracy"])
        rows.append([what, numbers, each, _shown(found["accuracy"].mean())])
    return markdown(["what", "seeds", "validation accuracy (%)", "mean"], rows)


def both(kept: pd.DataFrame) -> str:
    """Accuracy, cosine and gain against period and amplitude."""
    found = []
    for part, what, name in (("period", "period", "period {:g} ms"), ("beta", "β", "β₀ = {:g}")):
        accuracies = rows_of(kept, part, what).groupby("x")["accuracy"].first()
        for row in rows_of(kept, "alignment", what).itertuples():
            shown = _shown(accuracies[row.x]) if row.x in accuracies.index else "not run"
            found.append([name.format(row.x), f"{row.cosine:.3f}", f"{row.gain:.2f}", shown])
    return markdown(["oscillation", "cosine", "gain", "validation accuracy (%)"], found)


def streams(kept: pd.DataFrame) -> str:
    """Accuracy in streams, and where their updates point."""
    found = []
    for row in rows_of(kept, "stream_alignment").itertuples():
        reached = rows_of(kept, "stream", row.what)["accuracy"]
        shown = _shown(reached.iloc[0]) if len(reached) else "not run"
        found.append([row.what, f"{row.cosine:.2f}", f"{row.cosine_of_mean:.2f}", f"{row.gain:.2f}", shown])
    header = ["stream", "cosine of one update", "of the mean over onsets", "gain", "validation accuracy (%)"]
    return markdown(header, found)


def excursions(kept: pd.DataFrame) -> str:
    """How far weights that moved at once would go."""
    names = ("excursion_0", "excursion_1", "area_0", "area_1", "cosine", "gain")
    rows = [
        [row["what"], *(f"{row[name]:.2f}" for name in names)] for row in rows_of(kept, "excursions").to_dict("records")
    ]
    header = ["rule", "farthest: hidden layer's W_ff", "output's", "area: hidden layer's", "output's"]
    return markdown([*header, "cosine", "gain"], rows)


def of_hardware(kept: pd.DataFrame) -> str:
    """Accuracy with few bits, delays and cells that differ."""
    rows = [
        [row.what, "" if row.what == "none" else f"{row.x:g}", _shown(row.accuracy)]
        for row in kept[kept["part"] == "hardware"].itertuples()
    ]
    return markdown(["what", "value", "validation accuracy (%)"], rows)


def costs(kept: pd.DataFrame) -> str:
    """What a training stimulus costs, and the energy by each table of prices."""
    rows = []
    for row in rows_of(kept, "costs").to_dict("records"):
        counts = [f"{row[name] / 1e3:,.0f}" for name in ("activity", "plasticity", "events", "spikes")]
        rows.append([row["what"], *counts, *(f"{each.energy(row):,.0f}" for each in PRICES.values())])
    header = ["preset", "multiply-adds: activity (10³)", "plasticity (10³)", "synaptic events (10³)", "of them spikes"]
    return markdown([*header, *(f"{name} (nJ)" for name in PRICES)], rows)


@publication_style()
def learning(kept: pd.DataFrame) -> plt.Figure:
    """Draw cosine and gain, and accuracy, against period and amplitude."""
    figure, axes = plt.subplots(2, 2, figsize=(6.4, 4.6), sharex="col", sharey="row")
    columns = (("period", "period", "Period (ms)"), ("beta", "β", r"$\beta_0$"))
    for (above, below), (part, what, label) in zip(axes.T, columns, strict=True):
        aligned = rows_of(kept, "alignment", what)
        above.plot(aligned["x"], aligned["cosine"], "o-", color=CATEGORIES[0], label="cosine")
        above.plot(aligned["x"], aligned["gain"], "s-", color=CATEGORIES[2], label="gain")
        reached = rows_of(kept, part, what)
        below.plot(reached["x"], reached["accuracy"], "o-", color="0.2")
        below.set_xscale("log")
        ticks = aligned["x"].tolist()
        below.set_xticks(ticks, [f"{x:g}" for x in ticks])
        below.minorticks_off()
        below.set_xlabel(label)
    axes[0, 0].set_ylabel("Update, beside settled phases")
    axes[0, 0].set_ylim(0, 1.1)
    axes[0, 0].legend(loc="lower right")
    axes[1, 0].set_ylabel("Validation accuracy (%)")
    axes[1, 0].set_ylim(min(90.0, axes[1, 0].get_ylim()[0]), 98)
    return figure


@publication_style()
def hardware(kept: pd.DataFrame) -> plt.Figure:
    """Draw accuracy against bits, spread of cells and delays."""
    figure, axes = plt.subplots(1, 3, figsize=(7.1, 3.2), sharey=True)
    panels = (
        ("Bits of a weight", ("bits in testing", "bits in training, stochastic", "bits in training, nearest")),
        ("Spread of cells", tuple(f"{of} in testing" for of in ("threshold", "gain", "coupling"))),
        ("Delay from layer to layer (ms)", ("delay in training (ms)",)),
    )
    number = 0
    control = rows_of(kept, "hardware", "none")["accuracy"]
    for ax, (label, lines) in zip(axes, panels, strict=True):
        for what in lines:
            rows = rows_of(kept, "hardware", what)
            name = what.removesuffix(" (ms)")
            ax.plot(rows["x"], rows["accuracy"], "o-", color=CATEGORIES[number % len(CATEGORIES)], label=name)
            number += 1
        if len(control):
            ax.axhline(control.iloc[0], color="0.5", linestyle="--", linewidth=0.9, zorder=0)
        ax.set_xlabel(label)
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.22))
    axes[0].set_ylabel("Validation accuracy (%)")
    axes[0].set_ylim(0, 102)
    return figure
