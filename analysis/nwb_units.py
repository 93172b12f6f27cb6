"""Spike trains in an NWB file: its table of units."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .session import Session, Units
from .traces import Traces

#: Spikes of a chunk in the file.
_CHUNK = 2**16


def add_units(file, traces: Traces, session: Session):
    """Add a row for each cell whose spikes were recorded.

    Parameters
    ----------
    file : pynwb.NWBFile
    traces : Traces
    session : Session
    """
    from hdmf.common import VectorData, VectorIndex
    from pynwb.misc import Units as UnitsTable

    events = list(traces.spikes.events.values())
    if not events or session.trials.empty:
        return
    units = [session.units(each) for each in events]
    counts = np.concatenate([each.counts for each in units])
    observed = [each.observed for each in units for _ in each.counts]
    spikes = VectorData(
        name="spike_times",
        description="Seconds at which the steps begin that the cell spikes in.",
        data=_stored(units, int(counts.sum())),
    )
    seen = VectorData(
        name="obs_intervals",
        description="Intervals of time in which spikes were recorded; trials that follow one another are one.",
        data=np.concatenate(observed),
    )
    columns = [
        VectorIndex(name="spike_times_index", data=np.cumsum(counts), target=spikes),
        spikes,
        VectorIndex(name="obs_intervals_index", data=np.cumsum([len(each) for each in observed]), target=seen),
        seen,
    ]
    told = {
        "population": ("Population that the cell is of.", [each.population for each in events]),
        "layer": ("Layer of the circuit; 0 is the stimulus.", [each.layer for each in events]),
        "cell_type": ("Kind of cell.", [each.cell_type for each in events]),
    }
    for name, (text, values) in told.items():
        data = [value for value, each in zip(values, events, strict=True) for _ in each.cells]
        columns.append(VectorData(name=name, description=text, data=data))
    cells = np.concatenate([each.cells for each in events])
    columns.append(VectorData(name="cell", description="Number of the cell in its population.", data=cells))
    file.units = UnitsTable(
        name="units",
        description="Cells whose spikes were recorded. Trials follow one another, and so do their spikes.",
        resolution=traces.dt,
        columns=columns,
    )


def _stored(units: list[Units], count: int):
    """Let hdmf copy spike times part by part."""
    if count <= _CHUNK:
        return np.concatenate([times for each in units for times in each.times()])
    from hdmf.backends.hdf5 import H5DataIO
    from hdmf.data_utils import DataChunkIterator

    def pieces() -> Iterator[np.ndarray]:
        for each in units:
            for times in each.times():
                yield from (times[start : start + _CHUNK] for start in range(0, len(times), _CHUNK))

    data = DataChunkIterator(
        data=(time for piece in pieces() for time in piece),
        maxshape=(count,),
        dtype=np.dtype(float),
        buffer_size=_CHUNK,
    )
    return H5DataIO(data, chunks=(_CHUNK,), maxshape=(None,))
