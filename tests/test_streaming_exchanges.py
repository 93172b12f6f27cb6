"""Recordings of runs in which rules are frozen, or protocols exchanged."""

import os

import numpy as np
import pytest

from corinfomax.analysis import open_traces
from corinfomax.errors import ParameterError
from corinfomax.networks import CorInfoMax
from corinfomax.protocols.clockwork import Phase, Preparation, Protocol, contrastive
from corinfomax.protocols.recording import Selection, StreamRecorder, WeightSelection
from corinfomax.stimuli import Stimulus

SHORT = contrastive(free_steps=6, nudge_steps=4)


def mounted(replicas=3, **changes):
    """A circuit of two hidden layers, mounted."""
    return Preparation(CorInfoMax([6, 5, 4, 3], **changes), replicas, protocol=SHORT)


def stimuli_of(count, learn=False):
    """Minibatches of three stimuli."""
    rng = np.random.default_rng(0)
    return [Stimulus(rng.random((3, 6)), rng.random((3, 3)), learn=learn) for _ in range(count)]


def test_changes_of_a_frozen_rule_are_zero(tmp_path):
    """Of five presentations the rule rests in the third and fourth: ΔW, its norm and what W moves by are 0 just there.

    At learning rate η and without decay W moves by η ΔW, to 1e-12.
    """
    preparation = mounted(learning_rate_ff=0.2)
    circuit = preparation.circuit
    before = circuit.weights["W_ff"][0].copy()

    def presentations():
        for n, stimulus in enumerate(stimuli_of(5, learn=True)):
            circuit.frozen = {("W_ff", 0), ("B", 1)} if n in (2, 3) else set()
            yield stimulus

    chosen = [WeightSelection(("W_ff", 0), changes=True), WeightSelection(("B", 1), post=[1], changes=True)]
    with StreamRecorder(preparation, tmp_path / "a.h5", chosen):
        preparation.run(presentations())
    with open_traces(tmp_path / "a.h5") as traces:
        found, lateral = traces.weights["W_ff_0"], traces.weights["B_1"]
        moved = np.diff(np.concatenate([before[None], found.values[:]]), axis=0)
        np.testing.assert_allclose(moved, 0.2 * found.changes[:], rtol=0, atol=1e-12)
        for each in (found, lateral):
            assert (each.change_norm == 0).tolist() == [False, False, True, True, False]
            assert (each.changes[2:4] == 0).all()
            assert (each.changes[:][[0, 1, 4]] != 0).any(axis=(1, 2)).all()


@pytest.mark.parametrize(("names", "steps"), [(("rest", "taught"), 10), (("free", "taught"), 16)])
def test_phases_of_new_names_are_refused_and_nothing_is_lost(tmp_path, names, steps):
    """A protocol of other phases, after a presentation: one line, and the file in its place holds the steps until then.

    Where the first phase is known, these are its six steps, too, of a trial that is incomplete.
    """
    preparation, stimuli = mounted(), stimuli_of(2)
    other = Protocol((Phase(names[0], 6), Phase(names[1], 4, beta=1.0)), plus=names[1], minus=names[0])

    def presentations():
        yield stimuli[0]
        preparation.exchange_protocol(other)
        yield stimuli[1]

    unknown = next(name for name in names if name != "free")
    message = rf"^\S*a\.h5: began with the phases free, nudge, so that it cannot take '{unknown}'; [^\n]*$"
    recorder = StreamRecorder(preparation, tmp_path / "a.h5", Selection("layer_1", "u"))
    with pytest.raises(ParameterError, match=message), recorder:
        preparation.run(presentations())
    assert os.listdir(tmp_path) == ["a.h5"]
    theory = mounted().present(stimuli[0].x, stimuli[0].y, learn=False, variables=("u",)).trace("u", 1)
    with open_traces(tmp_path / "a.h5") as traces:
        assert traces["layer_1", "u"].shape[0] == steps
        np.testing.assert_array_equal(traces["layer_1", "u"][:10], theory)
        assert traces.trials["complete"].tolist() == [True] * 3 + [False] * (3 if steps > 10 else 0)
        assert traces.phases["name"].tolist() == ["free", "nudge", "free"][: 2 + (steps > 10)]
    with StreamRecorder(preparation, tmp_path / "b.h5", Selection("layer_1", "u")):
        preparation.run(stimuli)
    with open_traces(tmp_path / "b.h5") as traces:
        assert traces.phases["name"].tolist() == [*names, *names]
