"""What goes with a trainable, so that parameter files can name it, and runs train it without knowing which it is."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ...analysis.quantities import Quantity
from ...errors import ParameterError
from ...networks.states import Layers
from ...networks.trainable import Trainable
from ...stimuli.stimuli import TASKS, Stimuli
from ...stimuli.stimulus import Stimulus
from ..examinations.levers import Influence, Levers
from .learner import Learner
from .metrics import performance
from .wiring import Wiring

if TYPE_CHECKING:
    from ..clockwork.protocol import Protocol


def _performance(trainable: Trainable, states: Layers, stimuli: Stimuli) -> dict[str, float]:
    return performance(trainable.predicted(states), stimuli)


@dataclass(frozen=True)
class Model:
    """A trainable and what goes with it.

    Parameters
    ----------
    trainable : callable
        ``trainable(**section, seed=…) -> Trainable``, such as a class. Its annotated signature is the section
        ``[circuit]`` of a parameter file, but for `seed`, which it must take, `weights`, and `dtype`, the type that
        weights are made in: both are optional.
    tasks : tuple of {"classification", "regression", "none"}
        What stimuli it can take. "none" says that it needs no targets: it then takes every set, and sees no targets
        where the set's task is not among the others.
    protocols : mapping of str to callable
        By the name that ``[protocol]`` gives as `form`, the default first: the annotated signature is the rest of that
        section, the call returns a `Protocol`. Empty for trainables without dynamics, which have no such section.
    learner : callable, optional
        ``learner(trainable, replicas, dtype=…, blas_threads=…) -> Learner``, with ``protocol=…, target=…`` if there are
        protocols. By default `Preparation` if there are some, else `StaticLearner`.
    trainer : callable, optional
        ``trainer(trainable)``: what presents stimuli to it in training runs alone, in place of `learner` and called as
        ``trainer(trainable)(trainable, replicas, dtype=…, blas_threads=…)``; None where that is the learner, too.
    suits : callable
        ``suits(trainable, protocol, stimuli)`` before a training run begins: a `ParameterError` if the training
        stimuli are such that learning cannot succeed.
    metrics : callable
        ``metrics(trainable, states, stimuli)``: columns of the history, from the states in which the test stimuli leave
        the trainable; by default `test_accuracy` or `test_r_squared` alone.
    settled : tuple of str
        Variables that the metrics read of these states.
    quantities : mapping of str to Quantity
        Unit and meaning of columns that the metrics have of their own, by their names without a number at the end;
        those that several systems have are in `corinfomax.analysis.quantities`.
    examinations : tuple of callable
        Further ones for the doctor: ``examination(examined)`` gives findings.
    levers : Levers
        What the doctor's advice speaks of.
    score : str, optional
        The column that progress and a run's last line show; by default `test_accuracy` or `test_r_squared`.
    reads_like : str
        The rule in words.
    wiring : Wiring, optional
        What the rule asks of the brain, for comparisons.
    rates : tuple of str, default ("learning_rate",)
        Keys of the learning rates that tuning multiplies.
    citations : tuple of str
        What `corinfomax.cite` gives for it: keys of references in ``CITATION.cff``, the first author's family name and
        the year, or whole BibTeX entries, which begin with "@".
    choices : mapping of str to callable
        Keys of ``[circuit]`` whose value may be "auto", or a list with it in places: the values are
        ``choice(circuit, protocol, stimuli, given)``, of the circuit with 1 in these places.
    begin_epoch : callable, optional
        ``begin_epoch(trainable, learner, stimulus)`` before each epoch of training, with its first minibatch and the
        learner in the state in which that will find it: what is to be measured and set for the epoch. It is not called
        where an epoch is taken up in its midst, so what it sets belongs to the trainable's `state_dict`. It returns a
        line that says what it did, or None.
    influences : callable
        ``influences(trainable, form)``: an `Influence` for each kind of cells beside the layers, at a form of the
        protocol; by default none is known.
    why_unlearnt : callable, optional
        ``why_unlearnt(trainable, learner, protocol, stimuli, classes, seed)``: which of the classes that were not
        recognised have a known cause, and a sentence that says so and what to do.
    """

    trainable: Callable[..., Trainable]
    tasks: tuple[str, ...] = ("classification", "regression")
    protocols: Mapping[str, Callable[..., Protocol]] = field(default_factory=dict)
    learner: Callable[..., Learner] | None = None
    trainer: Callable[[Trainable], Callable[..., Learner] | None] = lambda trainable: None
    suits: Callable[[Trainable, Protocol | None, Stimuli], object] = lambda trainable, protocol, stimuli: None
    metrics: Callable[[Trainable, Layers, Stimuli], dict[str, float]] = _performance
    settled: tuple[str, ...] = ("r",)
    quantities: Mapping[str, Quantity] = field(default_factory=dict)
    examinations: tuple[Callable, ...] = ()
    levers: Levers = field(default_factory=Levers)
    score: str | None = None
    reads_like: str = ""
    wiring: Wiring | None = None
    rates: tuple[str, ...] = ("learning_rate",)
    citations: tuple[str, ...] = ()
    choices: Mapping[str, Callable[..., list[float]]] = field(default_factory=dict)
    begin_epoch: Callable[[Trainable, Learner, Stimulus], str | None] | None = None
    influences: Callable[[Trainable, str], Sequence[Influence]] = lambda trainable, form: ()
    why_unlearnt: Callable[..., tuple[list[int], str]] | None = None

    def __post_init__(self):
        self._check_signature()
        if not self.tasks or not set(self.tasks) <= set(TASKS):
            raise ParameterError(f"model: tasks = {self.tasks!r}: must be some of {', '.join(TASKS)}")

    def _check_signature(self):
        """Raise a `ParameterError` if the trainable cannot be made from a section of a parameter file and a seed."""
        for key in ("trainable", "metrics", "influences"):
            if not callable(getattr(self, key)):
                raise ParameterError(f"Model: {key} = {getattr(self, key)!r}: should be callable, such as a class")
        name = getattr(self.trainable, "__name__", self.trainable)
        parameters = inspect.signature(self.trainable).parameters.values()
        for each in parameters:
            if each.annotation is each.empty and each.name not in ("seed", "weights", "dtype"):
                raise ParameterError(f"model: parameter {each.name!r} of {name} has no annotation, as files need it")
        if not any(each.name == "seed" or each.kind is each.VAR_KEYWORD for each in parameters):
            raise ParameterError(f"model: {name} takes no seed, which runs give it")

    def mount(
        self,
        trainable: Trainable,
        replicas: int,
        protocol: Protocol | None = None,
        target: str = "auto",
        training: bool = False,
        **options,
    ) -> Learner:
        """Make what presents stimuli to a trainable of this model.

        Parameters
        ----------
        trainable : Trainable
        replicas : int
            Most stimuli at once.
        protocol : Protocol, optional
            Of a model with protocols; by default that of the learner.
        target : {"auto", "cython", "numpy"}
            Brian2's code generation target, where there are dynamics.
        training : bool, default False
            Whether it is for a training run, which the model may have a `trainer` for.
        **options
            `dtype` and `blas_threads`.
        """
        if training and (trainer := self.trainer(trainable)) is not None:
            return trainer(trainable, replicas, **options)
        if self.protocols:
            options |= {"protocol": protocol, "target": target}
        return self._learner()(trainable, replicas, **options)

    def _learner(self) -> Callable[..., Learner]:
        if self.learner is not None:
            return self.learner
        # Where they are needed: the first imports Brian2.
        if self.protocols:
            from ..clockwork.preparation import Preparation

            return Preparation
        from .static import StaticLearner

        return StaticLearner
