"""The history of a run that goes on: one row an epoch."""

from collections.abc import Iterable

import numpy as np

from ...errors import RunError
from .folder import RunFolder

#: Columns that the histories of former versions do not have.
_LATER = {"evaluation_seconds"}


def taken_up(folder: RunFolder, epochs: int, needed: Iterable[str]) -> list[dict]:
    """Read the rows of the epochs that are done.

    Parameters
    ----------
    folder : RunFolder
    epochs : int
        How many are done; rows of further ones were written after the checkpoint, and are left out.
    needed : iterable of str
        Columns that each row must have a number in.

    Raises
    ------
    RunError
        If there is not one row for each epoch, or one lacks a number.
    """
    path = folder.path / "history.csv"
    rows = [row for row in folder.history() if row["epoch"] <= epochs]
    if [row["epoch"] for row in rows] != list(range(1, epochs + 1)):
        raise RunError(f"{path}: does not have one row for each of the {epochs} epochs that are done")
    needed = set(needed) - (_LATER - set().union(*rows))
    for row in rows:
        if missing := sorted(name for name in needed if not np.isfinite(row.get(name, np.nan))):
            raise RunError(f"{path}: has no {missing[0]} for epoch {row['epoch']:g}")
    return rows
