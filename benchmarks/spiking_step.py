"""What a spiking training step costs: beside a plain NumPy loop, and beside the same step with rates.

    python benchmarks/spiking_step.py [--quick]

The step is a minibatch of `mnist_spiking`, shortened: 784-500-10, 20 stimuli, 60 + 100 steps and plasticity. Stimuli
are grey levels drawn as sparsely as MNIST's. All three learn by turns, in one process, with one BLAS thread. Written
are ``spiking_step.md`` and ``spiking_step.csv``.
"""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
import report
import typer
from spiking_loop import Spiking, SpikingLoop
from threadpoolctl import threadpool_limits

from corinfomax.protocols.clockwork import Preparation
from corinfomax.protocols.runs import Configuration
from corinfomax.stimuli import Stimulus

RESULTS = Path(__file__).parent / "results"
BATCH, TARGET = 20, 1.5
LEVELS = np.arange(256) / 255
#: Of MNIST's pixels, 19 % are other than 0, and these are .68 on average.
ACTIVE = 0.19


def prepared(dtype: str, **settings) -> Preparation:
    """The preset's circuit on the clock, with learning rates that stay as they are."""
    length = {"settle_steps": 60, "cycle_steps": 100, "sst_every": 160}
    settings = {"learning_rate_decay": 1.0, "dtype": dtype, **length, **settings}
    configuration = Configuration.read("mnist_spiking", settings)
    return Preparation(
        configuration.build_circuit(), BATCH, protocol=configuration.build_protocol(), dtype=dtype, blas_threads=1
    )


def minibatches(dtype: str) -> Iterator[Stimulus]:
    """Minibatches without end: sparse grey levels and one-hot targets, a pool of 16 over and over."""
    rng, pool = np.random.default_rng(0), []
    for _ in range(16):
        levels = rng.beta(1.3, 0.6, (BATCH, 784)) * (rng.random((BATCH, 784)) < ACTIVE)
        x = LEVELS.astype(dtype)[np.rint(255 * levels).astype(int)]
        y = np.eye(10, dtype=dtype)[rng.integers(10, size=BATCH)]
        pool.append(Stimulus(x, y, 2.0 * rng.choice((1, -1)), learn=True))
    while True:
        yield from pool


def agreement(number: int = 3) -> float:
    """Largest difference of any weight between simulator and loop after some minibatches in float64."""
    simulator, stimuli = prepared("float64"), minibatches("float64")
    loop = SpikingLoop(simulator.circuit.weights, BATCH, LEVELS, Spiking())
    for _ in range(number):
        stimulus = next(stimuli)
        simulator.run([stimulus], progress=False)
        loop.train(stimulus.x, stimulus.y, stimulus.beta)
    weights = simulator.circuit.weights
    return max(float(np.abs(W - weights[key][k]).max()) for key, by in loop.weights.items() for k, W in by.items())


def compare(blocks: int, minibatches_each: int) -> dict:
    """Milliseconds a minibatch of each, medians over blocks, and ratios over neighbouring blocks."""
    spikes, rates = prepared("float32"), prepared("float32", signal="rates")
    loop = SpikingLoop(spikes.circuit.weights, BATCH, LEVELS, Spiking())
    stimuli = minibatches("float32")

    def by_hand(chosen):
        for stimulus in chosen:
            loop.train(stimulus.x, stimulus.y, stimulus.beta)

    learners = {
        "simulator": lambda chosen: spikes.run(chosen, progress=False),
        "loop": by_hand,
        "rates": lambda chosen: rates.run(chosen, progress=False),
    }
    times: dict[str, list[float]] = {name: [] for name in learners}
    for block in range(blocks + 1):
        chosen = [next(stimuli) for _ in range(minibatches_each)]
        for name, learn in learners.items():
            began = time.perf_counter()
            learn(chosen)
            if block:  # the first compiles
                times[name].append(1e3 * (time.perf_counter() - began) / minibatches_each)
    row: dict = {"blocks": blocks}
    for name, values in times.items():
        row[f"{name}_ms"] = float(np.median(values))
    for name in ("loop", "rates"):
        quartiles = np.percentile(np.divide(times["simulator"], times[name]), [25, 50, 75])
        row |= dict(zip((f"over_{name}_q1", f"over_{name}", f"over_{name}_q3"), map(float, quartiles), strict=True))
    return row


def main(
    quick: Annotated[bool, typer.Option("--quick", help="Few repetitions.")] = False,
    out: Annotated[Path, typer.Option(help="Folder for report and table.")] = RESULTS,
):
    """Measure and write the report."""
    with threadpool_limits(1):
        difference = agreement()
        assert difference < 1e-9, f"loop and simulator differ by {difference:.1e}"
        row = compare(5 if quick else 21, 5)
    rows = [
        ["simulator, spikes", f"{row['simulator_ms']:.1f}", ""],
        ["NumPy loop, spikes", f"{row['loop_ms']:.1f}", ratio(row, "loop")],
        ["simulator, rates", f"{row['rates_ms']:.1f}", ratio(row, "rates")],
    ]
    text = TEXT.format(
        command=report.command(),
        environment=report.environment(),
        difference=f"{difference:.1e}",
        blocks=row["blocks"],
        load=f"{os.getloadavg()[0]:.1f}",
        target=TARGET,
        verdict=f"It is {row['over_loop']:.2f}" + (": met." if row["over_loop"] <= TARGET else ": **not met.**"),
        table=report.table(["what", "ms a minibatch", "simulator's over it"], rows),
    )
    typer.echo(text)
    out.mkdir(parents=True, exist_ok=True)
    report.write_csv([row], out / "spiking_step.csv")
    (out / "spiking_step.md").write_text(text)


def ratio(row: dict, name: str) -> str:
    """Median and quartiles."""
    return f"{row[f'over_{name}']:.2f} [{row[f'over_{name}_q1']:.2f}, {row[f'over_{name}_q3']:.2f}]"


TEXT = """# What a spiking training step costs

    {command}

{environment}

A minibatch of `mnist_spiking`, shortened: 784-500-10, 20 stimuli of sparse grey levels, 60 + 100 steps and
plasticity, float32, one BLAS thread. The plain loop (`benchmarks/spiking_loop.py`) has the trains of input cells in a
table by grey level and one sparse product a presentation. The simulator has such a table, too, which its own cells
have made, and one product for up to 26 steps; where a hook looks on, it delivers spikes step by step. Weights of the
two differ by {difference} after three minibatches in float64. All learn by turns from the same minibatches, {blocks}
blocks of five; ratios are medians over blocks, quartiles in brackets. The machine's load was {load}: beyond its
processors others compute beside, and only ratios tell something.

The target for the ratio to the loop is at most {target}. {verdict}

{table}

With rates the input is constant, and one product serves a presentation.
"""

if __name__ == "__main__":
    typer.run(main)
