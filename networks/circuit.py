"""A circuit is a trainable with populations and projections. It declares; it knows no time and no data."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from ..errors import ParameterError, meant
from ..models import Cell, Domain
from ..summary import Summary, Table
from .description import describe
from .interval import Interval
from .plasticity import Plasticity, Weights
from .population import Population, PopulationSpec
from .projection import Bias, Drive, Projection
from .trainable import Trainable

#: Signals of a layer that rules may read: populations and their variable, by layer.
Signals = Mapping[str, Mapping[int, tuple[str, str]]]


#: What `Circuit.become` exchanges.
_PARTS = ("populations", "projections", "signals", "prediction")


def layer_names(architecture: Sequence[int]) -> list[str]:
    """Names of the principal populations: the stimulus, and the cells of the layers 1, …, P.

    Parameters
    ----------
    architecture : sequence of int
        N_0, …, N_P.
    """
    return ["stimulus", *(f"layer_{k}" for k in range(1, len(architecture)))]


class Circuit(Trainable):
    """What a `Preparation` mounts on the clock; one subclass for each kind of circuit.

    Parameters
    ----------
    populations : sequence of PopulationSpec
    projections : sequence of Projection or Bias
    plasticity : sequence of Plasticity
    weights : dict of str to dict of int to ndarray
    layers : sequence of str
        The principal population of layer 0 (the stimulus), 1, …, P (the output).
    teacher : (str, str) or None
        Population and drive slot that the target y is written to; None for circuits that learn without.
    tau : Quantity
        Time constant that steps are counted in: dt = η₀ tau.
    schedule : {"synchronous", "sequential"}
        Whether all populations step at once, or one after the other as they are declared, each seeing what those
        before it have become in the same step.
    restart_from_rate : bool
        Whether u := r when a phase begins.
    double_precision, derived : sequence of str
        As in `Trainable`.
    signals : sequence of str, or mapping of str to mapping of int to (str, str), optional
        What rules read beside the rates `r` of the layers: variables of the layers' principal populations; or by name
        and layer, a population and its variable.

    Raises
    ------
    ParameterError
        If a projection leads from an output, to a slot or through weights that do not exist.

    Attributes
    ----------
    starts_settled : bool
        Of the class: whether `initialise` makes a forward pass, so that no phase has to last until activity has moved.
    """

    starts_settled: ClassVar[bool] = False

    def __init__(
        self,
        *,
        populations: Sequence[PopulationSpec],
        projections: Sequence[Projection | Bias],
        plasticity: Sequence[Plasticity],
        weights: Weights,
        layers: Sequence[str],
        teacher: tuple[str, str] | None,
        tau,
        schedule: str = "synchronous",
        restart_from_rate: bool = False,
        double_precision: Sequence[str] = (),
        derived: Sequence[str] = (),
        signals: Sequence[str] | Signals = (),
    ):
        kind = type(self).__name__
        self.populations = _each(kind, "populations", populations, PopulationSpec)
        self.projections = _each(kind, "projections", projections, Projection, Bias)
        self.layers = _each(kind, "layers", layers, str)
        sizes = {spec.name: spec.size for spec in self.populations}
        if unknown := [name for name in layers if name not in sizes]:
            raise ParameterError(f"layers: no population {unknown[0]!r}; there are {', '.join(sizes)}")
        super().__init__(
            weights=weights,
            sizes=[sizes[name] for name in layers],
            plasticity=plasticity,
            double_precision=double_precision,
            derived=derived,
        )
        self.teacher = teacher
        self.tau = tau
        self.schedule = schedule
        self.restart_from_rate = restart_from_rate
        own = ["r", *(signals if not isinstance(signals, Mapping) else ())]
        self.signals: Signals = {name: {k: (layer, name) for k, layer in enumerate(self.layers) if k} for name in own}
        self.signals |= signals if isinstance(signals, Mapping) else {}
        self._check()

    def _check(self):
        """Raise a `ParameterError` for what the populations do not have."""
        if self.schedule not in ("synchronous", "sequential"):
            raise ParameterError(f"schedule = {self.schedule!r}: must be 'synchronous' or 'sequential'")
        specs = {spec.name: spec for spec in self.populations}
        if len(specs) < len(self.populations):
            raise ParameterError(
                f"populations need names of their own; there are {[each.name for each in self.populations]}"
            )
        for spec in self.populations:
            _check_cell(spec)
        if self.teacher is not None:
            population, slot = self.teacher
            if population not in specs or slot not in specs[population].cell.drives:
                raise ParameterError(f"teacher = {self.teacher}: must be a population and a drive slot of its cells")
        for item in self.projections:
            for population in (item.source, item.target):
                if population is not None and population not in specs:
                    raise ParameterError(f"{item.name}: no population {population!r}; there are {', '.join(specs)}")
            item.check(self.weights, specs)
        for spec in self.populations:
            for variable, (source, source_variable) in spec.links:
                if source not in specs or source_variable not in specs[source].cell.parsed.names:
                    raise ParameterError(
                        f"{spec.name}.{variable}: {source} has no variable {source_variable!r} to link to"
                    )

    def _summary(self) -> Summary:
        """Show populations, and weights with the rules that move them."""
        rows = [
            (
                spec.name,
                spec.size,
                type(spec.cell).__name__,
                "" if spec.cell.domain is None else spec.cell.domain.name,
                ", ".join(spec.cell.drives),
            )
            for spec in self.populations
        ]
        populations = Table(("population", "cells", "kind", "domain", "drive slots"), rows)
        return Summary(self._heading(), [populations, self._weight_table()])

    def description(self) -> dict:
        """Describe populations, projections, links and teacher by plain values (see `networks.description`)."""
        return describe(self.populations, self.projections, self.layers, self.teacher)

    @property
    def spiking_layers(self) -> tuple[int, ...]:
        """Layers whose cells spike, 0 for the stimulus."""
        cells = {spec.name: spec.cell for spec in self.populations}
        return tuple(k for k, name in enumerate(self.layers) if cells[name].threshold)

    def check_triggers(self, plasticity: Sequence[Plasticity]):
        """Raise a `ParameterError` if rules wait for spikes of layers whose cells do not spike."""
        spiking = self.spiking_layers
        for item in plasticity:
            silent = [k for k in item.triggers if k not in spiking]
            if item.when == "spike" and (silent or not spiking):
                where = f"layer {silent[0]}" if silent else "any layer"
                raise ParameterError(f"{item}: acts at spikes of {where}, whose cells do not spike")

    @property
    def intervals(self) -> dict[str, Interval]:
        """Intervals between renewals of drives that a calibration may change, by name."""
        return {each.every.name: each.every for each in self.projections if isinstance(each.every, Interval)}

    def state_dict(self) -> dict[str, np.ndarray]:
        """Copy of all that learning has changed, as of every `Trainable`, and ``interval/…``, in steps."""
        return super().state_dict() | {f"interval/{name}": np.array(i.steps) for name, i in self.intervals.items()}

    def load_state_dict(self, state: Mapping[str, np.ndarray]):
        """Restore what `state_dict` gave; an interval that is missing is 1, as in checkpoints from before there were.

        Raises
        ------
        ParameterError
            If an array is missing or has another shape, or an interval is below 1.
        """
        intervals = self.intervals
        complete = {f"interval/{name}": np.array(1) for name in intervals} | dict(state)
        for place in (f"interval/{name}" for name in intervals):
            if complete[place].dtype.kind in "iu" and np.any(complete[place] < 1):
                raise ParameterError(f"{place} is {complete[place]}; must be a whole number from 1")
        super().load_state_dict(complete)
        for name, interval in intervals.items():
            interval.steps = int(complete[f"interval/{name}"])

    def exchange_cell(self, population: str, kind: type[Cell], **values):
        """Let a population be of another kind of cell, of the same parameters and drive slots.

        Parameters
        ----------
        population : str
        kind : type of Cell
            Its constructor gets what the present cell's got, and `values`.
        **values
            Parameters that the present cell does not have, or that are to change.

        Raises
        ------
        ParameterError
            If there is no such population, the cell's parameters are not those that `kind` has, or it lacks a drive
            slot or link that the circuit uses.
        """
        names = [spec.name for spec in self.populations]
        if population not in names:
            known = f"{meant(population, names)}this circuit has {', '.join(names)}"
            raise ParameterError(f"no population {population!r}; {known}")
        if not (isinstance(kind, type) and issubclass(kind, Cell)):
            raise ParameterError(f"{population}: {kind!r} is no kind of cell; should be a subclass of Cell")
        specs = list(self.populations)
        spec = specs[names.index(population)]
        cell = kind(**{**spec.cell.arguments, **values})
        before, after = (getattr(each.domain, "constraints", None) for each in (spec.cell, cell))
        if after is not before and population in self.layers:
            raise ParameterError(
                f"{population}: the new cell's domain has other constraints than the circuit enforces; "
                "state the domain when the circuit is made"
            )
        used = {item.slot for item in self.projections if item.target == population}
        for what, needed, has in (
            ("drive slot", used, cell.drives),
            ("linked variable", {name for name, _ in spec.links}, cell.links),
        ):
            if missing := sorted(needed.difference(has)):
                raise ParameterError(f"{kind.__name__} has no {what} {missing[0]!r}, which {population} needs")
        specs[names.index(population)] = replace(spec, cell=cell)
        self.become(populations=tuple(specs))

    def become(self, **parts: Any):
        """Exchange parts of the circuit at once, or none of them if they do not fit each other.

        Parameters
        ----------
        **parts
            By the names of attributes: `populations`, `projections`, `signals`, `prediction`.

        Raises
        ------
        ParameterError
            For a part that is none of these, or for what the populations do not have; the circuit then is as it was.
        """
        if unknown := [name for name in parts if name not in _PARTS]:
            raise ParameterError(f"{type(self).__name__}: no part {unknown[0]!r} to exchange; {', '.join(_PARTS)} are")
        kept = {name: getattr(self, name) for name in parts}
        vars(self).update(parts)
        try:
            self._check()
        except BaseException:
            vars(self).update(kept)
            raise

    def step_bound(self, beta: float) -> float:
        """Largest Euler step η = dt/tau at which no layer alone oscillates and grows, an estimate.

        Parameters
        ----------
        beta : float
            Largest ``|β|`` of the presentation.
        """
        return np.inf

    def beta_bound(self) -> float:
        """Least signed β at which the circuit has an equilibrium."""
        return -np.inf

    def check_phases(self, phases: Sequence, replicas: int):
        """Raise a `ParameterError` if learning in such phases would run away.

        Parameters
        ----------
        phases : sequence of Phase
            Of a protocol.
        replicas : int
            Stimuli presented at once.
        """

    def initialise(self, populations: Mapping[str, Population], drives: Mapping[tuple[str, str], Drive]):
        """Set the cells' states when a stimulus has come on, where they are to be other than at rest or carried over.

        Parameters
        ----------
        populations : mapping of str to Population
            The stimulus stands in the rates of layer 0.
        drives : mapping of (str, str) to Drive
            By population and slot. What constant projections bring is computed already; ``drives[place].follow()``
            computes the rest from the present signals.
        """

    def clamp(self, populations: Mapping[str, Population], presented: int) -> bool:
        """Set the cells' states when a phase with the teacher has begun, where the targets dictate them.

        Parameters
        ----------
        populations : mapping of str to Population
            The targets stand in the teacher's slot.
        presented : int
            Replicas that have a target, the first ones; others are idle.

        Returns
        -------
        bool
            Whether anything has been set.
        """
        return False

    @property
    def bounds(self) -> dict[int, tuple[float, float]]:
        """Least and largest rate of the layers 1, …, P, by their domains."""
        return {k: (-np.inf, np.inf) if domain is None else domain.bounds for k, domain in self.layer_domains.items()}

    def excess(self, r: Mapping[int, np.ndarray]) -> dict[int, np.ndarray]:
        """By how much rates (stimuli, cells) break the constraints of their layers' domains, where these have some.

        Parameters
        ----------
        r : mapping of int to ndarray (stimuli, cells)
            Layers k ≥ 1; others are passed over.

        Returns
        -------
        dict of int to ndarray (stimuli,)
            At most 0 inside.
        """
        domains = {k: domain for k, domain in self.layer_domains.items() if k in r and domain is not None}
        return {k: domain.constraints.excess(r[k]) for k, domain in domains.items() if domain.constraints is not None}

    def active(self, r: Mapping[int, np.ndarray]) -> dict[int, np.ndarray]:
        """Which cells of the layers k ≥ 1 are neither silent nor saturated at rates r (stimuli, cells)."""
        return {
            k: np.ones(np.shape(r[k]), dtype=bool) if domain is None else domain.active(r[k])
            for k, domain in self.layer_domains.items()
        }

    @property
    def layer_domains(self) -> dict[int, Domain | None]:
        """Domains of the layers 1, …, P."""
        domains = {spec.name: spec.cell.domain for spec in self.populations}
        return {k: domains[name] for k, name in enumerate(self.layers) if k > 0}


def _each(circuit: str, name: str, items: Any, *kinds: type) -> tuple:
    """Take the items of an argument, or say in one line what they should be."""
    found = tuple(items) if isinstance(items, Iterable) and not isinstance(items, str) else (items,)
    if strange := [item for item in found if not isinstance(item, kinds)]:
        names = " or ".join(kind.__name__ for kind in kinds)
        raise ParameterError(f"{circuit}: {name}: {strange[0]!r} should be one of a list of {names}")
    return found


def _check_cell(spec):
    """Raise a `ParameterError` if the cell names a drive slot, a state or an output that its equations lack."""
    names = spec.cell.parsed.names
    needed = {"drive slot": spec.cell.drives, "state": spec.cell.state}
    if spec.cell.outputs != Cell.outputs:  # not every cell has a rate
        needed["output"] = spec.cell.outputs
    for what, variables in needed.items():
        if absent := [name for name in variables if name not in names]:
            kind = type(spec.cell).__name__
            raise ParameterError(f"{spec.name}: {kind} states the {what} {absent[0]!r}, which its equations lack")
