"""The conventions, and all they differ in, in one table.

Derivation and misprints: eq 14 gives the output layer γBr - e_ff/ε - β(r - y). Written with compartments,
β(y - u) is an apical dendrite at v_A = y coupled by g_A = β (`normative`; u for r, equal where unsaturated). Eq 21 as
printed has v_A = M r + y - r, whose coupling adds a term -βu that eq 14 does not have (`printed`). The published
trajectories have unit conductance also in the free phase, update the layers one after the other within a step, and
begin each phase with u := r (`authors`).
"""

from dataclasses import dataclass
from typing import Literal

from ...parameters import NonNegative, Switch, validated_fields

ConventionName = Literal["normative", "printed", "authors"]
ScheduleName = Literal["synchronous", "sequential"]


@validated_fields
@dataclass(frozen=True)
class Convention:
    """One way to read the paper.

    Parameters
    ----------
    output_g_A, output_v_A : str
        Apical conductance and potential of the output cells, as Brian2 expressions.
    schedule : {"synchronous", "sequential"}
        Whether all layers step at once, or layer k sees what layer k - 1 has become in the same step.
    restart_from_rate : bool
        Whether u := r when a phase begins.
    stiffness_constant, stiffness_per_beta : float
        What the apical dendrite and the terms in r add to the output cells' stiffness, at β = 0 and per ``|β|``.
    """

    output_g_A: str
    output_v_A: str
    schedule: ScheduleName
    restart_from_rate: Switch
    stiffness_constant: NonNegative
    stiffness_per_beta: NonNegative


CONVENTIONS: dict[str, Convention] = {
    #                       g_A     v_A             schedule       u := r  stiffness: constant, per |β|
    "normative": Convention("beta", "drive_apical", "synchronous", False, 0, 1),
    "printed": Convention("beta", "drive_apical - r", "synchronous", False, 0, 2),
    "authors": Convention("1", "beta*(drive_apical - r)", "sequential", True, 1, 1),
}
