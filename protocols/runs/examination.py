"""Examining a learner before it is trained."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from ...analysis import Finding
from ...errors import DivergenceError
from ...networks.trainable import Trainable
from ...stimuli import Stimuli
from ..clockwork.protocol import Protocol
from ..examinations import nudging, settling
from ..examinations.examined import Examined
from ..examinations.inputs import inputs
from ..examinations.static import examine_static
from ..systems import Model
from .configuration import Configuration


def examine(
    circuit: Trainable,
    protocol: Protocol | None,
    stimuli: Stimuli,
    model: Model,
    batch_size: int = 20,
    dtype: str = "float32",
    target: str = "auto",
    report: Callable[[str], object] = lambda what: None,
) -> list[Finding]:
    """Find out whether a learner can learn, before it is trained.

    Parameters
    ----------
    circuit : Trainable
        With the weights it is to begin with, or those of a trained one; they stay.
    protocol : Protocol or None
        That of training, of a circuit. It is also tried with phases ten times as long. None without dynamics.
    stimuli : Stimuli
        The first ten training stimuli are presented; for 200 across the set the output cells are looked at.
    model : Model
        Entry of the registry; it names examinations of its own.
    batch_size : int, default 20
        Stimuli of a minibatch.
    dtype : {"float32", "float64"}
        Type of the training; the examination is done in float64.
    target : {"auto", "cython", "numpy"}
    report : callable
        Told what is being done.

    Returns
    -------
    list of Finding
        In order: range of the inputs and biases, Euler step, least β, spectral abscissa and Euler's radius with loops,
        settling, what the model has of its own, and for each layer the nudge that reaches it; without dynamics units
        that do not respond, and what the first step of learning does. Those that are well have no advice.
    """
    seen = list(inputs(circuit, stimuli))
    if protocol is None:
        return seen + list(examine_static(circuit, stimuli, batch_size))
    kept = circuit.dtype
    circuit.astype(np.float64)
    try:
        tolerant = replace(protocol, allow_unstable=True)
        examined = Examined(circuit, tolerant, stimuli, np.dtype(dtype), model.levers, target, report, batch_size)
        return seen + list(_findings(examined, model))
    finally:
        circuit.astype(kept)


def examine_configured(
    circuit: Trainable, configuration: Configuration, report: Callable[[str], object] = lambda what: None
) -> list[Finding]:
    """Examine a learner with the protocol, the stimuli and the training of its configuration; see `examine`.

    Parameters
    ----------
    circuit : Trainable
    configuration : Configuration
    report : callable
        Told what is being done.
    """
    training = configuration.training
    return examine(
        circuit,
        configuration.build_protocol(),
        configuration.load_stimuli(),
        configuration.entry,
        batch_size=training.batch_size,
        dtype=training.dtype,
        target=training.target,
        report=report,
    )


def _findings(examined: Examined, model: Model) -> Iterator[Finding]:
    yield from settling.euler_step(examined)
    yield from settling.least_beta(examined)
    try:
        examined.settled  # noqa: B018 - what the others look at
    except DivergenceError as error:
        yield Finding("Free phase", str(error), "a rest", "take a smaller step, or smaller initial weights")
        return
    yield from settling.stability(examined)
    yield from settling.settling(examined)
    for examination in model.examinations:
        yield from examination(examined)
    yield from nudging.nudges(examined)
