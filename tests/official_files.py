"""Small sets in the official formats of MNIST's relatives and of CIFAR, for several test modules."""

import gzip
import io
import struct
import tarfile

import numpy as np

from corinfomax.stimuli.cifar import CIFAR10, CIFAR100
from corinfomax.stimuli.idx_sets import FILES


def idx(array):
    """Bytes of an IDX file."""
    header = struct.pack(f">I{array.ndim}I", 0x0800 + array.ndim, *array.shape)
    return header + array.astype(np.uint8).tobytes()


def idx_arrays(shape=(4, 5)):
    """Six training and three test images of some shape, and their labels, by file."""
    rng = np.random.default_rng(0)
    arrays = (
        rng.integers(256, size=(6, *shape)),
        np.array([0, 1, 2, 3, 4, 9]),
        rng.integers(256, size=(3, *shape)),
        np.array([9, 1, 0]),
    )
    return dict(zip(FILES, arrays, strict=True))


def write_idx(folder, arrays, compressed=True):
    """Write IDX files into a folder, which is returned."""
    folder.mkdir(parents=True, exist_ok=True)
    for file, array in arrays.items():
        if compressed:
            (folder / f"{file}.gz").write_bytes(gzip.compress(idx(array), mtime=0))
        else:
            (folder / file).write_bytes(idx(array))
    return folder


def cifar_arrays(source, records=4):
    """Random records (records, bytes) of valid labels and of pixels, by file."""
    rng = np.random.default_rng(0)
    arrays = {}
    for file in source.files:
        labels = [rng.integers(count, size=records) for count in source.label_counts]
        arrays[file] = np.column_stack([*labels, rng.integers(256, size=(records, 3072))]).astype(np.uint8)
    return arrays


def cifar_contents(source, records=4):
    """The bytes of a small CIFAR set, by file; the names of its classes are "name 0", "name 1", …"""
    names = "".join(f"name {n}\n" for n in range(source.label_counts[-1]))
    return {source.names_file: f"{names}\n".encode()} | {
        file: array.tobytes() for file, array in cifar_arrays(source, records).items()
    }


def write_files(folder, contents):
    """Write files into a folder, which is returned."""
    folder.mkdir(parents=True, exist_ok=True)
    for file, content in contents.items():
        (folder / file).write_bytes(content)
    return folder


def tar_gz(contents, folder="cifar"):
    """Bytes of a tar.gz archive with the files in a folder, as the publishers pack them."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        directory = tarfile.TarInfo(folder)
        directory.type = tarfile.DIRTYPE
        archive.addfile(directory)
        for file, content in contents.items():
            entry = tarfile.TarInfo(f"{folder}/{file}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def write_official(folder, name):
    """Write a small set of the official image size into a data folder, which is returned."""
    if name in ("mnist", "fashion_mnist"):
        write_idx(folder / name, idx_arrays((28, 28)))
    else:
        source = {"cifar10": CIFAR10, "cifar100": CIFAR100}[name]
        write_files(folder / name, cifar_contents(source))
    return folder
