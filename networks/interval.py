"""How often a drive is renewed, where nobody says so: a whole number of steps that a calibration finds."""

import math
from dataclasses import dataclass

from ..errors import ParameterError


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
    tolerance: float | None = None
    steps: int = 1

    def __post_init__(self):
        if self.tolerance is not None and not 0 <= self.tolerance < math.inf:
            raise ParameterError(f"{self.name}: tolerance = {self.tolerance!r}: must be a number from 0")

    def __index__(self) -> int:
        return self.steps
