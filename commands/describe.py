"""``corinfomax describe``."""

from enum import Enum
from typing import Annotated

import typer

from ..protocols import reports
from .console import Trust, output


class Format(str, Enum):
    """What a description is written in."""

    markdown = "markdown"
    latex = "latex"
    html = "html"


def describe(
    source: Annotated[
        str, typer.Argument(metavar="PRESET|FILE.toml|RUN", help="A preset, a parameter file or a run folder.")
    ] = "digits",
    format: Annotated[Format, typer.Option("--format", help="What the tables are written in.")] = Format.markdown,
    trust: Trust = False,
) -> dict:
    """Print the model description tables that journals ask for, made from the circuit itself.

    Populations, connectivity, cells with their equations, weights, plasticity, input, measurements and parameters:
    every value with its unit and where it comes from.

    Examples: `corinfomax describe mnist` · `corinfomax describe runs/digits --format latex > tables.tex`
    """
    sections = reports.describe(source, trust)
    output.print(reports.written(sections, format.value), end="")
    return {
        each.title: [dict(zip(each.table.headings, row, strict=True)) for row in each.table.rows] for each in sections
    }
