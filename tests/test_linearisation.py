"""The circuit's linearisation against finite differences and against how fast activity settles."""

import numpy as np
import pytest

from corinfomax.networks.linearisation import euler_radius, jacobian, spectral_abscissa
from corinfomax.protocols.clockwork import Preparation, contrastive


@pytest.mark.parametrize("beta", [0.0, 0.7])
@pytest.mark.parametrize("convention", ["normative", "printed", "authors"])
def test_jacobian(saturating_circuit, layer_derivative, convention, beta):
    """Jacobian of all layers, some cells saturated, equals central differences of eqs 14, 15 to 1e-7."""
    circuit = saturating_circuit((6, 5, 4, 3), convention=convention, entropy_gain=3.0)
    rng = np.random.default_rng(0)
    u = rng.uniform(-0.5, 1.5, 12)
    parts = np.cumsum((5, 4))
    x, y = rng.uniform(size=(1, 6)), rng.uniform(size=(1, 3))

    def F(u):
        layers = dict(enumerate([x, *(part[None] for part in np.split(u, parts))]))
        rates = {k: np.clip(layer, 0, 1) if k else x for k, layer in layers.items()}
        return np.concatenate([layer_derivative(circuit, k, layers, rates, y, beta)[0] for k in (1, 2, 3)])

    d = 1e-6
    theory = np.transpose([(F(u + d * e) - F(u - d * e)) / (2 * d) for e in np.eye(12)])
    active = {k: (part > 0) & (part < 1) for k, part in enumerate(np.split(u, parts), start=1)}
    assert 0 < sum(cells.sum() for cells in active.values()) < 12
    np.testing.assert_allclose(jacobian(circuit, active, beta) @ np.eye(12), theory, rtol=0, atol=1e-7)


def test_abscissa_is_the_rate_of_settling(unsaturated_circuit, minibatch):
    """Late in the free phase the residual falls by 1 + ηa a step, a the spectral abscissa, to 1e-3 of the exponent."""
    circuit = unsaturated_circuit((6, 5, 4, 3))
    x, _ = minibatch(circuit)
    residual = {}
    for steps in (150, 200):
        states = Preparation(circuit, replicas=2, protocol=contrastive(free_steps=steps)).settle(x)
        residual[steps] = max(np.abs(I).max() for I in states.I_net.values())
    active = {k: np.ones(n) for k, n in enumerate(circuit.sizes) if k}
    found = np.log(residual[200] / residual[150]) / 50
    assert np.log1p(0.05 * spectral_abscissa(circuit, active)) == pytest.approx(found, rel=1e-3)


def test_iterative_and_dense_eigenvalues_agree(monkeypatch, saturating_circuit):
    """Abscissa and Euler radius by Arnoldi iteration equal those of the whole spectrum to 1e-5."""
    circuit = saturating_circuit((20, 90, 80, 10))
    active = {k: np.arange(n) % 3 > 0 for k, n in enumerate(circuit.sizes) if k}
    dense = spectral_abscissa(circuit, active), euler_radius(circuit, active, 0.1)
    monkeypatch.setattr("corinfomax.networks.linearisation._DENSE", 0)
    found = spectral_abscissa(circuit, active), euler_radius(circuit, active, 0.1)
    np.testing.assert_allclose(found, dense, rtol=1e-5)


def test_euler_radius_meets_the_step_bound(unsaturated_circuit):
    """Without loops Euler's scheme becomes unstable at the circuit's own step bound, to 1e-6."""
    circuit = unsaturated_circuit((6, 5, 3), epsilon=0.15)
    inactive = {k: np.zeros(n) for k, n in enumerate(circuit.sizes) if k}
    assert euler_radius(circuit, inactive, circuit.step_bound(0.0)) == pytest.approx(1.0, abs=1e-6)
