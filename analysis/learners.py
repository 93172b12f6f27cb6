"""Comparing learners on the same seeds: means, paired differences, and how sure these are."""

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from ..errors import ParameterError


def paired_difference(values, reference, level=0.95):
    """Measure by how much one learner beats another on the same seeds.

    The interval is Student's t of the differences, which is wide where seeds are few. A bootstrap would be too narrow
    there: of two seeds it cannot leave the stretch between their differences.

    Parameters
    ----------
    values, reference : pandas.Series
        Scores by seed. Seeds that only one of them has are left out.
    level : float, default .95
        Of the interval.

    Returns
    -------
    dict
        `difference`, mean over seeds of value less reference; `low` and `high`, the t interval of that mean (NaN of
        fewer than two seeds); `pairs`, their number.
    """
    joined = pd.concat([pd.Series(values), pd.Series(reference)], axis=1, join="inner").dropna()
    differences = (joined.iloc[:, 0] - joined.iloc[:, 1]).to_numpy(dtype=float)
    result = {"difference": np.nan, "low": np.nan, "high": np.nan, "pairs": len(differences)}
    if len(differences):
        result["difference"] = float(differences.mean())
    if len(differences) > 1:
        half = stdtrit(len(differences) - 1, (1 + level) / 2) * differences.std(ddof=1) / np.sqrt(len(differences))
        result |= {"low": float(result["difference"] - half), "high": float(result["difference"] + half)}
    return result


def summarise_learners(table, reference=None, level=0.95):
    """Summarise runs by learner: a row for each set of stimuli and rule.

    Parameters
    ----------
    table : pandas.DataFrame
        A row for each run: `stimuli`, `rule`, `seed`, `status`, and `test`, `train`, `seconds`, … of finished ones.
    reference : str, optional
        Rule that differences are taken from; by default the first.
    level : float, default .95
        Of their intervals.

    Returns
    -------
    pandas.DataFrame
        `stimuli`, `rule`, `seeds` (finished ones), `failed`; `test`, `test_sd`, `train`, `train_sd` (sample standard
        deviations); `difference`, `low`, `high`, `pairs` (see `paired_difference`); means of all other numbers; and
        whatever else is the same in all runs of a rule.

    Raises
    ------
    ParameterError
        A column is missing, there is no such rule, or one has a seed twice.
    """
    if missing := [name for name in ("stimuli", "rule", "seed", "status") if name not in table]:
        raise ParameterError(f"summarise_learners: has no column {missing[0]}")
    twice = table[table.duplicated(["stimuli", "rule", "seed"])]
    if len(twice):
        first = twice.iloc[0]
        raise ParameterError(
            f"summarise_learners: {first['rule']} on {first['stimuli']} has seed {first['seed']} twice"
        )
    rules = list(dict.fromkeys(table["rule"]))
    reference = rules[0] if reference is None else reference
    if reference not in rules:
        raise ParameterError(f"summarise_learners: no rule {reference!r}; there are {', '.join(rules)}")
    rows = []
    for (stimuli, rule), runs in table.groupby(["stimuli", "rule"], sort=False):
        finished = runs[runs["status"] == "finished"]
        row = {
            "stimuli": stimuli,
            "rule": rule,
            "seeds": len(finished),
            "failed": int((runs["status"] == "failed").sum()),
        }
        others = table[(table["stimuli"] == stimuli) & (table["rule"] == reference) & (table["status"] == "finished")]
        for part in ("test", "train"):
            scores = finished[part].astype(float) if part in finished else pd.Series(dtype=float)
            row |= {part: scores.mean(), f"{part}_sd": scores.std(ddof=1)}
        if "test" in table:
            by_seed = [each.set_index("seed")["test"].astype(float) for each in (finished, others)]
            row |= paired_difference(*by_seed, level=level)
        for name in runs.columns.difference([*row, "seed", "status", "reason", "validation"], sort=False):
            row[name] = _common(finished[name])
        rows.append(row)
    return pd.DataFrame(rows)


def _common(values):
    """The mean of numbers; of anything else what all have, or all that there is."""
    kept = values.dropna()
    if len(kept) and pd.api.types.is_numeric_dtype(kept.infer_objects()) and kept.infer_objects().dtype != bool:
        return float(kept.mean())
    different = list(dict.fromkeys(kept))
    return None if not different else different[0] if len(different) == 1 else " / ".join(map(str, different))
