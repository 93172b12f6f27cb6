"""Training one run of a comparison to the end, and measuring it there."""

import json
from dataclasses import replace
from pathlib import Path

from ...errors import RunError
from ..interruption import let_through
from ..runs import Configuration, Run, RunFolder, execution
from ..runs.execution import Outcome
from .measures import MEASURED, measure

#: Written into a run's folder when it is finished, with its numbers.
MEASURES = "measures.json"


def outcome(path: Path, epochs: int) -> Outcome:
    """Find out what became of a run that was to last so many epochs; a `RunError` names damaged files.

    A run is finished when it is measured, too.
    """
    found = execution.outcome(path, epochs)
    if found.status != "finished":
        return found
    measures = _measures(path)
    if measures is None or measures["epochs"] != found.epochs:
        return replace(found, status="begun")
    return replace(found, measures=measures)


def _measures(path: Path) -> dict | None:
    file = path / MEASURES
    if not file.exists():
        return None
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        if missing := [name for name in MEASURED if name not in found]:
            raise ValueError(f"it has no {missing[0]}")
    except (ValueError, TypeError) as error:
        raise RunError(f"{file}: cannot be read ({error}); remove it to measure again") from None
    return found


def in_process(path: Path, configuration: Configuration) -> Outcome:
    """Train as `train` does, in a process that may have been started while Ctrl-C was held back."""
    let_through()
    return train(path, configuration)


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
    KeyboardInterrupt, RunError
        As of `runs.execution.train`.
    """
    found = outcome(path, configuration.training.epochs)
    if found.status in ("finished", "failed"):
        return found

    def complete(folder: RunFolder):
        folder.write_json(MEASURES, measure(Run(path, trust=folder.has_code_of(configuration))))

    execution.train(path, configuration, complete=complete)
    return outcome(path, configuration.training.epochs)
