"""``corinfomax evaluate``."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from ..protocols.runs import Run, Training
from ..protocols.runs.checkpoint import checkpoint_path
from .console import Trust, console


def evaluate(
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    data: Annotated[Path | None, typer.Option(help="Folder with data files; else the run's own.")] = None,
    trust: Trust = False,
):
    """Present the test stimuli to a trained circuit and print every column of the history.

    Example: `corinfomax evaluate runs/digits`
    """
    opened = Run(run, trust)
    checkpoint_path(opened.folder)  # without one a resumed training would begin anew
    if data is not None:
        opened.configuration.stimuli.data = str(data)
    training = Training(opened.configuration, opened.folder, resume=True)
    table = Table(
        "quantity", "value", title=f"{run}: {training.epoch} epochs, {len(training.stimuli.x_test)} test stimuli"
    )
    for name, value in training.evaluate().items():
        table.add_row(name, f"{value:.6g}")
    console.print(table)
