"""Spikes of input cells that are looked up: all is as when they come step by step, and they come so wherever they must.

The oracle is the delivery step by step, which a hook that does nothing brings about.
"""

from dataclasses import replace

import brian2 as b2
import numpy as np
import pytest

from corinfomax.networks import CorInfoMax, Projection
from corinfomax.protocols.clockwork import Phase, Preparation, Protocol, contrastive, oscillating
from corinfomax.stimuli import Stimulus

SIZES, REPLICAS = [30, 8, 4], 3
GREY = np.array([0.0, 0.0, 0.25, 0.5, 0.75, 1.0])


def by_events(circuit):
    """Let all trains go by events, as those of large circuits do."""
    circuit.projections = tuple(
        replace(item, pattern="events") if isinstance(item, Projection) and item.output == "train" else item
        for item in circuit.projections
    )
    return circuit


def prepared(protocol, events=True, dtype="float64", **settings):
    settings = {"tau_ref": 0, "initial_gain_ff": 3.0, "spikes_read": 10, **settings}
    circuit = CorInfoMax(SIZES, signal="spikes", **settings)
    return Preparation(by_events(circuit) if events else circuit, REPLICAS, protocol=protocol, dtype=dtype)


def minibatches(number=4, learn=True):
    """Grey levels, more of them from minibatch to minibatch; the last one is not full."""
    rng = np.random.default_rng(0)
    for n in range(number):
        size = REPLICAS - (n == number - 1)
        x, y = rng.choice(GREY[: 3 + n], (size, SIZES[0])), np.eye(SIZES[-1])[rng.integers(4, size=size)]
        yield Stimulus(x, y, 0.7 * (-1) ** n, learn=learn, seed=n)


def observed(preparation, stimuli, step_by_step=False):
    """Weights and states after each minibatch, spikes at phases' ends, and whether each phase's spikes were known."""
    seen, known = [], []

    def note(moment, end):
        known.append(preparation.mounted.foreseen["stimulus"].known if preparation.mounted.foreseen else False)
        seen.extend(array.copy() for array in preparation.populations["stimulus"].spikes)
        seen.extend(preparation.populations[name].read("train") for name in ("stimulus", "layer_1"))

    preparation.on_phase_end.append(note)
    if step_by_step:
        preparation.on_step.append(lambda moment: None)
    for stimulus in stimuli:
        preparation.run([stimulus], progress=False)
        seen.extend(preparation.state_dict().values())
        seen.extend(array.copy() for by in preparation.circuit.weights.values() for array in by.values())
    return seen, known


def assert_alike(make, stimuli=minibatches, known=True):
    """Compare with what comes step by step, and check whether spikes of all phases were known, or of none."""
    found, ahead = observed(make(), stimuli())
    oracle, behind = observed(make(), stimuli(), step_by_step=True)
    assert not any(behind)
    assert all(ahead) if known else not any(ahead), ahead
    assert len(found) == len(oracle)
    for ours, theirs in zip(found, oracle, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)


PROTOCOLS = {
    "phases": lambda **more: contrastive(free_steps=60, nudge_steps=40, **more),
    "oscillation": lambda **more: oscillating(settle_steps=40, cycle_steps=40, **more),
}


@pytest.mark.parametrize("events", [True, False])
@pytest.mark.parametrize("cells", [1, 3])
@pytest.mark.parametrize("contrast", PROTOCOLS)
def test_weights_are_those_of_spikes_that_come_step_by_step(contrast, cells, events):
    """Oracle: delivery step by step, to 1e-12: weights, states and spikes of four minibatches with ever more levels."""
    assert_alike(lambda: prepared(PROTOCOLS[contrast](), events, contrast=contrast, cells_per_unit=cells))


def test_single_precision():
    """Oracle: as above, of float32, whose trains add up with another rounding: also the same to 1e-12."""
    assert_alike(lambda: prepared(PROTOCOLS["phases"](), dtype="float32"))


def test_known_spikes_make_something():
    """Spikes that are looked up reach layer 1, and are W s of the train (NumPy), to 1e-12."""
    preparation = prepared(PROTOCOLS["phases"]())
    _, known = observed(preparation, minibatches(1))
    stimulus, layer = preparation.populations["stimulus"], preparation.populations["layer_1"]
    preparation.run([replace(next(minibatches(1)), learn=False)], progress=False)
    brought = stimulus.read("train") @ preparation.circuit.weights["W_ff"][0].T
    np.testing.assert_allclose(layer.read("drive_basal"), brought, atol=1e-12)
    assert all(known)
    assert np.abs(brought).max() > 0.1
    assert stimulus.read("spike_count").max() > 2


def test_longer_phases_come_later():
    """Oracle: as above, where phases change their lengths from presentation to presentation, and cells rest between."""
    lengths = [(30, 20, 8), (50, 30, 9), (20, 60, 5), (50, 31, 40)]
    phases = [Phase("free", 30), Phase("nudge", 20, beta=1.0), Phase("again", 8, reset=True)]

    def stimuli():
        return (replace(each, steps=steps) for each, steps in zip(minibatches(), lengths, strict=True))

    assert_alike(lambda: prepared(Protocol(phases), contrast="phases"), stimuli)


def test_weights_that_move_between_phases():
    """Oracle: as above, where rules act at a phase's end and cells go on spiking: known spikes are brought anew."""
    phases = [Phase("free", 40), Phase("nudge", 30, beta=1.0), Phase("after", 30)]

    def make():
        preparation = prepared(Protocol(phases))
        circuit = preparation.circuit
        circuit.plasticity = tuple(replace(item, when="phase") for item in circuit.plasticity)
        return preparation

    assert_alike(make)


def shown_otherwise(preparation):
    """A hook shows something else from the second phase on."""

    def change(moment):
        if moment.phase.name == "nudge":
            moment.layer(0).view("r")[...] = 0.5

    preparation.on_phase_start.append(change)
    return preparation


def test_rates_that_a_hook_changes():
    """Oracle: as above; spikes of the first phase are known, and those after the change are not."""
    found, known = observed(shown_otherwise(prepared(PROTOCOLS["phases"]())), minibatches())
    oracle, _ = observed(shown_otherwise(prepared(PROTOCOLS["phases"]())), minibatches(), step_by_step=True)
    for ours, theirs in zip(found, oracle, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)
    assert known == [True, False] * 4


def monitored():
    """A preparation with a monitor of the user's, which must see each spike."""
    preparation = prepared(PROTOCOLS["phases"]())
    preparation.network.add(b2.SpikeMonitor(preparation.populations["stimulus"].group))
    return preparation


def held():
    """A preparation in which trains of input cells are held in a phase."""
    phases = [Phase("free", 40), Phase("nudge", 30, beta=1.0, course={"stimulus.train": 0.3})]
    return prepared(Protocol(phases))


@pytest.mark.parametrize(
    "make",
    [
        monitored,
        held,
        lambda: prepared(PROTOCOLS["phases"](), tau_ref=2.0),
        lambda: prepared(PROTOCOLS["phases"](), spike_generator="integrate_and_fire"),
        lambda: prepared(PROTOCOLS["phases"](), spike_generator="poisson"),
        lambda: prepared(PROTOCOLS["phases"](), spike_generator="poisson", cells_per_unit=3),
        lambda: prepared(PROTOCOLS["oscillation"](), contrast="oscillation", oscillation_rule="moving"),
    ],
)
def test_where_spikes_come_step_by_step(make):
    """Monitors, held trains, refractory cells, random ones, weights that move in steps: nothing is looked up.

    Oracle: as above, with the same random numbers.
    """
    assert_alike(make, known=False)


def test_rates_of_which_each_is_another():
    """Nothing is looked up where no two cells have the same rate."""
    rng = np.random.default_rng(1)
    x, y = rng.uniform(size=(REPLICAS, SIZES[0])), np.eye(4)[:REPLICAS]
    assert_alike(lambda: prepared(PROTOCOLS["phases"]()), lambda: [Stimulus(x, y, 0.7, learn=True)], known=False)


def test_states_that_carry_over():
    """Oracle: as above; only the first presentation begins where the table does."""
    make = lambda: prepared(PROTOCOLS["oscillation"](reset="carry"), contrast="oscillation")  # noqa: E731
    found, known = observed(make(), minibatches())
    oracle, _ = observed(make(), minibatches(), step_by_step=True)
    for ours, theirs in zip(found, oracle, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)
    assert known == [True] * 2 + [False] * 6


def test_a_monitor_sees_each_spike():
    """Brian2's own count of input spikes is that of the cells."""
    preparation = monitored()
    (monitor,) = [each for each in preparation.network.objects if isinstance(each, b2.SpikeMonitor)]
    preparation.run(minibatches(1), progress=False)
    count = preparation.populations["stimulus"].read("spike_count")
    assert monitor.num_spikes == count.sum() > 0
