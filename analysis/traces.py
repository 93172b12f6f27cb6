"""Recordings at scale: traces in HDF5, read as needed, and as tables of pandas or NumPy archives."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ..errors import ParameterError, RunError
from .events import RecordedSpikes, SpikeEvents, spikes_beside
from .files import check_new, replacing
from .former import by_layer
from .hdf5 import check_self_contained, one_line, opened
from .labelled import labelled, tree
from .series import PopulationTraces, Trace, WeightTraces, places_of
from .trials import check_clock, read_class_names, read_phases, read_trials

if TYPE_CHECKING:
    import neo
    import xarray

#: What a recording's attributes `format` and `version` say.
FORMAT, VERSION = "corinfomax traces", 3
SUFFIXES = (".h5", ".hdf5")
#: Columns of tidy tables before those of the variables.
INDEX = ("time", "s", "trial", "phase", "beta", "stimulus", "label", "class_name", "replica")
INDEX += ("layer", "population", "cell")

#: Rows of a tidy table that are written at once.
_ROWS_AT_ONCE = 2**17


class Traces:
    """A recording by `StreamRecorder`, opened for reading; a context manager.

    ``traces["layer_1", "V_soma"]`` is a `Trace`.

    Parameters
    ----------
    path : path-like

    Attributes
    ----------
    path : Path
    groups : tuple of PopulationTraces
    spikes : mapping of str to SpikeTrains
        By population; read from the file when one is asked for.
    weights : dict of str to WeightTraces
        By names such as ``"W_ff_0"`` and, of layer 1, ``"B_1"``, which the file of version 0.1.0 calls ``"B_0"``.
    class_names : list of str or None
        What the classes are called that labels number from 0; None where they have no names.
    version : int
        Of the format.
    units : dict of str to str
        SI unit of each variable, "1" if it has none.
    parameters : str
        Parameter file of the circuit, as text; "" if it had none.
    software : dict of str to str
        Versions of what made the recording.
    created : str
        When, in ISO 8601.
    circuit : str
        Class of the circuit.
    dt : float
        Seconds of a step.
    seed : int or None
        Of the background input through all presentations; None if it is not known.

    Raises
    ------
    RunError
        In one line, if the file is missing, damaged or no recording.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = Path(os.path.expanduser(path))
        self._file = opened(self.path)
        try:
            self._read()
        except RunError:
            self.close()
            raise
        except Exception as error:  # of whatever is not as it was written
            self.close()
            raise RunError(f"{self.path}: damaged ({one_line(error)})") from None

    def _read(self):
        attributes = self._file.attrs
        if attributes.get("format") != FORMAT:
            raise RunError(f"{self.path}: is no recording of traces")
        if attributes["version"] > VERSION:
            raise RunError(f"{self.path}: written by a newer version; this one reads version {VERSION}")
        check_self_contained(self._file)
        self.version = int(attributes["version"])
        self.created, self.circuit, self.dt = str(attributes["created"]), str(attributes["circuit"]), attributes["dt"]
        check_clock("steps", np.array([0.0, self.dt]))
        self.seed = int(attributes["seed"]) if "seed" in attributes else None
        self.software: dict[str, str] = json.loads(attributes["software"])
        self.parameters = self._file["parameters"].asstr()[()]
        self.groups = tuple(PopulationTraces(group) for group in self._file["cells"].values())
        self.weights = self._read_weights()
        self.units = {name: trace.unit for group in self.groups for name, trace in group.traces.items()}
        self._trials, self.class_names = read_trials(self._file), read_class_names(self._file)
        self._phases, self._names = read_phases(self._file, len(self._trials["start"]))
        for group in self.groups:
            group.check(len(self._phases["trial"]), int(attributes["replicas"]))
        for weights in self.weights.values():
            weights.check(len(self._trials["start"]))
        told = len(self._phases["trial"]), int(attributes["replicas"])
        events = self._file["spikes"].values() if "spikes" in self._file else ()
        self.spikes = RecordedSpikes(self, [SpikeEvents(group, *told) for group in events])

    def _read_weights(self) -> dict[str, WeightTraces]:
        found = {name: WeightTraces.of(group) for name, group in self._file["weights"].items()}
        if self._file.attrs["version"] > 1 or self.circuit != "CorInfoMax":
            return found
        places = [by_layer(*traces.weights) for traces in found.values()]
        return {
            f"{key}_{k}": replace(traces, weights=(key, k))
            for (key, k), traces in zip(places, found.values(), strict=True)
        }

    def close(self):
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Traces:
        return self

    def __exit__(self, *error):
        self.close()

    def __repr__(self) -> str:
        count, stimuli = len(self._trials["start"]), int(self._trials["presented"].sum())
        presented = f"{count} presentation{'s' * (count != 1)}, {stimuli} stimul{'us' if stimuli == 1 else 'i'} in all"
        recorded = map(repr, (*self.groups, *self.spikes.events.values()))
        return f"<Traces {self.path}: {', '.join(recorded)}; {presented}>"

    def __getitem__(self, key: tuple[str, str]) -> Trace:
        if not isinstance(key, tuple) or len(key) != 2:
            raise ParameterError("a trace is named by population and variable, as traces['layer_1', 'V_soma']")
        population, variable = key
        return self.group(population, [variable]).traces[variable]

    @cached_property
    def trials(self) -> pd.DataFrame:
        """One row for each stimulus presented.

        The columns are trial, replica, stimulus, label, class_name, start, stop, beta, learn and complete. Start and
        stop are simulated seconds; stimulus and label are -1 where they are not known, and class_name is then empty; a
        trial is not complete if an error cut it short. Replicas of a trial are simultaneous.
        """
        presented = self._trials["presented"]
        trial = np.repeat(np.arange(len(presented)), presented)
        first = np.repeat(np.cumsum(presented) - presented, presented)
        replica = np.arange(len(trial)) - first
        frame = pd.DataFrame({"trial": trial, "replica": replica})
        for name in ("stimulus", "label"):
            frame[name] = self._trials[name][trial, replica]
        frame["class_name"] = self._named(frame["label"])
        for name in ("start", "stop", "beta", "learn", "complete"):
            frame[name] = self._trials[name][trial]
        return frame

    @cached_property
    def phases(self) -> pd.DataFrame:
        """One row for each phase of each trial: trial, name, start, stop, beta_first, beta_last, taught."""
        return pd.DataFrame(self._phases | {"name": self._phase_names(slice(None))})

    def group(self, population: str, variables: Sequence[str] | None = None) -> PopulationTraces:
        """What was recorded of a population at one cadence; a `ParameterError` says what was."""
        groups = [group for group in self.groups if group.population == population]
        if not groups:
            there = ", ".join(dict.fromkeys(group.population for group in self.groups)) or "weights only"
            raise ParameterError(f"{self.path}: {population!r} was not recorded; recorded: {there}")
        recorded = [name for group in groups for name in group.traces]
        for variable in variables or ():
            if variable not in recorded:
                raise ParameterError(
                    f"{self.path}: {variable!r} of {population} was not recorded; recorded: {', '.join(recorded)}"
                )
        found = [group for group in groups if set(variables or recorded) <= set(group.traces)]
        if not found:
            together = "; ".join(", ".join(group.traces) for group in groups)
            raise ParameterError(
                f"{self.path}: {population} was recorded in several selections; ask for variables of one: {together}"
            )
        return found[0]

    def dataframe(
        self,
        population: str,
        variables: str | Sequence[str] | None = None,
        cells: int | Sequence[int] | None = None,
        replicas: int | Sequence[int] | None = None,
        trials: int | Sequence[int] | None = None,
        phases: str | Sequence[str] | None = None,
    ) -> pd.DataFrame:
        """Tidy table of a population: a row for each recorded step, stimulus and cell, a column for each variable.

        Parameters
        ----------
        population : str
        variables : str or sequence of str, optional
            All by default; of one selection, for each has its own time.
        cells, replicas, trials : int or sequence of int, optional
            Which of those recorded, by their numbers; all by default.
        phases : str or sequence of str, optional

        Returns
        -------
        DataFrame
            Columns time, s, trial, phase, beta, stimulus, label, class_name, replica, layer, population, cell, then the
            variables in their units. Replicas without a stimulus have no rows.

        Raises
        ------
        ParameterError
            In one line, for what was not recorded.
        """
        group = self.group(population, [variables] if isinstance(variables, str) else variables)
        names = list(group.traces) if variables is None else np.atleast_1d(variables).tolist()
        columns = places_of(f"{population}, cell", group.cells, cells)
        lines = places_of(f"{population}, replica", group.replicas, replicas)
        kept = np.ones(len(self._phases["trial"]), dtype=bool)
        if trials is not None:
            kept &= np.isin(self._phases["trial"], places_of("trial", np.arange(len(self._trials["start"])), trials))
        if phases is not None:
            wanted = [phases] if isinstance(phases, str) else list(phases)
            if unknown := [name for name in wanted if name not in group.phases]:
                raise ParameterError(f"phase {unknown[0]!r} was not recorded; recorded: {', '.join(group.phases)}")
            kept &= np.isin(self._phases["name"], [self._names.index(name) for name in wanted])
        return self._tidy(group, names, columns, lines, kept[group.phase])

    def to_xarray(
        self, population: str | None = None, variables: str | Sequence[str] | None = None
    ) -> xarray.Dataset | xarray.DataTree:
        """Traces with named axes, as xarray has them; values are read from the file when they are needed.

        Needs the extra `xarray`. The same file can be opened without this package, by ``xarray.open_dataset(path,
        engine="h5netcdf", group="cells/layer_1")``; here trials, phases and stimuli are labels, too.

        Parameters
        ----------
        population : str, optional
            By default all.
        variables : str or sequence of str, optional
            All by default; of one selection, for each has its own time.

        Returns
        -------
        Dataset or DataTree
            Of one population a data set with the dimensions time (s), replica and cell, numbered as in the circuit; a
            data array for each variable, in its unit (attribute `units`). Along time lie also s, trial, phase (its
            name) and beta, along time and replica stimulus and label, -1 where there is none; what labels are called
            is in their attribute `names`. Of all populations a tree of such data sets, by their names. They stay usable
            when this recording is closed. Of a recording by an earlier version, whose axes have no names, all is read
            at once. Spikes are in the tree under ``spikes/layer_1`` and so on, as `SpikeTrains.to_xarray` has them.

        Raises
        ------
        ParameterError
            In one line, if xarray is not there or for what was not recorded.
        """
        if population is None:
            if variables is not None:
                raise ParameterError("variables are of a population: name it, too")
            return tree(self)
        chosen = None if variables is None else np.atleast_1d(variables).tolist()
        return labelled(self, self.group(population, chosen), chosen)

    def to_neo(self) -> neo.Block:
        """Give all spikes as neo has them, see `analysis.neo_blocks.neo_block`; needs the extra `neo`."""
        from .neo_blocks import neo_block

        return neo_block(self.spikes.values())

    def rows_of_trials(self, trial: np.ndarray) -> dict[str, np.ndarray]:
        """Stimuli and labels by the numbers of trials, (len(trial), replicas); -1 where there is none."""
        return {name: self._trials[name][trial] for name in ("stimulus", "label")}

    def frames(self) -> Iterator[pd.DataFrame]:
        """All populations in tidy tables of bounded size, whose columns are the same: those of any population."""
        for group in self.groups:
            every_cell, every_replica = np.arange(len(group.cells)), np.arange(len(group.replicas))
            step = max(1, _ROWS_AT_ONCE // (len(every_cell) * len(every_replica)))
            for start in range(0, len(group.phase), step):
                kept = np.zeros(len(group.phase), dtype=bool)
                kept[start : start + step] = True
                frame = self._tidy(group, list(group.traces), every_cell, every_replica, kept)
                yield frame.reindex(columns=[*INDEX, *self.units])

    def _named(self, labels) -> np.ndarray:
        if self.class_names is None:
            return np.where(labels < 0, "", np.asarray(labels).astype(str)).astype(object)
        return np.array(["", *self.class_names], dtype=object)[np.maximum(labels, -1) + 1]

    def _phase_names(self, rows) -> pd.Categorical:
        return pd.Categorical.from_codes(self._phases["name"][rows], self._names)

    def _tidy(self, group: PopulationTraces, names, columns, lines, kept) -> pd.DataFrame:
        steps = np.flatnonzero(kept)
        rows = slice(int(steps[0]), int(steps[-1]) + 1) if len(steps) else slice(0, 0)
        steps = steps - rows.start
        phase = group.phase[rows][steps]
        trial, replica = self._phases["trial"][phase], group.replicas[lines]
        presented = replica < self._trials["presented"][trial][:, None]  # (steps, replicas)
        step, line = np.nonzero(presented)
        label = self._trials["label"][trial[step], replica[line]]

        def spread(values):  # one value for each step and replica → one a row
            return np.repeat(values, len(columns))

        frame = pd.DataFrame(
            {
                "time": spread(group.time[rows][steps][step]),
                "s": spread(group.s[rows][steps][step]),
                "trial": spread(trial[step]),
                "phase": self._phase_names(spread(phase[step])),
                "beta": spread(group.beta[rows][steps][step]),
                "stimulus": spread(self._trials["stimulus"][trial[step], replica[line]]),
                "label": spread(label),
                "class_name": self._named(spread(label)),
                "replica": spread(replica[line]),
                "layer": group.layer,
                "population": pd.Categorical.from_codes(np.zeros(len(step) * len(columns), int), [group.population]),
                "cell": np.tile(group.cells[columns], len(step)),
            }
        )
        for name in names:
            frame[name] = group.traces[name].read(rows, lines, columns)[steps][presented].ravel()
        return frame

    def save_npz(self, path: str | os.PathLike, overwrite: bool = False):
        """Write all traces, in their units, and the tables to a NumPy archive; one trace at a time is in memory.

        Keys are ``layer_1/V_soma`` (steps, replicas, cells), ``layer_1/time``, ``layer_1/cells``, ``W_ff_0/values``,
        ``trials/start``, ``phases/name`` and so on; of a second selection of a population, ``layer_1-2/…``. Spikes are
        ``spikes/layer_1/time``, ``phase`` (row of the phases), ``replica`` and ``cell``.
        """
        check_new(path := Path(os.path.expanduser(path)), overwrite)
        arrays: dict = {"units": np.array(json.dumps(self.units)), "parameters": np.array(self.parameters)}
        if self.seed is not None:
            arrays["seed"] = np.array(self.seed)
        for name, group in zip(self._file["cells"], self.groups, strict=True):
            arrays |= {f"{name}/{variable}": trace for variable, trace in group.traces.items()}
            arrays |= {f"{name}/{column}": getattr(group, column) for column in ("time", "s", "phase", "beta")}
            arrays |= {f"{name}/cells": group.cells, f"{name}/replicas": group.replicas}
        for name, events in self.spikes.events.items():
            arrays |= {f"spikes/{name}/{column}": values for column, values in events.read().items()}
            arrays |= {f"spikes/{name}/cells": events.cells, f"spikes/{name}/replicas": events.replicas}
        for name, group in zip(self.weights, self._file["weights"].values(), strict=True):
            arrays |= {f"{name}/{column}": dataset for column, dataset in group.items()}
        arrays |= {f"trials/{name}": values for name, values in self._trials.items()}
        if self.class_names is not None:
            arrays["trials/class_names"] = np.array(self.class_names, dtype=str)
        arrays |= {f"phases/{name}": values for name, values in self._phases.items()}
        arrays["phases/name"] = np.array(self._names)[self._phases["name"]]
        with replacing(path) as file:
            np.savez(file, **arrays)

    def save_csv(self, path: str | os.PathLike, overwrite: bool = False):
        """Write all traces as one tidy table, `frames` one after the other, with units in the header: V_soma (V).

        Spikes, which are events, have a table of their own, a row for each: ``a_spikes.csv`` beside ``a.csv``.
        """
        check_new(path := Path(os.path.expanduser(path)), overwrite)
        check_new(spikes_beside(path), overwrite or not self.spikes)
        with replacing(path) as file:
            _write_csv(file, self.frames(), {"time": "s"} | self.units)
        if self.spikes:
            with replacing(spikes_beside(path)) as file:
                _write_csv(file, (trains.dataframe() for trains in self.spikes.values()), {"time": "s"})


def open_traces(path: str | os.PathLike) -> Traces:
    """Open a recording by `StreamRecorder`; best in a ``with`` statement."""
    return Traces(path)


def _write_csv(file, frames, units):
    for number, frame in enumerate(frames):
        named = [name if units.get(name, "1") == "1" else f"{name} ({units[name]})" for name in frame]
        frame.to_csv(file, index=False, header=named if number == 0 else False)


def is_recording(path: str | os.PathLike) -> bool:
    """Whether a file is a recording of traces."""
    try:
        with opened(path) as file:
            return file.attrs.get("format") == FORMAT
    except Exception:  # h5py's for damaged files are of many kinds
        return False
