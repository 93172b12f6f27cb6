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
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullLocator
from tabulate import tabulate

import corinfomax
from corinfomax.analysis.figures import publication_style
from corinfomax.analysis.figures.meanings import CATEGORIES
from corinfomax.protocols.clockwork import Preparation, contrastive
from corinfomax.protocols.runs.execution import outcome

LIST, DISTANCES = HERE / "fast.toml", HERE / "fast_distances.csv"
#: Settings that were compared.
SEARCH = HERE / "fast_search.toml"
#: Task → its published preset, and that of few large steps.
TASKS = {"MNIST": ("mnist", "mnist_fast"), "FashionMNIST": ("fashion_mnist", "fashion_fast")}
#: What is compared: the published settings; their preset, which renews the lateral current by error; few large steps.
COMPARED = {
    "{0}, in every step": "as published",
    "{0}": "preset of these",
    "{1}": "few large steps",
    "{1}, shorter": "the same, shorter",
    "{1}, longer": "the same, longer",
    "{1}, plain steps": "the same, plain steps",
}
PRESETS = {task: tuple(name.format(*both) for name in COMPARED) for task, both in TASKS.items()}
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
    """What settings reach on validation stimuli, and whether a class was missed at the end."""
    rows = []
    for experiment in read_experiments(SEARCH).alone.values():
        last = [history.iloc[-1] for history in Evidence.read(experiment, kept).histories.values()]
        accuracies = [f"{100 * row['validation_accuracy']:.2f}" for row in last]
        missed = [f"{row['unlearnt']:.0f}" for row in last]
        rows.append(
            {"setting": experiment.title, "validation, %": ", ".join(accuracies), "classes missed": ", ".join(missed)}
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
        if course.empty:
            continue
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


def ratio(courses: pd.DataFrame, presets: tuple[str, ...]) -> str:
    """Seconds of few large steps over those of the published settings; empty if one of them was not run."""
    seconds = courses.groupby(["preset", "seed"])["seconds"].sum().groupby("preset").median()
    exact, published, fast, *_ = presets
    if not {exact, published, fast} <= set(seconds.index):
        return ""
    last = courses[courses["preset"] == published]["epoch"].max()
    return (
        f"- All of `{fast}` takes {seconds[fast] / seconds[exact]:.2f} of the time of {last} epochs as published, and "
        f"{seconds[fast] / seconds[published]:.2f} of the time of {last} epochs of `{published}`."
    )


@publication_style()
def draw(courses: pd.DataFrame, path: Path):
    """Draw test accuracy against seconds of training, a panel for each task, a line for each run."""
    figure, axes = plt.subplots(1, len(PRESETS), figsize=(3.4 * len(PRESETS), 3.3), squeeze=False)
    for ax, (task, presets) in zip(axes[0], PRESETS.items(), strict=True):
        for preset, colour in zip(presets, CATEGORIES, strict=False):
            for _, run in courses[courses["preset"] == preset].groupby("seed"):
                ax.plot(run["seconds"].cumsum(), 100 * run["test_accuracy"], "o-", ms=3, color=colour)
        ax.set(xlabel="Seconds of training", title=task, xscale="log")
        ax.xaxis.set_major_locator(FixedLocator([5, 10, 20, 50, 100]))
        ax.xaxis.set_minor_locator(NullLocator())
        ax.xaxis.set_major_formatter("{x:g}")
    axes[0][0].set_ylabel("Test accuracy (%)")
    lines = [Line2D([], [], marker="o", ms=3, color=colour) for _, colour in zip(COMPARED, CATEGORIES, strict=False)]
    figure.legend(lines, COMPARED.values(), loc="outside lower center", ncols=3)
    figure.savefig(path)
    plt.close(figure)


TEXT = """# Few large steps

    python results/run.py --experiments results/fast.toml && python results/fast.py

The presets `mnist_fast` and `fashion_fast` present 50 stimuli at once for 4 + 3 steps of .3 τ_u by exponential Euler,
in the sequential schedule, in place of 20 stimuli for 30 + 10 steps of .05. Weights take steps by Adam, for two epochs.
Test accuracy (%) is told as mean ± standard deviation over seeds (0, 1, …), beside the seconds of training on
{core}.

{tables}

As published the lateral current is renewed in every step; the presets `mnist` and `fashion_mnist` renew it as often as
float32 can tell, which gives the same accuracy: with seed 0, 97.13 in place of 97.10 % and 86.09 in place of 86.05.
"Shorter" and "longer" have rates of .002 that fall for one epoch and for three; "plain steps" are those of eqs 26, 27,
with 20 stimuli at once and rates of 2 and 1.4, and for FashionMNIST of 1 and .7.

{ratios}

![Test accuracy against seconds of training](figures/fast.png)

## How far from rest

A circuit of `mnist_fast`, trained, and {stimuli} test stimuli: the distance ‖r - r*‖/‖r*‖, median over stimuli, of what
the free phase ends at, from rest r*, the state after {rest} steps of .05. Output cells are saturated for most stimuli.
Learning compares phases of the same circuit, with both signs of β, so that what is left of the relaxation cancels in
the mean.

{distances}

## How the settings were chosen

By 10,000 of the training stimuli that were set apart, never by test accuracy. The seed is 10, or the seeds are 10, 11
and 12. Rates are those of the first layer's W_ff; all rates fall linearly to a fiftieth. With plain steps
(eqs 26, 27) the others are in proportion to the first; with Adam W_fb has a fifth of it.

{search}

Plain steps need rates that suit the minibatch. Large minibatches cost more accuracy than they save time; rates that
make up for it lose classes; and so did the rates of 20 stimuli with minibatches of 10, where nine classes were lost.
Adam's steps do not grow with the minibatch. After two epochs with minibatches of 50 FashionMNIST is recognised as well
as after five with plain steps, and MNIST less well by .2 %, in about half of the time. The settings are those of the
highest mean of three seeds in two epochs: .003 for MNIST and .002 for FashionMNIST.

What a minibatch cannot do without are [its products](../benchmarks/results/products.md).
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
        ratios="\n".join(ratio(courses, presets) for presets in PRESETS.values()),
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
