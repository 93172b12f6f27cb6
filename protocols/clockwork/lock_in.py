"""What a teacher that oscillates must be like, for rules to learn from how cells follow it."""

from collections.abc import Sequence

import numpy as np

from ...errors import ParameterError
from ...networks.circuit import Circuit
from ...networks.plasticity import Plasticity
from .phases import Phase


def oscillates(phase: Phase) -> bool:
    """Whether a phase's β goes above and below 0."""
    course = np.asarray(phase.beta, float)
    return course.ndim > 0 and bool(course.min() < 0 < course.max())


def period(phase: Phase) -> float:
    """Steps of a cycle of a phase's β, by its strongest frequency."""
    spectrum = np.abs(np.fft.rfft(np.asarray(phase.beta, float)))
    return phase.steps / (1 + int(spectrum[1:].argmax()))


def check_lock_in(item: Plasticity, phase: Phase, lag: int):
    """Raise a `ParameterError` if a rule could not read by how much signals follow the teacher in a phase.

    Parameters
    ----------
    item : Plasticity
        The rule, for the message.
    phase : Phase
        What it reads.
    lag : int
        Steps by which its gate lags behind the teacher.
    """
    if not oscillates(phase):
        raise ParameterError(
            f"{item}: follows the oscillation of phase {phase.name!r}, whose β does not oscillate about 0; see "
            "corinfomax.protocols.clockwork.oscillating"
        )
    cycle = period(phase)
    if 2 * lag >= cycle:
        raise ParameterError(
            f"{item}: a gate that lags {lag} steps behind the oscillation of phase {phase.name!r}; must be below half "
            f"its cycle, {cycle / 2:g} steps, where it has the opposite sign"
        )


def check_followed(circuit: Circuit, phases: Sequence[Phase], step: float):
    """Raise a `ParameterError` if a rule is to read how cells follow an oscillation that is too fast for them.

    A cell that settles with a time constant follows an oscillation of the period 2π times that constant by 1/√2, and
    an eighth of a cycle late; and from layer to layer it is the less.

    Parameters
    ----------
    circuit : Circuit
        Its bound of Euler's step is twice the time constant of its fastest layer.
    phases : sequence of Phase
    step : float
        In units of the circuit's time constant.
    """
    if not any(readout.lock_in is not None for item in circuit.plasticity for readout in item.readouts):
        return
    least = np.pi * circuit.step_bound(0.0) / step
    for phase in phases:
        if oscillates(phase) and np.isfinite(least) and period(phase) < least:
            raise ParameterError(
                f"phase {phase.name!r}: β has a period of {period(phase):g} steps, too fast for cells that settle with "
                f"a time constant of {least / (2 * np.pi):.2g} steps; must be at least {least:.3g}"
            )
