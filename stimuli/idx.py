"""Reader of the IDX format, in which MNIST and its relatives are published (LeCun, Cortes & Burges).

A file is a magic number (two zero bytes, a type code, the number of dimensions), the dimensions as big-endian 32-bit
integers, and the data, row-major; it is often compressed with gzip. All these sets use unsigned bytes, type code 8.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np

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
        A file that cannot be opened, is cut short or damaged, of another type or number of dimensions, empty, or of
        another length than its header says.
    """
    content = _read_uncompressed(path)
    expected = UNSIGNED_BYTE << 8 | dimensions
    header_length = 4 + 4 * dimensions
    if len(content) < header_length:
        raise StimulusError(f"{path}: is {len(content)} bytes long, shorter than an IDX header of {header_length}")
    magic, *shape = struct.unpack(f">I{dimensions}I", content[:header_length])
    if magic != expected:
        raise StimulusError(f"{path}: begins with the magic number 0x{magic:08x}; allowed is 0x{expected:08x}")
    length = len(content) - header_length
    if length != math.prod(shape):
        raise StimulusError(
            f"{path}: holds {length} bytes of data; its header, of shape {tuple(shape)}, says {math.prod(shape)}"
        )
    if length == 0:
        raise StimulusError(f"{path}: is empty, of shape {tuple(shape)}")
    return np.frombuffer(content, np.uint8, offset=header_length).reshape(shape)


def _read_uncompressed(path: Path) -> bytes:
    content = read_bytes(path)
    if not content.startswith(GZIP_MAGIC):
        return content
    try:
        return gzip.decompress(content)
    except EOFError as error:
        raise StimulusError(f"{path}: the gzip file is cut short") from error
    except (gzip.BadGzipFile, zlib.error, struct.error) as error:
        raise StimulusError(f"{path}: the gzip file is damaged") from error
