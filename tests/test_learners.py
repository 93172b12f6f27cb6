"""Statistics of learners on the same seeds."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from corinfomax.analysis import paired_difference, summarise_learners
from corinfomax.errors import ParameterError


def runs(rule, scores, seeds=None, **more):
    seeds = range(len(scores)) if seeds is None else seeds
    return [
        {"stimuli": "toy", "rule": rule, "seed": seed, "status": "finished" if np.isfinite(score) else "failed",
         "test": score, "train": score, **more}
        for seed, score in zip(seeds, scores, strict=True)
    ]  # fmt: skip


@pytest.mark.parametrize("level", [0.95, 0.5])
def test_paired_difference(level):
    """Mean and interval of four differences are those of SciPy's paired t test, to 1e-12."""
    values, reference = pd.Series([0.9, 0.8, 0.95, 0.7]), pd.Series([0.85, 0.82, 0.9, 0.71])
    found = paired_difference(values, reference, level=level)
    assert found["pairs"] == 4
    assert found["difference"] == pytest.approx((values - reference).mean(), abs=1e-15)
    interval = stats.ttest_rel(values, reference).confidence_interval(level)
    assert (found["low"], found["high"]) == pytest.approx(tuple(interval), abs=1e-12)


def test_the_interval_of_two_seeds_is_honest():
    """Half-width tan(.475 π) |d₁ - d₂|/2, Student's t of one degree of freedom in closed form; 0 of equal ones."""
    reference = pd.Series([0.5, 0.5])
    found = paired_difference(pd.Series([0.6, 0.7]), reference)
    assert found["high"] - found["difference"] == pytest.approx(np.tan(0.475 * np.pi) * 0.05, rel=1e-12)
    equal = paired_difference(pd.Series([0.75, 0.75]), reference)
    assert (equal["low"], equal["high"]) == (0.25, 0.25)


def test_only_common_seeds_are_paired():
    """Seeds that one learner lacks, or failed with, are left out; of one pair there is no interval (definition)."""
    found = paired_difference(pd.Series({0: 0.9, 1: np.nan, 3: 0.5}), pd.Series({0: 0.8, 1: 0.7, 2: 0.1}))
    assert (found["pairs"], found["difference"]) == (1, pytest.approx(0.1))
    assert np.isnan(found["low"])
    assert np.isnan(found["high"])
    none = paired_difference(pd.Series({0: 0.9}), pd.Series({1: 0.8}))
    assert none["pairs"] == 0
    assert np.isnan(none["difference"])


def test_summary():
    """Means, sample deviations and failures by rule equal NumPy's; a text that differs between runs is told whole."""
    table = pd.DataFrame(
        [
            *runs("a", [0.9, 0.8, 0.7], seconds=10.0, phases="free"),
            *runs("b", [0.95, np.nan, 0.9], seconds=20.0, phases="free"),
            *runs("b", [0.5], seeds=[7], seconds=50.0, phases="nudge"),
        ]
    )
    summary = summarise_learners(table).set_index("rule")
    assert summary.loc["a", "test"] == pytest.approx(0.8)
    assert summary.loc["a", "test_sd"] == pytest.approx(0.1)
    assert summary.loc["a", "difference"] == 0
    assert (summary.loc["b", "seeds"], summary.loc["b", "failed"], summary.loc["b", "pairs"]) == (3, 1, 2)
    assert summary.loc["b", "difference"] == pytest.approx((0.05 + 0.2) / 2)
    assert summary.loc["b", "seconds"] == pytest.approx(30)
    assert (summary.loc["a", "phases"], summary.loc["b", "phases"]) == ("free", "free / nudge")


def test_refusals():
    """A missing column and a reference that is not there are named."""
    with pytest.raises(ParameterError, match="no column status"):
        summarise_learners(pd.DataFrame({"stimuli": [], "rule": [], "seed": []}))
    with pytest.raises(ParameterError, match="no rule 'c'; there are a"):
        summarise_learners(pd.DataFrame(runs("a", [0.5])), "c")
