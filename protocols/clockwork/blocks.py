"""Tables that grow on disk: rows are filled in memory and written block by block, so that memory stays bounded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import h5py
import numpy as np

#: Bytes of a chunk, the least that HDF5 reads at once.
_CHUNK_BYTES = 2**20
#: More rows than this in one block save nothing.
_MOST_ROWS = 2**16


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Parameters
    ----------
    shape : tuple of int
        Shape of an entry; () for a number.
    dtype : dtype
    attributes : dict of str to str or float, optional
        What the file tells of it, such as its unit.
    """

    shape: tuple[int, ...]
    dtype: Any
    attributes: dict[str, str | float] = field(default_factory=dict)

    @property
    def row_bytes(self) -> int:
        """Bytes of an entry."""
        return max(1, int(np.prod(self.shape, dtype=np.int64)) * np.dtype(self.dtype).itemsize)


class Table:
    """Columns of one length, as extensible datasets of an HDF5 group.

    Parameters
    ----------
    group : h5py.Group
    columns : mapping of str to Column
    block_bytes : int
        Memory for rows that are not yet written. At least one row is kept.

    Attributes
    ----------
    columns : dict of str to ndarray (capacity, …)
        Where the next row is to be filled in, at `row`.
    row : int
    capacity : int
        Rows of a block.
    """

    def __init__(self, group: h5py.Group, columns: Mapping[str, Column], block_bytes: int):
        row_bytes = sum(column.row_bytes for column in columns.values())
        self.capacity = int(np.clip(block_bytes // row_bytes, 1, _MOST_ROWS))
        self.columns = {name: np.empty((self.capacity, *item.shape), item.dtype) for name, item in columns.items()}
        self.row = 0
        self._group = group
        self._datasets = {}
        for name, column in columns.items():
            rows = int(np.clip(_CHUNK_BYTES // column.row_bytes, 1, self.capacity))
            self._datasets[name] = group.create_dataset(
                name,
                shape=(0, *column.shape),
                maxshape=(None, *column.shape),
                dtype=column.dtype,
                chunks=(rows, *(max(1, size) for size in column.shape)),
            )
            self._datasets[name].attrs.update(column.attributes)

    @property
    def nbytes(self) -> int:
        """Bytes of memory that rows not yet written may take."""
        return sum(values.nbytes for values in self.columns.values())

    def append(self, values: Mapping[str, object]):
        """Fill in and end a row."""
        for name, value in values.items():
            self.columns[name][self.row] = value
        self.end_row()

    def end_row(self):
        """Keep what was filled in; what is not ended is not written."""
        self.row += 1
        if self.row == self.capacity:
            self.flush()

    def flush(self):
        """Write the rows that are not yet on disk."""
        if self.row == 0:
            return
        for name, dataset in self._datasets.items():
            done = len(dataset)
            dataset.resize(done + self.row, axis=0)
            dataset.write_direct(self.columns[name], np.s_[: self.row], np.s_[done : done + self.row])
        self.row = 0
        # Whatever kills the process now, the file can be read up to here.
        self._group.file.flush()


def choice_of(names: Sequence[str]) -> np.dtype:
    """Type of a column whose entries are some of these names, by their numbers."""
    return h5py.enum_dtype({name: number for number, name in enumerate(names)}, basetype=np.int16)
