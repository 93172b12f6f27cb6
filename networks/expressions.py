"""Variables of a Brian2 group, evaluated as its equations say: compiled once, in microseconds, for chosen cells.

Brian2 itself generates code anew each time it evaluates a subexpression, which takes milliseconds.
"""

import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import brian2 as b2
import numpy as np
from brian2.core.functions import Function
from brian2.core.variables import Subexpression
from brian2.parsing.rendering import NumpyNodeRenderer
from brian2.units.fundamentalunits import DIMENSIONLESS, get_unit

#: Chooses cells from a variable's buffer.
_Choice = Callable[[np.ndarray], Callable[[], np.ndarray]]


@dataclass(frozen=True)
class Probe:
    """A variable of chosen cells, to be read in every step.

    Physical variables are linear maps of dimensionless ones, such as V_soma = V_rest + V_scale u. A probe reads what
    is mapped, and tells the map: nothing is computed in a step that can be computed later, and nothing is lost, for in
    single precision 7 nV vanish beside a resting potential of -70 mV.

    Parameters
    ----------
    read : callable
        ``read() -> ndarray`` that broadcasts against (replicas, cells), perhaps a live buffer. The variable is
        ``scale*read() + offset``.
    dtype : dtype
    unit : str
        SI base unit of the variable, "1" if it has none.
    scale, offset : float
        1 and 0 for what is no linear map.
    """

    read: Callable[[], np.ndarray]
    dtype: np.dtype
    unit: str
    scale: float = 1.0
    offset: float = 0.0


def probe(
    group: b2.NeuronGroup, name: str, shape: tuple[int, int], replicas: Sequence[int], cells: Sequence[int]
) -> Probe:
    """Make the probe of a variable.

    Parameters
    ----------
    group : NeuronGroup
    name : str
        State variable, parameter or subexpression.
    shape : (int, int)
        Replicas and cells of the group.
    replicas, cells : sequence of int
        Which of them.
    """
    variable = group.variables[name]
    unit = "1" if variable.dim is DIMENSIONLESS else str(get_unit(variable.dim))
    choice = _choice(shape, _as_slice(replicas), _as_slice(cells))
    linear = _linear(group, variable)
    if linear is not None:
        name, scale, offset = linear
        return Probe(evaluator(group, name, choice), np.dtype(group.variables[name].dtype), unit, scale, offset)
    computed = isinstance(variable, Subexpression) and variable.dim is not DIMENSIONLESS
    return Probe(evaluator(group, name, choice), np.dtype(float if computed else variable.dtype), unit)


def evaluator(group: b2.NeuronGroup, name: str, choice: _Choice) -> Callable[[], np.ndarray]:
    """Compile what returns the present value of a variable.

    Parameters
    ----------
    group : NeuronGroup
    name : str
    choice : callable
        ``choice(buffer)`` returns what returns the chosen cells of a buffer.
    """
    variable = group.variables[name]
    if not isinstance(variable, Subexpression):
        buffer = variable.get_value()
        return (lambda: buffer) if variable.scalar else choice(buffer)
    # In single precision 7 nV are lost beside a resting potential of -70 mV, more than an SST cell may move.
    return _compiled(group, name, variable.expr, choice, in_double=variable.dim is not DIMENSIONLESS)


def derivative(group: b2.NeuronGroup, name: str, choice: _Choice) -> Callable[[], np.ndarray]:
    """Compile what returns the present time derivative of a variable, in SI units.

    Parameters
    ----------
    group : NeuronGroup
    name : str
        Variable with a differential equation.
    choice : callable
        As for `evaluator`.
    """
    return _compiled(group, f"d{name}/dt", group.equations[name].expr.code, choice, in_double=False)


def computed(group: b2.NeuronGroup, code: str, choice: _Choice) -> Callable[[], np.ndarray]:
    """Compile what returns the present value of an expression in a group's variables, without a unit.

    Parameters
    ----------
    group : NeuronGroup
    code : str
    choice : callable
        As for `evaluator`.
    """
    return _compiled(group, code, code, choice, in_double=False)


def _compiled(group: b2.NeuronGroup, name: str, code: str, choice: _Choice, in_double: bool) -> Callable:
    expression = NumpyNodeRenderer().render_expr(code)
    known, arguments = {}, {}
    for identifier in compile(expression, name, "eval").co_names:
        if identifier in group.variables:
            arguments[identifier] = evaluator(group, identifier, choice)
        else:
            found = group.resolve_all([identifier], run_namespace={})[identifier]
            known[identifier] = found.pyfunc if isinstance(found, Function) else found.get_value()
    if in_double:
        known = {key: value if callable(value) else np.asarray(value, float) for key, value in known.items()}
        arguments = {key: _in_double_precision(read) for key, read in arguments.items()}
    # What gives the same buffer each time is read straight from it.
    stored = {key: read for key, read in arguments.items() if not isinstance(group.variables[key], Subexpression)}
    live = {key: read() for key, read in stored.items() if read() is read()}
    computed = {key: read for key, read in arguments.items() if key not in live}
    function = eval(f"lambda {', '.join(computed)}: {expression}", known | live)
    if not computed:
        return function
    reads = tuple(computed.values())
    return lambda: function(*[read() for read in reads])


def whole(shape: tuple[int, int]) -> _Choice:
    """Choose all cells."""
    return _choice(shape, slice(None), slice(None))


def _choice(shape: tuple[int, int], replicas, cells) -> _Choice:
    def choose(buffer: np.ndarray):
        values = buffer.reshape(shape)
        if isinstance(replicas, slice) and isinstance(cells, slice):
            view = values[replicas, cells]
            return lambda: view
        if isinstance(replicas, slice):
            view = values[replicas]
            return lambda: view[:, cells]
        index = np.ix_(replicas, np.arange(shape[1])[cells])
        return lambda: values[index]

    return choose


def _as_slice(indices: Sequence[int]) -> slice | np.ndarray:
    """Ascending, evenly spaced indices as a slice, which is read without a copy; others as they are."""
    found = np.asarray(indices)
    steps = np.unique(np.diff(found))
    if len(steps) == 0:
        return slice(int(found[0]), int(found[0]) + 1)
    if len(steps) == 1 and steps[0] > 0:
        return slice(int(found[0]), int(found[-1]) + 1, int(steps[0]))
    return found


def _in_double_precision(read: Callable[[], np.ndarray]) -> Callable[[], np.ndarray]:
    return lambda: np.asarray(read(), float)


def _linear(group: b2.NeuronGroup, variable) -> tuple[str, float, float] | None:
    """(x, b, a) of a physical variable a + b x, a - b x or b x, with constants a, b and a dimensionless variable x."""
    if not isinstance(variable, Subexpression) or variable.dim is DIMENSIONLESS:
        return None
    match ast.parse(variable.expr, mode="eval").body:
        case ast.BinOp(ast.Name(a), ast.Add() | ast.Sub() as sign, ast.BinOp(ast.Name(b), ast.Mult(), ast.Name(x))):
            constants, sign = [a, b], -1.0 if isinstance(sign, ast.Sub) else 1.0
        case ast.BinOp(ast.Name(b), ast.Mult(), ast.Name(x)):
            constants, sign = [b], 1.0
        case _:
            return None
    if x not in group.variables or group.variables[x].dim is not DIMENSIONLESS:
        return None
    if any(name in group.variables for name in constants):
        return None
    found = group.resolve_all(constants, run_namespace={})
    *offset, scale = (float(found[name].get_value()) for name in constants)
    return x, sign * scale, offset[0] if offset else 0.0
