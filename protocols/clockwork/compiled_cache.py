"""Brian2's cache of compiled code, of which nothing is loaded that is damaged.

Brian2 loads whatever bears the right name, and the loader of a shared library that was cut short ends the process.
"""

import contextlib
import functools
import hashlib
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from brian2.codegen.runtime.cython_rt.extension_manager import cython_extension_manager
from platformdirs import user_cache_path

logger = logging.getLogger("corinfomax")

#: Opens a library as it is opened when it is imported, and does nothing else.
_TRIAL = "import ctypes, os, sys; ctypes.CDLL(sys.argv[1], getattr(os, 'RTLD_NOW', 0))"


@contextlib.contextmanager
def checked_cache() -> Iterator[None]:
    """Make a context in which compiled code that is damaged is removed, told, and compiled anew."""
    load = cython_extension_manager._load_module
    cython_extension_manager._load_module = functools.partial(_load_checked, load)
    try:
        yield
    finally:
        del cython_extension_manager._load_module  # the class's own is seen again


def _load_checked(load: Callable, module_path: str, *words, **options):
    path = Path(module_path)
    if path.is_file() and (fault := _fault(path)) is not None:
        logger.warning("%s: %s; it is compiled anew.", path, fault)
        path.unlink()
    module = load(module_path, *words, **options)
    with contextlib.suppress(OSError):  # where nothing can be noted, each library is tried anew
        _note(path).parent.mkdir(parents=True, exist_ok=True)
        _note(path).write_text(_checksum(path), encoding="ascii")
    return module


def _fault(path: Path) -> str | None:
    """Say what is wrong with a compiled library; None if nothing is.

    One that was loaded before is compared with the checksum of then. Another one is opened first in a process that may
    crash.
    """
    with contextlib.suppress(OSError, UnicodeDecodeError):
        noted = _note(path).read_text(encoding="ascii")
        return None if noted == _checksum(path) else "has changed since it was compiled"
    if subprocess.run([sys.executable, "-I", "-S", "-c", _TRIAL, path], capture_output=True).returncode:
        return "is damaged"
    return None


def _checksum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _note(path: Path) -> Path:
    """Where the checksum of a library is noted; Brian2 clears no cache with files of other kinds in it."""
    place = hashlib.sha256(bytes(path.absolute())).hexdigest()[:16]
    return user_cache_path("corinfomax") / "compiled" / f"{path.stem}-{place}.sha256"
