"""What is compared: rules, stimuli and seeds, in one of two layouts.

*Published*: each rule has the network and the settings that it was published with. *Matched*: all have the same
network, minibatches and epochs, and the same budget for tuning: their learning rates are multiplied by the same
factors, and the factor is chosen by the accuracy on validation stimuli, a mean over seeds that nothing else uses.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ...errors import ParameterError, RunError
from ...parameters import Architecture, Count, Fraction, Positive, Seed, describe, plainly_shown
from ...toml import tables
from ..runs import Configuration
from ..runs.reading import presets

#: Rules by the names that presets end with, the paper's own first.
RULES = ("corinfomax", "ep", "csm", "pc", "pc_nudge", "rf", "fa_mse", "fa_ce", "bp_mse", "bp_ce")

_FILE, _ARRAYS = ".toml", ".npz"


@dataclass(frozen=True)
class Cell:
    """One run of a comparison.

    Parameters
    ----------
    stimuli, rule : str
    seed : int
    factor : float, optional
        What learning rates are multiplied by, in a run of the tuning; None in those that are compared.
    """

    stimuli: str
    rule: str
    seed: int
    factor: float | None = None

    @property
    def folder(self) -> Path:
        """Where it stands below the comparison's folder."""
        stimuli, rule = Path(self.stimuli).stem, Path(self.rule).stem
        if self.factor is None:
            return Path("runs", stimuli, rule, f"seed_{self.seed}")
        return Path("tuning", stimuli, rule, f"rates_x{self.factor:g}", f"seed_{self.seed}")

    def __str__(self):
        rates = "" if self.factor is None else f", rates × {self.factor:g}"
        return f"{Path(self.stimuli).stem}, {Path(self.rule).stem}{rates}, seed {self.seed}"


@plainly_shown
class Plan(BaseModel):
    """What is compared.

    Parameters
    ----------
    layout : {"matched", "published"}
    rules : list of str, default all `RULES`
        Names of `RULES`, or parameter files of one's own, which end in ``.toml``.
    stimuli : list of str, default ["digits"]
        Sets that there are presets for: rule `ep` on `digits` is the preset `digits_ep`, `corinfomax` is `digits`.
    seeds : list of int, default 0 to 4
    epochs : int, optional
        By default those of the presets.
    settings : list of str
        ``key=value``, for all runs.
    data : str, optional
        Folder with data files; by default the environment variable CORINFOMAX_DATA.
    architecture : list of int, optional
        Of the matched layout; by default that of the first rule's preset.
    factors : list of float, default [.125, .25, .5, 1, 2, 4]
        Of the matched layout: what the learning rates of the presets are multiplied by.
    tuning_seeds : list of int, default [100, 101]
        Of the matched layout; none of them is among `seeds`.
    validation : float, default .2
        Of the matched layout: fraction of the training stimuli that tuning is judged by.
    """

    model_config = ConfigDict(extra="forbid")
    layout: Literal["matched", "published"] = "matched"
    rules: Annotated[list[str], Field(min_length=1)] = list(RULES)
    stimuli: Annotated[list[str], Field(min_length=1)] = ["digits"]
    seeds: Annotated[list[Seed], Field(min_length=1)] = [0, 1, 2, 3, 4]
    epochs: Count | None = None
    settings: list[str] = []
    data: str | None = None
    architecture: Architecture | None = None
    factors: Annotated[list[Positive], Field(min_length=1)] = [0.125, 0.25, 0.5, 1.0, 2.0, 4.0]
    tuning_seeds: Annotated[list[Seed], Field(min_length=2)] = [100, 101]
    validation: Fraction = 0.2

    @model_validator(mode="after")
    def _check(self):
        # Files of one's own are found from wherever the comparison is gone on with.
        self.rules = [str(Path(each).resolve()) if each.endswith(_FILE) else each for each in self.rules]
        self.stimuli = [str(Path(each).resolve()) if each.endswith(_ARRAYS) else each for each in self.stimuli]
        for name in ("rules", "stimuli", "seeds", "factors", "tuning_seeds"):
            values = [Path(each).stem if isinstance(each, str) else each for each in getattr(self, name)]
            if twice := [each for each in values if values.count(each) > 1]:
                raise ValueError(f"{name}: {twice[0]} is named twice")
        if self.layout == "matched" and (both := sorted(set(self.seeds) & set(self.tuning_seeds))):
            raise ValueError(f"seed {both[0]} is one of seeds and of tuning_seeds; runs that are compared tune nothing")
        return self

    def __init__(self, **values: Any):
        try:
            super().__init__(**values)
        except ValidationError as error:
            first = error.errors()[0]
            own = first["type"] == "value_error" and not first["loc"]
            raise ParameterError(f"Plan: {first['ctx']['error']}" if own else describe(error, "Plan")) from None

    @classmethod
    def of(cls, **values: Any) -> "Plan":
        """Make a plan; a `ParameterError` says in one line what is wrong with it.

        Every rule's preset is read, so that nothing runs before all is known to be there.
        """
        try:
            plan = cls(**values)
        except ParameterError as error:
            raise ParameterError(f"compare: {str(error).removeprefix('Plan: ')}") from None
        for cell in (*plan.tuning, *plan.compared):
            if cell.seed in (plan.seeds[0], plan.tuning_seeds[0]):
                plan.configuration(cell, factor=1.0 if cell.factor is None else cell.factor)
        return plan

    def to_toml(self) -> str:
        """Write the plan as a file."""
        return tomli_w.dumps(self.model_dump(exclude_none=True))

    @classmethod
    def from_toml(cls, text: str, source: Path) -> "Plan":
        """Read what `to_toml` gave; a `RunError` names a key that is missing, for then it is no whole plan."""
        values = tables(text, source)
        needed = [name for name in cls.model_fields if name not in ("epochs", "architecture", "data")]
        if missing := [name for name in needed if name not in values]:
            raise RunError(f"{source}: has no {missing[0]}, and so is damaged; write it anew, or choose another --out")
        return cls.of(**values)

    @property
    def compared(self) -> list[Cell]:
        """Runs that are compared, seed by seed, so that what there is of them can be compared early."""
        return [Cell(s, rule, seed) for s in self.stimuli for seed in self.seeds for rule in self.rules]

    @property
    def tuning(self) -> list[Cell]:
        """Runs that learning rates are chosen by."""
        if self.layout == "published":
            return []
        return [
            Cell(s, rule, seed, factor)
            for s in self.stimuli
            for rule in self.rules
            for factor in self.factors
            for seed in self.tuning_seeds
        ]

    def configuration(self, cell: Cell, factor: float = 1.0) -> Configuration:
        """Build the parameters of a run.

        Parameters
        ----------
        cell : Cell
        factor : float
            What its learning rates are multiplied by.
        """
        settings = [*self.settings, f"seed={cell.seed}"]
        if self.data is not None:
            settings.append(f"data={self.data!r}")
        if self.epochs is not None:
            settings.append(f"epochs={self.epochs}")
        if self.layout == "matched":
            first = self._reference(cell.stimuli)
            architecture = self.architecture or first.circuit.architecture
            settings += [f"architecture={list(architecture)}", f"batch_size={first.training.batch_size}"]
            settings += [f"epochs={first.training.epochs}"] if self.epochs is None else []
        if cell.factor is not None:
            settings.append(f"validation={self.validation}")
        source = self._source(cell.rule, cell.stimuli)
        if source.endswith(_FILE):
            settings.append(f"stimuli={cell.stimuli!r}")
        configuration = Configuration.read(source, settings)
        if cell.factor is not None or factor != 1:
            for key in configuration.entry.rates:
                if getattr(configuration.circuit, key, None) is None:
                    raise ParameterError(f"{source}: model {configuration.model} has no learning rate {key!r} to tune")
            scaled = {key: _times(getattr(configuration.circuit, key), factor) for key in configuration.entry.rates}
            settings += [f"{key}={value}" for key, value in scaled.items()]
            configuration = Configuration.read(source, settings)
        return configuration

    def _reference(self, stimuli: str) -> Configuration:
        """The first rule's, whose network, minibatches and epochs all have."""
        if stimuli not in self._references:
            self._references[stimuli] = Configuration.read(self._source(self.rules[0], stimuli), self.settings)
        return self._references[stimuli]

    @cached_property
    def _references(self) -> dict[str, Configuration]:
        return {}

    @staticmethod
    def _source(rule: str, stimuli: str) -> str:
        if rule.endswith(_FILE):
            return rule
        if rule not in RULES:
            raise ParameterError(
                f"compare: no rule {rule!r}; there are {', '.join(RULES)}, and parameter files, which end in {_FILE}"
            )
        name = stimuli if rule == RULES[0] else f"{stimuli}_{rule}"
        if name not in presets():
            there = [each for each in RULES if (stimuli if each == RULES[0] else f"{stimuli}_{each}") in presets()]
            known = f"rules with presets for them: {', '.join(there)}" if there else "there are none for these stimuli"
            if stimuli.endswith(_ARRAYS):
                known = f"stimuli of your own go with parameter files as rules: --rules a{_FILE},b{_FILE}"
            raise ParameterError(f"compare: no preset {name!r} for rule {rule!r} on {stimuli!r}; {known}")
        return name


def _times(value: Any, factor: float) -> Any:
    return [_times(each, factor) for each in value] if isinstance(value, list) else value * factor
