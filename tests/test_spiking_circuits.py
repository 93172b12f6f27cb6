"""Circuits of spiking cells: what is refused, what their rules read, and what carries their trains."""

from dataclasses import replace

import brian2 as b2
import numpy as np
import pytest

from corinfomax.errors import ParameterError
from corinfomax.networks import CorInfoMax, Projection
from corinfomax.networks.spikes import send_spikes
from corinfomax.protocols.clockwork import Phase, Preparation, Protocol, contrastive, oscillating
from corinfomax.stimuli import Stimulus


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
