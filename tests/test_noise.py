"""Background input, leaky dendrites and jittered phases, against theory and independent integration."""

import brian2 as b2
import numpy as np
import pytest

from corinfomax import CorInfoMax, Phase, Preparation, Protocol, Stimulus, contrastive
from corinfomax.errors import ParameterError, StimulusError
from corinfomax.models import HiddenPyramidal, StimulusCell
from corinfomax.models.noise import with_noise

NOISE = {"noise_soma": 0.4, "noise_basal": 0.1, "noise_apical": 0.2, "noise_SST": 0.3}
VARIABLES = ("u", "r", "v_A", "v_B", "i_SST", "noise_soma", "noise_basal", "noise_apical", "noise_1.noise_SST")


def linear_circuit(**noise):
    """Forty hidden cells without inputs, whose autapses undo their leak: τ_u du/ds = -(g_A + g_B) u + noise."""
    zero = {"W_ff": [np.zeros((40, 3)), np.zeros((2, 40))], "W_fb": [None, np.zeros((40, 2))]}
    return CorInfoMax([3, 40, 2], domain="B_inf", entropy_gain=0.0, weights=zero, **noise)


def shown(circuit, steps=400, replicas=100, variables=("u",), step=0.02):
    """Free phase of a circuit with stimuli of zeros."""
    b2.seed(1)
    preparation = Preparation(circuit, replicas, protocol=contrastive(free_steps=steps, step=step))
    return preparation.present(np.zeros((replicas, circuit.sizes[0])), variables=variables).free


@pytest.mark.parametrize("compartment", ["soma", "basal", "apical", "SST"])
def test_background_input_is_an_ornstein_uhlenbeck_process(compartment):
    """Mean, standard deviation in each step, and autocorrelation are 0, σ and exp(-t/τ_n), to .03 σ, 6 % and .03."""
    name, sigma, tau = f"noise_{compartment}", 0.05, 4.0
    trace = shown(linear_circuit(**{name: sigma, "tau_noise": tau}), 60, variables=(f"noise_1.{name}",))
    n = trace[f"noise_1.{name}"]
    assert abs(n.mean()) < 0.03 * sigma
    np.testing.assert_allclose(n.std(axis=(1, 2)), sigma, rtol=0.06)  # of 4000 samples each
    for lag in (1, 10, 30):
        found = np.mean(n[lag:] * n[:-lag]) / sigma**2
        assert found == pytest.approx(np.exp(-lag * 0.2 / tau), abs=0.03)


@pytest.mark.parametrize(("compartment", "gain"), [("soma", 1.0), ("basal", 1 / 0.15), ("apical", 1 / 0.15)])
def test_potential_fluctuates_as_theory_says(compartment, gain):
    """A linear cell driven by g n has the variance (gσ/G)²/(1 + τ_m/τ_n), τ_m = τ_u/G, to 3 %."""
    sigma, G = 0.05 / gain, 2 / 0.15
    u = shown(linear_circuit(**{f"noise_{compartment}": sigma, "tau_noise": 5.0}), step=0.01).u[1][200:]
    theory = (gain * sigma / G) / np.sqrt(1 + 10.0 / G / 5.0)
    assert u.std() == pytest.approx(theory, rel=0.03)


@pytest.mark.parametrize("convention", ["normative", "authors"])
def test_noisy_circuit_equals_an_independent_integration(saturating_circuit, minibatch, convention):
    """With the recorded currents u of layer 1 follows Euler's scheme of eqs 15-20, step by step, to 1e-12."""
    circuit = saturating_circuit(convention=convention, entropy_gain=3.0, **NOISE)
    preparation = Preparation(circuit, replicas=3)
    x, _ = minibatch(circuit, n=3, low=0.0, high=1.0)
    free = preparation.present(x, variables=VARIABLES).free
    W_ff, W_fb, D, O = (circuit.weights[key] for key in ("W_ff", "W_fb", "D", "O"))
    g, step = circuit.epsilon, 0.05
    g_B, g_A = 1 / g[0], 1 / g[1]
    for n in range(1, len(free.t)):
        before = {k: free.r[k][n - 1] for k in free.r}
        # The interneuron's potential is O r + noise, and inhibits.
        i_SST = -(before[1] @ O[1].T) - free["noise_1.noise_SST"][n]
        v_A = before[1] * D[1] + i_SST + before[2] @ W_fb[1].T + free.noise_apical[1][n]
        v_B = x @ W_ff[0].T + free.noise_basal[1][n]
        u = free.u[1][n - 1]
        theory = u + step * (-circuit.g_leak * u + g_A * (v_A - u) + g_B * (v_B - u) + free.noise_soma[1][n])
        np.testing.assert_allclose(free.u[1][n], theory, rtol=0, atol=1e-12)


def test_background_input_is_fixed_by_seeds(saturating_circuit, minibatch):
    """Two presentations of one seed are the same, bit by bit, whatever came between; of another seed they differ."""
    circuit = saturating_circuit(**NOISE)
    x, _ = minibatch(circuit, n=3)
    preparation, ends = Preparation(circuit, replicas=3), []
    preparation.on_phase_end.append(lambda _, end: ends.append(end.r[1].copy()))
    preparation.run(Stimulus(x, seed=seed) for seed in (1, 2, 1, None))
    assert np.array_equal(ends[0], ends[2])
    assert not np.array_equal(ends[0], ends[1])
    assert not np.array_equal(ends[0], ends[3])
    first, second = (preparation.settle(x, seed=4).r[1] for _ in range(2))
    assert np.array_equal(first, second)


def test_seeds_leave_a_circuit_without_noise_alone(saturating_circuit, minibatch):
    """A seed changes neither NumPy's global generator nor the activity of a circuit without background input."""
    circuit = saturating_circuit()
    x, _ = minibatch(circuit, n=1)
    b2.seed(3)
    theory = np.random.random()  # noqa: NPY002
    b2.seed(3)
    Preparation(circuit).settle(x, seed=9)
    assert np.random.random() == theory  # noqa: NPY002


def dendritic(saturating_circuit, minibatch, tau, **protocol):
    """Potentials of a circuit with leaky dendrites of that time constant."""
    circuit = saturating_circuit(tau_A=tau, tau_B=tau)
    x, _ = minibatch(circuit, n=2, low=0.0, high=1.0)
    return Preparation(circuit, replicas=2, protocol=contrastive(**protocol)).present(x).free


def test_leaky_dendrites_approach_instantaneous_ones(saturating_circuit, minibatch):
    """With τ_A, τ_B → 0 the circuit is the paper's but for a lag of a step: the difference shrinks as the step does."""
    errors = []
    for step in (0.02, 0.005, 0.00125):
        common = {"method": "exponential_euler", "step": step, "free_steps": round(1.5 / step)}
        theory = dendritic(saturating_circuit, minibatch, 0.0, **common)
        found = dendritic(saturating_circuit, minibatch, 1e-4, **common)
        errors.append(np.abs(found.u[1] - theory.u[1]).max())
    assert errors[1] / errors[0] == pytest.approx(1 / 4, rel=0.3)
    assert errors[2] / errors[1] == pytest.approx(1 / 4, rel=0.1)


def test_leaky_dendrites_do_not_move_the_fixed_point(saturating_circuit, minibatch):
    """A settled circuit has the same potentials in all compartments with τ_A = τ_B = 5 ms as without, to 1e-9."""
    theory = dendritic(saturating_circuit, minibatch, 0.0, free_steps=2500)
    found = dendritic(saturating_circuit, minibatch, 5.0, free_steps=2500)
    for variable in ("u", "v_A", "v_B"):
        for k in (1, 2):
            np.testing.assert_allclose(found.variables[variable][k][-1], theory.variables[variable][k][-1], atol=1e-9)


def test_leaky_dendrite_charges_exponentially():
    """With inputs switched on at rest v_B follows 1 - exp(-t/τ_B) of its target, v_A likewise, to 1e-12."""
    W_ff = [np.full((4, 3), 0.2), np.zeros((2, 4))]
    circuit = CorInfoMax([3, 4, 2], tau_B=5.0, tau_A=2.0, weights={"W_ff": W_ff})
    protocol = contrastive(method="exponential_euler", step=0.02)
    preparation = Preparation(circuit, protocol=protocol)
    preparation.populations["layer_2"].write("I_apical", 0.3)
    free = preparation.present(np.ones(3)).free
    elapsed = 0.2 * np.arange(1, 31)
    np.testing.assert_allclose(free.v_B[1][:, 0, 0], 0.6 * (1 - np.exp(-elapsed / 5.0)), rtol=0, atol=1e-12)
    np.testing.assert_allclose(free.v_A[2][:, 0, 0], 0.3 * (1 - np.exp(-elapsed / 2.0)), rtol=0, atol=1e-12)


def test_time_constants_bound_the_step(saturating_circuit):
    """Euler's bound η < 2 τ/τ_u of leaky dendrites is the circuit's if it is the least, to 1e-12."""
    for name in ("tau_A", "tau_B"):
        assert saturating_circuit(tau_u=10.0, **{name: 0.1}).step_bound(0.0) == pytest.approx(0.02, rel=1e-12)
        with pytest.raises(ParameterError, match=r"stability bound 0\.02"):
            Preparation(saturating_circuit(**{name: 0.1}))


def test_cells_of_ones_own_can_be_noisy_and_leaky():
    """An exchanged cell keeps the noise and the leaky dendrites that the circuit's parameters ask for."""

    class Own(HiddenPyramidal):
        equations = HiddenPyramidal.equations.replace("+ I_soma", "- 0.5*u + I_soma")

    circuit = CorInfoMax([3, 4, 2], tau_A=1.0, **NOISE)
    circuit.exchange_cell("layer_1", Own)
    equations = next(spec.cell.equations for spec in circuit.populations if spec.name == "layer_1")
    assert "- 0.5*u + (I_soma + gate_soma*noise_soma)" in equations
    assert "dv_A/dt = pace*(gate_apical" in equations
    assert np.isfinite(Preparation(circuit).predict(np.ones(3))).all()


def test_cells_without_what_noise_or_leak_needs_are_refused():
    """Cells whose equations have no v_A to be leaky, or no link for noise, are refused with one line."""

    class NoDendrite(HiddenPyramidal):
        equations = HiddenPyramidal.equations.replace("v_A = ", "v_apical = ")

    class NoCurrent(HiddenPyramidal):
        equations = HiddenPyramidal.equations.replace("+ I_soma", "")

    with pytest.raises(ParameterError, match="noise_soma: adds to I_soma, which the cell's equations do not use"):
        CorInfoMax([3, 4, 2], noise_soma=0.1).exchange_cell("layer_1", NoCurrent)
    with pytest.raises(ParameterError, match="tau_A: the cell's equations have no line 'v_A = "):
        CorInfoMax([3, 4, 2], tau_A=1.0).exchange_cell("layer_1", NoDendrite)
    assert with_noise("r : 1\n", ()) == "r : 1\n"
    with pytest.raises(ParameterError, match="StimulusCell"):
        CorInfoMax([3, 4, 2], **NOISE).exchange_cell("layer_1", StimulusCell)


def test_jittered_phases_last_what_was_drawn(saturating_circuit, minibatch):
    """Phases last the steps that a stimulus asks for, and those that a protocol draws are uniform about its own."""
    protocol = contrastive(free_steps=30, nudge_steps=10, jitter=0.5)
    random = np.random.default_rng(0)
    drawn = np.array([protocol.jittered(random) for _ in range(4000)])
    assert drawn.min(axis=0).tolist() == [15, 5]
    assert drawn.max(axis=0).tolist() == [45, 15]
    np.testing.assert_allclose(drawn.mean(axis=0), [30, 10], rtol=0.02)
    assert contrastive().jittered(random) is None

    circuit = saturating_circuit()
    x, y = minibatch(circuit, n=1)
    preparation, lasted = Preparation(circuit, protocol=protocol), []
    preparation.on_phase_end.append(lambda moment, _: lasted.append(moment.step))
    preparation.run([Stimulus(x, y, steps=(7, 3)), Stimulus(x, steps=(9, 3)), Stimulus(x, y)])
    assert lasted == [7, 3, 9, 30, 10]
    with pytest.raises(StimulusError, match="one number for each"):
        preparation.run([Stimulus(x, y, steps=(7,))])


@pytest.mark.parametrize(
    "phase",
    [
        Phase("nudge", 2, beta=[0.5, 1.0]),
        Phase("nudge", 1, beta=[1.0]),
        Phase("nudge", 2, beta=1.0, course={"gate_soma": [1, 0]}),
        Phase("nudge", 2, beta=1.0, course={"layer_1.gate_soma": [[1, 0], [0, 0]]}),
    ],
)
def test_jitter_refuses_courses(phase):
    """A phase whose β or gates change from step to step cannot be jittered; a constant array (1, cells) can."""
    with pytest.raises(ParameterError, match=r"jitter = 0\.2: .* of phase 'nudge' must be constant"):
        Protocol([Phase("free", 3), phase], jitter=0.2)
    Protocol([Phase("free", 3, course={"layer_1.gate_soma": [[1, 0]]}), Phase("nudge", 2, beta=1.0)], jitter=0.2)
