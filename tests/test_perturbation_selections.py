"""Perturbations as text, and those that are refused."""

import brian2 as b2
import numpy as np
import pytest

from corinfomax.errors import ParameterError
from corinfomax.networks import CorInfoMax
from corinfomax.protocols.clockwork import Phase, Preparation, Protocol, contrastive
from corinfomax.protocols.perturbations import (
    Clamp,
    Cut,
    CutFeedback,
    Drive,
    Freeze,
    Intervention,
    Lesion,
    Silence,
    from_toml,
    from_words,
    perturbed,
    read_perturbations,
    to_toml,
)
from corinfomax.stimuli import Stimulus

SHORT = contrastive(free_steps=9, nudge_steps=5)

CIRCUIT = ([6, 5, 4, 3],)


def test_words_and_files_say_the_same(tmp_path):
    """Each kind from words of the command line equals the one from Python, and survives a file unchanged."""
    words = {
        ("silence", "SST_1"): Silence("SST_1"),
        ("drive", "SST_1:0.5"): Drive("SST_1", 0.5),
        ("drive", "layer_1:apical:-10mV"): Drive("layer_1", -0.5, "apical"),
        ("cut", "layer_1:apical"): Cut("layer_1", "apical"),
        ("cut_feedback", "1"): CutFeedback(1),
        ("clamp", "layer_1:soma:-60mV"): Clamp("layer_1", "soma", "-60 mV"),
        ("clamp", "layer_1:soma:-0.06 V"): Clamp("layer_1", "soma", -60 * b2.mV),
        ("clamp", "layer_1:soma:-6E1 mv"): Clamp("layer_1", "soma", "-60mV"),
        ("clamp", "layer_1:soma:0.5"): Clamp("layer_1", "soma", 0.5),
        ("freeze", "W_fb:1"): Freeze(("W_fb", 1)),
        ("lesion", "W_ff:0:0.3"): Lesion(("W_ff", 0), 0.3),
        ("lesion", "O:1"): Lesion(("O", 1)),
    }
    for (kind, text), expected in words.items():
        assert from_words(kind, text) == expected
    given = [
        *words.values(),
        Clamp("layer_2", "basal", "-61.5 mV", cells=np.arange(3), phases=["free"], period="2-4"),
        Lesion(("W_ff", 0), 0.5, post=range(2), pre=[1, 3], seed=7, period="batches 10-30"),
    ]
    assert from_toml(to_toml(given)) == given
    (tmp_path / "mine.toml").write_text(to_toml(given), encoding="utf-8")
    assert read_perturbations(tmp_path / "mine.toml") == given


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (lambda: [Silence("SST_9")], "no population 'SST_9' to perturb; there are SST_1, layer_1, SST_2"),
        (lambda: [Silence("stimulus")], "no population 'stimulus'"),
        (lambda: [Silence("layer_1", cells=[2, 5])], "layer_1 has cells 0 to 4"),
        (lambda: [Silence("layer_1", cells=[1, 1])], "each cell once"),
        (lambda: [Silence("layer_1", cells=[])], "should name a cell"),
        (lambda: [Silence("layer_1", cells=-1)], "cells.0 = -1"),
        (lambda: [Cut("SST_1", "apical")], "compartments of SST_1 are soma"),
        (lambda: [Clamp("layer_1", "axon", 0.0)], "compartments of layer_1 are apical, basal, soma"),
        (lambda: [Clamp("layer_1", "soma", "high")], "should be a finite number, or a voltage such as -60mV"),
        (lambda: [Clamp("layer_1", "soma", np.nan)], "finite"),
        (lambda: [Clamp("layer_1", "soma", np.True_)], "should be a finite number"),
        (lambda: [Clamp("layer_1", "soma", "1_0")], "should be a finite number"),
        (lambda: [Drive("layer_1", "5V")], "should be a finite number, or a voltage in mV such as 10mV"),
        (lambda: [Clamp("layer_1", "soma", -60)], "potential = -60: is -1270 mV; should be from -200 to 200 mV"),
        (lambda: [Clamp("layer_1", "soma", 3 * b2.nA)], "a voltage such as -60mV"),
        (lambda: [Silence("SST_1", phases=["third"])], "no phase 'third'; this protocol has free, nudge"),
        (lambda: [Silence("SST_1", phases=[])], "should name a phase"),
        (lambda: [CutFeedback(3)], "feedback reaches layer 1-2"),
        (lambda: [Freeze(("W_fb", 0))], "rules move W_ff:0, W_ff:1, W_ff:2, W_fb:1, W_fb:2, B:1, B:2, B:3"),
        (lambda: [Freeze(("O", 1))], "no rule moves them"),
        (lambda: [Lesion(("B", 1))], "no projection has them; projections have W_ff:0"),
        (lambda: [Lesion(("W_ff", 0), 0.01)], "that fraction of 30 synapses is none"),
        (lambda: [Lesion(("W_ff", 0), 1.5)], "fraction = 1.5"),
        (lambda: [Lesion(("W_ff", 0), post=[5])], "post = 5; there are cells 0 to 4"),
        (lambda: [Lesion(("D", 1), pre=[1])], "one axis, of biases or from each cell to itself"),
        (lambda: [Silence("SST_1", period="4-2")], "ends before it begins"),
        (lambda: [Silence("SST_1", period="soon")], r"as 3-5 \(epochs\), or batches 1-200"),
        (lambda: ["silence SST_1"], "is no perturbation"),
        (
            lambda: [Clamp("layer_1", "soma", 0.5, cells=[0, 1]), Clamp("layer_1", "soma", 1.0, cells=[1, 2])],
            "clamp soma of cells 1-2 of layer_1 at u = 1: overlaps with clamp soma of cells 0-1 .* of cell 1",
        ),
        (lambda: [Silence("SST_1"), Drive("SST_1", 0.5, phases="nudge")], "overlaps with silence SST_1"),
        (lambda: [Clamp("layer_1", "apical", 0.5), Cut("layer_1", "apical")], "overlaps with clamp apical"),
        (
            lambda: [Silence("SST_1", period="1-3"), Drive("SST_1", 0.5, period="3-4")],
            r"drive SST_1, soma, by 0.5 .*, epochs 3-4: overlaps with silence SST_1, epochs 1-3",
        ),
    ],
)
def test_bad_selections_are_refused_in_one_line(given, message):
    """Whatever does not exist, or is perturbed twice at the same time, is named."""
    with pytest.raises(ParameterError, match=message) as refusal:
        Intervention(Preparation(CorInfoMax(*CIRCUIT), protocol=SHORT), given())
    assert "\n" not in str(refusal.value)


def test_perturbations_of_other_cells_phases_or_times_do_not_overlap():
    """The same variable may be set for other cells, in another phase, or in another period."""
    preparation = Preparation(CorInfoMax(*CIRCUIT), protocol=SHORT)
    Intervention(
        preparation,
        [
            Clamp("layer_1", "soma", 0.5, cells=[0, 1]),
            Clamp("layer_1", "soma", 1.0, cells=[2, 3], phases="free"),
            Silence("layer_1", cells=[2, 3], phases="nudge"),
            Drive("SST_1", 0.5, period="1-2"),
            Drive("SST_1", -0.5, period="3-4"),
        ],
    )
    assert preparation.protocol is SHORT


def test_a_course_of_the_protocol_is_not_overwritten():
    """A perturbation of what a phase of the protocol sets itself is refused, with the phase's name."""
    circuit = CorInfoMax(*CIRCUIT)
    for key in ("SST_1.I_soma", "I_soma"):
        protocol = Protocol([Phase("free", 3, course={key: 0.1}), Phase("nudge", 2, beta=1.0)])
        with pytest.raises(ParameterError, match=r"phase 'free' of the protocol sets SST_1.I_soma itself"):
            perturbed(protocol, [Drive("SST_1", 0.5)], circuit)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = [", "mine, not a readable TOML|mine: not a readable TOML"),
        ("a = 1", "must consist of tables"),
        ("[[perturbations]]\nkind = ['silence']", "must be one of silence"),
        ('[[perturbations]]\nkind = "tickle"', "perturbation 1: kind = 'tickle': must be one of silence"),
        ('[[perturbations]]\nkind = "silence"', "perturbation 1: key 'population' is missing"),
        (
            '[[perturbations]]\nkind = "cut_feedback"\nlayer = 1\n[[perturbations]]\nkind = "silence"\nwho = "SST_1"',
            "perturbation 2: unknown key 'who'|perturbation 2: key 'population' is missing",
        ),
    ],
)
def test_bad_files_are_refused_in_one_line(text, message):
    """The file, the number of the perturbation and the key are named."""
    with pytest.raises(ParameterError, match=message) as refusal:
        from_toml(text, "mine")
    assert "\n" not in str(refusal.value)


def test_a_protocol_of_another_clock_is_refused(saturating_circuit):
    """A preparation takes over a protocol of its own step only, and holds nothing new in the midst of a run."""
    circuit = saturating_circuit()
    preparation = Preparation(circuit, protocol=SHORT)
    with pytest.raises(ParameterError, match=r"mounted with step = 0.05, not 0.1"):
        preparation.exchange_protocol(contrastive(step=0.1))
    clamped = perturbed(SHORT, [Clamp("layer_1", "soma", 0.5)], circuit)

    def exchange():
        preparation.exchange_protocol(clamped)
        yield Stimulus(np.zeros((1, 6)))

    with pytest.raises(ParameterError, match=r"layer_1\.u: can be held from the next run on"):
        preparation.run(exchange())
    assert preparation.protocol is SHORT


def test_what_nothing_holds_costs_no_operation(saturating_circuit):
    """Only with a perturbation that holds something does the network have an operation more."""
    circuit = saturating_circuit()
    preparation = Preparation(circuit, protocol=SHORT)
    number = len(preparation.network.objects)
    Intervention(preparation, [Silence("SST_1"), Lesion(("W_ff", 0)), Cut("layer_1", "apical")])
    assert len(preparation.network.objects) == number
    Intervention(preparation, [Silence("layer_1")])
    assert len(preparation.network.objects) == number + 1
