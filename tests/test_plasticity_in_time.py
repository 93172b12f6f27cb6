"""What rules read of phases and when they act: on a circuit that shares nothing with CorInfoMax."""

import brian2 as b2
import numpy as np
import pytest

from corinfomax.errors import ParameterError
from corinfomax.models import Cell, Parameter, StimulusCell
from corinfomax.models.domains import LINEAR
from corinfomax.networks import (
    Adam,
    Bias,
    Circuit,
    DenseChange,
    GradientStep,
    InverseTime,
    OuterProducts,
    Plasticity,
    PopulationSpec,
    Progress,
    Projection,
    Readout,
    Staircase,
)
from corinfomax.protocols.clockwork import Noise, Phase, Preparation, Protocol
from corinfomax.stimuli import Stimulus

ETA, RATE = 0.1, 0.05


class Tracking(Cell):
    """τ du/dt = W x + b - u + c (y - u), with a clamp c that is no nudge."""

    equations = """
    du/dt = pace*(drive + drive_free - u + clamp*(target - u))/tau : 1
    drive : 1
    drive_free : 1
    target : 1
    clamp : 1
    r : 1
    pace : 1 (shared)
    """
    drives = ("drive", "drive_free", "target")
    state = ("u", "r")
    parameters = (Parameter("tau", "second", "time constant", "this test"),)


def hebbian(weights, *states):
    """⟨r_1 r_0ᵀ⟩ of the last state that is read, less that of the first if there are several."""
    n = len(states[0].r[0])
    if len(states) == 1:
        return OuterProducts(states[0].r[1], states[0].r[0], 1 / n)
    first, last = states
    return OuterProducts(np.concatenate([first.r[1], -last.r[1]]), np.concatenate([first.r[0], last.r[0]]), 1 / n)


def of_bias(weights, state):
    return DenseChange(state.r[1].mean(axis=0))


def build(*plasticity, biased=False):
    rng = np.random.default_rng(0)
    return Circuit(
        populations=[
            PopulationSpec("stimulus", StimulusCell(), 3, layer=0),
            PopulationSpec("cells", Tracking(LINEAR, tau=10 * b2.ms), 2, layer=1),
        ],
        projections=[
            Projection("stimulus", "cells", "drive", ("W", 0), constant=True),
            *([Bias("cells", "drive", ("b", 1))] if biased else []),
        ],
        plasticity=plasticity,
        weights={"W": {0: rng.standard_normal((2, 3))}, "b": {1: rng.standard_normal(2)}},
        layers=["stimulus", "cells"],
        teacher=("cells", "target"),
        tau=10 * b2.ms,
    )


def present(circuit, protocol, x, y=None, **options):
    preparation = Preparation(circuit, replicas=len(x), protocol=protocol)
    preparation.run([Stimulus(x, y, learn=True, **options)])
    return preparation


@pytest.fixture
def x():
    return np.random.default_rng(1).standard_normal((4, 3))


def trajectory(W, b, x, steps, u=None):
    """u after each Euler step of du/ds = W x + b - u, by hand."""
    u, found = np.zeros((len(x), len(W))) if u is None else u, []
    for _ in range(steps):
        u = u + ETA * (x @ W.T + b - u)
        found.append(u)
    return found


def test_a_rule_reads_the_mean_over_the_last_part_of_a_phase(x):
    """ΔW from `Readout("free", last=3)` equals that from the mean of the last three states by hand, to 1e-14."""
    circuit = build(Plasticity(hebbian, GradientStep(("W", 0), RATE), reads=(Readout("free", last=3),)))
    W = circuit.weights["W"][0].copy()
    present(circuit, Protocol([Phase("free", 8)], step=ETA), x)
    mean = np.mean(trajectory(W, 0, x, 8)[-3:], axis=0)
    np.testing.assert_allclose(circuit.weights["W"][0], W + RATE * mean.T @ x / 4, rtol=0, atol=1e-14)


def test_a_rule_acts_at_the_end_of_a_phase(x):
    """Weights that move at the first phase's end act in the second, constant source included: by hand, to 1e-13."""
    rule = Plasticity(hebbian, GradientStep(("W", 0), RATE), reads=("first",), when="phase")
    circuit = build(rule, biased=True)
    W, b = circuit.weights["W"][0].copy(), circuit.weights["b"][1].copy()
    protocol = Protocol([Phase("first", 5), Phase("second", 4)], step=ETA, predicts="second")
    preparation = Preparation(circuit, replicas=4, protocol=protocol)
    ends = {}
    preparation.on_phase_end.append(lambda moment, end: ends.update({moment.phase.name: end.r[1]}))
    preparation.run([Stimulus(x, learn=True)])
    first = trajectory(W, b, x, 5)[-1]
    W = W + RATE * first.T @ x / 4
    np.testing.assert_allclose(ends["second"], trajectory(W, b, x, 4, first)[-1], rtol=0, atol=1e-13)
    np.testing.assert_allclose(circuit.weights["W"][0], W, rtol=0, atol=1e-13)


def test_a_rule_acts_in_every_step(x):
    """dW/ds = RATE ⟨r xᵀ⟩ and db/ds = RATE ⟨r⟩ beside du/ds = Wx + b - u, in the same steps: by hand, to 1e-13."""
    circuit = build(
        Plasticity(hebbian, GradientStep(("W", 0), RATE), reads=("free",), when="step"),
        Plasticity(of_bias, GradientStep(("b", 1), RATE), reads=("free",), when="step"),
        biased=True,
    )
    W, b, u = circuit.weights["W"][0].copy(), circuit.weights["b"][1].copy(), np.zeros((4, 2))
    present(circuit, Protocol([Phase("free", 7), Phase("rest", 3)], step=ETA, predicts="free"), x)
    for _ in range(7):
        u = u + ETA * (x @ W.T + b - u)
        W, b = W + ETA * RATE * u.T @ x / 4, b + ETA * RATE * u.mean(axis=0)
    np.testing.assert_allclose(circuit.weights["W"][0], W, rtol=0, atol=1e-13)
    np.testing.assert_allclose(circuit.weights["b"][1], b, rtol=0, atol=1e-13)


def test_a_clamped_phase_may_come_first(x):
    """With β = 0 and `teacher = True` targets reach a clamp; the phase comes first, another one predicts: by hand."""
    clamped = Phase("clamped", 6, course={"clamp": 4.0}, teacher=True)
    free = Phase("free", 5, reset=True)
    protocol = Protocol([clamped, free], step=ETA, predicts="free")
    circuit = build(Plasticity(hebbian, GradientStep(("W", 0), RATE), reads=("clamped", "free")))
    W, y = circuit.weights["W"][0].copy(), np.random.default_rng(2).standard_normal((4, 2))
    preparation = present(circuit, protocol, x, y)
    u = np.zeros((4, 2))
    for _ in range(6):
        u = u + ETA * (x @ W.T - u + 4 * (y - u))
    theory = trajectory(W, 0, x, 5)[-1]  # from rest, as the phase resets
    np.testing.assert_allclose(circuit.weights["W"][0], W + RATE * (u - theory).T @ x / 4, rtol=0, atol=1e-13)
    circuit.weights["W"][0][...] = W
    np.testing.assert_allclose(preparation.predict(x), theory, rtol=0, atol=1e-13)


def test_what_a_phase_shows(x):
    """Layer 0 carries the stimulus, nothing, given rates, or noise drawn from the seed, and rules read the same."""
    given = np.array([0.1, -0.2, 0.3])
    phases = [
        Phase("a", 2), Phase("b", 2, input="none"), Phase("c", 2, input=given), Phase("d", 2, input="noise"),
        Phase("e", 2, input="noise"), Phase("f", 2),
    ]  # fmt: skip
    circuit = build(Plasticity(hebbian, GradientStep(("W", 0), 0.0), reads=("a", "d")))
    preparation = Preparation(circuit, replicas=6, protocol=Protocol(phases, step=ETA))
    shown = []
    preparation.on_phase_end.append(lambda moment, end: shown.append((end.r[0], moment.layer(0).read("r"))))
    for _ in range(2):
        preparation.run([Stimulus(x, learn=True, seed=5)])
    for read, carried in shown:
        np.testing.assert_array_equal(carried[:4], read)
        np.testing.assert_array_equal(carried[4:], 0)  # replicas that carry no stimulus
    a, b, c, d, e, f = (read for read, _ in shown[:6])
    np.testing.assert_array_equal(a, x)
    np.testing.assert_array_equal(f, x)
    np.testing.assert_array_equal(b, 0)
    np.testing.assert_array_equal(c, np.broadcast_to(given, (4, 3)))
    assert np.abs(d - e).min() > 0
    for first, second in zip(shown[:6], shown[6:], strict=True):
        np.testing.assert_array_equal(first[0], second[0])


def test_a_phase_fills_drive_slots(x):
    """Noise of covariance deviation² L Lᵀ, the same by the same seed, and rates enter a slot; layer 0 is silent.

    In the next phase the slot is empty again, and cells go on from where they are, for nothing else has come on.
    """
    L = np.array([[2.0, 0.0], [1.0, 0.5]])
    noise = Noise(0.5, mixing=L)
    np.testing.assert_allclose(noise.covariance(2), 0.25 * L @ L.T)
    phases = [
        Phase("a", 2, input={"drive_free": noise}),
        Phase("b", 2, input={"cells.drive_free": np.array([0.1, 0.2])}),
        Phase("c", 2, input="none"),
    ]
    circuit = build()
    preparation = Preparation(circuit, replicas=4000, protocol=Protocol(phases, step=ETA))
    shown, u = [], []
    preparation.on_phase_end.append(lambda moment, end: shown.append(moment.layer(1).read("drive_free")))
    preparation.on_phase_end.append(lambda moment, end: u.append(moment.layer(1).read("u")))
    preparation.on_phase_end.append(lambda moment, end: np.testing.assert_array_equal(moment.layer(0).read("r"), 0))
    for _ in range(2):
        preparation.run([Stimulus(np.ones((3000, 3)), seed=6)])
    drawn, given, empty = shown[:3]
    np.testing.assert_allclose(drawn[:3000].T @ drawn[:3000] / 3000, noise.covariance(2), atol=0.06)
    np.testing.assert_array_equal(drawn[3000:], 0)
    np.testing.assert_array_equal(given[:3000], np.broadcast_to([0.1, 0.2], (3000, 2)))
    np.testing.assert_array_equal(empty, 0)
    np.testing.assert_array_equal(shown[3], drawn)
    np.testing.assert_allclose(u[2], u[1] * (1 - ETA) ** 2, rtol=0, atol=1e-13)


def test_an_optional_rule_rests_without_its_phases(x):
    """Under a protocol that lacks a phase that it reads an optional rule moves nothing; others are refused (exact)."""
    optional, needed = (
        build(Plasticity(hebbian, GradientStep(("W", 0), RATE), reads=("other",), optional=choice))
        for choice in (True, False)
    )
    before = optional.weights["W"][0].copy()
    present(optional, Protocol([Phase("free", 3)], step=ETA), x)
    np.testing.assert_array_equal(optional.weights["W"][0], before)
    present(optional, Protocol([Phase("other", 3)], step=ETA), x)
    assert np.abs(optional.weights["W"][0] - before).max() > 0
    with pytest.raises(
        ParameterError, match=r"rule of W\[0\]: reads a phase 'other' that the protocol lacks; has free"
    ):
        present(needed, Protocol([Phase("free", 3)], step=ETA), x)


@pytest.mark.parametrize("reset", ["rest", "carry"])
def test_idle_replicas_are_cleared(x, reset):
    """Replicas that the next minibatch has no stimulus for carry exactly 0, and stay at rest where they begin there."""
    protocol = Protocol([Phase("free", 3)], step=ETA, reset=reset)
    preparation = Preparation(build(), replicas=4, protocol=protocol)
    preparation.settle(x)
    preparation.settle(x[:1])
    np.testing.assert_array_equal(preparation.layer(0).read("r"), [x[0], *np.zeros((3, 3))])
    if reset == "rest":
        np.testing.assert_array_equal(preparation.layer(1).read("u")[1:], 0)


def test_evaluation_may_have_a_protocol_of_its_own(x):
    """Predictions follow `evaluation`, with its own steps and Euler step; learning does not: both by hand, to 1e-13."""
    evaluation = Protocol([Phase("long", 20)], step=0.5 * ETA)
    circuit = build(Plasticity(hebbian, GradientStep(("W", 0), RATE), reads=("free",)))
    W = circuit.weights["W"][0].copy()
    preparation = present(circuit, Protocol([Phase("free", 3)], step=ETA, evaluation=evaluation), x)
    np.testing.assert_allclose(
        circuit.weights["W"][0], W + RATE * trajectory(W, 0, x, 3)[-1].T @ x / 4, rtol=0, atol=1e-13
    )
    u, W = np.zeros((4, 2)), circuit.weights["W"][0]
    for _ in range(20):
        u = u + 0.5 * ETA * (x @ W.T - u)
    np.testing.assert_allclose(preparation.predict(x), u, rtol=0, atol=1e-13)


def test_a_fault_in_the_evaluation_is_told_as_such():
    """A refusal of the evaluation's keys names the evaluation, in one line."""
    with pytest.raises(ParameterError, match=r"^evaluation: .*step") as refusal:
        Protocol([Phase("free", 3)], evaluation={"phases": [Phase("long", 20)], "step": -1.0})
    assert "\n" not in str(refusal.value)


def test_steps_of_a_stimulus_go_by_the_names_of_phases(x):
    """A prediction by the second phase has the second number of steps: u by hand, to 1e-13."""
    circuit = build(Plasticity(hebbian, GradientStep(("W", 0), RATE), reads=("free",)))
    protocol = Protocol([Phase("clamped", 2, teacher=True), Phase("free", 3)], step=ETA, predicts="free")
    preparation, ends = Preparation(circuit, replicas=4, protocol=protocol), []
    preparation.on_presentation.append(lambda moment, found: ends.append(found["free"].r[1]))
    preparation.run([Stimulus(x, steps=(5, 7))])
    np.testing.assert_allclose(ends[0], trajectory(circuit.weights["W"][0], 0, x, 7)[-1], rtol=0, atol=1e-13)


def test_two_rules_may_move_the_same_weights(x):
    """Of two rules with Adam each optimiser's state has its place; one that loads both learns on alike (exact)."""

    def learner():
        return build(*(Plasticity(hebbian, Adam(("W", 0), (2, 3), rate), reads=("free",)) for rate in (0.1, 0.05)))

    def learn(circuit):
        present(circuit, Protocol([Phase("free", 3)], step=ETA), x)
        return circuit.weights["W"][0]

    first, second = learner(), learner()
    learn(first)
    second.load_state_dict(first.state_dict())
    places = {name.rpartition("/")[0] for name in first.state_dict()}
    assert places >= {"optimiser/W/0", "optimiser/W/0/rule_2"}
    np.testing.assert_array_equal(learn(second), learn(first))


def test_rules_of_weights_that_do_not_exist_are_refused():
    """The line names the weights that there are."""
    with pytest.raises(ParameterError, match=r"rule of W\[1\]: there are no such weights; there are .*W\[0\]"):
        build(Plasticity(hebbian, GradientStep(("W", 1), RATE), reads=("free",)))


def test_rates_follow_epochs_and_presentations(x):
    """Weights after five presentations in two epochs follow Staircase and InverseTime by hand, to 1e-13."""
    schedules = {
        "stairs": (Staircase(0.1, 0.5, every=2, unit="presentations"), lambda e, t: 0.1 * 0.5 ** (t // 2)),
        "epochs": (Staircase(0.1, 0.5, every=1), lambda e, t: 0.1 * 0.5**e),
        "inverse": (InverseTime(2.0, 10.0), lambda e, t: 2.0 / (10 + t)),
    }
    for schedule, theory in schedules.values():
        circuit = build(Plasticity(hebbian, GradientStep(("W", 0), schedule), reads=("free",)))
        W = circuit.weights["W"][0].copy()
        preparation = Preparation(circuit, replicas=4, protocol=Protocol([Phase("free", 3)], step=ETA))
        for presentation in range(5):
            circuit.epoch = presentation // 3
            preparation.run([Stimulus(x, learn=True)])
            W = W + theory(presentation // 3, presentation) * trajectory(W, 0, x, 3)[-1].T @ x / 4
        np.testing.assert_allclose(circuit.weights["W"][0], W, rtol=0, atol=1e-13)
        assert circuit.progress == Progress(1, 5)


class Whole:
    """An optimiser that cannot act in steps."""

    target = ("W", 0)


REFUSED = {
    "phase": ({"reads": ("nudge",)}, "rule of W[0]: reads a phase 'nudge' that the protocol lacks; has free"),
    "part": ({"reads": ("plus",)}, "rule of W[0]: reads a phase (plus = 'nudge') that the protocol lacks; has free"),
    "mean": ({"reads": (Readout("free", last=9),)}, "rule of W[0]: reads the last 9 of 3 steps of phase 'free'"),
}


@pytest.mark.parametrize(("changes", "told"), REFUSED.values(), ids=REFUSED)
def test_what_a_rule_cannot_read_is_refused(x, changes, told):
    """A rule that reads what the protocol lacks is refused before anything is presented, in one line."""
    circuit = build(Plasticity(hebbian, GradientStep(("W", 0), RATE), **changes))
    preparation = Preparation(circuit, replicas=4, protocol=Protocol([Phase("free", 3)], step=ETA))
    with pytest.raises(ParameterError) as refusal:
        preparation.run([Stimulus(x, learn=True)])
    assert str(refusal.value) == told
    assert preparation.predict(x).shape == (4, 2)  # which needs no rules


def test_an_optimiser_that_cannot_act_in_steps_is_refused():
    """A rule for every step with an optimiser that needs whole presentations: one line names both, and what to take."""
    with pytest.raises(
        ParameterError, match=r"rule of W\[0\]: acts in every step, which Whole cannot; take GradientStep"
    ):
        Plasticity(hebbian, Whole(), reads=("free",), when="step")


def test_a_rule_cannot_read_phases_that_are_not_over(x):
    """A rule that acts at a phase's end and reads a later phase is refused in one line."""
    circuit = build(Plasticity(hebbian, GradientStep(("W", 0), RATE), reads=("first", "second"), when="phase"))
    protocol = Protocol([Phase("first", 2), Phase("second", 2)], step=ETA)
    with pytest.raises(ParameterError, match="acts in phase 'first' and reads phases that are not over then"):
        present(circuit, protocol, x)


def test_a_first_phase_may_begin_at_rest(x):
    """With reset = "carry" states go on between presentations, but not into a phase that resets: by hand, to 1e-13."""
    circuit = build()
    for reset in (False, True):
        protocol = Protocol([Phase("free", 3, reset=reset)], step=ETA, reset="carry")
        preparation = Preparation(circuit, replicas=4, protocol=protocol)
        first = preparation.predict(x)
        begin = np.zeros((4, 2)) if reset else first
        theory = trajectory(circuit.weights["W"][0], 0, x, 3, begin)[-1]
        np.testing.assert_allclose(preparation.predict(x), theory, rtol=0, atol=1e-13)


class Nudged(Tracking):
    """The same with a nudge in place of the clamp."""

    equations = Tracking.equations.replace("clamp*", "beta*").replace("clamp : 1", "beta : 1 (shared)")


def test_predictions_are_not_nudged_towards_nothing(x):
    """Where a nudged phase predicts and there are no targets, β is 0: u = Wx - u alone, by hand, to 1e-13."""
    circuit = build()
    circuit.exchange_cell("cells", Nudged)
    protocol = Protocol([Phase("nudge", 4, beta=1.0)], step=ETA, predicts="nudge")
    theory = trajectory(circuit.weights["W"][0], 0, x, 4)[-1]
    found = Preparation(circuit, replicas=4, protocol=protocol).predict(x)
    np.testing.assert_allclose(found, theory, rtol=0, atol=1e-13)


def test_rates_of_an_input_must_be_those_of_layer_0():
    """An array of another length is refused when it is mounted: phase, its rates and layer 0's cells are named."""
    protocol = Protocol([Phase("free", 3, input=[0.1, 0.2])], step=ETA)
    with pytest.raises(ParameterError, match=r"phase 'free': input has 2 rates; layer 0 has 3 cells"):
        Preparation(build(), protocol=protocol)
