"""Networks without dynamics: backpropagation, by which the circuits' rules are judged, and feedback alignment."""

from ...analysis import angle
from ...networks.feedforward import Backpropagation, FeedbackAlignment, Perceptron
from ...networks.states import Layers
from ...stimuli.stimuli import Stimuli
from .metrics import codes, norms, performance
from .model import Model
from .wiring import Wiring


def metrics(network: Perceptron, states: Layers, stimuli: Stimuli) -> dict[str, float]:
    """Columns of the history: accuracy or R² and the loss of the test stimuli, ``norm_W_k`` and ``stuck_k``.

    Of feedback alignment also ``angle_k`` between W_k and the transposed feedback, in degrees.

    Parameters
    ----------
    network : Perceptron
    states : Layers
        r of the layers k ≥ 1 for the test stimuli.
    stimuli : Stimuli
    """
    output = network.predicted(states)
    W_fb = network.weights.get("W_fb", {})
    return {
        **performance(output, stimuli),
        "loss": network.loss_of(output, stimuli.y_test),
        **{f"angle_{k}": angle(network.weights["W"][k], W_fb[k]) for k in W_fb},
        **norms(network),
        **codes(states.r, {}, ("stuck",)),
    }


BACKPROPAGATION = Model(
    trainable=Backpropagation,
    metrics=metrics,
    reads_like="backpropagation",
    citations=("Rumelhart1986", "Kingma2015"),
    wiring=Wiring(transport=True, symmetric=True, local=False, why="errors come down by Wᵀ, in a pass of their own"),
)

FEEDBACK_ALIGNMENT = Model(
    trainable=FeedbackAlignment,
    metrics=metrics,
    reads_like="feedback alignment",
    citations=("Lillicrap2016", "Kingma2015"),
    wiring=Wiring(
        transport=False,
        symmetric=False,
        local=False,
        why="errors come down by fixed weights, in a pass of their own",
    ),
)
