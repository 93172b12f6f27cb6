"""Optimisers: Adam against its definition written out entry by entry, and steps along the gradient."""

import math
import tracemalloc

import numpy as np
import pytest
from toys import Regressor

from corinfomax.errors import ParameterError
from corinfomax.networks import Adam, DenseChange, GradientStep, OuterProducts, Progress, Staircase

TARGET = ("W", 0)


def changes(shape, number, seed=0):
    """Weight changes of very different sizes, in both forms by turns."""
    rng = np.random.default_rng(seed)
    for n in range(number):
        if n % 2:
            yield DenseChange(rng.standard_normal(shape) * 10.0 ** rng.integers(-6, 3, shape))
        else:
            yield OuterProducts(rng.standard_normal((3, shape[0])), rng.standard_normal((3, shape[1])), scale=-0.3)


def by_definition(W, gradients, rates, beta_1, beta_2, epsilon):
    """Adam as published, one number at a time; returns weights and both moments."""
    W, m, v = W.copy(), np.zeros_like(W), np.zeros_like(W)
    for t, (g, rate) in enumerate(zip(gradients, rates, strict=True), start=1):
        for i in np.ndindex(W.shape):
            m[i] = beta_1 * m[i] + (1 - beta_1) * g[i]
            v[i] = beta_2 * v[i] + (1 - beta_2) * g[i] ** 2
            W[i] += rate * (m[i] / (1 - beta_1**t)) / (math.sqrt(v[i] / (1 - beta_2**t)) + epsilon)
    return W, m, v


@pytest.mark.parametrize(
    "settings", [(0.9, 0.999, 1e-8), (0.0, 0.5, 1e-3), (0.99, 0.9, 0.1)], ids=["default", "no mean", "large epsilon"]
)
@pytest.mark.parametrize("order", ["C", "F"])
def test_adam_by_its_definition(settings, order):
    """Weights and moments after 12 steps with a falling rate equal Kingma and Ba's equations written out, to 1e-12."""
    weights = {"W": {0: np.array(np.random.default_rng(1).standard_normal((4, 5)), order=order)}}
    schedule = Staircase(0.02, 0.5, 5, "presentations")
    adam = Adam(TARGET, (4, 5), schedule, *settings)
    moves = list(changes((4, 5), 12))
    rates = [0.02] * 5 + [0.01] * 5 + [0.005] * 2
    theory = by_definition(weights["W"][0], [move.dense() for move in moves], rates, *settings)
    for n, move in enumerate(moves):
        adam.step(weights, move, Progress(presentation=n))
    for found, expected in zip((weights["W"][0], adam.m, adam.v), theory, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-15)
    assert adam.t == 12


def test_adam_in_single_precision():
    """In float32 moments are float32 too, and weights follow the definition in float64 to 1e-6."""
    W = np.random.default_rng(1).standard_normal((4, 5))
    weights, adam = {"W": {0: np.asfortranarray(W, dtype="float32")}}, Adam(TARGET, (4, 5), 0.01)
    moves = list(changes((4, 5), 8))
    theory = by_definition(W, [move.dense() for move in moves], [0.01] * 8, 0.9, 0.999, 1e-8)[0]
    for move in moves:
        arrays = {name: value.astype("float32") for name, value in vars(move).items() if name != "scale"}
        scale = {"scale": move.scale} if isinstance(move, OuterProducts) else {}
        adam.step(weights, type(move)(**arrays, **scale), Progress())
    assert weights["W"][0].dtype == adam.m.dtype == adam.v.dtype == np.dtype("float32")
    np.testing.assert_allclose(weights["W"][0], theory, rtol=0, atol=1e-6)


def test_adam_needs_no_new_arrays():
    """From the second step on Adam asks for less memory than a twentieth of the weights, as tracemalloc counts it."""
    W = np.asfortranarray(np.ones((300, 400)), dtype="float32")
    weights, adam = {"W": {0: W}}, Adam(TARGET, W.shape, 0.01)
    rng = np.random.default_rng(0)
    post, pre = (np.asarray(rng.standard_normal((5, units)), "float32") for units in W.shape)
    adam.step(weights, OuterProducts(post, pre), Progress())
    tracemalloc.start()
    try:
        adam.step(weights, OuterProducts(post, pre), Progress())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < W.nbytes / 20


def test_adam_goes_on_from_its_state():
    """An Adam that takes up another's state moves the same weights by the same bits."""
    ones, others = ({"W": {0: np.ones((4, 5), order="F")}} for _ in range(2))
    adam, copy = Adam(TARGET, (4, 5), 0.01), Adam(TARGET, (4, 5), 0.01)
    moves = list(changes((4, 5), 6))
    for move in moves[:3]:
        adam.step(ones, move, Progress())
    copy.load_state_dict(adam.state_dict())
    others["W"][0][...] = ones["W"][0]
    for move in moves[3:]:
        adam.step(ones, move, Progress())
        copy.step(others, move, Progress())
    np.testing.assert_array_equal(ones["W"][0], others["W"][0])
    assert copy.state_dict()["t"] == 6


@pytest.mark.parametrize("restored", [False, True])
def test_state_is_a_copy(restored):
    """What state_dict gave stays as it was when Adam goes on, also when it has been restored from it."""
    weights, adam = {"W": {0: np.ones((4, 5), order="F")}}, Adam(TARGET, (4, 5), 0.01)
    first, second = changes((4, 5), 2)
    adam.step(weights, first, Progress())
    state = adam.state_dict()
    kept = {name: np.copy(value) for name, value in state.items()}
    if restored:
        adam.load_state_dict(state)
    adam.step(weights, second, Progress())
    for name, value in kept.items():
        np.testing.assert_array_equal(state[name], value)
    assert not np.array_equal(adam.m, kept["m"])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"beta_1": 1.0}, r"beta_1 = 1\.0: must be from 0 and below 1"),
        ({"beta_2": -0.1}, r"beta_2 = -0\.1: must be from 0 and below 1"),
        ({"epsilon": 0.0}, r"epsilon = 0\.0: must be above 0"),
    ],
)
def test_adam_refuses(settings, message):
    """Parameters for which the step is not defined are refused in one line."""
    with pytest.raises(ParameterError, match=message):
        Adam(TARGET, (4, 5), 0.01, **settings)


@pytest.mark.parametrize(
    ("name", "value"), [("t", -1), ("t", 0.5), ("m", np.zeros((3, 6), int)), ("v", np.zeros((3, 6), bool))]
)
def test_state_of_another_kind_is_refused(name, value):
    """Counts that are negative, or no whole numbers, and moments that are no real numbers: named, before any step."""
    learner = Regressor([6, 3])
    state = learner.state_dict() | {f"optimiser/W/0/{name}": np.asarray(value)}
    with pytest.raises(ParameterError, match=rf"^optimiser/W/0/{name} is .*must"):
        learner.load_state_dict(state)


def test_gradient_step_with_schedule_duration_and_decay():
    """W ← (1 - ηd·decay) W + ηd ΔW with the η of the moment and the duration d, to 1e-15."""
    W, move = np.random.default_rng(0).standard_normal((4, 5)), next(changes((4, 5), 1))
    weights = {"W": {0: np.asfortranarray(W)}}
    step = GradientStep(TARGET, Staircase(0.4, 0.5, 2), weight_decay=0.3)
    step.step(weights, move, Progress(epoch=3), duration=0.1)
    np.testing.assert_allclose(weights["W"][0], (1 - 0.02 * 0.3) * W + 0.02 * move.dense(), rtol=0, atol=1e-15)


def test_excitatory_weights_stay_at_zero():
    """Weights that a step would make negative are 0, the others as without the bound."""
    W, move = np.full((4, 5), 0.1), next(changes((4, 5), 1))
    weights = {"W": {0: np.asfortranarray(W)}}
    GradientStep(TARGET, 1.0, excitatory=True).step(weights, move, Progress())
    theory = np.maximum(W + move.dense(), 0)
    assert (theory == 0).any()
    np.testing.assert_allclose(weights["W"][0], theory, rtol=0, atol=1e-15)
