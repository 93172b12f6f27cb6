"""Designs of the sensitivity analysis: Morris trajectories, Sobol points and trials of a search; and what they show."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import optuna
import pandas as pd
from SALib.analyze import morris as elementary_effects
from SALib.sample import morris as trajectories
from scipy.stats import bootstrap, qmc, spearmanr, wilcoxon
from sensitivity_factors import SEED, Factor, Value
from sklearn.ensemble import RandomForestRegressor
from sklearn.inspection import partial_dependence, permutation_importance

#: Levels of each factor in the Morris design, and trajectories.
LEVELS, TRAJECTORIES = 8, 25
#: By how much the rule "slow" of the step slows down, each step: the default of the protocol.
SLOWING = 0.01
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


def products(rows: pd.DataFrame) -> pd.DataFrame:
    """What several factors come to together: how long the circuit settles, and how much a synapse's update moves.

    ``settling`` is the free phase's Σ η_i in units of ε, if there is one; a hidden cell's time constant is about ε/2.
    ``update`` is the rate of the last projection times the number of cells that it comes from.

    Parameters
    ----------
    rows : DataFrame
    """
    rule = rows["step_rule"].ne("constant").astype(float) * SLOWING
    duration = np.array(
        [
            step * np.sum(1 / (1 + slowing * np.arange(steps)))
            for step, slowing, steps in zip(rows["step"], rule, rows["free_steps"], strict=True)
        ]
    )
    rate = rows["rate_ff"] if "rate_ff" in rows else rows["rate"]
    epsilon = rows.get("epsilon", 1.0)
    return pd.DataFrame({"settling": duration / epsilon, "update": rate * rows["rate_ratio"] * rows["hidden"]})


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


def steps_of(rows: pd.DataFrame, factors: Sequence[Factor]) -> pd.DataFrame:
    """Each step of a trajectory: ``trajectory``, ``factor`` that moved, ``effect``, and the lower score of both ends.

    Parameters
    ----------
    rows : DataFrame
    factors : sequence of Factor
    """
    found = []
    rows = rows.sort_values(["trajectory", "point"], kind="stable")
    for number, trajectory in rows.groupby("trajectory"):
        runs = list(trajectory[["point", "levels", "accuracy"]].itertuples(index=False))
        for before, after in zip(runs, runs[1:], strict=False):
            if after.point != before.point + 1:
                continue
            [(n, size)] = [
                (n, int(b) - int(a)) for n, (a, b) in enumerate(zip(before.levels, after.levels, strict=True)) if a != b
            ]
            effect = (after.accuracy - before.accuracy) * (LEVELS - 1) / size
            found.append((number, factors[n].name, effect, min(before.accuracy, after.accuracy)))
    return pd.DataFrame(found, columns=["trajectory", "factor", "effect", "lower"])


def effects_between(rows: pd.DataFrame, factors: Sequence[Factor], least: float) -> pd.DataFrame:
    """μ* of those steps of trajectories alone at both ends of which the score is at least so high, and their number.

    Parameters
    ----------
    rows : DataFrame
    factors : sequence of Factor
    least : float
    """
    steps = steps_of(rows, factors)
    sizes = steps[steps["lower"] >= least].groupby("factor")["effect"].agg(lambda each: each.abs().mean())
    numbers = steps[steps["lower"] >= least].groupby("factor").size()
    names = [factor.name for factor in factors]
    return pd.DataFrame({"mu_star": sizes.reindex(names), "steps": numbers.reindex(names, fill_value=0)})


def beyond_chance(rows: pd.DataFrame, factors: Sequence[Factor]) -> pd.DataFrame:
    """Whether effects are larger than the seed's: p of Wilcoxon's signed-rank test over trajectories, one-sided.

    ``p``, and ``holm``, corrected for the number of factors by Holm's method.

    Parameters
    ----------
    rows : DataFrame
    factors : sequence of Factor
        The seed among them.
    """
    sizes = steps_of(rows, factors).pivot(index="trajectory", columns="factor", values="effect").abs().dropna()
    names = [factor.name for factor in factors if factor.name != SEED.name]
    tested = [wilcoxon(sizes[name], sizes[SEED.name], alternative="greater") for name in names]
    p = pd.Series([each.pvalue for each in tested], names).sort_values()
    return pd.DataFrame({"p": p, "holm": (p * np.arange(len(p), 0, -1)).cummax().clip(upper=1)})


def forest(
    rows: pd.DataFrame, factors: Sequence[Factor], trees: int = 500
) -> tuple[RandomForestRegressor, pd.DataFrame]:
    """A random forest of the accuracy over the factors, and where the rows are, from 0 to 1 in each."""
    places = rank_places(rows, factors)
    model = RandomForestRegressor(trees, min_samples_leaf=2, oob_score=True, random_state=0)
    return model.fit(places, rows["accuracy"]), places


def rank_places(rows: pd.DataFrame, factors: Sequence[Factor]) -> pd.DataFrame:
    """Values of the factors; those of choices as 0 and 1, those on a logarithmic scale as logarithms."""
    found = {}
    for factor in factors:
        column = rows[factor.name]
        if factor.choices is not None:
            found[factor.name] = column.map({choice: n for n, choice in enumerate(factor.choices)}).astype(float)
        else:
            found[factor.name] = np.log(column) if factor.scale == "log" else column.astype(float)
    return pd.DataFrame(found)


def partial_dependences(rows: pd.DataFrame, factors: Sequence[Factor]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Mean accuracy by a random forest against each factor, all others as they are in the rows."""
    model, places = forest(rows, factors)
    found = {}
    for factor in factors:
        result = partial_dependence(model, places, [factor.name], grid_resolution=25, percentiles=(0, 1))
        grid = result["grid_values"][0]
        found[factor.name] = (np.exp(grid) if factor.scale == "log" else grid, result["average"][0])
    return found


def importance(rows: pd.DataFrame, factors: Sequence[Factor], trees: int = 500) -> pd.DataFrame:
    """Spearman's ρ with its interval by bootstrap and its p, and the permutation importance in a random forest.

    Parameters
    ----------
    rows : DataFrame
    factors : sequence of Factor
    trees : int

    Returns
    -------
    DataFrame
        By the factor's name; ``attrs["r_squared"]`` is the forest's R² out of bag.
    """
    model, places = forest(rows, factors, trees)
    permuted = permutation_importance(model, places, rows["accuracy"], n_repeats=20, random_state=0).importances_mean
    found = {}
    for n, factor in enumerate(factors):
        pair = (places[factor.name].to_numpy(), rows["accuracy"].to_numpy())
        tested = spearmanr(*pair)
        interval = bootstrap(
            pair, lambda x, y: spearmanr(x, y).statistic, paired=True, vectorized=False, n_resamples=999,
            method="percentile", rng=0,
        ).confidence_interval  # fmt: skip
        found[factor.name] = {
            "rho": tested.statistic,
            "p": tested.pvalue,
            "low": interval.low,
            "high": interval.high,
            "importance": permuted[n],
        }
    table = pd.DataFrame(found).T
    table.attrs["r_squared"] = model.oob_score_
    return table
