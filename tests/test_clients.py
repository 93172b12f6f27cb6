"""What clients of the clockwork rely on: hooks, courses, re-entrance, exchanged cells, rules and weights."""

import brian2 as b2
import numpy as np
import pytest

from corinfomax.errors import ParameterError, StimulusError
from corinfomax.models import HiddenPyramidal, LeakySST, OutputPyramidal, Parameter
from corinfomax.networks import CorInfoMax, ForwardRule, GradientStep, OuterProducts, Plasticity, Trainable
from corinfomax.protocols.clockwork import Phase, Preparation, Protocol, contrastive
from corinfomax.stimuli import Stimulus

SHORT = contrastive(free_steps=4, nudge_steps=2)


@pytest.fixture
def circuit(saturating_circuit):
    return saturating_circuit((6, 5, 4))


def test_settled_cells_are_those_of_the_last_step(circuit, minibatch):
    """Under a course of gates and currents `settle` gives every variable as `present` records it last, exactly."""
    protocol = Protocol([Phase("free", 6, course={"gate_apical": 0.0, "layer_1.I_soma": 0.3})], plus="free", minus=None)
    x, _ = minibatch(circuit, n=2, low=0.0, high=1.0)
    preparation = Preparation(circuit, replicas=2, protocol=protocol)
    names = ("u", "r", "v_A", "I_net")
    shown, settled = preparation.present(x, variables=names).free, preparation.settle(x, names)
    for name in names:
        for k in (1, 2):
            np.testing.assert_array_equal(getattr(settled, name)[k], getattr(shown, name)[k][-1])


def test_phases_begin_with_a_hook(circuit, minibatch):
    """`on_phase_start` is called as each phase begins; a current injected there acts from the phase's first step on."""
    preparation = Preparation(circuit, replicas=2, protocol=SHORT)
    calls = []

    def inject(moment):
        calls.append((moment.phase.name, moment.step))
        moment.populations["layer_1"].write("I_soma", 7.0 if moment.phase.name == "nudge" else 0.0)

    x, y = minibatch(circuit, n=2, low=0.0, high=1.0)
    plain = preparation.present(x, y, learn=False)
    preparation.on_phase_start.append(inject)
    shown = preparation.present(x, y, learn=False)
    assert calls == [("free", 0), ("nudge", 0)]
    np.testing.assert_array_equal(shown.free.u[1], plain.free.u[1])
    np.testing.assert_allclose(shown.nudge.u[1][0] - plain.nudge.u[1][0], 0.05 * 7.0, rtol=1e-12)


@pytest.mark.parametrize("where", ["hook", "stimuli"])
def test_a_preparation_does_one_thing_at_a_time(circuit, where):
    """Using a preparation within its own run is refused in one line; another one of the same circuit serves there."""
    preparation, other = (Preparation(circuit, replicas=1, protocol=SHORT) for _ in range(2))
    x, y = np.full((1, 6), 0.5), np.ones((1, 4))
    used, calls = preparation, []

    def use(*_):
        calls.append(used.predict(x))

    def stimuli():
        for _ in range(3):
            if where == "stimuli":
                use()
            yield Stimulus(x, y)

    if where == "hook":
        preparation.on_presentation.append(use)
    with pytest.raises(ParameterError, match="presenting already"):
        preparation.run(stimuli())
    used = other
    preparation.run(stimuli())
    assert len(calls) == 3


def test_a_course_of_beta_must_end_away_from_the_contrasted_one(circuit):
    """sin(2πt) ends at -2e-16: learning, which divides by it, is refused, and presenting is not."""
    protocol = Protocol([Phase("free", 4), Phase("nudge", 11, beta=np.sin(np.linspace(0, 2 * np.pi, 11)))])
    preparation = Preparation(circuit, protocol=protocol)
    x, y = np.full((1, 6), 0.5), np.ones((1, 4))
    with pytest.raises(ParameterError, match="end at the same β"):
        preparation.present(x, y)
    assert preparation.present(x, y, learn=False).nudge.r[2].shape == (11, 1, 4)


def test_ends_keep_their_beta_and_their_stimulus(circuit):
    """An end has the β of its last step, and its stimulus though the array is filled anew with the next one."""
    protocol = Protocol([Phase("free", 3), Phase("nudge", 2, beta=[0.25, 0.5])])
    preparation = Preparation(circuit, protocol=protocol)
    x, kept = np.zeros((1, 6)), []

    def stimuli():
        for value in (0.25, 0.75):
            x[:] = value
            yield Stimulus(x, np.ones((1, 4)), beta=-0.5, learn=True)

    preparation.on_presentation.append(lambda moment, ends: kept.append(ends))
    preparation.run(stimuli())
    assert [ends["nudge"].beta for ends in kept] == [-0.25, -0.25]
    assert [ends["free"].r[0].mean() for ends in kept] == [0.25, 0.75]


@pytest.mark.parametrize(("reset", "silent"), [("rest", [0, 1, 2]), ("carry", [0])])
def test_replicas_without_a_stimulus_see_none(circuit, reset, silent):
    """If one stimulus follows on three, the others' replicas have x = 0, and unless they carry over are at rest."""
    protocol = contrastive(free_steps=4, nudge_steps=2, reset=reset)
    preparation = Preparation(circuit, replicas=3, protocol=protocol)
    preparation.predict(np.full((3, 6), 0.5))
    preparation.predict(np.full((1, 6), 0.5))
    assert preparation.layer(0).view("r")[0].all()
    assert [k for k in range(3) if not preparation.layer(k).view("r")[1:].any()] == silent


def test_a_course_for_single_cells(circuit, minibatch):
    """An array (steps, cells) or (1, cells) injects into each cell its own current: Δu = η I after a step, to 1e-12."""
    currents = np.random.default_rng(0).uniform(-1, 1, (4, 5))
    x, _ = minibatch(circuit, n=2)
    plain = Preparation(circuit, replicas=2, protocol=SHORT).present(x, learn=False).free.u[1]
    for course in (currents, currents[:1]):
        protocol = Protocol([Phase("free", 4, course={"layer_1.I_soma": course}), Phase("nudge", 2, beta=1.0)])
        shown = Preparation(circuit, replicas=2, protocol=protocol).present(x, learn=False).free.u[1]
        np.testing.assert_allclose(shown[0] - plain[0], np.tile(0.05 * course[0], (2, 1)), rtol=0, atol=1e-12)
    for key, words in (("I_soma", "name one population"), ("SST_2.I_soma", "for 5 cells, not for 4")):
        with pytest.raises(ParameterError, match=words):
            Preparation(circuit, protocol=Protocol([Phase("free", 4, course={key: currents})], plus="free", minus=None))


class ShuntedPyramidal(HiddenPyramidal):
    """Hidden pyramidal cell with a further leak."""

    equations = HiddenPyramidal.equations.replace("-g_lk*u", "-(g_lk + g_shunt)*u")
    parameters = (*HiddenPyramidal.parameters, Parameter("g_shunt", "1", "shunt", "this test"))


class Deaf(HiddenPyramidal):
    """Hidden pyramidal cell that says it has no basal drive."""

    drives = ("drive_apical", "drive_autapse")


class Unlinked(HiddenPyramidal):
    """Hidden pyramidal cell that says it reads no interneuron."""

    links = ()


def test_an_exchanged_cell_keeps_its_parameters(saturating_circuit, minibatch):
    """A shunt of .3 in one layer equals a leak of g_lk + .3 there: u of all layers to 1e-12; others keep theirs."""
    circuit, reference = saturating_circuit(), saturating_circuit()
    circuit.exchange_cell("layer_1", ShuntedPyramidal, g_shunt=0.3)
    reference.exchange_cell("layer_1", HiddenPyramidal, g_lk=reference.g_leak + 0.3)
    reference.exchange_cell("layer_3", OutputPyramidal)
    x, y = minibatch(circuit, n=2, low=0.0, high=1.0)
    found, theory, other = (
        Preparation(c, replicas=2, protocol=SHORT).present(x, y, learn=False)
        for c in (circuit, reference, saturating_circuit())
    )
    for k in (1, 2, 3):
        np.testing.assert_allclose(found.nudge.u[k], theory.nudge.u[k], rtol=0, atol=1e-12)
    assert np.abs(found.nudge.u[1] - other.nudge.u[1]).max() > 1e-3
    with pytest.raises(ParameterError, match="no population 'layer_9'; this circuit has stimulus, SST_1"):
        circuit.exchange_cell("layer_9", HiddenPyramidal)
    with pytest.raises(ParameterError, match="ShuntedPyramidal: needs the parameters"):
        circuit.exchange_cell("layer_2", ShuntedPyramidal)
    with pytest.raises(ParameterError, match="layer_2: 'cells:Own' is no kind of cell; should be a subclass of Cell"):
        circuit.exchange_cell("layer_2", "cells:Own")
    with pytest.raises(ParameterError, match=r"HiddenPyramidal: g_B = \[1.0, 2.0\]: should be a single number"):
        circuit.exchange_cell("layer_2", HiddenPyramidal, g_B=[1.0, 2.0])


def test_an_exchanged_rule_learns_in_place_of_the_old_one(circuit, minibatch):
    """W_fb learning by the transpose of eq 26 moves by that of W_ff, to 1e-14; weights without a rule are refused."""

    def transposed(weights, plus, minus):
        forward = ForwardRule(1)(weights, plus, minus)
        return OuterProducts(forward.pre, forward.post, forward.scale)

    own = Plasticity(transposed, GradientStep(("W_fb", 1), 1.0))
    circuit.exchange_plasticity(("W_fb", 1), own)
    before = {key: circuit.weights[key][1].copy() for key in ("W_ff", "W_fb")}
    Preparation(circuit, replicas=2, protocol=SHORT).present(*minibatch(circuit, low=0.0, high=1.0))
    change = {key: circuit.weights[key][1] - before[key] for key in before}
    np.testing.assert_allclose(change["W_fb"], change["W_ff"].T, rtol=0, atol=1e-14)
    assert np.abs(change["W_ff"]).max() > 1e-4
    with pytest.raises(ParameterError, match=r"no rule moves \('W_fb', 0\)"):
        circuit.exchange_plasticity(("W_fb", 0), own)
    with pytest.raises(ParameterError, match=r"for \('W_ff', 0\) moves \('W_fb', 1\)"):
        circuit.exchange_plasticity(("W_ff", 0), own)


def test_exchanged_cells_count_in_the_step_bound(saturating_circuit):
    """A stiffer dendrite or a faster interneuron lowers the bound to 2/(g_lk + g_A + g_B) or 2τ_SST/τ_u, to 1e-12."""
    circuit = saturating_circuit()
    circuit.exchange_cell("layer_1", HiddenPyramidal, g_B=100.0)
    assert circuit.step_bound(1.0) == pytest.approx(2 / (0.5 + 1 / 0.2 + 100.0), rel=1e-12)
    circuit.exchange_cell("SST_1", LeakySST, tau_SST=0.05 * b2.ms)
    assert circuit.step_bound(1.0) == pytest.approx(2 * 0.05 / 10, rel=1e-12)
    with pytest.raises(ParameterError, match=r"step = 0\.05 is beyond the stability bound"):
        Preparation(circuit)


def test_an_exchanged_cell_must_have_the_slots_that_are_used(circuit):
    """A cell that lacks a drive slot or link is refused, with its name, the population and what is missing."""
    for kind, missing in ((Deaf, "drive slot 'drive_basal'"), (Unlinked, "linked variable 'i_SST'")):
        with pytest.raises(ParameterError, match=f"{kind.__name__} has no {missing}, which layer_1 needs"):
            circuit.exchange_cell("layer_1", kind)


@pytest.mark.parametrize(
    ("parts", "fault", "message"),
    [
        ({"prediction": "u", "populations": None}, TypeError, ""),
        ({"prediction": "u", "layers": ()}, ParameterError, "CorInfoMax: no part 'layers' to exchange; populations, "),
    ],
)
def test_parts_are_exchanged_together_or_not_at_all(circuit, parts, fault, message):
    """A part that cannot be leaves all as they were."""
    before = circuit.populations, circuit.prediction
    with pytest.raises(fault, match=message):
        circuit.become(**parts)
    assert (circuit.populations, circuit.prediction) == before


def test_a_circuit_keeps_weights_of_its_own():
    """Arrays that are given to a trainable, in Fortran order too, stay what they are when its weights change."""
    given = np.asfortranarray(np.ones((2, 3)))
    circuit = Trainable(weights={"W": {0: given}}, sizes=(3, 2))
    circuit.weights["W"][0][...] = 2.0
    np.testing.assert_array_equal(given, 1.0)


@pytest.mark.parametrize(
    "array",
    [np.ones((5, 6), int), np.ones((6, 5)), np.ones((5, 6), np.float32), [[1.0]], None],
    ids=["integers", "shape", "float32", "list", "None"],
)
def test_exchanged_weights_are_checked(circuit, array):
    """Weights exchanged for another shape or type are named with what they must be, before anything runs."""
    circuit.weights["W_ff"][0] = array
    with pytest.raises(ParameterError, match=r"weights W_ff\[0\] are .*must be float64 of shape \(5, 6\)"):
        Preparation(circuit, protocol=SHORT).predict(np.ones((1, 6)))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda p: p.settle(np.ones(6), ("foo",)), ParameterError, "no variable 'foo'"),
        (lambda p: p.settle(np.ones(6), "r"), ParameterError, "sequence of names"),
        (lambda p: p.run(5), StimulusError, "int is no iterable"),
        (lambda p: p.run([np.ones((1, 6))]), StimulusError, "ndarray is no Stimulus"),
        (lambda p: p.predict(np.ones((1, 6)) + 1j), StimulusError, "real numbers"),
        (lambda p: p.predict(np.full((1, 6), "1")), StimulusError, "real numbers"),
        (lambda p: Phase("a b", 3), ParameterError, "identifier"),
        (lambda p: Phase("phases", 3), ParameterError, "identifier"),
        (lambda p: Phase("a", True), ParameterError, "whole number"),
        (lambda p: Phase("a", 3, beta="x"), ParameterError, "course of beta"),
        (lambda p: Phase("a", 3, course=[1]), ParameterError, "course must map"),
        (lambda p: Phase("a", 3, course={"gate_soma": "x"}), ParameterError, "course of gate_soma"),
        (lambda p: CorInfoMax([6, 5, 4], weights=[1]), ParameterError, "weights: is list"),
        (lambda p: CorInfoMax([6, 5, 4], weights={"D": {1: np.ones(5)}}), ParameterError, r"D\[1\] follows from B"),
    ],
)
def test_wrong_calls_are_one_line(circuit, call, error, words):
    """What a caller gets wrong in Python is an error of this package, in one line."""
    with pytest.raises(error, match=words) as caught:
        call(Preparation(circuit, protocol=SHORT))
    assert "\n" not in str(caught.value)


def test_weights_of_another_circuit(circuit):
    """`weights=other.weights` gives a circuit with the same weights, D and O included, exactly."""
    again = CorInfoMax([6, 5, 4], forgetting=0.9, epsilon=[0.15, 0.2], weights=circuit.weights)
    for key, arrays in circuit.weights.items():
        for k, array in arrays.items():
            np.testing.assert_array_equal(again.weights[key][k], array)
