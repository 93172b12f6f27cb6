"""What hooks see of a presentation that is going on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...networks.population import Population
from ...networks.states import PhaseEnd
from ...stimuli.stimulus import Stimulus
from .phases import Phase


@dataclass
class Now:
    """Where a run is, as the clock has it; a `Moment` shows it to others.

    Parameters
    ----------
    populations : mapping of str to Population
    layers : list of Population
    stimulus, phase, step, time, s
        As in `Moment`.
    betas : sequence of float
        β of each step of the phase.
    """

    populations: Mapping[str, Population]
    layers: list[Population]
    stimulus: Stimulus | None = None
    phase: Phase | None = None
    step: int = 0
    time: float = 0.0
    s: float = 0.0
    betas: Any = (0.0,)


class Moment:
    """The present moment of a run, read-only. It is live: a hook that keeps something copies it.

    Attributes
    ----------
    stimulus : Stimulus
        What is presented.
    presented : int
        Number of its stimuli; further replicas have none.
    phase : Phase
        Present phase.
    step : int
        Steps of it that were done before the present one.
    time, s : float
        Seconds, and Σ η_i, since the presentation's start.
    beta : float
        Present β.
    populations : mapping of str to Population
    """

    __slots__ = ("_now",)

    def __init__(self, now: Now):
        self._now = now

    def __repr__(self):
        if self._now.phase is None:
            return "<Moment before the first presentation>"
        return f"<Moment {self.phase.name}, step {self.step}, {1e3 * self.time:.4g} ms, β = {self.beta:g}>"

    @property
    def stimulus(self) -> Stimulus:
        """What is presented."""
        return self._now.stimulus

    @property
    def presented(self) -> int:
        """Number of stimuli that are presented; further replicas have none."""
        return len(self._now.stimulus.x)

    @property
    def phase(self) -> Phase:
        """Present phase."""
        return self._now.phase

    @property
    def step(self) -> int:
        """Steps of the phase that were done before the present one."""
        return self._now.step

    @property
    def time(self) -> float:
        """Seconds since the presentation's start."""
        return self._now.time

    @property
    def s(self) -> float:
        """Integration variable Σ η_i since the presentation's start."""
        return self._now.s

    @property
    def beta(self) -> float:
        """Present β."""
        return float(self._now.betas[min(self._now.step, len(self._now.betas) - 1)])

    @property
    def populations(self) -> Mapping[str, Population]:
        """All populations, by name."""
        return self._now.populations

    def layer(self, k: int) -> Population:
        """Principal population of layer k."""
        return self._now.layers[k]


@dataclass
class Hooks:
    """What is called as a run goes on.

    Attributes
    ----------
    on_phase_start, on_step : list of callable
        ``hook(moment)`` when a phase begins, and at the end of each step.
    on_phase_end : list of callable
        ``hook(moment, end)`` with the `PhaseEnd` of each phase.
    on_presentation : list of callable
        ``hook(moment, ends)`` with those of a whole presentation by name, after its plasticity and before anything is
        reset.
    """

    on_phase_start: list[Callable[[Moment], object]] = field(default_factory=list)
    on_step: list[Callable[[Moment], object]] = field(default_factory=list)
    on_phase_end: list[Callable[[Moment, PhaseEnd], object]] = field(default_factory=list)
    on_presentation: list[Callable[[Moment, dict[str, PhaseEnd]], object]] = field(default_factory=list)
