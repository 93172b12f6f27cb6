"""Dale's law: fractions of synapses that break it, and circuits that obey it."""

import numpy as np
import pytest

from corinfomax import CorInfoMax, Preparation, Stimulus
from corinfomax.analysis import summarise
from corinfomax.errors import ParameterError

SIZES = [4, 6, 5, 3]

#: Excitation is weak enough at first to leave rates between their bounds, and learning fast enough to meet zero.
FAST = {"initial_gain_ff": 0.6, "initial_gain_fb": 0.5, "learning_rate_ff": 30.0, "learning_rate_fb": 10.0}


def learnt(circuit, presentations=30, dtype=np.float64):
    """Let a circuit learn from random stimuli, and give the weights that it had after each of them."""
    rng = np.random.default_rng(0)
    preparation, seen = Preparation(circuit, replicas=5, dtype=dtype), []

    def keep(moment, ends):
        seen.append({key: {k: W.copy() for k, W in arrays.items()} for key, arrays in circuit.weights.items()})

    preparation.on_presentation.append(keep)
    preparation.run(
        Stimulus(rng.uniform(size=(5, SIZES[0])), rng.integers(0, 2, (5, SIZES[-1])), rng.choice([-1, 1]), learn=True)
        for _ in range(presentations)
    )
    return seen


def test_fractions_are_those_of_the_signs():
    """The history's fractions count negative W_ff, W_fb and O entries, the diagonal of O left out; exactly."""
    W_ff = {0: np.array([[1.0, -1.0, 0.0, -2.0]] * 2), 1: np.array([[1.0, 2.0]] * 3)}
    O = {1: np.array([[0.0, -1.0], [2.0, 0.0]]), 2: np.array([[0.0, 1.0, 1.0]] * 3)}
    W_fb = {1: np.array([[-1.0, 1.0, 1.0], [1.0, 1.0, 1.0]])}
    summary = summarise({0: np.zeros((2, 1))}, {}, {}, W_ff=W_ff, W_fb=W_fb, O=O)
    found = {key: value for key, value in summary.items() if key.startswith(("negative", "exciting"))}
    theory = {"negative_ff_0": 0.5, "negative_ff_1": 0.0, "negative_fb_1": 1 / 6}
    assert found == theory | {"exciting_SST_1": 0.5, "exciting_SST_2": 0.0}


def test_published_circuits_break_dales_law():
    """As published half of W_ff and W_fb is negative at first, and half of the SST synapses excite, to 5 %."""
    circuit = CorInfoMax([30, 60, 50])
    weights = {key: circuit.weights[key] for key in ("W_ff", "W_fb", "O")}
    summary = summarise({0: np.zeros((2, 1))}, {}, {}, **weights)
    for name in ("negative_ff_0", "negative_fb_1", "exciting_SST_1", "exciting_SST_2"):
        assert summary[name] == pytest.approx(0.5, abs=0.05)


def test_constrained_weights_keep_their_sign():
    """With all projections constrained no synapse is ever of the wrong sign, in training."""
    circuit = CorInfoMax(SIZES, dale=["W_ff", "W_fb", "O"], forgetting=0.99, **FAST)
    steps = learnt(circuit)
    for weights in steps:
        assert min(W.min() for key in ("W_ff", "W_fb", "O") for W in weights[key].values()) >= 0
    zeros = sum(np.count_nonzero(W == 0) for weights in steps for W in weights["W_ff"].values())
    assert zeros > 0, "the constraint was never met"
    for k in (1, 2, 3):
        i_SST = -np.ones(SIZES[k]) @ steps[-1]["O"][k].T
        assert i_SST.max() <= 0


def test_constrained_learning_is_projected_learning():
    """One constrained step from the same weights gives max(0, ·) of what an unconstrained one gives, exactly."""
    start = CorInfoMax(SIZES, dale=["W_ff", "W_fb"], seed=2, **FAST).weights
    weights = {key: {k: W.copy() for k, W in start[key].items()} for key in ("W_ff", "W_fb", "B")}
    free, bound = (CorInfoMax(SIZES, dale=dale, weights=weights, **FAST) for dale in ([], ["W_ff", "W_fb"]))
    theory, found = (learnt(circuit, presentations=1)[-1] for circuit in (free, bound))
    assert min(W.min() for key in ("W_ff", "W_fb") for W in theory[key].values()) < 0
    for key in ("W_ff", "W_fb"):
        for k, W in theory[key].items():
            np.testing.assert_array_equal(found[key][k], np.maximum(W, 0))


def test_inhibitory_interneurons_leave_the_rule_of_B_alone():
    """With dale = ["O"] O is max(0, ·) of the unconstrained one off the diagonal, and B, D are the same, exactly."""
    free, bound = CorInfoMax(SIZES), CorInfoMax(SIZES, dale=["O"])
    for k in (1, 2, 3):
        np.testing.assert_array_equal(bound.weights["O"][k], np.maximum(free.weights["O"][k], 0))
        np.testing.assert_array_equal(bound.weights["B"][k], free.weights["B"][k])
        np.testing.assert_array_equal(bound.weights["D"][k], free.weights["D"][k])


def test_negative_given_weights_are_refused():
    """Given weights that dale excludes, and unknown projections, are one line; what is not given obeys by itself."""
    with pytest.raises(ParameterError, match=r"weights: W_ff\[0\] has negative entries, which dale = \['W_ff', …\]"):
        CorInfoMax(SIZES, dale=["W_ff"], weights={"W_ff/0": -np.ones((6, 4))})
    CorInfoMax(SIZES, dale=["W_ff"], weights={"W_ff/0": np.ones((6, 4))})
    with pytest.raises(ParameterError, match='dale: "O" needs lateral_form = "inverse"'):
        CorInfoMax(SIZES, dale=["O"], lateral_form="autapse")
    with pytest.raises(ParameterError, match=r"dale\.0 = 'D'"):
        CorInfoMax(SIZES, dale=["D"])
