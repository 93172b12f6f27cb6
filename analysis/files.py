"""Writing files so that none is ever half written."""

import contextlib
import errno
import math
import os
import re
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from filelock import FileLock, Timeout

from ..errors import FolderInUseError, ParameterError, RunError


def make_folder(path: Path):
    """Make a folder, and those above it, if it is not there; a `RunError` names one that cannot be made."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{path}: cannot be made ({error.strerror})") from None


def is_there(path: Path) -> bool:
    """Whether there is something at this place; a `RunError` names one that may not be looked at."""
    try:
        return path.exists()
    except OSError as error:
        raise RunError(f"{path}: cannot be read ({error.strerror})") from None


def free_path(stem: Path, suffix: str = "") -> Path:
    """Return a path where nothing is yet: STEM, STEM-2, STEM-3, …, each with the suffix."""
    candidate, number = stem.with_name(f"{stem.name}{suffix}"), 1
    while is_there(candidate):
        number += 1
        candidate = stem.with_name(f"{stem.name}-{number}{suffix}")
    return candidate


#: What `beside` calls the files that take another one's place when they are complete, and their locks.
_TEMPORARY = re.compile(
    r"\.(?:(?P<name>.+(?P<suffix>\.[^.]*))\.[a-z0-9_]{8}(?P=suffix)|(?P<bare>[^.]+)\.[a-z0-9_]{8})(?:\.lock)?"
)
#: Locks of folders, which stay in them.
LOCK = ".lock"
#: What is perturbed in a run folder, if it is that of a perturbation experiment.
PERTURBATIONS = "perturbations.toml"
#: Seconds after which a file without a lock, that nobody has written to, is taken for what a killed process has left.
_ABANDONED = 3600.0
#: Locks of the temporary files that this process writes. A killed one's are free: so the next one may remove its files.
_held: dict[Path, FileLock] = {}


def remains(folder: Path) -> dict[Path, str]:
    """Find the temporary files in a folder, of processes that write or were killed, and whose place each is to take."""
    try:
        found = {path: _TEMPORARY.fullmatch(path.name) for path in folder.iterdir() if path.is_file()}
    except OSError:
        return {}
    return {path: matched["name"] or matched["bare"] for path, matched in found.items() if matched is not None}


def remove_remains(folder: Path, names: Callable[[str], bool] = lambda name: True):
    """Remove the temporary files in a folder that killed processes have left; those that are being written stay.

    Parameters
    ----------
    folder : Path
        One that no former version, whose files have no locks, writes into.
    names : callable
        Whether a name is that of such a file.
    """
    for path, name in remains(folder).items():
        if names(name):
            _remove_abandoned(path, age=-math.inf)


def _remove_abandoned(left: Path, age: float):
    """Remove a temporary file and its lock, unless a process holds it; one without a lock, if it is so old, in s."""
    temporary = left.with_name(left.name.removesuffix(LOCK))
    lock = _lock_of(temporary)
    with contextlib.suppress(OSError, Timeout, NotImplementedError):
        if not os.path.exists(lock.lock_file):
            if time.time() - left.stat().st_mtime > age:
                left.unlink()
            return
        lock.acquire(timeout=0)
        try:
            temporary.unlink(missing_ok=True)
        finally:
            _let_go(lock)


def _lock_of(temporary: Path) -> FileLock:
    return FileLock(temporary.with_name(temporary.name + LOCK), thread_local=False)


def _let_go(lock: FileLock):
    with contextlib.suppress(OSError):
        Path(lock.lock_file).unlink(missing_ok=True)  # filelock sees that a lock is of a file that is gone
    lock.release()


def is_unused(folder: Path, *others: str) -> bool:
    """Whether nothing is at this place, or a folder with nothing in it but what a killed process has left.

    Parameters
    ----------
    folder : Path
    *others : str
        Names of files that do not count.
    """
    if not is_there(folder):
        return not folder.is_symlink()
    left = {path.name for path in remains(folder)}
    try:
        return folder.is_dir() and all(path.name in (LOCK, *left, *others) for path in folder.iterdir())
    except OSError as error:
        raise RunError(f"{folder}: cannot be read ({error.strerror})") from None


def check_unused(folder: Path):
    """Raise a `RunError` for a place that is not unused; the place is one that ``--out`` names."""
    if not is_unused(folder):
        raise RunError(f"{folder}: holds something else; choose another folder with --out")


@contextlib.contextmanager
def locked_folder(folder: Path, told: str) -> Iterator[None]:
    """Keep other processes from what is done in a folder that is there.

    Parameters
    ----------
    folder : Path
    told : str
        What another process does that has it.

    Raises
    ------
    FolderInUseError
        In one line, if another process has it.
    """
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise FolderInUseError(f"{folder}: another process {told}") from None
    except NotImplementedError:
        pass  # the file system has no locks
    except OSError as error:
        raise RunError(f"{folder}: cannot be written to ({error.strerror or error})") from None
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def sole_writer(path: Path) -> Iterator[None]:
    """Keep others, in this process and in others, from writing what is to take the place of `path`.

    Raises
    ------
    RunError
        In one line, if another does; or if the folder cannot be written to.
    """
    place = path.resolve()
    if not place.parent.is_dir():  # filelock would make it
        raise RunError(f"{path}: cannot be written ({os.strerror(errno.ENOENT)})")
    lock = FileLock(place.with_name(f".{place.name}.lock"), thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise RunError(f"{path}: another recorder or process is writing it; choose another name") from None
    except OSError as error:
        raise RunError(_unwritten(path, error)) from None
    try:
        yield
    finally:
        _let_go(lock)


def check_new(path: Path, overwrite: bool):
    """Raise a `ParameterError` for a file that is there already, unless it may be replaced."""
    if is_there(path) and not overwrite:
        raise ParameterError(f"{path}: exists; choose another name, or replace it with overwrite=True")


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Open a file that takes the place of `path` once it is complete and on disk.

    It is written beside its place and then moved there, so that a full disk or a kill leaves an old one whole.

    Parameters
    ----------
    path : Path
        Where the file is to be.

    Yields
    ------
    binary file
        Open for writing.

    Raises
    ------
    RunError
        In one line that names `path`, if it cannot be written.
    """
    with replacing_path(path) as temporary, open(temporary, "wb") as file:
        yield file


@contextlib.contextmanager
def replacing_path(path: Path) -> Iterator[Path]:
    """As `replacing`, for libraries that open files by their names: gives the name of an empty file to write."""
    temporary = None
    try:
        temporary = beside(path)
        yield temporary
        put_in_place(temporary, path)
    except OSError as error:
        raise RunError(_unwritten(path, error)) from None
    finally:
        if temporary is not None:
            discard(temporary)


def beside(path: Path) -> Path:
    """Make an empty file beside `path`, of a hidden name with the same ending, and hold its lock.

    `put_in_place` and `discard` end that. What killed processes have left of the same kind is removed.

    Raises
    ------
    RunError
        In one line, if it cannot be made.
    """
    if os.path.exists(path) and not path.is_file():
        raise RunError(f"{path}: is no regular file; choose another name")
    for left, name in remains(path.parent).items():
        if name == path.name:
            _remove_abandoned(left, _ABANDONED)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}{path.suffix}")
    try:
        if not path.parent.is_dir():  # filelock would make it
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
        _hold(temporary)
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except OSError as error:
        discard(temporary)
        raise RunError(_unwritten(path, error)) from None
    return temporary


def _hold(temporary: Path):
    lock = _lock_of(temporary)
    try:
        lock.acquire(timeout=0)
        _held[temporary] = lock
    except NotImplementedError:  # the file system has no locks
        Path(lock.lock_file).unlink(missing_ok=True)


def discard(temporary: Path):
    """Let go of a temporary file, and remove it if it is still there."""
    with contextlib.suppress(OSError):
        temporary.unlink(missing_ok=True)
    release(temporary)


def release(temporary: Path):
    """Let go of a temporary file, wherever it was moved to."""
    lock = _held.pop(temporary, None)
    if lock is not None:
        _let_go(lock)


def put_in_place(temporary: Path, path: Path):
    """Move a complete file to its place, once it is on disk."""
    with open(temporary, "rb+") as file:
        os.fsync(file.fileno())
    os.umask(mask := os.umask(0))  # there is no other way to ask for it
    os.chmod(temporary, 0o666 & ~mask)
    os.replace(temporary, path)
    release(temporary)


def _unwritten(path: Path, error: OSError) -> str:
    kept = "; the previous one is whole" if os.path.isfile(path) else ""
    return f"{path}: cannot be written ({error.strerror or error}){kept}"
