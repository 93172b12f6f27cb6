"""Perturbations from and to text: quantities, selections, command-line words, parameter files."""

import math
import re
from collections.abc import Callable, Iterable, Sized
from typing import Any

import brian2 as b2
import numpy as np

from ...models import PHYSICAL_SCALE, Cell
from ...ranges import numbers

_REST, _SCALE = float(PHYSICAL_SCALE["V_rest"]), float(PHYSICAL_SCALE["V_scale"])
#: Potentials of compartments that one may clamp, in volts.
_PLAUSIBLE = 0.2
_VOLTAGE = re.compile(r"\s*([-+]?[0-9.]+(?:e[-+]?[0-9]+)?)\s*(m?V)?\s*", re.IGNORECASE)
_ALLOWED = "should be a finite number, or a voltage such as -60mV"


def as_potential(value: Any) -> Any:
    """Potential as a number in the paper's units, or a voltage as text: what that is in these units, a cell tells.

    Raises
    ------
    ValueError
        For potentials that are none of a cell's, as -60 for -60 mV.
    """
    volts = _volts(value)
    number = None if volts is not None else _number(value)
    if number is not None and math.isfinite(number):
        volts_about = _SCALE * number + _REST
    elif volts is not None and math.isfinite(volts):
        volts_about = volts
    else:
        raise ValueError(_ALLOWED)
    if abs(volts_about) > _PLAUSIBLE:
        raise ValueError(
            f"is {_millivolts(volts_about)}; should be from -200 to 200 mV (a bare number counts 20 mV from rest, "
            "-70 mV)"
        )
    return number if volts is None else _millivolts(volts)


def potential_in(cell: Cell, value: float | str) -> float:
    """Potential in the paper's units, in which 0 is the rest of a cell, which may be its own.

    Parameters
    ----------
    cell : Cell
    value : float or str
        As `as_potential` gives it.
    """
    if isinstance(value, float):
        return value
    return _unrounded((_volts(value) - cell.in_volts("V_rest")) / cell.in_volts("V_scale"))


def as_current(value: Any) -> Any:
    """Injected current in the paper's units, from a number in these units or the voltage across unit conductance."""
    volts = _volts(value)
    if isinstance(value, str) and volts is not None and "m" not in value.lower():
        raise ValueError("should be a finite number, or a voltage in mV such as 10mV")
    return _number(value) if volts is None else _unrounded(volts / _SCALE)


def _volts(value: Any) -> float | None:
    """What is a voltage, in volts."""
    if isinstance(value, b2.Quantity) and value.dim == b2.volt.dim and value.ndim == 0:
        return float(value)
    found = _VOLTAGE.fullmatch(value) if isinstance(value, str) else None
    return _unrounded(float(found[1]) * (1e-3 if found[2][0] in "mM" else 1.0)) if found and found[2] else None


def _number(value: Any) -> float:
    if isinstance(value, bool | np.bool_ | b2.Quantity) or (isinstance(value, str) and not _VOLTAGE.fullmatch(value)):
        raise ValueError(_ALLOWED)
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ValueError(_ALLOWED) from None


def _unrounded(value: float) -> float:
    return float(f"{value:.12g}")  # -60 mV is .5, not .5000000000000002


def _millivolts(volts: float) -> str:
    return f"{1e3 * volts:.12g} mV"


def across_unit_conductance(current: float) -> str:
    """Write what a current changes a potential by across a unit conductance, in millivolts."""
    return f"{1e3 * _SCALE * current:g} mV"


def as_cells(value: Any) -> Any:
    """Tuple of cells from numbers, a range, an array or text such as 0,5,8-12."""
    if value is None:
        return None
    if isinstance(value, str):
        value = numbers(value)
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        value = [value]
    if not isinstance(value, Iterable):
        raise ValueError("should be numbers of cells")
    cells = tuple(cell.item() if isinstance(cell, np.generic) else cell for cell in value)
    if not cells:
        raise ValueError("should name a cell")
    if len(set(cells)) < len(cells):
        raise ValueError("should name each cell once")
    return cells


def as_names(value: Any) -> Any:
    """Tuple of names, from one or several."""
    value = (value,) if isinstance(value, str) else value
    if value is not None and not isinstance(value, Sized):
        raise ValueError("should be names of phases")
    if value is not None and not len(value):
        raise ValueError("should name a phase")
    return value


def as_period(period: type) -> Callable[[Any], Any]:
    """Make what reads a period from text such as ``3-5``, ``epochs 3-5`` or ``batches 1-200``."""

    def read(value: Any) -> Any:
        if isinstance(value, int) and not isinstance(value, bool):
            return period(value, value)
        if not isinstance(value, str):
            return value
        found = re.fullmatch(r"\s*(?:(epochs?|batch(?:es)?)[\s:]+)?(\d+)(?:\s*-\s*(\d+))?\s*", value)
        if found is None:
            raise ValueError("should be as 3-5 (epochs), or batches 1-200")
        unit = "batches" if (found[1] or "").startswith("batch") else "epochs"
        return period(int(found[2]), int(found[3] or found[2]), unit)

    return read
