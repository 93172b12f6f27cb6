from dataclasses import replace

import numpy as np
import pytest

from corinfomax.errors import ParameterError, StimulusError
from corinfomax.stimuli import Stimuli, load_stimuli, register, registry

RNG = np.random.default_rng(0)
X_TRAIN, X_TEST = RNG.normal(size=(8, 6)), RNG.normal(size=(4, 6))
LABELS = {"labels_train": np.array([0, 7, 0, 7, 0, 7, 0, 7]), "labels_test": np.array([7, 3, 0, 0])}


def untargeted(**changes):
    return Stimuli(**({"name": "toy", "x_train": X_TRAIN, "x_test": X_TEST, "task": "none"} | changes))


def test_a_set_may_have_no_targets():
    """Inputs alone make a set without targets, labels and outputs, and its repr says so."""
    stimuli = untargeted()
    assert (stimuli.inputs, stimuli.outputs, stimuli.parts) == (6, 0, ("train", "test"))
    assert (stimuli.y_train, stimuli.y_test, stimuli.labels_train, stimuli.labels_test) == (None,) * 4
    assert repr(stimuli) == "<Stimuli toy: no targets, inputs 6, train 8, test 4>"
    np.testing.assert_array_equal(stimuli.x_train, X_TRAIN)
    assert not stimuli.x_train.flags.writeable


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.uint64])
def test_labels_without_targets_are_kept(dtype):
    """Labels are any integers from 0, with gaps, also of the test part alone, and become int64; names are theirs."""
    labels = {name: array.astype(dtype) for name, array in LABELS.items()}
    stimuli = untargeted(**labels, class_names=list("abcdefgh"))
    for name, array in LABELS.items():
        np.testing.assert_array_equal(getattr(stimuli, name), array)
        assert getattr(stimuli, name).dtype == np.int64
    assert stimuli.class_names == tuple("abcdefgh")
    assert stimuli.outputs == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y_train": X_TRAIN}, "toy: y_train must be None if the task is 'none'"),
        ({"y_test": X_TEST}, "toy: y_test must be None if the task is 'none'"),
        ({"x_test": X_TEST[:, :5]}, "toy: x_test has 5 columns, x_train 6"),
        ({"x_train": X_TRAIN[:0]}, "toy: x_train is empty, of shape (0, 6)"),
        ({"x_train": None}, "toy: x_train is missing"),
        ({"x_test": X_TEST + np.array([0, 0, np.inf, np.nan])[:, None]}, "toy: x_test is not finite at row 2"),
        ({"x_train": np.array(np.nan)}, "toy: x_train has shape (); allowed is (stimuli, units)"),
        ({"labels_train": LABELS["labels_train"]}, "toy: labels_test is missing, unlike labels_train"),
        ({"labels_test": LABELS["labels_test"]}, "toy: labels_test is there, unlike labels_train"),
        (
            LABELS | {"labels_test": np.array([0, 1, -2, 0])},
            "toy: labels_test is -2 at row 2; allowed is integers from 0",
        ),
        (LABELS | {"labels_test": np.full(4, 2**63, np.uint64)}, "toy: labels_test is 9223372036854775808 at row 0"),
        (LABELS | {"labels_test": np.array([0, 1, 2])}, "toy: labels_test has 3 rows, x_test 4"),
        (LABELS | {"labels_test": np.zeros(4)}, "toy: labels_test is float64 of shape (4,)"),
        ({"class_names": ("a",)}, "toy: class_names must be None without labels"),
        (LABELS | {"class_names": tuple("abcdefg")}, "toy: class_names has 7 names for labels up to 7"),
        ({"image_shape": (2, 2)}, "toy: image_shape is (2, 2), which does not make 6 inputs"),
    ],
)
def test_misfits_are_refused(changes, message):
    """Each misfit is refused in one line that names the set and the array, as in sets with targets."""
    with pytest.raises(StimulusError) as refusal:
        untargeted(**changes)
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_digests_tell_sets_apart():
    """Other inputs, other labels, no labels, and the inputs as targets each give another digest (property)."""
    as_targets = Stimuli(name="toy", x_train=X_TRAIN, y_train=X_TRAIN, x_test=X_TEST, y_test=X_TEST, task="regression")
    different = [
        untargeted(),
        untargeted(x_train=X_TRAIN[::-1]),
        untargeted(x_train=X_TRAIN.astype(np.float32)),
        untargeted(x_test=X_TRAIN),
        untargeted(x_validation=X_TEST),
        untargeted(**LABELS),
        untargeted(**LABELS | {"labels_test": np.array([7, 3, 0, 1])}),
        as_targets,
    ]
    assert len({stimuli.digest for stimuli in different}) == len(different)
    assert untargeted(name="other").digest == untargeted().digest


def test_normalised_without_targets():
    """(x − mean)/std of both parts, to round-off; labels stay, there still are no targets."""
    new = untargeted(**LABELS).normalised([0.5] * 6, 2.0)
    np.testing.assert_allclose(new.x_train, (X_TRAIN - 0.5) / 2, rtol=1e-15)
    np.testing.assert_allclose(new.x_test, (X_TEST - 0.5) / 2, rtol=1e-15)
    np.testing.assert_array_equal(new.labels_train, LABELS["labels_train"])
    assert (new.task, new.y_train) == ("none", None)
    with pytest.raises(ParameterError, match="std must be finite and above 0"):
        new.normalised(std=0)


def test_a_set_without_targets_is_registered(monkeypatch):
    """A loader may return a set without targets, such as a copy of another that keeps its labels and their names."""
    monkeypatch.setattr(registry, "_registered", {})
    digits = load_stimuli("digits")
    register("images", lambda data: replace(digits, y_train=None, y_test=None, task="none"))
    images = load_stimuli("images")
    assert repr(images) == "<Stimuli digits: no targets, inputs 64, train 1437, test 360>"
    np.testing.assert_array_equal(images.labels_test, digits.labels_test)
    assert images.class_names == digits.class_names
