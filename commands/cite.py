"""``corinfomax cite``."""

from typing import Annotated

import typer

from ..protocols import runs
from .console import Trust, output


def cite(
    source: Annotated[
        str | None,
        typer.Argument(metavar="[RUN|PRESET|FILE.toml]", help="A run folder, a preset or a parameter file."),
    ] = None,
    trust: Trust = False,
) -> dict:
    """Print what to cite, as BibTeX: the package, and of a run or preset its rule, Brian2 and its stimuli.

    Examples: `corinfomax cite runs/digits > references.bib` · `corinfomax cite mnist_ep` · `corinfomax cite`
    """
    output.print(runs.cite(source, trust), end="")
    return runs.cited(source, trust)
