"""Cells of predictive coding: value cells hold what a layer represents, error cells by how much a prediction misses it.

Both have one compartment, the soma, and no dendrites. `gate_soma` (1 = intact, 0 = cut) scales all synaptic input, and
`I_soma` (0) is an injected current. Potentials and errors are deviations from a baseline, of either sign; `V_soma` is
the potential by the one map to physical units.

Each value cell has one error cell, and reads it where it stands; the error cell reads its value cell's potential.
"""

from .cell import Cell, Parameter, Recordable
from .domains import LINEAR, RECTIFIED, SIGMOID

_VALUE = """
error_own : 1 (linked)                                     # e_k, of the error cell
gate_soma : 1
I_soma : 1
pace : 1 (shared)
r : 1                                                      # σ(u)
V_soma = V_rest + V_scale*u : volt
rate = rate_scale*r : Hz
"""

_RECORDABLES = (
    Recordable("u", "1", "soma", "potential, the value itself"),
    Recordable("r", "1", "", "rate σ(u)"),
    Recordable("V_soma", "V", "soma", "somatic potential"),
    Recordable("rate", "Hz", "", "rate"),
    Recordable("I_net", "1", "soma", "net current τ du/ds", by_default=False),
)

_TIME_CONSTANT = Parameter(
    "tau", "second", "time constant of the potential", "not in the paper, which has no physical time"
)


class ErrorCell(Cell):
    """Error cell: the value of its layer's cell less what the layer below predicts for it.

        e_k = u_k - (W_{k-1} r_{k-1} + b_k)

    It is instantaneous, as published.

    Notes
    -----
    Receives `drive_prediction` W_{k-1} r_{k-1} and `drive_bias` b_k, which inhibit it, and reads the potential
    `u_value` of its value cell. Sends its `error`. `gate_soma` = 0 silences it.
    """

    equations = """
error = gate_soma*(u_value - drive_prediction - drive_bias) + I_soma : 1   # e_k; Brian2 reserves the letter
u_value : 1 (linked)                                       # u_k, of the value cell
drive_prediction : 1
drive_bias : 1
gate_soma : 1
I_soma : 1
V_soma = V_rest + V_scale*error : volt
"""
    role = "error"
    drives = ("drive_prediction", "drive_bias")
    links = ("u_value",)
    outputs = ("error",)
    recordables = (
        Recordable("error", "1", "soma", "error of the prediction"),
        Recordable("V_soma", "V", "soma", "the error as a somatic potential"),
    )


class SigmoidValue(Cell):
    """Value cell of a hidden layer in predictive coding (Whittington & Bogacz 2017), r = σ(u) a sigmoid.

        τ du_k/dt = -e_k + σ'(u_k) W_kᵀ e_{k+1},   σ' = r(1 - r)

    Parameters
    ----------
    tau : Quantity
        Time constant.
    domain : Domain, default the sigmoid
        For another one, σ' in the equations is to be another one, too.

    Notes
    -----
    Receives `drive_feedback` W_kᵀ e_{k+1} and reads its own error cell, which inhibits it. Sends its rate `r`.
    """

    equations = (
        """
du/dt = pace*I_net/tau : 1
I_net = gate_soma*(-error_own + r*(1 - r)*drive_feedback) + I_soma : 1
drive_feedback : 1
"""
        + _VALUE
    )
    parameters = (_TIME_CONSTANT,)
    drives = ("drive_feedback",)
    links = ("error_own",)
    state = ("u", "r")
    recordables = _RECORDABLES
    usual_domain = SIGMOID


class OutputValue(Cell):
    """Value cell of the output layer in predictive coding: free, or clamped to its target.

        τ du_P/dt = -e_P where it is free; u_P = σ⁻¹(target) while it is clamped

    Parameters
    ----------
    tau, domain
        As in `SigmoidValue`.

    Notes
    -----
    Reads its own error cell. `drive_teacher` holds the target y, which the circuit puts in the potential's place when
    a phase with the teacher begins; `taught` = 1 then keeps it there. Sends its rate `r`.
    """

    equations = (
        """
du/dt = (1 - taught)*pace*I_net/tau : 1
I_net = -gate_soma*error_own + I_soma : 1
drive_teacher : 1                                          # y
taught : 1 (shared)
"""
        + _VALUE
    )
    parameters = (_TIME_CONSTANT,)
    drives = ("drive_teacher",)
    links = ("error_own",)
    state = ("u", "r")
    recordables = _RECORDABLES
    usual_domain = SIGMOID


class RectifiedValue(Cell):
    """Value cell of a hidden layer in nudged predictive coding, r = max(u, 0).

    It ascends F = -Σ_k ‖e_k‖² - λ‖u_P - y‖², in which no term has a ½:

        τ du_k/dt = ∂F/∂u_k = 2[-e_k + relu'(u_k) W_kᵀ e_{k+1}],   relu'(u) = [u > 0]

    Parameters
    ----------
    tau, domain
        As in `SigmoidValue`.

    Notes
    -----
    Receives `drive_feedback` W_kᵀ e_{k+1} and reads its own error cell, which inhibits it. Sends its rate `r`.
    """

    equations = (
        """
du/dt = pace*I_net/tau : 1
I_net = 2*gate_soma*(-error_own + int(u > 0)*drive_feedback) + I_soma : 1
drive_feedback : 1
"""
        + _VALUE
    )
    parameters = (_TIME_CONSTANT,)
    drives = ("drive_feedback",)
    links = ("error_own",)
    state = ("u", "r")
    recordables = _RECORDABLES
    usual_domain = RECTIFIED


class NudgedOutputValue(Cell):
    """Value cell of the output layer in nudged predictive coding, r = u.

        τ du_P/dt = ∂F/∂u_P = 2[-e_P - λ(u_P - y)]

    λ, of either sign, is the nudging strength `beta` of a presentation.

    Parameters
    ----------
    tau, domain
        As in `SigmoidValue`.

    Notes
    -----
    Receives `drive_teacher` y and reads its own error cell. Sends its rate `r`.
    """

    equations = (
        """
du/dt = pace*I_net/tau : 1
I_net = 2*gate_soma*(-error_own + beta*(drive_teacher - u)) + I_soma : 1
drive_teacher : 1                                          # y
beta : 1 (shared)                                          # λ
"""
        + _VALUE
    )
    parameters = (_TIME_CONSTANT,)
    drives = ("drive_teacher",)
    links = ("error_own",)
    state = ("u", "r")
    recordables = _RECORDABLES
    usual_domain = LINEAR
