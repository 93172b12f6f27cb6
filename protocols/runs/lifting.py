"""Output cells that the teacher cannot lift: silent in both phases, so that the weights onto them do not learn."""

import numpy as np

from ...networks import Circuit, CorInfoMax
from ...stimuli import Stimuli
from ..clockwork.protocol import Protocol
from ..systems.learner import Learner

#: Share of the stimuli that want a cell above which it is said to be learnt late. With preset digits, seeds 0 to 4, the
#: two classes of which nothing was recognised in the first epoch began with .72 and 1.
UNLIFTED = 0.5
#: How many training stimuli tell.
TAUGHT = 200


def unlifted(circuit: CorInfoMax, r, y, beta: float) -> np.ndarray:
    """Find the share of stimuli for which the teacher cannot lift the output cells that they want active.

    Below zero the output's equilibrium is u ∝ v_B/ε + βy (eq 14), whatever the convention: a cell with v_B ≤ -βεy is
    silent in both phases.

    Parameters
    ----------
    circuit : CorInfoMax
        One for which `why_not_applicable` has no reason.
    r : array, (stimuli, cells)
        Rates of the layer below the output, at the free phase's end.
    y : array, (stimuli, outputs)
        Targets; those above 0 want their cell active.
    beta : float
        Largest |β| of the phases.

    Returns
    -------
    ndarray, (outputs,)
        Between 0 and 1; 0 for a cell that no stimulus wants.
    """
    below = circuit.output - 1
    wanted = y > 0
    silent = r @ circuit.weights["W_ff"][below].T + beta * circuit.epsilon[below] * y <= 0
    return (silent & wanted).sum(axis=0) / np.maximum(wanted.sum(axis=0), 1)


def why_not_applicable(circuit: CorInfoMax) -> str:
    """Say why the output cells of a circuit cannot stay silent under the teacher; empty if they can."""
    domain = circuit.domains[circuit.output]
    if np.min(domain.lower) < 0:
        return f"in the domain {domain.name} rates have either sign, so that no cell falls silent below 0"
    if domain.constraints is not None and domain.constraints.equality:
        return f"in the domain {domain.name} rates must sum up to 1, so that the threshold itself moves"
    return ""


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
