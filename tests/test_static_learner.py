"""What presents stimuli to a trainable without dynamics."""

import os
import signal

import numpy as np
import pytest
from toys import Regressor

from corinfomax.errors import DivergenceError, ParameterError, StimulusError
from corinfomax.protocols.systems import StaticLearner
from corinfomax.stimuli import Stimulus


@pytest.fixture
def learner():
    """Two stimuli at once, of three inputs and two outputs."""
    return StaticLearner(Regressor([3, 2]), 2)


def test_a_presentation_is_a_step_of_the_rule(learner):
    """Adam's first step is η·sign(g), the squared error's g written out here, to 1e-6; hooks see it when it is done."""
    W = learner.trainable.weights["W"][0].copy()
    x, y = np.array([[1.0, 0.5, 0.0], [0.2, 1.0, 0.3]]), np.array([[1.0, 0.0], [0.0, 1.0]])
    seen = []
    learner.on_presentation.append(lambda moment, ends: seen.append((moment, ends, learner.trainable.progress)))
    learner.run([Stimulus(x, y, learn=True), Stimulus(x[:1], y[:1])])
    g = (x @ W.T - y).T @ x
    np.testing.assert_allclose(learner.trainable.weights["W"][0], W - 0.02 * np.sign(g), atol=1e-6)
    assert [moment.presented for moment, _, _ in seen] == [2, 1]
    assert [progress.presentation for _, _, progress in seen] == [1, 1]
    np.testing.assert_allclose(seen[0][1]["forward"].r[1], x @ W.T, rtol=1e-15)
    np.testing.assert_array_equal(seen[0][0].stimulus.x, x)


def test_states_do_not_depend_on_the_replicas(learner):
    """Seven stimuli, two at a time: r of layer 1 is that of all at once, to 1e-15, and layer 0 is none of it."""
    x = np.random.default_rng(0).uniform(size=(7, 3))
    states = learner.settle(x)
    assert set(states.variables) == {"r"}
    assert set(states.r) == {1}
    np.testing.assert_allclose(states.r[1], x @ learner.trainable.weights["W"][0].T, rtol=1e-13)
    np.testing.assert_array_equal(learner.predict(x), learner.settle(x, ("r",), seed=3).r[1])
    with pytest.raises(ParameterError, match="no variable 'u'; there are r"):
        learner.settle(x, ("r", "u"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_run_with_the_present_stimulus(learner, number):
    """A signal in the second of five presentations: two are presented; settling raises KeyboardInterrupt."""
    x, calls = np.ones((1, 3)), []

    def kill(moment, ends):
        calls.append(moment)
        if len(calls) == 2:
            os.kill(os.getpid(), number)

    learner.on_presentation.append(kill)
    learner.run(Stimulus(x) for _ in range(5))
    assert len(calls) == 2
    assert learner.interrupted
    calls.clear()
    with pytest.raises(KeyboardInterrupt):
        learner.settle(np.ones((9, 3)))
    learner.on_presentation.clear()
    learner.run([Stimulus(x)])
    assert not learner.interrupted


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda one: one.run([Stimulus(np.ones((1, 4)))]), StimulusError, r"must be \(n, 3\)"),
        (lambda one: one.run([Stimulus(np.ones((3, 3)))]), StimulusError, "takes 1 to 2"),
        (lambda one: one.run([Stimulus(np.ones((1, 3)), np.ones((1, 3)))]), StimulusError, r"must be \(1, 2\)"),
        (lambda one: one.run([np.ones((1, 3))]), StimulusError, "ndarray is no Stimulus"),
        (lambda one: one.settle(np.empty((0, 3))), StimulusError, "x has no stimuli"),
        (lambda one: one.settle(np.full((1, 3), np.nan)), StimulusError, "NaN"),
        (lambda one: StaticLearner(one.trainable, 0), ParameterError, "replicas = 0"),
        (lambda one: StaticLearner(one.trainable, dtype=np.int64), ParameterError, "float32 or float64"),
        (lambda one: StaticLearner(one.trainable, dtype=np.float32), ParameterError, "still in use"),
    ],
)
def test_wrong_calls_are_one_line(learner, call, error, words):
    """What does not fit is an error of this package, in one line."""
    with pytest.raises(error, match=words) as caught:
        call(learner)
    assert "\n" not in str(caught.value)


def test_a_learner_does_one_thing_at_a_time(learner):
    """Using it within its own run is refused; afterwards it serves again."""
    learner.on_presentation.append(lambda moment, ends: learner.predict(np.ones((1, 3))))
    with pytest.raises(ParameterError, match="presenting already"):
        learner.run([Stimulus(np.ones((1, 3)))])
    learner.on_presentation.clear()
    assert learner.predict(np.ones((1, 3))).shape == (1, 2)


def test_divergence_is_named(learner):
    """Weights that are not finite are named as activity or weights, whichever shows it first."""
    learner.trainable.weights["W"][0][:] = 1e308
    with pytest.raises(DivergenceError, match="activity is not finite"):
        learner.predict(np.ones((1, 3)))
    learner.trainable.weights["W"][0][:] = 0
    learner.trainable.plasticity[0].optimiser.m[:] = np.inf
    with pytest.raises(DivergenceError, match=r"weights W\[0\] are not finite"):
        learner.run([Stimulus(np.ones((1, 3)), np.ones((1, 2)), learn=True)])
