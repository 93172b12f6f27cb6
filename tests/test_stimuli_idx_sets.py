import gzip
import hashlib
import struct
from dataclasses import replace

import numpy as np
import pooch
import pytest
from official_files import idx, idx_arrays, write_idx

from corinfomax.errors import StimulusError
from corinfomax.stimuli import load_stimuli, read_idx
from corinfomax.stimuli.idx_sets import FASHION_MNIST, FILES, MNIST, load_idx_set

TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS = FILES


@pytest.fixture
def arrays():
    return idx_arrays()


@pytest.fixture(autouse=True)
def no_data_variable(monkeypatch):
    monkeypatch.delenv("CORINFOMAX_DATA", raising=False)


@pytest.mark.parametrize("below", ["", "mnist", "MNIST/raw"])
@pytest.mark.parametrize("compressed", [True, False])
def test_mnist_from_a_folder(tmp_path, arrays, below, compressed):
    """A small set in the official format is read from each accepted place, as float32 grey levels in [0, 1]."""
    write_idx(tmp_path / below, arrays, compressed)
    stimuli = load_stimuli("mnist", data=tmp_path)
    theory = arrays[TRAIN_IMAGES].reshape(6, 20) / 255
    np.testing.assert_allclose(stimuli.x_train, theory, rtol=1e-6)
    assert stimuli.x_train.dtype == stimuli.y_train.dtype == np.float32
    np.testing.assert_array_equal(stimuli.y_test, np.eye(10)[[9, 1, 0]])
    assert (stimuli.image_shape, stimuli.class_names) == ((4, 5), tuple("0123456789"))


@pytest.mark.parametrize("below", ["fashion_mnist", "fashion-mnist", "FashionMNIST/raw"])
@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("given", ["above", "itself"])
def test_fashion_mnist_from_a_folder(tmp_path, arrays, below, compressed, given):
    """Fashion-MNIST is read from a folder that has one of its names, given itself or as one below the data folder."""
    write_idx(tmp_path / below, arrays, compressed)
    stimuli = load_stimuli("fashion_mnist", data=tmp_path if given == "above" else tmp_path / below)
    np.testing.assert_allclose(stimuli.x_train, arrays[TRAIN_IMAGES].reshape(6, 20) / 255, rtol=1e-6)
    np.testing.assert_array_equal(stimuli.labels_test, arrays[TEST_LABELS])
    assert (stimuli.name, stimuli.image_shape, stimuli.x_train.dtype) == ("fashion_mnist", (4, 5), np.float32)
    assert (stimuli.class_names[0], stimuli.class_names[9], stimuli.outputs) == ("T-shirt/top", "ankle boot", 10)


def test_fashion_mnist_and_mnist_lie_side_by_side(tmp_path, arrays):
    """With MNIST's files in the data folder itself and Fashion-MNIST's below, each name gets its own."""
    write_idx(tmp_path, arrays)
    write_idx(tmp_path / "fashion-mnist", {file: array[::-1] for file, array in arrays.items()})
    np.testing.assert_array_equal(load_stimuli("mnist", data=tmp_path).labels_test, [9, 1, 0])
    np.testing.assert_array_equal(load_stimuli("fashion_mnist", data=tmp_path).labels_test, [0, 1, 9])


def test_fashion_mnist_does_not_take_files_that_may_be_mnists(tmp_path, arrays):
    """Files in a folder of another name are refused with the names that tell; no files, with the files wanted."""
    with pytest.raises(StimulusError, match=r"no files of fashion_mnist in fashion_mnist/ or .*; wanted are train-im"):
        load_stimuli("fashion_mnist", data=tmp_path)
    write_idx(tmp_path, arrays)
    with pytest.raises(StimulusError) as refusal:
        load_stimuli("fashion_mnist", data=tmp_path)
    message = str(refusal.value)
    assert message.startswith(f"{tmp_path}: its files may be MNIST's, which have")
    assert "fashion_mnist/ or fashion-mnist/ or FashionMNIST/raw/" in message
    assert "\n" not in message


def test_mnist_from_the_environment_variable(tmp_path, arrays, monkeypatch):
    """CORINFOMAX_DATA is the default folder, an argument goes before it, and its errors name it."""
    monkeypatch.setenv("CORINFOMAX_DATA", str(write_idx(tmp_path / "data", arrays)))
    assert len(load_stimuli("mnist").x_train) == 6
    with pytest.raises(StimulusError, match="other: is not a folder"):
        load_stimuli("mnist", data=tmp_path / "other")
    monkeypatch.setenv("CORINFOMAX_DATA", str(tmp_path / "typo"))
    with pytest.raises(StimulusError, match=r"typo \(from CORINFOMAX_DATA\): is not a folder"):
        load_stimuli("mnist")


def test_mnist_names_what_a_folder_lacks(tmp_path, arrays):
    """A folder without the files, or with some of them, is an error that names them, not a download."""
    with pytest.raises(StimulusError, match="has no files of mnist, nor in mnist/ or MNIST/raw/; wanted are train-im"):
        load_stimuli("mnist", data=tmp_path)
    del arrays[TEST_LABELS]
    write_idx(tmp_path, arrays)
    with pytest.raises(StimulusError, match="lacks t10k-labels-idx1-ubyte of mnist"):
        load_stimuli("mnist", data=tmp_path)


@pytest.mark.parametrize(
    ("file", "array", "message"),
    [
        (
            TRAIN_LABELS,
            np.array([0, 1, 2, 10, 4, 9]),
            "train-labels-idx1-ubyte.gz: label 10 at row 3; allowed is 0 to 9",
        ),
        (TEST_LABELS, np.array([0, 1]), "t10k-labels-idx1-ubyte.gz: holds 2 labels for 3 images"),
        (TEST_IMAGES, np.zeros((3, 5, 4)), "t10k-images-idx3-ubyte.gz: holds images of (5, 4) pixels"),
    ],
)
def test_mnist_files_must_fit_one_another(tmp_path, arrays, file, array, message):
    """Labels out of range, and files that do not belong together, are refused by file name."""
    write_idx(tmp_path, arrays | {file: array})
    with pytest.raises(StimulusError) as refusal:
        load_stimuli("mnist", data=tmp_path)
    assert message in str(refusal.value)


def test_idx_is_recognised_by_content(tmp_path):
    """A file that was uncompressed on the way but kept its ".gz" is read all the same."""
    theory = np.arange(24).reshape(2, 3, 4)
    path = tmp_path / "images.gz"
    path.write_bytes(idx(theory))
    np.testing.assert_array_equal(read_idx(path, 3), theory)


IMAGES = idx(np.arange(24).reshape(2, 3, 4))
COMPRESSED = gzip.compress(IMAGES, mtime=0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is 0 bytes long, shorter than an IDX header of 16"),
        (IMAGES[:15], "is 15 bytes long"),
        (IMAGES[:-1], "holds 23 bytes of data; its header, of shape (2, 3, 4), says 24"),
        (IMAGES + b"\0", "holds 25 bytes of data"),
        (b"<html>not found</html>", "magic number 0x3c68746d; allowed is 0x00000803"),
        (idx(np.arange(24)), "magic number 0x00000801; allowed is 0x00000803"),
        (b"\0\0\x0d" + IMAGES[3:], "magic number 0x00000d03"),
        (struct.pack(">4I", 0x803, 2**31, 2**31, 4), "says 18446744073709551616"),
        (idx(np.zeros((0, 3, 4))), "is empty, of shape (0, 3, 4)"),
        (COMPRESSED[:-9], "the gzip file is cut short"),
        (COMPRESSED[:5], "the gzip file is cut short"),
        (COMPRESSED[:-8] + bytes([COMPRESSED[-8] ^ 1]) + COMPRESSED[-7:], "the gzip file is damaged"),
        (COMPRESSED[:10] + b"\xff" * 10 + COMPRESSED[20:], "the gzip file is damaged"),
        (COMPRESSED + b"tail", "the gzip file is damaged"),
    ],
)
def test_idx_refuses_damage(tmp_path, content, message):
    """Each kind of damage is refused in one line that names the file and what is wrong."""
    path = tmp_path / "images"
    path.write_bytes(content)
    with pytest.raises(StimulusError) as refusal:
        read_idx(path, 3)
    assert str(refusal.value).startswith(f"{path}: ")
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_idx_that_cannot_be_opened(tmp_path):
    """A missing file is refused by name."""
    with pytest.raises(StimulusError, match=r"images: cannot be read \(No such file or directory\)"):
        read_idx(tmp_path / "images", 3)


@pytest.fixture
def mirrors(tmp_path, arrays, monkeypatch):
    """Put a small set on two mirrors, whose answers can be changed (None: no connection), and list what is asked."""
    files = {file: gzip.compress(idx(array), mtime=0) for file, array in arrays.items()}
    answers = {"https://first.org/": files, "https://second.org/": dict(files)}
    asked = []

    class Downloader:
        def __call__(self, url, output_file, pooch_instance):
            asked.append(url)
            mirror, file = url.rsplit("/", 1)
            if (answer := answers[f"{mirror}/"]) is None:
                raise ConnectionError("no route to host")
            with open(output_file, "wb") as output:
                output.write(answer[file.removesuffix(".gz")])

    monkeypatch.setattr(pooch, "HTTPDownloader", Downloader)
    monkeypatch.setattr(pooch, "os_cache", lambda project: tmp_path / "cache" / project)
    md5 = tuple(hashlib.md5(idx(array)).hexdigest() for array in arrays.values())
    return replace(MNIST, mirrors=tuple(answers), md5=md5), answers, asked


def test_download_happens_once(mirrors):
    """Four files are fetched from the first mirror, and the second time from the cache."""
    source, answers, asked = mirrors
    first = load_idx_set(source)
    assert asked == [f"https://first.org/{file}.gz" for file in FILES]
    answers.update(dict.fromkeys(answers))
    np.testing.assert_array_equal(load_idx_set(source).x_train, first.x_train)
    assert len(asked) == 4


@pytest.mark.parametrize(
    "answer", [None, b"<html>", gzip.compress(b"another file", mtime=0), gzip.compress(b"cut short", mtime=0)[:-9]]
)
def test_download_turns_to_the_next_mirror(mirrors, answer):
    """A mirror that is away, or whose file is not the published one, is passed over."""
    source, answers, asked = mirrors
    answers["https://first.org/"] = None if answer is None else dict.fromkeys(FILES, answer)
    assert len(load_idx_set(source).x_train) == 6
    assert asked[:2] == [f"{mirror}{TRAIN_IMAGES}.gz" for mirror in source.mirrors]


@pytest.mark.parametrize("md5_of", ["compressed", "uncompressed"])
def test_download_compares_what_the_checksum_is_of(mirrors, arrays, md5_of, tmp_path):
    """Files are kept in the form whose checksum is known; another file is refused in either form."""
    source, answers, _ = mirrors
    known = (
        idx(array) if md5_of == "uncompressed" else gzip.compress(idx(array), mtime=0) for array in arrays.values()
    )
    source = replace(source, md5=tuple(hashlib.md5(content).hexdigest() for content in known), md5_of=md5_of)
    for files in answers.values():
        files.update({file: gzip.compress(idx(array), mtime=0) for file, array in arrays.items()})
    assert len(load_idx_set(source).x_train) == 6
    kept = {path.name for path in (tmp_path / "cache" / "corinfomax" / "mnist").iterdir()}
    assert kept == set(FILES if md5_of == "uncompressed" else (f"{file}.gz" for file in FILES))
    with pytest.raises(StimulusError, match="could not be downloaded"):
        load_idx_set(replace(source, name="fresh", md5=("0" * 32,) * 4))


def test_published_checksums_are_complete():
    """Each set has four different checksums of 128 bits."""
    for source in (MNIST, FASHION_MNIST):
        assert len(set(source.md5)) == 4
        assert all(len(md5) == 32 and int(md5, 16) for md5 in source.md5)


def test_download_that_fails_says_how_to_supply_the_files(mirrors):
    """Without a network the error is one line that names the file, the mirrors and the two ways to give a folder."""
    source, answers, _ = mirrors
    answers.update(dict.fromkeys(answers))
    with pytest.raises(StimulusError) as refusal:
        load_idx_set(source)
    message = str(refusal.value)
    for word in (f"mnist: {TRAIN_IMAGES}.gz", "first.org", "second.org", "--data", "CORINFOMAX_DATA"):
        assert word in message
    assert "\n" not in message
