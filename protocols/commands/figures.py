"""``corinfomax figures``."""

from pathlib import Path
from typing import Annotated

import typer

from ...analysis.figures import draw_run
from ..runs import RunFolder
from .console import console


def figures(
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    formats: Annotated[list[str], typer.Option("--format", help="png, pdf or svg; may be repeated.")] = ["png"],  # noqa: B006
):
    """Draw a run's figures again, from what its folder holds.

    Example: `corinfomax figures runs/digits --format pdf`
    """
    for path in draw_run(RunFolder(run).path, formats=tuple(formats)):
        console.print(f"{path}")
