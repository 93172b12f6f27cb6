"""Paths in parameter files: of stimuli, and of modules with code of one's own.

Which parameters of a model refer to code is told by their annotations (`corinfomax.parameters.CODE`); the model itself
may be code of one's own, too.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from ...parameters import CODE, played_by

Sections = dict[str, dict[str, Any]]
Schemas = Mapping[str, type[BaseModel]]


def make_absolute(values: Sections, schemas: Schemas, folder: Path):
    """Let a run find its stimuli, and code of one's own, from wherever it is taken up again.

    Parameters
    ----------
    values : dict of str to dict
        Sections of keys, which are changed.
    schemas : mapping of str to type of BaseModel
    folder : Path
        What paths are relative to.
    """
    section = values.get("stimuli", {})
    for key, value in section.items():
        if isinstance(value, str) and (key == "data" or value.endswith(".npz")):
            section[key] = os.path.abspath(folder / os.path.expanduser(value))
    _change_references(values, schemas, lambda reference: beside(reference, folder))


def make_model_absolute(values: Sections, folder: Path):
    """Do so for the model, ``"module.py:NAME"``: it decides which keys there are, and so comes before all others.

    Parameters
    ----------
    values, folder
        As in `make_absolute`.
    """
    _change_model(values, lambda reference: beside(reference, folder))


def references(values: Sections, schemas: Schemas) -> list[str]:
    """All references to code, the model's first."""
    found: list[str] = []
    _change_references(values, schemas, lambda reference: found.append(reference) or reference)
    return found


def modules(values: Sections, schemas: Schemas) -> list[Path]:
    """Files of the modules that parameters refer to."""
    found = map(module_file, references(values, schemas))
    return list(dict.fromkeys(path for path in found if path is not None))


def by_name(values: Sections, schemas: Schemas) -> Sections:
    """Return the sections with the names of modules' files, and not their folders."""
    values = {section: dict(keys) for section, keys in values.items()}
    _change_references(values, schemas, named)
    return values


def module_file(reference: str) -> Path | None:
    """Path of the module in ``"path/module.py:Class"``; None for modules that are imported by their name."""
    module = reference.rpartition(":")[0]
    return Path(module) if module.endswith(".py") else None


def _change_model(values: Sections, change: Callable[[str], str]):
    section = values.get("circuit", {})
    if isinstance(section.get("model"), str) and ":" in section["model"]:
        section["model"] = change(section["model"])


def _change_references(values: Sections, schemas: Schemas, change: Callable[[str], str]):
    _change_model(values, change)
    for section, schema in schemas.items():
        for key in played_by(schema, CODE):
            if key in values.get(section, {}):
                values[section][key] = in_each(values[section][key], change)


def strings(value: Any) -> list[str]:
    """All strings in a value."""
    found: list[str] = []
    in_each(value, lambda text: found.append(text) or text)
    return found


def in_each(value: Any, change: Callable[[str], str]) -> Any:
    """Change every string in a value."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {key: in_each(item, change) for key, item in value.items()}
    return [in_each(item, change) for item in value] if isinstance(value, list | tuple) else value


def beside(reference: str, folder: Path) -> str:
    """``module:Class`` with the path of the module, if its file stands in the folder; what is installed stays."""
    module, colon, name = reference.rpartition(":")
    file = module if module.endswith(".py") else f"{module}.py"
    path = Path(os.path.abspath(folder / os.path.expanduser(file)))
    return f"{path}{colon}{name}" if path.is_file() else reference


def named(reference: str) -> str:
    """``module.py:Class`` without the folder of the module."""
    path = module_file(reference)
    return reference if path is None else f"{path.name}:{reference.rpartition(':')[2]}"
