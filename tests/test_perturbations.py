"""Perturbations of cells, against loops and circuits that know nothing of them."""

import brian2 as b2
import numpy as np
import pytest

from corinfomax.errors import ParameterError
from corinfomax.protocols.clockwork import Phase, Preparation, Protocol, contrastive
from corinfomax.protocols.perturbations import (
    Clamp,
    Cut,
    CutFeedback,
    Drive,
    Freeze,
    Intervention,
    Lesion,
    Silence,
    perturbed,
)

SHORT = contrastive(free_steps=9, nudge_steps=5)
VARIABLES = ("u", "r", "v_A", "v_B", "i_SST")


def traces(presentation):
    """All recorded variables as one dictionary of arrays."""
    return {
        (name, variable, k): trace
        for name, phase in presentation.phases.items()
        for variable, layers in phase.variables.items()
        for k, trace in layers.items()
    }


def assert_same(one, other, tolerance=0.0, phases=("free", "nudge")):
    """Compare all traces of two presentations; bit by bit by default."""
    one, other = traces(one), traces(other)
    assert one.keys() == other.keys()
    for place, trace in one.items():
        if place[0] in phases:
            np.testing.assert_allclose(trace, other[place], rtol=0, atol=tolerance, err_msg=str(place))


def shown(circuit, protocol, x, y, beta=0.7):
    """Present without learning."""
    return Preparation(circuit, len(x), protocol=protocol).present(x, y, beta=beta, learn=False, variables=VARIABLES)


@pytest.fixture
def loop(layer_derivative):
    """Integrate a presentation by hand: somata held at `u_held` {phase: {(layer, cell): u}}, W_fb 0 in some phases."""

    def run(circuit, protocol, x, y, beta, u_held, without_feedback=()):
        P, sizes, n = circuit.output, circuit.architecture, len(x)
        u = {k: np.zeros((n, sizes[k])) for k in range(1, P + 1)}
        r = {0: x, **{k: np.zeros((n, sizes[k])) for k in range(1, P + 1)}}
        sequential = circuit.convention == "authors"
        W_fb = dict(circuit.weights["W_fb"])
        found = {}
        for phase in protocol.phases:
            if sequential:
                u = {k: r[k].copy() for k in u}
            for k in W_fb:
                circuit.weights["W_fb"][k] = 0 * W_fb[k] if phase.name in without_feedback else W_fb[k]
            for (k, cell), value in u_held.get(phase.name, {}).items():
                u[k][:, cell] = value
            for _ in range(phase.steps):
                seen = r if sequential else dict(r)
                for k in range(1, P + 1):
                    u[k] = u[k] + protocol.step * layer_derivative(circuit, k, u, seen, y, beta * phase.beta)
                    for (layer, cell), value in u_held.get(phase.name, {}).items():
                        if layer == k:
                            u[k][:, cell] = value
                    r[k] = np.clip(u[k], 0, 1)
                for k in range(1, P + 1):
                    found.setdefault((phase.name, "u", k), []).append(u[k].copy())
                    found.setdefault((phase.name, "r", k), []).append(r[k].copy())
        circuit.weights["W_fb"].update(W_fb)
        return {place: np.array(rows) for place, rows in found.items()}

    return run


@pytest.mark.parametrize("convention", ["normative", "authors"])
@pytest.mark.parametrize("phases", [None, ("nudge",)])
def test_a_clamped_soma_is_where_it_is_held_and_the_others_follow_a_loop(
    saturating_circuit, minibatch, loop, convention, phases
):
    """u of two cells is the clamp in each step of the phases and r = σ of it; all layers are the loop's to 1e-12."""
    circuit = saturating_circuit(convention=convention)
    x, y = minibatch(circuit)
    clamps = [Clamp("layer_1", "soma", "-60 mV", cells=[1, 3], phases=phases), Clamp("layer_2", "soma", 1.5, cells=2)]
    found = traces(shown(circuit, perturbed(SHORT, clamps, circuit), x, y))
    for name in phases or ("free", "nudge"):
        assert (found[name, "u", 1][:, :, [1, 3]] == 0.5).all()
        assert (found[name, "r", 1][:, :, [1, 3]] == 0.5).all()
        assert (found[name, "u", 2][:, :, 2] == 1.5).all()
        assert (found[name, "r", 2][:, :, 2] == 1.0).all()
    first = {(1, 1): 0.5, (1, 3): 0.5} if phases is None else {}
    held = {"free": {(2, 2): 1.5, **first}, "nudge": {(2, 2): 1.5, (1, 1): 0.5, (1, 3): 0.5}}
    expected = loop(circuit, SHORT, x, y, 0.7, held)
    for place, trace in expected.items():
        np.testing.assert_allclose(found[place], trace, rtol=0, atol=1e-12, err_msg=str(place))
    assert np.ptp(found["nudge", "u", 1][:, :, 0]) > 1e-3


@pytest.mark.parametrize("options", [{}, {"tau_A": 2.0, "tau_B": 3.0}, {"noise_basal": 0.2, "noise_apical": 0.2}])
def test_a_clamped_dendrite_is_where_it_is_held(saturating_circuit, minibatch, options):
    """v_A and v_B are the clamped potentials in each step, leaky and noisy ones too, in volts by the one map."""
    circuit = saturating_circuit(**options)
    x, y = minibatch(circuit)
    clamps = [Clamp("layer_1", "apical", -80 * b2.mV), Clamp("layer_2", "basal", 0.25, cells=[0])]
    found = traces(shown(circuit, perturbed(SHORT, clamps, circuit), x, y))
    for name in ("free", "nudge"):
        assert (found[name, "v_A", 1] == -0.5).all()
        assert (found[name, "v_B", 2][:, :, 0] == 0.25).all()
        assert not (found[name, "v_B", 2][:, :, 1] == 0.25).any()


def test_sst_cells_are_clamped_with_and_without_a_membrane(saturating_circuit, minibatch):
    """i_SST = -u of the clamp in each step; leaky cells then act bit by bit as those that follow at once."""
    circuits = saturating_circuit(), saturating_circuit(tau_SST=4.0)
    x, y = minibatch(circuits[0])
    clamps = [Clamp("SST_1", "soma", 0.75), Clamp("SST_2", "soma", "-75mV"), Clamp("SST_3", "soma", 0.0)]
    one, other = (shown(circuit, perturbed(SHORT, clamps, circuit), x, y) for circuit in circuits)
    assert_same(one, other)
    assert (one.free.i_SST[1] == -0.75).all()
    assert (one.nudge.i_SST[2] == 0.25).all()


def test_silent_sst_cells_are_those_without_synapses(saturating_circuit, minibatch):
    """Silencing SST_1 and SST_2 is bit by bit the circuit with their O = 0."""
    circuit = saturating_circuit()
    x, y = minibatch(circuit)
    silenced = shown(circuit, perturbed(SHORT, [Silence("SST_1"), Silence("SST_2")], circuit), x, y)
    circuit.refresh = lambda: None
    for k in (1, 2):
        circuit.weights["O"][k][...] = 0
    assert_same(silenced, shown(circuit, SHORT, x, y))


@pytest.mark.parametrize("domain", ["B_inf_plus", "simplex", "B_1"])
def test_silent_pyramidal_cells_send_nothing(saturating_circuit, minibatch, domain):
    """u = 0 and r = 0 in each step, also where inhibition may lower the threshold; others of the layer are active."""
    circuit = saturating_circuit(domain=[domain, "B_inf_plus", "B_inf_plus"])
    x, y = minibatch(circuit)
    found = shown(circuit, perturbed(SHORT, [Silence("layer_1", cells=range(2))], circuit), x, y)
    for phase in (found.free, found.nudge):
        assert not phase.u[1][:, :, :2].any()
        assert not phase.r[1][:, :, :2].any()
    assert found.free.r[1][-1, :, 2:].any()


def test_an_injected_current_shifts_the_potential(saturating_circuit, minibatch):
    """A current of 10 mV into an SST cell and a basal dendrite: potentials are its own input, and .5 more."""
    circuit = saturating_circuit()
    x, y = minibatch(circuit)
    currents = [Drive("SST_1", "10 mV", cells=[0]), Drive("layer_1", 0.5, "basal", cells=[1])]
    found, control = (shown(circuit, perturbed(SHORT, given, circuit), x, y) for given in (currents, []))
    own = -np.einsum("sbj,j->sb", found.free.r[1], circuit.weights["O"][1][0])
    np.testing.assert_allclose(found.free.i_SST[1][:-1, :, 0], own[:-1] - 0.5, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(found.free.v_B[1][:, :, 1], control.free.v_B[1][:, :, 1] + 0.5)


def test_a_cut_basal_input_is_weights_of_zero(saturating_circuit, minibatch):
    """Cutting the basal input of layer 2 is the circuit with W_ff^(1) = 0, to 1e-15."""
    circuit = saturating_circuit()
    x, y = minibatch(circuit)
    cut = shown(circuit, perturbed(SHORT, [Cut("layer_2", "basal")], circuit), x, y)
    circuit.weights["W_ff"][1][...] = 0
    assert_same(cut, shown(circuit, SHORT, x, y), 1e-15)


@pytest.mark.parametrize("convention", ["normative", "authors"])
@pytest.mark.parametrize("projection", ["dense", "synapses"])
def test_cut_feedback_is_feedback_weights_of_zero(saturating_circuit, minibatch, convention, projection):
    """Through all phases cutting both feedbacks is bit by bit W_fb = 0; SST inhibition and autapses stay."""
    circuit = saturating_circuit(convention=convention, projection=projection)
    x, y = minibatch(circuit)
    cut = shown(circuit, perturbed(SHORT, [CutFeedback(1), CutFeedback(2)], circuit), x, y)
    control = shown(circuit, SHORT, x, y)
    for k in (1, 2):
        circuit.weights["W_fb"][k][...] = 0
    assert_same(cut, shown(circuit, SHORT, x, y))
    assert np.abs(cut.free.r[1] - control.free.r[1]).max() > 1e-3
    assert cut.free.v_A[1].any()


@pytest.mark.parametrize("convention", ["normative", "authors"])
@pytest.mark.parametrize("phase", ["free", "nudge"])
def test_feedback_cut_in_one_phase_is_back_in_the_other(saturating_circuit, minibatch, loop, convention, phase):
    """Rates and potentials are to 1e-12 those of a loop in which W_fb = 0 in that phase only."""
    circuit = saturating_circuit(convention=convention)
    x, y = minibatch(circuit)
    given = [CutFeedback(k, phases=phase) for k in (1, 2)]
    found = traces(shown(circuit, perturbed(SHORT, given, circuit), x, y))
    for place, trace in loop(circuit, SHORT, x, y, 0.7, {}, without_feedback=(phase,)).items():
        np.testing.assert_allclose(found[place], trace, rtol=0, atol=1e-12, err_msg=str(place))


def test_cut_feedback_stays_cut_where_activity_carries_over(saturating_circuit, minibatch):
    """Also in the second presentation of a protocol without reset it is bit by bit W_fb = 0."""
    circuit = saturating_circuit()
    carrying = contrastive(free_steps=4, nudge_steps=3, reset="carry")
    x, y = minibatch(circuit)

    def second(protocol):
        preparation = Preparation(circuit, 2, protocol=protocol)
        return [preparation.present(x, y, beta=0.7, learn=False, variables=VARIABLES) for _ in range(2)][1]

    cut = second(perturbed(carrying, [CutFeedback(1), CutFeedback(2)], circuit))
    for k in (1, 2):
        circuit.weights["W_fb"][k][...] = 0
    assert_same(cut, second(carrying))


def test_a_drive_that_is_computed_once_is_held_too(saturating_circuit, minibatch):
    """The stimulus' drive held at 0 in one phase, nudge or free, is bit by bit the closed gate, and back afterwards."""
    circuit = saturating_circuit()
    x, y = minibatch(circuit)
    one, other = (
        Protocol(
            [Phase("free", 5), Phase("nudge", 4, beta=1.0, course={f"layer_1.{variable}": 0.0}), Phase("after", 4)]
        )
        for variable in ("drive_basal", "gate_basal")
    )
    found = shown(circuit, one, x, y)
    assert_same(found, shown(circuit, other, x, y), phases=("free", "nudge", "after"))
    assert not found.nudge.v_B[1].any()
    assert found.after.v_B[1].any()
    one, other = (
        Protocol([Phase("free", 5, course={f"layer_1.{variable}": 0.0}), Phase("nudge", 4, beta=1.0)])
        for variable in ("drive_basal", "gate_basal")
    )
    assert_same(shown(circuit, one, x, y), shown(circuit, other, x, y), phases=("free", "nudge"))


def test_perturbations_add_to_the_protocol_s_own_courses(saturating_circuit, minibatch):
    """A protocol that drives cells itself keeps that beside a perturbation; single cells equal a course for them."""
    circuit = saturating_circuit()
    x, y = minibatch(circuit)
    own = {"layer_2.I_soma": 0.5}
    gate = np.where(np.arange(5) < 2, 0.0, 1.0)[None]
    written = Protocol(
        [
            Phase("free", 6, course={**own, "layer_1.gate_basal": gate}),
            Phase("nudge", 3, beta=1.0, course={"layer_1.gate_basal": gate}),
        ]
    )
    protocol = Protocol([Phase("free", 6, course=own), Phase("nudge", 3, beta=1.0)])
    given = [Cut("layer_1", "basal", cells=[0, 1])]
    assert_same(shown(circuit, perturbed(protocol, given, circuit), x, y), shown(circuit, written, x, y))


ALL = (
    Silence("SST_2"),
    Drive("layer_2", 0.3, cells=[0]),
    Clamp("layer_1", "soma", 0.5, phases="nudge"),
    Freeze(("W_fb", 1)),
    Lesion(("W_ff", 1), 0.4),
    Lesion(("O", 2), 0.5),
)


@pytest.mark.parametrize("projection", ["dense", "synapses"])
def test_what_is_taken_back_leaves_no_trace(saturating_circuit, minibatch, projection):
    """Weights, rules and all traces after an intervention are bit by bit those before; within, traces differ."""
    circuit = saturating_circuit(projection=projection)
    x, y = minibatch(circuit)
    preparation = Preparation(circuit, 2, protocol=SHORT)

    def present():
        return preparation.present(x, y, beta=0.7, learn=False, variables=VARIABLES)

    before, state = present(), circuit.state_dict()
    O = circuit.weights["O"][2].copy()
    with Intervention(preparation, ALL) as intervention:
        intervention.on()
        within = present()
    assert_same(before, present())
    for name, array in circuit.state_dict().items():
        np.testing.assert_array_equal(array, state[name])
    np.testing.assert_array_equal(circuit.weights["O"][2], O)
    assert (circuit.frozen, circuit.lesions) == (set(), {})
    assert np.abs(within.free.r[2] - before.free.r[2]).max() > 1e-3


def test_interventions_within_others_add_up(saturating_circuit, minibatch):
    """An intervention entered within another, made before it or after, does what both do at once, and is taken back."""
    circuit = saturating_circuit()
    x, y = minibatch(circuit)
    preparation = Preparation(circuit, 2, protocol=SHORT)
    chosen = Silence("SST_1"), Silence("layer_1", cells=[0])

    def present():
        return preparation.present(x, y, beta=0.7, learn=False, variables=VARIABLES)

    with Intervention(preparation, chosen):
        both = present()
    with Intervention(preparation, chosen[:1]):
        one = present()
    outer, inner = (Intervention(preparation, [item]) for item in chosen)
    with outer:
        with inner:
            assert_same(both, present())
        assert_same(one, present())
    with Intervention(preparation, chosen[:1]), pytest.raises(ParameterError, match="SST_1"):
        Intervention(preparation, chosen[:1]).on()


@pytest.mark.parametrize("key", ["A", "shunts"])
def test_lesions_of_what_nothing_learns_end_with_their_period(saturating_circuit, key):
    """Synapses of multiplier cells, which no rule moves, are back bit by bit when a period or an intervention ends."""
    circuit = saturating_circuit(domain="B_1_plus")
    before = circuit.weights[key][1].copy()
    intervention = Intervention(Preparation(circuit), [Lesion((key, 1), period="2")], batches=3)
    for batch, lost in ((2, False), (3, True), (5, True), (6, False)):
        intervention.follow(*divmod(batch, 3))
        np.testing.assert_array_equal(circuit.weights[key][1], 0 * before if lost else before)
    with intervention:
        assert not circuit.weights[key][1].any()
    np.testing.assert_array_equal(circuit.weights[key][1], before)
