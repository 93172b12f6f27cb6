"""Measurements of the training step: simulator against baseline, in one process and by turns."""

import multiprocessing
import resource
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from baseline import NumpyLoop, Settings
from brian2.core.variables import ArrayVariable
from threadpoolctl import threadpool_limits

from corinfomax.networks import CorInfoMax, Trainable
from corinfomax.protocols.clockwork import Preparation, calibrate, contrastive
from corinfomax.stimuli import Stimulus


@dataclass(frozen=True)
class Case:
    """One configuration of the training step.

    Parameters
    ----------
    architecture : tuple of int
        Inputs, hidden units, outputs.
    batch : int
        Stimuli presented at once.
    dtype : {"float32", "float64"}
    threads : int
        BLAS threads, of simulator and baseline alike.
    sst_every : int or None
        Steps between two updates of the SST input, in the simulator; the baseline makes them all. None for the
        default: what a calibration finds on the first minibatch.
    """

    architecture: tuple[int, int, int] = (784, 500, 10)
    batch: int = 20
    dtype: str = "float32"
    threads: int = 1
    sst_every: int | None = 1

    @property
    def scheme(self) -> str:
        """Name of how often the SST input is updated."""
        return {1: "exact", None: "default"}.get(self.sst_every, f"sst_every = {self.sst_every}")

    def simulator(self, settings: Settings) -> Preparation:
        """A circuit with its published initial weights, on the clock."""
        circuit = CorInfoMax(
            list(self.architecture),
            epsilon=settings.epsilon,
            g_leak=settings.g_leak,
            forgetting=settings.forgetting,
            entropy_gain=settings.entropy_gain,
            learning_rate_ff=list(settings.learning_rate_ff),
            learning_rate_fb=settings.learning_rate_fb,
            sst_every=self.sst_every,
            dtype=self.dtype,
        )
        protocol = contrastive(
            free_steps=settings.free_steps, nudge_steps=settings.nudge_steps, step=settings.step, method=settings.method
        )
        preparation = Preparation(circuit, self.batch, dtype=self.dtype, protocol=protocol, blas_threads=self.threads)
        calibrate(preparation, next(self.minibatches(settings, different=1)))
        return preparation

    def minibatches(self, settings: Settings, seed: int = 0, different: int = 16) -> Iterator[Stimulus]:
        """Minibatches without end: random uniform x and random one-hot y, so many different ones over and over."""
        rng, (inputs, _, outputs) = np.random.default_rng(seed), self.architecture
        pool = []
        for _ in range(different):
            x = rng.random((self.batch, inputs)).astype(self.dtype)
            y = np.eye(outputs, dtype=self.dtype)[rng.integers(outputs, size=self.batch)]
            pool.append(Stimulus(x, y, settings.beta, learn=True))
        while True:
            yield from pool

    def operations(self, settings: Settings, sst_every: int = 1) -> float:
        """Floating-point operations of the matrix products of one training step."""
        inputs, hidden, output = self.architecture
        forward, lateral = hidden * output, hidden**2 + output**2
        updates = sum(steps // sst_every for steps in (settings.free_steps, settings.nudge_steps))
        drives = inputs * hidden + 2 * settings.steps * forward + updates * lateral
        # Per stimulus: errors of W_ff[1] and W_fb[1] in both phases, their outer products, Δr xᵀ, z = B r, z zᵀ / 2.
        plasticity = 8 * forward + inputs * hidden + 1.5 * lateral
        return 2.0 * self.batch * (drives + plasticity)


@dataclass
class Timing:
    """Simulator and baseline, block by block in turns.

    Parameters
    ----------
    case : Case
    settings : Settings
    interval : int
        Steps between two updates of the SST input.

    Attributes
    ----------
    simulator, baseline : list of float
        Milliseconds per minibatch, one number for each block.
    bare, square : list of float
        GFLOP/s, beside each block, of a bare product of the lateral projection's shape (batch, hidden) @
        (hidden, hidden), and of a large square one.
    """

    case: Case
    settings: Settings
    interval: int = 1
    simulator: list[float] = field(default_factory=list)
    baseline: list[float] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)
    square: list[float] = field(default_factory=list)

    def row(self) -> dict:
        """What there is to report: medians and quartiles, the ratio's over pairs of neighbouring blocks."""
        row = {
            "architecture": "-".join(map(str, self.case.architecture)),
            "batch": self.case.batch,
            "dtype": self.case.dtype,
            "threads": self.case.threads,
            "scheme": self.case.scheme,
            "sst_every": self.interval,
            "blocks": len(self.simulator),
        }
        row |= quartiles(self.simulator, self.baseline)
        row["bare_gflops"], row["square_gflops"] = float(np.median(self.bare)), float(np.median(self.square))
        for name, every in [("simulator", self.interval), ("baseline", 1)]:
            rate = self.case.operations(self.settings, every) / (row[f"{name}_ms"] * 1e6)
            row[f"{name}_of_bare"] = rate / row["bare_gflops"]
            row[f"{name}_of_square"] = rate / row["square_gflops"]
        return row


def quartiles(simulator: list[float], baseline: list[float]) -> dict[str, float]:
    """Medians and quartiles of milliseconds, and of the ratio over pairs of neighbouring blocks."""
    row = {}
    ratios = np.divide(simulator, baseline)
    for name, values in [("simulator_ms", simulator), ("baseline_ms", baseline), ("ratio", ratios)]:
        found = np.percentile(values, [25, 50, 75])
        row[f"{name}_q1"], row[name], row[f"{name}_q3"] = map(float, found)
    return row


def agreement(minibatches: int = 5) -> float:
    """Train both in float64 on the same stimuli and compare all weights: `largest_difference`."""
    case, settings = Case(dtype="float64"), Settings()
    preparation = case.simulator(settings)
    loop = NumpyLoop(preparation.circuit.weights, case.batch, settings)
    source = case.minibatches(settings)
    return largest_difference(preparation, preparation.circuit, loop, [next(source) for _ in range(minibatches)])


def largest_difference(learner, trainable: Trainable, loop, stimuli: list[Stimulus], fixed: tuple[str, ...] = ()):
    """Train simulator and baseline on the same stimuli and compare all weights.

    Parameters
    ----------
    learner : Learner
    trainable : Trainable
        Its circuit or network, in float64.
    loop : object
        With `weights` by the same names, and ``train(x, y)``.
    stimuli : list of Stimulus
    fixed : tuple of str
        Weights that nothing moves.

    Returns
    -------
    float
        Largest difference of any weight.

    Raises
    ------
    AssertionError
        If it exceeds 1e-10, or if the weights hardly changed at all.
    """
    initial = trainable.state_dict()
    learner.run(stimuli)
    for stimulus in stimuli:
        loop.train(stimulus.x, stimulus.y)
    largest = 0.0
    for key, arrays in loop.weights.items():
        for k, weights in arrays.items():
            trained = trainable.weights[key][k]
            changed = np.abs(trained - initial[f"weights/{key}/{k}"]).max()
            assert key in fixed or changed > 1e-6, f"{key}[{k}] changed by {changed:.1e} only: nothing to compare"
            difference = np.abs(weights - trained).max()
            assert difference < 1e-10, f"{key}[{k}] of simulator and baseline differ by {difference:.1e}"
            largest = max(largest, difference)
    return float(largest)


def product_rate(rows: int, size: int, dtype: str, repeats: int) -> float:
    """GFLOP/s of the bare product (rows, size) @ (size, size) into a given array."""
    a, b, out = np.ones((rows, size), dtype), np.ones((size, size), dtype), np.empty((rows, size), dtype)
    np.dot(a, b, out=out)
    start = time.perf_counter()
    for _ in range(repeats):
        np.dot(a, b, out=out)
    return 2e-9 * repeats * rows * size**2 / (time.perf_counter() - start)


def compare(case: Case, settings: Settings, blocks: int, minibatches: int) -> dict:
    """Time simulator and baseline `in_turns`, and bare products beside them.

    Parameters
    ----------
    case : Case
    settings : Settings
    blocks : int
        Blocks of each that are timed.
    minibatches : int
        Minibatches in a block.

    Returns
    -------
    dict
        The `Timing.row`.
    """
    timing = Timing(case, settings)
    with threadpool_limits(case.threads):
        preparation = case.simulator(settings)
        timing.interval = interval_of(preparation)
        loop = NumpyLoop(preparation.circuit.weights, case.batch, settings)

        def keep(simulator: float, baseline: float):
            timing.simulator.append(simulator)
            timing.baseline.append(baseline)
            timing.bare.append(product_rate(case.batch, case.architecture[1], case.dtype, repeats=settings.steps))
            timing.square.append(product_rate(1024, 1024, case.dtype, repeats=1))

        in_turns(preparation, loop, case.minibatches(settings), blocks, minibatches, keep)
    return timing.row()


def in_turns(
    learner, loop, source: Iterator[Stimulus], blocks: int, minibatches: int, keep: Callable[[float, float], None]
):
    """Time simulator and baseline by turns: a block of minibatches each, A B A B …, after a block to warm up.

    The simulator presents its stream in one long run, as in training. The stream itself keeps the time: the simulator
    asks for the next stimulus when a presentation has ended, plasticity included, so that the time from the first
    request of a block to the first of the next is that of its minibatches. At the end of a block the baseline runs
    the same ones before the stream goes on.

    Parameters
    ----------
    learner : Learner
    loop : object
        With ``train(x, y)``.
    source : iterator of Stimulus
    blocks : int
        Blocks of each that are timed.
    minibatches : int
        Minibatches in a block.
    keep : callable
        ``keep(simulator, baseline)`` takes the milliseconds per minibatch of a block.
    """

    def stream():
        for block in range(blocks + 1):
            stimuli = [next(source) for _ in range(minibatches)]
            start = time.perf_counter()
            yield from stimuli
            middle = time.perf_counter()
            for stimulus in stimuli:
                loop.train(stimulus.x, stimulus.y)
            end = time.perf_counter()
            if block > 0:
                keep(1e3 * (middle - start) / minibatches, 1e3 * (end - middle) / minibatches)

    learner.run(stream())


def interval_of(preparation: Preparation) -> int:
    """Steps between two updates of the SST input of a preparation's circuit."""
    found = [item.interval for item in preparation.circuit.projections if item.slot == "drive_soma"]
    return found[0] if found else 1


def start_of_run(case: Case, settings: Settings, repeats: int = 5) -> float:
    """Milliseconds that a run costs before its first step and after its last, once an epoch: the median."""
    preparation = case.simulator(settings)
    source = case.minibatches(settings)
    costs = []
    for _ in range(repeats + 1):
        one, two = (_duration(preparation, [next(source) for _ in range(count)]) for count in (1, 2))
        costs.append(2 * one - two)
    return 1e3 * float(np.median(costs[1:]))


def _duration(preparation: Preparation, stimuli: list[Stimulus]) -> float:
    start = time.perf_counter()
    preparation.run(stimuli)
    return time.perf_counter() - start


def memory(case: Case, settings: Settings) -> dict[str, float]:
    """Peak resident memory, in MB, of a fresh process that imports the package, and that trains a few minibatches.

    On Linux a child's peak includes its parent's at the time of the fork; so this is measured before anything else.
    """
    return {what: _in_a_process(_peak_memory, what, case, settings) for what in ("imports", "baseline", "simulator")}


@dataclass(frozen=True)
class Footprint:
    """Memory of a circuit, in MB.

    Parameters
    ----------
    case : Case
    needed : float
        Weights, states and one minibatch.
    peak : float
        What a process takes at most to make the circuit and to train a few minibatches, beyond what it takes with one
        cell in each layer: what is imported and compiled.
    """

    case: Case
    needed: float
    peak: float

    @property
    def ratio(self) -> float:
        """How often what is needed stands in memory at most."""
        return self.peak / self.needed


def footprint(case: Case, settings: Settings) -> Footprint:
    """Measure what a circuit takes, each in a process of its own; see `memory`."""
    smallest = replace(case, architecture=(1, 1, 1), batch=1)
    least, most = (_in_a_process(_peak_memory, "simulator", each, settings) for each in (smallest, case))
    return Footprint(case, _in_a_process(_needed_memory, case, settings), most - least)


def _in_a_process(function: Callable, *arguments) -> float:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, arguments)


def _needed_memory(case: Case, settings: Settings) -> float:
    preparation, stimulus = case.simulator(settings), next(case.minibatches(settings, different=1))
    weights = sum(array.nbytes for arrays in preparation.circuit.weights.values() for array in arrays.values())
    groups = [population.group for population in preparation.populations.values()]
    states = sum(
        variable.get_value().nbytes
        for group in groups
        for variable in group.variables.values()
        if isinstance(variable, ArrayVariable) and variable.owner.name == group.name
    )
    return (weights + states + stimulus.x.nbytes + stimulus.y.nbytes) / 1e6


def _peak_memory(what: str, case: Case, settings: Settings) -> float:
    source = case.minibatches(settings, different=1)
    stimuli = [next(source) for _ in range(5)]
    with threadpool_limits(case.threads):
        if what == "baseline":
            circuit = CorInfoMax(list(case.architecture), dtype=case.dtype)
            loop = NumpyLoop(circuit.weights, case.batch, settings)
            for stimulus in stimuli:
                loop.train(stimulus.x, stimulus.y)
        elif what == "simulator":
            case.simulator(settings).run(stimuli)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e3)
