"""A finished or unfinished run, taken up again from its folder: what Python has of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...analysis.tables import read_history
from ...errors import CorInfoMaxError, ParameterError, StimulusWarning, warn_caller
from ...networks.schedules import Progress
from ...networks.trainable import Trainable
from ...stimuli.scale import unlike
from ...stimuli.stimuli import Stimuli
from ...summary import Summarised, Summary, Table, table_like
from ..clockwork.provenance import note_provenance, provenance
from ..systems import Learner
from .checkpoint import check_named_code, damaged, read_checkpoint, trained_stimuli
from .configuration import Configuration
from .folder import RunFolder
from .random_streams import seed_of_tests

if TYPE_CHECKING:
    import pandas as pd

    from ...analysis.figures.gallery import Gallery
    from ...analysis.recordings import Recording
    from ...analysis.traces import Traces
    from ..clockwork.preparation import Preparation
    from ..clockwork.protocol import Protocol
    from ..recording.presentation import Presentation


#: Rows of the history that a run shows of itself.
_SHOWN_EPOCHS = 5


class Run(Summarised):
    """A run: the trained circuit, how it was trained, and what can be done with it.

    `corinfomax.train` returns one, and ``Run("runs/digits")`` opens the one in a folder.

    Parameters
    ----------
    path : path-like
        The run folder.
    trust : bool, default False
        Whether code may be imported that the folder holds or names, such as a custom cell. Such code can do all that
        you can: look at a stranger's before you trust it. It is imported after the configuration has been found to be
        the checkpoint's.

    Attributes
    ----------
    folder : RunFolder
    configuration : Configuration
    history : pandas.DataFrame
    circuit : Trainable
    protocol : Protocol or None
    stimuli : Stimuli

    Raises
    ------
    RunError
        If the folder is not that of a run, or its checkpoint is missing or damaged; or for code without `trust`.
    """

    def __init__(self, path, trust: bool = False):
        self.folder = RunFolder(path)
        if trust and self.folder.has("config.toml"):
            check_named_code(self.folder)
        self.configuration: Configuration = self.folder.configuration(trust)

    def __getstate__(self):
        """Copy or pickle: the folder, and the circuit as it is in memory; what presents stimuli is mounted anew."""
        kept = ("folder", "configuration", "circuit", "protocol")
        state = {name: value for name, value in self.__dict__.items() if name in kept}
        return state | {"folder": RunFolder(self.folder.path.resolve())}

    def _summary(self) -> Summary:
        """Show what was trained on what, how far it is, and the last epochs of its history."""
        configuration, rows = self.configuration, self.folder.history()
        done = f"epoch {rows[-1]['epoch']:g} of {configuration.training.epochs}" if rows else "not trained yet"
        heading = f"Run {self.folder.path}: {configuration.model} on {configuration.stimuli.stimuli}, {done}"
        judged = ("train_", "validation_", "test_", "angle_", "seconds")
        columns = [name for name in (rows[-1] if rows else ()) if name.startswith(judged)]
        shown = [(f"{row['epoch']:g}", *(f"{row[name]:.4g}" for name in columns)) for row in rows[-_SHOWN_EPOCHS:]]
        return Summary(heading, [Table(("epoch", *columns), shown)] if rows else ())

    @property
    def history(self) -> pd.DataFrame:
        """One row an epoch: accuracy or R², angles, information and what else the history has, as floats."""
        return read_history(self.folder.path)

    @cached_property
    def circuit(self) -> Trainable:
        """The circuit, or what else was trained, with the checkpoint's weights and the run's protocol."""
        state = read_checkpoint(self.folder, self.configuration)  # first: building may import code
        circuit = self.configuration.build_circuit()
        circuit.astype(np.dtype(self.configuration.training.dtype))
        try:
            circuit.load_state_dict(state)
            circuit.check_finite()
        except CorInfoMaxError as error:
            raise damaged(self.folder, error) from None
        circuit.progress = Progress(int(state["epoch"]), int(state.get("presentation", 0)))
        note_provenance(circuit, replace(provenance(circuit), protocol=self.protocol))
        return circuit

    @cached_property
    def protocol(self) -> Protocol | None:
        """The run's protocol; None of a model without protocols."""
        return self.configuration.build_protocol()

    @cached_property
    def unlearnt(self) -> list[int] | None:
        """Classes of which nothing was recognised in the last epoch; None if the checkpoint does not say."""
        state = read_checkpoint(self.folder, self.configuration)
        return [int(label) for label in state["unlearnt"].flat] if "unlearnt" in state else None

    @cached_property
    def stimuli(self) -> Stimuli:
        """The run's stimuli; a `RunError` if they have been changed since it was trained."""
        return trained_stimuli(self.folder, self.configuration)

    def learner(self, replicas: int = 1) -> Learner:
        """Make what presents stimuli to the circuit."""
        return self.configuration.build_learner(self.circuit, replicas, self.protocol)

    def preparation(self, replicas: int = 1) -> Preparation:
        """Mount the circuit with the run's protocol; a `ParameterError` if it has no dynamics."""
        self.configuration.check_dynamics("present stimuli to")
        from ..clockwork.preparation import Preparation  # it imports Brian2

        training = self.configuration.training
        return Preparation(self.circuit, replicas=replicas, target=training.target, blas_threads=training.blas_threads)

    @cached_property
    def _tester(self) -> Learner:
        """What presents stimuli that nothing is learnt from."""
        return self.learner(min(self.configuration.training.test_replicas, len(self.stimuli.x_test)))

    @property
    def _test_seed(self) -> int:
        return seed_of_tests(self.configuration.training.seed)

    def scaled(self, x):
        """Scale inputs as the run's stimuli are: (x - mean)/std, by the numbers in its ``config.toml``.

        Stimuli of one's own have such numbers. A built-in set is scaled when it is loaded; its inputs are as in
        `stimuli`, and stay as they are.

        Parameters
        ----------
        x : array_like or DataFrame (n, inputs) or (n, height, width)
            As the file or the arrays have them that the run was trained on; (inputs,) for one.

        Returns
        -------
        ndarray or DataFrame (n, inputs)
            For `predict`, `present` and what else takes stimuli.

        Raises
        ------
        StimulusError
            If they are of another number, not finite, or no plain numbers.
        """
        section = self.configuration.stimuli
        scaled = self.stimuli.normalised_inputs(x, section.mean, section.std)
        return table_like(x, scaled, getattr(x, "columns", None))

    def unscaled(self, outputs) -> np.ndarray:
        """Take what `predict` gives of a regression to the unit of the targets: outputs * target_std + target_mean.

        Targets of one's own are scaled to rates, by the numbers in the run's ``config.toml``. What has no such numbers
        stays as it is.

        Parameters
        ----------
        outputs : array_like or DataFrame (n, outputs), (outputs,) for one stimulus; of one output also Series (n,)

        Returns
        -------
        ndarray, DataFrame or Series, as `outputs`
        """
        found = self.configuration.stimuli.unscaled(outputs, self.stimuli.outputs)
        return table_like(outputs, found, getattr(outputs, "columns", None))

    def _look_at(self, x):
        """Warn of inputs, which have been presented, that are on another scale than those of training."""
        if (found := unlike(np.asarray(x), *self._reach)) is None:
            return
        section = self.configuration.stimuli
        advice = (
            "scale them as those of the set are"
            if section.mean is None and section.std is None
            else "Run.scaled scales inputs as the run's own are"
        )
        warn_caller(f"The {found}: {advice}.", StimulusWarning)

    @cached_property
    def _reach(self) -> tuple[float, float]:
        x = self.stimuli.x_train
        return float(x.min()), float(x.max())

    def predict(self, x) -> np.ndarray:
        """Output rates at the end of the predicting phase; if the circuit sends spikes, those that its spikes make.

        Parameters
        ----------
        x : array_like or DataFrame (n, inputs)
            Any number of stimuli, scaled as those of `stimuli` are, or by `scaled`.

        Returns
        -------
        ndarray or DataFrame (n, outputs)
            For classes, take the argmax along the last axis. Of a DataFrame another one, with its index and the names
            of the classes, where the stimuli have some. Of a regression `unscaled` gives them in the targets' unit.

        Notes
        -----
        A `StimulusWarning` says if inputs are not on the scale of the training stimuli: `scaled` puts them there.
        """
        settled = self._tester.settle(x, (self.circuit.prediction,), seed=self._test_seed)
        self._look_at(x)
        outputs = self.circuit.predicted(settled)
        return table_like(x, outputs, self.stimuli.class_names)

    def present(
        self,
        x,
        y=None,
        beta: float | None = None,
        learn: bool = False,
        variables: Sequence[str] | None = None,
        seed: int | None = None,
    ) -> Presentation:
        """Present one minibatch and record every step of every phase, without learning.

        Parameters
        ----------
        x : array_like or DataFrame (n, inputs)
            Stimuli; (inputs,) for one.
        y : array_like (n, outputs), optional
            Targets. Without them the protocol stops before its first taught phase.
        beta : float, optional
            Signed nudging strength β; by default that of training.
        learn : bool, default False
            Apply plasticity afterwards, to the circuit in memory; its checkpoint stays.
        variables, seed
            As in `Preparation.present`.

        Returns
        -------
        Presentation
            ``.free.r[k]``, ``.nudge.v_A[k]``, …: (steps, n, units), layer k ≥ 1.
        """
        preparation = self._mounted(len(np.atleast_2d(x)))
        beta = self.protocol.beta if beta is None else beta
        return preparation.present(x, y, beta, learn, variables, seed)

    def _mounted(self, replicas: int) -> Preparation:
        """Give a preparation with so many replicas; the last one is kept, for mounting takes its time."""
        if replicas not in self._preparations:
            self._preparations.clear()
            self._preparations[replicas] = self.preparation(replicas)
        return self._preparations[replicas]

    @cached_property
    def _preparations(self) -> dict[int, Preparation]:
        return {}

    def record(
        self,
        path=None,
        stimuli: int | Sequence[int] | str = 0,
        *,
        populations: str | Sequence[str] = (),
        variables: str | Sequence[str] = (),
        cells: Mapping[Any, Sequence[int]] | None = None,
        phases: str | Sequence[str] = (),
        every: int = 1,
        beta: float | None = None,
        replicas: int | None = None,
        overwrite: bool = False,
    ) -> Recording | Traces | Path:
        """Record test stimuli, as ``corinfomax record`` does.

        Parameters
        ----------
        path : path-like, optional
            ``.h5`` for any number of stimuli, of all populations, in bounded memory; ``.nwb`` and ``.csv`` hold the
            same. By default the run's ``recording.npz``, of the layers alone, which figures are drawn of.
        stimuli : int or sequence of int or str, default 0
            Rows of ``stimuli.x_test``; also as text, "0,3,8-12".
        populations, variables, phases, every
            As in `corinfomax.protocols.recording.select`; only with a path.
        cells : mapping of int or str to sequence of int, optional
            By layer, or by population, as ``{1: range(8), "SST_1": [0]}``; by default telling ones, with a path all.
        beta : float, optional
            Nudging strength; by default that of training.
        replicas : int, optional
            Stimuli presented at once, by default as many as in tests; only with a path.
        overwrite : bool, default False
            Whether a file at `path` may be replaced, once all is recorded; of HDF5 files only recordings are.

        Returns
        -------
        Recording, Traces or Path
            Without a path the recording; of an HDF5 file its traces, opened; of other files the path.

        Raises
        ------
        ParameterError, StimulusError, RunError
            In one line, for what does not exist or cannot be written.
        """
        self.configuration.check_dynamics("record")
        from .. import recording

        chosen = recording.stimuli_of(self.stimuli, stimuli).tolist()
        beta = self.protocol.beta if beta is None else beta
        if path is None:
            if populations or variables or phases or every != 1 or replicas is not None or overwrite:
                raise ParameterError(
                    "record: populations, variables, phases, every, replicas and overwrite need a path, as a.h5"
                )
            return self._record_layers(chosen, cells, beta)
        at_once = min(len(chosen), self.configuration.training.test_replicas) if replicas is None else replicas
        preparation = self._mounted(at_once)
        selections = recording.select(preparation, populations, variables, cells, phases, every)
        path = recording.record_traces(
            preparation, self.stimuli, chosen, selections, path, beta, seed=self._test_seed, overwrite=overwrite
        )
        from ...analysis.traces import SUFFIXES, open_traces

        return open_traces(path) if path.suffix in SUFFIXES else path

    def _record_layers(self, chosen: list[int], cells: Mapping[Any, Sequence[int]] | None, beta: float) -> Recording:
        from ...analysis.recordings import read_recording
        from ..recording import record, representative_cells
        from ..recording.selections import by_place

        preparation = self._mounted(len(chosen))
        if cells is None:
            first, *others = chosen
            cells = representative_cells(preparation, self.stimuli, first, seed=self._test_seed, others=others)
        elif strange := [key for key in by_place(cells) if isinstance(key, str)]:
            raise ParameterError(f"record: cells of {strange[0]!r}: without a path only layers are recorded, 1 and up")
        self.folder.write_arrays(
            "recording.npz", record(preparation, self.stimuli, chosen, cells, beta, self._test_seed)
        )
        return read_recording(self.folder.path / "recording.npz")

    def figures(self, formats: Sequence[str] = ("png",), tsne: bool = False, animation: bool = False) -> Gallery:
        """Draw the run's figures into its folder.

        Parameters
        ----------
        formats : sequence of str
            Of "png", "pdf" and "svg".
        tsne : bool, default False
            Whether to embed the activity of each layer by t-SNE, too.
        animation : bool, default False
            Whether to animate the recording's first presentation, as ``settling.gif``.

        Returns
        -------
        Gallery
            The files by their names; Jupyter shows them.
        """
        from ...analysis.figures.gallery import Gallery  # with matplotlib
        from ...analysis.figures.report import draw_run

        return Gallery(draw_run(self.folder.path, tuple(formats), tsne, animation))


def load(run, trust: bool = False) -> Trainable:
    """Take the trained circuit back from a run folder.

    Parameters
    ----------
    run : path-like
        The folder.
    trust : bool, default False
        Whether code may be imported that the folder holds or names, as in `Run`.

    Returns
    -------
    Circuit, or another Trainable
        With the trained weights; a `Preparation` of it takes the protocol that it was trained with.

    Raises
    ------
    RunError
        If the folder is not that of a run, or its checkpoint is missing or damaged; or for code without `trust`.
    """
    return Run(run, trust).circuit
