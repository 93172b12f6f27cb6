"""Backpropagation, by which the circuits' rules are judged."""

from ...networks.feedforward import Backpropagation
from ...networks.states import Layers
from ...stimuli.stimuli import Stimuli
from .metrics import codes, norms, performance
from .model import Model


def metrics(network: Backpropagation, states: Layers, stimuli: Stimuli) -> dict[str, float]:
    """Columns of the history: accuracy or R² and the loss of the test stimuli, ``norm_W_k`` and ``stuck_k``.

    Parameters
    ----------
    network : Backpropagation
    states : Layers
        r of the layers k ≥ 1 for the test stimuli.
    stimuli : Stimuli
    """
    output = states.r[network.output]
    return {
        **performance(output, stimuli),
        "loss": network.loss_of(output, stimuli.y_test),
        **norms(network),
        **codes(states.r, {}, ("stuck",)),
    }


MODEL = Model(
    trainable=Backpropagation,
    tasks=("classification", "regression"),
    metrics=metrics,
    reads_like="backpropagation",
)
