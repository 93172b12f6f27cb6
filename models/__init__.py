"""Single cells as Brian2 equation groups, and the domains of their rates. No weights, no data, no schedule."""

from .cell import PHYSICAL_SCALE, Cell, Parameter
from .domains import NONNEGATIVE_UNIT_BOX, Domain
from .interneurons import SST, LeakySST
from .pyramidal import HiddenPyramidal, OutputPyramidal, StimulusCell

__all__ = [
    "NONNEGATIVE_UNIT_BOX",
    "PHYSICAL_SCALE",
    "SST",
    "Cell",
    "Domain",
    "HiddenPyramidal",
    "LeakySST",
    "OutputPyramidal",
    "Parameter",
    "StimulusCell",
]
