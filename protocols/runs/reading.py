"""Reading parameters: presets and files in TOML, and single keys as one writes them on the command line."""

import ast
import os
import re
import textwrap
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from ... import toml
from ...errors import ParameterError, meant, nearest

#: Where nothing else is named, and of these the one for stimuli of one's own.
DEFAULT_PRESET, OWN_PRESET = "digits", "own"


def presets() -> dict[str, Path]:
    """Presets by name: the parameter files that come with the package."""
    folder = resources.files(__package__.rpartition(".")[0]) / "presets"
    return {Path(entry.name).stem: Path(str(entry)) for entry in folder.iterdir() if entry.name.endswith(".toml")}


def read(source: str | Path) -> dict[str, dict]:
    """Read the sections of a preset, or of a file that ends in ``.toml``."""
    path = Path(source)
    if path.suffix != ".toml":
        known = presets()
        if str(source) not in known:
            raise ParameterError(f"{source}: {_no_preset(path, known)}")
        path = known[str(source)]
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ParameterError(f"{source}: no such file") from None
    except OSError as error:
        raise ParameterError(f"{source}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise ParameterError(f"{source}: not a text file in UTF-8 ({error})") from None
    return sections(text, source)


def _no_preset(path: Path, known: Iterable[str]) -> str:
    """Say what stands where a preset is named, and where it belongs."""
    if path.suffix == ".npz":
        missing = "" if path.exists() else ", nor is there such a file"
        return f"is no preset{missing}; stimuli of your own are named by --set stimuli={path}"
    if (path / "config.toml").exists():
        return f"is a run folder; --out {path} --resume goes on with it, {path / 'config.toml'} begins one like it"
    close = meant(str(path), known)
    return f"no such preset; {close or 'corinfomax presets lists them, and '}parameter files end in .toml"


def sections(text: str, source: str | Path) -> dict[str, dict]:
    """Read the sections of a parameter file's text; a `ParameterError` names the source."""
    values = toml.tables(text, source)
    for key, value in values.items():
        if not isinstance(value, dict):
            raise ParameterError(f"{source}: {key!r} is no section; keys stand in [stimuli], [circuit], …")
    return values


#: A key, its value, and what messages call the two.
Setting = tuple[str, Any, str]


def settings_of(given: Iterable[str] | Mapping[str, Any]) -> list[Setting]:
    """Read single keys that are set otherwise.

    Parameters
    ----------
    given : iterable of str, or mapping of str to object
        As on the command line, ``key=value``; or by key, as in Python: arrays count as lists, paths as text, and
        stimuli may be a `Stimuli`, or arrays by key.
    """
    if isinstance(given, Mapping):
        return [
            (key, _stimuli_of(value) if _names_stimuli(key) else _as_in_toml(value), _shown(key, value))
            for key, value in given.items()
        ]
    return [_setting(text) for text in given]


def _shown(key: str, value: Any) -> str:
    """Write a setting in one line that is not too long."""
    return f"{key} = {textwrap.shorten(repr(value), 200, placeholder=' …')}"


def _folder_of(stimuli: Any) -> str:
    """What runs on stimuli of one's own are called: as the file, or as the set where its name can be a folder's."""
    if isinstance(stimuli, str):
        return Path(stimuli).stem
    return re.sub(r"[^\w.-]+", "_", stimuli.name).strip("._") or OWN_PRESET


def _names_stimuli(key: str) -> bool:
    return key in ("stimuli", "stimuli.stimuli")


def is_ones_own(stimuli: Any) -> bool:
    """Whether stimuli are the user's own: named as an ``.npz`` file, or there in memory."""
    if isinstance(stimuli, str):
        return stimuli.endswith(".npz")
    from ...stimuli.stimuli import Stimuli  # with NumPy

    return isinstance(stimuli, Stimuli)


def _stimuli_of(value: Any) -> Any:
    """Make a `Stimuli` of what stands for stimuli in Python; names and paths stay text."""
    if isinstance(value, str | os.PathLike) or is_ones_own(value):
        return _as_in_toml(value)
    if not isinstance(value, Mapping):
        what = "a tuple" if isinstance(value, tuple) else f"of type {type(value).__name__}"
        raise ParameterError(
            f"stimuli is {what}; allowed are a name, the path of an .npz file, a Stimuli, and arrays by key, as "
            '{"x": x, "y": y}'
        )
    from ...stimuli.npz import from_arrays  # with NumPy

    return from_arrays(value)


def preset_of(source: str | Path | None, settings: Iterable[Setting]) -> tuple[str | Path, str]:
    """Find the preset or file that is meant, and what its runs are called.

    Where none is named, the user's own stimuli have a preset of their own, whose runs bear the name of the stimuli.

    Parameters
    ----------
    source : str or Path or None
    settings : iterable of Setting
    """
    if not isinstance(source, str | os.PathLike | None):
        raise ParameterError(
            f"{type(source).__name__}: is no preset; allowed are its name or the path of a .toml file, and stimuli of "
            "your own as stimuli=…"
        )
    given = [value for key, value, _ in settings if _names_stimuli(key)]
    if source is None and given and is_ones_own(given[-1]):
        return OWN_PRESET, _folder_of(given[-1])
    source = DEFAULT_PRESET if source is None else source
    return source, Path(source).stem


def _as_in_toml(value: Any) -> Any:
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, type):  # as dtype=numpy.float32
        return value.__name__
    return value.tolist() if hasattr(value, "tolist") else value


def _setting(text: str) -> Setting:
    """Take ``key=value`` apart."""
    key, equals, value = text.partition("=")
    if not equals:
        raise ParameterError(f"--set {text}: must be key=value")
    return key.strip(), _value(value.strip()), f"--set {text}"


def apply(settings: Iterable[Setting], owner: dict[str, str], values: dict[str, dict]):
    """Enter settings into the sections that own their keys."""
    for key, value, shown in settings:
        section, _, bare = key.rpartition(".")
        if bare not in owner:
            raise ParameterError(f"{shown}: unknown key {key!r}; {nearest(bare, owner)}")
        if section not in ("", owner[bare]):
            raise ParameterError(f"{shown}: {bare!r} is a key of [{owner[bare]}], not of [{section}]")
        values.setdefault(owner[bare], {})[bare] = value


def _value(text: str) -> Any:
    try:
        parsed = toml.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return _python_numbers(text)
    return parsed["value"] if len(parsed) == 1 else text  # a line break may have begun another key


def _python_numbers(text: str) -> Any:
    """Read numbers and lists of them that Python can read and TOML cannot, as .3; anything else stays as it is."""
    if not re.fullmatch(r"[\d.eE+\-,\[\]\s]+", text):
        return text
    try:
        parsed = ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return text
    return text if isinstance(parsed, tuple) else parsed
