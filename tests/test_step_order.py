"""The order of a step follows from what its operations read and write."""

import brian2 as b2
import numpy as np
import pytest

from corinfomax.errors import ParameterError
from corinfomax.models import Cell, Parameter, StimulusCell
from corinfomax.models.domains import LINEAR
from corinfomax.networks import Circuit, PopulationSpec, Projection
from corinfomax.protocols.clockwork import Phase, Preparation, Protocol


def operations(circuit, **options):
    return [item.name for item in Preparation(circuit, **options).mounted.operations]


def scheduled(circuit):
    """Slots and names of what Brian2 executes in a step, in its order."""
    entries = Preparation(circuit).network.scheduling_summary().entries
    return [(entry.when, entry.name) for entry in entries if entry.when != "start"]


def test_synchronous_order(saturating_circuit):
    """Theory: all u are integrated, then all r, then all drives; Brian2 calls us once a step, at its end."""
    circuit = saturating_circuit((6, 5, 4))
    found = operations(circuit)
    kinds = [name.split()[0] for name in found]
    assert kinds == ["integration"] * 2 + ["rate"] * 2 + ["drive"] * 6
    theory = [("groups", "layer_1_stateupdater"), ("groups", "layer_2_stateupdater"), ("end", "corinfomax_end_of_step")]
    assert scheduled(circuit) == theory


def test_sequential_order(saturating_circuit):
    """Theory (the authors' order): each layer has its drives, u and r computed before the next layer has its own."""
    found = operations(saturating_circuit((6, 5, 4, 3), convention="authors"))
    layers = [name.partition(".")[0].rpartition("_")[2] for name in found]
    assert layers == sorted(layers)
    for k in (1, 2, 3):
        own = [name.split()[0] for name in found if name.partition(".")[0].endswith(f"_{k}")]
        assert own == ["drive"] * (len(own) - 2) + ["integration", "rate"]


@pytest.mark.parametrize("convention", ["normative", "authors"])
def test_leaky_interneurons_integrate_before_the_cells_that_they_inhibit(saturating_circuit, convention):
    """Theory: the owner of a linked variable is integrated first, so that τ_SST → 0 is the instantaneous cell."""
    found = operations(saturating_circuit((6, 5, 4), tau_SST=2.0, convention=convention))
    for k in (1, 2):
        assert found.index(f"integration of SST_{k}") < found.index(f"integration of layer_{k}")


def test_multipliers_act_on_the_thresholds_of_the_same_step(saturating_circuit):
    """Theory (synchronous): λ, then the inhibition that it brings, then r = σ(u - θ), then the drives from r."""
    found = operations(saturating_circuit((6, 5, 4), domain="B_1_plus"))
    order = [
        "rate of multiplier_1",
        "drive layer_1.drive_multiplier",
        "rate of layer_1",
        "drive multiplier_1.drive_soma",
    ]
    assert [found.index(name) for name in order] == sorted(found.index(name) for name in order)


class Relay(Cell):
    """A cell that follows its drive at once."""

    equations = "r : 1\ndrive : 1\n"
    drives = ("drive",)
    potential = "drive"

    def __init__(self):
        super().__init__(LINEAR)


class Membrane(Cell):
    """A cell with a membrane."""

    equations = "du/dt = pace*(drive - u)/tau : 1\nr : 1\ndrive : 1\npace : 1 (shared)\n"
    drives = ("drive",)
    state = ("u", "r")
    parameters = (Parameter("tau", "second", "time constant", "this test"),)

    def __init__(self):
        super().__init__(LINEAR, tau=10 * b2.ms)


def chain(*cells):
    """Build a circuit in which each cell drives the next, and the last the first."""
    names = [f"cell_{n}" for n in range(len(cells))]
    specs = [PopulationSpec("stimulus", StimulusCell(), 2, layer=0)]
    specs += [PopulationSpec(name, cell, 2, layer=1) for name, cell in zip(names, cells, strict=True)]
    weights = {"W": {n: 0.5 * np.eye(2) for n in range(len(cells))}}
    projections = [
        Projection(source, target, "drive", ("W", n))
        for n, (source, target) in enumerate(zip(names, [*names[1:], names[0]], strict=True))
    ]
    return Circuit(
        populations=specs, projections=projections, plasticity=[], weights=weights,
        layers=["stimulus", names[-1]], teacher=None, tau=10 * b2.ms,
    )  # fmt: skip


PROTOCOL = Protocol([Phase("free", 3)])


def test_a_loop_that_no_integration_breaks_is_refused():
    """Three relays in a ring have no order: one line names the operations of the loop."""
    with pytest.raises(ParameterError, match="a loop that no integration breaks") as refusal:
        Preparation(chain(Relay(), Relay(), Relay()), protocol=PROTOCOL)
    for n in range(3):
        assert f"rate of cell_{n}" in str(refusal.value)
        assert f"drive cell_{n}.drive" in str(refusal.value)


def test_a_drive_of_itself_is_refused():
    """A projection that carries a drive into the same drive has no order, by definition; one line names it."""
    circuit = chain(Membrane())
    circuit.projections = (Projection("cell_0", "cell_0", "drive", ("W", 0), output="drive"),)
    with pytest.raises(ParameterError, match=r"breaks: drive cell_0\.drive → drive cell_0\.drive"):
        Preparation(circuit, protocol=PROTOCOL)


def test_one_membrane_breaks_a_loop():
    """Theory: with one membrane in the ring, signals run through all relays within a step, in the ring's order."""
    found = operations(chain(Membrane(), Relay(), Relay()), protocol=PROTOCOL)
    assert found == [
        "integration of cell_0", "rate of cell_0", "drive cell_1.drive", "rate of cell_1", "drive cell_2.drive",
        "rate of cell_2", "drive cell_0.drive",
    ]  # fmt: skip


@pytest.mark.parametrize("held", [{}, {"layer_1.u": 0.4}, {"layer_1.r": 0.4}], ids=["free", "u held", "r held"])
def test_rates_within_the_integration_are_those_after_it(saturating_circuit, held):
    """Oracle: Brian2's numpy target, where each r = σ(u) is a call of its own; equal to 1e-15 at each step."""
    protocol = Protocol([Phase("free", 6, course=held), Phase("nudge", 3, beta=1.0)])
    x, y = np.random.default_rng(1).uniform(size=(2, 6)), np.eye(4)[:2]
    found = {}
    for target in ("cython", "numpy"):
        preparation = Preparation(saturating_circuit((6, 5, 4)), 2, protocol=protocol, target=target)
        found[target] = preparation.present(x, y, learn=False, variables=("u", "r"))
    for name in ("free", "nudge"):
        phases = [getattr(found[target], name) for target in ("cython", "numpy")]
        for k in (1, 2):
            for variable in ("u", "r"):
                ours, oracle = (getattr(phase, variable)[k] for phase in phases)
                np.testing.assert_allclose(ours, oracle, rtol=0, atol=1e-15)
                assert oracle.std() > 0


def test_rates_that_a_nonlinearity_only_selects_are_computed_while_cells_integrate(saturating_circuit):
    """Theory: clip(u, 0, 1) stands in Brian2's compiled step; held potentials bring it back to its own place."""
    free, held = (Phase("free", 3, course=course) for course in ({}, {"layer_1.u": 0.4}))
    for phase, expected in ((free, {"layer_1", "layer_2"}), (held, {"layer_2"})):
        preparation = Preparation(saturating_circuit((6, 5, 4)), protocol=Protocol([phase]), target="cython")
        preparation.present(np.zeros(6))
        steps = {name: preparation.populations[name].group.state_updater for name in ("layer_1", "layer_2")}
        assert {name for name, step in steps.items() if "clip(u, 0, 1)" in str(step.abstract_code)} == expected


def test_cells_without_a_membrane_have_no_state_updater(saturating_circuit):
    """Stimulus and instantaneous SST cells leave nothing for Brian2 to do in a step."""
    names = [name for _, name in scheduled(saturating_circuit((6, 5, 4)))]
    assert not any(name.startswith(("SST", "stimulus")) for name in names)
