"""One layer of cells that gets its input through W and inhibits itself through M: what the circuits here share."""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

import brian2 as b2
import numpy as np
from pydantic import Field

from ...errors import DivergenceError, ParameterError
from ...models import LinearPoint, StimulusCell
from ...parameters import Architecture
from ..circuit import Circuit
from ..initial import checked_symmetric, generator, with_users_weights
from ..plasticity import Plasticity, Weights
from ..population import PopulationSpec
from ..projection import Projection
from ..schedules import Constant, InverseTime, Schedule
from ..states import PhaseEnd

OneLayer = Annotated[Architecture, Field(max_length=2)]
#: The only phase of a presentation.
PHASE = "settle"


class InhibitedLayer(Circuit):
    """A circuit of one layer, whose cells settle where their input and their inhibition are in balance.

    Parameters
    ----------
    architecture : sequence of 2 int
    cell : LinearPoint
    tau : float
        Time constant of the cells, in ms.
    plasticity : sequence of Plasticity
    rate_M : Schedule
        η/τ, which errors tell.
    initial, weights : mapping
        All initial weights, and the user's in place of some.
    """

    def __init__(
        self,
        architecture: Sequence[int],
        cell: LinearPoint,
        tau: float,
        *,
        plasticity: Sequence[Plasticity],
        rate_M: Schedule,
        initial: Weights,
        weights: Any = None,
    ):
        inputs, outputs = self.architecture = tuple(architecture)
        arrays = initial if weights is None else with_users_weights(weights, initial)
        arrays["M"][1] = _checked_M(arrays["M"][1])
        self._rate_M = rate_M
        super().__init__(
            populations=[
                PopulationSpec("stimulus", StimulusCell(), inputs, layer=0),
                PopulationSpec("layer_1", cell, outputs, layer=1),
            ],
            projections=[
                Projection("stimulus", "layer_1", "drive_feedforward", ("W_ff", 0), constant=True),
                Projection("layer_1", "layer_1", "drive_lateral", ("M", 1)),
            ],
            plasticity=plasticity,
            weights=arrays,
            layers=["stimulus", "layer_1"],
            teacher=None,
            tau=tau * b2.ms,
        )

    def _settled(self, x: np.ndarray, solve: Callable = np.linalg.solve) -> PhaseEnd:
        """Where the layer settles for stimuli x (m, n): ``y = solve(M, W x)`` in float64, stimuli in columns."""
        x = np.asarray(x, dtype=self.dtype)
        driven = (self.weights["W_ff"][0] @ x.T).astype(np.float64)
        y = solve(self.weights["M"][1].astype(np.float64), driven)
        return PhaseEnd(0.0, {"r": {0: x, 1: np.ascontiguousarray(y.T, dtype=self.dtype)}})

    def _linear_filters(self) -> np.ndarray:
        """M⁻¹W, (k, n), float64."""
        return np.linalg.solve(self.weights["M"][1].astype(np.float64), self.weights["W_ff"][0].astype(np.float64))

    def step_bound(self, beta: float) -> float:
        """Largest Euler step: η λmax < 2, λmax the largest eigenvalue of the present M, as if all cells were active."""
        M = self.weights["M"][1].astype(np.float64)
        largest = np.linalg.eigvalsh(M)[-1] if np.isfinite(M).all() else 0.0
        return 2 / largest if largest > 0 else np.inf

    def check_lesioned(self, lesions: Mapping[tuple[str, int], np.ndarray]):
        """Raise a `ParameterError` if layer 1 would no longer settle: M's eigenvalues must have positive real parts."""
        if (mask := lesions.get(("M", 1))) is not None:
            least = np.linalg.eigvals(np.where(mask, 0, self.weights["M"][1].astype(np.float64))).real.min()
            if least <= 1e-12:
                raise ParameterError(
                    f"M[1] of layer_1 would have an eigenvalue of real part {least:.3g}, which must be above 0 for the "
                    "layer to settle; allowed are lesions that leave each cell its own M[1][i, i], such as of post = "
                    "[0], pre = [1], and enough between cells"
                )

    def check_finite(self):
        """Raise a `DivergenceError` for weights that are not finite, or if M is no longer positive definite.

        Then y no longer settles at M⁻¹W x, but grows without bound.
        """
        super().check_finite()
        values = np.linalg.eigvalsh(self.weights["M"][1].astype(np.float64))
        if values[0] <= 0:
            rate = self._rate_M(self.progress)
            raise DivergenceError(
                f"weights M[1] have the least eigenvalue {values[0]:.3g}; it must stay above 0 for the layer to settle "
                f"(η/τ = {rate:.3g}; {self._remedy()})"
            )
        self._note_spectrum(values)

    def _remedy(self) -> str:
        """What would have kept M positive definite."""
        return "below 1 would have kept M so"

    def _note_spectrum(self, values: np.ndarray):
        """Take note of the eigenvalues of an M that is positive definite."""


def rates(learning_rate: float, offset: float | None) -> Callable[[float], Schedule]:
    """Give what makes schedules that are multiples of η: constant, or η/(offset + t).

    Parameters
    ----------
    learning_rate : float
    offset : float or None
        None for a constant η.
    """

    def rate(factor: float) -> Schedule:
        value = factor * learning_rate
        return Constant(value) if offset is None else InverseTime(value, offset)

    return rate


def check_components(architecture: Sequence[int]):
    """Raise a `ParameterError` if there are more outputs than inputs have components."""
    inputs, outputs = architecture
    if outputs > inputs:
        raise ParameterError(
            f"architecture = {list(architecture)}: there are no {outputs} components of {inputs} inputs"
        )


def initial_weights(inputs: int, outputs: int, seed: int) -> Weights:
    """W Gaussian with variance 1/n, M = I.

    Parameters
    ----------
    inputs, outputs, seed : int

    Returns
    -------
    dict
        ``W_ff[0]`` (outputs, inputs) and ``M[1]`` (outputs, outputs).
    """
    rng = generator(seed)
    W = rng.standard_normal((outputs, inputs)) / np.sqrt(inputs)
    return {"W_ff": {0: W}, "M": {1: np.eye(outputs)}}


def _checked_M(M: np.ndarray) -> np.ndarray:
    """Make the user's M exactly symmetric; a `ParameterError` if it is not so, or not positive definite."""
    M = checked_symmetric("M", 1, M)
    if (least := np.linalg.eigvalsh(M)[0]) <= 0:
        raise ParameterError(f"weights: M[1] must be positive definite; its least eigenvalue is {least:.3g}")
    return M
