"""Courses of variables through a phase: what is set, where, and what it was before."""

from collections.abc import Collection, Mapping

import numpy as np

from ...errors import ParameterError
from ...networks import Population
from .phases import Protocol


class Courses:
    """Sets variables of the populations step by step.

    Parameters
    ----------
    populations : mapping of str to Population
    protocol : Protocol
        Its phases' courses are checked.

    Raises
    ------
    ParameterError
        If a course sets what no population has, or what is computed and not set.
    """

    def __init__(self, populations: Mapping[str, Population], protocol: Protocol):
        self._populations = populations
        self._varying: list[tuple[np.ndarray, np.ndarray]] = []
        self._before: list[tuple[np.ndarray, np.ndarray]] = []
        for phase in protocol.phases:
            for key in phase.course:
                views = self._views(key)
                if not views:
                    raise ParameterError(f"phase {phase.name!r}: no population has a parameter {key!r}")
                if np.ndim(phase.course[key]) == 2:
                    sizes = {view.shape[-1] for view in views}
                    if sizes != {np.shape(phase.course[key])[1]}:
                        raise ParameterError(
                            f"phase {phase.name!r}: the course of {key} is for {np.shape(phase.course[key])[1]} cells, "
                            f"not for {' and '.join(map(str, sorted(sizes)))}; name one population, as in SST_1.{key}"
                        )

    def _views(self, key: str) -> list[np.ndarray]:
        """Buffers that a course's key means: ``gate_soma`` of all populations, or ``SST_1.gate_soma`` of one."""
        name, _, variable = key.rpartition(".")
        chosen = [population for population in self._populations.values() if name in ("", population.name)]
        return [population.view(variable) for population in chosen if population.can_set(variable)]

    def begin(self, courses: Mapping[str, object], restore: Collection[str]):
        """Begin a phase.

        Parameters
        ----------
        courses : mapping of str to float, array (steps,) or array (steps or 1, cells)
        restore : collection of str
            Those of them whose variables are to be what they were when the phase has ended.
        """
        self.end()
        self._varying = []
        for key, course in courses.items():
            values = np.asarray(course, dtype=float)
            for view in self._views(key):
                if key in restore:
                    self._before.append((view, view.copy()))
                view[...] = values[0] if values.ndim else values
                if values.ndim and np.ptp(values, axis=0).any():
                    self._varying.append((view, values))

    def step(self, index: int):
        """Set what varies to its value in step `index` of the phase."""
        for view, values in self._varying:
            view[...] = values[index]

    def end(self):
        """Put back what the phase has changed."""
        for view, value in reversed(self._before):
            view[...] = value
        self._before = []
