"""Checkpoints: reading them back, with all that can be wrong with one."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ...analysis.former import converted_checkpoint
from ...errors import ParameterError, RunError
from ...stimuli import Stimuli
from . import paths, reading
from .configuration import Configuration
from .folder import RunFolder

NAME = "checkpoint.npz"

#: What a run that is taken up again may change: its length, where the data and the compiler lie, how many cores it has.
_CHANGEABLE = ("epochs", "data", "target", "blas_threads")


def checkpoint_path(folder: RunFolder) -> Path:
    """Path of a run's checkpoint; a `RunError` if there is none."""
    path = folder.path / NAME
    if not folder.has(NAME):
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
        values = reading.sections(str(state["configuration"]), path)
        # A model of one's own is imported by the configuration alone, and never because a checkpoint names it.
        model = values.get("circuit", {}).get("model")
        if model is not None and _name(model) == _name(configuration.model):
            values["circuit"]["model"] = configuration.model
        elif model not in (None, configuration.model):
            raise _other(folder, "model", model, configuration.model)
        saved = Configuration(values, str(path)).beside_modules()
        for key in ("epoch", "batch"):
            if state[key].shape != () or state[key].dtype.kind not in "iu" or state[key] < 0:
                raise ParameterError(f"{key} is no whole number")
    except (KeyError, ParameterError) as error:
        raise damaged(folder, error) from None
    # The folder holds copies of modules with code of one's own, and may have moved.
    _check_same(folder, saved, configuration.beside_modules())
    return state


def check_named_code(folder: RunFolder):
    """Raise a `RunError` if the folder's configuration is not the checkpoint's; no code is imported to find out.

    To be called before code is imported that the folder names. Passes if there is no checkpoint.
    """
    if not folder.has(NAME):
        return
    own = reading.read(folder.path / "config.toml")
    state = folder.arrays(NAME)
    try:
        saved = reading.sections(str(state["configuration"]), folder.path / NAME)
    except (KeyError, ParameterError) as error:
        raise damaged(folder, error) from None
    by_name = ({section: _named(keys) for section, keys in values.items()} for values in (saved, own))
    _check_same(folder, *by_name)


def _check_same(folder: RunFolder, saved: Mapping[str, Mapping], own: Mapping[str, Mapping]):
    for section, keys in own.items():
        there = saved.get(section, {})
        for key in dict.fromkeys((*keys, *there)):  # what is None stands in neither
            value, theirs = keys.get(key), there.get(key)
            # Not a number is no other number, but the same text: courses of single cells have it.
            if key not in _CHANGEABLE and theirs != value and repr(theirs) != repr(value):
                raise _other(folder, key, theirs, value)


def _other(folder: RunFolder, key: str, theirs: Any, own: Any) -> RunError:
    return RunError(
        f"{folder.path / NAME}: of another configuration, with {key} = {theirs!r}, where {own!r} is asked for; a run "
        f"goes on as it began, by {folder.path / 'config.toml'}"
    )


def _named(value: Any) -> Any:
    """Leave out the folders of the modules that strings name."""
    if isinstance(value, Mapping):
        return {key: _named(item) for key, item in value.items()}
    return [_named(item) for item in value] if isinstance(value, list) else _name(value)


def _name(reference: Any) -> Any:
    return paths.named(reference) if isinstance(reference, str) else reference


def check_stimuli(folder: RunFolder, state: Mapping[str, np.ndarray], stimuli: Stimuli):
    """Raise a `RunError` if stimuli are others than those that a checkpoint's run was trained on."""
    if str(state["stimuli"]) != stimuli.digest:
        raise RunError(f"{folder.path / NAME}: of other stimuli than those that {stimuli.name} has now")


def trained_stimuli(folder: RunFolder, configuration: Configuration) -> Stimuli:
    """Load a run's stimuli; a `RunError` if they have been changed since it was trained."""
    stimuli = configuration.load_stimuli()
    if folder.has(NAME):
        check_stimuli(folder, read_checkpoint(folder, configuration), stimuli)
    return stimuli


def damaged(folder: RunFolder, error: Exception) -> RunError:
    """Say in one line that a checkpoint is damaged."""
    return RunError(f"{folder.path / NAME}: damaged ({' '.join(str(error).split())})")
