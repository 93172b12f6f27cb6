"""SST (Martinotti) interneurons: they gather a layer's rates and inhibit the apical dendrites of that layer.

One SST cell belongs to one pyramidal cell. Its synapses from the layer carry the weights O of the paper's M = D - O,
so that the inhibition which arrives in the apical dendrite (in the output layer, at the soma) is i_SST = -O r. As
published the cell is instantaneous; `LeakySST` gives it a membrane time constant.

Multiplier cells hold a layer within its domain: one for each constraint, its rate the Lagrange multiplier.
"""

from typing import Any

import brian2 as b2

from ..parameters import validated
from .cell import Cell, Parameter, Recordable
from .domains import LINEAR, NONNEGATIVE_UNIT_BOX, RECTIFIED, Constraints, Domain
from .noise import with_noise

_COMMON = """
i_SST = -u : 1                                             # i_SST = -O r
drive_soma : 1
gate_soma : 1
I_soma : 1
pace : 1 (shared)
V_soma = V_rest + V_scale*u : volt
"""


class SST(Cell):
    """Instantaneous SST interneuron, the paper's.

    Parameters
    ----------
    noise : tuple of str, default ()
        ("soma",) if it has background input.

    Notes
    -----
    Receives `drive_soma` = O r. Sends `i_SST`. `gate_soma` = 0 silences the cell.
    """

    equations = "u = gate_soma*drive_soma + I_soma : 1\n" + _COMMON
    role = "interneuron"
    drives = ("drive_soma",)
    outputs = ("i_SST",)
    recordables = (
        Recordable("u", "1", "soma", "potential, O r in equilibrium"),
        Recordable("V_soma", "V", "soma", "somatic potential"),
    )

    @validated
    def __init__(self, *, noise: tuple[str, ...] = (), **values: Any):
        super().__init__(**values)
        self.noise = noise
        self.equations = with_noise(type(self).equations, noise)
        self.links = (*type(self).links, *(f"noise_{compartment}" for compartment in noise))

    @property
    def arguments(self) -> dict:
        """What the constructor was given."""
        return {**self.values, **({"noise": self.noise} if self.noise else {})}


class LeakySST(SST):
    """SST interneuron with a membrane time constant.

    Parameters
    ----------
    tau_SST : Quantity
        Membrane time constant; the potential relaxes to O r.
    noise
        As in `SST`.
    """

    equations = "du/dt = pace*(gate_soma*drive_soma + I_soma - u)/tau_SST : 1\n" + _COMMON
    parameters = (Parameter("tau_SST", "second", "membrane time constant", "not in the paper, where it is 0"),)
    drives = ("drive_soma",)
    state = ("u",)


class RateSST(LeakySST):
    """Leaky SST interneuron that inhibits by its rate r = σ(u): by its train, where it is made to spike.

    Parameters
    ----------
    domain : Domain, default B_∞,+
        Between 0 and 1: it excites nothing, where O r < 0 it is silent.
    tau_SST, noise
        As in `LeakySST`.
    """

    equations = LeakySST.equations.replace("i_SST = -u : 1", "i_SST = -sent : 1\nsent = r : 1\nr : 1")
    outputs = ("i_SST", "r")
    state = ("u", "r")

    @validated
    def __init__(self, *, domain: Domain = NONNEGATIVE_UNIT_BOX, noise: tuple[str, ...] = (), **values: Any):
        super().__init__(domain=domain, noise=noise, **values)

    @property
    def arguments(self) -> dict:
        """What the constructor was given."""
        return {**super().arguments, "domain": self.domain}


class MultiplierCell(Cell):
    """Inhibitory cell whose rate is the Lagrange multiplier λ of a constraint a·m(r) ≤ b on its layer.

    Its potential u (a in the paper) integrates by how much the layer exceeds the constraint,

        τ_λ da/dt = -a + λ + (a·m(r) - b)/(1 + g_shunt),   λ = max(a, 0), or λ = a if the constraint is an equality.

    As published g_shunt = 0. But then the gain of the loop from λ through the layer and back is the number of active
    cells, hundreds when a stimulus comes on and a few once it is coded, and no time constant suits both. So each
    active afferent may open a conductance (`Constraints.shunts`; for Σr it is 1), which divides the input as shunting
    inhibition does. Equilibria stay where they are.

    Parameters
    ----------
    tau_lambda : Quantity
        Time constant; the paper's step size is η_λ = dt/τ_λ.
    constraints : Constraints
        One cell for each.

    Notes
    -----
    Receives `drive_soma` = A m(r) and `drive_shunt` = g_shunt. Sends `r` = λ, which reaches the
    layer through Aᵀ. `gate_soma` = 0 cuts its input. It has no pace: published decaying step rules concern u only.
    """

    equations = """
du/dt = (-u + r + excess/(1 + drive_shunt))/tau_lambda : 1
excess = gate_soma*drive_soma - bound + I_soma : 1         # by how much the layer exceeds the constraint
bound : 1
drive_soma : 1
drive_shunt : 1
gate_soma : 1
I_soma : 1
r : 1                                                      # λ
V_soma = V_rest + V_scale*u : volt
rate = rate_scale*r : Hz
"""
    role = "multiplier"
    parameters = (Parameter("tau_lambda", "second", "time constant of the multiplier", "dt/η_λ in the paper"),)
    drives = ("drive_soma", "drive_shunt")
    recordables = (
        Recordable("u", "1", "soma", "potential"),
        Recordable("r", "1", "", "rate, the Lagrange multiplier λ"),
        Recordable("V_soma", "V", "soma", "somatic potential"),
        Recordable("rate", "Hz", "", "rate"),
    )
    state = ("u", "r")

    @validated
    def __init__(self, *, constraints: Constraints, tau_lambda: b2.Quantity):
        super().__init__(LINEAR if constraints.equality else RECTIFIED, tau_lambda=tau_lambda)
        self.constraints = constraints
        self.per_cell = {"bound": constraints.b / constraints.lengths}

    @property
    def arguments(self) -> dict:
        """What the constructor was given."""
        return {"constraints": self.constraints, **self.values}
