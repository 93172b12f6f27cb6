"""What to record: variables of chosen cells, their spikes, and weights with their changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np

from ... import ranges
from ...analysis.traces import INDEX
from ...errors import ParameterError, StimulusError, meant
from ...networks import Circuit, Population
from ...stimuli import Stimuli
from .recordables import SPIKES, checked, names, spiking


def stimuli_of(stimuli: Stimuli, chosen: int | Sequence[int] | str) -> np.ndarray:
    """Return numbers of test stimuli, (n,); a `StimulusError` names one that is not there.

    Parameters
    ----------
    stimuli : Stimuli
    chosen : int or sequence of int or str
        Also as text, "0,3,8-12".
    """
    found, count = _numbers("stimuli", chosen), len(stimuli.x_test)
    for row in found:
        if not 0 <= row < count:
            raise StimulusError(f"stimulus {row}: {stimuli.name} has test stimuli 0 to {count - 1}")
    return found


def population_of(preparation, place: str | int) -> str:
    """Name the population that is meant: by its name, or as the principal one of a layer by its number."""
    if isinstance(place, str):
        return place
    return preparation.circuit.layers[layer_of(preparation, place)]


def by_place(cells: Any) -> Mapping[Any, Any]:
    """Return what is a mapping of layers or populations to cells, or say that it is none."""
    if not isinstance(cells, Mapping):
        raise ParameterError(f'cells = {cells!r}: must say of which layer, as {{1: [0, 3]}} or {{1: "0,3"}}')
    return cells


def layer_of(preparation, place: int) -> int:
    """Return the number of a layer, or say which there are."""
    if not isinstance(place, Integral) or not 1 <= place <= preparation.circuit.output:
        raise ParameterError(f"layer {place}: this circuit has layers 1 to {preparation.circuit.output}")
    return int(place)


@dataclass(frozen=True)
class Selection:
    """Variables of chosen cells of one population, step by step.

    Parameters
    ----------
    population : str
        As in `Preparation.populations`: ``"layer_1"``, ``"SST_1"``, ``"multiplier_1"``, …
    variables : str or sequence of str
        State variables or subexpressions of its cells, as ``("V_soma", "V_apical", "rate", "I_net")``.
    cells, replicas : int or sequence of int, optional
        Which of them, in this order; all by default. A replica that carries no stimulus is NaN.
    phases : str or sequence of str, optional
        Names of phases; all by default.
    every : int, default 1
        Cadence: every n-th step of each phase, the n-th, the 2n-th and so on, so that where n divides a phase's steps
        its end is among them.

    Raises
    ------
    ParameterError
        In one line, for what cannot be. What a circuit does not have is refused when a recorder is made.
    """

    population: str
    variables: str | Sequence[str]
    cells: int | Sequence[int] | None = None
    replicas: int | Sequence[int] | None = None
    phases: str | Sequence[str] | None = None
    every: int = 1

    def __post_init__(self):
        object.__setattr__(self, "variables", names(self.variables, "variables"))
        if not self.variables:
            raise ParameterError(f"{self.population}: no variables to record")
        if doubled := _doubled(self.variables):
            raise ParameterError(f"{self.population}: variable {doubled!r} is chosen twice")
        if SPIKES in self.variables:
            raise ParameterError(
                f"{self.population}: spikes are events and no variable; choose them by a SpikeSelection"
            )
        if present := sorted({*INDEX}.intersection(self.variables)):
            raise ParameterError(f"{self.population}: {present[0]} is recorded with every step; leave it out")
        _check_cadence(self.population, self.every)

    def check(self, preparation) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
        """Compare with what a preparation has; return replicas, cells and names of phases."""
        population, replicas, cells, phases = _chosen(self, preparation)
        checked({self.population: population}, self.variables)
        steps = phases_of(preparation.protocol)
        if not phases or max(steps[name] for name in phases) < self.every:
            longest = max((steps[name] for name in phases), default=0)
            raise ParameterError(
                f"{self.population}: every = {self.every} records nothing; the longest chosen phase has {longest} steps"
            )
        return replicas, cells, phases


@dataclass(frozen=True)
class SpikeSelection:
    """Spikes of chosen cells of one population, as events.

    Parameters
    ----------
    population : str
        Of cells with a threshold: ``"layer_1"``, and of inputs that spike ``"stimulus"``.
    cells, replicas : int or sequence of int, optional
        Which of them; all by default.
    phases : str or sequence of str, optional
        Names of phases; all by default.
    """

    population: str
    cells: int | Sequence[int] | None = None
    replicas: int | Sequence[int] | None = None
    phases: str | Sequence[str] | None = None
    variables = (SPIKES,)

    def check(self, preparation) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
        """Compare with what a preparation has; return replicas, cells and names of phases."""
        population, replicas, cells, phases = _chosen(self, preparation)
        if not population.cell.threshold:
            there = ", ".join(spiking(preparation.populations)) or "none, for its layers send each other rates"
            raise ParameterError(f"{self.population}: its cells do not spike; of this circuit those do: {there}")
        if not phases:
            raise ParameterError(f"{self.population}: no phases to record spikes in")
        return replicas, cells, phases


@dataclass(frozen=True)
class WeightSelection:
    """Weights of chosen synapses after learning, and what the rule changed.

    Parameters
    ----------
    weights : (str, int)
        As in `Circuit.weights`: ``("W_ff", 0)``.
    post, pre : int or sequence of int, optional
        Postsynaptic and presynaptic cells; all by default. Weights with one axis, as D, have no `pre`.
    every : int, default 1
        After every n-th learning presentation.
    changes : bool, default False
        Also the rule's ΔW of these synapses in that presentation, before learning rate and decay, and the Frobenius
        norm of the whole ΔW.

    Raises
    ------
    ParameterError
        In one line, for what cannot be.
    """

    weights: tuple[str, int]
    post: int | Sequence[int] | None = None
    pre: int | Sequence[int] | None = None
    every: int = 1
    changes: bool = False

    def __post_init__(self):
        pair = tuple(self.weights) if isinstance(self.weights, tuple | list) else ()
        if len(pair) != 2 or not isinstance(pair[0], str) or not isinstance(pair[1], Integral):
            raise ParameterError(f"weights = {self.weights!r}: must be a name and a number, as ('W_ff', 0)")
        object.__setattr__(self, "weights", (pair[0], int(pair[1])))
        _check_cadence(self.name, self.every)

    @property
    def name(self) -> str:
        """``W_ff_0`` and so on, in recordings."""
        return f"{self.weights[0]}_{self.weights[1]}"

    def check(self, circuit: Circuit) -> tuple[np.ndarray, ...]:
        """Compare with what a circuit has; return the chosen indices of each axis."""
        key, k = self.weights
        if k not in circuit.weights.get(key, {}):
            there = ", ".join(f"{name}[{n}]" for name, arrays in circuit.weights.items() for n in arrays)
            raise ParameterError(f"no weights {key}[{k}]; this circuit has {there}")
        shape = circuit.weights[key][k].shape
        if len(shape) == 1 and self.pre is not None:
            raise ParameterError(f"{key}[{k}] has one axis; choose by post alone")
        targets = circuit.targets
        if self.changes and self.weights not in targets:
            raise ParameterError(
                f"no rule moves {key}[{k}], so it has no changes; rules move "
                f"{', '.join(f'{name}[{n}]' for name, n in targets) or 'nothing'}"
            )
        post = indices_of(f"{key}[{k}], postsynaptic cell", self.post, shape[0])
        return (post, indices_of(f"{key}[{k}], presynaptic cell", self.pre, shape[1])) if len(shape) == 2 else (post,)


def _chosen(selection, preparation) -> tuple[Population, np.ndarray, np.ndarray, tuple[str, ...]]:
    """Find the population of a selection, its replicas and cells, and names of phases."""
    name, populations = selection.population, preparation.populations
    if name not in populations:
        raise ParameterError(f"no population {name!r}; {meant(name, populations)}there are {', '.join(populations)}")
    replicas = indices_of(f"{name}, replica", selection.replicas, preparation.replicas)
    cells = indices_of(f"{name}, cell", selection.cells, populations[name].size)
    steps = phases_of(preparation.protocol)
    phases = tuple(steps) if selection.phases is None else names(selection.phases, "phases")
    if doubled := _doubled(phases):
        raise ParameterError(f"{name}: phase {doubled!r} is chosen twice")
    if unknown := [phase for phase in phases if phase not in steps]:
        known = f"{meant(unknown[0], steps)}the protocol has {', '.join(steps)}"
        raise ParameterError(f"{name}: no phase {unknown[0]!r}; {known}")
    return populations[name], replicas, cells, phases


def phases_of(protocol) -> dict[str, int]:
    """Name the phases of a protocol, and of its evaluation, with their steps, the longer ones of the same name."""
    steps = {phase.name: phase.steps for phase in protocol.phases}
    for phase in protocol.for_prediction.phases:
        steps[phase.name] = max(phase.steps, steps.get(phase.name, 0))
    return steps


def _doubled(names: Sequence[str]) -> str | None:
    return next((name for name in names if names.count(name) > 1), None)


def _check_cadence(where: str, every):
    if not isinstance(every, Integral) or isinstance(every, bool) or every < 1:
        raise ParameterError(f"{where}: every = {every!r} must be a whole number, at least 1")


def indices_of(what: str, chosen, count: int) -> np.ndarray:
    """Return chosen indices below a count, all by default, or say in one line what is wrong with them."""
    if chosen is None:
        return np.arange(count)
    found = _numbers(what, chosen)
    for index in found:
        if not 0 <= index < count:
            raise ParameterError(f"{what} {index}: there are 0 to {count - 1}")
    if len(np.unique(found)) < len(found):
        raise ParameterError(f"{what}: one is chosen twice in {found.tolist()}")
    return found


def _numbers(what: str, chosen) -> np.ndarray:
    """Return whole numbers as an array (n,), also of text such as "0,3,8-12", or say what is wrong with them."""
    try:
        found = np.atleast_1d(np.asarray(ranges.numbers(chosen) if isinstance(chosen, str) else chosen))
    except ValueError as error:
        raise ParameterError(f"{what} {chosen!r}: {error}") from None
    if found.ndim != 1 or found.size == 0 or found.dtype.kind not in "iu":
        raise ParameterError(f"{what} {chosen!r}: must be a whole number or a list of them")
    return found


def check_selections(selections: list, preparation):
    """Compare selections with the preparation, and with each other."""
    seen = set()
    for selection in selections:
        if isinstance(selection, Selection | SpikeSelection):
            selection.check(preparation)
            chosen = [f"{variable} of {selection.population}" for variable in selection.variables]
        elif isinstance(selection, WeightSelection):
            selection.check(preparation.circuit)
            chosen = [f"weights {selection.name}"]
        else:
            raise ParameterError(f"{type(selection).__name__} is no Selection, SpikeSelection or WeightSelection")
        if doubled := [name for name in chosen if name in seen]:
            raise ParameterError(f"{doubled[0]}: chosen twice; one recorder records it once")
        seen.update(chosen)
    if not seen:
        raise ParameterError("no selections: there is nothing to record")
