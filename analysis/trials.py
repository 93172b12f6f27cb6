"""Tables of trials and phases of a recording, as arrays, compared with each other."""

from __future__ import annotations

import h5py
import numpy as np

from .former import choices_of
from .hdf5 import read

_TRIALS = ("start", "stop", "beta", "learn", "complete", "presented", "stimulus", "label")
_PHASES = ("trial", "name", "start", "stop", "beta_first", "beta_last")


def read_trials(file: h5py.File) -> dict[str, np.ndarray]:
    """Read the table of trials, a row for each presentation.

    Returns
    -------
    dict of str to ndarray
        ``stimulus`` and ``label`` are (presentations, replicas), of which the first ``presented`` count.

    Raises
    ------
    ValueError
        If its columns do not fit each other.
    """
    columns = {name: read(file["trials"][name]) for name in _TRIALS}
    columns |= {name: columns[name].astype(bool) for name in ("learn", "complete")}
    shape = (len(columns["start"]), int(file.attrs["replicas"]))
    for name in ("stimulus", "label"):
        if columns[name].shape != shape:
            raise ValueError(f"{name} of trials has shape {columns[name].shape}, expected {shape}")
    _check_lengths(columns)
    names = read_class_names(file)
    if names is not None and columns["label"].max(initial=-1) >= len(names):
        raise ValueError("labels of trials are beyond the names of classes")
    _check_range("stimuli of trials", columns["presented"], shape[1] + 1)
    _check_times("trials", columns)
    return columns


def read_phases(file: h5py.File, trials: int) -> tuple[dict[str, np.ndarray], list[str]]:
    """Read the table of phases, and the names that its column ``name`` numbers.

    Parameters
    ----------
    file : h5py.File
    trials : int
        How many there are.

    Raises
    ------
    ValueError
        If its columns do not fit each other, or trials that are not there.
    """
    columns = {name: read(file["phases"][name]) for name in _PHASES}
    if "taught" in file["phases"]:
        columns["taught"] = read(file["phases/taught"]).astype(bool)
    else:  # of an earlier version, which knew no other teacher than one that nudges
        columns["taught"] = (columns["beta_first"] != 0) | (columns["beta_last"] != 0)
    names = choices_of(file["phases/name"])
    _check_lengths(columns)
    _check_range("names of phases", columns["name"], len(names))
    check_rows("phases", "trials", columns["trial"], trials)
    _check_times("phases", columns)
    return columns, names


def read_class_names(file: h5py.File) -> list[str] | None:
    """Read what classes are called, None where a recording does not say."""
    names = file["trials/label"].attrs.get("names")
    return None if names is None else [str(name) for name in names]


def check_rows(what: str, table: str, rows: np.ndarray, count: int):
    """Raise a `ValueError` unless these are rows of a table of so many, in its order."""
    _check_range(f"{what} are of {table} that are not there: rows", rows, count)
    if (np.diff(rows) < 0).any():
        raise ValueError(f"{what} are not in the order of their {table}")


def check_clock(what: str, times: np.ndarray):
    """Raise a `ValueError` unless times are finite and increase."""
    if not (np.isfinite(times).all() and (np.diff(times) > 0).all()):
        raise ValueError(f"times of {what} do not increase")


def _check_lengths(columns: dict[str, np.ndarray]):
    if len({len(values) for values in columns.values()}) > 1:
        raise ValueError("columns of a table differ in length")


def _check_range(what: str, numbers: np.ndarray, count: int):
    if numbers.dtype.kind not in "iu":
        raise ValueError(f"{what} are no whole numbers")
    if (wrong := numbers[(numbers < 0) | (numbers >= count)]).size:
        raise ValueError(f"{what} are out of range: {wrong[0]}, where there are {count}")


def _check_times(what: str, columns: dict[str, np.ndarray]):
    start, stop = columns["start"], columns["stop"]
    if not (np.isfinite(start).all() and np.isfinite(stop).all()):
        raise ValueError(f"times of {what} are not finite")
    if (stop < start).any() or (start[1:] < stop[:-1]).any():
        raise ValueError(f"{what} overlap, or end before they begin")
