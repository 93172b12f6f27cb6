"""HDF5 files, read without trusting them: they stand for themselves, and damage is one line."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ..archives import check_expansion
from ..errors import RunError


def opened(path: str | os.PathLike) -> h5py.File:
    """Open a file for reading; a `RunError` of one line says why it cannot be."""
    try:
        return h5py.File(path, "r")
    except FileNotFoundError:
        raise RunError(f"{path}: no such file") from None
    except Exception as error:  # h5py's for damaged files are of many kinds
        raise RunError(f"{path}: not a readable HDF5 file ({one_line(error)})") from None


def check_self_contained(file: h5py.File):
    """Compare each object with what this package writes.

    Raises
    ------
    ValueError
        For a link to another file or place, which is not followed; data that lie in other files; and data that claim to
        be far more than the file holds of them.
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
