"""Leaky integrate-and-fire somata: one cell against closed forms, its bounds, and a circuit of such cells."""

import pickle

import brian2 as b2
import numpy as np
import pytest
from scipy.optimize import brentq

from corinfomax import describe
from corinfomax.analysis import as_recording
from corinfomax.errors import ParameterError
from corinfomax.models import HiddenPoint, HiddenPyramidal, OutputPyramidal, StimulusCell, spiking
from corinfomax.models.domains import domain_of
from corinfomax.networks import CorInfoMax
from corinfomax.protocols.clockwork import Phase, Preparation, Protocol
from corinfomax.protocols.perturbations import Clamp, Intervention, Silence
from corinfomax.protocols.recording import record
from corinfomax.protocols.recording.archive import restrict
from corinfomax.stimuli import Stimuli

LEAKY = "leaky_integrate_and_fire"
TRAINS = {"r_max": 200 * b2.Hz, "tau_s": 20 * b2.ms}
TAU_U, G_LK, G_A, G_B = 120 * b2.ms, 0.5, 5.5, 6.0
TAU_M = 10.0  # ms
DT = 0.05  # ms


def hidden(tau_ref=2.0, **changed):
    values = {"tau_u": TAU_U, "g_lk": G_LK, "g_A": G_A, "g_B": G_B, "tau_ref": tau_ref * b2.ms, **TRAINS}
    return spiking(HiddenPyramidal, LEAKY)(**(values | changed))


def driven(mount, cell, basal, milliseconds, apical=0.0):
    """Potentials in mV at each step's end, (steps, 2, 3), and whether cells spike, at constant dendritic drives."""
    mounted = mount(cell, step=DT / 120, tau=TAU_U, method="exponential_euler")
    mounted.cells.rest()
    mounted.cells.write("drive_basal", basal)
    mounted.cells.write("drive_apical", apical)
    steps = round(milliseconds / DT)
    V = b2.StateMonitor(mounted.cells.group, "V_soma", record=True, when="end", clock=mounted.clock)
    spikes = b2.SpikeMonitor(mounted.cells.group)
    mounted.network.add(V, spikes)
    mounted.advance(steps)
    fired = np.zeros((6, steps), bool)
    fired[np.asarray(spikes.i), np.rint(np.asarray(spikes.t / b2.ms) / DT).astype(int)] = True
    return np.asarray(V.V_soma / b2.mV).T.reshape(steps, 2, 3), fired.T.reshape(steps, 2, 3)


@pytest.mark.parametrize("tau_ref", [0.0, 2.0])
def test_rate_against_current(mount, tau_ref):
    """Intervals are τ_ref + τ_m ln((V_∞ - V_reset)/(V_∞ - V_threshold)) (closed form) to two steps; else no spike.

    V_∞ = V_rest + V_scale (g_A v_A + g_B v_B)/(g_lk + g_A + g_B), of currents through either dendrite.
    """
    potentials = {"V_threshold": -50 * b2.mV, "V_reset": -60 * b2.mV, "V_rest": -70 * b2.mV}
    cell, basal = hidden(tau_ref, **potentials), np.array([[1.0, 1.8, 2.05], [2.5, 4.0, 8.0]])
    _, fired = driven(mount, cell, basal, 120.0, apical=0.1)
    V = -70 + 20 * (G_A * 0.1 + G_B * basal) / (G_LK + G_A + G_B)
    for place in np.ndindex(2, 3):
        times = np.flatnonzero(fired[(slice(None), *place)]) * DT
        if V[place] <= -50:
            assert len(times) == 0
            continue
        theory = tau_ref + TAU_M * np.log((V[place] + 60) / (V[place] + 50))
        assert len(times) > 2
        assert np.abs(np.diff(times) - theory).max() < 2.01 * DT
    assert (V <= -50).sum() == 2


def test_membrane_below_threshold(mount):
    """V = V_∞ + (V_rest - V_∞) exp(-t/τ_m) (closed form), to 1e-9 mV: exponential Euler is exact at frozen drives."""
    cell = hidden(V_threshold=-50 * b2.mV, V_reset=-60 * b2.mV, V_rest=-70 * b2.mV)
    V, fired = driven(mount, cell, 1.5, 40.0)
    t = DT * np.arange(1, len(V) + 1)
    limit = 20 * G_B * 1.5 / 12
    np.testing.assert_allclose(V[:, 0, 0], -70 + limit * (1 - np.exp(-t / TAU_M)), rtol=0, atol=1e-9)
    assert not fired.any()


def test_reset_and_refractory_time(mount):
    """A spike takes V to V_reset, where it stays for τ_ref, and no step ends above V_threshold."""
    cell = hidden(3.0, V_threshold=-50 * b2.mV, V_reset=-65 * b2.mV, V_rest=-60 * b2.mV)
    V, fired = driven(mount, cell, 4.0, 60.0)
    V, steps = V[:, 0, 0], np.flatnonzero(fired[:, 0, 0])
    assert len(steps) > 3
    for step in steps[:-1]:
        np.testing.assert_allclose(V[step : step + round(3.0 / DT)], -65, rtol=0, atol=1e-9)
        assert V[step + round(3.0 / DT) + 1] > -65
    assert V.max() < -50


@pytest.mark.parametrize(("tau_ref", "g"), [(0.0, (0.5, 5.5, 6.0)), (2.0, (0.5, 5.5, 6.0)), (2.0, (0.2, 0.0, 11.8))])
def test_a_cell_fires_at_r_max_where_u_is_one(mount, tau_ref, g):
    """With reset and rest by default, intervals at u_∞ = 1 are 1/r_max to two steps, whatever the conductances."""
    g_lk, g_A, g_B = g
    cell = hidden(tau_ref, g_lk=g_lk, g_A=g_A, g_B=g_B)
    _, fired = driven(mount, cell, sum(g) / g_B, 100.0)
    intervals = np.diff(np.flatnonzero(fired[:, 0, 0])) * DT
    assert np.abs(intervals - 5.0).max() < 2.01 * DT
    assert cell.values["V_reset"] < cell.values["V_rest"] < cell.values["V_threshold"]


@pytest.mark.parametrize("beta", [0.0, 2.0, -1.0])
def test_a_teacher_pulls_the_rate_of_an_output_cell(mount, beta):
    """Rates are the roots r of r_max r = f(u_∞), u_∞ = (g_B v_B + β(y - r))/(g_lk + g_B), to .02; y = 0, ½, 1."""
    options = {"v_A": "drive_apical", "tau_u": TAU_U, "g_lk": G_LK, "g_B": G_B, "tau_ref": 2 * b2.ms, **TRAINS}
    cell, y = spiking(OutputPyramidal, LEAKY)(g_A="beta", **options), np.array([0.0, 0.5, 1.0])
    mounted = mount(cell, step=0.1 / 120, tau=TAU_U, method="exponential_euler")
    mounted.cells.rest()
    for name, value in (("drive_basal", 0.6), ("drive_apical", y), ("beta", beta)):
        mounted.cells.write(name, value)
    mounted.network.add(b2.NetworkOperation(mounted.cells.set_rate, clock=mounted.clock, when="end"))
    train = b2.StateMonitor(mounted.cells.group, "train", record=range(3), when="end", clock=mounted.clock)
    mounted.network.add(train)
    mounted.advance(2500)
    threshold, reset, rest = (float(cell.values[f"V_{name}"] / b2.mV) for name in ("threshold", "reset", "rest"))

    def excess(r, y):
        V = rest + 20 * (G_B * 0.6 + beta * (y - r)) / (G_LK + G_B)
        return 1 / (2 + 120 / (G_LK + G_B) * np.log((V - reset) / (V - threshold))) / 0.2 - r if threshold < V else -r

    theory = [brentq(excess, 0, 2, args=(each,)) for each in y]
    assert theory[0] != theory[2] or beta == 0
    np.testing.assert_allclose(train.train[:, 1250:].mean(axis=1), theory, rtol=0, atol=0.02)


def test_trains_saturate(mount):
    """At a rate of twice r_max a train ends each rise at the peak of one at r_max, q/(1 - exp(-1/(r_max τ_s)))."""
    cell = hidden(0.0, V_threshold=-50 * b2.mV, V_reset=-60 * b2.mV, V_rest=-50.1 * b2.mV)
    mounted = mount(cell, step=DT / 120, tau=TAU_U, method="exponential_euler")
    mounted.cells.rest()
    mounted.cells.write("drive_basal", 8.0)
    train = b2.StateMonitor(mounted.cells.group, "train", record=[0], when="end", clock=mounted.clock)
    mounted.network.add(train)
    mounted.advance(1200)
    assert train.train[0].max() == pytest.approx(0.25 / (1 - np.exp(-0.25)), abs=1e-9)
    assert train.train[0][800:].min() > 1


def test_synapses_are_exponential():
    """After one presynaptic spike v_B = W q exp(-t/τ_s), and u the difference of two exponentials (closed forms).

    To 1e-6 of W q, and to the first order in the step.
    """
    circuit = CorInfoMax(
        [1, 1, 1], signal="spikes", spike_generator=LEAKY, tau_u=120.0, r_max=100.0, tau_s=20.0, tau_ref=0,
        epsilon=1 / 6, weights={"W_ff": {0: np.full((1, 1), 0.2)}},
    )  # fmt: skip
    steps = 200
    protocol = Protocol([Phase("run", steps)], step=DT / 120, method="exponential_euler")
    preparation = Preparation(circuit, protocol=protocol, dtype="float64")
    shown = preparation.present([1.0], seed=3, variables=("v_B", "u"))  # 10 ms, the time from one spike to the next
    assert len(shown.spikes["stimulus"]) == 1
    assert not len(shown.spikes["layer_1"])
    first, q = round(shown.spikes["stimulus"].time[0] / (DT / 1e3)) - 1, 0.5
    t = DT * np.arange(steps - first)
    brought = 0.2 * q * np.exp(-t / 20)
    np.testing.assert_allclose(shown.run.v_B[1][first:, 0, 0], brought, rtol=0, atol=1e-6)
    tau_m = 120 / 12.5
    theory = 0.2 * q * 6 / 120 / (1 / tau_m - 1 / 20) * (np.exp(-t / 20) - np.exp(-t / tau_m))
    np.testing.assert_allclose(shown.run.u[1][first:, 0, 0], theory, rtol=0, atol=DT / tau_m * 0.2 * q)


def test_a_circuit_of_leaky_cells():
    """The same circuit: v_B = W_ff s and r = σ(s) (NumPy); inputs integrate and fire; and its cells are pickled."""
    circuit = CorInfoMax([6, 5, 4], signal="spikes", spike_generator=LEAKY, tau_u=138.0, initial_gain_ff=2.0)
    protocol = Protocol([Phase("run", 300)], step=0.5 / 138, method="exponential_euler")
    preparation = Preparation(circuit, protocol=protocol, dtype="float64")
    shown = preparation.present(np.linspace(0.3, 1, 6), variables=("v_B", "train", "r", "V_soma"), seed=0)
    run = shown.run
    np.testing.assert_allclose(run.v_B[2][:, 0], run.train[1][:, 0] @ circuit.weights["W_ff"][1].T, rtol=0, atol=1e-6)
    for k in (1, 2):
        np.testing.assert_allclose(run.r[k], np.clip(run.train[k], 0, 1), rtol=0, atol=1e-12)
        assert len(shown.spikes[f"layer_{k}"]) > 5
        assert run.V_soma[k].max() < -0.05
    assert type(circuit.populations[0].cell) is spiking(StimulusCell, "integrate_and_fire")
    cell = next(spec.cell for spec in circuit.populations if spec.name == "layer_1")
    again = pickle.loads(pickle.dumps(cell))
    assert type(again) is type(cell)
    assert again.values == cell.values


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: hidden(5.0), r"tau_ref = 5. ms leaves no time between spikes at r_max = .*less than 5 ms"),
        (
            lambda: hidden(V_reset=-45 * b2.mV, V_rest=-60 * b2.mV),
            "V_reset = -45. mV: must be below V_threshold = -50. mV",
        ),
        (lambda: hidden(V_reset=-60 * b2.mV, V_rest=-50 * b2.mV), "V_rest = -50. mV: must be below V_threshold"),
        (
            lambda: hidden(tau_u=10 * b2.ms),
            r"tau_u = 10. ms: a membrane .* of 0.833 ms is .*; tau_u should be at least 22.4 ms",
        ),
        (lambda: hidden(V_threshold=-50), "V_threshold = -50: should be of the unit volt"),
        (lambda: hidden(domain=domain_of("B_1_plus", 3)), "takes no domain with constraints"),
    ],
)
def test_somata_that_cannot_be(make, message):
    """One line with the bound, when the cell is made."""
    with pytest.raises(ParameterError, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_the_description_has_potentials_of_its_own(tmp_path):
    """Threshold, reset and the cell's own rest are told, and not the rest that labels axes of other cells."""
    settings = f'signal = "spikes"\nspike_generator = "{LEAKY}"\ntau_u = 138.0\n'
    (tmp_path / "leaky.toml").write_text(f"[circuit]\narchitecture = [64, 3, 10]\n{settings}[protocol]\nstep = 0.004\n")
    rows = {section.title: repr(section) for section in describe(tmp_path / "leaky.toml")}
    (own,) = (text for title, text in rows.items() if "SpikingHiddenPyramidal" in title)
    assert "V_threshold = -50 mV" in own
    assert "V_rest = -5" in own
    assert "V_rest = -70 mV" not in own
    assert "r = clip(train, 0, 1)" in rows["Populations"]


def test_the_shortest_membrane_time_constant():
    """At the bound that the line tells, 3 ms/ln 5, the reset is at -90 mV (closed form)."""
    cell = hidden(tau_u=12 * 3 / np.log(5) * (1 + 1e-9) * b2.ms)
    assert float(cell.values["V_reset"] / b2.mV) == pytest.approx(-90, abs=1e-6)


def test_point_cells_integrate_and_fire():
    """A cell whose state is its rate has no membrane: it integrates its rate."""
    assert spiking(HiddenPoint, LEAKY) is spiking(HiddenPoint, "integrate_and_fire")


def test_a_silenced_layer_sends_no_spikes():
    """Silencing holds the somatic potential at rest, below threshold: no spike, and what it drives is 0; exact."""
    circuit = CorInfoMax([6, 5, 4], signal="spikes", spike_generator=LEAKY, tau_u=138.0, initial_gain_ff=2.0)
    protocol = Protocol([Phase("run", 300)], step=0.5 / 138, method="exponential_euler")
    preparation = Preparation(circuit, protocol=protocol, dtype="float64")
    x = np.linspace(0.3, 1, 6)
    assert len(preparation.present(x, seed=0).spikes["layer_1"]) > 5
    with Intervention(preparation, Silence("layer_1")):
        shown = preparation.present(x, variables=("u", "train", "v_B"), seed=0)
    assert len(shown.spikes["layer_1"]) == 0
    assert not shown.run.train[1].any()
    assert not shown.run.v_B[2].any()
    assert len(preparation.present(x, seed=0).spikes["layer_1"]) > 5


def test_a_voltage_that_somata_are_clamped_at_is_what_is_recorded():
    """-60 and -52.5 mV in each step of `V_soma` and `V_apical` to 1e-9 mV, and u = .1 is 2 mV above the cell's rest."""
    circuit = CorInfoMax([6, 5, 4], signal="spikes", spike_generator=LEAKY, tau_u=138.0)
    preparation = Preparation(circuit, 2, protocol=Protocol([Phase("free", 20)], step=0.5 / 138))
    clamps = [
        Clamp("layer_1", "soma", "-60 mV", cells=[0]),
        Clamp("layer_1", "soma", 0.1, cells=[1]),
        Clamp("layer_2", "apical", -52.5 * b2.mV),
    ]
    x = np.random.default_rng(3).random((2, 6))
    shown = {"x_train": x, "y_train": np.eye(4)[:2], "x_test": x, "y_test": np.eye(4)[:2]}
    shown |= {"labels_train": np.arange(2), "labels_test": np.arange(2)}
    with Intervention(preparation, clamps):
        stimuli = Stimuli(**shown, task="classification", name="toy")
        arrays = record(preparation, stimuli, [0, 1], {1: [0, 1, 2], 2: [0]})
    recording = as_recording(restrict(arrays, {1: [0, 1], 2: [0]}), "recording")
    rest = float(preparation.layer(1).cell.values["V_rest"])
    assert recording.rest_of(1) == rest != recording.V_rest
    somata = 1e3 * recording.layers[1]["V_soma"]
    np.testing.assert_allclose(somata[:, :, 0], -60, rtol=0, atol=1e-9)
    np.testing.assert_allclose(somata[:, :, 1], 1e3 * rest + 2, rtol=0, atol=1e-9)
    np.testing.assert_allclose(1e3 * recording.layers[2]["V_apical"], -52.5, rtol=0, atol=1e-9)


def test_interneurons_tell_of_one_rest():
    """`V_SST` of a layer whose somata rest elsewhere is `V_soma` of its SST cells, bit by bit."""
    circuit = CorInfoMax([6, 5, 4], signal="spikes", spike_generator=LEAKY, tau_u=138.0, initial_gain_ff=2.0)
    preparation = Preparation(circuit, 1, protocol=Protocol([Phase("free", 200)], step=0.5 / 138))
    shown = preparation.present(np.ones((1, 6)), variables=("layer_1.V_SST", "SST_1.V_soma"))
    of_layer, own = (shown.phases["free"][name] for name in ("layer_1.V_SST", "SST_1.V_soma"))
    np.testing.assert_array_equal(of_layer, own)
    assert np.ptp(own) > 0
