"""Damaged inputs: what valid files hold, and strategies of hypothesis that damage them."""

import contextlib
import gzip
import io
import re
import struct
import tarfile
import warnings
import zipfile
from pathlib import Path
from typing import Any

import h5py
import hypothesis.strategies as st
import numpy as np
import tomli_w
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.extra import numpy as arrays_of

from corinfomax.protocols.runs import presets
from corinfomax.toml import loads

#: Numbers that fields of headers are often wrong in.
_EDGES = [0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 2**63 - 1, 2**64 - 1]
#: What becomes of an object of an HDF5 file.
_CHANGES = ["remove", "replace", "replace", "attribute", "attribute", "resize", "link", "move"]
#: What stands in place of a value of a parameter file, a table or an attribute.
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-3, 70),
    st.sampled_from([10**9, 10**18, 2**63 - 1, -(2**63), 10**400]),
    st.floats(),
    st.text(max_size=12),
    st.sampled_from(["auto", "none", "../x", "~", "a.py:B", "os:system", "toy.npz", "digits", "nan", "\0", "é" * 300]),
    st.dates(),
    st.lists(st.one_of(st.integers(-5, 70), st.floats(), st.text(max_size=3)), max_size=5),
    st.recursive(st.integers(0, 3), lambda inner: st.lists(inner, max_size=3), max_leaves=20),
    st.dictionaries(st.text(max_size=5), st.integers(), max_size=3),
)


class Intact(list):
    """Valid contents, which hypothesis need not write out."""

    def __repr__(self) -> str:
        return f"Intact of {len(self)}"


def examples(strategy: st.SearchStrategy, number: int, of: int) -> list[Any]:
    """Draw so many examples of a strategy, the same each time.

    Parameters
    ----------
    strategy : SearchStrategy
    number : int
        How many.
    of : int
        Seed.
    """
    found: list[Any] = []

    @seed(of)
    @settings(
        max_examples=number, database=None, deadline=None, phases=[Phase.generate], suppress_health_check=HealthCheck
    )
    @given(strategy)
    def draw(example):
        found.append(example)

    draw()
    return found


@st.composite
def damaged(draw, intact: Intact) -> bytes:
    """Bytes of a valid file that are flipped, cut, inserted, removed, doubled, or a number out of place."""
    content = bytearray(draw(st.sampled_from(intact)))
    for _ in range(draw(st.integers(1, 5))):
        if not content:
            break
        place = draw(st.integers(0, len(content) - 1) | st.integers(0, min(200, len(content) - 1)))
        kind = draw(st.sampled_from(["flip", "set", "cut", "insert", "remove", "copy", "number"]))
        if kind == "flip":
            content[place] ^= 1 << draw(st.integers(0, 7))
        elif kind == "set":
            content[place] = draw(st.integers(0, 255))
        elif kind == "cut":
            del content[place:]
        elif kind == "insert":
            content[place:place] = draw(st.binary(min_size=1, max_size=40))
        elif kind == "remove":
            del content[place : place + draw(st.integers(1, 64))]
        elif kind == "copy":
            other, length = draw(st.integers(0, len(content) - 1)), draw(st.integers(1, 256))
            content[place : place + length] = content[other : other + length]
        else:
            form = draw(st.sampled_from(["<H", "<I", ">I", "<Q", ">Q"]))
            number = draw(st.sampled_from(_EDGES)) % 2 ** (8 * struct.calcsize(form))
            content[place : place + struct.calcsize(form)] = struct.pack(form, number)
    return bytes(content)


@st.composite
def parameters(draw, toys: dict[str, Any]) -> bytes:
    """A parameter file whose values are odd, exchanged, moved to other sections, left out or unknown."""
    values = loads(draw(st.sampled_from(sorted(presets().values()))).read_text(encoding="utf-8"))
    values["stimuli"] = {"stimuli": toys["stimuli"]}
    values["training"]["target"] = "numpy"
    if draw(st.booleans()):
        sizes = [6, 5, 3] if len(values["circuit"].get("architecture", (6, 5, 3))) > 2 else [6, 3]
        values["circuit"]["architecture"] = sizes
    pairs = st.sampled_from([(section, key) for section, keys in values.items() for key in keys])
    for _ in range(draw(st.integers(1, 3))):
        section, key = draw(pairs)
        other, there = draw(pairs)
        kind = draw(st.sampled_from(["odd", "odd", "exchange", "move", "remove", "unknown", "number"]))
        if kind == "odd":
            values[section][key] = draw(ODD)
        elif kind == "number" and isinstance(values[section].get(key), int | float):
            values[section][key] *= draw(st.sampled_from([-1, 0, 1e-300, 1e9, 1e300, 0.5]))
        elif kind == "exchange":
            one, two = values[section].get(key), values[other].get(there)
            values[section][key], values[other][there] = two, one
        elif kind == "move":
            values[other][key] = values[section].pop(key, 1)
        elif kind == "remove":
            values[section].pop(key, None)
        else:
            values[section][draw(st.text(min_size=1, max_size=8))] = draw(ODD)
    return toml(values)


def toml(values: Any) -> bytes:
    """Write TOML, as far as it can hold the values."""
    return tomli_w.dumps(_plain(values)).encode("utf-8", "surrogatepass")


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_plain(item) for item in value if item is not None]
    return value


@st.composite
def words(draw, keys: list[str]) -> str:
    """What may follow --set."""
    key = draw(st.sampled_from(keys) | st.text(max_size=8))
    value = draw(
        ODD.map(repr) | ODD.map(str) | st.text(max_size=20) | st.from_regex(r"\[[\d.,\[\] e-]*\]", fullmatch=True)
    )
    return f"{key}={value}"


_DTYPES = st.sampled_from(["f8", "f4", "i8", "u1", "?", "c16", "U3", "S2", "M8[s]", "f2", ">f8", "V4"])


@st.composite
def exchanged(draw, intact: Intact) -> dict[str, np.ndarray]:
    """Arrays of a valid archive that are left out, exchanged, of other types or shapes, or full of odd numbers."""
    (intact,) = intact
    arrays = dict(intact)
    for _ in range(draw(st.integers(1, 3))):
        key, other = draw(st.sampled_from(sorted(intact))), draw(st.sampled_from(sorted(intact)))
        kind = draw(st.sampled_from(["remove", "exchange", "type", "shape", "array", "odd", "add", "text"]))
        array = arrays.get(key, intact[key])
        if kind == "remove":
            arrays.pop(key, None)
        elif kind == "exchange":
            arrays[key], arrays[other] = arrays.get(other, intact[other]), array
        elif kind == "type":
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    arrays[key] = array.astype(draw(_DTYPES))
            except (ValueError, TypeError, RuntimeError):
                arrays[key] = np.zeros(array.shape, "V4")
        elif kind == "shape":
            arrays[key] = draw(st.sampled_from([array[None], array.ravel()[:-1], array.T, array.ravel()[:0]]))
        elif kind == "array":
            shape = draw(arrays_of.array_shapes(min_dims=0, max_dims=3, max_side=6))
            arrays[key] = draw(arrays_of.arrays(draw(_DTYPES.filter(lambda name: name[0] != "V")), shape))
        elif kind == "odd" and array.size and array.dtype.kind in "fiu":
            odd = array.astype(float).ravel()
            odd[draw(st.integers(0, odd.size - 1))] = draw(st.floats())
            with np.errstate(all="ignore"):
                arrays[key] = odd.reshape(array.shape).astype(array.dtype)
        elif kind == "add":
            arrays[draw(st.text(min_size=1, max_size=6)).replace("/", "|")] = array
        else:
            arrays[key] = np.array(draw(st.text(max_size=30)))
    return arrays


def archive(arrays: dict[str, np.ndarray]) -> bytes:
    """Write arrays as `numpy.savez` does, under whatever names."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as packed:
        for name, array in arrays.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, np.asarray(array), allow_pickle=False)
            packed.writestr(name.replace("\0", "0").encode(errors="replace").decode() + ".npy", member.getvalue())
    return file.getvalue()


@st.composite
def resealed(draw, intact: Intact) -> bytes:
    """An archive whose members are damaged, and have checksums that agree."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(intact[0])) as old, zipfile.ZipFile(file, "w") as new:
        chosen = draw(st.sampled_from(old.namelist()))
        for name in old.namelist():
            content = old.read(name)
            new.writestr(name, draw(damaged(Intact([content]))) if name == chosen else content)
    return file.getvalue()


@st.composite
def tables(draw, intact: Intact) -> bytes:
    """A table whose cells, columns or rows are odd, exchanged or left out."""
    rows = [line.split(",") for line in intact[0].decode().splitlines()]
    for _ in range(draw(st.integers(1, 3))):
        row = draw(st.integers(0, len(rows) - 1))
        column = draw(st.integers(0, max(0, len(rows[row]) - 1)))
        kind = draw(st.sampled_from(["cell", "cell", "row", "column", "double", "exchange"]))
        if kind == "cell" and rows[row]:
            rows[row][column] = draw(ODD.map(str) | st.sampled_from(["", "nan", "inf", '"', "1e999", "0x10", "٣"]))
        elif kind == "row" and len(rows) > 1:
            del rows[row]
        elif kind == "column":
            rows = [[cell for n, cell in enumerate(cells) if n != column] for cells in rows]
        elif kind == "double":
            rows.insert(row, list(rows[row]))
        else:
            other = draw(st.integers(0, len(rows) - 1))
            rows[row], rows[other] = rows[other], rows[row]
    return ("\n".join(",".join(cells) for cells in rows) + "\n").encode("utf-8", "replace")


@st.composite
def rebuilt(draw, intact: Intact) -> bytes:
    """An HDF5 file whose datasets and attributes are left out, renamed, linked elsewhere, or hold something else."""
    file = io.BytesIO(intact[0])
    with h5py.File(file, "r+") as traces:
        names: list[str] = []
        traces.visit(names.append)
        for _ in range(draw(st.integers(1, 3))):
            name, kind = draw(st.sampled_from(names)), draw(st.sampled_from(_CHANGES))
            with contextlib.suppress(
                AttributeError, KeyError, OSError, RuntimeError, TypeError, ValueError
            ):  # of what was changed before
                _change(draw, traces, name, kind)
    return file.getvalue()


def _change(draw, traces: h5py.File, name: str, kind: str):
    """Change one object of a file."""
    if kind == "resize":
        traces[name].resize(draw(st.sampled_from([0, 1, 10**6])), axis=0)
    elif kind == "move":
        traces.move(name, draw(st.sampled_from(["x", "cells/x", "trials/x", f"{name}_2"])))
    elif kind == "attribute":
        told = draw(st.sampled_from([traces, traces[name]])).attrs
        key = draw(st.sampled_from(sorted(told) or ["x"]))
        value = draw(st.one_of(st.integers(-(2**31), 2**31), st.floats(), st.text(max_size=5).map(_no_nul)))
        told[key] = draw(st.sampled_from([value, [1.0, 2.0], b"\xff"]))
    else:
        del traces[name]
    if kind == "replace":
        shape = draw(arrays_of.array_shapes(min_dims=0, max_dims=3, max_side=12))
        traces[name] = draw(arrays_of.arrays(draw(st.sampled_from(["f8", "i8", "u1", "S3", "f4"])), shape))
    elif kind == "link":
        links = [h5py.SoftLink("/"), h5py.SoftLink(f"/{name}"), h5py.ExternalLink("/etc/passwd", "/")]
        traces[name] = draw(st.sampled_from(links))


def _no_nul(text: str) -> str:
    return re.sub("[\0\ud800-\udfff]", "?", text)


def idx(array: np.ndarray, packed: bool) -> bytes:
    """Write an IDX file, plain or packed."""
    header = struct.pack(f">I{array.ndim}I", 0x800 | array.ndim, *array.shape)
    content = header + array.astype(np.uint8).tobytes()
    return gzip.compress(content, mtime=0) if packed else content


def cifar(records: int) -> bytes:
    """Write an archive of CIFAR-10 with so many records a file."""
    rng, file = np.random.default_rng(0), io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz", compresslevel=1) as packed:
        for name in (*(f"data_batch_{n}.bin" for n in range(1, 6)), "test_batch.bin"):
            content = rng.integers(0, 10, (records, 3073), dtype=np.uint8).tobytes()
            info = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            info.size = len(content)
            packed.addfile(info, io.BytesIO(content))
    return file.getvalue()


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Read all arrays of an archive."""
    with np.load(path) as packed:
        return {key: packed[key] for key in packed.files}
