"""Continuous-time simulation of cortical circuits that learn by correlative information maximization.

>>> from corinfomax.networks import CorInfoMax
>>> from corinfomax.protocols import Preparation
>>> preparation = Preparation(CorInfoMax([64, 128, 10]), replicas=20)
"""

import lazy_loader as lazy

from .libraries import imported

__version__ = "0.2.0"

# Names are imported when they are first used: what needs no Brian2 does not wait for it.
_get, __dir__, __all__ = lazy.attach(
    __name__,
    submodules=["analysis", "models", "networks", "protocols", "stimuli"],
    submod_attrs={
        "networks": ["CorInfoMax"],
        "protocols.clockwork": ["Phase", "Preparation", "Protocol", "contrastive"],
        "protocols.decomposition": ["SimilarityMatching"],
        "protocols.estimators": ["CorInfoMaxClassifier", "CorInfoMaxRegressor"],
        "protocols.recording": ["Presentation", "Selection", "SpikeSelection", "StreamRecorder", "WeightSelection"],
        "protocols.reports": ["describe", "report"],
        "protocols.runs": ["Run", "cite", "load", "train"],
        "protocols.sweeps": ["Sweep", "sweep"],
        "stimuli": ["Stimulus"],
    },
)


def __getattr__(name):
    with imported():
        return _get(name)
