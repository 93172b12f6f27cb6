"""The lateral rules: eq 28 and what it inverts, eqs 29, 30, and the regularised inverse."""

import numpy as np
import pytest

from corinfomax.errors import ParameterError
from corinfomax.networks import PhaseEnd

LAMBDA = 0.95
GAMMA = (1 - LAMBDA) / LAMBDA


@pytest.fixture
def circuit(unsaturated_circuit):
    """A circuit whose lateral weights learn fast and whose other weights do not."""

    def build(**changes):
        options = {"forgetting": LAMBDA, "learning_rate_ff": 0.0, "learning_rate_fb": 0.0}
        return unsaturated_circuit((6, 5, 4), **(options | changes))

    return build


def presentations(circuit, count, n, seed=0):
    """Random nudged rates, as rules see them."""
    rng = np.random.default_rng(seed)
    x = np.zeros((n, circuit.architecture[0]))
    for _ in range(count):
        r = {k: rng.uniform(0, 1, (n, size)) for k, size in enumerate(circuit.architecture) if k}
        silent = {k: 0 * v for k, v in r.items()}
        yield {"plus": PhaseEnd(1.0, {"r": {0: x, **r}}), "minus": PhaseEnd(0.0, {"r": {0: x, **silent}})}


def learn(circuit, ends, dtype=np.float64):
    """Let a circuit learn from one presentation, its rates rounded to its own type."""
    rounded = {
        part: PhaseEnd(end.beta, {"r": {k: r.astype(dtype) for k, r in end.r.items()}}) for part, end in ends.items()
    }
    circuit.learn(lambda readout: rounded[readout.phase])


def test_inverse_of_the_weighted_recursion(circuit):
    """For single stimuli B⁻¹ = Q, Q ← λQ + (1-λ) r rᵀ/(1 - γ rᵀBr), over 200 presentations, to 1e-10 relative."""
    circuit = circuit()
    Q = {k: np.linalg.inv(B) for k, B in circuit.weights["B"].items()}
    for ends in presentations(circuit, 200, n=1):
        for k in Q:
            r, B = ends["plus"].r[k][0], circuit.weights["B"][k]
            Q[k] = LAMBDA * Q[k] + (1 - LAMBDA) / (1 - GAMMA * r @ B @ r) * np.outer(r, r)
        learn(circuit, ends)
        for k, B in circuit.weights["B"].items():
            theory = np.linalg.inv(Q[k])
            np.testing.assert_allclose(B, theory, rtol=0, atol=1e-10 * np.abs(theory).max())


def test_inverse_of_the_minibatch_recursion(circuit):
    """For minibatches of b B⁻¹ = Q, Q ← λQ + (1-λ) Rᵀ(bI - γ R B Rᵀ)⁻¹ R, to 1e-10 relative."""
    circuit, b = circuit(), 3
    Q = {k: np.linalg.inv(B) for k, B in circuit.weights["B"].items()}
    for ends in presentations(circuit, 200, n=b):
        for k in Q:
            R, B = ends["plus"].r[k], circuit.weights["B"][k]
            Q[k] = LAMBDA * Q[k] + (1 - LAMBDA) * R.T @ np.linalg.inv(b * np.eye(b) - GAMMA * R @ B @ R.T) @ R
        learn(circuit, ends)
        for k, B in circuit.weights["B"].items():
            theory = np.linalg.inv(Q[k])
            np.testing.assert_allclose(B, theory, rtol=0, atol=1e-10 * np.abs(theory).max())


@pytest.mark.parametrize("lateral_form", ["inverse", "autapse"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_symmetric_for_ever(circuit, lateral_form, dtype):
    """After 500 presentations at λ = .95 B and O equal their transposes exactly, and B is positive definite."""
    circuit = circuit(lateral_form=lateral_form)
    circuit.astype(dtype)
    for ends in presentations(circuit, 500, n=2):
        learn(circuit, ends, dtype)
    for name in ("B", "O"):
        for weights in circuit.weights[name].values():
            assert weights.dtype == dtype
            np.testing.assert_array_equal(weights, weights.T)
    for B in circuit.weights["B"].values():
        assert np.linalg.eigvalsh(B).min() > 0


@pytest.mark.parametrize("entropy_gain", [1.0, 20.0])
def test_autapse_rules_equal_the_inverse(circuit, entropy_gain):
    """D, O learnt by eqs 29, 30 stay those that follow from B by eq 28, output too, for 300 presentations: 1e-12."""
    autapse, inverse = (circuit(lateral_form=form, entropy_gain=entropy_gain) for form in ("autapse", "inverse"))
    for ends in presentations(autapse, 300, n=2):
        learn(autapse, ends)
        learn(inverse, ends)
    for name in ("D", "O", "B"):
        for k, theory in inverse.weights[name].items():
            np.testing.assert_allclose(autapse.weights[name][k], theory, rtol=0, atol=1e-12 * np.abs(theory).max())


def test_autapses_in_single_precision(circuit):
    """In 1000 float32 presentations at λ = .9999 D stays that of float64 to 1e-10, B's diagonal to 1e-6, relative."""
    single, double = (circuit(lateral_form="autapse", forgetting=0.9999) for _ in range(2))
    single.astype(np.float32)
    for ends in presentations(double, 1000, n=2):
        learn(double, ends)
        learn(single, ends, np.float32)
    for k, theory in double.weights["D"].items():
        np.testing.assert_allclose(single.weights["D"][k], theory, rtol=1e-10)
        theory = np.diagonal(double.weights["B"][k])
        np.testing.assert_allclose(np.diagonal(single.weights["B"][k]), theory, rtol=1e-6)


def test_autapse_rules_entry_by_entry(circuit):
    """One presentation changes D_ii and O_ij as eqs 29, 30 say, with κγ², g_lk at the output, to 1e-15."""
    kappa = 3.0
    circuit = circuit(lateral_form="autapse", entropy_gain=kappa)
    (ends,) = presentations(circuit, 1, n=2)
    B, D, O = ({k: W.copy() for k, W in circuit.weights[name].items()} for name in ("B", "D", "O"))
    learn(circuit, ends)
    for k in B:
        z = ends["plus"].r[k] @ B[k]
        hidden = k < circuit.output
        gain = 2 * kappa * GAMMA**2 * circuit.epsilon[k] if hidden else kappa * GAMMA**2
        leak = circuit.epsilon[k] * circuit.g_leak if hidden else circuit.g_leak
        for i in range(len(B[k])):
            for j in range(len(B[k])):
                zz = np.mean(z[:, i] * z[:, j])
                if i == j:
                    theory = D[k][i] / LAMBDA - gain * zz / LAMBDA + leak * (1 - 1 / LAMBDA)
                    assert circuit.weights["D"][k][i] == pytest.approx(theory, rel=0, abs=1e-15)
                    assert circuit.weights["O"][k][i, i] == 0
                else:
                    theory = O[k][i, j] / LAMBDA + gain * zz / LAMBDA
                    assert circuit.weights["O"][k][i, j] == pytest.approx(theory, rel=0, abs=1e-15)


def test_regularised_rule(circuit):
    """B = (R + εI)⁻¹ of the normalised exponential average of ⟨r rᵀ⟩, renewed every 4th presentation, to 1e-11."""
    circuit = circuit(lateral_rule="regularised", lateral_refresh=4)
    theory = {k: B.copy() for k, B in circuit.weights["B"].items()}
    seen = []
    for t, ends in enumerate(presentations(circuit, 22, n=2), start=1):
        seen.append({k: r.T @ r / len(r) for k, r in ends["plus"].r.items()})
        learn(circuit, ends)
        for k in theory:
            if t % 4 == 0:
                weight = LAMBDA ** np.arange(t)[::-1]
                R = sum(w * products[k] for w, products in zip(weight, seen, strict=True)) / weight.sum()
                theory[k] = np.linalg.inv(R + circuit.epsilon[k - 1] * np.eye(len(R)))
            np.testing.assert_allclose(circuit.weights["B"][k], theory[k], rtol=0, atol=1e-11)
            np.testing.assert_array_equal(circuit.weights["B"][k], circuit.weights["B"][k].T)


def test_dynamics_follow_learnt_lateral_weights(circuit):
    """After learning D - O = ε(2γB + g_lk I), at the output γB + g_lk I, with the new B, to 1e-14."""
    circuit = circuit()
    for ends in presentations(circuit, 3, n=2):
        learn(circuit, ends)
    for k, B in circuit.weights["B"].items():
        found = np.diag(circuit.weights["D"][k]) - circuit.weights["O"][k]
        last = k == circuit.output
        M = GAMMA * B + circuit.g_leak * np.eye(len(B))
        theory = M if last else circuit.epsilon[k] * (M + GAMMA * B)
        np.testing.assert_allclose(found, theory, rtol=0, atol=1e-14)


def test_regularised_rule_begins_without_correlations(saturating_circuit):
    """Before its first renewal B is (R + εI)⁻¹ of R = 0, which is I/ε, exactly; weights given take precedence."""
    circuit = saturating_circuit(lateral_rule="regularised")
    for k, B in circuit.weights["B"].items():
        np.testing.assert_array_equal(B, np.eye(len(B)) / circuit.epsilon[k - 1])
    given = saturating_circuit(lateral_rule="regularised", weights={"B": circuit_B(circuit, 2.0)})
    np.testing.assert_array_equal(given.weights["B"][1], 2.0 * circuit.weights["B"][1])


def circuit_B(circuit, factor):
    """B of all layers, times a factor."""
    return {k: factor * B for k, B in circuit.weights["B"].items()}


def test_an_optimisers_state_must_fit(circuit):
    """A state without the running correlation, or with another layer's, is refused by its name; nothing changes."""
    donor, receiver = circuit(lateral_rule="regularised"), circuit(lateral_rule="regularised")
    for ends in presentations(donor, 3, n=2):
        learn(donor, ends)
    state, before = donor.state_dict(), receiver.state_dict()
    wrong = {**state, "optimiser/B/2/accumulated": state["optimiser/B/1/accumulated"]}
    missing = {name: array for name, array in state.items() if name != "optimiser/B/2/accumulated"}
    for damaged in (wrong, missing):
        with pytest.raises(ParameterError, match="optimiser/B/2/accumulated is"):
            receiver.load_state_dict(damaged)
        for name, array in receiver.state_dict().items():
            np.testing.assert_array_equal(array, before[name])
    receiver.load_state_dict(state)
    for name, array in receiver.state_dict().items():
        np.testing.assert_array_equal(array, state[name])
