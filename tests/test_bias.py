"""Biases: a unit whose rate is always 1, beneath each layer."""

import numpy as np
import pytest

from corinfomax.errors import ParameterError
from corinfomax.networks import CorInfoMax
from corinfomax.protocols.clockwork import Preparation, contrastive

PROTOCOL = contrastive(beta=1.0, free_steps=12, nudge_steps=6)


def _minibatch(inputs, outputs, n=4):
    rng = np.random.default_rng(3)
    return rng.uniform(0, 1, (n, inputs)), np.eye(outputs)[rng.integers(0, outputs, n)]


def test_as_an_input_of_ones():
    """Layer 1's bias acts and learns as the weight of one more input at 1, in a circuit without biases: to 1e-12."""
    x, y = _minibatch(5, 3)
    biased = CorInfoMax([5, 6, 3], bias=True, seed=1)
    biased.weights["b"][2][...] = 0
    widened = {key: dict(arrays) for key, arrays in biased.weights.items() if key in ("W_ff", "W_fb", "B")}
    widened["W_ff"][0] = np.column_stack([biased.weights["W_ff"][0], biased.weights["b"][1]])
    biased.frozen.add(("b", 2))
    theory = CorInfoMax([6, 6, 3], weights=widened, seed=1)
    shown = []
    for circuit, seen in ((biased, x), (theory, np.column_stack([x, np.ones(len(x))]))):
        preparation = Preparation(circuit, len(x), protocol=PROTOCOL)
        shown.append([preparation.present(seen, y, beta=beta, learn=True) for beta in (1.0, -1.0)])
    for found, expected in zip(*shown, strict=True):
        for k in (1, 2):
            np.testing.assert_allclose(found.nudge.u[k], expected.nudge.u[k], rtol=0, atol=1e-12)
    np.testing.assert_allclose(biased.weights["b"][1], theory.weights["W_ff"][0][:, -1], rtol=0, atol=1e-12)
    np.testing.assert_allclose(biased.weights["W_ff"][0], theory.weights["W_ff"][0][:, :-1], rtol=0, atol=1e-12)
    np.testing.assert_allclose(biased.weights["W_ff"][1], theory.weights["W_ff"][1], rtol=0, atol=1e-12)


def test_learns_from_recorded_voltages():
    """Δb and ΔW_ff equal eq 26 of a unit at 1, computed in NumPy from recorded rates and basal potentials: to 1e-12."""
    x, y = _minibatch(5, 3)
    circuit = CorInfoMax([5, 6, 4, 3], bias=True, seed=2, learning_rate_ff=[0.3, 0.2, 0.1])
    before = {key: {k: array.copy() for k, array in circuit.weights[key].items()} for key in ("W_ff", "b")}
    shown = Preparation(circuit, len(x), protocol=PROTOCOL).present(x, y, beta=-1.0, learn=True)
    plus, minus = ({k: (trace.r[k][-1], trace.v_B[k][-1]) for k in (1, 2, 3)} for trace in (shown.nudge, shown.free))
    for k, rate in ((1, 0.3), (2, 0.2), (3, 0.1)):
        errors = [r - v_B for r, v_B in (plus[k], minus[k])]
        below = [x, x] if k == 1 else [plus[k - 1][0], minus[k - 1][0]]
        db = rate * (errors[0] - errors[1]).mean(axis=0) / -1.0
        dW = rate * (errors[0].T @ below[0] - errors[1].T @ below[1]) / len(x) / -1.0
        np.testing.assert_allclose(circuit.weights["b"][k] - before["b"][k], db, rtol=0, atol=1e-12)
        np.testing.assert_allclose(circuit.weights["W_ff"][k - 1] - before["W_ff"][k - 1], dW, rtol=0, atol=1e-12)


def test_others_are_the_same():
    """Initial weights with and without biases: those that both have are the same, and gains multiply biases, too."""
    without, biased = CorInfoMax([5, 6, 3], seed=4), CorInfoMax([5, 6, 3], seed=4, bias=True)
    large = CorInfoMax([5, 6, 3], seed=4, bias=True, initial_gain_ff=[4.0, 0.5])
    assert "b" not in without.weights
    for key in ("W_ff", "W_fb", "B"):
        for k, array in without.weights[key].items():
            np.testing.assert_array_equal(biased.weights[key][k], array)
    for k, gain in ((1, 4.0), (2, 0.5)):
        np.testing.assert_array_equal(large.weights["b"][k], gain * biased.weights["b"][k])


def test_not_with_synapses():
    """A bias through Brian2's Synapses, which write a drive whole, is refused in one line."""
    with pytest.raises(ParameterError, match='bias = true needs projection = "dense"'):
        CorInfoMax([5, 6, 3], bias=True, projection="synapses")
