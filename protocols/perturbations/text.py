"""Perturbations from and to text: quantities, selections, command-line words, parameter files."""

import re
from collections.abc import Callable, Iterable, Sized
from typing import Any

import brian2 as b2
import numpy as np

from ...models import PHYSICAL_SCALE
from ...ranges import numbers

_REST, _SCALE = float(PHYSICAL_SCALE["V_rest"]), float(PHYSICAL_SCALE["V_scale"])
#: Potentials of compartments that one may clamp, in volts.
_PLAUSIBLE = 0.2
_MILLIVOLTS = re.compile(r"\s*([-+]?[0-9.]+(?:e[-+]?[0-9]+)?)\s*(mV)?\s*", re.IGNORECASE)


def as_potential(value: Any) -> Any:
    """Potential in the paper's units, from a number in these units or a voltage."""
    return _in_units(value, _REST)


def plausible(value: float) -> float:
    """Refuse potentials that are none of a cell's, as -60 for -60 mV."""
    if abs(_SCALE * value + _REST) > _PLAUSIBLE:
        raise ValueError(
            f"is {millivolts(value)}; should be from -200 to 200 mV (a bare number counts 20 mV from rest, -70 mV)"
        )
    return value


def as_current(value: Any) -> Any:
    """Injected current in the paper's units, from a number in these units or the voltage across unit conductance."""
    return _in_units(value, 0.0)


def _in_units(value: Any, zero: float) -> Any:
    if isinstance(value, str):
        found = _MILLIVOLTS.fullmatch(value)
        if found is None:
            raise ValueError("should be a number, or a voltage such as -60mV")
        number = float(found[1])
        return _unrounded((1e-3 * number - zero) / _SCALE) if found[2] else number
    if isinstance(value, b2.Quantity) and value.dim == b2.volt.dim:
        return _unrounded((float(value) - zero) / _SCALE)
    if isinstance(value, bool | b2.Quantity):
        raise ValueError("should be a number, or a voltage such as -60mV")
    return value


def _unrounded(value: float) -> float:
    return float(f"{value:.12g}")  # -60 mV is .5, not .5000000000000002


def millivolts(value: float, rest: bool = True) -> str:
    """Write a potential, or with `rest` False a difference of potentials, in millivolts."""
    return f"{1e3 * (_SCALE * value + (_REST if rest else 0.0)):g} mV"


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
