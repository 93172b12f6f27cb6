"""Training one run of a comparison: to the end, from wherever it is; a failure is kept, and not tried again."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...analysis import read_history
from ...analysis.files import make_folder, replacing
from ...errors import CorInfoMaxError, RunError
from ..runs import Configuration, Run, RunFolder, Training
from .measures import MEASURED, measure

#: Written into a run's folder when it has failed, with the reason, and when it is finished, with its numbers.
FAILURE, MEASURES = "failure.txt", "measures.json"


@dataclass(frozen=True)
class Outcome:
    """What became of a run.

    Parameters
    ----------
    status : {"finished", "failed", "begun", "missing"}
    epochs : int
        Epochs that are done.
    measures : dict
        Of a finished run, as `measure` gives them.
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
        return Outcome("failed", _epochs(path), reason=(path / FAILURE).read_text(encoding="utf-8").strip())
    if not (path / "config.toml").exists():
        return Outcome("missing")
    done = _epochs(path)
    if done >= epochs and (path / MEASURES).exists():
        try:
            found = json.loads((path / MEASURES).read_text(encoding="utf-8"))
            if missing := [name for name in MEASURED if name not in found]:
                raise ValueError(f"it has no {missing[0]}")
        except (ValueError, TypeError) as error:
            raise RunError(f"{path / MEASURES}: cannot be read ({error}); remove it to measure again") from None
        if found["epochs"] == done:
            return Outcome("finished", done, found)
    return Outcome("begun", done)


def train(path: Path, configuration: Configuration) -> Outcome:
    """Train a run to the end, from wherever it is, and measure it.

    Parameters
    ----------
    path : Path
        Its folder.
    configuration : Configuration

    Returns
    -------
    Outcome

    Raises
    ------
    KeyboardInterrupt
        After Ctrl-C; the checkpoint then holds all that was done.
    RunError
        If the folder holds a run of other parameters, or is damaged.
    """
    found = outcome(path, configuration.training.epochs)
    if found.status in ("finished", "failed"):
        return found
    folder = RunFolder(path)
    if found.status == "begun":
        _check_same(folder.configuration(trust=folder.has_code_of(configuration)), configuration, path)
    try:
        training = Training(configuration, folder, resume=found.status == "begun")
        if found.status == "missing":
            folder.create(configuration)
        training.run()
        folder.write_json(MEASURES, measure(Run(path, trust=folder.has_code_of(configuration))))
    except RunError:
        raise
    except CorInfoMaxError as error:
        make_folder(path)
        with replacing(path / FAILURE) as file:
            file.write((" ".join(str(error).split()) + "\n").encode())
    return outcome(path, configuration.training.epochs)


def _epochs(path: Path) -> int:
    return len(read_history(path)) if (path / "history.csv").exists() else 0


def _check_same(there: Configuration, wanted: Configuration, path: Path):
    """Raise a `RunError` that names the first key by which a run that has begun differs from the one wanted."""
    if (found := wanted.difference(there)) is not None:
        key, needed, before = found
        raise RunError(
            f"{path}: was begun with {key} = {before}, and is now to have {needed}; choose another --out, or "
            "remove this folder"
        )
