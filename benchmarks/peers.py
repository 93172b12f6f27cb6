"""The simulator beside what else one would install: each in a process and an environment of its own, by turns.

    python benchmarks/peers.py --prepare      # makes the environments, outside this folder
    python benchmarks/peers.py --check        # holds the PyTorch loops against golden archives and the simulator
    python benchmarks/peers.py                # measures what is missing in results/peers/, and writes peers.md
    python benchmarks/peers.py --again        # measures everything anew

The systems are in `benchmarks/peers/`, with a file of pinned requirements for each environment. The stimuli are MNIST:
the first 10,000 of training and all 10,000 of the test set. Nothing that is compared here is needed by the package.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np
import peers_check
import peers_report
import typer
from platformdirs import user_cache_path

from corinfomax.networks import Backpropagation, CorInfoMax, EquilibriumPropagation, PredictiveCoding
from corinfomax.stimuli import load_stimuli

HERE = Path(__file__).resolve().parent
WORKERS, RESULTS = HERE / "peers", HERE / "results"
ENVIRONMENTS = user_cache_path("corinfomax") / "peers"
ARCHITECTURE, BATCH = [784, 500, 10], 20
MEASURES = ("start", "epochs", "seconds")


@dataclass(frozen=True)
class System:
    """One system of the comparison.

    Parameters
    ----------
    name : str
    place : str
        ``module:class`` in `benchmarks/peers/`.
    environment : str
        Whose requirements are `benchmarks/peers/requirements_ENVIRONMENT.txt`; "corinfomax" is this package.
    """

    name: str
    place: str
    environment: str


#: Rule → the simulator first, then its peers.
GROUPS = {
    "CorInfoMax": (
        System("corinfomax", "simulator:CorInfoMaxByDefault", "corinfomax"),
        System("corinfomax, sst_every = 1", "simulator:CorInfoMaxEveryStep", "corinfomax"),
        System("PyTorch loop", "torch_systems:CorInfoMax", "torch"),
    ),
    "Equilibrium propagation": (
        System("corinfomax", "simulator:Equilibrium", "corinfomax"),
        System("PyTorch loop", "torch_systems:Equilibrium", "torch"),
    ),
    "Predictive coding": (
        System("corinfomax", "simulator:Predictive", "corinfomax"),
        System("fabricpc", "fabricpc_systems:PredictiveCoding", "fabricpc"),
        System("pcx", "pcx_systems:PredictiveCoding", "pcx"),
    ),
    "Backpropagation": (
        System("corinfomax", "simulator:Backpropagated", "corinfomax"),
        System("scikit-learn", "scikit_learn_systems:Backpropagation", "scikit_learn"),
        System("PyTorch, autograd", "torch_systems:Backpropagation", "torch"),
    ),
}


@dataclass(frozen=True)
class Extent:
    """How much is measured.

    Parameters
    ----------
    starts, epochs : int
    portion : int
        Minibatches of a turn.
    stimuli, tested : int
        Of an epoch, and of the test set.
    checkpoints : list of float
        Seconds of training after which the accuracy is taken.
    turn : float
        Seconds of a turn, where seconds are equal.
    """

    starts: int = 3
    epochs: int = 3
    portion: int = 25
    stimuli: int = 10_000
    tested: int = 10_000
    checkpoints: list[float] = field(default_factory=lambda: [2.0, 10.0])
    turn: float = 0.5


QUICK = Extent(starts=1, epochs=2, portion=5, stimuli=1_000, tested=1_000, checkpoints=[0.5, 2.0], turn=0.25)


def main(
    prepare: Annotated[bool, typer.Option("--prepare", help="Make the environments.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Hold the PyTorch loops against archives.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Measure also what has been measured.")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="Little of each.")] = False,
    only: Annotated[list[str] | None, typer.Option(help="Rules to measure, as the page names them.")] = None,
    environments: Annotated[
        Path, typer.Option(envvar="CORINFOMAX_PEERS", help="Folder of the environments.")
    ] = ENVIRONMENTS,
    report_only: Annotated[bool, typer.Option("--report", help="Write the page from what is there.")] = False,
    data: Annotated[Path | None, typer.Option(help="Folder of MNIST, as in corinfomax train.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for the page, and for the folder of measurements.")] = RESULTS,
):
    """Measure what is missing, and write the page."""
    if unknown := set(only or GROUPS) - set(GROUPS):
        raise typer.BadParameter(f"{', '.join(unknown)}: no such rule; there are {', '.join(GROUPS)}")
    if prepare:
        make_environments(environments)
    if check:
        peers_check.check(lambda name: python(environments, name))
    if prepare or check:
        return
    lines, extent = out / "peers", QUICK if quick else Extent()
    lines.mkdir(parents=True, exist_ok=True)
    if not report_only:
        for name in {system.environment for group in GROUPS.values() for system in group}:
            if not python(environments, name).exists():
                raise typer.BadParameter(f"{environments / name}: no environment; make it by --prepare")
        with tempfile.TemporaryDirectory() as scratch:
            write_stimuli(Path(scratch), extent, data)
            with one_processor():
                measure(only or list(GROUPS), environments, Path(scratch), lines, extent, again)
    rows = [row for path in sorted(lines.glob("*.jsonl")) for row in read(path)]
    measured = {(row["group"], row["measure"]) for row in rows if row["extent"] == asdict(extent)}
    complete = {group: GROUPS[group] for group in GROUPS if all((group, each) in measured for each in MEASURES)}
    text = peers_report.page(rows, complete, extent, "--quick" if quick else "--again")
    typer.echo(text)
    (out / "peers.md").write_text(text)


def read(path: Path) -> list[dict]:
    """Measurements of a file."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def python(environments: Path, name: str) -> Path:
    """The interpreter of an environment."""
    return environments.expanduser().absolute() / name / "bin" / "python"


def make_environments(environments: Path):
    """Make each environment anew from its requirements, and the simulator's from this checkout."""
    for name in sorted({system.environment for group in GROUPS.values() for system in group}):
        say(f"{name} …")
        subprocess.run([sys.executable, "-m", "venv", "--clear", environments.expanduser() / name], check=True)
        wanted = [HERE.parent] if name == "corinfomax" else ["-r", WORKERS / f"requirements_{name}.txt"]
        subprocess.run([python(environments, name), "-m", "pip", "install", "--quiet", *wanted], check=True)


def write_stimuli(folder: Path, extent: Extent, data: Path | None):
    """Write stimuli and the simulator's initial weights where the processes look for them."""
    stimuli = load_stimuli("mnist", data)
    for name, array in (("x_train", stimuli.x_train), ("y_train", stimuli.y_train)):
        np.save(folder / f"{name}.npy", np.asarray(array[: extent.stimuli], np.float32))
    np.save(folder / "x_test.npy", np.asarray(stimuli.x_test[: extent.tested], np.float32))
    np.save(folder / "labels_test.npy", stimuli.labels_test[: extent.tested])
    trainables = (CorInfoMax, EquilibriumPropagation, PredictiveCoding, Backpropagation)
    for group, trainable in zip(GROUPS, trainables, strict=True):
        weights = peers_check.numbered(trainable(ARCHITECTURE))
        np.savez(folder / f"{group}.npz", **{name: W.astype(np.float32) for name, W in weights.items()})


@contextmanager
def one_processor() -> Iterator[None]:
    """Let this process, and those that it starts, stay on one processor, where the system can be told so."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class Worker:
    """A process that trains a system when it is told to."""

    def __init__(self, system: System, environments: Path, folder: Path, group: str):
        self.system, self.began = system, time.perf_counter()
        threads = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "VECLIB")}
        inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        self.process = subprocess.Popen(
            [python(environments, system.environment), WORKERS / "worker.py", system.place, folder, group],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=folder,
            env=inherited | threads | {"JAX_PLATFORMS": "cpu", "NPROC": "1"},
        )

    def ask(self, do: str, **what) -> dict:
        """Send a command, and wait for its answer."""
        self.process.stdin.write(json.dumps({"do": do, **what}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.system.place} ended early")
        return json.loads(line)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


def measure(groups: list[str], environments: Path, folder: Path, lines: Path, extent: Extent, again: bool):
    """Take what measures are missing, group by group; each is kept when it is complete."""
    for group in groups:
        systems = GROUPS[group]
        for measure_name in MEASURES:
            path = lines / f"{group.lower().replace(' ', '_')}_{measure_name}.jsonl"
            if not again and path.exists() and all(row["extent"] == asdict(extent) for row in read(path)):
                continue
            say(f"{group}: {measure_name} …")

            def start(system, group=group):
                return Worker(system, environments, folder, group)

            found = TAKEN[measure_name](systems, start, extent)
            load = round(os.getloadavg()[0], 1)
            for system, values in found.items():
                values |= {"group": group, "system": system.name, "measure": measure_name}
                values |= {"extent": asdict(extent), "load": load, "coretype": os.environ.get("OPENBLAS_CORETYPE")}
                if measure_name == "start":
                    values["installed_mb"] = installed(python(environments, system.environment))
            partial = path.with_suffix(".partial")
            partial.write_text("".join(json.dumps(values) + "\n" for values in found.values()))
            partial.replace(path)


def take_start(systems, start, extent: Extent) -> dict[System, dict]:
    """Seconds from the start of a process to the end of its first minibatch; what it is made of."""
    found = {system: {"start_s": []} for system in systems}
    for _ in range(extent.starts):
        for system in systems:
            with start(system) as worker:
                worker.ask("train", minibatches=1)
                found[system]["start_s"].append(time.perf_counter() - worker.began)
                found[system] |= worker.ask("tell")
    return found


def take_epochs(systems, start, extent: Extent) -> dict[System, dict]:
    """Train equal epochs by turns, a portion each; the accuracy after each epoch; the memory at the end."""
    found = {system: defaultdict(list) for system in systems}
    portions = extent.stimuli // BATCH // extent.portion
    with ExitStack() as stack:
        workers = [stack.enter_context(start(system)) for system in systems]
        for worker in workers:
            worker.ask("train", minibatches=extent.portion)
            worker.ask("tell")
        for epoch in range(extent.epochs):
            spent = dict.fromkeys(systems, 0.0)
            # The portion that warmed up was the first of the first epoch.
            for _ in range(portions - (epoch == 0)):
                for worker in workers:
                    seconds = worker.ask("train", minibatches=extent.portion)["seconds"]
                    spent[worker.system] += seconds
                    found[worker.system]["minibatch_ms"].append(1e3 * seconds / extent.portion)
            for worker in workers:
                answer, values = worker.ask("evaluate"), found[worker.system]
                counted = (spent[worker.system] + answer["seconds"]) * portions / (portions - (epoch == 0))
                values["epoch_s"].append(counted)
                values["accuracy"].append(answer["accuracy"])
        for worker in workers:
            found[worker.system]["peak_mb"] = worker.ask("tell")["peak_mb"]
    return {system: dict(values) for system, values in found.items()}


def take_seconds(systems, start, extent: Extent) -> dict[System, dict]:
    """Train equal seconds by turns; the accuracy at each checkpoint. What compiles has done so before."""
    found = {system: {"accuracy": [], "minibatches": []} for system in systems}
    with ExitStack() as stack:
        workers = [stack.enter_context(start(system)) for system in systems]
        trained, spent = dict.fromkeys(systems, 0), dict.fromkeys(systems, 0.0)
        for worker in workers:
            trained[worker.system] += worker.ask("train", minibatches=5)["minibatches"]
        for checkpoint in extent.checkpoints:
            while waiting := [worker for worker in workers if spent[worker.system] < checkpoint]:
                for worker in waiting:
                    turn = min(extent.turn, checkpoint - spent[worker.system])
                    answer = worker.ask("train", seconds=turn)
                    spent[worker.system] += answer["seconds"]
                    trained[worker.system] += answer["minibatches"]
            for worker in workers:
                answer, values = worker.ask("evaluate"), found[worker.system]
                spent[worker.system] += answer["seconds"]
                values["accuracy"].append(answer["accuracy"])
                values["minibatches"].append(trained[worker.system])
    return found


TAKEN = {"start": take_start, "epochs": take_epochs, "seconds": take_seconds}


def installed(interpreter: Path) -> float:
    """MB of what is installed in an environment, without pip and setuptools, which came with it."""
    (packages,) = interpreter.parents[1].glob("lib/python*/site-packages")
    own = ("pip", "setuptools", "pkg_resources", "_distutils_hack", "distutils-precedence")
    files = (
        file for place in packages.iterdir() if not place.name.startswith(own) for file in [place, *place.rglob("*")]
    )
    return sum(file.stat().st_size for file in files if file.is_file() and not file.is_symlink()) / 1e6


def say(message: str):
    """Tell how far the benchmark is."""
    typer.echo(message, err=True)


if __name__ == "__main__":
    typer.run(main)
