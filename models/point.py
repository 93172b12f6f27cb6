"""Point cells whose state is their rate: those of equilibrium propagation and of both kinds of similarity matching.

They have one compartment, the soma, and no dendrites: the feedforward and the feedback input of a cell arrive in slots
of their own but at the same place. `gate_soma` (1 = intact, 0 = cut) scales all synaptic input, the teacher's included,
and `I_soma` (0) is an injected current. There is no potential beside the rate: `V_soma` is the rate itself, by the one
map to physical units.
"""

from .cell import Cell, Parameter, Recordable
from .domains import NONNEGATIVE_UNIT_BOX

_SOMA = """
drive_feedforward : 1
gate_soma : 1
I_soma : 1
pace : 1 (shared)
V_soma = V_rest + V_scale*r : volt
rate = rate_scale*r : Hz
"""

_RECORDABLES = (
    Recordable("r", "1", "", "rate, the cell's state"),
    Recordable("V_soma", "V", "soma", "the rate as a somatic potential"),
    Recordable("rate", "Hz", "", "rate"),
    Recordable("I_net", "1", "soma", "net current τ dr/ds", by_default=False),
)

_TIME_CONSTANT = Parameter("tau", "second", "time constant of the rate", "not in the paper, which has no physical time")


class HiddenPoint(Cell):
    """Cell of a hidden layer in equilibrium propagation (Scellier & Bengio 2017).

    The rate, s in the paper, descends the energy Φ = ½Σ‖s_k‖² - Σ s_{k+1}ᵀ(W_k s_k + b_{k+1}) + β‖s_P - y‖²,

        τ ds_k/dt = -∂Φ/∂s_k = -s_k + W_{k-1} s_{k-1} + b_k + W_kᵀ s_{k+1},

    and after each step it is clipped to its domain.

    Parameters
    ----------
    tau : Quantity
        Time constant.
    domain : Domain, default B_∞,+

    Notes
    -----
    Receives `drive_feedforward` W_{k-1} s_{k-1}, `drive_bias` b_k and `drive_feedback` W_kᵀ s_{k+1}, all at the soma.
    Sends its rate `r`.
    """

    equations = (
        """
dr/dt = pace*I_net/tau : 1
I_net = -r + gate_soma*(drive_feedforward + drive_bias + drive_feedback) + I_soma : 1
drive_bias : 1
drive_feedback : 1
"""
        + _SOMA
    )
    parameters = (_TIME_CONSTANT,)
    drives = ("drive_feedforward", "drive_bias", "drive_feedback")
    state = ("r",)
    recordables = _RECORDABLES
    potential = "r"
    usual_domain = NONNEGATIVE_UNIT_BOX


class CompetingPoint(Cell):
    """Cell of a hidden layer in contrastive similarity matching (Qin, Mudur & Pehlevan 2021).

    As `HiddenPoint`, with the lateral inhibition by which the cells of a layer compete:

        τ ds_k/dt = -s_k + W_{k-1} s_{k-1} + b_k + W_kᵀ s_{k+1} - M_k s_k

    Parameters
    ----------
    tau, domain
        As in `HiddenPoint`.

    Notes
    -----
    Receives what `HiddenPoint` receives, and `drive_lateral` M_k s_k, all at the soma. M's diagonal is an inhibition
    of the cell by itself, a further leak. Sends its rate `r`.
    """

    equations = (
        """
dr/dt = pace*I_net/tau : 1
I_net = -r + gate_soma*(drive_feedforward + drive_bias + drive_feedback - drive_lateral) + I_soma : 1
drive_bias : 1
drive_feedback : 1
drive_lateral : 1
"""
        + _SOMA
    )
    parameters = (_TIME_CONSTANT,)
    drives = ("drive_feedforward", "drive_bias", "drive_feedback", "drive_lateral")
    state = ("r",)
    recordables = _RECORDABLES
    potential = "r"
    usual_domain = NONNEGATIVE_UNIT_BOX


class OutputPoint(Cell):
    """Cell of the output layer in equilibrium propagation and contrastive similarity matching: the teacher nudges it.

        τ ds_P/dt = -∂Φ/∂s_P = -s_P + W_{P-1} s_{P-1} + b_P + 2β(y - s_P)

    The 2 is there because the loss β‖s_P - y‖² in Φ has no ½.

    Parameters
    ----------
    tau, domain
        As in `HiddenPoint`.

    Notes
    -----
    Receives `drive_feedforward` W_{P-1} s_{P-1}, `drive_bias` b_P and `drive_teacher` y, all at the soma. Sends its
    rate `r`. For β < -½ the rate runs away from its equilibrium, and only the domain stops it; at β = -½ exactly
    exponential Euler, which divides by 1 + 2β, has no step.
    """

    equations = (
        """
dr/dt = pace*I_net/tau : 1
I_net = -r + gate_soma*(drive_feedforward + drive_bias + 2*beta*(drive_teacher - r)) + I_soma : 1
drive_bias : 1
drive_teacher : 1                                          # y
beta : 1 (shared)
"""
        + _SOMA
    )
    parameters = (_TIME_CONSTANT,)
    drives = ("drive_feedforward", "drive_bias", "drive_teacher")
    state = ("r",)
    recordables = _RECORDABLES
    potential = "r"
    usual_domain = NONNEGATIVE_UNIT_BOX


class LinearPoint(Cell):
    """Linear cell of a similarity matching circuit (Pehlevan, Sengupta & Chklovskii 2018).

        τ dy/dt = W x - M y

    There is no leak beside M's diagonal, and by default no domain: rates are deviations from a baseline,
    of either sign.

    Parameters
    ----------
    tau : Quantity
        Time constant.
    domain : Domain, optional
        None as published; that of nonnegative similarity matching is `RECTIFIED`.

    Notes
    -----
    Receives `drive_feedforward` W x and `drive_lateral` M y; the latter, subtracted, is the inhibition that
    interneurons of the layer would carry, and the cell's own leak. Sends its rate `r`, y in the paper. There is no
    compartment beside the soma, and no interneuron that could be silenced; without its synaptic input
    (`gate_soma` = 0) the rate stays where it is.
    """

    equations = (
        """
dr/dt = pace*I_net/tau : 1
I_net = gate_soma*(drive_feedforward - drive_lateral) + I_soma : 1
drive_lateral : 1
"""
        + _SOMA
    )
    parameters = (_TIME_CONSTANT,)
    drives = ("drive_feedforward", "drive_lateral")
    state = ("r",)
    recordables = _RECORDABLES
    potential = "r"
