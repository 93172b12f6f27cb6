"""The clockwork: phases, presentations, recording, and the preparation that mounts a circuit on the clock."""

from .phases import Phase, Protocol, contrastive
from .preparation import Preparation
from .presentation import PhaseTrace, Presentation, Stimulus
from .recording import Recorder
from .selections import Selection, WeightSelection
from .streaming import StreamRecorder

__all__ = [
    "Phase",
    "PhaseTrace",
    "Preparation",
    "Presentation",
    "Protocol",
    "Recorder",
    "Selection",
    "Stimulus",
    "StreamRecorder",
    "WeightSelection",
    "contrastive",
]
