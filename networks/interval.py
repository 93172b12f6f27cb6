"""How often a drive is renewed, where nobody says so: a whole number of steps that a calibration finds."""

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
