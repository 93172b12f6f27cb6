"""What a set's test stimuli show of a learner."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ...analysis import confusion, r_squared_by_output, recall
from ...networks.states import Layers
from ...networks.trainable import Trainable
from ...stimuli.stimuli import Stimuli
from .learner import Learner
from .metrics import performance, score_of
from .model import Model


@dataclass(frozen=True)
class Evaluation:
    """What test stimuli show of a learner.

    Parameters
    ----------
    stimuli : Stimuli
    columns : dict of str to float
        Those of the history that concern validation and test stimuli.
    outputs : ndarray (stimuli, outputs)
        What the output layer predicts for the test stimuli.
    unscaled : callable
        Takes outputs, and targets as they are presented, to the unit that the user's targets have.
    """

    stimuli: Stimuli
    columns: dict[str, float]
    outputs: np.ndarray
    unscaled: Callable[[np.ndarray], np.ndarray] = lambda outputs: outputs

    @property
    def confusion(self) -> np.ndarray | None:
        """Test stimuli by true and predicted class, (classes, classes); None unless these are to be recognised."""
        return self._of("classification", confusion)

    @property
    def recall(self) -> np.ndarray | None:
        """Fraction of each class's test stimuli that are recognised, NaN of a class without; None as `confusion`."""
        return self._of("classification", recall)

    @property
    def r_squared(self) -> np.ndarray | None:
        """R² of each output; None unless the task is a regression."""
        return self._of("regression", r_squared_by_output)

    @property
    def deviation(self) -> np.ndarray | None:
        """Root mean square deviation of each output from its targets, in their unit; None as `r_squared`."""
        return self._of("regression", self._root_mean_square)

    def _root_mean_square(self, outputs: np.ndarray, y: np.ndarray) -> np.ndarray:
        missed = np.abs(self.unscaled(outputs) - self.unscaled(y)).astype(float)
        largest = missed.max(axis=0)
        unit = np.where(largest > 0, largest, 1.0)  # squares of what is far from 1 would not be numbers
        return largest * np.sqrt(np.mean((missed / unit) ** 2, axis=0))

    def _of(self, task: str, measure: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> np.ndarray | None:
        return measure(self.outputs, self.stimuli.y_test) if self.stimuli.task == task else None


def evaluate(
    trainable: Trainable,
    learner: Learner,
    stimuli: Stimuli,
    model: Model | None = None,
    seed: int | None = None,
    validation: bool = True,
    unscaled: Callable[[np.ndarray], np.ndarray] = lambda outputs: outputs,
) -> Evaluation:
    """Present validation and test stimuli, without learning.

    Parameters
    ----------
    trainable : Trainable
    learner : Learner
        Of the trainable, in the state that each part of the set is to begin with; it is left there.
    stimuli : Stimuli
    model : Model, optional
        The trainable's entry in the registry, for its metrics; by default performance is all that is measured.
    seed : int, optional
        Of background input.
    validation : bool, default True
        Whether the validation part is presented, too, if there is one.
    unscaled : callable, optional
        As of `Evaluation`; by default targets are in their unit.
    """
    rest = learner.state_dict()

    def settled(x: np.ndarray, variables: tuple[str, ...]) -> Layers:
        try:
            return learner.settle(x, variables, seed=seed)
        finally:
            learner.load_state_dict(rest)

    columns = {}
    if validation and stimuli.y_validation is not None:
        name, score = score_of(stimuli)
        outputs = trainable.predicted(settled(stimuli.x_validation, (trainable.prediction,)))
        columns[f"validation_{name}"] = score(outputs, stimuli.y_validation)
    wanted = (trainable.prediction, *(() if model is None else model.settled))
    states = settled(stimuli.x_test, tuple(dict.fromkeys(wanted)))
    outputs = trainable.predicted(states)
    columns |= performance(outputs, stimuli) if model is None else model.metrics(trainable, states, stimuli)
    return Evaluation(stimuli, columns, outputs, unscaled)
