"""SST (Martinotti) interneurons: they gather a layer's rates and inhibit the apical dendrites of that layer.

One SST cell belongs to one pyramidal cell. Its synapses from the layer carry the weights O of the paper's M = D - O,
so that the inhibition which arrives in the apical dendrite (in the output layer, at the soma) is i_SST = -O r. As
published the cell is instantaneous; `LeakySST` gives it a membrane time constant.
"""

from .cell import Cell, Parameter

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

    Notes
    -----
    Receives `drive_soma` = O r. Sends `i_SST`. `gate_soma` = 0 silences the cell.
    """

    equations = "u = gate_soma*drive_soma + I_soma : 1\n" + _COMMON
    drives = ("drive_soma",)


class LeakySST(Cell):
    """SST interneuron with a membrane time constant.

    Parameters
    ----------
    tau_SST : Quantity
        Membrane time constant; the potential relaxes to O r.
    """

    equations = "du/dt = pace*(gate_soma*drive_soma + I_soma - u)/tau_SST : 1\n" + _COMMON
    parameters = (Parameter("tau_SST", "second", "membrane time constant", "not in the paper, where it is 0"),)
    drives = ("drive_soma",)
    state = ("u",)
