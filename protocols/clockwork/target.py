"""Brian2's code generation target, chosen for one preparation and not for the whole session."""

import logging
from typing import Literal, get_args

import brian2 as b2
from brian2.codegen.runtime.cython_rt.cython_rt import CythonCodeObject
from brian2.codegen.runtime.numpy_rt.numpy_rt import NumpyCodeObject
from brian2.devices.device import auto_target
from brian2.utils.logger import catch_logs

from ...errors import ParameterError

Target = Literal["auto", "cython", "numpy"]

logger = logging.getLogger("corinfomax")


#: GCC vectorises the loop over cells only if it takes it for hot, in spite of the many error exits before it, and may
#: check more than ten arrays for overlap: 4 × faster integration.
_VECTORISE = ["--param=builtin-expect-probability=100", "--param=vect-max-version-for-alias-checks=100"]


class VectorisedCodeObject(CythonCodeObject):
    """Brian2's Cython code object, compiled so that the loop over cells is vectorised."""

    def __init__(self, *args, **kwargs):
        key = "codegen.cpp.extra_compile_args_gcc"
        usual = b2.prefs[key]
        b2.prefs[key] = [*usual, *_VECTORISE]  # Brian2 leaves out what a compiler does not know
        try:
            super().__init__(*args, **kwargs)
        finally:
            b2.prefs[key] = usual
        # Brian2 finds compiled code again by its source alone, whatever the compiler's arguments.
        self.code.run += "\n# vectorised"


def code_object_class(target: Target) -> type[NumpyCodeObject]:
    """Return the class of Brian2 code objects for a target.

    Parameters
    ----------
    target : {"auto", "cython", "numpy"}
        "auto" keeps to the user's Brian2 preference ``codegen.target`` if it names one, and otherwise takes compiled
        code where a C compiler and Python's headers are found.
    """
    if target not in get_args(Target):
        raise ParameterError(f"target = {target!r}: must be one of {', '.join(get_args(Target))}")
    if target == "auto" and b2.prefs.codegen.target in ("cython", "numpy"):
        target = b2.prefs.codegen.target
    if target == "auto":
        # Brian2's own account of a missing compiler is several lines long.
        with catch_logs(log_level=logging.INFO):
            compiled = issubclass(auto_target(), CythonCodeObject)
        if not compiled:
            logger.warning("No C compiler or no Python headers found: running Brian2's numpy target, 1.3 × slower.")
        target = "cython" if compiled else "numpy"
    return VectorisedCodeObject if target == "cython" else NumpyCodeObject
