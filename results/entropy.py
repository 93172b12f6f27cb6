"""What the entropy term does: accuracy and representation against its weight, with and without SST inhibition.

    python results/run.py --experiments results/entropy.toml
    python results/entropy.py

The first trains, the second writes ``results/entropy.md`` and ``results/figures/entropy.png`` from what is kept. The
words of ``entropy.md`` are those of ``entropy_notes.md``.
"""

from pathlib import Path
from typing import Annotated

import matplotlib as mpl

mpl.use("Agg")
import numpy as np
import typer
from evidence import CHANCE, Evidence, short
from experiments import HERE, KEPT, Ablation, read_experiments
from matplotlib import pyplot as plt
from tables import markdown, spread

from corinfomax.analysis.figures import publication_style
from corinfomax.analysis.figures.meanings import category_look
from corinfomax.analysis.files import make_folder, replacing

#: Columns of the history, their scale, and how they are called.
MEASURES = {
    "test_accuracy": (100, "Test accuracy\n(%)"),
    "participation_ratio_1": (1, "Participation ratio,\nhidden layer"),
    "sparsity_1": (1, "Sparsity,\nhidden layer"),
    "cmi_forward_0": (1, "Information (nats),\nstimulus and hidden layer"),
    "cmi_forward_1": (1, "Information (nats),\nhidden and output layer"),
    "settling_residual": (1, "Settling residual,\nlargest $|\\tau_u\\,du/ds|$"),
}

#: Weight of the entropy term at κ = 1, γ = (1 - λ)/λ with λ = .999.
_GAMMA = 0.001 / 0.999

Points = dict[float, Evidence]


def main(
    path: Annotated[Path, typer.Option("--experiments", help="List of experiments.")] = HERE / "entropy.toml",
    kept: Annotated[Path, typer.Option(help="Folder of what is kept of runs.")] = KEPT,
    out: Annotated[Path, typer.Option(help="Folder for entropy.md and figures/.")] = HERE,
):
    """Write table and figure."""
    experiments = read_experiments(path)
    sweeps = [
        (each, {x: Evidence.read(point, kept) for x, point in each.points.items()})
        for each in experiments.ablations.values()
    ]
    mnist = [Evidence.read(experiment, kept) for experiment in experiments.alone.values()]
    make_folder(out / "figures")
    figure = draw(sweeps)
    figure.savefig(out / "figures" / "entropy.png")
    plt.close(figure)
    words = (HERE / "entropy_notes.md").read_text(encoding="utf-8")
    text = words.replace("<!-- table -->", table(sweeps)).replace("<!-- MNIST -->", compared(mnist))
    with replacing(out / "entropy.md") as file:
        file.write(text.encode())
    typer.echo(f"{out / 'entropy.md'}")


@publication_style()
def draw(sweeps: list[tuple[Ablation, Points]]):
    """Draw each measure against the weight κγ of the entropy term, mean and standard deviation over seeds.

    Parameters
    ----------
    sweeps : list of (Ablation, dict of float to Evidence)

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axes = plt.subplots(2, 3, figsize=(8.6, 4.8), sharex=True)
    for ax, (column, (scale, label)) in zip(axes.flat, MEASURES.items(), strict=True):
        for n, (each, points) in enumerate(sweeps):
            look = category_look(n)
            samples = {x: evidence.at(each.epochs, column, scale) for x, evidence in points.items()}
            reached = {x: sample for x, sample in samples.items() if sample.n}
            ax.errorbar(
                [x * _GAMMA for x in reached], [sample.mean for sample in reached.values()],
                yerr=np.nan_to_num([sample.std for sample in reached.values()]), capsize=2.5, **look,
                label=each.title,
            )  # fmt: skip
            if column == "test_accuracy":
                gone = [x * _GAMMA for x, evidence in points.items() if evidence.failures and not samples[x].n]
                ax.plot(gone, [CHANCE] * len(gone), "x", color=look["color"], markersize=6, markeredgewidth=1.5)
        ax.set_ylabel(label)
        ax.set_xscale("log")
        if column == "settling_residual":
            ax.set_yscale("log")
    for ax in axes[1]:
        ax.set_xlabel(r"Weight of the entropy term, $\kappa\gamma$")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))
    return figure


def table(sweeps: list[tuple[Ablation, Points]]) -> str:
    """One row for each sweep and weight.

    Parameters
    ----------
    sweeps : list of (Ablation, dict of float to Evidence)

    Returns
    -------
    str
        Markdown.
    """
    header = ["phases", "κ", "κγ", "seeds", *_names()]
    rows, revisions = [], {}
    for each, points in sweeps:
        for x, evidence in points.items():
            revisions |= dict.fromkeys(map(short, evidence.revisions))
            cells = [spread(evidence.at(each.epochs, column, scale)) for column, (scale, _) in MEASURES.items()]
            seeds = evidence.at(each.epochs).n
            state = str(seeds) if seeds else "diverged" if evidence.failures else "not run"
            rows.append([each.title, f"{x:g}", f"{x * _GAMMA:.3g}", state, *cells])
    return f"{markdown(header, rows)}\n\nCode: {', '.join(revisions) or 'not run'}."


def compared(found: list[Evidence]) -> str:
    """One row for each experiment, after its shortest runs' epochs.

    Parameters
    ----------
    found : list of Evidence

    Returns
    -------
    str
        Markdown.
    """
    epoch = min(run.epochs for evidence in found for run in evidence.experiment.runs)
    rows = []
    for evidence in found:
        samples = [evidence.at(epoch, column, scale) for column, (scale, _) in MEASURES.items()]
        rows.append([evidence.experiment.title, str(epoch), str(samples[0].n), *map(spread, samples)])
    return markdown(["circuit", "epoch", "seeds", *_names()], rows)


def _names() -> list[str]:
    return [label.partition(", largest")[0] for label in (label.replace("\n", " ") for _, label in MEASURES.values())]


if __name__ == "__main__":
    typer.run(main)
