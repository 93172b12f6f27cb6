"""The training step of this revision against that of another one, in alternation on the same machine.

    git worktree add ../other/corinfomax REVISION
    python benchmarks/against.py ../other

The folder is the one above the other checkout, which has to be called corinfomax. Each revision runs in a process of
its own, in one long run, and they take turns: a block of minibatches here, a block there. Told are the medians and the
quartiles of the ratio, block by block, for the cases of `training_step.py` that matter most.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from tabulate import tabulate

HERE = Path(__file__).resolve().parents[1]
CASES = {
    "MNIST's circuit, float32": "CorInfoMax([784, 500, 10]), np.float32",
    "the same, sst_every = 5": "CorInfoMax([784, 500, 10], sst_every=5), np.float32",
    "the same, float64": "CorInfoMax([784, 500, 10]), np.float64",
    "the same, authors' convention": 'CorInfoMax([784, 500, 10], convention="authors"), np.float32',
    "digits' circuit, float32": "CorInfoMax([64, 128, 10]), np.float32",
    "sparse digits": 'CorInfoMax([64, 128, 10], domain="B_1_plus"), np.float32',
}
#: What either process does: it trains a block of minibatches for each line that it is sent, and answers milliseconds.
WORKER = """
import sys, time
import numpy as np
from corinfomax import CorInfoMax, Preparation, Stimulus
circuit, dtype = {case}
preparation = Preparation(circuit, replicas=20, dtype=dtype)
rng = np.random.default_rng(0)
sizes = circuit.architecture
stimuli = [
    Stimulus(rng.random((20, sizes[0])), np.eye(sizes[-1])[rng.integers(sizes[-1], size=20)], 1.0, learn=True)
    for _ in range({minibatches})
]
def stream():
    for line in sys.stdin:
        start = time.perf_counter()
        yield from stimuli
        print(1e3 * (time.perf_counter() - start) / len(stimuli), flush=True)
preparation.run(stream())
"""


def main(
    other: Annotated[Path, typer.Argument(help="Folder above the other checkout, which is called corinfomax.")],
    blocks: Annotated[int, typer.Option(help="Blocks of minibatches.")] = 31,
    minibatches: Annotated[int, typer.Option(help="Minibatches of a block.")] = 5,
):
    """Measure both revisions and print a table."""
    if not (other / "corinfomax" / "pyproject.toml").exists():
        raise typer.BadParameter(f"{other}: holds no checkout called corinfomax")
    rows = []
    for name, case in CASES.items():
        workers = [worker(folder, case, minibatches) for folder in (linked(HERE), other.resolve())]
        times = np.array([[block(each) for each in workers] for _ in range(blocks + 2)])[2:]
        for each in workers:
            each.stdin.close()
            each.wait()
        here, there = np.median(times, axis=0)
        low, middle, high = np.quantile(times[:, 0] / times[:, 1], (0.25, 0.5, 0.75))
        rows.append([name, f"{here:.2f}", f"{there:.2f}", f"{middle:.2f} ({low:.2f} to {high:.2f})"])
        print(f"{name}: {middle:.2f} × the other revision", flush=True)
    print(tabulate(rows, ("training step", "here, ms", "there, ms", "ratio (quartiles)"), tablefmt="github"))


def linked(root: Path) -> Path:
    """Give a folder in which this checkout is called corinfomax, whatever its own name."""
    folder = Path(os.environ.get("TMPDIR", "/tmp")) / f"corinfomax-here-{os.getpid()}"
    folder.mkdir(exist_ok=True)
    link = folder / "corinfomax"
    if not link.exists():
        link.symlink_to(root)
    return folder


def worker(folder: Path, case: str, minibatches: int) -> subprocess.Popen:
    """Start a process that trains a circuit of the revision in a folder."""
    code = WORKER.format(case=case, minibatches=minibatches)
    environment = {**os.environ, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )


def block(process: subprocess.Popen) -> float:
    """Milliseconds a minibatch of one block."""
    process.stdin.write("go\n")
    process.stdin.flush()
    return float(process.stdout.readline())


if __name__ == "__main__":
    typer.run(main)
