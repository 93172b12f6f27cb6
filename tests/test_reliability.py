"""`results/reliability.py`: its oracle, a kill, a fault that is told, inputs, and its page, on toys."""

import os
import shutil

import numpy as np
import pytest
from reliability import COLUMNS, PARTS, keep, read
from reliability_faults import killed
from reliability_fuzz import kinds, tried
from reliability_page import write_page
from reliability_runs import CASES, Child, Laboratory, differences

from corinfomax.errors import RunError
from corinfomax.protocols.runs import presets
from corinfomax.protocols.systems import MODELS
from corinfomax.toml import loads

CASE = "backpropagation"


@pytest.fixture(scope="module")
def laboratory(tmp_path_factory):
    """A laboratory whose undisturbed run needs no Brian2."""
    return Laboratory(tmp_path_factory.mktemp("laboratory"))


def test_every_system_of_the_registry_is_killed():
    """The cases name each model of the registry (definition)."""
    texts = (presets()[preset].read_text(encoding="utf-8") for preset, _ in CASES.values())
    assert {loads(text)["circuit"]["model"] for text in texts} == set(MODELS)


def test_a_killed_run_ends_as_an_undisturbed_one(laboratory):
    """Killed three times at random moments (seed 4) and taken up again: the same files, to the last bit."""
    row = killed(laboratory, CASE, 4)
    assert (row["result"], row["hits"]) == ("the same", 3)


def test_the_oracle_sees_a_bit_a_file_and_a_temporary_one(laboratory):
    """A weight that differs in its last bit, a file that is missing, a hidden one: each is told of."""
    reference, whole = laboratory.reference(CASE)
    assert whole.events > 40
    for damage in ("bit", "lacks", "has"):
        folder = shutil.copytree(reference, laboratory.place())
        if damage == "bit":
            with np.load(folder / "checkpoint.npz") as archive:
                arrays = dict(archive)
            arrays["weights/W/0"].view(np.uint32)[0, 0] ^= 1
            np.savez(folder / "checkpoint.npz", **arrays)
        elif damage == "lacks":
            (folder / "activity.npz").unlink()
        else:
            (folder / ".checkpoint.npz.12345678.npz").touch()
        assert damage.replace("bit", "weights/W/0") in differences(reference, folder)
    assert differences(reference, shutil.copytree(reference, laboratory.place())) == ""


def refuse(words):
    raise RunError(words)


@pytest.mark.parametrize(
    ("work", "kind"),
    [
        (lambda: 3, "done"),
        (lambda: refuse("a: b"), "refused"),
        (lambda: 1 / 0, "fault"),
        (lambda: os.write(2, b"Traceback (most recent call last)"), "fault"),
        (lambda: os.kill(os.getpid(), 9), "killed"),
    ],
)
def test_how_a_process_ended_is_told(work, kind):
    """A value, a line, an exception, a traceback on standard error, a crash (definition)."""
    assert Child(work).outcome().kind == kind


def test_a_process_that_hangs_is_ended():
    """One that does not end in time is killed, and told of."""
    assert Child(lambda: os.read(os.pipe()[0], 1)).outcome(longest=0.2).kind == "hung"


def test_damaged_inputs_are_read_or_refused(laboratory):
    """A few of some kinds, by the script's own function: each is counted, and none fails."""
    some = {"stimuli, bytes", "IDX", "history.csv, cells"}
    for name, kind in kinds(laboratory, circuits=False).items():
        if name in some:
            row = tried(laboratory, name, kind, batch=0, number=5)
            assert row["words"] == ""
            assert row["accepted"] + row["refused"] == row["inputs"] == 5


def test_rows_are_kept_and_shown(tmp_path, laboratory):
    """Rows are added, and read again as they were; the page of one row for each part has it in its sums."""
    path = tmp_path / "reliability.csv"
    for part in PARTS:
        keep({"part": part, "what": "a, b", "seed": 1, "result": "the same", "hits": 2}, path)
    kept = read(path)
    assert list(kept.columns) == COLUMNS
    assert kept["part"].tolist() == list(PARTS)
    write_page(kept, tmp_path)
    page = (tmp_path / "reliability.md").read_text(encoding="utf-8")
    assert "**2 kills** in 1 trials, of which 1 ended" in page
    assert "None." in page
