"""Write ``fast.md``: what presets of few large steps reach, against seconds, and how far from rest they end.

    python results/run.py --experiments results/fast.toml
    python results/fast.py

The distances from rest are those of the first circuit of `mnist_fast`. They are measured anew if it has been trained on
this machine, and else taken from ``fast_distances.csv``.
"""

from pathlib import Path
from typing import Annotated

import matplotlib as mpl
import numpy as np
import pandas as pd
import typer
from evidence import Evidence
from experiments import HERE, KEPT, WORKING, read_experiments
from matplotlib import pyplot as plt
from tabulate import tabulate

import corinfomax
from corinfomax.analysis.figures import publication_style
from corinfomax.analysis.figures.meanings import CATEGORIES
from corinfomax.protocols.clockwork import Preparation, contrastive
from corinfomax.protocols.runs.execution import outcome

LIST, DISTANCES = HERE / "fast.toml", HERE / "fast_distances.csv"
#: Settings that would have been faster still.
SEARCH = HERE / "fast_search.toml"
#: Task → the published settings and those of few large steps.
PRESETS = {"MNIST": ("mnist", "mnist_fast"), "FashionMNIST": ("fashion_mnist", "fashion_fast")}
#: Test stimuli whose settled states are compared, and steps after which a circuit is taken to be at rest.
STIMULI, AT_REST = 1000, 3000


def courses_of(kept: Path = KEPT) -> pd.DataFrame:
    """Courses of all runs, a row for each epoch, with `preset` and `seed`."""
    found = []
    for experiment in read_experiments(LIST).alone.values():
        for seed, history in Evidence.read(experiment, kept).histories.items():
            found.append(history.assign(preset=experiment.title, seed=seed))
    return pd.concat(found, ignore_index=True)


def search_table(kept: Path = KEPT) -> str:
    """What faster settings reach on validation stimuli, and whether a class was missed at the end."""
    rows = []
    for experiment in read_experiments(SEARCH).alone.values():
        for history in Evidence.read(experiment, kept).histories.values():
            last = history.iloc[-1]
            accuracy = f"{100 * last['validation_accuracy']:.2f}"
            rows.append(
                {"setting": experiment.title, "validation, %": accuracy, "classes missed": int(last["unlearnt"])}
            )
    return tabulate(rows, headers="keys", tablefmt="github", disable_numparse=True)


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


def course_table(courses: pd.DataFrame, presets: tuple[str, ...]) -> str:
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
        ax.set(xlabel="Seconds of training", title=task)
        ax.set_xlim(left=0)
        ax.legend(loc="lower right")
    axes[0][0].set_ylabel("Test accuracy (%)")
    figure.savefig(path)
    plt.close(figure)


TEXT = """# Few large steps

    python results/run.py --experiments results/fast.toml && python results/fast.py

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

## What would be faster still

A minibatch of `mnist_fast` needs products that take [half of its time](../benchmarks/results/products.md) as bare calls
of BLAS: 27 of 56 s for five epochs on a core with AVX2. So 30 s are out of reach there with these settings. What is
left are larger minibatches, whose products are more efficient, and fewer epochs. One seed each (10), on 10,000 of the
training stimuli set apart; "rates" are those of the first layer's W_ff, the others in proportion, and all fall linearly
to 0:

{search}

Larger minibatches cost more accuracy than they save time, and with rates that make up for it classes are lost. Fewer
epochs with higher rates cost .4 % in three fifths of the time. The presets stay as they are.
"""


def main(core: Annotated[str, typer.Option(help="What the page calls the core that it was measured on.")] = "unnamed"):
    """Write page and figure."""
    mpl.use("Agg")
    first = read_experiments(LIST).alone["fast_mnist"].runs[0]
    folder = WORKING / first.name
    if outcome(folder, first.epochs).status == "finished":
        pd.DataFrame(distances(folder)).to_csv(DISTANCES, index=False, lineterminator="\n")
    courses = courses_of()
    draw(courses, HERE / "figures" / "fast.png")
    page = TEXT.format(
        core=core,
        tables="\n\n".join(course_table(courses, presets) for presets in PRESETS.values()),
        stimuli=STIMULI,
        rest=AT_REST,
        search=search_table(),
        distances=tabulate(
            pd.read_csv(DISTANCES, dtype=str), headers="keys", tablefmt="github", disable_numparse=True, showindex=False
        ),
    )
    (HERE / "fast.md").write_text(page, encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
