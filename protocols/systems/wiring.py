"""What a learning rule asks of the brain: where its synapses would have to get what they change by."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Wiring:
    """Whether a rule could be one of synapses.

    Parameters
    ----------
    transport : bool
        Whether the way down has the strengths of the way up, as though each synapse were known to another one.
    local : bool
        Whether a synapse changes by the activity of the two cells that it joins, in one network that is always there.
    why : str
        In words.
    """

    transport: bool
    local: bool
    why: str
