"""Inputs that fade in within a phase."""

from dataclasses import replace

import numpy as np
import pytest

from corinfomax.errors import ParameterError
from corinfomax.networks import CorInfoMax
from corinfomax.protocols.clockwork import Phase, Preparation, Protocol, oscillating
from corinfomax.stimuli import Stimulus

FADE, STEPS = 8, 12


def shown(reset="carry", signal="rates", steps=STEPS):
    """Layer 0's r and layer 1's v_B, (steps, 2, cells), of two presentations that fade in, and W_ff and stimuli."""
    settings = {"tau_ref": 0} if signal == "spikes" else {}
    circuit = CorInfoMax([5, 4, 3], signal=signal, seed=1, **settings)
    protocol = Protocol([Phase("run", steps, fade=FADE)], reset=reset)
    preparation = Preparation(circuit, 3, protocol=protocol, dtype="float64")
    x = np.random.default_rng(0).uniform(size=(2, 2, 5))
    r, v = [], []
    preparation.on_step.append(lambda moment: r.append(moment.layer(0).view("r").copy()))
    preparation.on_step.append(lambda moment: v.append(moment.layer(1).read("v_B")))
    preparation.run([Stimulus(each) for each in x], progress=False)
    return np.array(r).reshape(2, steps, 3, 5), np.array(v).reshape(2, steps, 3, 4), circuit.weights["W_ff"][0], x


@pytest.mark.parametrize("signal", ["rates", "spikes"])
@pytest.mark.parametrize("reset", ["carry", "rest"])
def test_an_input_crosses_in_equal_steps(reset, signal):
    """Oracle: x(i) = a + (b - a) min((i + 1)/fade, 1), a what was shown before, or nothing, by hand; to 1e-15."""
    r, _, _, x = shown(reset, signal)
    part = np.minimum((np.arange(STEPS) + 1) / FADE, 1)[:, None, None]
    for n, begun in enumerate((np.zeros_like(x[0]), x[0] if reset == "carry" else np.zeros_like(x[0]))):
        np.testing.assert_allclose(r[n, :, :2], begun + part * (x[n] - begun), rtol=0, atol=1e-15)
    assert not r[:, :, 2].any()


def test_drives_follow_an_input_that_fades_in():
    """Oracle: v_B = W_ff x(i) by NumPy in each step; what is recorded of a step is what the next one integrates."""
    r, v, W, _ = shown()
    np.testing.assert_allclose(v, r @ W.T, rtol=0, atol=1e-12)


def test_rules_see_what_fades_in():
    """Oracle: ΔW_ff of a presentation by hand, from recorded r of layers 0, which fades in, and 1; to 1e-12."""
    x, y = np.random.default_rng(0).uniform(size=(3, 5)), np.eye(3)
    circuit = CorInfoMax([5, 4, 3], contrast="oscillation", gate_lag=2, seed=1)
    protocol = oscillating(settle_steps=0, cycle_steps=40)
    protocol = replace(protocol, phases=[replace(protocol.phases[0], fade=20)])
    preparation = Preparation(circuit, 3, protocol=protocol, dtype="float64")
    W, seen = circuit.weights["W_ff"][0].copy(), []
    preparation.on_step.append(lambda moment: seen.append([moment.layer(k).read("r") for k in (0, 1)]))
    preparation.run([Stimulus(x, y, 0.7, learn=True)], progress=False)
    gate = np.sin(2 * np.pi * (np.arange(1, 41) - 2) / 40) / 20
    (m, Q), (p, P) = [
        (np.mean([each[k] for each in seen], axis=0), np.tensordot(gate, [each[k] for each in seen], 1)) for k in (0, 1)
    ]
    theory = ((P - Q @ W.T).T @ m + (p - m @ W.T).T @ Q) / (3 * 0.7)
    np.testing.assert_allclose(circuit.changes["W_ff", 0].dense(), theory, rtol=0, atol=1e-12)
    assert np.abs(Q).max() > 0.01


def test_fading_in_at_once_is_none():
    """A fade of one step is what there is without, bit by bit."""
    found = []
    for fade in (0, 1):
        protocol = Protocol([Phase("run", STEPS, fade=fade)], reset="carry")
        preparation = Preparation(CorInfoMax([5, 4, 3], seed=1), protocol=protocol, dtype="float64")
        x = np.random.default_rng(0).uniform(size=(2, 1, 5))
        preparation.run([Stimulus(each) for each in x], progress=False)
        found.append(preparation.state_dict())
    for name, value in found[0].items():
        np.testing.assert_array_equal(value, found[1][name])


@pytest.mark.parametrize("fade", [-1, 13, 2.5, True])
def test_a_fade_that_cannot_be(fade):
    """One line with the bound."""
    with pytest.raises(ParameterError, match="fade"):
        Phase("run", STEPS, fade=fade)
