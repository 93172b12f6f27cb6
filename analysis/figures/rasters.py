"""Spikes of a presentation as rasters, above the somatic potentials of some of the cells that fire them."""

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ...errors import ParameterError
from ..recordings import check_stimulus
from .meanings import CATEGORIES, SOMA
from .phase_bands import milliseconds, phase_patches, shade_phases, spread
from .style import PAGE, new_figure, place, publication_style
from .voltages import SPIKE, cell_title, missed_target, spikes_of, title_of

#: Cells of a layer whose potentials are drawn where none are chosen, and most of all layers.
_CELLS_OF_A_LAYER, _MOST_CELLS = 2, 6
#: Which of the colours that tell things apart are those of cells: not the greys, as most spikes are black.
_COLOURS = (0, 2, 6, 4, 1, 5)
#: Inches of a raster for each cell, and its bounds; and of a panel of potentials.
_PER_CELL, _LOWEST, _HIGHEST, _POTENTIAL = 0.012, 0.6, 1.5, 0.62


@publication_style()
def spike_raster(recording, stimulus=0, cells=None, figure=None):
    """Draw the spikes of all cells through the phases of a presentation, and below them somatic potentials.

    A raster for each layer that spikes, the output on top and the inputs at the bottom, a row for each cell. Below, the
    somatic potentials of chosen cells, each with a stroke upwards at its spikes: spikes are events, and these strokes
    are drawn, not integrated. In the rasters the rows of these cells have the same colours.

    Parameters
    ----------
    recording : corinfomax.analysis.Recording
    stimulus : int
        Which of the recorded stimuli, counted from 0 within the recording.
    cells : dict of int to sequence of int, optional
        The cells by layer whose potentials are drawn, of those recorded, the first six, the output's before others; by
        default the two of each layer that spike most, and in the output the target's cell first.
    figure : matplotlib.figure.Figure, optional
        Where to draw, an empty figure; a new one by default.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ParameterError
        If no cell spikes in this circuit, or the stimulus or a cell was not recorded.
    """
    check_stimulus(recording, stimulus, "spike_raster")
    if not recording.spikes:
        raise ParameterError("spike_raster: the recording has no spikes; the cells of its circuit send rates")
    layers = sorted({trains.layer for trains in recording.spikes.values()}, reverse=True)
    chosen = _chosen(recording, stimulus, cells)
    heights = [float(np.clip(_PER_CELL * len(recording.spikes_of(k).cells), _LOWEST, _HIGHEST)) for k in layers]
    heights += [_POTENTIAL] * len(chosen)
    if figure is None:
        figure = new_figure(PAGE, 1.3 + 0.12 * len(heights) + sum(heights))
    axes = figure.subplots(len(heights), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    colours = {cell: CATEGORIES[n] for cell, n in zip(chosen, _COLOURS, strict=False)}
    for ax, k in zip(axes, layers, strict=False):
        _draw_raster(ax, recording, stimulus, k, colours)
    for ax, (k, cell) in zip(axes[len(layers) :], chosen, strict=True):
        _draw_potential(ax, recording, stimulus, k, cell, colours[k, cell])
    shade_phases(axes, recording)
    axes[-1].set_xlabel("Time (ms)")
    axes[-1].set_xlim(0, milliseconds(recording)[-1])
    figure.align_ylabels(axes)
    handles = [Line2D([], [], label="spike", **SPIKE)]
    handles += [Line2D([], [], color=SOMA, label="soma, with its spikes drawn as strokes")] if chosen else []
    figure.legend(handles=[*handles, *phase_patches(recording)], loc="outside lower center", ncols=4)
    figure.suptitle(f"{title_of(recording, stimulus)}{missed_target(recording, stimulus, None)}", fontsize=10)
    place(figure)  # the widths of panels are known where the layout is
    spread(list(axes[0].texts), axes[0])
    return figure


def _chosen(recording, stimulus, cells):
    """List the cells, as (layer, number), whose potentials are drawn, the output's first."""
    there = {k: layer for k, layer in recording.layers.items() if "V_soma" in layer.traces}
    if cells is None:
        cells = {k: _telling(recording, stimulus, k, layer.cells.tolist()) for k, layer in there.items()}
    for k, numbers in cells.items():
        for cell in numbers:
            if k not in there or cell not in there[k].cells:
                raise ParameterError(
                    f"spike_raster: the somatic potential of cell {cell} of layer {k} was not recorded"
                )
    return [(k, int(cell)) for k in sorted(cells, reverse=True) for cell in cells[k]][:_MOST_CELLS]


def _telling(recording, stimulus, k, recorded):
    """Pick cells of a layer: in the output the target's, then those that spike most."""
    ranked = sorted(recorded, key=lambda cell: -len(spikes_of(recording, k, stimulus, cell)))
    target = recording.target_cell(stimulus) if k == recording.output_layer else None
    if target in ranked:
        ranked = [target, *(cell for cell in ranked if cell != target)]
    return ranked[:_CELLS_OF_A_LAYER]


def _draw_raster(ax, recording, stimulus, k, colours):
    trains = recording.spikes_of(k)
    of_stimulus = trains.row == stimulus
    time, cell = 1e3 * trains.time[of_stimulus], trains.cell[of_stimulus]
    size = len(trains.cells)
    height = 0.9 if size <= 20 else 1.4
    own = {number: colour for (layer, number), colour in colours.items() if layer == k}
    others = ~np.isin(cell, list(own))
    ax.vlines(time[others], cell[others] - height / 2, cell[others] + height / 2, color=SOMA, linewidth=0.6)
    for number, colour in own.items():
        spikes = time[cell == number]
        ax.vlines(spikes, number - height / 2, number + height / 2, color=colour, linewidth=1.1, zorder=3)
    ax.set_ylim(size - 0.5, -0.5)
    ax.yaxis.set_major_locator(MaxNLocator(3, integer=True))
    name = "Input" if k == 0 else "Output" if k == recording.output_layer else f"Layer {k}"
    ax.set_ylabel(f"{name}\n(cell)")


def _draw_potential(ax, recording, stimulus, k, cell, colour):
    layer, time = recording.layers[k], milliseconds(recording)
    volts = 1e3 * layer["V_soma"][:, stimulus, layer.cells.tolist().index(cell)]
    spikes = spikes_of(recording, k, stimulus, cell)
    low, high = float(volts.min()), float(volts.max())
    room = max(high - low, 1.0)
    at_spike = np.interp(spikes, time, volts)
    ax.vlines(spikes, at_spike, high + 0.45 * room, color=colour, linewidth=0.8)
    ax.plot(time, volts, color=colour)
    ax.set_ylim(low - 0.1 * room, high + 0.55 * room)
    ax.yaxis.set_major_locator(MaxNLocator(3))
    ax.set_ylabel("Soma\n(mV)")
    ax.text(1.005, 0.5, cell_title(recording, stimulus, k, cell).replace(", ", "\n").replace(" (", "\n("),
            transform=ax.transAxes, va="center", fontsize=8, color=colour)  # fmt: skip
