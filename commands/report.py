"""``corinfomax report``."""

from pathlib import Path
from typing import Annotated

import typer

from ..protocols import reports
from .console import Trust, console


def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN|SWEEP…", help="Run folders, and folders of sweeps.")],
    out: Annotated[Path, typer.Option(help="The file that is written.")] = Path("report.html"),
    trust: Trust = False,
) -> dict:
    """Write a report of runs: one HTML file that holds all it shows.

    What was run, the parameters that differ from the defaults, versions, the course of training, what the doctor finds,
    all figures, and what to cite. Of several runs also a table that compares them. Of a sweep: its combinations, what
    failed, how the score depends on each key, and the best run.

    Examples: `corinfomax report runs/digits` · `corinfomax report runs/digits runs/digits_ep --out both.html`
    """
    with console.status("reporting") as status:
        path = reports.report(runs, out, trust, tell=lambda what: status.update(what))
    console.print(f"{path}: open it in a browser")
    return {"report": str(path)}
