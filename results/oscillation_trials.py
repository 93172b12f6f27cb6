"""What trials of learning without phases have in common: stimuli, settings, and how a circuit is trained."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from corinfomax import Stimulus
from corinfomax.analysis import accuracy
from corinfomax.errors import DivergenceError
from corinfomax.protocols.perturbations import Intervention
from corinfomax.protocols.runs import Configuration
from corinfomax.stimuli import batches, load_stimuli

SEEDS = (0,)
#: Digits in steps of 1 ms in place of .5, by exponential Euler: else as the preset, and half as long to compute.
PRESET = "digits_phase_free"
STEPS = ["method=exponential_euler", "step=0.1", "settle_steps=15", "cycle_steps=50", "gate_lag=2"]
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
