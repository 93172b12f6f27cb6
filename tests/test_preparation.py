"""The preparation: what it refuses, what it survives, and what its hooks and calls promise."""

import gc
import logging
import os
import signal

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from corinfomax.errors import DivergenceError, ParameterError, StimulusError
from corinfomax.networks import CorInfoMax, PhaseEnd
from corinfomax.protocols.clockwork import Phase, Preparation, Protocol, contrastive
from corinfomax.stimuli import Stimulus

SHORT = contrastive(free_steps=4, nudge_steps=2)


@pytest.fixture
def circuit(saturating_circuit):
    return saturating_circuit((6, 5, 4))


@pytest.fixture
def preparation(circuit):
    return Preparation(circuit, replicas=3, protocol=SHORT)


def assert_works(preparation):
    """A further presentation runs and gives finite rates."""
    assert np.isfinite(preparation.predict(np.full((1, 6), 0.5))).all()


@pytest.mark.parametrize(
    ("x", "y", "error", "message"),
    [
        (np.zeros((2, 7)), np.zeros((2, 4)), StimulusError, r"x has shape \(2, 7\), must be \(n, 6\)"),
        (np.zeros((1, 2, 6)), np.zeros((2, 4)), StimulusError, "x has shape"),
        (np.zeros((4, 6)), np.zeros((4, 4)), StimulusError, "4 stimuli.*1 to 3"),
        (np.zeros((0, 6)), np.zeros((0, 4)), StimulusError, "0 stimuli"),
        (np.zeros((2, 6)), np.zeros((2, 5)), StimulusError, r"y has shape \(2, 5\), must be \(2, 4\)"),
        (np.zeros((2, 6)), np.zeros((1, 4)), StimulusError, r"y has shape \(1, 4\), must be \(2, 4\)"),
        (np.full((2, 6), np.nan), np.zeros((2, 4)), StimulusError, "x contains NaN"),
        (np.full((2, 6), np.inf), np.zeros((2, 4)), StimulusError, "x contains NaN or infinity"),
        (np.zeros((2, 6)), np.full((2, 4), np.nan), StimulusError, "y contains NaN"),
    ],
)
def test_bad_stimuli(preparation, x, y, error, message):
    """Stimuli of the wrong shape or not finite raise a `StimulusError` of one line, and the preparation lives on."""
    with pytest.raises(error, match=message) as caught:
        preparation.present(x, y)
    assert "\n" not in str(caught.value)
    assert_works(preparation)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"beta": 0.0}, "beta = 0: learning divides by β"),
        ({"beta": np.nan}, "beta = nan"),
        ({"variables": ("u", "v_C")}, "no variable 'v_C'; recordable: .*v_A"),
    ],
)
def test_bad_presentation(preparation, keywords, message):
    """β = 0 when learning, β that is not finite and unknown variables raise a `ParameterError` of one line."""
    with pytest.raises(ParameterError, match=message) as caught:
        preparation.present(np.zeros((1, 6)), np.zeros((1, 4)), **keywords)
    assert "\n" not in str(caught.value)
    assert not preparation.on_step
    assert_works(preparation)


def test_beta_may_be_zero_without_learning(preparation):
    """β = 0 without learning is a nudge phase that only prolongs the free one: same rates as 6 free steps, exactly."""
    x = np.linspace(0, 1, 6)
    shown = preparation.present(x, np.ones(4), beta=0.0, learn=False)
    longer = Preparation(preparation.circuit, protocol=contrastive(free_steps=6, nudge_steps=1))
    theory = longer.present(x).free.r[2]
    np.testing.assert_array_equal(shown.trace("r", 2), theory)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda circuit: Preparation(circuit, replicas=0), "replicas = 0"),
        (lambda circuit: Preparation(circuit, dtype=np.float16), "dtype = float16: must be float32 or float64"),
        (
            lambda circuit: Preparation(
                circuit, protocol=Protocol([Phase("free", 2, course={"gate_axon": 0.0})], plus="free")
            ),
            "phase 'free': no population has a parameter 'gate_axon'",
        ),
        *(
            (
                lambda circuit, key=key: Preparation(
                    circuit, protocol=Protocol([Phase("free", 2, course={key: 0.0}), Phase("nudge", 2, beta=1.0)])
                ),
                f"phase 'free': .*{key}",
            )
            for key in (
                "layer_2.beta",
                "layer_1.pace",
                "stimulus.r",
                "layer_1.v_A",
            )
        ),
        (lambda circuit: contrastive(free_steps=0), "free_steps"),
        (lambda circuit: contrastive(step=-0.1), "step = -0.1"),
        (lambda circuit: contrastive(step_rule="halve"), "step_rule"),
        (lambda circuit: contrastive(speed=1), "unknown key 'speed'"),
        (lambda circuit: Protocol([Phase("free", 2), Phase("free", 2)]), "names of their own"),
        (lambda circuit: Protocol([Phase("free", 2)], predicts="nudge"), "predicts = 'nudge': has free"),
        (lambda circuit: Phase("free", 0), "steps = 0"),
        (lambda circuit: Phase("free", 10**15), "steps = 1000000000000000 must be a whole number from 1 to 1,000,000"),
        (lambda circuit: Phase("nudge", 3, beta=[1.0, 2.0]), "course of beta must be a finite number or 3"),
        (lambda circuit: Phase("nudge", 3, beta=np.nan), "course of beta"),
    ],
)
def test_bad_protocols(circuit, build, message):
    """Whatever does not fit in a preparation or a protocol raises a `ParameterError` of one line that names it."""
    with pytest.raises(ParameterError, match=message) as caught:
        build(circuit)
    assert "\n" not in str(caught.value)


def test_types_of_two_preparations(circuit):
    """Two preparations that live at once share one floating-point type; afterwards the circuit may change it."""
    first = Preparation(circuit, protocol=SHORT)
    with pytest.raises(ParameterError, match=r"dtype = float32: another preparation.*float64") as caught:
        Preparation(circuit, protocol=SHORT, dtype=np.float32)
    assert "\n" not in str(caught.value)
    assert_works(first)
    assert circuit.weights["W_ff"][0].dtype == np.float64
    del first, caught
    assert_works(Preparation(circuit, protocol=SHORT, dtype=np.float32))
    assert circuit.weights["W_ff"][0].dtype == np.float32


def test_gates_are_back_after_an_error(circuit):
    """A hook that raises amid a phase with a course leaves gates and currents as they were before it."""
    phases = [Phase("free", 3, course={"gate_soma": 0.0, "I_soma": 0.5}), Phase("nudge", 2, beta=1.0)]
    preparation = Preparation(circuit, protocol=Protocol(phases))

    def fail(preparation):
        raise ValueError("amid")

    preparation.on_step.append(fail)
    with pytest.raises(ValueError, match="amid"):
        preparation.predict(np.full((1, 6), 0.5))
    assert (preparation.layer(1).view("gate_soma") == 1).all()
    assert not preparation.layer(1).view("I_soma").any()


def test_refused_preparation_is_silent(circuit, caplog):
    """A preparation that is refused, or never run, says nothing beside its error: no warning of Brian2's."""
    with pytest.raises(ParameterError, match="stability bound"):
        Preparation(circuit, protocol=contrastive(step=1.0))
    Preparation(circuit, protocol=SHORT)
    gc.collect()
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_diverging_activity(saturating_circuit):
    """Activity beyond the finite numbers raises a `DivergenceError` that names the layer, and later runs work."""
    wild = contrastive(step=60.0, free_steps=300, allow_unstable=True)
    with pytest.raises(DivergenceError, match="activity of layer_1 diverges") as caught:
        Preparation(saturating_circuit((6, 5, 4)), protocol=wild).predict(np.ones((1, 6)))
    assert "\n" not in str(caught.value)
    assert_works(Preparation(saturating_circuit((6, 5, 4)), protocol=SHORT))


def test_diverging_weights(saturating_circuit):
    """Weights beyond the finite numbers raise a `DivergenceError` that names them, and later runs work."""
    preparation = Preparation(saturating_circuit((6, 5, 4), learning_rate_ff=1e308), protocol=contrastive())
    preparation.circuit.weights["W_ff"][1][:] = 1.0
    stimuli = [Stimulus(np.full((1, 6), 0.5), np.ones((1, 4)), beta, learn=True) for beta in (1e-3, -1e-3) * 2]
    with pytest.raises(DivergenceError, match=r"weights W_ff\[\d\] are not finite") as caught:
        preparation.run(stimuli)
    assert "\n" not in str(caught.value)
    assert_works(Preparation(saturating_circuit((6, 5, 4)), protocol=SHORT))


def test_error_in_a_hook(preparation):
    """An error in any hook ends the run, surfaces after it as it is, and leaves a preparation that works."""
    for hooks in (preparation.on_step, preparation.on_phase_end, preparation.on_presentation):

        def fail(*arguments):
            raise LookupError("from the hook")

        hooks.append(fail)
        with pytest.raises(LookupError, match="from the hook"):
            preparation.present(np.ones(6), np.ones(4))
        hooks.remove(fail)
        assert_works(preparation)


def test_error_in_the_stimuli(preparation):
    """A bad stimulus in the middle of a run surfaces after it; those before it have been presented."""
    presented = []
    preparation.on_presentation.append(lambda moment, ends: presented.append(moment.presented))
    with pytest.raises(StimulusError, match=r"x has shape \(2, 9\)"):
        preparation.run([Stimulus(np.zeros((1, 6))), Stimulus(np.zeros((2, 6))), Stimulus(np.zeros((2, 9)))])
    assert presented == [1, 2]
    assert_works(preparation)


def test_hooks_in_order(preparation):
    """Steps, then the phase's end with the old weights, then the presentation's end with the new ones."""
    calls, W = [], preparation.circuit.weights["W_ff"][0]
    old = W.copy()
    preparation.on_step.append(lambda moment: calls.append((moment.phase.name, moment.step)))

    def phase_end(moment, end):
        assert isinstance(end, PhaseEnd)
        calls.append(("end", moment.phase.name, end.beta))
        np.testing.assert_array_equal(W, old)

    def presentation(moment, ends):
        calls.append(("presentation", *ends))
        assert (old != W).any()

    preparation.on_phase_end.append(phase_end)
    preparation.on_presentation.append(presentation)
    preparation.run([Stimulus(np.ones((1, 6)), np.ones((1, 4)), -0.5, learn=True)])
    assert calls == [
        *(("free", i) for i in range(4)),
        ("end", "free", 0.0),
        *(("nudge", i) for i in range(2)),
        ("end", "nudge", -0.5),
        ("presentation", "free", "nudge"),
    ]


def test_predict_is_the_free_phase(preparation, minibatch):
    """`predict` of five stimuli equals the free phase's end of three presentations in threes, bit for bit."""
    x, y = minibatch(preparation.circuit, n=5, low=0.0, high=1.0)
    found = preparation.predict(x)
    presentations = [preparation.present(x[a:b], y[a:b], learn=False) for a, b in ((0, 3), (3, 5))]
    theory = np.concatenate([shown.free.r[2][-1] for shown in presentations])
    np.testing.assert_array_equal(found, theory)


def test_shared_weights(circuit, minibatch):
    """A preparation for prediction sees at once what another of the same circuit has learnt: equal to 1e-14."""
    training = Preparation(circuit, replicas=2, protocol=SHORT)
    prediction = Preparation(circuit, replicas=4, protocol=SHORT)
    x, y = minibatch(circuit, n=2, low=0.0, high=1.0)
    before = prediction.predict(x)
    training.present(x, y)
    theory = training.predict(x)
    np.testing.assert_allclose(prediction.predict(x), theory, rtol=0, atol=1e-14)
    assert np.abs(theory - before).max() > 1e-6


def test_present_does_not_learn_unless_asked(preparation):
    """Without targets, or with learn = False, no weight changes by a bit."""
    before = preparation.circuit.state_dict()
    preparation.present(np.ones(6))
    preparation.present(np.ones(6), np.ones(4), learn=False)
    preparation.predict(np.ones((4, 6)))
    for name, theory in before.items():
        np.testing.assert_array_equal(preparation.circuit.state_dict()[name], theory)


@pytest.mark.parametrize("convention", ["normative", "authors"])
def test_single_precision(saturating_circuit, minibatch, convention):
    """float32 gives the rates and weights of float64 over three learning presentations to 1e-4."""
    kept = []
    for dtype in (np.float64, np.float32):
        preparation = Preparation(saturating_circuit(convention=convention), replicas=2, dtype=dtype)
        for seed, beta in enumerate((1.0, -1.0, 1.0)):
            x, y = minibatch(preparation.circuit, n=2, seed=seed, low=0.0, high=1.0)
            shown = preparation.present(x, y, beta)
        assert shown.nudge.r[1].dtype == preparation.circuit.weights["B"][1].dtype == dtype
        kept.append((shown, preparation.circuit.weights))
    (theory, weights), (found, found_weights) = kept
    for k in theory.nudge.r:
        np.testing.assert_allclose(found.trace("r", k), theory.trace("r", k), rtol=0, atol=1e-4)
    for name in ("W_ff", "W_fb", "B"):
        for k, array in weights[name].items():
            np.testing.assert_allclose(found_weights[name][k], array, rtol=0, atol=1e-4)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interruption(preparation, number):
    """A real signal lets the present presentation end with its plasticity, sets `interrupted`, restores handlers."""
    before, ends, taken = signal.getsignal(number), [], []

    def stimuli():
        for index in range(5):
            taken.append(index)
            yield Stimulus(np.full((1, 6), 0.5), np.ones((1, 4)), learn=True)

    def kill(moment):
        if len(ends) == 1 and moment.phase.name == "free" and moment.step == 1:
            os.kill(os.getpid(), number)

    preparation.on_step.append(kill)
    preparation.on_presentation.append(lambda moment, phases: ends.append(tuple(phases)))
    preparation.run(stimuli())
    assert preparation.interrupted
    assert ends == [("free", "nudge")] * 2
    assert taken == [0, 1]
    assert signal.getsignal(number) is before
    preparation.on_step.remove(kill)
    preparation.run(stimuli())
    assert not preparation.interrupted
    assert len(ends) == 7


def test_interrupted_presentation_raises(preparation):
    """`present` and `predict`, which have nothing whole to give back, raise KeyboardInterrupt after a SIGINT."""

    def kill(preparation):
        os.kill(os.getpid(), signal.SIGINT)

    preparation.on_step.append(kill)
    with pytest.raises(KeyboardInterrupt):
        preparation.predict(np.ones((9, 6)))
    with pytest.raises(KeyboardInterrupt):
        preparation.present(np.ones(6))
    preparation.on_step.remove(kill)
    assert_works(preparation)


def test_carried_state_is_restored(circuit, minibatch):
    """With reset = "carry" a preparation given another's `state_dict` goes on as that one does, bit for bit."""
    protocol = contrastive(free_steps=4, nudge_steps=2, reset="carry")
    first, second = (Preparation(circuit, replicas=2, protocol=protocol) for _ in range(2))
    x, y = minibatch(circuit, n=2, low=0.0, high=1.0)
    first.present(x, y, learn=False)
    second.load_state_dict(first.state_dict())
    theory, found = (preparation.present(y @ np.ones((4, 6)) / 4, y, learn=False) for preparation in (first, second))
    for k in theory.free.r:
        np.testing.assert_array_equal(found.trace("u", k), theory.trace("u", k))
        assert theory.free.u[k][0].any()


def test_presentations_are_independent(preparation, minibatch):
    """At rest before each presentation, the same stimulus gives the same recording after any other, bit for bit."""
    x, y = minibatch(preparation.circuit, n=3, low=0.0, high=1.0)
    theory = preparation.present(x, y, learn=False)
    preparation.present(1 - x, 1 - y, beta=-1.0, learn=False)
    found = preparation.present(x, y, learn=False)
    for name in ("u", "v_A", "v_B"):
        for k in (1, 2):
            np.testing.assert_array_equal(found.trace(name, k), theory.trace(name, k))


@pytest.mark.parametrize(
    ("forgetting", "allowed"), [(0.99999, True), (0.99995, True), (0.999999, False), (1 - 1e-8, False)]
)
def test_forgetting_too_slow_for_single_precision(forgetting, allowed):
    """float32 is refused where it rounds 1/λ - 1 by more than 1 %, float64 is not."""
    circuit = CorInfoMax([6, 5, 4], forgetting=forgetting)
    Preparation(circuit, protocol=SHORT)
    if allowed:
        Preparation(CorInfoMax([6, 5, 4], forgetting=forgetting), protocol=SHORT, dtype=np.float32)
    else:
        with pytest.raises(ParameterError, match=r"forgetting = 0\.999.*float32.*take dtype = float64"):
            Preparation(CorInfoMax([6, 5, 4], forgetting=forgetting), protocol=SHORT, dtype=np.float32)


@pytest.mark.parametrize(("blas_threads", "expected"), [(1, 1), (3, 3), (None, 2)])
def test_threads_of_linear_algebra(circuit, blas_threads, expected):
    """A run has the threads it was asked for, None leaves them as they are; then the process has its own again."""
    preparation = Preparation(circuit, protocol=SHORT, blas_threads=blas_threads)

    def threads():
        return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]

    with threadpool_limits(expected, user_api="blas"):
        wanted = threads()
    seen = []
    preparation.on_step.append(lambda preparation: seen.append(threads()))
    with threadpool_limits(2, user_api="blas"):
        before = threads()
        preparation.predict(np.full((1, 6), 0.5))
        assert threads() == before
    assert all(found == wanted for found in seen)
    assert len(seen) == 4


@pytest.mark.parametrize("learn", ["no", float("nan"), None, 1])
def test_learn_is_true_or_false(unsaturated_circuit, learn):
    """What is neither is a `ParameterError`, and no weight moves."""
    circuit = unsaturated_circuit()
    before = circuit.weights["W_ff"][0].copy()
    with pytest.raises(ParameterError, match=r"learn = .*: must be True or False"):
        Preparation(circuit).run([Stimulus(np.full((1, 6), 0.5), np.full((1, 3), 0.5), learn=learn)])
    np.testing.assert_array_equal(circuit.weights["W_ff"][0], before)
