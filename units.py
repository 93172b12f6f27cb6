"""Numbers as users hand them over: units are converted where they belong, else refused; masks are never dropped."""

from typing import Any

import numpy as np


def unit_of(value: Any) -> str | None:
    """Name the unit, or else the dimension, of a quantity or of the first one in a list; None for plain numbers.

    Quantities are those of Brian2, Pint and Astropy, known by their attributes: none of these is imported.

    Parameters
    ----------
    value : object
    """
    if isinstance(value, list | tuple):
        return next((unit for unit in map(unit_of, value) if unit is not None), None)
    if hasattr(value, "dim") and hasattr(value, "get_best_unit"):  # Brian2's
        return None if value.dim.is_dimensionless else str(value.get_best_unit())
    if hasattr(value, "magnitude") and hasattr(value, "units"):  # Pint's
        return None if value.dimensionless else str(value.units)
    if hasattr(value, "unit") and hasattr(value, "to_value"):  # Astropy's
        return None if value.unit.is_equivalent("") else str(value.unit)
    return None


def dropped_by_arrays(values: Any) -> str | None:
    """Say what NumPy would drop in silence, a unit or masks, to stand after the name of the values; None if nothing.

    Parameters
    ----------
    values : object
    """
    if (unit := unit_of(values)) is not None:
        return f"has the unit {unit}; allowed are plain numbers"
    if np.ma.is_masked(values):
        return "has masked entries; fill them in, or leave out the rows that have some"
    return None


def real_array(values: Any) -> np.ndarray:
    """Return values as an array of real numbers.

    Parameters
    ----------
    values : array_like

    Raises
    ------
    ValueError
        If they have a unit or masked entries, or are no real numbers; its text stands after the name of the values.
    """
    if (dropped := dropped_by_arrays(values)) is not None:
        raise ValueError(dropped)
    try:
        array = np.asarray(values)
    except ValueError:
        array = np.array(None)
    if array.dtype.kind not in "biuf":
        raise ValueError("is not an array of real numbers")
    return array


def in_milliseconds(value: Any) -> Any:
    """Convert a time with a unit to a number of milliseconds; return what has no unit as it is.

    Raises
    ------
    ValueError
        For a unit of something else.
    """
    if unit_of(value) is None or isinstance(value, list | tuple):
        return [in_milliseconds(each) for each in value] if isinstance(value, list | tuple) else value
    if hasattr(value, "dim") and str(value.dim) == "s":
        return float(np.asarray(value)) * 1e3  # the bare number is in seconds
    if hasattr(value, "magnitude") and value.check("[time]"):
        return float(value.to("millisecond").magnitude)
    if hasattr(value, "to_value") and value.unit.is_equivalent("ms"):
        return float(value.to_value("ms"))
    raise ValueError(f"has the unit {unit_of(value)}; should be a time, or a number of milliseconds")
