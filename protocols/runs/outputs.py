"""What a learner would have predicted for the training stimuli, collected while it learns from them."""

from collections.abc import Mapping

import numpy as np

from ...errors import ParameterError
from ...networks.states import Layers
from ...networks.trainable import Trainable
from ...stimuli.stimuli import Stimuli
from ..systems.metrics import score_of


class Outputs:
    """Outputs of one epoch: of each training stimulus, at the end of the predicting phase of its presentation.

    Parameters
    ----------
    stimuli : Stimuli
    phase : str or None
        The predicting phase; without one, and without targets, nothing is collected.
    trainable : Trainable
        What predicts.

    Attributes
    ----------
    score_name : str or None
        The history's column: `train_accuracy` or `train_r_squared`.
    """

    def __init__(self, stimuli: Stimuli, phase: str | None, trainable: Trainable):
        self._stimuli, self._phase, self._trainable = stimuli, phase, trainable
        found = None if phase is None else score_of(stimuli)
        self.score_name = None if found is None else f"train_{found[0]}"
        self._score = None if found is None else found[1]
        self.forget()

    def forget(self):
        """Begin an epoch."""
        y = self._stimuli.y_train
        self._values = None if self._score is None else np.full(y.shape, np.nan, dtype=np.float32)

    def note(self, rows: np.ndarray, ends: Mapping[str, Layers]):
        """Keep the outputs for some of the stimuli."""
        if self._values is not None:
            self._values[rows] = self._trainable.predicted(ends[self._phase])

    def score(self, rows: np.ndarray | None = None) -> float | None:
        """Performance on some of the stimuli, or all; None where it is not defined."""
        if self._values is None or (rows is not None and len(rows) < 2):  # R² of one is not defined
            return None
        rows = slice(None) if rows is None else rows
        return self._score(self._values[rows], self._stimuli.y_train[rows])

    def unlearnt(self) -> np.ndarray | None:
        """Classes of which no stimulus was recognised; None where there are none to recognise."""
        labels = self._stimuli.labels_train
        if self._values is None or labels is None:
            return None
        return np.setdiff1d(labels, labels[self._values.argmax(axis=1) == labels])

    def state_dict(self) -> dict[str, np.ndarray]:
        """Return the outputs, if some are collected."""
        return {} if self._values is None else {"outputs": self._values}

    def load_state_dict(self, state: Mapping[str, np.ndarray]):
        """Restore what `state_dict` gave."""
        if self._values is None:
            return
        found = state["outputs"]
        if found.shape != self._values.shape or found.dtype != self._values.dtype:
            raise ParameterError(f"outputs are {found.dtype} of shape {found.shape}")
        self._values = found
