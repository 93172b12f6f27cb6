"""Trials of learning without phases, part by part; `oscillation.py` runs and keeps them."""

import functools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from oscillation_hardware import costs, hardware
from oscillation_moving import moving_search
from oscillation_trials import EPOCHS, PLACES, PRESET, SEEDS, STEPS, Trial, accuracy_of, digits, mnist, trained

from corinfomax import Stimulus
from corinfomax.analysis import accuracy
from corinfomax.errors import DivergenceError
from corinfomax.protocols.clockwork import Protocol, oscillating
from corinfomax.protocols.runs import Configuration
from corinfomax.stimuli import batches

#: Milliseconds, which are steps.
PERIODS = (10, 20, 50, 100, 200)
BETAS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)


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
    fade : int, default 0
        Steps over which the input crosses from the last stimulus to this one; the target changes when they begin.
    rates : float, default 1
        Factor of the preset's learning rates.
    """

    cycle_steps: int
    cycles: float
    jitter: float = 0.0
    settle_steps: int = 0
    carry: bool = True
    fade: int = 0
    rates: float = 1.0

    def protocol(self, cycles: float, **options) -> Protocol:
        """What happens while a stimulus is on, for so many cycles."""
        found = oscillating(
            cycles=cycles, cycle_steps=self.cycle_steps, settle_steps=self.settle_steps, prediction_steps=15, **options
        )
        first, *others = found.phases
        return replace(found, phases=[replace(first, fade=self.fade), *others])


#: Streams, from one that knows all boundaries to one that knows none.
STREAMS = {
    "whole cycles, carried over": Stream(20, 2),
    "any moment, 2 cycles": Stream(20, 2, jitter=0.3),
    "any moment, 4 cycles": Stream(20, 4, jitter=0.3),
    "any moment, 2 cycles, 15 ms not learnt from": Stream(20, 2, jitter=0.3, settle_steps=15),
    "any moment, 4 cycles, 15 ms not learnt from": Stream(20, 4, jitter=0.3, settle_steps=15),
    "fading over 10 ms, any moment, 2 cycles": Stream(20, 2, jitter=0.3, fade=10),
    "fading over 20 ms, any moment, 2 cycles": Stream(20, 2, jitter=0.3, fade=20),
    "fading over 20 ms, any moment, 4 cycles": Stream(20, 4, jitter=0.3, fade=20),
    "fading over 40 ms, any moment, 4 cycles": Stream(20, 4, jitter=0.3, fade=40),
    "fading over 15 ms, which are not learnt from, 2 cycles": Stream(20, 2, jitter=0.3, settle_steps=15, fade=15),
    "fading over 20 ms, any moment, 2 cycles, rates / 4": Stream(20, 2, jitter=0.3, fade=20, rates=0.25),
    "fading over 20 ms, any moment, 4 cycles, rates / 4": Stream(20, 4, jitter=0.3, fade=20, rates=0.25),
}


def streamed(stream: Stream, seed: int) -> dict[str, float]:
    """Train on a stream; validation accuracy by presentations of their own, from rest.

    Parameters
    ----------
    stream : Stream
    seed : int
    """
    rates = [
        f"learning_rate_ff={[2.8 * stream.rates, 1.96 * stream.rates]}",
        f"learning_rate_fb={[0.42 * stream.rates]}",
    ]
    configuration = Configuration.read(PRESET, [*STEPS, *(rates if stream.rates != 1 else []), f"seed={seed}"])
    circuit, random = configuration.build_circuit(), np.random.default_rng(seed)
    x, y, x_judged, y_judged = digits()
    beta, now = configuration.build_protocol().beta, 0  # of the oscillation, in steps
    options = {"beta": beta, "reset": "carry" if stream.carry else "rest"}
    first = stream.protocol(stream.cycles, **options)
    learner = configuration.entry.mount(circuit, 20, first, dtype=np.float32)
    judge = configuration.entry.mount(circuit, 20, replace(first, reset="rest"), dtype=np.float32)

    def stimuli():
        nonlocal now
        for rows in batches(len(x), 20, random):
            if stream.jitter:
                steps = round(stream.cycle_steps * stream.cycles * random.uniform(1 - stream.jitter, 1 + stream.jitter))
                onset = (now + stream.settle_steps) % stream.cycle_steps
                learner.exchange_protocol(stream.protocol(steps / stream.cycle_steps, onset=onset, **options))
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
    options = {"cycles": stream.cycles * (1 + stream.jitter / 2), "beta": beta, "reset": "carry"}
    learner = configuration.entry.mount(circuit, 20, stream.protocol(**options), dtype=np.float64)
    found, settled = [], _settled(20)
    for onset in range(0, stream.cycle_steps, stream.cycle_steps // 10) if stream.jitter else [0]:
        circuit.load_state_dict(_learnt())
        learner.exchange_protocol(stream.protocol(onset=onset, **options))
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


#: Name, what differs from the preset, and whether the means so far are taken away.
EXCURSIONS = {
    "s e rᵀ": ([], False),
    "high-pass": ([], True),
    "s e rᵀ, teacher begins at its peak": (["onset=12"], False),
    "s e rᵀ, gate begins at its peak": (["onset=14"], False),
}


def excursion(settings: list[str], high_pass: bool, beta: float) -> dict[str, float]:
    """How far weights that moved at once would go within a cycle, in units of what is learnt in the end.

    Of a circuit that has learnt for three epochs, for one minibatch of 20: the largest norm of the running sum
    Σ s(t) ⟨e rᵀ⟩ over its norm at the end, W_ff of the hidden layer and of the output; and the norm of the running
    sum's mean over the cycle, of which a slow trace lets T/τ_c through.

    Parameters
    ----------
    settings : list of str
        What differs from the preset.
    high_pass : bool
        Whether the means so far are taken away.
    beta : float
    """
    x, y, *_ = digits()
    configuration = Configuration.read(PRESET, [*STEPS, *settings, "dtype=float64"])
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
        W, total, norms, area = circuit.weights["W_ff"][k], 0.0, [], 0.0
        for i in range(steps):
            post, pre = rates[k + 1][i], rates[k][i]
            product = (post - pre @ W.T).T @ pre
            if high_pass:
                p, m = (np.mean(rates[n][: i + 1], axis=0) for n in (k + 1, k))
                product = product - (p - m @ W.T).T @ m
            total = total + 2 / steps * gate[i] * product / (20 * beta)
            norms.append(np.linalg.norm(total))
            area = area + total / steps
        found[f"excursion_{k}"] = max(norms) / norms[-1]
        found[f"area_{k}"] = np.linalg.norm(area) / norms[-1]
        ends.append(total.ravel())
    dW = np.concatenate(ends)
    settled = _settled(20)[: len(dW)]
    found["gain"] = dW @ settled / (settled @ settled)
    found["cosine"] = found["gain"] * np.linalg.norm(settled) / np.linalg.norm(dW)
    return found


def excursions(data: Path | None) -> Iterator[Trial]:
    """How far weights go within a cycle."""
    for what, (settings, high_pass) in EXCURSIONS.items():
        yield Trial(what, 2, 0, functools.partial(excursion, settings, high_pass, 2.0))


PARTS = {
    "alignment": alignment,
    "excursions": excursions,
    "stream_alignment": stream_alignment,
    "mnist_search": mnist_search,
    "period": period,
    "beta": beta,
    "moving": moving,
    "moving_search": moving_search,
    "stream": stream,
    "hardware": hardware,
    "costs": costs,
}
