"""Single cells as Brian2 equation groups, and the domains of their rates. No weights, no data, no schedule."""

import brian2 as b2

from .cell import PHYSICAL_SCALE, Cell, Parameter, Recordable
from .domains import DOMAINS, NONNEGATIVE_UNIT_BOX, UNIT_BOX, Constraints, Domain, domain_of
from .interneurons import SST, LeakySST, MultiplierCell, RateSST
from .noise import BackgroundInput
from .point import CompetingPoint, HiddenPoint, LinearPoint, OutputPoint
from .predictive import ErrorCell, NudgedOutputValue, OutputValue, RectifiedValue, SigmoidValue
from .pyramidal import HiddenPyramidal, OutputPyramidal, StimulusCell
from .reciprocal import ReciprocalOutput, ReciprocalPyramidal
from .spiking import GENERATORS, Generator, spiking

__all__ = [
    "DOMAINS",
    "GENERATORS",
    "NONNEGATIVE_UNIT_BOX",
    "PHYSICAL_SCALE",
    "SST",
    "UNIT_BOX",
    "BackgroundInput",
    "Cell",
    "CompetingPoint",
    "Constraints",
    "Domain",
    "ErrorCell",
    "Generator",
    "HiddenPoint",
    "HiddenPyramidal",
    "LeakySST",
    "LinearPoint",
    "MultiplierCell",
    "NudgedOutputValue",
    "OutputPoint",
    "OutputPyramidal",
    "OutputValue",
    "Parameter",
    "RateSST",
    "ReciprocalOutput",
    "ReciprocalPyramidal",
    "Recordable",
    "RectifiedValue",
    "SigmoidValue",
    "StimulusCell",
    "domain_of",
    "spiking",
]

# What nobody catches is told as Python tells it. Brian2 would ask for a report to its developers.
b2.prefs.logging.display_brian_error_message = False
