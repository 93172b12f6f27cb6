"""Trials of learning without phases, part by part; `oscillation.py` runs and keeps them."""

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from corinfomax import Stimulus
from corinfomax.analysis import accuracy
from corinfomax.errors import DivergenceError
from corinfomax.protocols.clockwork import oscillating
from corinfomax.protocols.comparison import cost_of
from corinfomax.protocols.perturbations import Intervention, Mismatch, Quantise
from corinfomax.protocols.runs import Configuration
from corinfomax.stimuli import batches, load_stimuli

SEEDS = (0,)
#: Digits in steps of 1 ms in place of .5, by exponential Euler: else as the preset, and half as long to compute.
PRESET = "digits_phase_free"
STEPS = ["method=exponential_euler", "step=0.1", "settle_steps=15", "cycle_steps=50", "gate_lag=2"]
PERIODS = (10, 20, 50, 100, 200)
BETAS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
EPOCHS = 10

PLACES = (("W_ff", 0), ("W_ff", 1), ("W_fb", 1))

#: Parts of a set: inputs and targets that are learnt, and those that are judged by.
Split = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Trial:
    """One number, or a few, that are computed at once.

    Parameters
    ----------
    what : str
        Which line of a figure or row of a table it belongs to.
    x : float
        Where on that line.
    seed : int
    run : callable
        Gives columns by name.
    """

    what: str
    x: float
    seed: int
    run: Callable[[], dict[str, float]]


@functools.cache
def digits() -> Split:
    """Digits: training stimuli but a fifth, and that fifth, on which settings are compared."""
    stimuli = load_stimuli("digits").with_validation(0.2, seed=0)
    return stimuli.x_train, stimuli.y_train, stimuli.x_validation, stimuli.y_validation


@functools.cache
def mnist(data: Path | None) -> Split:
    """MNIST: 10,000 training stimuli, and 5,000 others of them, on which settings are compared."""
    stimuli = load_stimuli("mnist", data)
    return stimuli.x_train[:10000], stimuli.y_train[:10000], stimuli.x_train[-5000:], stimuli.y_train[-5000:]


def trained(preset: str, settings: list[str], split: Split, epochs: int, seed: int, perturbations: Sequence = ()):
    """Train, and give the circuit and its accuracy (%) on what is judged by; nan if it diverges.

    Parameters
    ----------
    preset : str
    settings : list of str
        As for ``corinfomax train --set``.
    split : tuple of ndarray
    epochs, seed : int
    perturbations : sequence of Perturbation
        In force throughout.

    Returns
    -------
    circuit, Configuration, float
    """
    configuration = Configuration.read(preset, [*settings, f"seed={seed}"])
    circuit, protocol = configuration.build_circuit(), configuration.build_protocol()
    learner = configuration.entry.mount(circuit, 20, protocol, dtype=np.float32)
    random, (x, y, x_judged, y_judged) = np.random.default_rng(seed), split
    if perturbations:
        Intervention(learner, perturbations).on()
    betas = (1.0,) if protocol is None else protocol.betas
    run = getattr(learner, "run_through", learner.run)  # a learner without dynamics ends at once
    try:
        for epoch in range(epochs):
            circuit.epoch = epoch
            run(
                Stimulus(x[rows], y[rows], betas[random.integers(len(betas))], learn=True)
                for rows in batches(len(x), 20, random)
            )
        found = 100 * accuracy(learner.predict(x_judged), y_judged)
    except DivergenceError:
        found = float("nan")
    return circuit, configuration, found


def accuracy_of(preset: str, settings: list[str], split: Callable[[], Split], epochs: int, seed: int) -> dict:
    """The accuracy alone, as a column."""
    return {"accuracy": trained(preset, settings, split(), epochs, seed)[2]}


def period(data: Path | None) -> Iterator[Trial]:
    """Validation accuracy on digits against the period, in ms; all else as in the preset."""
    for seed in SEEDS:
        for steps in PERIODS:
            settings = [f"cycle_steps={steps}"]
            run = functools.partial(accuracy_of, PRESET, [*STEPS, *settings], digits, EPOCHS, seed)
            yield Trial("period", steps, seed, run)


def beta(data: Path | None) -> Iterator[Trial]:
    """The same against β₀. Beyond 6.7 = 1/ε the swing to -β passes the bound of an equilibrium, for a while."""
    for seed in SEEDS:
        for value in BETAS:
            settings = [f"beta={value}", f"allow_unstable={str(value > 6).lower()}"]
            run = functools.partial(accuracy_of, PRESET, [*STEPS, *settings], digits, EPOCHS, seed)
            yield Trial("β", value, seed, run)


@functools.cache
def _learnt() -> dict[str, np.ndarray]:
    """State of a circuit that has learnt digits for three epochs."""
    return trained(PRESET, STEPS, digits(), 3, 0)[0].state_dict()


def change(preset: str, settings: list[str], beta: float, n: int = 200) -> np.ndarray:
    """ΔW of all feedforward and feedback weights of that circuit, mean over both signs of β, flat.

    Parameters
    ----------
    preset : str
    settings : list of str
    beta : float
    n : int, default 200
        Stimuli, the first of them.
    """
    x, y, *_ = digits()
    found = []
    for sign in (1, -1):
        configuration = Configuration.read(preset, [*settings, "dtype=float64"])
        circuit = configuration.build_circuit()
        learner = configuration.entry.mount(circuit, n, configuration.build_protocol(), dtype=np.float64)
        circuit.load_state_dict(_learnt())
        learner.run([Stimulus(x[:n], y[:n], sign * beta, learn=True)])
        found.append(np.concatenate([circuit.changes[place].dense().ravel() for place in PLACES]))
    return np.mean(found, axis=0)


@functools.cache
def _settled(n: int = 200) -> np.ndarray:
    """ΔW of settled phases at ±β = .01: the derivative by β, by finite differences."""
    return change("digits", ["free_steps=600", "nudge_steps=600", "three_phase=true"], 0.01, n)


def aligned(settings: list[str], beta: float) -> dict[str, float]:
    """Cosine of an oscillation's ΔW with that of settled phases, and by how much of it there is along it."""
    dW, settled = change(PRESET, [*STEPS, *settings], beta), _settled()
    along = dW @ settled / (settled @ settled)
    return {"cosine": along * np.linalg.norm(settled) / np.linalg.norm(dW), "gain": along}


def alignment(data: Path | None) -> Iterator[Trial]:
    """ΔW against the period (ms) and against β₀, beside that of settled phases."""
    for steps in PERIODS:
        yield Trial("period", steps, 0, functools.partial(aligned, [f"cycle_steps={steps}"], 2.0))
    for value in BETAS:
        settings = [f"allow_unstable={str(value > 6).lower()}"]
        yield Trial("β", value, 0, functools.partial(aligned, settings, value))


#: What was tried for MNIST: name, and what differs from the preset.
MNIST = {
    "β 2, rates 2.0": [],
    "β 2, rates 2.8": ["learning_rate_ff=[2.8,1.96]", "learning_rate_fb=[0.42]"],
    "β 2, rates 1.4": ["learning_rate_ff=[1.4,0.98]", "learning_rate_fb=[0.21]"],
    "β 1, rates 2.0": ["beta=1.0"],
    "β 1, rates 2.8": ["beta=1.0", "learning_rate_ff=[2.8,1.96]", "learning_rate_fb=[0.42]"],
    "β 2, rates 2.0, 50 ms": ["cycle_steps=33"],
}


def mnist_search(data: Path | None) -> Iterator[Trial]:
    """Validation accuracy after two epochs of 10,000 stimuli of MNIST, rates falling to their end within them."""
    for what, settings in MNIST.items():
        settings = [*settings, "learning_rate_decay={linear = 1000}"]
        run = functools.partial(accuracy_of, "mnist_phase_free", settings, functools.partial(mnist, data), 2, 0)
        yield Trial(what, 0, 0, run)


#: How weights move within a presentation: name, and what differs from the preset. τ_c in ms.
MOVING = {
    "at once": ["oscillation_rule=moving"],
    "at once, high-pass": ["oscillation_rule=moving_high_pass"],
    "trace 1 s": ["oscillation_rule=moving", "tau_trace=1000"],
    "at once, high-pass, a quarter of the rates": [
        "oscillation_rule=moving_high_pass",
        "learning_rate_ff=[0.7,0.49]",
        "learning_rate_fb=[0.105]",
    ],
    "trace 1 s, high-pass": ["oscillation_rule=moving_high_pass", "tau_trace=1000"],
    "trace 300 ms": ["oscillation_rule=moving", "tau_trace=300"],
    "trace 100 ms, high-pass": ["oscillation_rule=moving_high_pass", "tau_trace=100"],
    "trace 1 s, 20 ms × 2": ["oscillation_rule=moving", "tau_trace=1000", "cycle_steps=20", "cycles=2"],
}


def moving(data: Path | None) -> Iterator[Trial]:
    """Validation accuracy on digits of weights that move within the presentation."""
    for seed in SEEDS:
        for what, settings in MOVING.items():
            run = functools.partial(accuracy_of, PRESET, [*STEPS, *settings], digits, EPOCHS, seed)
            yield Trial(what, 0, seed, run)


@dataclass(frozen=True)
class Stream:
    """A stream of stimuli while the teacher oscillates on and on.

    Parameters
    ----------
    cycle_steps : int
    cycles : float
        That a stimulus is on, on average.
    jitter : float, default 0
        By how much of that it lasts shorter or longer, evenly; stimuli then come at moments that do not know the
        oscillation's phase.
    settle_steps : int, default 0
        Steps after a stimulus' onset that are not learnt from.
    carry : bool, default True
        Whether cells go on from where the last stimulus left them.
    """

    cycle_steps: int
    cycles: float
    jitter: float = 0.0
    settle_steps: int = 0
    carry: bool = True


#: Streams, from one that knows all boundaries to one that knows none.
STREAMS = {
    "whole cycles, carried over": Stream(20, 2),
    "any moment, 2 cycles": Stream(20, 2, jitter=0.3),
    "any moment, 4 cycles": Stream(20, 4, jitter=0.3),
    "any moment, 2 cycles, 15 ms not learnt from": Stream(20, 2, jitter=0.3, settle_steps=15),
    "any moment, 4 cycles, 15 ms not learnt from": Stream(20, 4, jitter=0.3, settle_steps=15),
}


def streamed(stream: Stream, seed: int) -> dict[str, float]:
    """Train on a stream; validation accuracy by presentations of their own, from rest.

    Parameters
    ----------
    stream : Stream
    seed : int
    """
    configuration = Configuration.read(PRESET, [*STEPS, f"seed={seed}"])
    circuit, random = configuration.build_circuit(), np.random.default_rng(seed)
    x, y, x_judged, y_judged = digits()
    beta, now = configuration.build_protocol().beta, 0  # of the oscillation, in steps
    options = {"cycle_steps": stream.cycle_steps, "settle_steps": stream.settle_steps, "beta": beta}
    options |= {"reset": "carry" if stream.carry else "rest", "prediction_steps": 15}
    first = oscillating(cycles=stream.cycles, **options)
    learner = configuration.entry.mount(circuit, 20, first, dtype=np.float32)
    judge = configuration.entry.mount(circuit, 20, replace(first, reset="rest"), dtype=np.float32)

    def stimuli():
        nonlocal now
        for rows in batches(len(x), 20, random):
            if stream.jitter:
                steps = round(stream.cycle_steps * stream.cycles * random.uniform(1 - stream.jitter, 1 + stream.jitter))
                onset = (now + stream.settle_steps) % stream.cycle_steps
                learner.exchange_protocol(oscillating(cycles=steps / stream.cycle_steps, onset=onset, **options))
                now += stream.settle_steps + steps
            yield Stimulus(x[rows], y[rows], beta if stream.jitter else beta * random.choice([-1, 1]), learn=True)

    try:
        for epoch in range(EPOCHS):
            circuit.epoch = epoch
            learner.run_through(stimuli())
        return {"accuracy": 100 * accuracy(judge.predict(x_judged), y_judged)}
    except DivergenceError:
        return {"accuracy": float("nan")}


def stream_aligned(stream: Stream) -> dict[str, float]:
    """How well ΔW of a minibatch points where that of settled phases does, after another minibatch has been on.

    Of a circuit that has learnt for three epochs, at ten onsets within a cycle: the mean cosine, that of the mean ΔW,
    and by how much of it there is along the settled one.

    Parameters
    ----------
    stream : Stream
    """
    x, y, *_ = digits()
    configuration = Configuration.read(PRESET, [*STEPS, "dtype=float64"])
    circuit, beta = configuration.build_circuit(), configuration.build_protocol().beta
    options = {"cycle_steps": stream.cycle_steps, "settle_steps": stream.settle_steps, "beta": beta}
    options |= {"reset": "carry", "prediction_steps": 15, "cycles": stream.cycles * (1 + stream.jitter / 2)}
    learner = configuration.entry.mount(circuit, 20, oscillating(**options), dtype=np.float64)
    found, settled = [], _settled(20)
    for onset in range(0, stream.cycle_steps, stream.cycle_steps // 10) if stream.jitter else [0]:
        circuit.load_state_dict(_learnt())
        learner.exchange_protocol(oscillating(onset=onset, **options))
        before, now = (
            Stimulus(x[rows], y[rows], beta, learn=rows.start == 0) for rows in (slice(20, 40), slice(0, 20))
        )
        learner.run_through([before, now])
        found.append(np.concatenate([circuit.changes[place].dense().ravel() for place in PLACES]))

    def cosine(dW):
        return dW @ settled / np.linalg.norm(dW) / np.linalg.norm(settled)

    mean = np.mean(found, axis=0)
    return {
        "cosine": float(np.mean([cosine(dW) for dW in found])),
        "cosine_of_mean": cosine(mean),
        "gain": mean @ settled / (settled @ settled),
    }


def stream_alignment(data: Path | None) -> Iterator[Trial]:
    """Updates of streams, beside those of settled phases."""
    for what, each in STREAMS.items():
        yield Trial(what, 0, 0, functools.partial(stream_aligned, each))


def stream(data: Path | None) -> Iterator[Trial]:
    """Validation accuracy on digits in streams."""
    for seed in SEEDS:
        for what, each in STREAMS.items():
            yield Trial(what, 0, seed, functools.partial(streamed, each, seed))


#: Bits of all feedforward and feedback weights, and largest modulus in training.
BITS, LARGEST = (2, 3, 4, 5, 6, 8), 4.0
#: Milliseconds from layer to layer.
DELAYS = (1, 2, 5)
#: Spread of cells, in both layers.
SPREADS = {"threshold": (0.05, 0.1, 0.2, 0.4), "gain": (0.1, 0.2, 0.4, 0.8), "coupling": (0.1, 0.2, 0.4, 0.8)}


def quantised(bits: int, rounding: str | None = None) -> list[Quantise]:
    """All learnt weights rounded: in testing, or by a kind of rounding in training."""
    options = {} if rounding is None else {"largest": LARGEST, "rounding": rounding}
    return [Quantise(place, bits, **options) for place in PLACES]


def mismatched(of: str, spread: float) -> list[Mismatch]:
    """Cells of both layers that differ."""
    return [Mismatch(f"layer_{k}", of, spread, seed=1) for k in (1, 2)]


@functools.cache
def _ready(seed: int):
    """A circuit that has learnt digits, which is tested as it is and perturbed."""
    circuit, configuration, _ = trained(PRESET, STEPS, digits(), EPOCHS, seed)
    return configuration.entry.mount(circuit, 288, configuration.build_protocol(), dtype=np.float32)


def tested(perturbations: list, seed: int) -> dict[str, float]:
    """Accuracy of a trained circuit that is perturbed."""
    learner, (_, _, x, y) = _ready(seed), digits()
    with Intervention(learner, perturbations):
        return {"accuracy": 100 * accuracy(learner.predict(x), y)}


def learnt_with(perturbations: list, seed: int) -> dict[str, float]:
    """Accuracy of a circuit that has learnt with perturbations, and is tested with them."""
    return {"accuracy": trained(PRESET, STEPS, digits(), EPOCHS, seed, perturbations)[2]}


def hardware(data: Path | None) -> Iterator[Trial]:
    """Validation accuracy on digits with weights of few bits and with cells that differ, in testing and in training."""
    for seed in SEEDS:
        yield Trial("none", 0, seed, functools.partial(tested, [], seed))
        for bits in BITS:
            yield Trial("bits in testing", bits, seed, functools.partial(tested, quantised(bits), seed))
        for of, spreads in SPREADS.items():
            for spread in spreads:
                run = functools.partial(tested, mismatched(of, spread), seed)
                yield Trial(f"{of} in testing", spread, seed, run)
        for delay in DELAYS:
            run = functools.partial(accuracy_of, PRESET, [*STEPS, f"delay={delay}"], digits, EPOCHS, seed)
            yield Trial("delay in training (ms)", delay, seed, run)
        for rounding, numbers in (("stochastic", (4, 6, 8)), ("nearest", (6, 8))):
            for bits in numbers:
                run = functools.partial(learnt_with, quantised(bits, rounding), seed)
                yield Trial(f"bits in training, {rounding}", bits, seed, run)
        for of, spreads in SPREADS.items():
            run = functools.partial(learnt_with, mismatched(of, spreads[-2]), seed)
            yield Trial(f"{of} in training", spreads[-2], seed, run)


def excursion(high_pass: bool, beta: float) -> dict[str, float]:
    """How far weights that moved at once would go within a cycle, in units of what is learnt in the end.

    Of a circuit that has learnt for three epochs, for one minibatch of 20: the largest norm of the running sum
    Σ s(t) ⟨e rᵀ⟩ over its norm at the end, W_ff of the hidden layer and of the output.
    """
    x, y, *_ = digits()
    configuration = Configuration.read(PRESET, [*STEPS, "dtype=float64"])
    circuit, protocol = configuration.build_circuit(), configuration.build_protocol()
    learner = configuration.entry.mount(circuit, 20, protocol, dtype=np.float64)
    circuit.load_state_dict(_learnt())
    r: dict[int, list[np.ndarray]] = {1: [], 2: []}

    def note(moment):
        for k in r if moment.phase.name == "oscillation" else ():
            r[k].append(learner.layer(k).read("r").copy())

    learner.run_through([Stimulus(x[:20], y[:20], beta, learn=False)], on_step=note)
    steps = len(r[1])
    gate = np.roll(np.asarray(protocol.phases[-1].beta), circuit.parameters.gate_lag)
    rates = {0: [x[:20]] * steps, **r}
    found, ends = {}, []
    for k in (0, 1):
        W, total, norms = circuit.weights["W_ff"][k], 0.0, []
        for i in range(steps):
            post, pre = rates[k + 1][i], rates[k][i]
            product = (post - pre @ W.T).T @ pre
            if high_pass:
                p, m = (np.mean(rates[n][: i + 1], axis=0) for n in (k + 1, k))
                product = product - (p - m @ W.T).T @ m
            total = total + 2 / steps * gate[i] * product / (20 * beta)
            norms.append(np.linalg.norm(total))
        found[f"excursion_{k}"] = max(norms) / norms[-1]
        ends.append(total.ravel())
    dW = np.concatenate(ends)
    settled = _settled(20)[: len(dW)]
    found["gain"] = dW @ settled / (settled @ settled)
    found["cosine"] = found["gain"] * np.linalg.norm(settled) / np.linalg.norm(dW)
    return found


def excursions(data: Path | None) -> Iterator[Trial]:
    """How far weights go within a cycle."""
    for what, high_pass in (("s e rᵀ", False), ("high-pass", True)):
        yield Trial(what, 2, 0, functools.partial(excursion, high_pass, 2.0))


COSTS = ("", "_phase_free", "_spiking", "_ep", "_csm", "_pc", "_pc_nudge", "_fa_mse", "_bp_mse")


def cost(preset: str) -> dict[str, float]:
    """What a training stimulus of digits costs after an epoch, counted on 20 of them."""
    circuit, configuration, _ = trained(preset, [], digits(), 1, 0)
    protocol = configuration.build_protocol()
    learner = configuration.entry.mount(circuit, 20, protocol, dtype=np.float32)
    x, y, *_ = digits()
    found = cost_of(learner, circuit, x[:20], y[:20], 1.0 if protocol is None else protocol.beta)
    return asdict(found)


def costs(data: Path | None) -> Iterator[Trial]:
    """Multiply-adds and synaptic events of circuits and rules."""
    for name in COSTS:
        yield Trial(f"digits{name}", 0, 0, functools.partial(cost, f"digits{name}"))


PARTS = {
    "alignment": alignment,
    "excursions": excursions,
    "stream_alignment": stream_alignment,
    "mnist_search": mnist_search,
    "period": period,
    "beta": beta,
    "moving": moving,
    "stream": stream,
    "hardware": hardware,
    "costs": costs,
}
