"""MNIST, and what any set of images in the IDX format needs: found in a folder, or downloaded once."""

from __future__ import annotations

import gzip
import os
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from ...errors import StimulusError
from .idx import read_idx
from .stimuli import Stimuli

DATA_VARIABLE = "CORINFOMAX_DATA"
FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


@dataclass(frozen=True)
class IdxSet:
    """A set of labelled images, published as four IDX files with the names of MNIST's.

    Parameters
    ----------
    name : str
        Name of the set.
    class_names : tuple of str
        Name of each label from 0.
    folders : tuple of str
        Where to look below the data folder, in this order; "" is the data folder itself.
    mirrors : tuple of str
        Addresses that the file names with ".gz" are appended to, tried in this order.
    md5 : tuple of four str
        Of the *uncompressed* training images, training labels, test images and test labels. Mirrors compress
        differently, so the compressed files have no checksum of their own. Only downloads are compared with it:
        a user's subset in the same format is welcome.
    """

    name: str
    class_names: tuple[str, ...]
    folders: tuple[str, ...]
    mirrors: tuple[str, ...]
    md5: tuple[str, str, str, str]


MNIST = IdxSet(
    name="mnist",
    class_names=tuple("0123456789"),
    folders=("", "mnist", "MNIST/raw"),
    mirrors=(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    md5=(
        "6bbc9ace898e44ae57da46a324031adb",
        "a25bea736e30d166cdddb491f175f624",
        "2646ac647ad5339dbf082846283269ea",
        "27ae3e4e09519cfbb04c329615203637",
    ),
)


def mnist(data: Path | None = None) -> Stimuli:
    """MNIST: handwritten digits of 28 × 28 pixels, 60,000 to train and 10,000 to test (LeCun, Cortes & Burges).

    Parameters
    ----------
    data : Path, optional
        Folder that holds the four official files, plain or with ".gz", in itself, in `mnist/` or in `MNIST/raw/`. By
        default the environment variable `CORINFOMAX_DATA`; without either the files are downloaded once, checked
        and kept in the user's cache folder. A folder that was given and lacks the files is an error, not a download.

    Returns
    -------
    Stimuli
        784 inputs, grey levels / 255 in [0, 1], as float32; 10 classes.

    Raises
    ------
    StimulusError
        Files that are missing, damaged, or do not fit one another, or that no mirror could supply.
    """
    return load_idx_set(MNIST, data)


def load_idx_set(source: IdxSet, data: Path | None = None) -> Stimuli:
    """Load the stimuli of an `IdxSet`; parameters and errors as in `mnist`."""
    train_images, train_labels, test_images, test_labels = _locate(source, data)
    images_train, labels_train = _read_part(train_images, train_labels, len(source.class_names))
    images_test, labels_test = _read_part(test_images, test_labels, len(source.class_names))
    image_shape = images_train.shape[1:]
    if images_test.shape[1:] != image_shape:
        raise StimulusError(
            f"{test_images}: holds images of {images_test.shape[1:]} pixels, {train_images.name} of {image_shape}"
        )
    return Stimuli.from_labels(
        source.name,
        _grey_levels(images_train),
        labels_train,
        _grey_levels(images_test),
        labels_test,
        classes=source.class_names,
        image_shape=image_shape,
    )


def _read_part(images_path: Path, labels_path: Path, classes: int) -> tuple[np.ndarray, np.ndarray]:
    images, labels = read_idx(images_path, 3), read_idx(labels_path, 1)
    if len(images) != len(labels):
        raise StimulusError(f"{labels_path}: holds {len(labels)} labels for {len(images)} images in {images_path.name}")
    if (labels >= classes).any():
        row = int((labels >= classes).argmax())
        raise StimulusError(f"{labels_path}: label {labels[row]} at row {row}; allowed is 0 to {classes - 1}")
    return images, labels


def _grey_levels(images: np.ndarray) -> np.ndarray:
    return np.divide(images.reshape(len(images), -1), 255, dtype=np.float32)


def _locate(source: IdxSet, data: Path | None) -> list[Path]:
    variable = os.environ.get(DATA_VARIABLE)
    if data is not None:
        return _find(source, Path(data), "")
    if variable:
        return _find(source, Path(os.path.expanduser(variable)), f" (from {DATA_VARIABLE})")
    return [_download(source, file, md5) for file, md5 in zip(FILES, source.md5, strict=True)]


def _find(source: IdxSet, root: Path, origin: str) -> list[Path]:
    if not root.is_dir():
        raise StimulusError(f"{root}{origin}: is not a folder; allowed is one that holds the files of {source.name}")
    for folder in (root / below for below in source.folders):
        found = {file: _plain_or_gz(folder, file) for file in FILES}
        missing = [file for file, path in found.items() if path is None]
        if not missing:
            return [path for path in found.values() if path is not None]
        if len(missing) < len(FILES):
            raise StimulusError(f"{folder}{origin}: lacks {' and '.join(missing)} of {source.name}, plain or with .gz")
    places = " or ".join(f"{below}/" for below in source.folders if below)
    raise StimulusError(
        f"{root}{origin}: has no files of {source.name}, nor in {places}; "
        f"wanted are {', '.join(FILES)}, plain or with .gz"
    )


def _plain_or_gz(folder: Path, file: str) -> Path | None:
    return next((path for path in (folder / file, folder / f"{file}.gz") if path.is_file()), None)


def _download(source: IdxSet, file: str, md5: str) -> Path:
    import pooch

    failures = []
    for mirror in source.mirrors:
        try:
            path = pooch.retrieve(
                url=f"{mirror}{file}.gz",
                known_hash=f"md5:{md5}",
                fname=file,
                path=pooch.os_cache("corinfomax") / source.name,
                # pooch's annotation names other arguments than it passes.
                downloader=_download_uncompressed,  # type: ignore[arg-type]
            )
        # pooch answers a wrong checksum with ValueError; all errors of the network are OSErrors.
        except (OSError, EOFError, ValueError, zlib.error) as error:
            failures.append(f"{urlsplit(mirror).hostname}: {type(error).__name__}")
        else:
            return Path(path)
    raise StimulusError(
        f"{source.name}: {file}.gz could not be downloaded ({', '.join(failures)}); "
        f"give the folder that holds the set's files by --data or {DATA_VARIABLE}"
    )


def _download_uncompressed(url: str, output_file: str, pooch_instance: Any) -> None:
    # Uncompressed before pooch compares the checksum, which is that of the uncompressed file.
    import pooch

    pooch.HTTPDownloader()(url, output_file, pooch_instance)
    output = Path(output_file)
    output.write_bytes(gzip.decompress(output.read_bytes()))
