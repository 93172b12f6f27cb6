"""The protocol of learning without phases: a teacher that oscillates while the stimulus is on."""

import numpy as np

from ...errors import ParameterError
from ...parameters import Index, Positive, Steps, extends
from .phases import Phase
from .protocol import Protocol


@extends(Protocol, without=("phases", "plus", "minus", "predicts", "evaluation", "jitter"))
def oscillating(
    *,
    settle_steps: Index = 30,
    cycle_steps: Steps = 100,
    cycles: Positive = 1,
    onset: Index = 0,
    prediction_steps: Steps | None = None,
    **stepping,
) -> Protocol:
    """Build the protocol of learning without phases: the teacher oscillates while the stimulus is on.

    β(t) = β sin ωt after a time in which cells settle (not in the paper, which conjectures it). Rules that read a
    `Readout` with `lock_in` learn from how the cells follow, and no free state is stored.

    Parameters
    ----------
    settle_steps : int, default 30
        Steps before the oscillation begins; what they end at is what the circuit predicts. With 0 it predicts in a
        presentation of its own, of `prediction_steps`.
    cycle_steps : int, default 100
        Steps of a cycle, 50 ms.
    cycles : float, default 1
        From 1; need not be whole.
    onset : int, default 0
        Steps of a cycle that are over when the oscillation begins: for stimuli that come on at moments that do not know
        its phase.
    prediction_steps : int, optional
        Steps of the phase in which a circuit predicts where there are no targets, from rest; by default
        `settle_steps`, or 30 without.
    **stepping
        `beta`, `random_sign`, `step`, `step_rule`, `step_decay`, `step_min`, `method`, `reset` and `allow_unstable`, as
        in `Protocol`.

    Returns
    -------
    Protocol
        With the phases ``settle`` and ``oscillation``.

    Raises
    ------
    ParameterError
        For a cycle of fewer than 8 steps, which is no oscillation any more, or less than one cycle.
    """
    if cycle_steps < 8:
        raise ParameterError(f"cycle_steps = {cycle_steps}: should be at least 8")
    if cycles < 1:
        raise ParameterError(f"cycles = {cycles:g}: should be at least 1, a whole cycle")
    steps = round(cycles * cycle_steps)
    course = np.sin(2 * np.pi * np.arange(onset + 1, onset + steps + 1) / cycle_steps)
    oscillation = Phase("oscillation", steps, beta=course)
    if settle_steps and prediction_steps is None:
        return Protocol([Phase("settle", settle_steps), oscillation], plus="oscillation", minus="settle", **stepping)
    free = Phase("settle", prediction_steps or 30)
    before = [Phase("settle", settle_steps)] if settle_steps else []
    rest = {name: value for name, value in stepping.items() if name != "reset"}
    evaluation = Protocol([free], plus="settle", minus="", **rest)
    return Protocol([*before, oscillation], plus="oscillation", minus="", evaluation=evaluation, **stepping)
