"""Systems: what a parameter file can name and train, and what goes with each.

A system of one's own is entered by ``MODELS["mine"] = Model(...)``.
"""

import importlib

import lazy_loader as lazy

from ...errors import ParameterError
from ...references import resolve
from .model import Model

# Names are imported when they are first used: what needs no Brian2 does not wait for it.
__getattr__, __dir__, _ = lazy.attach(__name__, submod_attrs={"learner": ["Learner"], "static": ["StaticLearner"]})
__all__ = ["MODELS", "Learner", "Model", "StaticLearner", "model_named"]

#: Models by the name that ``[circuit]`` gives as `model`, the default first. A string ``"module:NAME"`` is imported
#: when the model is first used, so that those without dynamics need no Brian2.
MODELS: dict[str, Model | str] = {
    name: f"{__name__}.{module}"
    for name, module in {
        "corinfomax": "corinfomax:MODEL",
        "equilibrium": "equilibrium:MODEL",
        "contrastive_matching": "contrastive_matching:MODEL",
        "predictive_coding": "predictive_coding:CLAMPED",
        "nudged_predictive_coding": "predictive_coding:NUDGED",
        "reciprocal_feedback": "reciprocal_feedback:MODEL",
        "similarity_matching": "similarity_matching:MODEL",
        "nonnegative_similarity_matching": "similarity_matching:NONNEGATIVE",
        "foldiak": "similarity_matching:FOLDIAK",
        "feedback_alignment": "feedforward:FEEDBACK_ALIGNMENT",
        "backpropagation": "feedforward:BACKPROPAGATION",
    }.items()
}


def model_named(name: str) -> Model:
    """Find a model.

    Parameters
    ----------
    name : str
        One of `MODELS`; or ``"module:NAME"`` or ``"path/module.py:NAME"``, which is imported.

    Raises
    ------
    ParameterError
        If there is none of this name.
    """
    if name not in MODELS and ":" in name:
        found = resolve(name, "model")
        if not isinstance(found, Model):
            raise ParameterError(f"model = {name!r}: is no corinfomax.protocols.systems.Model")
        return found
    if name not in MODELS:
        raise ParameterError(f"no model {name!r}; there are {', '.join(MODELS)}")
    entry = MODELS[name]
    if isinstance(entry, Model):
        return entry
    module, _, attribute = entry.partition(":")
    return getattr(importlib.import_module(module), attribute)
