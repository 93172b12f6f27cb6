"""Export to NWB: pynwb's validator, and everything read back."""

import json
import sys

import h5py
import numpy as np
import pandas as pd
import pytest
from pynwb import NWBHDF5IO, validate

from corinfomax.analysis import export_nwb, open_traces
from corinfomax.errors import ParameterError, RunError
from corinfomax.networks import CorInfoMax
from corinfomax.protocols.clockwork import Preparation, contrastive
from corinfomax.protocols.clockwork.provenance import Provenance, note_provenance
from corinfomax.protocols.recording import Selection, StreamRecorder, WeightSelection
from corinfomax.stimuli import Stimulus

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
    with StreamRecorder(preparation, path, chosen, labels=np.arange(20) % 3):
        preparation.run(stimuli)
    return shown


@pytest.mark.parametrize(("replicas", "counts"), [(1, (1, 1, 1)), (3, (3, 2))])
@pytest.mark.parametrize("compression", [None, "gzip"])
def test_export_is_valid_and_reads_back(tmp_path, replicas, counts, compression):
    """The validator finds nothing; potentials are in volts as `present` has them, to 1e-12 V; tables tell what is what.

    With one replica traces are (steps, cells), else (steps, replicas, cells), NaN where there was no stimulus.
    """
    shown = record(tmp_path / "a.h5", replicas, counts)
    with open_traces(tmp_path / "a.h5") as traces:
        path = export_nwb(traces, tmp_path / "a.nwb", compression=compression)
        trials, time = traces.trials, traces.group("layer_1", NAMES).time
        weights = traces.weights["W_ff_0"]
        changes, values, norms = weights.changes[:], weights.values[:], weights.change_norm
        expected = {
            (group.population, name): trace[:] for group in traces.groups for name, trace in group.traces.items()
        }
        versions = traces.software
    assert not validate(path=str(path))
    with NWBHDF5IO(path, "r") as io:
        file = io.read()
        assert set(file.acquisition) == {"_".join(key) for key in expected}
        for key, trace in expected.items():
            series = file.acquisition["_".join(key)]
            found = series.get_data_in_units()
            np.testing.assert_allclose(found, trace[:, 0] if replicas == 1 else trace, rtol=0, atol=1e-12)
        series = file.acquisition["layer_1_V_apical"]
        assert series.unit == "volts"
        assert file.acquisition["layer_1_rate"].unit == "hertz"
        assert file.acquisition["layer_1_rate"].comments == "Recorded: every step of the phases free, nudge."
        every_second = "Recorded: one of every 2 steps of the phases free, nudge."
        assert file.acquisition["layer_2_V_soma"].comments == every_second
        first = series.get_data_in_units()[:6].reshape(6, replicas, 2)[:, : counts[0]]
        np.testing.assert_allclose(first, shown.trace("V_apical", 1)[:, :, [3, 1]], rtol=0, atol=1e-12)
        np.testing.assert_array_equal(series.timestamps[:], time)

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
        for name, source in (
            ("start_time", "start"),
            ("stop_time", "stop"),
            *((key, key) for key in ("stimulus", "label", "replica", "beta", "learn")),
        ):
            np.testing.assert_array_equal(table[name], trials[source], err_msg=name)
        for _, trial in table.iterrows():
            assert list(trial["phase_names"]) == ["free", "nudge"]
            edges = trial["start_time"] + np.array([0, 0.002, 0.003])
            np.testing.assert_allclose(trial["phase_start_times"], edges[:2], atol=1e-12)
            np.testing.assert_allclose(trial["phase_stop_times"], edges[1:], atol=1e-12)
            assert list(trial["phase_betas"]) == [0, -0.5]

        plasticity = file.processing["plasticity"]
        np.testing.assert_array_equal(plasticity["W_ff_0"].data[:], values)
        np.testing.assert_array_equal(plasticity["W_ff_0_changes"].data[:], changes)
        np.testing.assert_array_equal(plasticity["W_ff_0_change_norm"].data[:], norms)
        assert json.loads(plasticity["W_ff_0"].comments) == {"post": [1, 3], "pre": [0, 1, 2, 3, 4, 5]}
        assert file.notes == "seed = 3\n"
        assert all(f'"{name}": "{version}"' in file.data_collection for name, version in versions.items())
        assert file.session_start_time.tzinfo is not None


def test_long_traces_are_copied_piece_by_piece(tmp_path, monkeypatch):
    """Pieces of some kilobytes: what is read of the recording at once stays below that, and the whole is equal."""
    record(tmp_path / "a.h5", 1, [1] * 40)
    monkeypatch.setattr("corinfomax.analysis.nwb._BUFFER_GB", 1e-6)
    with open_traces(tmp_path / "a.h5") as traces:
        expected = traces["layer_1", "V_soma"][:, 0]
        export_nwb(traces, tmp_path / "a.nwb")
    with NWBHDF5IO(tmp_path / "a.nwb", "r") as io:
        found = io.read().acquisition["layer_1_V_soma"].get_data_in_units()
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


def test_older_recordings_are_exported_with_their_compartments(tmp_path):
    """A file that tells no compartments, as those of earlier versions, has the same table of cells as one that does."""
    record(tmp_path / "a.h5", 1, [1])
    with h5py.File(tmp_path / "a.h5") as new, h5py.File(tmp_path / "b.h5", "w") as old:
        for name in new:
            new.copy(name, old)
        old.attrs.update(new.attrs)
        for group in old["cells"].values():
            for dataset in group["variables"].values():
                del dataset.attrs["compartment"], dataset.attrs["meaning"]
    tables = []
    for name in ("a", "b"):
        with open_traces(tmp_path / f"{name}.h5") as traces:
            export_nwb(traces, tmp_path / f"{name}.nwb")
        with NWBHDF5IO(tmp_path / f"{name}.nwb", "r") as io:
            tables.append(io.read().processing["circuit"]["cells"].to_dataframe())
    pd.testing.assert_frame_equal(*tables)


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
