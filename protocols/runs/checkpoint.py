"""Checkpoints: reading them back, with all that can be wrong with one."""

from pathlib import Path

import numpy as np

from ...analysis.former import converted_checkpoint
from ...errors import ParameterError, RunError
from .configuration import Configuration
from .folder import RunFolder

NAME = "checkpoint.npz"

#: What a run that is taken up again may change: its length, where the data and the compiler lie, how many cores it has.
_CHANGEABLE = ("epochs", "data", "target", "blas_threads")


def checkpoint_path(folder: RunFolder) -> Path:
    """Path of a run's checkpoint; a `RunError` if there is none."""
    path = folder.path / NAME
    if not path.exists():
        raise RunError(f"{path}: no such file")
    return path


def read_checkpoint(folder: RunFolder, configuration: Configuration) -> dict[str, np.ndarray]:
    """Read a run's checkpoint, as today's version writes it: one of version 0.1.0 is converted.

    Parameters
    ----------
    folder : RunFolder
    configuration : Configuration
        Of the run, or what it is to go on with.

    Returns
    -------
    dict of str to ndarray

    Raises
    ------
    RunError
        If there is none, if it is damaged, or if it was written with another configuration or by a newer version.
    """
    path = checkpoint_path(folder)
    state = converted_checkpoint(folder.arrays(NAME), path)
    try:
        saved = Configuration.from_toml(str(state["configuration"])).beside_modules()
        for key in ("epoch", "batch"):
            if state[key].shape != () or state[key].dtype.kind not in "iu" or state[key] < 0:
                raise ParameterError(f"{key} is no whole number")
    except (KeyError, ParameterError) as error:
        raise damaged(folder, error) from None
    # The folder holds copies of modules with code of one's own, and may have moved.
    for section, keys in configuration.beside_modules().items():
        for key, value in keys.items():
            theirs = saved.get(section, {}).get(key)
            # Not a number is no other number, but the same text: courses of single cells have it.
            if key not in _CHANGEABLE and theirs != value and repr(theirs) != repr(value):
                raise RunError(
                    f"{path}: of another configuration, with {key} = {theirs!r} in place of {value!r}; the run's own "
                    f"is {folder.path / 'config.toml'}"
                )
    return state


def damaged(folder: RunFolder, error: Exception) -> RunError:
    """Say in one line that a checkpoint is damaged."""
    return RunError(f"{folder.path / NAME}: damaged ({' '.join(str(error).split())})")
