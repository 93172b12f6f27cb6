"""The cache of compiled code, Brian2's and ours, which stand in one folder: nothing is loaded that is damaged.

Whatever bears the right name would be loaded, and the loader of a shared library that was cut short ends the process.
"""

import contextlib
import functools
import hashlib
import importlib.util
import logging
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

from brian2.codegen.runtime.cython_rt.extension_manager import cython_extension_manager, get_cython_cache_dir
from filelock import FileLock
from platformdirs import user_cache_path

from .compiler import build, made_by, options

logger = logging.getLogger("corinfomax")

#: Modules of this process, by name and folder.
_modules: dict[tuple[str, Path], ModuleType] = {}
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


@functools.cache  # once
def _tell():
    logger.info("Compiling the cells' equations; the result is kept for the next time.")


def compiled_module(code: str) -> ModuleType:
    """Compile C++ of an extension module, or load what was compiled before if it is whole.

    Of several processes that want the same module one compiles it, and the others wait.

    Parameters
    ----------
    code : str
        In which ``%MODULE%`` stands for the module's name. Its initialisation has one phase.

    Returns
    -------
    module

    Raises
    ------
    Exception
        Of setuptools, if the compiler fails; an OSError, if the cache cannot be written to.
    """
    given = options()
    name = f"corinfomax_{hashlib.sha256(repr((code, sorted(given.items()), made_by())).encode()).hexdigest()[:32]}"
    cache = Path(get_cython_cache_dir()).expanduser()
    if (name, cache) not in _modules:
        cache.mkdir(parents=True, exist_ok=True)
        path = cache / f"{name}{sysconfig.get_config_var('EXT_SUFFIX')}"
        with FileLock(cache / f"{name}.lock"):
            if not _is_whole(path):
                _tell()
                build(code.replace("%MODULE%", name), name, given, cache)
            found = importlib.util.spec_from_file_location(name, path)
            _modules[name, cache] = importlib.util.module_from_spec(found)
            _note_checksum(path)
    return _modules[name, cache]


def _load_checked(load: Callable, module_path: str, *words, **options):
    path = Path(module_path)
    if not _is_whole(path):
        _tell()
    module = load(module_path, *words, **options)
    _note_checksum(path)
    return module


def _is_whole(path: Path) -> bool:
    """Whether compiled code is there; if it is damaged it is told and removed."""
    if path.is_file() and (fault := _fault(path)) is not None:
        logger.warning("%s: %s; it is compiled anew.", path, fault)
        path.unlink()
    return path.is_file()


def _note_checksum(path: Path):
    note, checksum = _note(path), _checksum(path)
    with contextlib.suppress(OSError):  # where nothing can be noted, each library is tried anew
        note.parent.mkdir(parents=True, exist_ok=True)
        if not note.exists() or note.read_text(encoding="ascii") != checksum:
            note.write_text(checksum, encoding="ascii")


def _fault(path: Path) -> str | None:
    """Say what is wrong with a compiled library; None if nothing is.

    One that was loaded before is compared with the checksum of then. Another one is opened first in a process that may
    crash.
    """
    with contextlib.suppress(OSError, UnicodeDecodeError):
        noted = _note(path).read_text(encoding="ascii")
        return None if noted == _checksum(path) else "has changed since it was compiled"
    tried = [sys.executable, "-I", "-S", "-c", _TRIAL, path]
    if subprocess.run(tried, capture_output=True, start_new_session=True).returncode:  # where no Ctrl-C ends it
        return "is damaged"
    return None


def _checksum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _note(path: Path) -> Path:
    """Where the checksum of a library is noted; Brian2 clears no cache with files of other kinds in it."""
    place = hashlib.sha256(bytes(path.absolute())).hexdigest()[:16]
    return user_cache_path("corinfomax") / "compiled" / f"{path.stem}-{place}.sha256"
