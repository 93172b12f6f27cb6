"""``corinfomax presets``."""

from typing import Annotated

import typer

from ..errors import ParameterError
from ..protocols.runs import presets as all_presets
from .console import console


def presets(
    name: Annotated[str | None, typer.Argument(help="Print this preset, ready to be saved and changed.")] = None,
):
    """List the presets, or print one.

    Example: `corinfomax presets mnist > my.toml`
    """
    found = all_presets()
    if name is None:
        width = max(map(len, found)) + 2
        for key, path in sorted(found.items()):
            first = path.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")
            console.print(f"{key:<{width}}{first}")
    elif name in found:
        console.print(found[name].read_text(encoding="utf-8"), end="")
    else:
        raise ParameterError(f"{name}: no such preset; there are {', '.join(sorted(found))}")
