"""What a recorder refuses, in one line each."""

import os

import numpy as np
import pytest

from corinfomax.errors import ParameterError, RunError, StimulusError
from corinfomax.networks import CorInfoMax
from corinfomax.protocols.clockwork import Preparation, contrastive
from corinfomax.protocols.recording import Selection, StreamRecorder, WeightSelection
from corinfomax.stimuli import Stimulus

SHORT = contrastive(free_steps=6, nudge_steps=4)


def circuit_of():
    """A circuit of two hidden layers."""
    return CorInfoMax([6, 5, 4, 3])


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Selection("layer_9", "u"), "no population 'layer_9'; there are stimulus, SST_1, layer_1"),
        (lambda: Selection("layer_1", "v_C"), "layer_1 has no variable 'v_C'; recordable: .*v_A"),
        (lambda: Selection("layer_1", ()), "layer_1: no variables"),
        (lambda: Selection("layer_1", 3), "variables = 3: must be a sequence of names"),
        (lambda: Selection("layer_3", "beta"), "layer_3: beta is recorded with every step"),
        (lambda: Selection("layer_1", ("u", "u")), "layer_1: variable 'u' is chosen twice"),
        (lambda: Selection("layer_1", "u", cells=5), "layer_1, cell 5: there are 0 to 4"),
        (lambda: Selection("layer_1", "u", cells=[0, -1]), "layer_1, cell -1: there are 0 to 4"),
        (lambda: Selection("layer_1", "u", cells=[1, 1]), "layer_1, cell: one is chosen twice"),
        (lambda: Selection("layer_1", "u", cells=[]), "layer_1, cell .*whole number"),
        (lambda: Selection("layer_1", "u", cells=0.5), r"layer_1, cell 0\.5: must be a whole number"),
        (lambda: Selection("layer_1", "u", replicas=2), "layer_1, replica 2: there are 0 to 1"),
        (lambda: Selection("layer_1", "u", phases="third"), "layer_1: no phase 'third'; the protocol has free, nudge"),
        (lambda: Selection("layer_1", "u", phases=("free", "free")), "phase 'free' is chosen twice"),
        (lambda: Selection("layer_1", "u", every=0), "layer_1: every = 0 must be a whole number, at least 1"),
        (lambda: Selection("layer_1", "u", every=1.5), r"every = 1\.5 must be"),
        (lambda: Selection("layer_1", "u", phases="nudge", every=5), "every = 5 records nothing; .* has 4 steps"),
        (lambda: [Selection("layer_1", "u"), Selection("layer_1", ("r", "u"))], "u of layer_1: chosen twice"),
        (lambda: [], "no selections"),
        (lambda: ["layer_1"], "str is no Selection"),
        (lambda: WeightSelection(("W_ff", 7)), r"no weights W_ff\[7\]; this circuit has W_ff\[0\]"),
        (lambda: WeightSelection(("W", 0)), r"no weights W\[0\]"),
        (lambda: WeightSelection("W_ff"), "weights = 'W_ff': must be a name and a number"),
        (lambda: WeightSelection(("W_ff", 0), post=5), r"W_ff\[0\], postsynaptic cell 5: there are 0 to 4"),
        (lambda: WeightSelection(("W_ff", 0), pre=[0, 6]), r"W_ff\[0\], presynaptic cell 6: there are 0 to 5"),
        (lambda: WeightSelection(("D", 1), pre=0), r"D\[1\] has one axis"),
        (lambda: WeightSelection(("D", 1), changes=True), r"no rule moves D\[1\].*rules move W_ff\[0\]"),
        (lambda: WeightSelection(("W_ff", 0), every=0), "W_ff_0: every = 0"),
        (lambda: [WeightSelection(("W_ff", 0)), WeightSelection(("W_ff", 0), post=1)], "weights W_ff_0: chosen twice"),
    ],
)
def test_bad_selections(tmp_path, build, message):
    """Whatever does not exist, or is chosen twice, is a `ParameterError` of one line, before anything is written."""
    preparation = Preparation(circuit_of(), replicas=2, protocol=SHORT)
    with pytest.raises(ParameterError, match=message) as caught:
        StreamRecorder(preparation, tmp_path / "a.h5", build())
    assert "\n" not in str(caught.value)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("a.npz", {}, r"a\.npz: must end in \.h5 or \.hdf5"),
        ("mine.h5", {}, r"mine\.h5: exists and is no recording"),
        ("a.h5", {"dtype": "float16"}, "dtype = 'float16': must be float32 or float64"),
        ("a.h5", {"dtype": "volts"}, "dtype = 'volts': must be float32 or float64"),
        ("a.h5", {"labels": [0.5]}, "labels must be whole numbers"),
        ("a.h5", {"labels": [0, 2], "class_names": ["a", "b"]}, "class_names must be one for each class that labels"),
        ("a.h5", {"class_names": ["a", "b"]}, "class_names must be one for each class that labels"),
        ("a.h5", {"labels": [0, -1]}, "labels must be whole numbers from 0"),
        ("a.h5", {"labels": [0], "class_names": "ab"}, "class_names is of type str; allowed is a sequence of names"),
        ("a.h5", {"labels": [0], "class_names": {"a": 0}}, "class_names is of type dict"),
        ("a.h5", {"labels": [0], "class_names": [b"a"]}, "class_names has b'a' at 0, which is no text"),
        ("a.h5", {"labels": [0], "class_names": [None]}, "class_names has None at 0, which is no text"),
        ("a.h5", {"labels": [0], "class_names": ["a\0"]}, "class_names has .* at 0; a name must have letters"),
        ("a.h5", {"labels": [0], "class_names": ["\ud800"]}, "class_names has .* at 0; a name must have letters"),
        ("a.h5", {"labels": [0], "class_names": [" "]}, "class_names has ' ' at 0; a name must have letters"),
        ("a.h5", {"block_bytes": 0}, "block_bytes = 0"),
    ],
)
def test_bad_recorders(tmp_path, name, changes, message):
    """Other endings, files of the user's, and options out of range are refused; the file stays, byte for byte."""
    (tmp_path / "mine.h5").write_bytes(b"mine")
    preparation = Preparation(circuit_of(), protocol=SHORT)
    with pytest.raises(ParameterError, match=message):
        StreamRecorder(preparation, tmp_path / name, Selection("layer_1", "u"), **changes)
    assert (tmp_path / "mine.h5").read_bytes() == b"mine"


def test_folders_that_are_not_there_and_labels_that_are_too_few(tmp_path):
    """No folder: a `RunError` of one line. A stimulus beyond the labels: a `ParameterError`; no file."""
    preparation = Preparation(circuit_of(), protocol=SHORT)
    with (
        pytest.raises(RunError, match=r"a\.h5: cannot be written"),
        StreamRecorder(preparation, tmp_path / "no" / "a.h5", Selection("layer_1", "u")),
    ):
        pass
    with (
        pytest.raises(ParameterError, match="stimulus 7 has no label; labels has 3 entries"),
        StreamRecorder(preparation, tmp_path / "a.h5", Selection("layer_1", "u"), labels=[0, 1, 2]),
    ):
        preparation.run([Stimulus(np.zeros((1, 6)), rows=np.array([7]))])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("rows", [[0], [0, 1.5], [0, -1], [[0, 1]], "ab"])
def test_bad_rows_of_stimuli(rows):
    """Rows that are not one whole number from 0 for each stimulus are a `StimulusError`."""
    preparation = Preparation(circuit_of(), replicas=2, protocol=SHORT)
    with pytest.raises(StimulusError, match="rows must be 2 whole numbers"):
        preparation.run([Stimulus(np.zeros((2, 6)), rows=rows)])
