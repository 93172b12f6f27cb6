"""What cells and synapses do while the teacher oscillates."""

import numpy as np
from matplotlib.ticker import MaxNLocator

from ...errors import ParameterError
from .meanings import SST, TEACHER
from .style import new_figure, publication_style
from .voltages import COMPARTMENTS, INTERNEURON

#: Rows of panels: what they are labelled, and their heights.
_ROWS = {
    "Potential (mV)": 3.0,
    "SST (nV)": 1.1,
    r"$\beta(t)$": 1.0,
    r"$\dot W$ (1/s)": 1.3,
    r"$\int\dot W\,dt$ ($10^{-3}$)": 1.2,
}


def plasticity_rate(recording, k, cell, presynaptic=None, stimulus=0, gate_lag=0):
    """Compute how fast a basal synapse would change, were weights to move at once: s(t) (r - v_B) r_pre, in 1/s.

    s is β(t - gate_lag) over its largest value, so that the integral over a cycle is proportional to ΔW; r - v_B is
    what the basal dendrite misses.

    Parameters
    ----------
    recording : corinfomax.analysis.Recording
        With `r` and `v_B` of layer k, which a CorInfoMax circuit's cells have by default.
    k, cell : int
        Layer and postsynaptic cell.
    presynaptic : int, optional
        Cell of the layer below, recorded; without it the synapse is that of an input whose rate is 1.
    stimulus : int, default 0
        Within the recording.
    gate_lag : int, default 0
        Steps.

    Returns
    -------
    ndarray (steps,)

    Raises
    ------
    ParameterError
        A layer or cell was not recorded, or β does not go above and below 0.
    """
    beta = recording.beta
    if not beta.min() < 0 < beta.max():
        raise ParameterError("plasticity_rate: β of the recording does not oscillate about 0")
    late = np.concatenate([np.zeros(gate_lag), beta[: len(beta) - gate_lag]])
    taught = np.flatnonzero(beta)
    late[: taught[0] + gate_lag] = 0
    n = _position(recording, k, cell)
    error = recording.layers[k]["r"][:, stimulus, n] - recording.layers[k]["v_B"][:, stimulus, n]
    pre = 1.0
    if presynaptic is not None:
        pre = recording.layers[k - 1]["r"][:, stimulus, _position(recording, k - 1, presynaptic)]
    return late / np.abs(beta).max() * error * pre


@publication_style()
def oscillation_cycle(recording, cells, stimulus=0, presynaptic=None, gate_lag=0, figure=None):
    """Draw soma, dendrites and SST cell while the teacher oscillates, β(t), and how fast a synapse would change.

    A column for each cell. The lowest panels are `plasticity_rate` and its integral: within half a cycle that is mostly
    what stands still, which the other half takes back; what remains at the end has been learnt.

    Parameters
    ----------
    recording : corinfomax.analysis.Recording
    cells : dict of int to int
        By layer, the cell to draw.
    stimulus : int, default 0
        Within the recording.
    presynaptic : dict of int to int, optional
        By layer, the cell of the layer below whose synapse is drawn; an input whose rate is 1 without.
    gate_lag : int, default 0
        Steps by which the gate of plasticity lags behind the teacher.
    figure : matplotlib.figure.Figure, optional
        Where to draw; a new one by default.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ParameterError
        As of `plasticity_rate`.
    """
    positions = {k: _position(recording, k, cell) for k, cell in cells.items()}
    rates = {
        k: plasticity_rate(recording, k, cell, (presynaptic or {}).get(k), stimulus, gate_lag)
        for k, cell in cells.items()
    }
    figure = figure or new_figure(0.6 + 3.2 * max(len(cells), 1), 6.4)
    rows = figure.subplots(len(_ROWS), len(cells), sharex=True, squeeze=False, height_ratios=list(_ROWS.values()))
    time = 1e3 * recording.t
    duration = np.diff(recording.t, prepend=0.0)
    for column, (k, n) in zip(rows.T, positions.items(), strict=True):
        layer = recording.layers[k]
        potentials, sst, teacher, rate, sofar = column
        for name, (label, colour) in COMPARTMENTS.items():
            if name in layer.traces:
                potentials.plot(time, 1e3 * layer[name][:, stimulus, n], color=colour, label=label)
        if INTERNEURON in layer.traces:
            deviation = 1e9 * (layer[INTERNEURON][:, stimulus, n] - recording.V_rest)
            sst.plot(time, deviation, color=SST, label="SST soma, from rest")
        teacher.plot(time, recording.beta, color=TEACHER, label=r"teacher, $\beta(t)$")
        rate.plot(time, rates[k], color="0.2")
        rate.fill_between(time, rates[k], color="0.2", alpha=0.15, linewidth=0)
        sofar.plot(time, 1e3 * np.cumsum(rates[k] * duration), color="0.2")
        for ax in column[2:]:
            ax.axhline(0, color="0.7", linewidth=0.8, zorder=0)
        for ax in column:
            ax.margins(x=0)
            ax.yaxis.set_major_locator(MaxNLocator(4 if ax is potentials else 3))
        name = "output cell" if k == recording.output_layer else f"layer {k}, cell"
        target = " (target)" if k == recording.output_layer and cells[k] == recording.target_cell(stimulus) else ""
        potentials.set_title(f"{name} {cells[k]}{target}")
        sofar.set_xlabel("Time (ms)")
    for ax, label in zip(rows[:, 0], _ROWS, strict=True):
        ax.set_ylabel(label)
    figure.align_ylabels(rows[:, 0])
    handles = [line for ax in rows[:3, 0] for line in ax.get_lines() if not line.get_label().startswith("_")]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 3))
    return figure


def _position(recording, k, cell):
    """Find where a cell stands among the recorded ones of layer k."""
    if k not in recording.layers or cell not in recording.layers[k].cells:
        raise ParameterError(f"oscillation_cycle: cell {cell} of layer {k} was not recorded")
    return recording.layers[k].cells.tolist().index(cell)
