"""``corinfomax figures``."""

from pathlib import Path
from typing import Annotated

import typer

from ..errors import FigureError
from ..protocols import runs
from .console import output


def figures(
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    formats: Annotated[list[str], typer.Option("--format", help="png, pdf or svg; may be repeated.")] = ["png"],  # noqa: B006
    animation: Annotated[
        bool, typer.Option("--animation", help="Also animate the recording's first presentation, as settling.gif.")
    ] = False,
) -> list:
    """Draw a run's figures again, from what its folder holds, and embed the activity of each layer by t-SNE.

    Examples: `corinfomax figures runs/digits --format pdf` · `corinfomax figures runs/digits --animation`
    """
    from ..analysis.figures import draw_run  # with matplotlib

    try:
        written = draw_run(runs.RunFolder(run).path, formats=tuple(formats), tsne=True, animation=animation)
    except FigureError as error:
        for path in error.written:
            output.print(f"{path}")
        raise
    for path in written:
        output.print(f"{path}")
    return written
