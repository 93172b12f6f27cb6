"""What runs are called where they stand side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..runs.sections import IMMATERIAL

if TYPE_CHECKING:
    from ..runs import Run


def names_of(runs: Sequence[Run]) -> list[str]:
    """Name the rule of each run: those that differ in nothing but their seed share the name of the first one's folder.

    As much of its path as tells it from the others.

    Parameters
    ----------
    runs : sequence of Run
    """
    kinds = []
    for run in runs:
        settings = run.configuration.to_dict()
        kinds.append(repr({section: _material(keys) for section, keys in settings.items()}))
    first = {kind: runs[kinds.index(kind)].folder.path.resolve() for kind in kinds}
    names = dict(zip(first, shortest(list(first.values())), strict=True))
    return [names[kind] for kind in kinds]


def shortest(paths: Sequence[Path]) -> list[str]:
    """Give as much of the end of each path as tells it from the others that differ from it.

    Parameters
    ----------
    paths : sequence of Path
    """
    names = []
    for path in paths:
        others = [other.parts for other in paths if other != path]
        tails = (path.parts[-n:] for n in range(1, len(path.parts) + 1))
        names.append("/".join(next(tail for tail in tails if tail not in [other[-len(tail) :] for other in others])))
    return names


def _material(keys: dict) -> dict:
    """Leave out what does not decide about a rule."""
    return {key: value for key, value in keys.items() if key == "epochs" or key not in (*IMMATERIAL, "seed")}
