"""What presents stimuli to a trainable without dynamics, whose states for a stimulus are computed at once."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import DivergenceError, ParameterError, StimulusError
from ...networks.states import Layers
from ...networks.trainable import Trainable
from ...parameters import Count, validated
from ...progress import Progression
from ...stimuli.stimulus import Stimulus, as_rows
from ..clockwork.precision import agree_on_dtype
from ..interruption import interrupted, on_interrupt
from ..linear_algebra import limited_to

#: The only phase of a presentation, by the name that rules of networks without dynamics read it under.
PHASE = "forward"


@dataclass(frozen=True)
class StaticMoment:
    """What hooks see of a presentation.

    Parameters
    ----------
    stimulus : Stimulus
    """

    stimulus: Stimulus

    @property
    def presented(self) -> int:
        """Number of stimuli that are presented."""
        return len(self.stimulus.x)


class StaticLearner:
    """A `Learner` of trainables without dynamics.

    Parameters
    ----------
    trainable : Trainable
        With ``states(x, y=None) -> PhaseEnd``: `r` of the layers 0 … P for the stimuli x (n, inputs), and with the
        targets y what else its rules read. The rules read the phase "forward".
    replicas : int, default 1
        Most stimuli of one presentation.
    dtype : dtype, optional
        Floating-point type of states and weights; by default the trainable's.
    blas_threads : int or None, default 1
        Threads of the linear algebra during a run, None for as many as the process has.
    phase : str, default "forward"
        What the trainable's rules call the one phase.

    Attributes
    ----------
    prediction_phase : str
        The same.
    on_presentation : list of callable
        Hooks ``hook(moment, ends)`` after each presentation and what was learnt from it.
    interrupted : bool
        Whether a signal ended the last run early. A hook may set it to the same effect.
    """

    @validated
    def __init__(
        self,
        trainable: Trainable,
        replicas: Count = 1,
        *,
        dtype: Any = None,
        blas_threads: Count | None = 1,
        phase: str = PHASE,
    ):
        self.trainable, self.replicas, self.blas_threads = trainable, replicas, blas_threads
        self.prediction_phase = phase
        self.dtype = agree_on_dtype(self, trainable, dtype)
        self.on_presentation: list[Callable] = []
        self.interrupted = False
        self._running = False
        self._check_rules()

    def run(self, stimuli: Iterable[Stimulus], progress: bool | None = None):
        """Present stimuli one after the other, until they end or the user interrupts.

        Ctrl-C and other signals that stop (see `on_interrupt`) let the present presentation end, and set `interrupted`.

        Parameters
        ----------
        stimuli : iterable of Stimulus
            Taken one at a time, when its turn comes.
        progress : bool, optional
            As in `Preparation.run`.

        Raises
        ------
        StimulusError
            For stimuli that do not fit.
        ParameterError
            If a hook calls it, or weights have been exchanged for arrays of another shape or type.
        DivergenceError
            If states or weights are no longer finite.
        """
        if self._running:
            raise ParameterError("this learner is presenting already; make another one of the same trainable")
        self._running, self.interrupted = True, False
        try:
            self._check_rules()
            self.trainable.check_weights()
            self.trainable.renew()
            # Overflow on the way to infinity is reported as divergence.
            with (
                on_interrupt(lambda: setattr(self, "interrupted", True)),
                limited_to(self.blas_threads),
                np.errstate(over="ignore", invalid="ignore"),
                Progression(stimuli, "presenting", progress) as shown,
            ):
                for stimulus in shown:
                    self._present(self._checked(stimulus))
                    if self.interrupted:
                        break
        finally:
            self._running = False

    def _check_rules(self):
        """Raise a `ParameterError` for rules that read or wait for what a presentation without dynamics lacks."""
        for rule in self.trainable.plasticity:
            if rule.when != "presentation":
                raise ParameterError(
                    f"{rule}: acts at the end of each {rule.when}; without dynamics there are only presentations"
                )
            for readout in rule.readouts:
                if readout.phase != self.prediction_phase or readout.last is not None:
                    raise ParameterError(
                        f"{rule}: reads {readout}; without dynamics there is only the end of {self.prediction_phase!r}"
                    )

    def _present(self, stimulus: Stimulus):
        trainable = self.trainable
        ends = {self.prediction_phase: trainable.states(stimulus.x, stimulus.y)}
        if not all(np.isfinite(r).all() for k, r in ends[self.prediction_phase].r.items() if k):
            raise DivergenceError("activity is not finite")
        if stimulus.learn:
            try:
                trainable.learn(lambda readout: ends[readout.phase])
            except AttributeError as error:
                if stimulus.y is None:
                    raise StimulusError(f"learning needs targets y ({error})") from None
                raise
            trainable.count_presentation()
            trainable.check_finite()
        for hook in list(self.on_presentation):
            hook(StaticMoment(stimulus), ends)

    def settle(self, x, variables: Sequence[str] | None = None, seed: int | None = None) -> Layers:
        """States of the layers k ≥ 1.

        Parameters
        ----------
        x : array_like (n, inputs)
            Any number of stimuli.
        variables : sequence of str, optional
            Of the states without targets; by default all.
        seed : int, optional
            Not used: nothing is random here.

        Returns
        -------
        Layers
            ``.r[k]``, (n, units).

        Raises
        ------
        ParameterError
            For variables that the states do not have.
        """
        x = as_rows("x", x, self.dtype)
        if not len(x):
            raise StimulusError("x has no stimuli")
        ends: list[Layers] = []

        def collect(moment, found):
            ends.append(found[self.prediction_phase])

        self.on_presentation.append(collect)
        try:
            self.run(Stimulus(x[start : start + self.replicas]) for start in range(0, len(x), self.replicas))
        finally:
            self.on_presentation.remove(collect)
        if self.interrupted:
            raise interrupted()
        known = ends[0].variables
        if missing := [name for name in variables or () if name not in known]:
            raise ParameterError(f"no variable {missing[0]!r}; there are {', '.join(known)}")
        return Layers(
            {
                name: {k: np.concatenate([end.variables[name][k] for end in ends]) for k in known[name] if k}
                for name in dict.fromkeys(("r", *(known if variables is None else variables)))
            }
        )

    def predict(self, x) -> np.ndarray:
        """Output of the last layer, (n, outputs)."""
        return self.trainable.predicted(self.settle(x, (self.trainable.prediction,)))

    def check_beta(self, beta: float):
        """Pass: there is no β that anything could be unstable at."""

    def state_dict(self) -> dict[str, np.ndarray]:
        """Return nothing: there is no state beside the weights."""
        return {}

    def load_state_dict(self, state: Mapping[str, np.ndarray]):
        """Restore nothing."""

    def _checked(self, stimulus: Stimulus) -> Stimulus:
        if not isinstance(stimulus, Stimulus):
            raise StimulusError(f"{type(stimulus).__name__} is no Stimulus; run takes an iterable of them")
        sizes = self.trainable.sizes
        checked = stimulus.checked(sizes[0], sizes[-1], self.replicas, self.dtype)
        if checked.y is not None:
            self.trainable.check_targets(checked.y)
        return checked
