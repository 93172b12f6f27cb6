"""Stimuli of a run: loaded, and made to fit the model that is to learn them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel

from ...errors import CorInfoMaxError, ParameterError
from ...networks.trainable import Trainable
from ...parameters import SIZES, played_by
from ...stimuli import targets
from ...stimuli.scale import off_the_scale
from ...stimuli.stimuli import Stimuli
from ..examinations.inputs import BIAS, lacks_bias
from ..systems import model_named
from .loading import StimulusSource
from .sections import StimuliSection

if TYPE_CHECKING:
    from ..clockwork.protocol import Protocol

#: Validation stimuli are the same in all runs, so that settings are compared on the same.
_VALIDATION_SEED = 0


def fitting_stimuli(
    section: StimuliSection,
    model: str,
    circuit: BaseModel,
    dtype: str,
    source: str = "configuration",
    loaded_from: StimulusSource | None = None,
) -> Stimuli:
    """Load stimuli, normalise and split them if asked to, and check that they fit the model.

    Parameters
    ----------
    section : StimuliSection
    model : str
        Of `MODELS`.
    circuit : BaseModel
        Its section ``[circuit]``.
    dtype : {"float32", "float64"}
    source : str
        What error messages name.
    loaded_from : StimulusSource, optional

    Returns
    -------
    Stimuli
        Without targets if the model needs none and could not learn the set's.

    Raises
    ------
    ParameterError
        In one line, for stimuli of a task that the model cannot learn, of other sizes than it, or out of range.
    """
    stimuli = (loaded_from or StimulusSource()).load(section.stimuli, section.data)
    try:
        if section.mean is not None or section.std is not None:
            stimuli = stimuli.normalised(section.mean, section.std)
        if section.target_mean is not None or section.target_std is not None:
            stimuli = targets.scaled(stimuli, section.target_mean, section.target_std)
    except CorInfoMaxError as error:
        raise ParameterError(f"{source}, [stimuli]: {error}; --set scale=auto chooses anew") from None
    try:
        stimuli = of_task(stimuli, model)
        if section.validation is not None:
            if stimuli.task == "none":
                raise ParameterError(f"validation = {section.validation:g}: {model} learns without targets to judge by")
            stimuli = stimuli.with_validation(section.validation, seed=_VALIDATION_SEED)
    except CorInfoMaxError as error:
        raise ParameterError(f"{source}, [stimuli]: {error}") from None
    for key in played_by(type(circuit), SIZES):
        _check_sizes(stimuli, key, getattr(circuit, key), source)
    limit = np.finfo(dtype).max
    for name, array in _arrays(stimuli).items():
        if (largest := max(array.max(), -array.min())) > limit:
            given = {"mean": section.mean, "std": section.std} if name.startswith("x_") else {}
            cause = "".join(f" with {key} = {value!r}" for key, value in given.items() if value is not None)
            raise ParameterError(
                f"{source}: dtype = {dtype} ends at {limit:.3g}; {name} of {stimuli.name!r} reaches {largest:.3g}"
                f"{cause}"
            )
    return stimuli


def of_task(stimuli: Stimuli, model: str) -> Stimuli:
    """Refuse stimuli that the model cannot learn, and leave targets out that it does not need."""
    tasks = model_named(model).tasks
    if stimuli.task == "classification" and stimuli.outputs < 2:
        raise ParameterError(f"{stimuli.name!r} has one class only, so that there is nothing to learn; allowed are two")
    if stimuli.task in tasks:
        return stimuli
    if "none" in tasks:
        return replace(stimuli, task="none", **{f"y_{part}": None for part in stimuli.parts})
    kind = "no targets" if stimuli.task == "none" else f"the task {stimuli.task}"
    raise ParameterError(f"{model} cannot learn {stimuli.name!r}, which has {kind}; allowed: {', '.join(tasks)}")


def _check_sizes(stimuli: Stimuli, key: str, sizes: Any, source: str):
    if sizes is None:
        return
    if sizes[0] != stimuli.inputs or (stimuli.outputs and sizes[-1] != stimuli.outputs):
        outputs = f" and {stimuli.outputs} outputs" if stimuli.outputs else ""
        fitting = [stimuli.inputs, *list(sizes)[1:-1], stimuli.outputs or sizes[-1]]
        raise ParameterError(
            f"{source}: {key} = {list(sizes)}: the stimuli {stimuli.name!r} have {stimuli.inputs} inputs{outputs}; "
            f"this would fit: --set '{key}={fitting}'"
        )


def _arrays(stimuli: Stimuli) -> Mapping[str, np.ndarray]:
    names = [f"{kind}_{part}" for part in stimuli.parts for kind in ("x", "y")]
    return {name: getattr(stimuli, name) for name in names if getattr(stimuli, name) is not None}


def warnings_about(circuit: Trainable, stimuli: Stimuli, protocol: Protocol | None = None) -> list[str]:
    """Say what of the stimuli does not suit a circuit, a line for each thing.

    Parameters
    ----------
    circuit : Trainable
    stimuli : Stimuli
        As they are presented.
    protocol : Protocol, optional
    """
    found = []
    if stimuli.task != "none" and (off := off_the_scale(stimuli.x_train)) is not None:
        found.append(f'The {off}: scale = "auto" without mean and std brings them there.')
    if lacks_bias(circuit, stimuli):
        found.append(f"The circuit has no bias, and its {stimuli.inputs} inputs are never negative: {BIAS}.")
    if (outside := targets_out_of_reach(circuit, stimuli)) is not None:
        found.append(outside)
    if (short := too_short(circuit, protocol)) is not None:
        found.append(short)
    if stimuli.task == "regression" and not np.ptp(stimuli.y_train, axis=0).any():
        found.append(f"Targets of {stimuli.name} are all the same, so that there is nothing to learn and no R².")
    return found


def targets_out_of_reach(circuit: Trainable, stimuli: Stimuli) -> str | None:
    """One line if rates of the output layer cannot reach all targets, else None.

    Parameters
    ----------
    circuit : Trainable
        One whose outputs are bounded has `bounds`, and perhaps `layer_domains`, by layer.
    stimuli : Stimuli
    """
    output, y = circuit.output, stimuli.y_train
    bounds = getattr(circuit, "bounds", {})
    if y is None or output not in bounds:
        return None
    low, high = bounds[output]
    if low <= y.min() and y.max() <= high:
        domain = getattr(circuit, "layer_domains", {}).get(output)
        worst = 0.0 if domain is None else domain.outside(y).max()
        if worst <= np.finfo(np.float32).eps * y.shape[1]:
            return None
        return (
            f"Targets of {stimuli.name} lie outside the output layer's domain, the worst by {worst:.3g}: "
            "take another domain, or other targets."
        )
    return (
        f"Targets of {stimuli.name} reach from {y.min():g} to {y.max():g}, rates of the output layer from "
        f"{low:g} to {high:g} only: target_mean and target_std bring the targets there; without these keys "
        'scale = "auto" does.'
    )


def too_short(circuit: Trainable, protocol: Protocol | None) -> str | None:
    """One line if a presentation's phases are over before activity has moved, else None.

    Parameters
    ----------
    circuit : Trainable
    protocol : Protocol or None

    Notes
    -----
    The fastest time constant is taken of the bound of Euler's step, 2/bound being the fastest rate of relaxation.
    """
    bound = getattr(circuit, "step_bound", lambda beta: np.inf)(0.0)
    if protocol is None or not np.isfinite(bound) or getattr(circuit, "starts_settled", False):
        return None
    name = protocol.predicting_phase
    phases = protocol.phases if name is None else [phase for phase in protocol.phases if phase.name == name]
    lasts = sum(float(protocol.eta(phase).sum()) for phase in phases)
    share = 2 * lasts / bound
    if share >= 1:
        return None
    what = "The presentation" if name is None else f"Phase {name!r}"
    return (
        f"{what} lasts {lasts:.3g} τ, {share:.2g} of the cells' fastest time constant, and ends before activity has "
        f"moved: take a larger step (it is {protocol.step:g}) or more steps."
    )
