"""Tables and sentences as wide as the terminal; where there is no terminal, plain text with a line for each row."""

import io
import os
from collections.abc import Mapping, Sequence

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from .console import output

#: Width of lines that nothing limits.
_UNLIMITED = 100_000


def show_table(rows: Sequence[Mapping[str, str]], title: str = "", numbers: Sequence[str] = ()):
    """Print a table, or where not even its longest words fit beside each other, a paragraph for each row.

    Parameters
    ----------
    rows : sequence of mapping of str to str
        Cells by the heading of their column.
    title : str
    numbers : sequence of str
        Headings of columns of numbers, which stand to the right and are not broken into lines.
    """
    if title:
        tell(title, "bold")
    table = _fitting(rows, numbers)
    if table is not None:
        _print(table, _width())
    else:
        for row in rows:
            _show_paragraph(row, _width())


def fits(rows: Sequence[Mapping[str, str]], numbers: Sequence[str] = ()) -> bool:
    """Whether a table has room beside one another for the longest words of all its columns."""
    return _fitting(rows, numbers) is not None


def _fitting(rows: Sequence[Mapping[str, str]], numbers: Sequence[str]) -> Table | None:
    """Make a table that fits, its headings in one line if that is possible."""
    options = output.options.update(width=_UNLIMITED)
    for table in (_table(rows, numbers, broken) for broken in (False, True)):
        if Measurement.get(output, options, table).minimum <= _width():
            return table
    return None


def _table(rows: Sequence[Mapping[str, str]], numbers: Sequence[str], broken: bool) -> Table:
    headings = list(dict.fromkeys(heading for row in rows for heading in row))
    box = SIMPLE_HEAD if output.is_terminal else None
    table = Table(box=box, padding=(0, 2, 0, 0), pad_edge=False, show_edge=False)
    for heading in headings:
        cells = [row.get(heading, "") for row in rows]
        if heading not in numbers:
            longest = max(cell_len(word) for each in [heading, *cells] for word in [*each.split(), ""])
            table.add_column(Text(heading), overflow="fold", min_width=longest)
            continue
        words, widest = Text(heading), max(map(cell_len, [*heading.split(), *cells]))
        if broken:
            words = Text("\n").join(words.wrap(output, widest))
        width = max(widest, *(cell_len(line) for line in words.plain.split("\n")))
        table.add_column(words, justify="right", min_width=width, no_wrap=True)
    for row in rows:
        table.add_row(*(Text(row.get(heading, "")) for heading in headings))
    return table


def show_list(described: Mapping[str, str]):
    """Print names and what they are, the names in a column of their own if there is room for the words beside it."""
    names = max(map(cell_len, described))
    words = max(cell_len(word) for text in described.values() for word in text.split())
    width = _width()
    if names + 2 + words > width:
        for name, text in described.items():
            _print(Text(name), width)
            _print(Padding(Text(text), (0, 0, 0, min(2, width - 1))), width)
        return
    table = Table.grid(padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(min_width=names, no_wrap=True)
    table.add_column(min_width=words)
    for name, text in described.items():
        table.add_row(Text(name), Text(text))
    _print(table, width)


def tell(text: str, style: str = ""):
    """Print a sentence, broken between words where the terminal ends."""
    _print(Text(text, style), _width())


def show_commands(commands: Sequence[str]):
    """Print commands to be copied: a line each, which is never broken."""
    for command in commands:
        output.print(f"  {command}")


def _show_paragraph(row: Mapping[str, str], width: int):
    """Print the first cell with a heading, after those without, and below it the others."""
    first = next((n for n, heading in enumerate(row) if heading), 0)
    lines = [f"{heading}: {cell}" for heading, cell in row.items() if heading]
    marks = [cell for heading, cell in list(row.items())[:first] if cell]
    named = [list(row.values())[first]] if marks else lines[:1]
    _print(Text(" ".join([*marks, *named]), "bold"), width)
    for line in lines[1:]:
        _print(Padding(Text(line), (0, 0, 0, min(2, width - 1))), width)


def _width() -> int:
    """Columns that there are; of a file as many as a line needs, unless COLUMNS says otherwise."""
    if output.is_terminal:
        return output.width
    said = os.environ.get("COLUMNS", "")
    return max(1, int(said)) if said.isdecimal() else _UNLIMITED


def _print(content, width: int):
    if output.is_terminal:
        output.print(content, soft_wrap=False, overflow="fold", width=width)
        return
    plain = Console(file=io.StringIO(), width=width, color_system=None, highlight=False, markup=False, emoji=False)
    plain.print(content, overflow="fold", no_wrap=False)
    for line in plain.file.getvalue().splitlines():
        output.print(line.rstrip())
