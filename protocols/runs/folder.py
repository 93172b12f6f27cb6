"""Run folders: what a run writes, and how none of it is lost."""

import contextlib
import glob
import json
import os
import platform
import subprocess
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import IO

import numpy as np
import tomli_w

from ... import __version__
from ...analysis import read_history
from ...analysis.archives import read_archive
from ...analysis.files import (
    PERTURBATIONS,
    free_path,
    is_there,
    is_unused,
    locked_folder,
    make_folder,
    remove_remains,
    replacing,
)
from ...errors import RunError
from . import paths, reading
from .configuration import Configuration
from .loading import KEPT

#: Files that are written here by training, and by nobody else while it lasts.
_WRITTEN = (
    *("config.toml", KEPT, "environment.json", "history.csv", "checkpoint.npz", PERTURBATIONS),
    *("circuit.json", "activity.npz", "recording.npz", "failure.txt", "measures.json"),
)


class RunFolder:
    """A run's folder: ``config.toml``, ``environment.json``, ``history.csv``, ``checkpoint.npz`` and ``figures/``.

    Every file is written beside its place and then moved there, so a full disk or a kill leaves the old one whole.

    Parameters
    ----------
    path : path-like

    Raises
    ------
    RunError
        In one line, for files that are missing, damaged or cannot be written.
    """

    def __init__(self, path):
        if not isinstance(path, str | os.PathLike) or not os.fspath(path):
            raise RunError(f"{path!r} is not the path of a folder")
        self.path = Path(os.path.expanduser(path))  # the shell leaves that of --out=~/run to us

    def create(self, configuration: Configuration):
        """Make the folder and write configuration and environment.

        A folder that holds anything is refused, but for what a process has left that was killed before it had written
        the configuration. Of two processes that begin at the same time the second one finds the folder taken.
        """
        self._check_unused(configuration)
        make_folder(self.path)
        with self.locked():
            self._check_unused(configuration)
            self.write_configuration(configuration)
            self.write_json("environment.json", _environment(configuration.training.seed))

    def _check_unused(self, configuration: Configuration):
        copies = [module.name for module in configuration.modules if self._is_copied(module)]
        if configuration.loaded_from.is_saved(self.path):
            copies.append(KEPT)
        if is_unused(self.path, *copies):
            return
        if self.has("config.toml"):
            raise RunError(f"{self.path}: exists; continue it with --resume, or choose another folder with --out")
        what = "holds files that are no run's" if self.path.is_dir() else "is no folder"
        raise RunError(f"{self.path}: {what}; choose another folder with --out")

    def _is_copied(self, module: Path) -> bool:
        copy = self.path / module.name
        return copy.is_file() and copy.read_bytes() == module.read_bytes()

    def note_resumption(self, configuration: Configuration):
        """Add versions, revision and machine to ``environment.json``, under ``resumed``."""
        path, now = self.path / "environment.json", _environment(configuration.training.seed)
        try:
            text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else "{}"
        except OSError as error:
            raise RunError(f"{path}: cannot be read ({error.strerror})") from None
        try:
            environment = json.loads(text)
            environment["resumed"] = [*environment.get("resumed", []), now]
        except (ValueError, TypeError, AttributeError):
            environment = {"damaged": text, "resumed": [now]}
        self.write_json("environment.json", environment)

    def write_configuration(self, configuration: Configuration):
        """Write ``config.toml``, with every key resolved, and what it names beside it.

        That is copies of the modules with code of one's own, and stimuli that were given in memory.

        Raises
        ------
        RunError
            If a module is not the one that the run has a copy of: a run keeps its code.
        """
        for module in configuration.modules:
            source, copy = module.read_bytes(), self.path / module.name
            if not copy.exists():
                self._write(module.name, lambda file, source=source: file.write(source))
            elif copy.read_bytes() != source:
                raise RunError(f"{module}: differs from {copy}, which this run's code is from")
        if not configuration.loaded_from.is_saved(self.path):
            configuration.loaded_from.save(self._write)
        self._write("config.toml", lambda file: file.write(tomli_w.dumps(configuration.beside_modules()).encode()))

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from training into this folder; a `RunError` says that one does.

        What a process has left that was killed while it wrote is removed.
        """
        with locked_folder(self.path, "trains into this folder"):
            remove_remains(self.path, lambda name: name in _WRITTEN or name.endswith(".py"))
            remove_remains(self.path / "figures")
            yield

    def configuration(self, trust: bool = False) -> Configuration:
        """Return the configuration of the run.

        Parameters
        ----------
        trust : bool, default False
            Whether code that the folder holds or names may be imported; without it a `RunError` says so.
        """
        path = self.path / "config.toml"
        if not self.has("config.toml"):
            raise RunError(f"{self.path}: not a run folder (no config.toml)")
        return Configuration.read(path, trust=trust, folder=self.path)

    def has_code_of(self, configuration: Configuration) -> bool:
        """Whether the code that the folder names is that of a configuration, module by module and byte by byte."""
        own = configuration.references
        for reference in paths.strings(reading.read(self.path / "config.toml").get("circuit", {})):
            found = paths.beside(reference, self.path)
            if ":" in found and found not in own:
                file, same = paths.module_file(found), [each for each in own if paths.named(each) == paths.named(found)]
                if file is None or not same or paths.module_file(same[0]).read_bytes() != file.read_bytes():
                    return False
        return True

    def write_history(self, rows: list[dict]):
        """Write ``history.csv``, one row an epoch."""
        import pandas as pd

        self._write("history.csv", lambda file: pd.DataFrame(rows).to_csv(file, index=False))

    def history(self) -> list[dict]:
        """Rows of ``history.csv``; none if there is no file yet."""
        if not self.has("history.csv"):
            return []
        return read_history(self.path).to_dict("records")

    def versions(self) -> dict[str, str]:
        """Versions of the packages that the run was begun with; none if ``environment.json`` is missing or damaged."""
        try:
            environment = json.loads((self.path / "environment.json").read_text(encoding="utf-8"))
            return {str(package): str(version) for package, version in environment["versions"].items()}
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            return {}

    def write_perturbations(self, text: str):
        """Write ``perturbations.toml``."""
        self._write(PERTURBATIONS, lambda file: file.write(text.encode()))

    def write_arrays(self, name: str, arrays: dict):
        """Write an archive, such as ``checkpoint.npz``."""
        self._write(name, lambda file: np.savez(file, **arrays))

    def write_json(self, name: str, values: dict):
        """Write plain values, such as ``circuit.json``."""
        self._write(name, lambda file: file.write(json.dumps(values, indent=2).encode()))

    def arrays(self, name: str) -> dict[str, np.ndarray]:
        """Read an archive."""
        return read_archive(self.path / name)

    def has(self, name: str) -> bool:
        """Whether a file is there."""
        return is_there(self.path / name)

    def _write(self, name: str, write: Callable[[IO[bytes]], object]):
        with replacing(self.path / name) as file:
            write(file)


def new_folder(name: str, parent: Path = Path("runs")) -> Path:
    """Return a folder that does not exist yet: runs/NAME, runs/NAME-2, …."""
    return free_path(parent / name)


def claim_folder(name: str, parent: Path = Path("runs")) -> Path:
    """Make such a folder and return it: of several processes each gets its own."""
    make_folder(parent)
    while True:
        path = new_folder(name, parent)
        try:
            path.mkdir()
        except FileExistsError:  # made by another process just now
            continue
        except OSError as error:
            raise RunError(f"{path}: cannot be made ({error.strerror})") from None
        return path


def latest_folder(name: str, parent: Path = Path("runs")) -> Path:
    """Return the run folder of this name that was made last."""
    folders = [
        path for path in [parent / name, *parent.glob(f"{glob.escape(name)}-[0-9]*")] if (path / "config.toml").exists()
    ]
    if not folders:
        raise RunError(f"{parent / name}: no run to resume; name its folder with --out")
    return max(folders, key=lambda path: (path / "config.toml").stat().st_mtime)


def _environment(seed: int) -> dict:
    packages = ("brian2", "numpy", "scipy", "matplotlib", "pandas", "scikit-learn")
    return {
        "versions": {
            "python": platform.python_version(),
            "corinfomax": __version__,
            **{name: version(name) for name in packages},
        },
        "git_revision": _git_revision(),
        "seed": seed,
        "host": {"name": platform.node(), "system": platform.platform(), "cores": os.cpu_count()},
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }


def _git_revision() -> str | None:
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40"],
            cwd=root, capture_output=True, text=True, timeout=10, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return described.stdout.strip()
