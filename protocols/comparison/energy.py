"""What events and weight changes would cost a chip: a stated price for each, in picojoules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import ParameterError
from ...parameters import NonNegative, validated_fields
from ...toml import tables


@validated_fields
@dataclass(frozen=True)
class Prices:
    """What a chip pays, in pJ.

    Parameters
    ----------
    graded : float
        For a synaptic event whose presynaptic output is a number: a multiplication and an addition.
    spike : float
        For one whose presynaptic output is a spike: an addition.
    plasticity : float
        For the change of one synapse by one product of presynaptic and postsynaptic signals.
    source : str
    """

    graded: NonNegative
    spike: NonNegative
    plasticity: NonNegative
    source: str = ""

    def energy(self, row: Mapping[str, Any]) -> float:
        """Energy of one training stimulus in nJ, of the columns `events`, `spikes` and `plasticity`; NaN without."""
        spikes = row.get("spikes")
        spikes = 0.0 if spikes is None or not np.isfinite(spikes) else spikes
        events, products = (row.get(name, np.nan) for name in ("events", "plasticity"))
        return 1e-3 * (self.graded * (events - spikes) + self.spike * spikes + self.plasticity * products)


#: Prices by name. Memory, leakage and routing are not in them: they bound the cost from below.
PRICES = {
    "float32": Prices(4.6, 0.9, 4.6, "32-bit floating point in 45 nm: 3.7 pJ × and .9 pJ + (Horowitz, ISSCC 2014)"),
    "int8": Prices(0.23, 0.03, 0.23, "8-bit integers in 45 nm: .2 pJ × and .03 pJ + (Horowitz, ISSCC 2014)"),
    "loihi": Prices(
        23.6, 23.6, 120.0, "Loihi: 23.6 pJ a synaptic operation, 120 pJ a change (Davies et al., IEEE Micro 2018)"
    ),
}


def prices(name: str) -> Prices:
    """Give the prices of a name, or those that a parameter file states.

    Parameters
    ----------
    name : str
        Key of `PRICES`, or a TOML file with `graded`, `spike`, `plasticity` and perhaps `source`.

    Raises
    ------
    ParameterError
        In one line, for a name or file that does not exist, or values that are not allowed.
    """
    if name in PRICES:
        return PRICES[name]
    path = Path(name)
    if path.suffix != ".toml":
        raise ParameterError(f"energy = {name!r}: must be one of {', '.join(PRICES)}, or a file that ends in .toml")
    try:
        values = tables(path.read_text(encoding="utf-8-sig"), name)
    except OSError as error:
        raise ParameterError(f"{name}: cannot be read ({error.strerror})") from None
    keys = {"graded", "spike", "plasticity"}
    if not keys <= set(values) <= keys | {"source"}:
        raise ParameterError(f"{name}: must have graded, spike and plasticity, in pJ, and may have source")
    try:
        return Prices(**values)
    except ParameterError as error:
        raise ParameterError(f"{name}: {error}") from None
