"""Presets against the published hyperparameters (bold rows of A2, A3 and the two-hidden-layer circuits)."""

import numpy as np
import pytest

from corinfomax.protocols.runs import Configuration

DROP_15 = [(0, 0.95), (15, 0.9)]
#: preset: architecture, rates ff, rates fb, decay, g_lk, λ, η₀, step rule, free and nudge steps, η_λ or None
PUBLISHED = {
    "mnist": ([784, 500, 10], [1, 0.7], [0.15], DROP_15, 0.5, 0.99999, 0.05, "constant", 30, 10, None),
    "mnist_3layer": (
        [784, 500, 500, 10], [1.1, 0.75, 0.6], [0.17, 0.07], DROP_15, 0.5, 0.99999, 0.05, "constant", 30, 10, None,
    ),
    "fashion_mnist": (
        [784, 500, 10], [0.3, 0.22], [0.07], [(0, 0.95), (20, 0.9), (25, 0.8)], 0.3, 0.99999, 0.07,
        "divide_by_slow_loop_index", 30, 10, None,
    ),
    "cifar10": ([3072, 1000, 10], [0.08, 0.04], [0.04], DROP_15, 0.1, 0.99995, 0.05, "constant", 30, 10, None),
    "cifar10_3layer": (
        [3072, 1000, 500, 10], [0.11, 0.06, 0.035], [0.045, 0.015], DROP_15, 0.1, 0.99999, 0.05, "constant", 30, 10,
        None,
    ),
    "cifar100": (
        [3072, 2000, 1000, 100], [0.18, 0.15, 0.09], [0.08, 0.06], [(0, 0.99), (20, 0.9)], 0.1, 0.99999, 0.06,
        "constant", 50, 20, None,
    ),
    "sparse_mnist": (
        [784, 500, 10], [1, 0.7], [0.12], DROP_15, 0.5, 0.99999, 0.05, "constant", 20, 4, [1e-6, 0.01],
    ),
    "sparse_fashion_mnist": (
        [784, 500, 10], [0.35, 0.23], [0.06], [(0, 0.95), (11, 0.9)], 0.2, 0.99999, 0.045,
        "divide_by_slow_loop_index", 20, 10, [1e-6, 0.01],
    ),
    "sparse_cifar10": (
        [3072, 1000, 10], [0.095, 0.075], [0.05], DROP_15, 0.1, 0.99999, 0.025, "divide_by_slow_loop_index", 30, 10,
        [1e-5, 0.01],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_preset_has_the_published_values(name):
    """Architecture, rates, decay, g_lk, ε, λ, β, steps, step rule, batch and multiplier steps are those of A1-A3."""
    configuration = Configuration.read(name)
    circuit, protocol, training = configuration.circuit, configuration.protocol, configuration.training
    architecture, ff, fb, decay, g_leak, forgetting, step, rule, free, nudge, eta = PUBLISHED[name]
    assert (list(circuit.architecture), circuit.learning_rate_ff, circuit.learning_rate_fb) == (architecture, ff, fb)
    assert [tuple(piece) for piece in circuit.learning_rate_decay] == decay
    assert (circuit.g_leak, circuit.forgetting, circuit.epsilon) == (g_leak, forgetting, 0.15)
    assert (protocol.step, protocol.step_rule) == (step, rule)
    assert (protocol.free_steps, protocol.nudge_steps) == (free, nudge)
    assert (protocol.beta, protocol.random_sign, training.batch_size, training.epochs) == (1, True, 20, 50)
    if eta is None:
        assert circuit.domain == "B_inf_plus"
        return
    assert (circuit.domain, circuit.constraints) == ("B_1_plus", "as_published")
    small = {"circuit": {**circuit.model_dump(exclude_none=True), "architecture": [6, 4, 3]}}
    cells = {spec.name: spec.cell for spec in Configuration(small).build_circuit().populations}
    found = [step * 10e-3 / float(cells[f"multiplier_{k}"].values["tau_lambda"]) for k in (1, 2)]
    np.testing.assert_allclose(found, eta, rtol=1e-12)
