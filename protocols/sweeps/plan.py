"""What is swept: the keys and their values, how values are chosen, the seeds, and what all runs have in common.

*Grid*: every combination of all values. *Random*: each key drawn by itself, so many times. *Search*: drawn by Optuna,
where the runs so far have done best.
"""

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import tomli_w
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from ...errors import ParameterError, RunError
from ...parameters import Count, Finite, Number, Seed, describe, plainly_shown
from ...toml import tables
from ..runs import paths, reading
from ..runs.sections import IMMATERIAL, choices, schemas
from .cluster import Slurm

_FILE = ".toml"
#: Fields that may be changed when a sweep is gone on with, as they decide about no run.
_FREE = ("max_runs", "slurm")


class Range(BaseModel):
    """Numbers between two limits, ``{low = 0.01, high = 1.0, scale = "log"}``.

    Parameters
    ----------
    low, high : int or float
        Values are whole numbers if both limits are, so that ``1`` and ``1.0`` differ.
    scale : {"linear", "log"}
        What values are evenly spaced, or drawn, on.
    number : int, optional
        Of a grid: how many values, both limits among them.
    """

    model_config = ConfigDict(extra="forbid")
    low: Annotated[int, Number] | Finite
    high: Annotated[int, Number] | Finite
    scale: Literal["linear", "log"] = "linear"
    number: Annotated[int, Number, Field(ge=2)] | None = None

    @model_validator(mode="after")
    def _check(self):
        if not self.low < self.high:
            raise ValueError(f"low = {self.low} should be less than high = {self.high}")
        if self.scale == "log" and self.low <= 0:
            raise ValueError(f"low = {self.low} should be positive on the scale log")
        return self

    @property
    def whole(self) -> bool:
        """Whether values are whole numbers."""
        return isinstance(self.low, int) and isinstance(self.high, int)


def _values(value: Any) -> Any:
    """Read a table as a `Range`, so that errors tell what is wrong with it."""
    if not isinstance(value, Mapping):
        return value
    try:
        return Range.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        name = f"{first['loc'][0]}: " if first["loc"] else ""
        raise ValueError(f"{name}{first['msg'].removeprefix('Value error, ')}") from None


#: Values that a key takes.
_Values = Annotated[Annotated[list[Any], Field(min_length=1)] | Range, BeforeValidator(_values)]


@plainly_shown
class Plan(BaseModel):
    """What is swept.

    Parameters
    ----------
    source : str, default "digits"
        Preset, or parameter file, that all runs start from.
    method : {"grid", "random", "search"}
    seeds : list of int, default [0]
        Each combination of values is trained with each.
    trials : int, optional
        Of random and search: how many combinations.
    random_seed : int, default 0
        Of what is drawn; a random sweep with more trials begins with those of one with fewer.
    score : str, optional
        Column of the history that tells how good a run is. By default that of the model, or of classes the accuracy, of
        other targets R²; of a search on validation stimuli.
    direction : {"maximize", "minimize"}, optional
        Whether a high or a low score is good; to be said of any score that is no accuracy or R².
    settings : dict of str to object
        Keys set otherwise than in `source`, in all runs.
    parameters : dict of str to list or Range
        Keys, ``key`` or ``section.key``, and the values that they take.
    max_runs : int, default 1000
        A sweep of more runs is refused.
    slurm : Slurm, optional
        How jobs are submitted.
    """

    model_config = ConfigDict(extra="forbid")
    source: str = reading.DEFAULT_PRESET
    method: Literal["grid", "random", "search"] = "grid"
    seeds: Annotated[list[Seed], Field(min_length=1)] = [0]
    trials: Count | None = None
    random_seed: Seed = 0
    score: str | None = None
    direction: Literal["maximize", "minimize"] | None = None
    settings: dict[str, Any] = {}
    parameters: Annotated[dict[str, _Values], Field(min_length=1)]
    max_runs: Count = 1000
    slurm: Slurm | None = None

    @model_validator(mode="after")
    def _check(self):
        if self.source.endswith(_FILE):
            self.source = os.path.abspath(self.source)
        self.settings, self.parameters = (_beside(each, Path.cwd()) for each in (self.settings, self.parameters))
        bare = [key.rpartition(".")[2] for key in (*self.parameters, *self.settings)]
        if "seed" in bare:
            raise ValueError("seed is set by seeds")
        if twice := [key for key in bare if bare.count(key) > 1]:
            raise ValueError(f"{twice[0]} is named twice in [parameters] and [settings]")
        if (again := [seed for seed in self.seeds if self.seeds.count(seed) > 1]) != []:
            raise ValueError(f"seeds: {again[0]} is named twice")
        for key, values in self.parameters.items():
            if isinstance(values, list) and (same := [each for each in values if values.count(each) > 1]):
                raise ValueError(f"{key}: {same[0]} is named twice")
        self._check_method()
        return self

    def _check_method(self):
        if self.method == "grid":
            if self.trials is not None:
                raise ValueError("trials: of a grid there are as many as it has combinations")
            for key, values in self.parameters.items():
                if isinstance(values, Range) and values.number is None:
                    raise ValueError(f"{key}: in a grid needs number, how many values to take from {values.low} on")
                if isinstance(values, Range) and values.whole and values.high - values.low + 1 < values.number:
                    raise ValueError(f"{key}: there are no {values.number} whole numbers in this range")
        elif self.trials is None:
            raise ValueError(f"trials: is missing, how many combinations the {self.method} tries")

    def __init__(self, **values: Any):
        try:
            super().__init__(**values)
        except ValidationError as error:
            first = error.errors()[0]
            own = first["type"] == "value_error" and not first["loc"]
            names = list(type(self).model_fields)
            raise ParameterError(
                f"sweep: {first['ctx']['error']}" if own else describe(error, "sweep", names)
            ) from None

    @classmethod
    def read(cls, path: str | os.PathLike, **changes: Any) -> "Plan":
        """Read a sweep file, with some fields set otherwise; a `ParameterError` names the file and the key.

        Parameters
        ----------
        path : path-like
            Paths in it are relative to its folder.
        **changes
            Fields, and settings to add.
        """
        path = Path(path)
        try:
            text = path.read_text(encoding="utf-8-sig")
        except OSError as error:
            raise ParameterError(f"{path}: cannot be read ({error.strerror})") from None
        except UnicodeDecodeError as error:
            raise ParameterError(f"{path}: not a text file in UTF-8 ({error})") from None
        values = tables(text, path)
        if isinstance(values.get("source"), str) and values["source"].endswith(_FILE):
            values["source"] = str(path.parent / os.path.expanduser(values["source"]))
        for name in ("settings", "parameters"):
            if name in values:
                values[name] = _beside(values[name], path.parent)
        if isinstance(values.get("settings"), dict):
            changes["settings"] = {**values["settings"], **changes.get("settings", {})}
        try:
            return cls(**{**values, **changes})
        except ParameterError as error:
            raise ParameterError(f"{path}: {str(error).removeprefix('sweep: ')}") from None

    @property
    def points(self) -> int:
        """How many combinations of values there are at most."""
        if self.method != "grid":
            return self.trials
        return math.prod(len(v) if isinstance(v, list) else v.number for v in self.parameters.values())

    def check_size(self, source: str | Path):
        """Raise a `ParameterError` if there are more runs than are allowed."""
        if (runs := self.points * len(self.seeds)) > self.max_runs:
            many = f"{self.points} combinations × {len(self.seeds)} seeds" if len(self.seeds) > 1 else self.method
            raise ParameterError(
                f"{source}: {runs} runs ({many}), more than max_runs = {self.max_runs}; take fewer values, or random "
                "with trials, or raise max_runs"
            )

    def base(self) -> dict[str, dict[str, Any]]:
        """Sections of the parameter file that all runs start from, with absolute paths."""
        sections = reading.read(self.source)
        folder = Path(self.source).parent
        paths.make_model_absolute(sections, folder)
        paths.make_absolute(sections, schemas(*choices(sections, self.source)), folder)
        return sections

    def check_goes_on(self, there: "Plan", file: Path):
        """Raise a `ParameterError` if this plan is no extension of the one that a sweep was begun with.

        Seeds, trials and epochs may be added, and values of a grid; `max_runs` and `slurm` may change.

        Parameters
        ----------
        there : Plan
        file : Path
            Of the plan that is there.
        """
        for name in type(self).model_fields:
            before, now = getattr(there, name), getattr(self, name)
            if before == now or name in (*_FREE, "source"):
                continue
            if name == "settings":
                before, now = _material(before), _material(now)
                name = next((key for key in {**before, **now} if before.get(key) != now.get(key)), None)
                before, now = before.get(name), now.get(name)
            elif name == "parameters":
                name, before, now = self._changed_parameter(there)
            elif (name == "seeds" and set(before) <= set(now)) or (name == "trials" and now >= before):
                continue
            if name is not None:
                raise ParameterError(f"{file}: has {name} = {_shown(before)}, not {_shown(now)}; {_ELSE}")

    def _changed_parameter(self, there: "Plan") -> tuple[str | None, Any, Any]:
        """The first key that is not swept as it was, or with more values."""
        for key in {**there.parameters, **self.parameters}:
            before, now = there.parameters.get(key), self.parameters.get(key)
            grows = self.method == "grid" and isinstance(before, list) and isinstance(now, list)
            if before != now and not (grows and all(each in now for each in before)):
                return key, before, now
        return None, None, None

    def to_toml(self) -> str:
        """Write the plan as a file."""
        return tomli_w.dumps(self.model_dump(exclude_none=True))

    @classmethod
    def kept(cls, file: Path) -> "Plan":
        """Read what `to_toml` gave; a `RunError` says that it is damaged."""
        try:
            return cls(**tables(file.read_text(encoding="utf-8"), file))
        except (ParameterError, OSError, UnicodeDecodeError) as error:
            raise RunError(f"{file}: is damaged ({error}); write it anew, or choose another --out") from None


_ELSE = "values and seeds may be added; choose another folder with --out for anything else"


def check_same_base(there: dict, now: dict, file: Path, source: str):
    """Raise a `ParameterError` that names the first key by which the parameter file differs from what it was.

    Parameters
    ----------
    there, now : dict of str to dict
        Sections.
    file : Path
        Where those are kept that the sweep was begun with.
    source : str
        The parameter file.
    """
    for section in {**there, **now}:
        before, after = there.get(section, {}), now.get(section, {})
        for key in {**before, **after}:
            if before.get(key) != after.get(key) and key not in IMMATERIAL:
                raise ParameterError(
                    f"{source}: has {key} = {_shown(after.get(key))}, and the sweep was begun with "
                    f"{_shown(before.get(key))} ({file}); choose another folder with --out"
                )


def _material(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings by their bare keys, without those that decide about no result."""
    bare = {key.rpartition(".")[2]: value for key, value in settings.items()}
    return {key: value for key, value in bare.items() if key not in IMMATERIAL}


def _beside(values: Any, folder: Path) -> Any:
    """Values by key whose paths, of data, stimuli and code of one's own, count from a folder."""
    if not isinstance(values, dict):
        return values

    def absolute(text: str) -> str:
        if text.endswith(".npz"):
            return os.path.abspath(folder / os.path.expanduser(text))
        return paths.beside(text, folder) if ":" in text else text

    found = {key: paths.in_each(value, absolute) for key, value in values.items()}
    for key, value in found.items():
        if key.rpartition(".")[2] == "data" and isinstance(value, str):
            found[key] = os.path.abspath(folder / os.path.expanduser(value))
    return found


def _shown(value: Any) -> str:
    if isinstance(value, Range):
        return str(value.model_dump(exclude_none=True))
    return "nothing" if value is None else str(value)
