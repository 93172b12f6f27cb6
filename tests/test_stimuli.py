import pkgutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_digits
from sklearn.model_selection import train_test_split

import corinfomax.stimuli
from corinfomax.errors import ParameterError, StimulusError
from corinfomax.stimuli import (
    Stimuli,
    available,
    batches,
    load_stimuli,
    one_hot,
    register,
    registry,
    train_test_rows,
)


def regression(**changes):
    arrays = {
        "name": "toy",
        "x_train": np.zeros((4, 3)),
        "y_train": np.zeros((4, 2)),
        "x_test": np.zeros((2, 3)),
        "y_test": np.zeros((2, 2)),
        "task": "regression",
    }
    return Stimuli(**(arrays | changes))


def classification(**changes):
    arrays = {
        "x_train": np.zeros((4, 6)),
        "y_train": np.eye(2)[[0, 1, 0, 1]],
        "x_test": np.zeros((2, 6)),
        "y_test": np.eye(2),
        "labels_train": np.array([0, 1, 0, 1]),
        "labels_test": np.array([0, 1]),
        "task": "classification",
    }
    return regression(**(arrays | changes))


def test_one_hot_marks_the_label():
    """The target of label k is row k of the identity, in the precision asked for."""
    labels = np.array([2, 0, 2])
    np.testing.assert_array_equal(one_hot(labels, 3), np.eye(3)[labels])
    assert one_hot(labels, 3, np.float32).dtype == np.float32


def test_stimuli_from_labels():
    """Labels and names make one-hot targets, and inputs and outputs count the units."""
    stimuli = Stimuli.from_labels(
        "toy", np.ones((3, 6)), [0, 1, 1], np.ones((1, 6)), [0], classes=["cat", "dog", "owl"], image_shape=(2, 3)
    )
    assert (stimuli.inputs, stimuli.outputs, stimuli.task) == (6, 3, "classification")
    assert stimuli.class_names == ("cat", "dog", "owl")
    alike = replace(stimuli, class_names=("cat", *(f"a dog from beyond the sea {n}" for n in range(2))))
    assert alike.short_labels == ["cat", "1 a dog from beyond…", "2 a dog from beyond…"]  # by their own numbers
    np.testing.assert_array_equal(stimuli.y_train, np.eye(3)[[0, 1, 1]])
    assert repr(stimuli) == "<Stimuli toy: classification, inputs 6, outputs 3, train 3, test 1>"


def test_stimuli_keep_float32_and_widen_the_rest():
    """float32 stays as it is, in the targets too; integers become float64."""
    labels = np.array([0, 1])
    for given, kept in ((np.float32, np.float32), (np.float64, np.float64), (np.uint8, np.float64)):
        x = np.ones((2, 3), given)
        stimuli = Stimuli.from_labels("toy", x, labels, x, labels)
        assert stimuli.x_train.dtype == stimuli.y_train.dtype == kept


def test_stimuli_are_read_only_and_the_callers_array_is_not():
    """A stimulus set cannot be changed in place, but the array it was made from can."""
    x = np.zeros((4, 3))
    stimuli = regression(x_train=x)
    with pytest.raises(ValueError, match="read-only"):
        stimuli.x_train[0, 0] = 1
    x[0, 0] = 1


@pytest.mark.parametrize(
    ("make", "changes", "message"),
    [
        (regression, {"x_train": np.zeros(4)}, "toy: x_train has shape (4,)"),
        (regression, {"x_train": np.zeros((0, 3))}, "toy: x_train is empty, of shape (0, 3)"),
        (regression, {"y_test": np.zeros((3, 2))}, "toy: y_test has 3 rows, x_test 2"),
        (regression, {"x_test": np.zeros((2, 4))}, "toy: x_test has 4 columns, x_train 3"),
        (regression, {"y_test": np.zeros((2, 1))}, "toy: y_test has 1 columns, y_train 2"),
        (
            regression,
            {"x_train": np.array([[0.0] * 3, [0.0] * 3, [0, np.nan, 0], [np.inf] * 3])},
            "row 2, column 1",
        ),
        (regression, {"y_train": np.full((4, 2), "a")}, "toy: y_train is of type <U1"),
        (regression, {"x_train": np.zeros((4, 3), complex)}, "toy: x_train is of type complex128"),
        (regression, {"labels_train": np.zeros(4, int)}, "toy: labels_train must be None in regression"),
        (regression, {"y_test": None}, "toy: y_test is missing; only targets may be, if the task is 'none'"),
        (regression, {"x_test": None}, "toy: x_test is missing"),
        (
            regression,
            {"task": "clustering"},
            "toy: task is 'clustering'; allowed are 'classification', 'regression', 'n",
        ),
        (regression, {"image_shape": (2, 2)}, "toy: image_shape is (2, 2), which does not make 3 inputs"),
        (regression, {"class_names": ("a",)}, "toy: class_names has 1 names for 2 outputs"),
        (regression, {"class_names": ("a", "a")}, "toy: class_names has 'a' twice; each class has a name of its own"),
        (classification, {"labels_test": None}, "toy: labels_test is missing"),
        (classification, {"labels_train": np.array([0, 1, 0])}, "toy: labels_train has 3 rows, y_train 4"),
        (
            classification,
            {"labels_train": np.array([0, 1, 2, 1])},
            "toy: labels_train is 2 at row 2; allowed is 0 to 1",
        ),
        (classification, {"labels_train": np.array([0, -1, 0, 1])}, "toy: labels_train is -1 at row 1"),
        (classification, {"labels_train": np.zeros(4)}, "toy: labels_train is float64 of shape (4,)"),
        (classification, {"labels_test": np.array([0, 0])}, "toy: labels_test is 0 at row 1, where the largest target"),
    ],
)
def test_stimuli_refuse_what_does_not_fit(make, changes, message):
    """Each misfit is refused in one line that names the set, the array and the first bad row."""
    with pytest.raises(StimulusError) as refusal:
        make(**changes)
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_from_labels_refuses_what_are_no_labels():
    """Real or missing labels are refused by name before any target is made of them."""
    x = np.ones((2, 3))
    for labels in (np.array([0.0, np.nan]), np.array(["a", "b"]), np.array([], int)):
        with pytest.raises(StimulusError, match="toy: labels_test is"):
            Stimuli.from_labels("toy", x, [0, 1], x, labels)


@pytest.mark.parametrize(
    ("dtype", "digest"),
    [
        (np.float64, "30c95f226ac3ce69d4c2662134a34f8a4eb09d1743656909044ba3203c5de2f7"),
        (np.float32, "8cf7783aef15ece36dae2609b9f6960fdee334cd6de4d8d9c7abb6f0487030db"),
    ],
)
def test_digest_of_a_classification_set_stays(dtype, digest):
    """The digest of targets and inputs is that of version 0.1.0 (golden): run folders hold it."""
    x = np.arange(12, dtype=dtype).reshape(4, 3) / 8
    assert Stimuli.from_labels("toy", x, [0, 1, 0, 1], x[:2], [1, 0]).digest == digest


def test_digest_of_a_regression_set_stays():
    """The digest of real targets is that of version 0.1.0 (golden)."""
    x = np.arange(12).reshape(4, 3) / 8
    stimuli = regression(x_train=x, y_train=x[:, :2], x_test=x[:2], y_test=x[:2, 1:])
    assert stimuli.digest == "5f6a21546e648f89f3f5598ddc04ddb0ee2267b8a56b3da24751749a308c9c57"


def test_digits():
    """The digits are scikit-learn's, divided by 16, in its stratified 80/20 split with random_state 0."""
    stimuli = load_stimuli("digits")
    x, labels = load_digits(return_X_y=True)
    theory = train_test_split(x / 16, labels, test_size=0.2, stratify=labels, random_state=0)
    for array, expected in zip(
        (stimuli.x_train, stimuli.x_test, stimuli.labels_train, stimuli.labels_test), theory, strict=True
    ):
        np.testing.assert_array_equal(array, expected)
    assert stimuli.x_train.shape == (1437, 64)
    assert (stimuli.x_train.min(), stimuli.x_train.max()) == (0, 1)
    assert stimuli.image_shape == (8, 8)
    assert stimuli.class_names == tuple("0123456789")


def test_diabetes_inputs_are_standardised_on_the_training_part():
    """±3 standard deviations of the training part are mapped to [0, 1], and clipped there, in both parts."""
    stimuli = load_stimuli("diabetes")
    train, test = train_test_split(load_diabetes(scaled=False).data, test_size=0.2, random_state=0)
    for array, raw in ((stimuli.x_train, train), (stimuli.x_test, test)):
        theory = np.clip((raw - train.mean(0)) / train.std(0), -3, 3) / 6 + 0.5
        np.testing.assert_allclose(array, theory, atol=1e-12)


def test_diabetes_target_is_a_linear_map_with_headroom():
    """The training targets fill [0.1, 0.9], all targets stay in [0, 1], and the map is linear, so that R² is kept."""
    stimuli = load_stimuli("diabetes")
    train, test = train_test_split(load_diabetes().target, test_size=0.2, random_state=0)
    assert (stimuli.task, stimuli.outputs, stimuli.labels_train) == ("regression", 1, None)
    assert stimuli.y_train.min() == pytest.approx(0.1)
    assert stimuli.y_train.max() == pytest.approx(0.9)
    assert 0 <= stimuli.y_test.min() <= stimuli.y_test.max() <= 1
    assert np.corrcoef(stimuli.y_train[:, 0], train)[0, 1] == pytest.approx(1)
    assert np.corrcoef(stimuli.y_test[:, 0], test)[0, 1] == pytest.approx(1)


def test_split_is_a_stratified_partition_and_always_the_same():
    """Each row comes once, a fifth of each class is tested, and a second call gives the same rows."""
    labels = np.repeat([0, 1, 2], [50, 30, 20])
    train, test = train_test_rows(100, labels)
    np.testing.assert_array_equal(np.sort(np.concatenate([train, test])), np.arange(100))
    np.testing.assert_array_equal(np.bincount(labels[test]), [10, 6, 4])
    np.testing.assert_array_equal(train_test_rows(100, labels)[1], test)


@pytest.mark.parametrize(
    ("n", "labels", "message"),
    [
        (1, None, "at least 2"),
        (9, [0, 0, 0, 0, 1, 1, 1, 1, 5], "2 stimuli of each label; label 5 has 1"),
        (6, [0, 0, 1, 1, 2, 2], "there are 6 for 3 labels"),
    ],
)
def test_split_refuses_too_few_stimuli(n, labels, message):
    """Too few stimuli, altogether or of a class, are refused rather than left to scikit-learn."""
    with pytest.raises(StimulusError, match=message):
        train_test_rows(n, labels)


def test_batches_present_each_stimulus_once():
    """An epoch is a permutation of all rows, in full batches and a smaller last one."""
    epoch = batches(10, 4, np.random.default_rng(0))
    assert [len(batch) for batch in epoch] == [4, 4, 2]
    np.testing.assert_array_equal(np.sort(np.concatenate(epoch)), np.arange(10))
    assert len(batches(3, 20, np.random.default_rng(0))) == 1


def test_batches_follow_the_generator():
    """The same seed gives the same order, and the next epoch another one."""
    rng = np.random.default_rng(1)
    first, second = (np.concatenate(batches(50, 7, rng)) for _ in range(2))
    np.testing.assert_array_equal(first, np.concatenate(batches(50, 7, np.random.default_rng(1))))
    assert (first != second).any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 4, np.random.default_rng(0)), "n is 0"),
        ((4, 0, np.random.default_rng(0)), "batch_size is 0"),
        ((4, 1.5, np.random.default_rng(0)), "batch_size is 1.5"),
        ((4, 2, 0), "rng is a int"),
    ],
)
def test_batches_refuse_wrong_arguments(arguments, message):
    """Sizes below 1 and seeds in place of generators are refused by name."""
    with pytest.raises(ParameterError, match=message):
        batches(*arguments)


@pytest.mark.parametrize(
    ("name", "hint"), [("digit", "'digits'"), ("MNIST", "'mnist'"), ("diabets", "'diabetes'"), ("birds", None)]
)
def test_unknown_name_is_answered_with_the_allowed_ones(name, hint):
    """An unknown name is refused with the allowed ones, and with the one that was probably meant."""
    with pytest.raises(ParameterError) as refusal:
        load_stimuli(name)
    message = str(refusal.value)
    assert "allowed are digits, mnist, fashion_mnist, cifar10, cifar100, diabetes" in message
    assert ("did you mean" in message) == (hint is not None)
    assert hint is None or f"did you mean {hint}" in message


def test_a_file_of_another_kind_is_answered_with_the_kind_that_is_read():
    """An .npy file, which NumPy saves as readily, is told how it is saved to be read."""
    with pytest.raises(ParameterError, match=r"'x\.npy' is no \.npz file; save arrays as numpy\.savez"):
        load_stimuli("x.npy")


def test_register_adds_a_set(monkeypatch, tmp_path):
    """A registered loader is called with the data folder, and its name is listed."""
    monkeypatch.setattr(registry, "_registered", {})
    folders = []

    def gratings(data):
        folders.append(data)
        return regression(name="gratings")

    register("gratings", gratings)
    assert load_stimuli("gratings", data=str(tmp_path)).name == "gratings"
    assert folders == [tmp_path]
    assert available() == (*registry.BUILT_IN, "gratings")


def test_register_refuses_taken_names_and_wrong_loaders(monkeypatch):
    """Built-in names, file names and loaders that do not return stimuli are refused."""
    monkeypatch.setattr(registry, "_registered", {})
    for name in ("mnist", "mine.npz", ""):
        with pytest.raises(ParameterError, match="cannot be registered"):
            register(name, regression)
    with pytest.raises(ParameterError, match="the loader of 'toy' is a int"):
        register("toy", 3)
    register("toy", lambda data: {})
    with pytest.raises(ParameterError, match="the loader of 'toy' returned a dict"):
        load_stimuli("toy")


def test_the_package_imports_its_names_when_they_are_used():
    """In a fresh Python neither the import nor any public name brings scikit-learn, Brian2 or pooch (property)."""
    code = """
import sys
import corinfomax.stimuli as package
print(*(name for name in sys.modules if name.startswith("corinfomax.stimuli.")))
for name in package.__all__:
    getattr(package, name)
print(*({"sklearn", "brian2", "pooch"} & set(sys.modules)))
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert run.stdout == "\n\n"


def test_no_module_has_the_name_of_a_public_function():
    """Importing a module of the package, in whatever order, hides no public name (property)."""
    modules = {module.name for module in pkgutil.iter_modules(corinfomax.stimuli.__path__)}
    assert "stimulus" in modules
    assert modules & set(corinfomax.stimuli.__all__) == set()
