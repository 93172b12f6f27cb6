"""Spike trains as events: which cell spikes when, in which trial, and what follows from it: rates, intervals, CVs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ..errors import ParameterError

if TYPE_CHECKING:
    import neo
    import pandas as pd
    import xarray

#: Fewest intervals of which a CV is given.
_LEAST_INTERVALS = 2


@dataclass(frozen=True, eq=False)
class SpikeTrains:
    """Spikes of chosen cells of one population, as events.

    Parameters
    ----------
    population : str
    layer : int
    cell_type : str
    cells : ndarray of int (cells,)
        Numbers of the cells that were recorded, whether they spike or not.
    time : ndarray (spikes,)
        Seconds of the recording at which the steps end that the spikes fall into; it never decreases.
    cell : ndarray of int (spikes,)
        Number of the cell that spikes.
    phase : ndarray of int (spikes,)
        Row of `phases` that the spike falls into.
    trials : DataFrame
        One row for each stimulus presented: trial, replica, stimulus, label, class_name, start, stop. Replicas of a
        trial are simultaneous.
    phases : DataFrame
        One row for each recorded phase of each row of `trials`, in their order: row, name, start, stop.
    dt : float
        Seconds of a step.
    """

    population: str
    layer: int
    cell_type: str
    cells: np.ndarray
    time: np.ndarray
    cell: np.ndarray
    phase: np.ndarray
    trials: pd.DataFrame
    phases: pd.DataFrame
    dt: float

    def __repr__(self) -> str:
        of = f"{len(self.cells)} cells of {self.population}, {len(self.trials)} presentations"
        return f"<SpikeTrains: {len(self)} spikes, {of}>"

    def __len__(self) -> int:
        return len(self.time)

    @cached_property
    def row(self) -> np.ndarray:
        """Row of `trials` that each spike falls into, (spikes,)."""
        return self.phases["row"].to_numpy(np.int64)[self.phase]

    def select(
        self,
        cells: int | Sequence[int] | None = None,
        trials: int | Sequence[int] | None = None,
        phases: str | Sequence[str] | None = None,
    ) -> SpikeTrains:
        """Pick spikes of some cells, presentations and phases.

        Parameters
        ----------
        cells : int or sequence of int, optional
            Numbers of cells, in this order; all by default.
        trials : int or sequence of int, optional
            Rows of `trials`.
        phases : str or sequence of str, optional
            Names of phases.

        Raises
        ------
        ParameterError
            In one line, for what was not recorded.
        """
        wanted = self.cells if cells is None else np.atleast_1d(cells)
        if absent := sorted({*np.asarray(wanted).tolist()} - {*self.cells.tolist()}):
            raise ParameterError(f"{self.population}: spikes of cell {absent[0]} were not recorded")
        names = {*self.phases["name"].astype(str)}
        chosen = names if phases is None else {phases} if isinstance(phases, str) else {*phases}
        if unknown := sorted(chosen - names):
            raise ParameterError(
                f"{self.population}: no spikes of phase {unknown[0]!r} were recorded, but of {', '.join(sorted(names))}"
            )
        rows = np.arange(len(self.trials)) if trials is None else np.atleast_1d(trials)
        if beyond := [row for row in rows.tolist() if not 0 <= row < len(self.trials)]:
            raise ParameterError(f"{self.population}: no presentation {beyond[0]}; there are {len(self.trials)}")
        place = np.full(len(self.trials), -1)
        place[rows] = np.arange(len(rows))
        kept = self.phases["name"].astype(str).isin(chosen).to_numpy() & (place[self.phases["row"]] >= 0)
        intervals = self.phases[kept].assign(row=place[self.phases["row"][kept]])
        order = np.argsort(intervals["row"].to_numpy(), kind="stable")
        number = np.full(len(self.phases), -1)
        number[np.flatnonzero(kept)[order]] = np.arange(kept.sum())
        spikes = kept[self.phase] & np.isin(self.cell, wanted)
        return replace(
            self,
            cells=np.asarray(wanted, int),
            time=self.time[spikes],
            cell=self.cell[spikes],
            phase=number[self.phase[spikes]],
            trials=self.trials.iloc[rows].reset_index(drop=True),
            phases=intervals.iloc[order].reset_index(drop=True),
        )

    @property
    def durations(self) -> np.ndarray:
        """Seconds recorded of each presentation, (presentations,)."""
        seconds = (self.phases["stop"] - self.phases["start"]).to_numpy(float)
        return np.bincount(self.phases["row"].to_numpy(np.int64), seconds, len(self.trials))

    def counts(self) -> np.ndarray:
        """Spikes of each cell in each presentation, (presentations, cells)."""
        shape = (len(self.trials), len(self.cells))
        return np.bincount(self.row * shape[1] + self._places, minlength=shape[0] * shape[1]).reshape(shape)

    def rates(self) -> np.ndarray:
        """Spikes per second of each cell in each presentation, in Hz, (presentations, cells)."""
        with np.errstate(invalid="ignore"):
            return self.counts() / self.durations[:, None]

    def intervals(self) -> pd.DataFrame:
        """Intervals between successive spikes of a cell within a presentation, where recording went on meanwhile.

        Returns
        -------
        DataFrame
            A row for each: row (of `trials`), cell, start (s, of the recording) and interval (s), by cell and time.
        """
        import pandas as pd

        first, _ = self._successive
        return pd.DataFrame(
            {"row": self.row[first], "cell": self.cell[first], "start": self.time[first], "interval": self._intervals}
        )

    def cv(self) -> np.ndarray:
        """Coefficient of variation of each cell's intervals in each presentation, (presentations, cells).

        Standard deviation over mean, 0 of a clock and 1 of a Poisson process; NaN of fewer than two intervals. Rates
        that change within the presentation add to it; see `cv2`.
        """
        first, _ = self._successive
        number, mean = self._means(first, self._intervals)
        _, square = self._means(first, self._intervals**2)
        with np.errstate(invalid="ignore"):
            deviation = np.sqrt(np.maximum(square - mean**2, 0))
            return np.where(number >= _LEAST_INTERVALS, deviation / mean, np.nan)

    def cv2(self) -> np.ndarray:
        """Local variation of successive intervals, the mean of ``2|I' - I|/(I' + I)``, (presentations, cells).

        Also 0 of a clock and 1 of a Poisson process, and little moved by rates that change slowly (Holt et al. 1996,
        J. Neurophysiol. 75, 1806); NaN of fewer than two intervals.
        """
        first, second = self._successive
        follows = np.flatnonzero(first[1:] == second[:-1])
        one, other = self._intervals[follows], self._intervals[follows + 1]
        return self._means(first[follows], 2 * np.abs(other - one) / (other + one))[1]

    def statistics(self) -> pd.DataFrame:
        """Table of cells: layer, population, cell, spikes in all, spikes per presentation, rate (Hz), cv and cv2.

        The last two are means over the presentations in which the cell has two intervals or more; NaN if none has.
        """
        import pandas as pd

        counts = self.counts()
        total = self.durations.sum()
        return pd.DataFrame(
            {
                "layer": self.layer,
                "population": self.population,
                "cell": self.cells,
                "spikes": counts.sum(axis=0),
                "spikes_per_presentation": counts.mean(axis=0) if len(counts) else np.nan,
                "rate": counts.sum(axis=0) / total if total else np.nan,
                "cv": _mean(self.cv()),
                "cv2": _mean(self.cv2()),
            }
        )

    def dataframe(self) -> pd.DataFrame:
        """Tidy table: a row for each spike, with its time (s), trial, phase, stimulus, replica and cell."""
        import pandas as pd

        told = self.trials.iloc[self.row].reset_index(drop=True)
        return pd.DataFrame(
            {
                "time": self.time,
                "trial": told["trial"],
                "phase": pd.Categorical(self.phases["name"].astype(str).to_numpy()[self.phase]),
                "stimulus": told["stimulus"],
                "label": told["label"],
                "class_name": told["class_name"],
                "replica": told["replica"],
                "layer": self.layer,
                "population": self.population,
                "cell": self.cell,
            }
        )

    def to_xarray(self) -> xarray.Dataset:
        """Give the spikes as xarray has them: a data set with one dimension, spike; needs the extra `xarray`."""
        from .labelled import require_xarray

        xarray = require_xarray()
        frame = self.dataframe()
        columns = ("time", "trial", "phase", "stimulus", "label", "class_name", "replica", "cell")
        words = ("phase", "class_name")
        arrays = {name: ("spike", frame[name].to_numpy(dtype=str if name in words else None)) for name in columns}
        found = xarray.Dataset(arrays).assign_coords({"recorded_cell": self.cells})
        found["time"].attrs["units"] = "s"
        return found.assign_attrs(population=self.population, layer=self.layer, cell_type=self.cell_type)

    def to_neo(self) -> neo.Block:
        """Give the spikes as neo has them, see `neo_block`; needs the extra `neo`."""
        from .neo_blocks import neo_block

        return neo_block([self])

    @cached_property
    def _places(self) -> np.ndarray:
        """Where the spiking cells stand among `cells`, (spikes,)."""
        order = np.argsort(self.cells)
        return order[np.searchsorted(self.cells[order], self.cell)] if len(self.cells) else self.cell

    @cached_property
    def _stretch(self) -> np.ndarray:
        """Number of the stretch of time without a gap that each row of `phases` belongs to."""
        row, start, stop = (self.phases[name].to_numpy() for name in ("row", "start", "stop"))
        apart = (np.diff(row) != 0) | (start[1:] - stop[:-1] > self.dt / 2)
        return np.concatenate([[0], np.cumsum(apart)])[: len(row)]

    @cached_property
    def _successive(self) -> tuple[np.ndarray, np.ndarray]:
        """Successive spikes of a cell within a stretch: the earlier and the later ones, by cell and time."""
        stretch = self._stretch[self.phase]
        order = np.lexsort((self.time, stretch, self.cell))
        same = np.flatnonzero((np.diff(self.cell[order]) == 0) & (np.diff(stretch[order]) == 0))
        return order[same], order[same + 1]

    @cached_property
    def _intervals(self) -> np.ndarray:
        """Seconds between them, whole steps."""
        first, second = self._successive
        return np.rint((self.time[second] - self.time[first]) / self.dt) * self.dt

    def _means(self, spikes: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Number and mean of values that belong to spikes, by presentation and cell; NaN of none."""
        shape = (len(self.trials), len(self.cells))
        place = self.row[spikes] * shape[1] + self._places[spikes]
        number = np.bincount(place, minlength=shape[0] * shape[1]).reshape(shape)
        total = np.bincount(place, values, shape[0] * shape[1]).reshape(shape)
        with np.errstate(invalid="ignore"):
            return number, total / number


def _mean(values: np.ndarray) -> np.ndarray:
    """Means over presentations of what is no NaN, (cells,)."""
    there = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        return np.where(there, values, 0).sum(axis=0) / there.sum(axis=0)
