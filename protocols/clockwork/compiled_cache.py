"""Brian2's cache of compiled code: nothing is loaded that is damaged, and what is missing is made side by side.

Brian2 loads whatever bears the right name, and the loader of a shared library that was cut short ends the process. It
compiles one kind of cells after the other; here, processes of their own compile the last kinds meanwhile.
"""

import contextlib
import functools
import hashlib
import logging
import multiprocessing
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from brian2.codegen.runtime.cython_rt.extension_manager import cython_extension_manager
from platformdirs import user_cache_path

from ..linear_algebra import usable_cores

logger = logging.getLogger("corinfomax")

#: Processes that compile beside this one, at most.
_HELPERS = 3
#: Objects that are going to be prepared for a run.
_waiting: list[Any] = []
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


@contextlib.contextmanager
def compiled_side_by_side(objects: Sequence[Any]) -> Iterator[None]:
    """Make a context in which, with the first of Brian2's objects that has to be compiled, all others are begun.

    Parameters
    ----------
    objects : sequence of BrianObject
        In the order in which they are prepared for a run.
    """
    _waiting[:] = objects
    try:
        yield
    finally:
        _waiting.clear()


def _begin_others():
    """Let processes of their own prepare what waits, from the last one on; Brian2 waits for what they compile."""
    objects = _waiting[::-1]
    _waiting.clear()
    in_worker = multiprocessing.parent_process() is not None
    if sys.platform != "linux" or in_worker or threading.current_thread() is not threading.main_thread():
        return  # elsewhere a process cannot be had as a copy of this one, and workers have each other beside them
    helpers = min(_HELPERS, len(objects), usable_cores() - 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of other threads, which no helper needs
        for number in range(helpers):
            share = objects[number::helpers]
            multiprocessing.get_context("fork").Process(target=_prepare, args=(share,), daemon=True).start()


def _prepare(objects: Sequence[Any]):
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    logging.disable()  # a thread of the original may have been printing as this copy was made
    with contextlib.suppress(Exception):  # who waits for it finds out, and says so
        for item in objects:
            item.before_run({})


@functools.cache  # once
def _tell():
    logger.info("Compiling the cells' equations; the result is kept for the next time.")


def _load_checked(load: Callable, module_path: str, *words, **options):
    path = Path(module_path)
    if path.is_file() and (fault := _fault(path)) is not None:
        logger.warning("%s: %s; it is compiled anew.", path, fault)
        path.unlink()
    if not path.is_file():
        _tell()
        _begin_others()
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
