"""What a user can change about a circuit, in the words of its parameters."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Levers:
    """Names of what advice speaks of.

    Parameters
    ----------
    weights : str
        What makes loops weaker when it is lowered.
    feedback : str
        What lets more of the nudge through when it is raised.
    rates : str
        The learning rates of the forward weights.
    unrest : str
        What else may keep activity from settling, as a clause; "" for nothing.
    duration : str
        Key of a phase's steps, with ``{phase}`` for its name.
    """

    weights: str = "the initial weights"
    feedback: str = "the weights that carry it"
    rates: str = "the learning rates"
    unrest: str = ""
    duration: str = "{phase}_steps"
