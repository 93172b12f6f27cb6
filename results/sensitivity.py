"""Which parameters matter: Morris designs on digits, a space-filling one on MNIST, and tuning that is automatic.

    python results/sensitivity.py [PART]… [--data FOLDER]

It needs SALib and Optuna: ``pip install '.[evidence]'``. Rows that are there already, in ``sensitivity_*.csv``, are not
computed again. Then ``sensitivity.md`` and its figures are written of what is there; its words are those of
``sensitivity_notes.md``.
"""

from pathlib import Path
from typing import Annotated

import matplotlib as mpl

mpl.use("Agg")
import typer
from sensitivity_page import write_page
from sensitivity_parts import HERE, PARTS, compute


def main(
    parts: Annotated[list[str] | None, typer.Argument(help=f"Of {', '.join(PARTS)}; all by default.")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder with MNIST.")] = None,
    draw: Annotated[bool, typer.Option(help="Write page and figures, too.")] = True,
):
    """Compute what is missing, and write the page."""
    for part in parts or PARTS:
        compute(part, HERE, data)
    if draw:
        write_page(HERE)


if __name__ == "__main__":
    typer.run(main)
