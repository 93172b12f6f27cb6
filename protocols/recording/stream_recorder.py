"""Recording at scale: blocks of chosen variables go to disk while the circuit runs, so that memory stays bounded.

>>> digits, preparation = load_stimuli("digits"), Preparation(corinfomax.load("runs/digits"), replicas=20)
>>> chosen = [Selection("layer_1", ("V_soma", "V_basal", "V_apical"), every=5), Selection("SST_1", "V_soma")]
>>> with StreamRecorder(preparation, "digits.h5", chosen, labels=digits.labels_test):
...     rows = np.arange(360).reshape(-1, 20)
...     preparation.run(Stimulus(digits.x_test[n], digits.y_test[n], rows=n) for n in rows)
>>> with open_traces("digits.h5") as traces:
...     frame = traces.dataframe("layer_1", cells=[3, 7])
...     export_nwb(traces, "digits.nwb")
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import time
from collections.abc import Sequence
from importlib.metadata import version
from numbers import Integral
from pathlib import Path

import h5py
import numpy as np

from ...analysis.files import beside, discard, free_path, is_there, put_in_place, release, sole_writer
from ...analysis.traces import FORMAT, SUFFIXES, VERSION, Traces, is_recording
from ...errors import CorInfoMaxError, ParameterError, RunError
from ...networks.states import PhaseEnd
from ...stimuli.checks import misfit_of_names
from ..interruption import on_interrupt
from .reserve import Reserve
from .selections import Selection, SpikeSelection, WeightSelection, check_selections, phases_of
from .streams import CellStream, SpikeStream, WeightStream
from .tables import Column, Table, Writer, choice_of, numbered, truth

#: Memory for rows on their way to disk, shared among the selections.
BLOCK_BYTES = 2**25
#: The same for each of the tables of trials and phases.
_TABLE_BYTES = 2**18
#: Bytes of disk without which no file is begun.
_LEAST_ROOM = 2**20


Chosen = Selection | SpikeSelection | WeightSelection
#: What takes what is chosen.
_STREAMS: dict[type, type] = {Selection: CellStream, SpikeSelection: SpikeStream, WeightSelection: WeightStream}


class StreamRecorder:
    """Records a preparation's presentations into an HDF5 file, from entering the context to leaving it.

    The file is whole and readable afterwards, also if an error, Ctrl-C or a full disk ended the run: it then holds all
    steps until then, for room on the disk is taken before it is needed. What is refused before the first step leaves
    none. It is written beside its place under a hidden name, and moved there at the end. `open_traces` reads it.

    The file is netCDF-4, with the axes time, replica and cell, so that ``xarray.open_dataset(path, engine="h5netcdf",
    group="cells/layer_1")`` gives labelled traces in volts. Stored is what the simulation holds, the dimensionless
    variable in its own precision, with the map to physical units in the attributes `scale_factor` and `add_offset`, as
    usual in netCDF: V = add_offset + scale_factor * stored. So float32 recordings are half as large as volts in double
    precision, and lose nothing beside a resting potential.

    Parameters
    ----------
    preparation : Preparation
    path : path-like
        File to write, ``.h5`` or ``.hdf5``. Only an older recording is overwritten.
    selections : Selection, SpikeSelection, WeightSelection, or sequence of them
        What to record. A variable of a population can be chosen once; a second recorder may run beside.
    dtype : {"float32", "float64"}, optional
        Of the stored traces; by default that of the simulation.
    labels : array_like of int, optional
        Class of each stimulus of the set that `Stimulus.rows` number, from 0.
    class_names : sequence of str, optional
        What the classes are called; by default their numbers.
    seed : int, optional
        For the file to tell: the `Stimulus.seed` of the first presentation, after which the generator goes on.
    block_bytes : int, default 32 MiB
        Memory for what is not yet on disk.

    Raises
    ------
    ParameterError
        In one line, for populations, variables, cells, replicas, phases or weights that do not exist, and for a path
        that is no recording's. In a run, for phases that came in with another protocol and are of new names.
    RunError
        If the file cannot be written, or another recorder, of this process or another, is writing it.

    Notes
    -----
    Time is that of the simulation since the recorder was attached, through all presentations; the first step ends at
    dt. So does s, the integration variable Σ η_i, which is time in units of τ only while η is the protocol's own. A
    step's row holds the state at its end, as in `Preparation.present`.
    """

    def __init__(
        self,
        preparation,
        path: str | os.PathLike,
        selections: Chosen | Sequence[Chosen],
        *,
        dtype: str | np.dtype | type | None = None,
        labels: Sequence[int] | np.ndarray | None = None,
        class_names: Sequence[str] | None = None,
        seed: int | None = None,
        block_bytes: int = BLOCK_BYTES,
    ):
        self.path = writable(path)
        self._preparation = preparation
        self._selections = [selections] if isinstance(selections, Chosen) else list(selections or ())
        check_selections(self._selections, preparation)
        self._dtype = _precision(dtype)
        self._labels = None if labels is None else np.asarray(labels)
        self._class_names = _names_of_classes(class_names, self._labels)
        if seed is not None and (not isinstance(seed, Integral) or isinstance(seed, bool)):
            raise ParameterError(f"seed = {seed!r}: must be a whole number")
        self._seed = seed
        if block_bytes < 1:
            raise ParameterError(f"block_bytes = {block_bytes}: must be at least 1")
        self._block_bytes = block_bytes
        self._dt = float(preparation.protocol.step * preparation.circuit.tau)
        self._hooks = (
            (preparation.on_phase_start, self._begin_phase),
            (preparation.on_step, self._end_step),
            (preparation.on_phase_end, self._end_phase),
            (preparation.on_presentation, self._end_presentation),
        )
        self._file: h5py.File | None = None
        self._reserve: Reserve | None = None
        self._cells: list[CellStream | SpikeStream] = []
        self._weights: list[WeightStream] = []
        self._active: list[CellStream | SpikeStream] = []
        self._steps, self._trial, self._phase = 0, 0, 0
        self._s = self._s_before = 0.0
        self._in_trial = self._in_phase = False

    @property
    def nbytes(self) -> int:
        """Bytes of memory for what is not yet on disk, however long the run."""
        return sum(table.nbytes for table in self._tables())

    def __enter__(self) -> StreamRecorder:
        if self._file is not None:
            raise ParameterError(f"{self.path}: this recorder was used; make another one")
        with contextlib.ExitStack() as held:
            held.enter_context(sole_writer(self.path))
            self._begin()
            self._held = held.pop_all()
        for hooks, hook in self._hooks:
            hooks.append(hook)
        return self

    def _begin(self):
        self._temporary = beside(self.path)
        try:
            self._reserve = Reserve(self._temporary)
            self._reserve.hold(_LEAST_ROOM)  # before HDF5 has a file that it could not even close
            # From version 1.10 on what holds the file together has checksums: HDF5 can read in damaged older ones for
            # ever. The order of attributes is tracked, too: netCDF reads no other.
            self._file = h5py.File(self._temporary, "w", libver=("v110", "v110"), track_order=True)
            self._begin_file(self._file)
        except (OSError, RuntimeError) as error:  # HDF5 raises either
            self._abandon()
            raise RunError(f"{self.path}: cannot be written ({getattr(error, 'strerror', None) or error})") from None

    def __exit__(self, kind, error, traceback):
        interrupted = []
        with self._held, on_interrupt(lambda: interrupted.append(True)):  # Ctrl-C must not cost what was recorded
            for hooks, hook in self._hooks:
                hooks.remove(hook)
            if isinstance(error, CorInfoMaxError) and not self._steps:
                self._abandon()  # nothing was recorded
            else:
                self._complete()
        if interrupted and kind is None:
            raise KeyboardInterrupt

    def _complete(self):
        try:
            self._end_file()
            Traces(self._temporary).close()  # what is promised can be opened
            put_in_place(self._temporary, self.path)
        except Exception as error:  # of whatever kind: what was recorded must be told of
            reason = getattr(error, "strerror", None) or " ".join(str(error).split())
            reason = reason.removeprefix(f"{self.path}: ")
            raise RunError(f"{self.path}: cannot be completed ({reason}); {self._remains()}") from None

    def _end_file(self):
        """Write what is in memory and close the file, whatever fails on the way; raise what did."""
        with contextlib.ExitStack() as ending:  # the last first
            ending.callback(self._reserve.trim)
            ending.callback(self._reserve.close)
            ending.callback(self._file.close)
            ending.callback(self._writer.close)
            self._writer.completing = True
            for table in self._tables():
                ending.callback(table.flush)
            self._close_phase(self._preparation.moment.beta if self._in_phase else 0.0)
            self._close_trial(complete=False)

    def _remains(self) -> str:
        """Tell what is left of a file that could not be completed."""
        try:
            Traces(self._temporary).close()
        except RunError:
            discard(self._temporary)
            return "nothing that was recorded can be read"
        kept = free_path(self.path.with_name(f"{self.path.stem}-incomplete"), self.path.suffix)
        try:
            os.replace(self._temporary, kept)  # what is left under its hidden name, the next recorder may remove
        except OSError:
            kept = self._temporary
        release(self._temporary)
        return f"what was recorded is in {kept}"

    def _abandon(self):
        """Leave nothing of a file that could not be begun."""
        with contextlib.suppress(OSError, RuntimeError):  # HDF5's, of what it could not write
            if self._file is not None:
                self._file.close()
        if self._reserve is not None:
            self._reserve.close()
        discard(self._temporary)

    def _tables(self) -> list[Table]:
        if self._file is None:
            return []
        return [*(stream.table for stream in (*self._cells, *self._weights)), self._trials, self._phases]

    def _begin_file(self, file: h5py.File):
        """Write what is known before the first step, and make the tables."""
        self._writer = Writer(file, self.path, self._reserve)
        self._describe(file)
        share = max(1, self._block_bytes // len(self._selections))
        for name in ("cells", "spikes", "weights"):
            file.create_group(name, track_order=True)
        for selection in self._selections:
            kind = _STREAMS[type(selection)]
            streams = self._weights if kind is WeightStream else self._cells
            streams.append(kind(file, selection, self._preparation, self._dtype, share, self._writer))

    def _describe(self, file: h5py.File):
        circuit, replicas = self._preparation.circuit, self._preparation.replicas
        self._names = {name: number for number, name in enumerate(phases_of(self._preparation.protocol))}
        file.attrs["format"], file.attrs["version"] = FORMAT, VERSION
        file.attrs["created"] = time.strftime("%Y-%m-%dT%H:%M:%S%z")
        file.attrs["dt"], file.attrs["replicas"] = self._dt, replicas
        file.attrs["circuit"] = type(circuit).__name__
        if self._seed is not None:
            file.attrs["seed"] = self._seed
        packages = ("corinfomax", "brian2", "numpy", "h5py")
        versions = {"python": platform.python_version(), **{name: version(name) for name in packages}}
        file.attrs["software"] = json.dumps(versions)
        file.create_dataset("parameters", data=self._preparation.parameters)
        second, real, whole = Column((), float, {"units": "s"}), Column((), float, {"units": "1"}), Column((), np.int64)
        trials, phases = (file.create_group(name, track_order=True) for name in ("trials", "phases"))
        numbered(trials, "replica", np.arange(replicas))
        named = {} if self._class_names is None else {"names": self._class_names}
        of_trials = {
            "trial": whole,
            **dict.fromkeys(("start", "stop"), second),
            "beta": real,
            **dict.fromkeys(("learn", "complete"), truth()),
            "presented": whole,
            "stimulus": Column((replicas,), np.int64, axes=("replica",)),
            "label": Column((replicas,), np.int64, named, axes=("replica",)),
        }
        of_phases = {
            "phase": whole,
            "trial": whole,
            "name": choice_of(list(self._names)),
            **dict.fromkeys(("start", "stop"), second),
            **dict.fromkeys(("beta_first", "beta_last"), real),
            "taught": truth(),
        }
        self._trials = Table(trials, "trial", of_trials, _TABLE_BYTES, self._writer)
        self._phases = Table(phases, "phase", of_phases, _TABLE_BYTES, self._writer)

    def _begin_phase(self, moment):
        if moment.time == 0:
            self._close_phase(0.0)  # of a presentation that an error has cut short
            self._close_trial(complete=False)
        elif not self._in_trial:
            return  # attached amid a presentation
        name = moment.phase.name
        if name not in self._names:
            raise ParameterError(
                f"{self.path}: began with the phases {', '.join(self._names)}, so that it cannot take {name!r}; "
                "use another recorder after the protocol is exchanged"
            )
        if moment.time == 0:
            self._begin_trial(moment)
        self._phase_row = {
            "phase": self._phase,
            "trial": self._trial,
            "name": self._names[name],
            "start": self._steps * self._dt,
            "beta_first": moment.beta,
            "taught": moment.phase.taught and moment.stimulus.y is not None,
        }
        self._in_phase = True  # last, as the row is written when an error ends the run
        self._active = [stream for stream in self._cells if moment.phase.name in stream.phases]

    def _begin_trial(self, moment):
        rows = moment.stimulus.rows
        stimulus = np.full(self._preparation.replicas, -1)
        label = stimulus.copy()
        if rows is not None:
            stimulus[: moment.presented] = rows
            if self._labels is not None:
                if rows.max() >= len(self._labels):
                    raise ParameterError(f"stimulus {rows.max()} has no label; labels has {len(self._labels)} entries")
                label[: moment.presented] = self._labels[rows]
        self._trial_row = {
            "trial": self._trial,
            "start": self._steps * self._dt,
            "beta": moment.stimulus.beta,
            "learn": moment.stimulus.learn,
            "presented": moment.presented,
            "stimulus": stimulus,
            "label": label,
        }
        self._in_trial, self._s_before = True, self._s
        for stream in self._cells:
            stream.begin(moment.presented)

    def _end_step(self, moment):
        if not self._in_phase:
            return
        self._steps += 1
        self._s = self._s_before + moment.s
        step = moment.step + 1
        for stream in self._active:
            if step % stream.every == 0:
                stream.take(self._steps * self._dt, self._s, self._phase, moment.beta)

    def _end_phase(self, moment, end: PhaseEnd):
        self._close_phase(end.beta)

    def _end_presentation(self, moment, ends):
        if not self._in_trial:
            return
        if moment.stimulus.learn:
            for stream in self._weights:
                stream.take(self._steps * self._dt, self._trial)
        self._close_trial(complete=True)

    def _close_phase(self, beta: float):
        if self._in_phase:
            self._in_phase, self._active = False, []
            self._phases.append(self._phase_row | {"stop": self._steps * self._dt, "beta_last": beta})
            self._phase += 1

    def _close_trial(self, complete: bool):
        if self._in_trial:
            self._in_trial = False
            self._trials.append(self._trial_row | {"stop": self._steps * self._dt, "complete": complete})
            self._trial += 1


def _names_of_classes(names, labels: np.ndarray | None) -> list[str] | None:
    """Check the names of classes, and the labels that number them from 0."""
    if labels is not None and (labels.ndim != 1 or labels.dtype.kind not in "iu" or labels.min(initial=0) < 0):
        raise ParameterError("labels must be whole numbers from 0, one for each stimulus of the set")
    if names is None:
        return None
    if (misfit := misfit_of_names(names)) is not None:
        raise ParameterError(f"class_names {misfit}")
    if labels is None or labels.max(initial=-1) >= len(names):
        raise ParameterError("class_names must be one for each class that labels has")
    return [str(name) for name in names]


def _precision(dtype) -> np.dtype | None:
    allowed = [np.dtype(np.float32), np.dtype(np.float64)]
    with contextlib.suppress(TypeError):  # NumPy's, for what is no type
        if dtype is None or np.dtype(dtype) in allowed:
            return None if dtype is None else np.dtype(dtype)
    raise ParameterError(f"dtype = {dtype!r}: must be float32 or float64")


def writable(path: str | os.PathLike) -> Path:
    """Check that a recording may be written here: nothing is overwritten but an older recording."""
    path = Path(os.path.expanduser(path))
    if path.suffix not in SUFFIXES:
        raise ParameterError(f"{path}: must end in {' or '.join(SUFFIXES)}")
    if is_there(path) and not is_recording(path):
        raise ParameterError(f"{path}: exists and is no recording; choose another name")
    return path
