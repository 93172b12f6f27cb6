"""Perturbations of circuits that share nothing with CorInfoMax: cells without dendrites, gates or interneurons."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from point_cells import (
    RESPONSE,
    SHORT,
    recurrent_circuit,
    recurrent_loop,
    stimuli,
    symmetric_circuit,
    symmetric_loop,
)

from corinfomax.errors import ParameterError
from corinfomax.networks import CorInfoMax, Trainable
from corinfomax.protocols.clockwork import Phase, Preparation, contrastive
from corinfomax.protocols.perturbations import (
    Clamp,
    Cut,
    CutFeedback,
    Drive,
    Experiment,
    Intervention,
    Lesion,
    Silence,
    perturbed,
)
from corinfomax.protocols.perturbations.anatomy import check_has_cells, compartments, membrane
from corinfomax.protocols.perturbations.experiment import Measurement, phase_ends
from corinfomax.protocols.perturbations.report import performance_table, why_nothing_changes


@pytest.mark.parametrize(
    ("given", "held"),
    [
        (Silence("layer_1", cells=[1, 4]), {(1, 1): 0, (1, 4): 0}),
        (Clamp("layer_1", "soma", 0.5, cells=[2]), {(1, 2): 0.5}),
        (Clamp("layer_2", "soma", "-80 mV"), {(2, 0): -0.5, (2, 1): -0.5, (2, 2): -0.5}),
    ],
)
def test_somata_without_gates_are_held(given, held):
    """u and r of all cells are those of a hand-written loop in which u of the perturbed is held, to 1e-12."""
    circuit, shown = symmetric_circuit(), stimuli()
    preparation = Preparation(circuit, 3, protocol=perturbed(SHORT, [given], circuit))
    x, y = shown.x_test[:3], shown.y_test[:3]
    found = preparation.present(x, y, 0.7, learn=False, variables=("u", "r"))
    theory = symmetric_loop(circuit, x, y, 0.7, held=held)
    for name in ("u", "r"):
        for k in (1, 2):
            np.testing.assert_allclose(found.trace(name, k), theory[name][k], rtol=0, atol=1e-12)


def test_a_lesion_takes_both_directions_of_one_array():
    """Synapses that are lost are lost in W and in its transpose: the loop's rates with W = 0, to 1e-12; then back."""
    circuit, shown = symmetric_circuit(), stimuli()
    preparation = Preparation(circuit, protocol=SHORT)
    before = circuit.weights["W"][1].copy()
    with Intervention(preparation, [Lesion(("W", 1)), Lesion(("b", 1), post=[0])]):
        found = preparation.present(shown.x_test[:1], shown.y_test[:1], learn=False, variables=("r",))
        theory = symmetric_loop(circuit, shown.x_test[:1], shown.y_test[:1])
        assert not circuit.weights["W"][1].any()
        assert circuit.weights["b"][1][0] == 0
    for k in (1, 2):
        np.testing.assert_allclose(found.trace("r", k), theory["r"][k], rtol=0, atol=1e-12)
    np.testing.assert_array_equal(circuit.weights["W"][1], before)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (Silence("SST_1"), "no population 'SST_1' to perturb; there are layer_1, layer_2"),
        (Silence("stimulus"), "no population 'stimulus' to perturb"),
        (Cut("layer_1", "apical"), "compartments of layer_1 are soma"),
        (Cut("layer_1", "soma"), r"the soma of layer_1 \(PointCell\) has no gate that would cut its input"),
        (Drive("layer_2", 0.5), r"the soma of layer_2 \(NudgedCell\) has no injected current"),
        (Clamp("layer_1", "basal", 0.5), "compartments of layer_1 are soma"),
        (CutFeedback(1), "this circuit has no feedback into an apical compartment"),
        (Lesion(("b", 1), pre=[0]), "b has one axis"),
        (Lesion(("W_ff", 0)), "no projection has them; projections have W:0, b:1, W:1, b:2"),
    ],
)
def test_what_makes_no_sense_is_one_line(given, message):
    """The perturbation, what it wants and what there is are named."""
    with pytest.raises(ParameterError, match=message) as refusal:
        Intervention(Preparation(symmetric_circuit(), protocol=SHORT), [given])
    assert str(refusal.value).startswith(str(given))
    assert "\n" not in str(refusal.value)


def test_a_learner_without_cells_in_time_is_refused():
    """A trainable that is no circuit: one line."""
    learner = Trainable(weights={"W": {0: np.eye(2)}}, sizes=[2, 2])
    with pytest.raises(ParameterError, match=r"^Trainable: has no cells in time to perturb$"):
        check_has_cells(learner)


def test_membranes_are_what_cells_integrate():
    """Leaky dendrites have one, those that follow their input do not; published SST cells have a gate alone."""
    for tau, theory in ((0.0, None), (3.0, "v_A")):
        cells = {spec.name: spec.cell for spec in CorInfoMax((6, 5, 3), tau_A=tau).populations}
        assert membrane(cells["layer_1"], "apical") == theory
        assert membrane(cells["layer_1"], "soma") == "u"
        assert compartments(cells["layer_1"]) == ["apical", "basal", "soma"]
        assert membrane(cells["SST_1"], "soma") is None
        assert compartments(cells["SST_1"]) == ["soma"]


def test_feedback_beside_other_input_is_not_cut():
    """A slot that carries more than feedback is named: holding it at 0 would cut that, too."""
    circuit = CorInfoMax((6, 5, 4, 3))
    feedback = next(item for item in circuit.projections if item.weights == ("W_fb", 1))
    circuit.weights["skip"] = {0: np.zeros((5, 6))}
    skip = replace(feedback, source="stimulus", weights=("skip", 0))
    circuit.projections = (*circuit.projections, skip)
    with pytest.raises(ParameterError, match=r"layer_1\.drive_apical carries other input than feedback, too"):
        perturbed(SHORT, [CutFeedback(1)], circuit)


def test_evaluation_is_perturbed_too():
    """What is predicted by a protocol of evaluation is the hand-written loop with the cell held, to 1e-12."""
    circuit, shown = symmetric_circuit(), stimuli()
    protocol = contrastive(free_steps=6, nudge_steps=4, step=0.1, evaluation_steps=11)
    preparation = Preparation(circuit, 2, protocol=protocol)
    x = shown.x_test[:2]
    with Intervention(preparation, [Silence("layer_1", cells=[0], phases="free")]):
        found = preparation.predict(x)
    theory = symmetric_loop(circuit, x, steps=(11, 0), held={(1, 0): 0})["r"][2][-1]
    np.testing.assert_allclose(found, theory, rtol=0, atol=1e-12)
    assert preparation.protocol is protocol
    named = replace(RESPONSE, evaluation=replace(RESPONSE, phases=[Phase("test", 5)], plus="test"))
    chosen = perturbed(named, [Silence("layer_1", phases="test")], recurrent_circuit())
    assert not chosen.phases[0].course
    assert set(chosen.evaluation.phases[0].course) == {"layer_1.u", "layer_1.r"}


@pytest.fixture
def experiment():
    """An experiment on a circuit without teacher, on stimuli with labels: cell 0 silenced, and the control."""
    circuit, shown = recurrent_circuit(), stimuli()
    given = Silence("layer_1", cells=[0])
    measured = {}
    for tested, protocol in (("control", RESPONSE), ("perturbed", perturbed(RESPONSE, [given], circuit))):
        preparation = Preparation(circuit, 5, protocol=protocol)
        ends, units = phase_ends(preparation, shown, 1.0, seed=0)
        outputs = preparation.predict(shown.x_test)
        measured[0, "control", tested] = Measurement({"subspace_error": 0.25}, outputs, ends, units)
    return Experiment((given,), circuit, shown, measured, {})


def test_ends_are_those_of_what_cells_declare(experiment):
    """V_soma (mV) and rate (Hz) of all test stimuli at the only phase's end equal the loop's, to 1e-9."""
    control = experiment.measured[0, "control", "control"]
    theory = recurrent_loop(experiment.circuit, experiment.stimuli.x_test)[-1]
    assert control.units == {"V_soma": "mV", "rate": "Hz"}
    assert {(phase, k) for phase, k, _ in control.ends} == {("response", 1)}
    np.testing.assert_allclose(control.ends["response", 1, "V_soma"], -70 + 20 * theory, rtol=0, atol=1e-9)
    np.testing.assert_allclose(control.ends["response", 1, "rate"], 100 * theory, rtol=0, atol=1e-9)


def test_changes_are_counted_and_told_without_classes(experiment):
    """Every output moves, so all predictions count as changed; the table has the score; SST cells are not told of."""
    table = experiment.table.set_index(["tested", "quantity"])
    assert table.loc[("perturbed", "predictions_changed"), "value"] == 1
    assert table.loc[("perturbed", "V_soma"), "rms_change"] > 0
    assert "subspace error" in performance_table(experiment.table)
    configuration = SimpleNamespace(build_protocol=lambda: RESPONSE)
    assert why_nothing_changes(experiment, configuration, "found") == []
    still = replace(
        experiment, measured=dict.fromkeys(experiment.measured, experiment.measured[0, "control", "control"])
    )
    assert why_nothing_changes(still, configuration, "found") == []
