"""Predictive coding, clamped and nudged: trajectories, the gradient that nudging follows, and what is refused."""

import numpy as np
import pytest
from golden_rules import golden_rule

from corinfomax.errors import ParameterError, StimulusError
from corinfomax.networks import Adam, NudgedPredictiveCoding, PredictiveCoding
from corinfomax.networks.feedforward import backward_pass, forward_pass
from corinfomax.protocols.clockwork import Phase, Preparation, Protocol, clamped, nudged


def nested(weights):
    """Weights by (key, k) as weights by key and k."""
    return {key: {k: array for (name, k), array in weights.items() if name == key} for key, _ in weights}


def assert_equal(found, theory, tolerance=1e-9, what=""):
    np.testing.assert_allclose(found, theory, rtol=0, atol=tolerance, err_msg=what)


def archive(name):
    """One archive, and a preparation of its circuit."""
    golden = golden_rule(name)
    if name == "pc":
        scale = {"target_scale": golden["target_scale"], "target_offset": golden["target_offset"]}
        circuit = PredictiveCoding(
            golden["architecture"], learning_rate=golden["lr"], weights=nested(golden.weights("init")), **scale
        )
        protocol = clamped(steps=golden["steps"], step=golden["dt"])
    else:
        circuit = NudgedPredictiveCoding(
            golden["architecture"], learning_rate=golden["lr"], weights=nested(golden.weights("init"))
        )
        protocol = nudged(steps=golden["steps"], step=golden["dt"])
    return golden, Preparation(circuit, replicas=len(golden["batch0/x"]), protocol=protocol)


@pytest.mark.parametrize(("name", "phase"), [("pc", "relax"), ("pcnudge", "nudge")])
def test_trajectories_and_weights(name, phase):
    """Potentials of every step, errors at the end, and all weights equal the golden archive to 1e-9."""
    golden, preparation = archive(name)
    circuit, ends = preparation.circuit, []
    preparation.on_presentation.append(lambda moment, found: ends.append(found))
    for batch in range(golden.minibatches):
        beta = float(golden["lambdas"][batch]) if name == "pcnudge" else 1.0
        shown = preparation.present(golden[f"batch{batch}/x"], golden[f"batch{batch}/y"], beta=beta)
        for k in range(1, circuit.output + 1):
            assert_equal(shown.forward.u[k][-1], golden.layers(f"batch{batch}/forward/r")[k])
            assert_equal(getattr(shown, phase).u[k], golden.layers(f"batch{batch}/relax/r")[k])
            assert_equal(ends[batch][phase].e[k], golden.layers(f"batch{batch}/e")[k])
        for (key, k), theory in golden.weights(f"after{batch}").items():
            assert_equal(circuit.weights[key][k], theory, what=f"{key}[{k}] after minibatch {batch}")
        for moment in ("m", "v") if name == "pc" else ():
            for plasticity in circuit.plasticity:
                assert isinstance(plasticity.optimiser, Adam)
                key, k = plasticity.target
                theory = golden.layers(f"after{batch}/adam_{moment}/{key}")[k - (key == "b")]
                sign = -1 if moment == "m" else 1  # ours goes along ΔW, the archive's against the gradient
                assert_equal(getattr(plasticity.optimiser, moment), sign * theory)


def test_prediction_is_the_forward_pass():
    """Without a teacher nothing moves: errors are exactly 0, and the output is that of a forward pass (property)."""
    rng = np.random.default_rng(0)
    x = rng.uniform(size=(3, 6))
    for circuit, protocol in (
        (PredictiveCoding((6, 5, 4, 3), seed=1), clamped(steps=20)),
        (NudgedPredictiveCoding((6, 5, 4, 3), seed=1), nudged(steps=20)),
    ):
        preparation = Preparation(circuit, replicas=3, protocol=protocol)
        settled = preparation.settle(x, ("u",))
        errors = [preparation.populations[f"error_{k}"].read("error") for k in (1, 2, 3)]
        assert max(np.abs(e).max() for e in errors) < 1e-15
        u = forward_pass(x, circuit.weights["W"], circuit.weights["b"])[3]
        if isinstance(circuit, NudgedPredictiveCoding):
            assert_equal(settled.u[3], u, 1e-14)


@pytest.mark.parametrize(("strength", "tolerance"), [(1e-3, 1.5e-3), (1e-6, 1.5e-6)])
def test_nudged_errors_are_those_of_backpropagation(strength, tolerance):
    """Settled, e_k/λ is minus the backpropagated error of ½‖u_P - y‖², to O(λ): by `backward_pass`."""
    circuit = NudgedPredictiveCoding((6, 5, 4, 3), seed=3)
    rng = np.random.default_rng(1)
    x, y = rng.uniform(size=(4, 6)), rng.uniform(size=(4, 3))
    h = forward_pass(x, circuit.weights["W"], circuit.weights["b"])
    theory = backward_pass(h[3] - y, h, {k: circuit.weights["W"][k].T for k in (1, 2)})
    preparation = Preparation(circuit, replicas=4, protocol=nudged(steps=1500, step=0.1))
    ends = []
    preparation.on_presentation.append(lambda moment, found: ends.append(found["nudge"]))
    for sign in (1, -1):
        preparation.present(x, y, beta=sign * strength, learn=False)
        for k in (1, 2, 3):
            error = np.linalg.norm(ends[-1].e[k] / (sign * strength) + theory[k])
            assert error < tolerance * np.linalg.norm(theory[k]), (sign, k, error / np.linalg.norm(theory[k]))


def test_clamp_stays_through_the_phase():
    """The clamped output is ln(t/(1 - t)), t = .94 y + .03, in every step, while hidden values move (definition)."""
    circuit = PredictiveCoding((4, 3, 2), seed=0)
    preparation = Preparation(circuit, replicas=3, protocol=clamped(steps=7))
    y = np.array([[0.0, 1.0], [0.5, 0.2]])
    shown = preparation.present(np.full((2, 4), 0.3), y, learn=False)
    t = 0.94 * y + 0.03
    assert_equal(shown.relax.u[2], np.broadcast_to(np.log(t / (1 - t)), (7, 2, 2)), 1e-14)
    assert_equal(shown.relax.r[2], np.broadcast_to(t, (7, 2, 2)), 1e-14)
    assert np.abs(shown.relax.u[1][-1] - shown.forward.u[1][-1]).max() > 1e-3


def test_idle_replicas_are_not_clamped():
    """Targets that reach, where y = 0 would not: a minibatch beside idle replicas ends as one alone (property)."""
    rng = np.random.default_rng(4)
    x, y = rng.uniform(size=(3, 6)), np.full((3, 2), 0.6)
    ends = []
    for replicas in (3, 5):
        circuit = PredictiveCoding((6, 4, 2), seed=2, target_scale=0.5, target_offset=-0.1)
        shown = Preparation(circuit, replicas=replicas, protocol=clamped(steps=9)).present(x, y)
        ends.append((shown.relax.u[1][-1], circuit.weights["W"][0]))
    for alone, beside in zip(*ends, strict=True):
        assert_equal(beside, alone, 1e-14)


def test_values_begin_anew_with_another_input():
    """When the stimulus comes on after darkness, values are its forward pass at once, by `forward_pass` (theory)."""
    circuit = NudgedPredictiveCoding((6, 5, 3), seed=1)
    phases = [Phase("dark", 3, input="none"), Phase("forward", 1), Phase("nudge", 2, beta=1.0)]
    protocol = Protocol(phases, minus="", step=0.1)
    x = np.random.default_rng(2).uniform(size=(2, 6))
    shown = Preparation(circuit, replicas=2, protocol=protocol).present(x, np.zeros((2, 3)), learn=False)
    h = forward_pass(x, circuit.weights["W"], circuit.weights["b"])
    assert_equal(shown.forward.u[2][-1], h[2], 1e-14)
    assert_equal(np.maximum(shown.forward.u[1][-1], 0), h[1], 1e-14)


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (lambda: nudged(beta=0.0), ParameterError, "beta = 0.*should not be 0"),
        (lambda: nudged(steps=0), ParameterError, "steps"),
        (lambda: PredictiveCoding((4, 3, 2), learning_rate_factor=1.5), ParameterError, "learning_rate_factor"),
        (
            lambda: Preparation(PredictiveCoding((4, 3, 2)), protocol=clamped(step=2.0)),
            ParameterError,
            r"step = 2 is beyond the stability bound 2 ",
        ),
        (
            lambda: Preparation(NudgedPredictiveCoding((4, 3, 2)), protocol=nudged()).present(
                np.zeros(4), np.zeros(2), beta=0.0
            ),
            ParameterError,
            "β",
        ),
        (
            lambda: Preparation(PredictiveCoding((4, 3, 2)), protocol=clamped()).present(np.zeros(4), [0.0, 1.2]),
            StimulusError,
            r"targets from 0 to 1\.2 would be clamped at rates from 0\.03 to 1\.158 .* between 0 and 1 only",
        ),
        (
            lambda: Preparation(PredictiveCoding((4, 3, 2)), protocol=nudged()).present(np.zeros(4), [0.0, 1.0]),
            ParameterError,
            r"rule of W\[0\]: reads a phase 'relax' that the protocol lacks; has forward, nudge",
        ),
    ],
)
def test_refusals(build, error, message):
    """What cannot be run is refused in one line that names it."""
    with pytest.raises(error, match=message) as refused:
        build()
    assert "\n" not in str(refused.value)
