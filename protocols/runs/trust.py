"""Code that a run folder holds or names: it may be a stranger's, and is imported only if the user trusts it."""

import importlib.util
from collections.abc import Iterable
from pathlib import Path

from ...errors import RunError
from .paths import module_file

#: Beside a configuration these show that a folder is a run's.
_OF_RUNS = ("environment.json", "history.csv", "checkpoint.npz")


def check_trusted(references: Iterable[str], source: str | Path, folder: Path | None = None):
    """Refuse code that lies in a run folder, before anything of it is imported.

    Parameters
    ----------
    references : iterable of str
        ``"path/module.py:NAME"`` or ``"module:NAME"``.
    source : str or Path
        What names them, for the error.
    folder : Path, optional
        The run folder that names them: then no file is trusted, wherever it lies, and of modules that are imported by
        their names none that lies in this folder.

    Raises
    ------
    RunError
        In one line that names the code and how to trust it.
    """
    for reference in references:
        file = module_file(reference)
        places = _installed(reference) if file is None else [file]
        if (file is not None and folder is not None) or any(_in_run(place, folder) for place in places):
            raise RunError(
                f"{source}: {reference} is code of a run folder, which can do all that you can; look at it, and if you "
                "trust it, add --trust (in Python trust=True)"
            )


def _in_run(place: Path, folder: Path | None) -> bool:
    own = [] if folder is None else [folder.resolve()]
    parents = place.resolve().parents
    return any(parent in own or is_run_folder(parent) for parent in parents)


def is_run_folder(path: Path) -> bool:
    """Whether a folder is a run's."""
    return (path / "config.toml").is_file() and any((path / name).is_file() for name in _OF_RUNS)


def _installed(reference: str) -> list[Path]:
    """Where the package lies that a module is part of; found without importing it."""
    package = reference.rpartition(":")[0].partition(".")[0]
    try:
        spec = importlib.util.find_spec(package) if package else None
    except (ImportError, ValueError):
        return []
    if spec is None:
        return []
    places = [*(spec.submodule_search_locations or ()), *([spec.origin] if spec.has_location and spec.origin else [])]
    return [Path(place) for place in places]
