"""`corinfomax doctor`: what it measures and what it advises."""

import re
from dataclasses import replace

import numpy as np
import pytest
from toys import on_toys
from toys import stimuli as toy_arrays

from corinfomax.models import HiddenPyramidal
from corinfomax.networks import ContrastiveSimilarityMatching, CorInfoMax, EquilibriumPropagation
from corinfomax.protocols.clockwork import Phase, Preparation, Protocol, calibrate, contrastive
from corinfomax.protocols.examinations.corinfomax import unlifted_classes
from corinfomax.protocols.examinations.examined import spaced
from corinfomax.protocols.runs import examine
from corinfomax.protocols.systems import model_named
from corinfomax.stimuli import Stimulus, load_stimuli


@pytest.fixture
def every_digit():
    return load_stimuli("digits")


@pytest.fixture
def digits(every_digit):
    """Forty training digits: the examinations look at ten, and at 200 of those that there are for silent outputs."""
    parts = ("x_train", "y_train", "labels_train")
    return replace(every_digit, **{part: getattr(every_digit, part)[:40] for part in parts})


def findings_of(circuit, protocol, stimuli, **options):
    found = examine(circuit, protocol, stimuli, model_named("corinfomax"), target="numpy", **options)
    return {finding.what: finding for finding in found}


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
    assert len(findings) == 12
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


def test_output_cells_beyond_the_teacher(every_digit):
    """With β = 1 and seed 0, all cells are named that stay silent in both phases for half of their stimuli and more."""
    circuit, rows = CorInfoMax([64, 30, 10], seed=0), spaced(len(every_digit.x_train))
    x, y = every_digit.x_train[rows].astype(float), every_digit.y_train[rows].astype(float)
    ends = []
    preparation = Preparation(circuit, len(x), protocol=contrastive(free_steps=200, nudge_steps=200), target="numpy")
    preparation.on_presentation.append(lambda preparation, found: ends.append(found))
    preparation.run([Stimulus(x, y, 1.0)])
    silent = (ends[0]["free"].r[2] == 0) & (ends[0]["nudge"].r[2] == 0)
    share = {cell: silent[y[:, cell] > 0, cell].mean() for cell in range(10)}
    late = [cell for cell in range(10) if share[cell] > 0.5]
    assert len(late) > 1
    told = begins(findings_of(circuit, contrastive(free_steps=200), every_digit), "Output cells")
    assert told.advice.startswith(f"cells {', '.join(map(str, late))} ")
    shown = {int(cell): int(part) for cell, part in re.findall(r"(\d+) for (\d+) %", told.found)}
    assert list(shown) == late
    # The nudge of the other output cells moves the layer below a little.
    np.testing.assert_allclose(list(shown.values()), [100 * share[cell] for cell in late], atol=10)
    mended = CorInfoMax([64, 30, 10], seed=0, initial_gain_ff=[1.0, 0.3])
    told = begins(findings_of(mended, contrastive(), every_digit), "Output cells")
    assert told.advice == ""


@pytest.mark.parametrize(("domain", "word"), [("simplex", "sum up to 1"), ("B_inf", "either sign")])
def test_output_cells_that_cannot_stay_silent(digits, domain, word):
    """Where the output's domain lets no cell fall silent below 0, the row says that it does not apply, and why."""
    circuit = CorInfoMax([64, 20, 10], domain=["B_inf_plus", domain])
    told = begins(findings_of(circuit, contrastive(free_steps=60), digits), "Output cells")
    assert told.found.startswith("not applicable")
    assert word in told.found
    assert told.advice == ""


def test_classes_that_the_teacher_cannot_lift(every_digit):
    """A class is one if its cell stays silent in both phases for most of its stimuli; simplex outputs have none."""
    circuit, protocol = CorInfoMax([64, 20, 10], seed=0), contrastive()
    W = circuit.weights["W_ff"][1]
    W[:] = np.abs(W)
    W[3] *= -1
    learner = Preparation(circuit, 20, protocol=protocol, target="numpy")
    assert unlifted_classes(circuit, learner, protocol, every_digit, [2, 3, 5]) == [3]
    circuit = CorInfoMax([64, 20, 10], domain=["B_inf_plus", "simplex"])
    learner = Preparation(circuit, 20, protocol=protocol, target="numpy")
    assert unlifted_classes(circuit, learner, protocol, every_digit, [2, 3, 5]) == []


def test_stimuli_that_are_looked_at_lie_across_the_set():
    """Of few all are; of many 200 from the first to the last, in equal distances to within one."""
    np.testing.assert_array_equal(spaced(7), np.arange(7))
    rows = spaced(1437)
    assert (rows[0], rows[-1], len(rows)) == (0, 1436, 200)
    assert np.ptp(np.diff(rows)) <= 1


def test_fading_activity_is_told(digits):
    """Three hidden layers with equal ε pass on a tenth of what tells stimuli apart; the gains advised keep it."""
    sizes = [64, 60, 60, 60, 10]
    findings = findings_of(CorInfoMax(sizes), contrastive(), digits)
    assert begins(findings, "Output cells").found == "none"
    told = begins(findings, "Spread of rates")
    assert float(told.found.split()[0]) < 0.2
    assert "2.83, 2.83 would keep it as entries 2, 3 of initial_gain_ff" in told.advice
    mended = CorInfoMax(sizes, initial_gain_ff=[1.0, 2.83, 2.83, 0.3])
    assert begins(findings_of(mended, contrastive(), digits), "Spread of rates").advice == ""


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


def test_a_vanishing_nudge_is_no_matter_of_rates_under_adam(digits):
    """The same ratio is told of both optimisers; larger rates are advised to plain steps only, by what each does."""
    rates = {"learning_rate_ff": 1e-3, "learning_rate_fb": 1e-3}
    found = {}
    for optimiser in ("descent", "adam"):
        circuit = CorInfoMax([64, 20, 10], initial_gain_fb=1e-3, optimiser=optimiser, **rates)
        found[optimiser] = begins(findings_of(circuit, contrastive(), digits), "Nudge of layer 1, relative")
    assert found["adam"].found == found["descent"].found
    assert "learning_rate_ff" in found["descent"].advice
    assert found["adam"].advice == ""


def test_dead_feedback_is_told(digits):
    """Without feedback nothing reaches the hidden layer, and the line says that it is silent."""
    circuit = CorInfoMax([64, 30, 10])
    circuit.weights["W_fb"][1] = np.zeros((30, 10), order="F")
    assert "nothing reaches it" in begins(findings_of(circuit, contrastive(), digits), "Nudge of layer 1: ").advice


def test_nudge_below_single_precision_is_told(digits):
    """A nudge near the rounding error of float32 asks for float64."""
    findings = findings_of(CorInfoMax([64, 30, 10]), contrastive(beta=1e-6, free_steps=200), digits)
    told = begins(findings, "Nudge of layer 1: ")
    assert 'dtype = "float64"' in told.advice
    assert "rounding" in told.found
    assert told.wanted == "above 100 × rounding"


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
    settings = ("target=numpy", "architecture=[64, 20, 10]", "initial_gain_ff=[1.0, .3]")
    code, out, err = command("doctor", "digits", *(word for each in settings for word in ("--set", each)))
    assert (code, err) == (0, "")
    assert "Spectral abscissa" in out
    assert "Nothing known is wrong." in out
    code, out, err = command("doctor", run)
    assert (code, err) == (0, "")
    assert "Nudge of layer 1" in out


def test_command_tells_classes_that_a_run_has_not_learnt(command, run):
    """They are those of the checkpoint; of an old run, whose checkpoint does not say, nothing is told."""
    with np.load(run / "checkpoint.npz") as archive:
        state = dict(archive)
    for unlearnt, shown in (([], "none"), ([0, 2], "0, 2"), (None, "")):
        state.pop("unlearnt", None)
        if unlearnt is not None:
            state["unlearnt"] = np.array(unlearnt, dtype=int)
        np.savez(run / "checkpoint.npz", **state)
        code, out, err = command("doctor", run)
        assert (code, err) == (0, "")
        told = [line for line in out.splitlines() if "Classes never" in line]
        assert len(told) == {"none": 1, "0, 2": 2, "": 0}[shown]
        assert all(shown in line for line in told[:1])


def test_command_refuses_in_one_line(refused, tmp_path):
    """A preset or folder that is none, and settings for a run folder, are refused in one line."""
    assert "no such preset" in refused("doctor", "digit")
    assert refused("doctor", "runs/nosuch") == "error: runs/nosuch: no such run folder\n"
    assert "no such file" in refused("doctor", "runs/nosuch.toml")
    assert "config.toml" in refused("doctor", tmp_path)
    assert "a run keeps its parameters" in refused("doctor", tmp_path, "--set", "step=0.1")


def test_training_tells_failures_once(command, undrawn, tmp_path):
    """A learning rate far too large makes `train` name the failure, each kind once, beside the epoch."""
    np.savez(tmp_path / "toy.npz", **toy_arrays())
    code, out, _ = command(*on_toys(tmp_path / "toy.npz"), "--set", "epochs=3", "--set", "learning_rate_ff=500.0")
    told = [line for line in out.splitlines() if "should be" in line]
    assert code in (0, 1)
    assert told
    assert len({line.split(":")[0].split("   ")[-1] for line in told}) == len(told)


def test_custom_cells_are_examined_alike(digits):
    """Custom cells with the equations of those that they replace get the same findings, word for word."""

    class Custom(HiddenPyramidal):
        pass

    circuit = CorInfoMax([64, 12, 10])
    circuit.exchange_cell("layer_1", Custom)
    found, theory = (findings_of(each, contrastive(), digits) for each in (circuit, CorInfoMax([64, 12, 10])))
    assert found == theory


def test_noise_is_no_nudge(digits):
    """Where feedback carries nothing, a noisy hidden layer's nudge is below 1e-6 of the output's, as without noise."""
    circuit = CorInfoMax([64, 12, 10], initial_gain_fb=1e-12, noise_soma=0.5)
    found = begins(findings_of(circuit, contrastive(), digits), "Nudge of layer 1, relative").found
    assert float(found) < 1e-6


def test_outputs_at_their_targets_are_not_nudged(digits):
    """A circuit whose outputs are its targets, exactly, is told to have nothing left to nudge (definition)."""
    y = np.eye(10, dtype=digits.y_train.dtype)[np.full(len(digits.y_train), 3)]
    threes = replace(digits, y_train=y, labels_train=np.full_like(digits.labels_train, 3))
    weights = {"W": {0: np.zeros((5, 64)), 1: np.zeros((10, 5))}, "b": {2: y[0]}}
    circuit = EquilibriumPropagation([64, 5, 10], weights=weights)
    found = examine(circuit, contrastive(step=0.5), threes, model_named("equilibrium"), target="numpy")
    nudges = [finding for finding in found if finding.what.startswith("Nudge")]
    assert [(each.found, each.advice) for each in nudges] == [("none: the outputs are at their targets", "")]


def test_contrastive_similarity_matching_knows_its_bounds(digits):
    """Euler's bound is 2/(1 + λmax(M)) of M₀ = W Wᵀ (theory), and β of random sign is said to let M decay."""
    circuit = ContrastiveSimilarityMatching([64, 30, 10])
    for random_sign in (True, False):
        protocol = contrastive(step=0.5, random_sign=random_sign)
        found = examine(circuit, protocol, digits, model_named("contrastive_matching"), target="numpy")
        findings = {finding.what: finding for finding in found}
        bound = 2 / (1 + np.linalg.eigvalsh(circuit.weights["M"][1])[-1])
        assert begins(findings, "Euler step η, each layer alone").wanted == f"below {bound:.3g}"
        assert ("random_sign = false" in begins(findings, "Sign of β").advice) == random_sign


def test_the_interval_of_renewals_is_what_a_calibration_finds(digits):
    """Oracle: `calibrate` in float64 on the first ten stimuli, to one rounding of float32; afterwards 1, as before."""
    circuit = CorInfoMax([64, 30, 10])
    findings = findings_of(circuit, contrastive(), digits)
    told = begins(findings, "Steps between renewals of the lateral current")
    preparation = Preparation(CorInfoMax([64, 30, 10], sst_tolerance=2.0**-23), 10, protocol=contrastive())
    found = calibrate(preparation, Stimulus(digits.x_train[:10], digits.y_train[:10]))["sst_every"]
    assert told.found == f"{found.steps}, rates then deviate by {found.deviations[found.steps]:.2g}"
    assert told.wanted == "at most 1.2e-07"
    assert circuit.sst_every == 1
