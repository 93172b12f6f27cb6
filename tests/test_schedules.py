"""Both schedules of a step, against hand-written NumPy loops that know nothing of Brian2."""

import numpy as np
import pytest

from corinfomax.protocols.clockwork import Phase, Preparation, Protocol, contrastive


def eta(protocol, i):
    """Step size of step i in a phase, written out."""
    return {
        "constant": protocol.step,
        "divide_by_slow_loop_index": max(protocol.step / (1 + protocol.step_decay * i), protocol.step_min),
        "divide_by_loop_index": max(protocol.step / (i + 1), protocol.step_min),
    }[protocol.step_rule]


class Loop:
    """A presentation and its learning as nested loops; state u, r and weights go on from call to call."""

    def __init__(self, circuit, protocol, layer_derivative, replicas):
        self.circuit, self.protocol, self.derivative = circuit, protocol, layer_derivative
        self.P, sizes = circuit.output, circuit.architecture
        self.u = {k: np.zeros((replicas, sizes[k])) for k in range(1, self.P + 1)}
        self.r = {k: np.zeros((replicas, sizes[k])) for k in range(1, self.P + 1)}

    def present(self, x, y, beta):
        """Rates after every step as {(phase, k): (steps, replicas, units)}, and the phases' ends."""
        if self.protocol.reset == "rest":
            for k in self.u:
                self.u[k], self.r[k] = 0 * self.u[k], 0 * self.r[k]
        self.r[0] = x
        traces, ends = {}, {}
        for phase in self.protocol.phases:
            if self.circuit.convention == "authors":
                self.u = {k: self.r[k].copy() for k in self.u}
            course = np.broadcast_to(phase.beta, (phase.steps,)) * beta
            for i in range(phase.steps):
                self.step(eta(self.protocol, i), y, course[i])
                for k in self.u:
                    traces.setdefault((phase.name, k), []).append(self.r[k].copy())
            ends[phase.name] = (course[-1], {k: value.copy() for k, value in self.r.items()})
        return {key: np.array(rows) for key, rows in traces.items()}, ends

    def step(self, eta, y, beta):
        """One step: all layers from the old rates, or one after the other (authors)."""
        seen = self.r if self.circuit.convention == "authors" else dict(self.r)
        for k in range(1, self.P + 1):
            self.u[k] = self.u[k] + eta * self.derivative(self.circuit, k, self.u, seen, y, beta)
            self.r[k] = np.minimum(np.maximum(self.u[k], 0), 1)


@pytest.fixture
def loop(layer_derivative):
    return lambda circuit, protocol, replicas: Loop(circuit, protocol, layer_derivative, replicas)


PROTOCOLS = {
    "constant": contrastive(free_steps=12, nudge_steps=5),
    "slow": contrastive(free_steps=12, nudge_steps=5, step_rule="divide_by_slow_loop_index", step_decay=0.1),
    "slow to the floor": contrastive(
        free_steps=12, nudge_steps=5, step_rule="divide_by_slow_loop_index", step_decay=0.5, step_min=0.02
    ),
    "loop index": contrastive(free_steps=12, nudge_steps=5, step_rule="divide_by_loop_index", step_min=0.01),
    "three phases": contrastive(free_steps=12, nudge_steps=5, three_phase=True),
    "carry": contrastive(free_steps=3, nudge_steps=2, reset="carry"),
    "course of β": Protocol([Phase("free", 6), Phase("nudge", 5, beta=[0.0, 0.5, -1.0, 0.25, 1.0]), Phase("after", 3)]),
}


@pytest.mark.parametrize(
    ("name", "convention"),
    [(name, convention) for name in PROTOCOLS for convention in ("normative", "authors")] + [("constant", "printed")],
)
def test_against_a_loop(saturating_circuit, minibatch, loop, name, convention):
    """Rates in all steps of two presentations, rates at 0 and 1 included, equal the loop's to 1e-12."""
    protocol, circuit = PROTOCOLS[name], saturating_circuit(convention=convention, gain=6.0)
    preparation, reference = Preparation(circuit, replicas=3, protocol=protocol), loop(circuit, protocol, 3)
    extremes = set()
    for presentation, beta in enumerate((1.0, -0.6)):
        x, y = minibatch(circuit, n=3, seed=presentation, low=0.0, high=1.0)
        shown = preparation.present(x, y, beta=beta, learn=False)
        theory, _ = reference.present(x, y, beta)
        for (phase, k), rates in theory.items():
            np.testing.assert_allclose(getattr(shown, phase).r[k], rates, rtol=0, atol=1e-12)
            extremes |= {rates.min(), rates.max()}
    assert {0.0, 1.0} <= extremes


@pytest.mark.parametrize("convention", ["normative", "authors"])
@pytest.mark.parametrize("three_phase", [False, True])
def test_learning_against_a_loop(saturating_circuit, minibatch, loop, convention, three_phase):
    """Weights after three learning presentations equal eqs 26-28 in plain loops over the minibatch, to 1e-12."""
    circuits = [saturating_circuit(convention=convention, learning_rate_fb=[0.1, 0.05]) for _ in range(2)]
    protocol = contrastive(free_steps=10, nudge_steps=4, three_phase=three_phase)
    preparation, reference = Preparation(circuits[0], replicas=3, protocol=protocol), loop(circuits[1], protocol, 3)
    W_ff, W_fb, B = (circuits[1].weights[name] for name in ("W_ff", "W_fb", "B"))
    lam = circuits[1].forgetting
    for presentation, beta in enumerate((1.0, -1.0, 0.5)):
        x, y = minibatch(circuits[0], n=3, seed=presentation, low=0.0, high=1.0)
        preparation.present(x, y, beta=beta)
        _, ends = reference.present(x, y, beta)
        r, base = ends["nudge"][1], ends["third" if three_phase else "free"][1]
        divisor = (2 if three_phase else 1) * beta * len(x)
        change = {name: {k: 0 * W for k, W in weights.items()} for name, weights in circuits[1].weights.items()}
        for n in range(len(x)):
            for sign, state in ((1, r), (-1, base)):
                for k, W in W_ff.items():
                    error = state[k + 1][n] - W @ state[k][n]
                    change["W_ff"][k] += sign * np.outer(error, state[k][n]) / divisor
                for k, W in W_fb.items():
                    error = state[k][n] - W @ state[k + 1][n]
                    change["W_fb"][k] += sign * np.outer(error, state[k + 1][n]) / divisor
            for k in B:
                z = B[k] @ r[k][n]
                change["B"][k] += np.outer(z, z) / len(x)
        for k in W_ff:
            W_ff[k] += 1.0 * change["W_ff"][k]
        for k in B:
            B[k][...] = (B[k] - (1 - lam) / lam * change["B"][k]) / lam
        for k, rate in zip(W_fb, (0.1, 0.05), strict=True):
            W_fb[k] += rate * 1.0 * change["W_fb"][k]
        for name in ("W_ff", "W_fb", "B"):
            for k, theory in circuits[1].weights[name].items():
                np.testing.assert_allclose(circuits[0].weights[name][k], theory, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("convention", ["normative", "authors"])
def test_multirate_interneurons(saturating_circuit, minibatch, convention):
    """With sst_every = 3 the SST input holds for three steps, counted from each phase's start, to 1e-12."""
    circuit = saturating_circuit(convention=convention, sst_every=3)
    for B in circuit.weights["B"].values():
        B += 0.5  # makes the off-diagonal part of the lateral current visible
    circuit.refresh()
    preparation = Preparation(circuit, replicas=2, protocol=contrastive(free_steps=8, nudge_steps=5))
    x, y = minibatch(circuit, n=2, low=0.0, high=1.0)
    shown = preparation.present(x, y, learn=False)
    for k in range(1, circuit.output + 1):
        O, held = circuit.weights["O"][k], np.zeros((2, circuit.architecture[k]))
        before = held
        for phase in (shown.free, shown.nudge):
            for i, r in enumerate(phase.r[k]):
                # In sequence step i computes its drive first; else the end of step i computes that of step i + 1, and
                # a phase's last step that of the next phase's first.
                if convention == "authors" and i % 3 == 0:
                    held = -before @ O.T
                elif convention == "normative" and ((i + 1) % 3 == 0 or i + 1 == len(phase.t)):
                    held = -r @ O.T
                np.testing.assert_allclose(phase.i_SST[k][i], held, rtol=0, atol=1e-12)
                before = r
    assert np.abs(shown.nudge.i_SST[1]).max() > 0.01


def test_recorded_variables_belong_to_one_instant(saturating_circuit, minibatch):
    """In every recorded step v_B = W_ff r_{k-1}, v_A = M r_k + W_fb r_{k+1} (output: y) and r = σ(u), to 1e-12."""
    circuit = saturating_circuit()
    preparation = Preparation(circuit, replicas=2, protocol=contrastive(free_steps=6, nudge_steps=4))
    W_ff, W_fb, B = (circuit.weights[name] for name in ("W_ff", "W_fb", "B"))
    gamma, P = (1 - 0.9) / 0.9, circuit.output
    for seed in (0, 1):
        x, y = minibatch(circuit, n=2, seed=seed, low=0.0, high=1.0)
        shown = preparation.present(x, y, learn=False, variables=("u", "r", "v_A", "v_B"))
        for phase in (shown.free, shown.nudge):
            r = {0: np.broadcast_to(x, (len(phase.t), *x.shape)), **phase.r}
            for k in range(1, P + 1):
                np.testing.assert_allclose(r[k], np.clip(phase.u[k], 0, 1), rtol=0, atol=1e-15)
                np.testing.assert_allclose(phase.v_B[k], r[k - 1] @ W_ff[k - 1].T, rtol=0, atol=1e-12)
                if k < P:
                    M = circuit.epsilon[k] * (2 * gamma * B[k] + circuit.g_leak * np.eye(len(B[k])))
                    theory = r[k] @ M.T + r[k + 1] @ W_fb[k].T
                    np.testing.assert_allclose(phase.v_A[k], theory, rtol=0, atol=1e-12)
        np.testing.assert_allclose(shown.nudge.v_A[P], np.broadcast_to(y, shown.nudge.v_A[P].shape), rtol=0, atol=0)


def test_recorded_time(saturating_circuit, minibatch):
    """t counts dt = η₀ τ_u (0.4 ms here) from the presentation's start and s sums η_i, to 1e-14; β is the phase's."""
    circuit = saturating_circuit(tau_u=8.0)
    protocol = contrastive(free_steps=4, nudge_steps=3, step_rule="divide_by_loop_index")
    x, y = minibatch(circuit, n=1)
    preparation = Preparation(circuit, protocol=protocol)
    for _ in range(2):
        shown = preparation.present(x, y, beta=-0.5, learn=False)
        etas = [eta(protocol, i) for i in (0, 1, 2, 3, 0, 1, 2)]
        np.testing.assert_allclose([*shown.free.t, *shown.nudge.t], 0.0004 * np.arange(1, 8), rtol=1e-14)
        np.testing.assert_allclose([*shown.free.s, *shown.nudge.s], np.cumsum(etas), rtol=1e-14)
        np.testing.assert_array_equal([*shown.free.beta, *shown.nudge.beta], [0.0] * 4 + [-0.5] * 3)


def test_course_of_a_gate(saturating_circuit, minibatch):
    """A gate that closes for two steps cuts the basal input in exactly these steps: v_B = gate · W_ff r, to 1e-14."""
    circuit = saturating_circuit()
    gate = [1.0, 0.0, 0.0, 0.5, 1.0]
    protocol = Protocol([Phase("free", 5, course={"gate_basal": gate}), Phase("nudge", 2, beta=1.0)])
    x, y = minibatch(circuit, n=1)
    preparation = Preparation(circuit, protocol=protocol)
    for _ in range(2):
        shown = preparation.present(x, y, learn=False)
        theory = np.array(gate)[:, None, None] * (x @ circuit.weights["W_ff"][0].T)
        np.testing.assert_allclose(shown.free.v_B[1], theory, rtol=0, atol=1e-14)


@pytest.mark.parametrize("convention", ["normative", "authors"])
def test_partial_minibatch(saturating_circuit, minibatch, convention):
    """Two stimuli in five replicas, after a full minibatch, give what a preparation of two gives, to 1e-12."""
    weights = []
    for replicas in (5, 2):
        circuit = saturating_circuit(convention=convention)
        preparation = Preparation(circuit, replicas=replicas)
        x, y = minibatch(circuit, n=2, low=0.0, high=1.0)
        if replicas == 5:
            full = minibatch(circuit, n=5, seed=7, low=0.0, high=1.0)
            preparation.present(*full, learn=False)
        shown = preparation.present(x, y, beta=-1.0)
        assert shown.free.r[1].shape == (30, 2, 5)
        weights.append((circuit.weights, shown))
    (found, seen), (theory, expected) = weights
    for k in expected.nudge.r:
        np.testing.assert_allclose(seen.nudge.r[k], expected.nudge.r[k], rtol=0, atol=1e-12)
    for name in ("W_ff", "W_fb", "B"):
        for k, array in theory[name].items():
            np.testing.assert_allclose(found[name][k], array, rtol=0, atol=1e-12)


def test_courses_end_with_their_phase(saturating_circuit, minibatch):
    """What a phase's course sets, in all populations or in one, is back after the phase: presentations are alike."""
    circuit = saturating_circuit()
    x, y = minibatch(circuit, n=2, low=0.0, high=1.0)
    theory = Preparation(circuit, replicas=2).present(x, y, learn=False)
    for course in ({"gate_apical": 0.0}, {"layer_1.I_soma": np.linspace(0, 1, 10)}):
        protocol = Protocol([Phase("free", 30), Phase("nudge", 10, beta=1.0, course=course)])
        preparation = Preparation(circuit, replicas=2, protocol=protocol)
        for _ in range(2):
            shown = preparation.present(x, y, learn=False)
            np.testing.assert_array_equal(shown.free.u[1], theory.free.u[1])
            assert np.abs(shown.nudge.u[1] - theory.nudge.u[1]).max() > 1e-3


def test_a_course_can_silence_interneurons(saturating_circuit, minibatch):
    """{"SST_1.gate_soma": 0} silences the SST cells of layer 1, and no other cell."""
    circuit = saturating_circuit()
    x, _ = minibatch(circuit, n=2, low=0.0, high=1.0)
    protocol = Protocol([Phase("free", 30, course={"SST_1.gate_soma": 0.0})], plus="free")
    shown = Preparation(circuit, replicas=2, protocol=protocol).present(x).free
    assert np.abs(shown.i_SST[1]).max() == 0
    assert np.abs(shown.i_SST[2]).max() > 0
    assert np.abs(shown.u[1]).max() > 0.1
