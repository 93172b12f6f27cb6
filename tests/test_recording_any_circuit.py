"""Recordings of circuits that share nothing with CorInfoMax: what is recorded is what their cells declare."""

from dataclasses import replace

import h5py
import numpy as np
import pandas as pd
import pytest
from point_cells import (
    RESPONSE,
    SHORT,
    RecurrentCell,
    recurrent_circuit,
    recurrent_loop,
    stimuli,
    symmetric_circuit,
    symmetric_loop,
)
from pynwb import NWBHDF5IO, validate

from corinfomax.analysis import open_traces, read_recording
from corinfomax.errors import ParameterError
from corinfomax.networks import CorInfoMax, NudgedPredictiveCoding, PredictiveCoding
from corinfomax.protocols.clockwork import Phase, Preparation, Protocol
from corinfomax.protocols.recording import record, record_traces, representative_cells, select
from corinfomax.stimuli import Stimulus

CELLS = {1: [3, 0], 2: [2]}


def test_an_archive_of_point_cells(tmp_path):
    """r is a hand-written loop's to 1e-12, V_soma and rate the map of u and r; there is what cells declare, no more."""
    circuit, shown = symmetric_circuit(), stimuli()
    preparation = Preparation(circuit, 2, protocol=SHORT)
    np.savez(tmp_path / "a.npz", **record(preparation, shown, [4, 1], CELLS, beta=0.6))
    recording = read_recording(tmp_path / "a.npz")
    theory = symmetric_loop(circuit, shown.x_test[[4, 1]], shown.y_test[[4, 1]], 0.6)
    assert recording.units == {"r": "1", "V_soma": "V", "rate": "Hz"}
    for k, cells in CELLS.items():
        layer = recording.layers[k]
        assert list(layer.traces) == ["r", "V_soma", "rate"]
        np.testing.assert_allclose(layer["r"], theory["r"][k][:, :, cells], rtol=0, atol=1e-12)
        np.testing.assert_allclose(layer["V_soma"], -0.07 + 0.02 * theory["u"][k][:, :, cells], rtol=0, atol=1e-12)
        np.testing.assert_allclose(layer["rate"], 100 * layer["r"], rtol=1e-12)
    assert [name for name, _ in recording.phases()] == ["free", "nudge"]
    assert recording.target_cell(0) == shown.labels_test[4]


@pytest.mark.parametrize("task", ["classification", "none"])
def test_a_circuit_without_a_teacher_is_recorded(tmp_path, task):
    """Targets, if there are some, are not shown: r is the loop's to 1e-12, labels are kept and no cell is a target."""
    circuit, shown = recurrent_circuit(), stimuli(task)
    preparation = Preparation(circuit, 2, protocol=RESPONSE)
    np.savez(tmp_path / "a.npz", **record(preparation, shown, [0, 5], {1: [0, 1, 2]}))
    recording = read_recording(tmp_path / "a.npz")
    theory = recurrent_loop(circuit, shown.x_test[[0, 5]])
    np.testing.assert_allclose(recording.layers[1]["r"], theory, rtol=0, atol=1e-12)
    assert recording.target_cell(0) is None
    assert recording.targets is None
    assert (recording.labels is None) == (task == "none")
    chosen = representative_cells(preparation, shown, 5, number=2)
    assert chosen == {1: sorted(np.argsort(-theory[-1, 1])[:2].tolist())}


def test_representative_cells_of_a_taught_circuit(tmp_path):
    """The target's output is among them however silent it is; without a classification they are the most active."""
    circuit, shown = symmetric_circuit(), stimuli()
    preparation = Preparation(circuit, protocol=SHORT)
    rates = preparation.settle(shown.x_test).r[2]
    stimulus = int(np.argmax(shown.labels_test != rates.argmax(axis=1)))
    assert representative_cells(preparation, shown, stimulus, 1)[2] == [shown.labels_test[stimulus]]
    real = replace(shown, task="regression", labels_train=None, labels_test=None)
    assert representative_cells(preparation, real, stimulus, 1)[2] == [rates[stimulus].argmax()]


def test_hidden_cells_are_those_that_the_teacher_moves():
    """Of a hand-written loop's rates, the cells with the largest difference between the two phases' ends."""
    circuit, shown = symmetric_circuit(), stimuli()
    preparation = Preparation(circuit, protocol=SHORT)
    for stimulus in range(4):
        r = symmetric_loop(circuit, shown.x_test[[stimulus]], shown.y_test[[stimulus]], SHORT.beta)["r"][1][:, 0]
        theory = np.argsort(-np.abs(r[-1] - r[5]))[:2]
        assert representative_cells(preparation, shown, stimulus, 2)[1] == sorted(theory.tolist())


PREDICTIVE = {
    "clamped": (PredictiveCoding((6, 5, 3)), [Phase("forward", 1), Phase("relax", 4, teacher=True)]),
    "nudged": (NudgedPredictiveCoding((6, 5, 3)), [Phase("forward", 1), Phase("nudge", 4, beta=1.0)]),
}


@pytest.mark.parametrize(("circuit", "phases"), PREDICTIVE.values(), ids=PREDICTIVE)
def test_error_cells_are_recorded_beside_their_layer_s(tmp_path, circuit, phases):
    """Those of the same numbers: e = u - (W r + b) of what was recorded, and V = V_rest + V_scale e, both to 1e-12."""
    shown = stimuli()
    preparation = Preparation(circuit, 2, dtype="float64", protocol=Protocol(phases, plus=phases[1].name, step=0.1))
    cells = {1: [4, 0, 1, 2, 3], 2: [2, 0]}
    np.savez(tmp_path / "a.npz", **record(preparation, shown, [4, 1], cells, beta=0.1))
    recording = read_recording(tmp_path / "a.npz")
    assert {name: (group.layer, group.kind) for name, group in recording.companions.items()} == {
        "error_1": (1, "ErrorCell"),
        "error_2": (2, "ErrorCell"),
    }
    error = recording.companions["error_2"]
    assert error.cells.tolist() == recording.layers[2].cells.tolist() == cells[2]
    r = recording.layers[1]["r"][..., np.argsort(cells[1])]
    theory = recording.layers[2]["u"] - (r @ circuit.weights["W"][1].T + circuit.weights["b"][2])[..., cells[2]]
    np.testing.assert_allclose(error["error"], theory, rtol=0, atol=1e-12)
    np.testing.assert_allclose(error["V_soma"], -0.07 + 0.02 * theory, rtol=0, atol=1e-12)
    assert (recording.units["error"], recording.units["V_soma"]) == ("1", "V")
    assert recording.teacher.tolist() == [False] + [True] * 4
    assert [recording.is_taught(steps) for _, steps in recording.phases()] == [False, True]


@pytest.mark.parametrize("task", ["classification", "none"])
def test_traces_tell_which_phases_were_taught(tmp_path, task):
    """A phase with the teacher at β = 0 is taught where there are targets; files without the column go by β."""
    circuit, phases = PREDICTIVE["clamped"]
    preparation = Preparation(circuit, 2, protocol=Protocol(phases, plus="relax", step=0.1))
    shown = stimuli() if task == "classification" else replace(stimuli(), y_test=None, y_train=None, task="none")
    path = record_traces(preparation, shown, [0, 1], select(preparation, variables=["V_soma"]), tmp_path / "a.h5")
    with open_traces(path) as traces:
        assert traces.phases["taught"].tolist() == [False, True][: len(traces.phases)]
        assert len(traces.phases) == (2 if task == "classification" else 1)
    with h5py.File(path, "a") as file:
        del file["phases/taught"]
        file["phases/beta_last"][-1] = 0.5
    with open_traces(path) as traces:
        assert traces.phases["taught"].tolist() == [False, True][-len(traces.phases) :]


@pytest.mark.parametrize("replicas", [1, 3])
def test_hdf5_nwb_and_csv_of_point_cells(tmp_path, replicas):
    """By default the physical ones that cells declare; V_soma to 1e-12 V in all three; the validator finds nothing."""
    circuit, shown = symmetric_circuit(), stimuli()
    preparation = Preparation(circuit, replicas, protocol=SHORT)
    for ending in ("h5", "nwb", "csv"):
        record_traces(preparation, shown, range(6), select(preparation), tmp_path / f"a.{ending}", beta=0.6)
    theory = -0.07 + 0.02 * symmetric_loop(circuit, shown.x_test[:6], shown.y_test[:6], 0.6)["u"][1]
    minibatches = theory.reshape(10, -1, replicas, 5).swapaxes(0, 1).reshape(-1, replicas, 5)
    with open_traces(tmp_path / "a.h5") as traces:
        assert [list(group.traces) for group in traces.groups] == [["V_soma", "rate"]] * 2
        np.testing.assert_allclose(traces["layer_1", "V_soma"][:], minibatches, rtol=0, atol=1e-12)
        assert (traces["layer_1", "V_soma"].compartment, traces["layer_1", "V_soma"].meaning) == ("soma", "potential")
    table = pd.read_csv(tmp_path / "a.csv")
    np.testing.assert_allclose(
        table[table["population"] == "layer_1"]["V_soma (V)"], minibatches.ravel(), rtol=0, atol=1e-12
    )
    assert not validate(path=str(tmp_path / "a.nwb"))
    with NWBHDF5IO(tmp_path / "a.nwb", "r") as io:
        file = io.read()
        series = file.acquisition["layer_1_V_soma"]
        assert (series.unit, series.conversion, series.offset) == ("volts", 1, 0)
        assert file.acquisition["layer_2_rate"].unit == "hertz"
        one_after_the_other = theory.swapaxes(0, 1).reshape(-1, 5)
        np.testing.assert_allclose(series.data[:], one_after_the_other, rtol=0, atol=1e-12)
        sites = file.processing["circuit"]["cells"].to_dataframe()
        assert set(sites["compartment"]) == {"soma", "axon"}
        assert set(sites["cell_type"]) == {"PointCell", "NudgedCell"}
        assert "information maximization" not in file.session_description
        assert file.related_publications is None


def test_stimuli_without_targets_go_to_files(tmp_path):
    """A circuit without a teacher, shown stimuli with labels: r is the loop's to 1e-12; labels are there."""
    circuit, shown = recurrent_circuit(), stimuli()
    preparation = Preparation(circuit, 4, protocol=RESPONSE)
    chosen = select(preparation, variables=["r"])
    with open_traces(record_traces(preparation, shown, range(4), chosen, tmp_path / "a.h5")) as traces:
        np.testing.assert_allclose(
            traces["layer_1", "r"][:], recurrent_loop(circuit, shown.x_test[:4]), rtol=0, atol=1e-12
        )
        assert traces.trials["label"].tolist() == shown.labels_test[:4].tolist()


def test_what_happens_in_evaluation_is_recorded(tmp_path):
    """Without targets the protocol's evaluation is shown: its phase of another name and length is in the file."""
    protocol = replace(RESPONSE, evaluation=replace(RESPONSE, phases=[Phase("long", 20)], plus="long"))
    circuit, shown = recurrent_circuit(), stimuli("none")
    preparation = Preparation(circuit, 2, protocol=protocol)
    path = record_traces(preparation, shown, [0, 1], select(preparation, every=9), tmp_path / "a.h5")
    with open_traces(path) as traces:
        assert traces.phases["name"].tolist() == ["long"]
        assert len(traces["layer_1", "rate"]) == 2


def test_cells_that_declare_nothing_have_a_rate(tmp_path, monkeypatch):
    """Their rate is recorded, in archives and files."""
    monkeypatch.setattr(RecurrentCell, "recordables", ())
    preparation = Preparation(recurrent_circuit(), protocol=RESPONSE)
    assert [item.variables for item in select(preparation)] == [("r",)]
    assert {"layer_1/r", "layer_1/cells"} <= set(record(preparation, stimuli("none"), [0], {1: [0]}))


def test_what_cells_do_not_have_is_refused_with_what_they_declare():
    """One line names the variable and what there is instead, of one population and of several."""
    preparation = Preparation(symmetric_circuit(), protocol=SHORT)
    with pytest.raises(ParameterError, match=r"'V_apical' in layer_1, layer_2; .* declare r, V_soma, rate$"):
        select(preparation, variables=["V_apical"])
    with pytest.raises(ParameterError, match=r"layer 1 has no variable 'v_A'; recordable: r, V_soma, rate$"):
        preparation.present(np.zeros(6), variables=("v_A",))


def test_archives_of_corinfomax_keep_names_and_order():
    """Golden list: names, units and their order as recordings have had them from the first version on."""
    preparation = Preparation(CorInfoMax((6, 5, 3), domain="B_1_plus"), protocol=SHORT)
    arrays = record(preparation, stimuli(), [0], {2: [0]}, seed=1)
    names = ["V_soma", "V_basal", "V_apical", "V_SST", "rate", "i_SST", "u", "r", "v_B", "v_A"]
    assert list(arrays) == [
        *(
            "t",
            "s",
            "beta",
            "phase",
            "teacher",
            "stimuli",
            "output_layer",
            "V_rest",
            "units",
            "seed",
            "labels",
            "layer_2/cells",
        ),
        *(f"layer_2/{name}" for name in names),
        *("multiplier_1/r", "multiplier_2/r"),
    ]
    assert str(arrays["units"]) == (
        '{"V_soma": "V", "V_basal": "V", "V_apical": "V", "V_SST": "V", "rate": "Hz", "i_SST": "1", "u": "1", '
        '"r": "1", "v_B": "1", "v_A": "1"}'
    )


def test_hooks_of_a_run_are_there_for_just_that_long():
    """Each hook is called and then gone, also when the user interrupts, which is a KeyboardInterrupt."""
    preparation = Preparation(recurrent_circuit(), protocol=RESPONSE)
    shown = stimuli("none").x_test
    calls = []

    def interrupt(moment, ends):
        preparation.interrupted = True

    with pytest.raises(KeyboardInterrupt):
        preparation.run_through(
            [Stimulus(row) for row in shown],
            on_step=lambda moment: calls.append(moment.step),
            on_presentation=interrupt,
        )
    assert calls == list(range(8))
    assert not preparation.on_step
    assert not preparation.on_presentation
