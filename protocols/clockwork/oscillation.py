"""The protocol of learning without phases: a teacher that oscillates while the stimulus is on."""

import numpy as np

from ...errors import ParameterError
from ...parameters import Steps, extends
from .phases import Phase
from .protocol import Protocol


@extends(Protocol, without=("phases", "plus", "minus", "predicts", "evaluation", "jitter"))
def oscillating(*, settle_steps: Steps = 30, cycle_steps: Steps = 100, cycles: Steps = 1, **stepping) -> Protocol:
    """Build the protocol of learning without phases: the teacher oscillates while the stimulus is on.

    β(t) = β sin ωt after a time in which cells settle (not in the paper, which conjectures it). Rules that read a
    `Readout` with `lock_in` learn from how the cells follow, and no free state is stored.

    Parameters
    ----------
    settle_steps : int, default 30
        Steps before the oscillation begins; what they end at is what the circuit predicts.
    cycle_steps : int, default 100
        Steps of a cycle, 50 ms.
    cycles : int, default 1
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
        For a cycle of fewer than 8 steps, which is no oscillation any more.
    """
    if cycle_steps < 8:
        raise ParameterError(f"cycle_steps = {cycle_steps}: should be at least 8")
    course = np.sin(2 * np.pi * np.arange(1, cycles * cycle_steps + 1) / cycle_steps)
    phases = [Phase("settle", settle_steps), Phase("oscillation", cycles * cycle_steps, beta=course)]
    return Protocol(phases, plus="oscillation", minus="settle", **stepping)
