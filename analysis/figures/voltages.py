"""What the compartments of a cell do while a stimulus is presented."""

import re
from itertools import cycle

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ...errors import ParameterError
from ..recordings import check_stimulus
from .meanings import APICAL, BASAL, ERROR, MULTIPLIER, OTHERS, SOMA, SST
from .phase_bands import milliseconds, phase_patches, shade_phases, spread
from .style import PAGE, new_figure, place, publication_style, short_literals

MOST_CELLS = 3
#: Label and colour of potentials, in the order in which they are drawn, each upon the one before it.
COMPARTMENTS = {
    "V_apical": ("apical dendrite", APICAL),
    "V_basal": ("basal dendrite", BASAL),
    "V_soma": ("soma", SOMA),
}
#: The interneuron's potential, which has a panel of its own.
INTERNEURON = "V_SST"
#: Colours of populations beside a layer by what their kind is called.
_COMPANIONS = {"error cell": ERROR, "multiplier cell": MULTIPLIER}
#: A spike, which is an event, as a stroke.
SPIKE = {"linestyle": "", "marker": "|", "markersize": 6, "markeredgewidth": 0.8, "color": SOMA}
#: Samples of a presentation that are marked one by one, and not joined only.
_FEW = 20
#: Letters of a title that stand on an inch.
_LETTERS = 13
#: Inches that a panel should have across, and a page has for them from top to bottom.
_NARROWEST, _TALLEST = 1.5, 8.6


@publication_style()
def compartment_voltages(recording, stimulus=0, layers=None, cells=None, figure=None):
    """Draw the potentials of chosen cells' compartments and interneurons, through the phases of a presentation.

    Rows of panels for each layer, the output on top, a panel for each cell, at most four in a row, with the
    compartments that the cells have; where they have SST interneurons or error cells, below each cell the soma of its
    own, as its deviation from rest, which can be small. Spikes are strokes at the top of their cell's panel. A new
    figure is no wider than a page. Potentials are drawn as they are: dendrites may leave the physiological range.
    Phases in which targets reach the circuit are coloured. In a phase with β ≠ 0 the apical dendrite of a CorInfoMax
    circuit's output cell is at its target's potential.

    Parameters
    ----------
    recording : corinfomax.analysis.Recording
        With potentials in volts: `V_soma`, and `V_basal`, `V_apical`, `V_SST` and others as far as there are some.
    stimulus : int
        Which of the recorded stimuli, counted from 0 within the recording.
    layers : sequence of int, optional
        The layers to draw; all of which potentials were recorded by default.
    cells : dict of int to sequence of int, optional
        The cells to draw by layer, under their numbers in the layer. By default the three of highest somatic potential
        at the end. In the output the target's cell comes first, whether it is named or not; if it was not recorded, the
        title says so.
    figure : matplotlib.figure.Figure, optional
        Where to draw, an empty figure; a new one by default.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ParameterError
        The stimulus, a layer, a cell or a variable was not recorded.
    """
    check_stimulus(recording, stimulus, "compartment_voltages")
    title = f"{title_of(recording, stimulus)}{missed_target(recording, stimulus, layers)}"
    layers = sorted(layers_with_potentials(recording) if layers is None else layers, reverse=True)
    positions = {k: _positions(recording, stimulus, k, (cells or {}).get(k)) for k in layers}
    if not layers or not all(positions.values()):
        raise ParameterError("compartment_voltages: no cell to draw")

    columns = _columns(max(len(chosen) for chosen in positions.values()))
    # Of each row of cells, the layer, the cells, and the heights of potentials and of what is beside them.
    rows = [
        (k, chosen[start : start + columns], [3, *[1.2] * len(_beside(recording, k))])
        for k, chosen in positions.items()
        for start in range(0, len(chosen), columns)
    ]
    flat = [height for _, _, heights in rows for height in heights]
    if figure is None:
        panel = min(2.3, (PAGE - 0.7) / columns)
        around = 1.1 + 0.4 * len(rows)  # titles, legend and time axis
        unit = float(np.clip((_TALLEST - around) / sum(flat), 0.42, 0.55))
        figure = new_figure(min(PAGE, 0.7 + panel * max(columns, 1.4)), around + unit * sum(flat))
    axes = figure.subplots(len(flat), columns, sharex=True, squeeze=False, height_ratios=flat)
    top, first = 0, {}
    for k, chosen, heights in rows:
        block = axes[top : top + len(heights)]
        # All cells of a layer have the same axis, in whatever row.
        for row, leader in zip(block, first.setdefault(k, block[:, 0]), strict=True):
            for ax in row:
                if ax is not leader:
                    ax.sharey(leader)
                if ax is not row[0]:
                    ax.tick_params(labelleft=False)
        _draw_layer(block, recording, stimulus, k, chosen)
        top += len(heights)
    for column in axes.T:
        _label_time(column)
    figure.align_ylabels(axes[:, 0])
    _legend(figure, recording, positions, ncols=min(3, columns + 1))
    figure.suptitle(title, fontsize=10)
    place(figure)  # the widths of panels are known where the layout is
    for ax in figure.axes:
        if ax.texts:
            spread(list(ax.texts), ax)
    return figure


def spikes_of(recording, k, stimulus, cell):
    """Give the times in ms at which a cell of layer k spikes; none where cells do not spike.

    Parameters
    ----------
    recording : corinfomax.analysis.Recording
    k, stimulus, cell : int
        The stimulus counted within the recording.

    Returns
    -------
    array, (spikes,)
    """
    trains = recording.spikes_of(k)
    if trains is None:
        return np.zeros(0)
    return 1e3 * trains.time[(trains.row == stimulus) & (trains.cell == cell)]


def _draw_spikes(ax, times):
    """Draw spikes as strokes at the top of a panel."""
    ax.plot(times, np.full(len(times), 0.96), transform=ax.get_xaxis_transform(), **SPIKE)


def _columns(cells):
    """How many cells stand in a row: as many as a page has room for, in rows as full as can be."""
    most = max(1, int((PAGE - 0.7) / _NARROWEST))
    return -(-cells // -(-cells // most))


def layers_with_potentials(recording):
    """Name the layers of a recording that have potentials to draw.

    Parameters
    ----------
    recording : corinfomax.analysis.Recording

    Returns
    -------
    list of int
    """
    return [k for k in recording.layers if compartments_of(recording, k)]


def compartments_of(recording, k):
    """Give label and colour of each potential of layer k's own compartments, in the order in which they are drawn.

    Parameters
    ----------
    recording : corinfomax.analysis.Recording
    k : int

    Returns
    -------
    dict of str to (str, str)
    """
    there = [name for name in recording.potentials(k) if name != INTERNEURON]
    others = [name for name in there if name not in COMPARTMENTS]
    looks = {
        name: (name.removeprefix("V_").replace("_", " "), OTHERS[n % len(OTHERS)]) for n, name in enumerate(others)
    }
    return looks | {name: look for name, look in COMPARTMENTS.items() if name in there}


def _positions(recording, stimulus, k, cells):
    """Find where the cells to draw stand among the recorded ones of layer k."""
    if k not in recording.layers:
        raise ParameterError(f"compartment_voltages: layer {k} was not recorded")
    layer, potentials = recording.layers[k], list(compartments_of(recording, k))
    if not potentials:
        raise ParameterError(f"compartment_voltages: no potentials of layer {k} were recorded")
    recorded = layer.cells.tolist()
    chosen = cells
    if chosen is None:
        by_potential = np.argsort(-layer[potentials[-1]][-1, stimulus], kind="stable")  # V_soma where there is one
        chosen = [recorded[n] for n in by_potential]
    target = recording.target_cell(stimulus)
    if k == recording.output_layer and target in recorded and (cells is None or target not in cells):
        chosen = [target, *(cell for cell in chosen if cell != target)]
    cells = chosen[:MOST_CELLS] if cells is None else chosen
    if absent := [cell for cell in cells if cell not in recorded]:
        raise ParameterError(f"compartment_voltages: cell {absent[0]} of layer {k} was not recorded")
    return [recorded.index(cell) for cell in cells]


def _draw_layer(axes, recording, stimulus, k, chosen):
    layer, time = recording.layers[k], milliseconds(recording)
    room = int(_LETTERS * axes[0, 0].figure.get_figwidth() / axes.shape[1])
    for n, column in enumerate(axes.T):
        if n >= len(chosen):
            for ax in column:
                ax.set_axis_off()
            continue
        for variable, (_, colour) in compartments_of(recording, k).items():
            column[0].plot(time, 1e3 * layer[variable][:, stimulus, chosen[n]], color=colour, **_samples(time))
        if recording.spikes_of(k) is not None:
            _draw_spikes(column[0], spikes_of(recording, k, stimulus, layer.cells[chosen[n]]))
        shade_phases(column, recording)
        column[0].set_title(cell_title(recording, stimulus, k, layer.cells[chosen[n]], room), pad=15)
    axes[0, 0].set_ylabel("Potential (mV)")
    for row, (name, _, colour, deviations) in zip(axes[1:], _beside(recording, k), strict=True):
        _draw_deviations(row[: len(chosen)], time, deviations[:, stimulus, chosen], name, colour)


def _samples(time):
    """Mark the samples where they are few, so that lines between them are not taken for a course."""
    return {"marker": ".", "markersize": 4} if len(time) <= _FEW else {}


def _beside(recording, k):
    """List the cells beside those of layer k: short name, words for the legend, colour, potentials from rest."""
    layer, found = recording.layers[k], []
    if INTERNEURON in layer.traces:
        found.append(("SST", "SST soma, from rest", SST, layer[INTERNEURON] - recording.V_rest))
    companions = [group for group in recording.companions.values() if group.layer == k and "V_soma" in group.traces]
    further = cycle(OTHERS)
    for group in companions:
        words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", group.kind).lower()  # ErrorCell: error cell
        colour = _COMPANIONS[words] if words in _COMPANIONS else next(further)
        rest = recording.V_rest if group.V_rest is None else group.V_rest
        found.append((words.removesuffix(" cell"), f"{words}, from rest", colour, group["V_soma"] - rest))
    return found


def _draw_deviations(axes, time, deviations, name, colour):
    scale, unit = _readable(deviations)
    for ax, deviation in zip(axes, deviations.T, strict=True):
        ax.plot(time, scale * deviation, color=colour, **_samples(time))
        ax.margins(x=0)
        ax.yaxis.set_major_locator(MaxNLocator(3))
    axes[0].set_ylabel(f"{name[0].upper()}{name[1:]} ({unit})")


def _label_time(column):
    """Put the time axis below the lowest panel of a column that shows a cell."""
    lowest = [ax for ax in column if ax.axison][-1]
    lowest.tick_params(labelbottom=True)
    lowest.set_xlabel("Time (ms)")


def _legend(figure, recording, layers, ncols):
    looks = {name: look for k in layers for name, look in compartments_of(recording, k).items()}
    order = [*(name for name in reversed(COMPARTMENTS) if name in looks), *looks]
    handles = [Line2D([], [], color=looks[name][1], label=looks[name][0]) for name in dict.fromkeys(order)]
    beside = {words: colour for k in layers for _, words, colour, _ in _beside(recording, k)}
    handles += [Line2D([], [], color=colour, label=words) for words, colour in beside.items()]
    if any(recording.spikes_of(k) is not None for k in layers):
        handles.append(Line2D([], [], label="spike", **SPIKE))
    handles += phase_patches(recording)
    figure.legend(handles=handles, loc="outside lower center", ncols=ncols)


def title_of(recording, stimulus):
    """Give a title: the stimulus, and its class.

    Parameters
    ----------
    recording : corinfomax.analysis.Recording
    stimulus : int
        Counted within the recording.
    """
    title = f"Stimulus {recording.stimuli[stimulus]}"
    name = recording.class_of(stimulus)
    return title if name is None else f"{title}, class {short_literals([name], 40)[0]}"


def missed_target(recording, stimulus, layers):
    """Say that the target's cell is not to be seen, where it would be drawn if it had been recorded.

    Parameters
    ----------
    recording : corinfomax.analysis.Recording
    stimulus : int
    layers : sequence of int or None
        The layers to draw, if not all.

    Returns
    -------
    str
        A second line for the title, or nothing.
    """
    target, output = recording.target_cell(stimulus), recording.output_layer
    if target is None or not (layers is None or output in layers):
        return ""
    recorded = output in recording.layers and target in recording.layers[output].cells
    return "" if recorded else f"\nthe target, output cell {output_name(recording, target)}, was not recorded"


def cell_title(recording, stimulus, k, cell, room=100):
    """Name a cell of layer k, in the output with a word if it is the target's.

    Parameters
    ----------
    recording : corinfomax.analysis.Recording
    stimulus, k, cell : int
    room : int, default 100
        Letters of a line; a class that goes beyond has a line of its own.
    """
    if k != recording.output_layer:
        return f"layer {k}, cell {cell}"
    target = " (target)" if cell == recording.target_cell(stimulus) else ""
    on_one_line = f"output cell {output_name(recording, cell)}{target}"
    if len(on_one_line) <= room or not (name := _class_of_cell(recording, cell)):
        return on_one_line
    return f"output cell {cell}{target}\n{name}"


def output_name(recording, cell):
    """Name an output cell: its number, and the class that it stands for, where classes have names.

    Parameters
    ----------
    recording : corinfomax.analysis.Recording
    cell : int
    """
    name = _class_of_cell(recording, cell)
    return f"{cell}, {name}" if name else str(cell)


def _class_of_cell(recording, cell):
    """Name the class that an output cell stands for, "" where that is its number."""
    names = recording.class_names if recording.taught and recording.class_names is not None else ()
    own = str(names[cell]) if cell < len(names) else str(cell)
    return "" if own == str(cell) else short_literals([own])[0]


def _readable(volts):
    """Factor and unit in which the largest of some potentials is at least 1, nanovolts at the smallest."""
    largest = np.abs(volts[np.isfinite(volts)]).max(initial=0.0)
    units = {"mV": 1e3, "µV": 1e6, "nV": 1e9}
    unit = next((unit for unit, scale in units.items() if scale * largest >= 1), "nV" if largest > 0 else "mV")
    return units[unit], unit
