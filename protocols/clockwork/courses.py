"""Courses of variables through a phase: what is set, where, and what it was before."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import numpy as np

from ...errors import ParameterError
from ...networks.population import Population
from .order import Place
from .protocol import Protocol


class Courses:
    """Sets variables of the populations step by step.

    What nothing else writes, gates and injected currents, is *set*. What is computed in each step, potentials, rates
    and drives, is *held*: put in place at once and again each time it has been computed.

    Parameters
    ----------
    populations : mapping of str to Population
    recompute : mapping of (str, str) to callable
        By population and drive slot, what computes a drive anew when it is held no longer.
    """

    def __init__(self, populations: Mapping[str, Population], recompute: Mapping[Place, Callable]):
        self._populations, self._recompute = populations, recompute
        self._targets: dict[str, list[tuple[Place, np.ndarray, bool]]] = {}
        self._varying: list[tuple[np.ndarray, np.ndarray]] = []
        self._before: list[tuple[np.ndarray, np.ndarray]] = []
        self._held: dict[Place, list[tuple[np.ndarray, np.ndarray]]] = {}
        self._released: set[Place] = set()
        self._index = 0

    def held_by(self, protocol: Protocol) -> set[Place]:
        """Check the courses of a protocol's phases; return population and variable of all that they hold.

        Raises
        ------
        ParameterError
            If a course sets what no population has, or what can neither be set nor held.
        """
        held = set()
        for phase in protocol.phases:
            for key in phase.course:
                targets = self._targets_of(key)
                for (owner, variable), _, _ in targets:
                    self._populations[owner].check_unit(variable, phase.course[key])
                if not targets:
                    raise ParameterError(f"phase {phase.name!r}: no population has a parameter {key!r}")
                if np.ndim(phase.course[key]) == 2:
                    sizes = {view.shape[-1] for _, view, _ in targets}
                    if sizes != {np.shape(phase.course[key])[1]}:
                        raise ParameterError(
                            f"phase {phase.name!r}: the course of {key} is for {np.shape(phase.course[key])[1]} cells, "
                            f"not for {' and '.join(map(str, sorted(sizes)))}; name one population, as in SST_1.{key}"
                        )
                held |= {place for place, _, holds in targets if holds}
        return held

    def _targets_of(self, key: str) -> list[tuple[Place, np.ndarray, bool]]:
        """What a course's key means, ``gate_soma`` of all populations, or ``SST_1.gate_soma`` of one.

        Place, live buffer, and whether it is held, not set; found once.
        """
        if key not in self._targets:
            name, _, variable = key.rpartition(".")
            self._targets[key] = [
                ((owner.name, variable), owner.view(variable), owner.can_hold(variable))
                for owner in self._populations.values()
                if name in ("", owner.name) and (owner.can_set(variable) or owner.can_hold(variable))
            ]
        return self._targets[key]

    def prepare(self, courses: Mapping[str, object], restore: Collection[str]) -> "Prepared":
        """Find out once what a phase sets and holds, for as many phases of its kind as there are.

        Parameters
        ----------
        courses : mapping of str to float, array (steps,) or array (steps or 1, cells)
            NaN leaves a cell alone.
        restore : collection of str
            Those of them whose variables are to be what they were when the phase has ended.
        """
        held: dict[Place, list[tuple[np.ndarray, np.ndarray]]] = {}
        once, varying, kept = [], [], []
        for key, course in courses.items():
            targets = self._targets_of(key)
            if not targets:
                continue
            values = np.atleast_1d(np.asarray(course, dtype=float))
            varies = len(values) > 1 and _varies(values)
            for place, view, holds in targets:
                if holds:
                    held.setdefault(place, []).append((view, values))
                    continue
                if key in restore:
                    kept.append(view)
                once.append((view, values[0]))
                if varies:
                    varying.append((view, values))
        return Prepared(held, once, varying, kept)

    def begin(self, prepared: "Prepared"):
        """Begin a phase."""
        self.end()
        for place, recompute in self._recompute.items():
            if place in self._released:
                recompute()
        self._released = set()
        self._held, self._varying, self._index = prepared.held, prepared.varying, 0
        self._before = [(view, view.copy()) for view in prepared.kept]
        for view, value in prepared.once:
            _put(view, value)
        self.hold_all()

    def step(self, index: int) -> bool:
        """Set what varies to its value in step `index` of the phase; tell whether anything does."""
        self._index = index
        for view, values in self._varying:
            _put(view, values[index])
        return bool(self._varying)

    def hold(self, population: str, variable: str):
        """Put what the phase holds in the place of what was computed."""
        for view, values in self._held.get((population, variable), ()):
            _put(view, values[self._index if len(values) > 1 else 0])

    def hold_all(self):
        """Hold all that the phase holds."""
        for place in self._held:
            self.hold(*place)

    def end(self):
        """Put back what the phase has set, and hold nothing any more."""
        for view, value in reversed(self._before):
            view[...] = value
        self._released |= self._held.keys()
        self._before, self._held = [], {}


@dataclass(frozen=True)
class Prepared:
    """What a phase does to the populations' variables.

    Parameters
    ----------
    held : dict of (str, str) to list of (ndarray, ndarray)
        By population and variable: live buffers, and the courses that they are held at.
    once, varying : list of (ndarray, ndarray)
        Live buffers and what they are set to, when the phase begins and in each step.
    kept : list of ndarray
        Live buffers that are to be what they were when the phase has ended.
    """

    held: dict[Place, list[tuple[np.ndarray, np.ndarray]]]
    once: list[tuple[np.ndarray, np.ndarray]]
    varying: list[tuple[np.ndarray, np.ndarray]]
    kept: list[np.ndarray]


def _varies(values: np.ndarray) -> bool:
    if values.ndim == 1:
        return bool((values != values[0]).any())
    return not np.array_equal(values[1:], values[:-1], equal_nan=True)


def _put(view: np.ndarray, values: np.ndarray):
    if values.ndim:
        np.copyto(view, values, where=~np.isnan(values), casting="same_kind")
    else:
        view[...] = values
