"""Output cells that the teacher cannot lift: silent in both phases, so that the weights onto them do not learn.

Below zero the output's equilibrium is u ∝ v_B/ε + βy (eq 14), whatever the convention: a cell with v_B ≤ -βεy is silent
in both phases.
"""

import numpy as np

from .circuit import CorInfoMax


def unlifted(circuit: CorInfoMax, r, y, beta: float) -> np.ndarray:
    """Find the share of stimuli for which the teacher cannot lift the output cells that they want active.

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
    bias = circuit.weights["b"][circuit.output] if circuit.parameters.bias else 0
    silent = r @ circuit.weights["W_ff"][below].T + bias + beta * circuit.epsilon[below] * y <= 0
    return (silent & wanted).sum(axis=0) / np.maximum(wanted.sum(axis=0), 1)


#: Standard deviation of v_B in the first hidden layer at which small sets are learnt that no plane divides. Of 1, 1.4
#: and 1.8 the best on validation stimuli of two moons; five sets of a few hundred stimuli were looked at.
_SPREAD = 1.8


def spreading_gain(circuit: CorInfoMax, x) -> float:
    """Find the gain of W_ff^(0) and b_1 at which basal potentials of layer 1 spread beyond its cells' linear range.

    Initial v_B has the variance gain² · 2/(N_0 + N_1) · ⟨‖x‖² + 1⟩ over cells, the 1 being that of the bias.

    Parameters
    ----------
    circuit : CorInfoMax
        One with biases.
    x : array, (stimuli, inputs)

    Returns
    -------
    float
        Of two digits.
    """
    inputs, cells, *_ = circuit.sizes
    spread = np.sqrt(2 / (inputs + cells) * (1 + np.square(x).sum(axis=1).mean()))
    return float(f"{_SPREAD / spread:.2g}")


def lifting_gain(circuit: CorInfoMax, r, beta: float) -> float:
    """Find the gain of the last W_ff at which the teacher lifts nearly every output cell from the start.

    Initial v_B of the output cells spreads with standard deviation gain·√(2/(N_{P-1} + N_P))·‖mean r_{P-1}‖. A third of
    what the teacher reaches, ε|β|, is taken for it, so that one cell in a thousand lies beyond.

    Parameters
    ----------
    circuit : CorInfoMax
        With its initial weights, whatever their last gain.
    r : array, (stimuli, cells)
        Rates of the layer below the output, at the free phase's end.
    beta : float
        Largest ``|β|`` of the phases.

    Returns
    -------
    float
        At most 1, rounded down to two digits.
    """
    *_, below, outputs = circuit.sizes
    norm = np.linalg.norm(np.mean(r, axis=0))
    if circuit.parameters.bias:
        norm = np.hypot(norm, 1)  # a bias is the weight of one more cell, whose rate is 1
    reach = abs(beta) * circuit.epsilon[-1]
    gain = min(1.0, reach / (3 * np.sqrt(2 / (below + outputs)) * max(norm, np.finfo(float).tiny)))
    digits = 1 - int(np.floor(np.log10(gain)))
    return float(np.floor(gain * 10.0**digits) / 10.0**digits)


def why_not_applicable(circuit: CorInfoMax) -> str:
    """Say why the output cells of a circuit cannot stay silent under the teacher; empty if they can."""
    domain = circuit.domains[circuit.output]
    if np.min(domain.lower) < 0:
        return f"in the domain {domain.name} rates have either sign, so that no cell falls silent below 0"
    if domain.constraints is not None and domain.constraints.equality:
        return f"in the domain {domain.name} rates must sum up to 1, so that the threshold itself moves"
    return ""
