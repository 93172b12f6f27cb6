"""Writing files so that none is ever half written."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from ..errors import RunError


def make_folder(path: Path):
    """Make a folder, and those above it, if it is not there; a `RunError` names one that cannot be made."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{path}: cannot be made ({error.strerror})") from None


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
    if path.exists() and not path.is_file():
        raise RunError(f"{path}: is no regular file; choose another name")
    temporary = None
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            temporary = file.name
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.umask(mask := os.umask(0))  # there is no other way to ask for it
        os.chmod(temporary, 0o666 & ~mask)
        os.replace(temporary, path)
    except OSError as error:
        reason = error.strerror or str(error)
        kept = "; the previous one is whole" if path.is_file() else ""
        raise RunError(f"{path}: cannot be written ({reason}){kept}") from None
    finally:
        if temporary is not None and os.path.exists(temporary):
            os.unlink(temporary)
