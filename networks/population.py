"""Populations of cells, replicated: the only code that touches Brian2's variable buffers."""

import functools
from collections.abc import Callable
from dataclasses import dataclass

import brian2 as b2
import numpy as np
from brian2.codegen.codeobject import CodeObject
from brian2.core.functions import Function
from brian2.core.variables import Subexpression
from brian2.equations.equations import DIFFERENTIAL_EQUATION, PARAMETER
from brian2.parsing.rendering import NumpyNodeRenderer
from brian2.units.fundamentalunits import DIMENSIONLESS

from ..models import Cell
from ..models.domains import INHIBITION


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
    follows : bool, default False
        Whether its cells respond to the layer's rates of the same step, and act on the layer's thresholds.
    """

    name: str
    cell: Cell
    size: int
    layer: int
    links: tuple[tuple[str, tuple[str, str]], ...] = ()
    follows: bool = False


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
    order : int
        Order of the integration within the slot ``groups``.

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
        order=0,
    ):
        self.name, self.cell, self.size, self.replicas = spec.name, spec.cell, spec.size, replicas
        self.group = b2.NeuronGroup(
            spec.size * replicas,
            spec.cell.equations,
            method=method,
            namespace=spec.cell.namespace,
            dtype=dtype,
            clock=clock,
            order=order,
            codeobj_class=code_object_class,
            name=spec.name,
        )
        self._expressions: dict[str, object] = {}
        for variable in self.group.equations:
            if variable.startswith("gate_") or variable == "pace":
                self.write(variable, 1)
        for variable, values in spec.cell.per_cell.items():
            self.write(variable, values)

    def link(self, variable: str, source: "Population", source_variable: str):
        """Let `variable` be read where it stands in `source`, cell by cell."""
        setattr(self.group, variable, b2.linked_var(source.group, source_variable))

    def can_set(self, variable: str) -> bool:
        """Whether a variable is the cells' own, and neither computed, nor a drive, nor their state."""
        equations = self.group.equations
        return (
            variable in equations
            and equations[variable].type == PARAMETER
            and "linked" not in equations[variable].flags
            and variable not in (*self.cell.drives, *self.cell.state)
        )

    def can_hold(self, variable: str) -> bool:
        """Whether a variable is computed in each step, and can be held: what is integrated, rates, and drives."""
        equations = self.group.equations
        return variable in equations and (
            equations[variable].type == DIFFERENTIAL_EQUATION
            or variable in self.cell.drives
            or (variable == "r" and self.cell.domain is not None)
        )

    def __contains__(self, variable: str) -> bool:
        return variable in self.group.variables

    def view(self, variable: str) -> np.ndarray:
        """Live buffer of a variable, (replicas, cells); writing to it changes the cells. Shared variables: (1,)."""
        buffer = self.group.variables[variable].get_value()
        return buffer if self.group.variables[variable].scalar else buffer.reshape(self.replicas, self.size)

    def write(self, variable: str, value):
        """Set a variable of all cells, or a shared one; `value` broadcasts against (replicas, cells)."""
        self.view(variable)[...] = value

    def read(self, variable: str) -> np.ndarray:
        """Present value of any variable or subexpression, (replicas, cells), in the paper's or in SI base units."""
        value = np.asarray(self._evaluate(variable))
        if value.ndim == 1 and value.size == self.replicas * self.size:
            value = value.reshape(self.replicas, self.size)
        return np.array(np.broadcast_to(value, (self.replicas, self.size)))

    def _evaluate(self, name: str):
        # Brian2 generates code anew each time it evaluates a subexpression (5 ms); the same equation string,
        # compiled once, takes microseconds.
        variable = self.group.variables[name]
        if not isinstance(variable, Subexpression):
            return variable.get_value()
        if name not in self._expressions:
            self._expressions[name] = compile(NumpyNodeRenderer().render_expr(variable.expr), name, "eval")
        code = self._expressions[name]
        values = {identifier: self._resolve(identifier) for identifier in code.co_names}
        if variable.dim is not DIMENSIONLESS:
            # In single precision 7 nV are lost beside a resting potential of -70 mV, more than an SST cell may move.
            values = {key: value if callable(value) else np.asarray(value, float) for key, value in values.items()}
        return eval(code, {}, values)

    def _resolve(self, identifier: str):
        if identifier in self.group.variables:
            return self._evaluate(identifier)
        found = self.group.resolve_all([identifier], run_namespace={})[identifier]
        return found.pyfunc if isinstance(found, Function) else found.get_value()

    @property
    def stochastic(self) -> bool:
        """Whether random numbers enter the cells' dynamics."""
        return bool(self.cell.each_step or self.cell.at_rest or self.group.equations.is_stochastic)

    def rest(self):
        """Put the cells at rest: every state variable 0, or drawn from how it fluctuates there, and r = σ(0).

        It is drawn from NumPy's global generator, which is also Brian2's.
        """
        for variable in self.cell.state:
            self.write(variable, 0)
        for variable, deviation in self.cell.at_rest.items():
            self.write(variable, deviation * np.random.standard_normal((self.replicas, self.size)))  # noqa: NPY002
        domain = self.cell.domain
        if domain is not None and domain.in_place is not None:
            for variable in domain.arguments:
                if variable in self.cell.drives:
                    self.write(variable, 0)
            domain.in_place(*map(self.view, domain.arguments), out=self.view("r"))

    def restart_from_rate(self):
        """u := r, as published, or where inhibition has raised the threshold the u nearest to it that has this r."""
        u, r = self.view("u"), self.view("r")
        kept = 0.0
        if INHIBITION in self.cell.domain.arguments:
            raised = np.abs(self.view(INHIBITION))
            kept = np.clip(u - r, -raised, raised)
        np.add(r, kept, out=u)

    def run_each_step(self, when: str, order: int):
        """Let Brian2 run the cell's `each_step` statements, at this place in the schedule."""
        self.group.run_regularly(
            self.cell.each_step,
            dt=self.group.clock.dt,
            when=when,
            order=order,
            name=f"{self.name}_each_step",
            codeobj_class=self.group.codeobj_class,
        )

    def rate_update(self, when: str, order: int) -> Callable[[], object] | None:
        """Set up r = σ(u): an operation to call in each step, or None where Brian2 itself now does it.

        Parameters
        ----------
        when, order
            Place in the schedule, should Brian2 do it.
        """
        domain = self.cell.domain
        if domain.in_place is not None:
            return functools.partial(domain.in_place, *map(self.view, domain.arguments), out=self.view("r"))
        self.group.run_regularly(
            f"r = {domain.nonlinearity}",
            dt=self.group.clock.dt,
            when=when,
            order=order,
            name=f"{self.name}_rate",
            codeobj_class=self.group.codeobj_class,
        )
        return None
