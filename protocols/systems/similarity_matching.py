"""Similarity matching (Pehlevan, Sengupta & Chklovskii 2018): a circuit that learns without targets."""

from ...analysis.subspaces import covariance, objective, subspace_error
from ...analysis.weights import definiteness
from ...networks.similarity_matching import SimilarityMatchingCircuit
from ...networks.states import Layers
from ...stimuli.stimuli import Stimuli
from ..clockwork.protocol import Protocol, settling
from ..examinations.levers import Levers
from .model import Model


def metrics(circuit: SimilarityMatchingCircuit, states: Layers, stimuli: Stimuli) -> dict[str, float]:
    """Columns of the history, of weights alone: the states of the test stimuli follow from them.

    Parameters
    ----------
    circuit : SimilarityMatchingCircuit
    states : Layers
    stimuli : Stimuli
        The training part has the covariance that the weights are held against.

    Returns
    -------
    dict of str to float
        `subspace_error` and `objective`, as in `corinfomax.analysis.subspaces`, and `definiteness_M`, the least
        eigenvalue of M over the largest.
    """
    W, M = circuit.weights["W_ff"][0], circuit.weights["M"][1]
    C, whitened = covariance(stimuli.x_train), circuit.objective == "psw"
    return {
        "subspace_error": subspace_error(W, M, C, whitened),
        "objective": objective(W, M, C, whitened),
        "definiteness_M": definiteness(M),
    }


MODEL = Model(
    trainable=SimilarityMatchingCircuit,
    tasks=("none",),
    protocols={"settling": settling, "phases": Protocol},
    metrics=metrics,
    levers=Levers(weights="learning_rate", duration="steps"),
    score="subspace_error",
    reads_like="similarity matching",
    citations=("Pehlevan2018",),
)
