"""Three-compartment pyramidal cells: soma, basal dendrite and distal apical dendrite (the paper's section 3).

The soma leaks with g_lk and is coupled to the two dendrites by the conductances

    hidden layer k:   g_A = 1/ε_k,   g_B = 1/ε_{k-1}      (printed the other way round after eq 20; see eq 15)
    output layer P:   g_A as the convention says (β in the normative circuit),   g_B = 1/ε_{P-1}

The dendritic potentials follow their drives algebraically, as published, or as leaky compartments with a time constant
of their own, τ_B dv_B/ds = -v_B + …, of the same steady state:

    v_B = W_ff^(k-1) r^(k-1)                                  the bottom-up prediction of this layer
    v_A = M r + W_fb^(k) r^(k+1),   M r = D r + i_SST         the top-down prediction and the lateral current

Where the layer's domain has constraints, the multiplier cells' inhibition Aᵀλ arrives in `drive_multiplier`. It raises
the threshold of r = σ(u), as perisomatic inhibition does; in the sparse circuits as published it is a current instead,
`i_multiplier`, -ε_k λ in the apical dendrite of hidden cells and -λ in output cells.

Each compartment has a gate (1 = intact, 0 = cut) and an injected current (0): `gate_basal` and `gate_apical` scale
the synaptic input to a dendrite, which stays coupled to the soma; `gate_soma` scales what reaches the soma, so that
0 leaves it to its leak. Injected currents are in units of the potential they would cause across a unit conductance.

Negative g_A, as in the output layer when β < 0, is a *negative conductance*: not a passive dendrite, but what the
theory asks for.
"""

import re
from typing import Any

from ..errors import ParameterError
from ..parameters import Switch, validated
from .cell import Cell, Parameter, Recordable
from .domains import INHIBITION, NONNEGATIVE_UNIT_BOX, Domain
from .noise import with_noise

_COMPARTMENTS = """
v_B = gate_basal*drive_basal + I_basal : 1
drive_basal : 1
drive_apical : 1
drive_autapse : 1
i_SST : 1 (linked)
r : 1
gate_soma : 1
gate_basal : 1
gate_apical : 1
I_soma : 1
I_basal : 1
I_apical : 1
pace : 1 (shared)
V_soma = V_rest + V_scale*u : volt
V_basal = V_rest + V_scale*v_B : volt
V_apical = V_rest + V_scale*v_A : volt
V_SST = V_rest_SST - V_scale*i_SST : volt                  # its interneuron's soma, whose u = -i_SST
rate = rate_scale*r : Hz
"""

_COMMON_PARAMETERS = (
    Parameter("tau_u", "second", "somatic time constant at unit conductance", "eq 15; 10 ms here"),
    Parameter("g_lk", "1", "somatic leak conductance", "eq 15"),
    Parameter("g_B", "1", "basal coupling conductance, 1/ε_{k-1}", "eq 15; swapped in print after eq 20"),
)

#: Time constants of dendrites that are leaky compartments, and their potentials.
LEAKY = {
    "tau_A": ("v_A", Parameter("tau_A", "second", "apical time constant", "not in the paper, where it is 0")),
    "tau_B": ("v_B", Parameter("tau_B", "second", "basal time constant", "not in the paper, where it is 0")),
}

#: Potentials and rates in volts and hertz, and the paper's dimensionless variables.
_RECORDABLES = (
    Recordable("V_soma", "V", "soma", "somatic potential"),
    Recordable("V_basal", "V", "basal", "basal potential"),
    Recordable("V_apical", "V", "apical", "apical potential"),
    Recordable("V_SST", "V", "SST", "somatic potential of the SST interneuron"),
    Recordable("rate", "Hz", "", "rate"),
    Recordable("i_SST", "1", "SST", "inhibition by the SST interneuron, -O r"),
    Recordable("u", "1", "soma", "somatic potential"),
    Recordable("r", "1", "", "rate, r = σ(u)"),
    Recordable("v_B", "1", "basal", "basal potential"),
    Recordable("v_A", "1", "apical", "apical potential"),
    Recordable("I_net", "1", "soma", "net current τ_u du/ds", by_default=False),
)

_DRIVES = ("drive_basal", "drive_apical", "drive_autapse")


def leaky(equations: str, potential: str, tau: str) -> str:
    """Turn a dendritic potential that follows its drives at once into a leaky compartment.

    Parameters
    ----------
    equations : str
        With a line ``v_A = … : 1``.
    potential, tau : str
        Names of the potential and of its time constant.
    """
    line = re.compile(rf"^{potential} = (.*?) : 1", flags=re.MULTILINE)
    if not line.search(equations):
        raise ParameterError(f"{tau}: the cell's equations have no line '{potential} = … : 1' that could become leaky")
    return line.sub(rf"d{potential}/dt = pace*(\1 - {potential})/{tau} : 1", equations)


class _Pyramidal(Cell):
    """What hidden and output cells have in common.

    That is how multiplier cells inhibit them, what makes their dendrites leaky, and their background input.
    """

    drives = _DRIVES
    recordables = _RECORDABLES
    links = ("i_SST",)
    state = ("u", "r")

    def __init__(
        self,
        domain: Domain,
        noise: tuple[str, ...],
        multiplier_current: bool,
        *,
        current: str,
        further: str = "",
        **values,
    ):
        slow = [name for name in LEAKY if name in values]
        self.parameters = (*type(self).parameters, *(LEAKY[name][1] for name in slow))
        super().__init__(domain, **values)
        self._noise, self._multiplier_current = noise, multiplier_current
        self.equations = type(self).equations
        if domain.constraints is not None:
            self.drives = (*type(self).drives, INHIBITION)
            self.equations += f"{INHIBITION} : 1\n"
        self.equations += f"i_multiplier = {current if multiplier_current else 0} : 1\n"
        self.equations += "".join(f"{name} : 1\n" for name in domain.per_cell) + further
        for name in slow:
            self.equations = leaky(self.equations, LEAKY[name][0], name)
        self.state = (*type(self).state, *(LEAKY[name][0] for name in slow))
        self.equations = with_noise(self.equations, self._noise)
        self.links = (*type(self).links, *(f"noise_{compartment}" for compartment in self._noise))

    @property
    def arguments(self) -> dict:
        """What the constructor was given."""
        options = {"noise": self._noise, "multiplier_current": self._multiplier_current}
        return super().arguments | {name: value for name, value in options.items() if value}


class HiddenPyramidal(_Pyramidal):
    """Pyramidal cell of a hidden layer (eqs 15-20).

    Parameters
    ----------
    g_A, g_B : float
        Coupling conductances 1/ε_k and 1/ε_{k-1}.
    g_lk : float
        Leak conductance.
    tau_u : Quantity
        Somatic time constant; the effective one is tau_u/(g_lk + g_A + g_B), .7 ms at the published settings.
    domain : Domain, default B_∞,+
    noise : tuple of str, default ()
        Compartments with background input, of "soma", "basal" and "apical".
    multiplier_current : bool, default False
        Whether the inhibition of the domain's multiplier cells is a current, not a raised threshold.
    tau_A, tau_B : Quantity, optional
        Time constants of the apical and the basal dendrite; without them `v_A` and `v_B` follow their drives at once.

    Notes
    -----
    Receives: `drive_basal` W_ff^(k-1) r^(k-1), `drive_apical` W_fb^(k) r^(k+1), `drive_autapse` D r, and `i_SST`
    from its interneuron. Sends: rate `r`. Recordable beside these: `u`, `v_A`, `v_B`, `I_net` (= τ_u du/ds), and in
    physical units `V_soma`, `V_basal`, `V_apical`, `rate`.
    """

    equations = (
        """
du/dt = pace*I_net/tau_u : 1                                                   # eq 15
I_net = -g_lk*u + gate_soma*(g_A*(v_A - u) + g_B*(v_B - u)) + I_soma : 1       # eqs 15-20
v_A = gate_apical*(drive_autapse + i_SST + i_multiplier + drive_apical) + I_apical : 1   # M r + W_fb r, M = D - O
"""
        + _COMPARTMENTS
    )
    parameters = (
        *_COMMON_PARAMETERS,
        Parameter("g_A", "1", "apical coupling conductance, 1/ε_k", "eq 15; swapped in print after eq 20"),
    )

    @validated
    def __init__(
        self,
        *,
        domain: Domain = NONNEGATIVE_UNIT_BOX,
        noise: tuple[str, ...] = (),
        multiplier_current: Switch = False,
        **values: Any,
    ):
        super().__init__(domain, noise, multiplier_current, current="-drive_multiplier/g_A", **values)


class OutputPyramidal(_Pyramidal):
    """Pyramidal cell of the output layer, whose apical dendrite receives the teacher (eqs 14, 21, 22).

    Parameters
    ----------
    g_A, v_A : str
        Apical conductance and potential as Brian2 expressions of `beta`, `drive_apical` (the target y) and `r`:
        what the conventions differ in.
    g_B, g_lk, tau_u, domain, noise, multiplier_current, tau_A, tau_B
        As in `HiddenPyramidal`.

    Notes
    -----
    The lateral term γBr + g_lk r of eq 14 is a current of its own, `I_lat` = D r + i_SST. In print it stands inside
    v_A divided by β, which is singular when β = 0; as a current it is not. Receives, sends and records as
    `HiddenPyramidal`.
    """

    equations = (
        """
du/dt = pace*I_net/tau_u : 1                                                   # eq 14
I_net = -g_lk*u + gate_soma*(g_A*(v_A - u) + g_B*(v_B - u) + I_lat) + I_soma : 1   # eq 21, corrected
I_lat = drive_autapse + i_SST + i_multiplier : 1                               # γ B r + g_lk r
beta : 1 (shared)
"""
        + _COMPARTMENTS
    )
    parameters = _COMMON_PARAMETERS

    @validated
    def __init__(
        self,
        *,
        g_A: str,
        v_A: str,
        domain: Domain = NONNEGATIVE_UNIT_BOX,
        noise: tuple[str, ...] = (),
        multiplier_current: Switch = False,
        **values: Any,
    ):
        apical = f"g_A = {g_A} : 1\nv_A = gate_apical*({v_A}) + I_apical : 1\n"  # eq 21, by convention
        super().__init__(domain, noise, multiplier_current, current="-drive_multiplier", further=apical, **values)
        self._apical = {"g_A": g_A, "v_A": v_A}

    @property
    def arguments(self) -> dict:
        """What the constructor was given."""
        return {**super().arguments, **self._apical}


class StimulusCell(Cell):
    """A fibre that carries one input: r^(0) = x, held while a stimulus is on."""

    equations = "r : 1\n"
    state = ("r",)
