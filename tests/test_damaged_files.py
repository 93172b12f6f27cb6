"""Damage of whatever kind is one line that names the file; bombs are refused before they are unpacked."""

import gzip
import io
import resource
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest

from corinfomax.analysis import read_recording
from corinfomax.analysis.hdf5 import check_self_contained
from corinfomax.archives import LARGE, MOST_EXPANSION, ArchiveError, Bounded, check_expansion
from corinfomax.errors import CorInfoMaxError, RunError, StimulusError
from corinfomax.protocols.runs import RunFolder
from corinfomax.stimuli import load_stimuli
from corinfomax.stimuli.idx import read_idx

READERS = {
    "recording": (read_recording, RunError),
    "checkpoint": (lambda path: RunFolder(path.parent).arrays(path.name), RunError),
    "stimuli": (load_stimuli, StimulusError),
}


def line_of(read, kind, path):
    """What a reader says of a file, which must be one line that begins with its path."""
    with pytest.raises(kind) as caught:
        read(path)
    line = str(caught.value)
    assert line.startswith(f"{path}: ")
    assert "\n" not in line
    return line


def npy(header, data=b""):
    """An array's file whose header has this text, padded to 410 bytes."""
    text = header.encode().ljust(399) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data


def packed(members, path):
    """Write an archive of these members."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return path


def patched(path, offset, value):
    """Overwrite a field of all headers of an archive: the local ones, and those of its directory."""
    content = bytearray(path.read_bytes())
    for magic, extra in ((b"PK\x03\x04", 0), (b"PK\x01\x02", 2)):
        place = content.find(magic)
        while place >= 0:
            struct.pack_into("<H", content, place + offset + extra, value)
            place = content.find(magic, place + 4)
    path.write_bytes(content)
    return path


HEADERS = [
    "(",
    "{'descr': '<f8', 'fortran_order': False, 'shape': (3,",
    "{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }",
    "{'descr': '<f8', 'fortran_order': False, 'shape': (-1,), }",
    "{'descr': '|O', 'fortran_order': False, 'shape': (3,), }",
    "{'descr': 'no', 'fortran_order': False, 'shape': (3,), }",
    "  (\n 1",
    "'" * 3,
    "(" * 300,
    "[" * 390,
    "\\",
    "1" * 390,
    "\x00",
]


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("header", HEADERS)
def test_headers_of_arrays(tmp_path, reader, header):
    """Headers that are no dictionary, of no type, cut short, deep or of impossible shapes: 410 bytes, one line each."""
    content = npy(header)
    assert len(content) == 410
    line_of(*READERS[reader], packed({"x": content, "t": content}, tmp_path / "a.npz"))


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(("offset", "value"), [(6, 1), (8, 99), (8, 1), (4, 99), (26, 999)])
def test_fields_of_archives(tmp_path, reader, offset, value):
    """An encrypted member, compression methods that are not there, a version to come, a name that is too long."""
    np.savez_compressed(tmp_path / "a.npz", x=np.zeros((4, 3)), t=np.zeros(3))
    line_of(*READERS[reader], patched(tmp_path / "a.npz", offset, value))


@pytest.mark.parametrize("reader", READERS)
def test_what_is_no_archive(tmp_path, reader):
    """Nothing, text, a single array, a pickle, a tar archive, an archive of texts: one line each."""
    path = tmp_path / "a.npz"
    single, tar = io.BytesIO(), io.BytesIO()
    np.save(single, np.zeros(3))
    tarfile.open(fileobj=tar, mode="w").close()
    for content in (b"", b"x", single.getvalue(), b"\x80\x04N.", tar.getvalue()):
        path.write_bytes(content)
        line_of(*READERS[reader], path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x", "text")
    line_of(*READERS[reader], path)


def random_damage(intact, trials, seed):
    """Copies that are cut short, or have some bytes changed."""
    rng = np.random.default_rng(seed)
    for trial in range(trials):
        content = bytearray(intact)
        if trial % 4 == 0:
            content = content[: rng.integers(len(content))]
        for _ in range(trial % 4):
            content[rng.integers(len(content))] = int(rng.integers(256))
        yield bytes(content)


@pytest.mark.parametrize("compress", [np.savez, np.savez_compressed])
def test_random_damage_of_archives(tmp_path, compress):
    """Whatever bytes are changed, an archive is read or refused in one line."""
    path = tmp_path / "checkpoint.npz"
    compress(path, epoch=np.array(3), W=np.arange(12.0).reshape(3, 4), text=np.array("a = 1"))
    folder, refused = RunFolder(tmp_path), []
    for content in random_damage(path.read_bytes(), 300, seed=0):
        path.write_bytes(content)
        try:
            folder.arrays("checkpoint.npz")
        except RunError as error:
            refused.append(str(error))
    assert len(refused) > 100
    assert not any("\n" in line for line in refused)


@pytest.fixture
def little_memory():
    """Let the process have a quarter of a gigabyte more than it has, where that is known, so that no bomb fits in."""
    limits = resource.getrlimit(resource.RLIMIT_AS)
    statm = Path("/proc/self/statm")
    if not statm.exists():
        yield
        return
    used = int(statm.read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 2**28, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, limits)


def zeros_deflated(size, wbits):
    """So many zeros, packed piece by piece."""
    packer, piece = zlib.compressobj(9, zlib.DEFLATED, wbits), b"\0" * 2**20
    return b"".join([*(packer.compress(piece) for _ in range(size // len(piece))), packer.flush()])


SIZE = 300 * 2**20


@pytest.fixture(scope="module")
def zeros():
    """A gzip file of 300 kB that holds .3 GB."""
    return zeros_deflated(SIZE, 31)


@pytest.fixture(scope="module")
def bomb(tmp_path_factory):
    """An archive of 300 kB whose only array has .3 GB."""
    path = tmp_path_factory.mktemp("bomb") / "a.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("x.npy", "w") as member:
        member.write(npy(f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({SIZE},), }}"))
        for _ in range(SIZE // 2**20):
            member.write(b"\0" * 2**20)
    return path


@pytest.mark.parametrize("reader", READERS)
def test_archives_that_are_bombs(reader, bomb, little_memory):
    """300 kB that claim .3 GB are refused by the archive's directory, without the memory that they would take."""
    assert bomb.stat().st_size < 400_000
    assert f"would unpack to {SIZE + 410} or more" in line_of(*READERS[reader], bomb)


def test_gzip_files_that_are_bombs(tmp_path, zeros, little_memory):
    """An IDX file of .3 GB in 300 kB is refused by its header; one that hides what follows, when it turns up."""
    path = tmp_path / "images"
    header = gzip.compress(struct.pack(">4I", 0x803, SIZE // 2**20, 2**10, 2**10))
    path.write_bytes(header + zeros)
    read = lambda path: read_idx(path, 3)  # noqa: E731
    assert f"would unpack to {SIZE + 16} or more" in line_of(read, StimulusError, path)
    path.write_bytes(gzip.compress(struct.pack(">4I", 0x803, 1, 1, 1)) + zeros)
    assert "holds more than 1 bytes of data" in line_of(read, StimulusError, path)


@pytest.mark.parametrize("hidden", ["member", "other", "pax", "tail"])
def test_tar_archives_that_are_bombs(tmp_path, hidden, zeros, little_memory):
    """Zeros as a file of the set, as another file, as an extended header or after the end: refused in one line."""
    names = {"member": "data_batch_1.bin", "other": "readme.html", "pax": "x"}
    info = tarfile.TarInfo(names.get(hidden, "readme.html"))
    info.size = 0 if hidden == "tail" else SIZE
    if hidden == "pax":
        info.type = tarfile.XHDTYPE
    folder = tmp_path / "cifar10"
    folder.mkdir()
    path = folder / "cifar-10-binary.tar.gz"
    path.write_bytes(gzip.compress(info.tobuf()) + zeros)
    with pytest.raises(StimulusError) as caught:
        load_stimuli("cifar10", data=tmp_path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "bytes would unpack to" in str(caught.value) or hidden == "pax"
    assert "\n" not in str(caught.value)


def test_datasets_of_chunks_that_are_not_there(tmp_path):
    """A million rows in chunks of three, of which three rows are there: refused, as HDF5 would take 1 GB for it."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        table = file.create_dataset("table", data=np.zeros(3, np.int8), chunks=(3,), maxshape=(None,))
        check_self_contained(file)
        table.resize(10**6, axis=0)
        with pytest.raises(ValueError, match="table claims 333334 chunks, of which the file holds 1"):
            check_self_contained(file)


def test_large_sets_are_no_bombs():
    """Allowed are 256 MB of whatever size, and .6 GB in 3 MB or more, as CIFAR-100 in float32; 200-fold is the edge."""
    cifar_100 = 60_000 * 3072 * 4
    check_expansion(cifar_100 // MOST_EXPANSION + 1, cifar_100)
    check_expansion(1, LARGE)
    with pytest.raises(ArchiveError, match="allowed are 200 times as many, or 256 MB"):
        check_expansion(cifar_100 // MOST_EXPANSION - 1, cifar_100)
    assert issubclass(StimulusError, CorInfoMaxError)
    assert Bounded(io.BytesIO(b"abc"), 1).read(5) == b"abc"
