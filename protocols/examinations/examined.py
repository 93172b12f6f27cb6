"""What is examined, and the measurements that several examinations look at."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ...networks.trainable import Trainable
from ...stimuli import Stimuli
from ..clockwork.phases import Phase
from ..clockwork.preparation import Preparation
from ..clockwork.protocol import Protocol
from .levers import Levers

#: How many training stimuli are presented.
STIMULI = 10
#: How many training stimuli tell where the whole set is to be looked at.
ACROSS = 200
#: How many times longer than the protocol's own phases a layer may take to settle.
LONGER = 10


@dataclass(frozen=True)
class Examined:
    """A circuit under examination, in float64.

    Parameters
    ----------
    circuit : Trainable
    protocol : Protocol
        That of training, with no bound to its step.
    stimuli : Stimuli
    dtype : dtype
        That of training.
    levers : Levers
        What can be changed, in the words of the circuit's parameters.
    target : {"auto", "cython", "numpy"}
    report : callable
        Told what is being done.
    batch_size : int, default 20
        Stimuli of a minibatch in training.
    """

    circuit: Trainable
    protocol: Protocol
    stimuli: Stimuli
    dtype: np.dtype
    levers: Levers
    target: str = "auto"
    report: Callable[[str], object] = lambda what: None
    batch_size: int = 20

    @cached_property
    def x(self) -> np.ndarray:
        """The first training stimuli, (stimuli, inputs)."""
        return self.stimuli.x_train[:STIMULI].astype(float)

    @cached_property
    def y(self) -> np.ndarray | None:
        """Their targets, (stimuli, outputs)."""
        return None if self.stimuli.y_train is None else self.stimuli.y_train[:STIMULI].astype(float)

    @property
    def across(self) -> tuple[np.ndarray, np.ndarray | None]:
        """Training stimuli from all of the set, and their targets."""
        rows = spaced(len(self.stimuli.x_train))
        x, y = self.stimuli.x_train[rows].astype(float), self.stimuli.y_train
        return x, None if y is None else y[rows].astype(float)

    @property
    def step(self) -> float:
        """Largest Euler step of training."""
        return max(self.protocol.eta(phase).max() for phase in self.protocol.phases)

    @property
    def betas(self) -> np.ndarray:
        """All β that occur in the phases of training."""
        return phase_betas(self.protocol)

    def prepared(self, protocol: Protocol, replicas: int | None = None) -> Preparation:
        """Mount the circuit with a protocol, for the first stimuli by default."""
        return Preparation(self.circuit, replicas or len(self.x), protocol=protocol, target=self.target)

    @cached_property
    def settled(self) -> tuple[Preparation, dict[int, np.ndarray]]:
        """A preparation after a prediction whose last phase was ten times as long, and the layers' rates in each step.

        The rates are (steps, stimuli, cells).
        """
        self.report("settling")
        *before, last = self.protocol.prediction
        phases = [*before, lengthened(last)]
        preparation = self.prepared(replace(self.protocol, phases=phases, jitter=0.0, predicts="", evaluation=None))
        rates: dict[int, list] = {k: [] for k in range(1, self.circuit.output + 1)}

        def note(moment):
            for k, rows in rates.items():
                rows.append(moment.layer(k).read("r").astype(np.float32))

        preparation.on_step.append(note)
        preparation.settle(self.x, ("r",))
        return preparation, {k: np.stack(rows) for k, rows in rates.items()}

    @property
    def free_steps(self) -> int:
        """Steps that lead to a prediction."""
        return sum(phase.steps for phase in self.protocol.prediction)


def phase_betas(protocol: Protocol) -> np.ndarray:
    """All β that occur in the phases of training."""
    return np.concatenate([beta * np.atleast_1d(phase.beta) for beta in protocol.betas for phase in protocol.phases])


def lengthened(phase: Phase) -> Phase:
    """Make a phase longer, its last values going on."""

    def go_on(course):
        course = np.asarray(course, dtype=float)
        if course.ndim == 0 or len(course) == 1:
            return course
        return np.concatenate([course, np.repeat(course[-1:], (LONGER - 1) * phase.steps, axis=0)])

    courses = {key: go_on(course) for key, course in phase.course.items()}
    return replace(phase, steps=LONGER * phase.steps, beta=go_on(phase.beta), course=courses)


def spaced(count: int) -> np.ndarray:
    """Rows of so many stimuli to look at, evenly spaced, as a set may be sorted by class."""
    return np.unique(np.linspace(0, count - 1, min(ACROSS, count)).astype(int))
