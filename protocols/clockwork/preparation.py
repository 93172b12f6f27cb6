"""A preparation: a circuit mounted on the clock. The only builder of Brian2 networks and network operations.

One long run presents any number of stimuli; phases, stimuli and plasticity are network operations within it. In
each step, for the synchronous schedule, Brian2 executes

    start           courses of shared variables (β, pace, gates)
    groups          u, by the integration method
    after_groups    r = σ(u)
    synapses        drives, from the new rates
    end             0 step hooks (recorders)   1 end of phase   2 plasticity   3 next presentation

so that u, r and the compartments' potentials, as recorded at ``end``, belong to one instant. In the sequential
schedule each layer does its drives, u and r in turn, all within ``groups``.
"""

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import brian2 as b2
import numpy as np

from ...errors import DivergenceError, ParameterError, StimulusError
from ...networks import Circuit, Contrast, Layers, PhaseEnd, Population
from ...networks.projection import SynapticTransmission
from ...parameters import Count, validated
from .courses import Courses
from .interruption import on_interrupt
from .mounting import mount
from .phases import Protocol, contrastive
from .precision import agree_on_dtype
from .presentation import Presentation, Stimulus, as_rows
from .recording import DEFAULT_VARIABLES, Recorder
from .target import Target, code_object_class

#: Longer than any run: runs end when the stimuli do.
_FOR_EVER = 1e6 * b2.second
#: A potential |u| that counts as divergence; it would be 20 kV.
_DIVERGED = 1e6


class Preparation:
    """A circuit on the clock, ready to be presented stimuli.

    Several preparations of one circuit share its weights, whatever their number of replicas.

    Parameters
    ----------
    circuit : Circuit
    replicas : int, default 1
        Stimuli presented at once, each to a replica of its own; the minibatch size.
    dtype : dtype, optional
        Floating-point type of activity and weights; by default the circuit's (float64 in a new one). float32 is
        twice as fast.
    protocol : Protocol, optional
        By default the one that a loaded circuit was trained with, else the published one, `contrastive()`: 30 free
        and 10 nudged steps of .05 τ_u.
    target : {"auto", "cython", "numpy"}
        Brian2's code generation target.

    Attributes
    ----------
    network : Network
    populations : dict of str to Population
    on_step, on_phase_end, on_presentation : list of callable
        Hooks: ``hook(preparation)`` at the end of each step, ``hook(preparation, end)`` with the `PhaseEnd` of each
        phase, ``hook(preparation, ends)`` with those of a whole presentation by name, after its plasticity.
    phase : Phase
        Present phase.
    step_index : int
        Steps of it that are done.
    elapsed_time, elapsed_s : float
        Seconds, and Σ η_i, since the presentation's start.

    Raises
    ------
    ParameterError
        If the step exceeds the circuit's bound, the types of two preparations differ, or a course sets a variable
        that no population has.
    """

    @validated
    def __init__(
        self,
        circuit: Circuit,
        replicas: Count = 1,
        *,
        dtype: Any = None,
        protocol: Protocol | None = None,
        target: Target = "auto",
    ):
        self.circuit, self.replicas = circuit, replicas
        self.protocol = protocol or circuit.protocol or contrastive()
        self.check_beta(0.0)
        self.on_step: list[Callable] = []
        self.on_phase_end: list[Callable] = []
        self.on_presentation: list[Callable] = []
        self.interrupted = False
        self._error: Exception | None = None
        self._source: Iterator[Stimulus] = iter(())
        self.dtype = agree_on_dtype(self, dtype)
        self._mount(code_object_class(target))

    def _mount(self, code_objects):
        mounted = mount(
            self.circuit,
            self.replicas,
            self.dtype,
            self.protocol,
            code_objects,
            operations={
                "course": (self._set_courses, "start", 0),
                "recording": (self._run_step_hooks, "end", 0),
                "phase_end": (self._end_step, "end", 1),
                "plasticity": (self._learn, "end", 2),
                "next_presentation": (self._finish_presentation, "end", 3),
            },
            due=self._due,
            guard=self._guarded,
        )
        self.network, self.populations, self._transmissions = (
            mounted.network,
            mounted.populations,
            mounted.transmissions,
        )
        self.dt = float(self.protocol.step * self.circuit.tau)
        self._courses = Courses(self.populations, self.protocol)
        self._layers = [self.populations[name] for name in self.circuit.layers]
        for name, layer in ((name, layer) for name in self.circuit.signals for layer in self._layers[1:]):
            if name not in layer:
                raise ParameterError(f"{layer.name} has no variable {name!r}, which the circuit's rules learn from")
        self._synapses = [item for item in self._transmissions if isinstance(item, SynapticTransmission)]

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
        step = self.step_index + (self.circuit.schedule == "synchronous")
        return step % every == 0 or step == self.phase.steps

    def check_beta(self, beta: float):
        """Raise a `ParameterError` if a presentation at this β would be unstable."""
        self.protocol.check_stability(self.circuit, beta)

    def present(
        self,
        x,
        y=None,
        beta: float = 1.0,
        learn: bool | None = None,
        variables: Sequence[str] = DEFAULT_VARIABLES,
    ) -> Presentation:
        """Present one minibatch and record it.

        Parameters
        ----------
        x : array_like (n, inputs)
            n ≤ replicas stimuli; (inputs,) for one.
        y : array_like (n, outputs), optional
            Targets. Without them the protocol stops before its first taught phase.
        beta : float, default 1
            Signed nudging strength β.
        learn : bool, optional
            Apply plasticity afterwards; by default if there are targets.
        variables : sequence of str
            What to record of every layer.

        Returns
        -------
        Presentation
            ``.free.r[k]``, ``.nudge.v_A[k]``, …: (steps, n, units), layer k ≥ 1.

        Raises
        ------
        StimulusError
            If x or y has another shape than the circuit, or is not finite.
        ParameterError
            For β = 0 when learning, or a step beyond the bound at this β.
        DivergenceError
            If activity or weights are no longer finite.
        """
        stimulus = self._checked(Stimulus(x, y, beta, y is not None if learn is None else bool(learn)))
        recorder = Recorder(self, variables)
        self.on_step.append(recorder)
        try:
            self.run([stimulus])
        finally:
            self.on_step.remove(recorder)
        if self.interrupted:
            raise KeyboardInterrupt
        return recorder.presentation()

    def predict(self, x) -> np.ndarray:
        """Output rates at the free phase's end.

        Parameters
        ----------
        x : array_like (n, inputs)
            Any number of stimuli.

        Returns
        -------
        ndarray (n, outputs)
            For classes, take the argmax along the last axis.
        """
        return self.settle(x, ("r",)).r[self.circuit.output]

    def settle(self, x, variables: Sequence[str] = ("r", "u", "I_net")) -> Layers:
        """Variables of all layers at the free phase's end.

        Parameters
        ----------
        x : array_like (n, inputs)
            Any number of stimuli.
        variables : sequence of str
            Variables of the pyramidal cells; ``I_net`` is τ_u du/ds.

        Returns
        -------
        Layers
            ``.r[k]`` and so on, (n, units); k ≥ 1.
        """
        x = as_rows("x", x, self.dtype)
        if not len(x):
            raise StimulusError("x has no stimuli")
        minibatches = [
            self._checked(Stimulus(x[start : start + self.replicas])) for start in range(0, len(x), self.replicas)
        ]
        collected: dict = {name: {k: [] for k in range(1, self.circuit.output + 1)} for name in variables}

        def collect(preparation, ends):
            for name, layers in collected.items():
                for k, rows in layers.items():
                    rows.append(preparation.layer(k).read(name)[: preparation.presented])

        self.on_presentation.append(collect)
        try:
            self.run(minibatches)
        finally:
            self.on_presentation.remove(collect)
        if self.interrupted:
            raise KeyboardInterrupt
        return Layers(
            {name: {k: np.concatenate(rows) for k, rows in layers.items()} for name, layers in collected.items()}
        )

    def run(self, stimuli: Iterable[Stimulus]):
        """Present stimuli one after the other in one long run, until they end or the user interrupts.

        SIGINT and SIGTERM let the present presentation end, and set `interrupted`.

        Parameters
        ----------
        stimuli : iterable of Stimulus
            Taken one at a time, when its turn comes.
        """
        self._error, self.interrupted = None, False
        self.circuit.refresh()
        self._copy_weights_to_synapses()
        self._source = iter(stimuli)
        if not self._begin_presentation():
            return
        with on_interrupt(lambda: setattr(self, "interrupted", True)), warnings.catch_warnings():
            # Brian2's search for NaN casts 1e50 to float32 when a run ends.
            warnings.filterwarnings("ignore", "overflow encountered in cast", RuntimeWarning)
            # Overflow on the way to NaN is reported as divergence, with its place.
            with np.errstate(over="ignore", invalid="ignore"):
                self.network.run(_FOR_EVER, namespace={})
        if self._error is not None:
            error, self._error = self._error, None
            raise error
        if not self._finished:
            raise ParameterError(f"a step of {self.dt:g} s: Brian2's clock cannot count it; change tau_u or step")

    def layer(self, k: int) -> Population:
        """Principal population of layer k."""
        return self._layers[k]

    @property
    def beta(self) -> float:
        """Present β."""
        return float(self._beta[min(self.step_index, self.phase.steps - 1)])

    @property
    def prediction_phase(self) -> str:
        """Name of the last phase before the teacher: its end is what the circuit predicts."""
        return self.protocol.prediction[-1].name

    def state_dict(self) -> dict[str, np.ndarray]:
        """Copy of the cells' states, which a protocol that carries over needs, as ``state/layer_1/u`` and so on."""
        return {
            f"state/{name}/{variable}": population.view(variable).copy()
            for name, population in self.populations.items()
            for variable in population.cell.state
        }

    def load_state_dict(self, state: dict[str, np.ndarray]):
        """Restore what `state_dict` gave."""
        for name, population in self.populations.items():
            for variable in population.cell.state:
                population.write(variable, state[f"state/{name}/{variable}"])

    def _checked(self, stimulus: Stimulus) -> Stimulus:
        checked = stimulus.checked(self._layers[0].size, self._layers[-1].size, self.replicas, self.dtype)
        if checked.y is not None:
            self.check_beta(checked.beta)
        if checked.learn:
            self.protocol.check_learning(taught=checked.y is not None)
        return checked

    def _begin_presentation(self) -> bool:
        """Put the next stimulus on; False if there is none."""
        stimulus = next(self._source, None)
        if stimulus is None:
            return False
        self._stimulus = stimulus = self._checked(stimulus)
        self.presented = len(stimulus.x)
        complete = stimulus.y is not None or stimulus.learn
        self._phases = self.protocol.phases if complete else self.protocol.prediction
        self._ends: dict[str, PhaseEnd] = {}
        self.elapsed_time, self.elapsed_s = 0.0, 0.0
        if self.protocol.reset == "rest":
            for population in self.populations.values():
                population.rest()
        signal_x = self._layers[0].view("r")
        signal_x[: self.presented] = stimulus.x
        signal_x[self.presented :] = 0
        self._x = stimulus.x.copy()
        self._finished = False
        self._begin_phase(0)
        for transmission in self._transmissions:
            transmission.begin()
        return True

    def _begin_phase(self, index: int):
        self.phase, self._phase_index, self.step_index = self._phases[index], index, 0
        self._eta = self.protocol.eta(self.phase)
        self._beta = np.broadcast_to(
            np.asarray(self.phase.beta, dtype=float) * self._stimulus.beta, (self.phase.steps,)
        )
        if self.circuit.teacher is not None:
            population, slot = self.circuit.teacher
            drive = self.populations[population].view(slot)
            drive[...] = 0
            if self.phase.taught and self._stimulus.y is not None:
                drive[: self.presented] = self._stimulus.y
        if self.circuit.restart_from_rate:
            for layer in self._layers[1:]:
                layer.write("u", layer.view("r"))
        courses = {"pace": self._eta / self.protocol.step, "beta": self._beta, **self.phase.course}
        self._courses.begin(courses, restore=self.phase.course)

    def _set_courses(self):
        self._courses.step(self.step_index)

    def _run_step_hooks(self):
        self.elapsed_time += self.dt
        self.elapsed_s += self._eta[self.step_index]
        for hook in self.on_step:
            hook(self)

    def _end_step(self):
        self.step_index += 1
        if self.step_index < self.phase.steps:
            return
        signals = {
            name: {k: layer.read(name)[: self.presented] for k, layer in enumerate(self._layers) if k > 0}
            for name in self.circuit.signals
        }
        signals["r"][0] = self._x
        end = PhaseEnd(float(self._beta[-1]), signals)
        self._ends[self.phase.name] = end
        for hook in self.on_phase_end:
            hook(self, end)
        if self._phase_index + 1 < len(self._phases):
            self._begin_phase(self._phase_index + 1)
        else:
            self._courses.end()
            self._finished = True

    def _learn(self):
        if self._finished and self._stimulus.learn:
            plus, minus = self.protocol.plus, self.protocol.minus
            self.circuit.learn(Contrast(self._ends[plus], None if minus is None else self._ends[minus]))
            self._copy_weights_to_synapses()

    def _finish_presentation(self):
        if not self._finished:
            return
        for name, population in self.populations.items():
            # Not finite, or on its way there: no potential of a stable circuit comes near.
            if "u" in population.cell.state and not np.abs(population.view("u")).max() < _DIVERGED:
                raise DivergenceError(f"activity of {name} diverges")
        if self._stimulus.learn:
            self.circuit.check_finite()
        for hook in self.on_presentation:
            hook(self, self._ends)
        if self.interrupted or not self._begin_presentation():
            self.network.stop()

    def _copy_weights_to_synapses(self):
        for transmission in self._synapses:
            transmission.copy_weights()
