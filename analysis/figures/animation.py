"""A presentation as a moving picture: how the circuit settles."""

import tempfile
from pathlib import Path

import numpy as np
from matplotlib.animation import FuncAnimation, PillowWriter

from ...errors import ParameterError
from ..files import make_folder, replacing
from ..recordings import check_stimulus
from .meanings import TEACHER
from .phase_bands import phase_colours, teaching
from .style import literal, new_figure, publication_style
from .voltages import compartments_of, layers_with_potentials, missed_target, output_name, title_of

#: Frames that a presentation is shown in, unless asked otherwise.
MOST_FRAMES = 150
_MOST_CELLS = 10
#: Dots of an inch, so that a film is as wide as a slide: 1056 pixels.
_DPI = 160


@publication_style()
def settling_animation(recording, stimulus=0, layers=None, every=None, fps=15, figure=None):
    """Animate one presentation's settling: potentials of compartments, and the output rates.

    A panel a layer, the output on top, in which each recorded cell, of the first ten, has a bar for each compartment,
    from its resting potential to those of its apical dendrite, soma and basal dendrite. Beside them the output cells'
    rates, below the phases with the present time. The title tells phase, β and time.

    Parameters
    ----------
    recording : corinfomax.analysis.Recording
        With potentials in volts, such as `V_soma`, `V_basal` and `V_apical`, and in the output layer `rate`, in hertz,
        for the rates.
    stimulus : int
        Which of the recorded stimuli, counted from 0 within the recording.
    layers : sequence of int, optional
        The layers to draw; all of which the potentials were recorded by default.
    every : int, optional
        Steps from one frame to the next; by default as many as make 150 frames at most. The last step is always shown.
    fps : float
        Frames a second.
    figure : matplotlib.figure.Figure, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.animation.FuncAnimation
        With the attributes `figure`, and `steps`, those shown.

    Raises
    ------
    ParameterError
        Stimulus, layer or variable was not recorded, or `every` or `fps` is not positive.
    """
    shown, layers = layers, _layers(recording, stimulus, layers)
    missed = missed_target(recording, stimulus, shown)
    count = len(recording.t)
    every = -(-count // MOST_FRAMES) if every is None else every
    if not (isinstance(every, int | np.integer) and every >= 1 and fps > 0):
        raise ParameterError(f"settling_animation: every = {every} and fps = {fps} must be positive")
    # Counted from the end, where the circuit has settled.
    steps = np.arange(count - 1, -1, -every)[::-1]

    figure = new_figure(6.6, 1.4 + 1.7 * len(layers)) if figure is None else figure
    output = recording.layers.get(recording.output_layer)
    rates = output is not None and "rate" in output.traces
    grid = figure.add_gridspec(
        len(layers) + 1,
        2 if rates else 1,
        height_ratios=[*[1.0] * len(layers), 0.12],
        width_ratios=(1.6, 1.0) if rates else (1.0,),
    )
    movers = [
        _potentials(figure.add_subplot(grid[row, 0]), recording, stimulus, k, key=row == 0)
        for row, k in enumerate(layers)
    ]
    if rates:
        movers.append(_rates(figure.add_subplot(grid[:-1, 1]), recording, stimulus, output))
    movers.append(_clock(figure.add_subplot(grid[-1, :]), recording))
    title = figure.suptitle(_title(recording, stimulus, steps[-1]) + missed, fontsize=9)
    # The panels are laid out once and then stay where they are.
    figure.draw_without_rendering()
    figure.set_layout_engine("none")

    def show(step):
        title.set_text(_title(recording, stimulus, step) + missed)
        return [title, *(artist for move in movers for artist in move(step))]

    animation = FuncAnimation(figure, show, frames=steps.tolist(), interval=1000 / fps, blit=False)
    animation.figure, animation.steps, animation.fps = figure, steps, fps
    return animation


def save_animation(animation, path):
    """Save an animation as a GIF.

    Parameters
    ----------
    animation : matplotlib.animation.FuncAnimation
        Of `settling_animation`.
    path : path-like
        Ends in `.gif`; a folder that is missing is made.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    ParameterError
        The name does not end in `.gif`.
    RunError
        The file cannot be written; one that was there before is then whole.
    """
    path = Path(path)
    if path.suffix.lower() != ".gif":
        raise ParameterError(f"{path}: an animation's name must end in .gif")
    make_folder(path.parent)
    with replacing(path) as file, tempfile.TemporaryDirectory() as folder:
        # Pillow takes the format from the name, which that of the file to be replaced does not tell.
        picture = Path(folder) / "animation.gif"
        animation.save(picture, writer=PillowWriter(fps=getattr(animation, "fps", 15)), dpi=_DPI)
        file.write(picture.read_bytes())
    return path


def _layers(recording, stimulus, layers):
    check_stimulus(recording, stimulus, "settling_animation")
    complete = layers_with_potentials(recording)
    chosen = sorted(complete if layers is None else layers, reverse=True)
    if absent := [k for k in chosen if k not in complete]:
        raise ParameterError(f"settling_animation: the potentials of layer {absent[0]} were not recorded")
    if not chosen:
        raise ParameterError("settling_animation: no potentials were recorded")
    return chosen


def _potentials(ax, recording, stimulus, k, key):
    layer = recording.layers[k]
    cells = layer.cells[:_MOST_CELLS]
    place, rest = np.arange(len(cells)), 1e3 * recording.rest_of(k)
    looks = compartments_of(recording, k)
    order = [*(name for name in ("V_apical", "V_soma", "V_basal") if name in looks)]
    order += [name for name in looks if name not in order]
    step = 0.78 / len(order)
    traces = {variable: 1e3 * layer[variable][:, stimulus, : len(cells)] for variable in order}
    bars = {
        variable: ax.bar(
            place + step * (n - (len(order) - 1) / 2),
            traces[variable][-1] - rest,
            width=0.92 * step,
            bottom=rest,
            color=looks[variable][1],
            label=looks[variable][0],
        )
        for n, variable in enumerate(order)
    }
    values = np.concatenate([trace[np.isfinite(trace)] for trace in traces.values()] + [[rest]])
    _fit(ax, values)
    ax.axhline(rest, color="0.5", linewidth=0.8)
    ax.set_xlim(-0.6, len(cells) - 0.4)
    ax.set_xticks(place, [str(cell) for cell in cells])
    name = "Output" if k == recording.output_layer else f"Layer {k}"
    ax.set_xlabel(f"{name} cell")
    ax.set_ylabel("Potential (mV)")
    if key:
        ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, columnspacing=1.0, handlelength=1.0)

    def move(step):
        for variable, group in bars.items():
            for bar, value in zip(group, traces[variable][step], strict=True):
                bar.set_height(value - rest)
        return [bar for group in bars.values() for bar in group]

    return move


def _rates(ax, recording, stimulus, output):
    rates, target = output["rate"][:, stimulus], recording.target_cell(stimulus)
    colours = [TEACHER if cell == target else "0.6" for cell in output.cells]
    place = np.arange(len(output.cells))
    bars = ax.barh(place, rates[-1], color=colours, height=0.7)
    low, high = np.min(rates, initial=0.0), np.max(rates, initial=1.0)
    ax.set_xlim(1.05 * low, 1.05 * high)
    names = {cell: output_name(recording, cell) for cell in output.cells.tolist()}
    ax.set_yticks(place, [f"{name} (target)" if cell == target else name for cell, name in names.items()])
    ax.set_xlabel("Rate (Hz)")
    ax.set_ylabel("Output cell")

    def move(step):
        for bar, value in zip(bars, rates[step], strict=True):
            bar.set_width(value)
        return bars

    return move


def _clock(ax, recording):
    time, colours = 1e3 * recording.t, phase_colours(recording)
    for name, steps in recording.phases():
        start, stop = time[steps.start - 1] if steps.start else time[0], time[steps.stop - 1]
        ax.axvspan(start, stop, color=colours[name], linewidth=0)
        ax.text(
            (start + stop) / 2,
            0.5,
            literal(name),
            transform=ax.get_xaxis_transform(),
            ha="center",
            va="center",
            fontsize=8,
        )
    line = ax.axvline(time[-1], color="0.2", linewidth=2)
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    ax.margins(x=0.01)
    ax.set_xlabel("Time (ms)")

    def move(step):
        line.set_xdata([time[step]] * 2)
        return [line]

    return move


def _fit(ax, values):
    low, high = values.min(), values.max()
    margin = 0.06 * (high - low) or 1.0
    ax.set_ylim(low - margin, high + margin)


def _title(recording, stimulus, step):
    time = f"{1e3 * recording.t[step]:.1f} ms"
    phase = str(recording.phase[step])
    taught = teaching(recording, phase, slice(step, step + 1))
    return f"{title_of(recording, stimulus)}: {phase} phase, {taught}, {time}"
