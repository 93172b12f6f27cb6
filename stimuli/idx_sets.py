"""MNIST and Fashion-MNIST, and what any set of images in the IDX format needs: found in a folder, or downloaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from ..errors import StimulusError
from .checks import first_row
from .files import data_folder, download, near_miss, places
from .idx import read_idx
from .stimuli import Stimuli

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
        Where to look below the data folder, in this order; "" is the data folder itself. Without "" it is looked
        into only if it has one of these names, for nothing in the files tells one set from another.
    mirrors : tuple of str
        Addresses that the file names with ".gz" are appended to, tried in this order.
    md5 : tuple of four str
        Of training images, training labels, test images and test labels. Only downloads are compared with it: a
        user's subset in the same format is welcome.
    md5_of : {"compressed", "uncompressed"}
        Whether these are the checksums of the files with ".gz" or of those without; mirrors that compress differently
        have only the second in common.
    """

    name: str
    class_names: tuple[str, ...]
    folders: tuple[str, ...]
    mirrors: tuple[str, ...]
    md5: tuple[str, str, str, str]
    md5_of: Literal["compressed", "uncompressed"]


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
    md5_of="uncompressed",
)

FASHION_MNIST = IdxSet(
    name="fashion_mnist",
    class_names=(
        "T-shirt/top",
        "trouser",
        "pullover",
        "dress",
        "coat",
        "sandal",
        "shirt",
        "sneaker",
        "bag",
        "ankle boot",
    ),
    folders=("fashion_mnist", "fashion-mnist", "FashionMNIST/raw"),
    mirrors=(
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    ),
    md5=(
        "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "25c81989df183df01b3e8a0aad5dffbe",
        "bef4ecab320f06d8554ea6380940ec79",
        "bb300cfdad3c16e7a12a480ee83cd310",
    ),
    md5_of="compressed",
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

    Notes
    -----
    Fashion-MNIST's files have the same names and sizes, and no reader can tell them from these.
    """
    return load_idx_set(MNIST, data)


def fashion_mnist(data: Path | None = None) -> Stimuli:
    """Fashion-MNIST: clothes of 28 × 28 pixels, 60,000 to train and 10,000 to test (Xiao, Rasul & Vollgraf 2017).

    Parameters
    ----------
    data : Path, optional
        As in `mnist`, but the four files lie in `fashion_mnist/`, `fashion-mnist/` or `FashionMNIST/raw/`. The folder
        itself may hold them only if it has one of these names: the files are named like MNIST's and nothing in them
        says which set they are, so that the folder's name must.

    Returns
    -------
    Stimuli
        784 inputs, grey levels / 255 in [0, 1], as float32; 10 classes.

    Raises
    ------
    StimulusError
        As in `mnist`.
    """
    return load_idx_set(FASHION_MNIST, data)


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
    if (row := first_row(labels >= classes)) is not None:
        raise StimulusError(f"{labels_path}: label {labels[row]} at row {row}; allowed is 0 to {classes - 1}")
    return images, labels


def _grey_levels(images: np.ndarray) -> np.ndarray:
    return np.divide(images.reshape(len(images), -1), 255, dtype=np.float32)


def _locate(source: IdxSet, data: Path | None) -> list[Path]:
    if (given := data_folder(source.name, data)) is not None:
        return _find(source, *given)
    return [
        download(source.name, f"{file}.gz", source.mirrors, md5, source.md5_of)
        for file, md5 in zip(FILES, source.md5, strict=True)
    ]


def _find(source: IdxSet, root: Path, origin: str) -> list[Path]:
    candidates = places(root, source.folders)
    for folder in candidates:
        found = {file: _plain_or_gz(folder, file) for file in FILES}
        missing = [file for file, path in found.items() if path is None]
        if not missing:
            return [path for path in found.values() if path is not None]
        if len(missing) < len(FILES):
            _check_names(source, [folder], origin)
            raise StimulusError(f"{folder}{origin}: lacks {' and '.join(missing)} of {source.name}, plain or with .gz")
    _check_names(source, [root, *candidates], origin)
    below = " or ".join(f"{folder}/" for folder in source.folders if folder)
    if any(_plain_or_gz(root, file) for file in FILES):
        raise StimulusError(
            f"{root}{origin}: its files may be MNIST's, which have the same names; "
            f"the folder that holds those of {source.name} must be called {below}"
        )
    nor = ", nor in" if "" in source.folders else " in"
    raise StimulusError(
        f"{root}{origin}: has no files of {source.name}{nor} {below}; wanted are {', '.join(FILES)}, plain or with .gz"
    )


def _check_names(source: IdxSet, folders: list[Path], origin: str):
    """Raise a `StimulusError` that names a file or folder which is called nearly as it should be."""
    names = [*FILES, *(f"{file}.gz" for file in FILES), *(Path(folder).parts[0] for folder in source.folders if folder)]
    if (found := near_miss(folders, names)) is not None and not _is_another(found):
        raise StimulusError(f"{found[0]}{origin}: {source.name} looks for {found[1]}; rename it")
    below = sorted(path for folder in folders if folder.is_dir() for path in folder.iterdir() if path.is_dir())
    if "" in source.folders and (holding := [path for path in below if any(_plain_or_gz(path, f) for f in FILES)]):
        raise StimulusError(
            f"{holding[0]}{origin}: holds files of these names; to take them for {source.name}, name it"
        )


def _is_another(found: tuple[Path, str]) -> bool:
    """Whether what is called nearly so is one of the names that are looked for, too."""
    return found[0].name in {name for source in (MNIST, FASHION_MNIST) for name in (*FILES, *source.folders)}


def _plain_or_gz(folder: Path, file: str) -> Path | None:
    return next((path for path in (folder / file, folder / f"{file}.gz") if path.is_file()), None)
