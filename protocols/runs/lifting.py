"""Classes whose output cell the teacher cannot lift, by the training stimuli."""

import numpy as np

from ...networks import Circuit, CorInfoMax
from ...networks.corinfomax.lifting import unlifted, why_not_applicable
from ...stimuli import Stimuli
from ..clockwork.protocol import Protocol
from .learner import Learner

#: Share of the stimuli that want a cell above which it is said to be learnt late. With preset digits, seeds 0 to 4, the
#: two classes of which nothing was recognised in the first epoch began with .72 and 1.
UNLIFTED = 0.5
#: How many training stimuli tell.
TAUGHT = 200


def unlifted_classes(
    circuit: Circuit, learner: Learner, protocol: Protocol, stimuli: Stimuli, classes, seed: int | None = None
) -> list[int]:
    """Pick those of some classes whose output cell the teacher cannot lift for most of their training stimuli.

    Parameters
    ----------
    circuit : Circuit
    learner : Learner
        Presents the stimuli.
    protocol : Protocol
        That of training.
    stimuli : Stimuli
        Of a classification.
    classes : sequence of int
    seed : int, optional
        Of the background input, if the circuit has some.

    Returns
    -------
    list of int
        Empty also where the question does not apply.
    """
    if not isinstance(circuit, CorInfoMax) or why_not_applicable(circuit):
        return []
    rows = np.flatnonzero(np.isin(stimuli.labels_train, classes))
    rows = rows[spaced(len(rows))]
    r = learner.settle(stimuli.x_train[rows], seed=seed).r[circuit.output - 1]
    share = unlifted(circuit, r, stimuli.y_train[rows], np.abs(phase_betas(protocol)).max())
    return [int(label) for label in classes if share[label] > UNLIFTED]


def phase_betas(protocol: Protocol) -> np.ndarray:
    """All β that occur in the phases of training."""
    return np.concatenate([beta * np.atleast_1d(phase.beta) for beta in protocol.betas for phase in protocol.phases])


def spaced(count: int) -> np.ndarray:
    """Rows of so many stimuli to look at, evenly spaced, as a set may be sorted by class."""
    return np.unique(np.linspace(0, count - 1, min(TAUGHT, count)).astype(int))
