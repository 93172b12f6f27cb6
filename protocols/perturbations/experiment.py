"""Perturbation experiments: circuits measured with and without perturbations, in testing or after training."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from ...analysis.comparison import CONTROL, against_control, rms
from ...analysis.files import PERTURBATIONS
from ...errors import ParameterError
from ...networks import Circuit
from ...stimuli import Stimuli, Stimulus
from ..clockwork import Preparation
from ..recording.archive import shown_targets
from ..recording.recordables import physical
from ..runs.configuration import Configuration
from ..runs.folder import RunFolder
from ..runs.random_streams import seed_of_tests
from ..runs.run import Run
from ..runs.training import Report, Training
from ..systems import Model
from ..systems.evaluation import evaluate
from . import CellPerturbation, Cut, Freeze, Intervention, Lesion, Perturbation, Silence, read_perturbations, to_toml
from .anatomy import check_has_cells

#: How SI units are shown in tables, and by what factor.
_SHOWN = {"V": ("mV", 1e3), "1": ("", 1.0)}
#: Test stimuli whose potentials are compared.
KEPT_STIMULI = 1000


@dataclass(frozen=True)
class Measurement:
    """What test stimuli show of a circuit.

    Parameters
    ----------
    columns : dict of str to float
        Those of the history.
    outputs : ndarray (stimuli, outputs)
        Output rates at the end of the prediction's last phase.
    ends : dict of (str, int, str) to ndarray (stimuli, cells)
        By phase, layer k ≥ 1 and variable, in its unit, at the phase's end: the potentials and rates that the cells
        declare.
    units : dict of str to str
        By variable, such as "mV"; "" if it has none.
    """

    columns: dict[str, float]
    outputs: np.ndarray
    ends: dict[tuple[str, int, str], np.ndarray]
    units: dict[str, str]


@dataclass(frozen=True)
class Experiment:
    """Measurements of a perturbation experiment.

    Parameters
    ----------
    perturbations : tuple of Perturbation
    circuit : Circuit
        The control, of the last seed.
    stimuli : Stimuli
    measured : dict of (int, str, str) to Measurement
        By seed, how the circuit was trained and how it was tested, each "control" or "perturbed".
    histories : dict of (int, str) to list of dict
        By seed and how the circuit was trained, the rows of the history; empty if nothing was trained.
    batches : int, default 1
        Minibatches of an epoch.
    """

    perturbations: tuple[Perturbation, ...]
    circuit: Circuit
    stimuli: Stimuli
    measured: Mapping[tuple[int, str, str], Measurement]
    histories: Mapping[tuple[int, str], list[dict]]
    batches: int = 1

    @cached_property
    def table(self) -> pd.DataFrame:
        """All numbers against the control of the same seed, as `corinfomax.analysis.against_control` has them."""
        return against_control([row for place in self.measured for row in self._rows(*place)])

    def changed_predictions(self, seed: int, trained: str, tested: str) -> int:
        """For how many test stimuli the circuit predicts another class than the control, or another number."""
        mine, control = self.measured[seed, trained, tested].outputs, self.measured[(seed, *CONTROL)].outputs
        taught = self.circuit.teacher is not None
        if self.stimuli.task == "classification" and taught:
            return int(np.sum(mine.argmax(axis=1) != control.argmax(axis=1)))
        targets = self.stimuli.y_test if taught and self.stimuli.y_test is not None else control
        tolerance = 1e-4 * np.ptp(targets, axis=0)  # far below any error of prediction
        return int(np.sum((np.abs(mine - control) > tolerance).any(axis=1)))

    def _rows(self, seed: int, trained: str, tested: str) -> Iterable[dict]:
        here, control = self.measured[seed, trained, tested], self.measured[(seed, *CONTROL)]
        condition = {"seed": seed, "trained": trained, "tested": tested}
        changed = {"predictions_changed": self.changed_predictions(seed, trained, tested) / len(self.stimuli.x_test)}
        for name, value in {**here.columns, **changed}.items():
            place = {"quantity": name, "unit": "", "layer": 0, "phase": ""}
            yield {**condition, **place, "value": value, "rms_change": np.nan}
        for (phase, k, variable), values in here.ends.items():
            place = {"quantity": variable, "unit": here.units[variable], "layer": k, "phase": phase}
            change = rms(values - control.ends[phase, k, variable])
            yield {**condition, **place, "value": float(values.mean(dtype=float)), "rms_change": change}


def measure(preparation: Preparation, stimuli: Stimuli, seed: int = 0, model: Model | None = None) -> Measurement:
    """Present the test stimuli, without learning: all to predict, and the first 1000 with targets if there are some.

    Parameters
    ----------
    preparation : Preparation
        Its protocol says what happens, perturbations in force included.
    stimuli : Stimuli
    seed : int, default 0
        Of background input, so that control and perturbed circuit have the same.
    model : Model, optional
        What the registry has of the circuit, for its metrics; by default performance is all that is measured.
    """
    circuit = preparation.circuit
    rest = preparation.state_dict()
    evaluation = evaluate(circuit, preparation, stimuli, model, seed, validation=False)
    try:
        ends, units = phase_ends(preparation, stimuli, preparation.protocol.beta, seed)
    finally:
        preparation.load_state_dict(rest)  # so that it does not matter what is presented next
    return Measurement(evaluation.columns, evaluation.outputs, ends, units)


def phase_ends(
    preparation: Preparation, stimuli: Stimuli, beta: float, seed: int
) -> tuple[dict[tuple[str, int, str], np.ndarray], dict[str, str]]:
    """Present the first 1000 test stimuli; return what cells declare at the phases' ends, and the units.

    Parameters
    ----------
    preparation : Preparation
    stimuli : Stimuli
        Targets are shown if there are some and the circuit has a teacher.
    beta : float
    seed : int
        Of background input.

    Returns
    -------
    ends, units
        As in `Measurement`.
    """
    layers = {k: preparation.layer(k) for k in range(1, preparation.circuit.output + 1)}
    compared = {
        k: {item.name: _SHOWN.get(item.unit, (item.unit, 1.0)) for item in physical(layer)}
        for k, layer in layers.items()
    }
    found: dict[tuple[str, int, str], list[np.ndarray]] = {}

    def collect(moment, end):
        for k, layer in layers.items():
            for variable, (_, factor) in compared[k].items():
                values = factor * layer.read(variable)[: moment.presented]
                found.setdefault((moment.phase.name, k, variable), []).append(values)

    n = min(KEPT_STIMULI, len(stimuli.x_test))
    starts = range(0, n, preparation.replicas)
    rows = [slice(start, min(start + preparation.replicas, n)) for start in starts]
    minibatches = (
        Stimulus(
            stimuli.x_test[row],
            shown_targets(preparation.circuit, stimuli, row),
            beta,
            seed=None if row.start else seed,
        )
        for row in rows
    )
    preparation.run_through(minibatches, on_phase_end=collect)
    units = {name: unit for variables in compared.values() for name, (unit, _) in variables.items()}
    return {place: np.concatenate(parts) for place, parts in found.items()}, units


def perturb_runs(runs: Run | Sequence[Run], perturbations: Sequence[Perturbation]) -> Experiment:
    """Test trained circuits with and without perturbations, at the same weights.

    Parameters
    ----------
    runs : Run, or sequence of Run
        Of the same configuration but for the seed.
    perturbations : sequence of Perturbation

    Returns
    -------
    Experiment
        Its `table` is a pandas.DataFrame.

    Raises
    ------
    ParameterError
        In one line, for perturbations that the circuits or testing have no place for, and for runs that differ.
    """
    runs = [runs] if isinstance(runs, Run) else list(runs)
    check_testable(perturbations)
    measured = {}
    for run in runs:
        check_has_cells(run.circuit)
        seed = run.configuration.training.seed
        if _but_for_seed(run.configuration) != _but_for_seed(runs[0].configuration):
            raise ParameterError(f"{run.folder.path}: differs from {runs[0].folder.path} by more than its seed")
        if (seed, *CONTROL) in measured:
            raise ParameterError(f"{run.folder.path}: seed {seed} is there already; take runs of different seeds")
        replicas = min(run.configuration.training.test_replicas, len(run.stimuli.x_test))
        learner = run.configuration.build_learner(run.circuit, replicas, run.protocol)
        measured |= _tested(seed, "control", learner, run.stimuli, run.configuration.entry, perturbations)
    return Experiment(tuple(perturbations), runs[-1].circuit, runs[-1].stimuli, measured, {})


def check_testable(perturbations: Sequence[Perturbation]):
    """Raise a `ParameterError` for perturbations that concern training."""
    for item in perturbations:
        if isinstance(item, Freeze):
            raise ParameterError(f"{item}: nothing learns in testing; a rule is frozen in training")
        if item.period is not None:
            raise ParameterError(f"{item}: testing has no {item.period.unit}; a period is of training")


def _but_for_seed(configuration: Configuration) -> dict:
    values = configuration.to_dict()
    for key in ("seed", "data", "target", "blas_threads"):
        for section in ("training", "stimuli"):
            values[section].pop(key, None)
    return values


def _tested(
    seed: int,
    trained: str,
    preparation: Preparation,
    stimuli: Stimuli,
    model: Model,
    perturbations: Sequence[Perturbation],
) -> dict[tuple[int, str, str], Measurement]:
    intervention = _for_testing(preparation, perturbations)
    measured = {(seed, trained, "control"): measure(preparation, stimuli, seed_of_tests(seed), model)}
    if intervention is not None:
        with intervention:
            measured[seed, trained, "perturbed"] = measure(preparation, stimuli, seed_of_tests(seed), model)
    return measured


def _for_testing(preparation: Preparation, perturbations: Sequence[Perturbation]) -> Intervention | None:
    """All that can be perturbed without learning, at once and always; None if that makes no sense."""
    lasting = [replace(item, period=None) for item in perturbations if not isinstance(item, Freeze)]
    try:
        return Intervention(preparation, lasting) if lasting or not perturbations else None
    except ParameterError:
        if any(item.period is not None for item in perturbations):
            return None  # one after the other they do not overlap, as `check_trainable` has found
        raise


def perturb_training(
    configuration: Configuration,
    perturbations: Sequence[Perturbation],
    folder: Path,
    seeds: Sequence[int] = (0,),
    report: Callable[[int, str, Report], None] = lambda seed, trained, progress: None,
    begin: Callable[[], Path | None] = lambda: None,
) -> Experiment:
    """Train circuits with and without perturbations from the same seeds, and test each in both ways.

    Runs are trained into ``control/seed_N`` and ``perturbed/seed_N`` of the folder. Those that are there go on, or are
    taken as they are. While training, the history's test stimuli are presented without perturbations of cells.

    Parameters
    ----------
    configuration : Configuration
        Its seed is replaced.
    perturbations : sequence of Perturbation
    folder : Path
    seeds : sequence of int
    report : callable
        ``report(seed, trained, progress)``, now and then.
    begin : callable
        Called once all has been checked, before anything is written. A folder that it returns takes the other's place.

    Returns
    -------
    Experiment

    Raises
    ------
    ParameterError
        In one line, before anything is trained, for perturbations that have no place in the circuit or its training.
    """
    if len(set(seeds)) < len(seeds) or not seeds:
        raise ParameterError(f"seeds = {list(seeds)}: must name each seed once")
    batches = check_trainable(configuration, perturbations)
    folder = begin() or folder
    measured: dict[tuple[int, str, str], Measurement] = {}
    histories = {}
    for seed in seeds:
        for trained in CONTROL[0], "perturbed":
            training, intervention = prepare_training(
                configuration.with_seed(seed),
                RunFolder(folder / trained / f"seed_{seed}"),
                perturbations if trained == "perturbed" else (),
            )
            training.run(lambda progress, seed=seed, trained=trained: report(seed, trained, progress))
            intervention.off()
            measured |= _tested(seed, trained, training.evaluator, training.stimuli, configuration.entry, perturbations)
            histories[seed, trained] = training.rows
            if trained == CONTROL[0]:
                circuit = training.circuit
    return Experiment(tuple(perturbations), circuit, training.stimuli, measured, histories, batches)


def prepare_training(
    configuration: Configuration, folder: RunFolder, perturbations: Sequence[Perturbation]
) -> tuple[Training, Intervention]:
    """Begin or take up a training run in which perturbations follow their periods.

    Parameters
    ----------
    configuration : Configuration
    folder : RunFolder
        New, or that of an earlier part of this run: what is perturbed depends on epoch and minibatch only.
    perturbations : sequence of Perturbation

    Raises
    ------
    ParameterError, RunError
        In one line, as in `Training`, and for an earlier part whose perturbations cannot be read.
    """
    begun = folder.has("config.toml")
    if begun and folder.has(PERTURBATIONS):
        read_perturbations(folder.path / PERTURBATIONS)
    training = Training(configuration, folder, resume=begun)
    intervention = Intervention(training.learner, perturbations, training.batches)
    training.before_presentation.append(intervention.follow)
    if not begun:
        folder.create(configuration)
        if perturbations:
            folder.write_perturbations(to_toml(perturbations))
    return training, intervention


def check_trainable(configuration: Configuration, perturbations: Sequence[Perturbation]) -> int:
    """Raise a `ParameterError` for what the circuit or its training have no place for; return batches an epoch."""
    stimuli, circuit = configuration.load_stimuli(), configuration.build_circuit()
    check_has_cells(circuit)
    replicas = min(configuration.training.batch_size, len(stimuli.x_train))
    learner = configuration.build_learner(circuit, replicas, configuration.build_protocol())
    batches = -(-len(stimuli.x_train) // replicas)
    for item in perturbations:
        if item.period is not None:
            item.period.check(configuration.training.epochs, batches)
    Intervention(learner, perturbations, batches)
    return batches


def perturbed_role(experiment: Experiment, driven: bool = True) -> str:
    """Role of the cells that alone are perturbed, they or the synapses onto them; "" if others are, or a layer's own.

    Parameters
    ----------
    experiment : Experiment
    driven : bool, default True
        Whether cells count that currents or clamps drive.
    """
    circuit = experiment.circuit
    roles = {spec.name: spec.cell.role for spec in circuit.populations}

    def role_of(item: Perturbation) -> str:
        if isinstance(item, CellPerturbation):
            return roles[item.target(circuit)] if driven or isinstance(item, Silence | Cut) else ""
        if isinstance(item, Lesion):
            targets = {roles[each.target] for each in circuit.projections if each.weights == item.weights}
            return next(iter(targets)) if len(targets) == 1 else ""
        return ""

    found = {role_of(item) for item in experiment.perturbations}
    return next(iter(found)) if len(found) == 1 else ""


def later_than(experiment: Experiment, phases: Sequence[str]) -> bool:
    """Whether cells are all that is perturbed, in none of these phases."""
    return bool(experiment.perturbations) and all(
        isinstance(item, CellPerturbation) and item.phases is not None and not set(item.phases) & set(phases)
        for item in experiment.perturbations
    )
