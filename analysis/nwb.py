"""Export of recordings to NWB, Neurodata Without Borders, the field's format for sharing (nwb.org)."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..errors import ParameterError
from .files import replacing_path
from .hdf5 import read
from .nwb_units import add_units
from .series import Trace
from .session import Session, Signal
from .traces import Traces

#: Compartments as anatomists call them; others keep their names.
_PARTS = {"basal": "basal dendrite", "apical": "apical dendrite", "SST": "soma of the cell's SST interneuron"}
#: Compartments of variables in recordings from before these told.
_FORMER = {
    **dict.fromkeys(("V_soma", "u", "I_net", "gate_soma", "I_soma"), "soma"),
    **dict.fromkeys(("V_basal", "v_B", "gate_basal", "I_basal", "drive_basal"), "basal"),
    **dict.fromkeys(("V_apical", "v_A", "gate_apical", "I_apical", "drive_apical"), "apical"),
    **dict.fromkeys(("rate", "r"), "axon"),
    "V_SST": "SST",
}
#: NWB spells units out.
_UNITS = {"V": "volts", "Hz": "hertz", "A": "amperes", "S": "siemens", "s": "seconds"}
#: Of a trace, in memory at once.
_BUFFER_GB = 0.05
#: Bytes of a series beyond which NWB's inspector wants it compressed.
_LARGE = 20 * 10**9
#: NCBI's taxon "synthetic construct": archives want a species of every subject.
_SYNTHETIC = "http://purl.obolibrary.org/obo/NCBITaxon_32630"
#: What a session is, and its publications, by circuit.
_SESSIONS = {
    "CorInfoMax": (
        "Simulation of a circuit that learns by correlative information maximization",
        ("doi:10.48550/arXiv.2306.04810",),
    )
}


def require_pynwb():
    """Raise a `ParameterError` that says how to install pynwb, if it is not there: before long work, not after it."""
    try:
        import pynwb  # noqa: F401
    except ImportError:
        raise ParameterError('NWB needs pynwb: pip install "corinfomax[nwb]"') from None


def export_nwb(
    traces: Traces,
    path: str | os.PathLike,
    *,
    description: str | None = None,
    keywords: Sequence[str] | None = None,
    compression: str | None = None,
    overwrite: bool = False,
) -> Path:
    """Write a recording to an NWB file, chunk by chunk, so that memory stays bounded.

    Parameters
    ----------
    traces : Traces
    path : path-like
        The file, ``.nwb``.
    description : str, optional
        Of the session; by default it names the circuit.
    keywords : sequence of str, optional
        None by default: neo (0.14) cannot read a file that has some.
    compression : str, optional
        HDF5 filter for the traces, such as "gzip": smaller by a tenth or two, and much slower. By default none, but
        "gzip" for a series of more than 20 GB.
    overwrite : bool, default False
        Whether a file that exists may be replaced.

    Returns
    -------
    Path

    Raises
    ------
    ParameterError
        If pynwb is not installed, or the file exists.
    RunError
        If it cannot be written.

    Notes
    -----
    A session is one course of time, and so its trials follow one another (see `analysis.session`): stimuli that were
    presented at once stand in the order of their replicas, and then come those of the next presentation. Nothing is
    computed anew: a replica goes on from where its own last trial ended, `replicas` trials before, and not from the end
    of the trial that stands before. Plasticity acts after the last trial of a presentation, on all replicas at once.
    Present one stimulus at a time, if the order should be that of one circuit's life.

    In the file are

    - ``acquisition/layer_1_V_soma`` and so on, `TimeSeries` of shape (time, cells) in their units, volts or hertz, with
      a rate; with timestamps only where samples are not evenly spaced, as of the nudge phases alone. A sample bears the
      time at which its step begins and holds the state at the step's end. Of fewer samples than cells there are several
      series, ``layer_1_V_soma_1`` and so on, as NWB takes the longest axis for time.
    - ``intervals/trials``, a row for each stimulus presented: presentation, replica, stimulus, label, class_name, β,
      whether plasticity followed, its phases with their times, and the samples of each series that are its own.
    - ``intervals/epochs``, a row for each phase of each trial, tagged with its name.
    - ``processing/circuit/cells``, a row for each recorded site: population, layer, cell type, cell and compartment;
      and ``processing/circuit/signals``, which tells for each time series the rows of its columns, in order.
    - ``units``, a row for each cell whose spikes were recorded: its spike times, each where its step begins, the
      intervals in which it was observed, population, layer, cell type and cell. There are no electrodes.
    - ``processing/plasticity/W_ff_0`` and so on, tables of recorded weights and their changes by presentation; the
      numbers of the cells on their axes are in ``W_ff_0_cells``.
    - the circuit's parameter file in `notes`, versions of the software in `data_collection`.
    """
    require_pynwb()
    from pynwb import NWBHDF5IO

    path = Path(os.path.expanduser(path))
    if path.suffix != ".nwb":
        raise ParameterError(f"{path}: must end in .nwb")
    if path.exists() and not overwrite:
        raise ParameterError(f"{path}: exists; choose another name")
    file, session = _new_file(traces, description, keywords), Session(traces)
    samples = _add_traces(file, traces, session, compression)
    _add_trials(file, session, samples)
    add_units(file, traces, session)
    _add_weights(file, traces, session, compression)
    with replacing_path(path) as temporary, NWBHDF5IO(temporary, "w") as io:
        io.write(file)
    return path


def _new_file(traces: Traces, description: str | None, keywords: Sequence[str] | None):
    from pynwb import NWBFile
    from pynwb.file import Subject

    session, publications = _SESSIONS.get(traces.circuit, (f"Simulation of the circuit {traces.circuit}", ()))
    start = pd.Timestamp(traces.created)
    seed = "" if traces.seed is None else f" Seed of the background input: {traces.seed}."
    return NWBFile(
        session_description=session if description is None else description,
        identifier=str(uuid.uuid4()),
        session_start_time=(start if start.tzinfo else start.tz_localize("UTC")).to_pydatetime(),
        experiment_description=f"Circuit {traces.circuit}, in steps of {traces.dt:g} s; all times are simulated. "
        f"Trials of one presentation were simulated at once, each by a replica of the circuit.{seed}",
        data_collection="Simulated with " + json.dumps(traces.software),
        notes=traces.parameters or "The circuit was made in Python; there is no parameter file.",
        keywords=list(keywords) if keywords else None,
        related_publications=list(publications) or None,
        subject=Subject(
            subject_id=traces.circuit,
            description="A simulated circuit, no animal: its age counts from the simulation's beginning.",
            species=_SYNTHETIC,
            sex="O",
            age="P0D",
        ),
    )


def _add_trials(file, session: Session, samples: list[tuple[Any, Signal]]):
    from hdmf.common import VectorData
    from pynwb.base import TimeSeriesReference, TimeSeriesReferenceVectorData
    from pynwb.epoch import TimeIntervals

    trials, phases = session.trials, session.phases
    if trials.empty:
        return
    told = {
        "start_time": ("start", "Beginning of the trial, in seconds."),
        "stop_time": ("stop", "End of the trial, in seconds."),
        "presentation": ("trial", "Number of the presentation; its stimuli are simulated at once, one to a replica."),
        "replica": ("replica", "Copy of the circuit that the stimulus was presented to."),
        "stimulus": ("stimulus", "Number of the stimulus in its set; -1 if not known."),
        "label": ("label", "Number of the stimulus's class, from 0; -1 if not known."),
        "class_name": ("class_name", "What the class is called; nothing if not known."),
        "beta": ("beta", "Signed nudging strength of the presentation."),
        "learn": ("learn", "Whether plasticity followed the presentation."),
        "complete": ("complete", "Whether the presentation ended as planned."),
    }
    columns: list[Any] = [
        VectorData(name=name, description=text, data=trials[source].to_numpy()) for name, (source, text) in told.items()
    ]
    ends = np.searchsorted(phases["row"].to_numpy(), np.arange(len(trials)), "right")
    names = phases["name"].astype(str).tolist()
    for name, values, text in (
        ("phase_names", names, "Names of the phases of the trial."),
        ("phase_start_times", phases["start"].to_numpy(), "When they begin, in seconds."),
        ("phase_stop_times", phases["stop"].to_numpy(), "When they end, in seconds."),
        ("phase_betas", phases["beta"].to_numpy(), "Nudging strength at their ends."),
    ):
        columns += _ragged(VectorData(name=name, description=text, data=values), ends)
    if samples:
        own: list[list] = [[] for _ in range(len(trials))]
        for series, signal in samples:
            for row, begin, count in zip(signal.rows, signal.begins, signal.counts, strict=True):
                own[row].append(TimeSeriesReference(int(begin), int(count), series))
        parts = [part for row in own for part in row]
        data = TimeSeriesReferenceVectorData(name="timeseries", description="Samples of the trial.", data=parts)
        columns += _ragged(data, np.cumsum([len(row) for row in own]))
    file.trials = TimeIntervals(name="trials", description="Presentations of stimuli.", columns=columns)
    columns = [
        VectorData(
            name="start_time", description="Beginning of the phase, in seconds.", data=phases["start"].to_numpy()
        ),
        VectorData(name="stop_time", description="End of the phase, in seconds.", data=phases["stop"].to_numpy()),
        *_ragged(VectorData(name="tags", description="Name of the phase.", data=names), np.arange(1, len(names) + 1)),
    ]
    file.epochs = TimeIntervals(name="epochs", description="Phases of the trials.", columns=columns)


def _ragged(data, ends: np.ndarray) -> list:
    """Columns of a table whose rows have several entries each, up to these ends."""
    from hdmf.common import VectorIndex

    return [data, VectorIndex(name=f"{data.name}_index", data=ends, target=data)]


def _add_traces(file, traces: Traces, session: Session, compression: str | None) -> list[tuple[Any, Signal]]:
    """Add a series for each trace; return each with where its samples stand."""
    from pynwb import TimeSeries

    sites: dict[tuple, int] = {}
    signals: list[dict] = []
    samples = []
    for group in traces.groups:
        signal = session.signal(group)
        if not signal.size:
            continue
        width = min(len(group.cells), signal.size)
        parts = [slice(start, start + width) for start in range(0, len(group.cells), width)]
        timed: dict[str, Any] = {"rate": signal.rate, "starting_time": signal.start}
        if signal.rate is None:
            timed = {"timestamps": signal.times}
        for name, trace in group.traces.items():
            meaning = f"{name}, {trace.meaning}," if trace.meaning else name
            compartment = _FORMER.get(name, "") if trace.compartment is None else trace.compartment
            compartment = _PARTS.get(compartment, compartment)
            for place, part in enumerate(parts, start=1):
                series = TimeSeries(
                    name=f"{group.population}_{name}" + f"_{place}" * (len(parts) > 1),
                    description=f"{meaning} of {group.population}; axes: time, cell",
                    data=_samples(signal, trace, part, compression),
                    unit=_UNITS.get(trace.unit, trace.unit),
                    comments=f"Recorded: {_cadence(group.every)} of the phases {', '.join(group.phases)}. "
                    "A sample bears the time at which its step begins and holds the state at the step's end.",
                    **timed,
                )
                if signal.rate is None and "timestamps" in timed:
                    timed = {"timestamps": series}  # shared, and stored once
                file.add_acquisition(series)
                samples.append((series, signal))
                keys = [
                    (group.population, group.layer, group.cell_type, int(n), compartment) for n in group.cells[part]
                ]
                rows = [sites.setdefault(key, len(sites)) for key in keys]
                signals.append({"series": series, "variable": name, "population": group.population, "rows": rows})
    if signals:
        _add_sites(file, sites, signals)
    return samples


def _add_sites(file, sites: dict[tuple, int], signals: list[dict]):
    """Tell which cells and compartments the columns of the series are of."""
    from hdmf.common import DynamicTable, DynamicTableRegion, VectorData

    told = {
        "population": "Population that the cell is of.",
        "layer": "Layer of the circuit; 0 is the stimulus.",
        "cell_type": "Kind of cell.",
        "cell": "Number of the cell in its population.",
        "compartment": "Part of the cell that was recorded; empty for what belongs to no compartment.",
    }
    values = zip(*sites, strict=True)
    cells = DynamicTable(
        name="cells",
        description="Recorded sites: a row for each recorded compartment of each cell.",
        columns=[
            VectorData(name=name, description=text, data=list(column))
            for (name, text), column in zip(told.items(), values, strict=True)
        ],
    )
    rows = DynamicTableRegion(
        name="sites",
        description="Rows in the table of cells of the columns of the time series, in order.",
        data=[row for signal in signals for row in signal["rows"]],
        table=cells,
    )
    table = DynamicTable(
        name="signals",
        description="What each time series is of.",
        columns=[
            VectorData(name="series", description="The time series.", data=[signal["series"] for signal in signals]),
            VectorData(name="population", description="Population.", data=[signal["population"] for signal in signals]),
            VectorData(name="variable", description="Variable.", data=[signal["variable"] for signal in signals]),
            *_ragged(rows, np.cumsum([len(signal["rows"]) for signal in signals])),
        ],
    )
    module = file.create_processing_module("circuit", "Which cells and compartments the time series are of")
    module.add(cells)
    module.add(table)


def _cadence(every: int) -> str:
    return "every step" if every == 1 else f"one of every {every} steps"


def _add_weights(file, traces: Traces, session: Session, compression: str | None):
    from hdmf.common import DynamicTable, VectorData

    recorded = {name: found for name, found in traces.weights.items() if len(found.time)}
    if not recorded:
        return
    module = file.create_processing_module("plasticity", "Weights after learning presentations, and their changes")
    for name, found in recorded.items():
        key, k = found.weights
        axes = "axes: presentation, postsynaptic cell" + ", presynaptic cell" * (found.values.ndim == 3)
        told = {
            "time": (session.ends(found.trial), "When plasticity acted, in seconds."),
            "presentation": (found.trial, "Number of the presentation after which it did."),
            "weights": (_stored(found.values, compression), f"{key}[{k}]; {axes}"),
        }
        if found.changes is not None:
            text = f"ΔW of {key}[{k}] by the rule, before learning rate and decay; {axes}"
            told["changes"] = (_stored(found.changes, compression), text)
            told["change_norm"] = (found.change_norm, f"Frobenius norm of the whole ΔW of {key}[{k}]")
        ends = {"postsynaptic": found.post, "presynaptic": found.pre}
        cells = {
            "axis": ([axis for axis, numbers in ends.items() for _ in numbers], "Axis of the weights."),
            "cell": (np.concatenate(list(ends.values())), "Numbers of the cells on it, in order."),
        }
        for table, text, columns in (
            (name, f"Weights {key}[{k}] after learning presentations", told),
            (f"{name}_cells", f"Cells whose synapses the table {name} has", cells),
        ):
            data = [
                VectorData(name=column, description=words, data=values) for column, (values, words) in columns.items()
            ]
            module.add(DynamicTable(name=table, description=text, columns=data))


def _samples(signal: Signal, trace: Trace, cells: slice, compression: str | None):
    """Let hdmf copy the samples of some cells piece by piece."""
    shape = (signal.size, len(range(trace.shape[2])[cells]))

    def samples(selection):
        rows, columns = selection
        start, stop, _ = rows.indices(shape[0])
        return signal.read(trace, start, stop, cells)[:, columns]

    return _pieces(shape, trace.dtype, samples, compression)


def _stored(dataset, compression: str | None):
    """Let hdmf copy a dataset piece by piece."""
    return _pieces(dataset.shape, dataset.dtype, lambda selection: read(dataset, selection), compression)


def _pieces(shape: tuple[int, ...], dtype, read: Callable, compression: str | None):
    from hdmf.backends.hdf5 import H5DataIO
    from hdmf.data_utils import GenericDataChunkIterator

    class Pieces(GenericDataChunkIterator):
        def _get_data(self, selection):
            return read(selection)

        def _get_maxshape(self):
            return shape

        def _get_dtype(self):
            return np.dtype(dtype)

    if compression is None and np.prod(shape, dtype=np.int64) * np.dtype(dtype).itemsize > _LARGE:
        compression = "gzip"
    return H5DataIO(Pieces(buffer_gb=_BUFFER_GB), compression=compression)
