"""HDF5 files, read without trusting them: they stand for themselves, and damage is one line."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ..archives import check_expansion
from ..errors import RunError

#: From this version of its superblock on, a file has checksums of all its structure; those of 0.1 and 0.2 have none.
_CHECKSUMS = 3
_SIGNATURE = b"\x89HDF\r\n\x1a\n"
#: Walks through the structure of a file, without its numbers.
_WALK = """
import sys, h5py
def look(name, item):
    dict(item.attrs)
    if isinstance(item, h5py.Dataset):
        if item.chunks:
            item.id.get_num_chunks()
        if item.dtype.hasobject:
            item[()]
with h5py.File(sys.argv[1], "r") as file:
    look("/", file)
    file.visititems(look)
"""
#: Chunks that a dataset may lack: to read one takes HDF5 kilobytes, even where it holds a few bytes, or is not there.
_MOST_MISSING = 1000
#: Seconds that this may take.
_LONGEST = 60.0


def opened(path: str | os.PathLike) -> h5py.File:
    """Open a file for reading; a `RunError` of one line says why it cannot be."""
    try:
        _check_end(path)
        return h5py.File(path, "r")
    except RunError:
        raise
    except FileNotFoundError:
        raise RunError(f"{path}: no such file") from None
    except Exception as error:  # h5py's for damaged files are of many kinds
        raise RunError(f"{path}: not a readable HDF5 file ({one_line(error)})") from None


def _check_end(path: str | os.PathLike):
    """Refuse a file that HDF5 does not come to an end of: without checksums, damage can lead it in circles.

    That is found out in a process of its own, for this one could only be killed. Errors are told where it is read.
    """
    with open(path, "rb") as file:
        start = file.read(9)
    if start[:8] != _SIGNATURE or start[8] >= _CHECKSUMS or not sys.executable:
        return
    walk = [sys.executable, "-c", _WALK, os.fspath(path)]
    try:
        ended = subprocess.run(walk, stdin=subprocess.DEVNULL, capture_output=True, timeout=_LONGEST, check=False)
    except subprocess.TimeoutExpired:
        raise RunError(f"{path}: damaged (HDF5 does not come to an end of it in {_LONGEST:g} s)") from None
    if ended.returncode < 0:
        raise RunError(f"{path}: damaged (HDF5 fails on it)")


def check_self_contained(file: h5py.File):
    """Compare each object with what this package writes.

    Raises
    ------
    ValueError
        For a link to another file or place, which is not followed; data that lie in other files; and data that claim to
        be far more, or in far more chunks, than the file holds of them.
    """

    def look(name, link) -> str | None:  # h5py goes on until something is returned; errors do not come through
        try:
            return _stray(file, name, link)
        except Exception as error:
            return one_line(error)

    if stray := file.visititems_links(look):
        raise ValueError(stray)


def _stray(file: h5py.File, name: str, link) -> str | None:
    if not isinstance(link, h5py.HardLink):
        return f"{name} is a link, which is not followed"
    item = file[name]
    if isinstance(item, h5py.Dataset):
        if item.external or item.is_virtual:
            return f"the data of {name} lie in other files, which are not read"
        check_expansion(item.id.get_storage_size(), item.nbytes)
        if item.chunks:
            claimed = math.prod(-(-size // chunk) for size, chunk in zip(item.shape, item.chunks, strict=True))
            held = item.id.get_num_chunks()
            if claimed - held > _MOST_MISSING:
                return f"{name} claims {claimed} chunks, of which the file holds {held}"
    return None


def read(dataset: h5py.Dataset, index: Any = ()) -> np.ndarray:
    """Read a part of a dataset; a `RunError` of one line if the file is damaged there."""
    try:
        return dataset[index]
    except (OSError, RuntimeError, MemoryError) as error:
        raise RunError(f"{Path(dataset.file.filename)}: damaged ({dataset.name}: {one_line(error)})") from None


def one_line(error: Exception) -> str:
    """What an error says, in one line."""
    return " ".join(str(error).split()) or type(error).__name__
