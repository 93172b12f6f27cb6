"""A leaky integrate-and-fire soma: the soma of a conductance-based cell, with a threshold and a reset in millivolts.

    τ_u du/dt = -g_lk u + g_A (v_A - u) + g_B (v_B - u),   V = V_rest + V_scale u

is the soma of the three-compartment cell as it is: leak, and what comes from the dendrites. Where V reaches V_threshold
the cell spikes, V falls to V_reset and stays there for τ_ref. In output cells the teacher's current is β(y - r), as in
eq 14 (see `leaky`). At constant dendritic potentials V would go to V_∞ = V_rest + V_scale u_∞ with the time constant
τ_m = τ_u/(g_lk + g_A + g_B), so that the cell fires at

    f = 1/(τ_ref + τ_m ln((V_∞ - V_reset)/(V_∞ - V_threshold))),   V_∞ > V_threshold.

Only τ_ref bounds that rate, where rates of the paper end at 1. So synapses saturate: a spike adds q to the train s, up
to the peaks that s has if the cell fires at r_max.

V_rest is the level that background input holds the cell at, a little below threshold, as in a cortex that is awake: it
is for the deviations from it that u stands. Unless they are given, reset and rest are such that f = r_max at u_∞ = 1
and V_rest is `BACKGROUND` of the way from threshold to reset, the same code in all layers, whatever their conductances.
"""

import re
from collections.abc import Mapping
from typing import Any

import brian2 as b2
import numpy as np

from ..errors import ParameterError
from .cell import PHYSICAL_SCALE, Parameter

#: Where the cell rests, as a part of the way from threshold to reset.
BACKGROUND = 0.25
#: Threshold unless another is given.
THRESHOLD = -50 * b2.mV
PARAMETERS = (
    Parameter("V_threshold", "volt", "potential at which the soma spikes", "not in the paper; -50 mV here"),
    Parameter("V_reset", "volt", "potential to which it falls", "not in the paper; such that f = r_max at u = 1"),
    Parameter(
        "V_rest", "volt", "resting potential with background input", "not in the paper; a little below threshold"
    ),
)
#: Lowest potential that the reset has by default: about the reversal potential of potassium.
LOWEST = -90 * b2.mV
#: What a spike does to the filtered train: no train exceeds the peak of one at the rate r_max, for synapses saturate.
JUMP = "train = clip(train + 1/(r_max*tau_s), 0, 1/(r_max*tau_s)/(1 - exp(-1/(r_max*tau_s))))"
#: What the soma has to have.
_CONDUCTANCES = ("tau_u", "g_lk", "g_B")
_SOMA = re.compile(r"^(du/dt = .*? : 1)(?! \()", flags=re.MULTILINE)
_TEACHER = "g_A*(v_A - u)"


def has_soma(equations: str) -> bool:
    """Whether a cell has a somatic potential u that is integrated."""
    return bool(_SOMA.search(equations))


def leaky(equations: str) -> str:
    """Let u stand still while a cell is refractory, and a teacher act on what the cell sends.

    Between reset and threshold u tells nothing of the rate, so that β(y - u) would not pull a rate towards y, but with
    its conductance β quicken the membrane. What acts is β(y - r), the teacher of eq 14.
    """
    taught = "\nbeta : 1 (shared)" in equations
    equations = equations.replace(_TEACHER, "g_A*(v_A - r)") if taught else equations
    return _SOMA.sub(r"\1 (unless refractory)", equations)


class LeakySoma:
    """What a leaky integrate-and-fire soma adds to a kind of cell: its potentials in mV, where they are not given."""

    def __init__(self, **values):
        name = type(self).__name__
        if missing := [key for key in _CONDUCTANCES if key not in values]:
            raise ParameterError(f"{name}: a leaky integrate-and-fire soma needs {missing[0]}, which the cell lacks")
        if getattr(values.get("domain"), "constraints", None) is not None:
            raise ParameterError(f"{name}: a leaky integrate-and-fire soma takes no domain with constraints")
        values = {"V_threshold": THRESHOLD} | values
        self._check_units(values)
        if not {"V_reset", "V_rest"} <= set(values):
            below = _below_threshold(name, values)
            values = {
                "V_reset": values["V_threshold"] - below,
                "V_rest": values["V_threshold"] - BACKGROUND * below,
            } | values
        super().__init__(**values)
        threshold = values["V_threshold"]
        for key in ("V_reset", "V_rest"):
            if not values[key] < threshold:
                raise ParameterError(f"{name}: {key} = {values[key]}: must be below V_threshold = {threshold}")


def _below_threshold(name: str, values: Mapping[str, Any]) -> b2.Quantity:
    """By how much the reset lies below the threshold if f = r_max at u_∞ = 1, or say that it would be too low."""
    least = 1 / values["r_max"] - values["tau_ref"]
    if least <= 0 * b2.second:
        raise ParameterError(
            f"{name}: tau_ref = {values['tau_ref']} leaves no time between spikes at r_max = {values['r_max']}; "
            f"it should be less than {1 / values['r_max'] / b2.ms:g} ms"
        )
    tau_m, scale = membrane_time_constant(values), PHYSICAL_SCALE["V_scale"]
    most = values["V_threshold"] - LOWEST
    with np.errstate(over="ignore"):
        beyond = 1 / np.expm1(float(least / tau_m))  # (V_∞ - V_threshold)/(V_threshold - V_reset)
    below = scale / (BACKGROUND + beyond)
    if below > most:
        bound = least / np.log1p(1 / max(float(scale / most) - BACKGROUND, 1e-9))
        raise ParameterError(
            f"{name}: tau_u = {values['tau_u']}: a membrane time constant of {tau_m / b2.ms:.3g} ms is too short for "
            f"r_max = {values['r_max']}, as the reset would be below {LOWEST}; "
            f"tau_u should be at least {float(values['tau_u'] * bound / tau_m / b2.ms):.3g} ms"
        )
    return below


def membrane_time_constant(values: Mapping[str, Any]) -> b2.Quantity:
    """τ_m = τ_u/(g_lk + g_A + g_B) of a cell with these parameters; of one that is taught without g_A.

    Parameters
    ----------
    values : mapping
        `tau_u`, `g_lk`, `g_B`, and `g_A`, an expression of β where a cell is taught.
    """
    g_A = values.get("g_A", 0)
    return values["tau_u"] / (values["g_lk"] + values["g_B"] + (0 if isinstance(g_A, str) else g_A))
