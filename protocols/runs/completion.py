"""What a parameter file leaves to the stimuli at hand: their scale, the architecture, biases, the gain of the output.

A configuration that comes out of here has numbers where the file had none, or "auto". The run's own file holds these
numbers, so that what a run is made of does not change when the stimuli do.
"""

from collections.abc import Container, Mapping
from typing import Any

from ...parameters import AUTO, SIZES, played_by
from ...stimuli.scale import rates_of
from ...stimuli.targets import scale_of
from . import reading
from .fitting import of_task
from .loading import StimulusSource
from .paths import Schemas, Sections

#: Keys that state the scale of inputs, and that of targets: where one of a pair is given, the pair is not chosen.
_INPUTS, _TARGETS = ("mean", "std"), ("target_mean", "target_std")
#: Cells of the hidden layer, where nobody says how many.
_HIDDEN = 64


def complete(values: Sections, schemas: Schemas, model: str, source: StimulusSource) -> list[str]:
    """Enter what the stimuli decide and the file leaves open.

    Parameters
    ----------
    values : dict of str to dict
        Sections of keys, which are changed; those that are given stay.
    schemas : mapping of str to type of BaseModel
        Of the sections.
    model : str
        Of `MODELS`.
    source : StimulusSource

    Returns
    -------
    list of str
        A line for each choice.

    Raises
    ------
    ParameterError
        For stimuli without targets where the sizes are missing of a model that needs some.
    """
    section, circuit = values.setdefault("stimuli", {}), values.setdefault("circuit", {})
    fields = schemas["circuit"].model_fields
    if reading.is_ones_own(section.get("stimuli")):
        section.setdefault("scale", AUTO)
        if "bias" in fields:
            circuit.setdefault("bias", True)
    sizes = [key for key in played_by(schemas["circuit"], SIZES) if key not in circuit and fields[key].is_required()]
    auto = section.get("scale") == AUTO
    inputs, targets = (auto and not any(key in section for key in pair) for pair in (_INPUTS, _TARGETS))
    if not (sizes or inputs or targets) or not isinstance(section.get("stimuli"), str):
        return []
    stimuli, lines = source.load(section["stimuli"], section.get("data")), []
    if inputs:
        section["mean"], section["std"] = rates_of(stimuli.x_train, image=stimuli.image_shape is not None)
        if isinstance(section["mean"], list):
            what = "each input by its own least and largest training value"
        else:
            what = f"all inputs from {section['mean']:g} … {section['mean'] + section['std']:g}"
        lines.append(f'Inputs are scaled to 0 … 1: {what} (scale = "none" leaves them as they are).')
    if targets and stimuli.task == "regression":
        section["target_mean"], section["target_std"] = scale_of(stimuli.y_train)
        lines.append("Targets are scaled to 0 … 1: each by its own least and largest training value.")
    if sizes and not stimuli.outputs:
        of_task(stimuli, model)  # a model that needs targets is told apart from one that has other sizes
        return lines
    for key in sizes:
        circuit[key] = [stimuli.inputs, _HIDDEN, stimuli.outputs]
    return lines


def take_scale_anew(section: dict[str, Any], given: Container[str], source: str) -> list[str]:
    """Forget a file's numbers of a scale where "auto" is set beside the file; tell where they stay for other stimuli.

    Parameters
    ----------
    section : dict
        Section ``[stimuli]``, which is changed.
    given : container of str
        Keys that are set beside the file.
    source : str
        The file.

    Returns
    -------
    list of str
        A line, or none.
    """
    kept = [key for key in (*_INPUTS, *_TARGETS) if key in section and key not in given]
    if "scale" in given and section.get("scale") == AUTO:
        for key in kept:
            del section[key]
    elif kept and "stimuli" in given:
        numbers = "is the number" if len(kept) == 1 else "are the numbers"
        return [f"{', '.join(kept)} {numbers} of {source}: --set scale=auto chooses for these stimuli."]
    return []


def of_depth(value: Any, pairs: int) -> Any:
    """Spread a value by pair of layers of a preset with one hidden layer over more: the last keeps its own.

    Parameters
    ----------
    value : object
        What is no list is for all pairs, and stays.
    pairs : int
        Pairs of neighbouring layers that have one each.
    """
    return [value[0]] * (pairs - 1) + [value[-1]] if isinstance(value, list) else value


def spread_over_depth(circuit: dict[str, Any], given: Container[str]):
    """Let a preset with one hidden layer take the depth that its architecture is set to; see `of_depth`.

    Parameters
    ----------
    circuit : dict
        Section ``[circuit]``, which is changed.
    given : container of str
        Keys that are set, and stay.
    """
    sizes = circuit.get("architecture")
    for key, value in circuit.items() if isinstance(sizes, list) and len(sizes) > 1 else ():
        if key != "architecture" and key not in given:
            circuit[key] = of_depth(value, len(sizes) - 1)


def take_provisional(circuit: dict[str, Any], choices: Mapping[str, object]) -> dict[str, Any]:
    """Put 1 in the place of each "auto" among the keys that a model can choose; return what stood there.

    Parameters
    ----------
    circuit : dict
        Section ``[circuit]``, which is changed.
    choices : mapping
        Its keys are those that the model can choose.
    """
    found = {}
    for key in choices:
        value = circuit.get(key)
        if value == AUTO or (isinstance(value, list) and AUTO in value):
            found[key] = value
            circuit[key] = 1.0 if value == AUTO else [1.0 if each == AUTO else each for each in value]
    return found
