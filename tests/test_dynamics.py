"""The coupled circuit: order of convergence, an independent solver, fixed points, and the step bound."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.optimize import root

from corinfomax.errors import ParameterError
from corinfomax.networks import CorInfoMax
from corinfomax.protocols.clockwork import Preparation, contrastive
from corinfomax.stimuli import Stimulus


def flat(layers):
    """Layers 1 … P of one replica as a vector."""
    return np.concatenate([layers[k] for k in sorted(layers)])


def layered(vector, circuit, x):
    """Take the vector apart again, with the stimulus as layer 0."""
    pieces = np.split(vector, np.cumsum(circuit.architecture[1:])[:-1])
    return {0: x, **dict(enumerate(pieces, start=1))}


@pytest.fixture
def right_hand_side(layer_derivative):
    """τ_u du/ds of the whole circuit as a function of a vector."""

    def build(circuit, x, y, beta):
        def derivative(s, vector):
            u = layered(vector, circuit, x)
            r = {k: np.clip(value, 0, 1) for k, value in u.items()} | {0: x}
            return np.concatenate([layer_derivative(circuit, k, u, r, y, beta) for k in range(1, len(u))])

        return derivative

    return build


def simulated(circuit, x, y, beta, free, nudge, refine, method="euler"):
    """u of all layers at the ends of the phases, of durations in units of τ_u, with η = .05/refine."""
    steps = {"free_steps": round(20 * free * refine), "nudge_steps": round(20 * nudge * refine)}
    preparation = Preparation(circuit, protocol=contrastive(step=0.05 / refine, method=method, **steps))
    ends = []
    preparation.on_phase_end.append(
        lambda moment, end: ends.append(flat({k: moment.layer(k).read("u")[0] for k in range(1, circuit.output + 1)}))
    )
    preparation.present(x, y, beta=beta, learn=False, variables=())
    return ends


@pytest.mark.parametrize(
    ("method", "convention"), [("euler", "normative"), ("exponential_euler", "normative"), ("euler", "authors")]
)
def test_first_order_in_dt(unsaturated_circuit, minibatch, method, convention):
    """Halving dt halves the difference of successive solutions of the coupled circuit: slope 1 ± .1 (theory 1)."""
    circuit = unsaturated_circuit(convention=convention)
    x, y = minibatch(circuit, n=1)
    ends = [simulated(circuit, x, y, 1.0, 0.8, 0.2, refine, method) for refine in (4, 8, 16, 32)]
    for phase in (0, 1):
        differences = [np.abs(a[phase] - b[phase]).max() for a, b in zip(ends, ends[1:], strict=False)]
        slopes = np.log2(np.array(differences[:-1]) / differences[1:])
        theory = 1.0
        np.testing.assert_allclose(slopes, theory, rtol=0, atol=0.1)


@pytest.mark.parametrize("convention", ["normative", "printed", "authors"])
def test_whole_circuit_against_solve_ivp(saturating_circuit, minibatch, right_hand_side, convention):
    """u after a free and a nudge phase, both clips active, against solve_ivp: error < .1 η and halving with η."""
    circuit = saturating_circuit(convention=convention, gain=6.0)
    x, y = minibatch(circuit, n=1, low=0.0, high=1.0)
    beta, start = 1.0, np.zeros(sum(circuit.architecture[1:]))
    theory = []
    for duration, strength in ((1.0, 0.0), (0.4, beta)):
        derivative = right_hand_side(circuit, x[0], y[0], strength)
        solution = solve_ivp(derivative, (0, duration), start, rtol=1e-10, atol=1e-12, max_step=0.01)
        theory.append(solution.y[:, -1])
        start = np.clip(theory[-1], 0, 1) if circuit.restart_from_rate else theory[-1]
    hidden = np.concatenate(theory)
    assert (hidden < 0).any()
    assert (hidden > 1).any()
    errors = []
    for refine in (10, 20, 40):
        ends = simulated(circuit, x, y, beta, 1.0, 0.4, refine)
        errors.append(np.abs(np.array(ends) - theory).max())
        assert errors[-1] < 20 * 0.05 / refine
    np.testing.assert_allclose(np.log2(np.array(errors[:-1]) / errors[1:]), 1.0, rtol=0, atol=0.15)


@pytest.mark.parametrize("convention", ["normative", "printed", "authors"])
def test_richardson_extrapolation_meets_solve_ivp(unsaturated_circuit, minibatch, right_hand_side, convention):
    """Three step sizes extrapolated to dt = 0 meet solve_ivp to 1e-6 where no cell crosses a bound."""
    circuit = unsaturated_circuit(convention=convention)
    x, y = minibatch(circuit, n=1)
    start = np.zeros(sum(circuit.architecture[1:]))
    theory = solve_ivp(right_hand_side(circuit, x[0], y[0], 0.0), (0, 0.8), start, rtol=1e-11, atol=1e-13).y[:, -1]
    theory = solve_ivp(right_hand_side(circuit, x[0], y[0], -1.0), (0, 0.2), theory, rtol=1e-11, atol=1e-13).y[:, -1]
    coarse, middle, fine = (simulated(circuit, x, y, -1.0, 0.8, 0.2, refine)[1] for refine in (8, 16, 32))
    extrapolated = (4 * (2 * fine - middle) - (2 * middle - coarse)) / 3
    np.testing.assert_allclose(extrapolated, theory, rtol=0, atol=1e-6)


@pytest.mark.parametrize("g_leak", [0.2, 3.0])
@pytest.mark.parametrize("beta", [0.0, 1.0, -1.0])
def test_unsaturated_equilibrium_is_the_linear_system(unsaturated_circuit, minibatch, block_tridiagonal, beta, g_leak):
    """The settled unsaturated circuit solves the block-tridiagonal system to 1e-10, whatever g_lk is."""
    circuit = unsaturated_circuit(g_leak=g_leak)
    x, y = minibatch(circuit, n=1)
    settled = simulated(circuit, x, y, beta, 2.0, 70.0, 1)[1]
    theory = block_tridiagonal(circuit, x[0], y[0], beta)
    assert theory.min() > 0
    assert theory.max() < 1
    np.testing.assert_allclose(settled, theory, rtol=0, atol=1e-10)


@pytest.mark.parametrize("beta", [0.0, 1.0])
def test_unsaturated_equilibrium_of_the_authors_convention(unsaturated_circuit, minibatch, block_tridiagonal, beta):
    """With output conductance 1 the settled circuit solves the same system with β + 1 for β, to 1e-10."""
    circuit = unsaturated_circuit(convention="authors")
    x, y = minibatch(circuit, n=1)
    settled = simulated(circuit, x, y, beta, 2.0, 70.0, 1)[1]
    theory = block_tridiagonal(circuit, x[0], y[0], beta)
    assert theory.min() > 0
    assert theory.max() < 1
    np.testing.assert_allclose(settled, theory, rtol=0, atol=1e-10)


def test_saturated_fixed_point(saturating_circuit, minibatch, right_hand_side):
    """The settled free phase with rates at 0 and 1 is a root that scipy.optimize finds from elsewhere, to 1e-9."""
    circuit = saturating_circuit(gain=3.0)
    x, y = minibatch(circuit, n=1, low=0.0, high=1.0)
    settled = simulated(circuit, x, y, 1.0, 60.0, 0.05, 1)[0]
    rates = np.clip(settled, 0, 1)
    assert (rates == 0).any()
    assert (rates == 1).any()
    derivative = right_hand_side(circuit, x[0], y[0], 0.0)
    found = root(lambda vector: derivative(0, vector), settled + 0.01, tol=1e-13)
    theory = found.x
    np.testing.assert_allclose(derivative(0, theory), 0, rtol=0, atol=1e-10)
    np.testing.assert_allclose(settled, theory, rtol=0, atol=1e-9)


def test_step_bound_is_the_stiffest_layers(unsaturated_circuit):
    """The bound is 2/(g_lk + g_A + g_B), the smallest of the layers, with |β|, 2|β| or 1 + |β| at the output."""
    epsilon = [0.15, 0.2, 0.05]
    for convention, beta, conductance in [
        ("normative", 2.0, max(1 / 0.15 + 1 / 0.2, 1 / 0.2 + 1 / 0.05, 1 / 0.05 + 2.0)),
        ("normative", -30.0, 1 / 0.05 + 30.0),
        ("printed", -30.0, 1 / 0.05 + 60.0),
        ("authors", -30.0, 1 / 0.05 + 31.0),
    ]:
        circuit = unsaturated_circuit(epsilon=epsilon, g_leak=0.5, convention=convention)
        theory = 2 / (0.5 + conductance)
        assert circuit.step_bound(beta) == pytest.approx(theory, rel=1e-14)


def test_euler_step_bound(unsaturated_circuit, minibatch):
    """Below the bound the circuit settles; beyond, a ParameterError; allowed to, it grows beyond any rate."""
    weights = {"W_ff/1": np.zeros((4, 5)), "W_fb/1": np.zeros((5, 4)), "B/1": np.zeros((5, 5)), "B/2": np.zeros((4, 4))}
    circuit = unsaturated_circuit((6, 5, 4), epsilon=0.15, g_leak=0.5, weights=weights)
    x, _ = minibatch(circuit, n=1)
    bound = 2 / (0.5 + 2 / 0.15)
    assert circuit.step_bound(0.0) == pytest.approx(bound)

    below = Preparation(circuit, protocol=contrastive(step=0.97 * bound, free_steps=2000))
    assert np.abs(below.settle(x, ("I_net",)).I_net[1]).max() < 1e-12
    with pytest.raises(ParameterError, match="stability bound") as caught:
        Preparation(circuit, protocol=contrastive(step=1.03 * bound))
    assert "\n" not in str(caught.value)
    beyond = contrastive(step=1.03 * bound, free_steps=200, allow_unstable=True)
    u = Preparation(circuit, protocol=beyond).settle(x, ("u",)).u[1]
    assert np.abs(u).max() > 1e3


def test_step_bound_counts_beta(unsaturated_circuit, minibatch):
    """A β that makes the output layer too stiff for the step is refused when it is presented, with one line."""
    circuit = unsaturated_circuit()
    x, y = minibatch(circuit, n=1)
    preparation = Preparation(circuit)
    with pytest.raises(ParameterError, match=r"stability bound .* beta = 60") as caught:
        preparation.present(x, y, beta=60.0)
    assert "\n" not in str(caught.value)
    with pytest.raises(ParameterError, match=r"beta = -60: β must stay above -"):
        preparation.present(x, y, beta=-60.0)
    exponential = Preparation(circuit, protocol=contrastive(method="exponential_euler"))
    shown = exponential.present(x, y, beta=60.0, learn=False)
    assert np.abs(shown.nudge.u[3]).max() < 1


@pytest.mark.parametrize(("convention", "theory"), [("normative", -5.0), ("printed", -2.5), ("authors", -6.0)])
def test_beta_bound_is_where_the_nudged_output_loses_its_equilibrium(convention, theory):
    """A lone output cell at x = y = .4, ε = .2 settles 2 % above the bound, and runs to 0 or 1 2 % below it."""
    weights = {"W_ff/0": np.zeros((1, 1)), "W_ff/1": np.zeros((1, 1)), "W_fb/1": np.zeros((1, 1))}
    weights |= {"B/1": np.zeros((1, 1)), "B/2": np.zeros((1, 1))}
    circuit = CorInfoMax([1, 1, 1], epsilon=[0.1, 0.2], g_leak=0.5, convention=convention, weights=weights)
    assert circuit.beta_bound() == pytest.approx(theory, rel=1e-12)
    rates = []
    for factor in (0.98, 1.02):
        protocol = contrastive(nudge_steps=4000, step=0.1, allow_unstable=True)
        preparation = Preparation(circuit, protocol=protocol)
        ends = {}
        # A little off the unstable equilibrium r = 0 of a target of 0, from which it grows or to which it returns.
        preparation.on_phase_start.append(lambda p: [p.populations["layer_2"].write(name, 1e-3) for name in ("u", "r")])
        preparation.on_presentation.append(lambda p, found, ends=ends: ends.update(found))
        preparation.run([Stimulus(np.zeros((1, 1)), np.zeros((1, 1)), beta=factor * theory)])
        rates.append(ends["nudge"].r[2][0, 0])
    assert rates[0] < 1e-6
    assert rates[1] == 1.0
