"""Where what enters a phase comes from: the stimulus, noise, or given rates."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import ParameterError
from ...parameters import Positive, validated_fields
from ...units import real_array

#: What the input of a phase may be, beside an array, a `Noise`, or a mapping of drive slots to these.
INPUTS = ("x", "none", "noise")


@validated_fields
@dataclass(frozen=True, eq=False)
class Noise:
    """Gaussian noise of mean zero, drawn as a phase begins, for each replica its own.

    Parameters
    ----------
    deviation : float, default 1
        Standard deviation of each cell's number. Above 0.
    mixing : array (cells, cells), optional
        L of coloured noise L ξ, ξ white: its covariance is deviation² L Lᵀ. By default the noise is white.

    Raises
    ------
    ParameterError
        For a deviation that is not positive, or a mixing that is not square, not finite or all 0.
    """

    deviation: Positive = 1.0
    mixing: Any = None

    def __post_init__(self):
        if self.mixing is None:
            return
        try:
            mixing = np.asarray(real_array(self.mixing), dtype=float)
        except (TypeError, ValueError):
            mixing = np.array(np.nan)
        if mixing.ndim != 2 or len(set(mixing.shape)) > 1 or not np.isfinite(mixing).all() or not mixing.any():
            raise ParameterError("Noise: mixing must be a square array (cells, cells) of finite numbers, not all 0")
        object.__setattr__(self, "mixing", mixing)

    @property
    def cells(self) -> int | None:
        """How many cells it is for; None if for any number."""
        return None if self.mixing is None else len(self.mixing)

    def draw(self, replicas: int, cells: int) -> np.ndarray:
        """Draw from the generator that Brian2 seeds, (replicas, cells)."""
        drawn = np.random.standard_normal((replicas, cells))  # noqa: NPY002
        return self.deviation * (drawn if self.mixing is None else drawn @ self.mixing.T)

    def covariance(self, cells: int) -> np.ndarray:
        """Covariance of the numbers of so many cells, (cells, cells)."""
        mixing = np.eye(cells) if self.mixing is None else self.mixing
        return self.deviation**2 * mixing @ mixing.T


Source = Noise | np.ndarray


def sources_of(given: Any, where: str) -> tuple[str | Source | None, dict[str, Source]]:
    """Find out what enters layer 0, and what enters drive slots.

    Parameters
    ----------
    given : str, Noise, array_like or mapping
        As `Phase.input`.
    where : str
        What an error names.

    Returns
    -------
    layer_0 : "x", Noise, ndarray or None
        None for nothing.
    slots : dict of str to (Noise or ndarray)
        By slot.

    Raises
    ------
    ParameterError
        For anything else.
    """
    if isinstance(given, Mapping):
        slots = {}
        for slot, source in given.items():
            if isinstance(source, Mapping):
                source = Noise(**{str(key): value for key, value in source.items()})
            source, _ = sources_of(source, f"{where} of {slot}")
            if not isinstance(slot, str) or isinstance(source, str | None):
                raise ParameterError(f"{where}: must map drive slots to noise or arrays, as {{'drive_noise': 'noise'}}")
            slots[slot] = source
        return None, slots
    if isinstance(given, Noise):
        return given, {}
    if isinstance(given, str):
        if given not in INPUTS:
            raise ParameterError(f"{where} = {given!r}: must be {', '.join(INPUTS)} or an array of rates")
        return {"x": "x", "none": None, "noise": Noise()}[given], {}
    try:
        values = np.asarray(real_array(given), dtype=float)
    except (TypeError, ValueError):
        values = np.array(np.nan)
    if values.ndim != 1 or not np.isfinite(values).all():
        raise ParameterError(f"{where} must be {', '.join(INPUTS)} or an array of finite rates")
    return values, {}


def shown_input(given: Any) -> str:
    """Write the input of a phase in a few words, for tables."""
    layer_0, slots = sources_of(given, "input")
    return ", ".join(f"{slot}: {_shown(source)}" for slot, source in slots.items()) or _shown(layer_0)


def _shown(source: str | Source | None) -> str:
    if isinstance(source, Noise):
        deviation = "" if source.deviation == 1 else f" of deviation {source.deviation:g}"
        return f"noise{deviation}" if source.mixing is None else f"mixed noise{deviation}"
    if source is None:
        return "none"
    return source if isinstance(source, str) else f"{source.size} rates"
