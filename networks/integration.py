"""How the cells of a population integrate: Brian2's Euler and exponential Euler, with nothing computed in vain.

Compiled code may compute more in the same pass over the cells: r = σ(u), and what the cells' synapses with themselves
bring. And it reads what is alike in all cells, as gates and injected currents mostly are, once and not cell by cell.

Exponential Euler solves du/ds = A u + b exactly while A and b stand still. In the form

    u ← u + (du/ds)·h_u,   h_u = (exp(A dt) - 1)/A

it is Euler with a step h_u of the cell's own. A is made of conductances, gates and the pace of the step rule, which
change from phase to phase at most. So h_u is a variable of the cells, computed when one of these has changed; Brian2's
own form takes the exponential of each cell in each step.
"""

from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType

import brian2 as b2
import numpy as np
from brian2.core.variables import ArrayVariable
from brian2.groups.neurongroup import StateUpdater
from brian2.parsing.sympytools import sympy_to_str
from brian2.stateupdaters.exponential_euler import get_conditionally_linear_system
from brian2.utils.stringtools import get_identifiers
from sympy import sympify

from .expressions import computed, whole


class Integration(StateUpdater):
    """Brian2's integration of a group, and what is computed of the new state in the same pass over the cells."""

    #: Abstract code that follows the integration.
    afterwards = ""
    #: Names of variables that may be alike in all cells, of any group of `Integration` that this one reads.
    may_be_alike: Collection[str] = ()
    #: Whether all those are that a piece of compiled code reads, by its name: 1 or 2 for yes or no, 0 if it has to find
    #: out.
    alike: Mapping[str, np.ndarray] = MappingProxyType({})
    #: Steps of the cells' own; None to leave all to Brian2.
    own_steps: "OwnSteps | None" = None
    #: What followed the integration, and the values of parameters, when its code was made.
    _made_with: tuple = ()

    def before_run(self, run_namespace=None):
        """Prepare; called by Brian2 when a run begins."""
        super().before_run(run_namespace)
        if self.own_steps is not None:
            self.own_steps.renew()

    def create_code_objects(self, run_namespace):
        """Make the code; Brian2 calls it whenever a run begins. It takes longer than many runs.

        Equations, time step and method of a population stay as they are: so does the code, unless something else is to
        follow, or the user has given the group's namespace another value.
        """
        present = (self.afterwards, *self.group.namespace.values())
        if len(present) != len(self._made_with) or any(
            now is not before for now, before in zip(present, self._made_with, strict=True)
        ):
            super().create_code_objects(run_namespace)
            self._made_with = present

    def update_abstract_code(self, run_namespace):
        """Write what is to be done in a step; called by Brian2."""
        super().update_abstract_code(run_namespace)
        if self.own_steps is not None:
            steps = self.own_steps.names
            derivatives = [line.split(" = ", 1) for line in self.user_code.splitlines()]
            moved = [(name, code) for name, code in derivatives if name in steps]
            self.abstract_code = "\n".join(
                [f"_{name} = {name} + {steps[name]}*({code})" for name, code in moved]
                + [f"{name} = _{name}" for name, _ in moved]
            )
        self.abstract_code += self.afterwards


class OwnSteps:
    """The steps h_u that the cells of a group take by exponential Euler.

    Parameters
    ----------
    group : NeuronGroup
    shape : (int, int)
        Replicas and cells.
    coefficients : mapping of str to str
        By integrated variable, A as an expression of variables that do not change from step to step.

    Attributes
    ----------
    names : dict of str to str
        By integrated variable, the variable that holds its step.
    """

    def __init__(self, group: b2.NeuronGroup, shape: tuple[int, int], coefficients: Mapping[str, str]):
        self.names = {name: f"step_{name}" for name in coefficients}
        self._renewed: list[tuple[np.ndarray, Callable[[], np.ndarray]]] = []
        for name, A in coefficients.items():
            step, dtype = self.names[name], group.variables[name].dtype
            group.variables.add_array(step, size=len(group), dimensions=b2.second.dim, dtype=dtype)
            buffer = group.variables[step].get_value().reshape(shape)
            self._renewed.append((buffer, computed(group, f"dt*exprel(dt*({A}))", whole(shape))))
        stored = [group.variables[name] for name in sorted(_identifiers(coefficients) & set(group.variables))]
        views = [variable.get_value() for variable in stored if isinstance(variable, ArrayVariable)]
        self._kept = [(view, np.empty_like(view)) for view in views]
        with np.errstate(all="ignore"):  # before anything has been set
            self._compute()

    def renew(self):
        """Compute the steps anew if what they depend on has changed."""
        if not all(np.array_equal(view, kept) for view, kept in self._kept):
            self._compute()

    def _compute(self):
        for view, kept in self._kept:
            kept[...] = view
        for steps, compute in self._renewed:
            steps[...] = compute()


def own_steps(group: b2.NeuronGroup, shape: tuple[int, int], moving: Collection[str]) -> OwnSteps | None:
    """Make the steps of a group's cells by exponential Euler; None where A changes from step to step.

    Parameters
    ----------
    group : NeuronGroup
    shape : (int, int)
    moving : collection of str
        Variables of the group that change from step to step.
    """
    if group.equations.is_stochastic or group.thresholder:
        return None
    try:
        linear = get_conditionally_linear_system(group.equations, group.variables)
    except ValueError:  # Brian2 refuses it, too, and says why
        return None
    coefficients = {name: sympy_to_str(sympify(A)) for name, (A, _) in linear.items()}
    moves = _identifiers(coefficients) & {*moving, *coefficients, "t", "i"}
    return None if moves else OwnSteps(group, shape, coefficients)


def _identifiers(coefficients: Mapping[str, str]) -> set[str]:
    return set().union(*map(get_identifiers, coefficients.values()))
