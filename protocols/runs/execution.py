"""Training one run of many: to the end, from wherever it is; a failure is kept, and not tried again."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...analysis import read_history
from ...analysis.files import make_folder, replacing
from ...errors import CorInfoMaxError, RunError
from .configuration import Configuration
from .folder import RunFolder
from .training import Report, Training

#: Written into a run's folder when it has failed, with the reason.
FAILURE = "failure.txt"


@dataclass(frozen=True)
class Outcome:
    """What became of a run.

    Parameters
    ----------
    status : {"finished", "failed", "begun", "missing"}
    epochs : int
        Epochs that are done.
    measures : dict
        Of a finished run, where it is measured.
    reason : str
        Of a failed one, in one line.
    """

    status: str
    epochs: int = 0
    measures: dict[str, Any] | None = None
    reason: str = ""


def outcome(path: Path, epochs: int) -> Outcome:
    """Find out what became of a run that was to last so many epochs; a `RunError` names damaged files."""
    if (path / FAILURE).exists():
        return Outcome("failed", epochs_done(path), reason=(path / FAILURE).read_text(encoding="utf-8").strip())
    if not (path / "config.toml").exists():
        return Outcome("missing")
    done = epochs_done(path)
    return Outcome("finished" if done >= epochs else "begun", done)


def train(
    path: Path,
    configuration: Configuration,
    report: Callable[[Report], object] = lambda report: None,
    complete: Callable[[RunFolder], object] = lambda folder: None,
) -> Outcome:
    """Train a run to the end, from wherever it is.

    Parameters
    ----------
    path : Path
        Its folder.
    configuration : Configuration
    report : callable
        As of `Training.run`.
    complete : callable
        Given the folder of a run that has come to its end, whatever fails in it fails the run.

    Returns
    -------
    Outcome

    Raises
    ------
    KeyboardInterrupt
        After Ctrl-C; the checkpoint then holds all that was done.
    RunError
        If the folder holds a run of other parameters, is in use, or is damaged.
    """
    found = outcome(path, configuration.training.epochs)
    if found.status == "failed":
        return found
    folder = RunFolder(path)
    if found.status != "missing":
        check_same(begun(path, configuration), configuration, path)
    try:
        if found.status != "finished":
            training = Training(configuration, folder, resume=found.status == "begun")
            if found.status == "missing":
                folder.create(configuration)
            training.run(report)
        complete(folder)
    except RunError:
        raise
    except CorInfoMaxError as error:
        make_folder(path)
        with replacing(path / FAILURE) as file:
            file.write((" ".join(str(error).split()) + "\n").encode())
    return outcome(path, configuration.training.epochs)


def begun(path: Path, wanted: Configuration) -> Configuration:
    """Configuration of a run that has begun; its code is trusted if it is that of the configuration wanted."""
    folder = RunFolder(path)
    return folder.configuration(trust=folder.has_code_of(wanted))


def epochs_done(path: Path) -> int:
    """Epochs in a run's history."""
    return len(read_history(path)) if (path / "history.csv").exists() else 0


def check_same(there: Configuration, wanted: Configuration, path: Path):
    """Raise a `RunError` that names the first key by which a run that has begun differs from the one wanted."""
    if (found := wanted.difference(there)) is not None:
        key, needed, before = found
        raise RunError(
            f"{path}: was begun with {key} = {before}, and is now to have {needed}; choose another --out, or "
            "remove this folder"
        )
