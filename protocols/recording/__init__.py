"""Recording: everything that takes down what happens in a preparation."""

import lazy_loader as lazy

# Names are imported when they are first used: what needs no Brian2 does not wait for it.
__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "archive": ["record", "representative_cells", "restrict"],
        "files": ["TRACE_SUFFIXES", "record_traces", "select"],
        "presentation": ["PhaseTrace", "Presentation"],
        "recorder": ["Recorder"],
        "selections": ["Selection", "SpikeSelection", "WeightSelection", "population_of", "stimuli_of"],
        "stream_recorder": ["StreamRecorder"],
    },
)
