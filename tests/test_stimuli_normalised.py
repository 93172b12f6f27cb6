import numpy as np
import pytest
from official_files import write_official

from corinfomax.errors import ParameterError
from corinfomax.protocols.runs import Configuration, presets
from corinfomax.stimuli import Stimuli, load_stimuli


def images(shape=(2, 3, 3), dtype=np.float32):
    """Random images of some shape, four to train and two to test, in two classes."""
    rng = np.random.default_rng(0)
    x_train, x_test = (rng.uniform(size=(n, np.prod(shape))).astype(dtype) for n in (4, 2))
    return Stimuli.from_labels("toy", x_train, [0, 1, 0, 1], x_test, [0, 1], image_shape=shape)


@pytest.mark.parametrize(
    ("mean", "std"),
    [
        (0.5, 0.25),
        (None, 2),
        (0.5, None),
        ([0.1, 0.2, 0.3], [0.5, 1.0, 2.0]),
        ([0.1, 0.2, 0.3], 0.5),
        (list(np.linspace(0, 1, 18)), list(np.linspace(1, 2, 18))),
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_normalised_is_the_formula(mean, std, dtype):
    """(x - mean)/std of both parts, by number, channel or input, in the precision it had, to 10 of its epsilons."""
    stimuli = images(dtype=dtype)
    new = stimuli.normalised(mean, std)
    shift, scale = (np.array(default if v is None else v) for v, default in ((mean, 0), (std, 1)))
    for part in ("x_train", "x_test"):
        x = getattr(stimuli, part).astype(float).reshape(-1, 6, 3)
        theory = (x - shift.reshape(-1, 3) if shift.size == 18 else x - shift) / (
            scale.reshape(-1, 3) if scale.size == 18 else scale
        )
        assert getattr(new, part).dtype == dtype
        np.testing.assert_allclose(getattr(new, part), theory.reshape(-1, 18), rtol=0, atol=40 * np.finfo(dtype).eps)
    np.testing.assert_array_equal(new.y_train, stimuli.y_train)
    assert (new.name, new.image_shape, new.task) == (stimuli.name, stimuli.image_shape, stimuli.task)


def test_normalised_leaves_the_set_itself_and_changes_the_digest():
    """The set keeps its inputs; the new one has a fingerprint of its own, which covers mean and std."""
    stimuli = images()
    before = stimuli.x_train.copy()
    digests = {stimuli.digest, stimuli.normalised(0.5).digest, stimuli.normalised(0.5, 2).digest}
    np.testing.assert_array_equal(stimuli.x_train, before)
    assert len(digests) == 3
    assert stimuli.normalised().digest == stimuli.digest


def test_normalised_grey_images_have_one_channel():
    """A list of one number is the channel's of an image with two axes; without an image it is one too few."""
    stimuli = images((3, 4))
    np.testing.assert_array_equal(stimuli.normalised([0.5], [2.0]).x_train, stimuli.normalised(0.5, 2.0).x_train)
    flat = Stimuli.from_labels("flat", stimuli.x_train, [0, 1, 0, 1], stimuli.x_test, [0, 1])
    with pytest.raises(
        ParameterError, match=r"mean has 1 values; allowed for flat are a number, or a list of 12 \(one"
    ):
        flat.normalised([0.5])


@pytest.mark.parametrize(
    ("mean", "std", "message"),
    [
        ([0.5, 0.5], None, "mean has 2 values; allowed for toy are a number, or a list of 3 (one per channel) or 18"),
        (None, [1.0] * 6, "std has 6 values"),
        ([[0.5] * 3], None, "mean has shape (1, 3)"),
        (None, 0, "std must be finite and above 0"),
        (None, [1, -1, 1], "std must be finite and above 0"),
        (None, 1e-50, "std must be finite and above 0, in float32"),
        (np.nan, None, "mean must be finite"),
        (1e50, None, "mean must be finite, in float32"),
        ("much", None, "mean is 'much'; allowed are"),
    ],
)
def test_normalised_refuses_what_does_not_fit(mean, std, message):
    """Wrong lengths and numbers are refused in one line that names the argument and what is allowed."""
    with pytest.raises(ParameterError) as refusal:
        images().normalised(mean, std)
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_normalised_refuses_inputs_that_overflow():
    """A standard deviation so small that inputs become infinite is refused by its name."""
    with pytest.raises(ParameterError, match=r"std = 1e-40: takes x_train beyond the numbers of float32"):
        images().normalised(0, 1e-40)


def test_a_configuration_normalises_its_stimuli():
    """Keys mean and std of [stimuli] are those of `Stimuli.normalised`; without them nothing changes."""
    plain, raw = Configuration.read("digits"), load_stimuli("digits")
    assert plain.load_stimuli().digest == raw.digest
    shifted = Configuration.read("digits", ["mean=0.5", "stimuli.std=2"])
    assert shifted.load_stimuli().digest == raw.normalised(0.5, 2.0).digest
    assert Configuration.from_toml(shifted.to_toml()).to_dict()["stimuli"] == {
        "stimuli": "digits",
        "mean": 0.5,
        "std": 2.0,
    }


@pytest.mark.parametrize(
    "setting", ["std=0", "std=-1", "std=[1.0, 0.0]", "std=inf", "mean=nan", "mean=much", "mean=[true]"]
)
def test_a_configuration_refuses_wrong_numbers(setting):
    """A mean or std that is no finite number, or not above 0, is refused in one line that names the key."""
    with pytest.raises(ParameterError) as refusal:
        Configuration.read("digits", [setting])
    key = setting.partition("=")[0]
    assert f"digits with --set, [stimuli]: {key}" in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_configuration_refuses_wrong_lengths():
    """A list that fits neither channels nor inputs is refused when the set is known, with source, section and key."""
    configuration = Configuration.read("digits", ["std=[1, 2, 3]"])
    with pytest.raises(
        ParameterError, match=r"digits with --set, \[stimuli\]: std has 3 values; allowed for digits are"
    ):
        configuration.load_stimuli()


def image_presets():
    """Presets of the sets that do not come with the package."""
    names = {name: Configuration.read(name).stimuli.stimuli for name in presets()}
    return [name for name, stimuli in sorted(names.items()) if stimuli not in ("digits", "diabetes", "subspace")]


@pytest.mark.parametrize("name", image_presets())
def test_the_image_presets_fit_their_stimuli(tmp_path, name):
    """A small set of the official format fits the preset's architecture, and is normalised if CIFAR, as published."""
    configuration = Configuration.read(name)
    raw = load_stimuli(configuration.stimuli.stimuli, data=write_official(tmp_path, configuration.stimuli.stimuli))
    configuration.stimuli.data = str(tmp_path)
    stimuli = configuration.load_stimuli()
    if raw.name.startswith("cifar"):
        x = raw.x_train.reshape(-1, 3)
        theory = (x - [0.4914, 0.4822, 0.4465]) / (3 * np.array([0.2023, 0.1994, 0.2010]))
        np.testing.assert_allclose(stimuli.x_train.reshape(-1, 3), theory, atol=1e-6)
        assert stimuli.x_train.dtype == np.float32
    else:
        assert stimuli.digest == raw.digest
