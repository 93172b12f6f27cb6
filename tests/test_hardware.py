"""What hardware does to a circuit: weights of few bits, and cells that differ."""

import numpy as np
import pytest

from corinfomax.errors import ParameterError
from corinfomax.networks import CorInfoMax
from corinfomax.networks.schedules import Progress
from corinfomax.protocols.clockwork import Preparation, contrastive
from corinfomax.protocols.perturbations import Intervention, Mismatch, Quantise, from_toml, from_words, to_toml
from corinfomax.protocols.perturbations.hardware import Rounded
from corinfomax.stimuli import Stimulus

PLACE = ("W_ff", 1)


@pytest.fixture
def preparation():
    circuit = CorInfoMax([6, 5, 4], initial_gain_ff=2.0, learning_rate_ff=0.05, seed=1)
    return Preparation(circuit, 3, protocol=contrastive(free_steps=150))


@pytest.fixture
def minibatch():
    return np.random.default_rng(0).uniform(size=(3, 6)), np.eye(4)[[0, 2, 3]]


def test_weights_are_rounded_in_testing_and_given_back(preparation):
    """Theory: 2ⁿ - 1 values, evenly to the largest modulus, each weight the nearest; then they are as before."""
    W = preparation.circuit.weights["W_ff"][1]
    before = W.copy()
    with Intervention(preparation, [Quantise(PLACE, 3)]):
        step = np.abs(before).max() / 3
        np.testing.assert_allclose(W, step * np.rint(before / step), rtol=0, atol=1e-14)
        assert len(np.unique(W)) <= 7
    np.testing.assert_array_equal(W, before)


def test_stochastic_rounding_is_right_on_average_and_leaves_what_is_rounded():
    """Theory: the mean of many roundings is the weight, to four standard errors; twice rounded is once rounded."""
    rounded, weights = Rounded(1.0, 1.0 / 7, seed=0), np.full(40000, 0.1, dtype=np.float32)
    rounded(weights, Progress(0, 0))
    assert weights.mean(dtype=float) == pytest.approx(0.1, abs=4 * (1 / 7) / 2 / np.sqrt(40000))
    once = weights.copy()
    rounded(weights, Progress(0, 1))
    np.testing.assert_array_equal(weights, once)


@pytest.mark.parametrize(("rounding", "moved"), [("nearest", False), ("stochastic", True)])
def test_small_updates_are_lost_to_the_nearest_value(preparation, minibatch, rounding, moved):
    """Theory: an update below half a step moves no weight to another value; stochastic rounding moves some."""
    circuit, (x, y) = preparation.circuit, minibatch
    with Intervention(preparation, [Quantise(PLACE, 6, largest=3.0, rounding=rounding)]):
        preparation.run([])
        before = circuit.weights["W_ff"][1].copy()
        preparation.run(Stimulus(x, y, learn=True) for _ in range(40))
        assert 0 < 0.05 * np.abs(circuit.changes[PLACE].dense()).max() < 3 / 31 / 2
        assert np.any(circuit.weights["W_ff"][1] != before) == moved


@pytest.mark.parametrize("of", ["threshold", "gain", "coupling"])
def test_cells_differ(preparation, minibatch, of):
    """Oracle: the settled circuit's own currents: I_net = 0 with the drawn current or factor in its place, to 1e-3."""
    x, _ = minibatch
    drawn = Mismatch("layer_2", of, 0.1, seed=3).settings(preparation.circuit)
    with Intervention(preparation, [Mismatch("layer_2", of, 0.1, seed=3)]):
        found = preparation.present(x, learn=False, variables=("u", "v_B", "r")).free
    u, v_B, r1 = found.u[2][-1], found.v_B[2][-1], found.r[1][-1]
    W, values = preparation.circuit.weights["W_ff"][1], preparation.circuit.populations[-1].cell.values
    g_B, g_lk = float(values["g_B"]), float(values["g_lk"])
    gain = drawn.get("gate_basal", 1.0)
    np.testing.assert_allclose(v_B, gain * (r1 @ W.T), rtol=0, atol=1e-10)
    lateral = found.r[2][-1] * g_lk  # but for γ, which is 1e-5
    theory = drawn.get("gate_soma", 1.0) * (g_B * (v_B - u) + lateral) - g_lk * u + drawn.get("I_soma", 0.0)
    np.testing.assert_allclose(theory, 0, rtol=0, atol=1e-3)
    assert np.std(next(iter(drawn.values()))) > 0.02


def test_they_are_perturbations_as_others_are():
    """A file gives them back, and the command line's words mean the same."""
    chosen = [Quantise(PLACE, 6, 2.5), Mismatch("layer_1", "gain", 0.2)]
    assert from_toml(to_toml(chosen)) == chosen
    assert [from_words("quantise", "W_ff:1:6:2.5"), from_words("mismatch", "layer_1:gain:0.2")] == chosen


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Quantise(PLACE, 1), "bits = 1: should be greater than or equal to 2"),
        (lambda: Mismatch("layer_1", "gain", 0), "spread = 0: should be greater than 0"),
        (lambda: Mismatch("layer_1", "tau", 0.1), "of = 'tau'"),
    ],
)
def test_wrong_settings_are_refused(make, message):
    """One line with the bound."""
    with pytest.raises(ParameterError, match=message):
        make()


def test_weights_that_follow_from_others_are_not_rounded(preparation):
    """O follows from B, so that rounding it would not last."""
    with pytest.raises(ParameterError, match="no rule moves them; rules move W_ff:0"):
        Intervention(preparation, [Quantise(("O", 1), 4)])


def test_signals_arrive_late():
    """Oracle: drives of each step by hand, from recorded rates of so many steps ago; at first those of rest; 1e-12."""
    circuit = CorInfoMax([6, 5, 4], initial_gain_ff=2.0, delay=1.5, seed=1)  # 3 steps of .5 ms
    preparation = Preparation(circuit, 3, protocol=contrastive(free_steps=12))
    x = np.random.default_rng(0).uniform(size=(3, 6))
    for _ in range(2):  # nothing is left of the first
        found = preparation.present(x, learn=False, variables=("r", "v_B", "v_A", "u")).free
    r = {k: np.concatenate([np.zeros_like(found.r[k][:3]), found.r[k][:-3]]) for k in (1, 2)}
    np.testing.assert_allclose(found.v_B[2], r[1] @ circuit.weights["W_ff"][1].T, rtol=0, atol=1e-12)
    lateral = found.r[1] * circuit.weights["D"][1] - found.r[1] @ circuit.weights["O"][1].T
    theory = r[2] @ circuit.weights["W_fb"][1].T + lateral
    np.testing.assert_allclose(found.v_A[1], theory, rtol=0, atol=1e-12)
    assert np.abs(theory - lateral).max() > 1e-3


def test_delays_of_brian_s_synapses_are_refused():
    """Synapses sum up at once."""
    with pytest.raises(ParameterError, match="delay = 1: goes by Synapses, which sum up at once"):
        CorInfoMax([6, 5, 4], delay=1.0, projection="synapses")


@pytest.mark.parametrize("delay", [0.2, 0.25, 0.7])
def test_delays_between_steps_are_refused(delay):
    """A delay that is no whole number of steps is a line that names both, where it would be rounded in silence."""
    circuit = CorInfoMax([6, 5, 4], delay=delay)
    with pytest.raises(ParameterError, match=rf"delay = {delay} ms of .*: must be a whole number of steps, of 0.5 ms"):
        Preparation(circuit)
