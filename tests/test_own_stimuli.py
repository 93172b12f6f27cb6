"""What a run on the user's own stimuli chooses by them: scale, architecture, biases and the gain of the output."""

import json
import warnings

import numpy as np
import pytest
from sklearn.metrics import mean_squared_error, r2_score
from sklearn.preprocessing import MinMaxScaler

from corinfomax import Run
from corinfomax.analysis import r_squared, r_squared_by_output
from corinfomax.errors import ParameterError, StimulusWarning
from corinfomax.networks.corinfomax.lifting import lifting_gain
from corinfomax.protocols.clockwork import Preparation
from corinfomax.protocols.examinations.inputs import inputs
from corinfomax.protocols.runs import Configuration
from corinfomax.protocols.runs.fitting import warnings_about
from corinfomax.protocols.systems.evaluation import Evaluation
from corinfomax.stimuli import Stimuli, Stimulus
from corinfomax.stimuli.scale import off_the_scale, rates_of
from corinfomax.stimuli.targets import scale_of

RNG = np.random.default_rng(0)
#: Two measurements of other units, one of which says the class.
X = np.column_stack([RNG.normal(170, 10, 40), RNG.normal(0.01, 0.002, 40)])
Y = (X[:, 0] > np.median(X[:, 0])).astype(int)
SPLIT = np.repeat([0, 1], [30, 10])


@pytest.fixture
def mine(tmp_path):
    """Save stimuli of one's own; further arrays in place of these."""

    def save(**arrays):
        np.savez(tmp_path / "mine.npz", **{"x": X, "y": Y, "split": SPLIT, **arrays})
        return tmp_path / "mine.npz"

    return save


def test_a_complete_configuration(mine):
    """Stimuli alone are enough: the preset own, scale and architecture by them; the run's file holds numbers."""
    configuration = Configuration.read(settings=[f"stimuli={mine()}", "target=numpy"])
    values = configuration.to_dict()
    assert values["circuit"]["architecture"] == [2, 64, 2]
    assert values["circuit"]["bias"] is True
    assert values["stimuli"]["scale"] == "auto"
    first, last = values["circuit"]["initial_gain_ff"]
    assert 0 < last <= 1 < first
    half = Configuration.read(settings=[f"stimuli={mine()}", "target=numpy", "initial_gain_ff=[1.0,'auto']"])
    assert half.circuit.initial_gain_ff[0] == 1
    assert [line.split()[0] for line in configuration.choices] == ["Inputs", "initial_gain_ff"]
    again = Configuration.from_toml(configuration.to_toml())
    assert again.difference(configuration) is None


def test_scaled_as_scikit_learn_does(mine):
    """Inputs of several units are presented as scikit-learn's MinMaxScaler gives them: to 1e-12."""
    stimuli = Configuration.read(settings=[f"stimuli={mine()}"]).load_stimuli()
    scaler = MinMaxScaler().fit(X[:30])
    np.testing.assert_allclose(stimuli.x_train, scaler.transform(X[:30]), rtol=0, atol=1e-12)
    np.testing.assert_allclose(stimuli.x_test, scaler.transform(X[30:]), rtol=0, atol=1e-12)


def test_the_scale_stays(mine):
    """A run's own file keeps the scale that was chosen, whatever becomes of the stimuli."""
    text = Configuration.read(settings=[f"stimuli={mine()}"]).to_toml()
    mine(x=3 * X)
    stimuli = Configuration.from_toml(text).load_stimuli()
    np.testing.assert_allclose(stimuli.x_train, (3 * X[:30] - X[:30].min(0)) / np.ptp(X[:30], axis=0), rtol=1e-12)


@pytest.mark.parametrize(("settings", "seen"), [(["scale=none"], X), (["mean=170.", "std=2."], (X - 170) / 2)])
def test_what_is_given_wins(mine, settings, seen):
    """scale = "none", or a mean and std of one's own, are kept."""
    configuration = Configuration.read(settings=[f"stimuli={mine()}", *settings])
    np.testing.assert_allclose(configuration.load_stimuli().x_train, seen[:30], rtol=1e-12)


#: Two targets of other units, with a test part.
TARGETS = np.column_stack([20 + 15 * RNG.normal(size=40), RNG.normal(0, 1e-3, 40)])


def test_targets_of_a_regression_are_scaled_too(mine):
    """As scikit-learn's MinMaxScaler scales training targets, to 1e-12, and `unscaled` is its inverse; R² stays."""
    configuration = Configuration.read(settings=[f"stimuli={mine(y=TARGETS)}", "target=numpy"])
    assert [line.split()[0] for line in configuration.choices] == ["Inputs", "Targets", "initial_gain_ff"]
    stimuli, scaler = configuration.load_stimuli(), MinMaxScaler().fit(TARGETS[:30])
    np.testing.assert_allclose(stimuli.y_train, scaler.transform(TARGETS[:30]), rtol=0, atol=1e-12)
    np.testing.assert_allclose(stimuli.y_test, scaler.transform(TARGETS[30:]), rtol=0, atol=1e-12)
    outputs = RNG.uniform(size=(10, 2))
    found = configuration.stimuli.unscaled(outputs)
    np.testing.assert_allclose(found, scaler.inverse_transform(outputs), rtol=1e-12)
    for wrong, words in ((np.zeros((10, 3)), r"should be numbers of shape \(n, 2\)"), (np.array("words"), "no|not")):
        with pytest.raises(ParameterError, match=words):
            configuration.stimuli.unscaled(wrong, 2)
    theory = r2_score(TARGETS[30:], found, multioutput="raw_values")
    np.testing.assert_allclose(r_squared_by_output(outputs, stimuli.y_test), theory, rtol=1e-9)
    assert Configuration.from_toml(configuration.to_toml()).difference(configuration) is None
    assert not warnings_about(configuration.build_circuit(), stimuli)


@pytest.mark.parametrize(
    ("settings", "seen"),
    [
        (["scale=none"], TARGETS),
        (["target_mean=20.", "target_std=2."], (TARGETS - 20) / 2),
        (["target_mean=[20.,0.]", "target_std=[15.,1e-3]"], (TARGETS - [20, 0]) / [15, 1e-3]),
        (["mean=0.5"], MinMaxScaler().fit(TARGETS[:30]).transform(TARGETS)),
    ],
)
def test_a_scale_of_targets_that_is_given_wins(mine, settings, seen):
    """scale = "none", and numbers of one's own, are kept; those of inputs decide nothing of targets, and vice versa."""
    stimuli = Configuration.read(settings=[f"stimuli={mine(y=TARGETS)}", *settings]).load_stimuli()
    np.testing.assert_allclose(stimuli.y_train, seen[:30], rtol=1e-12)
    chosen = not {"scale=none", "mean=0.5"} & set(settings)
    inputs = MinMaxScaler().fit(X[:30]).transform(X) if chosen else X - 0.5 * ("mean=0.5" in settings)
    np.testing.assert_allclose(stimuli.x_train, inputs[:30], rtol=1e-12, atol=1e-12)


def test_numbers_of_a_file_stay_for_other_stimuli_until_told(mine, tmp_path):
    """A line names the file that has them; scale = "auto" beside the file chooses anew; oracle: NumPy."""
    path = tmp_path / "run.toml"
    path.write_text(Configuration.read(settings=[f"stimuli={mine(y=TARGETS)}", "initial_gain_ff=1"]).to_toml())
    other = tmp_path / "other.npz"
    np.savez(other, x=3 * X, y=5 * TARGETS, split=SPLIT)
    kept = Configuration.read(path, [f"stimuli={other}"])
    assert kept.choices[0].startswith("mean, std, target_mean, target_std are the numbers of ")
    assert f"{path}: --set scale=auto chooses for these stimuli." in kept.choices[0]
    np.testing.assert_allclose(kept.stimuli.target_mean, TARGETS[:30].min(0))
    anew = Configuration.read(path, [f"stimuli={other}", "scale=auto"])
    np.testing.assert_allclose(anew.stimuli.target_mean, 5 * TARGETS[:30].min(0))
    np.testing.assert_allclose(anew.stimuli.std, 3 * np.ptp(X[:30], axis=0))
    assert "of Inputs" not in anew.choices[0]
    given = Configuration.read(path, [f"stimuli={other}", "scale=auto", "mean=0", "std=2"])
    assert (given.stimuli.mean, given.stimuli.std) == (0, 2)
    np.savez(other, x=X, y=TARGETS[:, 0], split=SPLIT)
    with pytest.raises(ParameterError, match=r"2 values; allowed for other .*; --set scale=auto chooses anew"):
        Configuration.read(path, [f"stimuli={other}", "architecture=[2,8,1]"]).load_stimuli()


def test_what_reaches_too_far_has_no_scale(mine):
    """A range beyond the numbers of float64 is one line, of inputs and of targets."""
    far = np.where(np.arange(40)[:, None] % 2, 1.5e308, -1.5e308) * np.ones((1, 2))
    for arrays, what in (({"y": far}, "targets"), ({"x": far}, "inputs")):
        with pytest.raises(ParameterError, match=f"{what} reach from -1.5e.308 to 1.5e.308, too far"):
            Configuration.read(settings=[f"stimuli={mine(**arrays)}"])
    assert scale_of(np.array([[-6e4], [6e4]], dtype=np.float16))[1] == pytest.approx(1.2e5, rel=1e-3)


@pytest.mark.parametrize("unit", [1e-300, 1.0, 1e300])
def test_deviations_in_any_unit(unit):
    """Root mean squares of numbers whose squares are none: those of numbers about 1, in the unit, to 1e-12."""
    y, outputs = RNG.random((8, 2)), RNG.random((8, 2))
    stimuli = Stimuli(name="toy", x_train=y, y_train=y, x_test=y, y_test=y, task="regression")
    found = Evaluation(stimuli, {}, outputs, lambda values: values * unit).deviation
    np.testing.assert_allclose(
        found, unit * np.sqrt(mean_squared_error(y, outputs, multioutput="raw_values")), rtol=1e-12
    )
    np.testing.assert_array_equal(Evaluation(stimuli, {}, y, lambda values: values * unit).deviation, 0)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("target_std=0", "target_std"),
        ("target_std=[1.,1.,1.]", "target_std has 3 values; allowed for mine are a number, or a list of 2"),
        ("target_mean=inf", "target_mean"),
    ],
)
def test_a_scale_of_targets_that_is_none_is_refused(mine, setting, words):
    """One line names the key and what is allowed."""
    with pytest.raises(ParameterError, match=words):
        Configuration.read(settings=[f"stimuli={mine(y=TARGETS)}", setting]).load_stimuli()


def test_classes_have_no_scale_of_targets(mine):
    """A scale for targets that are classes is refused in a line that names the set."""
    with pytest.raises(ParameterError, match="'mine' has no targets of a regression"):
        Configuration.read(settings=[f"stimuli={mine()}", "target_mean=1."]).load_stimuli()


def test_a_regression_is_told_in_the_unit_of_its_targets(mine, command, undrawn):
    """The figure, `Run.unscaled` and `evaluate` have the file's targets; oracle of the deviation: scikit-learn."""
    path = mine(y=TARGETS)
    words = ("--set", f"stimuli={path}", "--set", "epochs=1", "--set", "target=numpy", "--out", "run")
    assert command("train", *words)[0] == 0
    run = Run("run")
    with np.load("run/activity.npz") as kept:
        outputs, targets = kept["outputs/r"], kept["outputs/targets"]
    np.testing.assert_allclose(targets, TARGETS[30:], rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(run.unscaled(run.predict(run.stimuli.x_test)), outputs, rtol=1e-6, atol=1e-9)
    found = json.loads(command("evaluate", "run", "--json")[1])["outputs"]
    theory = np.sqrt(mean_squared_error(TARGETS[30:], outputs, multioutput="raw_values"))
    np.testing.assert_allclose([each["root_mean_square_deviation"] for each in found], theory, rtol=1e-5)


def test_files_get_scale_and_bias(mine, tmp_path):
    """A file with one's own stimuli has scale = "auto" and biases unless it says otherwise; built-in sets have not."""
    path = tmp_path / "mine.toml"
    path.write_text(f"[stimuli]\nstimuli = '{mine()}'\n[circuit]\nmodel = 'corinfomax'\n")
    circuit = Configuration.read(path).circuit
    assert (circuit.bias, circuit.architecture) == (True, [2, 64, 2])
    assert not Configuration.read(path, ["bias=false"]).circuit.bias
    digits = Configuration.read("digits")
    assert (digits.stimuli.scale, digits.stimuli.mean, digits.circuit.bias) == (None, None, False)


def test_an_architecture_that_fits_is_named(mine):
    """An architecture that does not fit is refused with the setting that would."""
    with pytest.raises(ParameterError, match=r"this would fit: --set 'architecture=\[2, 128, 2\]'"):
        Configuration.read("digits", [f"stimuli={mine()}"]).load_stimuli()


@pytest.mark.parametrize(
    ("x", "image", "theory"),
    [
        (np.arange(12.0).reshape(4, 3) * [1, 0, 1], False, ([0.0, 0.0, 2.0], [9.0, 1.0, 9.0])),
        (np.where(np.eye(6) > 0, np.arange(6.0) + 4, 0), False, (0.0, 9.0)),
        (np.arange(12.0).reshape(4, 3), True, (0.0, 11.0)),
        (np.full((3, 2), 7.0), False, (7.0, 1.0)),
    ],
    ids=["each of its own", "counts", "images", "constant"],
)
def test_one_scale_or_one_for_each(x, image, theory):
    """Inputs that begin at one value, and images, share a scale; others have one each; constant ones become 0."""
    shift, scale = rates_of(x, image)
    assert (shift, scale) == theory
    assert ((x - shift) / scale).min() == 0


def test_the_gain_by_its_formula():
    """The last gain is ε|β|/(3 √(2/(N₁ + N₂)) ‖mean r₁‖), the bias being one more cell, rounded down to two digits."""
    from corinfomax.networks import CorInfoMax

    r = RNG.uniform(0, 1, (20, 30))
    for bias in (False, True):
        circuit = CorInfoMax([4, 30, 3], epsilon=0.2, bias=bias)
        norm = np.sqrt((r.mean(axis=0) ** 2).sum() + bias)
        theory = 0.2 * 2.0 / (3 * np.sqrt(2 / 33) * norm)
        found = lifting_gain(circuit, r, -2.0)
        assert found <= theory < found + 0.01
    assert lifting_gain(circuit, 0 * r, 100.0) == 1.0


def test_the_first_gain_by_its_formula():
    """With the first gain basal potentials of layer 1 have the standard deviation 1.8: of drawn weights, to 5 %."""
    from corinfomax.networks import CorInfoMax
    from corinfomax.networks.corinfomax.lifting import spreading_gain

    x = RNG.uniform(0, 1, (50, 3))
    gain = spreading_gain(CorInfoMax([3, 4000, 2], bias=True), x)
    circuit = CorInfoMax([3, 4000, 2], bias=True, initial_gain_ff=[gain, 1.0])
    v_B = x @ circuit.weights["W_ff"][0].T + circuit.weights["b"][1]
    assert v_B.std() == pytest.approx(1.8, rel=0.05)


def test_teacher_reaches_all_outputs(mine):
    """With the gain that is chosen, the initial circuit has no output cell that stays silent under the teacher."""
    from corinfomax.networks.corinfomax.lifting import unlifted

    configuration = Configuration.read(settings=[f"stimuli={mine()}", "target=numpy"])
    circuit, stimuli = configuration.build_circuit(), configuration.load_stimuli()
    preparation = Preparation(circuit, len(stimuli.x_train), protocol=configuration.build_protocol(), target="numpy")
    r = preparation.settle(stimuli.x_train, ("r",)).r[1]
    assert unlifted(circuit, r, stimuli.y_train, 2.0).max() == 0


def _set(x, y=None):
    y = np.eye(2)[Y] if y is None else y
    return Stimuli(name="mine", x_train=x, y_train=y, x_test=x, y_test=y, task="regression")


def test_what_does_not_suit_is_named():
    """Inputs off the scale, missing biases and constant targets are named, the first two by the doctor, too."""
    from corinfomax.networks import CorInfoMax

    circuit, biased = (CorInfoMax([2, 4, 2], bias=bias) for bias in (False, True))
    scaled = MinMaxScaler().fit_transform(X)
    assert any("reach from" in line for line in warnings_about(biased, _set(X)))
    assert warnings_about(biased, _set(scaled)) == []
    assert any("has no bias" in line for line in warnings_about(circuit, _set(scaled)))
    assert any("all the same" in line for line in warnings_about(biased, _set(scaled, np.full((40, 2), 0.5))))
    advice = [finding.advice for finding in inputs(circuit, _set(X))]
    assert 'scale = "auto"' in advice[0]
    assert "bias = true" in advice[1]
    assert not any(finding.advice for finding in inputs(biased, _set(scaled)))
    found = [off_the_scale(x) is not None for x in (scaled * 1e-3, 3 * scaled - 2, scaled, 0.8 * scaled - 0.7)]
    assert found == [True, True, False, False]


def test_inputs_that_are_no_rates_are_told_once_of_circuits_made_by_hand():
    """Negative inputs and large ones: one warning a preparation, in the caller's line; none of rates, nor of a run."""
    from corinfomax.networks import CorInfoMax, SimilarityMatchingCircuit

    rates = np.full((1, 2), 1.0)
    for x, told in ((rates, 0), (-rates, 1), (100 * rates, 1), (0 * rates, 0), (1e-3 * rates, 0)):
        preparation = Preparation(CorInfoMax([2, 4, 2]), target="numpy")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            preparation.run([Stimulus(x), Stimulus(x)], progress=False)
            preparation.present(-x)
        places = [each.filename for each in caught if each.category is StimulusWarning]
        assert places == [__file__] * told
    with pytest.warns(StimulusWarning, match=r"^The inputs reach from -2 to 1, where rates reach from 0 to 1: [^\n]*$"):
        Preparation(CorInfoMax([2, 4, 2]), target="numpy").present([[1.0, -2.0]])
    with warnings.catch_warnings():
        warnings.simplefilter("error", StimulusWarning)
        Preparation(SimilarityMatchingCircuit([2, 2]), target="numpy").present(-rates)
        configured = Configuration.read("digits", ["target=numpy"])
        Preparation(configured.build_circuit(), target="numpy").present(-np.ones(64))


def test_r_squared_without_spread():
    """R² leaves constant outputs out, by hand; of constant targets alone it is not a number."""
    targets = np.column_stack([[0.0, 1, 2], np.ones(3)])
    outputs = targets + np.array([[0.1, 5], [0, 0], [-0.1, 0]])
    assert r_squared(outputs, targets) == pytest.approx(1 - 0.02 / 2, abs=1e-12)
    assert np.isnan(r_squared(outputs[:, 1], targets[:, 1]))
