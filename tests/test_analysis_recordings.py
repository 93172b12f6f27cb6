import json

import numpy as np
import pytest

from corinfomax.analysis import read_recording
from corinfomax.errors import ParameterError, RunError


@pytest.fixture
def arrays():
    """Arrays of a recording: 6 steps, 2 stimuli, 3 cells of layer 1 and 2 of layer 2."""
    arrays = {
        "t": np.arange(6) * 5e-4,
        "s": np.arange(6) * 0.05,
        "phase": np.array(["free"] * 4 + ["nudge"] * 2),
        "beta": np.array([0.0] * 4 + [1.0] * 2),
        "stimuli": np.array([5, 9]),
        "V_rest": np.array(-0.07),
        "labels": np.array([1, 0]),
        "units": json.dumps({"V_soma": "V", "rate": "Hz"}),
    }
    for k, cells in {1: [4, 7, 20], 2: [0, 1]}.items():
        arrays[f"layer_{k}/cells"] = np.array(cells)
        for variable in ("V_soma", "V_basal", "V_apical", "V_SST", "rate", "i_SST", "u", "r", "v_B", "v_A"):
            arrays[f"layer_{k}/{variable}"] = np.full((6, 2, len(cells)), float(k))
    return arrays


def test_recording_comes_back_as_written(tmp_path, arrays):
    """All arrays, the units and the layers are those of the archive, and the highest layer is the output."""
    path = tmp_path / "recording.npz"
    np.savez(path, **arrays)
    recording = read_recording(path)
    assert list(recording.layers) == [1, 2]
    assert recording.output_layer == 2
    assert recording.units == {"V_soma": "V", "rate": "Hz"}
    assert recording.targets is None
    np.testing.assert_array_equal(recording.layers[1].cells, [4, 7, 20])
    for variable in ("V_soma", "i_SST", "v_A"):
        np.testing.assert_array_equal(recording.layers[2][variable], arrays[f"layer_2/{variable}"])
    with pytest.raises(ParameterError, match="spikes was not recorded"):
        recording.layers[1]["spikes"]


def test_phases_are_the_stretches_of_one_name(tmp_path, arrays):
    """Two presentations after one another are four phases, which cover all steps once."""
    arrays["phase"] = np.array(["free", "free", "nudge", "free", "nudge", "nudge"])
    np.savez(tmp_path / "recording.npz", **arrays)
    phases = read_recording(tmp_path / "recording.npz").phases()
    assert phases == [("free", slice(0, 2)), ("nudge", slice(2, 3)), ("free", slice(3, 4)), ("nudge", slice(4, 6))]


def test_older_recordings_are_taught_where_they_are_nudged(tmp_path, arrays):
    """Without the array that tells it, by β; with it, by the array."""
    for teacher, taught in ((None, [False, True]), ([True] * 4 + [False] * 2, [True, False])):
        given = {} if teacher is None else {"teacher": np.array(teacher)}
        np.savez(tmp_path / "recording.npz", **arrays, **given)
        recording = read_recording(tmp_path / "recording.npz")
        assert [recording.is_taught(steps) for _, steps in recording.phases()] == taught


def test_target_cell_of_each_task(tmp_path, arrays):
    """Labels and one-hot targets name an output cell; continuous targets, and a single output, do not."""
    path = tmp_path / "recording.npz"
    del arrays["labels"]
    expected = {1: [[0, 1, 0], [1, 0, 0]], 0: [[1, 0, 0], [1, 0, 0]], None: [[0.2, 0.8, 0.1], [1, 0, 0]]}
    for cell, targets in expected.items():
        np.savez(path, **arrays, targets=np.array(targets))
        assert read_recording(path).target_cell(0) == cell
    np.savez(path, **arrays, targets=np.ones((2, 1)))
    assert read_recording(path).target_cell(0) is None
    np.savez(path, **arrays, labels=np.array([7, 3]))
    assert read_recording(path).target_cell(1) == 3


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("t", None, "has no t"),
        ("layer_2/cells", None, "has no layer_2/cells"),
        ("beta", np.zeros(5), "beta has shape"),
        ("layer_1/u", np.zeros((6, 2, 2)), "layer_1/u has shape"),
        ("labels", np.zeros(3, int), "labels has shape"),
        ("class_names", np.array(["a"]), "class_names has shape"),
        ("teacher", np.zeros(5, bool), "teacher has shape"),
        ("companions", '{"error_1": {"layer": 1, "kind": "ErrorCell"}}', "has no error_1/cells"),
        ("companions", "[1]", "damaged"),
        ("units", "{", "damaged"),
        ("layer_x/u", np.zeros(1), "damaged"),
        ("s", np.array([object()] * 6), "not a readable NumPy archive"),
    ],
)
def test_damaged_recordings_are_named(tmp_path, arrays, key, value, reason):
    """An array that is absent, of another shape, or pickled is a RunError of one line that names file and reason."""
    path = tmp_path / "recording.npz"
    arrays[key] = value
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    with pytest.raises(RunError, match=rf"recording\.npz: .*{reason}|recording\.npz: {reason}") as caught:
        read_recording(path)
    assert "\n" not in str(caught.value)


def test_files_that_are_no_archives_are_named(tmp_path, arrays):
    """Absent, empty, cut-off and foreign files, a folder and a single array, are each a RunError naming the file."""
    path = tmp_path / "recording.npz"
    np.savez(path, **arrays)
    whole = path.read_bytes()
    np.save(tmp_path / "single.npy", np.zeros(3))
    corrupted = bytearray(whole)
    corrupted[200:220] = bytes(20)
    for content in (b"", b"no archive", whole[:700], (tmp_path / "single.npy").read_bytes(), bytes(corrupted)):
        path.write_bytes(content)
        with pytest.raises(RunError, match=r"recording\.npz: "):
            read_recording(path)
    with pytest.raises(RunError, match="no such file"):
        read_recording(tmp_path / "absent.npz")
    with pytest.raises(RunError, match="not a readable"):
        read_recording(tmp_path)
