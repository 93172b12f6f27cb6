"""Output cells that the teacher cannot lift: silent in both phases, so that the weights onto them do not learn."""

import numpy as np

from .circuit import CorInfoMax


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
        Largest ``|β|`` of the phases.

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
