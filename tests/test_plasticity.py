"""Plasticity recomputed from what a physiologist could record, and the rules by themselves."""

import numpy as np
import pytest

from corinfomax.errors import ParameterError
from corinfomax.networks import GradientStep, OuterProducts, PhaseEnd, Progress
from corinfomax.networks.states import contrast
from corinfomax.protocols.clockwork import Phase, Preparation, contrastive

RECORDED = ("u", "r", "v_A", "v_B", "I_net", "drive_autapse", "i_SST")


def copies(circuit):
    return {name: {k: W.copy() for k, W in weights.items()} for name, weights in circuit.weights.items()}


def learn_and_record(circuit, minibatch, beta, **steps):
    """Weights before a presentation that learns, the stimuli, and what was recorded at the two phases' ends."""
    x, y = minibatch(circuit, n=3, low=0.0, high=1.0)
    before = copies(circuit)
    shown = Preparation(circuit, replicas=3, protocol=contrastive(**steps)).present(x, y, beta, variables=RECORDED)
    ends = [
        {name: {k: getattr(phase, name)[k][-1] for k in phase.r} for name in RECORDED}
        for phase in (shown.free, shown.nudge)
    ]
    return before, x, *ends


@pytest.mark.parametrize("beta", [1.0, -0.5])
def test_weight_changes_from_recorded_rates_and_dendrites(saturating_circuit, minibatch, beta):
    """Eqs 26, 27 with e_ff = r - v_B and e_fb = r - (v_A - lateral) of the recorded voltages give ΔW to 1e-12."""
    rates = {"learning_rate_ff": [0.3, 0.2, 0.1], "learning_rate_fb": [0.4, 0.6], "learning_rate_decay": 1.0}
    circuit = saturating_circuit(**rates)
    before, x, free, nudge = learn_and_record(circuit, minibatch, beta, free_steps=12, nudge_steps=5)
    for k, rate in enumerate(rates["learning_rate_ff"]):
        theory = 0
        for sign, end in ((1, nudge), (-1, free)):
            pre = end["r"][k] if k else x
            theory += sign * rate / beta * (end["r"][k + 1] - end["v_B"][k + 1]).T @ pre / len(x)
        np.testing.assert_allclose(circuit.weights["W_ff"][k] - before["W_ff"][k], theory, rtol=0, atol=1e-12)
        assert np.abs(theory).max() > 1e-4
    for k, rate in enumerate(rates["learning_rate_fb"], start=1):
        theory = 0
        for sign, end in ((1, nudge), (-1, free)):
            prediction = end["v_A"][k] - end["drive_autapse"][k] - end["i_SST"][k]
            theory += sign * rate / beta * (end["r"][k] - prediction).T @ end["r"][k + 1] / len(x)
        np.testing.assert_allclose(circuit.weights["W_fb"][k] - before["W_fb"][k], theory, rtol=0, atol=1e-12)


@pytest.mark.parametrize("steps", [(12, 5), (400, 200)], ids=["off equilibrium", "settled"])
def test_forward_error_from_somatic_and_apical_voltages(saturating_circuit, minibatch, steps):
    """Eq 24, e_ff = g_B⁻¹(g_A v_A - (g_lk + g_A)u + h - τ_u du/ds), h = -g_B(u - r), gives ΔW_ff to 1e-11."""
    beta, rate = 1.0, 0.2
    circuit = saturating_circuit(learning_rate_ff=rate, learning_rate_decay=1.0)
    recorded = learn_and_record(circuit, minibatch, beta, free_steps=steps[0], nudge_steps=steps[1])
    before, x, free, nudge = recorded
    g_lk, eps, P = circuit.g_leak, circuit.epsilon, circuit.output
    residual = 0
    for k in range(P):
        theory = 0
        for sign, end, strength in ((1, nudge, beta), (-1, free, 0.0)):
            u, r, v_A, I_net = (end[name][k + 1] for name in ("u", "r", "v_A", "I_net"))
            g_B, g_A = 1 / eps[k], strength if k + 1 == P else 1 / eps[k + 1]
            I_lat = end["drive_autapse"][P] + end["i_SST"][P] if k + 1 == P else 0
            h = -g_B * (u - r)
            e_ff = (g_A * v_A + I_lat - (g_lk + g_A) * u + h - I_net) / g_B
            theory += sign * rate / beta * e_ff.T @ (end["r"][k] if k else x) / len(x)
            residual = max(residual, np.abs(I_net).max())
        np.testing.assert_allclose(circuit.weights["W_ff"][k] - before["W_ff"][k], theory, rtol=0, atol=1e-11)
    if steps[0] > 100:
        assert residual < 1e-6  # here τ_u du/ds contributes nothing: eq 24 as printed, sign corrected
    else:
        assert residual > 1e-2


def random_ends(rng, sizes, beta=0.5, base=0.0, n=4):
    """Draw what rules see of the two phases that they contrast."""
    x = rng.uniform(0, 1, (n, sizes[0]))
    return {
        part: PhaseEnd(b, {"r": {0: x, **{k: rng.uniform(0, 1, (n, m)) for k, m in enumerate(sizes) if k}}})
        for part, b in (("plus", beta), ("minus", base))
    }


@pytest.mark.parametrize("base", [0.0, -0.5], ids=["two phases", "three phases"])
def test_contrast_against_loops(saturating_circuit, base):
    """Eqs 26, 27 equal explicit loops over stimuli and synapses, over β or with a third phase over 2β, to 1e-13."""
    circuit, rng = saturating_circuit(), np.random.default_rng(0)
    ends = random_ends(rng, circuit.architecture, base=base)
    divisor = 0.5 if base == 0 else 2 * 0.5
    rules = {type(p.rule).__name__ + str(p.rule.k): p.rule for p in circuit.plasticity}
    for k, W in circuit.weights["W_ff"].items():
        theory = np.zeros_like(W)
        for sign, end in ((1, ends["plus"]), (-1, ends["minus"])):
            for n in range(4):
                for i in range(W.shape[0]):
                    e = end.r[k + 1][n, i] - sum(W[i, j] * end.r[k][n, j] for j in range(W.shape[1]))
                    theory[i] += sign * e * end.r[k][n] / (4 * divisor)
        found = rules[f"ForwardRule{k}"](circuit.weights, ends["plus"], ends["minus"]).dense()
        np.testing.assert_allclose(found, theory, rtol=0, atol=1e-13)
    for k, W in circuit.weights["W_fb"].items():
        theory = np.zeros_like(W)
        for sign, end in ((1, ends["plus"]), (-1, ends["minus"])):
            for n in range(4):
                for i in range(W.shape[0]):
                    e = end.r[k][n, i] - sum(W[i, j] * end.r[k + 1][n, j] for j in range(W.shape[1]))
                    theory[i] += sign * e * end.r[k + 1][n] / (4 * divisor)
        found = rules[f"FeedbackRule{k}"](circuit.weights, ends["plus"], ends["minus"]).dense()
        np.testing.assert_allclose(found, theory, rtol=0, atol=1e-13)


def test_outer_products_applied_in_place():
    """keep·W + rate·ΔW in place equals the same with dense arrays, for both types, to their rounding."""
    rng = np.random.default_rng(1)
    for dtype, tolerance in ((np.float64, 1e-14), (np.float32, 1e-5)):
        W = rng.standard_normal((70, 5)).astype(dtype)
        change = OuterProducts(
            rng.standard_normal((3, 70)).astype(dtype), rng.standard_normal((3, 5)).astype(dtype), 0.3
        )
        theory = 0.9 * W + 0.2 * 0.3 * np.einsum("bi,bj->ij", change.post, change.pre)
        found = W.copy()
        change.add_to(found, 0.2, keep=0.9)
        np.testing.assert_allclose(found, theory, rtol=0, atol=tolerance)
        S = (lambda A: A + A.T)(rng.standard_normal((130, 130)).astype(dtype))
        z = rng.standard_normal((3, 130)).astype(dtype)
        theory = 1.1 * S - 0.2 * 0.3 * np.einsum("bi,bj->ij", z, z)
        found = S.copy()
        OuterProducts(z, z, 0.3).add_to_symmetric(found, -0.2, keep=1.1)
        np.testing.assert_allclose(found, theory, rtol=0, atol=3 * tolerance)
        np.testing.assert_array_equal(found, found.T)


def test_weight_decay():
    """With decay ε and rate η, W ← (1 - η ε) W + η ΔW, to 1e-15."""
    rng = np.random.default_rng(2)
    W, change = rng.standard_normal((3, 4)), OuterProducts(rng.standard_normal((1, 3)), rng.standard_normal((1, 4)))
    weights = {"W_ff": {0: W.copy()}}
    GradientStep(("W_ff", 0), 0.5, weight_decay=0.15).step(weights, change, Progress())
    theory = W - 0.5 * 0.15 * W + 0.5 * np.outer(change.post, change.pre)
    np.testing.assert_allclose(weights["W_ff"][0], theory, rtol=0, atol=1e-15)


def test_learning_rate_pieces(unsaturated_circuit):
    """The default is lr₀·.95ᵉ before epoch 15 and lr₀·.9ᵉ from then on, and a circuit learns at its epoch's rate."""
    theory = [0.2 * (0.95**e if e < 15 else 0.9**e) for e in range(50)]
    circuits = [unsaturated_circuit() for _ in range(2)]
    rate = circuits[0].plasticity[0].optimiser.learning_rate
    np.testing.assert_allclose([rate(Progress(epoch)) for epoch in range(50)], theory, rtol=1e-15)
    ends = random_ends(np.random.default_rng(0), circuits[0].architecture)
    changes = []
    for circuit, epoch in zip(circuits, (0, 20), strict=True):
        old, circuit.epoch = copies(circuit), epoch
        circuit.learn(lambda readout: ends[readout.phase])
        changes.append(circuit.weights["W_ff"][1] - old["W_ff"][1])
    np.testing.assert_allclose(changes[1], 0.9**20 * changes[0], rtol=0, atol=1e-14)


def test_every_rule_sees_the_old_weights(unsaturated_circuit):
    """All weights move by the changes computed from those before the presentation, to 1e-14."""
    circuit = unsaturated_circuit()
    ends = random_ends(np.random.default_rng(0), circuit.architecture)
    changes = [
        p.rule(copies(circuit), *(ends[readout.phase] for readout in p.readouts)).dense() for p in circuit.plasticity
    ]
    before = copies(circuit)
    circuit.learn(lambda readout: ends[readout.phase])
    lam = circuit.forgetting
    for p, change in zip(circuit.plasticity, changes, strict=True):
        name = {"ForwardRule": "W_ff", "FeedbackRule": "W_fb", "LateralRule": "B"}[type(p.rule).__name__]
        old, new = before[name][p.rule.k], circuit.weights[name][p.rule.k]
        if name == "B":
            theory = (old - (1 - lam) / lam * change) / lam
        else:
            theory = old + p.optimiser.learning_rate(Progress()) * change
        np.testing.assert_allclose(new, theory, rtol=0, atol=1e-14)


@pytest.mark.parametrize("k", [0, 1, 2])
def test_contrast_is_the_gradient_for_tied_weights(unsaturated_circuit, minibatch, block_tridiagonal, k):
    """Δ(r_{k+1} r_kᵀ)/(2β ε_k) of phases at ±β → -∂(½‖r_P - y‖²)/∂W, W_fb = W_ffᵀ, by finite differences: 1e-4."""
    beta, h = 1e-3, 1e-5
    circuit = unsaturated_circuit(tied=True)
    x, y = minibatch(circuit, n=1)
    P, before = circuit.output, copies(circuit)

    def cost(W):
        circuit.weights["W_ff"][k] = W
        if k:
            circuit.weights["W_fb"][k] = W.T
        r = block_tridiagonal(circuit, x[0], y[0], 0.0)[-circuit.architecture[P] :]
        return 0.5 * np.sum((r - y[0]) ** 2)

    W = before["W_ff"][k]
    theory = np.zeros_like(W)
    for index in np.ndindex(W.shape):
        up, down = W.copy(), W.copy()
        up[index] += h
        down[index] -= h
        theory[index] = -(cost(up) - cost(down)) / (2 * h)
    circuit.weights = before
    circuit.refresh()

    protocol = contrastive(free_steps=2, nudge_steps=1500, three_phase=True)
    ends = {}
    preparation = Preparation(circuit, protocol=protocol)
    preparation.on_presentation.append(lambda moment, phases: ends.update(phases))
    preparation.present(x, y, beta=beta, variables=())
    product = {name: end.r[k + 1].T @ end.r[k] for name, end in ends.items()}
    contrast = (product["nudge"] - product["third"]) / (2 * beta * circuit.epsilon[k])
    np.testing.assert_allclose(contrast, theory, rtol=0, atol=1e-4 * np.abs(theory).max())
    if k == 0:
        # The e rᵀ rule of eq 26 is ε_0 times the gradient in this projection, and only here.
        learnt = circuit.weights["W_ff"][0] - unsaturated_circuit(tied=True).weights["W_ff"][0]
        theory = 0.2 * circuit.epsilon[0] * theory
        np.testing.assert_allclose(learnt, theory, rtol=0, atol=1e-4 * np.abs(theory).max())


def test_weights_in_any_memory_order_learn(unsaturated_circuit, minibatch):
    """Weights given as a transpose, or exchanged for an array in Fortran order, change as C-ordered ones, exactly."""
    x, y = None, None
    changed = []
    for prepare in (np.ascontiguousarray, np.asfortranarray):
        circuit = unsaturated_circuit((6, 5, 4))
        circuit.weights["W_fb"][1] = prepare(circuit.weights["W_ff"][1].T.copy())
        circuit.weights["B"][1] = prepare(circuit.weights["B"][1])
        x, y = minibatch(circuit, n=2) if x is None else (x, y)
        Preparation(circuit, replicas=2).present(x, y)
        changed.append(circuit.state_dict())
    theory, shown = changed
    assert not np.array_equal(theory["weights/W_fb/1"], theory["weights/W_ff/1"].T)
    for name, weights in theory.items():
        np.testing.assert_array_equal(shown[name], weights)


def test_what_cannot_teach_is_refused():
    """Phases that end at the same β have no contrast, and β without a teacher would nudge towards 0: one line each."""
    ends = [PhaseEnd(1.0, {"r": {0: np.ones((2, 3))}}) for _ in range(2)]
    with pytest.raises(ParameterError, match="both phases end at β = 1; learning divides by the difference"):
        contrast(*ends)
    with pytest.raises(ParameterError, match="phase 'odd': β nudges towards targets, so that beta needs the teacher"):
        Phase("odd", 5, beta=1.0, teacher=False)
