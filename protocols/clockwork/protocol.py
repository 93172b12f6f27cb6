"""Protocols: what happens in one presentation, and how time is stepped through."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from itertools import zip_longest
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import BeforeValidator, ConfigDict, Field

from ...errors import ParameterError
from ...networks.circuit import Circuit
from ...networks.plasticity import LEAST_CONTRAST, Plasticity
from ...parameters import NonNegative, NonZero, Positive, Steps, Switch, extends, validated
from ...summary import Summarised, Summary
from .lock_in import check_followed, check_lock_in
from .phases import Phase
from .summaries import summary_of_protocol

StepRule = Literal["constant", "divide_by_slow_loop_index", "divide_by_loop_index"]
#: "" stands for none, which TOML does not have.
PhaseName = Annotated[str, BeforeValidator(lambda name: "" if name is None else name)]
Jitter = Annotated[NonNegative, Field(lt=1)]


@dataclass(frozen=True, repr=False)
class Protocol(Summarised):
    """What happens in one presentation, and how time is stepped through.

    Parameters
    ----------
    phases : sequence of Phase
        One after the other.
    plus : str, default "nudge"
    minus : str, default "free"
        The phases that play these parts for rules that contrast two; "" (or None) if none does.
    predicts : str, optional
        The phase whose end is what the circuit predicts; by default the last before the first taught one.
    beta : float, default 1
        Nudging strength ``|β|`` of the presentations of a training run (A1).
    random_sign : bool, default True
        Whether in training β keeps or flips its sign by a fair coin each minibatch (A1).
    step : float, default .05
        Euler step η₀ = dt/τ_u (A2).
    step_rule : {"constant", "divide_by_slow_loop_index", "divide_by_loop_index"}
        η_i in step i = 0, 1, … of a phase: η₀; max(η₀/(1 + step_decay·i), step_min); max(η₀/(i + 1), step_min) (A1).
    step_decay, step_min : float, default .01, .001
    method : {"euler", "exponential_euler"}
        Euler is the published scheme. Exponential Euler is exact for frozen drives: the cells' own stiffness sets no
        bound to its step, but the loop of feedforward and feedback weights may still oscillate.
    jitter : float, default 0
        In training each phase of each presentation lasts `steps` times a factor that is drawn from 1 - jitter to
        1 + jitter, evenly, rounded to whole steps. Phases then need constant courses. Not in the paper.
    reset : {"rest", "carry"}
        Whether a presentation begins at rest (u = r = 0, as published) or where the preparation's last one ended,
        in each replica; predictions then depend on the order of stimuli.
    allow_unstable : bool, default False
        Let Euler steps beyond the circuit's bound pass.
    evaluation : Protocol, optional
        What happens instead where nothing is learnt and there are no targets.

    Raises
    ------
    ParameterError
        For doubled phase names, parts played by phases that do not exist, or numbers out of range.
    """

    phases: Sequence[Phase]
    plus: str = "nudge"
    minus: PhaseName = "free"
    predicts: PhaseName = ""
    beta: NonZero = 1.0
    random_sign: Switch = True
    step: Positive = 0.05
    step_rule: StepRule = "constant"
    step_decay: NonNegative = 0.01
    step_min: Positive = 0.001
    method: Literal["euler", "exponential_euler"] = "euler"
    jitter: Jitter = 0.0
    reset: Literal["rest", "carry"] = "rest"
    allow_unstable: Switch = False
    evaluation: Any = None

    #: For protocols from parameter files: a misspelt key is an error.
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

    def __post_init__(self):
        object.__setattr__(self, "phases", tuple(self.phases))
        names = [phase.name for phase in self.phases]
        if len(set(names)) < len(names) or not names:
            raise ParameterError(f"protocol: needs phases with names of their own, has {names}")
        if self.predicts and self.predicts not in names:
            raise ParameterError(f"protocol: predicts = {self.predicts!r}: has {', '.join(names)}")
        for phase in self.phases if self.jitter else ():
            for variable, course in {"beta": phase.beta, **phase.course}.items():
                if np.ndim(course) == 1 or len(np.atleast_1d(course)) > 1:
                    raise ParameterError(
                        f"jitter = {self.jitter:g}: {variable} of phase {phase.name!r} must be constant"
                    )
        if isinstance(self.evaluation, dict):
            try:
                object.__setattr__(self, "evaluation", Protocol(**self.evaluation))
            except ParameterError as error:
                raise ParameterError(f"evaluation: {error}") from None
        if self.evaluation is not None:
            self._check_evaluation()
        elif self.predicting_phase is None:
            raise ParameterError(
                f"protocol: no phase before {names[0]!r}, the first, is without the teacher; name one that predicts"
            )

    def __getstate__(self):
        """What it was made of; what is computed of that and kept is no part of it, and is computed anew in copies."""
        return {item.name: getattr(self, item.name) for item in fields(self)}

    def _check_evaluation(self):
        if not isinstance(self.evaluation, Protocol):
            raise ParameterError(f"protocol: evaluation = {self.evaluation!r} must be a protocol")
        if self.evaluation.method != self.method:
            raise ParameterError(f"protocol: evaluation has method {self.evaluation.method!r}, must be {self.method!r}")

    def _summary(self) -> Summary:
        return summary_of_protocol(self)

    @property
    def predicting_phase(self) -> str | None:
        """Name of the phase whose end is a prediction; None if the first is taught and none is named."""
        if self.predicts:
            return self.predicts
        taught = [phase.taught for phase in self.phases]
        before = self.phases[: taught.index(True)] if any(taught) else self.phases
        return before[-1].name if before else None

    @property
    def prediction(self) -> tuple[Phase, ...]:
        """The phases that lead to a prediction, without the teacher."""
        names = [phase.name for phase in self.phases]
        until = self.phases[: names.index(self.predicting_phase) + 1] if self.predicting_phase else ()
        return tuple(phase for phase in until if not phase.taught or phase.name == self.predicting_phase)

    @property
    def for_prediction(self) -> "Protocol":
        """What happens where there are no targets: the protocol of evaluation if there is one, else this one."""
        return self.evaluation if self.evaluation is not None else self

    @property
    def betas(self) -> tuple[float, ...]:
        """The βs of a training run's presentations: β, or β and -β."""
        return (-self.beta, self.beta) if self.random_sign else (self.beta,)

    def phase_of(self, name: str) -> str:
        """Name of the phase that a rule reads as `name`: the part that a phase plays, or the phase itself."""
        return {"plus": self.plus, "minus": self.minus}.get(name, name)

    def acting(self, plasticity: Sequence[Plasticity]) -> tuple[Plasticity, ...]:
        """Pick the rules that act: all but optional ones that read a phase which is not there."""
        names = {phase.name for phase in self.phases}
        return tuple(
            item
            for item in plasticity
            if not item.optional or all(self.phase_of(readout.phase) in names for readout in item.readouts)
        )

    def check_learnt_by(self, circuit: Circuit, replicas: int, taught: bool):
        """Raise a `ParameterError` if nothing can be learnt, or learning would run away, unless instability is allowed.

        Parameters
        ----------
        circuit : Circuit
        replicas : int
            Stimuli presented at once.
        taught : bool
            Whether there are targets.
        """
        self.check_learning(circuit.plasticity, taught)
        circuit.check_triggers(self.acting(circuit.plasticity))
        check_followed(circuit, self.phases, self.step)
        if not self.allow_unstable:
            circuit.check_phases(self.phases, replicas)

    def check_learning(self, plasticity: Sequence[Plasticity], taught: bool):
        """Raise a `ParameterError` if nothing can be learnt.

        That is so if there are phases with a teacher but no targets, if a rule reads a phase that is not there, or not
        yet there when it acts, or if contrasted phases end at about the same β, for learning divides by the difference.

        Parameters
        ----------
        plasticity : sequence of Plasticity
        taught : bool
            Whether there are targets.
        """
        names = [phase.name for phase in self.phases]
        plasticity = self.acting(plasticity)
        for item in plasticity:
            for readout in item.readouts:
                phase = self.phase_of(readout.phase)
                if phase not in names:
                    part = f" ({readout.phase} = {phase!r})" if phase != readout.phase else f" {phase!r}"
                    raise ParameterError(f"{item}: reads a phase{part} that the protocol lacks; has {', '.join(names)}")
                steps = self.phases[names.index(phase)].steps
                if readout.last not in (None, "all") and readout.last > steps:
                    raise ParameterError(f"{item}: reads the last {readout.last} of {steps} steps of phase {phase!r}")
                if readout.lock_in is not None:
                    check_lock_in(item, self.phases[names.index(phase)], readout.lock_in)
            first, *others = [names.index(self.phase_of(readout.phase)) for readout in item.readouts]
            running = [readout.last is not None for readout in item.readouts[1:]] if item.when == "step" else []
            over = [other < first or (ran and other == first) for other, ran in zip_longest(others, running)]
            if item.when != "presentation" and not all(over):
                raise ParameterError(f"{item}: acts in phase {names[first]!r} and reads phases that are not over then")
        if not taught and any(phase.taught for phase in self.phases):
            raise ParameterError("learning needs targets y")
        if any({"plus", "minus"} <= {readout.phase for readout in item.readouts} for item in plasticity):
            self._check_contrast()

    def _check_contrast(self):
        ends = {phase.name: np.atleast_1d(phase.beta)[-1] for phase in self.phases}
        largest = max(np.abs(phase.beta).max() for phase in self.phases)
        if abs(ends[self.plus] - ends[self.minus]) <= LEAST_CONTRAST * largest:
            raise ParameterError(
                f"protocol: {self.plus!r} and {self.minus!r} end at the same β; learning divides by the difference"
            )

    def jittered(self, random: np.random.Generator) -> tuple[int, ...] | None:
        """Draw how many steps each phase of a presentation lasts; None without jitter.

        Parameters
        ----------
        random : Generator
        """
        if self.jitter == 0:
            return None
        factors = random.uniform(1 - self.jitter, 1 + self.jitter, len(self.phases))
        steps = np.array([phase.steps for phase in self.phases])
        return tuple(np.maximum(np.rint(factors * steps), 1).astype(int).tolist())

    def eta(self, phase: Phase) -> np.ndarray:
        """Integration steps η_i of a phase, (steps,)."""
        if self.step_rule == "constant":
            return np.full(phase.steps, self.step)
        i = np.arange(phase.steps)
        slowed = 1 + self.step_decay * i if self.step_rule == "divide_by_slow_loop_index" else i + 1
        return np.maximum(self.step / slowed, self.step_min)

    @functools.cached_property
    def _largest_step(self) -> float:
        return max(self.eta(phase).max() for phase in self.phases)

    @functools.cached_property
    def _range_of_beta(self) -> tuple[float, float]:
        courses = np.concatenate([np.atleast_1d(phase.beta) for phase in self.phases])
        return float(courses.min()), float(courses.max())

    def check_stability(self, circuit: Circuit, beta: float):
        """Compare step and β with the circuit's bounds, unless instability is allowed.

        Parameters
        ----------
        circuit : Circuit
        beta : float
            Signed nudging strength β of a presentation.

        Raises
        ------
        ParameterError
            If activity would grow, by itself or by Euler integration.
        """
        if self.allow_unstable:
            return
        betas = [beta * end for end in self._range_of_beta]
        if min(betas) <= circuit.beta_bound():
            drawn = "random_sign = true draws -β too; " if self.random_sign and beta == -self.beta else ""
            raise ParameterError(
                f"beta = {beta:g}: β must stay above {circuit.beta_bound():.3g}, where the output runs into its bounds "
                f"({drawn}allow_unstable = true lets it)"
            )
        step, bound = self._largest_step, circuit.step_bound(max(map(abs, betas)))
        if self.method == "euler" and step >= bound:
            raise ParameterError(
                f"step = {step:g} is beyond the stability bound {bound:.3g} of Euler integration at beta = {beta:g}: "
                "take a smaller step, method = 'exponential_euler', or allow_unstable = true"
            )


Protocol.__init__ = validated(Protocol.__init__)


@extends(Protocol, without=("phases", "plus", "minus", "predicts", "evaluation"))
def contrastive(
    *,
    free_steps: Steps = 30,
    nudge_steps: Steps = 10,
    three_phase: Switch = False,
    evaluation_steps: Steps | None = None,
    evaluation_step: Positive | None = None,
    **stepping,
) -> Protocol:
    """Build the published protocol: a free phase, a nudge phase at β, optionally a third at -β in place of the free.

    Parameters
    ----------
    free_steps, nudge_steps : int, default 30, 10
        Steps of the phases (A2); the third is as long as the second.
    three_phase : bool, default False
        Add the phase at -β, which learning then contrasts with the one at β.
    evaluation_steps, evaluation_step : int, float, optional
        Steps of the free phase, and Euler step, where nothing is learnt; by default those of training.
    **stepping
        `beta`, `random_sign`, `step`, `step_rule`, `step_decay`, `step_min`, `method`, `jitter`, `reset` and
        `allow_unstable`, as in `Protocol`.

    Returns
    -------
    Protocol
        With phases ``free``, ``nudge`` and perhaps ``third``.
    """
    phases = [Phase("free", free_steps), Phase("nudge", nudge_steps, beta=1.0)]
    if three_phase:
        phases.append(Phase("third", nudge_steps, beta=-1.0))
    protocol = Protocol(phases, minus="third" if three_phase else "free", **stepping)
    if evaluation_steps is None and evaluation_step is None:
        return protocol
    free = Phase("free", free_steps if evaluation_steps is None else evaluation_steps)
    step = protocol.step if evaluation_step is None else evaluation_step
    return replace(protocol, evaluation=replace(protocol, phases=[free], step=step, jitter=0.0))


@extends(Protocol, without=("phases", "plus", "minus", "predicts", "beta", "random_sign", "evaluation"))
def settling(*, steps: Steps = 30, **stepping) -> Protocol:
    """Build the protocol of circuits without a teacher: one phase, in which cells settle, and which they learn from.

    Parameters
    ----------
    steps : int, default 30
        Steps of the phase.
    **stepping
        `step`, `step_rule`, `step_decay`, `step_min`, `method`, `jitter`, `reset` and `allow_unstable`, as in
        `Protocol`.

    Returns
    -------
    Protocol
        With the phase ``settle``.
    """
    return Protocol([Phase("settle", steps)], plus="settle", minus="", random_sign=False, **stepping)


@extends(Protocol, without=("phases", "plus", "minus", "predicts", "beta", "random_sign", "step", "evaluation"))
def clamped(*, steps: Steps = 50, step: Positive = 0.1, **stepping) -> Protocol:
    """Build the protocol of clamped predictive coding: a prediction, and a phase in which the output is the target.

    Parameters
    ----------
    steps : int, default 50
        Steps of the second phase, in which hidden values relax.
    step : float, default .1
        Euler step η₀ = dt/τ.
    **stepping
        `step_rule`, `step_decay`, `step_min`, `method`, `jitter`, `reset` and `allow_unstable`, as in `Protocol`.

    Returns
    -------
    Protocol
        With the phases ``forward``, of one step, for values begin where they are to be, and ``relax``.
    """
    phases = [Phase("forward", 1), Phase("relax", steps, teacher=True)]
    return Protocol(phases, plus="relax", minus="", step=step, random_sign=False, **stepping)


@extends(Protocol, without=("phases", "plus", "minus", "predicts", "beta", "step", "evaluation"))
def nudged(*, steps: Steps = 50, beta: NonZero = 1e-3, step: Positive = 0.1, **stepping) -> Protocol:
    """Build the protocol of nudged predictive coding: a prediction, and a phase in which λ draws on the output.

    Parameters
    ----------
    steps : int, default 50
        Steps of the second phase.
    beta : float, default 1e-3
        Nudging strength ``|λ|``.
    step : float, default .1
        Euler step η₀ = dt/τ.
    **stepping
        `random_sign`, `step_rule`, `step_decay`, `step_min`, `method`, `jitter`, `reset` and `allow_unstable`, as in
        `Protocol`.

    Returns
    -------
    Protocol
        With the phases ``forward``, of one step, for values begin where they are to be, and ``nudge``.
    """
    return Protocol([Phase("forward", 1), Phase("nudge", steps, beta=1.0)], minus="", beta=beta, step=step, **stepping)
