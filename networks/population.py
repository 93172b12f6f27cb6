"""Populations of cells, replicated: the only code that touches Brian2's variable buffers."""

import functools
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import brian2 as b2
import numpy as np
from brian2.codegen.codeobject import CodeObject
from brian2.codegen.runtime.numpy_rt.numpy_rt import NumpyCodeObject
from brian2.core.variables import Subexpression
from brian2.equations.equations import DIFFERENTIAL_EQUATION, PARAMETER
from brian2.units.fundamentalunits import DIMENSIONLESS, get_unit

from ..errors import ParameterError
from ..models import Cell
from ..models.domains import INHIBITION
from ..parameters import Count, Index, validated_fields
from ..units import unit_of
from .expressions import Probe, computed, derivative, evaluator, probe, whole
from .integration import Integration, own_steps

#: What Brian2 keeps of spikes for the refractory time, of cells that have not fired.
_NEVER_FIRED = {"lastspike": -1e4, "not_refractory": True}


@validated_fields
@dataclass(frozen=True)
class PopulationSpec:
    """What a circuit declares of a population.

    Parameters
    ----------
    name : str
        Unique within the circuit; the Brian2 group bears it.
    cell : Cell
        The kind of cell, with its parameter values.
    size : int
        Number of cells N.
    layer : int
        The layer it belongs to, 0 for the stimulus.
    links : tuple of (str, (str, str)), optional
        Linked variable, and (population, variable) that it reads.
    """

    name: str
    cell: Cell
    size: Count
    layer: Index
    links: tuple[tuple[str, tuple[str, str]], ...] = ()

    @property
    def numbers(self) -> int:
        """How many numbers a replica of the population is made of."""
        stored = (PARAMETER, DIFFERENTIAL_EQUATION)
        kept = [each for each in self.cell.parsed.values() if each.type in stored]
        return self.size * sum(not {"shared", "linked"} & set(each.flags) for each in kept)


class _Cells(b2.NeuronGroup):
    """A `NeuronGroup` that is prepared once and then left out of the steps: its parts do all that is to be done."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.state_updater.__class__ = Integration  # Brian2 leaves no other way to say which class it makes

    def before_run(self, run_namespace=None):
        super().before_run(run_namespace)
        self._active = False  # the property would put its parts out of action, too


class Population:
    """One `NeuronGroup` of B·N cells, seen as (replica, cell).

    The B replicas are independent copies of the circuit that share weights, one for each stimulus of a minibatch.

    Parameters
    ----------
    spec : PopulationSpec
    replicas : int
        Number of replicas B.
    dtype : dtype
        Floating-point type of all variables.
    clock : Clock
    method : str
        Brian2's integration method.
    code_object_class : type of CodeObject
        Brian2's code generation target.

    Attributes
    ----------
    group : NeuronGroup
    """

    def __init__(
        self,
        spec: PopulationSpec,
        replicas: int,
        dtype,
        clock,
        method: str,
        code_object_class: type[CodeObject],
    ):
        self.name, self.cell, self.size, self.replicas = spec.name, spec.cell, spec.size, replicas
        self._shape = (replicas, spec.size)
        self._method = method
        spec.cell.check_step(clock.dt)
        self.group = _Cells(
            spec.size * replicas,
            spec.cell.equations,
            method=method,
            namespace=spec.cell.namespace,
            dtype=dtype,
            clock=clock,
            codeobj_class=code_object_class,
            name=spec.name,
            **spec.cell.spiking,
        )
        if not self.integrated:
            self.group.contained_objects.remove(self.group.state_updater)  # it would do nothing, in each step
        own = {variable for variable in self.group.equations if self.can_set(variable)}
        self.group.state_updater.may_be_alike = own - spec.cell.assigned
        self.group.state_updater.alike = defaultdict(lambda: np.zeros(1, np.int32))
        if method == "exponential_euler" and self.integrated:
            moving = {*spec.cell.state, *spec.cell.drives, *(variable for variable, _ in spec.links)}
            self.group.state_updater.own_steps = own_steps(self.group, self._shape, moving)
        self._views: dict[str, np.ndarray] = {}
        self._evaluators: dict[str, Callable[[], np.ndarray]] = {}
        self._rate: Callable[[], np.ndarray] | None = None
        self._rate_at_rest: np.ndarray | None = None
        self._autapses: list[tuple[np.ndarray, Callable[[], np.ndarray]]] = []
        for variable in self.group.equations:
            if variable.startswith("gate_") or variable == "pace":
                self.write(variable, 1)
        for variable, values in spec.cell.per_cell.items():
            self.write(variable, values)

    def link(self, variable: str, source: "Population", source_variable: str):
        """Let `variable` be read where it stands in `source`, cell by cell."""
        setattr(self.group, variable, b2.linked_var(source.group, source_variable))

    def computes(self, variable: str) -> bool:
        """Whether a variable is computed from others when it is read, and not stored."""
        return isinstance(self.group.variables[variable], Subexpression)

    def can_set(self, variable: str) -> bool:
        """Whether a variable is the cells' own: not computed, no drive, not their state, and not what spikes set."""
        equations = self.group.equations
        return (
            variable in equations
            and equations[variable].type == PARAMETER
            and "linked" not in equations[variable].flags
            and variable not in (*self.cell.drives, *self.cell.state, *_NEVER_FIRED)
        )

    def can_hold(self, variable: str) -> bool:
        """Whether a variable is computed in each step, and can be held: what is integrated, rates, and drives."""
        equations = self.group.equations
        return variable in equations and (
            equations[variable].type == DIFFERENTIAL_EQUATION
            or variable in self.cell.drives
            or (variable == "r" and self.cell.domain is not None)
        )

    def output(self, name: str) -> Callable[[], np.ndarray]:
        """What returns the present values of an output, (replicas, cells), perhaps a live buffer."""
        if not self.computes(name):
            view = self.view(name)
            return lambda: view
        read = self._evaluator(name)
        with np.errstate(all="ignore"):  # before anything has happened
            complete = np.shape(read()) == self._shape
        return read if complete else lambda: np.broadcast_to(read(), self._shape)

    def identifiers(self, variable: str) -> set[str]:
        """Names of the stored variables that a variable depends on: itself, or what its subexpression reads."""
        found, waiting = set(), {variable}
        while waiting:
            name = waiting.pop()
            described = self.group.variables.get(name)
            if isinstance(described, Subexpression):
                waiting |= set(described.identifiers) - found
            found.add(name)
        return found

    def __contains__(self, variable: str) -> bool:
        return variable in self.group.variables

    def view(self, variable: str) -> np.ndarray:
        """Live buffer of a variable, (replicas, cells); writing to it changes the cells. Shared variables: (1,)."""
        if variable not in self._views:
            buffer = self.group.variables[variable].get_value()
            scalar = self.group.variables[variable].scalar
            self._views[variable] = buffer if scalar else buffer.reshape(self._shape)
        return self._views[variable]

    def write(self, variable: str, value):
        """Set a variable of all cells, or a shared one; `value` broadcasts against (replicas, cells).

        Raises
        ------
        ParameterError
            If the value has a unit that the variable does not have.
        """
        self.check_unit(variable, value)
        self.view(variable)[...] = value

    def check_unit(self, variable: str, value):
        """Raise a `ParameterError` if a value has a unit, and not one of the variable's dimension."""
        unit = unit_of(value)
        if unit is None:
            return
        own = self.group.variables[variable].dim
        firsts = value if isinstance(value, list | tuple) else [value]
        if own is not DIMENSIONLESS and all(getattr(each, "dim", None) == own for each in firsts):
            return
        has = (
            "no unit (1 stands for 20 mV, of rates for 100 Hz)" if own is DIMENSIONLESS else f"the unit {get_unit(own)}"
        )
        raise ParameterError(f"{self.name}.{variable} has {has}; given is {value}, in {unit}")

    def read(self, variable: str) -> np.ndarray:
        """Present value of any variable or subexpression, (replicas, cells), in the paper's or in SI base units."""
        values = self._evaluator(variable)()
        return np.array(values if np.shape(values) == self._shape else np.broadcast_to(values, self._shape))

    def _evaluator(self, variable: str) -> Callable[[], np.ndarray]:
        if variable not in self._evaluators:
            self._evaluators[variable] = evaluator(self.group, variable, whole(self._shape))
        return self._evaluators[variable]

    def derivative(self, variable: str) -> Callable[[], np.ndarray]:
        """What returns the present time derivative of an integrated variable, (replicas, cells), in 1/s."""
        read = derivative(self.group, variable, whole(self._shape))
        return lambda: np.broadcast_to(read(), self._shape)

    @property
    def objects(self) -> tuple:
        """Brian2's objects that the population consists of."""
        return (self.group, *self.group.contained_objects)

    @functools.cached_property
    def integrated(self) -> tuple[str, ...]:
        """Names of the variables with a differential equation."""
        return tuple(sorted(self.group.equations.diff_eq_names))

    def decay(self, tau: str) -> float:
        """Factor by which integration lets a variable x decay in a step, where dx/dt = -x/tau."""
        steps = float(self.group.clock.dt / self.cell.values[tau])
        return 1 - steps if self._method == "euler" else float(np.exp(-steps))

    def probe(self, variable: str, replicas: Sequence[int] | None = None, cells: Sequence[int] | None = None) -> Probe:
        """What reads a variable of chosen replicas and cells, all by default, again and again at little cost."""
        replicas = range(self.replicas) if replicas is None else replicas
        cells = range(self.size) if cells is None else cells
        return probe(self.group, variable, self._shape, replicas, cells)

    @property
    def spikes(self) -> tuple[np.ndarray, np.ndarray]:
        """Replicas and cells that have spiked in the last step, two arrays (spikes,); empty where none do."""
        if not self.cell.threshold:
            return np.zeros(0, int), np.zeros(0, int)
        return np.divmod(self.group.spikes, self.size)

    def spiking(self, presented: int) -> np.ndarray:
        """Whether cells have spiked in the last step, (presented, cells), of the first so many replicas."""
        found = np.zeros(self._shape, dtype=bool)
        found[self.spikes] = True
        return found[:presented]

    @property
    def stochastic(self) -> bool:
        """Whether random numbers enter the cells' dynamics."""
        drawn = "rand" in self.cell.threshold or self.cell.at_rest
        return bool(self.cell.each_step or drawn or self.group.equations.is_stochastic)

    def rest(self):
        """Put the cells at rest: every state variable 0, or drawn from how it fluctuates there, and r = σ(0).

        It is drawn from NumPy's global generator, which is also Brian2's. Cells that spike have not fired yet.
        """
        for view, value in self._resting:
            view[...] = value
        for variable, spread in self.cell.at_rest.items():
            drawn = (
                np.random.uniform(*spread, self._shape)  # noqa: NPY002
                if isinstance(spread, tuple)
                else spread * np.random.standard_normal(self._shape)  # noqa: NPY002
            )
            self.write(variable, drawn)
        if self.cell.domain is None:
            return
        if self._rate_at_rest is None or self.cell.at_rest:
            self.set_rate()
            at_rest = {*self.cell.state, *self.cell.drives} >= set(self.arguments)  # all of them 0
            self._rate_at_rest = self.view("r")[:1].copy() if at_rest else None  # the same in all replicas
        else:
            np.copyto(self.view("r"), self._rate_at_rest)

    def begin_counting(self):
        """Begin a presentation: what counts from there on is 0, also where states are carried over."""
        for variable in self.cell.counts:
            self.view(variable)[...] = 0

    @functools.cached_property
    def _resting(self) -> list[tuple[np.ndarray, float]]:
        """Live buffers and what they hold at rest: state, inhibition that raises the threshold, and no spike yet."""
        values = {name: value for name, value in _NEVER_FIRED.items() if name in self.group.variables}
        values |= dict.fromkeys(self.cell.state, 0)
        if self.cell.domain is not None:
            values |= {name: 0 for name in self.arguments if name in self.cell.drives}
        return [(self.view(name), value) for name, value in values.items()]

    def restart_from_rate(self):
        """u := r, as published, or where inhibition has raised the threshold the u nearest to it that has this r."""
        u, r = self.view("u"), self.view("r")
        kept = 0.0
        if self.cell.domain is not None and INHIBITION in self.cell.domain.arguments:
            raised = np.abs(self.view(INHIBITION))
            kept = np.clip(u - r, -raised, raised)
        np.add(r, kept, out=u)

    @functools.cached_property
    def statements(self):
        """Brian2's object that runs the `each_step` statements of a cell that has some."""
        return self._regularly(self.cell.each_step, "each_step")

    def rate_update(self):
        """Set up r = σ(u): what to call in each step, or Brian2's object where Brian2 itself does it."""
        domain = self.cell.domain
        if domain.in_place is not None:
            return functools.partial(domain.in_place, *map(self.view, self.arguments), out=self.view("r"))
        return self._regularly(f"r = {self._nonlinearity}", "rate")

    def _regularly(self, code: str, purpose: str):
        group = self.group
        name = f"{self.name}_{purpose}"
        return group.run_regularly(code, dt=group.clock.dt, name=name, codeobj_class=group.codeobj_class)

    @property
    def rate_fits_integration(self) -> bool:
        """Whether Brian2 can compute r = σ(u) while it integrates, with the very same result, and in less time."""
        domain = self.cell.domain
        compiled = not issubclass(self.group.codeobj_class, NumpyCodeObject)
        return bool(compiled and domain is not None and domain.selects and self.cell.potential in self.integrated)

    def integrate(self, with_rate: bool, autapses: Mapping[str, Callable[[], np.ndarray]]):
        """Say what else the pass over the cells computes that integrates them, from the next run on.

        Parameters
        ----------
        with_rate : bool
            Whether it computes r = σ(u).
        autapses : mapping of str to callable
            Drive slots that hold w r after that, and what gives the present weights w, (cells,).
        """
        updater, variables = self.group.state_updater, self.group.variables
        updater.afterwards = f"\nr = {self._nonlinearity}" if with_rate else ""
        self._autapses = []
        for slot, weights in autapses.items():
            own = f"weight_{slot}"
            if own not in variables:
                variables.add_array(own, size=len(self.group), dtype=variables[slot].dtype)
            updater.afterwards += f"\n{slot} = {own}*r"
            self._autapses.append((variables[own].get_value().reshape(self._shape), weights))

    def renew(self):
        """Let the integration follow what may have been set, or learnt, since: parameters of cells, and weights."""
        updater = self.group.state_updater
        if updater.own_steps is not None:
            updater.own_steps.renew()
        for found in updater.alike.values():
            found[0] = 0
        for own, weights in self._autapses:
            np.copyto(own, weights())

    def set_rate(self):
        """Compute r = σ(u) at once, whoever does it in a step."""
        domain = self.cell.domain
        if domain.in_place is not None:
            domain.in_place(*map(self.view, self.arguments), out=self.view("r"))
            return
        if self._rate is None:
            self._rate = computed(self.group, self._nonlinearity, whole(self._shape))
        self.write("r", self._rate())

    @property
    def _nonlinearity(self) -> str:
        return re.sub(r"\bu\b", self.cell.potential, self.cell.domain.nonlinearity)

    @property
    def arguments(self) -> tuple[str, ...]:
        """Variables that the nonlinearity reads."""
        return tuple(self.cell.potential if name == "u" else name for name in self.cell.domain.arguments)
