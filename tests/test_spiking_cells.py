"""Cells that spike in place of a rate: each spike generator against theory, its bounds, and a circuit of such cells."""

import pickle
from dataclasses import replace

import brian2 as b2
import numpy as np
import pytest

from corinfomax.errors import ParameterError
from corinfomax.models import Cell, HiddenPoint, StimulusCell, spiking
from corinfomax.networks import Circuit, CorInfoMax, PopulationSpec, Projection
from corinfomax.networks.spikes import send_spikes
from corinfomax.protocols.clockwork import Phase, Preparation, Protocol, contrastive, oscillating
from corinfomax.stimuli import Stimulus

DT, R_MAX, TAU_S = 0.5, 200.0, 40.0  # ms, Hz, ms
QUANTUM = 1e3 / (R_MAX * TAU_S)
RATES = np.array([0.0, 0.05, 0.06, 0.07, 0.1, 0.2, 0.35, 0.5, 0.8, 1.0])


def values(r_max=R_MAX, tau_s=TAU_S, tau_ref=2.0):
    return {"r_max": r_max * b2.Hz, "tau_s": tau_s * b2.ms, "tau_ref": tau_ref * b2.ms}


class Rate(Cell):
    """r is the drive itself."""

    equations = "r = drive_soma : 1\ndrive_soma : 1\n"
    drives = ("drive_soma",)
    outputs = ("r",)


def stimulus(generator, size, **changed):
    return PopulationSpec("stimulus", spiking(StimulusCell, generator)(**values(**changed)), size, layer=0)


def circuit(*populations, projections, weights):
    return Circuit(
        populations=populations, projections=projections, plasticity=[], weights={"W": weights},
        layers=[spec.name for spec in populations], teacher=None, tau=10 * b2.ms,
    )  # fmt: skip


def rate_driven(generator, size, cells=1, **changed):
    """Spiking units whose r is the stimulus."""
    return {
        "populations": (
            PopulationSpec("stimulus", StimulusCell(), size, layer=0),
            PopulationSpec("layer_1", spiking(Rate, generator, cells)(**values(**changed)), size, layer=1),
        ),
        "projections": [Projection("stimulus", "layer_1", "drive_soma", ("W", 0), constant=True)],
        "weights": {0: np.eye(size)},
    }


def shown(populations, projections, weights, x, steps, dt=DT, variables=("train",)):
    """Records of a phase of so many steps."""
    protocol = Protocol([Phase("run", steps)], step=dt / 10, method="exponential_euler")
    parts = circuit(*populations, projections=projections, weights=weights)
    return Preparation(parts, len(x), protocol=protocol, dtype="float64").present(x, variables=variables).run


def trains(generator, rates=RATES, milliseconds=1000.0, replicas=1, dt=DT, **changed):
    """Filtered trains (steps, replicas, cells), and whether each cell spikes in each step."""
    x, steps = np.tile(rates, (replicas, 1)), round(milliseconds / dt)
    run = shown(**rate_driven(generator, len(rates), **changed), x=x, steps=steps, dt=dt)
    train = run.train[1].reshape(steps, replicas, len(rates))
    before = np.concatenate([np.zeros_like(train[:1]), train[:-1]])
    quantum = 1e3 / (changed.get("r_max", R_MAX) * changed.get("tau_s", TAU_S))
    return train, train - before * np.exp(-dt / changed.get("tau_s", TAU_S)) > quantum / 2


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


def test_a_circuit_sends_spikes():
    """v_B is W_ff s of the layer below (NumPy), in a CorInfoMax circuit whose layers, inputs too, send trains."""
    circuit = CorInfoMax([4, 5, 3], seed=1)
    send_spikes(circuit)
    W = circuit.weights["W_ff"][1].copy()
    protocol = Protocol([Phase("run", 200)], step=0.05, method="exponential_euler")
    preparation = Preparation(circuit, protocol=protocol, dtype="float64")
    run = preparation.present([0.9, 0.8, 0.7, 1.0], variables=("train", "v_B")).run
    sent = run.train[1].reshape(200, 5)
    assert sent.max() > 0
    np.testing.assert_allclose(run.v_B[2].reshape(200, 3), sent @ W.T, atol=1e-6)


def test_a_circuit_that_cannot_send_spikes_is_left_as_it_was():
    """Settings that cannot code a rate are refused, and populations and projections are the same objects as before."""
    circuit = CorInfoMax([4, 5, 3])
    before = circuit.populations, circuit.projections
    with pytest.raises(ParameterError, match="q = 1"):
        send_spikes(circuit, tau_s=5 * b2.ms)
    assert (circuit.populations, circuit.projections) == before


@pytest.mark.parametrize("generator", ["coding", "integrate_and_fire"])
def test_rules_of_a_spiking_circuit_read_means_of_trains(generator):
    """Oracle: eqs 26, 27 by hand from trains recorded step by step, means over the phases' last parts; to 1e-12."""
    rng = np.random.default_rng(0)
    x, y, last = rng.uniform(size=(3, 6)), np.eye(4)[[0, 2, 3]], 10
    circuit = CorInfoMax(
        [6, 5, 4], signal="spikes", spike_generator=generator, spikes_read=last, tau_ref=0, initial_gain_ff=2.0
    )
    W = {key: {k: array.copy() for k, array in arrays.items()} for key, arrays in circuit.weights.items()}
    protocol = contrastive(free_steps=40, nudge_steps=30)
    preparation = Preparation(circuit, 3, protocol=protocol)
    trains = {"free": [], "nudge": []}
    preparation.on_step.append(
        lambda moment: trains[moment.phase.name].append([moment.layer(k).view("train").copy() for k in range(3)])
    )
    preparation.run([Stimulus(x, y, 0.7, learn=True, seed=1)])
    mean = {
        name: [np.mean([step[k] for step in steps[-last:]], axis=0) for k in range(3)] for name, steps in trains.items()
    }
    for key, k, post, pre in (("W_ff", 0, 1, 0), ("W_ff", 1, 2, 1), ("W_fb", 1, 1, 2)):
        theory = 0
        for name, sign in (("nudge", 1), ("free", -1)):
            s = mean[name]
            theory = theory + sign * (s[post] - s[pre] @ W[key][k].T).T @ s[pre] / (3 * 0.7)
        np.testing.assert_allclose(circuit.changes[key, k].dense(), theory, rtol=0, atol=1e-12)
        assert np.abs(theory).max() > 1e-3


@pytest.mark.parametrize("method", ["euler", "exponential_euler"])
@pytest.mark.parametrize(("generator", "cells"), [("coding", 1), ("poisson", 3)])
def test_events_deliver_what_dense_products_do(generator, cells, method):
    """Oracle: W s of the recorded trains in each step, to 1e-12; also where a train is held (dense)."""
    circuit = CorInfoMax(
        [9, 5, 4], signal="spikes", spike_generator=generator, cells_per_unit=cells, tau_ref=0, initial_gain_ff=3.0
    )
    circuit.projections = tuple(
        replace(item, pattern="events") if isinstance(item, Projection) and item.output == "train" else item
        for item in circuit.projections
    )
    hold = {"layer_1.train": np.full((1, 5), 0.3)}
    phases = [Phase("free", 60), Phase("held", 8, course=hold), Phase("after", 30)]
    preparation = Preparation(circuit, 2, protocol=Protocol(phases, method=method))
    run = preparation.present(np.random.default_rng(1).uniform(size=(2, 9)), variables=("v_B", "train"), seed=2)
    for phase in (run.free, run.held, run.after):
        theory = phase.train[1] @ circuit.weights["W_ff"][1].T
        np.testing.assert_allclose(phase.v_B[2], theory, atol=1e-12)
    assert run.free.train[1].max() > 0
    assert (run.held.train[1] == 0.3).all()


@pytest.mark.parametrize("contrast", ["phases", "oscillation"])
def test_the_soma_rule(contrast):
    """Oracle: ⟨P mᵀ⟩/β by hand, P of recorded σ(u), m of recorded trains, and W_fb by its own rule; to 1e-12."""
    rng = np.random.default_rng(0)
    x, y, beta, lag = rng.uniform(size=(3, 6)), np.eye(4)[[0, 2, 3]], -0.7, 2
    circuit = CorInfoMax(
        [6, 5, 4], signal="spikes", forward_rule="soma", contrast=contrast, gate_lag=lag, spikes_read=10, tau_ref=0,
        initial_gain_ff=2.0,
    )  # fmt: skip
    protocol = contrastive(free_steps=40, nudge_steps=30)
    if contrast == "oscillation":
        protocol = oscillating(settle_steps=40, cycle_steps=40)
    preparation = Preparation(circuit, 3, protocol=protocol)
    seen = {name: [] for name in ("r", "train")}
    preparation.on_step.append(
        lambda moment: [seen[name].append([moment.layer(k).read(name) for k in range(3)]) for name in seen]
    )
    preparation.run([Stimulus(x, y, beta, learn=True)])
    if contrast == "oscillation":
        gate = np.sin(2 * np.pi * (np.arange(1, 41) - lag) / 40) / 20
        follow = [np.tensordot(gate, [step[k] for step in seen["r"][-40:]], 1) for k in range(3)]
        mean = [np.mean([step[k] for step in seen["train"][-40:]], axis=0) for k in range(3)]
    else:
        parts = {name: [[s[k] for s in steps] for k in range(3)] for name, steps in seen.items()}
        follow = [np.mean(r[-10:], axis=0) - np.mean(r[30:40], axis=0) for r in parts["r"]]
        mean = [(np.mean(s[-10:], axis=0) + np.mean(s[30:40], axis=0)) / 2 for s in parts["train"]]
    for k in (0, 1):
        theory = follow[k + 1].T @ mean[k] / (3 * beta)
        np.testing.assert_allclose(circuit.changes["W_ff", k].dense(), theory, rtol=0, atol=1e-12)
        assert np.abs(theory).max() > 1e-3


@pytest.mark.parametrize("sst_signal", ["trains", "spikes"])
def test_interneurons_see_trains(sst_signal):
    """Oracle: O s of the recorded trains drives SST cells; they inhibit by u, or by their own train; to 1e-12."""
    circuit = CorInfoMax(
        [6, 8, 5], signal="spikes", sst_signal=sst_signal, tau_SST=1.0, entropy_gain=1e6, initial_gain_ff=3.0, tau_ref=0
    )
    protocol = Protocol([Phase("free", 80)])
    preparation = Preparation(circuit, 2, protocol=protocol)
    names, rows = (
        ("drive_soma", "i_SST", "u"),
        {name: [] for name in ("train", "SST_train", "drive_soma", "i_SST", "u")},
    )

    def note(moment):
        sst = preparation.populations["SST_1"]
        rows["train"].append(preparation.populations["layer_1"].read("train"))
        for name in names:
            rows[name].append(sst.read(name))
        rows["SST_train"].append(sst.read("train") if "train" in sst else sst.read("u"))

    preparation.on_step.append(note)
    preparation.settle(np.random.default_rng(1).uniform(size=(2, 6)), ("r",))
    found = {name: np.array(values) for name, values in rows.items()}
    np.testing.assert_allclose(found["drive_soma"], found["train"] @ circuit.weights["O"][1].T, atol=1e-9)
    np.testing.assert_array_equal(found["i_SST"], -found["SST_train"])
    assert np.abs(found["i_SST"]).max() > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sst_signal": "spikes"}, "needs tau_SST > 0"),
        ({"bias": True, "forward_rule": "soma"}, 'needs forward_rule = "error"'),
        ({"convention": "authors"}, 'signal = "spikes" needs schedule = "synchronous", not "sequential"'),
        ({"tau_s": 9.0}, r"q = 1/\(r_max tau_s\) = 0.556: should be at most 0.5"),
        ({"tau_ref": 6.0}, "caps the rate at"),
        ({"cell": "module:Class"}, "needs the circuit's own cells"),
        ({"domain": "B_inf"}, "goes from -1 to 1"),
    ],
)
def test_settings_of_a_spiking_circuit_that_cannot_be(options, message):
    """One line with the bound, when the circuit is made."""
    with pytest.raises(ParameterError, match=message):
        CorInfoMax([6, 5, 4], signal="spikes", **options)
