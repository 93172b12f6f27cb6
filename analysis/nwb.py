"""Export of recordings to NWB, Neurodata Without Borders, the field's format for sharing (nwb.org)."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..errors import ParameterError
from .files import replacing_path
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
#: What a session is, its keywords and publications, by circuit.
_SESSIONS = {
    "CorInfoMax": (
        "Simulation of a circuit that learns by correlative information maximization",
        ("simulation", "dendrites", "CorInfoMax"),
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
        By default "simulation" and the circuit.
    compression : str, optional
        HDF5 filter for the traces, such as "gzip": smaller by a tenth or two, and much slower.
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
    In the file are

    - ``acquisition/layer_1_V_soma`` and so on, `TimeSeries` of shape (steps, cells), or (steps, replicas, cells) where
      several stimuli were presented at once. As NWB has it, data * conversion + offset is in the unit, volts or hertz.
    - ``processing/circuit/cells``, a row for each recorded site: population, layer, cell type, cell and compartment;
      and ``processing/circuit/signals``, which tells for each time series the rows of its columns, in order.
    - ``intervals/trials``, a row for each stimulus presented: stimulus, label, replica, β, whether plasticity followed,
      and its phases with their times.
    - ``processing/plasticity/W_ff_0`` and so on, recorded weights and their changes.
    - the circuit's parameter file in `notes`, versions of the software in `data_collection`.
    """
    require_pynwb()
    from pynwb import NWBHDF5IO

    path = Path(os.path.expanduser(path))
    if path.suffix != ".nwb":
        raise ParameterError(f"{path}: must end in .nwb")
    if path.exists() and not overwrite:
        raise ParameterError(f"{path}: exists; choose another name")
    file = _session(traces, description, keywords)
    _add_trials(file, traces)
    _add_traces(file, traces, compression)
    _add_weights(file, traces, compression)
    with replacing_path(path) as temporary, NWBHDF5IO(temporary, "w") as io:
        io.write(file)
    return path


def _session(traces: Traces, description: str | None, keywords: Sequence[str] | None):
    from pynwb import NWBFile

    unknown = f"Simulation of the circuit {traces.circuit}", ("simulation", traces.circuit), ()
    session, words, publications = _SESSIONS.get(traces.circuit, unknown)
    start = pd.Timestamp(traces.created)
    seed = "" if traces.seed is None else f" Seed of the background input: {traces.seed}."
    return NWBFile(
        session_description=session if description is None else description,
        identifier=str(uuid.uuid4()),
        session_start_time=(start if start.tzinfo else start.tz_localize("UTC")).to_pydatetime(),
        experiment_description=f"Circuit {traces.circuit}, in steps of {traces.dt:g} s; all times are simulated.{seed}",
        data_collection="Simulated with " + json.dumps(traces.software),
        notes=traces.parameters or "The circuit was made in Python; there is no parameter file.",
        keywords=list(words if keywords is None else keywords),
        related_publications=list(publications) or None,
    )


def _add_trials(file, traces: Traces):
    from hdmf.common import VectorData, VectorIndex
    from pynwb.epoch import TimeIntervals

    trials, phases = traces.trials, traces.phases
    if trials.empty:
        return
    told = {
        "start_time": ("start", "Beginning of the presentation, in seconds."),
        "stop_time": ("stop", "End of the presentation, in seconds."),
        "presentation": ("trial", "Number of the presentation; its stimuli are presented at once, one to a replica."),
        "replica": ("replica", "Copy of the circuit that the stimulus was presented to."),
        "stimulus": ("stimulus", "Number of the stimulus in its set; -1 if not known."),
        "label": ("label", "Class of the stimulus; -1 if not known."),
        "beta": ("beta", "Signed nudging strength of the presentation."),
        "learn": ("learn", "Whether plasticity followed."),
        "complete": ("complete", "Whether the presentation ended as planned."),
    }
    columns: list[Any] = [
        VectorData(name=name, description=text, data=trials[source].to_numpy()) for name, (source, text) in told.items()
    ]
    # Ragged: the phases of a presentation stand once for each of its stimuli.
    counts = phases.groupby("trial").size().reindex(range(int(trials["trial"].max()) + 1), fill_value=0).to_numpy()
    ends = np.cumsum(counts)
    rows = np.concatenate([np.arange(ends[trial] - counts[trial], ends[trial]) for trial in trials["trial"]])
    index = np.cumsum(counts[trials["trial"]])
    for name, source, text in (
        ("phase_names", "name", "Names of the phases of the presentation."),
        ("phase_start_times", "start", "When they begin, in seconds."),
        ("phase_stop_times", "stop", "When they end, in seconds."),
        ("phase_betas", "beta_last", "Nudging strength at their ends."),
    ):
        values = phases[source].astype(str) if source == "name" else phases[source]
        data = VectorData(name=name, description=text, data=values.to_numpy()[rows].tolist())
        columns += [data, VectorIndex(name=f"{name}_index", data=index, target=data)]
    file.trials = TimeIntervals(name="trials", description="Presentations of stimuli.", columns=columns)


def _add_traces(file, traces: Traces, compression: str | None):
    from hdmf.common import DynamicTable, DynamicTableRegion, VectorData, VectorIndex
    from pynwb import TimeSeries

    if not traces.groups:
        return
    sites: dict[tuple, int] = {}
    signals: list[dict] = []
    for group in traces.groups:
        timed = None
        replicated = len(group.replicas) > 1
        for name, trace in group.traces.items():
            meaning = f"{name}, {trace.meaning}," if trace.meaning else name
            series = TimeSeries(
                name=f"{group.population}_{name}",
                description=f"{meaning} of {group.population}; axes: step{', replica' * replicated}, cell",
                data=_chunks(trace.dataset, compression, drop=1 if len(group.replicas) == 1 else None),
                unit=_UNITS.get(trace.unit, trace.unit),
                conversion=trace.scale,
                offset=trace.offset,
                timestamps=group.time if timed is None else timed,
                comments=f"Recorded: {_cadence(group.every)} of the phases {', '.join(group.phases)}.",
            )
            timed = series if timed is None else timed
            file.add_acquisition(series)
            compartment = _FORMER.get(name, "") if trace.compartment is None else trace.compartment
            compartment = _PARTS.get(compartment, compartment)
            keys = [(group.population, group.layer, group.cell_type, int(cell), compartment) for cell in group.cells]
            rows = [sites.setdefault(key, len(sites)) for key in keys]
            signals.append({"series": series, "variable": name, "population": group.population, "rows": rows})

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
    ends = np.cumsum([len(signal["rows"]) for signal in signals])
    table = DynamicTable(
        name="signals",
        description="What each time series is of.",
        columns=[
            VectorData(name="series", description="The time series.", data=[signal["series"] for signal in signals]),
            VectorData(name="population", description="Population.", data=[signal["population"] for signal in signals]),
            VectorData(name="variable", description="Variable.", data=[signal["variable"] for signal in signals]),
            rows,
            VectorIndex(name="sites_index", data=ends, target=rows),
        ],
    )
    module = file.create_processing_module("circuit", "Which cells and compartments the time series are of")
    module.add(cells)
    module.add(table)


def _cadence(every: int) -> str:
    return "every step" if every == 1 else f"one of every {every} steps"


def _add_weights(file, traces: Traces, compression: str | None):
    from pynwb import TimeSeries

    if not traces.weights:
        return
    module = file.create_processing_module("plasticity", "Weights after learning presentations, and their changes")
    for name, found in traces.weights.items():
        key, k = found.weights
        common = {
            "timestamps": found.time,
            "unit": "1",
            "comments": json.dumps({"post": found.post.tolist(), "pre": found.pre.tolist()}),
        }
        axes = "axes: presentation, postsynaptic cell" + ", presynaptic cell" * (found.values.ndim == 3)
        kept = {"": (_chunks(found.values, compression), f"Weights {key}[{k}]; {axes}")}
        if found.changes is not None:
            text = f"ΔW of {key}[{k}] by the rule, before learning rate and decay; {axes}"
            kept["_changes"] = (_chunks(found.changes, compression), text)
            kept["_change_norm"] = (found.change_norm, f"Frobenius norm of the whole ΔW of {key}[{k}]")
        for suffix, (data, text) in kept.items():
            module.add(TimeSeries(name=f"{name}{suffix}", description=text, data=data, **common))


def _chunks(dataset, compression: str | None, drop: int | None = None):
    """Let hdmf copy a dataset piece by piece, without the one axis of length 1 that is to be dropped."""
    from hdmf.backends.hdf5 import H5DataIO
    from hdmf.data_utils import GenericDataChunkIterator

    class Chunks(GenericDataChunkIterator):
        def _get_data(self, selection):
            if drop is None:
                return dataset[selection]
            return dataset[(*selection[:drop], 0, *selection[drop:])]

        def _get_maxshape(self):
            return tuple(size for axis, size in enumerate(dataset.shape) if axis != drop)

        def _get_dtype(self):
            return dataset.dtype

    if not len(dataset):
        return np.empty([size for axis, size in enumerate(dataset.shape) if axis != drop], dataset.dtype)
    return H5DataIO(Chunks(buffer_gb=_BUFFER_GB), compression=compression)
