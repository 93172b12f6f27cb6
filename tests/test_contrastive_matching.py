"""Contrastive similarity matching: trajectories, what M comes to, Euler's bound, and what is refused."""

import numpy as np
import pytest
from golden_rules import golden_rule

from corinfomax.errors import ParameterError
from corinfomax.networks import ContrastiveSimilarityMatching, EquilibriumPropagation
from corinfomax.protocols.clockwork import Preparation, contrastive
from corinfomax.protocols.runs import Configuration


def archive(name):
    """One archive, and its circuit."""
    golden = golden_rule(name)
    weights = {f"{key}/{k}": array for (key, k), array in golden.weights("init").items()}
    circuit = ContrastiveSimilarityMatching(
        golden["architecture"],
        learning_rate=list(golden["alpha_W"]),
        learning_rate_lateral=golden["alpha_M"],
        weights=weights,
    )
    return golden, circuit


@pytest.mark.parametrize("name", ["csm", "csm_repository"])
def test_trajectories_and_weights(name):
    """Rates of every step, and W, b and M after every minibatch, equal the golden archive to 1e-9; M is symmetric."""
    golden, circuit = archive(name)
    protocol = contrastive(
        free_steps=golden["free_steps"],
        nudge_steps=golden["nudge_steps"],
        step=golden["step"],
        allow_unstable=True,
    )
    preparation = Preparation(circuit, replicas=len(golden["batch0/x"]), protocol=protocol)
    for batch, beta in enumerate(golden["betas"]):
        shown = preparation.present(golden[f"batch{batch}/x"], golden[f"batch{batch}/y"], beta=float(beta))
        for phase in ("free", "nudge"):
            for k, theory in golden.layers(f"batch{batch}/{phase}/s").items():
                np.testing.assert_allclose(getattr(shown, phase).r[k], theory, rtol=0, atol=1e-9)
        for (key, k), theory in golden.weights(f"after{batch}").items():
            np.testing.assert_allclose(circuit.weights[key][k], theory, rtol=0, atol=1e-9, err_msg=f"{key}[{k}]")
    for M in circuit.weights["M"].values():
        np.testing.assert_array_equal(M, M.T)


def test_initial_lateral_weights():
    """M_k = W_{k-1} W_{k-1}ᵀ at first, of the user's W, too, exactly symmetric (definition)."""
    W = np.random.default_rng(0).standard_normal((5, 6))
    circuit = ContrastiveSimilarityMatching((6, 5, 4, 3), learning_rate=0.1, weights={"W": {0: W}})
    for k, M in circuit.weights["M"].items():
        below = circuit.weights["W"][k - 1]
        np.testing.assert_allclose(M, below @ below.T, rtol=0, atol=1e-14)
        np.testing.assert_array_equal(M, M.T)
    assert list(circuit.weights["M"]) == [1, 2]
    plain = EquilibriumPropagation((6, 5, 4, 3), learning_rate=0.1, weights={"W": {0: W}})
    np.testing.assert_array_equal(circuit.weights["W"][2], plain.weights["W"][2])


@pytest.mark.parametrize("sign", [1, -1])
def test_lateral_weights_become_the_correlation(sign):
    """At fixed W, M comes to sign(β)⟨s sᵀ⟩ of the nudged phase, 2e-4 after 100 updates of .2 (theory: fixed point)."""
    rng = np.random.default_rng(2)
    circuit = ContrastiveSimilarityMatching((6, 5, 3), learning_rate=0.0, learning_rate_lateral=0.2, seed=1)
    protocol = contrastive(free_steps=40, nudge_steps=10, step=0.2, allow_unstable=True)
    x, y = rng.uniform(size=(8, 6)), rng.uniform(size=(8, 3))
    preparation = Preparation(circuit, replicas=8, protocol=protocol)
    for _ in range(100):
        shown = preparation.present(x, y, beta=float(sign))
    s = shown.nudge.r[1][-1]
    assert np.abs(circuit.weights["M"][1] - sign * s.T @ s / len(x)).max() < 2e-4
    assert np.abs(s.T @ s / len(x)).max() > 0.05


def test_without_lateral_weights_it_is_equilibrium_propagation():
    """With M = 0 that stays, three minibatches move W and b as `EquilibriumPropagation` does, to 1e-14."""
    rng = np.random.default_rng(3)
    competing = ContrastiveSimilarityMatching(
        (6, 5, 4, 3), learning_rate=0.3, learning_rate_lateral=0.0,
        weights={"M": {1: np.zeros((5, 5)), 2: np.zeros((4, 4))}},
    )  # fmt: skip
    plain = EquilibriumPropagation((6, 5, 4, 3), learning_rate=0.3)
    protocol = contrastive(free_steps=20, nudge_steps=4, step=0.5)
    preparations = [Preparation(circuit, replicas=4, protocol=protocol) for circuit in (competing, plain)]
    for beta in (1.0, -1.0, 1.0):
        x, y = rng.uniform(size=(4, 6)), rng.uniform(size=(4, 3))
        for preparation in preparations:
            preparation.present(x, y, beta=beta)
    for key, k in plain.targets:
        np.testing.assert_allclose(competing.weights[key][k], plain.weights[key][k], rtol=0, atol=1e-14)


@pytest.mark.parametrize(("factor", "settles"), [(0.98, True), (1.02, False)])
def test_bound_of_the_euler_step(factor, settles):
    """A hidden cell with M = 3 and input b settles at b/4 below η(1 + M) = 2, and not above (theory)."""
    weights = {"W": {0: [[0.0]], 1: [[0.0]]}, "b": {1: [0.8]}, "M": {1: [[3.0]]}}
    circuit = ContrastiveSimilarityMatching((1, 1, 1), weights=weights)
    assert circuit.step_bound(0.0) == pytest.approx(0.5)
    protocol = contrastive(free_steps=800, step=factor * circuit.step_bound(1.0), allow_unstable=not settles)
    shown = Preparation(circuit, protocol=protocol).present([0.5], [0.6], learn=False)
    error = np.abs(shown.free.r[1][-2:, 0, 0] - 0.2)
    assert (error < 1e-6).all() if settles else (error > 0.01).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"architecture": (4, 2)}, "architecture"),
        ({"learning_rate": [0.1]}, "learning_rate has 1 values; this architecture needs one number or 2"),
        ({"learning_rate_lateral": -0.01}, "learning_rate_lateral"),
        ({"weights": {"M": {1: np.arange(9.0).reshape(3, 3)}}}, r"M\[1\] is not symmetric"),
        ({"weights": {"M": {2: np.eye(2)}}}, r"unknown M\[2\]; this circuit has W\[0\]"),
    ],
)
def test_refusals(arguments, message):
    """What the constructor cannot take is refused in one line that names it."""
    with pytest.raises(ParameterError, match=message) as refused:
        ContrastiveSimilarityMatching(**{"architecture": (4, 3, 2), **arguments})
    assert "\n" not in str(refused.value)


def test_published_step_begins_beyond_the_bound():
    """The published step of .5 is refused, for M₀ is too stiff for it; allow_unstable lets it (theory: the bound)."""
    configuration = Configuration.read("digits_csm")
    circuit, protocol = configuration.build_circuit(), configuration.build_protocol()
    assert circuit.step_bound(protocol.beta) < 0.5
    protocol.check_stability(circuit, protocol.beta)
    refusing = Configuration.read("digits_csm", ["allow_unstable=false"]).build_protocol()
    with pytest.raises(ParameterError, match=r"step = 0\.5 is beyond the stability bound 0\.4"):
        refusing.check_stability(circuit, 1.0)
