"""Similarity matching (Pehlevan, Sengupta & Chklovskii 2018) and its kin: circuits that learn without targets."""

import functools
from collections.abc import Callable

from ...analysis.quantities import Quantity
from ...analysis.subspaces import covariance, objective, similarity_error, subspace_error
from ...analysis.weights import definiteness
from ...networks.similarity_matching import FoldiakCircuit, NonnegativeSimilarityMatching, SimilarityMatchingCircuit
from ...networks.states import Layers
from ...networks.trainable import Trainable
from ...stimuli.stimuli import Stimuli
from ..clockwork.protocol import Protocol, settling
from ..examinations.levers import Levers
from .learner import Learner
from .metrics import codes
from .model import Model
from .static import StaticLearner


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
    exponent = circuit.exponent if circuit.objective == "power" else None
    return {
        "subspace_error": subspace_error(W, M, C, whitened, exponent),
        "objective": objective(W, M, C, whitened, exponent),
        "definiteness_M": definiteness(M),
    }


def metrics_of_foldiak(circuit: FoldiakCircuit, states: Layers, stimuli: Stimuli) -> dict[str, float]:
    """`subspace_error` from the projection, and `definiteness_M`, as in `metrics`."""
    W, M = circuit.weights["W_ff"][0], circuit.weights["M"][1]
    return {"subspace_error": subspace_error(W, M, covariance(stimuli.x_train)), "definiteness_M": definiteness(M)}


def metrics_of_rates(circuit: NonnegativeSimilarityMatching, states: Layers, stimuli: Stimuli) -> dict[str, float]:
    """`similarity_error` of the test stimuli, `sparsity_1` of their rates, and `definiteness_M`."""
    y = states.r[1]
    return {
        "similarity_error": similarity_error(stimuli.x_test, y),
        **codes(states.r, circuit.bounds, ("sparsity",)),
        "definiteness_M": definiteness(circuit.weights["M"][1]),
    }


def trainer(circuit: Trainable) -> Callable[..., Learner] | None:
    """Take the fixed point in place of the dynamics, where the circuit's `solver` says so."""
    return None if circuit.solver == "dynamics" else functools.partial(StaticLearner, phase="settle")


def suits(circuit: SimilarityMatchingCircuit, protocol: Protocol, stimuli: Stimuli):
    """Check τ and η/τ by the eigenvalues of the training stimuli, unless the protocol allows what is unstable."""
    if not protocol.allow_unstable:
        circuit.check_stimuli(stimuli.x_train)


_COMMON = {
    "tasks": ("none",),
    "protocols": {"settling": settling, "phases": Protocol},
    "levers": Levers(weights="learning_rate", duration="steps"),
}

MODEL = Model(
    trainable=SimilarityMatchingCircuit,
    metrics=metrics,
    trainer=trainer,
    suits=suits,
    score="subspace_error",
    reads_like="similarity matching",
    citations=("Pehlevan2018",),
    **_COMMON,
)

NONNEGATIVE = Model(
    trainable=NonnegativeSimilarityMatching,
    metrics=metrics_of_rates,
    trainer=trainer,
    score="similarity_error",
    quantities={
        "similarity_error": Quantity(
            "1", "distance of the outputs' similarities from the stimuli's, ‖XᵀX - YᵀY‖²/‖XᵀX‖²"
        )
    },
    reads_like="nonnegative similarity matching",
    citations=("Pehlevan2014",),
    **_COMMON,
)

FOLDIAK = Model(
    trainable=FoldiakCircuit,
    metrics=metrics_of_foldiak,
    score="subspace_error",
    reads_like="anti-hebbian decorrelation",
    citations=("Foldiak1989",),
    **_COMMON,
)
