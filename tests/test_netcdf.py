"""Recordings as netCDF-4: axes, units and labels as xarray finds them in the file, and as `to_xarray` adds to them."""

import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray

from corinfomax.analysis import open_traces
from corinfomax.errors import ParameterError
from corinfomax.networks import CorInfoMax
from corinfomax.protocols.clockwork import Preparation, contrastive
from corinfomax.protocols.recording import Selection, StreamRecorder, WeightSelection
from corinfomax.stimuli import Stimulus

FORMER = Path(__file__).parent / "former"
LABELS = np.arange(20) % 3
NAMES = ("V_soma", "u", "rate")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A file of two presentations with a step that grows shorter, and what `present` gives of each."""
    path = tmp_path_factory.mktemp("netcdf") / "a.h5"
    circuit = CorInfoMax([6, 5, 3], convention="authors")
    protocol = contrastive(free_steps=4, nudge_steps=2, step_rule="divide_by_slow_loop_index", step_decay=0.5)
    preparation = Preparation(circuit, 2, dtype=np.float32, protocol=protocol)
    rng = np.random.default_rng(0)
    stimuli = [Stimulus(rng.random((n, 6)), rng.random((n, 3)), rows=rng.permutation(20)[:n]) for n in (2, 1)]
    shown = [preparation.present(item.x, item.y, learn=False, variables=NAMES) for item in stimuli]
    chosen = [
        Selection("layer_1", NAMES, cells=[4, 0, 2]),
        Selection("layer_2", "V_soma", every=2, replicas=1, phases="free"),
        WeightSelection(("W_ff", 1), post=[2, 0], pre=[1], changes=True),
    ]
    with StreamRecorder(preparation, path, chosen, labels=LABELS):
        preparation.run(stimuli)
        preparation.run([Stimulus(stimuli[0].x, stimuli[0].y, learn=True)])
    return path, stimuli, shown


def traces_of(shown, name):
    """What `present` gives of the recorded cells, NaN where a replica had no stimulus."""
    found = np.full((12, 2, 3), np.nan)
    for n, item in enumerate(shown):
        values = item.trace(name, 1)[:, :, [4, 0, 2]]
        found[6 * n : 6 * n + 6, : values.shape[1]] = values
    return found


def test_xarray_opens_labelled_lazy_traces_in_volts(recorded):
    """Axes time, replica and cell with their numbers, units, and values of `present` to 1e-12, read when needed."""
    path, _, shown = recorded
    with xarray.open_dataset(path, engine="h5netcdf", group="cells/layer_1") as found:
        assert dict(found.sizes) == {"time": 18, "replica": 2, "cell": 3}
        assert list(found.data_vars) == list(NAMES)
        for name, unit in (("V_soma", "V"), ("u", "1"), ("rate", "Hz"), ("time", "s"), ("s", "1")):
            assert found[name].attrs["units"] == unit
        assert not any(found[name].variable._in_memory for name in NAMES)
        assert found["u"].dtype == np.float32
        assert found["cell"].values.tolist() == [4, 0, 2]
        np.testing.assert_allclose(found["time"], 5e-4 * np.arange(1, 19), rtol=1e-12)
        for name in NAMES:
            np.testing.assert_allclose(found[name][:12], traces_of(shown, name), rtol=0, atol=1e-12)
        one = found["V_soma"].sel(cell=0, replica=1).isel(time=3)
        np.testing.assert_allclose(one, shown[0].trace("V_soma", 1)[3, 1, 0], rtol=0, atol=1e-12)
    with xarray.open_datatree(path, engine="h5netcdf") as file:
        assert file["trials"]["learn"].values.tolist() == [False, False, True]
        assert file["trials"]["stimulus"].dims == ("trial", "replica")
        names = file["phases"]["name"]
        assert names.attrs["flag_meanings"].split() == ["free", "nudge"]
        assert names.values.tolist() == [0, 1] * 3
        weights = file["weights/W_ff_1"]
        assert weights["changes"].dims == ("time", "post", "pre")
        assert weights["post"].values.tolist() == [2, 0]


def test_every_axis_has_a_scale(recorded):
    """Each axis of each dataset, but those that are scales, is attached to one of its group: what netCDF-4 asks for."""
    axes = []

    def look(name, item):
        if isinstance(item, h5py.Dataset) and item.ndim and not item.is_scale:
            axes.append((item, [[scale.name for scale in axis.values()] for axis in item.dims]))

    with h5py.File(recorded[0]) as file:
        file.visititems(look)
        for item, scales in axes:
            assert [len(found) for found in scales] == [1] * item.ndim, item.name
            assert all(found[0].rpartition("/")[0] == item.parent.name for found in scales)
            assert [file[found[0]].size for found in scales] == list(item.shape)
    assert len(axes) > 20


def test_both_clocks_go_on_through_all_presentations(recorded):
    """s is the sum of the steps η_i, which `present` gives from each presentation's start; time is a step's number."""
    path, _, shown = recorded
    whole = shown[0].nudge.s[-1]
    theory = np.concatenate([shown[0].free.s, shown[0].nudge.s])
    assert np.ptp(np.diff(theory)) > 1e-3  # steps that differ
    with open_traces(path) as traces:
        group = traces.group("layer_1")
        np.testing.assert_allclose(group.s, np.concatenate([theory + n * whole for n in range(3)]), rtol=1e-12)
        frame = traces.dataframe("layer_1", "u", cells=4, replicas=0)
        np.testing.assert_array_equal(frame["s"], group.s)


def test_to_xarray_labels_trials_phases_and_stimuli(recorded):
    """As read from the file, with labels as in the tables of trials and phases; open and lazy after the recording."""
    path, stimuli, shown = recorded
    with open_traces(path) as traces:
        found, tree = traces.to_xarray("layer_1", ["V_soma", "u"]), traces.to_xarray()
    assert list(found.data_vars) == ["V_soma", "u"]
    assert not found["V_soma"].variable._in_memory
    np.testing.assert_allclose(found["V_soma"][:12], traces_of(shown, "V_soma"), rtol=0, atol=1e-12)
    assert found["phase"].values.tolist() == (["free"] * 4 + ["nudge"] * 2) * 3
    assert found["trial"].values.tolist() == np.repeat([0, 1, 2], 6).tolist()
    assert found["stimulus"].dims == ("time", "replica")
    rows = [*stimuli[0].rows, stimuli[1].rows[0], -1, -1, -1]
    assert found["stimulus"].values[::6].ravel().tolist() == rows
    assert found["label"].values[::6].ravel().tolist() == [LABELS[row] if row >= 0 else -1 for row in rows]
    assert "names" not in found["label"].attrs  # of classes that have none
    assert found["V_soma"].attrs["units"] == "V"
    nudged = found["u"].where(found["phase"] == "nudge", drop=True).isel(time=slice(2), replica=0)
    np.testing.assert_array_equal(nudged, shown[0].nudge.u[1][:, 0, [4, 0, 2]])
    assert list(tree.children) == ["layer_1", "layer_2"]
    assert tree["layer_2"]["replica"].values.tolist() == [1]
    np.testing.assert_allclose(tree["layer_2"]["time"], 5e-4 * np.array([2, 4, 8, 10, 14, 16]), rtol=1e-12)
    found.close()


def test_former_recordings_are_labelled_too():
    """A recording of version 0.1.0, whose axes have no names: the same labels, values as the archive beside it has."""
    theory = np.load(FORMER / "recording.npz")
    with open_traces(FORMER / "recording.h5") as traces:
        found = traces.to_xarray("layer_1")
    assert found["V_soma"].dims == ("time", "replica", "cell")
    assert found["V_soma"].attrs["units"] == "V"
    np.testing.assert_array_equal(found["V_soma"], theory["layer_1/V_soma"])
    assert found["phase"].values[0] == "free"
    assert np.isnan(found["s"]).all()


@pytest.mark.parametrize("module", ["xarray", "h5netcdf"])
def test_what_is_missing_is_told(recorded, monkeypatch, module):
    """Without the extra the line says how to install it; what was not recorded is named."""
    with open_traces(recorded[0]) as traces:
        with pytest.raises(ParameterError, match="'v_A' of layer_1 was not recorded; recorded: V_soma, u, rate"):
            traces.to_xarray("layer_1", "v_A")
        with pytest.raises(ParameterError, match="variables are of a population"):
            traces.to_xarray(variables="u")
        monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises(ParameterError, match=r'^to_xarray needs .*: pip install "corinfomax\[xarray\]"$'):
            traces.to_xarray("layer_1")


@pytest.mark.parametrize("replicas", [1, 20])
def test_a_short_recording_is_a_small_file(tmp_path, replicas):
    """12 steps of 4 cells: below 100 kB, where it was megabytes; the least that HDF5 needs for as many datasets."""
    preparation = Preparation(CorInfoMax([6, 5, 3]), replicas, protocol=contrastive(free_steps=8, nudge_steps=4))
    chosen = Selection("layer_1", ("V_soma", "V_basal", "V_apical"), cells=range(4), replicas=0)
    with StreamRecorder(preparation, tmp_path / "a.h5", chosen):
        preparation.run([Stimulus(np.full((replicas, 6), 0.5), np.full((replicas, 3), 0.5))])
    with open_traces(tmp_path / "a.h5") as traces:
        assert traces["layer_1", "V_soma"].shape == (12, 1, 4)
    assert (tmp_path / "a.h5").stat().st_size < 100_000
