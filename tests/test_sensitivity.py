"""The sensitivity analysis of ``results/``: its factors, designs, trials, and rows that are kept."""

import numpy as np
import pandas as pd
import pytest
import sensitivity_parts
from sensitivity_designs import (
    LEVELS,
    beyond_chance,
    effects,
    effects_between,
    halves,
    importance,
    morris_design,
    next_trial,
    products,
)
from sensitivity_factors import SEED, SPACES, Factor
from sensitivity_trials import Trials, judged_on_validation, trained
from toys import stimuli

from corinfomax.errors import RunError
from corinfomax.protocols.runs import Configuration, RunFolder, Training
from corinfomax.stimuli import from_arrays

THREE = (Factor("a", "a", "a", 1.0, 100.0), Factor("b", "b", "b", 0.0, 1.0, "linear"), SEED)


def rows_of(score):
    """Rows of a small design whose score is a function of places."""
    design = morris_design(THREE, 6)
    return pd.DataFrame(
        {"trajectory": t, "point": n, "levels": "".join(str(round(u * (LEVELS - 1))) for u in places),
         "accuracy": score(*places)}
        for t, trajectory in enumerate(design) for n, places in enumerate(trajectory)
    )  # fmt: skip


def test_values_and_places_are_each_other_s_inverse():
    """Theory: the middle of a logarithmic range is the geometric mean; relative limits are multiples of the centre."""
    factor = Factor("rate", "", "", 0.25, 4.0, relative=True)
    assert factor.limits(2.0) == (0.5, 8.0)
    assert factor.value(0.5, 2.0) == pytest.approx(2.0)
    assert factor.place(factor.value(0.3, 2.0), 2.0) == pytest.approx(0.3, abs=1e-5)
    assert THREE[1].value(0.25) == 0.25
    assert [SEED.value(u) for u in (0, 3 / 7, 4 / 7, 1)] == [0, 0, 1, 1]


@pytest.mark.parametrize("preset", ["digits", "digits_ep", "mnist"])
def test_settings_give_the_values_back(preset):
    """Every factor stands in the file that its value makes: values → settings → configuration → values."""
    base = Configuration.read(preset)
    space = SPACES[base.model]
    centre = space.values(base)
    wanted = {f.name: f.value(2 / 7, centre[f.name]) for f in space.with_seed}
    sections = base.to_dict()
    for section, keys in space.settings(wanted, base.circuit.architecture[0], 10).items():
        sections[section] |= keys
    found = space.values(Configuration(sections, preset))
    assert set(wanted) == set(centre) == set(found)
    for name, value in wanted.items():
        assert found[name] == (pytest.approx(value, rel=1e-4) if isinstance(value, float) else value), name


def test_design_moves_one_factor_a_step():
    """Trajectories are Morris's: in each step one factor moves, by p/(2(p - 1)) of its range, and each moves once."""
    moves = np.abs(np.diff(morris_design(THREE, 6), axis=1))
    np.testing.assert_allclose(moves.sum(axis=1), LEVELS / (2 * (LEVELS - 1)))
    np.testing.assert_allclose((moves > 1e-9).sum(axis=2), 1)


def test_effects_of_a_plane_are_its_slopes():
    """Theory: of 3a - 2b every effect of a is 3, of b -2, of the seed 0, so that σ = 0; of a·b σ is above 0."""
    found = effects(rows_of(lambda a, b, seed: 3 * a - 2 * b), THREE)
    np.testing.assert_allclose(found.loc[["a", "b", "seed"], "mu_star"], [3, 2, 0], atol=1e-12)
    np.testing.assert_allclose(found.loc[["a", "b", "seed"], "mu"], [3, -2, 0], atol=1e-12)
    np.testing.assert_allclose(found["sigma"], 0, atol=1e-12)
    assert list(found.index) == ["a", "b", "seed"]
    assert effects(rows_of(lambda a, b, seed: a * b), THREE).loc["a", "sigma"] > 0.1


def test_unfinished_trajectories_do_not_count():
    """Oracle: the same rows without the trajectory of which a run is missing."""
    rows = rows_of(lambda a, b, seed: a * b)
    pd.testing.assert_frame_equal(effects(rows[:-1], THREE), effects(rows[rows["trajectory"] < 5], THREE))


def test_effects_between_circuits_that_learn():
    """Steps from or to a score below the least are left out: by hand, of those of 3a - 2b; the others are slopes."""
    rows = rows_of(lambda a, b, seed: 3 * a - 2 * b)
    found = effects_between(rows, THREE, 0.0)
    score = rows["accuracy"].to_numpy().reshape(6, 4)
    assert found["steps"].sum() == (np.minimum(score[:, 1:], score[:, :-1]) >= 0).sum()
    assert found.loc["a", "mu_star"] == pytest.approx(3)


def test_effects_beyond_chance():
    """Theory: effects that are larger than the seed's in all of six trajectories have p = 2⁻⁶.

    Holm's method doubles the least of two; a factor without any effect has p = 1 beside a seed that has one.
    """
    found = beyond_chance(rows_of(lambda a, b, seed: 3 * a + 0.01 * (seed >= 0.5)), THREE)
    assert found.loc["a", "p"] == pytest.approx(2**-6)
    assert found.loc["a", "holm"] == pytest.approx(2 * found.loc["a", "p"])
    assert found.loc["b", "p"] > 0.95


def test_failures_by_half_of_the_range():
    """By hand: what fails where b is in its upper half fails in all of that half, and in no run of the lower."""
    rows = rows_of(lambda a, b, seed: float(b < 0.5))
    found = halves(rows, THREE, rows["accuracy"] < 0.5)
    assert tuple(found.loc["b"]) == (0, 1)
    assert 0 < found.loc["a", "lower"] < 1


def test_products_of_factors():
    """By hand: 30 steps of .05 at ε = .15 last 10 ε; slowed down, Σ 1/(1 + .01 i) steps; the update is 3 · .7 · 100."""
    row = {"step": 0.05, "free_steps": 30, "epsilon": 0.15, "rate_ff": 3.0, "rate_ratio": 0.7, "hidden": 100}
    rows = pd.DataFrame([{**row, "step_rule": "constant"}, {**row, "step_rule": "divide_by_slow_loop_index"}])
    slowed = sum(0.05 / (1 + 0.01 * i) for i in range(30)) / 0.15
    np.testing.assert_allclose(products(rows)["settling"], [10, slowed])
    np.testing.assert_allclose(products(rows)["update"], 210)
    rows = rows.rename(columns={"rate_ff": "rate"}).drop(columns="epsilon")
    np.testing.assert_allclose(products(rows)["settling"], [1.5, 0.15 * slowed])


def test_rank_correlations():
    """Theory: a score that rises with a factor alone has ρ = 1 with it, on whatever scale; the other's holds 0."""
    rows = pd.DataFrame({"a": np.exp(np.linspace(0, 4, 40)), "b": np.tile([0.1, 0.4, 0.2, 0.3], 10)})
    found = importance(rows.assign(accuracy=rows["a"] ** 2), THREE[:2], trees=10)
    assert found.loc["a", "rho"] == pytest.approx(1)
    assert found.loc["b", "low"] < 0 < found.loc["b", "high"]
    assert found.loc["a", "importance"] > 10 * found.loc["b", "importance"]


def test_next_trial_depends_on_what_is_kept_alone():
    """The search, taken up again, draws what it would have drawn; values are in range; its aim is a high score."""
    kept = []
    for _ in range(14):
        values = next_trial(THREE[:2], {"a": 1.0, "b": 1.0}, kept)
        assert values == next_trial(THREE[:2], {"a": 1.0, "b": 1.0}, kept)
        assert 1 <= values["a"] <= 100
        assert 0 <= values["b"] <= 1
        kept.append((values, -abs(values["b"] - 0.7)))
    assert max(score for _, score in kept[10:]) > -0.1


@pytest.fixture(scope="module")
def toys():
    """Toy stimuli with a validation part."""
    return from_arrays(stimuli()).with_validation(0.3)


@pytest.mark.parametrize("preset", ["digits", "digits_ep"])
def test_trials_train_as_the_command_does(toys, tmp_path, preset):
    """Oracle: `Training`, which also tests and writes: the same validation accuracies after both epochs, exactly."""
    settings = {"architecture": [6, 5, 3], "batch_size": 5, "epochs": 2, "target": "numpy", "stimuli": toys}
    configuration = Configuration.read(preset, settings)
    training = Training(configuration, RunFolder(tmp_path / "run"))
    training.run()
    found = trained(configuration, judged_on_validation(training.stimuli), 2, last=2)
    assert found == [row["validation_accuracy"] for row in training.rows]


def test_rates_without_bounds_count_as_chance(toys):
    """A run that diverges has chance as its score, and says so."""
    trials = Trials("digits", judged_on_validation(toys), {"target": "numpy"})
    row = trials.run({"rate_ff": 1e30, "hidden": 5, "seed": 0}, 1)
    assert (row["status"], row["accuracy"]) == ("diverged", 0.1)


def test_rows_that_are_kept_are_not_computed_again(monkeypatch, tmp_path):
    """Stopped after three of five jobs, the same call computes the other two; columns of strings stay strings."""
    done = []

    def jobs(root, data):
        for n in range(5):
            yield {"trial": n}, lambda n=n: done.append(n) or {"levels": "0123", "accuracy": n / 10}

    def stops(root, data):
        for place, run in jobs(root, data):
            if place["trial"] == 3:
                raise KeyboardInterrupt
            yield place, run

    monkeypatch.setitem(sensitivity_parts.PARTS, "toy", stops)
    with pytest.raises(KeyboardInterrupt):
        sensitivity_parts.compute("toy", tmp_path)
    monkeypatch.setitem(sensitivity_parts.PARTS, "toy", jobs)
    sensitivity_parts.compute("toy", tmp_path)
    assert done == [0, 1, 2, 3, 4]
    rows = sensitivity_parts.read("toy", tmp_path)
    assert list(rows["trial"]) == done
    assert set(rows["levels"]) == {"0123"}


def test_tuning_asks_for_what_it_needs(tmp_path):
    """In one line that names the file, where the design that it chooses its factors by has not been computed."""
    with pytest.raises(RunError, match=r"sensitivity_digits\.csv: is missing"):
        next(sensitivity_parts.tuning("digits", tmp_path))
