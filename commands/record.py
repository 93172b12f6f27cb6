"""``corinfomax record``."""

import os
import re
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from .. import analysis, ranges
from ..analysis.files import sole_writer
from ..errors import ParameterError, RunError, meant
from ..protocols import recording as recordings
from ..protocols import runs
from ..ranges import counted
from .console import Trust, console, output, progress_bar, warn

#: Cells of a layer that one picture has room for.
_MOST_DRAWN = 6


def record(
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    stimuli: Annotated[str, typer.Option(help="Test stimuli, as 0,3,7 or 0-9.")] = "0",
    cells: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LAYER:CELLS",
            help="Cells of a layer or population, as 1:0,5,8-12 or SST_1:0-3; may be repeated. "
            "Else telling ones, or all.",
        ),
    ] = None,
    beta: Annotated[float | None, typer.Option(help="Nudging strength β; by default the run's own.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="FILE.npz, .h5, .nwb or .csv to write; by default RUN/recording.npz.")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Folder with data files; else the run's own.")] = None,
    populations: Annotated[
        str | None, typer.Option(help="As layer_1,SST_1,multiplier_1; by default all layers.")
    ] = None,
    variables: Annotated[
        str | None,
        typer.Option(help="As V_soma,rate,spikes; by default potentials, rates and spikes, as the cells have them."),
    ] = None,
    phases: Annotated[str | None, typer.Option(help="As free,nudge; by default all.")] = None,
    every: Annotated[int | None, typer.Option(help="Every n-th step of a phase only.")] = None,
    replicas: Annotated[
        int | None, typer.Option(help="Stimuli to present at once, each to a copy of the circuit.")
    ] = None,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Replace a .h5, .nwb or .csv that exists; a .npz always is."),
    ] = False,
    trust: Trust = False,
) -> dict:
    """Record chosen cells through the phases of a presentation.

    Without --out, or to a .npz, compartment voltages are also drawn, and of circuits that spike the spikes of all
    cells. The archive holds time (s), integration variable
    s, phase and β of each step, and for each layer what its cells declare, such as somatic, basal and apical potentials
    (V), rates (Hz) and SST currents. Layers count from 1, the output is the last. Drawn are the chosen cells in their
    order, six of each layer at most, and in the output also the cell of the stimulus's class.

    To HDF5 (.h5, which is netCDF-4), NWB (.nwb, trials one after the other) or a tidy table (.csv, units in its header)
    any number of stimuli is recorded, of all populations, in bounded memory: choose with --populations, --variables,
    --phases, --every and --replicas. Spikes, where there are some, are events, as the variable spikes chooses them.

    Examples: `corinfomax record runs/digits --stimuli 0-4 --cells 1:0-7 --cells 2:0-9` ·
    `corinfomax record runs/digits --stimuli 0-359 --out digits.h5 --populations layer_1,SST_1 --variables V_soma`
    """
    opened = runs.Run(run, trust)
    opened.configuration.check_dynamics("record")
    if data is not None:
        opened.configuration.stimuli.data = str(data)
    archive = opened.folder.path / "recording.npz" if out is None else _free(out)
    at_scale = archive is None
    only = {"populations": populations, "variables": variables, "phases": phases, "every": every, "replicas": replicas}
    only["overwrite"] = overwrite or None
    if not at_scale and (given := [name for name, value in only.items() if value is not None]):
        raise ParameterError(
            f"--{given[0]}: needs --out with a file that ends in {', '.join(recordings.TRACE_SUFFIXES)}"
        )
    chosen = _numbers(f"--stimuli {stimuli}: test stimuli", stimuli, len(opened.stimuli.x_test))
    seed = runs.seed_of_tests(opened.configuration.training.seed)
    beta = opened.protocol.beta if beta is None else beta
    if archive is not None:
        with sole_writer(archive):
            return _record_and_draw(opened, archive, chosen, cells, beta, seed)
    at_once = min(len(chosen), opened.configuration.training.test_replicas) if replicas is None else replicas
    preparation = opened.preparation(at_once)
    listed = [() if text is None else text.split(",") for text in (populations, variables, phases)]
    selections = recordings.select(
        preparation, *listed[:2], _cells(preparation, cells), listed[2], 1 if every is None else every
    )
    with progress_bar() as bar:
        task = bar.add_task("recording", total=len(chosen), score="")

        done = 0

        def report(number: int):
            nonlocal done
            done = number
            bar.update(task, completed=done)

        try:
            path = recordings.record_traces(
                preparation, opened.stimuli, chosen, selections, out, beta, report, seed, overwrite
            )
        except KeyboardInterrupt as interrupt:
            if interrupt.args:
                console.print(f"{interrupt}: holds the first {done} of {_stimuli(chosen)}")
            raise
    recorded = "; ".join(f"{', '.join(item.variables)} of {item.population}" for item in selections)
    output.print(f"{path}: {_stimuli(chosen)}, {recorded}")
    return {"recording": path, "stimuli": chosen}


def _record_and_draw(opened, path: Path, chosen: list[int], cells: list[str] | None, beta: float, seed: int) -> dict:
    """Record to a NumPy archive, and draw."""
    preparation = opened.preparation(len(chosen))
    if cells:
        selection = {
            _layer(preparation, population): numbers for population, numbers in _cells(preparation, cells).items()
        }
    else:
        first, *others = chosen
        selection = recordings.representative_cells(preparation, opened.stimuli, first, seed=seed, others=others)
    shown = dict(selection)
    if cells:  # the whole output is at hand for the pictures, in which the target's cell is not to be missed
        listed, last = selection.get(preparation.circuit.output, []), preparation.circuit.output
        shown[last] = [*listed, *(cell for cell in range(preparation.layer(last).size) if cell not in listed)]
    arrays = recordings.record(preparation, opened.stimuli, chosen, shown, beta, seed)
    target = runs.RunFolder(path.parent)
    target.write_arrays(path.name, recordings.restrict(arrays, selection))
    path = target.path / path.name
    pictures = _draw(analysis.as_recording(arrays, path), path, selection if cells else None)
    recorded = ", ".join(f"{counted(len(indices), 'cell')} of layer {k}" for k, indices in selection.items())
    output.print(f"{path}: {counted(len(arrays['t']), 'step')} of {_stimuli(chosen)}, {recorded}")
    return {"recording": path, "stimuli": chosen, "pictures": pictures}


def _draw(recording: "analysis.Recording", path: Path, selection: dict[int, list[int]] | None) -> list[Path]:
    """Draw each stimulus with the chosen cells, and its target's in the output; a picture that fails is one line."""
    from ..analysis.figures import Album, compartment_voltages, layers_with_potentials, spike_raster  # with matplotlib

    album, potentials, beside = Album(), layers_with_potentials(recording), []
    chosen = {k: indices for k, indices in (selection or {}).items() if k in potentials}
    for position, stimulus in enumerate(recording.stimuli.tolist()):
        draw, added, cells = partial(compartment_voltages, recording, stimulus=position), [], None
        if selection is not None:
            cells, target = {k: indices[:_MOST_DRAWN] for k, indices in chosen.items()}, recording.target_cell(position)
            of_output = cells.get(recording.output_layer, [])
            if recording.output_layer in potentials and target is not None and target not in of_output:
                cells[recording.output_layer], added = [target, *of_output], [f"{target} for stimulus {stimulus}"]
            draw = partial(draw, layers=[*cells], cells=cells)
        picture = path.with_name(f"{path.stem}_stimulus_{stimulus}.png")
        if (cells if selection is not None else potentials) and album.save([picture], draw):
            output.print(f"{picture}")
            beside += added
        raster = path.with_name(f"{path.stem}_stimulus_{stimulus}_spikes.png")
        if recording.spikes and album.save([raster], partial(spike_raster, recording, position, cells)):
            output.print(f"{raster}")
    if album.written and (cut := [str(k) for k, indices in chosen.items() if len(indices) > _MOST_DRAWN]):
        console.print(f"Drawn are the first {_MOST_DRAWN} cells of layer {' and '.join(cut)}.")
    if beside:
        console.print(f"Drawn besides is the target's output cell: {', '.join(beside)}.")
    warn(album.failures)
    return album.written


def _stimuli(chosen: list[int]) -> str:
    return counted(len(chosen), "stimulus", "stimuli")


def _layer(preparation, population: str) -> int:
    """Number of the layer that a population is the principal one of."""
    if population not in preparation.circuit.layers:
        raise ParameterError(f"--cells {population}: a .npz holds layers; take --out FILE.h5 for other populations")
    return preparation.circuit.layers.index(population)


def _cells(preparation, texts: list[str] | None) -> dict[str, list[int]]:
    """Read LAYER:CELLS and POPULATION:CELLS, by population."""
    found: dict[str, list[int]] = {}
    for text in texts or ():
        place, colon, numbers = text.partition(":")
        if not colon:
            raise ParameterError(f"--cells {text}: must be LAYER:CELLS, such as 1:0,5,8-12, or POPULATION:CELLS")
        place, there = place.strip(), preparation.populations
        if re.fullmatch("[0-9]+", place):
            place = recordings.population_of(preparation, int(place))
        if place not in there:
            known = f"{meant(place, there)}there are {', '.join(there)}"
            raise ParameterError(f"--cells {text}: no population {place!r}; {known}")
        found.setdefault(place, []).extend(_numbers(f"--cells {text}: cells of {place}", numbers, there[place].size))
    return found


def _free(path: Path) -> Path | None:
    """Check that an archive may be written here: nothing is replaced but an older recording; None of other formats."""
    path = Path(os.path.expanduser(path))
    if path.suffix in recordings.TRACE_SUFFIXES:
        return None
    if path.suffix != ".npz":
        raise ParameterError(f"--out {path}: must end in .npz, {', '.join(recordings.TRACE_SUFFIXES)}")
    if path.exists():
        try:
            analysis.read_recording(path)
        except RunError:
            raise ParameterError(f"--out {path}: exists and is no recording; choose another name") from None
    return path


def _numbers(what: str, text: str, count: int) -> list[int]:
    """Read 0,3,8-12, all below count."""
    try:
        return ranges.numbers(text, count)
    except ValueError as error:
        raise ParameterError(f"{what} {error}") from None
