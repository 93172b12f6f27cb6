"""Recordings read back: slices, tidy tables and archives against an independent walk through the presentations."""

import h5py
import numpy as np
import pandas as pd
import pytest

from corinfomax.analysis import open_traces
from corinfomax.errors import ParameterError, RunError
from corinfomax.networks import CorInfoMax
from corinfomax.protocols.clockwork import Preparation, contrastive
from corinfomax.protocols.recording import Selection, StreamRecorder, WeightSelection
from corinfomax.stimuli import Stimulus

LABELS = np.arange(20) % 3
NAMES = ["setosa", "versicolor", "virginica"]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A file of three trials, the last incomplete, and what `present` gives for each."""
    path = tmp_path_factory.mktemp("traces") / "a.h5"
    preparation = Preparation(CorInfoMax([6, 5, 3]), 2, protocol=contrastive(free_steps=4, nudge_steps=2))
    rng = np.random.default_rng(0)
    stimuli = [Stimulus(rng.random((n, 6)), rng.random((n, 3)), rows=rng.permutation(20)[:n]) for n in (2, 2, 1)]
    names = ("V_soma", "V_apical", "rate", "u")
    shown = [preparation.present(item.x, item.y, learn=False, variables=names) for item in stimuli]
    chosen = [
        Selection("layer_1", ("V_soma", "rate"), cells=[4, 0, 2]),
        Selection("layer_1", "V_apical", every=2),
        Selection("layer_2", ("u",), phases="nudge"),
        WeightSelection(("W_ff", 1), post=[2, 0], pre=[1], changes=True),
    ]
    with StreamRecorder(preparation, path, chosen, labels=LABELS, class_names=NAMES, seed=7):
        preparation.run(stimuli)
        preparation.run([Stimulus(stimuli[0].x, stimuli[0].y, learn=True)])
    return path, stimuli, shown


def test_classes_without_names_are_called_by_their_numbers(tmp_path):
    """The class is the label as text, also where labels are so large that names for all would fill the memory."""
    preparation = Preparation(CorInfoMax([6, 5, 3]), replicas=2, protocol=contrastive(free_steps=2, nudge_steps=2))
    labels = np.array([7, 10**9])
    with StreamRecorder(preparation, tmp_path / "a.h5", Selection("layer_1", "u", cells=0), labels=labels):
        preparation.run([Stimulus(np.full((2, 6), 0.5), rows=np.arange(2)), Stimulus(np.full((2, 6), 0.5))])
    with open_traces(tmp_path / "a.h5") as traces:
        assert traces.class_names is None
        frame = traces.dataframe("layer_1")
        found = frame.groupby(["trial", "replica"])["class_name"].unique()
        assert [names.tolist() for names in found] == [["7"], ["1000000000"], [""], [""]]
        traces.save_npz(tmp_path / "a.npz")
        for save, suffix in ((traces.save_npz, "npz"), (traces.save_csv, "csv")):
            (tmp_path / f"mine.{suffix}").write_text("mine")
            with pytest.raises(ParameterError, match="exists; choose another name, or replace it with overwrite=True"):
                save(tmp_path / f"mine.{suffix}")
            assert (tmp_path / f"mine.{suffix}").read_text() == "mine"
            save(tmp_path / f"mine.{suffix}", overwrite=True)
    with np.load(tmp_path / "a.npz") as archive:
        assert "trials/class_names" not in archive


def test_slices(recorded):
    """Slices, single steps and cells of a trace, and it as an array, are those of `present`, bit for bit."""
    path, _, shown = recorded
    expected = np.concatenate([item.trace("V_soma", 1) for item in shown[:2]])[:, :, [4, 0, 2]]
    with open_traces(path) as traces:
        trace = traces["layer_1", "V_soma"]
        assert trace.shape == (24, 2, 3)
        assert (trace.unit, traces.units["rate"], traces.units["u"]) == ("V", "Hz", "1")
        np.testing.assert_array_equal(trace[:12], expected)
        np.testing.assert_array_equal(trace[7, 1], expected[7, 1])
        np.testing.assert_array_equal(trace[2:9, :, 1], expected[2:9, :, 1])
        np.testing.assert_array_equal(np.asarray(trace)[:12], expected)
        assert traces.software["corinfomax"]
        assert traces.circuit == "CorInfoMax"
        assert traces.seed == 7


def test_tidy_table(recorded):
    """Every row of the table against a walk through trials, steps, stimuli and cells; absent replicas have no rows."""
    path, stimuli, shown = recorded
    rows = []
    for trial, (stimulus, item) in enumerate(zip(stimuli, shown, strict=True)):
        for step in range(6):
            for replica in range(len(stimulus.x)):
                for cell in (4, 0, 2):
                    row = stimulus.rows[replica]
                    rows.append(
                        {
                            "time": 5e-4 * (6 * trial + step + 1),
                            "s": 0.05 * (6 * trial + step + 1),
                            "trial": trial,
                            "phase": "free" if step < 4 else "nudge",
                            "beta": float(step >= 4),
                            "stimulus": row,
                            "label": LABELS[row],
                            "class_name": NAMES[LABELS[row]],
                            "replica": replica,
                            "layer": 1,
                            "population": "layer_1",
                            "cell": cell,
                            "V_soma": item.trace("V_soma", 1)[step, replica, cell],
                            "rate": item.trace("rate", 1)[step, replica, cell],
                        }
                    )
    with open_traces(path) as traces:
        frame = traces.dataframe("layer_1", ("V_soma", "rate"), trials=[0, 1, 2])
        pd.testing.assert_frame_equal(frame, pd.DataFrame(rows), check_dtype=False, check_categorical=False, rtol=1e-12)
        part = traces.dataframe("layer_1", "rate", cells=[2, 4], replicas=1, trials=1, phases="nudge")
        expected = pd.DataFrame(rows).query("trial == 1 and replica == 1 and phase == 'nudge' and cell in (2, 4)")
        expected = expected.drop(columns="V_soma").sort_values(["time", "cell"], kind="stable")
        pd.testing.assert_frame_equal(
            part, expected.reset_index(drop=True), check_dtype=False, check_categorical=False, rtol=1e-12
        )
        assert len(traces.dataframe("layer_2")) == 3 * 2 * (2 + 2 + 1 + 2)


def test_csv_is_the_tidy_tables(recorded, tmp_path, monkeypatch):
    """The file read back is all tables, one after the other, whatever the size of the pieces; columns name units."""
    monkeypatch.setattr("corinfomax.analysis.traces._ROWS_AT_ONCE", 30)
    path, _, _ = recorded
    with open_traces(path) as traces:
        traces.save_csv(tmp_path / "a.csv")
        frames = [traces.dataframe("layer_1", ("V_soma", "rate")), traces.dataframe("layer_1", "V_apical")]
        frames.append(traces.dataframe("layer_2"))
        for frame in frames:
            frame["phase"], frame["population"] = frame["phase"].astype(str), frame["population"].astype(str)
        expected = pd.concat(frames, ignore_index=True)
    expected = expected.rename(
        columns={"time": "time (s)", "V_soma": "V_soma (V)", "V_apical": "V_apical (V)", "rate": "rate (Hz)"}
    )
    found = pd.read_csv(tmp_path / "a.csv").fillna({"class_name": ""})  # of the last trial, which has no rows
    assert list(found)[:3] == ["time (s)", "s", "trial"]
    assert set(found) == set(expected)
    pd.testing.assert_frame_equal(found, expected[list(found)], check_dtype=False, rtol=1e-12)


def test_archive(recorded, tmp_path):
    """The archive has every trace in its unit, the weights and the tables, all equal to what the file gives."""
    path, _, _ = recorded
    with open_traces(path) as traces:
        traces.save_npz(tmp_path / "a.npz")
        with np.load(tmp_path / "a.npz") as archive:
            np.testing.assert_array_equal(archive["layer_1/V_soma"], traces["layer_1", "V_soma"][:])
            np.testing.assert_array_equal(archive["layer_1-2/V_apical"], traces["layer_1", "V_apical"][:])
            np.testing.assert_array_equal(archive["layer_1/cells"], [4, 0, 2])
            assert archive["seed"] == 7
            np.testing.assert_array_equal(archive["layer_2/time"], traces.group("layer_2").time)
            np.testing.assert_array_equal(archive["W_ff_1/values"], traces.weights["W_ff_1"].values[:])
            assert archive["phases/name"].tolist() == traces.phases["name"].tolist()
            assert archive["trials/presented"].tolist() == [2, 2, 1, 2]
            assert archive["trials/class_names"].tolist() == NAMES


def test_table_of_weights(recorded):
    """One row a synapse, with the numbers of its cells, the weight and its change."""
    path, _, _ = recorded
    with open_traces(path) as traces:
        weights = traces.weights["W_ff_1"]
        frame = weights.dataframe()
        assert frame[["trial", "post", "pre"]].to_numpy().tolist() == [[3, 2, 1], [3, 0, 1]]
        np.testing.assert_array_equal(frame["weight"], weights.values[0].ravel())
        np.testing.assert_array_equal(frame["change"], weights.changes[0].ravel())


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda traces: traces["layer_3", "u"], "'layer_3' was not recorded; recorded: layer_1, layer_2"),
        (lambda traces: traces["layer_2", "r"], "'r' of layer_2 was not recorded; recorded: u"),
        (lambda traces: traces["layer_2"], "named by population and variable"),
        (lambda traces: traces.dataframe("layer_1"), "ask for variables of one: V_soma, rate; V_apical"),
        (lambda traces: traces.dataframe("layer_1", "rate", cells=1), "cell 1 was not recorded; recorded: 4, 0, 2"),
        (lambda traces: traces.dataframe("layer_2", replicas=2), "replica 2 was not recorded"),
        (lambda traces: traces.dataframe("layer_2", trials=9), "trial 9 was not recorded; recorded: 0, 1, 2, 3"),
        (lambda traces: traces.dataframe("layer_2", phases="free"), "phase 'free' was not recorded; recorded: nudge"),
    ],
)
def test_what_was_not_recorded_is_named(recorded, ask, message):
    """Asking for it is a `ParameterError` of one line that says what was."""
    with open_traces(recorded[0]) as traces, pytest.raises(ParameterError, match=message) as caught:
        ask(traces)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("place", "row", "value", "message"),
    [
        (
            "phases/trial",
            3,
            99,
            "phases are of trials that are not there: rows are out of range: 99, where",
        ),
        ("phases/trial", 0, -1, "phases are of trials that are not there"),
        ("phases/trial", 1, 3, "phases are not in the order of their trials"),
        ("phases/name", 2, 9, "names of phases are out of range: 9, where there are 2"),
        ("phases/stop", 1, np.nan, "times of phases are not finite"),
        ("trials/start", 1, 5.0, "trials overlap, or end before they begin"),
        ("trials/presented", 0, 3, "stimuli of trials are out of range: 3"),
        ("trials/presented", 0, -1, "stimuli of trials are out of range: -1"),
        ("cells/layer_1/phase", 0, -1, "steps of layer_1 are of phases that are not there: rows are out of range: -1"),
        ("cells/layer_1/phase", 5, 10**9, "steps of layer_1 are of phases that are not there"),
        ("cells/layer_1/time", 5, np.nan, "times of steps of layer_1 do not increase"),
        ("cells/layer_1/replica", 1, 7, "replicas of layer_1 are out of range"),
        ("cells/layer_1/cell", 1, 4, "cells of layer_1 are out of range, or twice there"),
        ("weights/W_ff_1/trial", 0, 4, "weights are of trials that are not there"),
    ],
)
def test_numbers_out_of_range_are_named(recorded, tmp_path, place, row, value, message):
    """A number that points to what is not there, or a time that is none: one line when the file is opened."""
    path = tmp_path / "a.h5"
    path.write_bytes(recorded[0].read_bytes())
    with h5py.File(path, "r+") as file:
        file[place][row] = value
    with pytest.raises(RunError, match=rf"^\S*a\.h5: damaged \({message}[^\n]*$"):
        open_traces(path)


def replaced(file, kind, other):
    """Put something in the place of the time of layer 1, or of the recorded somata, that is not the file's own."""
    layer = file["cells/layer_1"]
    shape = layer["V_soma"].shape
    if kind in ("external", "soft"):
        del layer["time"]
        layer["time"] = h5py.ExternalLink(str(other), "/time") if kind == "external" else h5py.SoftLink("/trials/start")
        return
    del layer["V_soma"]
    if kind == "raw":
        layer.create_dataset("V_soma", shape, "f8", external=[(str(other), 0, 10**6)])
    elif kind == "virtual":
        layout = h5py.VirtualLayout(shape, "f8")
        layout[:] = h5py.VirtualSource(str(other), "V", shape)
        layer.create_virtual_dataset("V_soma", layout)
    elif kind == "bomb":
        layer.create_dataset("V_soma", (10**7, *shape[1:]), "f8", chunks=(1000, *shape[1:]), fillvalue=0.0)
    elif kind == "filter":
        layer.create_dataset("V_soma", data=np.zeros(shape), compression="gzip", chunks=shape)
        layer["V_soma"].id.write_direct_chunk((0, 0, 0), b"no deflated data", filter_mask=0)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("external", "cells/layer_1/time is a link, which is not followed"),
        ("soft", "cells/layer_1/time is a link, which is not followed"),
        ("raw", "the data of cells/layer_1/V_soma lie in other files, which are not read"),
        ("virtual", "the data of cells/layer_1/V_soma lie in other files, which are not read"),
        ("bomb", "0 bytes would unpack to 480000000 or more"),
    ],
)
def test_other_files_are_not_read(recorded, tmp_path, kind, message):
    """Links, data in other files and data that are only claimed are one line each; the other file stays closed."""
    path, other = tmp_path / "a.h5", tmp_path / "other.h5"
    path.write_bytes(recorded[0].read_bytes())
    with h5py.File(other, "w") as file:
        file["time"] = np.arange(24.0)
        file["V"] = np.zeros((24, 2, 3))
    with h5py.File(path, "r+") as file:
        replaced(file, kind, other)
    with pytest.raises(RunError, match=rf"^\S*a\.h5: damaged \({message}[^\n]*$"):
        open_traces(path)


def test_damaged_data_are_named_when_they_are_read(recorded, tmp_path):
    """A chunk that cannot be unpacked: the file opens, and reading the trace is one line that names file and place."""
    path = tmp_path / "a.h5"
    path.write_bytes(recorded[0].read_bytes())
    with h5py.File(path, "r+") as file:
        replaced(file, "filter", None)
        file["cells/layer_1/V_soma"].attrs["units"] = "V"
    with open_traces(path) as traces:
        for ask in (lambda: traces["layer_1", "V_soma"][:], lambda: traces.dataframe("layer_1", "V_soma")):
            with pytest.raises(RunError, match=r"^\S*a\.h5: damaged \(/cells/layer_1/V_soma: [^\n]*$"):
                ask()


def test_random_damage_is_one_line(recorded, tmp_path):
    """Copies with some bytes of their structure changed are read or refused in one line."""
    whole, path, rng = recorded[0].read_bytes(), tmp_path / "a.h5", np.random.default_rng(0)
    refused = []
    for _ in range(100):
        content = bytearray(whole)
        for place in rng.integers(0, len(content), 20):
            content[place] = int(rng.integers(256))
        path.write_bytes(content)
        try:
            with open_traces(path) as traces:
                traces.dataframe("layer_1", "rate")
        except RunError as error:
            refused.append(str(error))
    assert len(refused) > 10
    assert not any("\n" in line for line in refused)


def test_damaged_files_are_named(recorded, tmp_path):
    """Absent, empty, foreign, cut-off files, and files with parts gone, are each a `RunError` of one line."""
    whole = recorded[0].read_bytes()
    path = tmp_path / "a.h5"
    with pytest.raises(RunError, match=r"a\.h5: no such file"):
        open_traces(path)
    for content in (b"", b"no recording", whole[:1000], whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(RunError, match=r"a\.h5: not a readable HDF5 file") as caught:
            open_traces(path)
        assert "\n" not in str(caught.value)
    for part in (
        "trials/start",
        "phases",
        "cells/layer_1/time",
        "cells/layer_1/cell",
        "parameters",
        "cells",
        "weights",
    ):
        path.write_bytes(whole)
        with h5py.File(path, "r+") as file:
            del file[part]
        with pytest.raises(RunError, match=r"a\.h5: damaged") as caught:
            open_traces(path)
        assert "\n" not in str(caught.value)
    for part, rows in (("trials/beta", 1), ("cells/layer_1/beta", 3), ("phases/trial", 2)):
        path.write_bytes(whole)
        with h5py.File(path, "r+") as file:
            file[part].resize(rows, axis=0)
        with pytest.raises(RunError, match=r"a\.h5: damaged"):
            open_traces(path)
    with h5py.File(path, "w") as file:  # without checksums, as of versions 0.1 and 0.2
        file.attrs["format"] = "other"
    with pytest.raises(RunError, match=r"a\.h5: is no recording"):
        open_traces(path)
    path.write_bytes(whole)
    with h5py.File(path, "r+") as file:
        file.attrs["version"] = 99
    with pytest.raises(RunError, match="written by a newer version"):
        open_traces(path)


def test_a_file_that_hdf5_does_not_come_to_an_end_of_is_refused(tmp_path, monkeypatch):
    """An attribute's heap that claims more room than it has, in a file without checksums: HDF5 goes on for ever."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w", libver="earliest") as file:
        file.attrs["format"] = "corinfomax traces"
        file["x"] = np.zeros(5000)
    damaged = bytearray(path.read_bytes())
    heap = damaged.find(b"GCOL")
    damaged[heap + 8 : heap + 16] = (len(damaged) - heap).to_bytes(8, "little")
    path.write_bytes(damaged)
    monkeypatch.setattr("corinfomax.analysis.hdf5._LONGEST", 3.0)
    with pytest.raises(RunError, match=r"a\.h5: damaged \(HDF5 does not come to an end of it in 3 s\)"):
        open_traces(path)
