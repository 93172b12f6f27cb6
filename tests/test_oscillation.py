"""Learning without phases: a teacher that oscillates, and what rules read of how the cells follow it."""

from dataclasses import replace

import numpy as np
import pytest

from corinfomax.errors import ParameterError
from corinfomax.networks import CorInfoMax
from corinfomax.networks.plasticity import Readout
from corinfomax.protocols.clockwork import Preparation, contrastive, oscillating
from corinfomax.stimuli import Stimulus

ARCHITECTURE, LAG = (6, 5, 4), 3


@pytest.fixture
def minibatch():
    rng = np.random.default_rng(0)
    return rng.uniform(size=(3, 6)), np.eye(4)[[0, 2, 3]]


def changes(circuit, protocol, minibatch, beta):
    """ΔW of every rule, as found in one learning presentation."""
    x, y = minibatch
    Preparation(circuit, len(x), protocol=protocol).run([Stimulus(x, y, beta, learn=True)])
    return {key: change.dense() for key, change in circuit.changes.items()}


@pytest.mark.parametrize("beta", [0.7, -0.7])
def test_rules_read_running_sums(saturating_circuit, minibatch, beta):
    """Oracle: eqs 26, 27 to first order, by hand from recorded rates: means, and (2/T) Σ b(i - lag) r_i; to 1e-12."""
    circuit = saturating_circuit(ARCHITECTURE, contrast="oscillation", gate_lag=LAG)
    W = {key: {k: array.copy() for k, array in arrays.items()} for key, arrays in circuit.weights.items()}
    protocol = oscillating(settle_steps=6, cycle_steps=12, cycles=2)
    x, y = minibatch
    recorded = Preparation(saturating_circuit(ARCHITECTURE), 3, protocol=protocol).present(
        x, y, beta, learn=False, variables=("r",)
    )
    r = {0: np.broadcast_to(x, (24, *x.shape)), **{k: recorded.oscillation.r[k] for k in (1, 2)}}
    gate = np.sin(2 * np.pi * (np.arange(1, 25) - LAG) / 12) / 12
    mean = {k: values.mean(axis=0) for k, values in r.items()}
    follow = {k: np.tensordot(gate, values, 1) for k, values in r.items()}
    found = changes(circuit, protocol, minibatch, beta)
    for key, k, post, pre in (("W_ff", 0, 1, 0), ("W_ff", 1, 2, 1), ("W_fb", 1, 1, 2)):
        error, followed = mean[post] - mean[pre] @ W[key][k].T, follow[post] - follow[pre] @ W[key][k].T
        theory = (followed.T @ mean[pre] + error.T @ follow[pre]) / (3 * beta)
        np.testing.assert_allclose(found[key, k], theory, rtol=0, atol=1e-12)
        assert np.abs(theory).max() > 1e-3
    z = mean[1] @ W["B"][1]
    np.testing.assert_allclose(found["B", 1], z.T @ z / 3, rtol=0, atol=1e-12)


def test_slow_oscillations_teach_what_settled_phases_teach(minibatch):
    """Oracle: the contrast of settled phases at ±β = .01: the same direction (cosine ≥ .999), and gain within 2 %."""
    options = {"initial_gain_ff": [1.0, 2.0], "seed": 3}
    protocol = oscillating(settle_steps=200, cycle_steps=2000)
    slow = changes(CorInfoMax(ARCHITECTURE, contrast="oscillation", gate_lag=0, **options), protocol, minibatch, 0.01)
    phases = contrastive(free_steps=400, nudge_steps=400, three_phase=True)
    settled = changes(CorInfoMax(ARCHITECTURE, **options), phases, minibatch, 0.01)
    for key in (("W_ff", 0), ("W_ff", 1), ("W_fb", 1)):
        a, b = slow[key].ravel(), settled[key].ravel()
        assert a @ b / np.linalg.norm(a) / np.linalg.norm(b) > 0.999
        assert np.linalg.norm(a) == pytest.approx(np.linalg.norm(b), rel=0.02)


def test_a_bias_learns_from_how_its_cells_follow(minibatch):
    """Theory: a bias is a weight from a unit at 1, which follows nothing: Δb = ΔW of an input that is 1."""
    x, y = minibatch
    x = np.hstack([x[:, :5], np.ones((3, 1))])
    circuit = CorInfoMax(ARCHITECTURE, contrast="oscillation", bias=True)
    found = changes(circuit, oscillating(settle_steps=6, cycle_steps=12), (x, y), 0.7)
    np.testing.assert_allclose(found["b", 1], found["W_ff", 0][:, 5], rtol=0, atol=1e-12)
    assert np.abs(found["b", 1]).max() > 1e-5


@pytest.mark.parametrize(
    ("contrast", "protocol", "message"),
    [
        ("oscillation", contrastive(), "does not oscillate about 0 in whole cycles"),
        ("phases", oscillating(), "end at the same β"),
    ],
)
def test_protocols_that_do_not_fit_the_rules_are_refused(minibatch, contrast, protocol, message):
    """One line that says what the protocol lacks."""
    with pytest.raises(ParameterError, match=message):
        changes(CorInfoMax(ARCHITECTURE, contrast=contrast), protocol, minibatch, 1.0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: oscillating(cycle_steps=7), "cycle_steps = 7: should be at least 8"),
        (lambda: Readout("plus", last=3, lock_in=1), "takes last or lock_in, not both"),
        (lambda: Readout("plus", last="some"), 'must be a whole number from 1, or "all"'),
        (lambda: Readout("plus", lock_in=-1), "lock_in = -1: should be greater than or equal to 0"),
    ],
)
def test_wrong_settings_are_refused(make, message):
    """One line with the bound."""
    with pytest.raises(ParameterError, match=message):
        make()


def test_a_phase_of_half_a_cycle_is_refused(minibatch):
    """A window of no whole cycles has a gate that does not cancel what stands still."""
    whole = oscillating(cycle_steps=20)
    settle, oscillation = whole.phases
    half = replace(oscillation, steps=10, beta=oscillation.beta[:10])
    protocol = replace(whole, phases=[settle, half])
    with pytest.raises(ParameterError, match="whole cycles"):
        changes(CorInfoMax(ARCHITECTURE, contrast="oscillation"), protocol, minibatch, 1.0)
