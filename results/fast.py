"""Write ``fast.md``: what presets of few large steps reach, against seconds, and how far from rest they end.

    python results/fast.py [--data FOLDER] [--seeds 0,1]

Courses are kept in ``fast.csv``; those that are missing there are trained for five epochs into ``../runs/fast/``, and
runs that were interrupted are gone on with. Times mean something only if nothing else runs.
"""

from collections.abc import Iterable
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
RUNS, KEPT, EPOCHS = HERE.parent / "runs" / "fast", HERE / "fast.csv", 5
#: Task → the published settings and those of few large steps.
PRESETS = {"mnist": ("mnist", "mnist_fast"), "fashion_mnist": ("fashion_mnist", "fashion_fast")}
COLUMNS = ["preset", "seed", "epoch", "test_accuracy", "unlearnt", "seconds"]
TITLES = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST"}
#: Test stimuli whose settled states are compared, and steps after which a circuit is taken to be at rest.
STIMULI, AT_REST = 1000, 3000


def trained(preset: str, seed: int, data: Path | None) -> Path:
    """Folder of a run, which is trained as far as it is missing."""
    folder = RUNS / f"{preset}_{seed}"
    if not (folder / "history.csv").exists() or len(read_history(folder)) < EPOCHS:
        settings = {} if folder.exists() else {"seed": seed, "epochs": EPOCHS}
        where = {} if data is None else {"data": str(data)}
        source = None if folder.exists() else preset
        corinfomax.train(source, out=folder, resume=folder.exists(), progress=False, **settings, **where)
    return folder


def courses_of(presets: Iterable[str], seeds: Iterable[int], data: Path | None) -> pd.DataFrame:
    """Courses of all runs, a row for each epoch, those kept and those that are trained now."""
    kept = pd.read_csv(KEPT) if KEPT.exists() else pd.DataFrame(columns=COLUMNS)
    for preset in presets:
        for seed in seeds:
            if not ((kept["preset"] == preset) & (kept["seed"] == seed)).any():
                course = read_history(trained(preset, seed, data)).assign(preset=preset, seed=seed)[COLUMNS]
                kept = course if kept.empty else pd.concat([kept, course], ignore_index=True)
                kept.to_csv(KEPT, index=False, lineterminator="\n")
    return kept


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


def course_table(courses: pd.DataFrame, presets: Iterable[str]) -> str:
    """Test accuracy by epoch, and seconds of training."""
    rows = []
    for preset in presets:
        course = courses[courses["preset"] == preset]
        missed = course.loc[course["epoch"] == 1, "unlearnt"]
        row = {"preset": preset, "seeds": len(missed)}
        accuracies = course.assign(test_accuracy=100 * course["test_accuracy"]).groupby("epoch")["test_accuracy"]
        for epoch, accuracy in accuracies.agg(["mean", "std"]).iterrows():
            spread = "" if np.isnan(accuracy["std"]) else f" ± {accuracy['std']:.2f}"
            row[f"epoch {epoch}"] = f"{accuracy['mean']:.2f}{spread}"
        row["seconds"] = f"{course.groupby('seed')['seconds'].sum().median():.0f}"
        row["classes missed in epoch 1"] = ", ".join(map(str, missed))
        rows.append(row)
    return tabulate(rows, headers="keys", tablefmt="github", disable_numparse=True)


@publication_style()
def draw(courses: pd.DataFrame, path: Path):
    """Draw test accuracy against seconds of training, a panel for each task, a line for each run."""
    figure, axes = plt.subplots(1, len(PRESETS), figsize=(3.4 * len(PRESETS), 2.8), squeeze=False)
    for ax, (task, presets) in zip(axes[0], PRESETS.items(), strict=True):
        for preset, colour in zip(presets, CATEGORIES, strict=False):
            label = preset
            for _, run in courses[courses["preset"] == preset].groupby("seed"):
                ax.plot(run["seconds"].cumsum(), 100 * run["test_accuracy"], "o-", ms=3, color=colour, label=label)
                label = None
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
Test accuracy (%) is told as mean ± standard deviation over seeds (0, 1, …), beside the seconds of training on one core:
{core}.

{tables}

![Test accuracy against seconds of training](figures/fast.png)

## How far from rest

A circuit of `mnist_fast`, trained, and {stimuli} test stimuli: the distance ‖r - r*‖/‖r*‖, median over stimuli, of what
the free phase ends at, from rest r*, the state after {rest} steps of .05. Output cells are saturated for most stimuli.
Learning compares phases of the same circuit, with both signs of β, so that what is left of the relaxation cancels in
the mean.

{distances}
"""


def main(
    data: Annotated[Path | None, typer.Option(help="Folder with MNIST and FashionMNIST.")] = None,
    seeds: Annotated[str, typer.Option(help="Seeds, as in 0,1,2.")] = "0,1,2,3,4",
    core: Annotated[str, typer.Option(help="What the page calls the core that it was measured on.")] = "unnamed",
):
    """Train what is missing, and write page and figure."""
    mpl.use("Agg")
    presets = [name for pair in PRESETS.values() for name in pair]
    courses = courses_of(presets, [int(seed) for seed in seeds.split(",")], data)
    draw(courses, HERE / "figures" / "fast.png")
    page = TEXT.format(
        core=core,
        tables="\n\n".join(course_table(courses, presets) for presets in PRESETS.values()),
        stimuli=STIMULI,
        rest=AT_REST,
        distances=tabulate(
            distances(trained("mnist_fast", 0, data)), headers="keys", tablefmt="github", disable_numparse=True
        ),
    )
    (HERE / "fast.md").write_text(page, encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
