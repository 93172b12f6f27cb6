"""Phases: stretches of time in an experiment, as data."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

import numpy as np
from pydantic import ConfigDict

from ...errors import ParameterError
from ...parameters import Finite, Steps, Switch, plainly_shown
from ...units import real_array

Course = Finite | list[Finite]
CellCourse = Course | list[list[float]]

#: Shared variables that the clockwork itself sets: the pace of integration, β, and 1 while targets reach the circuit.
PACE, BETA, TAUGHT = "pace", "beta", "taught"
#: What the input of a phase may be, beside an array.
INPUTS = ("x", "none", "noise")


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
    input : {"x", "none", "noise"} or array (inputs,), default "x"
        What layer 0 carries: the stimulus; nothing; white noise, a standard normal number for each cell and replica,
        drawn as the phase begins; or the given rates.
    reset : bool, default False
        Whether the cells are at rest when the phase begins.
    """

    name: str
    steps: Steps
    beta: Course = 0.0
    course: Mapping[str, CellCourse] = field(default_factory=dict)
    teacher: Switch | None = None
    input: Any = "x"
    reset: Switch = False

    #: For phases from parameter files: a misspelt key is an error.
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    def __post_init__(self):
        if not isinstance(self.name, str) or not self.name.isidentifier() or self.name in ("phases", "trace"):
            raise ParameterError(f"phase {self.name!r}: its name must be an identifier, and not phases or trace")
        if not isinstance(self.steps, int | np.integer) or isinstance(self.steps, bool) or self.steps < 1:
            raise ParameterError(f"phase {self.name!r}: steps = {self.steps} must be a whole number, at least 1")
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
        self._check_input()

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

    def _check_input(self):
        if isinstance(self.input, str):
            if self.input not in INPUTS:
                raise ParameterError(
                    f"phase {self.name!r}: input = {self.input!r}: must be {', '.join(INPUTS)} or an array of rates"
                )
            return
        try:
            values = np.asarray(real_array(self.input), dtype=float)
        except (TypeError, ValueError):
            values = np.array(np.nan)
        if values.ndim != 1 or not np.isfinite(values).all():
            raise ParameterError(f"phase {self.name!r}: input must be {', '.join(INPUTS)} or an array of finite rates")

    @functools.cached_property
    def taught(self) -> bool:
        """Whether the targets reach the circuit."""
        return bool(np.any(self.beta)) if self.teacher is None else self.teacher

    @property
    def shows_stimulus(self) -> bool:
        """Whether layer 0 carries the stimulus."""
        return isinstance(self.input, str) and self.input == "x"
