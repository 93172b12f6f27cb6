"""A circuit declares populations, projections and plasticity, and holds the weights. It knows no time and no data."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import DivergenceError, ParameterError
from .population import PopulationSpec
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
        Has ``step(weights, change, epoch)``, ``state_dict()`` and ``load_state_dict(state)``.
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
    epoch : int
        Counts from 0; learning rates follow it.
    protocol : Protocol or None
        What a preparation takes for its protocol by default; `corinfomax.load` sets it to the run's.
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
            key: {k: np.asfortranarray(array) for k, array in arrays.items()} for key, arrays in weights.items()
        }
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

    @property
    def output(self) -> int:
        """Index P of the output layer."""
        return len(self.layers) - 1

    @property
    def dtype(self) -> np.dtype:
        """Floating-point type of the weights."""
        return next(iter(next(iter(self.weights.values())).values())).dtype

    def astype(self, dtype):
        """Keep all weights in `dtype` from now on, but for those declared to be `double_precision`."""
        for key, arrays in self.weights.items():
            for k, array in arrays.items():
                kept = np.float64 if key in self.double_precision else dtype
                arrays[k] = np.asfortranarray(array, dtype=kept)
        self.refresh()

    @property
    def _learnt(self) -> list[tuple[str, int]]:
        return [(key, k) for key, arrays in self.weights.items() if key not in self.derived for k in arrays]

    def step_bound(self, beta: float) -> float:
        """Largest Euler step η = dt/tau at which no layer alone oscillates and grows, an estimate.

        Parameters
        ----------
        beta : float
            Largest |β| of the presentation.
        """
        return np.inf

    def beta_bound(self) -> float:
        """Least signed β at which the circuit's activity is bounded."""
        return -np.inf

    def predictors(self) -> dict:
        """Weights that predict one layer from another, for the columns of the history; none by default."""
        return {}

    def learn(self, contrast: Contrast):
        """Apply all plasticity rules to a contrast of phase ends; every rule sees the old weights."""
        changes = [plasticity.rule(contrast, self.weights) for plasticity in self.plasticity]
        for plasticity, change in zip(self.plasticity, changes, strict=True):
            plasticity.optimiser.step(self.weights, change, self.epoch)
        self.refresh()

    def refresh(self):
        """Renew weights that follow from others; called after learning and before each run."""

    def check_finite(self):
        """Raise a `DivergenceError` that names the first weights with NaN or infinity."""
        for key, k in self._learnt:
            flat = self.weights[key][k].ravel(order="K")
            if not np.isfinite(np.dot(flat, flat)):
                raise DivergenceError(f"weights {key}[{k}] are not finite")

    def state_dict(self) -> dict[str, np.ndarray]:
        """Copy of everything that learning has changed, flat: ``weights/W_ff/0``, ``optimiser/3/accumulated``, …"""
        state = {f"weights/{key}/{k}": self.weights[key][k].copy(order="K") for key, k in self._learnt}
        for index, plasticity in enumerate(self.plasticity):
            for name, value in plasticity.optimiser.state_dict().items():
                state[f"optimiser/{index}/{name}"] = np.asarray(value)
        return state

    def load_state_dict(self, state: dict[str, np.ndarray]):
        """Restore what `state_dict` gave.

        Raises
        ------
        ParameterError
            If an array is missing or has another shape.
        """
        for key, k in self._learnt:
            found, shape = state.get(f"weights/{key}/{k}"), self.weights[key][k].shape
            if found is None or found.shape != shape:
                problem = "missing" if found is None else f"of shape {found.shape}"
                raise ParameterError(f"weights/{key}/{k} is {problem}; this circuit has {shape}")
        for key, k in self._learnt:
            self.weights[key][k][...] = state[f"weights/{key}/{k}"]
        for index, plasticity in enumerate(self.plasticity):
            prefix = f"optimiser/{index}/"
            plasticity.optimiser.load_state_dict(
                {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
            )
        self.refresh()
