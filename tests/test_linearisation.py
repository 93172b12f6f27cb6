"""The circuit's linearisation against finite differences and against how fast activity settles."""

import numpy as np
import pytest

from corinfomax.errors import ParameterError
from corinfomax.models import HiddenPyramidal
from corinfomax.networks.linearisation import Linearisation
from corinfomax.protocols.clockwork import Preparation, contrastive

POLYTOPE = {"name": "polytope", "A": [[1, 1, 0, 0], [0, 1, 1, 2]], "b": [0.2, 0.4]}


def halves(circuit, active=lambda n: np.ones(n)):
    """Rates of ½ where a cell is to be active, and 0 elsewhere."""
    return {k: 0.5 * active(n) for k, n in enumerate(circuit.sizes) if k}


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
    rates = {k: np.clip(part, 0, 1) for k, part in enumerate(np.split(u, parts), start=1)}
    assert 0 < sum(((r > 0) & (r < 1)).sum() for r in rates.values()) < 12
    found = Linearisation(circuit, rates, beta=beta).jacobian() @ np.eye(12)
    np.testing.assert_allclose(found, theory, rtol=0, atol=1e-7)


#: What the circuit is, and how closely its settling is known: less so where the slowest mode oscillates.
SETTLING = {
    "normative": ({}, 1e-5),
    "authors": ({"convention": "authors"}, 1e-5),
    "leaky SST": ({"tau_SST": 4.0}, 1e-5),
    "leaky SST, sequential": ({"tau_SST": 4.0, "convention": "authors"}, 1e-5),
    "leaky dendrites": ({"tau_A": 4.0, "tau_B": 2.0, "tau_SST": 1.0}, 1e-4),
    "leaky dendrites, sequential": ({"tau_A": 4.0, "convention": "authors"}, 1e-4),
    "B_1": ({"domain": ["B_1", "B_inf_plus", "B_inf_plus"]}, 1e-5),
    "simplex": ({"domain": ["simplex", "B_1_plus", "simplex"]}, 5e-3),
    "polytope": ({"domain": ["B_inf_plus", POLYTOPE, "B_inf"]}, 5e-2),
    "slow": ({"domain": "B_1_plus", "constraints": "as_published", "tau_multiplier": 30.0}, 5e-3),
}


@pytest.mark.parametrize(("changes", "tolerance"), SETTLING.values(), ids=SETTLING)
def test_radius_is_the_rate_of_settling(unsaturated_circuit, minibatch, changes, tolerance):
    """Late in the free phase each step shrinks the distance from its end by the Euler radius, SST, multipliers and all.

    Tolerances are relative ones of the exponent.
    """
    circuit = unsaturated_circuit((6, 5, 4, 3), **changes)
    preparation = Preparation(circuit, protocol=contrastive(free_steps=2000))
    cells = [population for name, population in preparation.populations.items() if name != "stimulus"]
    potentials = []
    preparation.on_step.append(lambda _: potentials.append(np.concatenate([cell.read("u")[0] for cell in cells])))
    end = preparation.settle(minibatch(circuit, 1)[0])
    multipliers = {
        spec.layer: preparation.populations[spec.name].read("r")[0]
        for spec in circuit.populations
        if spec.name.startswith("multiplier")
    }
    state = Linearisation(circuit, {k: r[0] for k, r in end.r.items()}, multipliers)

    distance = np.linalg.norm(np.array(potentials) - potentials[-1], axis=1)
    late = np.flatnonzero(distance > 1e-9)[-1]
    found = np.log(distance[late] / distance[late // 2]) / (late - late // 2)
    assert np.log(state.euler_radius(0.05)) == pytest.approx(found, rel=tolerance)


def test_abscissa_is_the_radius_of_small_steps(unsaturated_circuit):
    """As η → 0 the Euler radius becomes 1 + ηa, a the spectral abscissa, to 1e-3 of a."""
    circuit = unsaturated_circuit((6, 5, 4, 3), domain=["B_inf_plus", "simplex", "B_inf_plus"], tau_SST=4.0)
    state = Linearisation(circuit, halves(circuit))
    assert (state.euler_radius(1e-5) - 1) / 1e-5 == pytest.approx(state.spectral_abscissa(), rel=1e-3)


def test_iterative_and_dense_eigenvalues_agree(monkeypatch, saturating_circuit):
    """Abscissa and Euler radius by Arnoldi iteration equal those of the whole spectrum to 1e-5."""
    circuit = saturating_circuit((20, 90, 80, 10))
    state = Linearisation(circuit, halves(circuit, lambda n: np.arange(n) % 3 > 0))
    dense = state.spectral_abscissa(), state.euler_radius(0.1)
    monkeypatch.setattr("corinfomax.networks.linearisation._DENSE", 0)
    found = state.spectral_abscissa(), state.euler_radius(0.1)
    np.testing.assert_allclose(found, dense, rtol=1e-5)


def test_euler_radius_meets_the_step_bound(unsaturated_circuit):
    """Without loops Euler's scheme becomes unstable at the circuit's own step bound, to 1e-6."""
    circuit = unsaturated_circuit((6, 5, 3), epsilon=0.15)
    state = Linearisation(circuit, halves(circuit, np.zeros))
    assert state.euler_radius(circuit.step_bound(0.0)) == pytest.approx(1.0, abs=1e-6)


def test_custom_cells_are_refused(unsaturated_circuit):
    """A circuit with a cell whose equations the linearisation does not know is refused by the population's name."""

    class Custom(HiddenPyramidal):
        pass

    circuit = unsaturated_circuit((6, 5, 3))
    circuit.exchange_cell("layer_1", Custom)
    with pytest.raises(ParameterError, match="layer_1: the linearisation does not know cells of Custom"):
        Linearisation(circuit, halves(circuit))
