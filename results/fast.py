"""Write ``fast.md``: what presets of few large steps reach, against seconds, and how far from rest they end.

    python results/fast.py [--data FOLDER] [--seeds 0,1] [--only mnist]

Runs that are missing are trained for five epochs into ``runs/fast/``, those that were interrupted are gone on with; a
run's checkpoint and figures are left out of the repository. Times mean something only if nothing else runs.
"""

from pathlib import Path
from typing import Annotated

import matplotlib as mpl
import numpy as np
import pandas as pd
import typer
from matplotlib import pyplot as plt
from tabulate import tabulate

import corinfomax
from corinfomax.analysis import read_history
from corinfomax.analysis.figures import publication_style
from corinfomax.analysis.figures.meanings import CATEGORIES
from corinfomax.protocols.clockwork import Preparation, contrastive

HERE = Path(__file__).parent
RUNS, EPOCHS = HERE / "runs" / "fast", 5
#: Task → the published settings and those of few large steps.
PRESETS = {"mnist": ("mnist", "mnist_fast"), "fashion_mnist": ("fashion_mnist", "fashion_fast")}
TITLES = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST"}
#: Test stimuli whose settled states are compared, and steps after which a circuit is taken to be at rest.
STIMULI, AT_REST = 1000, 3000


def history(preset: str, seed: int, data: Path | None) -> pd.DataFrame:
    """Train what is missing of a run; its history, with the seconds of training since its beginning."""
    folder = RUNS / f"{preset}_{seed}"
    if not (folder / "history.csv").exists() or len(read_history(folder)) < EPOCHS:
        settings = {} if folder.exists() else {"seed": seed, "epochs": EPOCHS}
        where = {} if data is None else {"data": str(data)}
        source = None if folder.exists() else preset
        corinfomax.train(source, out=folder, resume=folder.exists(), progress=False, **settings, **where)
    found = read_history(folder)
    return found.assign(since=found["seconds"].cumsum())


def distances(folder: Path) -> list[dict]:
    """How far the free phase of each protocol leaves a trained circuit from rest."""
    run = corinfomax.Run(folder)
    x, labels = run.stimuli.x_test[:STIMULI], run.stimuli.labels_test[:STIMULI]
    protocols = {
        "few large steps": run.protocol,
        "published": contrastive(),
        "at rest": contrastive(free_steps=AT_REST),
    }
    found = {name: Preparation(run.circuit, 200, protocol=each).settle(x, ("r",)).r for name, each in protocols.items()}
    rows = []
    for name, r in found.items():
        rest, output = found["at rest"], run.circuit.output
        row = {"free phase": name}
        for k in range(1, output + 1):
            distance = np.linalg.norm(r[k] - rest[k], axis=1) / np.linalg.norm(rest[k], axis=1)
            row[f"layer {k}"] = f"{np.median(distance):.2g}"
        same = np.mean(r[output].argmax(axis=1) == rest[output].argmax(axis=1))
        row["same class"] = f"{same:.1%}"
        row["recognised"] = f"{np.mean(r[output].argmax(axis=1) == labels):.1%}"
        rows.append(row)
    return rows


def course_table(courses: dict[str, list[pd.DataFrame]]) -> str:
    """Test accuracy by epoch, and seconds of training."""
    rows = []
    for preset, runs in courses.items():
        accuracy = 100 * np.array([run["test_accuracy"][:EPOCHS] for run in runs])
        missed = [int(run["unlearnt"].iloc[0]) for run in runs]
        row = {"preset": preset, "seeds": len(runs)}
        for epoch in range(EPOCHS):
            spread = f" ± {accuracy[:, epoch].std(ddof=1):.2f}" if len(runs) > 1 else ""
            row[f"epoch {epoch + 1}"] = f"{accuracy[:, epoch].mean():.2f}{spread}"
        row["seconds"] = f"{np.median([run['since'].iloc[-1] for run in runs]):.0f}"
        row["classes missed in epoch 1"] = ", ".join(map(str, missed))
        rows.append(row)
    return tabulate(rows, headers="keys", tablefmt="github", disable_numparse=True)


@publication_style()
def draw(found: dict[str, dict[str, list[pd.DataFrame]]], path: Path):
    """Draw test accuracy against seconds of training, a panel for each task, a line for each run."""
    figure, axes = plt.subplots(1, len(found), figsize=(3.4 * len(found), 2.8), squeeze=False)
    for ax, (task, courses) in zip(axes[0], found.items(), strict=True):
        for (preset, runs), colour in zip(courses.items(), CATEGORIES, strict=False):
            for number, run in enumerate(runs):
                label = preset if number == 0 else None
                ax.plot(run["since"], 100 * run["test_accuracy"], "o-", ms=3, color=colour, label=label)
        ax.set(xlabel="Seconds of training", title=TITLES[task])
        ax.set_xlim(left=0)
        ax.legend(loc="lower right")
    axes[0][0].set_ylabel("Test accuracy (%)")
    figure.savefig(path)
    plt.close(figure)


TEXT = """# Few large steps

    python results/fast.py

The presets `mnist_fast` and `fashion_fast` present each stimulus for 4 + 3 steps of .3 τ_u by exponential Euler, in the
sequential schedule, in place of 30 + 10 steps of .05. Their settings were chosen on 10,000 of the training stimuli.
Test accuracy (%), mean ± standard deviation over seeds (0, 1, …), and seconds of training on one core: {core}.

{tables}

![Test accuracy against seconds of training](figures/fast.png)

## How far from rest

A circuit of `mnist_fast`, trained, and {stimuli} test stimuli: the distance ‖r - r*‖/‖r*‖, median over stimuli, of what
the free phase ends at, from rest r*, the state after {rest} steps of .05. The free phase is short of rest in both
protocols. Learning compares phases of the same circuit, with both signs of β, so that what is left of the relaxation
cancels in the mean.

{distances}
"""


def main(
    data: Annotated[Path | None, typer.Option(help="Folder with MNIST and FashionMNIST.")] = None,
    seeds: Annotated[str, typer.Option(help="Seeds, as in 0,1,2.")] = "0",
    only: Annotated[str | None, typer.Option(help="One task: mnist or fashion_mnist.")] = None,
    core: Annotated[str, typer.Option(help="What the page calls the core that it was measured on.")] = "unnamed",
):
    """Train what is missing, and write page and figure."""
    mpl.use("Agg")
    RUNS.mkdir(parents=True, exist_ok=True)
    found = {
        task: {preset: [history(preset, int(seed), data) for seed in seeds.split(",")] for preset in presets}
        for task, presets in PRESETS.items()
        if only in (None, task)
    }
    draw(found, HERE / "figures" / "fast.png")
    tables = "\n\n".join(course_table(courses) for courses in found.values())
    rows = distances(RUNS / "mnist_fast_0")
    page = TEXT.format(
        core=core,
        tables=tables,
        stimuli=STIMULI,
        rest=AT_REST,
        distances=tabulate(rows, headers="keys", tablefmt="github", disable_numparse=True),
    )
    (HERE / "fast.md").write_text(page, encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
