"""Recording a run at scale: any number of test stimuli, to HDF5, NWB or a tidy table."""

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from ...analysis.events import spikes_beside
from ...analysis.files import beside, discard, free_path, is_there, sole_writer
from ...analysis.nwb import export_nwb, require_pynwb
from ...analysis.traces import SUFFIXES, open_traces
from ...errors import CorInfoMaxError, ParameterError, RunError, meant
from ...networks.interval import renewed_in_each_step
from ...stimuli import Stimuli, Stimulus
from .archive import shown_targets
from .recordables import SPIKES, listed, names, own
from .selections import Selection, SpikeSelection, by_place, population_of, stimuli_of
from .stream_recorder import StreamRecorder, writable

#: Endings of the files that traces are written to.
TRACE_SUFFIXES = (*SUFFIXES, ".nwb", ".csv")


def select(
    preparation,
    populations: str | Sequence[str] = (),
    variables: str | Sequence[str] = (),
    cells: Mapping[str | int, Sequence[int]] | None = None,
    phases: str | Sequence[str] = (),
    every: int = 1,
) -> list[Selection | SpikeSelection]:
    """Choose the same of several populations, of each as far as it has it.

    Parameters
    ----------
    preparation : Preparation
    populations : str or sequence of str
        By default those of `cells`, or all layers.
    variables : str or sequence of str
        By default what the cells declare: potentials of their compartments and rates, or what else there is, and
        "spikes", which are events, of cells that spike.
    cells : mapping of str or int to sequence of int, optional
        Cells of some of the populations, or of layers by their numbers; of others all.
    phases : str or sequence of str
        By default all.
    every : int, default 1
        Of variables; spikes are events, and all of them are recorded.

    Returns
    -------
    list of Selection and SpikeSelection
        Where no populations are chosen, spikes of inputs are among them, if these spike.

    Raises
    ------
    ParameterError
        In one line, for what the circuit does not have.
    """
    populations, variables = names(populations, "populations"), names(variables, "variables")
    phases, there = names(phases, "phases"), preparation.populations
    cells = _by_population(preparation, {} if cells is None else cells)
    whole = not populations and not cells
    populations = tuple(populations) or tuple(cells) or preparation.circuit.layers[1:]
    if stray := [name for name in cells if name not in populations]:
        raise ParameterError(f"cells of {stray[0]} are chosen, but only {', '.join(populations)} are recorded")
    if unknown := [name for name in populations if name not in there]:
        raise ParameterError(f"no population {unknown[0]!r}; {meant(unknown[0], there)}there are {', '.join(there)}")
    own_variables = [name for name in variables if name != SPIKES]
    if absent := [name for name in own_variables if not any(name in there[population] for population in populations)]:
        declared = listed(there[name] for name in populations)
        raise ParameterError(
            f"no variable {absent[0]!r} in {', '.join(populations)}; "
            f"{meant(absent[0], declared.split(', '))}their cells declare {declared}"
        )
    of_spikes = []
    if SPIKES in variables or not variables:
        inputs = preparation.circuit.layers[:1] if whole else ()
        of_spikes = [name for name in (*inputs, *populations) if there[name].cell.threshold]
    if SPIKES in variables and not of_spikes:
        SpikeSelection(populations[0]).check(preparation)  # says that it does not spike
    selections: list[Selection | SpikeSelection] = []
    chosen = tuple(phases) or None
    for population in populations:
        wanted = own_variables if variables else [item.name for item in own(there[population])]
        has = [name for name in wanted if name in there[population]]
        if has:
            selections.append(Selection(population, has, cells.get(population), phases=chosen, every=every))
        elif population not in of_spikes:
            lacking = f"has none of the variables {', '.join(variables)}" if variables else "is recorded by name only"
            raise ParameterError(f"{population} {lacking}; its cells declare {listed([there[population]])}")
    return [*selections, *(SpikeSelection(name, cells.get(name), phases=chosen) for name in of_spikes)]


def _by_population(preparation, cells: Mapping[str | int, Sequence[int]]) -> dict[str, Sequence[int]]:
    """Name the populations that cells are of, each once."""
    found: dict[str, Sequence[int]] = {}
    for place, chosen in by_place(cells).items():
        name = population_of(preparation, place)
        if name in found:
            raise ParameterError(f"cells of {name} are chosen twice, by its name and by its layer; choose them once")
        found[name] = chosen
    return found


def record_traces(
    preparation,
    stimuli: Stimuli,
    chosen: int | Sequence[int] | str,
    selections: Sequence[Selection | SpikeSelection],
    path: str | os.PathLike,
    beta: float = 1.0,
    report: Callable[[int], object] = lambda done: None,
    seed: int | None = None,
    overwrite: bool = False,
) -> Path:
    """Present test stimuli, with targets if there are some, without learning, in minibatches, and record to a file.

    Parameters
    ----------
    preparation : Preparation
        Its replicas are the size of the minibatches.
    stimuli : Stimuli
    chosen : int or sequence of int or str
        Indices of test stimuli; also as text, "0,3,8-12".
    selections : sequence of Selection and SpikeSelection
    path : path-like
        ``.h5`` or ``.hdf5``, of `StreamRecorder`; ``.nwb``; or ``.csv``, a tidy table, and one of spikes beside it.
    beta : float, default 1
        Nudging strength.
    report : callable
        Called with the number of stimuli that are done.
    seed : int, optional
        Of the background input through all presentations, if the circuit has some.
    overwrite : bool, default False
        Whether a file that exists may be replaced, once all is recorded; of HDF5 files only recordings are. Until then,
        and if it fails or is interrupted, the new recording stands beside it, as ``a-2.h5`` beside ``a.h5``.

    Returns
    -------
    Path

    Raises
    ------
    StimulusError, ParameterError, RunError
        In one line, for what does not exist or cannot be written. What was recorded for a ``.nwb`` or ``.csv`` is then
        in an HDF5 file beside, which the line names.
    KeyboardInterrupt
        After Ctrl-C; its argument is the file that holds what was recorded until then.
    """
    path, chosen = Path(os.path.expanduser(path)), stimuli_of(stimuli, chosen)
    if path.suffix not in TRACE_SUFFIXES:
        raise ParameterError(f"{path}: must end in {', '.join(TRACE_SUFFIXES)}")
    if overwrite and is_there(path):
        if path.suffix in SUFFIXES:
            writable(path)
        new = free_path(path.with_suffix(""), path.suffix)
        _put_in_place(record_traces(preparation, stimuli, chosen, selections, new, beta, report, seed), path)
        return path
    table = spikes_beside(path)
    if path.suffix == ".csv" and any(isinstance(item, SpikeSelection) for item in selections) and table.exists():
        raise ParameterError(f"{table}: exists; choose another name than {path}, whose spikes it is to hold")
    with _streamed(path) as streamed:
        done = 0

        def presentations() -> Iterator[Stimulus]:
            nonlocal done
            for start in range(0, len(chosen), preparation.replicas):
                rows = chosen[start : start + preparation.replicas]
                first = seed if start == 0 else None
                yield Stimulus(
                    stimuli.x_test[rows], shown_targets(preparation.circuit, stimuli, rows), beta, rows=rows, seed=first
                )
                done += len(rows)
                report(done)

        told = {"labels": stimuli.labels_test, "class_names": stimuli.class_names, "seed": seed}
        recorder = StreamRecorder(preparation, streamed, selections, **told)
        with recorder, renewed_in_each_step(preparation.circuit.intervals.values()):
            preparation.run(presentations())
        if streamed != path:
            _export(streamed, path)
    if preparation.interrupted:
        raise KeyboardInterrupt(str(path))
    return path


def _put_in_place(new: Path, path: Path):
    """Let a recording take the place of an older one; of tables, that of its spikes, too, or that of none."""
    os.replace(new, path)
    if path.suffix != ".csv":
        return
    if (table := spikes_beside(new)).exists():
        os.replace(table, spikes_beside(path))
    else:
        spikes_beside(path).unlink(missing_ok=True)


@contextlib.contextmanager
def _streamed(path: Path) -> Iterator[Path]:
    """Where to stream to: the file itself, or one beside that it is made from, which stays if anything fails."""
    if is_there(path):
        raise ParameterError(f"{path}: exists; choose another name, or replace it with --overwrite (overwrite=True)")
    if path.suffix == ".nwb":
        require_pynwb()
    with contextlib.ExitStack() as held:
        streamed = path
        if path.suffix not in SUFFIXES:
            discard(beside(path))  # a folder that cannot be written to shows now
            held.enter_context(sole_writer(path))
            streamed = free_path(path.with_suffix(""), SUFFIXES[0])
        try:
            yield streamed
        except CorInfoMaxError as error:
            if not streamed.exists():
                raise
            raise type(error)(f"{error}; what was recorded is in {streamed}") from error
        except KeyboardInterrupt:
            if streamed.exists():
                raise KeyboardInterrupt(str(streamed)) from None
            raise
        if streamed != path:
            streamed.unlink()


def _export(streamed: Path, path: Path):
    try:
        with open_traces(streamed) as traces:
            export_nwb(traces, path) if path.suffix == ".nwb" else traces.save_csv(path)
    except CorInfoMaxError:
        raise
    except Exception as error:  # whatever the libraries of a format raise
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise RunError(f"{path}: cannot be written ({reason})") from error
