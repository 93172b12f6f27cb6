"""Rules that single spikes trigger: against Brian2's `Synapses` in a network of its own, and against a loop."""

import brian2 as b2
import numpy as np
import pytest

from corinfomax.errors import ParameterError
from corinfomax.models import Cell, StimulusCell, spiking
from corinfomax.networks import (
    Adam,
    Circuit,
    GradientStep,
    OuterProducts,
    PairRule,
    Plasticity,
    PopulationSpec,
    Projection,
    Readout,
)
from corinfomax.protocols.clockwork import Phase, Preparation, Protocol
from corinfomax.stimuli import Stimulus

DT, STEPS, RATE, A_PLUS, A_MINUS = 0.5, 300, 0.02, 1.0, 0.7
PRE = {"r_max": 200 * b2.Hz, "tau_s": 20 * b2.ms, "tau_ref": 2 * b2.ms}
POST = PRE | {"tau_s": 40 * b2.ms}
W = np.random.default_rng(0).uniform(0.1, 0.5, (3, 4))
X = np.array([[0.9, 0.4, 0.7, 0.2], [0.3, 1.0, 0.5, 0.0], [0.0, 0.6, 0.9, 0.8]])


class Driven(Cell):
    """r is the drive itself."""

    equations = "r = drive_soma : 1\ndrive_soma : 1\n"
    drives = ("drive_soma",)


class Silent(Driven):
    """It sends its rate, under the train's name too."""

    equations = Driven.equations + "train = r : 1\n"


def circuit(rule=None, when="spike", post=None, optimiser=None, **options):
    rule = rule or PairRule(0, 1, A_PLUS, A_MINUS)
    optimiser = optimiser or GradientStep(("W", 0), RATE)
    return Circuit(
        populations=[
            PopulationSpec("stimulus", spiking(StimulusCell, "coding")(**PRE), 4, layer=0),
            PopulationSpec("cells", post or spiking(Driven, "coding")(**POST), 3, layer=1),
        ],
        projections=[Projection("stimulus", "cells", "drive_soma", ("W", 0), output="train")],
        plasticity=[Plasticity(rule, optimiser, **{"reads": ("run",)} | options, when=when)],
        weights={"W": {0: W.copy()}},
        layers=["stimulus", "cells"],
        teacher=None,
        tau=10 * b2.ms,
        signals={"train": {0: ("stimulus", "train"), 1: ("cells", "train")}},
    )


def learn(built, x, steps=STEPS):
    """Present stimuli with learning; the weights at the end of each step, and spikes and trains of it."""
    protocol = Protocol([Phase("run", steps)], step=DT / 10, method="exponential_euler", predicts="run")
    preparation, seen = Preparation(built, len(x), protocol=protocol), []

    def look(moment):
        layers = [moment.layer(k) for k in (0, 1)]
        spikes = [np.zeros((len(x), layer.size)) for layer in layers]
        for found, layer in zip(spikes, layers, strict=True):
            found[layer.spikes] = 1
        seen.append((built.weights["W"][0].copy(), spikes, [layer.read("train") for layer in layers]))

    preparation.on_step.append(look)
    preparation.run([Stimulus(x, learn=True)])
    return seen


def test_pairs_of_spikes_change_weights_as_synapses_do():
    """Oracle: a network of Brian2 alone, whose `Synapses` have `on_pre` and `on_post`; weights to 1e-12 in each step.

    The loop is closed: weights drive the cells whose spikes change them. Synapses keep traces of their own there.
    """
    found = learn(circuit(), X[:1])
    b2.start_scope()
    clock = b2.Clock(DT * b2.ms)
    q_pre, q_post = (float(1 / (cell["r_max"] * cell["tau_s"])) for cell in (PRE, POST))
    sent = "ds/dt = -s/tau_s : 1\n"
    common = {"method": "exact", "clock": clock, "refractory": 2 * b2.ms, "threshold": "r - s >= q/2"}
    pre = b2.NeuronGroup(
        4, sent + "r : 1", reset="s += q", namespace={"q": q_pre, "tau_s": PRE["tau_s"]}, name="pre", **common
    )
    post = b2.NeuronGroup(
        3,
        sent + "r : 1\ndrive : 1",
        reset="s += q",
        namespace={"q": q_post, "tau_s": POST["tau_s"]},
        name="post",
        **common,
    )
    synapses = b2.Synapses(
        pre,
        post,
        """w : 1
        dx/dt = -x/tau_pre : 1 (clock-driven)
        dy/dt = -y/tau_post : 1 (clock-driven)
        drive_post = w*s_pre : 1 (summed)""",
        on_pre={"jump_pre": "x += q_pre", "pre": "w -= minus*y"},
        on_post={"jump_post": "y += q_post", "post": "w += plus*x"},
        namespace={
            "tau_pre": PRE["tau_s"], "tau_post": POST["tau_s"], "q_pre": q_pre, "q_post": q_post,
            "plus": RATE * A_PLUS, "minus": RATE * A_MINUS,
        },
        method="exact",
        clock=clock,
    )  # fmt: skip
    for pathway in (synapses.pre, synapses.post):
        pathway.order = 1  # after the traces' jumps
    synapses.connect()
    synapses.w = W.T.ravel()
    pre.r = X[0]
    synapses.summed_updaters["drive_post"].when = "end"  # drives follow from what a step ends with, as here
    post.run_regularly("r = drive", when="end", order=2, clock=clock)
    monitor = b2.StateMonitor(synapses, "w", record=True, clock=clock, when="end", order=3)
    network = b2.Network(pre, post, synapses, monitor, *post.contained_objects)
    network.run(STEPS * DT * b2.ms, namespace={})
    theory = np.asarray(monitor.w).reshape(4, 3, STEPS).transpose(2, 1, 0)
    np.testing.assert_allclose([weights for weights, *_ in found], theory, rtol=0, atol=1e-12)
    moved = np.abs(theory[-1] - W).max(axis=1)
    assert (moved > 0.01).all()
    assert sum(spikes[1].sum() for _, spikes, _ in found) > 20


def test_replicas_share_a_mean():
    """ΔW of three replicas at once is the mean of each one's pairs: a loop over recorded spikes (NumPy), to 1e-12."""
    weights, found = W.copy(), learn(circuit(), X, 120)
    for after, (pre, post), (x, y) in found:
        for replica in range(3):
            up = A_PLUS * np.outer(post[replica], x[replica])
            weights += RATE / 3 * (up - A_MINUS * np.outer(y[replica], pre[replica]))
        np.testing.assert_allclose(after, weights, rtol=0, atol=1e-12)


def test_a_rule_acts_only_when_its_layers_spike():
    """A rule is called in the steps in which a cell of its triggers spikes, and sees which: recorded spikes (NumPy)."""
    calls = []

    def rule(weights, state):
        calls.append({k: spikes.copy() for k, spikes in state.spikes.items()})
        return OuterProducts(np.zeros((1, 3)), np.zeros((1, 4)))

    for triggers, layers in (((), (0, 1)), ((1,), (1,))):
        calls.clear()
        found = learn(circuit(rule, triggers=triggers), X, 120)
        steps = [spikes for _, spikes, _ in found if any(spikes[k].any() for k in layers)]
        assert 0 < len(steps) == len(calls) < 120
        for spikes, seen in zip(steps, calls, strict=True):
            assert all((seen[k] == spikes[k]).all() for k in (0, 1))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"post": Silent(), "triggers": (1,)}, r"rule of W\[0\]: acts at spikes of layer 1, whose cells do not spike"),
        ({"triggers": (2,)}, r"acts at spikes of layer 2, whose"),
        ({"optimiser": Adam(("W", 0), W.shape, 0.1)}, "acts at spikes, which Adam cannot; take GradientStep"),
        ({"reads": (Readout("run", last=3),)}, "acts at spikes of phase 'run', of which there is no mean"),
        ({"when": "step", "triggers": (1,)}, r"triggers = \(1,\): need when = 'spike', not 'step'"),
        ({"when": "spikes"}, "'spikes'"),
    ],
)
def test_rules_that_no_spike_can_trigger(options, message):
    """One line: layers that do not spike, optimisers that act once a presentation, means, and other times to act."""
    with pytest.raises(ParameterError, match=message) as caught:
        learn(circuit(**options), X[:1], 4)
    assert "\n" not in str(caught.value)
