"""How objects show themselves, what completes by tab, and what copies and pickles of them keep."""

import copy
import pickle
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from toys import stimuli

import corinfomax
from corinfomax import CorInfoMax, Phase, Preparation, Protocol
from corinfomax.errors import ParameterError
from corinfomax.networks import Backpropagation, EquilibriumPropagation, PredictiveCoding
from corinfomax.protocols.clockwork import Noise
from corinfomax.protocols.perturbations import Intervention, Silence

WAYS = {"copy": copy.copy, "deepcopy": copy.deepcopy, "pickle": lambda item: pickle.loads(pickle.dumps(item))}


@pytest.fixture
def preparation():
    return Preparation(CorInfoMax([6, 5, 3], domain=["simplex", "B_inf_plus"]), replicas=4, target="numpy")


@pytest.fixture
def x():
    return np.random.default_rng(0).uniform(size=(4, 6))


def test_a_circuit_shows_populations_weights_and_rules(preparation):
    """The heading has class, sizes and type; below stand populations with their cells, weights with shape and rule."""
    shown = repr(preparation.circuit)
    assert shown.startswith("<CorInfoMax 6-5-3: 94 weights, float64>\n")
    for words in ("layer_1", "HiddenPyramidal", "simplex", "W_fb[1]", "5 × 3", "FeedbackRule", "follow from others"):
        assert words in shown


def test_a_preparation_shows_shapes_units_and_protocol(preparation):
    """Populations as replicas × cells, recordables with SI units, phases with their durations."""
    shown = repr(preparation)
    assert shown.startswith("<Preparation of CorInfoMax 6-5-3: 4 replicas, float64>")
    for words in ("4 × 5", "V_soma V", "rate Hz", "free", "1.5 τ"):
        assert words in shown


def test_a_protocol_shows_phases_and_courses():
    """Steps, durations in τ, β, courses and the parts that phases play; arrays by their shape."""
    rest = {"SST_1.gate_soma": 0, "layer_1.u": np.zeros((1, 5))}
    protocol = Protocol(
        [Phase("free", 30, course=rest), Phase("nudge", 4, beta=[0.25, 0.5, 0.75, 1.0], input=np.ones(6))], beta=2.0
    )
    lines = repr(protocol).splitlines()
    assert lines[0] == "<Protocol: free, nudge>"
    for words in ("1.5 τ", "SST_1.gate_soma = 0", "layer_1.u = 1 × 5 values", "minus, predicts"):
        assert words in lines[2]
    for words in ("0.2 τ", "0.25 … 1", "6 rates", "plus"):
        assert words in lines[3]
    assert "±2" in lines[5]


def test_traces_show_units_and_shapes(preparation, x):
    """A presentation, its phases and states tell variables, SI units, layers and shapes."""
    shown = preparation.present(x, np.full((4, 3), 0.5), variables=("r", "V_soma", "SST_1.V_soma"))
    assert "nudge    10       15.5 to 20 ms" in repr(shown)
    rows = [line.split() for line in repr(shown.nudge).splitlines()]
    assert ["V_soma", "V", "layer", "1", "10", "×", "4", "×", "5"] in rows
    assert ["V_soma", "V", "SST_1", "10", "×", "4", "×", "5"] in rows
    assert ["r", "layer", "2", "10", "×", "4", "×", "3"] in rows
    assert "4 × 5" in repr(preparation.settle(x))


@pytest.mark.parametrize("make", [Backpropagation, EquilibriumPropagation, PredictiveCoding])
def test_other_systems_show_themselves_too(make):
    """Every trainable has a heading and its weights; what is frozen or lesioned says so."""
    circuit = make([6, 5, 3])
    key, k = circuit.targets[0]
    circuit.frozen.add((key, k))
    assert repr(circuit).startswith(f"<{make.__name__} 6-5-3: ")
    assert f"{key}[{k}]" in repr(circuit)
    assert "(frozen)" in repr(circuit)


def test_a_notebook_gets_tables(preparation, x):
    """The same in HTML, with markup in names escaped."""
    for item in (preparation, preparation.circuit, preparation.protocol, preparation.settle(x), preparation.present(x)):
        html = item._repr_html_()
        assert html.count("<table>") >= 1
        assert "<CorInfoMax" not in html


def test_what_is_half_made_shows_itself_all_the_same():
    """An object without its attributes, as a debugger sees it within a constructor, falls back to Python's own text."""
    empty = CorInfoMax.__new__(CorInfoMax)
    assert repr(empty).startswith("<corinfomax.networks.corinfomax.circuit.CorInfoMax object")
    assert empty._repr_html_() is None


def test_an_error_shows_one_line_of_what_was_given(preparation):
    """A circuit in place of a protocol is told in one line, although it shows itself in many."""
    with pytest.raises(ParameterError) as raised:
        Preparation(preparation.circuit, protocol=preparation.circuit)
    assert str(raised.value).startswith("Preparation: protocol = <CorInfoMax 6-5-3")
    assert "\n" not in str(raised.value)


def test_phases_and_variables_complete_by_tab(preparation, x):
    """`dir` of a presentation has its phases, of a phase its variables; they are there as attributes."""
    shown = preparation.present(x, np.full((4, 3), 0.5))
    assert {"free", "nudge"} <= set(dir(shown))
    assert {"r", "v_A", "v_B"} <= set(dir(shown.nudge))
    assert all(getattr(shown, name) is not None for name in dir(shown) if not name.startswith("_"))
    assert "u" in preparation.settle(x)._ipython_key_completions_()


@pytest.mark.parametrize("way", WAYS)
def test_copies_of_circuits_and_preparations_predict_alike(preparation, x, way):
    """A copy predicts the same, bit for bit; the shallow one shares the circuit, the others' circuits learn apart."""
    preparation.present(x, np.full((4, 3), 0.5), learn=True)
    copied = WAYS[way](preparation)
    np.testing.assert_array_equal(copied.predict(x), preparation.predict(x))
    assert (copied.circuit is preparation.circuit) is (way == "copy")
    before = copied.predict(x)
    if way != "copy":
        preparation.present(x, np.full((4, 3), 0.9), learn=True)
        np.testing.assert_array_equal(copied.predict(x), before)
    circuit = WAYS[way](preparation.circuit)
    np.testing.assert_array_equal(Preparation(circuit, 4, target="numpy").predict(x), preparation.predict(x))


@pytest.mark.parametrize("way", ["deepcopy", "pickle"])
def test_copies_learn_on_alike(preparation, x, way):
    """A copy in the midst of learning has the optimisers' states: both learn to the same weights, bit for bit."""
    y = np.full((4, 3), 0.5)
    preparation.present(x, y, learn=True)
    copied = WAYS[way](preparation)
    for each in (preparation, copied):
        each.present(x, y, learn=True)
    for key, arrays in preparation.circuit.weights.items():
        for k, W in arrays.items():
            np.testing.assert_array_equal(copied.circuit.weights[key][k], W)


def test_copies_keep_states_that_are_carried_over(x):
    """With reset = "carry" a copy goes on where the original is."""
    protocol = corinfomax.contrastive(reset="carry")
    preparation = Preparation(CorInfoMax([6, 5, 3]), 4, protocol=protocol, target="numpy")
    preparation.predict(x)
    copied = pickle.loads(pickle.dumps(preparation))
    np.testing.assert_array_equal(copied.predict(x), preparation.predict(x))


def test_what_a_presentation_does_cannot_be_copied_in_its_midst(preparation, x):
    """A hook that copies its preparation is told why not."""
    preparation.on_step.append(lambda moment: copy.copy(preparation))
    with pytest.raises(ParameterError, match="copy it when it is done"):
        preparation.predict(x)


def test_traces_and_states_are_copied_and_pickled(preparation, x):
    """Presentations and layers keep their arrays, units and phases."""
    shown = preparation.present(x, np.full((4, 3), 0.5))
    for way in WAYS.values():
        again = way(shown)
        np.testing.assert_array_equal(again.nudge.v_A[1], shown.nudge.v_A[1])
        assert repr(again) == repr(shown)


@pytest.mark.parametrize("way", WAYS)
def test_copies_of_runs_have_circuit_protocol_and_folder(tmp_path, monkeypatch, way):
    """A copied run predicts the same from any folder; its circuit, as it is in memory, knows its protocol."""
    monkeypatch.chdir(tmp_path)
    np.savez("toy.npz", **stimuli())
    settings = {"architecture": [6, 5, 3], "batch_size": 5, "epochs": 1, "target": "numpy", "free_steps": 12}
    run = corinfomax.train(stimuli="toy.npz", progress=False, **settings)
    x, y = run.stimuli.x_test, run.stimuli.y_test
    run.present(x[:2], y[:2], learn=True)
    copied = WAYS[way](run)
    np.testing.assert_array_equal(copied.predict(x), run.predict(x))
    monkeypatch.chdir("/")
    assert len(copied.history) == 1
    assert Preparation(WAYS[way](run.circuit)).protocol == run.protocol
    assert run.protocol.phases[0].steps == 12


def test_cells_from_a_file_are_pickled_by_its_path(tmp_path):
    """A circuit with custom cells of a module file is read in another process, which imports the file again."""
    (tmp_path / "mine.py").write_text(
        textwrap.dedent(
            """
            from corinfomax.models import HiddenPyramidal
            class Mine(HiddenPyramidal):
                pass
            """
        )
    )
    circuit = CorInfoMax([6, 5, 3], cell=f"{tmp_path / 'mine.py'}:Mine")
    (tmp_path / "circuit.pickle").write_bytes(pickle.dumps(circuit))
    code = "import pickle, sys; c = pickle.load(open(sys.argv[1], 'rb')); print(type(c.populations[2].cell).__name__)"
    words = [sys.executable, "-c", code, str(tmp_path / "circuit.pickle")]
    shown = subprocess.run(words, capture_output=True, text=True, check=True)
    kinds = [type(spec.cell).__name__ for spec in circuit.populations]
    assert shown.stdout.strip() == kinds[2]
    assert "Mine" in kinds


def test_a_copied_preparation_can_be_perturbed(preparation, x):
    """Perturbations act on a copy alone: silenced cells of the copy leave the original's predictions."""
    before = preparation.predict(x)
    copied = copy.copy(preparation)
    with Intervention(copied, [Silence("layer_1")]):
        assert not np.array_equal(copied.predict(x), before)
    np.testing.assert_array_equal(preparation.predict(x), before)


def test_a_protocol_that_was_used_pickles_as_before(preparation, x):
    """What protocols and phases compute and keep is no part of them: their pickles stay the same, byte for byte."""
    protocol = corinfomax.contrastive(beta=2.0)
    before = pickle.dumps(protocol)
    Preparation(preparation.circuit, 4, protocol=protocol, target="numpy").present(x, np.full((4, 3), 0.5))
    assert pickle.dumps(protocol) == before
    assert pickle.loads(before) == protocol


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("none", "none"),
        ([0.1, 0.2], "2 rates"),
        (Noise(0.5), "noise of deviation 0.5"),
        ({"drive_noise": {"deviation": 0.5}}, "drive_noise: noise of deviation 0.5"),
        ({"a.drive_noise": [1.0, 2.0, 3.0], "drive_noise": "noise"}, "a.drive_noise: 3 rates, drive_noise: noise"),
    ],
)
def test_a_protocol_tells_what_a_phase_shows(given, told):
    """Noise by what it is, also where a parameter file has it as a table; of arrays how many rates."""
    assert told in repr(Protocol([Phase("free", 3, input=given)]))
