"""Runs that faults are put into: toys that every system of the registry learns, in processes that may be killed."""

import contextlib
import json
import os
import select
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
import numpy as np
import pandas as pd
import psutil

import corinfomax
from corinfomax.errors import CorInfoMaxError

#: Presets and settings for 48 toy stimuli of 6 inputs: one or more of each system of the registry.
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "corinfomax": ("digits", {"initial_gain_ff": 1.0}),
    "corinfomax, noise": (
        "digits",
        {"noise_soma": 0.3, "noise_SST": 0.1, "jitter": 0.4, "tau_B": 2.0, "reset": "carry"},
    ),
    "corinfomax, sparse": ("sparse_mnist", {"constraints": "enforced"}),
    "corinfomax, regularised": ("digits", {"lateral_rule": "regularised", "lateral_refresh": 4}),
    "corinfomax, spiking": (
        "digits_spiking",
        {"free_steps": 20, "nudge_steps": 20, "spikes_read": 10, "sst_every": 20},
    ),
    "corinfomax, phase-free": ("digits_phase_free", {"settle_steps": 10, "cycle_steps": 20}),
    "equilibrium": ("digits_ep", {}),
    "contrastive_matching": ("digits_csm", {}),
    "predictive_coding": ("digits_pc", {"steps": 12}),
    "nudged_predictive_coding": ("digits_pc_nudge", {"steps": 12}),
    "reciprocal_feedback": ("digits_rf", {"initial_noise": 5}),
    "similarity_matching": ("digits_psp", {"architecture": [6, 3], "steps": 40}),
    "nonnegative_similarity_matching": ("digits_nsm", {"architecture": [6, 3], "steps": 40}),
    "foldiak": ("subspace_foldiak", {"architecture": [6, 3], "steps": 10}),
    "feedback_alignment": ("digits_fa_ce", {}),
    "backpropagation": ("digits_bp_mse", {}),
}
_TOYS = {
    "architecture": [6, 5, 3], "scale": "none", "batch_size": 5, "test_replicas": 12, "epochs": 3, "target": "numpy",
}  # fmt: skip
#: Columns of the history that no two runs have in common.
_OF_THE_CLOCK = ["seconds", "evaluation_seconds"]
#: What Python tells of, by its audit events, before it changes a file or folder.
_FILE_EVENTS = {"open", "os.rename", "os.remove", "os.mkdir", "os.chmod"}
#: Seconds after which a process is taken for one that hangs.
LONGEST = 600.0


@dataclass
class Outcome:
    """How a process ended.

    Parameters
    ----------
    kind : str
        "done"; "refused", with one line of an error of the package; "interrupted"; "killed"; "hung"; or "fault":
        anything else, a traceback on standard error among it.
    words : str
        The line.
    seconds : float
    events : int
        Changes of files that it made.
    value : object
        What its work returned, as JSON holds it.
    """

    kind: str
    words: str = ""
    seconds: float = 0.0
    events: int = 0
    value: Any = None


class FileEvents:
    """Counts changes of files below a folder, and does something before one of them."""

    def __init__(self, folder: Path, at: int | None = None, act: Callable[[], object] = lambda: None):
        self._folder, self._at, self._act, self.count = str(folder), at, act, 0

    def __call__(self, event: str, arguments: tuple):
        """Take an audit event."""
        if event in _FILE_EVENTS and isinstance(arguments[0], str) and arguments[0].startswith(self._folder):
            self.count += 1
            if self.count == self._at:
                self._act()


@dataclass
class Moment:
    """When something happens to a process: after a time, or at its n-th change of a file.

    Parameters
    ----------
    how : str
        "time"; "before" the n-th change; or "after" it began, by some milliseconds.
    at : float
        Seconds, or n.
    delay : float
        Seconds after the n-th change.
    """

    how: str
    at: float
    delay: float = 0.0

    @classmethod
    def drawn(cls, rng: np.random.Generator, seconds: float, events: int) -> "Moment":
        """Draw one within the duration, and the number of changes, of an undisturbed process."""
        how = str(rng.choice(["time", "before", "after"], p=[0.4, 0.3, 0.3]))
        if how == "time" or events == 0:
            return cls("time", round(float(rng.uniform(0, seconds)), 4))
        return cls(how, int(rng.integers(1, events + 1)), round(float(rng.exponential(0.002)), 5))

    def __str__(self) -> str:
        return f"{self.at:.3f} s" if self.how == "time" else f"{self.how} change {self.at:.0f}"


class Child:
    """A process that was forked off to do some work, with everything imported and compiled.

    Parameters
    ----------
    work : callable
        Its value is told, if JSON can hold it.
    folder : Path, optional
        Whose files' changes are counted.
    moment : Moment, optional
        When it is to be killed, or, for "after" and "time", when `wait_until` comes back.
    first : callable
        What it does first, such as to give up its rights.
    """

    def __init__(
        self,
        work: Callable[[], Any],
        folder: Path | None = None,
        moment: Moment | None = None,
        first: Callable[[], object] = lambda: None,
    ):
        self._reader, writer = os.pipe()
        self._moment, self._began, self._told, self._ended = moment, time.monotonic(), b"", False
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._reader)
            _be_child(writer, work, folder, moment, first)
        os.close(writer)

    def wait_until_moment(self):
        """Come back when the moment has come, or the process has ended."""
        if self._moment.how == "time":
            self._read_until(self._began + self._moment.at)
        else:
            self._read_until(self._began + LONGEST, marked=True)
            if self._moment.how == "after" and not self._ended:
                time.sleep(self._moment.delay)

    def until(self, seconds: float):
        """Come back so many seconds after the process has begun, or when it has ended."""
        self._read_until(self._began + seconds)

    def signal(self, number: int):
        """Send a signal, if the process is still there."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def outcome(self, longest: float = LONGEST) -> Outcome:
        """Wait for the end."""
        self._read_until(self._began + longest)
        hung = not self._ended
        if hung:
            self.signal(signal.SIGKILL)
            self._read_until(time.monotonic() + 10)
        os.waitpid(self.pid, 0)
        os.close(self._reader)
        seconds, told = time.monotonic() - self._began, self._told.replace(b"!", b"")
        if hung:
            return Outcome("hung", f"does not end within {longest:g} s", seconds)
        if not told:
            return Outcome("killed", seconds=seconds)
        return Outcome(**json.loads(told), seconds=seconds)

    def _read_until(self, deadline: float, marked: bool = False):
        while not self._ended and not (marked and b"!" in self._told):
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._reader], [], [], left)[0]:
                return
            read = os.read(self._reader, 2**16)
            self._told, self._ended = self._told + read, not read


def _be_child(writer: int, work, folder, moment, first):
    """Do the work in the process that was forked, and end it."""
    complaints = tempfile.TemporaryFile()  # noqa: SIM115
    os.dup2(complaints.fileno(), 1)
    os.dup2(complaints.fileno(), 2)
    marks = {"before": lambda: os.kill(os.getpid(), signal.SIGKILL), "after": lambda: os.write(writer, b"!")}
    events = None
    try:
        if folder is not None:
            number = moment.at if moment is not None and moment.how in marks else None
            events = FileEvents(folder, number, marks.get(moment.how if moment else ""))
            sys.addaudithook(events)
        first()
        told = {"kind": "done", "value": work()}
    except CorInfoMaxError as error:
        told = {"kind": "refused" if len(str(error).splitlines()) == 1 else "fault", "words": str(error)}
    except KeyboardInterrupt:
        told = {"kind": "interrupted"}
    except BaseException as error:
        told = {"kind": "fault", "words": f"{type(error).__name__}: {error}"}
    with contextlib.suppress(BaseException):
        sys.stderr.flush()
        complaints.seek(0)
        text = complaints.read().decode(errors="replace")
        if "Traceback" in text or "Exception ignored" in text:
            told = {"kind": "fault", "words": text[-1000:]}
    told["events"] = events.count if events else 0
    told["words"] = " ".join(str(told.get("words", "")).split())
    os.write(writer, json.dumps(told).encode())
    os._exit(0)


@dataclass
class Laboratory:
    """Toys, and what undisturbed runs of them come to.

    Parameters
    ----------
    root : Path
        Folder to work in.

    Attributes
    ----------
    references : dict
        Folders of undisturbed runs, and how these went, by case and whether figures are drawn.
    """

    root: Path
    references: dict[tuple[str, bool], tuple[Path, Outcome]] = field(default_factory=dict)
    _made: int = 0

    def __post_init__(self):
        self.root.chmod(0o755)  # for processes of other users
        rng = np.random.default_rng(0)
        x = rng.uniform(size=(60, 6))
        (self.root / "stimuli").mkdir()
        np.savez(self.root / "stimuli" / "toy.npz", x=x, y=np.argmax(x[:, :3] + x[:, 3:], axis=1))

    def place(self) -> Path:
        """Path at which nothing is yet."""
        self._made += 1
        return self.root / f"place_{self._made}"

    def settings(self, case: str) -> dict[str, Any]:
        """All keys that a case sets."""
        toys = {**_TOYS, "stimuli": str(self.root / "stimuli" / "toy.npz"), **CASES[case][1]}
        if CASES[case][0] in ("digits", "digits_phase_free", "digits_spiking", "sparse_mnist"):
            toys.setdefault("initial_gain_ff", 1.0)
            toys["bias"] = False
        return toys

    def train(self, case: str, folder: Path, figures: bool = False):
        """Begin the run, or take it up again where it was begun; as a user would after a fault."""
        if (os.path.exists(folder) and not os.access(folder, os.X_OK)) or os.path.exists(folder / "config.toml"):
            run = corinfomax.train(out=folder, resume=True, progress=False)
        else:
            run = corinfomax.train(CASES[case][0], out=folder, progress=False, **self.settings(case))
        if figures:
            run.figures()

    def draw(self, folder: Path):
        """Draw a run's figures, as far as it is."""
        corinfomax.Run(folder).figures()

    def record(self, folder: Path):
        """Record of a run, as far as it is, into a file elsewhere."""
        corinfomax.Run(folder).record(self.place().with_suffix(".h5"), range(12))

    def reference(self, case: str, figures: bool = False) -> tuple[Path, Outcome]:
        """Folder of an undisturbed run, and how it went; the code is compiled here first, for all later processes."""
        if (case, figures) not in self.references:
            warm = self.place()
            self.train(case, warm, figures)
            folder = self.place()
            outcome = Child(lambda: self.train(case, folder, figures), folder).outcome()
            if outcome.kind != "done" or (differing := differences(warm, folder)):
                raise RuntimeError(f"{case}: {outcome if outcome.kind != 'done' else differing}")
            shutil.rmtree(warm)
            self.references[case, figures] = folder, outcome
        return self.references[case, figures]


def differences(reference: Path, folder: Path) -> str:
    """Say how a run differs from the undisturbed one, seconds apart; "" if it does not.

    That is: other files, files under hidden names, or other numbers, to the last bit.

    Parameters
    ----------
    reference, folder : Path
    """
    names = [{str(path.relative_to(root)) for path in root.rglob("*")} for root in (reference, folder)]
    if other := sorted((names[0] ^ names[1]) - {".lock"}):
        return f"has {other[0]}" if other[0] in names[1] else f"lacks {other[0]}"
    for name in sorted(names[0]):
        one, two = reference / name, folder / name
        if name.endswith(".npz"):
            with np.load(one) as a, np.load(two) as b:
                keys = [key for key in a.files if key not in b.files or not identical(a[key], b[key])]
                if keys or set(a.files) != set(b.files):
                    return f"{name} differs in {keys or set(b.files) - set(a.files)}"
        elif name == "history.csv":
            tables = [pd.read_csv(path).drop(columns=_OF_THE_CLOCK) for path in (one, two)]
            if not tables[0].equals(tables[1]):
                return f"{name} differs"
        elif one.is_file() and name not in ("environment.json", ".lock") and one.read_bytes() != two.read_bytes():
            return f"{name} differs"
    return ""


def identical(one: np.ndarray, two: np.ndarray) -> bool:
    """Whether two arrays are the same, bit for bit."""
    return one.dtype == two.dtype and one.shape == two.shape and one.tobytes() == two.tobytes()


def temporaries(folder: Path) -> list[str]:
    """Names of hidden files below a folder, locks apart."""
    found = [path.name for path in folder.rglob(".*") if path.suffix != ".lock"] if folder.exists() else []
    found = [name for name in found if name != ".lock"]
    return sorted(".".join(name.split(".")[:-2]) or name for name in found)


def memory() -> int:
    """Bytes of address space that this process has."""
    return psutil.Process().memory_info().vms
