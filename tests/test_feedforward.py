"""Backpropagation and feedback alignment, against golden archives, finite differences, and their definitions."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from golden_rules import golden_rule
from scipy.special import log_softmax, softmax

from corinfomax.errors import ParameterError, StimulusError
from corinfomax.networks import Backpropagation, FeedbackAlignment
from corinfomax.parameters import model_of
from corinfomax.protocols import presets
from corinfomax.toml import loads

PRESETS = Path(presets.__file__).parent


def learn(network, x, y):
    """Present a minibatch; return its states."""
    states = network.states(x, y)
    network.learn(lambda readout: {"forward": states}[readout.phase])
    network.count_presentation()
    return states


def minibatch(seed, n=6, inputs=7, outputs=3):
    rng = np.random.default_rng(seed)
    return rng.uniform(0, 1, (n, inputs)), np.eye(outputs)[rng.integers(outputs, size=n)]


@pytest.mark.parametrize("name", ["bp_mse", "bp_ce", "fa_mse", "fa_ce"])
def test_against_the_golden_archives(name):
    """Activity, loss, gradients, weights and Adam's moments equal the archive's to 1e-9, minibatch by minibatch.

    The archive's gradients are of what is minimised; ΔW, and m with it, points the other way.
    """
    golden = golden_rule(name)
    network = (FeedbackAlignment if name.startswith("fa") else Backpropagation)(
        golden["architecture"],
        loss=golden["loss"],
        learning_rate=golden["lr"],
        weights=golden.weights("init"),
    )
    adam = {rule.target: rule.optimiser for rule in network.plasticity}
    compared = 0

    def compare(found, theory):
        nonlocal compared
        np.testing.assert_allclose(found, theory, rtol=0, atol=1e-9)
        compared += 1

    for n in range(golden.minibatches):
        y = golden[f"batch{n}/y"]
        states = learn(network, golden[f"batch{n}/x"], y)
        for k, h in golden.layers(f"batch{n}/h").items():
            compare(states.r[k], h)
        compare(network.loss_of(states.r[network.output], y), golden[f"batch{n}/loss"])
        for target, gradient in golden.weights(f"batch{n}/grad").items():
            compare(-network.changes[target].dense(), gradient)
        for key, k in network.targets:
            compare(network.weights[key][k], golden.weights(f"after{n}")[key, k])
            compare(-adam[key, k].m, golden.weights(f"after{n}/adam_m")[key, k])
            compare(adam[key, k].v, golden.weights(f"after{n}/adam_v")[key, k])
    P = network.output
    assert compared == golden.minibatches * (P + 1 + 4 * 2 * P)


@pytest.mark.parametrize("loss", ["mse", "ce"])
def test_changes_are_minus_the_gradient(loss):
    """ΔW and Δb equal -∂loss/∂(W, b) by central differences in float64, to 1e-7 of their largest entry."""
    network, (x, y) = Backpropagation([7, 6, 5, 3], loss=loss, seed=2), minibatch(0)
    states = network.states(x, y)
    step = 1e-5
    assert min(np.abs(states.r[k][states.r[k] > 0]).min() for k in (1, 2)) > 10 * step  # no ReLU's kink is near
    for plasticity in network.plasticity:
        key, k = plasticity.target
        W, theory = network.weights[key][k], np.empty(network.weights[key][k].shape)
        for place in np.ndindex(W.shape):
            kept, losses = W[place], []
            for sign in (1, -1):
                W[place] = kept + sign * step
                losses.append(network.loss_of(network.states(x).r[network.output], y))
            W[place] = kept
            theory[place] = -(losses[0] - losses[1]) / (2 * step)
        change = plasticity.rule(network.weights, states).dense()
        assert change.shape == W.shape
        np.testing.assert_allclose(change, theory, rtol=0, atol=1e-7 * np.abs(theory).max())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("scale", [1.0, 1e4, 1e30])
def test_cross_entropy_of_large_outputs(dtype, scale):
    """Loss and errors stay finite for outputs of any size and equal SciPy's log_softmax and softmax."""
    network, (x, y) = Backpropagation([7, 3], loss="ce", seed=1), minibatch(3)
    network.weights["W"][0] *= scale
    network.astype(dtype)
    states = network.states(x, y)
    output, tolerance = states.r[1].astype(float), 100 * np.finfo(dtype).eps
    theory = -np.mean(np.sum(y * log_softmax(output, axis=1), axis=1))
    np.testing.assert_allclose(network.loss_of(states.r[1], y), theory, rtol=tolerance)
    np.testing.assert_allclose(states.delta[1], (softmax(output, axis=1) - y) / len(y), rtol=0, atol=tolerance)


@pytest.mark.parametrize("loss", ["mse", "ce"])
def test_feedback_alignment_against_backpropagation(loss):
    """The top layer learns as by backpropagation, the others otherwise; with W_fb = Wᵀ all do, exactly (identity)."""
    x, y = minibatch(6)
    theory = Backpropagation([7, 6, 5, 3], loss=loss, seed=4)
    learn(theory, x, y)
    W = Backpropagation([7, 6, 5, 3], loss=loss, seed=4).weights["W"]
    random = FeedbackAlignment([7, 6, 5, 3], loss=loss, seed=4)
    symmetric = FeedbackAlignment([7, 6, 5, 3], loss=loss, seed=4, weights={"W_fb": {1: W[1].T, 2: W[2].T}})
    before = {k: array.copy() for k, array in random.weights["W_fb"].items()}
    for network in (random, symmetric):
        learn(network, x, y)
    for target in theory.targets:
        found, wanted = random.changes[target].dense(), theory.changes[target].dense()
        assert np.array_equal(found, wanted) == (target in {("W", 2), ("b", 3)})
        np.testing.assert_allclose(symmetric.changes[target].dense(), wanted, rtol=0, atol=1e-16)
    for k, array in before.items():
        np.testing.assert_array_equal(random.weights["W_fb"][k], array)
        bound = np.sqrt(6 / sum(array.shape))
        assert 0.7 * bound < np.abs(array).max() <= bound


def test_feedback_alignment_needs_a_hidden_layer():
    """Without one there is nothing to carry errors to: refused in one line, as is feedback of another shape."""
    with pytest.raises(ParameterError, match=r"architecture.*at least 3"):
        FeedbackAlignment([7, 3])
    with pytest.raises(ParameterError, match=r"W_fb\[1\] has shape \(3, 5\), must be \(post, pre\) = \(5, 3\)"):
        FeedbackAlignment([7, 5, 3], weights={"W_fb": {1: np.zeros((3, 5))}})


@pytest.mark.parametrize("loss", ["mse", "ce"])
def test_changes_are_means_over_any_minibatch(loss):
    """ΔW and Δb of n stimuli equal the weighted mean of those of its parts, of 1 and n - 1 stimuli, to 1e-15."""
    network, (x, y) = Backpropagation([7, 6, 5, 3], loss=loss), minibatch(5)

    def changes(rows):
        states = network.states(x[rows], y[rows])
        return [plasticity.rule(network.weights, states).dense() for plasticity in network.plasticity]

    n, parts = len(x), (slice(0, 1), slice(1, None))
    for whole, one, rest in zip(changes(slice(None)), *map(changes, parts), strict=True):
        np.testing.assert_allclose(whole, one / n + rest * (n - 1) / n, rtol=0, atol=1e-15)


def test_states_without_targets():
    """Without y there is the same activity and no delta; r of layer 0 is the stimulus."""
    network, (x, y) = Backpropagation([7, 6, 3]), minibatch(1)
    free, taught = network.states(x), network.states(x, y)
    assert list(free.variables) == ["r"]
    assert sorted(taught.delta) == [1, 2]
    np.testing.assert_array_equal(free.r[0], x)
    for k in range(3):
        np.testing.assert_array_equal(free.r[k], taught.r[k])


def test_single_precision():
    """In float32 all activity, errors, weights and moments are float32, and follow float64 to 1e-5."""
    single, double = (Backpropagation([7, 6, 5, 3]) for _ in range(2))
    single.astype("float32")
    for n in range(5):
        states = learn(single, *minibatch(n))
        learn(double, *minibatch(n))
    kept = [*states.r.values(), *states.delta.values()]
    kept += [array for arrays in single.weights.values() for array in arrays.values()]
    kept += [moment for rule in single.plasticity for moment in (rule.optimiser.m, rule.optimiser.v)]
    assert {array.dtype for array in kept} == {np.dtype("float32")}
    for key, k in single.targets:
        np.testing.assert_allclose(single.weights[key][k], double.weights[key][k], rtol=0, atol=1e-5)
    single.check_weights()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_state_is_complete(dtype):
    """A network that takes up another's state_dict goes on bit for bit as that one does."""
    one, other = (Backpropagation([7, 6, 3], loss="ce", seed=seed) for seed in (0, 1))
    for network in (one, other):
        network.astype(dtype)
    for n in range(3):
        learn(one, *minibatch(n))
    other.load_state_dict(one.state_dict())
    for network in (one, other):
        for n in range(3, 6):
            learn(network, *minibatch(n))
    state = one.state_dict()
    assert state.keys() == other.state_dict().keys()
    assert len(state) == 4 + 4 * 3
    for name, array in other.state_dict().items():
        assert array.dtype == state[name].dtype
        np.testing.assert_array_equal(array, state[name])


def test_learning_rate_falls_by_epoch():
    """Adam's first step moves every weight by η against its gradient's sign; η = .01 × .5^(epoch // 2), to 1e-6."""
    x, y = minibatch(0)
    for epoch, rate in enumerate([0.01, 0.01, 0.005, 0.005, 0.0025]):
        network = Backpropagation([7, 3], learning_rate=0.01, learning_rate_factor=0.5, learning_rate_every=2)
        network.epoch, before = epoch, network.weights["b"][1].copy()
        delta = learn(network, x, y).delta[1]
        theory = -rate * np.sign(delta.sum(axis=0))
        np.testing.assert_allclose(network.weights["b"][1] - before, theory, rtol=1e-6)


def test_frozen_weights_rest():
    """Frozen weights and biases stay, and the change noted for them is 0 of their own shape."""
    network, frozen = Backpropagation([7, 6, 3]), {("W", 0), ("b", 1)}
    network.frozen |= frozen
    before = network.state_dict()
    learn(network, *minibatch(0))
    for key, k in network.targets:
        same = np.array_equal(network.weights[key][k], before[f"weights/{key}/{k}"])
        assert same == ((key, k) in frozen)
        change = network.changes[key, k].dense()
        assert change.shape == network.weights[key][k].shape
        assert change.any() != ((key, k) in frozen)


def test_initial_weights():
    """W^(k) and b of layer k + 1 are uniform within ±1/√N_k: bounds, and variance 1/(3 N_k) to 3 %; seeds tell."""
    network = Backpropagation([64, 400, 300], seed=4)
    for k, pre in enumerate((64, 400)):
        W, b = network.weights["W"][k], network.weights["b"][k + 1]
        assert max(np.abs(W).max(), np.abs(b).max()) < 1 / np.sqrt(pre)
        assert np.abs(W).max() > 0.99 / np.sqrt(pre)
        assert np.isclose(W.var(), 1 / (3 * pre), rtol=0.03)
        assert np.isclose(b.var(), 1 / (3 * pre), rtol=0.2)
    again, other = (Backpropagation([64, 400, 300], seed=seed) for seed in (4, 5))
    for key, k in network.targets:
        np.testing.assert_array_equal(network.weights[key][k], again.weights[key][k])
        assert (network.weights[key][k] != other.weights[key][k]).all()


def test_weights_of_ones_own():
    """Nested and flat weights are taken alike, biases from layer 1 on; what is not given keeps its initial value."""
    W, b, initial = np.ones((6, 7)), np.arange(3.0), Backpropagation([7, 6, 3])
    forms = [{"W": {0: W}, "b": [None, b]}, {"W/0": W, "weights/b/2": b}, {("W", 0): W, ("b", 2): b}]
    for weights in forms:
        network = Backpropagation([7, 6, 3], weights=weights)
        np.testing.assert_array_equal(network.weights["W"][0], W)
        np.testing.assert_array_equal(network.weights["b"][2], b)
        np.testing.assert_array_equal(network.weights["W"][1], initial.weights["W"][1])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"architecture": [7]}, r"architecture = \[7\]: List should have at least 2 items"),
        ({"architecture": [7, 0, 3]}, r"architecture\.1 = 0"),
        ({"loss": "hinge"}, r"loss = 'hinge': should be 'mse' or 'ce'"),
        ({"learning_rate": -0.1}, r"learning_rate = -0\.1"),
        ({"learning_rate_factor": 1.5}, r"learning_rate_factor = 1\.5"),
        ({"learning_rate_every": 0}, "learning_rate_every = 0"),
        ({"rate": 0.1}, "unknown key 'rate'"),
        ({"weights": 3}, "weights: is int; must map W and b to arrays"),
        ({"weights": {"b/0": np.ones(7)}}, r"unknown b\[0\]; this circuit has W\[0\], W\[1\], b\[1\], b\[2\]"),
        ({"weights": {"b/1": np.ones(5)}}, r"b\[1\] has shape \(5,\), must be \(units,\) = \(6,\)"),
        ({"weights": {"W/1": np.ones((6, 3))}}, r"W\[1\] has shape \(6, 3\), must be \(post, pre\) = \(3, 6\)"),
        ({"weights": {"W/1": np.full((3, 6), np.nan)}}, r"W\[1\] contains NaN or infinity"),
    ],
)
def test_refused_parameters(changes, message):
    """Parameters out of range or at odds with the architecture are refused in one line that names them."""
    with pytest.raises(ParameterError, match=message) as refusal:
        Backpropagation(**{"architecture": [7, 6, 3], **changes})
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.ones((2, 6)), None, r"x has shape \(2, 6\), must be \(n, 7\) for layer 0, n from 1"),
        (np.ones(7), None, r"x has shape \(7,\)"),
        (np.ones((0, 7)), None, r"x has shape \(0, 7\)"),
        ([["a"] * 7], None, "x is not an array of real numbers"),
        (np.full((2, 7), np.inf), None, "x contains NaN or infinity"),
        (np.ones((2, 7)), np.eye(4)[:2], r"y has shape \(2, 4\), must be \(n, 3\) for layer 2"),
        (np.ones((2, 7)), np.eye(3), "y has 3 stimuli, x 2"),
        (np.ones((2, 7)), np.ones((2, 3)), 'y: targets of loss = "ce" must be probabilities'),
        (np.ones((1, 7)), np.array([[2.0, -1.0, 0.0]]), 'y: targets of loss = "ce" must be probabilities'),
    ],
)
def test_refused_stimuli(x, y, message):
    """Stimuli and targets that do not fit are refused in one line that names the array and what is allowed."""
    with pytest.raises(StimulusError, match=message) as refusal:
        Backpropagation([7, 6, 3], loss="ce").states(x, y)
    assert "\n" not in str(refusal.value)


def test_imported_without_brian2():
    """Importing and training the network loads no Brian2, as a fresh interpreter's modules tell."""
    code = (
        "import sys, numpy as np; from corinfomax.networks import Backpropagation; n = Backpropagation([4, 3]); "
        "s = n.states(np.ones((2, 4)), np.ones((2, 3))); n.learn(lambda readout: s); print('brian2' in sys.modules)"
    )
    root = Path(presets.__file__).resolve().parents[2]
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=root.parent,
        env={"PYTHONPATH": str(root.parent)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == "False"


@pytest.mark.parametrize("loss", ["mse", "ce"])
def test_presets_name_a_network(loss):
    """Section [circuit] of each preset is the signature's: it builds the network with the loss that its name tells."""
    text = (PRESETS / f"digits_bp_{loss}.toml").read_text(encoding="utf-8")
    parameters = loads(text)
    assert set(parameters) == {"stimuli", "circuit", "training"}
    assert parameters["circuit"].pop("model") == "backpropagation"
    section = model_of(Backpropagation, leave_out=("seed", "weights"))(**parameters["circuit"])
    network = Backpropagation(**section.model_dump())
    assert (network.loss, network.sizes) == (loss, (64, 128, 10))
