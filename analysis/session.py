"""A recording as one session: its trials one after the other, as an electrode would have seen them.

Stimuli that are presented at once, each to a replica of the circuit, share their time in a recording. In a session each
has a time of its own: the trials of the first presentation in the order of their replicas, then those of the second,
and so on. A sample is the state at the end of a step, or of `every` steps, and bears the time at which these begin. So
the samples of a trial or phase are those from its start up to, and without, its stop, as an amplifier would have them.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import numpy as np
import pandas as pd

from .events import SpikeEvents
from .series import PopulationTraces, Trace
from .traces import Traces

#: Values that are read at once, where a presentation is longer.
_VALUES_AT_ONCE = 2**20
#: Spikes that are sorted at once, unless a single cell has more.
_SPIKES_AT_ONCE = 2**22


class Session:
    """Times of a recording's trials where each has its own.

    Parameters
    ----------
    traces : Traces

    Attributes
    ----------
    trials : DataFrame
        As `Traces.trials`, with start and stop in seconds of the session; of replicas that nothing was recorded of, and
        of presentations that were cut short before their first step, there are none.
    """

    def __init__(self, traces: Traces):
        self._traces = traces
        trials = traces.trials
        groups = (*traces.groups, *traces.spikes.events.values())
        recorded = {int(number) for group in groups for number in group.replicas}
        if recorded:
            trials = trials[trials["replica"].isin(recorded)]
        self._begun = np.rint(trials["start"].to_numpy() / traces.dt).astype(np.int64)  # steps of the recording
        lengths = np.rint(trials["stop"].to_numpy() / traces.dt).astype(np.int64) - self._begun
        kept = lengths > 0
        self._begun, lengths = self._begun[kept], lengths[kept]
        stops = np.cumsum(lengths)
        self._starts = stops - lengths
        times = {"start": self._starts * traces.dt, "stop": stops * traces.dt}
        self.trials = trials[kept].assign(**times).reset_index(drop=True)

    @cached_property
    def phases(self) -> pd.DataFrame:
        """One row for each phase of each trial: row (of `trials`), name, start, stop, beta (at its end), taught."""
        phases = self._traces.phases
        number = phases["trial"].to_numpy()
        trial = self.trials["trial"].to_numpy()
        first, last = (np.searchsorted(number, trial, side) for side in ("left", "right"))
        rows, source = _spread(first, last)
        found = phases.iloc[source].reset_index(drop=True)
        shift = (self._starts - self._begun)[rows] * self._traces.dt
        times = {"start": found["start"] + shift, "stop": found["stop"] + shift}
        return found.assign(row=rows, beta=found["beta_last"], **times)

    def ends(self, presentations: np.ndarray) -> np.ndarray:
        """Seconds of the session at which presentations are over, by their numbers; all of their trials are."""
        stops = np.concatenate([[0.0], self.trials["stop"].to_numpy()])
        return stops[np.searchsorted(self.trials["trial"].to_numpy(), presentations, "right")]

    def units(self, events: SpikeEvents) -> Units:
        """Return the spike trains of a population in the session."""
        trial = self._traces.phases["trial"].to_numpy(np.int64)
        return Units(self, events, trial, self._starts - self._begun, self._traces.dt)

    def signal(self, group: PopulationTraces) -> Signal:
        """Return where the samples of a population stand in the session."""
        number = self._traces.phases["trial"].to_numpy()[group.phase]
        places = {int(replica): place for place, replica in enumerate(group.replicas)}
        of_group = self.trials["replica"].isin(places).to_numpy()
        trials = self.trials[of_group]
        first, last = (np.searchsorted(number, trials["trial"].to_numpy(), side) for side in ("left", "right"))
        steps = np.rint(group.time / self._traces.dt).astype(np.int64) - group.every
        shifts = (self._starts - self._begun)[of_group]
        lines = trials["replica"].map(places).to_numpy(dtype=np.int64)
        filled = last > first
        rows = np.flatnonzero(of_group)[filled]
        return Signal(
            rows, first[filled], last[filled], lines[filled], shifts[filled], steps, group.every, self._traces.dt
        )


class Units:
    """Spike trains of a population in a session, cell by cell.

    Attributes
    ----------
    counts : ndarray of int (cells,)
        Spikes of each cell, in the order of `SpikeEvents.cells`.
    observed : ndarray (intervals, 2)
        Seconds of the session in which spikes were recorded; what follows without a gap is one interval.
    """

    def __init__(self, session: Session, events: SpikeEvents, phase_trials: np.ndarray, shifts: np.ndarray, dt: float):
        self._events, self._phase_trials, self._shifts, self._dt = events, phase_trials, shifts, dt
        self._size = int(events.replicas.max()) + 1
        keys = session.trials["trial"].to_numpy(np.int64) * self._size + session.trials["replica"].to_numpy(np.int64)
        of_population = session.trials["replica"].isin(events.replicas).to_numpy()
        self._keys, self._shifts = keys[of_population], shifts[of_population]  # in ascending order
        self._order = np.argsort(events.cells)
        self.counts = np.zeros(len(events.cells), np.int64)
        for part in events.parts():
            self.counts += np.bincount(self._places(part["cell"]), minlength=len(self.counts))
        phases = session.phases
        kept = of_population[phases["row"]] & phases["name"].isin(events.phases).to_numpy()
        start, stop = (phases[name].to_numpy(float)[kept] for name in ("start", "stop"))
        begins = np.concatenate([[True], start[1:] - stop[:-1] > dt / 2])[: len(start)]
        ends = np.concatenate([begins[1:], [True]])[: len(start)]
        self.observed = np.stack([start[begins], stop[ends]], axis=1)

    def times(self) -> Iterator[np.ndarray]:
        """Seconds of the session at which the steps of the spikes begin: of the first cell, then the next, in parts."""
        first = 0
        while first < len(self.counts):
            total = np.cumsum(self.counts[first:])
            last = first + max(1, int(np.searchsorted(total, _SPIKES_AT_ONCE, "right")))
            yield self._times_of(first, last)
            first = last

    def _times_of(self, first: int, last: int) -> np.ndarray:
        places, steps = [], []
        for part in self._events.parts():
            place = self._places(part["cell"])
            kept = (place >= first) & (place < last)
            key = self._phase_trials[part["phase"][kept]] * self._size + part["replica"][kept]
            step = np.rint(part["time"][kept] / self._dt).astype(np.int64) - 1
            places.append(place[kept])
            steps.append(step + self._shifts[np.searchsorted(self._keys, key)])
        if not places:
            return np.zeros(0)
        found = np.concatenate(steps)
        return found[np.lexsort((found, np.concatenate(places)))] * self._dt

    def _places(self, cells: np.ndarray) -> np.ndarray:
        return self._order[np.searchsorted(self._events.cells[self._order], cells)]


class Signal:
    """Samples of a population in a session: those of each trial follow those of the one before.

    Attributes
    ----------
    rows : ndarray of int (trials,)
        Rows of `Session.trials` that have samples.
    begins, counts : ndarray of int (trials,)
        First sample of each, and how many it has.
    size : int
        Number of samples.
    rate : float or None
        Samples a second; None if they are not evenly spaced, as where only some phases were recorded.
    start : float
        Seconds at which the first sample stands.
    """

    def __init__(self, rows, first, last, lines, shifts, steps, every: int, dt: float):
        self.rows, self.counts = rows, last - first
        self.begins = np.cumsum(self.counts) - self.counts
        self.size = int(self.counts.sum())
        self._first, self._last, self._lines, self._shifts = first, last, lines, shifts
        self._steps, self._dt = steps, dt
        gap = self._gap(every)
        self.rate = None if gap is None else 1 / (gap * dt)
        self.start = float(steps[first[0]] + shifts[0]) * dt if self.size else 0.0

    def _gap(self, every: int) -> int | None:
        """Steps from each sample to the next, if they are the same throughout; `every` of a single sample."""
        _, rows = _spread(np.unique(self._first), np.unique(self._last) - 1)  # replicas of a presentation share these
        gaps = np.diff(self._steps)[rows]
        before = self._steps[self._last[:-1] - 1] + self._shifts[:-1]
        after = self._steps[self._first[1:]] + self._shifts[1:]
        gaps = np.unique(np.concatenate([gaps, after - before]))
        return int(gaps[0]) if len(gaps) == 1 else every if self.size == 1 else None

    @property
    def times(self) -> np.ndarray:
        """Seconds of the session, (size,)."""
        trials, source = _spread(self._first, self._last)
        return (self._steps[source] + self._shifts[trials]) * self._dt

    def read(self, trace: Trace, start: int, stop: int, cells: slice) -> np.ndarray:
        """Values of some samples, (stop - start, cells), in the trace's unit."""
        columns = range(trace.shape[2])[cells]
        kept = np.empty((stop - start, len(columns)), trace.dtype)
        at_once = trace.shape[1] * trace.shape[2]
        block, of = None, None
        for n in range(np.searchsorted(self.begins, start, "right") - 1, np.searchsorted(self.begins, stop)):
            begin = max(start, self.begins[n])
            end = min(stop, self.begins[n] + self.counts[n])
            rows = slice(self._first[n] + begin - self.begins[n], self._first[n] + end - self.begins[n])
            if (rows.stop - rows.start) * at_once > _VALUES_AT_ONCE:
                kept[begin - start : end - start] = trace[rows, self._lines[n], cells]
                continue
            if of != rows:  # else the replica before had the same rows
                block, of = trace[rows], rows
            kept[begin - start : end - start] = block[:, self._lines[n], cells]
        return kept


def _spread(first: np.ndarray, last: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All numbers of several ranges, one range after the other: which range each is of, and the number."""
    counts = last - first
    ranges = np.repeat(np.arange(len(first)), counts)
    return ranges, np.arange(len(ranges)) + np.repeat(first - (np.cumsum(counts) - counts), counts)
