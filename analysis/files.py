"""Writing files so that none is ever half written."""

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from filelock import FileLock, Timeout

from ..errors import RunError


def make_folder(path: Path):
    """Make a folder, and those above it, if it is not there; a `RunError` names one that cannot be made."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{path}: cannot be made ({error.strerror})") from None


def free_path(stem: Path, suffix: str = "") -> Path:
    """Return a path where nothing is yet: STEM, STEM-2, STEM-3, …, each with the suffix."""
    candidate, number = stem.with_name(f"{stem.name}{suffix}"), 1
    while candidate.exists():
        number += 1
        candidate = stem.with_name(f"{stem.name}-{number}{suffix}")
    return candidate


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
        Path(lock.lock_file).unlink(missing_ok=True)  # filelock sees that a lock is of a file that is gone
        lock.release()


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
        if temporary is not None and temporary.exists():
            temporary.unlink()


def beside(path: Path) -> Path:
    """Make an empty file beside `path`, of a hidden name with the same ending; a `RunError` if that cannot be."""
    if path.exists() and not path.is_file():
        raise RunError(f"{path}: is no regular file; choose another name")
    try:
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix)
    except OSError as error:
        raise RunError(_unwritten(path, error)) from None
    os.close(descriptor)
    return Path(temporary)


def put_in_place(temporary: Path, path: Path):
    """Move a complete file to its place, once it is on disk."""
    with open(temporary, "rb+") as file:
        os.fsync(file.fileno())
    os.umask(mask := os.umask(0))  # there is no other way to ask for it
    os.chmod(temporary, 0o666 & ~mask)
    os.replace(temporary, path)


def _unwritten(path: Path, error: OSError) -> str:
    kept = "; the previous one is whole" if path.is_file() else ""
    return f"{path}: cannot be written ({error.strerror or error}){kept}"
