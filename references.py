"""Code that a text names: ``"module:NAME"``, or ``"path/module.py:NAME"``."""

import importlib
import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from .errors import ParameterError


def resolve(reference: str, what: str) -> Any:
    """Import what a reference names.

    Parameters
    ----------
    reference : str
    what : str
        Key that the reference is the value of, for messages.

    Raises
    ------
    ParameterError
        In one line, if there is no such module or name.
    """
    module, _, name = reference.rpartition(":")
    if not module or not name.isidentifier():
        raise ParameterError(f"{what} = {reference!r}: must be 'module:NAME' or 'path/module.py:NAME'")
    try:
        found = getattr(_module(module), name, None)
    except Exception as error:  # whatever the user's module raises
        raise ParameterError(f"{what} = {reference!r}: {module} cannot be imported ({error})") from error
    if found is None:
        raise ParameterError(f"{what} = {reference!r}: {module} has no {name}")
    return found


def reference_to(found: type) -> str | None:
    """Reference to a class that `resolve` has imported from a file; None for what can be imported by its name.

    Parameters
    ----------
    found : type
    """
    if not found.__module__.startswith(f"{__name__}."):
        return None
    return f"{os.path.abspath(sys.modules[found.__module__].__file__)}:{found.__qualname__}"


def _module(name: str) -> ModuleType:
    if not name.endswith(".py"):
        return importlib.import_module(name)
    spec = importlib.util.spec_from_file_location(f"{__name__}.{Path(name).stem}", name)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up there
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[spec.name]
        raise
    return module
