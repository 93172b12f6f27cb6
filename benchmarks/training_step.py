"""What a training step costs: the simulator against a hand-written NumPy loop, and where the time goes.

    python benchmarks/training_step.py [--quick]

The training step is one minibatch of the published MNIST circuit, 784-500-10, 20 stimuli, 30 free and 10 nudged
steps, and plasticity; SST cells are a population of their own. Stimuli are random: uniform x, one-hot y. They cost
what real ones cost, for nothing in the step depends on their values, and need no download. The baseline is
`baseline.NumpyLoop`.

Written are ``training_step.md``, ``training_step.csv``, ``width.png`` and ``batch.png``.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import report
import typer
from baseline import Settings
from deviation import deviations, intervals
from measure import Case, Footprint, agreement, compare, footprint, memory, start_of_run
from overhead import Overhead, operations, overhead, starts
from threadpoolctl import threadpool_limits

RESULTS = Path(__file__).parent / "results"
DIGITS = (64, 128, 10)
WIDTHS, BATCHES = (50, 125, 250, 500, 1000, 2000, 4000), (1, 5, 10, 20, 50, 100, 200, 500, 1000)
#: Circuits whose memory is measured: the largest width, and the largest minibatch.
LARGE = ({"architecture": (784, 1000, 10)}, {"architecture": (784, 4000, 10)}, {"batch": 1000})
CASES = [
    Case(),
    Case(sst_every=None),
    Case(dtype="float64"),
    Case(dtype="float64", sst_every=None),
    Case(threads=2),
    Case(threads=2, sst_every=None),
    Case(DIGITS),
    Case(DIGITS, sst_every=None),
]


@dataclass(frozen=True)
class Effort:
    """How much is measured: blocks of minibatches for the training step and for the sweeps, turns of the overhead."""

    blocks: int = 41
    sweep_blocks: int = 5
    minibatches: int = 5
    turns: int = 9
    widths: tuple[int, ...] = WIDTHS
    batches: tuple[int, ...] = BATCHES
    epochs: int = 3
    large: tuple[dict, ...] = LARGE


QUICK = Effort(blocks=15, sweep_blocks=3, turns=3, widths=(50, 125, 250, 500, 1000), batches=(1, 5, 20, 50), epochs=1,
    large=LARGE[:1],
)  # fmt: skip


def main(
    quick: Annotated[bool, typer.Option("--quick", help="A minute's look: few repetitions, few widths.")] = False,
    out: Annotated[Path, typer.Option(help="Folder for report, table and plots.")] = RESULTS,
):
    """Measure the training step and write the report."""
    effort, settings, case = (QUICK if quick else Effort()), Settings(), Case()
    out.mkdir(parents=True, exist_ok=True)

    peaks = memory(case, settings)  # first: see there
    footprints = [footprint(replace(case, **each), settings) for each in effort.large]
    difference = agreement()
    say(f"simulator and baseline agree: largest difference of any weight {difference:.1e}")
    say("training step …")
    steps = [compare(each, settings, effort.blocks, effort.minibatches) for each in CASES]
    say("where the time goes …")
    small = replace(case, architecture=DIGITS)
    names = {"-".join(map(str, each.architecture)): each for each in (case, small)}
    overheads = {name: overhead(each, settings, effort.turns) for name, each in names.items()}
    single = {name: operations(each, settings) for name, each in names.items()}
    methods = by_method(replace(case, sst_every=None), settings, effort)
    with threadpool_limits(1):
        run_ms = start_of_run(case, settings)
        say("deviation caused by sst_every …")
        rows = deviations(settings, gains(settings), epochs=effort.epochs)
        chosen = intervals(settings, gains(settings), epochs=effort.epochs)
    say("cost against width and batch …")
    by_width = sweep([replace(case, architecture=(784, width, 10)) for width in effort.widths], settings, effort)
    by_batch = sweep([replace(case, batch=batch) for batch in effort.batches], settings, effort)
    by_width = [{"width": int(row["architecture"].split("-")[1]), **row} for row in by_width]

    report.plot_sweep(by_width, "width", "hidden units (batch 20)", out / "width.png")
    report.plot_sweep(by_batch, "batch", "stimuli in a minibatch (500 hidden units)", out / "batch.png")
    report.write_csv(steps + by_batch + [{k: v for k, v in row.items() if k != "width"} for row in by_width], out / CSV)
    text = TEXT.format(
        command=report.command(),
        environment=report.environment(),
        targets=targets(steps, overheads, methods, footprints),
        difference=f"{difference:.1e}",
        minibatches=effort.minibatches,
        blocks=effort.blocks,
        steps=report.timing_table(steps),
        bare=f"{steps[0]['bare_gflops']:.0f}",
        square=f"{steps[0]['square_gflops']:.0f}",
        overheads=overhead_table(overheads),
        operations=report.operations_table(single),
        methods=f"{methods:.2f}",
        run_ms=f"{run_ms:.0f}",
        epochs=effort.epochs,
        deviations=report.deviation_table(rows),
        intervals=report.interval_table(chosen),
        memory=report.table(["process", "peak / MB"], [[PROCESSES[what], f"{mb:.0f}"] for what, mb in peaks.items()]),
        footprints=memory_table(footprints),
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
    """Time each case, exact and by default; one minibatch a block where one takes long."""
    return [
        compare(
            replace(case, sst_every=n),
            settings,
            effort.sweep_blocks,
            1 if case.architecture[1] * case.batch > 30_000 else effort.minibatches,
        )
        for case in cases
        for n in (1, None)
    ]


def by_method(case: Case, settings: Settings, effort: Effort) -> float:
    """Time of a minibatch by exponential Euler over that by Euler's method: the median over pairs of runs."""
    preparations = [case.simulator(replace(settings, method=name)) for name in ("euler", "exponential_euler")]
    source, ratios = case.minibatches(settings), []
    with threadpool_limits(case.threads):
        for _ in range(4 * effort.turns):
            stimuli = [next(source) for _ in range(12)]
            euler, exponential = (float(np.median(np.diff(starts(each, stimuli)))) for each in preparations)
            ratios.append(exponential / euler)
    return float(np.median(ratios))


def targets(steps: list[dict], overheads: dict[str, Overhead], methods: float, footprints: list[Footprint]) -> str:
    """Each target, and whether it is met."""
    ratio = {
        row["scheme"]: row["ratio"] for row in steps if (row["architecture"], row["dtype"], row["threads"]) == MNIST
    }
    lines = [
        ("exact over the NumPy loop", f"{ratio['exact']:.2f} ×", "1.10 ×", ratio["exact"] <= 1.10),
        ("default over the NumPy loop", f"{ratio['default']:.2f} ×", ".40 ×", ratio["default"] <= 0.40),
        ("exponential Euler over Euler", f"{methods:.2f} ×", "1.15 ×", methods <= 1.15),
    ]
    for name, (step, presentation) in LIMITS.items():
        found = overheads[name]
        rest = found.step - found.products
        lines.append((f"{name}, a step less its products", f"{rest:.1f} µs", f"{step} µs", rest <= step))
        lines.append(
            (
                f"{name}, a minibatch less its steps",
                f"{found.presentation:.2f} ms",
                f"{presentation} ms",
                found.presentation <= presentation,
            )
        )
    minibatch = overheads["64-128-10"].minibatch
    lines.append(("64-128-10, a minibatch, exact", f"{minibatch:.2f} ms", "1.2 ms", minibatch <= 1.2))
    for each in footprints:
        network = f"{'-'.join(map(str, each.case.architecture))}, minibatches of {each.case.batch}"
        lines.append((f"{network}, memory over what it needs", f"{each.ratio:.2f} ×", "1.5 ×", each.ratio <= 1.5))
    return "\n".join(f"- {what}: {found}, at most {limit}: {verdict(met)}." for what, found, limit, met in lines)


def memory_table(footprints: list[Footprint]) -> str:
    """What circuits need, and what they take at most."""
    rows = [
        ["-".join(map(str, each.case.architecture)), str(each.case.batch), f"{each.needed:.0f}", f"{each.peak:.0f}",
         f"{each.ratio:.2f}"]
        for each in footprints
    ]  # fmt: skip
    return report.table(["network", "batch", "needed / MB", "peak beyond one cell a layer / MB", "ratio"], rows)


def overhead_table(overheads: dict[str, Overhead]) -> str:
    """What of a minibatch is no product of a step."""
    rows = []
    for name, each in overheads.items():
        numbers = [f"{us:.1f}" for us in (each.step, each.products, each.step - each.products)]
        rows.append([name, *numbers, f"{each.presentation:.2f}"])
    return report.table(
        ["network", "a step / µs", "its products / µs", "the rest / µs", "minibatch less its steps / ms"], rows
    )


def verdict(met: bool) -> str:
    """One word for a target."""
    return "met" if met else "**not met**"


CSV = "training_step.csv"
MNIST = ("784-500-10", "float32", 1)
#: Microseconds of a step less its products, and milliseconds of a minibatch less its steps, on a core with AVX-512.
LIMITS = {"64-128-10": (10, 0.4), "784-500-10": (16, 0.9)}
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

float32, one BLAS thread. Limits in micro- and milliseconds were set for a core with AVX-512. OpenBLAS takes the
instructions of the processor, or those that `OPENBLAS_CORETYPE` names: `SKYLAKEX` has AVX-512, `Haswell` AVX2. Of one
core there are both reports: `benchmarks/results/training_step.md`, and `benchmarks/results/avx2/training_step.md`.

{targets}

## Time per minibatch

Medians, quartiles in brackets; the ratio's are over pairs of neighbouring blocks. The last columns are rates of
floating-point operations, those of the matrix products only, as fractions of a bare product's rate: of the lateral
projection's shape, (20, 500) @ (500, 500), {bare} GFLOP/s in the first row, and of 1024 × 1024 matrices, {square}
GFLOP/s.

{steps}

## Where the time goes

float32, one BLAS thread, exact. The time of a step is what a minibatch takes longer with 100 further steps; products
are bare ones of the same shapes. A minibatch less its steps is reset, checks, W_ff x, the initial drives, plasticity.

{overheads}

Each operation alone, over and over. Integration is Brian2's compiled Euler step; the same pass over the cells computes
r = σ(u) and the autapses.

{operations}

Exponential Euler takes {methods} × Euler's time for a minibatch, by default. Each run costs {run_ms} ms to begin and
end: once an epoch, as an epoch is one run.

## What `sst_every` changes

scikit-learn's digits, 64-500-10, float64, epochs of training: {epochs}. The SST input is updated on every n-th
step of a phase and held between. Δr is the difference to `sst_every = 1`, all else equal, over all cells of both layers
and the 360 test stimuli at the phases' ends; accuracy is that of a circuit trained with this `sst_every`, too. As
published the lateral current is small; an `entropy_gain` of 1/(1-λ) gives it the weight that eq 6 implies.

{deviations}

By default a calibration at the start of each epoch finds the interval. In float32, in both schedules:

{intervals}

## Memory

Peak resident memory of a fresh process, float32.

{memory}

What a circuit needs are its weights, its states and one minibatch. The peak is that of making it and of training 5
minibatches, less that of a circuit with one cell in each layer. Weights are drawn and multiplied in double precision,
and rounded before the next ones are made.

{footprints}

## Cost against width and batch

float32, one BLAS thread; bands are quartiles.

![Training step against hidden units](width.png)

{widths}

![Training step against batch](batch.png)

{batches}
"""

if __name__ == "__main__":
    typer.run(main)
