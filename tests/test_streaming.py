"""Recording at scale: what is on disk equals what is presented, whatever the blocks, the choice and the end."""

import copy
import os
import signal

import h5py
import numpy as np
import pytest

from corinfomax.analysis import open_traces
from corinfomax.errors import ParameterError
from corinfomax.networks import CorInfoMax
from corinfomax.protocols.clockwork import Phase, Preparation, Protocol, contrastive
from corinfomax.protocols.recording import Selection, StreamRecorder, WeightSelection
from corinfomax.stimuli import Stimulus

SHORT = contrastive(free_steps=6, nudge_steps=4)
LAYERS = ("V_soma", "V_basal", "V_apical", "V_SST", "rate", "u", "r", "v_A", "v_B", "i_SST", "I_net", "drive_basal")


def circuit_of(convention="normative", **changes):
    """A circuit of two hidden layers with SST and multiplier cells."""
    options = {"forgetting": 0.9, "domain": ["B_1_plus", "B_inf_plus", "simplex"]} | changes
    return CorInfoMax([6, 5, 4, 3], convention=convention, **options)


def stimuli_of(counts, learn=False, seed=0):
    """Minibatches of these sizes, whose rows number the stimuli of a set of 40."""
    rng = np.random.default_rng(seed)
    return [
        Stimulus(rng.random((n, 6)), rng.random((n, 3)), float(beta), learn, rows=rng.permutation(40)[:n])
        for n, beta in zip(counts, rng.choice([-1.0, 1.0], len(counts)), strict=True)
    ]


def presented(preparation, stimuli, variables):
    """What `present` records of each minibatch."""
    return [preparation.present(item.x, item.y, item.beta, item.learn, variables) for item in stimuli]


@pytest.mark.parametrize("convention", ["normative", "printed", "authors"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_stream_equals_present(tmp_path, convention, dtype):
    """Every variable of a learning run, synchronous and sequential, bit for bit as `present` of a twin circuit has it.

    The last minibatch is incomplete: its absent replica is NaN. Populations without layers are among those recorded.
    """
    names = ("SST_2.V_soma", "multiplier_1.r", "multiplier_3.V_soma", "stimulus.r")
    stimuli = stimuli_of([3, 3, 2], learn=True)
    twin = Preparation(circuit_of(convention), replicas=3, dtype=dtype, protocol=SHORT)
    theory = presented(twin, stimuli, (*LAYERS, *names))
    preparation = Preparation(circuit_of(convention), replicas=3, dtype=dtype, protocol=SHORT)
    chosen = [Selection(f"layer_{k}", LAYERS) for k in (1, 2, 3)]
    chosen += [Selection(*name.split(".")) for name in names]
    with StreamRecorder(preparation, tmp_path / "a.h5", chosen, block_bytes=20_000):
        preparation.run(stimuli)
    with open_traces(tmp_path / "a.h5") as traces:
        for trial, shown in enumerate(theory):
            rows, n = slice(10 * trial, 10 * trial + 10), len(stimuli[trial].x)
            expected = {(f"layer_{k}", name): shown.trace(name, k) for k in (1, 2, 3) for name in LAYERS}
            for name in names:
                expected[tuple(name.split("."))] = np.concatenate([phase[name] for phase in shown.phases.values()])
            for key, values in expected.items():
                found = traces[key][rows]
                assert found.dtype == values.dtype, key
                np.testing.assert_array_equal(found[:, :n], values, err_msg=str(key))
                assert np.isnan(found[:, n:]).all()


@pytest.mark.parametrize("block_bytes", [1, 700, 5_000, 10**7])
def test_blocks_smaller_than_a_presentation_and_longer_than_several(tmp_path, block_bytes):
    """Blocks of one row, of parts of a presentation, of several and of more than the run: the same, bit for bit."""
    preparation = Preparation(circuit_of(), replicas=2, protocol=SHORT)
    stimuli = stimuli_of([2] * 5)
    theory = presented(preparation, stimuli, ("V_apical",))
    with StreamRecorder(
        preparation, tmp_path / "a.h5", Selection("layer_1", "V_apical"), block_bytes=block_bytes
    ) as recorder:
        preparation.run(stimuli)
    assert recorder.nbytes <= block_bytes + 2 * 2**18 + 2 * (2 * 5 * 8 + 24)
    with open_traces(tmp_path / "a.h5") as traces:
        expected = np.concatenate([shown.trace("V_apical", 1) for shown in theory])
        np.testing.assert_array_equal(traces["layer_1", "V_apical"][:], expected)
        np.testing.assert_allclose(traces.group("layer_1").time, 5e-4 * np.arange(1, 51), rtol=1e-12)


def test_memory_does_not_grow_with_the_run(tmp_path):
    """The buffers of ten presentations and of two hundred are of the same size, below what was asked for."""
    preparation = Preparation(circuit_of(forgetting=0.99999), protocol=SHORT)
    sizes = []
    for number in (10, 200):
        chosen = [Selection("layer_1", LAYERS), WeightSelection(("B", 1), changes=True)]
        with StreamRecorder(preparation, tmp_path / "a.h5", chosen, block_bytes=50_000) as recorder:
            preparation.run(stimuli_of([1] * number, learn=True))
            sizes.append(recorder.nbytes)
    assert sizes[0] == sizes[1] <= 50_000 + 2 * 2**18
    with h5py.File(tmp_path / "a.h5") as file:
        assert len(file["cells/layer_1/time"]) == 2000


@pytest.mark.parametrize(
    ("cells", "replicas"),
    [(None, None), ([3], 1), ([4, 0, 1], [2, 0]), (range(1, 5, 2), None), ([0, 1, 4], [1, 2]), (np.array([2, 1]), 0)],
)
def test_chosen_cells_and_replicas(tmp_path, cells, replicas):
    """Numbers, ranges and lists in any order: those columns of what `present` has, in that order, NaN where absent."""
    preparation = Preparation(circuit_of(), replicas=3, protocol=SHORT)
    stimuli = stimuli_of([3, 1])
    theory = presented(preparation, stimuli, ("V_apical", "u", "I_net"))
    chosen = Selection("layer_1", ("V_apical", "u", "I_net"), cells, replicas)
    with StreamRecorder(preparation, tmp_path / "a.h5", chosen):
        preparation.run(stimuli)
    columns = np.arange(5) if cells is None else np.atleast_1d(cells)
    lines = np.arange(3) if replicas is None else np.atleast_1d(replicas)
    with open_traces(tmp_path / "a.h5") as traces:
        group = traces.group("layer_1")
        np.testing.assert_array_equal(group.cells, columns)
        np.testing.assert_array_equal(group.replicas, lines)
        for name in chosen.variables:
            for trial, shown in enumerate(theory):
                full = np.full((10, 3, 5), np.nan)
                full[:, : len(stimuli[trial].x)] = shown.trace(name, 1)
                found = traces["layer_1", name][10 * trial : 10 * trial + 10]
                np.testing.assert_array_equal(found, full[:, lines][:, :, columns])


@pytest.mark.parametrize(("every", "phases"), [(1, "nudge"), (2, None), (3, None), (4, ("nudge", "free")), (5, "free")])
def test_cadence_and_phases(tmp_path, every, phases):
    """Recorded are the n-th, 2n-th, … steps of each chosen phase, with their times, phases and β."""
    preparation = Preparation(circuit_of(), replicas=2, protocol=SHORT)
    stimuli = stimuli_of([2, 2])
    theory = presented(preparation, stimuli, ("rate",))
    with StreamRecorder(
        preparation, tmp_path / "a.h5", Selection("layer_2", "rate", phases=phases, every=every), block_bytes=100
    ):
        preparation.run(stimuli)
    steps = [(n + 1, "free") for n in range(6)] + [(n + 1, "nudge") for n in range(4)]
    kept = np.array([step % every == 0 and name in (phases or ("free", "nudge")) for step, name in steps])
    with open_traces(tmp_path / "a.h5") as traces:
        group = traces.group("layer_2")
        expected = np.concatenate([shown.trace("rate", 2)[kept] for shown in theory])
        np.testing.assert_array_equal(traces["layer_2", "rate"][:], expected)
        times = np.concatenate([np.flatnonzero(kept) + 1, 10 + np.flatnonzero(kept) + 1])
        np.testing.assert_allclose(group.time, 5e-4 * times, rtol=1e-12)
        names = [name for (_, name), keep in zip(steps, kept, strict=True) if keep]
        assert list(traces.phases["name"].iloc[group.phase]) == names * 2
        betas = [0.0 if name == "free" else stimulus.beta for stimulus in stimuli for name in names]
        np.testing.assert_array_equal(group.beta, betas)


def test_courses_of_beta_and_gates_are_recorded_as_they_are(tmp_path):
    """A silenced compartment and a rising β through a phase: potentials and β as `present` has them, bit for bit."""
    phases = [Phase("free", 4, course={"layer_1.gate_apical": 0.0}), Phase("nudge", 3, beta=[0.25, 0.5, 1.0])]
    preparation = Preparation(circuit_of(), replicas=2, protocol=Protocol(phases))
    stimuli = stimuli_of([2])
    (theory,) = presented(preparation, stimuli, ("V_apical",))
    with StreamRecorder(preparation, tmp_path / "a.h5", Selection("layer_1", "V_apical")):
        preparation.run(stimuli)
    with open_traces(tmp_path / "a.h5") as traces:
        np.testing.assert_array_equal(traces["layer_1", "V_apical"][:], theory.trace("V_apical", 1))
        np.testing.assert_array_equal(
            traces.group("layer_1").beta, np.concatenate([theory.free.beta, theory.nudge.beta])
        )
        assert (traces["layer_1", "V_apical"][:4] == -0.07).all()
        assert traces.phases["beta_first"].iloc[1] == 0.25 * stimuli[0].beta


def test_single_precision_of_a_double_precision_run_loses_nanovolts_at_most(tmp_path):
    """With dtype = "float32" potentials differ by at most 2 nV, for what is rounded is their distance from rest."""
    preparation = Preparation(circuit_of(), replicas=2, protocol=SHORT)
    stimuli = stimuli_of([2, 2])
    theory = presented(preparation, stimuli, ("V_soma",))
    with StreamRecorder(preparation, tmp_path / "a.h5", Selection("layer_1", "V_soma"), dtype="float32"):
        preparation.run(stimuli)
    with open_traces(tmp_path / "a.h5") as traces:
        trace = traces["layer_1", "V_soma"]
        assert trace.dataset.dtype == np.float32
        assert (trace.scale, trace.offset, trace.unit) == (0.02, -0.07, "V")
        expected = np.concatenate([shown.trace("V_soma", 1) for shown in theory])
        np.testing.assert_allclose(trace[:], expected, rtol=0, atol=2e-9)
        assert (trace[:] != expected).any()


@pytest.mark.parametrize("changes", [{}, {"lateral_form": "autapse"}])
def test_weights_and_changes(tmp_path, changes):
    """Weights after each, or each second, learning presentation are the circuit's; ΔW is the rule's to 1e-12."""
    circuit = circuit_of(**changes)
    preparation = Preparation(circuit, replicas=3, protocol=SHORT)
    lateral = "O" if changes else "B"
    kept = []

    def keep(moment, ends):
        if moment.stimulus.learn:
            found = {target: change.dense() for target, change in circuit.changes.items()}
            kept.append((copy.deepcopy(circuit.weights), found))

    chosen = [
        WeightSelection(("W_ff", 0), changes=True),
        WeightSelection(("W_fb", 1), post=[3, 0], pre=[2], every=2, changes=True),
        WeightSelection((lateral, 1), pre=range(3), changes=True),
        WeightSelection(("D", 1), post=[1, 4]),
    ]
    stimuli = stimuli_of([3, 2, 3, 1, 3], learn=True)
    stimuli[1] = Stimulus(stimuli[1].x, stimuli[1].y)
    preparation.on_presentation.append(keep)
    with StreamRecorder(preparation, tmp_path / "a.h5", chosen, block_bytes=2_000):
        preparation.run(stimuli)
    assert len(kept) == 4
    with open_traces(tmp_path / "a.h5") as traces:
        found = traces.weights
        np.testing.assert_array_equal(found["W_ff_0"].values[:], [weights["W_ff"][0] for weights, _ in kept])
        np.testing.assert_array_equal(found["W_ff_0"].trial, [0, 2, 3, 4])
        np.testing.assert_allclose(found["W_ff_0"].time, [0.005, 0.015, 0.02, 0.025], rtol=1e-12)
        part = [weights["W_fb"][1][np.ix_([3, 0], [2])] for weights, _ in kept[1::2]]
        np.testing.assert_array_equal(found["W_fb_1"].values[:], part)
        np.testing.assert_array_equal(found[f"{lateral}_1"].values[:], [w[lateral][1][:, :3] for w, _ in kept])
        np.testing.assert_array_equal(found["D_1"].values[:], [weights["D"][1][[1, 4]] for weights, _ in kept])
        assert found["D_1"].changes is None
        for name, target, block, every in (
            ("W_ff_0", ("W_ff", 0), np.s_[:, :], 1),
            ("W_fb_1", ("W_fb", 1), np.ix_([3, 0], [2]), 2),
            (f"{lateral}_1", (lateral, 1), np.s_[:, :3], 1),
        ):
            dense = [change[target] for _, change in kept[every - 1 :: every]]
            np.testing.assert_allclose(found[name].changes[:], [each[block] for each in dense], rtol=1e-12, atol=1e-14)
            np.testing.assert_allclose(found[name].change_norm, np.linalg.norm(dense, axis=(1, 2)), rtol=1e-9)
            assert (found[name].change_norm > 0).all()


def test_trials_and_phases(tmp_path):
    """Stimulus numbers, labels, β, learning and times of two runs under one recorder; time goes on, strictly."""
    preparation = Preparation(circuit_of(), replicas=3, protocol=SHORT)
    first, second = stimuli_of([3, 2], learn=True), [Stimulus(np.full((1, 6), 0.5))]
    labels = np.arange(40) % 3
    with StreamRecorder(preparation, tmp_path / "a.h5", Selection("layer_3", "rate"), labels=labels):
        preparation.run(first)
        preparation.run(second)
    with open_traces(tmp_path / "a.h5") as traces:
        trials = traces.trials
        rows = np.concatenate([item.rows for item in first])
        assert trials["trial"].tolist() == [0, 0, 0, 1, 1, 2]
        assert trials["replica"].tolist() == [0, 1, 2, 0, 1, 0]
        assert trials["stimulus"].tolist() == [*rows, -1]
        assert trials["label"].tolist() == [*labels[rows], -1]
        assert trials["class_name"].tolist() == [*labels[rows].astype(str), ""]
        assert trials["learn"].tolist() == [True] * 5 + [False]
        assert trials["complete"].all()
        np.testing.assert_allclose(trials["start"], [0, 0, 0, 0.005, 0.005, 0.01], rtol=1e-12)
        np.testing.assert_allclose(trials["stop"], [0.005] * 3 + [0.01] * 2 + [0.013], rtol=1e-12)
        phases = traces.phases
        assert phases["name"].tolist() == ["free", "nudge"] * 2 + ["free"]
        assert phases["trial"].tolist() == [0, 0, 1, 1, 2]
        np.testing.assert_allclose(phases["stop"] - phases["start"], [0.003, 0.002] * 2 + [0.003], rtol=1e-9)
        assert (np.diff(traces.group("layer_3").time) > 0).all()


def test_an_error_amid_a_presentation_keeps_what_was_recorded(tmp_path):
    """A hook that raises in step 14: the error surfaces, the file holds the 13 before, its last trial incomplete."""
    preparation = Preparation(circuit_of(), replicas=2, protocol=SHORT)
    stimuli = stimuli_of([2, 2])
    theory = np.concatenate([shown.trace("u", 1) for shown in presented(preparation, stimuli, ("u",))])
    steps = []

    def fail(moment):
        steps.append(1)
        if len(steps) == 14:
            raise LookupError("amid")

    recorder = StreamRecorder(preparation, tmp_path / "a.h5", Selection("layer_1", "u"), block_bytes=400)
    preparation.on_step.append(fail)
    with pytest.raises(LookupError, match="amid"), recorder:
        preparation.run(stimuli)
    preparation.on_step.remove(fail)
    assert os.listdir(tmp_path) == ["a.h5"]
    with open_traces(tmp_path / "a.h5") as traces:
        np.testing.assert_array_equal(traces["layer_1", "u"][:], theory[:13])
        assert traces.trials["complete"].tolist() == [True, True, False, False]
        np.testing.assert_allclose(traces.phases["stop"].iloc[-1], 0.0065, rtol=1e-12)
    assert not preparation.on_step
    with pytest.raises(ParameterError, match="was used"), recorder:
        pass


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_keeps_what_was_recorded(tmp_path, number):
    """A real signal in the second of five presentations: the file holds these two, whole."""
    preparation = Preparation(circuit_of(), replicas=2, protocol=SHORT)
    stimuli = stimuli_of([2] * 5)

    def kill(moment):
        if moment.stimulus.rows is not None and len(ends) == 1:
            os.kill(os.getpid(), number)

    ends = []
    preparation.on_step.append(kill)
    preparation.on_presentation.append(lambda moment, phases: ends.append(1))
    with StreamRecorder(preparation, tmp_path / "a.h5", Selection("layer_1", "u")):
        preparation.run(stimuli)
    assert preparation.interrupted
    with open_traces(tmp_path / "a.h5") as traces:
        assert len(traces["layer_1", "u"]) == 20
        assert traces.trials["complete"].tolist() == [True] * 4


def test_ctrl_c_between_runs_keeps_what_was_recorded(tmp_path):
    """KeyboardInterrupt outside of a run, as in a notebook: it surfaces, and the file is whole."""
    preparation = Preparation(circuit_of(), protocol=SHORT)

    def interrupted():
        with StreamRecorder(preparation, tmp_path / "a.h5", Selection("layer_1", "u")):
            preparation.run(stimuli_of([1]))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    with open_traces(tmp_path / "a.h5") as traces:
        assert len(traces["layer_1", "u"]) == 10


def test_an_older_recording_is_replaced_only_when_the_new_one_is_whole(tmp_path):
    """While a recorder is at work, the older file stands; afterwards the new one does."""
    preparation = Preparation(circuit_of(), protocol=SHORT)
    path = tmp_path / "a.h5"
    for presentations in (1, 2):
        with StreamRecorder(preparation, path, Selection("layer_1", "u")):
            preparation.run(stimuli_of([1] * presentations))
            if presentations == 2:
                with open_traces(path) as traces:
                    assert len(traces["layer_1", "u"]) == 10
    with open_traces(path) as traces:
        assert len(traces["layer_1", "u"]) == 20
