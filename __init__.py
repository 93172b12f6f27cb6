"""Continuous-time simulation of cortical circuits that learn by correlative information maximization.

>>> from corinfomax.networks import CorInfoMax
>>> from corinfomax.protocols import Preparation
>>> preparation = Preparation(CorInfoMax([64, 128, 10]), replicas=20)
"""

from .networks import CorInfoMax
from .protocols.clockwork import (
    Phase,
    Preparation,
    Presentation,
    Protocol,
    Selection,
    Stimulus,
    StreamRecorder,
    WeightSelection,
    contrastive,
)
from .protocols.runs import Run, load

__all__ = [
    "CorInfoMax",
    "Phase",
    "Preparation",
    "Presentation",
    "Protocol",
    "Run",
    "Selection",
    "Stimulus",
    "StreamRecorder",
    "WeightSelection",
    "contrastive",
    "load",
]
