"""Cells that spike in place of a rate: each spike generator against theory, its bounds, and a circuit of such cells."""

import pickle

import brian2 as b2
import numpy as np
import pytest
from spiking_circuits import (
    DT,
    QUANTUM,
    R_MAX,
    RATES,
    TAU_S,
    Rate,
    rate_driven,
    shown,
    stimulus,
    trains,
    values,
)

from corinfomax.errors import ParameterError
from corinfomax.models import HiddenPoint, StimulusCell, spiking
from corinfomax.networks import CorInfoMax, PopulationSpec, Projection
from corinfomax.protocols.clockwork import Preparation, contrastive


def test_rate_curve_of_the_coding_cell():
    """Interspike intervals are τ_s ln((r + q/2)/(r - q/2)) (closed form) to two steps; none below q/2."""
    dt = 0.1
    _, spikes = trains("coding", milliseconds=800.0, dt=dt)
    for cell, r in enumerate(RATES):
        found = np.flatnonzero(spikes[:, 0, cell])
        if r < QUANTUM / 2:
            assert len(found) == 0
            continue
        theory = TAU_S * np.log((r + QUANTUM / 2) / (r - QUANTUM / 2))
        intervals = np.diff(found[found * dt > 300]) * dt
        assert len(intervals) > 1
        assert np.abs(intervals - theory).max() < 2.01 * dt * (r / (r - QUANTUM / 2))


def test_train_of_the_coding_cell_stays_near_its_rate():
    """|r - s| ≤ q/2, to the decay of one step, once s has risen; so |∫(r - s)| is at most T times r's log-mean bias."""
    s, _ = trains("coding")
    risen = s[600:, 0]
    one_step = (RATES + QUANTUM / 2) * DT / TAU_S
    assert (np.abs(RATES - risen) <= QUANTUM / 2 + one_step + 1e-6)[:, RATES > QUANTUM / 2].all()
    active = RATES > QUANTUM
    theory = RATES - QUANTUM / np.log((RATES + QUANTUM / 2) / np.maximum(RATES - QUANTUM / 2, 1e-9))
    assert np.abs((RATES - risen.mean(0)) - theory)[active].max() < QUANTUM / 4


def test_integrate_and_fire_cells_count_to_less_than_a_spike():
    """|∫ r_max r dt - spikes| < 1 over any window from the onset on (theory), each cell with a phase of its own."""
    rates = RATES
    b2.seed(2)
    _, spikes = trains("integrate_and_fire", rates, tau_s=5.0, replicas=3)
    counts = np.cumsum(spikes, axis=0)
    expected = np.arange(1, len(counts) + 1)[:, None, None] * R_MAX * rates * DT / 1e3
    assert np.abs(counts - expected).max() < 1 + R_MAX * DT / 1e3
    first = spikes[:, :, rates == 0.2].argmax(axis=0)
    assert len(np.unique(first)) > 1


def test_interval_cv():
    """CV of intervals: sqrt(1 - r_max r dt) of a Bernoulli process a step for Poisson cells; 0, to a step, else."""
    r = 0.2
    for generator, cells, milliseconds, changed, theory in (
        ("poisson", 40, 2000.0, {"tau_ref": 0.0}, np.sqrt(1 - R_MAX * r * DT / 1e3)),
        ("coding", 1, 800.0, {}, 0.0),
        ("integrate_and_fire", 5, 800.0, {"tau_s": 5.0}, 0.0),
    ):
        b2.seed(1)
        _, spikes = trains(generator, np.full(cells, r), milliseconds, **changed)
        intervals = np.concatenate([np.diff(np.flatnonzero(train[600:])) for train in spikes[:, 0].T])
        assert intervals.mean() * DT == pytest.approx(1e3 / (R_MAX * r), rel=0.06)
        assert intervals.std() / intervals.mean() == pytest.approx(theory, abs=0.05)


def test_refractory_period():
    """No interval is shorter than the refractory time, at the greatest rate and while s rises to it in bursts."""
    _, spikes = trains("coding", np.ones(1), 200.0, tau_ref=4.0)
    intervals = np.diff(np.flatnonzero(spikes[:, 0, 0])) * DT
    assert intervals.min() == pytest.approx(4.0)
    _, free = trains("coding", np.ones(1), 200.0, tau_ref=0.0)
    assert np.diff(np.flatnonzero(free[:, 0, 0])).min() == 1


@pytest.mark.parametrize(
    ("generator", "changed", "message"),
    [
        (
            "coding",
            {"tau_s": 9.0},
            r"SpikingStimulusCell: q = .* = 0.556: should be at most 0.5, so tau_s at least 10 ms",
        ),
        (
            "coding",
            {"tau_ref": 6.0},
            r"tau_ref = 6. ms caps the rate at 166.* below r_max = .*; it should be at most 5 ms",
        ),
        ("poisson", {"r_max": 0.0}, "r_max = .*should be greater than 0"),
        ("poisson", {"tau_ref": -1.0}, "tau_ref = .*should be at least 0"),
    ],
)
def test_settings_that_cannot_code(generator, changed, message):
    """Each bound is refused in one line when the cell is made: q ≤ ½, r_max t_ref ≤ 1, and signs."""
    with pytest.raises(ParameterError, match=message) as caught:
        stimulus(generator, 1, **changed)
    assert "\n" not in str(caught.value)


def test_several_spikes_in_a_step_are_refused():
    """Bound: r_max dt ≤ 1; the line names the population's cell, the greatest rate and the longest step."""
    with pytest.raises(
        ParameterError, match=r"several spikes in a step of 0.5 ms .* at most 2000 Hz, or the step .* 0.4"
    ):
        trains("poisson", r_max=2500.0, tau_ref=0.0)


@pytest.mark.parametrize("generator", ["coding", "integrate_and_fire", "poisson"])
def test_units_of_several_cells(generator):
    """A unit of m cells sends m r_max r spikes a second, and its train has the mean r, in quanta of q/m (theory)."""
    m, steps, r = 5, 2000, np.array([0.2, 0.5, 0.9])
    b2.seed(4)
    parts = rate_driven(generator, len(r), cells=m, tau_ref=0.0)
    variables = ("train", "spike_count", "spike_rate")
    run = shown(**parts, x=[r], steps=steps, variables=variables)
    s, count, rate = (getattr(run, name)[1].reshape(steps, len(r)) for name in variables)
    seconds = steps * DT / 1e3
    theory = m * R_MAX * r * (seconds + (TAU_S / 1e3 if generator == "coding" else 0))  # its train rises to r at once
    noise = 4 * np.sqrt(theory) if generator == "poisson" else m
    assert (np.abs(count[-1] - theory) < noise + 0.02 * theory).all()
    np.testing.assert_allclose(rate[-1], count[-1] / (m * R_MAX * seconds), rtol=1e-12)
    before = np.concatenate([np.zeros_like(s[:1]), s[:-1]])
    jumps = np.diff(np.concatenate([np.zeros_like(count[:1]), count]), axis=0)
    np.testing.assert_allclose(s, before * np.exp(-DT / TAU_S) + jumps * QUANTUM / m, atol=1e-12)
    assert jumps.max() <= m
    assert np.abs(s[400:].mean(axis=0) - r).max() < (0.1 if generator == "poisson" else QUANTUM / m)


def test_what_is_predicted_counts_from_the_stimulus_on():
    """spike_rate is spikes since the presentation began, also where states are carried over (counts by a hook)."""
    circuit = CorInfoMax([4, 5, 3], signal="spikes", initial_gain_ff=4.0, seed=1, tau_ref=0)
    preparation = Preparation(circuit, 2, protocol=contrastive(free_steps=100, nudge_steps=4, reset="carry"))
    x, trains = np.random.default_rng(0).uniform(size=(2, 4)), []
    preparation.predict(x)
    preparation.on_step.append(lambda moment: trains.append(moment.layer(2).view("train").copy()))
    before = preparation.populations["layer_2"].view("train").copy()
    found = preparation.predict(x)
    trains = np.array([before, *trains])
    spikes = np.sum(trains[1:] - trains[:-1] * (1 - DT / TAU_S) > QUANTUM / 2, axis=0)
    np.testing.assert_allclose(found, spikes / (R_MAX * 100 * DT / 1e3), rtol=1e-12)
    assert spikes.max() > 2


@pytest.mark.parametrize(
    ("kind", "generator", "message"),
    [
        (StimulusCell, "codings", "no spike generator 'codings'; did you mean 'coding'"),
        (spiking(StimulusCell, "coding"), "coding", "SpikingStimulusCell spikes already"),
    ],
)
def test_kinds_that_cannot_be_made_to_spike(kind, generator, message):
    """An unknown generator, and a cell that has a threshold already, are refused by name."""
    with pytest.raises(ParameterError, match=message):
        spiking(kind, generator)


@pytest.mark.parametrize("generator", ["coding", "integrate_and_fire", "poisson"])
def test_spiking_layers_carry_trains(generator):
    """The drive of a layer is W s of the layer below, of one instant, by the same dense projection (NumPy)."""
    b2.seed(3)
    W, parts = np.random.default_rng(0).normal(size=(3, 4)), rate_driven(generator, 4)
    layer = PopulationSpec("layer_2", spiking(Rate, generator)(**values()), 3, layer=2)
    parts["populations"] += (layer,)
    parts["projections"].append(Projection("layer_1", "layer_2", "drive_soma", ("W", 1), output="train"))
    parts["weights"][1] = W
    run = shown(**parts, x=[[0.2, 0.9, 0.5, 1.0]], steps=200, variables=("train", "drive_soma"))
    sent = run.train[1].reshape(200, 4)
    assert sent.max() > 0.2
    np.testing.assert_allclose(run.drive_soma[2].reshape(200, 3), sent @ W.T, atol=1e-12)
    assert run.train[2].max() > 0


def test_input_cells_spike():
    """Input cells send the train of a cell with the same r (independent population), from the first step on."""
    x, size = [[0.1, 0.4, 0.9]], 3
    layer = PopulationSpec("layer_1", HiddenPoint(tau=10 * b2.ms), size, layer=1)
    carried = Projection("stimulus", "layer_1", "drive_feedforward", ("W", 0), output="train")
    run = shown(
        (stimulus("coding", size), layer), [carried], {0: np.eye(size)}, x, 400, variables=("drive_feedforward",)
    )
    theory, _ = trains("coding", np.array(x[0]), 200.0)
    np.testing.assert_allclose(run.drive_feedforward[1].reshape(400, size), theory[:, 0], atol=1e-12)


def test_refractory_times_are_not_alike():
    """What spikes set differs from cell to cell and step to step: compiled code must not read one cell's for all.

    Oracle: Brian2's list of what it keeps for the refractory time. A benchmark compares spikes (`spiking_step.py`).
    """
    circuit = CorInfoMax([4, 5, 3], signal="spikes")
    for population in Preparation(circuit).populations.values():
        kept = {"lastspike", "not_refractory"} & set(population.group.variables)
        assert kept or population.name.startswith("SST")
        assert not kept & population.group.state_updater.may_be_alike
        assert not any(map(population.can_set, kept))


def test_a_spiking_cell_is_pickled():
    """A made kind has no module to be imported from, and comes back as the same kind, with its values."""
    cell = spiking(StimulusCell, "coding")(**values())
    again = pickle.loads(pickle.dumps(cell))
    assert type(again) is type(cell)
    assert again.values == cell.values


def test_rates_in_hertz_are_those_that_spikes_make():
    """The recorded rate is r_max r, of which spikes miss at most 1 + r_max τ_s in any time (theory)."""
    circuit = CorInfoMax([4, 5, 3], signal="spikes", initial_gain_ff=4.0, seed=1, tau_ref=0)
    preparation = Preparation(circuit, protocol=contrastive(free_steps=4000, nudge_steps=1))
    shown = preparation.present(np.full((1, 4), 0.8), variables=("layer_1.rate", "layer_1.r"), learn=False)
    rate, r = (shown.free[f"layer_1.{name}"][:, 0] for name in ("rate", "r"))
    np.testing.assert_allclose(rate, 200.0 * r, rtol=1e-6)
    seconds = len(rate) * 0.5e-3
    spikes = np.bincount(shown.spikes["layer_1"].cell, minlength=5)
    active = r.mean(axis=0) > 0.2
    assert active.any()
    assert np.abs(spikes - rate.mean(axis=0) * seconds)[active].max() < 1 + 200 * 0.04
