"""Spikes as events: what is recorded, in memory and on disk, equals what Brian2 monitors and what trains tell."""

import shutil

import brian2 as b2
import h5py
import numpy as np
import pandas as pd
import pytest
import toys
import xarray
from neo.io import NWBIO
from nwbinspector import inspect_nwbfile
from pynwb import NWBHDF5IO, validate

from corinfomax import Run
from corinfomax.analysis import export_nwb, open_traces, read_recording
from corinfomax.commands import main
from corinfomax.errors import ParameterError, RunError
from corinfomax.networks import CorInfoMax
from corinfomax.protocols.clockwork import Preparation, contrastive
from corinfomax.protocols.recording import Selection, SpikeSelection, StreamRecorder
from corinfomax.stimuli import Stimulus

DT = 5e-4
LAYERS = ("stimulus", "layer_1", "layer_2")
PROTOCOL = contrastive(free_steps=60, nudge_steps=40)


def prepared(replicas=3, **settings):
    """A circuit whose layers spike, inputs too."""
    options = {"signal": "spikes", "spikes_read": 10, "tau_ref": 0, "initial_gain_ff": 2.0} | settings
    return Preparation(CorInfoMax([6, 5, 4], **options), replicas, protocol=PROTOCOL)


def minibatches(counts=(3, 2)):
    rng = np.random.default_rng(0)
    return [Stimulus(rng.random((n, 6)), rng.random((n, 4)), 0.7, rows=rng.permutation(20)[:n]) for n in counts]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A file of two minibatches, and what Brian2's monitors have of the same run: by layer, time, replica and cell."""
    path = tmp_path_factory.mktemp("spikes") / "a.h5"
    preparation = prepared()
    monitors = {name: b2.SpikeMonitor(preparation.populations[name].group) for name in LAYERS}
    preparation.network.add(*monitors.values())
    chosen = [SpikeSelection("stimulus"), SpikeSelection("layer_1"), Selection("layer_1", ("V_soma", "train"))]
    chosen += [SpikeSelection("layer_2", cells=[3, 0], replicas=[2, 0], phases="nudge")]
    with StreamRecorder(preparation, path, chosen, labels=np.arange(20) % 3, block_bytes=2000) as recorder:
        preparation.run(minibatches())
        assert recorder.nbytes < 2**21
    sizes = {"stimulus": 6, "layer_1": 5, "layer_2": 4}
    found = {}
    for name, monitor in monitors.items():
        step = np.rint(np.asarray(monitor.t) / DT).astype(int)  # of the beginning of the step
        replica, cell = np.divmod(np.asarray(monitor.i), sizes[name])
        there = ~((step >= 100) & (replica == 2))  # the second minibatch has two stimuli
        found[name] = pd.DataFrame({"step": step, "replica": replica, "cell": cell})[there]
    return path, found


def test_events_equal_those_of_spike_monitors(recorded):
    """Times, replicas and cells of all layers, inputs too, are those of Brian2's `SpikeMonitor`s, in small blocks.

    Of a selection only its cells, replicas and phases; a replica without a stimulus is left out.
    """
    path, monitored = recorded
    with open_traces(path) as traces:
        for name in LAYERS:
            theory = monitored[name]
            if name == "layer_2":
                kept = theory["cell"].isin([3, 0]) & theory["replica"].isin([2, 0]) & (theory["step"] % 100 >= 60)
                theory = theory[kept]
            assert len(theory) > 3
            frame = traces.spikes[name].dataframe()
            found = pd.DataFrame({"step": np.rint(frame["time"] / DT).astype(int) - 1, **frame[["replica", "cell"]]})
            order = ["step", "replica", "cell"]
            np.testing.assert_array_equal(found.sort_values(order), theory.sort_values(order))
            np.testing.assert_array_equal(frame["trial"], found["step"] // 100)
            np.testing.assert_array_equal(frame["phase"] == "nudge", found["step"] % 100 >= 60)
            rows = np.array([[*each.rows, -1][:3] for each in minibatches()])
            np.testing.assert_array_equal(frame["stimulus"], rows[frame["trial"], frame["replica"]])
            np.testing.assert_array_equal(frame["label"], frame["stimulus"] % 3)


def test_events_equal_the_jumps_of_the_train(recorded):
    """A cell's train is the sum of what Euler's decay leaves of its own recorded spikes (closed form), to 1e-6."""
    with open_traces(recorded[0]) as traces:
        frame, train = traces.spikes["layer_1"].dataframe(), traces["layer_1", "train"][:100]
    q, tau_s = 1 / (200 * 0.04), 0.04
    theory = np.zeros_like(train)
    for _, spike in frame[frame["trial"] == 0].iterrows():
        first = round(spike["time"] / DT) - 1
        theory[first:, spike["replica"], spike["cell"]] += q * (1 - DT / tau_s) ** np.arange(100 - first)
    np.testing.assert_allclose(train, theory, rtol=0, atol=1e-6)


def test_a_presentation_has_its_spikes(recorded):
    """`present` gives the events that the stream has of the same minibatch: row by row the same table."""
    shown = prepared().present(minibatches()[0].x, minibatches()[0].y, 0.7, learn=False)
    assert [*shown.spikes] == [*LAYERS]
    assert f"layer_1       5        {len(shown.spikes['layer_1'])}" in repr(shown)
    with open_traces(recorded[0]) as traces:
        for name in ("stimulus", "layer_1"):
            streamed = traces.spikes[name]
            found = shown.spikes[name].dataframe()
            theory = streamed.dataframe()
            theory = theory[theory["trial"] == 0]
            for column in ("time", "phase", "replica", "cell"):
                np.testing.assert_array_equal(found[column], theory[column], err_msg=column)
            np.testing.assert_array_equal(shown.spikes[name].counts(), streamed.counts()[:3])


def test_counts_rates_and_variation(recorded):
    """Spikes, rates, and CV and CV2 of intervals equal loops over cells and presentations (NumPy), to 1e-12."""
    with open_traces(recorded[0]) as traces:
        trains, partial = traces.spikes["layer_1"], traces.spikes["layer_2"]
    frame, (cv, cv2) = trains.dataframe(), (trains.cv(), trains.cv2())
    assert trains.counts().shape == (5, 5)
    intervals = []
    for row, (_, trial) in enumerate(trains.trials.iterrows()):
        own = frame[(frame["trial"] == trial["trial"]) & (frame["replica"] == trial["replica"])]
        for cell in range(5):
            gaps = np.diff(own["time"][own["cell"] == cell])
            intervals += gaps.tolist()
            assert trains.counts()[row, cell] == (own["cell"] == cell).sum()
            assert trains.rates()[row, cell] == pytest.approx((own["cell"] == cell).sum() / 0.05)
            if len(gaps) > 1:
                assert cv[row, cell] == pytest.approx(gaps.std() / gaps.mean(), abs=1e-12)
                assert cv2[row, cell] == pytest.approx(np.mean(2 * np.abs(np.diff(gaps)) / (gaps[1:] + gaps[:-1])))
            else:
                assert np.isnan([cv[row, cell], cv2[row, cell]]).all()
    assert sorted(np.rint(trains.intervals()["interval"] / DT)) == sorted(np.rint(np.array(intervals) / DT))
    table = trains.statistics().set_index("cell")
    np.testing.assert_allclose(table["rate"], trains.counts().sum(axis=0) / 0.25)
    np.testing.assert_allclose(table["spikes_per_presentation"], trains.counts().mean(axis=0))
    np.testing.assert_allclose(partial.durations, 0.02)
    assert partial.counts().shape == (3, 2)  # two replicas, of which one had no second stimulus


def test_intervals_do_not_bridge_what_was_not_recorded(recorded):
    """Of one phase alone and of one cell: the intervals within it; and none between presentations of a replica."""
    with open_traces(recorded[0]) as traces:
        trains = traces.spikes["stimulus"]
    only = trains.select(cells=[4, 1], trials=[3, 0], phases="free")
    frame = trains.dataframe()
    for row, number in enumerate((3, 0)):
        trial = trains.trials.iloc[number]
        own = frame[(frame["trial"] == trial["trial"]) & (frame["replica"] == trial["replica"])]
        own = own[own["phase"] == "free"]
        for place, cell in enumerate((4, 1)):
            times = own["time"][own["cell"] == cell]
            found = only.intervals()
            found = found[(found["row"] == row) & (found["cell"] == cell)]
            np.testing.assert_allclose(found["interval"], np.diff(times), rtol=0, atol=1e-12)
            assert only.counts()[row, place] == len(times)
    for wrong, message in (
        ({"cells": 6}, "cell 6"),
        ({"phases": "third"}, "'third'"),
        ({"trials": 5}, "no presentation 5"),
    ):
        with pytest.raises(ParameterError, match=message):
            trains.select(**wrong)


def in_session(trains, cell):
    """A walk through presentations: a cell's spikes, as their steps begin, where each trial follows the one before."""
    frame, times, begin = trains.dataframe(), [], 0.0
    for _, trial in trains.trials.iterrows():
        own = frame[(frame["trial"] == trial["trial"]) & (frame["replica"] == trial["replica"])]
        times += (begin + own["time"][own["cell"] == cell] - trial["start"] - DT).tolist()
        begin += trial["stop"] - trial["start"]
    return times


def test_units_of_nwb(recorded, tmp_path, monkeypatch):
    """A valid file with suggestions at most; each unit's spike times as a walk through trials has them, to 1e-12 s.

    Few are sorted at once. Cells that were always observed have one interval, those of one phase one a trial.
    """
    monkeypatch.setattr("corinfomax.analysis.session._SPIKES_AT_ONCE", 40)
    monkeypatch.setattr("corinfomax.analysis.events._AT_ONCE", 7)
    monkeypatch.setattr("corinfomax.analysis.nwb_units._CHUNK", 16)
    with open_traces(recorded[0]) as traces:
        path = export_nwb(traces, tmp_path / "a.nwb")
        whole = {name: traces.spikes[name] for name in LAYERS}
    assert not validate(path=str(path))
    found = [f"{each.importance.name}: {each.message}" for each in inspect_nwbfile(nwbfile_path=path)]
    assert not [message for message in found if not message.startswith("BEST_PRACTICE_SUGGESTION")]
    with NWBHDF5IO(path, "r") as io:
        file = io.read()
        units = file.units.to_dataframe()
        assert file.units.resolution == pytest.approx(DT)
        assert units["population"].tolist() == ["stimulus"] * 6 + ["layer_1"] * 5 + ["layer_2"] * 2
        assert units["layer"].tolist() == [0] * 6 + [1] * 5 + [2] * 2
        assert "electrodes" not in units
        for _, unit in units.iterrows():
            trains = whole[unit["population"]]
            if unit["population"] != "layer_2":
                np.testing.assert_allclose(unit["spike_times"], in_session(trains, unit["cell"]), rtol=0, atol=1e-12)
                np.testing.assert_allclose(unit["obs_intervals"], [[0, 0.25]], rtol=0, atol=1e-12)
                continue
            starts = 0.05 * np.array([0, 2, 3]) + 0.03  # nudge phases of replicas 0 and 2, then of 0
            np.testing.assert_allclose(unit["obs_intervals"], np.stack([starts, starts + 0.02], axis=1), atol=1e-12)
            assert len(unit["spike_times"]) == (trains.cell == unit["cell"]).sum()
            inside = [(start <= unit["spike_times"]) & (unit["spike_times"] < start + 0.02) for start in starts]
            assert np.any(inside, axis=0).all()


def test_neo_reads_units_and_trials(tmp_path):
    """neo's spike trains of a unit, cut to a trial, are that presentation's spikes; so are those of `to_neo`."""
    preparation = prepared()
    chosen = [SpikeSelection("layer_1"), SpikeSelection("layer_2")]
    with StreamRecorder(preparation, tmp_path / "a.h5", chosen, labels=np.arange(20) % 3):
        preparation.run(minibatches())
    with open_traces(tmp_path / "a.h5") as traces:
        path, block = export_nwb(traces, tmp_path / "a.nwb"), traces.to_neo()
        trains = traces.spikes["layer_1"]
    io = NWBIO(str(path))
    (segment,) = io.read_block().segments
    assert len(segment.spiketrains) == 9
    assert len(block.segments) == 5
    for row, told in enumerate(block.segments):
        frame = trains.select(trials=row).dataframe()
        assert told.annotations["stimulus"] == trains.trials["stimulus"][row]
        assert told.annotations["class_name"] == trains.trials["class_name"][row] != ""
        assert told.epochs[0].labels.tolist() == ["free", "nudge"]
        for cell in range(5):
            theory = frame["time"][frame["cell"] == cell] - DT
            own = [each for each in told.spiketrains if each.annotations["population"] == "layer_1"][cell]
            assert own.annotations["cell"] == cell
            np.testing.assert_allclose(own.rescale("s").magnitude, theory, rtol=0, atol=1e-12)
            begin = 0.05 * row
            spikes = segment.spiketrains[cell].rescale("s").magnitude
            part = spikes[(spikes >= begin - 1e-9) & (spikes < begin + 0.05 - 1e-9)]
            np.testing.assert_allclose(part - begin, theory - trains.trials["start"][row], rtol=0, atol=1e-12)
    io.close()


def test_tables_and_archives_of_spikes(recorded, tmp_path):
    """CSV, NumPy archive, xarray and the bare netCDF-4 file hold the events that the table has."""
    (tmp_path / "mine_spikes.csv").write_text("mine")
    with open_traces(recorded[0]) as traces:
        with pytest.raises(ParameterError, match=r"mine_spikes\.csv: exists"):
            traces.save_csv(tmp_path / "mine.csv")
        assert (tmp_path / "mine_spikes.csv").read_text() == "mine"
        traces.save_csv(tmp_path / "a.csv")
        traces.save_npz(tmp_path / "a.npz")
        tree, frame = traces.to_xarray(), traces.spikes["layer_1"].dataframe()
    written = pd.read_csv(tmp_path / "a_spikes.csv")
    written = written[written["population"] == "layer_1"]
    assert "spikes" not in pd.read_csv(tmp_path / "a.csv", nrows=1)
    archive, bare = (
        np.load(tmp_path / "a.npz"),
        xarray.open_dataset(recorded[0], engine="h5netcdf", group="spikes/layer_1"),
    )
    for column in ("time", "replica", "cell"):
        np.testing.assert_allclose(written["time (s)" if column == "time" else column], frame[column], rtol=1e-12)
        for found in (archive[f"spikes/layer_1/{column}"], tree["spikes/layer_1"][column], bare[column]):
            np.testing.assert_array_equal(found, frame[column])
    assert tree["spikes/layer_1"]["phase"].values.tolist() == frame["phase"].tolist()
    assert tree["spikes/layer_1"].attrs["cell_type"] == "SpikingHiddenPyramidal"


def test_spikes_of_cells_that_do_not_spike_are_refused(tmp_path):
    """One line, which names those that do: in a selection, in a presentation, and for unknown populations."""
    rates = prepared(signal="rates")
    for preparation, population, message in (
        (rates, "layer_1", r"^layer_1: its cells do not spike; of this circuit those do: none, for its layers send"),
        (prepared(), "SST_1", r"^SST_1: its cells do not spike; .* those do: stimulus, layer_1, layer_2$"),
        (prepared(), "layer_3", "no population 'layer_3'"),
    ):
        with pytest.raises(ParameterError, match=message) as caught:
            StreamRecorder(preparation, tmp_path / "a.h5", SpikeSelection(population))
        assert "\n" not in str(caught.value)
    with pytest.raises(ParameterError, match=r'no cell of this circuit spikes: .* unless signal = "spikes"'):
        rates.present(np.ones(6)).spikes  # noqa: B018
    with pytest.raises(ParameterError, match="spikes are events and no variable; choose them by a SpikeSelection"):
        Selection("layer_1", ("u", "spikes"))
    with pytest.raises(ParameterError, match="spikes of layer_1: chosen twice"):
        StreamRecorder(prepared(), tmp_path / "a.h5", [SpikeSelection("layer_1"), SpikeSelection("layer_1", cells=0)])


def test_damaged_spikes_are_one_line(recorded, tmp_path):
    """Cells that were not recorded, and times that go back, are damage; it is told when spikes are read."""
    for column, value in (("cell", 7), ("time", 1e9), ("phase", 40)):
        path = tmp_path / f"{column}.h5"
        shutil.copy(recorded[0], path)
        with h5py.File(path, "r+") as file:
            file[f"spikes/layer_1/{column}"][3] = value
        with open_traces(path) as traces, pytest.raises(RunError, match="damaged") as caught:
            traces.spikes["layer_1"]
        assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def spiking_run(tmp_path_factory):
    """A run whose layers spike, trained by the command line for one epoch."""
    folder = tmp_path_factory.mktemp("spiking")
    np.savez(folder / "toy.npz", **toys.stimuli())
    settings = ("signal=spikes", "spikes_read=10", "free_steps=40", "nudge_steps=20", "tau_ref=0", "epochs=1")
    words = toys.on_toys(folder / "toy.npz", *settings, "initial_gain_ff=2.0")
    with pytest.MonkeyPatch.context() as patch:
        toys.without_figures(patch)
        patch.setattr("sys.argv", ["corinfomax", *words, "--out", str(folder / "run")])
        with pytest.raises(SystemExit) as end:
            main()
    assert not end.value.code
    return folder / "run"


def test_the_command_keeps_and_draws_spikes(spiking_run, command):
    """`corinfomax record` draws a raster beside voltages, and keeps the events that `present` has."""
    code, out, err = command("record", spiking_run, "--stimuli", "1")
    assert (code, err) == (0, "")
    assert "recording_stimulus_1_spikes.png" in out
    assert (spiking_run / "recording_stimulus_1_spikes.png").stat().st_size > 5000
    recording, opened = read_recording(spiking_run / "recording.npz"), Run(spiking_run)
    x, y = opened.stimuli.x_test[[1]], opened.stimuli.y_test[[1]]
    shown = opened.present(x, y)
    for name in LAYERS:
        theory, found = shown.spikes[name].dataframe(), recording.spikes[name].dataframe()
        assert len(found)
        for column in ("time", "phase", "cell"):
            assert found[column].tolist() == theory[column].tolist()
        assert set(found["stimulus"]) == {1}
    assert [trains.layer for trains in recording.spikes.values()] == [0, 1, 2]
    np.testing.assert_array_equal(recording.spikes_of(1).counts(), shown.spikes["layer_1"].counts())


def test_the_command_records_spikes_at_scale(spiking_run, command, refused, run):
    """By default the spikes of all layers, or by name; CSV has a table beside; and refused where none does."""
    words = ("--stimuli", "0-3", "--replicas", "2")
    assert "spikes of stimulus; spikes of layer_1" in command("record", spiking_run, "--out", "a.h5", *words)[1]
    some = ("--populations", "layer_1", "--variables", "spikes", "--phases", "nudge")
    assert command("record", spiking_run, "--out", "b.h5", *words, *some)[0] == 0
    assert command("record", spiking_run, "--out", "a.csv", *words, "--variables", "V_soma,spikes")[0] == 0
    with open_traces("a.h5") as whole, open_traces("b.h5") as part:
        assert [*whole.spikes] == [*LAYERS]
        assert ([*part.spikes], part.groups) == (["layer_1"], ())
        theory = whole.spikes["layer_1"].select(phases="nudge").dataframe()
        assert part.spikes["layer_1"].dataframe()[["time", "cell"]].equals(theory[["time", "cell"]])
        assert len(pd.read_csv("a_spikes.csv")) == sum(len(trains) for trains in whole.spikes.values())
    assert "a_spikes.csv: exists" in refused("record", spiking_run, "--out", "a.csv", "--variables", "spikes")
    message = refused("record", run, "--out", "c.h5", "--variables", "spikes")
    assert "layer_1: its cells do not spike; of this circuit those do: none" in message


def test_a_run_records_spikes_in_python(spiking_run, tmp_path):
    """`Run.record` gives recordings and traces with spikes: those of one file are those of the other."""
    opened = Run(spiking_run)
    recording = opened.record(stimuli=[2])
    with opened.record(tmp_path / "a.h5", stimuli=[2]) as traces:
        for name in LAYERS:
            pd.testing.assert_frame_equal(
                traces.spikes[name].dataframe()[["time", "stimulus", "label", "cell"]],
                recording.spikes[name].dataframe()[["time", "stimulus", "label", "cell"]],
                check_dtype=False,
            )


@pytest.mark.parametrize(
    ("column", "value"), [("cell", 5), ("stimulus", -1), ("time", 1.0), ("time", None), ("layer", "one")]
)
def test_damaged_spikes_of_an_archive_are_one_line(spiking_run, tmp_path, column, value):
    """What does not fit the recording, or is missing, is told with the file's name."""
    Run(spiking_run).record(stimuli=[2])
    arrays = dict(np.load(spiking_run / "recording.npz"))
    place = f"spikes/layer_1/{column}"
    if value is None:
        del arrays[place]
    else:
        arrays[place] = np.array(value) if arrays[place].ndim == 0 else np.full_like(arrays[place], value)
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(RunError, match=r"a\.npz: (damaged|has no)") as caught:
        read_recording(tmp_path / "a.npz")
    assert "\n" not in str(caught.value)
