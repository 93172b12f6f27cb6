"""The cycle of presentations within one long run: phases, steps, plasticity, and the next stimulus.

In each step, for the synchronous schedule, Brian2 executes

    start           courses of shared variables (β, pace) and of whatever else a phase changes; what a phase holds is
                    put in its place right after it has been computed, wherever that is
    groups          u, by the integration method
    after_groups    r = σ(u); before it, where a domain has constraints, λ and the thresholds that it raises
    synapses        drives, from the new rates
    end             0 step hooks (recorders)   1 end of phase   2 plasticity   3 next presentation

so that u, r and the compartments' potentials, as recorded at ``end``, belong to one instant. In the sequential
schedule each layer does its drives, u and r in turn, all within ``groups``: what is recorded of a layer's drives, and
so of its dendrites and of I_net, is what its u was stepped with, from the rates that it saw and not from the new ones.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import brian2 as b2
import numpy as np
from brian2.core.base import BrianObjectException

from ...errors import DivergenceError, ParameterError
from ...networks import Contrast, PhaseEnd
from ...networks.projection import SynapticTransmission
from ...stimuli.stimulus import Stimulus
from .courses import Courses
from .mounting import mount
from .phases import Phase, Protocol

if TYPE_CHECKING:
    from .preparation import Preparation

#: Longer than any run: runs end when the stimuli do.
_FOR_EVER = 1e6 * b2.second
#: A potential |u| that counts as divergence; it would be 20 kV.
_DIVERGED = 1e6


class Cycle:
    """A preparation's circuit in Brian2, and what its network operations do.

    Parameters
    ----------
    preparation : Preparation
        Its hooks are called, its flag `interrupted` ends a run with the present presentation.
    code_objects : type of CodeObject

    Attributes
    ----------
    network : Network
    populations : dict of str to Population
    layers : list of Population
        The principal population of layer 0, 1, …
    stimulus : Stimulus
        What is presented.
    phase : Phase
        Present phase.
    step_index : int
        Steps of it that are done.
    time, s : float
        Seconds, and Σ η_i, since the presentation's start.
    """

    stimulus: Stimulus
    phase: Phase
    step_index: int
    time: float
    s: float

    def __init__(self, preparation: Preparation, code_objects: type):
        self._preparation, self._circuit, self._protocol = preparation, preparation.circuit, preparation.protocol
        self._held: set[tuple[str, str]] = set()
        self._error: Exception | None = None
        self._source: Iterator[Stimulus] = iter(())
        self._dt = float(self._protocol.step * self._circuit.tau)
        mounted = mount(
            self._circuit,
            preparation.replicas,
            preparation.dtype,
            self._protocol,
            code_objects,
            operations={
                "course": (self._set_courses, "start", 0),
                "recording": (self._end_step, "end", 0),
                "phase_end": (self._end_phase, "end", 1),
                "plasticity": (self._learn, "end", 2),
                "next_presentation": (self._end_presentation, "end", 3),
            },
            due=self._due,
            guard=self._guarded,
        )
        self.network, self.populations = mounted.network, mounted.populations
        self.layers = [self.populations[name] for name in self._circuit.layers]
        for name, layer in ((name, layer) for name in self._circuit.signals for layer in self.layers[1:]):
            if name not in layer:
                raise ParameterError(f"{layer.name} has no variable {name!r}, which the circuit's rules learn from")
        self._mounted, self._transmissions = mounted, mounted.transmissions
        self._synapses = [item for item in self._transmissions if isinstance(item, SynapticTransmission)]
        self._stochastic = any(population.stochastic for population in self.populations.values())
        slots = {(item.projection.target, item.projection.slot): item for item in self._transmissions}
        self._courses = Courses(self.populations, recompute=slots)
        self.admit(self._protocol)

    @property
    def presented(self) -> int:
        """Number of stimuli that are presented; further replicas have none."""
        return len(self.stimulus.x)

    @property
    def beta(self) -> float:
        """Present β."""
        return float(self._beta[min(self.step_index, self.phase.steps - 1)])

    def admit(self, protocol: Protocol, running: bool = False):
        """Check a protocol's courses, and prepare to hold what they hold; nothing else costs a step any time."""
        for population, variable in self._courses.held_by(protocol) - self._held:
            if running:  # Brian2 takes no more objects in
                raise ParameterError(f"{population}.{variable}: can be held from the next run on, not within this one")
            hold = functools.partial(self._courses.hold, population, variable)
            self._mounted.add_operation(
                f"hold_{population}_{variable}", hold, *self._mounted.hold_place(population, variable)
            )
            self._held.add((population, variable))

    def run(self, stimuli: Iterator[Stimulus]):
        """Present stimuli, checked ones, one after the other in one long run."""
        self._error, self._source = None, stimuli
        self.copy_weights_to_synapses()
        try:
            if not self._begin_presentation():
                return
            with warnings.catch_warnings():
                # Brian2's search for NaN casts 1e50 to float32 when a run ends.
                warnings.filterwarnings("ignore", "overflow encountered in cast", RuntimeWarning)
                # Overflow on the way to NaN is reported as divergence, with its place.
                with np.errstate(over="ignore", invalid="ignore"):
                    self.network.run(_FOR_EVER, namespace={})
        except BrianObjectException as error:
            if self._preparation.interrupted:
                return  # Ctrl-C ends the compiler, too
            place = str(error).splitlines()[0].rstrip(".").lower()
            reason = str(error.__cause__ or error).strip().splitlines()[0]
            raise ParameterError(
                f"Brian2 cannot prepare the circuit: {place} ({reason}); if it is the compiler, take target = 'numpy'"
            ) from error
        finally:
            self._courses.end()
        if self._error is not None:
            error, self._error = self._error, None
            raise error
        if not self._finished:
            raise ParameterError(f"a step of {self._dt:g} s: Brian2's clock cannot count it; change tau_u or step")

    def _guarded(self, operation: Callable) -> Callable:
        """Keep errors until after the run: one raised inside would leave Brian2's flag of a running network set."""

        def run():
            if self._error is None:
                try:
                    operation()
                except Exception as error:
                    self._error = error
                    self.network.stop()

        return run

    def _due(self, every: int) -> bool:
        # In the synchronous schedule the drives of a step's end serve the next step, and those of a phase's last
        # step the next phase.
        step = self.step_index + (self._circuit.schedule == "synchronous")
        return step % every == 0 or step == self.phase.steps

    def _begin_presentation(self) -> bool:
        """Put the next stimulus on; False if there is none."""
        stimulus = next(self._source, None)
        if stimulus is None:
            return False
        self.stimulus, self._protocol = stimulus, self._preparation.protocol
        complete = stimulus.y is not None or stimulus.learn
        phases = self._protocol.phases if complete else self._protocol.prediction
        if stimulus.steps is not None:
            phases = tuple(replace(phase, steps=steps) for phase, steps in zip(phases, stimulus.steps, strict=False))
        self._phases = phases
        if stimulus.seed is not None and self._stochastic:
            b2.seed(stimulus.seed)
        self._ends: dict[str, PhaseEnd] = {}
        self._finished = False
        self.time, self.s = 0.0, 0.0
        if self._protocol.reset == "rest":
            for population in self.populations.values():
                population.rest()
        signal_x = self.layers[0].view("r")
        signal_x[: self.presented] = stimulus.x
        signal_x[self.presented :] = 0
        self._x = stimulus.x.copy()
        self._circuit.initialise(self.populations)
        self._begin_phase(0)
        for transmission in self._transmissions:
            transmission.begin()
        self._courses.hold_all()
        return True

    def _begin_phase(self, index: int):
        self.phase, self._phase_index, self.step_index = self._phases[index], index, 0
        self._eta = self._protocol.eta(self.phase)
        self._beta = np.broadcast_to(np.asarray(self.phase.beta, dtype=float) * self.stimulus.beta, (self.phase.steps,))
        if self._circuit.teacher is not None:
            population, slot = self._circuit.teacher
            drive = self.populations[population].view(slot)
            drive[...] = 0
            if self.phase.taught and self.stimulus.y is not None:
                drive[: self.presented] = self.stimulus.y
        if self._circuit.restart_from_rate:
            for population in self.populations.values():
                if {"u", "r"} <= set(population.cell.state):
                    population.restart_from_rate()
        courses = {"pace": self._eta / self._protocol.step, "beta": self._beta, **self.phase.course}
        self._courses.begin(courses, restore=self.phase.course)
        for hook in self._preparation.on_phase_start:
            hook(self._preparation)

    def _set_courses(self):
        self._courses.step(self.step_index)

    def _end_step(self):
        self.time += self._dt
        self.s += self._eta[self.step_index]
        for hook in self._preparation.on_step:
            hook(self._preparation)

    def _end_phase(self):
        self.step_index += 1
        if self.step_index < self.phase.steps:
            return
        signals = {
            name: {k: layer.read(name)[: self.presented] for k, layer in enumerate(self.layers) if k > 0}
            for name in self._circuit.signals
        }
        signals["r"][0] = self._x
        end = PhaseEnd(float(self._beta[-1]), signals)
        self._ends[self.phase.name] = end
        for hook in self._preparation.on_phase_end:
            hook(self._preparation, end)
        if self._phase_index + 1 < len(self._phases):
            self._begin_phase(self._phase_index + 1)
        else:
            self._finished = True

    def _learn(self):
        if self._finished and self.stimulus.learn:
            plus, minus = self._protocol.plus, self._protocol.minus
            self._circuit.learn(Contrast(self._ends[plus], None if minus is None else self._ends[minus]))
            self.copy_weights_to_synapses()

    def _end_presentation(self):
        if not self._finished:
            return
        for name, population in self.populations.items():
            # Not finite, or on its way there: no potential of a stable circuit comes near.
            if "u" in population.cell.state and not np.abs(population.view("u")).max() < _DIVERGED:
                raise DivergenceError(f"activity of {name} diverges")
        if self.stimulus.learn:
            self._circuit.check_finite()
        for hook in self._preparation.on_presentation:
            hook(self._preparation, self._ends)
        # Only now: hooks see the cells as the last phase left them, its gates and currents included.
        self._courses.end()
        if self._preparation.interrupted or not self._begin_presentation():
            self.network.stop()

    def copy_weights_to_synapses(self):
        """Let Brian2's synapses, where there are some, have the circuit's weights."""
        for transmission in self._synapses:
            transmission.copy_weights()
