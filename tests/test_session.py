"""What users may set or see while something runs: Brian2's state of the session, and the present moment."""

import gc
import weakref

import brian2 as b2
import numpy as np
import pytest
from brian2.devices.device import reset_device

from corinfomax.networks import CorInfoMax
from corinfomax.protocols.clockwork import Phase, Preparation, Protocol, contrastive
from corinfomax.stimuli import Stimulus

_SCHEDULE = ["start", "synapses", "groups", "thresholds", "resets", "end"]


def result():
    """Potentials and learnt weights of a noisy, leaky circuit in both precisions."""
    found = []
    for dtype in (np.float32, np.float64):
        circuit = CorInfoMax([6, 5, 4], noise_soma=0.1, tau_A=3.0, tau_SST=5.0)
        preparation = Preparation(circuit, replicas=2, dtype=dtype, protocol=contrastive(free_steps=6, nudge_steps=3))
        rng = np.random.default_rng(0)
        x, y = rng.uniform(size=(2, 6)), rng.uniform(size=(2, 4))
        preparation.run([Stimulus(x, y, learn=True, seed=1)])
        shown = preparation.present(x, y, seed=2)
        found += [shown.trace(name, k) for name in ("u", "v_A", "v_B") for k in (1, 2)]
        found += [circuit.weights["W_ff"][0], preparation.layer(1).read("V_soma")]
    return found


@pytest.fixture(scope="module")
def usual():
    """Give the result in an untouched session."""
    return result()


@pytest.mark.parametrize(
    ("preference", "value"),
    [
        ("core.default_float_dtype", np.float32),
        ("core.network.default_schedule", _SCHEDULE),
        ("codegen.loop_invariant_optimisations", False),
    ],
)
def test_preferences_of_the_session_change_no_result(usual, monkeypatch, preference, value):
    """Bit by bit the result of an untouched session; the preference stays as the user has set it."""
    monkeypatch.setitem(b2.prefs, preference, value)
    for found, theory in zip(result(), usual, strict=True):
        np.testing.assert_array_equal(found, theory)
    assert b2.prefs[preference] == value


def test_a_standalone_device_is_left_to_the_user(usual, tmp_path):
    """With set_device("cpp_standalone") the same result, and the device and its options are there afterwards."""
    b2.set_device("cpp_standalone", build_on_run=False, directory=str(tmp_path))
    try:
        device, options = b2.get_device(), dict(b2.get_device().build_options)
        for found, theory in zip(result(), usual, strict=True):
            np.testing.assert_array_equal(found, theory)
        assert b2.get_device() is device
        assert (device.build_on_run, device.build_options) == (False, options)
    finally:
        reset_device()


def test_hooks_cannot_change_the_moment(saturating_circuit):
    """A hook sees phase, step, time and β, and cannot set them."""
    preparation = Preparation(saturating_circuit((3, 4, 2)), replicas=4, protocol=Protocol([Phase("free", 3)]))
    seen = []

    def hook(moment):
        seen.append((moment.phase.name, moment.step, round(2e3 * moment.time, 9), moment.beta, moment.presented))
        with pytest.raises(AttributeError):
            moment.step = 0

    preparation.on_step.append(hook)
    preparation.settle(np.full((4, 3), 0.5))
    assert seen == [("free", step, step + 1.0, 0.0, 4) for step in range(3)]


def test_a_run_begins_without_a_search_of_the_heap(saturating_circuit):
    """Python's search for garbage is not asked for; its own callback tells, which sees the search of other networks."""
    preparation = Preparation(saturating_circuit((3, 2, 2)), replicas=1)
    group = b2.NeuronGroup(1, "v : 1", codeobj_class=preparation.layer(1).group.codeobj_class)
    own, searched = b2.Network(group), []

    def look(phase, info):
        if phase == "start" and info["generation"] == 2:
            searched.append(True)

    gc.disable()
    gc.callbacks.append(look)
    try:
        preparation.predict(np.full((1, 3), 0.5))
        assert not searched
        own.run(own.t + 0.1 * b2.ms)
        assert searched
    finally:
        gc.callbacks.remove(look)
        gc.enable()


@pytest.mark.parametrize(("replicas", "size", "most"), [(1, 3, 17), (2000, 1000, 3)])
def test_preparations_that_nobody_uses_are_let_go(saturating_circuit, replicas, size, most):
    """However many are made one after the other, few small ones are there at a time, and fewer large ones.

    Python's own search, which does not know of large arrays, is switched off. Oracle: weak references.
    """
    gc.collect()
    gc.disable()
    try:
        made, there = [], 0
        for _ in range(20 if replicas == 1 else 4):
            made.append(weakref.ref(Preparation(saturating_circuit((size, 2, 2)), replicas)))
            there = max(there, sum(each() is not None for each in made))
    finally:
        gc.enable()
    assert there <= most
