"""What others published of the experiments that the presets describe."""

import functools
from dataclasses import dataclass
from importlib import resources
from typing import Any

from .. import toml


@dataclass(frozen=True)
class Published:
    """A published test accuracy.

    Parameters
    ----------
    mean : float
        In per cent, over seeds.
    std : float, optional
        Sample standard deviation over seeds (ddof = 1), in per cent.
    network : str, optional
        Numbers of units from stimulus to output, such as "784-500-10".
    seeds : int, optional
        How many there were.
    selection : str
        How the setting was chosen, in words; "" if that is not known.
    source : str
        Where the number stands.
    note : str
        What else a comparison should say.
    """

    mean: float
    source: str
    std: float | None = None
    network: str | None = None
    seeds: int | None = None
    selection: str = ""
    note: str = ""


def published(preset: str) -> Published | None:
    """Return what was published of the experiment that a preset describes; None if nothing was.

    Parameters
    ----------
    preset : str
        Its name, such as "mnist_ep".
    """
    rows = _rows()
    return Published(**rows[preset]) if preset in rows else None


@functools.cache
def _rows() -> dict[str, dict[str, Any]]:
    file = resources.files(__package__) / "published.toml"
    rows = toml.tables(file.read_text(encoding="utf-8"), file)
    common = rows.pop("common")
    return {name: row if "source" in row else common | row for name, row in rows.items()}
