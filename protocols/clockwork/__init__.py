"""The clockwork: phases, presentations, and the preparation that mounts a circuit on the clock."""

import importlib

import lazy_loader as lazy

# Names are imported when they are first used: what needs no Brian2 does not wait for it.
_here, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "calibration": ["Calibration", "calibrate"],
        "moment": ["Moment"],
        "oscillation": ["oscillating"],
        "phases": ["Phase"],
        "preparation": ["Preparation"],
        "recirculation": ["recirculating"],
        "protocol": ["Protocol", "clamped", "contrastive", "nudged", "settling"],
        "provenance": ["Provenance", "provenance"],
        "sources": ["Noise"],
    },
)

#: Names that stood here before stimuli and recording had rooms of their own.
_ELSEWHERE = {
    "Stimulus": "corinfomax.stimuli",
    **dict.fromkeys(
        ("PhaseTrace", "Presentation", "Recorder", "Selection", "StreamRecorder", "WeightSelection"),
        "corinfomax.protocols.recording",
    ),
}


def __getattr__(name: str):
    return getattr(importlib.import_module(_ELSEWHERE[name]), name) if name in _ELSEWHERE else _here(name)
