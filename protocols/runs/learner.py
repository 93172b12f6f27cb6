"""The little that training, evaluation and comparison see of whatever learns."""

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

import numpy as np

from ...networks import Layers
from ...stimuli import Stimulus


class Learner(Protocol):
    """What a training run needs. A `Preparation` meets it; rules without dynamics can meet it directly.

    Attributes
    ----------
    on_presentation : list of callable
        ``hook(learner, ends)`` after each presentation.
    replicas : int
        Most stimuli of one minibatch.
    interrupted : bool
        Whether the user ended the last run early, at a presentation's end.
    prediction_phase : str
        Which of a presentation's ends holds what would be predicted for its stimuli.
    """

    on_presentation: list[Callable]
    replicas: int
    interrupted: bool

    @property
    def prediction_phase(self) -> str:
        """Name of the last phase before the teacher."""

    def run(self, stimuli: Iterable[Stimulus]) -> None:
        """Present stimuli one after the other, and learn from those that ask for it."""

    def check_beta(self, beta: float) -> None:
        """Raise a `ParameterError` if a presentation at this β would be unstable."""

    def settle(self, x, *, seed: int | None = None) -> Layers:
        """States of all layers for x; whatever is random is fixed by the seed."""

    def state_dict(self) -> dict[str, np.ndarray]:
        """State beside the weights."""

    def load_state_dict(self, state: Mapping[str, np.ndarray]) -> None:
        """Restore what `state_dict` gave."""
