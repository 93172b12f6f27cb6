"""Brian2's code generation target, chosen for one preparation and not for the whole session."""

import functools
import logging
import os
import re
import shlex
import shutil
import sys
import sysconfig
from collections import Counter
from pathlib import Path
from typing import Literal, get_args

import brian2 as b2
from brian2.codegen.runtime.cython_rt.cython_rt import CythonCodeObject
from brian2.codegen.runtime.numpy_rt.numpy_rt import NumpyCodeObject
from brian2.devices.device import auto_target
from brian2.utils.logger import catch_logs

from ...errors import ParameterError
from .compiled_cache import checked_cache

Target = Literal["auto", "cython", "numpy"]

logger = logging.getLogger("corinfomax")


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


def _missing_tool() -> str | None:
    """Say what is missing now to compile; Brian2's own test may find what it compiled long ago."""
    if sys.platform == "win32":
        return None
    for name, kind in (("CC", "C"), ("CXX", "C++")):
        command = os.environ.get(name) or sysconfig.get_config_var(name) or name.lower()
        if shutil.which(shlex.split(command)[0]) is None:
            return f"no {kind} compiler found ({shlex.split(command)[0]})"
    header = Path(sysconfig.get_path("include"), "Python.h")
    return None if header.exists() else f"Python's headers are not installed ({header})"


@functools.cache
def _compiled_code_works() -> bool:
    reason = _missing_tool() or _failure()
    if reason is not None:
        logger.warning("Running Brian2's numpy target, 1.3 × slower: %s.", reason)
    return reason is None


def _failure() -> str | None:
    """Say why Brian2 cannot compile; None if it can."""
    # Brian2's own account is several lines long.
    with catch_logs(log_level=logging.INFO) as told, checked_cache():
        if issubclass(auto_target(), CythonCodeObject) or CythonCodeObject.is_available():
            return None
    reasons = [message for _, name, message in told if name.endswith("failed_compile_test")]
    return reasons[-1].splitlines()[0] if reasons else "Brian2 cannot compile"


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
        target = "cython" if _compiled_code_works() else "numpy"
    elif target == "cython" and (missing := _missing_tool()) is not None:
        raise ParameterError(f"target = 'cython': {missing}; install what is missing, or take 'numpy' or 'auto'")
    return VectorisedCodeObject if target == "cython" else NumpyCodeObject
