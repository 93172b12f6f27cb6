"""What a recorder takes of each selection, row by row."""

from __future__ import annotations

import h5py
import numpy as np

from .recordables import compartment_of, meaning_of
from .selections import Selection, SpikeSelection, WeightSelection
from .tables import Column, Table, Writer, numbered

#: Beside the variables; a table's dimension is its first column.
_TIMES = {
    "time": Column((), float, {"units": "s", "long_name": "simulated time at the end of the step"}),
    "s": Column((), float, {"units": "1", "long_name": "integration variable, sum of the steps in units of tau"}),
    "phase": Column((), np.int64, {"long_name": "number of the phase, in the group phases"}),
    "beta": Column((), float, {"units": "1", "long_name": "nudging strength"}),
}


class CellStream:
    """Rows of one `Selection`."""

    def __init__(self, file: h5py.File, selection: Selection, preparation, dtype, block_bytes: int, writer: Writer):
        self._replicas, cells, self.phases = selection.check(preparation)
        self.every = selection.every
        population = preparation.populations[selection.population]
        spec = next(spec for spec in preparation.circuit.populations if spec.name == population.name)
        number = sum(group.attrs["population"] == population.name for group in file["cells"].values())
        group = file.create_group(f"cells/{population.name}" + (f"-{number + 1}" if number else ""), track_order=True)
        group.attrs["population"], group.attrs["layer"] = population.name, spec.layer
        group.attrs["cell_type"], group.attrs["every"] = type(spec.cell).__name__, selection.every
        group.attrs["phases"] = list(self.phases)
        group.attrs["variables"] = list(selection.variables)
        numbered(group, "replica", self._replicas)
        numbered(group, "cell", cells)
        probes = {name: population.probe(name, self._replicas, cells) for name in selection.variables}
        columns = dict(_TIMES)
        for name, probe in probes.items():
            kept = probe.dtype if probe.dtype.kind == "f" else np.dtype(float)  # NaN has no place among whole numbers
            told = {"units": probe.unit, "coordinates": " ".join(tuple(_TIMES)[1:])}
            if (probe.scale, probe.offset) != (1, 0):
                told |= {"scale_factor": probe.scale, "add_offset": probe.offset}
            told |= {"compartment": compartment_of(population, name), "long_name": meaning_of(population, name) or name}
            shape = (len(self._replicas), len(cells))
            columns[name] = Column(shape, dtype or kept, told, ("replica", "cell"))
        self.table = Table(group, "time", columns, block_bytes, writer)
        self._times = [self.table.columns[name] for name in _TIMES]
        self._probes = [(self.table.columns[name], probe.read) for name, probe in probes.items()]

    def begin(self, presented: int):
        """Begin a presentation of so many stimuli."""
        self._absent = np.flatnonzero(self._replicas >= presented)

    def take(self, time: float, s: float, phase: int, beta: float):
        """Record the present step."""
        row = self.table.row
        for values, value in zip(self._times, (time, s, phase, beta), strict=True):
            values[row] = value
        for values, read in self._probes:
            values[row] = read()
        if len(self._absent):
            for values, _ in self._probes:
                values[row, self._absent] = np.nan
        self.table.end_row()


class SpikeStream:
    """Events of one `SpikeSelection`: a row for each spike."""

    every = 1

    def __init__(
        self, file: h5py.File, selection: SpikeSelection, preparation, dtype, block_bytes: int, writer: Writer
    ):
        replicas, cells, self.phases = selection.check(preparation)
        self._population = preparation.populations[selection.population]
        spec = next(spec for spec in preparation.circuit.populations if spec.name == selection.population)
        group = file.create_group(f"spikes/{selection.population}", track_order=True)
        group.attrs["population"], group.attrs["layer"] = selection.population, spec.layer
        group.attrs["cell_type"], group.attrs["phases"] = type(spec.cell).__name__, list(self.phases)
        numbered(group, "recorded_replica", replicas)
        numbered(group, "recorded_cell", cells)
        columns = {
            "time": Column((), float, {"units": "s", "long_name": "simulated time at the end of the spike's step"}),
            "phase": _TIMES["phase"],
            "replica": Column((), np.int32, {"long_name": "copy of the circuit"}),
            "cell": Column((), np.int32, {"long_name": "number of the cell that spikes"}),
        }
        self.table = Table(group, "time", columns, block_bytes, writer)
        self._of_replicas = np.isin(np.arange(preparation.replicas), replicas)
        self._of_cells = np.isin(np.arange(self._population.size), cells)

    def begin(self, presented: int):
        """Begin a presentation of so many stimuli."""
        self._wanted = self._of_replicas & (np.arange(len(self._of_replicas)) < presented)

    def take(self, time: float, s: float, phase: int, beta: float):
        """Record the spikes of the present step."""
        replicas, cells = self._population.spikes
        kept = self._wanted[replicas] & self._of_cells[cells]
        row = {"time": time, "phase": phase, "replica": replicas[kept], "cell": cells[kept]}
        self.table.extend(int(kept.sum()), row)


class WeightStream:
    """Rows of one `WeightSelection`."""

    def __init__(
        self,
        file: h5py.File,
        selection: WeightSelection,
        preparation,
        dtype,
        block_bytes: int,
        writer: Writer,
    ):
        self._circuit, self._key, self._every = preparation.circuit, selection.weights, selection.every
        axes = selection.check(self._circuit)
        group = file.create_group(f"weights/{selection.name}", track_order=True)
        group.attrs["weights"], group.attrs["k"], group.attrs["every"] = *self._key, self._every
        names = ("post", "pre")[: len(axes)]
        for name, indices in zip(names, axes, strict=True):
            numbered(group, name, indices)
        key, k = self._key
        block = Column(tuple(map(len, axes)), dtype or self._circuit.weights[key][k].dtype, {"units": "1"}, names)
        columns = {"time": _TIMES["time"], "trial": Column((), np.int64), "values": block}
        if selection.changes:
            columns |= {"changes": block, "change_norm": Column((), float, {"units": "1"})}
        self.table = Table(group, "time", columns, block_bytes, writer)
        self._axes, self._index, self._changes = axes, np.ix_(*axes), selection.changes
        self._learnt = 0

    def take(self, time: float, trial: int):
        """Record the weights after learning, if it is their turn."""
        self._learnt += 1
        if self._learnt % self._every:
            return
        key, k = self._key
        row = {"time": time, "trial": trial, "values": self._circuit.weights[key][k][self._index]}
        if self._changes:
            change = self._circuit.changes[self._key]
            row |= {"changes": change.block(*self._axes), "change_norm": change.norm()}
        self.table.append(row)
