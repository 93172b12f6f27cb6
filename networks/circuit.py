"""A circuit declares populations, projections and plasticity, and holds the weights. It knows no time and no data."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..errors import DivergenceError, ParameterError
from ..models import Cell, Domain
from .description import describe
from .population import Population, PopulationSpec
from .projection import Projection, Weights
from .states import Contrast


@dataclass(frozen=True)
class Plasticity:
    """A rule, and the optimiser that applies its ΔW.

    Parameters
    ----------
    rule : callable
        ``rule(contrast, weights) -> OuterProducts``.
    optimiser : object
        Has a `target`, ``step(weights, change, epoch)``, ``state_dict()`` and ``load_state_dict(state)``.
    """

    rule: Callable
    optimiser: Any


class Circuit:
    """What a `Preparation` mounts on the clock; one subclass for each kind of circuit.

    Parameters
    ----------
    populations : sequence of PopulationSpec
    projections : sequence of Projection
    plasticity : sequence of Plasticity
    weights : dict of str to dict of int to ndarray
    layers : sequence of str
        The principal population of layer 0 (the stimulus), 1, …, P (the output).
    teacher : (str, str) or None
        Population and drive slot that the target y is written to; None for circuits that learn without.
    tau : Quantity
        Time constant that steps are counted in: dt = η₀ tau.
    schedule : {"synchronous", "sequential"}
    restart_from_rate : bool
        Whether u := r when a phase begins.
    double_precision : sequence of str
        Weights that stay in float64 whatever the activity's type.
    derived : sequence of str
        Weights that `refresh` computes from others, and that a checkpoint therefore leaves out.
    signals : sequence of str
        Variables of the layers' principal populations that rules see at the phases' ends, beside the rates `r`.

    Attributes
    ----------
    dtype : dtype
        Floating-point type of the weights.
    epoch : int
        Counts from 0; learning rates follow it.
    protocol : Protocol or None
        What a preparation takes for its protocol by default; `corinfomax.load` sets it to the run's.
    frozen : set of (str, int)
        Weights whose rule rests for now, such as ``("W_fb", 1)``.
    lesions : dict of (str, int) to ndarray of bool
        Synapses that are no more, as masks of the weights' shape: `renew` keeps them at 0.
    """

    def __init__(
        self,
        *,
        populations: Sequence[PopulationSpec],
        projections: Sequence[Projection],
        plasticity: Sequence[Plasticity],
        weights: Weights,
        layers: Sequence[str],
        teacher: tuple[str, str] | None,
        tau,
        schedule: str = "synchronous",
        restart_from_rate: bool = False,
        double_precision: Sequence[str] = (),
        derived: Sequence[str] = (),
        signals: Sequence[str] = (),
    ):
        self.populations = tuple(populations)
        self.projections = tuple(projections)
        self.plasticity = tuple(plasticity)
        # In Fortran order, so that BLAS reads Wᵀ of each drive r Wᵀ in its own order: 1.1 to 1.2 × faster.
        self.weights = {
            key: {k: np.array(array, dtype=np.float64, order="F") for k, array in arrays.items()}
            for key, arrays in weights.items()
        }
        self.dtype = np.dtype(np.float64)
        self._shapes = {key: {k: array.shape for k, array in arrays.items()} for key, arrays in weights.items()}
        self.layers = tuple(layers)
        self.teacher = teacher
        self.tau = tau
        self.schedule = schedule
        self.restart_from_rate = restart_from_rate
        self.double_precision = tuple(double_precision)
        self.derived = tuple(derived)
        self.signals = ("r", *signals)
        self.epoch = 0
        self.protocol = None
        self.frozen: set[tuple[str, int]] = set()
        self.lesions: dict[tuple[str, int], np.ndarray] = {}

    @property
    def output(self) -> int:
        """Index P of the output layer."""
        return len(self.layers) - 1

    @property
    def sizes(self) -> tuple[int, ...]:
        """Numbers of cells of the layers 0, …, P."""
        sizes = {spec.name: spec.size for spec in self.populations}
        return tuple(sizes[name] for name in self.layers)

    def description(self) -> dict:
        """Describe populations, projections, links and teacher by plain values (see `networks.description`)."""
        return describe(self)

    @np.errstate(over="ignore")  # a presentation reports, by name, what is not finite
    def astype(self, dtype):
        """Keep all weights in `dtype` from now on, but for those declared to be `double_precision`."""
        self.dtype = np.dtype(dtype)
        for key, arrays in self.weights.items():
            for k, array in arrays.items():
                kept = np.float64 if key in self.double_precision else dtype
                arrays[k] = np.asfortranarray(array, dtype=kept)
        self.renew()

    @property
    def _learnt(self) -> list[tuple[str, int]]:
        return [(key, k) for key, arrays in self.weights.items() if key not in self.derived for k in arrays]

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
            raise ParameterError(f"no population {population!r}; this circuit has {', '.join(names)}")
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
        self.populations = tuple(specs)

    def exchange_plasticity(self, target: tuple[str, int], plasticity: Plasticity):
        """Let weights learn by another rule.

        Parameters
        ----------
        target : (str, int)
            The weights, such as ``("W_fb", 1)``.
        plasticity : Plasticity

        Raises
        ------
        ParameterError
            If no rule moves these weights now, or the new one moves others.
        """
        targets = [present.optimiser.target for present in self.plasticity]
        if target not in targets:
            raise ParameterError(f"no rule moves {target}; rules move {', '.join(map(str, targets))}")
        if plasticity.optimiser.target != target:
            raise ParameterError(f"the optimiser of the rule for {target} moves {plasticity.optimiser.target}")
        rules = list(self.plasticity)
        rules[targets.index(target)] = plasticity
        self.plasticity = tuple(rules)

    def step_bound(self, beta: float) -> float:
        """Largest Euler step η = dt/tau at which no layer alone oscillates and grows, an estimate.

        Parameters
        ----------
        beta : float
            Largest |β| of the presentation.
        """
        return np.inf

    def beta_bound(self) -> float:
        """Least signed β at which the circuit has an equilibrium."""
        return -np.inf

    def initialise(self, populations: Mapping[str, Population]):
        """Set the cells' states when a stimulus has come on, where they are to be other than at rest or carried over.

        Parameters
        ----------
        populations : mapping of str to Population
            The stimulus stands in the rates of layer 0.
        """

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

    def predictors(self) -> dict:
        """Weights that predict one layer from another, for the columns of the history; none by default."""
        return {}

    def learn(self, contrast: Contrast):
        """Apply all plasticity rules to a contrast of phase ends; every rule sees the old weights."""
        moving = [plasticity for plasticity in self.plasticity if plasticity.optimiser.target not in self.frozen]
        changes = [plasticity.rule(contrast, self.weights) for plasticity in moving]
        for plasticity, change in zip(moving, changes, strict=True):
            plasticity.optimiser.step(self.weights, change, self.epoch)
        self.renew()

    def refresh(self):
        """Compute weights that follow from others."""

    def renew(self):
        """Let weights follow from others, and lesioned synapses be 0; called after learning and before each run."""
        self._lesion()
        self.refresh()
        self._lesion()

    def _lesion(self):
        for (key, k), mask in self.lesions.items():
            self.weights[key][k][mask] = 0

    def check_weights(self):
        """Raise a `ParameterError` that names weights which are missing or have got another shape or type."""
        for key, shapes in self._shapes.items():
            for k, shape in shapes.items():
                array = self.weights.get(key, {}).get(k)
                wanted = np.dtype(np.float64 if key in self.double_precision else self.dtype)
                if np.shape(array) != shape or getattr(array, "dtype", None) != wanted:
                    found = f"{getattr(array, 'dtype', type(array).__name__)} of shape {np.shape(array)}"
                    raise ParameterError(f"weights {key}[{k}] are {found}; must be {wanted} of shape {shape}")

    def check_finite(self):
        """Raise a `DivergenceError` that names the first weights with NaN or infinity."""
        for key, k in self._learnt:
            flat = self.weights[key][k].ravel(order="K")
            if not np.isfinite(np.dot(flat, flat)):
                raise DivergenceError(f"weights {key}[{k}] are not finite")

    def state_dict(self) -> dict[str, np.ndarray]:
        """Copy of everything that learning has changed, flat: ``weights/W_ff/0``, ``optimiser/B/0/accumulated``, …"""
        state = {f"weights/{key}/{k}": self.weights[key][k].copy(order="K") for key, k in self._learnt}
        for plasticity in self.plasticity:
            for name, value in plasticity.optimiser.state_dict().items():
                state[_place(plasticity) + name] = np.asarray(value)
        return state

    def load_state_dict(self, state: dict[str, np.ndarray]):
        """Restore what `state_dict` gave.

        Raises
        ------
        ParameterError
            If an array is missing or has another shape.
        """
        for name, own in self.state_dict().items():
            found = state.get(name)
            if found is None or found.shape != own.shape or not np.can_cast(found.dtype, own.dtype, "same_kind"):
                problem = "missing" if found is None else f"{found.dtype} of shape {found.shape}"
                raise ParameterError(f"{name} is {problem}; this circuit has {own.dtype} of shape {own.shape}")
        for key, k in self._learnt:
            self.weights[key][k][...] = state[f"weights/{key}/{k}"]
        for plasticity in self.plasticity:
            names = plasticity.optimiser.state_dict()
            plasticity.optimiser.load_state_dict({name: state[_place(plasticity) + name] for name in names})
        self.renew()


def _place(plasticity: Plasticity) -> str:
    key, k = plasticity.optimiser.target
    return f"optimiser/{key}/{k}/"
