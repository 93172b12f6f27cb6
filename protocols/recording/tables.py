"""Tables that grow on disk: rows are filled in memory and written block by block, so that memory stays bounded."""

import contextlib
import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import h5py
import numpy as np

from ...errors import RunError
from .reserve import Reserve

#: Most bytes of a chunk, which HDF5 reads and writes at once.
_CHUNK_BYTES = 2**20
#: Most rows of a block: more save nothing, and take memory and room on the disk.
_MOST_ROWS = 2**10
#: Entries of less than so many bytes have chunks of so many rows: others, as short as blocks may be, would be many.
_SMALL, _SMALL_ROWS = 64, 2**12
#: Bytes of disk that a dataset may need beside its rows: its description, index, and a last chunk that is not full.
_BESIDE = 2**16
#: Seconds between two moments at which the file on disk is whole, whatever kills the process.
_WHOLE_EVERY = 2.0


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Parameters
    ----------
    shape : tuple of int
        Shape of an entry; () for a number.
    dtype : dtype
    attributes : dict, optional
        What the file tells of it, such as its units.
    axes : tuple of str, optional
        Names of the axes of an entry; the group has a dataset of each name, which numbers what is on it.
    """

    shape: tuple[int, ...]
    dtype: Any
    attributes: dict[str, Any] = field(default_factory=dict)
    axes: tuple[str, ...] = ()

    @property
    def row_bytes(self) -> int:
        """Bytes of an entry."""
        return max(1, int(np.prod(self.shape, dtype=np.int64)) * np.dtype(self.dtype).itemsize)


class Writer:
    """A thread that writes blocks into an HDF5 file while the circuit goes on.

    Nothing is written unless there is room on the disk to complete the file, with all rows that are in memory.

    Parameters
    ----------
    file : h5py.File
    path : path-like
        What errors call it.
    reserve : Reserve

    Attributes
    ----------
    completing : bool
        Whether the room that is kept may be used.
    """

    def __init__(self, file: h5py.File, path: str | os.PathLike, reserve: Reserve):
        self._file, self._path, self._reserve = file, path, reserve
        self._room = 0
        self.completing = False
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="corinfomax_recording")
        self._whole = time.monotonic()

    def keep(self, room: int):
        """Keep so much more room on the disk, beside the block that is written; an `OSError` if there is none."""
        self._room += room
        self._hold()

    def submit(self, write, *arguments) -> Future:
        """Let `write` be called, after what was submitted before."""
        return self._thread.submit(self._run, write, *arguments)

    def close(self):
        """Wait for all that was submitted."""
        self._thread.shutdown()

    def _hold(self):
        self._reserve.hold(self._file.id.get_filesize() + self._room)

    def _run(self, write, *arguments):
        try:
            if not self.completing:
                self._hold()
            write(*arguments)
            if time.monotonic() - self._whole > _WHOLE_EVERY:
                self._file.flush()
                self._whole = time.monotonic()
        except (OSError, RuntimeError) as error:
            reason = getattr(error, "strerror", None) or " ".join(str(error).split())
            raise RunError(f"{self._path}: cannot be written ({reason})") from None


class Table:
    """Columns of one length, as extensible datasets of an HDF5 group, which are netCDF-4 variables.

    There is memory for two blocks: one is filled while the other is written. The datasets are made with the first rows:
    those of a short recording are then no larger than it is.

    Parameters
    ----------
    group : h5py.Group
    axis : str
        Name of the axis of rows, and of the column that is its dimension scale.
    columns : mapping of str to Column
    block_bytes : int
        Most memory for both blocks. They have at least one row each.
    writer : Writer

    Attributes
    ----------
    columns : dict of str to ndarray (2 capacity, …)
        Where the next row is to be filled in, at `row`.
    row : int
    capacity : int
        Rows of a block.
    """

    def __init__(self, group: h5py.Group, axis: str, columns: Mapping[str, Column], block_bytes: int, writer: Writer):
        sizes = [column.row_bytes for column in columns.values()]
        # A block is one chunk of the largest column, so that chunks are written whole, past HDF5's cache.
        rows = min(block_bytes // (2 * sum(sizes)), _CHUNK_BYTES // max(sizes))
        self.capacity = int(np.clip(rows, 1, _MOST_ROWS))
        self.columns = {name: np.empty((2 * self.capacity, *item.shape), item.dtype) for name, item in columns.items()}
        self.row = 0
        self._begun = 0
        self._writer = writer
        self._pending: Future | None = None
        self._unwritten: tuple[int, int] | None = None
        # A block is written while another is filled, and each may end in a chunk that is not full.
        writer.keep(2 * self.nbytes + _BESIDE * len(columns))
        self._group, self._axis, self._described = group, axis, columns
        self._datasets: dict[str, h5py.Dataset] = {}

    @property
    def nbytes(self) -> int:
        """Bytes of memory, however many rows there will be."""
        return sum(values.nbytes for values in self.columns.values())

    def append(self, values: Mapping[str, object]):
        """Fill in and end a row."""
        for name, value in values.items():
            self.columns[name][self.row] = value
        self.end_row()

    def extend(self, count: int, values: Mapping[str, object]):
        """Fill in and end so many rows: of each column an array (count, …), or one value for all of them."""
        done = 0
        while done < count:
            taken = min(count - done, self._begun + self.capacity - self.row)
            for name, value in values.items():
                part = value[done : done + taken] if isinstance(value, np.ndarray) else value
                self.columns[name][self.row : self.row + taken] = part
            self._end_rows(taken)
            done += taken

    def end_row(self):
        """Keep what was filled in; what is not ended is not written."""
        self._end_rows(1)

    def _end_rows(self, count: int):
        self.row += count
        if self.row - self._begun == self.capacity:
            self._hand_over()

    def flush(self):
        """Write all rows, and wait until they are written; first a block that found no room, if it may have it now."""
        with contextlib.suppress(RunError):
            self._wait()
        if self._unwritten is not None:
            self._submit(*self._unwritten)
            self._wait()
        if self.row > self._begun or not self._datasets:
            self._hand_over()
            self._wait()

    def _hand_over(self):
        self._wait()
        self._submit(self._begun, self.row)
        self.row = self._begun = self.capacity if self._begun == 0 else 0

    def _submit(self, start: int, stop: int):
        self._unwritten = start, stop
        self._pending = self._writer.submit(self._write, start, stop)

    def _wait(self):
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.result()
            self._unwritten = None

    def _make_datasets(self, rows: int):
        """Make the datasets for a table whose first block has so many rows: all of them, unless the block is full."""
        for name, column in self._described.items():
            chunk = rows if rows < self.capacity else _SMALL_ROWS if column.row_bytes < _SMALL else self.capacity
            dataset = self._group.create_dataset(
                name,
                shape=(0, *column.shape),
                maxshape=(None, *column.shape),
                dtype=column.dtype,
                chunks=(max(1, chunk), *column.shape),
            )
            dataset.attrs.update(column.attributes)
            self._datasets[name] = dataset
        scale = self._datasets[self._axis]
        scale.make_scale(self._axis)
        for name, dataset in self._datasets.items():
            if name != self._axis:
                label(dataset, [scale, *(self._group[axis] for axis in self._described[name].axes)])

    def _write(self, start: int, stop: int):
        if not self._datasets:
            self._make_datasets(stop - start)
        done = len(next(iter(self._datasets.values())))
        for name, dataset in self._datasets.items():
            values = self.columns[name][start:stop]
            dataset.resize(done + len(values), axis=0)
            if len(values) == dataset.chunks[0] and done % dataset.chunks[0] == 0:
                dataset.id.write_direct_chunk((done, *(0 for _ in values.shape[1:])), values)
            else:
                dataset[done:] = values


def label(dataset: h5py.Dataset, scales: Sequence[h5py.Dataset]):
    """Name the axes of a dataset after dimension scales, as netCDF-4 does."""
    for axis, scale in zip(dataset.dims, scales, strict=True):
        axis.attach_scale(scale)


def numbered(group: h5py.Group, name: str, numbers: np.ndarray):
    """Add an axis to a group: the numbers of what is on it, as a dimension scale."""
    group.create_dataset(name, data=numbers).make_scale(name)


def choice_of(names: Sequence[str]) -> Column:
    """Column whose entries are some of these names, by their numbers; CF conventions call it a flag."""
    meanings = " ".join("_".join(name.split()) for name in names)  # of which blanks are no part
    told = {"flag_values": np.arange(len(names), dtype=np.int16), "flag_meanings": meanings, "names": list(names)}
    return Column((), np.int16, told)


def truth() -> Column:
    """Column of true and false, as xarray has it: netCDF has no such type."""
    return Column((), np.int8, {"dtype": "bool"})
