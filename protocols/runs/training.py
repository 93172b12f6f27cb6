"""Training: epochs of one long run each, evaluation, history, checkpoints."""

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ...analysis import accuracy, r_squared, summarise
from ...errors import CorInfoMaxError, DivergenceError, ParameterError, RunError
from ..clockwork import Stimulus
from ..clockwork.interruption import on_interrupt
from ..stimuli import Stimuli, batches
from .configuration import Configuration
from .folder import RunFolder

#: Streams of random numbers, spawned from the run's one seed; stream 0 draws the initial weights.
_ORDER, _SIGN = 1, 2

#: Seconds between two reports of progress within an epoch.
_REPORT_EVERY = 0.5

#: What a resumed run may change: its length, and where the data and the compiler lie.
_CHANGEABLE = ("epochs", "data", "target")


@dataclass(frozen=True)
class Progress:
    """Where a training run is, for whoever watches it.

    Parameters
    ----------
    epoch, batch : int
        Counted from 1; `batch` 0 stands for an epoch that has just ended.
    batches : int
        Minibatches of an epoch.
    score : float
        Free-phase performance in this epoch so far: accuracy, or R².
    row : dict or None
        The epoch's row of the history, at its end.
    """

    epoch: int
    batch: int
    batches: int
    score: float
    row: dict | None = None


class Training:
    """A training run in its folder.

    Parameters
    ----------
    configuration : Configuration
    folder : RunFolder
        Made and empty, or that of an earlier part of this run.
    resume : bool
        Go on from the folder's checkpoint.

    Attributes
    ----------
    circuit : Circuit
    stimuli : Stimuli
    learner, evaluator : Learner
        Preparations of the same circuit for training and test stimuli.
    epoch, batch : int
        Epochs done, and minibatches done of the next.
    silent_outputs : ndarray of int
        Output cells that no training stimulus of the last epoch made fire; such a cell can stay silent for ever.

    Raises
    ------
    ParameterError
        If the stimuli or the step do not fit the circuit.
    RunError
        If the checkpoint is damaged or of another configuration.
    """

    def __init__(self, configuration: Configuration, folder: RunFolder, resume: bool = False):
        self.configuration, self.folder = configuration, folder
        training = configuration.training
        state = self._read_checkpoint() if resume else None
        self.stimuli: Stimuli = configuration.load_stimuli()
        self.circuit = configuration.build_circuit()
        protocol = configuration.build_protocol()
        self.score_name, self._score = _score(self.stimuli)
        try:
            self.learner, self.evaluator = (
                configuration.build_learner(self.circuit, min(replicas, len(x)), protocol)
                for replicas, x in (
                    (training.batch_size, self.stimuli.x_train),
                    (training.test_replicas, self.stimuli.x_test),
                )
            )
            protocol.check_learning(taught=True)
            for sign in (1, -1) if training.random_sign else (1,):
                self.learner.check_beta(sign * training.beta)
        except ParameterError as error:
            raise ParameterError(f"{configuration.source}: {error}") from None
        self._rest = self.evaluator.state_dict()
        self._stop = False
        self.epoch, self.batch = 0, 0
        self.rows: list[dict] = []
        self.silent_outputs = np.array([], dtype=int)
        self._forget_outputs()
        if state is not None:
            self._restore(state)

    def run(self, report: Callable[[Progress], None] = lambda progress: None):
        """Train to the last epoch.

        Parameters
        ----------
        report : callable
            Called with a `Progress` twice a second, and after each epoch.

        Raises
        ------
        KeyboardInterrupt
            After SIGINT or SIGTERM; the checkpoint then holds all that was done.
        DivergenceError
            With epoch and batch, if activity or weights are no longer finite; the last checkpoint stays.
        """
        # Each of Brian2's runs begins with a full garbage collection; what stays for good need not be searched.
        gc.collect()
        gc.freeze()
        self._stop = False
        try:
            # Beside the learner's own handler: signals also come where no preparation runs, as during a checkpoint.
            with on_interrupt(self._request_stop):
                while self.epoch < self.configuration.training.epochs:
                    self._run_epoch(report)
                    if self._stop:
                        raise KeyboardInterrupt
        finally:
            gc.unfreeze()

    def _request_stop(self):
        self._stop = True

    def _run_epoch(self, report):
        training, stimuli = self.configuration.training, self.stimuli
        started = time.perf_counter()
        order = batches(len(stimuli.x_train), self.learner.replicas, self._random(_ORDER))
        signs = self._random(_SIGN).choice([-1.0, 1.0], len(order)) if training.random_sign else np.ones(len(order))
        self.circuit.epoch = self.epoch
        reported = started

        def presentations():
            for rows, sign in zip(order[self.batch :], signs[self.batch :], strict=True):
                yield Stimulus(stimuli.x_train[rows], stimuli.y_train[rows], training.beta * sign, learn=True)

        def note(learner, ends):
            nonlocal reported
            self._outputs[order[self.batch]] = ends[learner.prediction_phase].r[self.circuit.output]
            self.batch += 1
            learner.interrupted |= self._stop
            now = time.perf_counter()
            if now - reported > _REPORT_EVERY:
                reported = now
                seen = np.concatenate(order[: self.batch])
                report(
                    Progress(
                        self.epoch + 1, self.batch, len(order), self._score(self._outputs[seen], stimuli.y_train[seen])
                    )
                )

        self.learner.on_presentation.append(note)
        try:
            self.learner.run(presentations())
        except DivergenceError as error:
            raise self._diverged(f"batch {self.batch + 1} of {len(order)}", error) from None
        finally:
            self.learner.on_presentation.remove(note)
        self._stop |= self.learner.interrupted
        if self._stop and self.batch < len(order):
            self.save_checkpoint()
            raise KeyboardInterrupt
        self._end_epoch(time.perf_counter() - started, len(order), report)

    def _diverged(self, where: str, error: Exception) -> DivergenceError:
        kept = self.folder.path / "checkpoint.npz"
        hint = f"last good checkpoint: {kept}" if kept.exists() else "no checkpoint was written yet"
        return DivergenceError(
            f"epoch {self.epoch + 1}, {where}: {error}; take a smaller step or learning rate ({hint})"
        )

    def _end_epoch(self, seconds: float, number: int, report):
        train_score = self._score(self._outputs, self.stimuli.y_train)
        try:
            tested = self.evaluate()
        except KeyboardInterrupt:
            self.save_checkpoint()
            raise
        except (DivergenceError, ParameterError) as error:  # ParameterError: numbers that no table can be made of
            raise self._diverged("after the last batch", error) from None
        row = {"epoch": self.epoch + 1, f"train_{self.score_name}": train_score, **tested, "seconds": seconds}
        self.rows.append(row)
        self.epoch, self.batch = self.epoch + 1, 0
        self.silent_outputs = np.flatnonzero(self._outputs.max(axis=0) <= 0)
        self._forget_outputs()
        self.folder.write_history(self.rows)
        self.save_checkpoint()
        report(Progress(self.epoch, 0, number, row[f"test_{self.score_name}"], row))

    def evaluate(self) -> dict[str, float]:
        """Columns of the history that concern the test stimuli."""
        circuit, x, y = self.circuit, self.stimuli.x_test, self.stimuli.y_test
        self.evaluator.load_state_dict(self._rest)  # so that it does not matter what was presented before
        states = self.evaluator.settle(x)
        return {
            f"test_{self.score_name}": self._score(states.r[circuit.output], y),
            **summarise({0: x, **states.r}, states.u, states.I_net, **circuit.predictors()),
        }

    def save_checkpoint(self):
        """Write all that resuming needs, in place of the last checkpoint."""
        arrays = {**self.circuit.state_dict(), **self.learner.state_dict()}
        arrays["epoch"], arrays["batch"] = np.array(self.epoch), np.array(self.batch)
        arrays["configuration"] = np.array(self.configuration.to_toml())
        if self.batch:
            arrays["outputs"] = self._outputs
        if self.stimuli.image_shape is not None:
            arrays["image_shape"] = np.array(self.stimuli.image_shape)
        self.folder.write_arrays("checkpoint.npz", arrays)

    def _read_checkpoint(self) -> dict[str, np.ndarray]:
        """Read the checkpoint, and see that it is of this configuration."""
        path = self.folder.path / "checkpoint.npz"
        if not path.exists():
            raise RunError(f"{path}: no such file; there is nothing to resume")
        state = self.folder.arrays("checkpoint.npz")
        try:
            saved = Configuration.from_toml(str(state["configuration"])).to_dict()
        except (KeyError, ParameterError) as error:
            raise RunError(f"{path}: damaged ({error})") from None
        for section, keys in self.configuration.to_dict().items():
            for key, value in keys.items():
                if key not in _CHANGEABLE and saved[section].get(key) != value:
                    raise RunError(
                        f"{path}: of another configuration, with {key} = {saved[section].get(key)!r} in place of "
                        f"{value!r}; the run's own is {self.folder.path / 'config.toml'}"
                    )
        return state

    def _restore(self, state: dict[str, np.ndarray]):
        path = self.folder.path / "checkpoint.npz"
        try:
            self.epoch, self.batch = int(state["epoch"]), int(state["batch"])
            self.circuit.load_state_dict(state)
            self.circuit.check_finite()
            self.learner.load_state_dict(state)
            if self.batch:
                if state["outputs"].shape != self._outputs.shape:
                    raise ValueError(f"outputs of {len(state['outputs'])} stimuli, not {len(self._outputs)}")
                self._outputs = state["outputs"]
        except (KeyError, ValueError, TypeError, CorInfoMaxError) as error:
            raise RunError(f"{path}: damaged ({' '.join(str(error).split())})") from None
        if self.epoch > self.configuration.training.epochs:
            raise ParameterError(
                f"{self.configuration.source}: epochs = {self.configuration.training.epochs}: "
                f"{self.epoch} are done already"
            )
        self.rows = [row for row in self.folder.history() if row["epoch"] <= self.epoch]
        if len(self.rows) != self.epoch:
            raise RunError(f"{self.folder.path / 'history.csv'}: has {len(self.rows)} rows for {self.epoch} epochs")

    def _forget_outputs(self):
        self._outputs = np.full(self.stimuli.y_train.shape, np.nan, dtype=np.float32)

    def _random(self, stream: int) -> np.random.Generator:
        seed = self.configuration.training.seed
        return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(stream, self.epoch)))


def _score(stimuli: Stimuli) -> tuple[str, Callable[..., float]]:
    return ("accuracy", accuracy) if stimuli.task == "classification" else ("r_squared", r_squared)
