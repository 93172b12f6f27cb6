"""Weights that move within the presentation, for as long as the preset learns: a search on validation stimuli."""

import functools
from collections.abc import Iterator
from pathlib import Path

from oscillation_trials import PRESET, STEPS, Trial, accuracy_of, digits

#: Of the preset.
EPOCHS = 30
_HALF = ["learning_rate_ff=[1.4,0.98]", "learning_rate_fb=0.21"]
_MOVING, _HIGH_PASS = ["oscillation_rule=moving"], ["oscillation_rule=moving_high_pass"]
#: The gate, which lags by 2 ms, begins at its peak: then the area below its integral is 0.
_PEAK = ["onset=14"]
#: Name, what differs from the preset, and seeds.
SETTINGS = {
    "running sums, for comparison": ([], (0, 1, 2)),
    "gate from 0, trace 1 s, half the rates": ([*_MOVING, "tau_trace=1000", *_HALF], (0, 1, 2)),
    "gate from 0, high-pass, trace 300 ms, half the rates": ([*_HIGH_PASS, "tau_trace=300", *_HALF], (0,)),
    "2 ms before the peak, trace 1 s": ([*_MOVING, "tau_trace=1000", "onset=12"], (0,)),
    "2 ms before the peak, trace 300 ms": ([*_MOVING, "tau_trace=300", "onset=12"], (0,)),
    "2 ms before the peak, trace 300 ms, half the rates": ([*_MOVING, "tau_trace=300", "onset=12", *_HALF], (0,)),
    "2 ms before the peak, trace 100 ms, half the rates": ([*_MOVING, "tau_trace=100", "onset=12", *_HALF], (0,)),
    "2 ms before the peak, high-pass, trace 300 ms": ([*_HIGH_PASS, "tau_trace=300", "onset=12"], (0,)),
    "from the peak, trace 300 ms": ([*_MOVING, "tau_trace=300", *_PEAK], (0, 1, 2)),
    "from the peak, trace 100 ms": ([*_MOVING, "tau_trace=100", *_PEAK], (0,)),
    "from the peak, trace 1 s": ([*_MOVING, "tau_trace=1000", *_PEAK], (0, 1, 2)),
}


def moving_search(data: Path | None) -> Iterator[Trial]:
    """Validation accuracy on digits after 30 epochs; first all settings with one seed, then the others."""
    planned = [(seed, what) for what, (_, seeds) in SETTINGS.items() for seed in seeds]
    for seed, what in sorted(planned, key=lambda each: each[0]):
        run = functools.partial(accuracy_of, PRESET, [*STEPS, *SETTINGS[what][0]], digits, EPOCHS, seed)
        yield Trial(what, 0, seed, run)
