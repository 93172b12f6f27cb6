"""Perturbations in force: as courses of a protocol's phases, as frozen rules, as lesions; on, off, or by a schedule."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from ...errors import ParameterError
from ...networks import Circuit
from ..clockwork import Phase, Preparation, Protocol
from .hardware import Quantise
from .perturbation import CellPerturbation, Perturbation
from .synapses import Freeze, Lesion


def perturbed(protocol: Protocol, perturbations: Iterable[Perturbation], circuit: Circuit) -> Protocol:
    """Return a protocol whose phases perturb cells.

    Parameters
    ----------
    protocol : Protocol
    perturbations : iterable of CellPerturbation
        Those of weights are passed over.
    circuit : Circuit
        What the cells belong to.

    Returns
    -------
    Protocol
        With the courses of `protocol` and those of the perturbations.

    Raises
    ------
    ParameterError
        For cells or phases that do not exist, or that the same variable of a cell would be set twice.
    """
    given = [perturbation for perturbation in perturbations if isinstance(perturbation, CellPerturbation)]
    names = list(dict.fromkeys(phase.name for each in (protocol, protocol.for_prediction) for phase in each.phases))
    for perturbation in given:
        perturbation.check(circuit)
        for name in perturbation.phases or ():
            if name not in names:
                raise ParameterError(f"{perturbation}: no phase {name!r}; this protocol has {', '.join(names)}")
    evaluation = protocol.evaluation
    if evaluation is not None:
        evaluation = replace(evaluation, phases=[_perturbed(phase, given, circuit) for phase in evaluation.phases])
    phases = [_perturbed(phase, given, circuit) for phase in protocol.phases]
    return replace(protocol, phases=phases, evaluation=evaluation)


def _perturbed(phase: Phase, perturbations: Sequence[CellPerturbation], circuit: Circuit) -> Phase:
    sizes = {spec.name: spec.size for spec in circuit.populations}
    courses: dict[str, np.ndarray] = {}
    owners: dict[str, dict[int, Perturbation]] = {}
    for perturbation in perturbations:
        if perturbation.phases is not None and phase.name not in perturbation.phases:
            continue
        population = perturbation.target(circuit)
        cells = range(sizes[population]) if perturbation.cells is None else perturbation.cells
        for variable, value in perturbation.settings(circuit).items():
            key = f"{population}.{variable}"
            if key in phase.course or variable in phase.course:
                raise ParameterError(f"{perturbation}: phase {phase.name!r} of the protocol sets {key} itself")
            taken = owners.setdefault(key, {})
            for cell in cells:
                if cell in taken:
                    raise ParameterError(
                        f"{perturbation}: overlaps with {taken[cell]!s}; both set {key} of cell {cell}"
                    )
                taken[cell] = perturbation
            course = courses.setdefault(key, np.full((1, sizes[population]), np.nan))
            course[0, list(cells)] = value
    return replace(phase, course={**phase.course, **courses}) if courses else phase


class Intervention:
    """Perturbations of a preparation, to be put in force and taken back.

    As a context manager it puts all in force, whatever their periods, and then leaves everything as it was::

        with Intervention(preparation, [Silence("SST_1"), Lesion(("W_ff", 0), 0.3)]):
            preparation.settle(x)

    In training, `follow` puts in force what a minibatch has.

    Parameters
    ----------
    preparation : Preparation
    perturbations : Perturbation or sequence of Perturbation
    batches : int, default 1
        Minibatches of an epoch, for periods.

    Raises
    ------
    ParameterError
        In one line, for whatever does not exist, or is perturbed twice at the same time.
    """

    def __init__(self, preparation: Preparation, perturbations: Sequence[Perturbation], batches: int = 1):
        perturbations = [perturbations] if isinstance(perturbations, Perturbation) else perturbations
        for item in perturbations:
            if not isinstance(item, Perturbation):
                raise ParameterError(f"{item!r} is no perturbation, such as Silence('SST_1')")
        if not isinstance(preparation, Preparation):
            raise ParameterError(f"{type(preparation).__name__}: has no cells in time to perturb, takes a Preparation")
        self._preparation, self._circuit = preparation, preparation.circuit
        self.perturbations, self._batches = tuple(perturbations), batches
        self._lost: list[tuple[str, int, np.ndarray, np.ndarray]] = []
        self._take_as_control()
        self.active: tuple[Perturbation, ...] = ()
        for item in self.perturbations:
            item.check(self._circuit)
        for stage in self._stages():
            self._follow_protocol(stage)  # whatever is to be held is known before a run
        self._follow_protocol(())

    def _take_as_control(self):
        """Let perturbations add to what is in force now, other interventions included."""
        self._control = self._preparation.protocol
        self._frozen, self._lesions = set(self._circuit.frozen), dict(self._circuit.lesions)
        self._rounded = dict(self._circuit.rounded)
        self._protocols: dict[tuple[Perturbation, ...], Protocol] = {(): self._control}

    def __enter__(self):
        self.on()
        return self

    def __exit__(self, *exception):
        self.off()

    def on(self):
        """Put all perturbations in force."""
        self.off()
        self._take_as_control()
        self._put_in_force(self.perturbations)

    def off(self):
        """Take all perturbations back, lesions included: lost synapses have again the weights that they had."""
        if self.active:
            self._give_back(self._lost)
            self._put_in_force(())

    def follow(self, epoch: int, batch: int):
        """Put in force what a minibatch of training has; synapses that were lost are not given back.

        Parameters
        ----------
        epoch, batch : int
            Counted from 0, the minibatch within its epoch.
        """
        active = self._at(epoch * self._batches + batch)
        if active != self.active:
            self._put_in_force(active)
            # Weights that nothing learns would stay 0 for ever.
            self._lost = [lost for lost in self._lost if lost[0] in self._circuit.derived]

    def _at(self, batch: int) -> tuple[Perturbation, ...]:
        return tuple(
            item for item in self.perturbations if item.period is None or batch in item.period.batches(self._batches)
        )

    def _stages(self) -> list[tuple[Perturbation, ...]]:
        """All sets of perturbations that are in force at the same time."""
        periods = [item.period.batches(self._batches) for item in self.perturbations if item.period is not None]
        return [self._at(batch) for batch in sorted({0, *(b for period in periods for b in (period[0], period[-1]))})]

    def _follow_protocol(self, active: tuple[Perturbation, ...]):
        if active not in self._protocols:
            self._protocols[active] = perturbed(self._control, active, self._circuit)
        if self._preparation.protocol is not self._protocols[active]:
            self._preparation.exchange_protocol(self._protocols[active])

    def _put_in_force(self, active: tuple[Perturbation, ...]):
        self._follow_protocol(active)
        self.active = active
        circuit = self._circuit
        self._give_back(lost for lost in self._lost if lost[0] in circuit.derived)
        circuit.frozen = self._frozen | {item.weights for item in active if isinstance(item, Freeze)}
        circuit.lesions, circuit.rounded = dict(self._lesions), dict(self._rounded)
        self._lost = []
        for item in active:
            if isinstance(item, Lesion):
                key, k = item.weights
                mask = item.mask(circuit)
                self._lost.append((key, k, mask, circuit.weights[key][k][mask]))
                circuit.lesions[key, k] = circuit.lesions.get((key, k), False) | mask
            elif isinstance(item, Quantise):
                key, k = item.weights
                W = circuit.weights[key][k]
                self._lost.append((key, k, everything := np.ones(W.shape, dtype=bool), W[everything]))
                circuit.rounded[key, k] = item.rounded(circuit)
        circuit.renew()
        self._preparation.mounted.copy_weights_to_synapses()

    def _give_back(self, lost: Iterable[tuple[str, int, np.ndarray, np.ndarray]]):
        for key, k, mask, values in lost:
            self._circuit.weights[key][k][mask] = values
