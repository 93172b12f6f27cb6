"""The presenter: presentations one after the other within one long run, with their phases, steps and plasticity.

In each step, for the synchronous schedule, Brian2 executes

    groups          u, by the integration method
    end             what follows from it, in order: λ and the thresholds that it raises, r = σ(u), drives;
                    plasticity that acts in steps; hooks (recorders); at a phase's end its readouts and plasticity; at a
                    presentation's end its plasticity and the next stimulus; courses of the next step (β, pace, gates)

so that u, r and the compartments' potentials, as hooks see them, belong to one instant. In the sequential schedule
each population has its drives, u and r computed in turn: what is recorded of a layer's drives, and so of its dendrites
and of I_net, is what its u was stepped with, from the rates that it saw and not from the new ones.
"""

import functools
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

import brian2 as b2
import numpy as np
from brian2.core.base import BrianObjectException

from ...errors import DivergenceError, ParameterError, reason_of
from ...networks.circuit import Circuit
from ...networks.plasticity import Plasticity, Readout
from ...networks.states import PhaseEnd
from ...stimuli.stimulus import Stimulus
from .courses import Courses, Prepared
from .inputs import Inputs
from .moment import Hooks, Moment, Now
from .mounting import MountedCircuit
from .phases import BETA, PACE, TAUGHT, Phase
from .protocol import Protocol
from .running_sums import RunningSum
from .target import CodeObjects

#: Longer than any run: runs end when the stimuli do.
_FOR_EVER = 1e6 * b2.second
#: A potential |u| that counts as divergence; it would be 20 kV.
_DIVERGED = 1e6
#: Phases, each with its β, whose courses are kept ready.
_KEPT = 32
_WHEN = ("presentation", "phase", "step", "spike")


class Presenter:
    """Presents stimuli to a circuit.

    Parameters
    ----------
    circuit : Circuit
    replicas : int
    dtype : dtype
    protocol : Protocol
    code_objects : CodeObjects
    hooks : Hooks

    Attributes
    ----------
    mounted : MountedCircuit
    moment : Moment
    protocol : Protocol
        Followed from the next presentation on.
    interrupted : bool
        Ends a run with the present presentation.
    """

    def __init__(
        self, circuit: Circuit, replicas: int, dtype, protocol: Protocol, code_objects: CodeObjects, hooks: Hooks
    ):
        self._circuit, self.protocol, self._hooks = circuit, protocol, hooks
        self._following = protocol
        self.interrupted = False
        self._held: set[tuple[str, str]] = set()
        self._driven = False
        self._error: Exception | None = None
        self._noted: tuple = (None, None)
        self._prepared: dict[tuple, tuple] = {}
        self._source: Iterator[Stimulus] = iter(())
        self._step, self._dt = protocol.step, float(protocol.step * circuit.tau)
        self.mounted = MountedCircuit(
            circuit, replicas, dtype, protocol, code_objects, self._end_step, self._due, self._guarded
        )
        self._populations, self._layers = self.mounted.populations, self.mounted.layers
        for name, places in circuit.signals.items():
            for population, variable in places.values():
                if population not in self._populations or variable not in self._populations[population]:
                    raise ParameterError(f"{population} has no variable {variable!r}, which rules read as {name!r}")
        self._signals_read = {
            name: {k: self._populations[population].output(variable) for k, (population, variable) in places.items()}
            for name, places in circuit.signals.items()
        }
        self._now = Now(self._populations, self._layers)
        self.moment = Moment(self._now)
        self._stochastic = any(population.stochastic for population in self._populations.values())
        recompute = {place: drive.compute for place, drive in self.mounted.drives.items()}
        self._courses = Courses(self._populations, recompute)
        self._times_on = [each.view("time_on") for each in self._populations.values() if "time_on" in each]
        self._inputs = Inputs(circuit, self._populations, self._layers)
        self.admit(protocol)

    def admit(self, protocol: Protocol, running: bool = False):
        """Check a protocol's courses, and prepare to hold what they hold; nothing else costs a step any time."""
        for each in (protocol, protocol.for_prediction):
            self._inputs.check(each.phases)
            held = self._courses.held_by(each) - self._held
            for population, variable in held if running else ():  # Brian2 takes no more objects in
                raise ParameterError(f"{population}.{variable}: can be held from the next run on, not within this one")
            if held:
                self.mounted.hold({place: functools.partial(self._courses.hold, *place) for place in sorted(held)})
                self._held |= held

    def run(self, stimuli: Iterable[Stimulus]):
        """Present stimuli, checked ones, one after the other in one long run."""
        self._error, self._source = None, iter(stimuli)
        self.mounted.copy_weights_to_synapses()
        try:
            if not self._begin_presentation():
                return
            with warnings.catch_warnings():
                # Brian2's search for NaN casts 1e50 to float32 when a run ends.
                warnings.filterwarnings("ignore", "overflow encountered in cast", RuntimeWarning)
                # Overflow on the way to NaN is reported as divergence, with its place.
                with np.errstate(over="ignore", invalid="ignore"):
                    self.mounted.network.run(_FOR_EVER, namespace={})
        except BrianObjectException as error:
            if self.interrupted:
                return  # Ctrl-C ends the compiler, too
            place = str(error).splitlines()[0].rstrip(".").lower()
            raise ParameterError(
                f"Brian2 cannot prepare the circuit: {place} ({reason_of(error)}); "
                "if it is the compiler, take target = 'numpy'"
            ) from error
        finally:
            self._courses.end()
        if self._error is not None:
            error, self._error = self._error, None
            raise error
        if not self._finished:
            raise ParameterError(f"a step of {self._dt:g} s: Brian2's clock cannot count it; change tau_u or step")

    def _guarded(self, operations: Sequence[Callable[[], object]]) -> Callable[[], None]:
        """Call one after the other and keep errors until after the run.

        One that is raised inside would leave Brian2's flag of a running network set.
        """

        def run():
            if self._error is None:
                try:
                    for operation in operations:
                        operation()
                except Exception as error:
                    self._error = error
                    self.mounted.network.stop()

        return run

    def _due(self, every: int) -> bool:
        # In the synchronous schedule the drives of a step's end serve the next step, and those of a phase's last
        # step the next phase. In the sequential one a phase that begins with new drives has those of its first step.
        if self._circuit.schedule == "synchronous":
            step = self._now.step + 1
            return step % every == 0 or step == self._now.phase.steps
        return self._now.step % every == 0 and not (self._driven and self._now.step == 0)

    def _begin_presentation(self) -> bool:
        """Put the next stimulus on; False if there is none."""
        stimulus = next(self._source, None)
        if stimulus is None:
            return False
        now = self._now
        complete = stimulus.y is not None or stimulus.learn
        self._following = self.protocol if complete else self.protocol.for_prediction
        phases = self._following.phases if complete else self._following.prediction
        if stimulus.steps is not None:
            lengths = dict(zip((phase.name for phase in self.protocol.phases), stimulus.steps, strict=True))
            phases = tuple(replace(phase, steps=lengths.get(phase.name, phase.steps)) for phase in phases)
        self._phases = phases
        if stimulus.seed is not None and (self._stochastic or any(phase.noisy for phase in phases)):
            b2.seed(stimulus.seed)
        self._ends: dict[str, PhaseEnd] = {}
        self._read_sums: dict[Readout, PhaseEnd] = {}
        self._note_rules()
        self._finished = False
        now.stimulus, now.time, now.s = stimulus, 0.0, 0.0
        if self._following.reset == "rest" or phases[0].reset:
            self._rest()
        for population in self._populations.values():
            population.begin_counting()
        self._inputs.begin(stimulus.x)
        self._begin_phase(0)
        return True

    def _note_rules(self):
        """Sort the rules by when they act, and note what they read, if protocol or rules are others than before."""
        protocol, plasticity = found = self._following, self._circuit.plasticity
        if all(now is before for now, before in zip(found, self._noted, strict=True)):
            return
        self._noted = found
        acting = protocol.acting(plasticity)
        self._rules = {when: [rule for rule in acting if rule.when == when] for when in _WHEN}
        readouts = {readout for rule in acting for readout in rule.readouts}
        self._phases_read = {protocol.phase_of(readout.phase) for readout in readouts}
        self._sums_read = {readout for readout in readouts if not readout.at_the_end}

    def _rest(self):
        for population in self._populations.values():
            population.rest()
        for drive in self.mounted.drives.values():
            drive.forget()

    def _begin_phase(self, index: int):
        now, circuit = self._now, self._circuit
        phase = now.phase = self._phases[index]
        self._phase_index, now.step = index, 0
        self._courses.end()  # what the last phase set is over before values begin anew
        # Without targets nothing is to be nudged, and least of all towards 0.
        taught = phase.taught and now.stimulus.y is not None
        beta = 0.0 if phase.taught and not taught else now.stimulus.beta
        self._eta, now.betas, courses = self._courses_of(phase, beta, taught)
        rested = phase.reset and index > 0
        if rested:
            self._rest()
        anew = self._inputs.show(phase, anew=rested or index == 0)
        self._inputs.fill(phase)
        drives = self.mounted.drives
        for drive in drives.values() if anew else ():
            drive.begin()
        if anew:
            circuit.initialise(self._populations, drives)
        clamped = False
        if circuit.teacher is not None:
            population, slot = circuit.teacher
            drive = self._populations[population].view(slot)
            drive[...] = 0
            if taught:
                drive[: len(now.stimulus.x)] = now.stimulus.y
                clamped = circuit.clamp(self._populations, len(now.stimulus.x))
        if circuit.restart_from_rate:
            for population in self._populations.values():
                if {"u", "r"} <= set(population.cell.state):
                    population.restart_from_rate()
        self._sums = self._sums_of(phase) if now.stimulus.learn else {}
        self._courses.begin(courses)
        for drive in drives.values() if anew or clamped else ():
            drive.compute() if anew and phase.course else drive.follow()  # a course may set what constant ones carry
        if anew or clamped:
            self._courses.hold_all()
        self._driven = anew or clamped
        for hook in self._hooks.on_phase_start:
            hook(self.moment)
        self.mounted.renew()
        self._often = now.stimulus.learn and (self._rules["step"] or self._rules["spike"])
        self.mounted.look_ahead(0 if self._hooks.on_step or self._often or phase.fade else phase.steps)

    def _courses_of(self, phase: Phase, beta: float, taught: bool) -> tuple[np.ndarray, np.ndarray, Prepared]:
        """η and β in each step of a phase, and what it sets and holds: the same as long as protocol and β are."""
        place = (phase.name, beta, taught)
        protocol, kind, found = self._prepared.get(place, (None, None, None))
        if protocol is not self._following or kind is not phase:
            eta = self._following.eta(phase)
            betas = np.full(phase.steps, np.asarray(phase.beta, dtype=float) * beta)
            courses = {PACE: eta / self._step, BETA: betas, TAUGHT: float(taught), **phase.course}
            if len(self._prepared) > _KEPT:
                self._prepared.clear()
            found = (eta, betas, self._courses.prepare(courses, restore=phase.course))
            self._prepared[place] = self._following, phase, found
        return found

    def _sums_of(self, phase: Phase) -> dict[Readout, RunningSum]:
        """What rules read of more than one step of a phase, as running sums."""
        course = np.broadcast_to(np.asarray(phase.beta, float), (phase.steps,))
        read = [item for item in self._sums_read if self._following.phase_of(item.phase) == phase.name]
        sums = {}
        for item in read:
            weights, of_beta, divisor = item.weights(course)
            sums[item] = RunningSum(weights, float(of_beta @ self._now.betas / divisor), divisor)
        return sums

    def _present_signals(self) -> dict[str, dict[int, np.ndarray]]:
        """Present values of what rules read, of the replicas that are presented something; perhaps live buffers."""
        presented = len(self._now.stimulus.x)
        signals = {
            name: {k: read()[:presented] for k, read in layers.items()} for name, layers in self._signals_read.items()
        }
        signals["r"].setdefault(0, self._inputs.present)  # unless rules read the inputs' own signal
        return signals

    def _signals(self) -> dict[str, dict[int, np.ndarray]]:
        """The same, to be kept."""
        return {
            name: {k: x if x is self._inputs.present else x.copy() for k, x in layers.items()}
            for name, layers in self._present_signals().items()
        }

    def _prediction(self) -> dict[str, dict[int, np.ndarray]]:
        """What the output layer predicts now, unless rules read it, too."""
        name = self._circuit.prediction
        if name in self._circuit.signals:
            return {}
        return {name: {self._circuit.output: self._layers[-1].read(name)[: len(self._now.stimulus.x)]}}

    def _end_step(self):
        now, phase = self._now, self._now.phase
        now.time += self._dt
        for time_on in self._times_on:
            time_on[0] = now.time
        now.s += self._eta[now.step]
        if now.step + 1 == phase.steps or self._hooks.on_step or self._sums or self._often:
            self.mounted.compute_unread()
        summing = [running for running in self._sums.values() if running.weights[now.step]]
        signals = self._present_signals() if summing else {}
        for running in summing:
            running.add(signals, now.step)
        if self._often:
            self._learn_in_step()
        for hook in self._hooks.on_step:
            hook(self.moment)
        now.step += 1
        if now.step < phase.steps:
            self.mounted.follow_input(self._inputs.cross(now.step))
            if self._courses.step(now.step) or self._hooks.on_step:
                self.mounted.renew()
            return
        self._end_phase()
        if self._phase_index + 1 < len(self._phases):
            self._begin_phase(self._phase_index + 1)
            return
        self._finished = True
        if now.stimulus.learn:
            self._circuit.learn(self._read, self._rules["presentation"])
            self._circuit.count_presentation()
            self.mounted.copy_weights_to_synapses()
        self._end_presentation()

    def _end_phase(self):
        now = self._now
        if self._hooks.on_phase_end or self._hooks.on_presentation or now.phase.name in self._phases_read:
            self._ends[now.phase.name] = PhaseEnd(float(now.betas[-1]), self._prediction() | self._signals())
        for readout, running in self._sums.items():
            self._read_sums[readout] = running.read()
        if now.stimulus.learn:
            self._learn([rule for rule in self._rules["phase"] if self._acts_in(rule, now.phase)])
        for hook in self._hooks.on_phase_end:
            hook(self.moment, self._ends[now.phase.name])

    def _learn_in_step(self):
        now = self._now
        acting = {
            when: [rule for rule in self._rules[when] if self._acts_in(rule, now.phase)] for when in ("step", "spike")
        }
        spiking = self._circuit.spiking_layers if acting["spike"] else ()
        spikes = {k: self._layers[k].spiking(len(now.stimulus.x)) for k in spiking}
        acting["spike"] = [rule for rule in acting["spike"] if any(spikes[k].any() for k in rule.triggers or spikes)]
        if not any(acting.values()):
            return
        signals = self._signals() | ({"spikes": spikes} if acting["spike"] else {})
        eta = float(self._eta[now.step])
        self._ends[now.phase.name] = PhaseEnd(float(now.betas[now.step]), signals)
        for readout, running in self._sums.items():
            self._read_sums[readout] = running.so_far(readout, signals, now.step, eta)
        self._learn(acting["step"], eta)
        self._learn(acting["spike"])

    def _acts_in(self, rule: Plasticity, phase: Phase) -> bool:
        return self._following.phase_of(rule.readouts[0].phase) == phase.name

    def _learn(self, rules: list[Plasticity], duration: float = 1.0):
        """Let rules act while an input is on; drives follow the weights that they move."""
        if not rules:
            return
        self._circuit.learn(self._read, rules, duration)
        self.mounted.copy_weights_to_synapses()
        moved = {place for rule in rules for place in rule.moves}
        for drive in self.mounted.drives.values():
            keys = {item.projection.weights for item in drive.transmissions}
            if keys & moved or any(key in self._circuit.derived for key, _ in keys):
                drive.compute()
        self.mounted.renew()
        self._courses.hold_all()

    def _read(self, readout: Readout) -> PhaseEnd:
        return self._ends[self._following.phase_of(readout.phase)] if readout.at_the_end else self._read_sums[readout]

    def _end_presentation(self):
        for name, population in self._populations.items():
            # Not finite, or on its way there: no potential of a stable circuit comes near.
            potential = population.cell.potential
            if potential in population.cell.state and not np.abs(population.view(potential)).max() < _DIVERGED:
                raise DivergenceError(f"activity of {name} diverges")
        if self._now.stimulus.learn:
            self._circuit.check_finite()
        for hook in self._hooks.on_presentation:
            hook(self.moment, self._ends)
        # Only now: hooks see the cells as the last phase left them, its gates and currents included.
        self._courses.end()
        if self.interrupted or not self._begin_presentation():
            self.mounted.network.stop()
