"""`corinfomax doctor`: what it measures and what it advises."""

import re

import numpy as np
import pytest
from toys import on_toys
from toys import stimuli as toy_arrays

from corinfomax.models import HiddenPyramidal
from corinfomax.networks import CorInfoMax
from corinfomax.protocols.clockwork import Phase, Preparation, Protocol, Stimulus, contrastive
from corinfomax.protocols.runs import examine
from corinfomax.protocols.stimuli import load_stimuli


@pytest.fixture
def digits():
    return load_stimuli("digits")


def findings_of(circuit, protocol, stimuli, **options):
    return {finding.what: finding for finding in examine(circuit, protocol, stimuli, target="numpy", **options)}


def begins(findings, words):
    [found] = [finding for what, finding in findings.items() if what.startswith(words)]
    return found


def test_a_sound_circuit_is_left_alone(digits):
    """The preset's kind of circuit gets no advice, and keeps its weights and their type exactly."""
    circuit = CorInfoMax([64, 30, 10], initial_gain_ff=[1.0, 0.3])
    circuit.astype(np.float32)
    before = circuit.state_dict()
    findings = findings_of(circuit, contrastive(), digits)
    assert [finding.what for finding in findings.values() if finding.advice] == []
    assert len(findings) == 9
    for name, weights in circuit.state_dict().items():
        np.testing.assert_array_equal(weights, before[name])
        assert weights.dtype == before[name].dtype


def test_step_beyond_the_bound(digits):
    """A step beyond the bound of each layer is refused in training, and here told with a step that works."""
    findings = findings_of(CorInfoMax([64, 30, 10]), contrastive(step=0.2), digits)
    assert begins(findings, "Euler step η, each layer alone").wanted == "below 0.145"
    assert "take step = 0.072" in begins(findings, "Euler step η, each layer alone").advice


def test_loops_beyond_stability(digits):
    """Weights whose loop is unstable are told: its abscissa, or that the free phase comes to no rest."""
    circuit = CorInfoMax([64, 60, 60, 60, 60, 10], initial_gain_ff=3.0, initial_gain_fb=3.0)
    findings = findings_of(circuit, contrastive(), digits)
    advice = [finding.advice for what, finding in findings.items() if what.startswith(("Spectral", "Free phase"))]
    assert any("initial_gain_fb" in each for each in advice)


def test_constraints_are_examined(digits):
    """Enforced constraints hold at the free phase's end; as published they do not, and the advice names the key."""
    enforced = findings_of(CorInfoMax([64, 60, 10], domain="B_1_plus"), contrastive(), digits)
    assert begins(enforced, "Constraints of layer 1").advice == ""
    published = CorInfoMax([64, 60, 10], domain="B_1_plus", constraints="as_published")
    told = begins(findings_of(published, contrastive(), digits), "Constraints of layer 1")
    assert 'constraints = "enforced"' in told.advice


def test_output_cells_beyond_the_teacher(digits):
    """With β = 1 and seed 0, those cells are named that stay silent in both phases for 4 of 5 of their stimuli."""
    circuit, rows = CorInfoMax([64, 30, 10], seed=0), slice(200)
    x, y = digits.x_train[rows].astype(float), digits.y_train[rows].astype(float)
    ends = []
    preparation = Preparation(circuit, len(x), protocol=contrastive(free_steps=200, nudge_steps=200), target="numpy")
    preparation.on_presentation.append(lambda preparation, found: ends.append(found))
    preparation.run([Stimulus(x, y, 1.0)])
    silent = (ends[0]["free"].r[2] == 0) & (ends[0]["nudge"].r[2] == 0)
    late = [cell for cell in range(10) if silent[y[:, cell] > 0, cell].mean() > 0.8]
    assert late
    advice = begins(findings_of(circuit, contrastive(free_steps=200), digits), "Output cells").advice
    assert advice.startswith(f"cell{'s' * (len(late) > 1)} {', '.join(map(str, late))} will be learnt late")
    mended = CorInfoMax([64, 30, 10], seed=0, initial_gain_ff=[1.0, 0.3])
    assert begins(findings_of(mended, contrastive(), digits), "Output cells").advice == ""


def test_beta_beyond_the_bound(digits):
    """β = 8 with random sign is too low once it is negative, as it is in a third phase without one; told alike."""
    circuit = CorInfoMax([64, 30, 10])
    for protocol in (contrastive(beta=8, allow_unstable=True),
                     contrastive(beta=8, random_sign=False, three_phase=True, allow_unstable=True)):  # fmt: skip
        assert "take beta between -6.67 and 6.67" in begins(findings_of(circuit, protocol, digits), "Least β").advice


def test_protocol_without_contrast(digits):
    """Where learning contrasts nothing, the nudge is said not to be examined."""
    protocol = Protocol([Phase("free", 20), Phase("nudge", 5, beta=1.0)], minus=None)
    assert begins(findings_of(CorInfoMax([64, 30, 10]), protocol, digits), "Nudge").found == "not examined"


def test_short_phases_are_told(digits):
    """A free phase of 2 steps is too short, and the length advised is enough when taken."""
    circuit = CorInfoMax([64, 30, 10])
    advice = begins(findings_of(circuit, contrastive(free_steps=2), digits), "Free phase").advice
    steps = int(re.fullmatch(r"let phase 'free' last (\d+) steps \(free_steps\)", advice).group(1))
    assert 5 < steps <= 20
    assert begins(findings_of(circuit, contrastive(free_steps=steps), digits), "Free phase").advice == ""


def test_unsettled_contrast_is_told(digits):
    """With a short free phase and a small β, drift exceeds the nudge in a lower layer, and the advice says so."""
    findings = findings_of(CorInfoMax([64, 30, 30, 10]), contrastive(free_steps=4, beta=1e-3), digits)
    assert "drift" in begins(findings, "Nudge of layer 1: ").advice


def test_vanishing_nudge_is_told(digits):
    """Through six hidden layers less than a hundredth of the nudge arrives, and rates are advised."""
    findings = findings_of(CorInfoMax([64, 30, 30, 30, 30, 30, 30, 10]), contrastive(free_steps=60), digits)
    told = begins(findings, "Nudge of layer 1, relative")
    assert "entry 1 of learning_rate_ff" in told.advice


def test_dead_feedback_is_told(digits):
    """Without feedback nothing reaches the hidden layer, and the line says that it is silent."""
    circuit = CorInfoMax([64, 30, 10])
    circuit.weights["W_fb"][1] = np.zeros((30, 10), order="F")
    assert "nothing reaches it" in begins(findings_of(circuit, contrastive(), digits), "Nudge of layer 1: ").advice


def test_nudge_below_single_precision_is_told(digits):
    """A nudge near the rounding error of float32 asks for float64."""
    findings = findings_of(CorInfoMax([64, 30, 10]), contrastive(beta=1e-6, free_steps=200), digits)
    assert 'dtype = "float64"' in begins(findings, "Nudge of layer 1: ").advice


def test_phases_of_any_course(digits):
    """A nudge that rises step by step, and gates that change in it, are examined like the published phases."""
    phases = [
        Phase("free", 20),
        Phase("nudge", 4, beta=[0.25, 0.5, 0.75, 1.0], course={"SST_1.gate_soma": [1, 1, 0, 0]}),
    ]
    findings = findings_of(CorInfoMax([64, 30, 10]), Protocol(phases), digits)
    assert begins(findings, "Nudge of layer 2: ").found


def test_command_examines_presets_and_runs(command, run):
    """The command prints a table for a preset, and for a run folder, and says when there is nothing to change."""
    code, out, err = command("doctor", "digits", "--set", "target=numpy", "--set", "architecture=[64, 20, 10]")
    assert (code, err) == (0, "")
    assert "Spectral abscissa" in out
    assert "Nothing to change" in out
    code, out, err = command("doctor", run)
    assert (code, err) == (0, "")
    assert "Nudge of layer 1" in out


def test_command_refuses_in_one_line(refused, tmp_path):
    """A preset or folder that is none, and settings for a run folder, are refused in one line."""
    assert "no such preset" in refused("doctor", "digit")
    assert "config.toml" in refused("doctor", tmp_path)
    assert "a run keeps its parameters" in refused("doctor", tmp_path, "--set", "step=0.1")


def test_training_tells_failures_once(command, tmp_path):
    """A learning rate far too large makes `train` name the failure, each kind once, beside the epoch."""
    np.savez(tmp_path / "toy.npz", **toy_arrays())
    code, out, _ = command(*on_toys(tmp_path / "toy.npz"), "--set", "epochs=3", "--set", "learning_rate_ff=500.0")
    told = [line for line in out.splitlines() if "should be" in line]
    assert code in (0, 1)
    assert told
    assert len({line.split(":")[0].split("   ")[-1] for line in told}) == len(told)


def test_cells_of_ones_own_are_examined_but_not_linearised(digits):
    """A circuit with a cell that the linearisation does not know gets all other findings, and is told so."""

    class Own(HiddenPyramidal):
        pass

    circuit = CorInfoMax([64, 12, 10])
    circuit.exchange_cell("layer_1", Own)
    findings = findings_of(circuit, contrastive(), digits)
    assert "layer_1: the linearisation does not know cells of Own" in begins(findings, "Spectral abscissa").found
    assert begins(findings, "Free phase: steps to settle").found
