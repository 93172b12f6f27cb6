"""The linearisation of mounted circuits against one written by hand, and against how fast activity settles."""

import numpy as np
import pytest
from handwritten_linearisation import HandwrittenLinearisation

from corinfomax.errors import ParameterError
from corinfomax.models import HiddenPyramidal, Parameter
from corinfomax.protocols.clockwork import Preparation, contrastive
from corinfomax.protocols.clockwork.linearisation import Linearisation

POLYTOPE = {"name": "polytope", "A": [[1, 1, 0, 0], [0, 1, 1, 2]], "b": [0.2, 0.4]}

#: What the circuit is, and how closely its settling is known: less so where the slowest mode oscillates.
CIRCUITS = {
    "normative": ({}, 1e-5),
    "authors": ({"convention": "authors"}, 1e-5),
    "leaky SST": ({"tau_SST": 4.0}, 1e-5),
    "leaky SST, sequential": ({"tau_SST": 4.0, "convention": "authors"}, 1e-5),
    "leaky dendrites": ({"tau_A": 4.0, "tau_B": 2.0, "tau_SST": 1.0}, 1e-4),
    "leaky dendrites, sequential": ({"tau_A": 4.0, "convention": "authors"}, 1e-4),
    "B_1": ({"domain": ["B_1", "B_inf_plus", "B_inf_plus"]}, 1e-5),
    "B_1, sequential": ({"domain": ["B_1", "B_inf_plus", "B_inf_plus"], "convention": "authors"}, 1e-5),
    "simplex": ({"domain": ["simplex", "B_1_plus", "simplex"]}, 5e-3),
    "polytope": ({"domain": ["B_inf_plus", POLYTOPE, "B_inf"]}, 5e-2),
    "slow": ({"domain": "B_1_plus", "constraints": "as_published", "tau_multiplier": 30.0}, 5e-3),
}

#: Circuits that have settled, by their parameters: several tests look at the same.
SETTLED: dict[str, tuple] = {}


@pytest.fixture
def settled(unsaturated_circuit, minibatch):
    """Mount a circuit and let it settle; return the preparation, its rates and multipliers, and its potentials."""

    def settle(steps=2000, **changes):
        if (key := repr(changes)) in SETTLED:
            return SETTLED[key]
        circuit = unsaturated_circuit((6, 5, 4, 3), **changes)
        preparation = Preparation(circuit, protocol=contrastive(free_steps=steps))
        cells = [each for name, each in preparation.populations.items() if "u" in each]
        potentials = []
        preparation.on_step.append(lambda _: potentials.append(np.concatenate([cell.read("u")[0] for cell in cells])))
        rates = preparation.settle(minibatch(circuit, 1)[0]).r
        multipliers = {
            int(name.rpartition("_")[2]): each.read("r")[0]
            for name, each in preparation.populations.items()
            if name.startswith("multiplier_")
        }
        SETTLED[key] = preparation, {k: r[0] for k, r in rates.items()}, multipliers, np.array(potentials)
        return SETTLED[key]

    return settle


def spectrum(operator):
    return np.sort_complex(np.linalg.eigvals(operator @ np.eye(operator.shape[0])))


@pytest.mark.parametrize("beta", [0.0, 0.7])
@pytest.mark.parametrize("changes", [changes for changes, _ in CIRCUITS.values()], ids=CIRCUITS)
def test_eigenvalues_are_those_of_the_jacobian_written_by_hand(settled, changes, beta):
    """The mounted equations differenced have the eigenvalues of the Jacobian by hand (eqs 14, 15) to 1e-6."""
    preparation, rates, multipliers, _ = settled(**changes)
    theory = HandwrittenLinearisation(preparation.circuit, rates, multipliers, beta=beta)
    found = Linearisation(preparation, beta=beta)
    np.testing.assert_allclose(spectrum(found.jacobian()), spectrum(theory.jacobian()), rtol=0, atol=1e-6)


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
    preparation = Preparation(circuit)
    preparation.layer(0).write("r", x)
    for k, part in enumerate(np.split(u, parts), start=1):
        preparation.layer(k).write("u", part)
    found = Linearisation(preparation, beta=beta).jacobian() @ np.eye(12)
    np.testing.assert_allclose(found, theory, rtol=0, atol=1e-7)


@pytest.mark.parametrize(("changes", "tolerance"), CIRCUITS.values(), ids=CIRCUITS)
def test_radius_is_the_rate_of_settling(settled, changes, tolerance):
    """Late in the free phase each step shrinks the distance from its end by the Euler radius, SST, multipliers and all.

    Tolerances are relative ones of the exponent.
    """
    preparation, _, _, potentials = settled(**changes)
    distance = np.linalg.norm(potentials - potentials[-1], axis=1)
    late = np.flatnonzero(distance > 1e-9)[-1]
    found = np.log(distance[late] / distance[late // 2]) / (late - late // 2)
    assert np.log(Linearisation(preparation).euler_radius(0.05)) == pytest.approx(found, rel=tolerance)


def test_abscissa_is_the_radius_of_small_steps(settled):
    """As η → 0 the Euler radius becomes 1 + ηa, a the spectral abscissa, to 1e-3 of a."""
    preparation, *_ = settled(domain=["B_inf_plus", "simplex", "B_inf_plus"], tau_SST=4.0)
    state = Linearisation(preparation)
    assert (state.euler_radius(1e-4) - 1) / 1e-4 == pytest.approx(state.spectral_abscissa(), rel=1e-3)


def test_iterative_and_dense_eigenvalues_agree(monkeypatch, saturating_circuit, minibatch):
    """Abscissa and Euler radius by Arnoldi iteration equal those of the whole spectrum to 1e-5."""
    circuit = saturating_circuit((20, 90, 80, 10))
    preparation = Preparation(circuit)
    preparation.settle(minibatch(circuit, 1)[0])
    state = Linearisation(preparation)
    dense = state.spectral_abscissa(), state.euler_radius(0.1)
    monkeypatch.setattr("corinfomax.protocols.clockwork.linearisation._DENSE", 0)
    found = state.spectral_abscissa(), state.euler_radius(0.1)
    np.testing.assert_allclose(found, dense, rtol=1e-5)


def test_euler_radius_meets_the_step_bound(unsaturated_circuit):
    """Where all cells are silent Euler's scheme becomes unstable at the circuit's own step bound, to 1e-6."""
    circuit = unsaturated_circuit((6, 5, 3), epsilon=0.15)
    preparation = Preparation(circuit)
    for k in (1, 2):
        preparation.layer(k).write("u", -0.5)
    assert Linearisation(preparation).euler_radius(circuit.step_bound(0.0)) == pytest.approx(1.0, abs=1e-6)


def test_cells_of_any_kind_are_linearised(unsaturated_circuit, minibatch):
    """Custom hidden cells of another leak have the eigenvalues of a circuit of that leak, to 1e-7."""

    class Leaking(HiddenPyramidal):
        equations = HiddenPyramidal.equations.replace("-g_lk*u", "-(g_lk + extra)*u")
        parameters = (*HiddenPyramidal.parameters, Parameter("extra", "1", "further leak", "this test"))

    own, theory = (unsaturated_circuit((6, 5, 3), g_leak=g) for g in (0.5, 0.75))
    for circuit in (own, theory):
        for D in circuit.weights["D"].values():
            D[:] = 0.1
        circuit.refresh = lambda: None
    own.exchange_cell("layer_1", Leaking, extra=0.25)
    own.exchange_cell("layer_2", type(own.populations[-1].cell), g_lk=0.75)
    states = []
    for circuit in (own, theory):
        preparation = Preparation(circuit)
        preparation.settle(minibatch(own, 1)[0])
        states.append(spectrum(Linearisation(preparation).jacobian()))
    np.testing.assert_allclose(*states, rtol=0, atol=1e-7)


def test_the_state_stays(settled):
    """Linearising leaves every variable of every cell as it was, bit by bit."""
    preparation, *_ = settled(tau_A=2.0, domain="B_1_plus")
    before = {name: each.group.get_states(units=False) for name, each in preparation.populations.items()}
    state = Linearisation(preparation, beta=0.3)
    state.spectral_abscissa(), state.euler_radius(0.05)
    for name, each in preparation.populations.items():
        for variable, values in each.group.get_states(units=False).items():
            np.testing.assert_array_equal(values, before[name][variable], err_msg=f"{name}.{variable}")


def test_single_precision_is_refused(unsaturated_circuit):
    """A preparation in float32 is refused in one line: differences would drown in rounding."""
    with pytest.raises(ParameterError, match="needs dtype = float64; this preparation has float32"):
        Linearisation(Preparation(unsaturated_circuit(), dtype=np.float32))
