"""The interval between two renewals of the lateral current, found by error: the oracle is the exact scheme."""

import copy
import pickle

import brian2 as b2
import numpy as np
import pytest

from corinfomax import CorInfoMax, Preparation, Stimulus, contrastive
from corinfomax.errors import DivergenceError, ParameterError
from corinfomax.networks import EquilibriumPropagation
from corinfomax.protocols.clockwork import calibrate, presenter
from corinfomax.protocols.systems.corinfomax import renew_sst

NAME = "sst_every"


@pytest.fixture
def calibrated(minibatch):
    """Mount a circuit with phases of 12 and 6 steps and calibrate it; give preparation, stimulus, what was found."""

    def build(circuit, dtype=np.float64, **options):
        protocol = contrastive(free_steps=12, nudge_steps=6, **options)
        preparation = Preparation(circuit, replicas=3, dtype=dtype, protocol=protocol, target="numpy")
        stimulus = Stimulus(*minibatch(circuit, n=3, low=0.0, high=1.0), beta=0.5)
        return preparation, stimulus, calibrate(preparation, stimulus)

    return build


def ends(circuit, protocol, stimulus, dtype=np.float64):
    """Rates of all layers at the ends of both phases."""
    preparation = Preparation(circuit, replicas=3, dtype=dtype, protocol=protocol, target="numpy")
    shown = preparation.present(stimulus.x, stimulus.y, stimulus.beta, learn=False, variables=("r",))
    return np.concatenate([phase.r[k][-1].ravel() for phase in (shown.free, shown.nudge) for k in phase.r])


@pytest.mark.parametrize("schedule", ["synchronous", "sequential"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-3), (np.float32, 3e-3)])
def test_the_interval_keeps_rates_within_tolerance(saturating_circuit, calibrated, schedule, dtype, tolerance):
    """Each deviation is that of circuits with sst_every stated, exactly; the longest within tolerance is chosen."""
    circuit = saturating_circuit(schedule=schedule, sst_tolerance=tolerance)
    preparation, stimulus, found = calibrated(circuit, dtype)
    measured = found[NAME].deviations
    stated = {n: saturating_circuit(schedule=schedule, sst_every=n) for n in (1, *measured)}
    exact, *others = (ends(each, preparation.protocol, stimulus, dtype) for each in stated.values())
    theory = {n: np.abs(other - exact).max() for n, other in zip(measured, others, strict=True)}
    assert measured == theory
    assert circuit.sst_every == found[NAME].steps == max(n for n, deviation in theory.items() if deviation <= tolerance)
    assert 1 < circuit.sst_every < 12
    assert min(n for n, deviation in theory.items() if deviation > tolerance) > circuit.sst_every
    held = []
    preparation.on_phase_end.append(lambda moment, end: held.extend(r.ravel() for k, r in end.r.items() if k))
    preparation.run([stimulus])
    np.testing.assert_array_equal(np.concatenate(held), others[list(measured).index(circuit.sst_every)])


def test_what_is_recorded_is_the_exact_scheme(saturating_circuit, calibrated):
    """SST potentials of a calibrated circuit are those of one with sst_every = 1, bit for bit; the interval stays."""
    circuit, exact = saturating_circuit(sst_tolerance=1e-3), saturating_circuit(sst_every=1)
    preparation, stimulus, found = calibrated(circuit)
    other = Preparation(exact, 3, protocol=preparation.protocol, target="numpy")
    shown = [
        each.present(stimulus.x, stimulus.y, 0.5, learn=False, variables=("SST_1.V_soma", "SST_2.V_soma")).nudge
        for each in (preparation, other)
    ]
    for name in ("SST_1.V_soma", "SST_2.V_soma"):
        np.testing.assert_array_equal(shown[0][name], shown[1][name])
    assert circuit.sst_every == found[NAME].steps > 1


@pytest.mark.parametrize("schedule", ["synchronous", "sequential"])
def test_a_stronger_current_is_renewed_more_often(calibrated, schedule):
    """float32, to one rounding: once a phase where the current is faint, every step at 1/(1 - λ), which is said."""
    said = {}
    for gain in (0.01, 1, 1e5):
        circuit = CorInfoMax([6, 5, 4], entropy_gain=gain, schedule=schedule)
        preparation, stimulus, found = calibrated(circuit, np.float32)
        assert found[NAME].tolerance == np.finfo(np.float32).eps
        said[circuit.sst_every] = renew_sst(circuit, preparation, stimulus)
    assert sorted(said, reverse=True) == list(said)
    assert {1, 12} < set(said)
    assert said[12] is None
    assert "Each step renews the lateral current" in said[1]


def test_every_step_to_one_rounding_of_float64(calibrated):
    """One rounding of float64 is 2e-16, and the published current is more: every step."""
    assert calibrated(CorInfoMax([6, 5, 4]))[2][NAME].steps == 1


def test_a_calibration_leaves_everything_as_it_was(saturating_circuit, calibrated, minibatch):
    """States that carry over, random generators, hooks, progress, weights; with noise it finds the same again."""
    circuit = saturating_circuit(sst_tolerance=1e-3, noise_soma=0.3, noise_SST=0.1)
    preparation, stimulus, found = calibrated(circuit, reset="carry")
    assert len(found[NAME].deviations) > 1
    preparation.present(*minibatch(circuit, n=3, seed=1), learn=True, seed=3)
    called = []
    preparation.on_step.append(called.append)
    weights, states, progress = circuit.state_dict(), preparation.state_dict(), circuit.progress
    b2.seed(5)
    drawn = np.random.get_state()[1]  # noqa: NPY002 - the generator that Brian2 uses
    again = calibrate(preparation, stimulus)
    assert np.array_equal(np.random.get_state()[1], drawn)  # noqa: NPY002
    after = circuit.state_dict()
    assert int(after.pop(f"interval/{NAME}")) == again[NAME].steps
    weights.pop(f"interval/{NAME}")
    for one, other in ((weights, after), (states, preparation.state_dict())):
        assert one.keys() == other.keys()
        for key, value in one.items():
            np.testing.assert_array_equal(other[key], value, err_msg=key)
    assert preparation.on_step == [called.append]
    assert not called
    assert circuit.progress == progress
    assert calibrate(preparation, stimulus) == again


@pytest.mark.parametrize(
    "options", [{"sst_every": 3, "sst_tolerance": 0.1}, {"sst_tolerance": 0}, {"projection": "synapses"}]
)
def test_nothing_is_presented_where_nothing_is_to_be_found(calibrated, options):
    """sst_every wins where it is given; a tolerance of 0 and Synapses mean every step."""
    circuit = CorInfoMax([6, 5, 4], **options)
    preparation, _, found = calibrated(circuit)
    assert found == {}
    assert circuit.sst_every == options.get("sst_every", 1)
    assert "before the first presentation" in repr(preparation.moment)
    assert f"interval/{NAME}" not in circuit.state_dict()


def test_other_circuits_and_silent_currents_have_none(calibrated):
    """A circuit without SST cells has nothing to find; where B is I/ε nothing can be told yet: every step."""
    assert calibrated(EquilibriumPropagation([6, 5, 4]))[2] == {}
    found = calibrated(CorInfoMax([6, 5, 4], lateral_rule="regularised", entropy_gain=1e5))[2][NAME]
    assert (found.steps, found.deviations) == (1, {})


def test_an_interval_at_which_activity_diverges_is_not_taken(saturating_circuit, calibrated, monkeypatch):
    """What counts as divergence lies between the potentials of the exact scheme and of one renewal a phase."""
    options = {"entropy_gain": 10.0, "sst_tolerance": 10.0}
    preparation, stimulus, found = calibrated(saturating_circuit(**options))
    assert found[NAME].steps == 12
    highest = {}
    for n in (1, 12):
        circuit = saturating_circuit(**{**options, "sst_every": n})
        other = Preparation(circuit, 3, protocol=preparation.protocol, target="numpy")
        u = other.present(stimulus.x, stimulus.y, 0.5, learn=False, variables=("u",)).nudge.u
        highest[n] = max(np.abs(values[-1]).max() for values in u.values())
    assert highest[1] < highest[12] - 1e-3
    monkeypatch.setattr(presenter, "_DIVERGED", 0.5 * (highest[1] + highest[12]))
    again = calibrate(preparation, stimulus)[NAME]
    assert again.deviations[12] == np.inf
    assert 1 <= again.steps < 12
    monkeypatch.setattr(presenter, "_DIVERGED", 0.5 * highest[1])
    with pytest.raises(DivergenceError):
        calibrate(preparation, stimulus)
    assert preparation.circuit.sst_every == again.steps


def test_phases_of_evaluation_are_measured_too(saturating_circuit, calibrated):
    """A free phase of 40 steps where nothing is learnt: the longest interval tried is one renewal in it."""
    circuit = saturating_circuit(sst_tolerance=1e-3)
    assert calibrated(circuit, evaluation_steps=40)[2][NAME].longest == 40


def test_copies_have_intervals_of_their_own(saturating_circuit, calibrated):
    """A copy keeps what was found, and follows the original no more; its projections follow its own."""
    circuit = saturating_circuit(sst_tolerance=1e-3)
    steps = calibrated(circuit)[2][NAME].steps
    for copied in (copy.deepcopy(circuit), pickle.loads(pickle.dumps(circuit))):
        assert copied.sst_every == steps
        copied.intervals[NAME].steps = 2
        shared = {item.interval for item in copied.projections if item.target.startswith("SST")}
        assert (copied.sst_every, shared, circuit.sst_every) == (2, {2}, steps)


def test_states_have_the_interval(saturating_circuit):
    """It comes back from a state; one from before there was any means every step; nonsense is refused by name."""
    circuit = saturating_circuit()
    circuit.intervals[NAME].steps = 4
    state, other = circuit.state_dict(), saturating_circuit()
    other.load_state_dict(state)
    assert other.sst_every == 4
    for wrong in (np.array(0), np.array(2.0), np.array([2]), np.array("2")):
        with pytest.raises(ParameterError, match=f"interval/{NAME}"):
            other.load_state_dict(state | {f"interval/{NAME}": wrong})
    other.load_state_dict({name: value for name, value in state.items() if not name.startswith("interval")})
    assert other.sst_every == 1


def test_a_tolerance_below_rounding_is_refused():
    """1e-9 is below one rounding of float32: a line that says what is allowed, when the type is known; 0 is exact."""
    for tolerance in (1e-9, 1e-7):
        with pytest.raises(
            ParameterError, match=r"sst_tolerance = .*one rounding of float32, 1\.19e-07; .* or 0 for"
        ) as caught:
            Preparation(CorInfoMax([6, 5, 4], sst_tolerance=tolerance), dtype=np.float32)
        assert "\n" not in str(caught.value)
    for tolerance in (0, 1.2e-7):
        Preparation(CorInfoMax([6, 5, 4], sst_tolerance=tolerance), dtype=np.float32, target="numpy")
