"""What a recording at scale consists of: traces of populations and weights, read from the file as they are sliced."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import h5py
import numpy as np
import pandas as pd

from ..errors import ParameterError
from .former import told_of, variables_of
from .hdf5 import read
from .trials import check_clock, check_rows

#: Values that are read at once where only some are kept.
_VALUES_AT_ONCE = 2**23


class Trace:
    """One variable of a population in its unit; slices are read from the file when they are asked for.

    ``trace[a:b, replica, cell]`` is an array; axes are (steps, replicas, cells).

    Parameters
    ----------
    dataset : h5py.Dataset

    Attributes
    ----------
    dataset : h5py.Dataset
        What is stored; in `unit`, it is ``scale * dataset + offset``.
    unit : str
    scale, offset : float
    compartment : str or None
        What it is a quantity of: "soma", "basal", …; "" for no compartment, None in recordings that do not tell.
    meaning : str
        In words; "" where it is not told.
    """

    def __init__(self, dataset: h5py.Dataset):
        self.dataset = dataset
        told = dataset.attrs.get("compartment")
        self.compartment = None if told is None else str(told)
        self.meaning, self.unit = told_of(dataset)
        self.scale = float(dataset.attrs.get("scale_factor", 1))
        self.offset = float(dataset.attrs.get("add_offset", 0))

    @property
    def shape(self) -> tuple[int, ...]:
        """(steps, replicas, cells)."""
        return self.dataset.shape

    @property
    def dtype(self) -> np.dtype:
        """Of what slices are."""
        return np.dtype(float) if self._mapped else self.dataset.dtype

    @property
    def _mapped(self) -> bool:
        return (self.scale, self.offset) != (1, 0)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index) -> np.ndarray:
        values = read(self.dataset, index)
        return self.scale * np.asarray(values, float) + self.offset if self._mapped else values

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        return np.asarray(self[:], dtype)

    def __repr__(self) -> str:
        return f"<Trace {self.dataset.name}: {' × '.join(map(str, self.shape))}, unit {self.unit}>"

    def read(self, rows: slice, replicas: Sequence[int], cells: Sequence[int]) -> np.ndarray:
        """Values of some rows, replicas and cells, by their places; in memory is little more than these."""
        start, stop, _ = rows.indices(len(self))
        kept = np.empty((max(0, stop - start), len(replicas), len(cells)), self.dtype)
        step = max(1, _VALUES_AT_ONCE // max(1, int(np.prod(self.shape[1:]))))
        for first in range(start, stop, step):
            last = min(first + step, stop)
            kept[first - start : last - start] = read(self.dataset, slice(first, last))[:, replicas][:, :, cells]
        return self.scale * kept + self.offset if self._mapped else kept


class PopulationTraces:
    """What was recorded of a population at one cadence.

    Parameters
    ----------
    group : h5py.Group

    Attributes
    ----------
    place, name : str
        Of the group in the file: ``/cells/layer_1`` and ``layer_1``, of a second selection ``layer_1-2``.
    population : str
    layer : int
    cell_type : str
    cells, replicas : ndarray of int
        Their numbers, in the order of the traces' axes.
    every : int
        Cadence, in steps.
    phases : tuple of str
        Names of the phases recorded.
    traces : dict of str to Trace
    """

    def __init__(self, group: h5py.Group):
        self.place, self.name = str(group.name), str(group.name).rpartition("/")[2]
        self.population, self.cell_type = str(group.attrs["population"]), str(group.attrs["cell_type"])
        self.layer, self.every = int(group.attrs["layer"]), int(group.attrs["every"])
        self.phases = tuple(str(name) for name in group.attrs["phases"])
        self.cells, self.replicas = read(group["cell"]), read(group["replica"])
        self.traces = {name: Trace(dataset) for name, dataset in variables_of(group).items()}
        self._group = group
        steps = {len(group[name]) for name in ("time", "phase", "beta")} | {
            len(trace) for trace in self.traces.values()
        }
        if len(steps) != 1 or any(
            trace.shape[1:] != (len(self.replicas), len(self.cells)) for trace in self.traces.values()
        ):
            raise ValueError(f"columns of {group.name} differ in length")

    def check(self, phases: int, replicas: int):
        """Raise a `ValueError` if steps, cells or replicas do not fit so many phases and replicas of the recording."""
        check_rows(f"steps of {self.population}", "phases", self.phase, phases)
        check_clock(f"steps of {self.population}", self.time)
        for what, numbers, count in (("cells", self.cells, np.inf), ("replicas", self.replicas, replicas)):
            if len(np.unique(numbers)) < len(numbers) or not ((numbers >= 0) & (numbers < count)).all():
                raise ValueError(f"{what} of {self.population} are out of range, or twice there")
        if self.every < 1:
            raise ValueError(f"cadence of {self.population} is {self.every}")

    @cached_property
    def time(self) -> np.ndarray:
        """Simulated seconds at the recorded steps' ends, (steps,)."""
        return read(self._group["time"])

    @cached_property
    def s(self) -> np.ndarray:
        """Integration variable Σ η_i at the recorded steps' ends, (steps,); NaN in recordings that do not tell."""
        return read(self._group["s"]) if "s" in self._group else np.full(len(self.time), np.nan)

    @cached_property
    def phase(self) -> np.ndarray:
        """Rows in the table of phases, (steps,)."""
        return read(self._group["phase"])

    @cached_property
    def beta(self) -> np.ndarray:
        """β, (steps,)."""
        return read(self._group["beta"])

    def __repr__(self) -> str:
        return f"<PopulationTraces {self.population}: {', '.join(self.traces)}; {len(self.cells)} cells>"


@dataclass(frozen=True)
class WeightTraces:
    """Weights of chosen synapses after learning presentations; arrays are read when they are sliced.

    Parameters
    ----------
    weights : (str, int)
    post, pre : ndarray of int
        Numbers of the cells; `pre` is empty for weights of one axis.
    time, trial : ndarray (presentations,)
        When, in simulated seconds, and after which trial.
    values : h5py.Dataset (presentations, post, pre)
    changes : h5py.Dataset (presentations, post, pre) or None
        The rule's ΔW, before learning rate and decay.
    change_norm : ndarray (presentations,) or None
        Frobenius norm of the whole ΔW.
    """

    weights: tuple[str, int]
    post: np.ndarray
    pre: np.ndarray
    time: np.ndarray
    trial: np.ndarray
    values: h5py.Dataset
    changes: h5py.Dataset | None = None
    change_norm: np.ndarray | None = None

    @classmethod
    def of(cls, group: h5py.Group) -> WeightTraces:
        """Find them in a group of a recording."""
        found = {name: read(group[name]) for name in ("post", "time", "trial")}
        found["pre"] = read(group["pre"]) if "pre" in group else np.array([], dtype=int)
        if "changes" in group:
            found |= {"changes": group["changes"], "change_norm": read(group["change_norm"])}
        return cls((str(group.attrs["weights"]), int(group.attrs["k"])), values=group["values"], **found)

    def check(self, trials: int):
        """Raise a `ValueError` if arrays do not fit each other, or so many trials of the recording."""
        check_rows("weights", "trials", self.trial, trials)
        check_clock("weights", self.time)
        shape = (len(self.time), len(self.post), *([len(self.pre)] if len(self.pre) else []))
        blocks = [self.values] if self.changes is None else [self.values, self.changes]
        norms = self.trial if self.change_norm is None else self.change_norm
        if any(block.shape != shape for block in blocks) or not len(self.trial) == len(norms) == shape[0]:
            raise ValueError(f"weights {self.weights[0]}[{self.weights[1]}] differ in shape from their axes")

    def dataframe(self) -> pd.DataFrame:
        """Tidy table: a row for each synapse and presentation, with columns time, trial, post, pre, weight, change."""
        axes = {"time": self.time, "post": self.post} | ({"pre": self.pre} if len(self.pre) else {})
        index = np.meshgrid(*(np.arange(len(values)) for values in axes.values()), indexing="ij")
        columns = {name: values[n.ravel()] for (name, values), n in zip(axes.items(), index, strict=True)}
        frame = pd.DataFrame({"time": columns.pop("time"), "trial": self.trial[index[0].ravel()], **columns})
        frame["weight"] = read(self.values).ravel()
        if self.changes is not None:
            frame["change"] = read(self.changes).ravel()
        return frame


def places_of(what: str, recorded: np.ndarray, chosen) -> np.ndarray:
    """Where chosen numbers stand among those recorded; all by default."""
    if chosen is None:
        return np.arange(len(recorded))
    places = {int(number): place for place, number in enumerate(recorded)}
    wanted = np.atleast_1d(chosen).tolist()
    if absent := [number for number in wanted if number not in places]:
        raise ParameterError(f"{what} {absent[0]} was not recorded; recorded: {_shortened(recorded)}")
    return np.array([places[number] for number in wanted], dtype=int)


def _shortened(numbers: np.ndarray) -> str:
    shown = [str(number) for number in numbers[:10]]
    return ", ".join(shown) + (", …" if len(numbers) > 10 else "")
