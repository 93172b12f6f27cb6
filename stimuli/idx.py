"""Reader of the IDX format, in which MNIST and its relatives are published (LeCun, Cortes & Burges).

A file is a magic number (two zero bytes, a type code, the number of dimensions), the dimensions as big-endian 32-bit
integers, and the data, row-major; it is often compressed with gzip. All these sets use unsigned bytes, type code 8.
"""

from __future__ import annotations

import gzip
import io
import math
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ..archives import ArchiveError, Bounded, check_expansion
from ..errors import StimulusError
from .files import read_bytes

UNSIGNED_BYTE = 0x08
GZIP_MAGIC = b"\x1f\x8b"


def read_idx(path: Path, dimensions: int) -> np.ndarray:
    """Read the array in an IDX file of unsigned bytes, plain or compressed with gzip.

    Parameters
    ----------
    path : Path
        The file. Its first bytes, not its name, tell whether it is compressed.
    dimensions : int
        Number of dimensions it must have: 3 for images (n, height, width), 1 for labels (n,).

    Returns
    -------
    uint8 array, read-only

    Raises
    ------
    StimulusError
        A file that cannot be opened, is cut short or damaged, of another type or number of dimensions, empty, of
        another length than its header says, or a bomb, by its header.
    """
    expected = UNSIGNED_BYTE << 8 | dimensions
    header_length = 4 + 4 * dimensions
    content = read_bytes(path)
    compressed = content.startswith(GZIP_MAGIC)
    plain = io.BytesIO(content)
    stream = Bounded(gzip.GzipFile(fileobj=plain), len(content)) if compressed else plain
    with _told(path):
        header = stream.read(header_length)
    if len(header) < header_length:
        raise StimulusError(f"{path}: is {len(header)} bytes long, shorter than an IDX header of {header_length}")
    magic, *shape = struct.unpack(f">I{dimensions}I", header)
    if magic != expected:
        raise StimulusError(f"{path}: begins with the magic number 0x{magic:08x}; allowed is 0x{expected:08x}")
    length = math.prod(shape)
    with _told(path):
        if compressed:
            check_expansion(len(content), header_length + length)
        data = stream.read(length + 1 if compressed else len(content))  # at whose end gzip compares its checksum
    if len(data) != length:
        more = "more than " if compressed and len(data) > length else ""
        held = f"{more}{length if more else len(data)} bytes of data"
        raise StimulusError(f"{path}: holds {held}; its header, of shape {tuple(shape)}, says {length}")
    if length == 0:
        raise StimulusError(f"{path}: is empty, of shape {tuple(shape)}")
    return np.frombuffer(data, np.uint8).reshape(shape)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except EOFError as error:
        raise StimulusError(f"{path}: the gzip file is cut short") from error
    except ArchiveError as error:
        raise StimulusError(f"{path}: {error}") from error
    except (gzip.BadGzipFile, zlib.error, struct.error) as error:
        raise StimulusError(f"{path}: the gzip file is damaged") from error
