import gzip
import hashlib
from dataclasses import replace

import numpy as np
import pooch
import pytest
from official_files import cifar_arrays, cifar_contents, tar_gz, write_files

from corinfomax.errors import StimulusError
from corinfomax.stimuli import cifar, load_stimuli
from corinfomax.stimuli.cifar import CIFAR10, CIFAR100, load_cifar

BOTH = pytest.mark.parametrize("source", [CIFAR10, CIFAR100], ids=lambda source: source.name)


@pytest.fixture(autouse=True)
def no_data_variable(monkeypatch):
    monkeypatch.delenv("CORINFOMAX_DATA", raising=False)


@pytest.fixture
def refusal():
    """Return the message of the `StimulusError` that a folder gives, which is one line."""

    def call(source, folder):
        with pytest.raises(StimulusError) as caught:
            load_stimuli(source.name, data=folder)
        message = str(caught.value)
        assert "\n" not in message
        assert message.startswith(str(folder))
        return message

    return call


@BOTH
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_cifar_from_a_folder(tmp_path, source, packed, place):
    """Files and archive are read from each accepted place: levels / 255 as float32, rows (height, width, channels)."""
    folder = tmp_path / ("", *source.folders)[place]
    contents = cifar_contents(source)
    write_files(folder, {source.archive: tar_gz(contents)} if packed else contents)
    stimuli = load_stimuli(source.name, data=tmp_path)
    arrays = cifar_arrays(source)
    for part, files in (("train", source.train), ("test", source.test)):
        records = np.concatenate([arrays[file] for file in files])
        images = records[:, -3072:].reshape(-1, 3, 32, 32)
        x, labels = getattr(stimuli, f"x_{part}"), getattr(stimuli, f"labels_{part}")
        for channel in range(3):
            theory = images[:, channel] / 255
            np.testing.assert_allclose(x.reshape(-1, 32, 32, 3)[..., channel], theory, rtol=1e-6)
        np.testing.assert_array_equal(labels, records[:, -3073])
        np.testing.assert_array_equal(getattr(stimuli, f"y_{part}"), np.eye(source.label_counts[-1])[labels])
    assert stimuli.x_train.dtype == stimuli.y_train.dtype == np.float32
    assert (stimuli.image_shape, stimuli.outputs) == ((32, 32, 3), source.label_counts[-1])
    assert stimuli.class_names == tuple(f"name {n}" for n in range(stimuli.outputs))


@BOTH
def test_cifar_itself_may_be_the_folder(tmp_path, source):
    """The published folder, given itself, holds the files."""
    folder = write_files(tmp_path / source.folders[0], cifar_contents(source))
    assert len(load_stimuli(source.name, data=folder).x_test) == 4


@BOTH
def test_cifar_without_the_file_of_names(tmp_path, source):
    """Without the file CIFAR-10's classes have their published names, and CIFAR-100's none."""
    contents = cifar_contents(source)
    del contents[source.names_file]
    stimuli = load_stimuli(source.name, data=write_files(tmp_path, contents))
    if source is CIFAR10:
        assert (stimuli.class_names[0], stimuli.class_names[9]) == ("airplane", "truck")
    else:
        assert (stimuli.class_names, stimuli.outputs) == (None, 100)


def test_cifar_parts_may_be_of_different_lengths(tmp_path):
    """The batches of a subset are joined in their order, whatever their lengths."""
    arrays = {file: array[: n + 1] for n, (file, array) in enumerate(cifar_arrays(CIFAR10, records=6).items())}
    stimuli = load_stimuli("cifar10", data=write_files(tmp_path, {file: a.tobytes() for file, a in arrays.items()}))
    theory = np.concatenate([arrays[file][:, 0] for file in CIFAR10.train])
    np.testing.assert_array_equal(stimuli.labels_train, theory)
    assert (len(stimuli.x_train), len(stimuli.x_test)) == (15, 6)


@BOTH
@pytest.mark.parametrize("packed", [False, True])
def test_cifar_names_what_is_missing(tmp_path, refusal, source, packed):
    """A folder without the files names them and the archive; a folder or archive that lacks one names that one."""
    message = refusal(source, tmp_path)
    assert f"has no files of {source.name}, nor in {source.folders[0]}/ or {source.folders[1]}/" in message
    assert all(word in message for word in (*source.files, source.archive, "binary version"))
    contents = cifar_contents(source)
    del contents[source.test[0]]
    write_files(tmp_path, {source.archive: tar_gz(contents)} if packed else contents)
    assert f": lacks {source.test[0]} of {source.name}" in refusal(source, tmp_path)


@BOTH
@pytest.mark.parametrize("version", ["Python", "MATLAB"])
@pytest.mark.parametrize("sign", [0, 1, 2])
def test_cifar_of_another_version_is_told(tmp_path, refusal, source, version, sign):
    """The Python and the MATLAB version, packed, below or as the folder itself, are refused with the one wanted."""
    name = source.others[version][1 if sign == 2 else sign]
    if sign == 0:
        (tmp_path / name).write_bytes(b"")
    else:
        (tmp_path / name).mkdir()
    message = refusal(source, tmp_path / name if sign == 2 else tmp_path)
    assert f"{tmp_path / name}: is of the {version} version of {source.name}" in message
    assert f"wanted is the binary version, {source.archive}" in message


def test_cifar_of_the_other_set_is_told(tmp_path, refusal):
    """Records of the other set are recognised by their length, in files and archives that were renamed."""
    contents = cifar_contents(CIFAR100)
    renamed = dict.fromkeys(CIFAR10.files, contents["test.bin"])
    hint = "data_batch_1.bin: is 12296 bytes long; allowed are records of cifar10, of 3073 bytes; it fits records of"
    for folder, files in (("plain", renamed), ("packed", {CIFAR10.archive: tar_gz(renamed)})):
        assert f"{hint} cifar100" in refusal(CIFAR10, write_files(tmp_path / folder, files))
    archive = {CIFAR10.archive: tar_gz(contents)}
    assert "lacks data_batch_1.bin and" in refusal(CIFAR10, write_files(tmp_path / "whole", archive))


@pytest.mark.parametrize(
    ("source", "file", "change", "message"),
    [
        (CIFAR10, "data_batch_2.bin", lambda a: a.tobytes()[:-1], "data_batch_2.bin: is 12291 bytes long; allowed are"),
        (CIFAR10, "test_batch.bin", lambda a: b"", "test_batch.bin: is empty; allowed are records of 3073 bytes"),
        (CIFAR10, "data_batch_5.bin", lambda a: labelled(a, 2, 0, 10), "label 10 at record 2; allowed is 0 to 9"),
        (
            CIFAR100,
            "train.bin",
            lambda a: labelled(a, 1, 1, 100),
            "train.bin: label 100 at record 1; allowed is 0 to 99",
        ),
        (CIFAR100, "test.bin", lambda a: labelled(a, 3, 0, 20), "coarse label 20 at record 3; allowed is 0 to 19"),
        (CIFAR10, "batches.meta.txt", lambda a: b"cat\ndog\n", "meta.txt: has 2 class names; allowed are 10"),
        (CIFAR100, "fine_label_names.txt", lambda a: b"\xff", "names.txt: has 1 class names; allowed are 100"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_cifar_refuses_damaged_files(tmp_path, refusal, source, file, change, message, packed):
    """A wrong length, an empty file, labels out of range and too few names are refused by file, packed or not."""
    contents = cifar_contents(source)
    contents[file] = change(cifar_arrays(source).get(file))
    write_files(tmp_path, {source.archive: tar_gz(contents)} if packed else contents)
    assert message in refusal(source, tmp_path)


def labelled(records, row, column, label):
    """Bytes of records of which one has another label."""
    records[row, column] = label
    return records.tobytes()


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: b"",
        lambda whole: b"<html>not found</html>",
        lambda whole: whole[:5],
        lambda whole: whole[: len(whole) // 2],
        lambda whole: whole[:-9],
        lambda whole: whole[:-8] + bytes([whole[-8] ^ 1]) + whole[-7:],
        lambda whole: whole[:1000] + b"\xff" * 50 + whole[1050:],
        lambda whole: gzip.compress(b"no tar archive" * 100, mtime=0),
        lambda whole: gzip.compress(gzip.decompress(whole)[:20000], mtime=0),
    ],
)
def test_cifar_refuses_damaged_archives(tmp_path, refusal, damage):
    """An archive that is cut short, changed in one bit of its checksum, or none at all is refused by name."""
    write_files(tmp_path, {CIFAR10.archive: damage(tar_gz(cifar_contents(CIFAR10)))})
    assert "cifar-10-binary.tar.gz: the tar.gz archive is damaged or cut short" in refusal(CIFAR10, tmp_path)


def test_cifar_from_the_environment_variable(tmp_path, monkeypatch):
    """CORINFOMAX_DATA is the default folder, and errors name it."""
    monkeypatch.setenv("CORINFOMAX_DATA", str(write_files(tmp_path / "data", cifar_contents(CIFAR10))))
    assert len(load_stimuli("cifar10").x_train) == 20
    with pytest.raises(StimulusError, match=r"data \(from CORINFOMAX_DATA\): has no files of cifar100"):
        load_stimuli("cifar100")


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """Put a small archive on a mirror, whose answer can be changed (None: no connection), and list what is asked."""
    answers, asked = [tar_gz(cifar_contents(CIFAR10))], []

    class Downloader:
        def __call__(self, url, output_file, pooch_instance):
            asked.append(url)
            if answers[-1] is None:
                raise ConnectionError("no route to host")
            with open(output_file, "wb") as output:
                output.write(answers[-1])

    monkeypatch.setattr(pooch, "HTTPDownloader", Downloader)
    monkeypatch.setattr(pooch, "os_cache", lambda project: tmp_path / "cache" / project)
    return replace(CIFAR10, md5=hashlib.md5(answers[0]).hexdigest()), answers, asked


def test_cifar_is_downloaded_once(mirror):
    """The archive is fetched from the publishers' address, and the second time from the cache."""
    source, answers, asked = mirror
    first = load_cifar(source)
    answers.append(None)
    np.testing.assert_array_equal(load_cifar(source).x_train, first.x_train)
    assert asked == [f"{cifar.MIRRORS[0]}cifar-10-binary.tar.gz"]


@pytest.mark.parametrize("answer", [None, b"<html>"])
def test_cifar_download_that_fails_says_how_to_supply_the_files(mirror, answer):
    """Without a network, or with another file, one line names the archive, the host and the ways to give a folder."""
    source, answers, _ = mirror
    answers.append(answer)
    with pytest.raises(StimulusError) as caught:
        load_cifar(source)
    message = str(caught.value)
    for word in ("cifar10: cifar-10-binary.tar.gz", "www.cs.toronto.edu", "--data", "CORINFOMAX_DATA"):
        assert word in message
    assert "\n" not in message
