"""How often a drive is renewed, where nobody says so: a whole number of steps that a calibration finds."""

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ..parameters import Count, NonNegative, validated_fields


@validated_fields
@dataclass(eq=False)
class Interval:
    """Steps between two renewals of a drive. It is live: projections that share it, mounted ones too, follow it.

    Parameters
    ----------
    name : str
        Of the parameter that states it where it is not to be found; checkpoints and histories call it so.
    tolerance : float, optional
        By how much rates at the phases' ends may deviate from those that a renewal in each step leads to. By default
        one rounding of the floating-point type in use.

    Attributes
    ----------
    steps : int
        At present; 1, a renewal in each step, until `corinfomax.protocols.clockwork.calibrate` finds more.
    """

    name: str
    tolerance: NonNegative | None = None
    steps: Count = 1

    def __index__(self) -> int:
        return self.steps


@contextlib.contextmanager
def renewed_in_each_step(intervals: Iterable[Interval]) -> Iterator[None]:
    """Make a context in which drives are renewed in each step, and after which intervals are what they were.

    Recordings are made so: cells whose drive is held would have staircases for potentials.

    Parameters
    ----------
    intervals : iterable of Interval
    """
    before = [(interval, interval.steps) for interval in intervals]
    try:
        for interval, _ in before:
            interval.steps = 1
        yield
    finally:
        for interval, steps in before:
            interval.steps = steps
