"""How objects show themselves: a heading and tables, as text in a terminal and as HTML in a notebook."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from .errors import CorInfoMaxError

#: SI units as people write them.
_SHOWN_UNITS = {"1": "", "ohm": "Ω"}


@dataclass(frozen=True)
class Table:
    """Rows under headings; columns in which nothing stands are left out.

    Parameters
    ----------
    headings : sequence of str
    rows : sequence of sequence of str
    """

    headings: Sequence[str]
    rows: Sequence[Sequence[str]]

    def shown(self, form: str) -> str:
        """Write the table in one of the forms that tabulate knows."""
        from tabulate import tabulate

        kept = [n for n in range(len(self.headings)) if any(str(row[n]) for row in self.rows)]
        rows = [[str(row[n]) for n in kept] for row in self.rows]
        return tabulate(rows, [self.headings[n] for n in kept], tablefmt=form, disable_numparse=True)

    def records(self) -> list[dict[str, str]]:
        """Give each row by the columns' headings."""
        return [dict(zip(self.headings, row, strict=True)) for row in self.rows]


@dataclass(frozen=True)
class Summary:
    """What an object says of itself.

    Parameters
    ----------
    heading : str
    tables : sequence of Table
    """

    heading: str
    tables: Sequence[Table] = ()

    def text(self) -> str:
        """For a terminal; the first line is the heading, in angle brackets."""
        lines = [f"<{self.heading}>"]
        for table in self.tables:
            lines += [f"  {line}".rstrip() for line in table.shown("plain").splitlines()]
        return "\n".join(lines)

    def html(self) -> str:
        """For a notebook."""
        tables = "".join(table.shown("html") for table in self.tables)
        return f"<div><p><b>{escape(self.heading)}</b></p>{tables}</div>"


class Summarised:
    """Something that shows itself by its `_summary`."""

    def _summary(self) -> Summary:
        """What it says of itself."""
        raise NotImplementedError

    def __repr__(self):
        try:
            return self._summary().text()
        except (AttributeError, CorInfoMaxError):  # of what is still being made, or of a run whose files are damaged
            return object.__repr__(self)

    def _repr_html_(self):
        try:
            return self._summary().html()
        except (AttributeError, CorInfoMaxError):
            return None  # the text is shown


def by_layer(arrays: Mapping[str, Mapping[int, np.ndarray]], units: Mapping[str, str], axes: str) -> Table:
    """Tabulate arrays of variables and layers by their shapes.

    Parameters
    ----------
    arrays : mapping of str to mapping of int to ndarray
    units : mapping of str to str
        SI units of the variables, as far as they are known.
    axes : str
        What the axes of an array are.
    """
    rows = [
        (name, shown_unit(units[name]) if name in units else "", f"layer {k}", shape_of(array))
        for name, layers in arrays.items()
        for k, array in layers.items()
    ]
    return Table(("variable", "unit", "of", f"shape ({axes})"), rows)


def shown_unit(unit: str) -> str:
    """Write an SI unit; nothing for numbers without one."""
    return _SHOWN_UNITS.get(unit, unit)


def shape_of(array) -> str:
    """Write the shape of an array, as 10 × 3 × 128."""
    return " × ".join(map(str, np.shape(array)))


def shortened(names: Iterable, longest: int = 20) -> list[str]:
    """Write names on a line each of at most so many characters, "…" for what is left out.

    Parameters
    ----------
    names : iterable of str or int
    longest : int, default 20

    Returns
    -------
    list of str
        Names that would look alike have their number first, from 0.
    """
    lines = [" ".join(str(name).split()) for name in names]
    found = [_cut(line, longest) for line in lines]
    return [
        _cut(f"{n} {line}", longest) if found.count(short) > 1 else short
        for n, (line, short) in enumerate(zip(lines, found, strict=True))
    ]


def _cut(line: str, longest: int) -> str:
    return line if len(line) <= longest else f"{line[: longest - 1].rstrip()}…"


def table_like(x, values: np.ndarray, columns):
    """Give values as a DataFrame with the index of x, if x is one, or as a Series; else as they are.

    Parameters
    ----------
    x : array_like, DataFrame (n, …) or Series (n,)
    values : ndarray (n, columns), or (n,) for a Series
    columns : sequence of str or None
    """
    if hasattr(x, "iloc") and np.ndim(values) == 1:
        return type(x)(values, index=x.index, name=x.name)
    if not hasattr(x, "index") or not hasattr(x, "columns"):
        return values
    return type(x)(values, index=x.index, columns=columns)
