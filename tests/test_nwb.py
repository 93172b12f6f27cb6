"""Export to NWB: pynwb's validator, NWB's inspector, and everything read back, also by neo and h5py."""

import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import quantities as pq
from neo.io import NWBIO
from nwbinspector import inspect_nwbfile
from pynwb import NWBHDF5IO, validate

from corinfomax.analysis import export_nwb, open_traces
from corinfomax.errors import ParameterError, RunError
from corinfomax.networks import CorInfoMax
from corinfomax.protocols.clockwork import Preparation, contrastive
from corinfomax.protocols.clockwork.provenance import Provenance, note_provenance
from corinfomax.protocols.recording import Selection, StreamRecorder, WeightSelection
from corinfomax.stimuli import Stimulus

FORMER = Path(__file__).parent / "former"
NAMES = ("V_soma", "V_basal", "V_apical", "rate")


def record(path, replicas, counts, dtype=np.float32, parameters="seed = 3\n"):
    """Record minibatches of these sizes; return what `present` gives for the first."""
    circuit = CorInfoMax([6, 5, 3], domain=["B_1_plus", "B_inf_plus"])
    note_provenance(circuit, Provenance(parameters=parameters))
    preparation = Preparation(circuit, replicas, dtype=dtype, protocol=contrastive(free_steps=4, nudge_steps=2))
    rng = np.random.default_rng(0)
    stimuli = [
        Stimulus(rng.random((n, 6)), rng.random((n, 3)), -0.5, learn=True, rows=rng.permutation(20)[:n]) for n in counts
    ]
    first = stimuli[0]
    shown = preparation.present(first.x, first.y, first.beta, learn=False, variables=NAMES)
    chosen = [
        Selection("layer_1", NAMES, cells=[3, 1]),
        Selection("layer_2", ("V_soma",), every=2),
        Selection("multiplier_1", "r", phases="free"),
        WeightSelection(("W_ff", 0), post=[1, 3], changes=True),
    ]
    with StreamRecorder(preparation, path, chosen, labels=np.arange(20) % 3, class_names=["a", "b", "c"]):
        preparation.run(stimuli)
    return shown


def in_session(traces, group, name):
    """A walk through presentations, replicas and steps: the samples of a trace in the session's order, and times.

    A sample's time is the beginning of its step, or steps, in a session where each trial follows the one before.
    """
    samples, times, begin = [], [], 0.0
    replicas = sorted({int(number) for each in traces.groups for number in each.replicas})
    for trial in range(len(traces.trials.groupby("trial"))):
        one = traces.trials[traces.trials["trial"] == trial]
        for replica in replicas:
            if replica >= len(one):
                continue
            for row in np.flatnonzero(traces.phases["trial"].to_numpy()[group.phase] == trial):
                if replica in group.replicas:
                    samples.append(traces[group.population, name][row, list(group.replicas).index(replica)])
                    times.append(begin + group.time[row] - one["start"].iloc[0] - group.every * traces.dt)
            begin += one["stop"].iloc[0] - one["start"].iloc[0]
    return np.array(samples), np.array(times)


@pytest.mark.parametrize(("replicas", "counts"), [(1, (1, 1, 1)), (3, (3, 2))])
@pytest.mark.parametrize("compression", [None, "gzip"])
def test_export_is_valid_and_reads_back(tmp_path, replicas, counts, compression):
    """The validator finds nothing; data are (time, cells) in volts as `present` has them, to 1e-12 V, without scaling.

    Oracles: `present`, and a walk through the recording's presentations and replicas; trials follow one another.
    """
    shown = record(tmp_path / "a.h5", replicas, counts)
    with open_traces(tmp_path / "a.h5") as traces:
        path = export_nwb(traces, tmp_path / "a.nwb", compression=compression)
        trials, recorded = traces.trials, traces.weights["W_ff_0"]
        weights = {"weights": recorded.values[:], "changes": recorded.changes[:], "change_norm": recorded.change_norm}
        theory = {
            f"{group.population}_{name}": in_session(traces, group, name)
            for group in traces.groups
            for name in group.traces
        }
        versions = traces.software
    assert not validate(path=str(path))
    with NWBHDF5IO(path, "r") as io:
        file = io.read()
        assert set(file.acquisition) == set(theory)
        for name, (samples, times) in theory.items():
            series = file.acquisition[name]
            np.testing.assert_allclose(series.data[:], samples, rtol=0, atol=1e-12, err_msg=name)
            assert (series.conversion, series.offset) == (1, 0)
            found = series.timestamps
            if name.startswith("layer"):
                assert found is None
                assert series.rate == pytest.approx(2000 if "layer_1" in name else 1000, rel=1e-12)
                found = series.starting_time + np.arange(len(samples)) / series.rate
            np.testing.assert_allclose(found[:], times, rtol=0, atol=1e-12)
        volts = np.concatenate([shown.trace("V_apical", 1)[:, replica, [3, 1]] for replica in range(counts[0])])
        series = file.acquisition["layer_1_V_apical"]
        np.testing.assert_allclose(series.data[: len(volts)], volts, rtol=0, atol=1e-12)
        assert (series.unit, file.acquisition["layer_1_rate"].unit) == ("volts", "hertz")
        assert "one of every 2 steps of the phases free, nudge." in file.acquisition["layer_2_V_soma"].comments
        assert "every step of the phases free." in file.acquisition["multiplier_1_r"].comments

        cells = file.processing["circuit"]["cells"].to_dataframe()
        assert set(cells["compartment"]) == {"soma", "basal dendrite", "apical dendrite", "axon"}
        signals = file.processing["circuit"]["signals"]
        for row in range(len(signals)):
            sites = signals["sites"][row]
            assert signals["series"][row].name == f"{signals['population'][row]}_{signals['variable'][row]}"
            assert len(sites) == signals["series"][row].data.shape[-1]
            if signals["series"][row].name == "layer_1_V_apical":
                assert sites["cell"].tolist() == [3, 1]
                assert set(sites["compartment"]) == {"apical dendrite"}
                assert set(sites["layer"]) == {1}
                assert set(sites["cell_type"]) == {"HiddenPyramidal"}

        table = file.trials.to_dataframe()
        for name in ("stimulus", "label", "class_name", "replica", "beta", "learn"):
            np.testing.assert_array_equal(table[name], trials[name], err_msg=name)
        np.testing.assert_allclose(table["start_time"], 0.003 * np.arange(len(trials)), rtol=0, atol=1e-12)
        np.testing.assert_allclose(table["stop_time"], 0.003 * np.arange(1, len(trials) + 1), rtol=0, atol=1e-12)
        for _, trial in table.iterrows():
            assert list(trial["phase_names"]) == ["free", "nudge"]
            edges = trial["start_time"] + np.array([0, 0.002, 0.003])
            np.testing.assert_allclose(trial["phase_start_times"], edges[:2], atol=1e-12)
            np.testing.assert_allclose(trial["phase_stop_times"], edges[1:], atol=1e-12)
            assert list(trial["phase_betas"]) == [0, -0.5]
        epochs = file.epochs.to_dataframe()
        assert [list(tags) for tags in epochs["tags"]] == [["free"], ["nudge"]] * len(trials)
        np.testing.assert_allclose(epochs["start_time"], np.concatenate(table["phase_start_times"]), atol=1e-12)

        plasticity = file.processing["plasticity"]
        for name, values in weights.items():
            np.testing.assert_array_equal(plasticity["W_ff_0"][name][:], values)
        last = trials.groupby("trial").size().cumsum()
        np.testing.assert_allclose(plasticity["W_ff_0"]["time"][:], 0.003 * last, rtol=0, atol=1e-12)
        axes = plasticity["W_ff_0_cells"].to_dataframe().groupby("axis")["cell"].apply(list)
        assert axes.to_dict() == {"postsynaptic": [1, 3], "presynaptic": [0, 1, 2, 3, 4, 5]}
        assert file.notes == "seed = 3\n"
        assert all(f'"{name}": "{version}"' in file.data_collection for name, version in versions.items())
        assert file.session_start_time.tzinfo is not None


def test_neo_and_h5py_read_volts_and_trials(tmp_path):
    """neo's signals and bare h5py datasets equal the recording's volts to 1e-12; slices of trials are those trials.

    Oracles: `present` for the first presentation; neo's own slicing by time; the samples that each trial names.
    """
    shown = record(tmp_path / "a.h5", 3, (3, 2))
    with open_traces(tmp_path / "a.h5") as traces:
        path = export_nwb(traces, tmp_path / "a.nwb")
    volts = shown.trace("V_soma", 1)[:, :, [3, 1]]  # (steps, replicas, cells)
    with h5py.File(path) as file:
        series = file["acquisition/layer_1_V_soma"]
        assert series["data"].attrs["unit"] == "volts"
        assert series["data"].attrs.get("conversion", 1) == 1
        np.testing.assert_allclose(series["data"][:18], np.concatenate(volts.swapaxes(0, 1)), rtol=0, atol=1e-12)
        start, rate = series["starting_time"][()], series["starting_time"].attrs["rate"]
        for trial, begin in enumerate(file["intervals/trials/start_time"][:3]):
            row = round((begin - start) * rate)
            np.testing.assert_allclose(series["data"][row : row + 6], volts[:, trial], rtol=0, atol=1e-12)
    io = NWBIO(str(path))
    (segment,) = io.read_block().segments
    signals = {signal.name: signal for signal in segment.analogsignals}
    signal = signals["layer_1_V_soma"]
    assert signal.units == pq.V
    np.testing.assert_allclose(signal.sampling_rate.rescale("Hz").magnitude, 2000, rtol=1e-12)
    (epochs,) = segment.epochs
    assert epochs.labels.tolist() == ["free", "nudge"] * 5
    for trial in range(3):
        part = signal.time_slice(epochs.times[2 * trial], epochs.times[2 * trial + 1] + epochs.durations[2 * trial + 1])
        np.testing.assert_allclose(part.magnitude, volts[:, trial], rtol=0, atol=1e-12)
    (irregular,) = segment.irregularlysampledsignals
    assert irregular.name == "multiplier_1_r"
    io.close()
    with NWBHDF5IO(path, "r") as io:
        trials = io.read().trials
        for trial in range(3):
            named = {sample.timeseries.name: sample.data for sample in trials["timeseries"][trial]}
            assert set(named) == {*signals, irregular.name}
            np.testing.assert_allclose(named["layer_1_V_soma"], volts[:, trial], rtol=0, atol=1e-12)


def chosen_of(kind):
    """Selections that leave samples uneven, fewer than cells, of some replicas only, or none of any."""
    return {
        "uneven": [Selection("layer_1", "V_soma", phases="nudge"), Selection("layer_2", "rate", every=3)],
        "wide": [Selection("layer_1", ("V_soma", "u"), every=4, replicas=0), WeightSelection(("W_ff", 0))],
        "some": [Selection("layer_1", "V_soma", replicas=[2, 0]), Selection("layer_2", "V_soma", replicas=1)],
        "weights": [WeightSelection(("W_ff", 0), changes=True)],
    }[kind]


@pytest.mark.parametrize("kind", ["uneven", "wide", "some", "weights", "nothing"])
def test_the_inspector_has_suggestions_at_most(tmp_path, kind):
    """nwbinspector has no violation and nothing critical to say, whatever was recorded; values as a walk has them."""
    preparation = Preparation(CorInfoMax([6, 5, 3]), 3, protocol=contrastive(free_steps=4, nudge_steps=2))
    rng = np.random.default_rng(0)
    stimuli = [Stimulus(rng.random((n, 6)), rng.random((n, 3)), learn=True) for n in (3, 2)]
    chosen = chosen_of("some" if kind == "nothing" else kind)
    with StreamRecorder(preparation, tmp_path / "a.h5", chosen):
        preparation.run(() if kind == "nothing" else stimuli)
    with open_traces(tmp_path / "a.h5") as traces:
        path = export_nwb(traces, tmp_path / "a.nwb")
        theory = [
            (f"{group.population}_{name}", *in_session(traces, group, name))
            for group in traces.groups
            for name in group.traces
        ]
    found = [f"{each.importance.name}: {each.message}" for each in inspect_nwbfile(nwbfile_path=path)]
    assert not [message for message in found if not message.startswith("BEST_PRACTICE_SUGGESTION")]
    with NWBHDF5IO(path, "r") as io:
        file = io.read()
        if kind == "nothing":
            assert not file.acquisition
            return
        for name, samples, times in theory:
            parts = [name] if name in file.acquisition else [f"{name}_{number}" for number in (1, 2, 3)]
            parts = [file.acquisition[part] for part in parts]
            assert len(parts) == (3 if kind == "wide" else 1)
            np.testing.assert_allclose(np.hstack([part.data[:] for part in parts]), samples, rtol=0, atol=1e-12)
            for part in parts:
                found = part.timestamps
                if part.rate is not None:
                    found = part.starting_time + np.arange(len(samples)) / part.rate
                np.testing.assert_allclose(found[:], times, rtol=0, atol=1e-12)


def test_long_traces_are_copied_piece_by_piece(tmp_path, monkeypatch):
    """Pieces of some kilobytes: what is read of the recording at once stays below that, and the whole is equal."""
    record(tmp_path / "a.h5", 3, [3] * 20)
    monkeypatch.setattr("corinfomax.analysis.nwb._BUFFER_GB", 1e-6)
    monkeypatch.setattr("corinfomax.analysis.session._VALUES_AT_ONCE", 20)
    with open_traces(tmp_path / "a.h5") as traces:
        expected, _ = in_session(traces, traces.group("layer_1"), "V_soma")
        export_nwb(traces, tmp_path / "a.nwb")
    with NWBHDF5IO(tmp_path / "a.nwb", "r") as io:
        found = io.read().acquisition["layer_1_V_soma"].data[:]
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


def test_former_recordings_are_exported_with_their_compartments(tmp_path):
    """A file of version 0.1.0, which tells no compartments: a valid export, volts as the archive beside it has them."""
    theory = np.load(FORMER / "recording.npz")
    with open_traces(FORMER / "recording.h5") as traces:
        path = export_nwb(traces, tmp_path / "a.nwb")
        trials = len(traces.trials)
    assert not validate(path=str(path))
    with NWBHDF5IO(path, "r") as io:
        file = io.read()
        cells = file.processing["circuit"]["cells"].to_dataframe()
        assert set(cells["compartment"]) == {"soma", "apical dendrite"}
        volts = theory["layer_1/V_soma"].reshape(4, 9, 2, 2).swapaxes(1, 2).reshape(trials * 9, 2)
        np.testing.assert_allclose(file.acquisition["layer_1_V_soma"].data[:], volts, rtol=0, atol=1e-12)


def test_an_empty_recording_is_valid(tmp_path):
    """A recorder that saw no presentation: a valid file without trials."""
    preparation = Preparation(CorInfoMax([6, 5, 3]), protocol=contrastive(free_steps=4, nudge_steps=2))
    with StreamRecorder(preparation, tmp_path / "a.h5", Selection("layer_1", "V_soma")):
        pass
    with open_traces(tmp_path / "a.h5") as traces:
        export_nwb(traces, tmp_path / "a.nwb")
    assert not validate(path=str(tmp_path / "a.nwb"))
    with NWBHDF5IO(tmp_path / "a.nwb", "r") as io:
        assert io.read().trials is None


def test_refusals(tmp_path, monkeypatch):
    """Other endings, files that exist, folders that do not, and a missing pynwb are one line each."""
    record(tmp_path / "a.h5", 1, [1])
    (tmp_path / "mine.nwb").write_bytes(b"mine")
    with open_traces(tmp_path / "a.h5") as traces:
        with pytest.raises(ParameterError, match=r"a\.h5: must end in \.nwb"):
            export_nwb(traces, tmp_path / "a.h5")
        with pytest.raises(ParameterError, match=r"mine\.nwb: exists"):
            export_nwb(traces, tmp_path / "mine.nwb")
        assert (tmp_path / "mine.nwb").read_bytes() == b"mine"
        with pytest.raises(RunError, match=r"b\.nwb: cannot be written"):
            export_nwb(traces, tmp_path / "no" / "b.nwb")
        monkeypatch.setitem(sys.modules, "pynwb", None)
        with pytest.raises(ParameterError, match=r'^NWB needs pynwb: pip install "corinfomax\[nwb\]"$'):
            export_nwb(traces, tmp_path / "b.nwb")
