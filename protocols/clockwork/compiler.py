"""The C++ compiler, by the library that Brian2 compiles with, and whether it works on this machine."""

import functools
import hashlib
import importlib.util
import logging
import os
import platform
import shlex
import shutil
import sys
import sysconfig
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import brian2.synapses
from brian2.codegen.cpp_prefs import get_compiler_and_args
from brian2.codegen.runtime.cython_rt.extension_manager import (
    Extension,
    cython_extension_manager,
    get_cython_cache_dir,
)
from brian2.core.preferences import prefs
from brian2.utils.logger import std_silent
from platformdirs import user_cache_path

logger = logging.getLogger("corinfomax")

#: Brian2's preferences of C++ that are also names of setuptools' options.
_PREFERRED = (
    "define_macros",
    "extra_link_args",
    "include_dirs",
    "libraries",
    "library_dirs",
    "runtime_library_dirs",
)
#: A module that needs what compiled code needs: headers of Python and of C++, a compiler and a linker.
_TRIAL = """
#include <Python.h>
#include <cmath>
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "trial", NULL, -1, NULL};
PyMODINIT_FUNC PyInit_trial(void) { return std::isfinite(0.0) ? PyModule_Create(&definition) : NULL; }
"""


@functools.cache
def works() -> bool:
    """Find out whether code can be compiled; one warning says why not."""
    reason = missing_tool() or failure()
    if reason is not None:
        logger.warning(
            "Running Brian2's numpy target, which takes 1.4 (MNIST) to 2.6 times (digits) as long: %s.", reason
        )
    return reason is None


def missing_tool() -> str | None:
    """Say what is missing now to compile; what was compiled long ago says nothing about it."""
    if importlib.util.find_spec("Cython") is None:
        return "Cython is not installed"
    if sys.platform == "win32":
        return None
    for name, kind in (("CC", "C"), ("CXX", "C++")):
        command = os.environ.get(name) or sysconfig.get_config_var(name) or name.lower()
        if shutil.which(shlex.split(command)[0]) is None:
            return f"no {kind} compiler found ({shlex.split(command)[0]})"
    header = Path(sysconfig.get_path("include"), "Python.h")
    return None if header.exists() else f"Python's headers are not installed ({header})"


def failure() -> str | None:
    """Say why a few lines cannot be compiled; None if they can, or could when this compiler was last asked."""
    cache = Path(get_cython_cache_dir()).expanduser()
    compiler, _ = get_compiler_and_args()
    command = shutil.which(shlex.split(os.environ.get("CXX") or sysconfig.get_config_var("CXX") or "c++")[0])
    made = None if command is None else os.stat(command).st_mtime_ns  # an upgrade is another compiler
    environment = (os.environ.get("CC"), os.environ.get("CXX"))
    asked = (sys.version, sys.executable, compiler, *environment, command, made, str(cache))
    note = user_cache_path("corinfomax") / "compiled" / f"works-{hashlib.sha256(repr(asked).encode()).hexdigest()[:16]}"
    try:
        if note.exists() and os.access(cache, os.W_OK):
            return None
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache, ignore_cleanup_errors=True) as folder:
            trial = build(_TRIAL, "trial", {"extra_compile_args": ["-O0"]}, Path(folder))
            importlib.util.module_from_spec(importlib.util.spec_from_file_location("trial", trial))
        note.parent.mkdir(parents=True, exist_ok=True)
        note.touch()
    except Exception as error:  # whatever it is, Brian2 cannot compile
        return " ".join(str(error).split()) or type(error).__name__
    return None


def options() -> dict[str, Any]:
    """Return what an extension module is compiled with: the arguments of Brian2's preferences, and its headers."""
    _, arguments = get_compiler_and_args()
    mine = {key: list(prefs[f"codegen.cpp.{key}"]) for key in _PREFERRED}
    headers = str(Path(brian2.synapses.__file__).parent)
    return mine | {"extra_compile_args": list(arguments), "include_dirs": [headers, *mine["include_dirs"]]}


def made_by() -> tuple:
    """Return what else decides about compiled code: Python, Brian2, the compiler, and for native code the machine."""
    compiler, arguments = get_compiler_and_args()
    native = any("native" in argument for argument in arguments)
    variables = ("CC", "CXX", "CFLAGS", "CXXFLAGS", "CPPFLAGS", "LDFLAGS")
    return (
        *(sys.version, sys.executable, brian2.__version__, compiler),
        *(os.environ.get(name) for name in variables),
        platform.node() if native else "",
    )


def build(code: str, name: str, options: Mapping[str, Any], place: Path) -> Path:
    """Compile C++ of an extension module, as Brian2 compiles its own, and put it into a folder when it is whole.

    Parameters
    ----------
    code : str
    name : str
        The module's.
    options : mapping of str to object
        Of setuptools' `Extension`.
    place : Path
        A folder that is there.

    Returns
    -------
    Path
        Of the module.

    Raises
    ------
    Exception
        Of setuptools, if the compiler fails; an OSError, if the folder cannot be written to.
    """
    compiler, _ = get_compiler_and_args()
    with tempfile.TemporaryDirectory(dir=place, ignore_cleanup_errors=True) as folder:
        source = Path(folder, f"{name}.cpp")
        source.write_text(code, encoding="utf-8")
        building = cython_extension_manager._get_build_extension(compiler=compiler)
        building.extensions = [Extension(name, [str(source)], language="c++", **options)]
        building.build_temp = building.build_lib = folder
        with std_silent():
            building.run()
        file = building.get_ext_filename(name)
        os.replace(Path(folder, file), place / file)
    return place / file
