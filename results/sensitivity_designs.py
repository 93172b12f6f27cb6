"""Designs of the sensitivity analysis: Morris trajectories, Sobol points and trials of a search; and what they show."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import optuna
import pandas as pd
from SALib.analyze import morris as elementary_effects
from SALib.sample import morris as trajectories
from scipy.stats import qmc
from sensitivity_factors import Factor, Value

#: Levels of each factor in the Morris design, and trajectories.
LEVELS, TRAJECTORIES = 8, 25
#: Runs of the space-filling design; a power of two, as Sobol's points ask for.
POINTS = 64
#: The first of the trials of a search are drawn at random.
RANDOM_TRIALS = 10

optuna.logging.set_verbosity(optuna.logging.WARNING)


def problem(factors: Sequence[Factor]) -> dict[str, Any]:
    """What SALib has to know of the factors: all go from 0 to 1."""
    return {
        "num_vars": len(factors),
        "names": [factor.name for factor in factors],
        "bounds": [[0.0, 1.0]] * len(factors),
        "groups": None,
    }


def values_at(factors: Sequence[Factor], places: Sequence[float], centre: Mapping[str, Value]) -> dict[str, Value]:
    """Values of all factors at a point of the unit cube."""
    return {f.name: f.value(u, centre.get(f.name, 1.0)) for f, u in zip(factors, places, strict=True)}


def morris_design(factors: Sequence[Factor], number: int = TRAJECTORIES) -> np.ndarray:
    """Trajectories through the unit cube, in each step of which one factor moves: (number, factors + 1, factors)."""
    points = trajectories.sample(problem(factors), number, num_levels=LEVELS, seed=0)
    return points.reshape(number, len(factors) + 1, len(factors))


def morris_rows(factors: Sequence[Factor], centre: Mapping[str, Value]) -> Iterator[tuple[dict[str, Any], dict]]:
    """Where each run of the design stands, and its values; each trajectory has two seeds of its own."""
    for t, trajectory in enumerate(morris_design(factors)):
        for n, places in enumerate(trajectory):
            values = values_at(factors, places, centre)
            values["seed"] += 2 * t
            levels = "".join(str(round(u * (LEVELS - 1))) for u in places)
            yield {"trajectory": t, "point": n, "levels": levels}, values


def effects(rows: pd.DataFrame, factors: Sequence[Factor], column: str = "accuracy") -> pd.DataFrame:
    """Elementary effects: μ*, its 95 % interval, μ and σ, by the factor's name, the largest μ* first.

    Trajectories of which runs are missing are left out. An effect is the change of the score over the whole range of a
    factor, if it went on as in the step that was made.

    Parameters
    ----------
    rows : DataFrame
        With the columns ``trajectory``, ``point``, ``levels`` and the score.
    factors : sequence of Factor
    column : str
        The score.
    """
    rows = rows.sort_values(["trajectory", "point"], kind="stable")
    whole = rows.groupby("trajectory")[column].transform("size") == len(factors) + 1
    rows = rows[whole]
    places = np.array([[int(level) for level in levels] for levels in rows["levels"]], dtype=float) / (LEVELS - 1)
    score = rows[column].to_numpy(dtype=float)
    found = elementary_effects.analyze(problem(factors), places, score, num_levels=LEVELS, num_resamples=1000, seed=0)
    table = {name: np.asarray(found[name], dtype=float) for name in ("mu_star", "mu_star_conf", "mu", "sigma")}
    return pd.DataFrame(table, index=list(found["names"])).sort_values("mu_star", ascending=False, kind="stable")


def halves(rows: pd.DataFrame, factors: Sequence[Factor], failed: pd.Series) -> pd.DataFrame:
    """Share of runs that failed in the lower and in the upper half of each factor's range, by its name.

    Parameters
    ----------
    rows : DataFrame
    factors : sequence of Factor
    failed : Series of bool
        Of the same rows.
    """
    upper = pd.DataFrame([[int(level) >= LEVELS / 2 for level in levels] for levels in rows["levels"]])
    share = {}
    for n, factor in enumerate(factors):
        is_upper = upper[n].to_numpy()
        share[factor.name] = {"lower": failed[~is_upper].mean(), "upper": failed[is_upper].mean()}
    return pd.DataFrame(share).T


def sobol_design(factors: Sequence[Factor], number: int = POINTS) -> np.ndarray:
    """Points that fill the unit cube evenly, (number, factors)."""
    return qmc.Sobol(len(factors), seed=0).random(number)


def next_trial(
    factors: Sequence[Factor], centre: Mapping[str, Value], kept: Sequence[tuple[Mapping[str, Value], float]]
) -> dict[str, Value]:
    """Values that the search tries after those that are kept; what is drawn depends on these alone.

    Parameters
    ----------
    factors : sequence of Factor
    centre : mapping of str to Value
    kept : sequence of (mapping, float)
        Values and scores of the trials so far.
    """
    sampler = optuna.samplers.TPESampler(seed=len(kept), n_startup_trials=RANDOM_TRIALS)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    spaces = {factor.name: _distribution(factor, centre[factor.name]) for factor in factors}
    for values, score in kept:
        study.add_trial(optuna.trial.create_trial(params=dict(values), distributions=spaces, value=score))
    return study.ask(spaces).params


def _distribution(factor: Factor, centre: Value) -> optuna.distributions.BaseDistribution:
    if factor.choices is not None:
        return optuna.distributions.CategoricalDistribution(factor.choices)
    low, high = factor.limits(centre)
    log = factor.scale == "log"
    if factor.whole:
        return optuna.distributions.IntDistribution(round(low), round(high), log=log)
    return optuna.distributions.FloatDistribution(low, high, log=log)
