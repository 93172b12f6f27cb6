"""Parameter files: what they are made into, and what is refused."""

from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest

from corinfomax.errors import ParameterError
from corinfomax.protocols.clockwork import Preparation
from corinfomax.protocols.runs import Configuration, RunFolder, Training, presets

SMALL = {
    "stimuli": {"stimuli": "digits"},
    "circuit": {"architecture": [64, 6, 10]},
    "training": {"epochs": 1, "target": "numpy"},
}


def changed(section, **keys):
    """Sections of the small configuration with some keys set otherwise."""
    values = {name: dict(section) for name, section in SMALL.items()}
    values.setdefault(section, {}).update(keys)
    return values


@pytest.fixture
def complaint():
    """Return the message of the `ParameterError` of a call, which is one line."""

    def call(function, *args, **kwargs):
        with pytest.raises(ParameterError) as caught:
            function(*args, **kwargs)
        message = str(caught.value)
        assert "\n" not in message
        return message

    return call


@pytest.mark.parametrize("name", sorted(presets()))
def test_each_preset_loads_and_builds_its_circuit_and_protocol(name):
    """Every preset's circuit has its file's architecture, its form's phases a stable step or leave for another."""
    configuration = Configuration.read(name)
    circuit, protocol = configuration.build_circuit(), configuration.build_protocol()
    assert circuit.sizes == tuple(configuration.to_dict()["circuit"]["architecture"])
    if configuration.form is None:
        assert protocol is None
        return
    names = {
        "contrastive": ["free", "nudge"],
        "settling": ["settle"],
        "recirculating": ["noise_odd", "echo_odd", "noise_even", "echo_even", "forward", "error"],
        "oscillating": ["settle", "oscillation"],
        "clamped": ["forward", "relax"],
        "nudged": ["forward", "nudge"],
    }
    assert [phase.name for phase in protocol.phases] == names[configuration.form]
    checked = replace(protocol, allow_unstable=False)
    for beta in protocol.betas:
        with pytest.raises(ParameterError, match="stability bound") if protocol.allow_unstable else nullcontext():
            checked.check_stability(circuit, beta)


@pytest.mark.parametrize("name", ["digits", "diabetes"])
def test_the_bundled_presets_fit_their_stimuli(name):
    """First and last number of the architecture are the stimuli's inputs and outputs, exactly."""
    configuration = Configuration.read(name)
    stimuli = configuration.load_stimuli()
    assert (stimuli.inputs, stimuli.outputs) == (
        configuration.circuit.architecture[0],
        configuration.circuit.architecture[-1],
    )


@pytest.mark.parametrize("name", sorted({*presets()} - {"own"}))  # own is complete only with its stimuli
@pytest.mark.parametrize("settings", [[], ["mean=[0.1,0.30000000000000004]", "dtype=float64", "data=a \\ 'ü'.d"]])
def test_a_configuration_survives_being_written_and_read(tmp_path, name, settings):
    """to_toml → file → read gives the same values of all keys, bit for bit, and the same text again."""
    configuration = Configuration.read(name, settings)
    path = tmp_path / "parameters.toml"
    path.write_text(configuration.to_toml(), encoding="utf-8")
    again = Configuration.read(path)
    assert again.to_dict() == configuration.to_dict()
    assert again.to_toml() == configuration.to_toml() == Configuration.from_toml(again.to_toml()).to_toml()


def test_a_resolved_configuration_holds_every_key():
    """The resolved configuration names all keys of all sections, but for the data folder that was not given."""
    resolved = Configuration(SMALL).to_dict()
    assert {"epsilon", "forgetting", "lateral_rule", "tau_SST", "convention", "model"} <= resolved["circuit"].keys()
    assert {"form", "free_steps", "nudge_steps", "beta", "random_sign", "step", "reset", "allow_unstable"} <= resolved[
        "protocol"
    ].keys()
    assert {"seed", "dtype", "batch_size", "epochs"} <= resolved["training"].keys()
    assert resolved["stimuli"] == {"stimuli": "digits"}
    assert "seed" not in resolved["circuit"]
    assert "weights" not in resolved["circuit"]


@pytest.mark.parametrize(
    ("setting", "section", "key", "value"),
    [
        ("epochs=7", "training", "epochs", 7),
        ("training.epochs=7", "training", "epochs", 7),
        (" architecture = [64, 3, 10]", "circuit", "architecture", [64, 3, 10]),
        ("convention=authors", "circuit", "convention", "authors"),
        ('convention="authors"', "circuit", "convention", "authors"),
        ("random_sign=false", "protocol", "random_sign", False),
        ("beta=-0.5", "protocol", "beta", -0.5),
        ("learning_rate_decay=[[0,0.9],[3,0.5]]", "circuit", "learning_rate_decay", [(0, 0.9), (3, 0.5)]),
        ("data=/my file=1.d", "stimuli", "data", "/my file=1.d"),
        ("step=0.02", "protocol", "step", 0.02),
        ("learning_rate_fb=.3", "circuit", "learning_rate_fb", 0.3),
        ("learning_rate_ff=[.3, 1.]", "circuit", "learning_rate_ff", [0.3, 1.0]),
        ("beta=-.5", "protocol", "beta", -0.5),
        ("beta=1.", "protocol", "beta", 1.0),
        ("learning_rate_decay=[[0, .9], [3, .5]]", "circuit", "learning_rate_decay", [(0, 0.9), (3, 0.5)]),
    ],
)
def test_single_keys_can_be_set(setting, section, key, value):
    """key=value and section.key=value reach their section, values as in TOML and bare words as strings; exact."""
    assert Configuration.read("digits", [setting]).to_dict()[section][key] == value


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("epoch=3", ["epoch=3", "'epochs'"]),
        ("circuit.epochs=3", ["circuit.epochs"]),
        ("a.b.epochs=3", ["a.b.epochs"]),
        ("epochs", ["epochs", "key=value"]),
        ("=3", ["=3", "allowed"]),
        ("été=3", ["été", "allowed"]),
        ("weights=3", ["weights"]),
        ("epochs=", ["epochs = ''"]),
        ("epochs=[1]", ["epochs", "[1]"]),
        ("beta=.3.1", ["beta", "'.3.1'"]),
        ("learning_rate_ff=.3,.1", ["learning_rate_ff", "'.3,.1'"]),
        ("learning_rate_ff=" + "[" * 5000 + ".3", ["learning_rate_ff"]),
        ("epochs=1.5", ["epochs", "1.5"]),
        ("epochs=" + "[" * 5000, ["epochs"]),
        ("seed=" + "9" * 5000, ["seed"]),
        ("model=[]", ["model", "corinfomax"]),
        ("model=foo", ["model", "'foo'", "corinfomax"]),
    ],
)
def test_a_bad_setting_is_named(complaint, setting, words):
    """A setting that is unknown, incomplete or no value of its key gives one line with the key; exact words."""
    message = complaint(Configuration.read, "digits", [setting])
    assert all(word in message for word in words)


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        *(("circuit", "epsilon", value) for value in (0, -0.1, [0.1, 0], float("nan"), float("inf"), "much", {})),
        *(("circuit", "forgetting", value) for value in (0, 1, -0.5, 1.5, float("nan"))),
        *(("circuit", "g_leak", value) for value in (0, -1)),
        *(("circuit", "architecture", value) for value in (64, [64, 10], [64, 0, 10], [64, -3, 10], [64, 2.5, 10], [])),
        *(("circuit", "learning_rate_ff", value) for value in (-1, float("nan"), float("inf"), [-1, 1])),
        *(("circuit", "learning_rate_fb", value) for value in (-1, [-0.1], [0.1, float("nan")], ["0.1"], [True])),
        *(("circuit", "learning_rate_decay", value) for value in (0, 2, [[0, 1, 2]], "slow")),
        ("circuit", "weight_decay", -1),
        ("circuit", "entropy_gain", float("nan")),
        ("circuit", "convention", "paper"),
        ("circuit", "lateral_rule", "none"),
        ("circuit", "lateral_refresh", 0),
        ("circuit", "sst_every", 0),
        ("circuit", "tau_u", 0),
        ("circuit", "tau_SST", -1),
        ("circuit", "projection", "sparse"),
        *(("protocol", "step", value) for value in (0, -0.05, float("nan"), float("inf"))),
        ("protocol", "free_steps", 0),
        ("protocol", "nudge_steps", -1),
        ("protocol", "step_rule", "adaptive"),
        ("protocol", "method", "rk4"),
        ("protocol", "reset", "maybe"),
        *(("protocol", "beta", value) for value in (0, 0.0, -0.0, float("nan"), float("inf"), "strong")),
        ("training", "epochs", 0),
        ("training", "epochs", -3),
        ("training", "batch_size", 0),
        ("training", "seed", -1),
        ("training", "dtype", "float16"),
        ("training", "target", "gpu"),
        ("training", "test_replicas", 0),
        ("stimuli", "stimuli", 3),
        ("stimuli", "data", 3),
    ],
)
def test_a_value_out_of_range_is_refused_with_file_and_key(complaint, section, key, value):
    """A value of the wrong type or out of range gives one line that names source, section and key."""
    message = complaint(Configuration, changed(section, **{key: value}), source="my.toml")
    assert message.startswith("my.toml")
    assert f"[{section}]" in message
    assert key in message


@pytest.mark.parametrize(
    ("keys", "word"),
    [
        ({"epsilon": [0.1]}, "epsilon"),
        ({"learning_rate_ff": [1, 2, 3]}, "learning_rate_ff"),
        ({"learning_rate_fb": [0.1, 0.1, 0.1]}, "learning_rate_fb"),
        ({"learning_rate_decay": []}, "learning_rate_decay"),
        ({"learning_rate_decay": [[1, 0.5]]}, "learning_rate_decay"),
        ({"learning_rate_decay": [[0, 0.5], [0, 0.4]]}, "learning_rate_decay"),
        ({"lateral_form": "autapse", "lateral_rule": "regularised"}, "lateral_form"),
        ({"lateral_form": "autapse", "entropy_gain": 0}, "entropy_gain"),
        ({"sst_every": 2, "projection": "synapses"}, "sst_every"),
        ({"architecture": [64, 10**14, 10]}, "GB of memory"),
        ({"architecture": [64, 10**25, 10]}, "GB of memory"),
    ],
)
def test_keys_at_odds_with_each_other_are_refused_with_file_and_key(complaint, keys, word):
    """What only the circuit can tell, sizes that no memory holds included, is one line with source and key."""
    message = complaint(Configuration(changed("circuit", **keys), source="my.toml").build_circuit)
    assert message.startswith("my.toml, [circuit]")
    assert word in message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["[circuit]", "'architecture'", "missing"]),
        ("epochs = 3", ["'epochs'", "no section"]),
        ("[[circuit]]\nepsilon = 1", ["'circuit'"]),
        ("[trainin]\nepochs = 3", ["[trainin]", "training"]),
        ("[circuit]\narchitecture = [64, 5, 10]\nepsilom = 1", ["'epsilom'", "[circuit]", "'epsilon'"]),
        (
            "[circuit]\narchitecture = [64, 5, 10]\n[training]\nzzz = 1",
            ["'zzz'", "[training]", "allowed", "batch_size"],
        ),
        ("[circuit]\nmodel = 3", ["model", "3"]),
        ("[circuit]\nmodel = []", ["model", "[]"]),
        ("[circuit", ["TOML", "']'"]),
        ("[circuit]\na = 1\na = 2", ["TOML", "overwrite"]),
        ("[circuit]\nx = " + "[" * 5000, ["TOML"]),
    ],
)
def test_a_bad_file_is_refused_with_its_name(complaint, tmp_path, text, words):
    """A parameter file with a wrong key, section or syntax gives one line with its path and what is wrong."""
    path = tmp_path / "ürban.toml"
    path.write_text(text, encoding="utf-8")
    message = complaint(Configuration.read, path)
    assert message.startswith(str(path))
    assert all(word in message for word in words)


def test_files_that_are_none_are_refused(complaint, tmp_path):
    """A missing file, a folder, bytes that are no text and an unknown preset give one line with the name."""
    (tmp_path / "folder.toml").mkdir()
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe\x00")
    assert "no such file" in complaint(Configuration.read, tmp_path / "none.toml")
    assert "folder.toml" in complaint(Configuration.read, tmp_path / "folder.toml")
    assert "bytes.toml" in complaint(Configuration.read, tmp_path / "bytes.toml")
    assert "did you mean 'digits'" in complaint(Configuration.read, "digit")
    assert "corinfomax presets lists them" in complaint(Configuration.read, "☃")


@pytest.mark.parametrize("architecture", [[65, 6, 10], [64, 6, 9], [10, 6, 64]])
def test_an_architecture_that_does_not_fit_the_stimuli_is_refused(complaint, architecture):
    """One line names source, architecture, and the stimuli's 64 inputs and 10 outputs."""
    configuration = Configuration(changed("circuit", architecture=architecture), source="my.toml")
    message = complaint(configuration.load_stimuli)
    assert all(word in message for word in ("my.toml", str(architecture), "digits", "64 inputs", "10 outputs"))


@pytest.mark.parametrize("keys", [{"protocol": {"step": 0.3}}, {"protocol": {"beta": 100.0}}])
def test_a_step_beyond_the_bound_is_refused_before_anything_is_written(complaint, tmp_path, keys):
    """A step beyond 2/(g_lk + 1/ε + |β|) is refused with source and bound, unless allow_unstable; no folder."""
    values = {**SMALL, **{section: {**SMALL.get(section, {}), **more} for section, more in keys.items()}}
    folder = RunFolder(tmp_path / "run")
    configuration = Configuration(values, source="my.toml")
    bound = configuration.build_circuit().step_bound(abs(configuration.protocol.beta))
    message = complaint(Training, configuration, folder)
    assert all(word in message for word in ("my.toml", "step", f"{bound:.3g}", "allow_unstable"))
    assert not folder.path.exists()
    allowed = {**values, "protocol": {**values.get("protocol", {}), "allow_unstable": True}}
    assert Training(Configuration(allowed), folder).epoch == 0


@pytest.mark.parametrize("keys", [{"beta": -100.0, "random_sign": False}, {"beta": 30.0, "random_sign": True}])
def test_a_negative_beta_below_its_bound_is_refused_before_anything_is_written(complaint, tmp_path, keys):
    """β so negative that the output's conductance is, given or by a random sign, is refused with source and key."""
    folder = RunFolder(tmp_path / "run")
    message = complaint(Training, Configuration(changed("protocol", **keys), source="my.toml"), folder)
    assert message.startswith("my.toml")
    assert f"beta = {-abs(keys['beta']):g}" in message
    assert not folder.path.exists()


def test_a_seed_determines_the_initial_weights():
    """Two circuits of one seed have equal weights, bit for bit; another seed gives others."""
    first, same, other = (
        Configuration(changed("training", seed=seed)).build_circuit().weights["W_ff"][0] for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first, same)
    assert (first != other).mean() > 0.9


def test_the_protocol_section_reaches_the_protocol():
    """Every key of [protocol] arrives in the protocol that a preparation runs, exactly."""
    keys = {"free_steps": 3, "nudge_steps": 2, "three_phase": True, "step": 0.01, "reset": "carry"}
    configuration = Configuration(changed("protocol", **keys))
    preparation = Preparation(configuration.build_circuit(), protocol=configuration.build_protocol(), target="numpy")
    assert [(phase.name, phase.steps) for phase in preparation.protocol.phases] == [
        ("free", 3),
        ("nudge", 2),
        ("third", 2),
    ]
    assert (preparation.protocol.step, preparation.protocol.reset) == (0.01, "carry")


PHASES = """
[circuit]
architecture = [64, 6, 10]

[protocol]
form = "phases"
minus = "before"
step = 0.02

[[protocol.phases]]
name = "before"
steps = 5

[[protocol.phases]]
name = "nudge"
steps = 3
beta = [0.2, 0.6, 1.0]
course = { "SST_1.gate_soma" = 0, I_apical = [0.1, 0.0, -0.1] }
"""


def test_phases_of_any_course_from_a_file(tmp_path):
    """Phases, courses of β and of other variables in a file reach the protocol exactly, and survive being written."""
    path = tmp_path / "phases.toml"
    path.write_text(PHASES, encoding="utf-8")
    configuration = Configuration.read(path, ["reset=carry"])
    for one in (configuration, Configuration.from_toml(configuration.to_toml())):
        protocol = one.build_protocol()
        assert [(phase.name, phase.steps, phase.beta) for phase in protocol.phases] == [
            ("before", 5, 0.0),
            ("nudge", 3, [0.2, 0.6, 1.0]),
        ]
        assert protocol.phases[1].course == {"SST_1.gate_soma": 0.0, "I_apical": [0.1, 0.0, -0.1]}
        assert (protocol.plus, protocol.minus, protocol.step, protocol.reset) == ("nudge", "before", 0.02, "carry")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("steps = 5", "steps = 0", ["[protocol]", "phases.0.steps = 0"]),
        ("steps = 5\n", "", ["[protocol]", "phases.0.steps", "missing"]),
        ("steps = 5", "length = 5", ["[protocol]", "unknown key 'phases.0.length'"]),
        ("steps = 5", "steps = 5\nbetta = 1", ["[protocol]", "unknown key 'phases.0.betta'"]),
        ("beta = [0.2, 0.6, 1.0]", "beta = [0.2, 0.6]", ["'nudge'", "beta", "3"]),
        ("beta = [0.2, 0.6, 1.0]", 'beta = "up"', ["[protocol]", "phases.1.beta"]),
        ('form = "phases"', 'form = "contrastive"', ["[protocol]", "unknown key"]),
        ('form = "phases"', 'form = "dream"', ["protocol.form = 'dream'", "contrastive", "phases"]),
    ],
)
def test_bad_phases_in_a_file_are_refused(complaint, tmp_path, old, new, words):
    """A phase's wrong key, value or course gives one line that names file, section, phase and key."""
    path = tmp_path / "phases.toml"
    path.write_text(PHASES.replace(old, new), encoding="utf-8")
    message = complaint(Configuration.read, path)
    assert message.startswith(str(path))
    assert all(word in message for word in words)


def test_phases_at_odds_with_learning_are_refused_with_the_file(complaint, tmp_path):
    """A first phase with a teacher, a missing phase and phases that end at one β give one line with the file."""
    path = tmp_path / "phases.toml"
    for old, new, word in (
        ("steps = 5", "steps = 5\nbeta = 1.0", "name one that predicts"),
        ('minus = "before"', 'minus = "after"', "'after'"),
        ("beta = [0.2, 0.6, 1.0]", "beta = [0.2, 0.6, 0.0]", "same β"),
        ('"SST_1.gate_soma"', '"SST_7.gate_soma"', "SST_7.gate_soma"),
    ):
        path.write_text(PHASES.replace(old, new), encoding="utf-8")
        message = complaint(lambda: Training(Configuration.read(path), RunFolder(tmp_path / "run")))
        assert message.startswith(str(path))
        assert word in message


def test_paths_in_a_file_are_relative_to_it(tmp_path, monkeypatch):
    """stimuli = "mine.npz" in FOLDER/a.toml means FOLDER/mine.npz, on the command line ./mine.npz; exact."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    path = tmp_path / "folder" / "a.toml"
    path.write_text('[stimuli]\nstimuli = "mine.npz"\n[circuit]\narchitecture = [2, 3, 4]\n')
    for folder in (tmp_path, path.parent):
        np.savez(folder / "mine.npz", x=np.eye(20, 2), y=np.arange(20) % 4)
    for source in (path, "folder/a.toml"):
        assert Configuration.read(source).stimuli.stimuli == str(tmp_path / "folder" / "mine.npz")
    assert Configuration.read(path, ["stimuli=mine.npz"]).stimuli.stimuli == str(tmp_path / "mine.npz")
    assert Configuration.read(path, ["data=x"]).stimuli.data == str(tmp_path / "x")
    assert Configuration.read("digits").stimuli.stimuli == "digits"
