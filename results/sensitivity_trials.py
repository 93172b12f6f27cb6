"""Trials of the sensitivity analysis: a circuit is trained in memory and judged on validation stimuli."""

import functools
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from sensitivity_factors import SPACES, Space, Value

from corinfomax.analysis import accuracy
from corinfomax.errors import DivergenceError, ParameterError
from corinfomax.networks.schedules import Progress
from corinfomax.protocols.runs import Configuration
from corinfomax.protocols.runs.loading import KEPT, StimulusSource
from corinfomax.protocols.runs.random_streams import plan
from corinfomax.stimuli import Stimuli, load_stimuli

#: Accuracy, as a fraction, of a run that diverges: ten classes.
CHANCE = 0.1
#: Of MNIST: training stimuli that are learnt, the first, and that settings are judged by, the last.
MNIST_LEARNT, MNIST_JUDGED = 20000, 5000


def judged_on_validation(stimuli: Stimuli) -> Stimuli:
    """Put the validation part in the place of the test part, which is left out."""
    parts = {f"{kind}_test": getattr(stimuli, f"{kind}_validation") for kind in ("x", "y", "labels")}
    return replace(stimuli, **parts, x_validation=None, y_validation=None, labels_validation=None)


def mnist_part(stimuli: Stimuli) -> Stimuli:
    """Keep 20,000 training stimuli of MNIST, and judge by 5,000 others in place of the test stimuli."""
    parts = {}
    for kind in ("x", "y", "labels"):
        array = getattr(stimuli, f"{kind}_train")
        parts |= {f"{kind}_train": array[:MNIST_LEARNT], f"{kind}_test": array[-MNIST_JUDGED:]}
    return replace(stimuli, **parts)


@dataclass(frozen=True)
class Trials:
    """Runs that start from one preset.

    Parameters
    ----------
    preset : str
    stimuli : Stimuli
        What is learnt, and in the place of the test part what runs are judged by.
    settings : mapping of str to object
        Keys that all runs have otherwise than the preset.
    """

    preset: str
    stimuli: Stimuli
    settings: Mapping[str, Any] = field(default_factory=dict)

    @functools.cached_property
    def base(self) -> Configuration:
        """The preset."""
        return Configuration.read(self.preset, self.settings)

    @property
    def space(self) -> Space:
        """Factors of the preset's model."""
        return SPACES[self.base.model]

    @functools.cached_property
    def centre(self) -> dict[str, Value]:
        """The preset's values."""
        return self.space.values(self.base)

    @functools.cached_property
    def _source(self) -> StimulusSource:
        return StimulusSource(self.stimuli)

    def configuration(self, values: Mapping[str, Value]) -> Configuration:
        """Set the preset's factors to these values, and let it be beyond its bounds."""
        sections = self.base.to_dict()
        ends = (self.stimuli.x_train.shape[1], self.stimuli.y_train.shape[1])
        own = self.space.settings({**self.centre, **values}, *ends)
        for section, keys in own.items():
            sections[section] |= keys
        sections["protocol"]["allow_unstable"] = True
        sections["stimuli"] = {"stimuli": KEPT}
        return Configuration(sections, self.preset, self._source)

    def run(self, values: Mapping[str, Value], epochs: int, last: int = 1) -> dict[str, Any]:
        """Train, and give columns of a row.

        Parameters
        ----------
        values : mapping of str to Value
            Those of factors that are not the preset's.
        epochs : int
        last : int, default 1
            After how many of the last epochs the circuit is judged; what counts is the mean.

        Returns
        -------
        dict
            ``accuracy``, a fraction, chance if the run diverges or is refused; ``status``; ``beyond_bounds``, whether
            the step or β is beyond what the circuit is stable for; ``seconds`` of processor time.
        """
        began, status, found = time.process_time(), "finished", CHANCE
        configuration = self.configuration(values)
        try:
            with np.errstate(all="ignore"):  # of runs that diverge
                found = float(np.mean(trained(configuration, self.stimuli, epochs, last)))
        except DivergenceError:
            status = "diverged"
        except ParameterError as error:
            status = f"refused: {error}"
        return {
            "accuracy": found,
            "status": status,
            "beyond_bounds": beyond_bounds(configuration),
            "seconds": time.process_time() - began,
        }


def trained(configuration: Configuration, stimuli: Stimuli, epochs: int, last: int = 1) -> list[float]:
    """Train as `corinfomax train` does, to the same weights, and give the accuracy after each of the last epochs.

    Nothing is written, and nothing is tested before: that takes two thirds of the time of a short run.

    Parameters
    ----------
    configuration : Configuration
    stimuli : Stimuli
        Judged is the test part.
    epochs, last : int

    Raises
    ------
    DivergenceError
    """
    circuit, protocol = configuration.build_circuit(), configuration.build_protocol()
    training, entry = configuration.training, configuration.entry
    learner = configuration.build_learner(circuit, training.batch_size, protocol, train=True)
    tester = configuration.build_learner(circuit, min(training.test_replicas, len(stimuli.x_test)), protocol)
    rest, found = tester.state_dict(), []
    for epoch in range(epochs):
        planned = plan(training.seed, epoch, len(stimuli.x_train), training.batch_size, protocol)
        circuit.progress = Progress(epoch, epoch * len(planned))
        if entry.begin_epoch is not None:
            entry.begin_epoch(circuit, learner, planned.stimulus(0, stimuli))
        learner.run_through(planned.stimulus(n, stimuli) for n in range(len(planned)))
        if epoch >= epochs - last:
            tester.load_state_dict(rest)
            found.append(accuracy(tester.predict(stimuli.x_test), stimuli.y_test))
    return found


def beyond_bounds(configuration: Configuration) -> bool:
    """Whether the step or β is beyond what the circuit is stable for."""
    protocol = replace(configuration.build_protocol(), allow_unstable=False)
    circuit = configuration.build_circuit()
    try:
        for beta in protocol.betas:
            protocol.check_stability(circuit, beta)
    except ParameterError:
        return True
    return False


def digits(preset: str, test: bool = False) -> Trials:
    """Digits: a fifth of the training stimuli, 288, judges; in the end the test stimuli.

    So small a circuit renews its lateral current in each step: to find out how seldom it may takes longer.
    """
    stimuli = load_stimuli("digits")
    settings = {"sst_every": 1} if Configuration.read(preset).model == "corinfomax" else {}
    return Trials(preset, stimuli if test else judged_on_validation(stimuli.with_validation(0.2)), settings)


def mnist(preset: str, data: Path | None) -> Trials:
    """MNIST: 20,000 training stimuli, and 5,000 others of them that judge."""
    return Trials(preset, mnist_part(load_stimuli("mnist", data=data)))
