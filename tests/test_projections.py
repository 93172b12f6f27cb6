"""Projections in their several forms, which must give the same circuit."""

from dataclasses import replace

import brian2 as b2
import numpy as np
import pytest

from corinfomax.errors import ParameterError
from corinfomax.models import NONNEGATIVE_UNIT_BOX, Cell, Parameter, StimulusCell
from corinfomax.networks import Bias, Circuit, CorInfoMax, PopulationSpec, Projection
from corinfomax.protocols.clockwork import Phase, Preparation, Protocol, contrastive
from corinfomax.stimuli import Stimulus


@pytest.mark.parametrize("convention", ["normative", "authors"])
def test_dense_equals_synapses(saturating_circuit, minibatch, convention):
    """Rates, currents and learnt weights of two presentations equal those with real Brian2 `Synapses`, to 1e-12."""
    protocol = contrastive(free_steps=8, nudge_steps=4)
    dense, synapses = (
        Preparation(saturating_circuit(convention=convention, projection=projection), replicas=2, protocol=protocol)
        for projection in ("dense", "synapses")
    )
    for seed, beta in enumerate((1.0, -0.5)):
        x, y = minibatch(dense.circuit, n=2, seed=seed, low=0.0, high=1.0)
        theory, found = (preparation.present(x, y, beta=beta) for preparation in (synapses, dense))
        for name in ("u", "r", "v_A", "v_B", "i_SST"):
            for k in range(1, dense.circuit.output + 1):
                np.testing.assert_allclose(found.trace(name, k), theory.trace(name, k), rtol=0, atol=1e-12)
        for name in ("W_ff", "W_fb", "B", "D", "O"):
            for k, weights in synapses.circuit.weights[name].items():
                np.testing.assert_allclose(dense.circuit.weights[name][k], weights, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("convention", ["normative", "authors"])
def test_synapses_within_one_run(saturating_circuit, minibatch, convention):
    """Five stimuli in one long run of three minibatches settle to the same rates with `Synapses`, to 1e-12."""
    circuits = [saturating_circuit(convention=convention, projection=name) for name in ("dense", "synapses")]
    x, _ = minibatch(circuits[0], n=5, low=0.0, high=1.0)
    protocol = contrastive(free_steps=6)
    found, theory = (Preparation(circuit, replicas=2, protocol=protocol).settle(x) for circuit in circuits)
    for k in range(1, circuits[0].output + 1):
        np.testing.assert_allclose(found.u[k], theory.u[k], rtol=0, atol=1e-12)


def test_synapses_learn_within_one_run(saturating_circuit, minibatch):
    """Three minibatches learnt in one long run give the same weights with `Synapses`, to 1e-12."""
    circuits = [saturating_circuit(projection=name) for name in ("dense", "synapses")]
    stimuli = [
        Stimulus(*minibatch(circuits[0], n=2, seed=seed, low=0.0, high=1.0), beta=1.0, learn=True) for seed in range(3)
    ]
    for circuit in circuits:
        Preparation(circuit, replicas=2, protocol=contrastive(free_steps=8, nudge_steps=4)).run(stimuli)
    dense, synapses = circuits
    for name in ("W_ff", "W_fb", "B", "D", "O"):
        for k, weights in synapses.weights[name].items():
            np.testing.assert_allclose(dense.weights[name][k], weights, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("lateral_form", ["inverse", "autapse"])
@pytest.mark.parametrize("entropy_gain", [1.0, 3.0])
def test_interneurons_equal_folded_matrix(saturating_circuit, minibatch, lateral_form, entropy_gain):
    """D r + i_SST of the cells equals M r, M = ε(2κγB + g_lk I), at the output (κγB + g_lk I) r, to 1e-13."""
    circuit = saturating_circuit(lateral_form=lateral_form, entropy_gain=entropy_gain)
    gamma, P = entropy_gain * (1 - 0.9) / 0.9, circuit.output
    preparation = Preparation(circuit, replicas=2, protocol=contrastive(free_steps=6, nudge_steps=4))
    x, y = minibatch(circuit, n=2, low=0.0, high=1.0)
    shown = preparation.present(x, y, learn=False, variables=("r", "drive_autapse", "i_SST"))
    for k in range(1, P + 1):
        B, r = circuit.weights["B"][k], shown.trace("r", k)
        M = gamma * B + 0.5 * np.eye(len(B)) if k == P else circuit.epsilon[k] * (2 * gamma * B + 0.5 * np.eye(len(B)))
        theory = r @ M.T
        lateral = shown.trace("drive_autapse", k) + shown.trace("i_SST", k)
        np.testing.assert_allclose(lateral, theory, rtol=0, atol=1e-13)
        if k == 1:
            assert np.abs(shown.trace("i_SST", k)).max() > 1e-3


def test_silenced_interneurons(saturating_circuit, minibatch):
    """With SST_1 silenced v_A of layer 1 keeps the autapses and the top-down prediction alone, D r + W_fb r: 1e-13."""
    circuit = saturating_circuit()
    preparation = Preparation(circuit, replicas=2, protocol=contrastive(free_steps=6))
    preparation.populations["SST_1"].write("gate_soma", 0)
    x, _ = minibatch(circuit, n=2, low=0.0, high=1.0)
    shown = preparation.present(x).free
    theory = shown.r[1] * circuit.weights["D"][1] + shown.r[2] @ circuit.weights["W_fb"][1].T
    np.testing.assert_allclose(shown.v_A[1], theory, rtol=0, atol=1e-13)


def leaky(saturating_circuit, minibatch, tau_SST, **protocol):
    """Potentials with interneurons of that time constant, and a strong lateral current."""
    circuit = saturating_circuit(tau_SST=tau_SST, entropy_gain=3.0)
    x, _ = minibatch(circuit, n=2, low=0.0, high=1.0)
    return Preparation(circuit, replicas=2, protocol=contrastive(**protocol)).present(x).free


def test_leaky_interneurons_approach_instantaneous_ones(saturating_circuit, minibatch):
    """As τ_SST → 0 the circuit approaches the instantaneous one, and at τ_SST = 1e-3 dt equals it to 1e-12."""
    common = {"method": "exponential_euler", "free_steps": 30}
    theory = leaky(saturating_circuit, minibatch, 0.0, **common)
    errors = []
    for tau_SST in (5.0, 0.5, 0.1, 0.0005):
        shown = leaky(saturating_circuit, minibatch, tau_SST, **common)
        errors.append(np.abs(shown.u[1] - theory.u[1]).max())
    assert errors[0] > 1e-3
    assert all(later < 0.5 * earlier for earlier, later in zip(errors, errors[1:], strict=False))
    assert errors[-1] < 1e-12


def test_leaky_interneurons_do_not_move_the_fixed_point(saturating_circuit, minibatch):
    """A settled circuit has the same rates with τ_SST = 5 ms as with instantaneous interneurons, to 1e-9."""
    theory = leaky(saturating_circuit, minibatch, 0.0, free_steps=1500)
    shown = leaky(saturating_circuit, minibatch, 5.0, free_steps=1500)
    for k in shown.r:
        np.testing.assert_allclose(shown.r[k][-1], theory.r[k][-1], rtol=0, atol=1e-9)


def test_step_bound_counts_leaky_interneurons(saturating_circuit):
    """Euler's bound dt < 2 τ_SST of a leaky interneuron is the circuit's if it is the least: η < 2 τ_SST/τ_u."""
    circuit = saturating_circuit(tau_SST=0.2, tau_u=10.0)
    assert circuit.step_bound(0.0) == pytest.approx(2 * 0.2 / 10.0, rel=1e-12)


class RelaxingCell(Cell):
    """A cell whose potential relaxes to its drive; it sends its rate and its potential."""

    equations = """
    du/dt = pace*(drive - u)/tau : 1
    drive : 1
    r : 1
    pace : 1 (shared)
    """
    parameters = (Parameter("tau", "second", "time constant", "this test"),)
    drives = ("drive",)
    state = ("u", "r")
    outputs = ("r", "u")


def relaxing(projections, **weights):
    """Build a circuit of a stimulus of 4, cells a of 3 and b of 5, and 5 target cells that projections lead to."""
    rng, tau = np.random.default_rng(0), 10 * b2.ms
    sizes = {"a": 3, "b": 5, "target": 5}
    cells = {name: RelaxingCell(NONNEGATIVE_UNIT_BOX, tau=tau) for name in sizes}
    return Circuit(
        populations=[
            PopulationSpec("stimulus", StimulusCell(), 4, layer=0),
            *(PopulationSpec(name, cells[name], size, layer=1) for name, size in sizes.items()),
        ],
        projections=[
            *(Projection("stimulus", name, "drive", (f"W_{name}", 0), constant=True) for name in ("a", "b")),
            *projections,
        ],
        plasticity=[],
        weights={
            "W_a": {0: rng.normal(0, 1, (3, 4))},
            "W_b": {0: rng.normal(0, 1, (5, 4))},
            **{key: {1: array} for key, array in weights.items()},
        },
        layers=["stimulus", "target"],
        teacher=None,
        tau=tau,
    )


def drives_and_signals(circuit):
    """Let 12 steps pass; give the target's drive in each, and what its sources had to send."""
    preparation = Preparation(circuit, replicas=2, protocol=Protocol([Phase("response", 12)]))
    x, steps = np.random.default_rng(1).uniform(0, 1, (2, 4)), []

    def keep(moment):
        cells = moment.populations
        sent = {(name, output): cells[name].read(output) for name in ("a", "b") for output in ("r", "u")}
        steps.append((cells["target"].read("drive"), sent))

    preparation.on_step.append(keep)
    preparation.settle(x)
    assert len(steps) == 12
    return x, steps


def test_what_enters_one_slot_adds_up():
    """Dense, constant, transposed and one-to-one projections and a bias in one slot equal a NumPy sum, to 1e-15."""
    rng = np.random.default_rng(2)
    shapes = {"dense": (5, 3), "fixed": (5, 4), "transposed": (3, 5), "single": (5,), "bias": (5,)}
    W = {name: rng.uniform(-0.3, 0.3, shape) for name, shape in shapes.items()}
    projections = [
        Projection("a", "target", "drive", ("dense", 1)),
        Projection("stimulus", "target", "drive", ("fixed", 1), constant=True),
        Projection("a", "target", "drive", ("transposed", 1), output="u", function="abs", transposed=True),
        Projection("b", "target", "drive", ("single", 1), "one_to_one"),
        Bias("target", "drive", ("bias", 1)),
    ]
    x, steps = drives_and_signals(relaxing(projections, **W))
    for drive, sent in steps:
        theory = sent["a", "r"] @ W["dense"].T + x @ W["fixed"].T + np.abs(sent["a", "u"]) @ W["transposed"]
        theory += sent["b", "r"] * W["single"] + W["bias"]
        np.testing.assert_allclose(drive, theory, rtol=0, atol=1e-15)
    assert (steps[-1][1]["a", "u"] < 0).any()


def test_transposed_weights_equal_the_transposed_array():
    """A projection through W from post to pre gives bit by bit the drive of one through the array Wᵀ."""
    W = np.random.default_rng(2).normal(0, 1, (3, 5))
    transposed = relaxing([Projection("a", "target", "drive", ("W", 1), transposed=True)], W=W)
    plain = relaxing([Projection("a", "target", "drive", ("W", 1))], W=W.T)
    for (found, _), (theory, _) in zip(drives_and_signals(transposed)[1], drives_and_signals(plain)[1], strict=True):
        np.testing.assert_array_equal(found, theory)
    assert np.abs(found).min() > 0


def test_transposed_synapses_equal_transposed_dense_weights():
    """Brian2 `Synapses` through W from post to pre give the dense projection's drive, to 1e-15."""
    W = np.random.default_rng(2).uniform(-0.3, 0.3, (3, 5))
    circuits = [
        relaxing([Projection("a", "target", "drive", ("W", 1), pattern, transposed=True)], W=W)
        for pattern in ("synapses", "dense")
    ]
    found, theory = (drives_and_signals(circuit)[1] for circuit in circuits)
    for (drive, _), (expected, _) in zip(found, theory, strict=True):
        np.testing.assert_allclose(drive, expected, rtol=0, atol=1e-15)


@pytest.mark.parametrize(
    ("projections", "message"),
    [
        (
            [Projection(name, "target", "drive", (f"from_{name}", 1), "synapses") for name in ("a", "b")],
            "a_to_target_drive: Synapses write target.drive whole, .* b_to_target_drive needs another slot",
        ),
        (
            [Projection("a", "target", "drive", ("from_a", 1), output="spikes")],
            "a_to_target_drive: RelaxingCell has no output 'spikes'; it has r, u",
        ),
        (
            [Projection("stimulus", "target", "drive", ("from_a", 1), output="u")],
            "stimulus_to_target_drive: StimulusCell has no output 'u'; it has r",
        ),
        (
            [Projection("a", "target", "drive", ("from_a", 1), transposed=True)],
            r"weights from_a\[1\] have shape \(5, 3\), need \(3, 5\)",
        ),
        (
            [Bias("target", "drive", ("from_a", 1))],
            r"bias_of_target_drive: weights from_a\[1\] have shape \(5, 3\), need \(5,\)",
        ),
        (
            [Projection("a", "target", "drive", ("from_a", 1), every=0)],
            "a_to_target_drive: every = 0 must be a whole number from 1",
        ),
        (
            [Projection("a", "target", "drive", ("from_a", 1), constant=True)],
            "a_to_target_drive: is constant, and a moves by itself or is driven",
        ),
    ],
)
def test_projections_that_do_not_fit_are_refused(projections, message):
    """Two `Synapses` into one slot, and what the source or the weights do not allow, are refused in one line."""
    with pytest.raises(ParameterError, match=message) as caught:
        Preparation(relaxing(projections, from_a=np.zeros((5, 3)), from_b=np.zeros((5, 5))))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("projection", ["dense", "synapses"])
def test_a_held_drive_of_a_constant_source_stays_held(projection, saturating_circuit, minibatch):
    """A basal drive held at 0 leaves u at exactly 0 through the phase, dense or by `Synapses`."""
    circuit = saturating_circuit((6, 5, 3), projection=projection)
    course = {"layer_1.drive_basal": 0.0, "layer_1.drive_apical": 0.0}
    protocol = Protocol([Phase("free", 5, course=course)])
    shown = Preparation(circuit, replicas=2, protocol=protocol).present(minibatch(circuit)[0], learn=False)
    assert not shown.free.u[1].any()


@pytest.mark.parametrize(
    ("changes", "told"),
    [({"pattern": "dens"}, "pattern = 'dens'"), ({"pattern": "synapses", "every": 2}, "every = 2 needs another")],
)
def test_patterns_that_do_not_exist_are_refused(changes, told):
    """A misspelt pattern, and synapses that are to rest in some steps, are refused in one line."""
    circuit = CorInfoMax([6, 5, 3])

    def exchange():
        circuit.projections = (replace(circuit.projections[0], **changes),)
        circuit.exchange_cell("layer_1", type(circuit.populations[2].cell))

    with pytest.raises(ParameterError, match=told):
        exchange()
