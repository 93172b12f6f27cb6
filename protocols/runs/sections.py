"""The sections of a parameter file, and the keys that each has."""

from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict

from ...errors import ParameterError
from ...parameters import Count, Finite, Fraction, Positive, Seed, model_of
from ..systems import MODELS, model_named

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike


class StimuliSection(BaseModel):
    """``[stimuli]``: what is presented.

    Parameters
    ----------
    stimuli : str
        A built-in or registered set, or a path to an ``.npz`` file, in a parameter file relative to that file.
    data : str, optional
        Folder with data files; by default the environment variable CORINFOMAX_DATA.
    mean, std : float or list of float, optional
        The inputs are presented as (x - mean)/std: a number, one for each channel of an image, or one for each input.
    target_mean, target_std : float or list of float, optional
        The targets of a regression are presented as (y - target_mean)/target_std: a number, or one for each target.
    scale : {"auto", "none"}, default "none", for stimuli in an ``.npz`` file "auto"
        Whether mean and std, and of a regression target_mean and target_std, are chosen by the training stimuli where
        none of them is given, so that inputs and targets fill the range of rates from 0 to 1; see
        `corinfomax.stimuli.scale`. The run's own file then has their values.
    validation : float, optional
        Fraction of the training stimuli that is set apart, the same of each class and whatever the run's seed, and that
        the history has a column of. Settings are chosen on them, so that the test stimuli stay unseen.
    """

    model_config = ConfigDict(extra="forbid")
    stimuli: str = "digits"
    data: str | None = None
    mean: Finite | list[Finite] | None = None
    std: Positive | list[Positive] | None = None
    target_mean: Finite | list[Finite] | None = None
    target_std: Positive | list[Positive] | None = None
    scale: Literal["auto", "none"] | None = None
    validation: Fraction | None = None

    def unscaled(self, outputs: "ArrayLike", targets: int | None = None) -> "np.ndarray":
        """Give outputs in the unit of the targets, as the user's file has them; see `stimuli.targets.unscaled`."""
        from ...stimuli.targets import unscaled  # with NumPy

        return unscaled(outputs, self.target_mean, self.target_std, targets)


class TrainingSection(BaseModel):
    """``[training]``: how long and how.

    Parameters
    ----------
    epochs : int, default 50
    batch_size : int, default 20
        Stimuli of one minibatch, each in a replica of its own (A1).
    seed : int, default 0
        Of initial weights, order of stimuli and signs of β, each with a stream of its own.
    dtype : {"float32", "float64"}
    target : {"auto", "cython", "numpy"}
        Brian2's code generation target, where there are dynamics.
    blas_threads : int or "auto", default 1
        Threads of the linear algebra; see `Preparation`. "auto" measures, as a run is begun, how many are fastest, and
        the run's own file holds the number.
    test_replicas : int, default 100
        Replicas of the preparation that test stimuli are presented to.
    """

    model_config = ConfigDict(extra="forbid")
    epochs: Count = 50
    batch_size: Count = 20
    seed: Seed = 0
    dtype: Literal["float32", "float64"] = "float32"
    target: Literal["auto", "cython", "numpy"] = "auto"
    blas_threads: Count = 1
    test_replicas: Count = 100


#: Keys that do not decide about what a run comes to.
IMMATERIAL = ("epochs", "data", "target", "blas_threads")
#: Keys that decide which other keys their sections have.
CHOICES = (("circuit", "model"), ("protocol", "form"))


def choices(values: dict[str, dict[str, Any]], source: str) -> tuple[str, str | None]:
    """Read off model and form, the first of each by default; the form is None of a model without protocols.

    Parameters
    ----------
    values : dict of str to dict
        Sections of keys.
    source : str
        What error messages name.
    """

    def choose(section, key, allowed):
        chosen = values.get(section, {}).get(key, next(iter(allowed)))
        if not isinstance(chosen, str) or chosen not in allowed:
            raise ParameterError(f"{source}: {section}.{key} = {chosen!r}: must be one of {', '.join(allowed)}")
        return chosen

    given = values.get("circuit", {}).get("model")
    model = given if isinstance(given, str) and ":" in given else choose("circuit", "model", MODELS)
    protocols = model_named(model).protocols
    return model, choose("protocol", "form", protocols) if protocols else None


def schemas(model: str, form: str | None) -> dict[str, type[BaseModel]]:
    """Build the schema of each section that the files of a model and a form of its protocols have."""
    entry = model_named(model)
    found = {"stimuli": StimuliSection, "circuit": model_of(entry.trainable, leave_out=("seed", "weights", "dtype"))}
    if form is not None:
        found["protocol"] = model_of(entry.protocols[form])
    return {**found, "training": TrainingSection}
