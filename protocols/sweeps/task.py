"""The runs of a sweep: combinations of values, each with each seed, named by what decides about them."""

import hashlib
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..runs import Configuration
from ..runs.sections import IMMATERIAL
from .plan import Plan, Range

#: Hexadecimal digits of a run's name.
_DIGITS = 12
#: Significant digits of numbers that are drawn or lie between limits.
_PRECISION = 6

#: A combination of values, by key.
Point = dict[str, Any]


@dataclass(frozen=True)
class Task:
    """One run of a sweep.

    Parameters
    ----------
    values : dict of str to object
        Of the keys that are swept.
    seed : int
    configuration : Configuration
    """

    values: Point
    seed: int
    configuration: Configuration

    @property
    def name(self) -> str:
        """Name of its folder: a digest of its configuration.

        Without the keys that decide about no result, unless they are swept, so that a run of more epochs is the same.
        """
        swept = [key.rpartition(".")[2] for key in self.values]
        material = {
            section: {key: value for key, value in keys.items() if key not in IMMATERIAL or key in swept}
            for section, keys in self.configuration.beside_modules().items()
        }
        return hashlib.sha256(json.dumps(material, sort_keys=True).encode()).hexdigest()[:_DIGITS]

    @property
    def folder(self) -> Path:
        """Where it stands below the sweep's folder."""
        return Path("runs", self.name)

    def __str__(self):
        return ", ".join([*(f"{key} = {text(value)}" for key, value in self.values.items()), f"seed {self.seed}"])


def text(value: Any) -> Any:
    """Write a value so that it stands in a cell of a table; numbers, words and switches stay."""
    return value if isinstance(value, str | bool | int | float) else json.dumps(value)


def points(plan: Plan) -> Iterator[Point]:
    """Combinations of values of a grid, or drawn at random; those of a search follow from its runs."""
    if plan.method == "grid":
        columns = [values if isinstance(values, list) else spaced(values) for values in plan.parameters.values()]
        for values in itertools.product(*columns):
            yield dict(zip(plan.parameters, values, strict=True))
    elif plan.method == "random":
        for trial in range(plan.trials):
            rng = np.random.default_rng([plan.random_seed, trial])
            yield {key: _drawn(values, rng) for key, values in plan.parameters.items()}


def spaced(limits: Range) -> list[int | float]:
    """Evenly spaced numbers of a range, both limits among them."""
    space = np.geomspace if limits.scale == "log" else np.linspace
    found = [rounded(value, limits) for value in space(limits.low, limits.high, limits.number)]
    return list(dict.fromkeys(found))


def rounded(value: float, limits: Range) -> int | float:
    """Round a number of a range: to a whole one where the limits are, else so that it is short to read."""
    if limits.whole:
        return min(limits.high, max(limits.low, round(float(value))))
    return min(float(limits.high), max(float(limits.low), float(f"{value:.{_PRECISION}g}")))


def _drawn(values: list | Range, rng: np.random.Generator) -> Any:
    if isinstance(values, list):
        return values[rng.integers(len(values))]
    low, high = values.low, values.high
    if values.whole and values.scale == "linear":
        return int(rng.integers(low, high + 1))
    if values.scale == "log":
        return rounded(np.exp(rng.uniform(np.log(low), np.log(high))), values)
    return rounded(rng.uniform(low, high), values)


def tasks_of(point: Point, plan: Plan, source: str | Path, trust: bool = False) -> list[Task]:
    """Build the runs of a combination of values, one for each seed.

    Parameters
    ----------
    point : dict of str to object
    plan : Plan
    source : str or Path
        Preset or parameter file that all runs start from.
    trust : bool, default False
        Whether code in run folders may be imported.

    Raises
    ------
    ParameterError
        In one line, for a key that does not exist or a value that is not allowed.
    """
    found: list[Task] = []
    for seed in plan.seeds:
        configuration = Configuration.read(source, {**plan.settings, **point, "seed": seed}, trust)
        found.append(Task(point, seed, configuration))
    return found
