"""Spikes of a recording at scale, read from the file as they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from ..errors import ParameterError, RunError
from .hdf5 import read
from .spikes import SpikeTrains

_COLUMNS = ("time", "phase", "replica", "cell")
#: Events that are read at once where only some are kept.
_AT_ONCE = 2**20


def spikes_beside(path: Path) -> Path:
    """Name the table of spikes that stands beside a table of traces."""
    return path.with_name(f"{path.stem}_spikes{path.suffix}")


class SpikeEvents:
    """Spikes of a population in a recording.

    Parameters
    ----------
    group : h5py.Group
    phases, replicas : int
        How many phases and replicas the recording has.

    Attributes
    ----------
    population, cell_type : str
    layer : int
    cells, replicas : ndarray of int
        Numbers of those recorded.
    phases : tuple of str
        Names of the phases recorded.
    """

    def __init__(self, group: h5py.Group, phases: int, replicas: int):
        self._group, self._counts = group, (phases, replicas)
        self.name = str(group.name).rpartition("/")[2]
        self.population, self.cell_type = str(group.attrs["population"]), str(group.attrs["cell_type"])
        self.layer, self.phases = int(group.attrs["layer"]), tuple(str(name) for name in group.attrs["phases"])
        self.cells, self.replicas = read(group["recorded_cell"]), read(group["recorded_replica"])
        if len({group[name].shape for name in _COLUMNS}) != 1 or group["time"].ndim != 1:
            raise ValueError(f"columns of {group.name} differ in length")
        for what, numbers, count in (("cells", self.cells, np.inf), ("replicas", self.replicas, replicas)):
            if len(np.unique(numbers)) < len(numbers) or not ((numbers >= 0) & (numbers < count)).all():
                raise ValueError(f"{what} of {group.name} are out of range, or twice there")

    def __len__(self) -> int:
        return len(self._group["time"])

    def __repr__(self) -> str:
        return f"<SpikeEvents {self.population}: {len(self)} spikes of {len(self.cells)} cells>"

    def read(self, start: int = 0, stop: int | None = None) -> dict[str, np.ndarray]:
        """Time (s), phase (row of the table), replica and cell of some spikes; a `RunError` where they are damaged."""
        found = {name: read(self._group[name], slice(start, stop)) for name in _COLUMNS}
        fits = np.isfinite(found["time"]).all() and (np.diff(found["time"]) >= 0).all()
        for name, allowed in (("replica", self.replicas), ("cell", self.cells)):
            fits = fits and np.isin(found[name], allowed).all()
        fits = fits and (np.diff(found["phase"]) >= 0).all()
        if not fits or (len(found["phase"]) and not 0 <= found["phase"][0] <= found["phase"][-1] < self._counts[0]):
            raise RunError(f"{Path(self._group.file.filename)}: damaged (spikes of {self.population})")
        return found

    def parts(self) -> Iterator[dict[str, np.ndarray]]:
        """All spikes, in parts of bounded size."""
        for start in range(0, len(self), _AT_ONCE):
            yield self.read(start, start + _AT_ONCE)


class RecordedSpikes(Mapping):
    """Spikes of a recording by population: ``spikes["layer_1"]`` reads a `SpikeTrains`.

    Parameters
    ----------
    traces : Traces
    events : sequence of SpikeEvents
    """

    def __init__(self, traces, events):
        self._traces, self.events = traces, {each.population: each for each in events}

    def __getitem__(self, population: str) -> SpikeTrains:
        if population not in self.events:
            there = ", ".join(self.events) or "none; a SpikeSelection records those of cells that spike"
            raise ParameterError(f"{self._traces.path}: spikes of {population!r} were not recorded; recorded: {there}")
        events = self.events[population]
        trials, phases, rows = recorded_phases(self._traces, events)
        found = events.read()
        return SpikeTrains(
            population, events.layer, events.cell_type, events.cells, found["time"], found["cell"],
            rows(found["phase"], found["replica"]), trials, phases, self._traces.dt,
        )  # fmt: skip

    def __iter__(self) -> Iterator[str]:
        return iter(self.events)

    def __len__(self) -> int:
        return len(self.events)

    def __contains__(self, population) -> bool:
        return population in self.events

    def __repr__(self) -> str:
        return f"<RecordedSpikes: {', '.join(map(repr, self.events.values())) or 'none'}>"


def recorded_phases(traces, events: SpikeEvents):
    """Tell which presentations and phases spikes were recorded in.

    Parameters
    ----------
    traces : Traces
    events : SpikeEvents

    Returns
    -------
    trials, phases : DataFrame
        As `SpikeTrains` has them.
    rows : callable
        ``rows(phase, replica)``, the rows of `phases` by rows of the recording's table, and replicas.
    """
    trials = traces.trials
    trials = trials[trials["replica"].isin(events.replicas)].reset_index(drop=True)
    phases = traces.phases[["trial", "name", "start", "stop"]].reset_index(names="phase")
    phases = phases[phases["name"].isin(events.phases)]
    told = trials[["trial", "replica"]].reset_index(names="row").merge(phases, on="trial", sort=False)
    told = told.sort_values(["row", "phase"], kind="stable").reset_index(drop=True)
    size = int(trials["replica"].max()) + 1 if len(trials) else 1
    keys = told["phase"].to_numpy(np.int64) * size + told["replica"].to_numpy(np.int64)
    order = np.argsort(keys)

    def rows(phase: np.ndarray, replica: np.ndarray) -> np.ndarray:
        wanted = phase.astype(np.int64) * size + replica
        place = np.minimum(np.searchsorted(keys[order], wanted), max(len(keys) - 1, 0))
        if len(wanted) and (not len(keys) or (keys[order][place] != wanted).any()):
            raise RunError(f"{traces.path}: damaged (spikes of {events.population})")
        return order[place] if len(wanted) else np.zeros(0, np.int64)

    return trials, pd.DataFrame(told[["row", "name", "start", "stop"]]), rows
