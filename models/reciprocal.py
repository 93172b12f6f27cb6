"""Pyramidal cells of reciprocal feedback (Cameron, Chen, Wagner & Sejnowski): noise goes up, comes down and goes up.

A cell has a soma u, of rate r, and two dendrites. The basal one carries what comes up from the layer below, the apical
one what comes down from the layer above:

    v_B = W r_below (+ b)       v_A = B s_above,   s the signal that the feedback axons carry

With a stimulus on, the soma follows its basal dendrite, h = f(W h + b). While the teacher is there, axons carry errors
down, s = δ, and the apical dendrite holds what arrives, v_A = B δ.

In phases of noise the layers work in pairs, a lower and an upper one, around a baseline: without bias, and without f.
First the pairs 1-2, 3-4, … do, then 2-3, 4-5, …. In a phase of noise the soma of one layer, the origin, follows noise,
and that of the other layer the dendrite to which the first one sends. In the echo after it the origin follows the
dendrite that the other layer sends to, and the other layer holds what it had. `stage` says what is going on, 0 outside
of these phases:

    stage, by the pair's lower layer    r lower   v_A lower       r upper   v_B upper
    odd: 1, even: 5   noise below       x         x̂ = B h         h = A x   A x
    odd: 2, even: 6   its echo          x̂         B h             h         ĥ = A x̂
    odd: 3, even: 7   noise above       x₂ = B h₂ B h₂            h₂        h₃ = A x₂
    odd: 4, even: 8   its echo          x₂        x₃ = B h₃       h₃        A x₂
"""

from .cell import Cell, Parameter, Recordable
from .domains import LINEAR, Domain


def _rectified_outside_of_noise(u, stage, out):
    if stage[0] > 0:
        out[...] = u
    else:
        u.clip(0.0, None, out=out)


#: Rates are max(u, 0), but in phases of noise deviations from a baseline.
RECTIFIED_OUTSIDE_OF_NOISE = Domain(
    "rectified",
    "u*clip(stage, 0, 1) + clip(u, 0, inf)*(1 - clip(stage, 0, 1))",
    _rectified_outside_of_noise,
    (0.0, float("inf")),
    ("u", "stage"),
)

_COMMON = """
du/dt = (1 - held)*pace*I_net/tau : 1
I_net = soma - u : 1
soma = gate_soma*(from_basal*v_B + from_apical*v_A + from_noise*drive_noise) + I_soma : 1
v_B = gate_basal*(drive_basal + (1 - clip(stage, 0, 1))*drive_bias) + I_basal : 1  # W h + b; A x in phases of noise
from_basal = int(stage == 0) + int(stage == as_upper) + int(stage == as_upper + 3) : 1  # h = f(W h + b); A x; A x₂
from_apical = int(stage == as_lower + 1) + int(stage == as_lower + 2) : 1               # x̂ = B h; x₂ = B h₂
from_noise = int(stage == as_lower) + int(stage == as_upper + 2) : 1                    # x; h₂
held = int(stage == as_upper + 1) + int(stage == as_lower + 3) : 1                      # h; x₂
feedback = (1 - taught)*r + taught*delta : 1                                            # s: a rate; δ with the teacher
drive_basal : 1
drive_bias : 1
drive_noise : 1
r : 1
gate_soma : 1
gate_basal : 1
gate_apical : 1
I_soma : 1
I_basal : 1
I_apical : 1
stage : 1 (shared)
taught : 1 (shared)
pace : 1 (shared)
V_soma = V_rest + V_scale*u : volt
V_basal = V_rest + V_scale*v_B : volt
V_apical = V_rest + V_scale*v_A : volt
rate = rate_scale*r : Hz
"""

_RECORDABLES = (
    Recordable("V_soma", "V", "soma", "somatic potential"),
    Recordable("V_basal", "V", "basal", "basal potential"),
    Recordable("V_apical", "V", "apical", "apical potential"),
    Recordable("rate", "Hz", "", "rate"),
    Recordable("u", "1", "soma", "somatic potential"),
    Recordable("r", "1", "", "rate: h; x, x̂ or h in phases of noise"),
    Recordable("v_B", "1", "basal", "basal potential: W h + b; ĥ in the echo of noise"),
    Recordable("v_A", "1", "apical", "apical potential: B h; x̂ in phases of noise, the error B δ with the teacher"),
    Recordable("delta", "1", "apical", "error δ that the cell sends down, and its synapses learn by"),
    Recordable("I_net", "1", "soma", "net current τ du/ds", by_default=False),
)

_PARAMETERS = (
    Parameter("tau", "second", "somatic time constant", "not in the poster, which has no physical time"),
    Parameter("as_lower", "1", "first stage in which the layer is the lower of a pair", "not in the poster"),
    Parameter("as_upper", "1", "first stage in which the layer is the upper of a pair", "not in the poster"),
)


class ReciprocalPyramidal(Cell):
    """Pyramidal cell of a hidden layer in reciprocal feedback.

        h = f(W h_below + b),   δ = f'(u) B δ_above

    Parameters
    ----------
    tau : Quantity
        Somatic time constant. With an Euler step of τ the soma takes over, in one step, what it follows.
    as_lower, as_upper : int
        First stage in which the layer is the lower, and the upper, of a pair: 1 and 5 in layers of odd number, 5 and 1
        in the others.
    domain : Domain, default the rectified one
        f, beside phases of noise.
    derivative : bool, default True
        Whether the error is multiplied by f'(u) = [u > 0].

    Notes
    -----
    Receives `drive_basal` W h_below, `drive_bias` b, `drive_apical` B s_above, and `drive_noise`, which a phase fills.
    Sends its rate `r` up and `feedback` down.
    """

    equations = _COMMON + "v_A = gate_apical*drive_apical + I_apical : 1\ndrive_apical : 1\n"
    parameters = _PARAMETERS
    drives = ("drive_basal", "drive_bias", "drive_apical", "drive_noise")
    state = ("u", "r")
    outputs = ("r", "feedback")
    recordables = _RECORDABLES

    def __init__(self, *, domain: Domain = RECTIFIED_OUTSIDE_OF_NOISE, derivative: bool = True, **values):
        super().__init__(domain, **values)
        self._derivative = derivative
        slope = "clip(sign(u), 0, 1)*" if derivative and domain is not LINEAR else ""
        self.equations = f"{type(self).equations}delta = {slope}v_A : 1\n"

    @property
    def arguments(self) -> dict:
        """What the constructor was given."""
        return super().arguments | {"derivative": self._derivative}


class ReciprocalOutput(Cell):
    """Pyramidal cell of the output layer in reciprocal feedback: linear, with the teacher at its apical dendrite.

        h_L = W h_below + b,   e = h_L - h*_L

    Parameters
    ----------
    tau, as_lower, as_upper
        As in `ReciprocalPyramidal`.
    domain : Domain, default the linear one

    Notes
    -----
    Receives what `ReciprocalPyramidal` does, but for `drive_apical`, in place of which `drive_teacher` holds the target
    h*_L. Its apical potential is the error e while the teacher is there, which does not move its soma.
    """

    equations = (
        _COMMON
        + """
v_A = gate_apical*taught*(r - drive_teacher) + I_apical : 1    # e = h_L - h*_L
delta = v_A : 1
drive_teacher : 1                                              # h*_L
"""
    )
    parameters = _PARAMETERS
    drives = ("drive_basal", "drive_bias", "drive_teacher", "drive_noise")
    state = ("u", "r")
    outputs = ("r", "feedback")
    recordables = _RECORDABLES
    usual_domain = LINEAR
