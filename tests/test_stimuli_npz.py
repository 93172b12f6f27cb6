import io
import zipfile

import numpy as np
import pytest

from corinfomax.errors import StimulusError
from corinfomax.stimuli import load_stimuli, train_test_rows

N = 20
X = np.random.default_rng(0).random((N, 6))
LABELS = np.arange(N) % 2
SPLIT = np.array(["train"] * 15 + ["test"] * 5)


def save(tmp_path, **arrays):
    path = tmp_path / "mine.npz"
    np.savez(path, **arrays)
    return path


def refusal_of(path):
    with pytest.raises(StimulusError) as refusal:
        load_stimuli(path)
    message = str(refusal.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


def with_row(array, row, value):
    changed = array.copy()
    changed[row] = value
    return changed


def test_labels_with_a_split(tmp_path):
    """Integer y is classification; the given split is kept in order, and the set is named after the file."""
    stimuli = load_stimuli(save(tmp_path, x=X, y=LABELS, split=SPLIT))
    assert (stimuli.name, stimuli.task, stimuli.outputs, stimuli.image_shape) == ("mine", "classification", 2, None)
    np.testing.assert_array_equal(stimuli.x_train, X[:15])
    np.testing.assert_array_equal(stimuli.x_test, X[15:])
    np.testing.assert_array_equal(stimuli.y_test, np.eye(2)[LABELS[15:]])


@pytest.mark.parametrize("split", [(SPLIT == "test").astype(int), SPLIT == "test"])
def test_split_by_numbers(tmp_path, split):
    """A split of 0 and 1, or of booleans, with 1 for the test part, equals that of names."""
    stimuli = load_stimuli(save(tmp_path, x=X, y=LABELS, split=split))
    np.testing.assert_array_equal(stimuli.x_test, X[15:])


def test_labels_without_a_split(tmp_path):
    """Without a split 80/20 of each class are chosen, the same at each loading."""
    path = save(tmp_path, x=X, y=LABELS)
    first, second = load_stimuli(path), load_stimuli(str(path))
    np.testing.assert_array_equal(np.bincount(first.labels_test), [2, 2])
    np.testing.assert_array_equal(first.x_test, second.x_test)


def test_images_are_flattened(tmp_path):
    """Images (n, height, width) become rows, row-major, and their shape is kept; float32 stays float32."""
    images = X.reshape(N, 2, 3).astype(np.float32)
    stimuli = load_stimuli(save(tmp_path, x=images, y=LABELS, split=SPLIT))
    assert stimuli.image_shape == (2, 3)
    assert stimuli.x_train.dtype == np.float32
    np.testing.assert_array_equal(stimuli.x_train.reshape(15, 2, 3), images[:15])


@pytest.mark.parametrize("y", [X[:, 0], X[:, :1], X[:, :3]])
def test_real_targets_are_regression(tmp_path, y):
    """Real y, (n,) or (n, outputs), is regression, with the targets as they are."""
    stimuli = load_stimuli(save(tmp_path, x=X, y=y, split=SPLIT))
    assert (stimuli.task, stimuli.labels_train, stimuli.class_names) == ("regression", None, None)
    np.testing.assert_array_equal(stimuli.y_train, y[:15].reshape(15, -1))


@pytest.mark.parametrize(
    ("y", "names"),
    [
        (LABELS.astype(float), None),
        (LABELS[:, None], None),
        (np.eye(2)[LABELS], None),
        (np.eye(2, dtype=int)[LABELS], None),
        (np.array(["cat", "dog"])[LABELS], ("cat", "dog")),
        (np.array([b"cat", b"dog"])[LABELS], ("cat", "dog")),
        (LABELS + 1, ("1", "2")),
        (2 * LABELS - 1, ("-1", "1")),
        (LABELS + 1.0, ("1", "2")),
        (LABELS.astype(bool), None),
    ],
)
def test_labels_in_other_forms(tmp_path, y, names):
    """Words, whole numbers as floats, from 1 or of either sign, and single ones are the labels that they stand for."""
    stimuli = load_stimuli(save(tmp_path, x=X, y=y, split=SPLIT))
    assert (stimuli.task, stimuli.class_names) == ("classification", names)
    np.testing.assert_array_equal(stimuli.labels_train, LABELS[:15])


def test_what_is_in_doubt_is_told(tmp_path):
    """Whole floats are taken for classes with a remark that names the key by which they are none."""
    doubtful = load_stimuli(save(tmp_path, x=X, y=LABELS.astype(float), split=SPLIT))
    assert "taken for 2 classes; for a regression save task = 'regression'" in doubtful.remark
    assert load_stimuli(save(tmp_path, x=X, y=LABELS, split=SPLIT)).remark == ""
    measured = load_stimuli(save(tmp_path, x=X, y=LABELS.astype(float), split=SPLIT, task="regression"))
    assert (measured.task, measured.remark) == ("regression", "")
    counts = load_stimuli(save(tmp_path, x=X, y=np.arange(N) + 0.0, split=SPLIT))
    assert counts.task == "regression"  # as many values as stimuli are no classes


@pytest.mark.parametrize("x", [X, X.reshape(N, 2, 3)])
def test_inputs_alone_have_no_targets(tmp_path, x):
    """Without y the inputs are split as `split` says, flattened, and have neither targets nor labels."""
    stimuli = load_stimuli(save(tmp_path, x=x, split=SPLIT))
    assert (stimuli.name, stimuli.task, stimuli.outputs) == ("mine", "none", 0)
    assert (stimuli.y_train, stimuli.y_test, stimuli.labels_train, stimuli.class_names) == (None,) * 4
    assert stimuli.image_shape == (None if x.ndim == 2 else (2, 3))
    np.testing.assert_array_equal(stimuli.x_train, X[:15])
    np.testing.assert_array_equal(stimuli.x_test, X[15:])


def test_inputs_alone_without_a_split(tmp_path):
    """Without y and split the rows are those of `train_test_rows` without labels."""
    stimuli = load_stimuli(save(tmp_path, x=X))
    for array, rows in zip((stimuli.x_train, stimuli.x_test), train_test_rows(N), strict=True):
        np.testing.assert_array_equal(array, X[rows])


def test_classes_by_number_or_name(tmp_path):
    """`classes` may leave room for classes without a stimulus, or name them."""
    assert load_stimuli(save(tmp_path, x=X, y=LABELS, classes=4)).outputs == 4
    assert load_stimuli(save(tmp_path, x=X, y=LABELS, classes=["cat", "dog"])).class_names == ("cat", "dog")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"y": LABELS}, "key 'x' is missing; wanted are x, and y if there are targets"),
        ({"x": X, "y": LABELS, "labels": LABELS}, "key 'labels' is unknown; allowed are x, y, split, classes"),
        ({"x": X[:, 0], "y": LABELS}, "key 'x' has shape (20,); allowed are (n, inputs), (n, height, width) and"),
        ({"x": X[:0], "y": LABELS[:0]}, "key 'x' is empty, of shape (0, 6)"),
        ({"x": X.astype(str), "y": LABELS}, "key 'x' is of type <U"),
        ({"x": X.astype(object), "y": LABELS}, "key 'x' holds Python objects; allowed are plain numbers and strings"),
        ({"x": with_row(X, 7, np.nan), "y": LABELS}, "key 'x' is not finite at row 7, column 0"),
        ({"x": X, "y": with_row(X, 3, np.inf)}, "key 'y' is not finite at row 3"),
        ({"x": X, "y": LABELS[:-1]}, "key 'y' has 19 rows, x 20"),
        ({"x": X, "y": X[:-1]}, "key 'y' has 19 rows, x 20"),
        ({"x": X, "y": np.array(["a", "b"] * 9)}, "key 'y' has 18 rows, x 20"),
        ({"x": X, "y": np.array([["a", "b"]] * N)}, "key 'y' holds words of shape (20, 2); allowed are labels (n,)"),
        ({"x": X, "y": LABELS.astype(complex)}, "key 'y' is of type complex128"),
        ({"x": X, "y": np.arange(2 * N).reshape(N, 2)}, "key 'y' holds integers of shape (20, 2)"),
        ({"x": X, "y": X[:, 0], "task": "classification"}, "key 'task' is 'classification', but y holds no labels"),
        (
            {"x_train": X, "x_test": X},
            "key 'x_train' needs task beside it, as save_npz has it",
        ),
        ({"x": X, "y": LABELS, "task": "none"}, "key 'task' is none; allowed are 'classification' and 'regression'"),
        ({"x": X, "task": "regression"}, "key 'task' is regression; allowed are"),
        ({"x": X, "y": np.zeros((N, 2, 2))}, "key 'y' has shape (20, 2, 2)"),
        ({"x": X, "y": np.arange(N) - 3}, "key 'y' is -3 at row 0; labels count from 0"),
        ({"x": X, "y": np.arange(N) + 7}, "key 'y' has no label 0 but higher ones"),
        ({"x": X, "y": LABELS * 2}, "key 'y' has no label 1 but higher ones"),
        ({"x": X, "y": LABELS * 0}, "key 'y' makes 1 class; allowed are 2 and more"),
        ({"x": X, "y": LABELS, "classes": 1}, "key 'classes' makes 1 class"),
        ({"x": X, "y": with_row(LABELS, 5, 2), "classes": 2}, "key 'y' is 2 at row 5; allowed is 0 to 1"),
        ({"x": X, "y": LABELS, "classes": 2.0}, "key 'classes' is float64 of shape ()"),
        ({"x": X, "y": X, "classes": 2}, "key 'classes' needs integer labels; y holds real targets"),
        ({"x": X, "classes": 2}, "key 'classes' needs integer labels; y is missing"),
        ({"x": X, "split": np.zeros(N, int)}, "key 'split' leaves no test stimulus"),
        ({"x": X, "y": LABELS, "split": SPLIT[:-1]}, "key 'split' has 19 rows, x 20"),
        ({"x": X, "y": LABELS, "split": X[:, 0]}, "key 'split' is float64 of shape (20,)"),
        ({"x": X, "y": LABELS, "split": with_row(SPLIT, 2, "tests")}, "key 'split' is 'tests' at row 2"),
        ({"x": X, "y": LABELS, "split": np.arange(N) // 10 + 1}, "key 'split' is 2 at row 10; allowed are 0 and 1"),
        ({"x": X, "y": LABELS, "split": np.zeros(N, int)}, "key 'split' leaves no test stimulus"),
        ({"x": X, "y": LABELS, "split": np.ones(N, int)}, "key 'split' leaves no training stimulus"),
        ({"x": X, "y": LABELS, "split": LABELS}, "key 'split' leaves no training stimulus of label 1, which is tested"),
        ({"x": X, "y": with_row(LABELS, 0, 2)}, "2 stimuli of each label; label 2 has 1; or give the key 'split'"),
        ({"x": X[:1], "y": X[:1]}, "needs at least 2 of them, not 1; or give the key 'split'"),
    ],
)
def test_misfits_are_refused(tmp_path, arrays, message):
    """Each misfit is refused in one line that names the file, the key and what is allowed."""
    assert message in refusal_of(save(tmp_path, **arrays))


def test_missing_and_foreign_files_are_refused(tmp_path):
    """A missing file, an empty one, text, and a single array named .npz are refused by name."""
    assert "no such file" in refusal_of(tmp_path / "none.npz")
    path = tmp_path / "mine.npz"
    for content in (b"", b"x,y\n1,2\n", b"junk"):
        path.write_bytes(content)
        assert "cannot be read (it begins as no archive does)" in refusal_of(path)
    with path.open("wb") as file:
        np.save(file, X)
    assert "cannot be read (is a single array, no archive of them)" in refusal_of(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x", "text")
        archive.writestr("y", "text")
    assert "key 'x' cannot be read (is not an array)" in refusal_of(path)


def test_damage_never_escapes_as_another_error(tmp_path):
    """A file cut short or with random bytes changed either loads or is refused in one line."""
    buffer = io.BytesIO()
    np.savez(buffer, x=X, y=LABELS, split=SPLIT)
    intact = buffer.getvalue()
    path = tmp_path / "mine.npz"
    rng = np.random.default_rng(0)
    refusals = []
    for trial in range(300):
        content = bytearray(intact)
        if trial % 3 == 0:
            content = content[: rng.integers(len(content))]
        else:
            content[rng.integers(len(content))] ^= int(rng.integers(1, 256))
        path.write_bytes(content)
        try:
            load_stimuli(path)
        except StimulusError as error:
            refusals.append(str(error))
    assert len(refusals) > 200
    assert not any("\n" in refusal for refusal in refusals)


def test_images_in_colour_keep_their_shape(tmp_path):
    """Images (n, height, width, 3) become rows, row-major; other channels are refused with what is allowed."""
    images = np.random.default_rng(0).random((N, 2, 2, 3))
    stimuli = load_stimuli(save(tmp_path, x=images, y=LABELS, split=SPLIT))
    assert stimuli.image_shape == (2, 2, 3)
    np.testing.assert_array_equal(stimuli.x_train.reshape(15, 2, 2, 3), images[:15])
    assert "and (n, height, width, 3)" in refusal_of(save(tmp_path, x=images[..., :2], y=LABELS))
