"""Point cells: what they record and how they are perturbed. And cells that spike, mounted in a circuit."""

import brian2 as b2
import numpy as np
import pytest

from corinfomax.errors import ParameterError
from corinfomax.models import Cell, HiddenPoint, LinearPoint, OutputPoint, Parameter, StimulusCell
from corinfomax.networks import Circuit, EquilibriumPropagation, PopulationSpec, Projection, SimilarityMatchingCircuit
from corinfomax.protocols.clockwork import Phase, Preparation, Protocol, contrastive, settling

TAU, REFRACTORY = 10 * b2.ms, 3 * b2.ms


class LeakyIntegrateAndFire(Cell):
    """τ du/dt = -u + I, a spike at u = 1 and then u = 0 for the refractory time; r counts spikes."""

    equations = """
    du/dt = (drive_soma - u)/tau : 1 (unless refractory)
    r : 1
    drive_soma : 1
    """
    parameters = (
        Parameter("tau", "second", "membrane time constant", "this test"),
        Parameter("tau_ref", "second", "refractory time", "this test"),
    )
    drives = ("drive_soma",)
    state = ("u", "r")
    threshold = "u > 1"
    reset = "u = 0; r += 1"
    refractory = "tau_ref"


def spiking_circuit(schedule="synchronous", kind=LeakyIntegrateAndFire):
    """One input for each of three cells."""
    return Circuit(
        populations=[
            PopulationSpec("stimulus", StimulusCell(), 3, layer=0),
            PopulationSpec("layer_1", kind(tau=TAU, tau_ref=REFRACTORY), 3, layer=1),
        ],
        projections=[Projection("stimulus", "layer_1", "drive_soma", ("W", 0), constant=True)],
        plasticity=[],
        weights={"W": {0: np.eye(3)}},
        layers=["stimulus", "layer_1"],
        teacher=None,
        tau=TAU,
        schedule=schedule,
    )


def test_spikes_of_a_mounted_cell():
    """Interspike intervals are t_ref + τ ln(I/(I - 1)) (closed form) to one dt; I = .9 never reaches the threshold."""
    step, currents = 0.01, np.array([[1.5, 3.0, 0.9], [2.0, 1.2, 50.0]])
    protocol = Protocol([Phase("run", 10_000)], plus="run", minus="", step=step, method="exponential_euler")
    shown = Preparation(spiking_circuit(), replicas=2, protocol=protocol).present(currents, variables=("u", "r"))
    u, counts = shown.run.u[1], shown.run.r[1]
    dt, tau, refractory = step * float(TAU), float(TAU), float(REFRACTORY)
    for (replica, cell), current in np.ndenumerate(currents):
        spikes = np.flatnonzero(np.diff(counts[:, replica, cell]))
        if current < 1:
            assert len(spikes) == 0
            assert u[-1, replica, cell] == pytest.approx(current * (1 - np.exp(-100)), rel=1e-9)
            continue
        assert len(spikes) > 10
        theory = refractory + tau * np.log(current / (current - 1))
        assert np.abs(np.diff(spikes) * dt - theory).max() < 1.001 * dt
        # Still at the reset potential as long as it is refractory, and on its way one step later.
        last = spikes[3] + 1 + round(refractory / dt)
        assert not u[spikes[3] + 1 : last, replica, cell].any()
        assert u[last + 1, replica, cell] > 0


def test_two_spiking_layers_reach_their_thresholds_in_the_same_step():
    """Theory: layers alike, with the same input, spike alike; all integrate, then all cross, then all reset."""
    circuit = spiking_circuit()
    twin = PopulationSpec("layer_2", LeakyIntegrateAndFire(tau=TAU, tau_ref=REFRACTORY), 3, layer=2)
    circuit = Circuit(
        populations=[*circuit.populations, twin],
        projections=[*circuit.projections, Projection("stimulus", "layer_2", "drive_soma", ("W", 0), constant=True)],
        plasticity=[], weights={"W": {0: np.eye(3)}}, layers=["stimulus", "layer_1", "layer_2"], teacher=None, tau=TAU,
    )  # fmt: skip
    protocol = Protocol([Phase("run", 800)], step=0.01, method="exponential_euler")
    shown = Preparation(circuit, protocol=protocol).present([1.5, 3.0, 2.0], variables=("u", "r")).run
    assert shown.r[1][-1].min() >= 3
    for variable in ("u", "r"):
        np.testing.assert_array_equal(getattr(shown, variable)[1], getattr(shown, variable)[2])


def test_a_presentation_begins_with_no_cell_refractory():
    """The same stimulus twice gives the same spikes, step by step, also where the first ended right after a spike."""
    protocol = Protocol([Phase("run", 137)], step=0.01, method="exponential_euler")
    preparation = Preparation(spiking_circuit(), protocol=protocol)
    first, second = (preparation.present([50.0, 20.0, 30.0], variables=("u", "r")).run for _ in range(2))
    assert first.r[1][-1].min() >= 3
    np.testing.assert_array_equal(first.u[1], second.u[1])


@pytest.mark.parametrize("refractory", ["tau_ref", "2*ms", "u > 0.2"])
@pytest.mark.parametrize("steps", [137, 140, 151])
def test_states_that_carry_over_say_how_long_cells_are_refractory(refractory, steps):
    """Taken up by another preparation between two presentations, all goes on as in the first, to the last bit.

    Whatever the refractory time is written as: a parameter, a time, a condition on the state.
    """
    kind = type("Kind", (LeakyIntegrateAndFire,), {"refractory": refractory})
    protocol = Protocol([Phase("run", steps)], step=0.01, method="exponential_euler", reset="carry")
    first, second = (Preparation(spiking_circuit(kind=kind), protocol=protocol) for _ in range(2))
    stimulus = [50.0, 20.0, 30.0]
    first.present(stimulus)
    second.load_state_dict(first.state_dict())
    one, other = (preparation.present(stimulus, variables=("u", "r")).run for preparation in (first, second))
    assert one.r[1][-1].min() >= 3
    np.testing.assert_array_equal(one.u[1], other.u[1])
    np.testing.assert_array_equal(one.r[1], other.r[1])


def test_states_of_older_checkpoints_do_where_presentations_begin_at_rest():
    """Without what is refractory they are taken if it is not needed, and refused by the missing name if it is."""
    for reset in ("rest", "carry"):
        protocol = Protocol([Phase("run", 5)], step=0.01, method="exponential_euler", reset=reset)
        preparation = Preparation(spiking_circuit(), protocol=protocol)
        older = {place: array for place, array in preparation.state_dict().items() if "refractory" not in place}
        if reset == "rest":
            preparation.load_state_dict(older)
        else:
            with pytest.raises(ParameterError, match="state/layer_1/not_refractory is missing"):
                preparation.load_state_dict(older)


def test_spikes_need_the_synchronous_schedule():
    """A spiking population in a sequential circuit is refused when it is mounted, by its name."""
    with pytest.raises(ParameterError, match="layer_1: cells that spike need the synchronous schedule"):
        Preparation(spiking_circuit("sequential"))


@pytest.mark.parametrize("stray", ["reset", "refractory"])
def test_a_reset_needs_a_threshold(stray):
    """A cell with a reset or a refractory time and no threshold would never spike, and cannot be made."""
    kind = type("Silent", (LeakyIntegrateAndFire,), {"threshold": "", "reset": "", "refractory": ""})
    kind(tau=TAU, tau_ref=REFRACTORY)
    setattr(kind, stray, "u = 0")
    with pytest.raises(ParameterError, match=f"Silent: has a {stray} and no threshold"):
        kind(tau=TAU, tau_ref=REFRACTORY)


@pytest.mark.parametrize("kind", [HiddenPoint, OutputPoint, LinearPoint])
def test_recordables_are_in_the_equations(kind):
    """Every recordable, drive slot, output and state of a cell is a variable of its group (property)."""
    cell = kind(tau=TAU)
    group = b2.NeuronGroup(1, cell.equations, namespace=cell.namespace, method="euler")
    names = {item.name for item in cell.recordables} | {*cell.drives, *cell.outputs, *cell.state, cell.potential}
    assert names <= set(group.variables)
    assert {"r", "V_soma", "rate", "gate_soma", "I_soma", "pace"} <= set(group.variables)
    assert [item.name for item in cell.recordables if not item.by_default] == ["I_net"]


def test_voltages_and_rates_are_the_map_of_the_state():
    """V_soma = -70 mV + 20 mV r and rate = 100 Hz r at every step, and I_net is dr/dη of it, to 1e-12."""
    circuit = SimilarityMatchingCircuit((4, 2), seed=1)
    names = ("r", "V_soma", "rate", "I_net")
    preparation = Preparation(circuit, protocol=settling(steps=6, step=0.2))
    shown = preparation.present([0.5, -1, 2, 0.3], learn=False, variables=names).settle
    r = shown.r[1]
    np.testing.assert_allclose(shown.V_soma[1], -0.07 + 0.02 * r, rtol=0, atol=1e-12)
    np.testing.assert_allclose(shown.rate[1], 100 * r, rtol=0, atol=1e-12)
    np.testing.assert_allclose(np.diff(r, axis=0), 0.2 * shown.I_net[1][:-1], rtol=0, atol=1e-12)


def test_gates_and_injected_currents():
    """A cut hidden layer ends at its injected current, clipped to [0, 1]; cut outputs keep out the teacher, exactly."""
    circuit = EquilibriumPropagation((4, 3, 2), weights={"b": {1: [0.5, 0.5, 0.5]}})
    current = [[0.25, 1.5, -0.5]]
    course = {"layer_1.gate_soma": 0.0, "layer_1.I_soma": current, "layer_2.gate_soma": 0.0}
    phases = [Phase("free", 80, course=course), Phase("nudge", 80, beta=1.0, course=course)]
    protocol = Protocol(phases, step=0.5)
    shown = Preparation(circuit, protocol=protocol).present(np.ones(4), np.ones(2), learn=False)
    for phase in (shown.free, shown.nudge):
        np.testing.assert_allclose(phase.r[1][-1, 0], [0.25, 1.0, 0.0], rtol=0, atol=1e-15)
        assert not phase.r[2].any()


def test_held_rates_are_what_projections_carry():
    """A hidden rate that is held reaches the outputs as it stands: they settle at W r + b (closed form) to 1e-12."""
    weights = {"W": {1: 0.3 * np.ones((2, 3))}, "b": {2: [0.05, 0.1]}}
    circuit = EquilibriumPropagation((4, 3, 2), weights=weights)
    held = np.array([0.9, 0.2, 0.4])
    protocol = Protocol(
        [Phase("free", 100, course={"layer_1.r": [held.tolist()]}), Phase("nudge", 1, beta=1.0)], step=0.5
    )
    shown = Preparation(circuit, protocol=protocol).present(np.ones(4), np.ones(2), learn=False)
    np.testing.assert_array_equal(shown.free.r[1][:, 0], np.broadcast_to(held, (100, 3)))
    theory = weights["W"][1] @ held + weights["b"][2]
    np.testing.assert_allclose(shown.free.r[2][-1, 0], theory, rtol=0, atol=1e-12)


def test_exponential_euler_settles_at_the_same_rates():
    """The equilibria of both methods agree to 1e-9, of clipped cells and of linear ones (other implementation)."""
    x = np.random.default_rng(0).uniform(size=(2, 5))
    for circuit, build in (
        (
            EquilibriumPropagation((5, 4, 3), weights={"b": {1: [0.3] * 4, 2: [0.4] * 3}}),
            lambda **stepping: contrastive(free_steps=400, **stepping),
        ),
        (SimilarityMatchingCircuit((5, 3), seed=1), lambda **stepping: settling(steps=400, **stepping)),
    ):
        settled = [
            Preparation(circuit, replicas=2, protocol=build(step=0.2, method=method)).settle(x).r
            for method in ("euler", "exponential_euler")
        ]
        for k, r in settled[0].items():
            assert np.abs(r).max() > 0.1
            np.testing.assert_allclose(settled[1][k], r, rtol=0, atol=1e-9)
