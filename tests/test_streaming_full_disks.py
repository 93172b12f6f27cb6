"""Recorders where there is no room, and two on one path: what is promised is there, and nothing else."""

import contextlib
import os
import resource
import shutil
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from corinfomax.analysis import open_traces
from corinfomax.errors import RunError
from corinfomax.networks import CorInfoMax
from corinfomax.protocols.clockwork import Preparation, contrastive
from corinfomax.protocols.recording import Selection, StreamRecorder, record_traces
from corinfomax.stimuli import Stimulus

SHORT = contrastive(free_steps=6, nudge_steps=4)
CHOSEN = [Selection("layer_1", ("V_soma", "V_basal", "V_apical", "u")), Selection("layer_2", ("V_soma", "rate"))]


def prepared():
    """A small circuit in three replicas."""
    return Preparation(CorInfoMax([6, 5, 3]), 3, protocol=SHORT)


def stimuli_of(count):
    """Minibatches of three stimuli."""
    rng = np.random.default_rng(0)
    return [Stimulus(rng.random((3, 6)), rng.random((3, 3))) for _ in range(count)]


@contextlib.contextmanager
def file_size_limit(size):
    """Let no file of this process grow beyond this, as a quota or a full disk would."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture(scope="module")
def theory():
    """u of layer 1 through two hundred presentations."""
    preparation = prepared()
    shown = [preparation.present(item.x, item.y, learn=False, variables=("u",)) for item in stimuli_of(3)]
    return np.concatenate([item.trace("u", 1) for item in shown])


@pytest.mark.parametrize("size", [2_900_000, 3_300_000, 4_000_000])
def test_a_file_that_may_not_grow_holds_all_steps_until_then(tmp_path, theory, size):
    """Under RLIMIT_FSIZE the run ends with one line; the file opens, with every step until then in order.

    Nothing of what was in memory is lost: the tables of both populations go as far as the run did.
    """
    path, done = tmp_path / "a.h5", []
    preparation = prepared()
    preparation.on_step.append(lambda moment: done.append(1))
    recorder = StreamRecorder(preparation, path, CHOSEN, block_bytes=50_000)
    with (
        file_size_limit(size),
        pytest.raises(RunError, match=r"^\S*a\.h5: cannot be written \(File too large\)$"),
        recorder,
    ):
        preparation.run(stimuli_of(2000))
    assert os.listdir(tmp_path) == ["a.h5"]
    with open_traces(path) as traces:
        for group in traces.groups:
            np.testing.assert_allclose(group.time, 5e-4 * np.arange(1, len(group.time) + 1), rtol=1e-12)
            assert len(group.time) in (len(done) - 1, len(done))
        assert len(done) > 100
        np.testing.assert_array_equal(traces["layer_1", "u"][:30], theory)
        assert traces.trials["complete"].iloc[:-3].all()


@pytest.mark.parametrize("size", [0, 500, 50_000, 2_000_000])
def test_without_any_room_nothing_is_begun(tmp_path, size):
    """Where there is no room for what a recording needs at least, the line comes before the first step; no file stays.

    And HDF5 has no file that it cannot close, of which it would complain when Python ends.
    """
    recorder = StreamRecorder(prepared(), tmp_path / "a.h5", CHOSEN)
    with (
        file_size_limit(size),
        pytest.raises(RunError, match=r"^\S*a\.h5: cannot be written \(File too large\)$"),
        recorder,
    ):
        pytest.fail("began")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("ending", ["h5", "csv", "nwb"])
def test_what_a_line_promises_is_there(tmp_path, ending):
    """`record_traces` under a limit: the file that the line names opens, with stimuli in order from the first."""
    stimuli = SimpleNamespace(
        x_test=np.random.default_rng(0).random((6000, 6)), y_test=None, labels_test=None, class_names=None
    )
    with file_size_limit(8_000_000), pytest.raises(RunError) as caught:
        record_traces(prepared(), stimuli, range(6000), CHOSEN, tmp_path / f"a.{ending}")
    line = str(caught.value)
    assert "\n" not in line
    promised = line.rpartition("; what was recorded is in ")[2]
    assert os.listdir(tmp_path) == [os.path.basename(promised)] == ["a.h5"]
    with open_traces(promised) as traces:
        found = traces.trials["stimulus"].tolist()
        assert found == list(range(len(found)))
        assert 100 < len(found) < 6000


def test_a_disk_that_another_file_fills(tmp_path):
    """Room on the disk is taken before it is needed: a file system of 8 MB, filled by another file amid the run.

    One line, and a file that opens, with more than the fifty presentations before. Where none may be mounted, the disk
    is that of the other tests, under a limit.
    """
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(place)]
    mounted = shutil.which("mount") is not None and subprocess.run(mount, capture_output=True).returncode == 0
    reason = "No space left on device" if mounted else "File too large"
    preparation = prepared()

    def presentations():
        for n, stimulus in enumerate(stimuli_of(2000)):
            if n == 50 and mounted:
                with contextlib.suppress(OSError):
                    (place / "other").write_bytes(b"x" * 2**23)
            yield stimulus

    try:
        with (
            contextlib.nullcontext() if mounted else file_size_limit(3_300_000),
            pytest.raises(RunError, match=rf"a\.h5: cannot be written \({reason}\)$"),
            StreamRecorder(preparation, place / "a.h5", CHOSEN, block_bytes=50_000),
        ):
            preparation.run(presentations())
        with open_traces(place / "a.h5") as traces:
            assert len(traces["layer_1", "u"]) > 500
            assert len(traces.dataframe("layer_2", "rate")) == 9 * len(traces["layer_2", "rate"])
    finally:
        if mounted:
            subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize("damaged", [False, True])
def test_a_file_that_cannot_be_completed(tmp_path, monkeypatch, damaged):
    """If the last rows cannot be written, the line names a file that opens, or says that nothing can be read.

    An older recording stays as it was, byte for byte.
    """
    preparation, path = prepared(), tmp_path / "a.h5"
    with StreamRecorder(preparation, path, CHOSEN):
        preparation.run(stimuli_of(1))
    before, write = path.read_bytes(), StreamRecorder._end_file

    def fail(recorder):
        write(recorder)
        if damaged:
            recorder._temporary.write_bytes(recorder._temporary.read_bytes()[:2000])
        raise OSError(5, os.strerror(5))

    monkeypatch.setattr(StreamRecorder, "_end_file", fail)
    message = r"^\S*a\.h5: cannot be completed \(Input/output error\); "
    with pytest.raises(RunError, match=message) as caught, StreamRecorder(preparation, path, CHOSEN):
        preparation.run(stimuli_of(2))
    assert path.read_bytes() == before
    if damaged:
        assert str(caught.value).endswith("; nothing that was recorded can be read")
        assert os.listdir(tmp_path) == ["a.h5"]
    else:
        promised = str(caught.value).rpartition("; what was recorded is in ")[2]
        assert promised == str(tmp_path / "a-incomplete.h5")
        with open_traces(promised) as traces:
            assert len(traces["layer_1", "u"]) == 20


def test_rows_that_can_never_be_written(tmp_path, monkeypatch):
    """Each table fails to be written: one line of the first error, no file, and an older recording as it was."""

    def full(table, start, stop):
        raise OSError(28, os.strerror(28))

    preparation = prepared()
    monkeypatch.setattr("corinfomax.protocols.recording.tables.Table._write", full)
    message = (
        r"a\.h5: cannot be completed \(cannot be written \(No space left.*\); nothing that was recorded can be read$"
    )
    with pytest.raises(RunError, match=message), StreamRecorder(preparation, tmp_path / "a.h5", CHOSEN):
        preparation.run(stimuli_of(1))
    assert os.listdir(tmp_path) == []


def test_a_second_recorder_on_a_path_is_refused(tmp_path, monkeypatch):
    """While one records, another on the same path, however it is spelt, is refused in one line; afterwards not."""
    preparation, path = prepared(), tmp_path / "a.h5"
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path, target_is_directory=True)
    message = r"a\.h5: another recorder or process is writing it; choose another name$"
    with StreamRecorder(preparation, path, CHOSEN):
        preparation.run(stimuli_of(1))
        for other in ("a.h5", "./a.h5", tmp_path / "link" / "a.h5"):
            with pytest.raises(RunError, match=message), StreamRecorder(preparation, other, CHOSEN):
                pytest.fail("recorded")
        with StreamRecorder(preparation, "b.h5", CHOSEN):
            preparation.run(stimuli_of(1))
    assert sorted(os.listdir()) == ["a.h5", "b.h5", "link"]
    with open_traces(path) as traces:
        assert len(traces["layer_1", "u"]) == 20
    with StreamRecorder(preparation, path, CHOSEN):
        preparation.run(stimuli_of(1))
    with open_traces(path) as traces:
        assert len(traces["layer_1", "u"]) == 10


HOLD = """
import sys
from pathlib import Path
from corinfomax.analysis.files import sole_writer
with sole_writer(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.mark.parametrize("ending", ["h5", "nwb", "csv"])
def test_another_process_on_a_path_is_refused(tmp_path, ending):
    """While another process writes a.h5, .nwb or .csv, none is begun here; once it was killed, one is."""
    path = tmp_path / f"a.{ending}"
    stimuli = SimpleNamespace(x_test=np.full((3, 6), 0.5), y_test=None, labels_test=None, class_names=None)
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        with pytest.raises(RunError, match=rf"a\.{ending}: another recorder or process is writing it"):
            record_traces(prepared(), stimuli, range(3), CHOSEN, path)
        assert not path.exists()
        process.kill()
        process.wait()
    record_traces(prepared(), stimuli, range(3), CHOSEN, path)
    assert os.listdir(tmp_path) == [path.name]
