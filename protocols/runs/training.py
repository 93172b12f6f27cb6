"""Training: epochs of one long run each, evaluation, history, checkpoints."""

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ...analysis import Finding, accuracy, diagnose, r_squared, summarise
from ...errors import DivergenceError, ParameterError, RunError
from ...networks import Circuit, Layers
from ...networks.schedules import Progress as TrainingProgress
from ...stimuli import Stimuli, Stimulus, batches
from ..interruption import on_interrupt
from .checkpoint import NAME, damaged, read_checkpoint
from .configuration import Configuration
from .folder import PERTURBATIONS, RunFolder

#: Streams of random numbers, spawned from the run's one seed; stream 0 draws the initial weights.
_ORDER, _SIGN, _NOISE, _JITTER, _TEST_NOISE = range(1, 6)

#: Seconds between two reports of progress within an epoch.
_REPORT_EVERY = 0.5


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
    findings : tuple of Finding
        Known failures that this row tells of.
    """

    epoch: int
    batch: int
    batches: int
    score: float
    row: dict | None = None
    findings: tuple[Finding, ...] = ()


class Training:
    """A training run in its folder.

    Parameters
    ----------
    configuration : Configuration
    folder : RunFolder
        Made and without a checkpoint, or that of an earlier part of this run.
    resume : bool
        Go on from the folder's checkpoint, or from the beginning if it has neither that nor a history.

    Attributes
    ----------
    circuit : Circuit
    stimuli : Stimuli
    learner, evaluator : Learner
        Preparations of the same circuit for training and test stimuli.
    epoch, batch : int
        Epochs done, and minibatches done of the next.
    unlearnt : ndarray of int
        Classes of which no training stimulus was recognised, in the free phase, during the last epoch. The history
        counts them. Their output cells' basal potential may be too low for the teacher to lift them, for many epochs.
    before_presentation : list of callable
        Hooks ``hook(epoch, batch)`` before each minibatch of training, both counted from 0; when an epoch is taken up
        again, also if none of its minibatches is left.

    Raises
    ------
    ParameterError
        If the stimuli or the step do not fit the circuit.
    RunError
        If the checkpoint is damaged, or of another configuration or other stimuli.
    """

    def __init__(self, configuration: Configuration, folder: RunFolder, resume: bool = False):
        self.configuration, self.folder = configuration, folder
        training = configuration.training
        begun = folder.has(NAME) or folder.has("history.csv")
        state = read_checkpoint(folder, configuration) if resume and begun else None
        self.stimuli: Stimuli = configuration.load_stimuli()
        self.circuit = configuration.build_circuit()
        protocol = configuration.build_protocol()
        self.score_name, self._score = score_of(self.stimuli)
        try:
            self.learner, self.evaluator = (
                configuration.build_learner(self.circuit, min(replicas, len(x)), protocol)
                for replicas, x in (
                    (training.batch_size, self.stimuli.x_train),
                    (training.test_replicas, self.stimuli.x_test),
                )
            )
            protocol.check_learning(self.circuit.plasticity, taught=True)
            for beta in reversed(protocol.betas):
                self.learner.check_beta(beta)
        except ParameterError as error:
            raise ParameterError(f"{configuration.source}: {error}") from None
        self._protocol, self._betas = protocol, protocol.betas
        self._test_seed = seed_of_tests(training.seed)
        self._rest = self.evaluator.state_dict()
        self._resumed, self._begun = resume, False
        self._stop = False
        self._seconds_before = 0.0
        self.epoch, self.batch = 0, 0
        self.rows: list[dict] = []
        self.before_presentation: list[Callable[[int, int], object]] = []
        self.unlearnt = np.array([], dtype=int)
        self._forget_outputs()
        if state is not None:
            self._restore(state)

    def targets_out_of_reach(self) -> str | None:
        """One line if rates of the output layer cannot reach all targets, else None."""
        output, y = self.circuit.output, self.stimuli.y_train
        low, high = self.circuit.bounds[output]
        if low <= y.min() and y.max() <= high:
            domain = self.circuit.layer_domains[output]
            worst = 0.0 if domain is None else domain.outside(y).max()
            if worst <= np.finfo(np.float32).eps * y.shape[1]:
                return None
            return (
                f"Targets of {self.stimuli.name} lie outside the output layer's domain, the worst by {worst:.3g}: "
                "take another domain, or other targets."
            )
        return (
            f"Targets of {self.stimuli.name} reach from {y.min():g} to {y.max():g}, rates of the output layer from "
            f"{low:g} to {high:g} only: scale the targets."
        )

    def run(self, report: Callable[[Progress], None] = lambda progress: None):
        """Train to the last epoch.

        Parameters
        ----------
        report : callable
            Called with a `Progress` twice a second, and after each epoch.

        Raises
        ------
        RunError
            If the folder holds another run, is in use, or its history does not go with its checkpoint.
        ParameterError
            If more epochs are done already than there are to be.
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
            with self.folder.locked(), on_interrupt(self._request_stop):
                self._take_up_folder()
                while self.epoch < self.configuration.training.epochs and not self._stop:
                    self._run_epoch(report)
                if self._stop:
                    raise KeyboardInterrupt
        finally:
            gc.unfreeze()

    def _request_stop(self):
        self._stop = True

    def _run_epoch(self, report):
        stimuli = self.stimuli
        reported = self._started = time.perf_counter()
        order = batches(len(stimuli.x_train), self.learner.replicas, self._random(_ORDER))
        betas = self._random(_SIGN).choice(self._betas, len(order))
        seeds = self._random(_NOISE).integers(2**32, size=len(order)).tolist()
        jitter = self._random(_JITTER)
        steps = [self._protocol.jittered(jitter) for _ in order]
        self.circuit.progress = TrainingProgress(self.epoch, self.epoch * len(order) + self.batch)

        def presentations():
            for n in range(self.batch, len(order)):
                announce(n)
                rows = order[n]
                x, y = stimuli.x_train[rows], stimuli.y_train[rows]
                yield Stimulus(x, y, float(betas[n]), learn=True, rows=rows, seed=seeds[n], steps=steps[n])

        def announce(batch):
            for hook in self.before_presentation:
                hook(self.epoch, batch)

        def note(moment, ends):
            nonlocal reported
            self._outputs[order[self.batch]] = ends[self.learner.prediction_phase].r[self.circuit.output]
            self.batch += 1
            self.learner.interrupted |= self._stop
            now = time.perf_counter()
            if now - reported > _REPORT_EVERY:
                reported = now
                seen = np.concatenate(order[: self.batch])
                if len(seen) > 1:  # R² of one is not defined
                    score = self._score(self._outputs[seen], stimuli.y_train[seen])
                    report(Progress(self.epoch + 1, self.batch, len(order), score))

        if self.batch == len(order):
            announce(self.batch - 1)
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
        self._end_epoch(len(order), report)

    def _diverged(self, where: str, error: Exception) -> DivergenceError:
        return DivergenceError(
            f"epoch {self.epoch + 1}, {where}: {error}; take a smaller step or learning rate "
            f"(last good checkpoint: {self.folder.path / NAME})"
        )

    def _seconds(self) -> float:
        """Seconds of training in this epoch, those before an interruption included."""
        return self._seconds_before + time.perf_counter() - self._started

    def _end_epoch(self, number: int, report):
        seconds, self._seconds_before = self._seconds(), 0.0
        train_score = self._score(self._outputs, self.stimuli.y_train)
        try:
            tested = self.evaluate()
        except KeyboardInterrupt:
            self.save_checkpoint()
            raise
        except (DivergenceError, ParameterError) as error:  # ParameterError: numbers that no table can be made of
            raise self._diverged("after the last batch", error) from None
        row = {"epoch": self.epoch + 1, f"train_{self.score_name}": train_score}
        if (labels := self.stimuli.labels_train) is not None:
            recognised = labels[self._outputs.argmax(axis=1) == labels]
            self.unlearnt = np.setdiff1d(labels, recognised)
            row["unlearnt"] = len(self.unlearnt)
        row |= {**tested, "seconds": seconds}
        self.rows.append(row)
        self.epoch, self.batch = self.epoch + 1, 0
        self._forget_outputs()
        self.folder.write_history(self.rows)
        self.save_checkpoint()
        report(Progress(self.epoch, 0, number, row[f"test_{self.score_name}"], row, tuple(diagnose(self.rows))))

    def evaluate(self) -> dict[str, float]:
        """Columns of the history that concern the test stimuli."""
        self.evaluator.load_state_dict(self._rest)  # so that it does not matter what was presented before
        states = self.evaluator.settle(self.stimuli.x_test, seed=self._test_seed)
        return columns(self.circuit, self.stimuli, states)

    def save_checkpoint(self):
        """Write all that resuming needs, in place of the last checkpoint."""
        arrays = {**self.circuit.state_dict(), **self.learner.state_dict()}
        arrays["epoch"], arrays["batch"] = np.array(self.epoch), np.array(self.batch)
        arrays["stimuli"] = np.array(self.stimuli.digest)
        arrays["configuration"] = np.array(self.configuration.to_toml())
        if self.epoch and self.stimuli.labels_train is not None:
            arrays["unlearnt"] = self.unlearnt
        if self.batch:
            arrays["outputs"], arrays["seconds"] = self._outputs, np.array(self._seconds())
        if self.stimuli.image_shape is not None:
            arrays["image_shape"] = np.array(self.stimuli.image_shape)
        self.folder.write_arrays(NAME, arrays)

    def _restore(self, state: dict[str, np.ndarray]):
        self.epoch, self.batch = int(state["epoch"]), int(state["batch"])
        try:
            if str(state["stimuli"]) != self.stimuli.digest:
                raise RunError(
                    f"{self.folder.path / NAME}: of other stimuli than those that {self.stimuli.name} has now"
                )
            self.circuit.load_state_dict(state)
            self.circuit.check_finite()
            self.learner.load_state_dict(state)
            self.unlearnt = state.get("unlearnt", self.unlearnt)  # checkpoints had none at first
            labels = [] if self.stimuli.labels_train is None else self.stimuli.labels_train
            if self.unlearnt.ndim != 1 or not np.isin(self.unlearnt, labels).all():
                raise ParameterError("unlearnt are no classes of the stimuli")
            if self.batch:
                outputs = state["outputs"]
                if outputs.shape != self._outputs.shape or outputs.dtype != self._outputs.dtype:
                    raise ParameterError(f"outputs are {outputs.dtype} of shape {outputs.shape}")
                self._outputs, self._seconds_before = outputs, float(state["seconds"])
        except (KeyError, ValueError, TypeError, DivergenceError) as error:
            raise damaged(self.folder, error) from None

    def _take_up_folder(self):
        """Make sure that the folder is this run's, before anything in it changes."""
        if self.folder.has(NAME) and not (self._resumed or self._begun):
            raise RunError(f"{self.folder.path}: holds a run; resume it, or choose another folder")
        if self.folder.has(PERTURBATIONS) and not self.before_presentation:
            raise RunError(f"{self.folder.path}: a perturbed run; go on with corinfomax perturb --training --resume")
        self._take_up_history()
        if self._resumed and not self._begun:
            self.folder.write_configuration(self.configuration)
            if self.epoch < self.configuration.training.epochs:
                self.folder.note_resumption(self.configuration)
        if not self.folder.has(NAME):
            self.save_checkpoint()  # from now on there is something to resume
        self._begun = True

    def _take_up_history(self):
        """Read the rows of the epochs that are done."""
        path, epochs = self.folder.path / "history.csv", self.configuration.training.epochs
        if self.epoch > epochs:
            raise ParameterError(f"{self.configuration.source}: epochs = {epochs}: {self.epoch} are done already")
        self.rows = [row for row in self.folder.history() if row["epoch"] <= self.epoch]
        if [row["epoch"] for row in self.rows] != list(range(1, self.epoch + 1)):
            raise RunError(f"{path}: does not have one row for each of the {self.epoch} epochs that are done")
        needed = {f"train_{self.score_name}", f"test_{self.score_name}", "seconds"}
        for row in self.rows:
            if missing := sorted(name for name in needed if not np.isfinite(row.get(name, np.nan))):
                raise RunError(f"{path}: has no {missing[0]} for epoch {row['epoch']:g}")

    def _forget_outputs(self):
        self._outputs = np.full(self.stimuli.y_train.shape, np.nan, dtype=np.float32)

    def _random(self, stream: int) -> np.random.Generator:
        seed = self.configuration.training.seed
        return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(stream, self.epoch)))


def seed_of_tests(seed: int) -> int:
    """Seed of the background input in tests of a run: the same each time, so that what differs is the circuit.

    Parameters
    ----------
    seed : int
        The run's.
    """
    return int(np.random.SeedSequence(seed, spawn_key=(_TEST_NOISE,)).generate_state(1)[0])


def columns(circuit: Circuit, stimuli: Stimuli, states: Layers) -> dict[str, float]:
    """Columns of the history that concern the test stimuli, from the states in which they leave a circuit."""
    name, score = score_of(stimuli)
    return {
        f"test_{name}": score(states.r[circuit.output], stimuli.y_test),
        **summarise(
            {0: stimuli.x_test, **states.r},
            states.u,
            states.I_net,
            **{key: circuit.weights[key] for key in ("W_ff", "W_fb", "B", "O")},
            epsilon=circuit.epsilon,
            bounds=circuit.bounds,
            active=circuit.active(states.r),
            excess=circuit.excess(states.r),
        ),
    }


def score_of(stimuli: Stimuli) -> tuple[str, Callable[..., float]]:
    """Name of the measure of performance, and the function: accuracy or R²."""
    return ("accuracy", accuracy) if stimuli.task == "classification" else ("r_squared", r_squared)
