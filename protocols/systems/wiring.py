"""What a learning rule asks of the brain: where its synapses would have to get what they change by."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Wiring:
    """Whether a rule could be one of synapses.

    Parameters
    ----------
    transport : bool
        Whether the way down takes its strengths from the way up, as though one synapse knew another one.
    symmetric : bool
        Whether the way down has the strengths of the way up. Without transport that is so where both begin alike and
        change alike, each by the cells that it joins.
    local : bool
        Whether a synapse changes by signals of the two cells that it joins, in one network that is always there.
    why : str
        In words.
    """

    transport: bool
    symmetric: bool
    local: bool
    why: str
