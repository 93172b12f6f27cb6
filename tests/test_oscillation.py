"""Learning without phases: a teacher that oscillates, and what rules read of how the cells follow it."""

from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot as plt

from corinfomax.analysis import Recording
from corinfomax.analysis.figures import oscillation_cycle, plasticity_rate
from corinfomax.analysis.recordings import LayerRecording
from corinfomax.errors import ParameterError
from corinfomax.networks import CorInfoMax
from corinfomax.networks.plasticity import Readout
from corinfomax.protocols.clockwork import Preparation, contrastive, oscillating
from corinfomax.protocols.runs import Configuration
from corinfomax.stimuli import Stimulus

mpl.use("Agg")

ARCHITECTURE, LAG = (6, 5, 4), 3


@pytest.fixture
def minibatch():
    rng = np.random.default_rng(0)
    return rng.uniform(size=(3, 6)), np.eye(4)[[0, 2, 3]]


def changes(circuit, protocol, minibatch, beta):
    """ΔW of every rule, as found in one learning presentation."""
    x, y = minibatch
    Preparation(circuit, len(x), protocol=protocol).run([Stimulus(x, y, beta, learn=True)])
    return {key: change.dense() for key, change in circuit.changes.items()}


@pytest.mark.parametrize("beta", [0.7, -0.7])
def test_rules_read_running_sums(saturating_circuit, minibatch, beta):
    """Oracle: eqs 26, 27 to first order, by hand from recorded rates: means, and (2/T) Σ b(i - lag) r_i; to 1e-12."""
    circuit = saturating_circuit(ARCHITECTURE, contrast="oscillation", gate_lag=LAG)
    W = {key: {k: array.copy() for k, array in arrays.items()} for key, arrays in circuit.weights.items()}
    protocol = oscillating(settle_steps=6, cycle_steps=12, cycles=2)
    x, y = minibatch
    recorded = Preparation(saturating_circuit(ARCHITECTURE), 3, protocol=protocol).present(
        x, y, beta, learn=False, variables=("r",)
    )
    r = {0: np.broadcast_to(x, (24, *x.shape)), **{k: recorded.oscillation.r[k] for k in (1, 2)}}
    gate = np.sin(2 * np.pi * (np.arange(1, 25) - LAG) / 12) / 12
    mean = {k: values.mean(axis=0) for k, values in r.items()}
    follow = {k: np.tensordot(gate, values, 1) for k, values in r.items()}
    found = changes(circuit, protocol, minibatch, beta)
    for key, k, post, pre in (("W_ff", 0, 1, 0), ("W_ff", 1, 2, 1), ("W_fb", 1, 1, 2)):
        error, followed = mean[post] - mean[pre] @ W[key][k].T, follow[post] - follow[pre] @ W[key][k].T
        theory = (followed.T @ mean[pre] + error.T @ follow[pre]) / (3 * beta)
        np.testing.assert_allclose(found[key, k], theory, rtol=0, atol=1e-12)
        assert np.abs(theory).max() > 1e-3
    z = mean[1] @ W["B"][1]
    np.testing.assert_allclose(found["B", 1], z.T @ z / 3, rtol=0, atol=1e-12)


def test_slow_oscillations_teach_what_settled_phases_teach(minibatch):
    """Oracle: the contrast of settled phases at ±β = .01: the same direction (cosine ≥ .999), and gain within 2 %."""
    options = {"initial_gain_ff": [1.0, 2.0], "seed": 3}
    protocol = oscillating(settle_steps=200, cycle_steps=2000)
    slow = changes(CorInfoMax(ARCHITECTURE, contrast="oscillation", gate_lag=0, **options), protocol, minibatch, 0.01)
    phases = contrastive(free_steps=400, nudge_steps=400, three_phase=True)
    settled = changes(CorInfoMax(ARCHITECTURE, **options), phases, minibatch, 0.01)
    for key in (("W_ff", 0), ("W_ff", 1), ("W_fb", 1)):
        a, b = slow[key].ravel(), settled[key].ravel()
        assert a @ b / np.linalg.norm(a) / np.linalg.norm(b) > 0.999
        assert np.linalg.norm(a) == pytest.approx(np.linalg.norm(b), rel=0.02)


def test_a_bias_learns_from_how_its_cells_follow(minibatch):
    """Theory: a bias is a weight from a unit at 1, which follows nothing: Δb = ΔW of an input that is 1."""
    x, y = minibatch
    x = np.hstack([x[:, :5], np.ones((3, 1))])
    circuit = CorInfoMax(ARCHITECTURE, contrast="oscillation", bias=True)
    found = changes(circuit, oscillating(settle_steps=6, cycle_steps=12), (x, y), 0.7)
    np.testing.assert_allclose(found["b", 1], found["W_ff", 0][:, 5], rtol=0, atol=1e-12)
    assert np.abs(found["b", 1]).max() > 1e-5


@pytest.fixture(scope="module")
def recording():
    """Two layers of two cells through a cycle of 20 steps after 5 of settling, with numbers in place of traces."""
    rng = np.random.default_rng(0)
    names = ("V_soma", "V_basal", "V_apical", "V_SST", "r", "v_B")
    layers = {k: LayerRecording(np.array([3, 7]), {n: rng.random((25, 1, 2)) for n in names}) for k in (1, 2)}
    beta = np.concatenate([np.zeros(5), 2 * np.sin(2 * np.pi * np.arange(1, 21) / 20)])
    t, phase = 5e-4 * np.arange(1, 26), np.array(["settle"] * 5 + ["oscillation"] * 20)
    return Recording(t, t, phase, beta, np.array([0]), layers, output_layer=2, V_rest=-0.07, labels=np.array([7]))


def test_the_rate_of_plasticity_is_that_of_the_rule(recording):
    """Theory: s(t) (r - v_B) r_pre, s the oscillation some steps ago and 0 before, to 1e-14."""
    found = plasticity_rate(recording, 2, 7, presynaptic=3, gate_lag=LAG)
    s = np.concatenate([np.zeros(5 + LAG), np.sin(2 * np.pi * np.arange(1, 21 - LAG) / 20)])
    post, pre = recording.layers[2], recording.layers[1]
    theory = s * (post["r"] - post["v_B"])[:, 0, 1] * pre["r"][:, 0, 0]
    np.testing.assert_allclose(found, theory, rtol=0, atol=1e-14)


def test_the_figure_shows_a_cycle(recording):
    """A column a cell: the curves are the recorded potentials, β, and what `plasticity_rate` and its integral give."""
    figure = oscillation_cycle(recording, {1: 3, 2: 7}, presynaptic={2: 3}, gate_lag=LAG)
    columns = np.array(figure.axes).reshape(5, 2).T
    assert [ax.get_title() for ax in columns[:, 0]] == ["layer 1, cell 3", "output cell 7 (target)"]
    for column, (k, cell, n, pre) in zip(columns, ((1, 3, 0, None), (2, 7, 1, 3)), strict=True):
        curves = [line.get_ydata() for ax in column for line in ax.get_lines() if len(line.get_ydata()) == 25]
        layer, rate = recording.layers[k], plasticity_rate(recording, k, cell, pre, gate_lag=LAG)
        theory = [1e3 * layer[name][:, 0, n] for name in ("V_apical", "V_basal", "V_soma")]
        theory += [1e9 * (layer["V_SST"][:, 0, n] + 0.07), recording.beta, rate, 1e3 * 5e-4 * np.cumsum(rate)]
        for curve, expected in zip(curves, theory, strict=True):
            np.testing.assert_allclose(curve, expected, rtol=1e-9, atol=1e-12)
    plt.close(figure)
    with pytest.raises(ParameterError, match="cell 5 of layer 1 was not recorded"):
        oscillation_cycle(recording, {1: 5})


@pytest.mark.parametrize(
    ("contrast", "protocol", "message"),
    [
        ("oscillation", contrastive(), "does not oscillate about 0"),
        ("phases", oscillating(), "end at the same β"),
    ],
)
def test_protocols_that_do_not_fit_the_rules_are_refused(minibatch, contrast, protocol, message):
    """One line that says what the protocol lacks."""
    with pytest.raises(ParameterError, match=message):
        changes(CorInfoMax(ARCHITECTURE, contrast=contrast), protocol, minibatch, 1.0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: oscillating(cycle_steps=7), "cycle_steps = 7: should be at least 8"),
        (lambda: oscillating(cycles=0.5), "cycles = 0.5: should be at least 1, a whole cycle"),
        (lambda: Readout("plus", last=3, lock_in=1), "takes last or lock_in, not both"),
        (lambda: Readout("plus", last="some"), 'must be a whole number from 1, or "all"'),
        (lambda: Readout("plus", lock_in=-1), "lock_in = -1: should be greater than or equal to 0"),
    ],
)
def test_wrong_settings_are_refused(make, message):
    """One line with the bound."""
    with pytest.raises(ParameterError, match=message):
        make()


def lagged(course, lag):
    """An oscillation as a synapse sees it late, centred over what it sees, so that Σ gate · seen = 1."""
    seen = course[: len(course) - lag]
    gate = seen - seen.mean()
    return np.concatenate([np.zeros(lag), gate / (gate @ seen)])


def test_stimuli_may_come_and_go_at_any_phase_of_the_oscillation(saturating_circuit, minibatch):
    """Oracle: eqs 26, 27 to first order, by hand, where what stands still adds nothing though cycles are not whole."""
    circuit = saturating_circuit(ARCHITECTURE, contrast="oscillation", gate_lag=LAG)
    W = circuit.weights["W_ff"][1].copy()
    protocol = oscillating(settle_steps=0, cycle_steps=16, cycles=1.375, onset=5)
    x, y = minibatch
    recorded = Preparation(saturating_circuit(ARCHITECTURE), 3, protocol=protocol).present(
        x, y, 0.7, learn=False, variables=("r",)
    )
    r = recorded.oscillation.r
    course = np.sin(2 * np.pi * np.arange(6, 28) / 16)
    np.testing.assert_allclose(protocol.phases[0].beta, course, rtol=0, atol=1e-15)
    gate = lagged(course, LAG)
    assert abs(gate.sum()) < 1e-14
    mean, follow = (
        {k: fold(r[k]) for k in r} for fold in (lambda v: v.mean(axis=0), lambda v: np.tensordot(gate, v, 1))
    )
    theory = (follow[2] - follow[1] @ W.T).T @ mean[1] + (mean[2] - mean[1] @ W.T).T @ follow[1]
    found = changes(circuit, protocol, minibatch, 0.7)["W_ff", 1]
    np.testing.assert_allclose(found, theory / (3 * 0.7), rtol=0, atol=1e-12)


@pytest.mark.parametrize("rule", ["moving", "moving_high_pass"])
@pytest.mark.parametrize("tau_trace", [0.0, 30.0])
def test_weights_move_within_the_presentation(saturating_circuit, minibatch, rule, tau_trace):
    """Oracle: a loop by hand over recorded rates: s e rᵀ, less that of means so far, through a leaky trace; 1e-12."""
    options = {"oscillation_rule": rule, "tau_trace": tau_trace, "learning_rate_ff": 0.3, "learning_rate_fb": 0.2}
    circuit = saturating_circuit(ARCHITECTURE, contrast="oscillation", gate_lag=LAG, **options)
    protocol = oscillating(settle_steps=6, cycle_steps=12, cycles=2)
    W, c = circuit.weights["W_fb"][1].copy(), 0.0
    preparation = Preparation(circuit, 3, protocol=protocol)
    r = {1: [], 2: []}
    preparation.on_step.append(
        lambda moment: [r[k].append(preparation.layer(k).read("r").copy()) for k in r if moment.phase.name != "settle"]
    )
    x, y = minibatch
    preparation.run([Stimulus(x, y, 0.7, learn=True)])
    gate = np.sin(2 * np.pi * (np.arange(1, 25) - LAG) / 12) / 12
    eta, rate = protocol.step, circuit.plasticity[2].optimiser.learning_rate(circuit.progress)
    for i, (post, pre) in enumerate(zip(r[1], r[2], strict=True)):
        change = (post - pre @ W.T).T @ pre
        if rule == "moving_high_pass":
            p, m = (np.mean(r[k][: i + 1], axis=0) for k in (1, 2))
            change -= (p - m @ W.T).T @ m
        c = c + rate * gate[i] * change / (3 * 0.7)
        kept = np.exp(-eta * 10 / tau_trace) if tau_trace else 0.0
        W, c = W + (1 - kept) * c, kept * c
    np.testing.assert_allclose(circuit.weights["W_fb"][1], W, rtol=0, atol=1e-12)
    assert np.abs(W - saturating_circuit(ARCHITECTURE).weights["W_fb"][1]).max() > 1e-5


def test_what_stands_still_leaves_a_slow_trace_alone_under_the_preset_of_moving_weights():
    """Oracle: theory. The gate's integral ends at 0, and so does the integral of that: it begins at its peak; 1e-14."""
    configuration = Configuration.read("digits_moving_weights")
    gate, _, _ = Readout("plus", lock_in=configuration.build_circuit().parameters.gate_lag).weights(
        np.asarray(configuration.build_protocol().phases[-1].beta)
    )
    assert abs(gate.sum()) < 1e-14
    assert abs(np.cumsum(gate).mean()) < 1e-14


def test_a_trace_is_part_of_a_checkpoint(saturating_circuit, minibatch):
    """What is on its way into weights is kept: a circuit from a state goes on as that which gave it, bit for bit."""
    options = {"contrast": "oscillation", "oscillation_rule": "moving", "tau_trace": 50.0}
    x, y = minibatch
    circuits = [saturating_circuit(ARCHITECTURE, **options) for _ in range(2)]
    protocol = oscillating(settle_steps=6, cycle_steps=12)
    first = Preparation(circuits[0], 3, protocol=protocol)
    first.run([Stimulus(x, y, 0.7, learn=True)])
    circuits[1].load_state_dict(circuits[0].state_dict())
    assert np.abs(circuits[1].plasticity[0].optimiser.c).max() > 0
    for circuit in circuits:
        Preparation(circuit, 3, protocol=protocol).run([Stimulus(x, y, 0.7, learn=True)])
    for k in (0, 1):
        np.testing.assert_array_equal(circuits[0].weights["W_ff"][k], circuits[1].weights["W_ff"][k])


@pytest.mark.parametrize(
    ("parameters", "settings", "message"),
    [
        ({"gate_lag": 6}, {"cycle_steps": 12}, "lags 6 steps .* must be below half its cycle, 6 steps"),
        ({"gate_lag": 0}, {"cycle_steps": 8}, "period of 8 steps, too fast for cells .* must be at least 9.08"),
    ],
)
def test_oscillations_that_cells_or_gates_cannot_follow_are_refused(minibatch, parameters, settings, message):
    """One line with the bound; theory of the period: 2π/(g_lk + 2/ε) = .455 τ_u, in steps of .05."""
    circuit = CorInfoMax(ARCHITECTURE, contrast="oscillation", **parameters)
    with pytest.raises(ParameterError, match=message):
        changes(circuit, oscillating(**settings), minibatch, 1.0)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"tau_trace": 10.0}, 'tau_trace = 10: needs oscillation_rule = "moving"'),
        ({"oscillation_rule": "moving"}, 'needs contrast = "oscillation", not "phases"'),
        ({"oscillation_rule": "moving", "contrast": "oscillation", "bias": True}, "leave bias out"),
        (
            {"oscillation_rule": "moving", "contrast": "oscillation", "tau_trace": 1.0, "weight_decay": 0.1},
            "weights that follow a trace have none",
        ),
    ],
)
def test_moving_weights_need_an_oscillation(parameters, message):
    """What does not go together is refused in one line."""
    with pytest.raises(ParameterError, match=message):
        CorInfoMax(ARCHITECTURE, **parameters)


def test_a_phase_of_half_a_cycle_is_refused(minibatch):
    """Half a cycle has no two signs of β to compare."""
    whole = oscillating(cycle_steps=20)
    settle, oscillation = whole.phases
    half = replace(oscillation, steps=10, beta=oscillation.beta[:10])
    protocol = replace(whole, phases=[settle, half])
    with pytest.raises(ParameterError, match="does not oscillate about 0"):
        changes(CorInfoMax(ARCHITECTURE, contrast="oscillation"), protocol, minibatch, 1.0)
