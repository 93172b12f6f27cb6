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


@dataclass(frozen=True)
class Influence:
    """What cells that stand beside the layers do to a circuit, for reports of what happens without them.

    Parameters
    ----------
    role : str
        The cells' role, as `Cell.role` declares it.
    name : str
        What they are called, in the plural.
    potential : str
        The recordable of a layer's cells that is the potential of those beside it.
    reasons : tuple of str
        Paragraphs that say why they do next to nothing; empty if they do something.
    settings : tuple of str
        ``KEY=VALUE`` at which they would.
    """

    role: str
    name: str
    potential: str
    reasons: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
