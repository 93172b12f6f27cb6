"""The little that training, evaluation and comparison see of whatever presents stimuli to a trainable."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

import numpy as np

from ...networks.states import Layers
from ...stimuli.stimulus import Stimulus


class Learner(Protocol):
    """What a training run needs. A `Preparation` meets it, and for trainables without dynamics a `StaticLearner`.

    Attributes
    ----------
    on_presentation : list of callable
        ``hook(moment, ends)`` after each presentation: the moment has the `stimulus` that was `presented`, the ends are
        the `PhaseEnd` of each phase, by its name.
    replicas : int
        Most stimuli of one minibatch.
    interrupted : bool
        Whether the user ended the last run early, at a presentation's end. Setting it ends a run so.
    prediction_phase : str or None
        Which of a presentation's ends holds what would be predicted for its stimuli; None if none does.
    """

    on_presentation: list[Callable]
    replicas: int
    interrupted: bool

    @property
    def prediction_phase(self) -> str | None:
        """Name of the phase whose end is what would be predicted."""

    def run(self, stimuli: Iterable[Stimulus]) -> None:
        """Present stimuli one after the other, and learn from those that ask for it."""

    def check_beta(self, beta: float) -> None:
        """Raise a `ParameterError` if a presentation at this β would be unstable."""

    def settle(self, x, variables: Sequence[str] | None = None, seed: int | None = None) -> Layers:
        """States of the layers k ≥ 1 for x, (n, units): always `r`; whatever is random is fixed by the seed."""

    def state_dict(self) -> dict[str, np.ndarray]:
        """State beside the weights."""

    def load_state_dict(self, state: Mapping[str, np.ndarray]) -> None:
        """Restore what `state_dict` gave."""
