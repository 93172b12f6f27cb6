"""Training: epochs of one long run each, evaluation, history, checkpoints."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ...analysis import Finding, diagnose
from ...analysis.files import PERTURBATIONS
from ...analysis.former import CHECKPOINT_FORMAT
from ...errors import DivergenceError, ParameterError, RunError, StimulusError
from ...networks.schedules import Progress
from ...stimuli.stimuli import Stimuli
from ..interruption import interrupted, on_interrupt
from ..linear_algebra import check_threads
from ..systems.evaluation import evaluate
from ..systems.metrics import score_of
from .checkpoint import NAME, check_stimuli, damaged, read_checkpoint
from .configuration import Configuration
from .folder import RunFolder
from .history import taken_up
from .outputs import Outputs
from .random_streams import EpochPlan, plan, seed_of_tests

#: Seconds between two reports of progress within an epoch.
_REPORT_EVERY = 0.5


@dataclass(frozen=True)
class Report:
    """Where a training run is, for whoever watches it.

    Parameters
    ----------
    epoch, batch : int
        Counted from 1; `batch` 0 stands for an epoch that has just ended.
    batches : int
        Minibatches of an epoch.
    score : float or None
        Within an epoch the performance in training so far, accuracy or R²; at its end the row's `Training.score`.
    column : str or None
        The history's column that the score is of.
    row : dict or None
        The epoch's row of the history, at its end.
    findings : tuple of Finding
        Known failures that this row tells of.
    remark : str or None
        What the model has said when the epoch began, at its end.
    """

    epoch: int
    batch: int
    batches: int
    score: float | None
    column: str | None
    row: dict | None = None
    findings: tuple[Finding, ...] = ()
    remark: str | None = None


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
    circuit : Trainable
    stimuli : Stimuli
    learner, evaluator : Learner
        What presents training and test stimuli to it.
    protocol : Protocol or None
        That of training; None without dynamics.
    rest : dict
        State of the evaluator before it has presented anything.
    epoch, batch : int
        Epochs done, and minibatches done of the next.
    score : str or None
        The history's column that tells how the run goes: that of the model, or `test_accuracy`, or `test_r_squared`.
    unlearnt : ndarray of int
        Classes of which no training stimulus was recognised, in the predicting phase, during the last epoch. The
        history counts them.
    before_presentation : list of callable
        Hooks ``hook(epoch, batch)`` before each minibatch of training, both counted from 0; before the first also
        before what the model does when an epoch begins, and when an epoch is taken up again, also if none of its
        minibatches is left.

    Raises
    ------
    ParameterError
        If the stimuli or the step do not fit the circuit.
    RunError
        If the checkpoint is damaged, or of another configuration or other stimuli.
    """

    def __init__(self, configuration: Configuration, folder: RunFolder, resume: bool = False):
        self.configuration, self.folder = configuration, folder
        begun = folder.has(NAME) or folder.has("history.csv")
        state = read_checkpoint(folder, configuration) if resume and begun else None
        self.stimuli: Stimuli = configuration.load_stimuli()
        self.circuit = configuration.build_circuit()
        self.protocol = configuration.build_protocol()
        self._model = configuration.entry
        self._mount()
        judged = score_of(self.stimuli)
        self.score = self._model.score or (None if judged is None else f"test_{judged[0]}")
        self._outputs = Outputs(self.stimuli, self.learner.prediction_phase, self.circuit)
        self._test_seed = seed_of_tests(configuration.training.seed)
        self.rest = self.evaluator.state_dict()
        self._resumed, self._begun = resume, False
        self._stop = False
        self._failure: Exception | None = None
        self._seconds_before = 0.0
        self._remark: str | None = None
        self.epoch, self.batch = 0, 0
        self.rows: list[dict] = []
        self.before_presentation: list[Callable[[int, int], object]] = []
        self.unlearnt = np.array([], dtype=int)
        if state is not None:
            self._restore(state)

    def _mount(self):
        configuration, protocol, stimuli = self.configuration, self.protocol, self.stimuli
        training = configuration.training
        try:
            check_threads(training.blas_threads)
            self.learner, self.evaluator = (
                configuration.build_learner(self.circuit, min(replicas, len(x)), protocol, train=True)
                for replicas, x in (
                    (training.batch_size, stimuli.x_train),
                    (training.test_replicas, stimuli.x_test),
                )
            )
            if stimuli.y_train is not None:
                self.circuit.check_targets(stimuli.y_train)
            self._model.suits(self.circuit, protocol, stimuli)
            if protocol is not None:
                protocol.check_learnt_by(self.circuit, self.learner.replicas, stimuli.y_train is not None)
                for beta in reversed(protocol.betas):
                    self.learner.check_beta(beta)
        except (ParameterError, StimulusError) as error:
            raise ParameterError(f"{configuration.source}: {error}") from None

    @property
    def batches(self) -> int:
        """Minibatches of an epoch."""
        return -(-len(self.stimuli.x_train) // self.learner.replicas)

    def run(self, report: Callable[[Report], None] = lambda report: None):
        """Train to the last epoch.

        Parameters
        ----------
        report : callable
            Called with a `Report` twice a second, and after each epoch.

        Raises
        ------
        RunError
            If the folder holds another run, is in use, or its history does not go with its checkpoint.
        ParameterError
            If more epochs are done already than there are to be.
        KeyboardInterrupt
            After Ctrl-C or another signal that stops (see `on_interrupt`), which it then names; the checkpoint holds
            all that was done.
        Exception
            What `report` raises, as for a closed pipe; the checkpoint then holds all that was done.
        DivergenceError
            With epoch and batch, if activity or weights are no longer finite; the last checkpoint stays.
        """
        self._stop, self._failure = False, None
        # Beside the learner's own handler: signals also come where no preparation runs, as during a checkpoint.
        with self.folder.locked(), on_interrupt(self._request_stop):
            self._take_up_folder()
            while self.epoch < self.configuration.training.epochs and not self._stop:
                self._run_epoch(report)
            if self._stop:
                raise self._failure or interrupted()

    def _request_stop(self):
        self._stop = True

    def _tell(self, report: Callable[[Report], None], *words, **named):
        """Report; if that fails, the run ends as if it were interrupted."""
        try:
            report(Report(*words, **named))
        except Exception as error:
            self._stop, self._failure = True, error

    def _plan(self) -> EpochPlan:
        count, seed = len(self.stimuli.x_train), self.configuration.training.seed
        return plan(seed, self.epoch, count, self.learner.replicas, self.protocol)

    def _run_epoch(self, report):
        reported = self._started = time.perf_counter()
        planned = self._plan()
        self.circuit.progress = Progress(self.epoch, self.epoch * len(planned) + self.batch)

        def presentations():
            for n in range(self.batch, len(planned)):
                if n:
                    announce(n)
                yield planned.stimulus(n, self.stimuli)

        def announce(batch):
            for hook in self.before_presentation:
                hook(self.epoch, batch)

        def note(moment, ends):
            nonlocal reported
            self._outputs.note(planned.rows[self.batch], ends)
            self.batch += 1
            now = time.perf_counter()
            if now - reported > _REPORT_EVERY:
                reported = now
                score = self._outputs.score(np.concatenate(planned.rows[: self.batch]))
                self._tell(report, self.epoch + 1, self.batch, len(planned), score, self._outputs.score_name)
            self.learner.interrupted |= self._stop

        if self.batch in (0, len(planned)):
            announce(max(self.batch - 1, 0))
        self._remark = None
        try:
            if self.batch == 0 and self._model.begin_epoch is not None:
                self._remark = self._model.begin_epoch(self.circuit, self.learner, planned.stimulus(0, self.stimuli))
            self.learner.on_presentation.append(note)
            try:
                self.learner.run(presentations())
            finally:
                self.learner.on_presentation.remove(note)
        except DivergenceError as error:
            raise self._diverged(f"batch {self.batch + 1} of {len(planned)}", error) from None
        self._stop |= self.learner.interrupted
        if self._stop and self.batch < len(planned):
            self.save_checkpoint()
            raise self._failure or interrupted()
        self._end_epoch(len(planned), report)

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
        trained = time.perf_counter()
        try:
            tested = self.evaluate()
        except KeyboardInterrupt:
            self.save_checkpoint()
            raise
        except (DivergenceError, ParameterError) as error:  # ParameterError: numbers that no table can be made of
            raise self._diverged("after the last batch", error) from None
        row: dict = {"epoch": self.epoch + 1}
        if self._outputs.score_name is not None:
            row[self._outputs.score_name] = self._outputs.score()
        if (unlearnt := self._outputs.unlearnt()) is not None:
            self.unlearnt = unlearnt
            row["unlearnt"] = len(unlearnt)
        row |= {**tested, "seconds": seconds, "evaluation_seconds": time.perf_counter() - trained}
        if self.score is not None and self.score not in row:
            raise RunError(f"model {self.configuration.model}: its metrics have no {self.score}, which it is judged by")
        self.rows.append(row)
        self.epoch, self.batch = self.epoch + 1, 0
        self.circuit.progress = Progress(self.epoch, self.epoch * number)
        self._outputs.forget()
        self.folder.write_history(self.rows)
        self.save_checkpoint()
        score = None if self.score is None else row[self.score]
        self._tell(report, self.epoch, 0, number, score, self.score, row, tuple(diagnose(self.rows)), self._remark)

    def evaluate(self) -> dict[str, float]:
        """Columns of the history that concern validation and test stimuli."""
        self.evaluator.load_state_dict(self.rest)  # so that it does not matter what was presented before
        found = evaluate(self.circuit, self.evaluator, self.stimuli, self._model, self._test_seed)
        return found.columns

    def save_checkpoint(self):
        """Write all that resuming needs, in place of the last checkpoint."""
        arrays = {**self.circuit.state_dict(), **self.learner.state_dict()}
        arrays["epoch"], arrays["batch"] = np.array(self.epoch), np.array(self.batch)
        arrays["format"] = np.array(CHECKPOINT_FORMAT)
        arrays["presentation"] = np.array(self.circuit.progress.presentation)
        arrays["stimuli"] = np.array(self.stimuli.digest)
        arrays["configuration"] = np.array(self.configuration.to_toml())
        if self.epoch and self.stimuli.task == "classification":
            arrays["unlearnt"] = self.unlearnt
        if self.batch:
            arrays["seconds"] = np.array(self._seconds())
            arrays |= self._outputs.state_dict()
        if self.stimuli.image_shape is not None:
            arrays["image_shape"] = np.array(self.stimuli.image_shape)
        self.folder.write_arrays(NAME, arrays)

    def _restore(self, state: dict[str, np.ndarray]):
        self.epoch, self.batch = int(state["epoch"]), int(state["batch"])
        try:
            check_stimuli(self.folder, state, self.stimuli)
            self.circuit.load_state_dict(state)
            self.circuit.check_finite()
            self.learner.load_state_dict(state)
            self.unlearnt = state.get("unlearnt", self.unlearnt)  # checkpoints had none at first
            labels = [] if self.stimuli.labels_train is None else self.stimuli.labels_train
            if self.unlearnt.ndim != 1 or not np.isin(self.unlearnt, labels).all():
                raise ParameterError("unlearnt are no classes of the stimuli")
            if self.batch:
                self._outputs.load_state_dict(state)
                self._seconds_before = float(state["seconds"])
        except (KeyError, ValueError, TypeError, DivergenceError) as error:
            raise damaged(self.folder, error) from None
        self.circuit.progress = Progress(self.epoch, self.epoch * self.batches + self.batch)

    def _take_up_folder(self):
        """Make sure that the folder is this run's, before anything in it changes."""
        epochs = self.configuration.training.epochs
        if self.folder.has(NAME) and not (self._resumed or self._begun):
            raise RunError(f"{self.folder.path}: holds a run; resume it, or choose another folder")
        if self.folder.has(PERTURBATIONS) and not self.before_presentation:
            raise RunError(f"{self.folder.path}: a perturbed run; go on with corinfomax perturb --training --resume")
        if self.epoch > epochs:
            raise ParameterError(f"{self.configuration.source}: epochs = {epochs}: {self.epoch} are done already")
        needed = {self._outputs.score_name, self.score, "seconds", "evaluation_seconds"} - {None}
        self.rows = taken_up(self.folder, self.epoch, needed)
        if self._resumed and not self._begun:
            self.folder.write_configuration(self.configuration)
            if self.epoch < epochs:
                self.folder.note_resumption(self.configuration)
        if not self.folder.has(NAME):
            self.save_checkpoint()  # from now on there is something to resume
        self._begun = True
