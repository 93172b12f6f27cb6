"""Checkpoints that are damaged: each is refused in one line, wherever the damage is."""

import numpy as np
import pytest
from toys import stimuli

from corinfomax.errors import RunError
from corinfomax.protocols.runs import Configuration, RunFolder, Training


@pytest.fixture
def damaged(tmp_path):
    """Finish a run of one epoch and return a function that resumes it from changed bytes of its checkpoint."""
    np.savez(tmp_path / "toy.npz", **stimuli())
    toys = (f"stimuli={tmp_path / 'toy.npz'}", "architecture=[6,5,3]", "batch_size=5", "test_replicas=12")
    configuration = Configuration.read("digits", [*toys, "epochs=1", "forgetting=0.99", "target=numpy"])
    folder = RunFolder(tmp_path / "run")
    folder.create(configuration)
    training = Training(configuration, folder)
    training.run()
    path = training.folder.path / "checkpoint.npz"

    def resume(data):
        path.write_bytes(data)
        return Training(training.configuration, training.folder, resume=True)

    return path, resume


def test_a_truncated_checkpoint_is_refused_wherever_it_is_cut(damaged):
    """At 60 lengths from 0 bytes to all but one: one line that names the file."""
    path, resume = damaged
    good = path.read_bytes()
    for length in np.linspace(0, len(good) - 1, 60).astype(int):
        with pytest.raises(RunError) as caught:
            resume(good[:length])
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)
    assert resume(good).epoch == 1


def test_flipped_bytes_are_noticed(damaged):
    """Each 17th byte inverted in turn: refused in one line, or the arrays that are read are those written, exactly."""
    path, _ = damaged
    good, folder = path.read_bytes(), RunFolder(path.parent)
    arrays = folder.arrays("checkpoint.npz")
    positions = range(0, len(good), 17)
    refused = []
    for position in positions:
        path.write_bytes(good[:position] + bytes([good[position] ^ 0xFF]) + good[position + 1 :])
        try:
            read = folder.arrays("checkpoint.npz")
        except RunError as error:
            refused.append(str(error))
        else:
            assert all(np.array_equal(read[key], arrays[key]) for key in read.keys() & arrays.keys())
    assert len(refused) > 0.8 * len(positions)
    assert all(message.startswith(str(path)) for message in refused)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("weights/W_ff/0", None),
        ("weights/W_ff/0", np.zeros((2, 2))),
        ("weights/W_ff/0", np.full((5, 6), np.nan)),
        ("weights/B/2", np.full((3, 3), np.inf)),
        ("state/layer_1/u", None),
        ("epoch", None),
        ("epoch", np.array("one")),
        ("epoch", np.arange(3)),
        ("epoch", np.array(np.inf)),
        ("epoch", np.array(-1)),
        ("batch", np.array(4)),
        ("batch", np.array(0.5)),
        ("weights/W_ff/0", np.full((5, 6), 1j)),
        ("weights/W_ff/0", np.full((5, 6), "1")),
        ("state/layer_1/u", np.full((5, 5), np.nan, np.float32)),
        ("configuration", None),
        ("configuration", np.array("[circuit")),
        ("configuration", np.array("[circuit]\nunknown = 3")),
        ("stimuli", None),
        ("unlearnt", np.array([7])),
        ("unlearnt", np.array(1)),
        ("unlearnt", np.array(["a"])),
    ],
)
def test_a_checkpoint_with_a_wrong_array_is_refused(damaged, key, value):
    """An array that is missing, misshapen, not finite or nonsense: one line that names the file as damaged."""
    path, resume = damaged
    with np.load(path) as archive:
        arrays = {name: archive[name] for name in archive.files if name != key}
    if value is not None:
        arrays[key] = value
    np.savez(path, **arrays)
    with pytest.raises(RunError, match="damaged") as caught:
        resume(path.read_bytes())
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_checkpoint_or_history_is_named(damaged):
    """Without checkpoint.npz, or with a history of fewer epochs, resuming is refused with the file's name."""
    path, resume = damaged
    good = path.read_bytes()
    history = path.with_name("history.csv")
    whole = history.read_text()
    row = whole.splitlines()[-1]
    for text in (
        whole.replace("\n1,", "\n7,"),
        whole + row + "\n",
        "epoch\nnonsense\n",
        "epoch\n1\n",
        whole[:-9],
        whole[: whole.rindex(",")] + "\n",
    ):
        history.write_text(text)
        with pytest.raises(RunError, match=r"history\.csv") as caught:
            resume(good).run()
        assert "\n" not in str(caught.value)
        assert history.read_text() == text
    path.unlink()
    with pytest.raises(RunError, match=r"checkpoint\.npz"):
        Training(RunFolder(path.parent).configuration(), RunFolder(path.parent), resume=True)
    history.unlink()
    assert resume(good).evaluate()
