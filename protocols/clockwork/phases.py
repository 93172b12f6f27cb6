"""Phases: stretches of time in an experiment, as data."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

import numpy as np
from pydantic import ConfigDict

from ...errors import ParameterError
from ...parameters import MOST_STEPS, Finite, Index, Steps, Switch, plainly_shown
from ...units import real_array
from .sources import Noise, Source, sources_of

Course = Finite | list[Finite]
CellCourse = Course | list[list[float]]

#: Shared variables that the clockwork itself sets: the pace of integration, β, and 1 while targets reach the circuit.
PACE, BETA, TAUGHT = "pace", "beta", "taught"


@plainly_shown
@dataclass(frozen=True)
class Phase:
    """A stretch of time in which β and other variables follow a given course.

    Parameters
    ----------
    name : str
        Under this name a `Presentation` gives the phase's traces.
    steps : int
        Duration in steps of integration.
    beta : float or sequence of float, default 0
        Nudging strength in units of the presentation's β: a constant, or one value for each step.
    course : mapping of str to float, sequence of float or array (steps or 1, cells), optional
        The same for further variables: gates and injected currents, of every population that has them (interneurons
        included), or of one as in ``{"SST_1.gate_soma": 0.0}``; an array with two dimensions gives each cell its own,
        NaN to those that it does not concern. After its phase a variable has again the value it had before.
        What is computed in each step, potentials ``"layer_1.u"``, rates ``r`` and drives, is held at its course from
        the phase's first step on, and then goes on from there.
    teacher : bool, optional
        Whether the targets reach the circuit. By default they do where β is not 0. True with β = 0 is for circuits that
        are clamped to their targets, not nudged.
    input : {"x", "none", "noise"}, Noise, array (inputs,), or mapping of str to these, default "x"
        What layer 0 carries: the stimulus; nothing; noise, by default white, a standard normal number for each cell and
        replica, drawn as the phase begins; or the given rates. A mapping names drive slots that carry noise or rates
        in place of layer 0, which then carries nothing: ``{"drive_noise": "noise"}`` those of all populations that have
        them, ``{"layer_1.drive_noise": Noise(0.5)}`` that of one. Only slots that no projection fills can be named.
    reset : bool, default False
        Whether the cells are at rest when the phase begins.
    fade : int, default 0
        Steps at the phase's beginning over which layer 0 crosses from what it carried to what it is to carry now, in
        equal steps; from nothing where the cells begin at rest. 0 and 1 are at once. Rules see what it carries.
    """

    name: str
    steps: Steps
    beta: Course = 0.0
    course: Mapping[str, CellCourse] = field(default_factory=dict)
    teacher: Switch | None = None
    input: Any = "x"
    reset: Switch = False
    fade: Index = 0

    #: For phases from parameter files: a misspelt key is an error.
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    def __post_init__(self):
        if not isinstance(self.name, str) or not self.name.isidentifier() or self.name in ("phases", "trace"):
            raise ParameterError(f"phase {self.name!r}: its name must be an identifier, and not phases or trace")
        whole = isinstance(self.steps, int | np.integer) and not isinstance(self.steps, bool)
        if not whole or not 1 <= self.steps <= MOST_STEPS:
            raise ParameterError(
                f"phase {self.name!r}: steps = {self.steps} must be a whole number from 1 to {MOST_STEPS:,}"
            )
        if not isinstance(self.course, Mapping):
            raise ParameterError(f"phase {self.name!r}: course must map variables to values, as {{'gate_soma': 0}}")
        for variable in self.course:
            if str(variable).rpartition(".")[2] in (BETA, PACE, TAUGHT):
                raise ParameterError(
                    f"phase {self.name!r}: {variable} has no place in course; see beta, step_rule and teacher"
                )
        self._check_course("beta", self.beta, per_cell=False)
        for variable, values in self.course.items():
            self._check_course(variable, values, per_cell=True)
        for name in ("teacher", "reset"):
            if not isinstance(getattr(self, name), bool | None):
                raise ParameterError(f"phase {self.name!r}: {name} = {getattr(self, name)!r} must be true or false")
        if self.teacher is False and np.any(self.beta):
            raise ParameterError(
                f"phase {self.name!r}: β nudges towards targets, so that beta needs the teacher; leave teacher out"
            )
        whole = isinstance(self.fade, int | np.integer) and not isinstance(self.fade, bool)
        if not whole or not 0 <= self.fade <= self.steps:
            raise ParameterError(
                f"phase {self.name!r}: fade = {self.fade} must be a whole number of steps from 0 to {self.steps}"
            )
        self.sources  # noqa: B018 - checks them

    def __getstate__(self):
        """What it was made of; what is computed of that and kept is no part of it, and is computed anew in copies."""
        return {item.name: getattr(self, item.name) for item in fields(self)}

    def _check_course(self, variable: str, values, per_cell: bool):
        allowed = f"a finite number or {self.steps} of them"
        if per_cell:
            allowed += f", or an array (1 or {self.steps}, cells), NaN for cells that it leaves alone"
        try:
            # Whether a unit is the variable's own is known where there are cells.
            values = np.asarray(values if per_cell and not np.ma.is_masked(values) else real_array(values), dtype=float)
        except (TypeError, ValueError):
            values = np.array(np.nan)
        fits = values.shape in ((), (self.steps,)) or (per_cell and values.ndim == 2 and len(values) in (1, self.steps))
        if not fits or np.isinf(values).any() or (values.ndim < 2 and np.isnan(values).any()):
            raise ParameterError(f"phase {self.name!r}: the course of {variable} must be {allowed}")

    @functools.cached_property
    def taught(self) -> bool:
        """Whether the targets reach the circuit."""
        return bool(np.any(self.beta)) if self.teacher is None else self.teacher

    @functools.cached_property
    def sources(self) -> tuple[str | Source | None, dict[str, Source]]:
        """What layer 0 carries, "x" the stimulus, None nothing; and by slot what drive slots carry."""
        return sources_of(self.input, f"phase {self.name!r}: input")

    @property
    def noisy(self) -> bool:
        """Whether noise enters."""
        layer_0, slots = self.sources
        return any(isinstance(source, Noise) for source in (layer_0, *slots.values()))
