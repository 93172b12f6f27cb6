"""What is recorded of runs with background input: the same each time, from the seed that the recording tells."""

import sys

import numpy as np
import pandas as pd
import pytest
from pynwb import NWBHDF5IO
from toys import on_toys, stimuli, without_figures

from corinfomax import Preparation, Run
from corinfomax.analysis import open_traces, read_recording
from corinfomax.commands import main
from corinfomax.protocols.examinations.corinfomax import unlifted_classes
from corinfomax.protocols.runs import seed_of_tests


@pytest.fixture(scope="module")
def noisy(tmp_path_factory):
    """Train twice from seed 3, with background input; return both run folders."""
    folder = tmp_path_factory.mktemp("noisy")
    np.savez(folder / "toy.npz", **stimuli())
    words = ["corinfomax", *on_toys(folder / "toy.npz", "noise_basal=0.3", "seed=3", "epochs=1")]
    for name in ("a", "b"):
        with pytest.MonkeyPatch.context() as patch:
            without_figures(patch)
            patch.setattr(sys, "argv", [*words, "--out", str(folder / name)])
            with pytest.raises(SystemExit):
                main()
    return folder / "a", folder / "b"


def archive(path):
    """Arrays of an archive."""
    with np.load(path) as found:
        return dict(found)


def assert_same(first, second):
    """Two archives hold the same arrays, bit for bit."""
    assert first.keys() == second.keys()
    for key, values in first.items():
        np.testing.assert_array_equal(values, second[key], err_msg=key)


def test_two_trainings_leave_the_same_recording_and_activity(noisy):
    """Bit for bit; the recording tells the seed, and is what `present` gives from it, not from another."""
    for name in ("recording.npz", "activity.npz"):
        assert_same(*(archive(folder / name) for folder in noisy))
    run, recording = Run(noisy[0]), read_recording(noisy[0] / "recording.npz")
    assert recording.seed == seed_of_tests(3)
    preparation, cells = run.preparation(), recording.layers[1].cells
    x, y = run.stimuli.x_test[:1], run.stimuli.y_test[:1]
    for seed, same in ((recording.seed, True), (recording.seed + 1, False)):
        shown = preparation.present(x, y, run.protocol.beta, learn=False, seed=seed).trace("v_B", 1)
        assert np.array_equal(recording.layers[1]["v_B"], shown[:, :, cells]) == same


@pytest.mark.parametrize("ending", ["npz", "h5", "nwb", "csv"])
def test_two_calls_of_record_are_identical(command, undrawn, noisy, ending):
    """Traces of five stimuli, two at once where that can be chosen, bit for bit; the noise is there."""
    words = ("--stimuli", "0-4") + (() if ending == "npz" else ("--replicas", "2"))
    for name in ("first", "second"):
        assert command("record", noisy[0], "--out", f"{name}.{ending}", *words)[0] == 0
    if ending == "npz":
        assert_same(archive("first.npz"), archive("second.npz"))
        assert read_recording("first.npz").seed == seed_of_tests(3)
    elif ending == "h5":
        with open_traces("first.h5") as first, open_traces("second.h5") as second:
            assert first.seed == seed_of_tests(3)
            pd.testing.assert_frame_equal(first.dataframe("layer_1"), second.dataframe("layer_1"))
            drive = first["layer_1", "V_basal"][:]
            assert np.abs(np.diff(drive[:30, 0], n=2, axis=0)).max() > 1e-4
    elif ending == "nwb":
        with NWBHDF5IO("first.nwb", "r") as one, NWBHDF5IO("second.nwb", "r") as other:
            first, second = one.read(), other.read()
            assert f"Seed of the background input: {seed_of_tests(3)}." in first.experiment_description
            basal = [file.acquisition["layer_1_V_basal"].data[:] for file in (first, second)]
            np.testing.assert_array_equal(*basal)
    else:
        pd.testing.assert_frame_equal(pd.read_csv("first.csv"), pd.read_csv("second.csv"))


def test_older_recordings_have_no_seed(noisy, tmp_path):
    """An archive without `seed` is read; its seed is None."""
    arrays = archive(noisy[0] / "recording.npz")
    del arrays["seed"]
    np.savez(tmp_path / "older.npz", **arrays)
    assert read_recording(tmp_path / "older.npz").seed is None


def test_what_the_teacher_cannot_lift_is_asked_with_the_seed(noisy, monkeypatch):
    """Rates that the question is answered from are the same when it is asked twice, bit for bit."""
    run, asked = Run(noisy[0]), []
    settle = Preparation.settle

    def note(*arguments, **options):
        asked.append(settle(*arguments, **options))
        return asked[-1]

    monkeypatch.setattr(Preparation, "settle", note)
    learner = run.preparation(5)
    for _ in range(2):
        unlifted_classes(run.circuit, learner, run.protocol, run.stimuli, [0, 1], seed_of_tests(3))
    np.testing.assert_array_equal(asked[0].r[1], asked[1].r[1])
    assert asked[0].r[1].any()
