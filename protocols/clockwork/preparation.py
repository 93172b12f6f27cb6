"""A preparation: a circuit mounted on the clock, and what one does with it.

One long run of Brian2 presents any number of stimuli; `presenter` says what happens in it, step by step.
"""

import contextlib
import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from ...errors import ParameterError, StimulusError
from ...networks.circuit import Circuit
from ...networks.interval import renewed_in_each_step
from ...networks.population import Population
from ...networks.states import Layers
from ...parameters import Count, validated
from ...progress import Progression
from ...stimuli.stimulus import Stimulus, as_rows
from ...summary import Summarised, Summary
from ..interruption import interrupted, on_interrupt
from ..linear_algebra import limited_to
from ..recording.presentation import Presentation
from ..recording.recordables import checked, declared
from ..recording.recorder import Recorder
from .carried import carried_states, restore
from .moment import Hooks, Moment
from .precision import agree_on_dtype
from .presenter import Presenter
from .protocol import Protocol, contrastive
from .provenance import provenance
from .scale import FirstLook
from .session import undisturbed
from .summaries import summary_of_preparation
from .target import Target, code_objects


class Preparation(Summarised):
    """A circuit on the clock, ready to be presented stimuli.

    Several preparations of one circuit share its weights, whatever their number of replicas. A copy by `copy.copy` is
    another one of the same circuit; `copy.deepcopy` and `pickle` take the circuit along. Hooks are not copied.

    Parameters
    ----------
    circuit : Circuit
    replicas : int, default 1
        Stimuli presented at once, each to a replica of its own; the minibatch size.
    dtype : dtype, optional
        Floating-point type of activity and weights; by default the circuit's (float64 in a new one). float32 is
        twice as fast.
    protocol : Protocol, optional
        By default the published one, `contrastive()`: 30 free and 10 nudged steps of .05 τ_u; of a circuit that
        `corinfomax.load` gave, the one that it was trained with.
    target : {"auto", "cython", "numpy"}
        Brian2's code generation target.
    blas_threads : int or None, default 1
        Threads of the linear algebra during a run, None for as many as the process has. Matrices of a minibatch are
        small: below some 1000 cells a layer a second thread costs more than it gives.

    Attributes
    ----------
    moment : Moment
        Where the preparation is in a run: its `phase`, `step`, `beta`, `time`, `s`, `presented`, `stimulus`.
    network : Network
    populations : dict of str to Population
    on_phase_start, on_step, on_phase_end, on_presentation : list of callable
        Hooks: ``hook(moment)`` when a phase begins and at the end of each step, ``hook(moment, end)`` with the
        `PhaseEnd` of each phase, ``hook(moment, ends)`` with those of a whole presentation by name, after its
        plasticity and before anything is reset.
    interrupted : bool
        Whether a signal ended the last run early. A hook may set it to the same effect.

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
        blas_threads: Count | None = 1,
    ):
        self.circuit, self.replicas, self.blas_threads = circuit, replicas, blas_threads
        self.target = target
        protocol = protocol or provenance(circuit).protocol or contrastive()
        protocol.check_stability(circuit, 0.0)
        self.dtype = agree_on_dtype(self, circuit, dtype)
        hooks = Hooks()
        self.on_phase_start, self.on_step = hooks.on_phase_start, hooks.on_step
        self.on_phase_end, self.on_presentation = hooks.on_phase_end, hooks.on_presentation
        with undisturbed():
            self._presenter = Presenter(circuit, replicas, self.dtype, protocol, code_objects(target), hooks)
        self._running, self._look = False, FirstLook(circuit)
        self._learnable: tuple = (None, None, None)
        self.mounted = self._presenter.mounted
        self.network, self.populations = self.mounted.network, self.mounted.populations
        self._carried = carried_states(self.mounted)

    def __reduce__(self):
        """Copy or pickle: the circuit is mounted anew, with the same states of its cells; hooks stay behind."""
        if self._running:
            raise ParameterError("this preparation is presenting; copy it when it is done")
        options = {name: getattr(self, name) for name in ("dtype", "protocol", "target", "blas_threads")}
        return functools.partial(Preparation, **options), (self.circuit, self.replicas), self.state_dict()

    def __setstate__(self, state: dict[str, np.ndarray]):
        self.load_state_dict(state)

    def _summary(self) -> Summary:
        return summary_of_preparation(self)

    @property
    def moment(self) -> Moment:
        """Where the preparation is in a run."""
        return self._presenter.moment

    @property
    def parameters(self) -> str:
        """Parameter file that the circuit is from, as text, for recordings to carry; "" for one made in Python."""
        return provenance(self.circuit).parameters

    @property
    def protocol(self) -> Protocol:
        """What happens in a presentation."""
        return self._presenter.protocol

    @property
    def interrupted(self) -> bool:
        """Whether a signal ended the last run early; setting it ends a run with the present presentation."""
        return self._presenter.interrupted

    @interrupted.setter
    def interrupted(self, value: bool):
        self._presenter.interrupted = bool(value)

    def check_beta(self, beta: float):
        """Raise a `ParameterError` if a presentation at this β would be unstable."""
        self.protocol.check_stability(self.circuit, beta)

    def exchange_protocol(self, protocol: Protocol):
        """Follow another protocol from the next presentation on, also in the midst of a run.

        Parameters
        ----------
        protocol : Protocol
            Of the same step and method. To be taken up in the midst of a run, what it holds (see `Phase`) must have
            been held by a protocol that the preparation had before the run.

        Raises
        ------
        ParameterError
            If it does not suit this preparation.
        """
        for key in ("step", "method"):
            own, other = getattr(self.protocol, key), getattr(protocol, key)
            if own != other:
                raise ParameterError(f"mounted with {key} = {own!r}, not {other!r}; make another preparation")
        protocol.check_stability(self.circuit, 0.0)
        with undisturbed():
            self._presenter.admit(protocol, running=self._running)
        self._presenter.protocol = protocol

    def present(
        self,
        x,
        y=None,
        beta: float = 1.0,
        learn: bool | None = None,
        variables: Sequence[str] | None = None,
        seed: int | None = None,
    ) -> Presentation:
        """Present one minibatch and record it.

        Drives that a calibration lets be renewed less often are renewed in each step, unless plasticity is applied.

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
        variables : sequence of str, optional
            What to record of every layer; by default what all its cells declare to be recordable, without a unit.
        seed : int, optional
            Seed of the background input, if the circuit has some.

        Returns
        -------
        Presentation
            ``.free.r[k]``, ``.nudge.v_A[k]``, …: (steps, n, units), layer k ≥ 1; ``.spikes`` of cells that spike.

        Raises
        ------
        StimulusError
            If x or y has another shape than the circuit, or is not finite.
        ParameterError
            For β = 0 when learning, or a step beyond the bound at this β.
        DivergenceError
            If activity or weights are no longer finite.
        """
        learn = y is not None if learn is None else bool(learn)
        stimulus = self._checked(Stimulus(x, y, beta, learn, seed=seed))
        recorder = Recorder(self, variables)
        with renewed_in_each_step(() if learn else self.circuit.intervals.values()):
            self.run_through([stimulus], on_step=recorder)
        return recorder.presentation()

    def predict(self, x) -> np.ndarray:
        """Output rates at the free phase's end; if it sends spikes, those that its spikes make.

        Parameters
        ----------
        x : array_like (n, inputs)
            Any number of stimuli.

        Returns
        -------
        ndarray (n, outputs)
            For classes, take the argmax along the last axis.
        """
        return self.circuit.predicted(self.settle(x, (self.circuit.prediction,)))

    def settle(self, x, variables: Sequence[str] | None = None, seed: int | None = None) -> Layers:
        """Variables of all layers at the free phase's end.

        Parameters
        ----------
        x : array_like (n, inputs)
            Any number of stimuli.
        variables : sequence of str, optional
            Variables of the layers' cells; by default rates and somatic variables without a unit, as far as the cells
            of all layers declare them: r, u and I_net = τ_u du/ds in a CorInfoMax circuit.
        seed : int, optional
            Seed of the background input, if the circuit has some.

        Returns
        -------
        Layers
            ``.r[k]`` and so on, (n, units); k ≥ 1.
        """
        layers = {k: self.layer(k) for k in range(1, self.circuit.output + 1)}
        if variables is None:
            variables = declared(layers, lambda item: item.unit == "1" and item.compartment in ("", "soma"))
        variables = checked(layers, variables)
        x = as_rows("x", x, self.dtype)
        if not len(x):
            raise StimulusError("x has no stimuli")
        minibatches = [
            self._checked(Stimulus(x[start : start + self.replicas], seed=seed if start == 0 else None))
            for start in range(0, len(x), self.replicas)
        ]
        collected: dict = {name: {k: [] for k in layers} for name in variables}

        def collect(moment, ends):
            for name, rows in collected.items():
                for k, layer in layers.items():
                    rows[k].append(layer.read(name)[: moment.presented])

        self.run_through(minibatches, on_presentation=collect)
        return Layers(
            {name: {k: np.concatenate(parts) for k, parts in rows.items()} for name, rows in collected.items()}
        )

    def run(self, stimuli: Iterable[Stimulus], progress: bool | None = None):
        """Present stimuli one after the other in one long run, until they end or the user interrupts.

        Of the first inputs a `StimulusWarning` says if they are no rates (see `FirstLook`).

        Ctrl-C and other signals that stop (see `on_interrupt`) let the present presentation end, and set `interrupted`.

        Parameters
        ----------
        stimuli : iterable of Stimulus
            Taken one at a time, when its turn comes.
        progress : bool, optional
            True shows a bar, in a log file ten lines; False nothing. By default a bar appears in a terminal or in
            Jupyter if the run takes more than two seconds.

        Raises
        ------
        ParameterError
            If a hook calls it: a preparation does one thing at a time. Also if weights have been exchanged for arrays
            of another shape or type.
        """
        if not isinstance(stimuli, Iterable):
            raise StimulusError(f"{type(stimuli).__name__} is no iterable of Stimulus")
        if self._running:
            raise ParameterError("this preparation is presenting already; make another one of the same circuit")
        self._running, self.interrupted = True, False
        try:
            self.circuit.check_weights()
            self.circuit.renew()
            with (
                undisturbed(),
                on_interrupt(lambda: setattr(self, "interrupted", True)),
                limited_to(self.blas_threads),
                Progression(stimuli, "presenting", progress) as shown,
            ):
                self._presenter.run(map(self._checked, shown))
        finally:
            self._running = False

    def run_through(
        self,
        stimuli: Iterable[Stimulus],
        *,
        on_phase_start: Callable | None = None,
        on_step: Callable | None = None,
        on_phase_end: Callable | None = None,
        on_presentation: Callable | None = None,
    ):
        """Present all stimuli, as `run` does, with hooks for just that long.

        Parameters
        ----------
        stimuli : iterable of Stimulus
        on_phase_start, on_step, on_phase_end, on_presentation : callable, optional
            As in the hooks of the same names.

        Raises
        ------
        KeyboardInterrupt
            If the user ends it early: what the hooks have seen then is not the whole.
        """
        with contextlib.ExitStack() as hooked:
            for hooks, hook in (
                (self.on_phase_start, on_phase_start),
                (self.on_step, on_step),
                (self.on_phase_end, on_phase_end),
                (self.on_presentation, on_presentation),
            ):
                if hook is not None:
                    hooks.append(hook)
                    hooked.callback(hooks.remove, hook)
            self.run(stimuli)
        if self.interrupted:
            raise interrupted()

    def layer(self, k: int) -> Population:
        """Principal population of layer k."""
        return self.mounted.layers[k]

    @property
    def prediction_phase(self) -> str | None:
        """Name of the phase whose end is what the circuit predicts, of a presentation with targets."""
        return self.protocol.predicting_phase

    def state_dict(self) -> dict[str, np.ndarray]:
        """Copy of the states that a protocol which carries over needs, as ``state/layer_1/u``; see `carried_states`.

        A `ParameterError` says that a presentation is under way.
        """
        if self._running:
            raise ParameterError("this preparation is presenting; its states can be kept when it is done")
        return {place: state.read() for place, state in self._carried.items()}

    def load_state_dict(self, state: dict[str, np.ndarray]):
        """Restore what `state_dict` gave; a `ParameterError` names what is missing, of another shape or not finite."""
        restore(self._carried, state, at_rest=self.protocol.reset == "rest")

    def _checked(self, stimulus: Stimulus) -> Stimulus:
        if not isinstance(stimulus, Stimulus):
            raise StimulusError(f"{type(stimulus).__name__} is no Stimulus; run takes an iterable of them")
        checked = stimulus.checked(self.layer(0).size, self.layer(-1).size, self.replicas, self.dtype)
        self._look(checked.x)
        # Also where nothing nudges: the bound may move with the weights.
        if checked.y is None and not checked.learn:
            self.protocol.for_prediction.check_stability(self.circuit, 0.0)
        else:
            self.check_beta(0.0 if checked.y is None else checked.beta)
        if checked.steps is not None and len(checked.steps) != len(self.protocol.phases):
            raise StimulusError(f"steps = {checked.steps}: must be one number for each of the protocol's phases")
        if checked.y is not None:
            self.circuit.check_targets(checked.y)
        if checked.learn:
            self._check_learning(taught=checked.y is not None)
        return checked

    def _check_learning(self, taught: bool):
        """Check that there is something to be learnt, when protocol or rules are others than the last time."""
        found = (self.protocol, self.circuit.plasticity, taught)
        if any(now is not before for now, before in zip(found, self._learnable, strict=True)):
            self.protocol.check_learnt_by(self.circuit, self.replicas, taught)
            self._learnable = found
