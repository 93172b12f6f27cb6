"""Predictive coding, clamped (Whittington & Bogacz 2017) and nudged."""

from ...networks.predictive_coding import NudgedPredictiveCoding, PredictiveCoding
from ...networks.states import Layers
from ...networks.trainable import Trainable
from ...stimuli.stimuli import Stimuli
from ..clockwork.protocol import Protocol, clamped, nudged
from ..examinations.levers import Levers
from .metrics import codes, norms, performance
from .model import Model
from .wiring import Wiring


def metrics(circuit: Trainable, states: Layers, stimuli: Stimuli) -> dict[str, float]:
    """Columns of the history: accuracy or R² of the test stimuli, ``norm_W_k``, and what the codes are like.

    Parameters
    ----------
    circuit : PredictiveCoding or NudgedPredictiveCoding
    states : Layers
        r of the layers k ≥ 1: what the test stimuli make the layers predict.
    stimuli : Stimuli
    """
    return {
        **performance(circuit.predicted(states), stimuli),
        **norms(circuit),
        **codes(states.r, {}, ("sparsity", "participation_ratio", "stuck")),
    }


_LEVERS = Levers(duration="steps")
_WIRING = Wiring(
    transport=False, symmetric=True, local=True, why="ΔW is a product of an error cell's and a value cell's signal"
)

CLAMPED = Model(
    trainable=PredictiveCoding,
    tasks=("classification",),
    protocols={"clamped": clamped, "phases": Protocol},
    metrics=metrics,
    levers=_LEVERS,
    reads_like="predictive coding",
    citations=("Whittington2017", "Kingma2015"),
    wiring=_WIRING,
)

NUDGED = Model(
    trainable=NudgedPredictiveCoding,
    protocols={"nudged": nudged, "phases": Protocol},
    metrics=metrics,
    levers=_LEVERS,
    reads_like="nudged predictive coding",
    citations=("Whittington2017", "Bozkurt2023"),  # the circuit, and its nudged form
    wiring=_WIRING,
)
