"""What neuromorphic hardware does to a circuit: weights of few bits, and cells that are not all alike."""

from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from ...errors import ParameterError
from ...networks import Circuit
from ...networks.schedules import Progress
from ...parameters import Finite, Number, Positive, Seed
from .anatomy import current, gate
from .perturbation import CellPerturbation, Perturbation, data
from .synapses import Place, places

Bits = Annotated[int, Number, Field(ge=2, le=24)]


@data
class Quantise(Perturbation):
    """Let weights have n bits: 2ⁿ - 1 values, evenly from -largest to largest; those beyond are at the end.

    In testing the weights are rounded as they are. In training they are again after each update, and nothing finer is
    kept anywhere: with the nearest value updates of less than half a step are lost, with stochastic rounding they
    arrive on average.

    Parameters
    ----------
    weights : (str, int)
        ``("W_ff", 0)``, weights that a rule moves.
    bits : int
        n, from 2 to 24.
    largest : float, optional
        By default the largest modulus of the weights as they are when it begins. In training name one, for weights
        grow.
    rounding : {"nearest", "stochastic"}
    seed : int, default 0
        Of stochastic rounding.
    period
        As in `Perturbation`. After it weights are what they have become.
    """

    weights: Place
    bits: Bits
    largest: Positive | None = None
    rounding: Literal["nearest", "stochastic"] = "nearest"
    seed: Seed = 0
    kind: ClassVar[str] = "quantise"

    def check(self, circuit: Circuit):
        """Raise a `ParameterError` if no rule moves these weights: those that follow from others have their values."""
        key, k = self.weights
        there = [(name, n) for name, n in circuit.targets if name not in circuit.derived]
        if self.weights not in there:
            raise ParameterError(f"{self}: no rule moves them; rules move {places(there)}")
        if self.largest is None and not np.any(circuit.weights[key][k]):
            raise ParameterError(f"{self}: the weights are all 0; name the largest value")

    def rounded(self, circuit: Circuit) -> "Rounded":
        """Give what rounds these weights, of the range that they have now unless one is named."""
        key, k = self.weights
        largest = float(np.abs(circuit.weights[key][k]).max()) if self.largest is None else self.largest
        return Rounded(largest, largest / (2 ** (self.bits - 1) - 1), self.seed if self.rounding != "nearest" else None)

    def __str__(self):
        upto = "" if self.largest is None else f" up to {self.largest:g}"
        return f"quantise {places([self.weights])} to {self.bits} bits{upto}, {self.rounding}{self._when()}"


class Rounded:
    """Rounds weights in place.

    Parameters
    ----------
    largest, step : float
        Largest modulus, and difference of two values.
    seed : int or None
        Of stochastic rounding; None for the nearest value.
    """

    def __init__(self, largest: float, step: float, seed: int | None):
        self.largest, self.step, self._seed = largest, step, seed

    def __call__(self, weights: np.ndarray, progress: Progress):
        """Round weights; random numbers are those of the presentation, so that a resumed run has the same."""
        levels = weights / weights.dtype.type(self.step)
        if self._seed is None:
            np.rint(levels, out=levels)
        else:
            random = np.random.default_rng([self._seed, progress.epoch, progress.presentation])
            nearest = np.rint(levels)
            # What has a value already keeps it, whatever rounding has left of the division.
            on_grid = np.abs(levels - nearest) < 16 * np.finfo(levels.dtype).eps * np.maximum(np.abs(levels), 1)
            np.floor(levels + random.random(levels.shape, dtype=levels.dtype), out=levels)
            np.copyto(levels, nearest, where=on_grid)
        most = round(self.largest / self.step)
        np.clip(levels, -most, most, out=levels)
        np.multiply(levels, weights.dtype.type(self.step), out=weights)


@data
class Mismatch(CellPerturbation):
    """Let cells differ, each by what it has been made with; the same in all phases and stimuli.

    Parameters
    ----------
    population : str
    of : {"threshold", "gain", "coupling"}
        What differs: the potential at which a cell begins to fire; the factor by which its basal dendrite takes its
        input; or the factor of the conductances between soma and dendrites, which set the time constant with which it
        settles, τ_u/(g_lk + g_A + g_B), and but little where.
    spread : float
        Standard deviation: of thresholds in units of u, 1 is 20 mV; of the factors' logarithm.
    seed : int, default 0
        Of the draw.
    cells, phases, period
        As in `CellPerturbation` and `Perturbation`.
    """

    population: str
    of: Literal["threshold", "gain", "coupling"]
    spread: Annotated[Finite, Field(gt=0)]
    seed: Seed = 0
    kind: ClassVar[str] = "mismatch"

    def settings(self, circuit: Circuit) -> dict[str, np.ndarray]:
        """A somatic current of each cell, or its gate."""
        spec = self._spec(circuit)
        cells = spec.size if self.cells is None else len(self.cells)
        drawn = np.random.default_rng([self.seed, *self.population.encode()]).standard_normal(cells)
        if self.of == "threshold":
            variable = current(spec.cell, "soma")
            if variable is None:
                raise self._lacks(circuit, "soma", "injected current")
            # A current that moves u at rest by as much as the threshold is lower.
            conductance = sum(float(spec.cell.values.get(name, 0)) for name in ("g_lk", "g_A", "g_B")) or 1.0
            return {variable: -self.spread * conductance * drawn}
        compartment = "basal" if self.of == "gain" else "soma"
        variable = gate(spec.cell, compartment)
        if variable is None:
            raise self._lacks(circuit, compartment, "gate that would scale its input")
        return {variable: np.exp(self.spread * drawn - self.spread**2 / 2)}

    def __str__(self):
        return f"mismatch {self._which()}{self.population}, {self.of} by {self.spread:g}{self._when(self.phases)}"
