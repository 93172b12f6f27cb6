"""Trials of what hardware does to a circuit that learns without phases, and of what presentations cost."""

import functools
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
from oscillation_trials import EPOCHS, PLACES, PRESET, SEEDS, STEPS, Trial, accuracy_of, digits, trained

from corinfomax.analysis import accuracy
from corinfomax.protocols.comparison import cost_of
from corinfomax.protocols.perturbations import Intervention, Mismatch, Quantise

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
