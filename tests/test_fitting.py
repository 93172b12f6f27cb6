"""Stimuli that are made to fit a model, and the parameters that say how."""

from typing import Annotated

import numpy as np
import pytest
from toys import OJA, REGRESSOR, stimuli

from corinfomax.errors import ParameterError
from corinfomax.networks import CorInfoMax
from corinfomax.parameters import CODE, SIZES, Architecture, CellReference, model_of, played_by
from corinfomax.protocols.clockwork import contrastive
from corinfomax.protocols.runs import Configuration, RunFolder, Training
from corinfomax.protocols.runs.fitting import too_short
from corinfomax.protocols.systems import MODELS


def test_roles_are_found_wherever_they_stand():
    """`played_by` finds a role in a type, in parts of unions and containers, and behind further bounds; exact."""

    def function(
        plain: str,
        cell: CellReference | dict[str, CellReference] | None = None,
        cells: list[CellReference] = [],  # noqa: B006
        architecture: Annotated[Architecture, "further"] = [1, 2],  # noqa: B006
        sizes: Architecture | None = None,
    ):
        pass

    assert played_by(model_of(function), CODE) == ("cell", "cells")
    assert played_by(model_of(function), SIZES) == ("architecture", "sizes")


def test_one_class_is_nothing_to_learn(tmp_path):
    """A set whose stimuli are all of one class is refused in a line that names it."""
    np.savez(tmp_path / "one.npz", **stimuli(y=np.array(["a"] * 60)))
    with pytest.raises(ParameterError, match="'one' has one class only, so that there is nothing to learn"):
        Configuration.read(settings=[f"stimuli={tmp_path / 'one.npz'}", "initial_gain_ff=1"]).load_stimuli()


def test_validation_stimuli_are_set_apart():
    """A fraction of .25 of 1437 digits is 360, stratified, whatever the seed of the run; without it there are none."""
    found = [Configuration.read("digits", ["validation=.25", f"seed={seed}"]).load_stimuli() for seed in (0, 1)]
    assert found[0].parts == ("train", "validation", "test")
    assert (len(found[0].x_train), len(found[0].x_validation)) == (1077, 360)
    np.testing.assert_array_equal(found[0].x_validation, found[1].x_validation)
    assert Configuration.read("digits").load_stimuli().parts == ("train", "test")
    assert "validation" not in Configuration.read("digits").to_dict()["stimuli"]


@pytest.mark.parametrize("value", ["0", "1", "-.5", "2", "half", "true"])
def test_a_validation_fraction_out_of_range_is_refused(value):
    """One line that names section and key."""
    with pytest.raises(ParameterError, match=r"\[stimuli\].*validation") as caught:
        Configuration.read("digits", [f"validation={value}"])
    assert "\n" not in str(caught.value)


def test_validation_stimuli_have_a_column_of_their_own(tmp_path, monkeypatch):
    """It is the accuracy of their predictions, exactly; the test stimuli's stands beside it and is the score."""
    monkeypatch.setitem(MODELS, "regressor", REGRESSOR)
    np.savez(tmp_path / "toy.npz", **stimuli())
    sections = {"stimuli": {"stimuli": str(tmp_path / "toy.npz"), "validation": 0.25}, "training": {"epochs": 1}}
    configuration = Configuration({**sections, "circuit": {"model": "regressor", "architecture": [6, 3]}})
    folder = RunFolder(tmp_path / "run")
    folder.create(configuration)
    training = Training(configuration, folder)
    training.run()
    presented = training.stimuli
    columns = ["epoch", "train_accuracy", "unlearnt", "validation_accuracy", "test_accuracy"]
    assert list(training.rows[0])[:5] == columns
    predicted = training.evaluator.predict(presented.x_validation).argmax(axis=1)
    assert training.rows[0]["validation_accuracy"] == np.mean(predicted == presented.labels_validation)
    assert (len(presented.x_train), len(presented.x_validation)) == (36, 12)
    assert training.score == "test_accuracy"


def test_validation_needs_targets(monkeypatch):
    """Of a model that learns without, and so has nothing to be judged by, it is refused with key and model."""
    monkeypatch.setitem(MODELS, "oja", OJA)
    with pytest.raises(ParameterError, match=r"validation = 0\.25: oja learns without targets"):
        Configuration(
            {"stimuli": {"stimuli": "subspace", "validation": 0.25}, "circuit": {"model": "oja"}}
        ).load_stimuli()


@pytest.mark.parametrize(("steps", "step", "told"), [(30, 1e-9, True), (1, 0.05, True), (30, 0.05, False)])
def test_phases_that_are_over_before_anything_moves_are_told(steps, step, told):
    """One line if the free phase lasts less than one time constant of the fastest cells, 2/bound (theory)."""
    circuit, protocol = CorInfoMax([6, 5, 4]), contrastive(free_steps=steps, step=step)
    theory = steps * step < circuit.step_bound(0.0) / 2
    assert theory == told
    message = too_short(circuit, protocol)
    assert (message is not None) == told
    assert not told or all(word in message for word in ("'free'", "larger step", f"{step:g}"))
