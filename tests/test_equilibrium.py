"""Equilibrium propagation: trajectories, the gradient that it follows, Euler's bound, and what it refuses."""

from dataclasses import replace

import numpy as np
import pytest
from golden_rules import golden_archive

from corinfomax.errors import ParameterError
from corinfomax.networks import EquilibriumPropagation, Progress
from corinfomax.parameters import model_of
from corinfomax.protocols.clockwork import Preparation, contrastive
from corinfomax.protocols.runs import Configuration


def archive(name):
    """One archive, and its circuit; biases are keyed by their layer, k + 1 in place of the archives' k."""
    golden = golden_archive(name)
    P = len(golden["architecture"]) - 1
    weights = {
        "W": {k: golden[f"init/W/{k}"] for k in range(P)},
        "b": {k + 1: golden[f"init/b/{k}"] for k in range(P)},
    }
    circuit = EquilibriumPropagation(golden["architecture"], learning_rate=golden["alpha_W"], weights=weights)
    return golden, circuit


def unsaturated(architecture, **changes):
    """A circuit whose rates stay inside (0, 1)."""
    rng = np.random.default_rng(3)
    shapes = list(zip(architecture[1:], architecture[:-1], strict=True))
    weights = {
        "W": {k: 0.25 * rng.standard_normal(shape) / np.sqrt(shape[1]) for k, shape in enumerate(shapes)},
        "b": {k: rng.uniform(0.4, 0.6, units) for k, units in enumerate(architecture) if k},
    }
    return EquilibriumPropagation(architecture, weights=weights, **changes)


def settled_loss(weights, x, y):
    """⟨‖s_P - y‖²⟩ over stimuli, of the free equilibrium without clips, by one linear system for all layers."""
    W, b, P = weights["W"], weights["b"], len(weights["W"])
    edges = np.cumsum([0, *(len(b[k]) for k in range(1, P + 1))])
    rows = {k: slice(edges[k - 1], edges[k]) for k in range(1, P + 1)}
    A = np.eye(edges[-1], dtype=complex)
    c = np.concatenate([np.broadcast_to(b[k], (len(x), len(b[k]))) for k in range(1, P + 1)], axis=1).astype(complex)
    c[:, rows[1]] += x @ W[0].T
    for k in range(1, P):
        A[rows[k + 1], rows[k]] -= W[k]
        A[rows[k], rows[k + 1]] -= W[k].T
    s = np.linalg.solve(A, c.T).T
    return ((s[:, rows[P]] - y) ** 2).sum() / len(x)


def gradient(weights, x, y, key, k):
    """∂⟨‖s_P - y‖²⟩ of every weight by complex steps: exact to round-off."""
    found = np.empty(weights[key][k].shape)
    for place in np.ndindex(found.shape):
        moved = weights[key][k].astype(complex)
        moved[place] += 1e-30j
        found[place] = settled_loss({**weights, key: {**weights[key], k: moved}}, x, y).imag / 1e-30
    return found


@pytest.mark.parametrize("name", ["ep_two_layer", "ep_three_layer"])
def test_trajectories_and_weights(name):
    """Rates of every step, and W and b after every minibatch, equal the golden archive to 1e-9."""
    golden, circuit = archive(name)
    P = circuit.output
    protocol = contrastive(
        free_steps=int(golden["free_steps"]),
        nudge_steps=int(golden["nudge_steps"]),
        step=float(golden["step"]),
        random_sign=False,
    )
    preparation = Preparation(circuit, replicas=len(golden["batch0/x"]), protocol=protocol)
    for batch, beta in enumerate(golden["betas"]):
        shown = preparation.present(golden[f"batch{batch}/x"], golden[f"batch{batch}/y"], beta=float(beta))
        for phase in ("free", "nudge"):
            for k in range(1, P + 1):
                theory = golden[f"batch{batch}/{phase}/s/{k}"]
                np.testing.assert_allclose(getattr(shown, phase).r[k], theory, rtol=0, atol=1e-9)
        for k in range(P):
            theory_W, theory_b = golden[f"after{batch}/W/{k}"], golden[f"after{batch}/b/{k}"]
            np.testing.assert_allclose(circuit.weights["W"][k], theory_W, rtol=0, atol=1e-9)
            np.testing.assert_allclose(circuit.weights["b"][k + 1], theory_b, rtol=0, atol=1e-9)


def test_descends_the_loss_as_beta_vanishes():
    """ΔW and Δb between settled phases at ±1e-4 are -∂⟨‖s_P - y‖²⟩, by complex steps of a linear system, to 4e-7."""
    circuit = unsaturated((5, 4, 4, 3), learning_rate=0.1)
    weights = {key: {k: array.copy() for k, array in arrays.items()} for key, arrays in circuit.weights.items()}
    rng = np.random.default_rng(0)
    x, y = rng.uniform(0.2, 0.8, (3, 5)), rng.uniform(0.2, 0.8, (3, 3))
    protocol = contrastive(free_steps=400, nudge_steps=400, three_phase=True, step=0.5)
    shown = Preparation(circuit, replicas=3, protocol=protocol).present(x, y, beta=1e-4)
    for r in shown.free.r.values():
        assert 0 < r[-1].min() < r[-1].max() < 1
    for key, k in circuit.targets:
        theory = -gradient(weights, x, y, key, k)
        found = circuit.changes[key, k].dense()
        assert np.linalg.norm(found - theory) < 4e-7 * np.linalg.norm(theory), (key, k)


def test_minibatch_is_a_mean_of_its_stimuli():
    """ΔW and Δb of three stimuli are the mean of each one's, with idle replicas beside, to 1e-15 (property)."""
    rng = np.random.default_rng(1)
    x, y = rng.uniform(size=(3, 5)), rng.uniform(size=(3, 3))
    protocol = contrastive(free_steps=20, nudge_steps=4, step=0.5)
    changes = {}
    for rows in ((0,), (1,), (2,), (0, 1, 2)):
        circuit = unsaturated((5, 4, 3), learning_rate=0.0)
        Preparation(circuit, replicas=4, protocol=protocol).present(x[list(rows)], y[list(rows)], beta=-1.0)
        changes[rows] = {target: circuit.changes[target].dense() for target in circuit.targets}
    for target, found in changes[0, 1, 2].items():
        theory = np.mean([changes[row,][target] for row in range(3)], axis=0)
        np.testing.assert_allclose(found, theory, rtol=0, atol=1e-15)


def test_biases_and_feedback_by_synapses():
    """Rates of every step and weights after two minibatches: BLAS products equal Brian2's Synapses to 1e-13."""
    rng = np.random.default_rng(1)
    protocol = contrastive(free_steps=6, nudge_steps=4, step=0.5)
    batches = [(rng.uniform(size=(2, 5)), rng.uniform(size=(2, 3))) for _ in range(2)]
    shown, circuits = {}, {}
    for pattern in ("dense", "synapses"):
        circuit = circuits[pattern] = EquilibriumPropagation(
            (5, 4, 4, 3), learning_rate=0.3, seed=2, projection=pattern, weights={"b": {1: [0.1, -0.2, 0.3, 0.0]}}
        )
        preparation = Preparation(circuit, replicas=2, protocol=protocol, target="numpy")
        shown[pattern] = [preparation.present(*batch) for batch in batches]
    for dense, synapses in zip(*shown.values(), strict=True):
        for phase in ("free", "nudge"):
            for k, theory in getattr(synapses, phase).r.items():
                np.testing.assert_allclose(getattr(dense, phase).r[k], theory, rtol=0, atol=1e-13)
    for key, k in circuits["dense"].targets:
        theory = circuits["synapses"].weights[key][k]
        np.testing.assert_allclose(circuits["dense"].weights[key][k], theory, rtol=0, atol=1e-13)


@pytest.mark.parametrize(("factor", "settles"), [(0.98, True), (1.02, False)])
def test_bound_of_the_euler_step(factor, settles):
    """A nudged output without feedforward input settles at (b + 2βy)/(1 + 2β) below η(1 + 2β) = 2, and not above."""
    weights = {"W": {0: np.zeros((1, 1)), 1: np.zeros((1, 1))}, "b": {2: [0.3]}}
    circuit = EquilibriumPropagation((1, 1, 1), weights=weights)
    protocol = contrastive(
        free_steps=1, nudge_steps=800, step=factor * circuit.step_bound(1.0), allow_unstable=not settles
    )
    shown = Preparation(circuit, protocol=protocol).present([0.5], [0.6], beta=1.0, learn=False)
    theory = (0.3 + 2 * 0.6) / 3
    error = np.abs(shown.nudge.r[2][-2:, 0, 0] - theory)
    assert (error < 1e-6).all() if settles else (error > 0.05).all()


def test_steps_beyond_the_bound_are_refused():
    """A step that is stable without the teacher and not with β = 1 is refused at the presentation, in one line."""
    circuit = EquilibriumPropagation((4, 3, 2))
    preparation = Preparation(circuit, protocol=contrastive(step=0.7))
    with pytest.raises(ParameterError, match=r"step = 0\.7 is beyond the stability bound 0\.667 .* beta = 1"):
        preparation.present(np.zeros(4), np.zeros(2), beta=1.0)
    with pytest.raises(ParameterError, match=r"step = 2 is beyond the stability bound 2 "):
        Preparation(circuit, protocol=contrastive(step=2.0))


def test_learning_rate_falls_by_epochs():
    """From epoch 2 on, learning_rate_factor = .5 every 2 epochs moves weights half as far as at first, to 1e-12."""
    x, y = np.full((1, 4), 0.4), np.array([[0.2, 0.9]])
    moved = []
    for epoch in (0, 1, 2, 4):
        circuit = EquilibriumPropagation((4, 3, 2), learning_rate=0.2, learning_rate_factor=0.5, learning_rate_every=2)
        before = circuit.weights["W"][1].copy()
        circuit.epoch = epoch
        Preparation(circuit, protocol=contrastive(step=0.5)).present(x, y)
        moved.append(circuit.weights["W"][1] - before)
    assert np.abs(moved[0]).max() > 1e-4
    for found, theory in zip(moved, (1, 1, 0.5, 0.25), strict=True):
        np.testing.assert_allclose(found, theory * moved[0], rtol=1e-9, atol=1e-15)


def test_initial_weights():
    """W fills ±√(6/(post + pre)) evenly, b is 0; the same seed gives the same weights, another others (property)."""
    circuit, same, other = (EquilibriumPropagation((60, 50, 40), seed=seed) for seed in (1, 1, 2))
    for k, W in circuit.weights["W"].items():
        bound = np.sqrt(6 / sum(W.shape))
        assert 0.99 * bound < np.abs(W).max() <= bound
        assert W.std() == pytest.approx(bound / np.sqrt(3), rel=0.05)
        np.testing.assert_array_equal(W, same.weights["W"][k])
        assert not np.array_equal(W, other.weights["W"][k])
    assert not any(b.any() for b in circuit.weights["b"].values())


def test_evaluation_takes_a_step_of_its_own():
    """predict with evaluation_step = .3 equals that many clipped Euler steps in NumPy, to 1e-12."""
    circuit = EquilibriumPropagation((4, 3, 2), weights={"b": {1: [0.2, 0.0, 0.1], 2: [0.1, 0.3]}})
    protocol = contrastive(free_steps=20, nudge_steps=4, step=0.5, evaluation_step=0.3)
    x = np.random.default_rng(0).uniform(size=(3, 4))
    W, b = circuit.weights["W"], circuit.weights["b"]
    h, o = np.zeros((3, 3)), np.zeros((3, 2))
    for _ in range(20):
        dh, do = -h + x @ W[0].T + b[1] + o @ W[1], -o + h @ W[1].T + b[2]
        h, o = np.clip(h + 0.3 * dh, 0, 1), np.clip(o + 0.3 * do, 0, 1)
    found = Preparation(circuit, replicas=2, protocol=protocol).predict(x)
    np.testing.assert_allclose(found, o, rtol=0, atol=1e-12)
    without = Preparation(circuit, replicas=2, protocol=replace(protocol, evaluation=None)).predict(x)
    assert np.abs(without - o).max() > 1e-6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"architecture": (4, 2)}, "architecture"),
        ({"learning_rate": [0.1, 0.2, 0.3]}, "learning_rate has 3 values; this architecture needs one number or 2"),
        ({"learning_rate_every": 0}, "learning_rate_every"),
        ({"weights": {"b": {0: np.zeros(4)}}}, r"unknown b\[0\]; this circuit has W\[0\], W\[1\], b\[1\], b\[2\]"),
        ({"beta": 1.0}, "unknown key 'beta'"),
    ],
)
def test_refusals(arguments, message):
    """What the constructor cannot take is refused in one line that names it."""
    with pytest.raises(ParameterError, match=message) as refused:
        EquilibriumPropagation(**{"architecture": (4, 3, 2), **arguments})
    assert "\n" not in str(refused.value)


def test_section_of_parameter_files():
    """The signature gives the keys and defaults of [circuit], MNIST's rates among them."""
    fields = model_of(EquilibriumPropagation, leave_out=("weights",)).model_fields
    assert {name: field.default for name, field in fields.items() if name != "architecture"} == {
        "learning_rate": [0.1, 0.05],
        "learning_rate_factor": 1.0,
        "learning_rate_every": 15,
        "tau": 10.0,
        "projection": "dense",
        "seed": 0,
    }


def test_weights_that_rest_have_no_change():
    """Frozen W and b stay, exactly, and their change is 0 in their own shape; the others move (property)."""
    circuit = EquilibriumPropagation((4, 3, 2))
    circuit.frozen = {("W", 1), ("b", 1)}
    before = circuit.state_dict()
    Preparation(circuit, protocol=contrastive(step=0.5)).present(np.full(4, 0.5), [0.0, 1.0])
    for key, k in circuit.targets:
        change, rests = circuit.changes[key, k].dense(), (key, k) in circuit.frozen
        assert change.shape == circuit.weights[key][k].shape
        assert change.any() != rests
        assert np.array_equal(circuit.weights[key][k], before[f"weights/{key}/{k}"]) == rests


@pytest.mark.parametrize("name", ["digits_ep"])
def test_presets(name):
    """A preset's sections make circuit and protocol, its step is within the bound at its β, and its rates fall."""
    configuration = Configuration.read(name)
    assert (configuration.model, configuration.form) == ("equilibrium", "contrastive")
    circuit, protocol = configuration.build_circuit(), configuration.build_protocol()
    protocol.check_stability(circuit, protocol.beta)
    assert (protocol.betas, [phase.steps for phase in protocol.phases]) == ((-1.0, 1.0), [20, 4])
    rates = circuit.plasticity[0].optimiser.learning_rate
    assert (rates(Progress(epoch=4)), rates(Progress(epoch=5))) == (0.8, 0.75 * 0.8)
