"""Brian2's code generation target, chosen for one preparation and not for the whole session."""

from typing import Literal, NamedTuple, get_args

import brian2 as b2
from brian2.codegen.codeobject import CodeObject
from brian2.codegen.runtime.cython_rt.cython_rt import CythonCodeObject
from brian2.codegen.runtime.numpy_rt.numpy_rt import NumpyCodeObject

from ...errors import ParameterError
from ...models import Cell
from .cell_code import CellCodeObject
from .compiled_cache import checked_cache
from .compiler import failure, missing_tool, works

Target = Literal["auto", "cython", "numpy"]


class CheckedCythonCodeObject(CythonCodeObject):
    """Brian2's Cython code object, which loads nothing that is damaged."""

    def compile_block(self, block):
        """Compile, or load what was compiled before if it is whole."""
        with checked_cache():
            return super().compile_block(block)


class CodeObjects(NamedTuple):
    """Classes of Brian2's code objects.

    Parameters
    ----------
    cells : type of CodeObject
        Of populations.
    others : type of CodeObject
        Of synapses, and of cells whose equations call functions of the user's own or use a word of C++ as a name.
    """

    cells: type[CodeObject]
    others: type[CodeObject]

    def for_cells(self, cell: Cell) -> type[CodeObject]:
        """Return the class for the populations of a cell."""
        own_functions = any(callable(value) for value in cell.namespace.values())
        return self.others if own_functions or {*cell.parsed.names, *cell.namespace} & _WORDS else self.cells


#: Words of C++ that are no words of Python's, which Brian2 refuses.
_OF_CPP = """
    alignas alignof asm auto bool case catch char const constexpr decltype default delete do double dynamic_cast enum
    explicit export extern float friend goto inline int long mutable namespace new noexcept nullptr operator private
    protected public register reinterpret_cast short signed sizeof static static_assert static_cast struct switch
    template this thread_local throw typedef typeid typename union unsigned using virtual void volatile
"""
_WORDS = frozenset(_OF_CPP.split())


def code_objects(target: Target) -> CodeObjects:
    """Return the classes of Brian2 code objects for a target.

    Parameters
    ----------
    target : {"auto", "cython", "numpy"}
        "auto" keeps to the user's Brian2 preference ``codegen.target`` if it names one, and otherwise takes compiled
        code where a C compiler and Python's headers are found. Where they are not, one warning says so.

    Raises
    ------
    ParameterError
        For an unknown target, or for "cython" without a compiler.
    """
    if target not in get_args(Target):
        raise ParameterError(f"target = {target!r}: must be one of {', '.join(get_args(Target))}")
    if target == "auto" and b2.prefs.codegen.target in ("cython", "numpy"):
        target = b2.prefs.codegen.target
    if target == "auto":
        target = "cython" if works() else "numpy"
    elif target == "cython" and (missing := missing_tool() or failure()) is not None:
        raise ParameterError(f"target = 'cython': {missing}; install what is missing, or take 'numpy' or 'auto'")
    if target == "numpy":
        return CodeObjects(NumpyCodeObject, NumpyCodeObject)
    return CodeObjects(CellCodeObject, CheckedCythonCodeObject)
