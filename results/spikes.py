"""Write ``spikes.md``: what circuits of spiking cells learn, what they recognise with learnt weights, and why not more.

    python results/run.py --experiments results/spikes.toml [--jobs 2]
    python results/spikes.py --measure [--seeds 0,1,2]
    python results/spikes.py --search [--data FOLDER]
    python results/spikes.py

The first trains the recipes. The second measures what is missing in ``spikes_inference.csv`` and
``spikes_directions.csv``, the third compares settings of MNIST in ``spikes_mnist.csv``; both write line by line, and
may be interrupted. The last writes the page from what is there.
"""

import copy
import itertools
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import brian2 as b2
import numpy as np
import pandas as pd
import typer
from evidence import Evidence, Sample, short
from experiments import HERE, KEPT, WORKING, read_experiments
from tables import NOT_RUN, NOTHING, markdown, spread

import corinfomax
from corinfomax.analysis.files import replacing
from corinfomax.networks.spikes import send_spikes
from corinfomax.protocols.clockwork import Phase, Preparation, Protocol
from corinfomax.protocols.runs import Configuration
from corinfomax.stimuli import Stimulus, load_stimuli

#: Cells that recognise with weights which rates have learnt: generator, cells of a unit, τ_s in ms.
READERS = (
    ("coding", 1, 20.0),
    ("integrate_and_fire", 1, 5.0),
    ("poisson", 1, 20.0),
    ("poisson", 10, 20.0),
)
MILLISECONDS = (50, 100)
_UNHELD = {"tau_ref": 0.0, "tau_s": 5.0}
#: As trained with Poisson cells: in steps of 1 ms.
_LONG = {"beta": 4.0, "method": "exponential_euler", "step": 0.1, "free_steps": 100, "nudge_steps": 100}
_LONG |= {"spikes_read": 80, "sst_every": 100}
#: What learns in a direction that is compared with that of rates: preset and settings.
LEARNERS = {
    "A, coding cells": ("digits_spiking_phase_free", {}),
    "B, coding cells": ("digits_spiking", {}),
    "B, integrate-and-fire cells, τ_s 5 ms": ("digits_spiking", {**_UNHELD, "spike_generator": "integrate_and_fire"}),
    **{
        f"B, Poisson, τ_s {tau_s:g} ms, {m} a unit": (
            "digits_spiking",
            {**_UNHELD, "spike_generator": "poisson", "tau_s": tau_s, "cells_per_unit": m},
        )
        for tau_s in (40.0, 5.0)
        for m in (1, 10)
    },
    **{
        f"B, Poisson, τ_s 5 ms, 10 a unit, phases of 100 ms, β = ±4{title}": (
            "digits_spiking",
            {**_UNHELD, **_LONG, "spike_generator": "poisson", "cells_per_unit": 10, **rule},
        )
        for title, rule in (("", {}), (", soma's rule", {"forward_rule": "soma"}))
    },
}
#: Settling and a cycle of the teacher, 30 + 50 ms.
SHORT = {"settle_steps": 60, "cycle_steps": 100, "sst_every": 160}
#: One epoch of 10,000 of MNIST's training stimuli: what is changed of `mnist_spiking`.
MNIST = {
    "A: 30 + 50 ms, 400 Hz, τ_s 20 ms": SHORT,
    "A, half the rates": {**SHORT, "learning_rate_ff": [0.5, 0.35], "learning_rate_fb": 0.15},
    "A, one and a half times the rates": {**SHORT, "learning_rate_ff": [1.5, 1.05], "learning_rate_fb": 0.45},
    "A: 50 + 100 ms": {},
    "A, β = ±4": {**SHORT, "beta": 4.0},
    "A, 800 Hz, τ_s 10 ms": {**SHORT, "r_max": 800.0, "tau_s": 10.0},
    "A, 800 Hz, τ_s 20 ms": {**SHORT, "r_max": 800.0},
    "A, last gain .15": {**SHORT, "initial_gain_ff": [1.0, 0.15]},
}
#: Stimuli of MNIST's training part that are learnt, and that are recognised, which are its last.
LEARNT, HELD_OUT = 10_000, 2000
WEIGHTS = (("W_ff", 0), ("W_ff", 1), ("W_fb", 1))
#: Minibatches over which directions are compared, and pairs of presentations of each, at ±β.
MINIBATCHES, PAIRS = 10, 2


def rates(seed: int, epochs: int):
    """Train, if it is not there, a circuit with rates."""
    folder = WORKING / f"spikes_rates_{epochs}_{seed}"
    source = None if folder.exists() else "digits"
    settings = {} if folder.exists() else {"seed": seed, "epochs": epochs}
    return corinfomax.train(source, out=folder, resume=folder.exists(), progress=False, **settings)


def inference(seeds: list[int]) -> Iterator[tuple[dict, Callable[[], dict]]]:
    """Each recognition by spikes, with weights that rates have learnt: what it is, and how it is measured."""
    for seed, (generator, cells, tau_s), ms in itertools.product(seeds, READERS, MILLISECONDS):
        yield (
            {"generator": generator, "cells": cells, "tau_s": tau_s, "ms": ms, "seed": seed},
            lambda *found: recognised(*found),
        )


def recognised(generator: str, cells: int, tau_s: float, ms: int, seed: int) -> dict:
    """Test accuracy by spike count, and that of the rates."""
    run = rates(seed, 50)
    circuit, stimuli = copy.deepcopy(run.circuit), run.stimuli
    send_spikes(circuit, generator, tau_s=tau_s * b2.ms, tau_ref=0 * b2.ms, cells=cells)
    protocol = Protocol([Phase("free", round(ms / 0.5))], step=0.05)
    preparation = Preparation(circuit, 90, protocol=protocol, dtype="float32")
    b2.seed(seed)
    found = preparation.predict(stimuli.x_test).argmax(axis=1) == stimuli.labels_test
    return {"accuracy": 100 * found.mean(), "rates": 100 * run.history["test_accuracy"].iloc[-1]}


def directions(seeds: list[int]) -> Iterator[tuple[dict, Callable[[], dict]]]:
    """Each direction that spikes learn in: what it is, and how it is measured."""
    for seed, learner in itertools.product(seeds, LEARNERS):
        yield {"learner": learner, "seed": seed}, lambda *found: compared(*found)


def compared(learner: str, seed: int) -> dict:
    """Cosine of a minibatch's ΔW with that of rates, and signal-to-noise ratio of the former.

    Both at the weights after one epoch of learning by rates. What is left of the free phase's relaxation has the sign
    of β, and cancels in the mean D of two presentations at ±β. Of D_i and D_j of one minibatch, signal² is the mean of
    ⟨D_i, D_j⟩, and noise² the mean of ‖D_i‖² less that.
    """
    run = rates(seed, 1)
    rng = np.random.default_rng(seed)
    chosen = [rng.choice(len(run.stimuli.x_train), 20, replace=False) for _ in range(MINIBATCHES)]
    preset, settings = LEARNERS[learner]
    theory = changes("digits", {}, run, chosen, 1)
    found = changes(preset, settings, run, chosen, PAIRS)
    row = {}
    for place in WEIGHTS:
        one, each = theory[place], found[place]  # (minibatches, pairs, signs, synapses)
        lengths = np.linalg.norm(each, axis=-1) * np.linalg.norm(one, axis=-1)
        cosine = np.mean(np.sum(one * each, axis=-1) / lengths)
        D = each.mean(axis=2)
        signal = np.mean(np.sum(D[:, 0] * D[:, 1], axis=-1))
        noise = np.mean(np.sum(D**2, axis=-1)) - signal
        name = "{}_{}".format(*place)
        certain = noise < 1e-9 * abs(signal)
        row |= {f"cosine_{name}": cosine, f"snr_{name}": np.nan if certain else np.sqrt(max(signal, 0.0) / noise)}
    return row


def changes(preset: str, settings: dict, run, chosen: list[np.ndarray], pairs: int) -> dict:
    """ΔW of each minibatch, pair of presentations and sign of β, at the weights of a run, which do not move."""
    still = {"learning_rate_ff": 0.0, "learning_rate_fb": 0.0, "dtype": "float64"}
    configuration = Configuration.read(preset, {**settings, **still})
    circuit, protocol = configuration.build_circuit(), configuration.build_protocol()
    for key in ("W_ff", "W_fb", "B"):
        for k, W in run.circuit.weights[key].items():
            circuit.weights[key][k][...] = W
    circuit.refresh()
    preparation = Preparation(circuit, 20, protocol=protocol, dtype="float64")
    kept: dict = {place: [] for place in WEIGHTS}
    preparation.on_presentation.append(
        lambda moment, ends: [kept[place].append(circuit.changes[place].dense().copy()) for place in WEIGHTS]
    )
    x, y = run.stimuli.x_train, run.stimuli.y_train
    preparation.run(
        Stimulus(x[rows], y[rows], sign * protocol.beta, learn=True, seed=1000 * n + again)
        for n, rows in enumerate(chosen)
        for again, sign in enumerate((1, -1) * pairs)
    )
    return {place: np.reshape(found, (len(chosen), pairs, 2, -1)) for place, found in kept.items()}


def searches(data: Path | None) -> Iterator[tuple[dict, Callable[[], dict]]]:
    """Each setting of MNIST: what it is, and how it is measured."""
    for setting in MNIST:
        yield {"setting": setting, "seed": 20}, lambda *found: searched(*found, data)


def searched(setting: str, seed: int, data: Path | None) -> dict:
    """Accuracy for training stimuli that were held out, classes that were missed, and spikes of a hidden cell."""
    mnist = load_stimuli("mnist", data=data)
    rows = {"train": slice(LEARNT), "test": slice(-HELD_OUT, None)}
    parts = {
        f"{kind}_{part}": getattr(mnist, f"{kind}_train")[chosen]
        for kind in ("x", "y", "labels")
        for part, chosen in rows.items()
    }
    stimuli = replace(mnist, name="mnist_10000", **parts)
    settings = {"learning_rate_decay": {"linear": LEARNT // 20}, **MNIST[setting], "seed": seed, "epochs": 1}
    with tempfile.TemporaryDirectory() as folder:
        run = corinfomax.train("mnist_spiking", out=Path(folder) / "run", stimuli=stimuli, progress=False, **settings)
        last = run.history.iloc[-1]
        count = Preparation(run.circuit, 100, protocol=run.protocol).settle(stimuli.x_test[:100], ("spike_count",))
    found = {"accuracy": 100 * last["test_accuracy"], "missed": int(last["unlearnt"])}
    return {**found, "spikes": float(count.spike_count[1].mean()), "seconds": round(last["seconds"])}


def measured(path: Path, planned: Iterable[tuple[dict, Callable]]) -> pd.DataFrame:
    """Rows of a table, those that are missing measured now and written one by one."""
    rows = pd.read_csv(path).to_dict("records") if path.exists() else []
    for place, measure in planned:
        if any(place.items() <= row.items() for row in rows):
            continue
        rows.append({**place, **measure(*place.values())})
        typer.echo(rows[-1])
        with replacing(path) as file:
            file.write(pd.DataFrame(rows).to_csv(index=False).encode())
    return pd.DataFrame(rows)


def recipes(found: list[Evidence], column: str) -> str:
    """One row for each recipe: accuracy by seed after its last epoch, and classes that were lost."""
    rows = []
    for evidence in found:
        if not evidence.epochs:
            rows.append([evidence.experiment.title, NOT_RUN, *[""] * 4])
            continue
        epochs = evidence.epochs[0]
        sample = evidence.at(epochs, column)
        lost = [int(history["unlearnt"].iloc[1:].max()) for history in evidence.histories.values() if len(history) > 1]
        each = ", ".join(f"{value:.2f}" for value in sample.values.values())
        seeds = ", ".join(map(str, sample.values))
        failed = "; ".join(f"seed {seed}: {why}" for seed, why in evidence.failures.items())
        rows.append([evidence.experiment.title, str(epochs), seeds, each, spread(sample), str(sum(map(bool, lost)))])
        rows[-1][-1] += f" ({failed})" if failed else ""
    return markdown(["recipe", "epochs", "seeds", "accuracy (%)", "mean", "seeds that lost a class"], rows)


def by(table: pd.DataFrame, keys: list[str], columns: dict[str, str], digits: int) -> str:
    """Mean ± deviation over seeds of columns, by keys."""
    if table.empty:
        return NOT_RUN
    rows = []
    for place, group in table.groupby(keys, sort=False):
        samples = [Sample(dict(zip(group["seed"], group[column], strict=True))) for column in columns]
        rows.append(
            [*map(str, place), *(NOTHING if np.isnan(sample.mean) else spread(sample, digits) for sample in samples)]
        )
    return markdown([*keys, *columns.values()], rows)


def main(
    seeds: Annotated[str, typer.Option(help="Seeds of weights that rates have learnt, as in 0,1,2.")] = "0,1,2",
    path: Annotated[Path, typer.Option("--experiments", help="List of experiments.")] = HERE / "spikes.toml",
    kept: Annotated[Path, typer.Option(help="Folder of what is kept of runs.")] = KEPT,
    data: Annotated[Path | None, typer.Option(help="Folder with MNIST.")] = None,
    measure: Annotated[bool, typer.Option("--measure", help="Measure recognition and directions.")] = False,
    search: Annotated[bool, typer.Option("--search", help="Compare settings of MNIST.")] = False,
):
    """Measure what is missing, if asked to, and write the page."""
    numbers = [int(seed) for seed in seeds.split(",")]
    recognition = measured(HERE / "spikes_inference.csv", inference(numbers) if measure else ())
    direction = measured(HERE / "spikes_directions.csv", directions(numbers) if measure else ())
    mnist = measured(HERE / "spikes_mnist.csv", searches(data) if search else ())
    found = [Evidence.read(each, kept) for each in read_experiments(path).alone.values()]
    groups = {
        "search": [each for each in found if each.experiment.name.startswith("search_digits")],
        "recipes": [each for each in found if each.experiment.name.startswith("digits")],
        "search of Poisson cells": [each for each in found if each.experiment.name.startswith("search_poisson")],
        "lateral": [each for each in found if each.experiment.name.startswith("lateral")],
        "MNIST": [each for each in found if each.experiment.name.startswith("mnist")],
    }
    revisions = dict.fromkeys(short(revision) for each in found for revision in each.revisions)
    text = (HERE / "spikes_notes.md").read_text(encoding="utf-8")
    for name, group in groups.items():
        column = "validation_accuracy" if "search" in name else "test_accuracy"
        text = text.replace(f"<!-- {name} -->", recipes(group, column))
    columns = {"accuracy": "by spikes (%)", "rates": "by rates (%)"}
    text = text.replace("<!-- inference -->", by(recognition, ["generator", "cells", "ms"], columns, 1))
    columns = {
        f"{what}_{key}_{k}": f"{title}, {key}^({k})"
        for what, title in (("cosine", "cosine"), ("snr", "S/N"))
        for key, k in WEIGHTS
    }
    text = text.replace("<!-- directions -->", by(direction, ["learner"], columns, 2))
    columns = {"accuracy": "accuracy (%)", "missed": "classes missed", "spikes": "spikes of a hidden cell"}
    text = text.replace("<!-- MNIST search -->", by(mnist, ["setting"], columns, 1))
    with replacing(HERE / "spikes.md") as file:
        file.write(text.replace("<!-- revisions -->", ", ".join(revisions)).encode())


if __name__ == "__main__":
    typer.run(main)
