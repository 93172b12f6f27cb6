"""Phases and protocols: an experiment in time, as data."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import BeforeValidator, ConfigDict, Field

from ...errors import ParameterError
from ...networks import Circuit
from ...parameters import Finite, NonNegative, NonZero, Positive, Steps, Switch, validated

StepRule = Literal["constant", "divide_by_slow_loop_index", "divide_by_loop_index"]
#: "" stands for none, which TOML does not have.
PhaseName = Annotated[str, BeforeValidator(lambda name: "" if name is None else name)]
Course = Finite | list[Finite]
CellCourse = Course | list[list[float]]
Jitter = Annotated[NonNegative, Field(lt=1)]
#: Least difference of the contrasted βs, in units of the largest |β|: learning divides by it.
_LEAST_CONTRAST = 1e-6


@dataclass(frozen=True)
class Phase:
    """A stretch of time in which β and other variables follow a given course.

    Parameters
    ----------
    name : str
        Under this name a `Presentation` gives the phase's traces.
    steps : int
        Duration in steps of integration.
    beta : float or sequence of float, default 0
        Nudging strength in units of the presentation's β: a constant, or one value for each step.
    course : mapping of str to float, sequence of float or array (steps or 1, cells), optional
        The same for further variables: gates and injected currents, of every population that has them (interneurons
        included), or of one as in ``{"SST_1.gate_soma": 0.0}``; an array with two dimensions gives each cell its own,
        NaN to those that it does not concern. After its phase a variable has again the value it had before.
        What is computed in each step, potentials ``"layer_1.u"``, rates ``r`` and drives, is held at its course from
        the phase's first step on, and then goes on from there.
    """

    name: str
    steps: Steps
    beta: Course = 0.0
    course: Mapping[str, CellCourse] = field(default_factory=dict)

    #: For phases from parameter files: a misspelt key is an error.
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    def __post_init__(self):
        if not isinstance(self.name, str) or not self.name.isidentifier() or self.name in ("phases", "trace"):
            raise ParameterError(f"phase {self.name!r}: its name must be an identifier, and not phases or trace")
        if not isinstance(self.steps, int | np.integer) or isinstance(self.steps, bool) or self.steps < 1:
            raise ParameterError(f"phase {self.name!r}: steps = {self.steps} must be a whole number, at least 1")
        if not isinstance(self.course, Mapping):
            raise ParameterError(f"phase {self.name!r}: course must map variables to values, as {{'gate_soma': 0}}")
        for variable in self.course:
            if str(variable).rpartition(".")[2] in ("beta", "pace"):
                raise ParameterError(f"phase {self.name!r}: {variable} has no place in course; see beta and step_rule")
        self._check_course("beta", self.beta, per_cell=False)
        for variable, values in self.course.items():
            self._check_course(variable, values, per_cell=True)

    def _check_course(self, variable: str, values, per_cell: bool):
        allowed = f"a finite number or {self.steps} of them"
        if per_cell:
            allowed += f", or an array (1 or {self.steps}, cells), NaN for cells that it leaves alone"
        try:
            values = np.asarray(values, dtype=float)
        except (TypeError, ValueError):
            values = np.array(np.nan)
        fits = values.shape in ((), (self.steps,)) or (per_cell and values.ndim == 2 and len(values) in (1, self.steps))
        if not fits or np.isinf(values).any() or (values.ndim < 2 and np.isnan(values).any()):
            raise ParameterError(f"phase {self.name!r}: the course of {variable} must be {allowed}")

    @property
    def taught(self) -> bool:
        """Whether the teacher is present: β differs from 0 at some time."""
        return bool(np.any(self.beta))


class Protocol:
    """What happens in one presentation, and how time is stepped through.

    Parameters
    ----------
    phases : sequence of Phase
        One after the other. Those before the first taught phase make up a prediction.
    plus : str, default "nudge"
    minus : str, default "free"
        The phases whose ends learning contrasts; if `minus` is "" (or None) it learns from the end of `plus` alone.
    beta : float, default 1
        Nudging strength |β| of the presentations of a training run (A1).
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

    Raises
    ------
    ParameterError
        For doubled phase names, phases of the contrast that do not exist, or numbers out of range.
    """

    @validated
    def __init__(
        self,
        phases: Sequence[Phase],
        *,
        plus: str = "nudge",
        minus: PhaseName = "free",
        beta: NonZero = 1.0,
        random_sign: Switch = True,
        step: Positive = 0.05,
        step_rule: StepRule = "constant",
        step_decay: NonNegative = 0.01,
        step_min: Positive = 0.001,
        method: Literal["euler", "exponential_euler"] = "euler",
        jitter: Jitter = 0.0,
        reset: Literal["rest", "carry"] = "rest",
        allow_unstable: Switch = False,
    ):
        self.phases = tuple(phases)
        names = [phase.name for phase in self.phases]
        if len(set(names)) < len(names) or not names:
            raise ParameterError(f"protocol: needs phases with names of their own, has {names}")
        minus = minus or None
        for name in (plus, minus):
            if name is not None and name not in names:
                raise ParameterError(f"protocol: learns from phase {name!r}, has {', '.join(names)}")
        if self.phases[0].taught:
            raise ParameterError(f"protocol: the first phase, {names[0]!r}, must be free of the teacher (β = 0)")
        for phase in self.phases if jitter else ():
            for variable, course in {"beta": phase.beta, **phase.course}.items():
                if np.ndim(course) and len(course) > 1:
                    raise ParameterError(f"jitter = {jitter:g}: {variable} of phase {phase.name!r} must be constant")
        self.plus, self.minus, self.jitter = plus, minus, jitter
        self.beta, self.random_sign = beta, random_sign
        self.step, self.step_rule, self.step_decay, self.step_min = step, step_rule, step_decay, step_min
        self.method, self.reset, self.allow_unstable = method, reset, allow_unstable

    def with_phases(self, phases: Sequence[Phase]) -> "Protocol":
        """Return this protocol with other phases, of the same names."""
        other = copy.copy(self)
        other.phases = tuple(phases)
        if [phase.name for phase in other.phases] != [phase.name for phase in self.phases]:
            raise ParameterError("protocol: with_phases takes phases of the same names, in the same order")
        return other

    @property
    def prediction(self) -> tuple[Phase, ...]:
        """The phases before the teacher appears."""
        taught = [phase.taught for phase in self.phases]
        return self.phases[: taught.index(True)] if any(taught) else self.phases

    @property
    def betas(self) -> tuple[float, ...]:
        """The βs of a training run's presentations: β, or β and -β."""
        return (-self.beta, self.beta) if self.random_sign else (self.beta,)

    def check_learning(self, taught: bool):
        """Raise a `ParameterError` if nothing can be learnt.

        That is so if there are phases with a teacher but no targets, or if the contrasted phases end at about the
        same β, for learning divides by the difference.

        Parameters
        ----------
        taught : bool
            Whether there are targets.
        """
        if not taught and any(phase.taught for phase in self.phases):
            raise ParameterError("learning needs targets y")
        if self.minus is None:
            return
        ends = {phase.name: np.atleast_1d(phase.beta)[-1] for phase in self.phases}
        largest = max(np.abs(phase.beta).max() for phase in self.phases)
        if abs(ends[self.plus] - ends[self.minus]) <= _LEAST_CONTRAST * largest:
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
        i = np.arange(phase.steps)
        if self.step_rule == "constant":
            return np.full(phase.steps, self.step)
        slowed = 1 + self.step_decay * i if self.step_rule == "divide_by_slow_loop_index" else i + 1
        return np.maximum(self.step / slowed, self.step_min)

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
        betas = beta * np.concatenate([np.atleast_1d(phase.beta) for phase in self.phases])
        if betas.min() <= circuit.beta_bound():
            drawn = "random_sign = true draws -β too; " if self.random_sign and beta == -self.beta else ""
            raise ParameterError(
                f"beta = {beta:g}: β must stay above {circuit.beta_bound():.3g}, where the output runs into its bounds "
                f"({drawn}allow_unstable = true lets it)"
            )
        step = max(self.eta(phase).max() for phase in self.phases)
        bound = circuit.step_bound(np.abs(betas).max())
        if self.method == "euler" and step >= bound:
            raise ParameterError(
                f"step = {step:g} is beyond the stability bound {bound:.3g} of Euler integration at beta = {beta:g}: "
                "take a smaller step, method = 'exponential_euler', or allow_unstable = true"
            )


@validated
def contrastive(
    *,
    free_steps: Steps = 30,
    nudge_steps: Steps = 10,
    three_phase: Switch = False,
    beta: NonZero = 1.0,
    random_sign: Switch = True,
    step: Positive = 0.05,
    step_rule: StepRule = "constant",
    step_decay: NonNegative = 0.01,
    step_min: Positive = 0.001,
    method: Literal["euler", "exponential_euler"] = "euler",
    jitter: Jitter = 0.0,
    reset: Literal["rest", "carry"] = "rest",
    allow_unstable: Switch = False,
) -> Protocol:
    """Build the published protocol: a free phase, a nudge phase at β, optionally a third at -β in place of the free.

    Parameters
    ----------
    free_steps, nudge_steps : int, default 30, 10
        Steps of the phases (A2); the third is as long as the second.
    three_phase : bool, default False
        Add the phase at -β, which learning then contrasts with the one at β.
    beta, random_sign, step, step_rule, step_decay, step_min, method, jitter, reset, allow_unstable
        As in `Protocol`.

    Returns
    -------
    Protocol
        With phases ``free``, ``nudge`` and perhaps ``third``.
    """
    phases = [Phase("free", free_steps), Phase("nudge", nudge_steps, beta=1.0)]
    if three_phase:
        phases.append(Phase("third", nudge_steps, beta=-1.0))
    return Protocol(
        phases,
        minus="third" if three_phase else "free",
        beta=beta,
        random_sign=random_sign,
        step=step,
        step_rule=step_rule,
        step_decay=step_decay,
        step_min=step_min,
        method=method,
        jitter=jitter,
        reset=reset,
        allow_unstable=allow_unstable,
    )
