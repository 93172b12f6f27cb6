"""Where a circuit comes from: what goes with it without being part of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...networks.trainable import Trainable

if TYPE_CHECKING:  # circuits without dynamics have a provenance too, and need no Brian2
    from .protocol import Protocol


@dataclass(frozen=True)
class Provenance:
    """What goes with a circuit that a parameter file made.

    Parameters
    ----------
    protocol : Protocol, optional
        What it was trained with; a preparation of it follows this protocol by default.
    parameters : str, default ""
        The parameter file, as text, for recordings to carry.
    """

    protocol: Protocol | None = None
    parameters: str = ""


def provenance(circuit: Trainable) -> Provenance:
    """Tell where a circuit comes from; of one made in Python nothing is known."""
    return Provenance() if circuit.provenance is None else circuit.provenance


def note_provenance(circuit: Trainable, found: Provenance):
    """Note where a circuit comes from; copies of it know, too."""
    circuit.provenance = found
