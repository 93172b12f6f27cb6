"""Spikes of input cells that are known before they happen.

Input cells that nothing but their rate drives fire alike for equal rates, as long as these stand still. So their spikes
and states are looked up in a table by rate. The cells themselves make it: those of a few rates run ahead from rest, by
Brian2's own code, so that what is looked up is what the cells would have done, bit by bit.
"""

import functools
from collections.abc import Callable

import numpy as np

from ..models import StimulusCell, spiking
from .population import Population

#: Rates times steps of the largest table.
_LARGEST = 2**20
#: Cells for each rate from which on a table is worth it.
_SHARED = 4


def can_be_foreseen(population: Population) -> bool:
    """Whether cells are inputs that fire by their rates alone, all from the same state, without a refractory time."""
    cell = population.cell
    if getattr(cell, "rate_kind", None) is not StimulusCell or cell.refractory or population.stochastic:
        return False
    return type(cell) is spiking(StimulusCell, cell.generator, cell.cells)


class ForeseenSpikes:
    """Puts states of input cells from a table in the place of what Brian2 would compute, where it can.

    Parameters
    ----------
    population : Population
        For which `can_be_foreseen` holds.

    Attributes
    ----------
    known : bool
        Whether the present phase's spikes are known.
    step : int
        Steps from rest until now, in a phase whose spikes are known.
    end : int
        Where the phase ends.
    """

    def __init__(self, population: Population):
        self._group = population.group
        self.known, self.end, self._expected = False, 0, 0
        self._views = {
            name: view.reshape(-1)
            for name in population.cell.state
            if name != "r" and (view := population.view(name)).ndim == 2
        }
        self._r = population.view("r").reshape(-1)
        self._shown = np.full_like(self._r, np.nan)
        self._forget()
        group = self._group
        objects = (group.state_updater, *group.thresholder.values(), *group.resetter.values())
        self._runs = [each.run for each in objects]
        for each, run in zip(objects, self._runs, strict=True):
            each.run = self._advance if each is objects[0] else functools.partial(self._unless_known, run)

    def expect(self, steps: int):
        """Look ahead so many steps, of a phase that begins, when its first one comes: Brian2's code is there then.

        Parameters
        ----------
        steps : int
            0 if something may look at the cells, or change them, in the midst of the phase.
        """
        self.known, self._expected = False, steps

    def spikes(self, first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
        """Find the spikes of steps from rest, ``first`` to ``last - 1``.

        Returns
        -------
        steps, cells : ndarray (spikes,)
            Counted from `first`, in order; cells count through all replicas.
        """
        found = np.flatnonzero(self._fires[first:last].take(self._firing_level, axis=1))  # in one dimension it is fast
        steps, places = np.divmod(found, max(len(self._firing), 1))
        return steps, self._firing[places]

    def fired(self, steps: np.ndarray, cells: np.ndarray) -> np.ndarray | None:
        """How many cells of a unit spike in each of these spikes; None where units are single cells."""
        return self._table["fired"][steps, self._level[cells]] if "fired" in self._table else None

    def _forget(self):
        self._levels, self._steps, self._table = np.zeros(0, self._r.dtype), 0, {}
        self._made_with, self.step = list(self._group.namespace.values()), 0

    def _unless_known(self, run: Callable[[], object]):
        if not self.known:
            run()

    def _advance(self):
        if self._expected:
            self.known, self._expected = self._look_ahead(self._expected), 0
        if not self.known:
            self.step = 0
            self._runs[0]()
            return
        self.step += 1
        if self.step < self.end:
            self._views["train"][self._firing] = self._table["train"][self.step].take(self._firing_level)
        else:
            self._put_in_place()

    def _put_in_place(self):
        for name, view in self._views.items():
            np.take(self._table[name][self.step], self._level, out=view, mode="clip")
        space = self._group.variables["_spikespace"].get_value()
        cells = self.spikes(self.step, self.step + 1)[1]
        space[: len(cells)], space[-1] = cells, len(cells)

    def _look_ahead(self, steps: int) -> bool:
        """Find out from where in the table the cells go on, if from anywhere."""
        values = self._group.namespace.values()
        if any(now is not before for now, before in zip(values, self._made_with, strict=True)):
            self._forget()
        if not self._goes_on():
            if any(view.any() for view in self._views.values()):
                return False
            self.step = 0
        self.end = self.step + steps
        return self._find_levels(self.end)

    def _goes_on(self) -> bool:
        """Whether the cells are as the last phase left them, and see the same."""
        return (
            self.step > 0
            and np.array_equal(self._r, self._shown)
            and all(
                np.array_equal(view, self._table[name][self.step][self._level]) for name, view in self._views.items()
            )
        )

    def _find_levels(self, steps: int) -> bool:
        """Find the row of each cell in the table, which grows if need be; False if it would grow too large."""
        if steps <= self._steps and np.array_equal(self._r, self._shown):
            return True
        level = np.searchsorted(self._levels, self._r)
        missing = not len(self._levels) or (self._levels.take(level, mode="clip") != self._r).any()
        if missing or steps > self._steps:
            present, steps = np.unique(self._r), max(steps, self._steps)
            fitting = (each for each in (np.union1d(self._levels, present), present) if self._fits(len(each), steps))
            levels = next(fitting, None)
            if levels is None:
                return False
            self._run_ahead(levels, steps)
            level = np.searchsorted(levels, self._r)
        self._level, self._shown[...] = level, self._r
        self._firing = np.flatnonzero(self._fires.any(axis=0)[level])
        self._firing_level = level[self._firing]
        return True

    def _fits(self, levels: int, steps: int) -> bool:
        return _SHARED * levels <= len(self._r) and levels * steps <= _LARGEST

    def _run_ahead(self, levels: np.ndarray, steps: int):
        """Let the cells run from rest, one for each rate, and leave them as they were."""
        number, views = len(levels), {"r": self._r, **self._views}
        space = self._group.variables["_spikespace"].get_value()
        before = [(array, array.copy()) for array in (*views.values(), space)]
        for view in views.values():
            view[...] = 0
        self._r[:number] = levels
        table = {name: np.zeros((steps + 1, number), view.dtype) for name, view in self._views.items()}
        fires = np.zeros((steps + 1, number), bool)
        for step in range(1, steps + 1):
            for run in self._runs:
                run()
            for name, view in self._views.items():
                table[name][step] = view[:number]
            cells = self._group.spikes
            fires[step, cells[cells < number]] = True
        for array, values in before:
            array[...] = values
        self._levels, self._steps, self._table, self._fires = levels, steps, table, fires
