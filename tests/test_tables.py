"""Tables of the command line: as wide as the terminal, and plain text elsewhere."""

import io

import pytest
from rich.cells import cell_len
from rich.console import Console

from corinfomax.commands import tables

ROWS = [
    {
        "": "ok",
        "quantity": "participation_ratio_1",
        "found": "12.5 ± .1",
        "should be": "above 3 × drift, [bold] or :x:",
    },
    {"": "!", "quantity": "Spectral abscissa of the Jacobian, in 1/τ", "found": "−4.9", "should be": "below 0"},
]


@pytest.fixture
def shown(monkeypatch):
    """Show the rows on a terminal of some width, or on none (0); return the lines."""

    def show(width, **options):
        monkeypatch.delenv("COLUMNS", raising=False)
        terminal = {"width": width, "force_terminal": True} if width else {"force_terminal": False}
        file = io.StringIO()
        console = Console(
            file=file, color_system=None, soft_wrap=True, highlight=False, markup=False, emoji=False, **terminal
        )
        monkeypatch.setattr(tables, "output", console)
        tables.show_table(ROWS, "A title that says what is in this table", **options)
        tables.tell("A sentence of more than twenty letters.")
        return file.getvalue().splitlines()

    return show


@pytest.mark.parametrize("width", [20, 25, 40, 60, 80, 120, 200])
@pytest.mark.parametrize("numbers", [(), ("found",)], ids=["words", "numbers"])
def test_nothing_is_wider_than_the_terminal_and_nothing_is_lost(shown, width, numbers):
    """No line has more cells than the terminal; all letters of all cells are there, in markup's disguise too."""
    lines = shown(width, numbers=numbers)
    assert max(map(cell_len, lines)) <= width
    printed = "".join("".join(lines).split())
    for row in ROWS:
        for cell in row.values():
            assert all(word in printed for word in cell.split())
    if width >= 120:
        assert any("12.5 ± .1" in line and "participation_ratio_1" in line for line in lines)


def test_without_a_terminal_a_row_is_a_line(shown):
    """Title, headings, the rows and the sentence: a line each, without lines drawn, colours or Markdown."""
    lines = shown(0)
    assert len(lines) == 5
    assert not set("│─|*`\x1b") & set("".join(lines))
    for row, line in zip(ROWS, lines[2:], strict=False):
        assert [cell for cell in row.values() if cell not in line] == []
        assert line == line.rstrip()


def test_columns_are_kept_to_where_a_user_sets_them(shown, monkeypatch, capsys):
    """COLUMNS limits plain text, too."""
    shown(0)
    monkeypatch.setattr(tables, "output", Console(force_terminal=False, soft_wrap=True))
    monkeypatch.setenv("COLUMNS", "30")
    tables.show_table(ROWS)
    lines = capsys.readouterr().out.splitlines()
    assert 20 < max(map(cell_len, lines)) <= 30


@pytest.mark.parametrize("width", [12, 25, 60, 0])
def test_lists_are_as_wide_as_the_terminal(monkeypatch, width):
    """No line of a list is wider than the terminal, words stay whole where one has room; in a file a line each."""
    monkeypatch.delenv("COLUMNS", raising=False)
    terminal = {"width": width, "force_terminal": True} if width else {"force_terminal": False}
    console = Console(file=io.StringIO(), color_system=None, soft_wrap=True, markup=False, **terminal)
    monkeypatch.setattr(tables, "output", console)
    given = {"mnist": "A set of many handwritten digits, [bold] ones among them.", "cifar10_3layer": "Three layers."}
    tables.show_list(given)
    lines = console.file.getvalue().splitlines()
    if not width:
        assert lines == [f"{name:<14}  {text}" for name, text in given.items()]
    else:
        assert max(map(cell_len, lines)) <= width
        words = [word for name, text in given.items() for word in (name, *text.split())]
        found = " ".join(lines).split()
        assert found == words if width > 14 else "".join(found) == "".join(words)
