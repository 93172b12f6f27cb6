import math
from dataclasses import replace

import numpy as np
import pytest
from sklearn.model_selection import train_test_split

from corinfomax.errors import ParameterError, StimulusError
from corinfomax.stimuli import Stimuli, load_stimuli

N = 50
RNG = np.random.default_rng(1)
X = np.arange(3.0 * N).reshape(N, 3)
LABELS = RNG.permutation(np.repeat([0, 1, 2], [30, 10, 10]))
KINDS = ("x", "y", "labels")


def classification(**changes):
    stimuli = Stimuli.from_labels("toy", X, LABELS, X[:6], LABELS[:6], classes=4)
    return replace(stimuli, **changes)


def regression(n=N):
    return Stimuli(name="toy", x_train=X[:n], y_train=X[:n, :1], x_test=X[:6], y_test=X[:6, :1], task="regression")


def untargeted():
    return Stimuli(name="toy", x_train=X, x_test=X[:6], task="none")


def labelled():
    return Stimuli(
        name="toy", x_train=X, x_test=X[:6], labels_train=LABELS * 9, labels_test=LABELS[:6] * 9, task="none"
    )


EVERY = pytest.mark.parametrize("make", [classification, regression, untargeted, labelled])


@EVERY
@pytest.mark.parametrize("fraction", [0.1, 0.3, 0.5, 0.75, 0.9])
@pytest.mark.parametrize("seed", [0, 1, np.int64(2**32 - 1)])
def test_split_is_scikit_learns(make, fraction, seed):
    """Inputs, targets and labels of both parts are those of `train_test_split`, stratified if there are labels."""
    stimuli = make()
    new = stimuli.with_validation(fraction, seed)
    assert new.parts == ("train", "validation", "test")
    for kind in KINDS:
        whole = getattr(stimuli, f"{kind}_train")
        split = (None, None)
        if whole is not None:
            labels = stimuli.labels_train
            split = train_test_split(whole, test_size=fraction, stratify=labels, random_state=int(seed))
        for part, theory in zip(("train", "validation"), split, strict=True):
            np.testing.assert_array_equal(getattr(new, f"{kind}_{part}"), theory)
        np.testing.assert_array_equal(getattr(new, f"{kind}_test"), getattr(stimuli, f"{kind}_test"))


@EVERY
@pytest.mark.parametrize("fraction", [0.2, 0.5, np.float32(0.7)])
def test_split_is_a_partition_that_keeps_rows_together(make, fraction):
    """Each training stimulus is in one part, with its target and label; ⌈fraction · n⌉ are set apart (property)."""
    stimuli = make()
    new = stimuli.with_validation(fraction)
    assert len(new.x_validation) == math.ceil(fraction * N)
    rows = np.concatenate([new.x_train, new.x_validation])[:, 0] / 3
    np.testing.assert_array_equal(np.sort(rows), np.arange(N))
    for kind in KINDS:
        if (whole := getattr(stimuli, f"{kind}_train")) is not None:
            parts = np.concatenate([getattr(new, f"{kind}_{part}") for part in ("train", "validation")])
            np.testing.assert_array_equal(parts, whole[rows.astype(int)])
    assert (new.task, new.outputs, new.name) == (stimuli.task, stimuli.outputs, stimuli.name)
    assert not new.x_validation.flags.writeable


@pytest.mark.parametrize("make", [classification, labelled])
@pytest.mark.parametrize("fraction", [0.2, 0.4, 0.6])
@pytest.mark.parametrize("seed", range(5))
def test_split_keeps_the_proportions_of_labels(make, fraction, seed):
    """Each label has its share of the validation part exactly, where this is a whole number (theory)."""
    stimuli = make()
    new = stimuli.with_validation(fraction, seed)
    for label, count in zip(*np.unique(stimuli.labels_train, return_counts=True), strict=True):
        assert (new.labels_validation == label).sum() == round(fraction * count)


@EVERY
def test_split_follows_the_seed(make):
    """The same seed gives the same digest, another seed or fraction another, no split another (property)."""
    stimuli = make()
    splits = [stimuli, *(stimuli.with_validation(*arguments) for arguments in ((0.2,), (0.2, 1), (0.3,)))]
    assert len({split.digest for split in splits}) == 4
    assert make().with_validation(0.2, seed=0).digest == splits[1].digest


def test_digest_covers_the_targets_of_the_validation_part():
    """Sets that differ only in the validation part's inputs, targets or labels have different digests (property)."""
    split, unlabelled = regression().with_validation(0.2), labelled().with_validation(0.2)
    different = [
        split,
        replace(split, x_validation=split.x_validation[::-1]),
        replace(split, y_validation=split.y_validation[::-1]),
        unlabelled,
        replace(unlabelled, labels_validation=unlabelled.labels_validation + 1),
    ]
    assert len({stimuli.digest for stimuli in different}) == len(different)


def test_repr_counts_the_parts():
    """The repr tells how many stimuli each part has."""
    new = classification().with_validation(0.2)
    assert repr(new) == "<Stimuli toy: classification, inputs 3, outputs 4, train 40, validation 10, test 6>"


@EVERY
def test_normalised_treats_all_parts(make):
    """Normalising and splitting may be exchanged: the digests are equal (property)."""
    stimuli = make()
    split = stimuli.with_validation(0.2).normalised([0.5, 1.0, 2.0], 3.0)
    assert split.digest == stimuli.normalised([0.5, 1.0, 2.0], 3.0).with_validation(0.2).digest
    assert split.digest != stimuli.with_validation(0.2).digest


@pytest.mark.parametrize("fraction", [0, 1, 0.0, 1.0, -0.2, 1.5, math.nan, math.inf, "0.2", None, True, [0.2]])
def test_fractions_out_of_range_are_refused(fraction):
    """A fraction that is no number between 0 and 1 is refused in one line that shows it."""
    with pytest.raises(ParameterError) as refusal:
        classification().with_validation(fraction)
    assert str(refusal.value) == f"validation fraction is {fraction!r}; allowed are numbers above 0 and below 1"


@pytest.mark.parametrize("seed", [-1, 2**32, 0.5, "a", None, True])
def test_seeds_out_of_range_are_refused(seed):
    """A seed that is no integer from 0 to 2³² − 1 is refused in one line that shows it."""
    with pytest.raises(ParameterError) as refusal:
        classification().with_validation(0.2, seed)
    assert str(refusal.value) == f"validation seed is {seed!r}; allowed are integers from 0 to 2³² − 1"


@pytest.mark.parametrize(
    ("make", "fraction", "message"),
    [
        (untargeted, 0.99, "validation fraction 0.99 of 50 training stimuli leaves 0 to train; allowed are 1 and more"),
        (regression, 0.98, "leaves 1 to train; allowed are 2 and more"),
        (regression, 0.02, "leaves 1 to validate; allowed are 2 and more"),
        (
            classification,
            0.01,
            "does not leave each of 3 labels a stimulus to train and one to validate; the rarest, 1,",
        ),
        (classification, 0.98, "does not leave each of 3 labels a stimulus"),
        (labelled, 0.04, "the rarest, 9, has 10"),
    ],
)
def test_fractions_that_leave_too_few_are_refused(make, fraction, message):
    """A fraction that leaves a part or a class empty, or R² a single target, is refused in one line."""
    with pytest.raises(ParameterError) as refusal:
        make().with_validation(fraction)
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(("rare", "fraction"), [(1, 0.5), (2, 0.1), (2, 0.9), (3, 0.15)])
def test_a_class_is_never_empty(rare, fraction):
    """A class too rare for both parts is refused, also where scikit-learn would leave it out of one in silence."""
    labels = np.repeat([0, 1], [N - rare, rare])
    with pytest.raises(ParameterError, match=f"the rarest, 1, has {rare}"):
        Stimuli.from_labels("toy", X, labels, X[:6], [0] * 6, classes=2).with_validation(fraction)


def test_a_set_is_split_once():
    """A set with a validation part cannot be split again, which would take stimuli that were trained on before."""
    with pytest.raises(StimulusError, match="toy: x_validation is there already"):
        classification().with_validation(0.2).with_validation(0.2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y_validation": np.eye(4)}, "toy: x_validation is missing; there are targets or labels of that part"),
        ({"labels_validation": np.arange(4)}, "toy: x_validation is missing"),
        ({"x_validation": X[:4]}, "toy: y_validation is missing"),
        ({"x_validation": X[:4], "y_validation": np.eye(4)}, "toy: labels_validation is missing"),
        ({"x_validation": X[:4, :2], "y_validation": np.eye(4)}, "toy: x_validation has 2 columns, x_train 3"),
        ({"x_validation": X[:3], "y_validation": np.eye(3)}, "toy: y_validation has 3 columns, y_train 4"),
        ({"x_validation": X[:3], "y_validation": np.eye(4)}, "toy: y_validation has 4 rows, x_validation 3"),
        (
            {"x_validation": X[:4], "y_validation": np.eye(4), "labels_validation": np.array([0, 1, 2, 4])},
            "toy: labels_validation is 4 at row 3; allowed is 0 to 3",
        ),
    ],
)
def test_a_validation_part_is_checked_like_the_others(changes, message):
    """A validation part that is given as arrays is refused by set, array and row if it does not fit."""
    with pytest.raises(StimulusError) as refusal:
        classification(**changes)
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_digits_are_split_by_class():
    """Of the digits' training part a fifth is set apart, of each class within one stimulus (theory)."""
    digits = load_stimuli("digits")
    new = digits.with_validation(0.2)
    assert (len(new.x_train), len(new.x_validation), len(new.x_test)) == (1149, 288, 360)
    shares = np.bincount(new.labels_validation) - 0.2 * np.bincount(digits.labels_train)
    assert np.abs(shares).max() < 1
    np.testing.assert_array_equal(new.x_test, digits.x_test)
