"""``corinfomax record``."""

import os
from pathlib import Path
from typing import Annotated

import typer

from ...analysis import read_recording
from ...analysis.figures import compartment_voltages, save_figure
from ...errors import ParameterError, RunError
from ..runs import Run, RunFolder, telling_cells
from ..runs import record as record_run
from .console import console

#: Cells of a layer that one picture has room for.
_MOST_DRAWN = 6


def record(
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    stimuli: Annotated[str, typer.Option(help="Test stimuli, as 0,3,7 or 0-9.")] = "0",
    cells: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LAYER:CELLS", help="Cells of a layer, as 1:0,5,8-12; may be repeated. Else telling ones."
        ),
    ] = None,
    beta: Annotated[float | None, typer.Option(help="Nudging strength β; by default the run's own.")] = None,
    out: Annotated[Path | None, typer.Option(help="Archive to write, FILE.npz; by default RUN/recording.npz.")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder with data files; else the run's own.")] = None,
):
    """Record compartment voltages of chosen cells through the free and the nudge phase, and draw them.

    The archive holds time (s), integration variable s, phase and β of each step, and for each layer the somatic,
    basal and apical potentials (V), rates (Hz) and SST currents. Layers count from 1, the output is the last. Drawn
    are the chosen cells in their order, six of each layer at most.

    Example: `corinfomax record runs/digits --stimuli 0-4 --cells 1:0-7 --cells 2:0-9`
    """
    opened = Run(run)
    if data is not None:
        opened.configuration.stimuli.data = str(data)
    path = opened.folder.path / "recording.npz" if out is None else _free(out)
    chosen = _numbers("--stimuli", stimuli, len(opened.stimuli.x_test))
    preparation = opened.preparation(len(chosen))
    if cells:
        selection: dict[int, list[int]] = {}
        largest = max(preparation.layer(k).size for k in range(1, preparation.circuit.output + 1))
        for text in cells:
            layer, colon, numbers = text.partition(":")
            if not colon or not layer.strip().isdecimal():
                raise ParameterError(f"--cells {text}: must be LAYER:CELLS, such as 1:0,5,8-12")
            selection.setdefault(int(layer), []).extend(_numbers("--cells", numbers, largest))
    else:
        selection = telling_cells(preparation, opened.stimuli, chosen[0])
    drawn = {k: indices[:_MOST_DRAWN] for k, indices in selection.items()} if cells else None
    beta = opened.circuit.protocol.beta if beta is None else beta
    arrays = record_run(preparation, opened.stimuli, chosen, selection, beta)
    target = RunFolder(path.parent)
    target.write_arrays(path.name, arrays)
    path = target.path / path.name
    recording = read_recording(path)
    for position, stimulus in enumerate(chosen):
        figure = compartment_voltages(recording, stimulus=position, cells=drawn)
        picture = path.with_name(f"{path.stem}_stimulus_{stimulus}.png")
        save_figure(figure, [picture])
        console.print(f"{picture}")
    recorded = ", ".join(f"{len(indices)} cells of layer {k}" for k, indices in selection.items())
    console.print(f"{path}: {len(arrays['t'])} steps of {len(chosen)} stimuli, {recorded}")
    if drawn is not None and drawn != selection:
        console.print(f"Drawn are the first {_MOST_DRAWN} cells of each layer.")


def _free(path: Path) -> Path:
    """Check that a recording may be written here: nothing is overwritten but an older recording."""
    path = Path(os.path.expanduser(path))
    if path.suffix != ".npz":
        raise ParameterError(f"--out {path}: must end in .npz")
    if path.exists():
        try:
            read_recording(path)
        except RunError:
            raise ParameterError(f"--out {path}: exists and is no recording; choose another name") from None
    return path


def _numbers(option: str, text: str, count: int) -> list[int]:
    """Read 0,3,8-12, all below count."""
    ranges = []
    try:
        for part in text.split(","):
            first, dash, last = part.partition("-")
            ranges.append(range(int(first), int(last if dash else first) + 1))
    except ValueError:
        ranges = []
    if not ranges or not all(ranges):
        raise ParameterError(f"{option} {text}: must be numbers and ranges, such as 0,3,8-12")
    if max(numbers[-1] for numbers in ranges) >= count:
        raise ParameterError(f"{option} {text}: must be from 0 to {count - 1}")
    return [number for numbers in ranges for number in numbers]
