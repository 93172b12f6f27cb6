"""Exponential Euler with steps of the cells' own, against Brian2's form of it, and the precision of compiled cells."""

import brian2 as b2
import numpy as np
import pytest
from brian2.groups import group

from corinfomax.models import Cell, Parameter, StimulusCell
from corinfomax.networks import Circuit, PopulationSpec
from corinfomax.protocols.clockwork import Phase, Preparation, Protocol
from corinfomax.stimuli import Stimulus

RNG = np.random.default_rng(5)
GATES = {
    "constant": {},
    "by cell": {"layer_1.gate_soma": np.array([[1.0, 0.0, 0.3, 1.0, 0.7]])},
    "by step and cell": {"layer_1.gate_soma": RNG.uniform(0, 1, (7, 5)), "gate_apical": RNG.uniform(0, 1, 7)},
}


@pytest.mark.parametrize("course", GATES.values(), ids=GATES)
@pytest.mark.parametrize("convention", ["normative", "authors"])
def test_own_steps_equal_brians_exponential_euler(saturating_circuit, course, convention):
    """Oracle: Brian2's own `exponential_euler`, gates varying by cell and step, step rule not constant; to 1e-13."""
    phases = [Phase("free", 7, course=course), Phase("nudge", 3, beta=1.0)]
    protocol = Protocol(phases, step=0.3, method="exponential_euler", step_rule="divide_by_loop_index")
    found = []
    for ours in (True, False):
        preparation = Preparation(saturating_circuit((6, 5, 4), convention=convention), 2, protocol=protocol)
        for k in (1, 2):
            updater = preparation.layer(k).group.state_updater
            assert updater.own_steps is not None
            updater.own_steps = updater.own_steps if ours else None
        x, y = np.linspace(0, 1, 12).reshape(2, 6), np.eye(4)[:2]
        found.append(preparation.present(x, y, learn=False, variables=("u", "v_A")))
    for name in ("free", "nudge"):
        for variable in ("u", "v_A"):
            for k in (1, 2):
                own, brians = (getattr(getattr(each, name), variable)[k] for each in found)
                np.testing.assert_allclose(own, brians, rtol=0, atol=1e-13)
                assert variable != "u" or brians.std() > 0


def test_a_hook_that_sets_a_gate_is_followed_in_the_next_step(saturating_circuit):
    """Theory: du/ds = -g_lk u once the soma is cut off, so u falls by exp(-g_lk η) in each step, to 1e-14."""
    protocol = Protocol([Phase("free", 6)], step=0.5, method="exponential_euler")
    circuit = saturating_circuit((6, 5, 4))
    preparation = Preparation(circuit, protocol=protocol)
    cut = []

    def hook(moment):
        if moment.step == 2:
            preparation.populations["layer_1"].write("gate_soma", 0.0)
        cut.append(moment.layer(1).read("u"))

    preparation.on_step.append(hook)
    preparation.predict(np.ones(6))
    expected = np.exp(-circuit.g_leak * 0.5)
    for before, after in zip(cut[2:], cut[3:], strict=False):
        np.testing.assert_allclose(after, before * expected, rtol=0, atol=1e-14)
    assert np.abs(cut[2]).max() > 0.01


class Bare(Cell):
    """A cell with nothing that could be set."""

    equations = "du/dt = (0.1 - u)/tau : 1\nr = u : 1\n"
    state = ("u",)
    parameters = (Parameter("tau", "second", "time constant", "this test"),)

    def __init__(self):
        super().__init__(None, tau=7 * b2.ms)


def mounted(cell, phases, replicas=1, **keys):
    """Three cells of a kind, which nothing reaches, beside a stimulus."""
    specs = [PopulationSpec("stimulus", StimulusCell(), 2, layer=0), PopulationSpec("cells", cell, 3, layer=1)]
    circuit = Circuit(
        populations=specs, projections=[], plasticity=[], weights={}, layers=["stimulus", "cells"],
        teacher=None, tau=7 * b2.ms,
    )  # fmt: skip
    return Preparation(circuit, replicas, protocol=Protocol(phases, step=0.05), **keys)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-15), ("float32", 1e-7)])
def test_compiled_cells_compute_in_their_own_precision(dtype, tolerance):
    """Theory, of a cell that nothing sets: u(n) = .1 (1 - (1 - dt/τ)ⁿ), to a rounding of the cells' type."""
    preparation = mounted(Bare(), [Phase("free", 20)], 2, dtype=dtype, target="cython")
    preparation.run([Stimulus(np.zeros((2, 2)))])
    theory = 0.1 * (1 - 0.95**20)
    np.testing.assert_allclose(preparation.layer(1).read("u"), theory, rtol=tolerance * 4, atol=0)


class Counting(Cell):
    """A cell whose statements of each step read another parameter than its integration."""

    equations = "du/dt = (I_soma - u)/tau : 1\ncount : 1\ngate_soma : 1\nI_soma : 1\nr = u : 1\n"
    each_step = "count += gate_soma"
    state = ("u", "count")
    parameters = (Parameter("tau", "second", "time constant", "this test"),)

    def __init__(self):
        super().__init__(None, tau=7 * b2.ms)


class Counter(Counting):
    """A cell that integrates nothing."""

    equations = "count : 1\ngate_soma : 1\nr = count : 1\n"
    state = ("count",)


class Speeding(Cell):
    """A cell that rises faster by 1 with each of its spikes, and stays so."""

    equations = "dv/dt = speed*I_soma/ms : 1\nspeed : 1\nI_soma : 1\nr = v : 1\n"
    threshold, reset = "v > 0.5*(i % 3 + 1)", "v = 0; speed += 1"
    state = ("v",)

    def __init__(self):
        super().__init__(None)


def test_what_is_alike_for_one_loop_need_not_be_so_for_another():
    """Theory: cells with a current I each and the same gate approach their own I, and count n times the gate."""
    preparation = mounted(Counting(), [Phase("free", 20)], target="cython")
    preparation.layer(1).write("I_soma", currents := np.array([[0.1, 0.2, 0.3]]))
    preparation.layer(1).write("gate_soma", 2)
    preparation.run([Stimulus(np.zeros((1, 2)))])
    np.testing.assert_allclose(preparation.layer(1).read("u"), currents * (1 - 0.95**20), rtol=1e-14)
    np.testing.assert_allclose(preparation.layer(1).read("count"), 20 * 2, rtol=1e-14)


@pytest.mark.parametrize("target", ["numpy", "cython"])
def test_cells_that_are_no_longer_alike_are_read_one_by_one(target):
    """Theory: gates of 1 for 4 steps and of 1, 2, 3 for 4 more count up to 8, 12, 16; no equation is integrated."""
    phases = [Phase("free", 4), Phase("other", 4, course={"cells.gate_soma": np.array([[1.0, 2.0, 3.0]])})]
    preparation = mounted(Counter(), phases, target=target)
    preparation.run([Stimulus(np.zeros((1, 2)))])
    np.testing.assert_array_equal(preparation.layer(1).read("count"), [[8, 12, 16]])


@pytest.mark.parametrize("target", ["numpy", "cython"])
def test_parameters_that_spikes_move_are_read_one_by_one(target):
    """Theory: speeds from 1, which rise at each spike, by hand, of cells that spike above .5, 1, 1.5; steps of .35."""
    preparation = mounted(Speeding(), [Phase("free", 12)], target=target)
    preparation.layer(1).write("speed", 1)
    preparation.layer(1).write("I_soma", 1)
    preparation.run([Stimulus(np.zeros((1, 2)))])
    np.testing.assert_array_equal(preparation.layer(1).read("speed"), [[12, 10, 5]])


def test_code_is_made_when_something_else_is_to_follow(saturating_circuit, monkeypatch):
    """A second run makes no code; it does where r is to follow. Oracle: a preparation that has run nothing before."""
    made = []
    make = group.create_runner_codeobj
    monkeypatch.setattr(group, "create_runner_codeobj", lambda *words, **keys: made.append(1) or make(*words, **keys))
    held = Protocol([Phase("free", 6, course={"layer_1.r": 0.3})])
    x = np.linspace(0, 1, 6)

    def predicted(preparation):
        made.clear()
        return preparation.predict(x), bool(made)

    first, fresh = (Preparation(saturating_circuit((6, 5, 4))) for _ in range(2))
    plain, at_first = predicted(first)
    again, later = predicted(first)
    assert (at_first, later) == (True, False)
    np.testing.assert_array_equal(again, plain)
    for preparation in (first, fresh):
        preparation.exchange_protocol(held)
    theory, _ = predicted(fresh)
    np.testing.assert_array_equal(predicted(first)[0], theory)
    assert np.abs(theory - plain).max() > 1e-3
    first.layer(1).integrate(with_rate=True, autapses={})
    found, anew = predicted(first)
    assert anew
    np.testing.assert_array_equal(found, theory)
    for preparation in (first, changed := Preparation(saturating_circuit((6, 5, 4)))):
        preparation.layer(2).group.namespace["g_lk"] = 0.5 * first.circuit.g_leak
    changed.exchange_protocol(held)
    before = first.layer(2).read("u")
    assert [predicted(preparation)[1] for preparation in (first, changed)] == [True, True]
    found, theory = (preparation.layer(2).read("u") for preparation in (first, changed))
    np.testing.assert_array_equal(found, theory)
    assert np.abs(found - before).max() > 1e-3
