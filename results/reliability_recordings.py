"""Recordings that are killed, or that a disk is too small for."""

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from reliability_places import SmallDisk
from reliability_runs import Child, Laboratory, Moment, Outcome, identical, temporaries
from reliability_trials import judged

from corinfomax.analysis import open_traces
from corinfomax.errors import CorInfoMaxError
from corinfomax.protocols.recording import Selection, StreamRecorder
from corinfomax.protocols.runs import Run
from corinfomax.stimuli import Stimulus

#: Endings of recordings, and how many are killed.
RECORDED = {"h5": 12, "csv": 5, "nwb": 5}
#: Presentations of twelve stimuli, and bytes that wait for the disk.
_PRESENTATIONS, _BLOCK = {"h5": 20, "csv": 4, "nwb": 4}, 20_000
#: What no two recordings have in common.
_OF_THE_CLOCK = {"identifier", "session_start_time", "file_create_date", "timestamps_reference_time"}


def record(lab: Laboratory, path: Path):
    """Record the run of `corinfomax`, in place of what is there; as often as a user would try."""
    run = Run(lab.reference("corinfomax")[0])
    ending = path.suffix.removeprefix(".")
    rows = np.tile(np.arange(12), (_PRESENTATIONS[ending], 1))
    if ending != "h5":
        path.unlink(missing_ok=True)
        run.record(path, rows.ravel(), replicas=12)
        return
    preparation, stimuli = run.preparation(12), run.stimuli
    chosen = [Selection("layer_1", ("V_soma", "V_basal", "V_apical")), Selection("SST_1", "V_soma")]
    with StreamRecorder(preparation, path, chosen, labels=stimuli.labels_test, block_bytes=_BLOCK):
        preparation.run(Stimulus(stimuli.x_test[n], stimuli.y_test[n], rows=n) for n in rows)


def reference(lab: Laboratory, ending: str) -> tuple[Path, Outcome]:
    """Give an undisturbed recording, and how it went."""
    key = (f"recording, {ending}", False)
    if key not in lab.references:
        lab.reference("corinfomax")
        for _ in range(2):  # the first compiles
            folder = lab.place()
            folder.mkdir()
            record(lab, folder / f"warm.{ending}")
            outcome = Child(lambda: record(lab, folder / f"a.{ending}"), folder).outcome()  # noqa: B023
        if outcome.kind != "done":
            raise RuntimeError(f"{ending}: {outcome}")
        lab.references[key] = folder, outcome
    return lab.references[key]


def recording_trial(
    lab: Laboratory, ending: str, seed: int, rng_of: Callable, room: float | None = None
) -> dict[str, Any]:
    """Kill a recording, or give it only a part of the room that it needs; then record again.

    Parameters
    ----------
    lab : Laboratory
    ending : str
        Of `RECORDED`.
    seed : int
    rng_of : callable
        Gives random numbers.
    room : float, optional
        Fraction of what it needs.
    """
    folder, whole = reference(lab, ending)
    place = lab.place()
    path = place / f"a.{ending}"
    if room is not None:
        size = int((2**21 + 2 * (folder / f"a.{ending}").stat().st_size) * (0.1 + room))
        with SmallDisk(place, size) as disk:
            first = Child(lambda: record(lab, path), first=disk.limit).outcome()
            told = {"moment": f"{size} bytes", "hits": int(first.kind == "refused"), "how": disk.how}
            if first.kind not in ("done", "refused"):
                return judged(first, "") | told
            lost = unreadable_promise(first.words)
            disk.enlarge()
            row = again(lab, path, folder, lost) | told
            return row | {"words": f"{row.get('words', '')} {first.words}".strip()}
    place.mkdir()
    moment = Moment.drawn(rng_of("record", ending, seed), whole.seconds, whole.events)
    child = Child(lambda: record(lab, path), place, moment)
    child.wait_until_moment()
    child.signal(signal.SIGKILL)
    ended, left = child.outcome(), temporaries(place)
    told = {"moment": str(moment), "hits": int(ended.kind == "killed"), "left": " ".join(left)}
    if ended.kind not in ("killed", "done"):
        return judged(ended, "") | told
    row = again(lab, path, folder, "") | told
    shutil.rmtree(place, ignore_errors=True)
    return row


def again(lab: Laboratory, path: Path, whole: Path, lost: str) -> dict[str, Any]:
    """Record again, and compare with the undisturbed recording."""
    outcome = Child(lambda: record(lab, path)).outcome()
    if outcome.kind != "done":
        return judged(outcome, lost)
    differing = lost or unlike(whole / path.name, path)
    if stray := [name for name in os.listdir(path.parent) if name != path.name and not is_whole(path.parent / name)]:
        differing = differing or f"leaves {stray[0]}"
    return judged(outcome, differing)


def is_whole(path: Path) -> bool:
    """Whether a file is a recording that can be read, such as one that an export was not done with."""
    try:
        open_traces(path).close()
    except CorInfoMaxError:
        return False
    return path.suffix == ".h5"


def unreadable_promise(words: str) -> str:
    """Name a file that a line says to hold what was recorded, if it cannot be read."""
    _, told, promised = words.rpartition("; what was recorded is in ")
    return "" if not told or is_whole(Path(promised)) else f"{Path(promised).name} cannot be read"


def unlike(one: Path, other: Path) -> str:
    """Say in what two recordings differ; "" if they do not."""
    if one.suffix == ".csv":
        return "" if one.read_bytes() == other.read_bytes() else "the table differs"
    with h5py.File(one) as a, h5py.File(other) as b:
        found = [set(), set()]
        for file, names in zip((a, b), found, strict=True):
            file.visititems(lambda name, item, names=names: names.add(name) if isinstance(item, h5py.Dataset) else None)
        if found[0] != found[1]:
            return f"{sorted(found[0] ^ found[1])[0]} is in one only"
        for name in sorted(found[0]):
            compared = a[name].dtype.names is None and h5py.check_ref_dtype(a[name].dtype) is None
            if compared and name.split("/")[-1] not in _OF_THE_CLOCK:
                first, second = np.asarray(a[name][()]), np.asarray(b[name][()])
                same = identical if first.dtype != object else np.array_equal
                if not same(first, second):
                    return f"{name} differs"
    return ""
