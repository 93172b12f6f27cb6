"""Numbers as one writes them: 0,3,8-12, and 3 cells."""

import re
from collections.abc import Iterable

#: More cells or stimuli than there are; longer ranges would fill the memory.
_MOST = 10_000_000


def numbers(text: str, count: int | None = None) -> list[int]:
    """Read 0,3,8-12.

    Parameters
    ----------
    text : str
    count : int, optional
        All must be below it.

    Returns
    -------
    list of int
        In the order that they are written in.

    Raises
    ------
    ValueError
        Says what it should be.
    """
    found: list[int] = []
    for part in text.split(","):
        matched = re.fullmatch(r"\s*([0-9]+)\s*(?:-\s*([0-9]+)\s*)?", part)
        if matched is None or (matched[2] and int(matched[2]) < int(matched[1])):
            raise ValueError("should be numbers and ranges, such as 0,3,8-12")
        last = int(matched[2] or matched[1])
        if count is not None and last >= count:
            raise ValueError(f"should be from 0 to {count - 1}")
        if last >= _MOST:
            raise ValueError(f"should be numbers below {_MOST}")
        found += range(int(matched[1]), last + 1)
    return found


def listed(cells: Iterable[int] | None) -> str:
    """Write numbers as 0,3,8-12."""
    runs: list[list[int]] = []
    for cell in sorted(cells or ()):
        if runs and cell == runs[-1][1] + 1:
            runs[-1][1] = cell
        else:
            runs.append([cell, cell])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)


def counted(number: int, one: str, many: str | None = None) -> str:
    """Write a number with its noun: 1 cell, 3 cells; 1 stimulus, 3 stimuli."""
    return f"{number} {one if number == 1 else many or f'{one}s'}"
