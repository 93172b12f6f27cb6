"""Brian2's code generation target, chosen for one preparation and not for the whole session."""

import re
import textwrap
from collections import Counter
from collections.abc import Collection, Iterable
from typing import Literal, get_args

import brian2 as b2
import numpy as np
from brian2.codegen.runtime.cython_rt.cython_rt import CythonCodeObject
from brian2.codegen.runtime.numpy_rt.numpy_rt import NumpyCodeObject
from brian2.core.variables import ArrayVariable

from ...errors import ParameterError
from ...networks.integration import Integration
from .compiled_cache import checked_cache
from .compiler import failure, missing_tool, works

Target = Literal["auto", "cython", "numpy"]


#: GCC vectorises the loop over cells only if it takes it for hot, in spite of the many error exits before it, and may
#: check more than ten arrays for overlap: 4 × faster integration.
_VECTORISE = ["--param=builtin-expect-probability=100", "--param=vect-max-version-for-alias-checks=100"]


#: Arrays as Brian2 declares them: with a typed buffer, which costs more at each call than the pointer taken from it.
_TYPED_BUFFER = re.compile(r"\bcdef _numpy\.ndarray\[\w+, ndim=1, mode='c'(?:, cast=True)?\] (?=_buf_)")
#: Names that Brian2 looks up at each call, whether they are used or not.
_LOOKED_UP = re.compile(
    r"^ *(?:cdef size_t )?(_var_\w+|_num\w+) = (?:_namespace\[.*\]|len\(_namespace\[.*\]\)) *\n", re.M
)


class VectorisedCodeObject(CythonCodeObject):
    """Brian2's Cython code object, compiled so that its loop is vectorised and a call costs little."""

    def __init__(self, *args, **kwargs):
        key = "codegen.cpp.extra_compile_args_gcc"
        usual = b2.prefs[key]
        b2.prefs[key] = [*usual, *_VECTORISE]  # Brian2 leaves out what a compiler does not know
        try:
            super().__init__(*args, **kwargs)
        finally:
            b2.prefs[key] = usual
        # Brian2 finds compiled code again by its source alone, whatever the compiler's arguments.
        self.code.run = _with_plain_buffers(self.code.run) + "\n# vectorised"
        if self.template_name == "stateupdate" and isinstance(getattr(self.owner, "state_updater", None), Integration):
            self._simplify_loop()
            self._leave_names_out()

    def _simplify_loop(self):
        """Read what is alike in all cells, as parameters mostly are, once; compute in the precision of the cells."""
        arrays = [item for item in self.variables.values() if isinstance(item, ArrayVariable)]
        names = {self.device.get_array_name(item) for item in arrays if _may_be_alike(item)}
        self.code.run = _with_alike_values(self.code.run, names)
        # Those of cells: a clock's times are in double precision always.
        types = {item.dtype for item in arrays if item.owner is self.owner and np.issubdtype(item.dtype, np.floating)}
        if types == {np.dtype(np.float32)}:
            self.code.run = _DOUBLES.sub("cdef float ", self.code.run)
        self.namespace["_alike"] = self.owner.state_updater.alike

    def _leave_names_out(self):
        """Call populations by their numbers, so that one compilation serves all layers of a kind."""
        owners = {item.owner.name for item in self.variables.values() if isinstance(item, ArrayVariable)}
        names = _neutral(self.code.run, owners)
        self.code.run = _NAME.sub(lambda found: names.get(found[0], found[0]), self.code.run)
        self.namespace = {names.get(name, name): value for name, value in self.namespace.items()}

    def compile_block(self, block):
        """Compile, or load what was compiled before if it is whole."""
        with checked_cache():
            return super().compile_block(block)

    def __call__(self, **values):
        """Run; straight away where nothing is to be looked up anew, as a small population's step is mostly calls."""
        if values or self.nonconstant_values:
            return super().__call__(**values)
        return self.compiled_code["run"].main(self.namespace)


#: Brian2's function as it declares it: Cython asks after each call whether it has raised an error, which it cannot.
_CLIP = re.compile(r"(?<=\ncdef _to_clip _clip\(_to_clip x, double low, double high\)):")


def _with_plain_buffers(code: str) -> str:
    """Take what a call need not do out of Brian2's Cython code.

    These are buffers' types, which are known, unused names, and questions after errors that cannot be.
    """
    code = _CLIP.sub(" noexcept:", code)
    words = Counter(re.findall(r"\w+", code))

    def unless_unused(found: re.Match) -> str:
        line, name = found[0], found[1]
        return line if words[name] > re.findall(r"\w+", line).count(name) else ""

    return _LOOKED_UP.sub(unless_unused, _TYPED_BUFFER.sub("cdef _numpy.ndarray ", code))


#: The loop over cells, which ends Brian2's function, and the lines in it that read arrays.
_LOOP = re.compile(r"^    for _idx in range\(N\):\n(.*)", re.M | re.S)
_READ = re.compile(r"^ +(\w+) = (_array_\w+)\[_idx\] *\n", re.M)


#: Constants and intermediate values, but for times, of which a long run needs all digits.
_DOUBLES = re.compile(r"\bcdef double (?!d?t\b)(?=\w)")


def _may_be_alike(variable: ArrayVariable) -> bool:
    updater = getattr(variable.owner, "state_updater", None)
    return isinstance(updater, Integration) and variable.name in updater.may_be_alike and not variable.scalar


def _with_alike_values(code: str, names: Collection[str]) -> str:
    """Let code have a second loop over cells, for arrays that are alike in all; it finds out which one is to be taken.

    Of a hidden layer's arrays the first loop leaves half to be read: a fifth to a quarter of the time is saved.
    """
    loop = _LOOP.search(code)
    read = {array: value for value, array in _READ.findall(loop[1]) if array in names}
    if not read:
        return code
    once = "".join(f"        {value} = {array}[0]\n" for array, value in read.items())
    body = _READ.sub(lambda line: "" if line[2] in read else line[0], loop[1])
    differ = "".join(
        f"        for _idx in range(N):\n            _differ |= {array}[_idx] != {array}[0]\n" for array in read
    )
    return (
        code[: loop.start()]
        + f"""\
    cdef _numpy.ndarray _buf_alike = _namespace['_alike']
    cdef int32_t * _is_alike = <int32_t *> _buf_alike.data
    cdef int _differ = 0
    if _is_alike[0] == 0:
{differ}        _is_alike[0] = 2 if _differ else 1
    if _is_alike[0] == 1:
{once}        for _idx in range(N):
{_indented(body)}
    else:
        for _idx in range(N):
{_indented(loop[1])}
"""
    )


def _indented(code: str) -> str:
    return textwrap.indent(code, "    ")


#: What Brian2 calls arrays, and what it makes of linked subexpressions; nothing of C's or Python's own begins so.
_NAME = re.compile(r"\b_\w+")


def _neutral(code: str, owners: Iterable[str]) -> dict[str, str]:
    """Map names that have the name of a population in them to names that are the same for populations alike."""
    longest_first = sorted(set(owners), key=len, reverse=True)
    owned = re.compile(rf"_({'|'.join(map(re.escape, longest_first))})(?=_|$)")
    numbers: dict[str, int] = {}  # in the order of their appearance
    names = {}
    for name in dict.fromkeys(_NAME.findall(code)):
        found = owned.sub(lambda match: f"_cells{numbers.setdefault(match[1], len(numbers))}", name)
        if found != name:
            names[name] = f"{found}_{len(names)}"
    return names


def code_object_class(target: Target) -> type[NumpyCodeObject]:
    """Return the class of Brian2 code objects for a target.

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
    return VectorisedCodeObject if target == "cython" else NumpyCodeObject
