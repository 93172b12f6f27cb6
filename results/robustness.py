"""How the circuit bears what the paper leaves out: noise, time constants, irregular phases, and Dale's law.

    python results/run.py --experiments results/robustness.toml
    python results/robustness.py

The first trains, the second writes ``results/robustness.md`` and ``results/figures/robustness.png`` from what is kept.
The words of ``robustness.md`` are those of ``robustness_notes.md``.
"""

from pathlib import Path
from typing import Annotated

import matplotlib as mpl

mpl.use("Agg")
import numpy as np
import typer
from evidence import CHANCE, Evidence, Sample, short
from experiments import HERE, KEPT, Ablation, read_experiments
from matplotlib import pyplot as plt
from tables import markdown, spread

from corinfomax.analysis.figures import publication_style
from corinfomax.analysis.figures.meanings import APICAL, BASAL, CATEGORIES, SOMA, SST
from corinfomax.analysis.files import make_folder, replacing

#: Panels: sweeps, what their horizontal axis is, and whether it is logarithmic.
PANELS = {
    "Background input σ (1 = 20 mV)": (("noise_soma", "noise_basal", "noise_apical", "noise_SST"), True),
    "Time constant (ms)": (("tau_SST", "tau_SST_entropy", "tau_B", "tau_B_long", "tau_A", "tau_A_long"), True),
    "Jitter of the phases' duration": (("jitter",), False),
}
_LINES = {
    "noise_soma": (SOMA, "-"),
    "noise_basal": (BASAL, "-"),
    "noise_apical": (APICAL, "-"),
    "noise_SST": (SST, "-"),
    "tau_SST": (SST, "-"),
    "tau_SST_entropy": (SST, ":"),
    "tau_B": (BASAL, "-"),
    "tau_B_long": (BASAL, "--"),
    "tau_A": (APICAL, "-"),
    "tau_A_long": (APICAL, "--"),
    "jitter": (CATEGORIES[0], "-"),
}

#: Columns of the history that tell of Dale's law, and how they are called.
FRACTIONS = {
    "negative_ff_0": "W_ff^(0) < 0",
    "negative_ff_1": "W_ff^(1) < 0",
    "negative_fb_1": "W_fb^(1) < 0",
    "exciting_SST_1": "SST that excite, hidden",
    "exciting_SST_2": "output",
}

Points = dict[float, Evidence]


def main(
    path: Annotated[Path, typer.Option("--experiments", help="List of experiments.")] = HERE / "robustness.toml",
    kept: Annotated[Path, typer.Option(help="Folder of what is kept of runs.")] = KEPT,
    out: Annotated[Path, typer.Option(help="Folder for robustness.md and figures/.")] = HERE,
):
    """Write tables and figure."""
    experiments = read_experiments(path)
    sweeps = {
        name: (each, {x: Evidence.read(point, kept) for x, point in each.points.items()})
        for name, each in experiments.ablations.items()
    }
    alone = {name: Evidence.read(experiment, kept) for name, experiment in experiments.alone.items()}
    make_folder(out / "figures")
    figure = draw(sweeps, alone["digits"])
    figure.savefig(out / "figures" / "robustness.png")
    plt.close(figure)
    words = (HERE / "robustness_notes.md").read_text(encoding="utf-8")
    epochs = next(each.epochs for each, _ in sweeps.values())
    dale = [evidence for name, evidence in alone.items() if name.startswith("dale_")]
    slow = [evidence for name, evidence in alone.items() if name.startswith("slow_")]
    text = words.replace("<!-- sweeps -->", table(sweeps, alone["digits"], slow))
    text = text.replace("<!-- Dale -->", signs(dale, epochs))
    with replacing(out / "robustness.md") as file:
        file.write(text.encode())
    typer.echo(f"{out / 'robustness.md'}")


@publication_style()
def draw(sweeps: dict[str, tuple[Ablation, Points]], published: Evidence):
    """Draw accuracy against each quantity: mean and band of a standard deviation over seeds.

    Parameters
    ----------
    sweeps : dict of str to (Ablation, dict of float to Evidence)
    published : Evidence
        The circuit without any of it: a dashed line and a grey band.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axes = plt.subplots(1, len(PANELS), figsize=(10.5, 3.9), sharey=True)
    for ax, (label, (names, logarithmic)) in zip(axes, PANELS.items(), strict=True):
        for name in names:
            each, points = sweeps[name]
            colour, line = _LINES[name]
            samples = {x: evidence.at(each.epochs) for x, evidence in points.items()}
            reached = {x: sample for x, sample in samples.items() if sample.n}
            mean, std = (np.array([getattr(s, what) for s in reached.values()]) for what in ("mean", "std"))
            ax.plot(list(reached), mean, marker="o", linestyle=line, color=colour, label=each.title)
            ax.fill_between(list(reached), mean - std, mean + std, color=colour, alpha=0.15, linewidth=0)
            gone = [x for x, evidence in points.items() if evidence.failures and not samples[x].n]
            ax.plot(gone, [CHANCE] * len(gone), "x", color=colour, markersize=6, markeredgewidth=1.5)
        reference = published.at(next(iter(sweeps.values()))[0].epochs)
        ax.axhline(reference.mean, color="0.5", linewidth=0.9, linestyle="--", zorder=0)
        ax.axhspan(reference.mean - reference.std, reference.mean + reference.std, color="0.9", linewidth=0, zorder=-1)
        if logarithmic:
            ax.set_xscale("log")
        ax.set_xlabel(label)
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=1 if len(names) < 5 else 2)
    axes[0].set_ylabel("Test accuracy (%)")
    axes[0].set_ylim(0, 102)
    return figure


def table(sweeps: dict[str, tuple[Ablation, Points]], published: Evidence, others: list[Evidence]) -> str:
    """One row for each sweep and value, and for each other experiment.

    Parameters
    ----------
    sweeps : dict of str to (Ablation, dict of float to Evidence)
    published : Evidence
    others : list of Evidence

    Returns
    -------
    str
        Markdown.
    """
    epochs = next(iter(sweeps.values()))[0].epochs
    rows = [["as published", "", *_outcome(published, epochs)]]
    revisions = dict.fromkeys(map(short, published.revisions))
    for each, points in sweeps.values():
        for x, evidence in points.items():
            revisions |= dict.fromkeys(map(short, evidence.revisions))
            rows.append([each.title, f"{x:g}", *_outcome(evidence, each.epochs)])
    rows += [[evidence.experiment.title, "", *_outcome(evidence, epochs)] for evidence in others]
    header = ["what", "value", "seeds", "diverged", "test accuracy (%)", "angle (°)", "settling residual"]
    return f"{markdown(header, rows)}\n\nCode: {', '.join(revisions) or 'not run'}."


def signs(found: list[Evidence], epochs: int) -> str:
    """One row for each experiment: fractions of synapses against Dale's law at the end, and accuracy.

    Parameters
    ----------
    found : list of Evidence
    epochs : int

    Returns
    -------
    str
        Markdown.
    """
    rows = []
    for evidence in found:
        cells = [spread(evidence.at(epochs, column, 1)) for column in FRACTIONS]
        rows.append([evidence.experiment.title, *_outcome(evidence, epochs)[:3], *cells])
    return markdown(["circuit", "seeds", "diverged", "test accuracy (%)", *FRACTIONS.values()], rows)


def _outcome(evidence: Evidence, epochs: int) -> list[str]:
    sample: Sample = evidence.at(epochs)
    others = [spread(evidence.at(epochs, column, 1)) for column in ("angle_1", "settling_residual")]
    return [str(sample.n), str(len(evidence.failures) or ""), spread(sample), *others]


if __name__ == "__main__":
    typer.run(main)
