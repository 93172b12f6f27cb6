"""``corinfomax presets``."""

from pathlib import Path
from typing import Annotated

import typer

from ..errors import ParameterError
from ..protocols.runs import presets as all_presets
from ..protocols.runs.reading import read
from .console import output
from .tables import show_list


def presets(
    name: Annotated[str | None, typer.Argument(help="Print this preset, ready to be saved and changed.")] = None,
) -> dict:
    """List the presets, or print one.

    Example: `corinfomax presets mnist > my.toml`
    """
    found = all_presets()
    if name is None:
        described = {key: _first_line(path) for key, path in sorted(found.items())}
        show_list(described)
        return described
    if name not in found:
        raise ParameterError(f"{name}: no such preset; there are {', '.join(sorted(found))}")
    output.print(found[name].read_text(encoding="utf-8"), end="")
    return read(name)


def _first_line(path: Path) -> str:
    return path.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")
