"""What a worker does: it trains one run at a time, tells how far it is, and stops after a minibatch if told to."""

import functools
import hashlib
import threading
import time
from importlib.metadata import version
from pathlib import Path

from ... import __version__
from ...errors import FolderInUseError
from ..runs import Configuration
from ..runs.execution import Outcome, epochs_done, train
from ..runs.training import Report

#: Seconds between two messages of how far a run is, and between two looks at what has to be waited for.
_TELL_EVERY, _LOOK_EVERY = 1.0, 0.2
#: Folders of the package whose code decides about results.
_CODE = ("models", "networks", "stimuli", "protocols", "analysis")
#: Libraries that do, too.
_LIBRARIES = ("brian2", "numpy")

#: Brian2 simulates one thing at a time in a process, however many threads a worker has.
_one_at_a_time = threading.Lock()
#: Sweeps that were stopped.
_stopped: set[str] = set()


class _StoppedError(Exception):
    """The sweep was stopped; the checkpoint holds all that was done."""


@functools.cache
def versions() -> dict[str, str]:
    """Version of the package, digest of its code, and versions of the libraries that decide about numbers."""
    root = Path(__file__).resolve().parents[2]
    digest = hashlib.sha256()
    for path in sorted(path for folder in _CODE for path in (root / folder).rglob("*.py")):
        digest.update(str(path.relative_to(root)).encode() + path.read_bytes())
    found = {name: version(name) for name in _LIBRARIES}
    return {"corinfomax": __version__, "the code of corinfomax": digest.hexdigest()[:12], **found}


def fault(wanted: dict[str, str], mark: tuple[str, str]) -> str | None:
    """Say why this worker cannot take part in a sweep; None if it can.

    Parameters
    ----------
    wanted : dict of str to str
        The `versions` where the sweep was started.
    mark : tuple of str
        A file of the sweep's folder, and what it holds.
    """
    own = versions()
    for name, needed in wanted.items():
        if own.get(name) != needed:
            return f"has {name} {own.get(name)}, and the sweep {needed}"
    file, content = mark
    try:
        seen = Path(file).read_text(encoding="utf-8") == content
    except (OSError, UnicodeDecodeError):
        seen = False
    return None if seen else f"does not see {Path(file).parent}; sweep in a folder that all machines share"


def stop(token: str):
    """Stop the runs of a sweep after their present minibatch, and begin none of its runs any more."""
    _stopped.add(token)


def train_task(
    toml: str, folder: str, token: str, wanted: dict[str, str], mark: tuple[str, str]
) -> tuple[str | None, Outcome | None]:
    """Train a run to its end, from wherever it is.

    Parameters
    ----------
    toml : str
        Its configuration.
    folder : str
        Its folder, which is made here.
    token : str
        Of the sweep, by which it is stopped.
    wanted, mark
        As of `fault`.

    Returns
    -------
    str or None
        Why this worker cannot do it.
    Outcome or None
        What has become of the run; "begun" if the sweep was stopped.
    """
    if (reason := fault(wanted, mark)) is not None:
        return reason, None
    tell = _teller(Path(folder).name, token)
    while token not in _stopped:
        if not _one_at_a_time.acquire(timeout=_LOOK_EVERY):
            continue
        try:
            return None, train(Path(folder), Configuration.from_toml(toml, "sweep"), tell)
        except _StoppedError:
            break
        except FolderInUseError:  # by a worker that was taken for dead, and has not noticed yet
            pass
        finally:
            _one_at_a_time.release()
        time.sleep(_LOOK_EVERY)
    return None, Outcome("begun", epochs_done(Path(folder)))


def _teller(name: str, token: str):
    """Make a function that tells the scheduler how far a run is, and that raises where the sweep was stopped."""
    from distributed import get_worker

    worker, last = get_worker(), time.monotonic()

    def tell(report: Report):
        nonlocal last
        if token in _stopped:
            raise _StoppedError
        done = report.epoch if report.row is not None else report.epoch - 1 + report.batch / report.batches
        if time.monotonic() - last > _TELL_EVERY:
            last = time.monotonic()
            worker.log_event(token, {"run": name, "epochs": done})

    return tell
