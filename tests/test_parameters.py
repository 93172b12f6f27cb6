"""The circuit's constructor: what it refuses, and the weights it begins with."""

from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from corinfomax import CorInfoMax, Preparation, Stimulus
from corinfomax.errors import ParameterError

ADAM = {"optimiser": "adam", "learning_rate_ff": 1e-3, "learning_rate_fb": 1e-3}


@pytest.mark.parametrize(
    ("changes", "key", "allowed"),
    [
        ({"epsilon": 0.0}, "epsilon", "greater than 0"),
        ({"epsilon": -0.15}, "epsilon", "greater than 0"),
        ({"epsilon": float("nan")}, "epsilon", "finite|greater than 0"),
        ({"epsilon": [0.15, -0.1]}, "epsilon", "greater than 0"),
        ({"epsilon": [0.15]}, "epsilon", "needs one number or 2"),
        ({"epsilon": "small"}, "epsilon", "number"),
        ({"forgetting": 0.0}, "forgetting", "greater than 0"),
        ({"forgetting": 1.0}, "forgetting", "less than 1"),
        ({"g_leak": 0.0}, "g_leak", "greater than 0"),
        ({"learning_rate_ff": -1.0}, "learning_rate_ff", "greater than or equal to 0"),
        ({"learning_rate_ff": [1.0, 0.7, 0.1]}, "learning_rate_ff", "needs one number or 2"),
        ({"learning_rate_fb": [0.1, 0.2, 0.3]}, "learning_rate_fb", "needs one number or 1"),
        ({"learning_rate_fb": [-0.1]}, "learning_rate_fb", "greater than or equal to 0"),
        ({"initial_gain_ff": 0.0}, "initial_gain_ff", "greater than 0"),
        ({"initial_gain_fb": [1.0, 1.0]}, "initial_gain_fb", "needs one number or 1"),
        ({"learning_rate_decay": 1.5}, "learning_rate_decay", "less than or equal to 1"),
        ({"learning_rate_decay": [(5, 0.9)]}, "learning_rate_decay", "begin with 0"),
        ({"learning_rate_decay": [(0, 0.9), (0, 0.8)]}, "learning_rate_decay", "increase"),
        ({"weight_decay": -1e-3}, "weight_decay", "greater than or equal to 0"),
        ({"convention": "mine"}, "convention", "'normative', 'printed' or 'authors'"),
        ({"entropy_gain": float("inf")}, "entropy_gain", "finite"),
        ({"lateral_rule": "none"}, "lateral_rule", "'published' or 'regularised'"),
        ({"lateral_refresh": 0}, "lateral_refresh", "greater than or equal to 1"),
        ({"sst_every": 0}, "sst_every", "greater than or equal to 1"),
        ({"sst_every": 1.5}, "sst_every", "integer"),
        ({"sst_tolerance": -1e-3}, "sst_tolerance", "greater than or equal to 0"),
        ({"sst_tolerance": float("nan")}, "sst_tolerance", "finite|greater"),
        ({"sst_tolerance": 1e-17}, "sst_tolerance", "at least that, or 0 for the exact scheme"),
        ({"tau_u": 0.0}, "tau_u", "greater than 0"),
        ({"tau_SST": -1.0}, "tau_SST", "greater than or equal to 0"),
        ({"seed": -1}, "seed", "greater than or equal to 0"),
        ({"learning_rate": 0.1}, "learning_rate", "unknown key"),
        ({"architecture": [6, 4]}, "architecture", "at least 3"),
        ({"architecture": [6, 0, 4]}, "architecture", "greater than or equal to 1"),
        ({"lateral_form": "autapse", "lateral_rule": "regularised"}, "lateral_form", "published"),
        ({"lateral_form": "autapse", "entropy_gain": 0.0}, "entropy_gain", "≠ 0"),
        ({"sst_every": 2, "projection": "synapses"}, "sst_every", "dense"),
        ({"optimiser": "adam"}, "learning_rate_ff = [1.0, 1.0]", "at most 0.1, such as 1e-3"),
        ({**ADAM, "weight_decay": 0.1}, "weight_decay = 0.1", 'needs optimiser = "descent"'),
        ({**ADAM, "dale": ["W_ff"]}, "dale", 'needs optimiser = "descent"'),
        ({**ADAM, "oscillation_rule": "moving", "contrast": "oscillation"}, "moving", "descent"),
    ],
)
def test_refused_parameters(changes, key, allowed):
    """A parameter out of range raises a `ParameterError` of one line with the key and what is allowed."""
    with pytest.raises(ParameterError, match=allowed) as caught:
        CorInfoMax(**({"architecture": [6, 5, 4]} | changes))
    assert key in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"W_ff/0": np.zeros((6, 5))}, r"W_ff\[0\] has shape \(6, 5\), must be \(post, pre\) = \(5, 6\)"),
        ({"W_ff": {1: np.full((4, 5), np.nan)}}, r"W_ff\[1\] contains NaN"),
        ({"B/1": np.triu(np.ones((5, 5)))}, r"B\[1\] is not symmetric"),
        ({"B/0": np.eye(5), "B/1": np.eye(4)}, r"unknown B\[0\]; this circuit has .*W_fb\[1\], B\[1\], B\[2\]$"),
        ({"W_fb/0": np.zeros((6, 5))}, r"unknown W_fb\[0\]; this circuit has W_ff\[0\]"),
        ({"W_ff/7": np.zeros((6, 5))}, r"unknown W_ff\[7\]"),
        ({"W_sideways": {0: np.zeros((6, 5))}}, r"unknown W_sideways\[0\]"),
    ],
)
def test_refused_weights(weights, message):
    """Weights of another shape, with NaN, an asymmetric B or an unknown place raise one line that names them."""
    with pytest.raises(ParameterError, match=message) as caught:
        CorInfoMax([6, 5, 4], weights=weights)
    assert "\n" not in str(caught.value)


def test_given_weights_are_taken_over():
    """Given weights stand in the circuit exactly, flat, nested or listed, as copies; what is not given stays random."""
    W, B = np.arange(30.0).reshape(5, 6), np.diag(np.arange(1.0, 6.0)) + 0.5
    flat = CorInfoMax([6, 5, 4], weights={"W_ff/0": W, "weights/B/1": B})
    nested = CorInfoMax([6, 5, 4], weights={"W_ff": [W], "B": {1: B}})
    listed = CorInfoMax([6, 5, 4], weights={"W_ff": [W], "B": [B, None]})
    for circuit in (flat, nested, listed):
        np.testing.assert_array_equal(circuit.weights["W_ff"][0], W)
        np.testing.assert_array_equal(circuit.weights["B"][1], B)
        np.testing.assert_array_equal(circuit.weights["W_ff"][1], CorInfoMax([6, 5, 4]).weights["W_ff"][1])
        assert not np.shares_memory(circuit.weights["W_ff"][0], W)


def test_feedback_rates_as_the_tables_print_them():
    """A list of P feedback rates loses its first, which belongs to no projection, exactly."""
    circuit = CorInfoMax([6, 5, 4, 3], learning_rate_fb=[0.0, 0.17, 0.07])
    theory = [0.17, 0.07]
    rules = [item for item in circuit.plasticity if item.target[0] == "W_fb"]
    assert [item.optimiser.learning_rate.value for item in rules] == theory


def test_parameters_are_resolved_by_layer_and_pair():
    """What was one number or a list stands under its layer or pair, exactly, and cannot be changed."""
    options = {"epsilon": 0.2, "learning_rate_fb": [0.17, 0.07], "noise_basal": 0.3, "tau_multiplier": [0.5, 0.6, 0.7]}
    found = CorInfoMax([6, 5, 4, 3], domain=["B_inf", "B_1_plus", "simplex"], **options).parameters
    assert found.architecture == (6, 5, 4, 3)
    assert found.epsilon == (0.2, 0.2, 0.2)
    assert found.learning_rates == {"W_ff": {0: 1.0, 1: 1.0, 2: 1.0}, "W_fb": {1: 0.17, 2: 0.07}}
    assert found.learning_rate_decay == ((0, 0.95), (15, 0.9))
    assert {k: domain.name for k, domain in found.domains.items()} == {1: "B_inf", 2: "B_1_plus", 3: "simplex"}
    assert found.tau_multiplier == {1: 0.5, 2: 0.6, 3: 0.7}
    assert found.noise == {"basal": 0.3}
    gamma = (1 - 0.99999) / 0.99999
    assert found.lateral_gains(1) == (2 * gamma * 0.2, 0.2 * 0.5)
    assert found.lateral_gains(3) == (gamma, 0.5)
    with pytest.raises(FrozenInstanceError):
        found.forgetting = 0.5


@pytest.fixture(scope="module")
def published():
    """The circuit of the MNIST experiments."""
    return CorInfoMax([784, 500, 10], seed=4)


def test_initial_weights_are_xavier_uniform(published):
    """W_ff, W_fb fill ±√(6/(post + pre)) and have its variance, bound²/3, to 5 %; B = W Wᵀ has trace N to 5 %."""
    for name in ("W_ff", "W_fb"):
        for W in published.weights[name].values():
            bound = np.sqrt(6 / sum(W.shape))
            assert np.abs(W).max() <= bound
            assert np.abs(W).max() > 0.99 * bound
            theory = bound**2 / 3
            assert np.var(W) == pytest.approx(theory, rel=0.05)
    for B, N in zip(published.weights["B"].values(), (500, 10), strict=True):
        np.testing.assert_array_equal(B, B.T)
        assert np.linalg.eigvalsh(B).min() > -1e-12
        if N == 500:
            theory = N  # N² entries of variance 1/N
            assert np.trace(B) == pytest.approx(theory, rel=0.05)


def test_initial_angle_is_right(published):
    """The angle acos(Tr(W_ff W_fb)/(‖W_ff‖‖W_fb‖)) of independent weights is 90° to 1°."""
    W_ff, W_fb = published.weights["W_ff"][1], published.weights["W_fb"][1]
    angle = np.degrees(np.arccos(np.trace(W_ff @ W_fb) / (np.linalg.norm(W_ff) * np.linalg.norm(W_fb))))
    theory = 90.0
    assert angle == pytest.approx(theory, abs=1.0)


def test_initial_gains():
    """Gains multiply the random weights that the same seed gives, exactly, and leave given ones alone."""
    given = np.ones((3, 4))
    plain = CorInfoMax([6, 5, 4, 3])
    circuit = CorInfoMax(
        [6, 5, 4, 3], initial_gain_ff=[1.5, 2.0, 3.0], initial_gain_fb=0.25, weights={"W_ff": {2: given}}
    )
    for k, gain in ((0, 1.5), (1, 2.0)):
        np.testing.assert_array_equal(circuit.weights["W_ff"][k], gain * plain.weights["W_ff"][k])
    np.testing.assert_array_equal(circuit.weights["W_ff"][2], given)
    for k in (1, 2):
        np.testing.assert_array_equal(circuit.weights["W_fb"][k], 0.25 * plain.weights["W_fb"][k])
        np.testing.assert_array_equal(circuit.weights["B"][k], plain.weights["B"][k])


def test_adam_takes_its_first_steps_along_the_signs(minibatch):
    """Theory: Adam's first step is the learning rate times the sign of ΔW, and ΔW is that of plain steps; B as ever."""
    rates = {"learning_rate_ff": [1e-3, 2e-3], "learning_rate_fb": [3e-3], "learning_rate_decay": 1.0, "bias": True}
    changes = {}
    for optimiser in ("descent", "adam"):
        circuit = CorInfoMax([6, 5, 4], optimiser=optimiser, **rates)
        before = {key: {k: W.copy() for k, W in Ws.items()} for key, Ws in circuit.weights.items()}
        preparation = Preparation(circuit, replicas=3, target="numpy")
        preparation.run([Stimulus(*minibatch(circuit, n=3, low=0.0, high=1.0), beta=0.5, learn=True)])
        changes[optimiser] = {
            (key, k): W - before[key][k] for key, Ws in circuit.weights.items() for k, W in Ws.items()
        }
    for place, rate in {
        ("W_ff", 0): 1e-3,
        ("W_ff", 1): 2e-3,
        ("W_fb", 1): 3e-3,
        ("b", 1): 1e-3,
        ("b", 2): 2e-3,
    }.items():
        change = changes["descent"][place]
        assert np.abs(change).max() > 1e-9
        told = np.abs(change) > 1e-8 * np.abs(change).max()
        np.testing.assert_allclose(changes["adam"][place][told], rate * np.sign(change[told]), rtol=1e-3)
    np.testing.assert_array_equal(changes["adam"]["B", 1], changes["descent"]["B", 1])


def test_feedback_that_begins_transposed():
    """Theory: W_fb = gain · W_ffᵀ as W_ff begins, the user's included; other weights and given feedback stay."""
    given, gains = np.ones((3, 4)), {"initial_gain_ff": [1.5, 2.0, 0.3], "initial_gain_fb": [0.25, 0.5]}
    random = CorInfoMax([6, 5, 4, 3], **gains)
    transposed = CorInfoMax([6, 5, 4, 3], initial_feedback="transposed", **gains)
    for name in ("W_ff", "B"):
        for k, W in random.weights[name].items():
            np.testing.assert_array_equal(transposed.weights[name][k], W)
    for k, gain in ((1, 0.25), (2, 0.5)):
        theory = gain * transposed.weights["W_ff"][k].T
        np.testing.assert_array_equal(transposed.weights["W_fb"][k], theory)
    own = CorInfoMax([6, 5, 4, 3], initial_feedback="transposed", weights={"W_ff": {2: given}}, **gains)
    np.testing.assert_array_equal(own.weights["W_fb"][2], 0.5 * given.T)
    feedback = np.full((5, 4), 0.1)
    own = CorInfoMax([6, 5, 4, 3], initial_feedback="transposed", weights={"W_fb": {1: feedback}}, **gains)
    np.testing.assert_array_equal(own.weights["W_fb"][1], feedback)


def test_seeds():
    """The same seed gives the same initial weights bit for bit, another seed others in every array."""
    first, again, other = (CorInfoMax([6, 5, 4], seed=seed) for seed in (3, 3, 4))
    for name in ("W_ff", "W_fb", "B"):
        for k, theory in first.weights[name].items():
            np.testing.assert_array_equal(again.weights[name][k], theory)
            assert (other.weights[name][k] != theory).any()


def test_state_dict_restores_a_circuit():
    """A circuit given another's `state_dict` has its weights bit for bit; a missing or misshapen array is refused."""
    first, second = CorInfoMax([6, 5, 4], seed=1), CorInfoMax([6, 5, 4], seed=2)
    state = first.state_dict()
    second.load_state_dict(state)
    for name in ("W_ff", "W_fb", "B", "D", "O"):
        for k, theory in first.weights[name].items():
            np.testing.assert_array_equal(second.weights[name][k], theory)
    with pytest.raises(ParameterError, match="weights/W_ff/0 is missing"):
        second.load_state_dict({name: value for name, value in state.items() if name != "weights/W_ff/0"})
    with pytest.raises(ParameterError, match=r"weights/B/2 is float64 of shape \(2, 2\)"):
        second.load_state_dict(state | {"weights/B/2": np.zeros((2, 2))})
