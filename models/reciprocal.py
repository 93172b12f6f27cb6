"""Pyramidal cells of reciprocal feedback (Cameron, Chen, Wagner & Sejnowski): noise goes up, comes down and goes up.

A cell has a soma u, of rate r, and two dendrites. The basal one carries what comes up from the layer below, the apical
one what comes down from the layer above:

    v_B = W r_below (+ b)       v_A = B s_above,   s the signal that the feedback axons carry

With a stimulus on, the soma follows its basal dendrite, h = f(W h + b). While the teacher is there, axons carry errors
down, s = δ, and the apical dendrite holds what arrives, v_A = B δ.

In phases of noise the layers work in pairs, a lower and an upper one, around a baseline: without bias, and without f.
`pairing` says in which: 1 for the layers 1-2, 3-4, …; 2 for 2-3, 4-5, …; 0 for none. `origin` says where noise arises,
0 in the lower and 1 in the upper layer of each pair. In a phase of noise the soma of the origin follows the noise, and
that of the other layer the dendrite to which the first one sends; in the `echo` after it the origin follows the
dendrite that the other layer sends to, and the other layer holds what it had:

    phase                  r lower   v_A lower       r upper   v_B upper
    noise, origin = 0      x         x̂ = B h         h = A x   A x
    echo, origin = 0       x̂         x̂               h         ĥ = A x̂
    noise, origin = 1      x₂ = B h₂ B h₂            h₂        h₃ = A x₂
    echo, origin = 1       x₂        x₃ = B h₃       h₃        h₃
"""

from .cell import Cell, Parameter, Recordable
from .domains import LINEAR, Domain


def _rectified_outside_of_pairs(u, pairing, out):
    if pairing[0] > 0:
        out[...] = u
    else:
        u.clip(0.0, None, out=out)


#: Rates are max(u, 0), but in phases of noise deviations from a baseline.
RECTIFIED_OUTSIDE_OF_PAIRS = Domain(
    "rectified",
    "u*paired + clip(u, 0, inf)*(1 - paired)",
    _rectified_outside_of_pairs,
    (0.0, float("inf")),
    ("u", "pairing"),
)

_COMMON = """
du/dt = (1 - held)*pace*I_net/tau : 1
I_net = soma - u : 1
soma = gate_soma*((1 - paired)*v_B + noise + answer) + I_soma : 1
v_B = gate_basal*(drive_basal + (1 - paired)*drive_bias) + I_basal : 1         # W h + b; A x in phases of noise
noise = origin_here*(1 - echo)*drive_noise : 1                                 # x, or h₂
answer = answers*(lower*v_A + upper*v_B) : 1                                   # x̂ or x₂; h or h₃
paired = sign(pairing) : 1
lower = paired*(1 - abs(pairing - 2 + odd)) : 1
upper = paired*abs(pairing - 2 + odd) : 1
origin_here = lower*(1 - origin) + upper*origin : 1
answers = echo*origin_here + (1 - echo)*(1 - origin_here) : 1
held = paired*echo*(1 - origin_here) : 1
feedback = (1 - taught)*r + taught*delta : 1                                   # s: h or x̂; δ with the teacher
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
pairing : 1 (shared)
origin : 1 (shared)
echo : 1 (shared)
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
    Parameter("odd", "1", "1 in layers of odd number, 0 in others: which layers pair", "not in the poster"),
)


class ReciprocalPyramidal(Cell):
    """Pyramidal cell of a hidden layer in reciprocal feedback.

        h = f(W h_below + b),   δ = f'(u) B δ_above

    Parameters
    ----------
    tau : Quantity
        Somatic time constant. With an Euler step of τ the soma takes over, in one step, what it follows.
    odd : int
        1 if the number of the cell's layer is odd, else 0.
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

    def __init__(self, *, domain: Domain = RECTIFIED_OUTSIDE_OF_PAIRS, derivative: bool = True, **values):
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
    tau, odd
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

    def __init__(self, *, domain: Domain = LINEAR, **values):
        super().__init__(domain, **values)
