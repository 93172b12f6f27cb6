"""What a training step costs: the simulator against a hand-written NumPy loop, and where the time goes.

    python benchmarks/training_step.py [--quick]

The training step is one minibatch of the published MNIST circuit, 784-500-10, 20 stimuli, 30 free and 10 nudged
steps, and plasticity; SST cells are a population of their own. Stimuli are random: uniform x, one-hot y. They cost
what real ones cost, for nothing in the step depends on their values, and need no download. The baseline is
`baseline.NumpyLoop`.

Written are ``training_step.md``, ``training_step.csv``, ``width.png`` and ``batch.png``.
"""

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import report
import typer
from baseline import Settings
from deviation import deviations
from measure import Case, agreement, compare, memory, profile, start_of_run
from threadpoolctl import threadpool_limits

RESULTS = Path(__file__).parent / "results"
WIDTHS, BATCHES = (50, 125, 250, 500, 1000, 2000), (1, 5, 10, 20, 50, 100, 200)
CASES = [
    Case(),
    Case(sst_every=2),
    Case(sst_every=5),
    Case(sst_every=10),
    Case(threads=2),
    Case(threads=2, sst_every=5),
    Case(dtype="float64"),
    Case(dtype="float64", threads=2),
]


@dataclass(frozen=True)
class Effort:
    """How much is measured: blocks of minibatches for the training step and for the sweeps, minibatches to profile."""

    blocks: int = 41
    sweep_blocks: int = 11
    minibatches: int = 5
    profiled: int = 100
    widths: tuple[int, ...] = WIDTHS
    batches: tuple[int, ...] = BATCHES
    epochs: int = 3


QUICK = Effort(
    blocks=15, sweep_blocks=3, profiled=60, widths=(50, 125, 250, 500, 1000), batches=(1, 5, 20, 50), epochs=1
)


def main(
    quick: Annotated[bool, typer.Option("--quick", help="A minute's look: few repetitions, few widths.")] = False,
    out: Annotated[Path, typer.Option(help="Folder for report, table and plots.")] = RESULTS,
):
    """Measure the training step and write the report."""
    effort, settings, case = (QUICK if quick else Effort()), Settings(), Case()
    out.mkdir(parents=True, exist_ok=True)

    peaks = memory(case, settings)  # first: see there
    difference = agreement()
    say(f"simulator and baseline agree: largest difference of any weight {difference:.1e}")
    say("training step …")
    steps = [compare(each, settings, effort.blocks, effort.minibatches) for each in CASES]
    say("where the time goes …")
    profiles = {n: profile(replace(case, sst_every=n), settings, effort.profiled) for n in (1, 5)}
    with threadpool_limits(1):
        run_ms = start_of_run(case, settings)
        say("deviation caused by sst_every …")
        rows = deviations(settings, gains(settings), epochs=effort.epochs)
    say("cost against width and batch …")
    by_width = sweep([replace(case, architecture=(784, width, 10)) for width in effort.widths], settings, effort)
    by_batch = sweep([replace(case, batch=batch) for batch in effort.batches], settings, effort)
    by_width = [{"width": int(row["architecture"].split("-")[1]), **row} for row in by_width]

    report.plot_sweep(by_width, "width", "hidden units (batch 20)", out / "width.png")
    report.plot_sweep(by_batch, "batch", "stimuli in a minibatch (500 hidden units)", out / "batch.png")
    report.write_csv(steps + by_batch + [{k: v for k, v in row.items() if k != "width"} for row in by_width], out / CSV)
    text = TEXT.format(
        command=" ".join(["python", "benchmarks/training_step.py", *sys.argv[1:]]),
        environment=report.environment(),
        targets=targets(steps, rows),
        difference=f"{difference:.1e}",
        minibatches=effort.minibatches,
        blocks=effort.blocks,
        steps=report.timing_table(steps),
        bare=f"{steps[0]['bare_gflops']:.0f}",
        square=f"{steps[0]['square_gflops']:.0f}",
        profile=report.profile_table(profiles),
        run_ms=f"{run_ms:.0f}",
        epochs=effort.epochs,
        deviations=report.deviation_table(rows),
        memory=report.table(["process", "peak / MB"], [[PROCESSES[what], f"{mb:.0f}"] for what, mb in peaks.items()]),
        widths=report.sweep_table(by_width, "width"),
        batches=report.sweep_table(by_batch, "batch"),
    )
    (out / "training_step.md").write_text(text)
    typer.echo(text)


def say(message: str):
    """Tell how far the benchmark is."""
    typer.echo(message, err=True)


def gains(settings: Settings) -> dict[str, float]:
    """Entropy gains of the deviation table: as published, and up to the weight that eq 6 implies."""
    implied = 1 / (1 - settings.forgetting)
    return {"1": 1.0, "0.1/(1-λ)": 0.1 * implied, "1/(1-λ)": implied}


def sweep(cases: list[Case], settings: Settings, effort: Effort) -> list[dict]:
    """Time each case, exact and with ``sst_every = 5``."""
    return [
        compare(replace(case, sst_every=n), settings, effort.sweep_blocks, effort.minibatches)
        for case in cases
        for n in (1, 5)
    ]


def targets(steps: list[dict], rows: list[dict]) -> str:
    """The two targets, and whether they are met."""
    found = {(row["dtype"], row["threads"], row["sst_every"]): row["ratio"] for row in steps}
    exact, multirate = found["float32", 1, 1], found["float32", 1, 5]
    published = next(row for row in rows if row["entropy_gain"] == "1" and row["sst_every"] == 5)
    deviation = max(published["free_max"], published["nudge_max"])
    return "\n".join(
        [
            f"- exact, at most 1.25 × the NumPy loop: {exact:.2f} ×, {verdict(exact <= 1.25)}.",
            f"- `sst_every = 5`, faster than that loop: {multirate:.2f} ×, {verdict(multirate < 1)}; rates deviate by "
            f"at most {deviation:.0e} as published.",
        ]
    )


def verdict(met: bool) -> str:
    """One word for a target."""
    return "met" if met else "**not met**"


CSV = "training_step.csv"
PROCESSES = {
    "imports": "imports alone",
    "baseline": "NumPy loop, 5 minibatches",
    "simulator": "simulator, 5 minibatches",
}
TEXT = """# The training step

    {command}

{environment}

One minibatch of 784-500-10: 20 stimuli, 30 free and 10 nudged steps, plasticity; SST cells are a population of their
own. Stimuli are random, x uniform and y one-hot. The baseline is the same step as a plain NumPy loop
(`benchmarks/baseline.py`): preallocated products, the lateral matrix folded, the same plasticity by BLAS accumulation.
In float64 all weights agree after 5 minibatches; the largest difference is {difference}. Both run in one process with
the same number of BLAS threads, in turns: {minibatches} minibatches each, {blocks} times.

## Targets

float32, one BLAS thread.

{targets}

## Time per minibatch

Medians, quartiles in brackets; the ratio's are over pairs of neighbouring blocks. The last columns are rates of
floating-point operations, those of the matrix products only, as fractions of a bare product's rate: of the lateral
projection's shape, (20, 500) @ (500, 500), {bare} GFLOP/s in the first row, and of 1024 × 1024 matrices, {square}
GFLOP/s.

{steps}

## Where the time goes

By Brian2's profiling, float32, one BLAS thread. *Next presentation* is reset, checks of stimulus and weights, W_ff x
and the initial drives; *integration* is Brian2's compiled Euler step. Besides, each run costs {run_ms} ms to begin and
end: once an epoch, as an epoch is one run.

{profile}

## What `sst_every` changes

scikit-learn's digits, 64-500-10, float64, epochs of training: {epochs}. The SST input is updated on every n-th
step of a phase and held between. Δr is the difference to `sst_every = 1`, all else equal, over all cells of both layers
and the 360 test stimuli at the phases' ends; accuracy is that of a circuit trained with this `sst_every`, too. As
published the lateral current is small; an `entropy_gain` of 1/(1-λ) gives it the weight that eq 6 implies.

{deviations}

## Memory

Peak resident memory of a fresh process, float32.

{memory}

## Cost against width and batch

float32, one BLAS thread; bands are quartiles.

![Training step against hidden units](width.png)

{widths}

![Training step against batch](batch.png)

{batches}
"""

if __name__ == "__main__":
    typer.run(main)
