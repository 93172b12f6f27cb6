"""What recording at scale costs: the same circuit with a recorder and without, by turns, and a long run's memory.

    python benchmarks/recording.py [--quick] [--no-long]

The circuit is the published MNIST circuit, 784-500-10, float32, 30 free and 10 nudged steps, with random stimuli. The
long run is ten simulated minutes, 1.2 million steps, of which all compartments of all 500 hidden cells are recorded;
it needs 8 GB on the disk of the folder for temporary files, for some minutes.

Written is ``recording.md``.
"""

import multiprocessing
import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import report
import typer

from corinfomax import CorInfoMax, Preparation, Stimulus
from corinfomax.protocols.recording import Selection, StreamRecorder, WeightSelection

RESULTS = Path(__file__).parent / "results"
COMPARTMENTS = ("V_soma", "V_basal", "V_apical")
STEPS = 40
MINUTES = 10


@dataclass(frozen=True)
class Case:
    """One comparison.

    Parameters
    ----------
    name : str
    selections : tuple of Selection and WeightSelection
    replicas : int
        Stimuli at once.
    learn : bool
    """

    name: str
    selections: tuple
    replicas: int = 1
    learn: bool = False


CASES = [
    Case("three compartments of 500 cells", (Selection("layer_1", COMPARTMENTS),)),
    Case("three compartments of 500 cells", (Selection("layer_1", COMPARTMENTS),), replicas=20),
    Case("three compartments of 20 cells", (Selection("layer_1", COMPARTMENTS, cells=range(20)),), replicas=20),
    Case("the same, every 10th step", (Selection("layer_1", COMPARTMENTS, every=10),), replicas=20),
    Case("rates of 500 cells", (Selection("layer_1", "rate"),), replicas=20),
    Case("rates at the phases' ends, training", (Selection("layer_1", "rate", every=10),), replicas=20, learn=True),
    Case("W_ff[1] and ΔW, training", (WeightSelection(("W_ff", 1), changes=True),), replicas=20, learn=True),
]


def main(
    quick: Annotated[bool, typer.Option("--quick", help="Few repetitions.")] = False,
    long: Annotated[bool, typer.Option(help="Also record ten simulated minutes.")] = True,
    out: Annotated[Path, typer.Option(help="Folder for the report.")] = RESULTS,
    scratch: Annotated[Path | None, typer.Option(help="Folder for the recordings, removed afterwards.")] = None,
):
    """Measure what recording costs, and write the report."""
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        path = Path(folder) / "traces.h5"
        memory = ten_minutes(path) if long else "Not measured.\n"
        rows = []
        for case in CASES:
            typer.echo(f"{case.name}, {case.replicas} at once …", err=True)
            rows.append(compare(case, path, *((3, 400) if quick else (11, 2000))))
    text = TEXT.format(
        command="python benchmarks/recording.py" + " --quick" * quick + " --no-long" * (not long),
        environment=report.environment(),
        load="/".join(f"{load:.1f}" for load in os.getloadavg()),
        table=report.table(HEADER, rows),
        memory=memory,
    )
    (out / "recording.md").write_text(text)
    typer.echo(text)


def stimuli(preparation: Preparation, learn: bool) -> Iterator[Stimulus]:
    """Random minibatches without end, a pool of 16 over and over."""
    rng, sizes, n = np.random.default_rng(0), preparation.circuit.sizes, preparation.replicas
    x = rng.random((16, n, sizes[0]), dtype=np.float32)
    y = np.eye(sizes[-1], dtype=np.float32)[rng.integers(sizes[-1], size=(16, n))]
    while True:
        yield from (Stimulus(*pair, learn=learn) for pair in zip(x, y, strict=True))


def compare(case: Case, path: Path, blocks: int, steps: int) -> list[str]:
    """Present blocks of stimuli by turns without and with a recorder, in one run; return a row of the table."""
    preparation = Preparation(CorInfoMax([784, 500, 10]), case.replicas, dtype=np.float32)
    source, plain, recorded, ends, sizes = stimuli(preparation, case.learn), [], [], [], []

    def stream():
        for block in range(blocks + 1):
            start = time.perf_counter()
            yield from (next(source) for _ in range(steps // STEPS))
            middle = time.perf_counter()
            with StreamRecorder(preparation, path, case.selections):
                attached = time.perf_counter()
                yield from (next(source) for _ in range(steps // STEPS))
                recorder_ends = time.perf_counter()
            end = time.perf_counter()
            if block:  # the first warms up
                plain.append((middle - start) / steps)
                recorded.append((recorder_ends - attached) / steps)
                ends.append(end - recorder_ends + attached - middle)
                sizes.append(path.stat().st_size)

    preparation.run(stream())
    low, median, high = np.percentile(np.divide(recorded, plain), [25, 50, 75])
    return [
        case.name,
        f"{case.replicas}",
        f"{1e6 * np.median(plain):.0f}",
        f"{1e6 * np.median(recorded):.0f}",
        f"{median:.2f} [{low:.2f}, {high:.2f}]",
        f"{np.median(sizes) / steps / 1e3:.1f}",
        f"{1e3 * np.median(ends):.0f}",
    ]


def ten_minutes(path: Path) -> str:
    """Record ten simulated minutes in a process of its own; return what there is to say of it."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        before, peak, seconds, size, steps = pool.apply(_ten_minutes, (path,))
    return (
        f"{steps:,} steps of .5 ms, 500 cells, {', '.join(COMPARTMENTS)} at every step: peak resident memory "
        f"{peak:.0f} MB, of which {before:.0f} MB were there before the recorder was attached. The file has "
        f"{size / 1e9:.2f} GB. The run took {seconds:.0f} s, {1e6 * seconds / steps:.0f} µs a step.\n"
    )


def _ten_minutes(path: Path) -> tuple[float, float, float, int, int]:
    preparation = Preparation(CorInfoMax([784, 500, 10]), dtype=np.float32)
    source = stimuli(preparation, learn=False)
    steps = round(60 * MINUTES / 5e-4)
    preparation.run(next(source) for _ in range(10))
    before, start = _peak(), time.perf_counter()
    with StreamRecorder(preparation, path, Selection("layer_1", COMPARTMENTS)):
        preparation.run(next(source) for _ in range(steps // STEPS))
    return before, _peak(), time.perf_counter() - start, path.stat().st_size, steps


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


HEADER = [
    "recorded", "stimuli at once", "without, µs a step", "with", "ratio", "kB a step", "opening and closing, ms"
]  # fmt: skip
TEXT = """# Recording at scale

    {command}

{environment}; load averages {load}.

The circuit is 784-500-10 in float32, one BLAS thread, 30 free and 10 nudged steps. Blocks of presentations are run by
turns without and with a recorder, within one run; medians, quartiles of the ratio over pairs of neighbouring blocks in
brackets. Blocks are written by a thread, so that with a core to spare the disk's share of the time is hidden.

{table}

## Ten simulated minutes

{memory}"""

if __name__ == "__main__":
    typer.run(main)
