"""Packed files, read without trusting them: damage is one kind of error, and bombs are not unpacked.

A small file can claim, or hold, far more than memory. What is refused is more than 200 times as large as its file and
above 256 MB: deflate reaches 1000 times on zeros, data of experiments hardly 20 times, and large sets are large files.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np

#: What is both so many times larger than its file and of more bytes is refused.
MOST_EXPANSION, LARGE = 200, 256 * 10**6
#: First bytes of a single array, and of archives with and without members.
_BEGINS = (b"\x93NUMPY", b"PK\x03\x04", b"PK\x05\x06")


class ArchiveError(ValueError):
    """A packed file that is damaged, or would unpack to too much; the message says which, in one line."""


def check_expansion(packed: int, unpacked: int):
    """Raise `ArchiveError` for a bomb: what unpacks to far more than is packed.

    Parameters
    ----------
    packed, unpacked : int
        Bytes of the file, and those that it claims or was found to hold.
    """
    if unpacked > LARGE and unpacked > MOST_EXPANSION * packed:
        raise ArchiveError(
            f"{packed} bytes would unpack to {unpacked} or more; allowed are {MOST_EXPANSION} times as many, "
            f"or {LARGE // 10**6} MB"
        )


class Bounded:
    """A stream that unpacks a file, up to what a file of its size may hold.

    Parameters
    ----------
    stream : binary file
    packed : int
        Bytes of the packed file.
    """

    def __init__(self, stream: IO[bytes], packed: int):
        self._stream, self._packed, self._unpacked = stream, packed, 0

    def read(self, size: int) -> bytes:
        """Read so many bytes, or what is left; `ArchiveError` if the file has turned out to be a bomb."""
        content = self._stream.read(size)
        self._unpacked += len(content)
        check_expansion(self._packed, self._unpacked)
        return content


@contextmanager
def opened_npz(path: str | os.PathLike) -> Iterator[np.lib.npyio.NpzFile]:
    """Open an ``.npz`` file, whose arrays `read_member` reads; objects in it stay packed.

    Raises
    ------
    FileNotFoundError
    ArchiveError
        For whatever else is wrong: no archive, a single array, or a bomb, by the sizes that its directory tells.
    """
    with _told():
        with Path(path).open("rb") as file:
            if not file.read(len(_BEGINS[0])).startswith(_BEGINS):
                # NumPy would take it for a pickle, and say how to load one all the same.
                raise ArchiveError("it begins as no archive does")
        archive = np.load(path, allow_pickle=False)
    if not isinstance(archive, np.lib.npyio.NpzFile):
        raise ArchiveError("is a single array, no archive of them")
    with archive:
        with _told():
            check_expansion(Path(path).stat().st_size, sum(member.file_size for member in archive.zip.infolist()))
        yield archive


def read_member(archive: np.lib.npyio.NpzFile, key: str) -> np.ndarray:
    """Read one array of an archive; `ArchiveError` if it is damaged, encrypted, packed in a strange way or no array."""
    with _told():
        array = archive[key]
    if not isinstance(array, np.ndarray):
        raise ArchiveError("is not an array")
    return array


@contextmanager
def _told() -> Iterator[None]:
    """Turn whatever zipfile, zlib and NumPy raise for damaged files into `ArchiveError`.

    These are of many kinds: a header's text is tokenised and parsed as Python, so that it can fail as code does.
    """
    try:
        yield
    except (FileNotFoundError, ArchiveError):
        raise
    except Exception as error:
        raise ArchiveError(" ".join(str(error).split()) or type(error).__name__) from error
