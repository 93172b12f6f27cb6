"""Brian2's code generation target, chosen for one preparation and not for the whole session."""

import re
from collections import Counter
from collections.abc import Iterable
from typing import Literal, get_args

import brian2 as b2
from brian2.codegen.runtime.cython_rt.cython_rt import CythonCodeObject
from brian2.codegen.runtime.numpy_rt.numpy_rt import NumpyCodeObject
from brian2.core.variables import ArrayVariable

from ...errors import ParameterError
from .compiled_cache import checked_cache
from .compiler import missing_tool, works

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
        if self.template_name == "stateupdate":
            self._leave_names_out()

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
    elif target == "cython" and (missing := missing_tool()) is not None:
        raise ParameterError(f"target = 'cython': {missing}; install what is missing, or take 'numpy' or 'auto'")
    return VectorisedCodeObject if target == "cython" else NumpyCodeObject
