"""Perturbations while a circuit learns, against rules written out by hand."""

from dataclasses import replace

import numpy as np
import pytest

from corinfomax.protocols.clockwork import Preparation, contrastive
from corinfomax.protocols.perturbations import Clamp, Freeze, Intervention, Lesion
from corinfomax.stimuli import Stimulus

SHORT = contrastive(free_steps=9, nudge_steps=5)


def learn(circuit, protocol, replicas, number=4, seed=3):
    """Learn from some minibatches; return what the rules saw of each, and the weights after each."""
    rng = np.random.default_rng(seed)
    preparation = Preparation(circuit, replicas, protocol=protocol)
    ends, weights = [], []

    def note(moment, found):
        ends.append(found)
        weights.append({key: {k: W.copy() for k, W in arrays.items()} for key, arrays in circuit.weights.items()})

    preparation.on_presentation.append(note)
    sizes = circuit.architecture
    stimuli = [
        Stimulus(rng.uniform(size=(replicas, sizes[0])), rng.uniform(size=(replicas, sizes[-1])), 0.7, learn=True)
        for _ in range(number)
    ]
    return preparation, stimuli, ends, weights


def error_products(ends, post, pre, W):
    """⟨e r_preᵀ⟩ nudged less free over β, e = r_post - W r_pre, stimulus by stimulus (eqs 26, 27)."""
    change = np.zeros_like(W)
    for name, sign in (("nudge", 1), ("free", -1)):
        for r_post, r_pre in zip(ends[name].r[post], ends[name].r[pre], strict=True):
            change += sign * np.outer(r_post - W @ r_pre, r_pre)
    return change / (len(ends["free"].r[0]) * 0.7)


@pytest.fixture
def learner(saturating_circuit):
    """Build a circuit that learns fast enough to see."""
    return lambda **changes: saturating_circuit(learning_rate_ff=0.2, learning_rate_fb=0.1, **changes)


def test_a_frozen_rule_rests_and_the_others_learn(learner):
    """Through four minibatches W_fb^(1) stays bit by bit; W_ff and W_fb^(2) follow eqs 26, 27 by hand to 1e-12."""
    circuit = learner()
    before = {key: {k: W.copy() for k, W in arrays.items()} for key, arrays in circuit.weights.items()}
    preparation, stimuli, ends, after = learn(circuit, SHORT, 3)
    with Intervention(preparation, [Freeze(("W_fb", 1))]):
        preparation.run(stimuli)
    W_ff, W_fb = before["W_ff"], before["W_fb"][2]
    for found, weights in zip(ends, after, strict=True):
        np.testing.assert_array_equal(weights["W_fb"][1], before["W_fb"][1])
        W_ff = {k: W + 0.2 * error_products(found, k + 1, k, W) for k, W in W_ff.items()}
        W_fb = W_fb + 0.1 * error_products(found, 2, 3, W_fb)
        for k, W in W_ff.items():
            np.testing.assert_allclose(weights["W_ff"][k], W, rtol=0, atol=1e-12)
        np.testing.assert_allclose(weights["W_fb"][2], W_fb, rtol=0, atol=1e-12)
    assert circuit.frozen == set()
    preparation.run(stimuli[:1])
    assert np.abs(circuit.weights["W_fb"][1] - before["W_fb"][1]).max() > 1e-4


def test_the_memory_of_a_frozen_rule_rests(learner):
    """RegularisedInverse counts no presentation while B of layer 1 is frozen; that of layer 2 does."""
    circuit = learner(lateral_rule="regularised")
    preparation, stimuli, _, _ = learn(circuit, SHORT, 3)
    with Intervention(preparation, [Freeze(("B", 1))]):
        preparation.run(stimuli)
    counts = {
        plasticity.optimiser.target: plasticity.optimiser.presentations
        for plasticity in circuit.plasticity
        if plasticity.optimiser.target[0] == "B"
    }
    assert counts == {("B", 1): 0, ("B", 2): 4, ("B", 3): 4}


@pytest.mark.parametrize("projection", ["dense", "synapses"])
def test_lesioned_synapses_stay_zero_and_the_others_learn(learner, projection):
    """Through four minibatches the lost half of W_ff^(0) is 0; the rest follows eq 26 by hand, masked, to 1e-12."""
    circuit = learner(projection=projection)
    lesion = Lesion(("W_ff", 0), 0.5, seed=1)
    mask, before = lesion.mask(circuit), circuit.weights["W_ff"][0].copy()
    assert mask.sum() == 15
    preparation, stimuli, ends, after = learn(circuit, SHORT, 3)
    intervention = Intervention(preparation, [lesion])
    intervention.follow(0, 0)
    preparation.run(stimuli)
    W = np.where(mask, 0, before)
    for found, weights in zip(ends, after, strict=True):
        W = np.where(mask, 0, W + 0.2 * error_products(found, 1, 0, W))
        assert not weights["W_ff"][0][mask].any()
        np.testing.assert_allclose(weights["W_ff"][0], W, rtol=0, atol=1e-12)


@pytest.mark.parametrize("form", ["inverse", "autapse"])
def test_lesioned_sst_synapses_stay_zero_though_they_follow_from_others(learner, form):
    """O and D of layer 1 are 0 where lesioned after learning; B learns on if they follow from it."""
    circuit = learner(lateral_form=form)
    lesions = [Lesion(("O", 1), post=[0, 2]), Lesion(("D", 1), post=[1])]
    B = circuit.weights["B"][1].copy()
    preparation, stimuli, _, after = learn(circuit, SHORT, 3)
    Intervention(preparation, lesions).follow(0, 0)
    preparation.run(stimuli)
    for weights in after:
        assert not weights["O"][1][[0, 2]].any()
        assert weights["D"][1][1] == 0
        assert weights["O"][1][1].any()
        assert weights["D"][1][0] != 0
    if form == "inverse":
        assert (circuit.weights["B"][1] != B).all()


def test_a_lesion_takes_the_synapses_of_named_cells(saturating_circuit):
    """post and pre choose rows and columns; a fraction is drawn among them, the same from the same seed."""
    circuit = saturating_circuit()
    mask = Lesion(("W_ff", 0), post=[1, 4], pre=[0, 2, 3]).mask(circuit)
    np.testing.assert_array_equal(np.argwhere(mask), [[1, 0], [1, 2], [1, 3], [4, 0], [4, 2], [4, 3]])
    third, again, other = (Lesion(("W_ff", 0), 1 / 3, pre=[0, 1, 2], seed=s).mask(circuit) for s in (5, 5, 6))
    assert third.sum() == 5
    assert not third[:, 3:].any()
    np.testing.assert_array_equal(third, again)
    assert (third != other).any()


def test_nothing_perturbed_is_the_control(learner):
    """An intervention of no perturbations, in force through learning, leaves weights bit by bit the control's."""
    states = []
    for given in (None, []):
        circuit = learner()
        preparation, stimuli, _, _ = learn(circuit, SHORT, 3)
        if given is not None:
            intervention = Intervention(preparation, given)
            intervention.follow(0, 0)
            intervention.on()
        preparation.run(stimuli)
        states.append(circuit.state_dict())
    for name, array in states[0].items():
        np.testing.assert_array_equal(array, states[1][name])


def test_periods_switch_within_a_run(learner):
    """Cells clamped in minibatches 2-3 of 4, of one run: rates at the phases' ends show it in these and no others."""
    circuit = learner()
    preparation, stimuli, ends, _ = learn(circuit, SHORT, 3)
    intervention = Intervention(preparation, [Clamp("layer_1", "soma", 0.5, period="batches 2-3")], batches=2)

    def followed():
        for batch, stimulus in enumerate(stimuli):
            intervention.follow(*divmod(batch, 2))
            yield stimulus

    preparation.run(followed())
    assert [bool((found["nudge"].r[1] == 0.5).all()) for found in ends] == [False, True, True, False]


@pytest.mark.parametrize("projection", ["dense", "synapses"])
def test_a_lesion_begins_and_ends_within_a_run(learner, projection):
    """Without W_ff^(0) from the second minibatch on nothing is active; what is lost stays lost after the period."""
    circuit = learner(projection=projection)
    preparation, stimuli, ends, _ = learn(circuit, SHORT, 3)
    intervention = Intervention(preparation, [Lesion(("W_ff", 0), period="2-3")])

    def followed():
        for epoch, stimulus in enumerate(stimuli):
            intervention.follow(epoch, 0)
            yield replace(stimulus, learn=False)

    preparation.run(followed())
    assert [bool(found["free"].r[1].any()) for found in ends] == [True, False, False, False]
    assert circuit.lesions == {}
