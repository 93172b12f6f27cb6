"""CIFAR-10 and CIFAR-100 in their official binary version: found in a folder, or downloaded once.

A file is a row of records. A record is the labels, a byte each, and an image of 3072 bytes: the red channel of 32 × 32
pixels, row by row, then the green and the blue one. CIFAR-100 has two labels, the coarse one first; its classes are the
fine ones. The publishers' other two versions hold Python pickles or MATLAB matrices and are not read.
"""

from __future__ import annotations

import gzip
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from ..archives import ArchiveError, Bounded, check_expansion
from ..errors import StimulusError
from .checks import first_row
from .files import data_folder, download, places, read_bytes
from .stimuli import Stimuli

HEIGHT, WIDTH, CHANNELS = IMAGE_SHAPE = (32, 32, 3)
PIXELS = HEIGHT * WIDTH * CHANNELS
MIRRORS = ("https://www.cs.toronto.edu/~kriz/",)


@dataclass(frozen=True)
class CifarSet:
    """One of the two sets, in the binary version.

    Parameters
    ----------
    name : str
        Name of the set.
    train, test : tuple of str
        Files of the training and of the test part.
    label_counts : tuple of int
        How many labels there are, for each label of a record; the last one is the class.
    names_file : str
        Text file with a class name a line, which may be missing.
    class_names : tuple of str or None
        Names if it is missing.
    folders : tuple of str
        Where to look below the data folder, after the data folder itself.
    archive : str
        The published archive, which is read as it is where it lies in such a folder.
    md5 : str
        Of the archive. Only a download is compared with it: a user's subset in the same format is welcome.
    others : dict of str to tuple of str
        By the name of another version what it is known by: archive, folder and, if telling, a file in it.
    """

    name: str
    train: tuple[str, ...]
    test: tuple[str, ...]
    label_counts: tuple[int, ...]
    names_file: str
    class_names: tuple[str, ...] | None
    folders: tuple[str, ...]
    archive: str
    md5: str
    others: dict[str, tuple[str, ...]]

    @property
    def files(self) -> tuple[str, ...]:
        """All files that must be there."""
        return (*self.train, *self.test)

    @property
    def record(self) -> int:
        """Length of a record, in bytes."""
        return len(self.label_counts) + PIXELS


CIFAR10 = CifarSet(
    name="cifar10",
    train=tuple(f"data_batch_{batch}.bin" for batch in range(1, 6)),
    test=("test_batch.bin",),
    label_counts=(10,),
    names_file="batches.meta.txt",
    class_names=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    folders=("cifar-10-batches-bin", "cifar10"),
    archive="cifar-10-binary.tar.gz",
    md5="c32a1d4ab5d03f1284b67883e8d87530",
    others={
        "Python": ("cifar-10-python.tar.gz", "cifar-10-batches-py", "data_batch_1"),
        "MATLAB": ("cifar-10-matlab.tar.gz", "cifar-10-batches-mat", "data_batch_1.mat"),
    },
)

CIFAR100 = CifarSet(
    name="cifar100",
    train=("train.bin",),
    test=("test.bin",),
    label_counts=(20, 100),
    names_file="fine_label_names.txt",
    class_names=None,
    folders=("cifar-100-binary", "cifar100"),
    archive="cifar-100-binary.tar.gz",
    md5="03b5dce01913d631647c71ecec9e9cb8",
    others={
        "Python": ("cifar-100-python.tar.gz", "cifar-100-python"),
        "MATLAB": ("cifar-100-matlab.tar.gz", "cifar-100-matlab", "train.mat"),
    },
)


def cifar10(data: Path | None = None) -> Stimuli:
    """CIFAR-10: colour photographs of 32 × 32 pixels, 50,000 to train and 10,000 to test (Krizhevsky 2009).

    Parameters
    ----------
    data : Path, optional
        Folder that holds the binary version's files, `data_batch_1.bin` to `data_batch_5.bin` and `test_batch.bin`,
        or its archive `cifar-10-binary.tar.gz`: in itself, in `cifar-10-batches-bin/` or in `cifar10/`. By default
        the environment variable `CORINFOMAX_DATA`; without either the archive is downloaded once, checked and kept in
        the user's cache folder. A folder that was given and lacks the files is an error, not a download.

    Returns
    -------
    Stimuli
        3072 inputs, levels / 255 in [0, 1], as float32, each row an image (height, width, channels); 10 classes,
        named as in `batches.meta.txt`.

    Raises
    ------
    StimulusError
        Files that are missing, damaged, of the other set or of another version, or that could not be downloaded.
    """
    return load_cifar(CIFAR10, data)


def cifar100(data: Path | None = None) -> Stimuli:
    """CIFAR-100: colour photographs of 32 × 32 pixels, 50,000 to train and 10,000 to test (Krizhevsky 2009).

    Parameters
    ----------
    data : Path, optional
        As in `cifar10`: the files are `train.bin` and `test.bin`, the archive is `cifar-100-binary.tar.gz`, and the
        folders are `cifar-100-binary/` and `cifar100/`.

    Returns
    -------
    Stimuli
        As in `cifar10`, with the 100 fine labels as classes, named as in `fine_label_names.txt` if that is there.

    Raises
    ------
    StimulusError
        As in `cifar10`.
    """
    return load_cifar(CIFAR100, data)


def load_cifar(source: CifarSet, data: Path | None = None) -> Stimuli:
    """Load the stimuli of a `CifarSet`; parameters and errors as in `cifar10`."""
    given = data_folder(source.name, data)
    place = _find(source, *given) if given else download(source.name, source.archive, MIRRORS, source.md5)
    contents = _read_folder(source, place) if place.is_dir() else _read_archive(source, place)
    classes = _class_names(source, place, contents.pop(source.names_file, None))
    x_train, labels_train = _read_part(source, place, contents, source.train)
    x_test, labels_test = _read_part(source, place, contents, source.test)
    return Stimuli.from_labels(
        source.name, x_train, labels_train, x_test, labels_test, classes=classes, image_shape=IMAGE_SHAPE
    )


def _find(source: CifarSet, root: Path, origin: str) -> Path:
    """Find the folder that holds all files, or the archive."""
    candidates = places(root, ("", *source.folders))
    for folder in candidates:
        missing = [file for file in source.files if not (folder / file).is_file()]
        if not missing:
            return folder
        if (archive := folder / source.archive).is_file():
            return archive
        if len(missing) < len(source.files):
            raise StimulusError(f"{folder}{origin}: lacks {' and '.join(missing)} of {source.name}")
    wanted = f"wanted is the binary version, {source.archive} or its files {', '.join(source.files)}"
    for version, signs in source.others.items():
        for folder in candidates:
            if sign := next((sign for sign in signs if folder.name == sign or (folder / sign).exists()), None):
                path = folder if folder.name == sign else folder / sign
                raise StimulusError(f"{path}{origin}: is of the {version} version of {source.name}; {wanted}")
    below = " or ".join(f"{folder}/" for folder in source.folders)
    raise StimulusError(f"{root}{origin}: has no files of {source.name}, nor in {below}; {wanted}")


def _read_folder(source: CifarSet, folder: Path) -> dict[str, bytes]:
    names = [source.names_file] if (folder / source.names_file).is_file() else []
    return {file: read_bytes(folder / file) for file in (*names, *source.files)}


def _read_archive(source: CifarSet, path: Path) -> dict[str, bytes]:
    """Read the set's files in one pass: going back would mean to uncompress from the beginning again."""
    contents = {}
    try:
        packed = path.stat().st_size
        with gzip.open(path) as uncompressed:
            stream = Bounded(uncompressed, packed)
            with tarfile.open(fileobj=stream, mode="r|") as archive:
                for member in archive:
                    check_expansion(packed, member.offset_data + member.size)
                    name = PurePosixPath(member.name).name
                    if member.isfile() and name in (source.names_file, *source.files):
                        contents[name] = archive.extractfile(member).read()
            # gzip compares its checksum at the very end.
            while stream.read(1 << 20):
                pass
    except ArchiveError as error:
        raise StimulusError(f"{path}: {error}") from error
    except Exception as error:  # of damaged headers tarfile raises what came of reading them
        if isinstance(error, OSError) and error.strerror:
            raise StimulusError(f"{path}: cannot be read ({error.strerror})") from error
        raise StimulusError(f"{path}: the tar.gz archive is damaged or cut short") from error
    if missing := [file for file in source.files if file not in contents]:
        raise StimulusError(f"{path}: lacks {' and '.join(missing)} of {source.name}")
    return contents


def _class_names(source: CifarSet, place: Path, content: bytes | None) -> int | Sequence[str]:
    classes = source.label_counts[-1]
    if content is None:
        return source.class_names or classes
    names = [line.strip() for line in content.decode(errors="replace").splitlines() if line.strip()]
    if len(names) != classes:
        raise StimulusError(f"{place / source.names_file}: has {len(names)} class names; allowed are {classes}")
    return names


def _read_part(
    source: CifarSet, place: Path, contents: dict[str, bytes], files: tuple[str, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Join the records of some files, which are taken out of `contents`, so that each is freed when it is done."""
    counts = [_count_records(source, place / file, len(contents[file])) for file in files]
    x = np.empty((sum(counts), PIXELS), np.float32)
    labels = np.empty(sum(counts), np.int64)
    start = 0
    for file, count in zip(files, counts, strict=True):
        records = np.frombuffer(contents.pop(file), np.uint8).reshape(count, source.record)
        rows = slice(start, start + count)
        _check_labels(source, place / file, records)
        labels[rows] = records[:, len(source.label_counts) - 1]
        channels_first = records[:, len(source.label_counts) :].reshape(count, CHANNELS, HEIGHT, WIDTH)
        images = x[rows].reshape(count, *IMAGE_SHAPE)
        np.divide(channels_first.transpose(0, 2, 3, 1), 255, out=images, dtype=np.float32)
        start += count
    return x, labels


def _count_records(source: CifarSet, path: Path, length: int) -> int:
    if length == 0:
        raise StimulusError(f"{path}: is empty; allowed are records of {source.record} bytes")
    if length % source.record:
        other = CIFAR100 if source is CIFAR10 else CIFAR10
        hint = f"; it fits records of {other.name}, of {other.record} bytes" if length % other.record == 0 else ""
        raise StimulusError(
            f"{path}: is {length} bytes long; allowed are records of {source.name}, of {source.record} bytes{hint}"
        )
    return length // source.record


def _check_labels(source: CifarSet, path: Path, records: np.ndarray) -> None:
    for column, allowed in enumerate(source.label_counts):
        if (row := first_row(records[:, column] >= allowed)) is not None:
            kind = "coarse label" if column < len(source.label_counts) - 1 else "label"
            raise StimulusError(f"{path}: {kind} {records[row, column]} at record {row}; allowed is 0 to {allowed - 1}")
