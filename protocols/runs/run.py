"""A finished or unfinished run, taken up again from its folder."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ...errors import CorInfoMaxError
from ...networks.schedules import Progress
from ...networks.trainable import Trainable
from ...stimuli.stimuli import Stimuli
from ..clockwork.provenance import note_provenance, provenance
from ..systems import Learner
from .checkpoint import check_named_code, damaged, read_checkpoint
from .configuration import Configuration
from .folder import RunFolder

if TYPE_CHECKING:
    from ..clockwork.preparation import Preparation
    from ..clockwork.protocol import Protocol


class Run:
    """A run folder, opened.

    Parameters
    ----------
    path : path-like
    trust : bool, default False
        Whether code may be imported that the folder holds or names, such as a custom cell. Such code can do all that
        you can: look at a stranger's before you trust it. It is imported after the configuration has been found to be
        the checkpoint's.

    Attributes
    ----------
    folder : RunFolder
    configuration : Configuration

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
        """The run's stimuli."""
        return self.configuration.load_stimuli()

    def learner(self, replicas: int = 1) -> Learner:
        """Make what presents stimuli to the circuit."""
        return self.configuration.build_learner(self.circuit, replicas, self.protocol)

    def preparation(self, replicas: int = 1) -> Preparation:
        """Mount the circuit with the run's protocol; a `ParameterError` if it has no dynamics."""
        self.configuration.check_dynamics("present stimuli to")
        from ..clockwork.preparation import Preparation  # it imports Brian2

        training = self.configuration.training
        return Preparation(self.circuit, replicas=replicas, target=training.target, blas_threads=training.blas_threads)


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
