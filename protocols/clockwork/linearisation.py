"""A mounted circuit linearised about its present state: how fast it settles, and whether its loops are stable.

Nothing of the dynamics is written down again here. The derivatives are those of the cells' own equations, as Brian2 has
them, and rates and drives are computed by the operations of a step; both are differenced along directions of the state.
So whatever is mounted can be linearised: any cells, domains, projections and either schedule.
"""

from collections.abc import Callable

import numpy as np
from scipy.sparse.linalg import ArpackError, ArpackNoConvergence, LinearOperator, eigs

from ...errors import ParameterError
from .order import Operation, Place, in_order
from .phases import BETA, PACE, TAUGHT
from .preparation import Preparation

#: Up to so many dimensions all eigenvalues are computed at once.
_DENSE = 600
#: Step of differencing, in units of the state. Between the kinks of its nonlinearities a circuit is linear.
_STEP = 1e-6
#: A time, in units of τ, in which a rate that is pressed against its bound would leave it.
_AHEAD = 1e-3


class Linearisation:
    """A mounted circuit linearised about the present state of one replica.

    The state vector holds, population by population, the variables that have a differential equation. What is random is
    left out, and every drive counts as updated in each step.

    Parameters
    ----------
    preparation : Preparation
        In float64. Its cells are in the state to linearise about, as after `settle`; they stay in it.
    replica : int, default 0
    beta : float, optional
        β; by default the one in force.

    Raises
    ------
    ParameterError
        If the preparation is not in float64, or its circuit has nothing that is integrated.

    Notes
    -----
    The dynamics are to be smooth near the state; a cell that lies at a kink of its nonlinearity counts half.
    """

    def __init__(self, preparation: Preparation, replica: int = 0, beta: float | None = None):
        if preparation.dtype != np.float64:
            raise ParameterError(f"a linearisation needs dtype = float64; this preparation has {preparation.dtype}")
        self._mounted, self._tau = preparation.mounted, float(preparation.circuit.tau)
        self._sequential = preparation.circuit.schedule == "sequential"
        self._beta, self._replica = beta, replica
        populations = self._mounted.populations
        self._integrated = [(name, variable) for name, each in populations.items() for variable in each.integrated]
        if not self._integrated:
            raise ParameterError(
                f"{type(preparation.circuit).__name__}: has no cells that integrate, and so no Jacobian"
            )
        self._derivatives = {place: populations[place[0]].derivative(place[1]) for place in self._integrated}
        steps = [item for item in self._mounted.operations if item.kind in ("rate", "drive")]
        self._algebra = in_order(steps, "synchronous", list(populations))
        # In the sequential schedule rates are states of their own: some cells see those of the step before.
        rates = [(name, "r") for name, each in populations.items() if each.cell.domain is not None]
        self._carried = [*self._integrated, *(place for place in rates if place not in self._integrated)]

    def jacobian(self) -> LinearOperator:
        """τ d(δstate)/ds as an operator on the state vector, (n, n), real."""
        return self._differenced(self._derivative, self._integrated)

    def spectral_abscissa(self) -> float:
        """Largest real part of the Jacobian's eigenvalues, in 1/τ: below 0 for a stable state.

        Activity settles as exp(-|abscissa| s/τ).
        """
        return float(_extreme(self.jacobian(), "LR").real.max())

    def euler_radius(self, step: float) -> float:
        """Largest modulus of the eigenvalues of one Euler step: the scheme is stable below 1, loops included.

        Parameters
        ----------
        step : float
            η = dt/τ.
        """
        places = self._carried if self._sequential else self._integrated
        operator = self._differenced(lambda: self._one_step(step, places), places)
        return float(np.abs(_extreme(operator, "LM")).max())

    def _differenced(self, function: Callable[[], np.ndarray], places: list) -> LinearOperator:
        """Derivative of a function of the state along directions, by central differences."""
        size = sum(self._mounted.populations[name].size for name, _ in places)

        def along(direction):
            direction = np.ravel(direction).astype(float)
            length = np.abs(direction).max()
            if length == 0:
                return np.zeros(size)
            kept = self._kept()
            try:
                self._set_shared()
                state = self._read(places)
                ends = []
                for sign in (1, -1):
                    self._write(places, state + sign * _STEP / length * direction)
                    ends.append(function())
            finally:
                self._restore(kept)
            return (ends[0] - ends[1]) * (length / (2 * _STEP))

        return LinearOperator((size, size), matvec=along, dtype=float)

    def _derivative(self) -> np.ndarray:
        """τ d(state)/ds, with rates and drives that follow from the state at once."""
        for item in self._algebra:
            self._compute(item)
        return self._tau * np.concatenate([self._kept_within(place) for place in self._integrated])

    def _kept_within(self, place: Place) -> np.ndarray:
        """Time derivative of an integrated variable; of rates that are kept within their domain, what is left of it."""
        (name, variable), rate = place, self._derivatives[place]()[self._replica]
        cell = self._mounted.populations[name].cell
        domain = cell.domain
        if variable != "r" or cell.potential != "r" or domain is None or domain.in_place is None:
            return rate
        present = self._mounted.populations[name].view("r")[self._replica]
        ahead = np.empty_like(present)
        domain.in_place(present + _AHEAD * self._tau * rate, out=ahead)
        return (ahead - present) / (_AHEAD * self._tau)

    def _one_step(self, step: float, places: list) -> np.ndarray:
        """State after one Euler step, in the clock's order."""
        if not self._sequential:
            for item in self._algebra:
                self._compute(item)
        for item in self._mounted.operations:
            if item.kind == "integration":
                population = self._mounted.populations[item.population]
                moved = {
                    variable: self._derivatives[item.population, variable]().copy()
                    for variable in population.integrated
                }
                for variable, rate in moved.items():
                    population.view(variable)[...] += step * self._tau * rate
            elif item.kind in ("rate", "drive"):
                self._compute(item)
        return self._read(places)

    def _compute(self, item: Operation):
        if item.kind == "rate":
            self._mounted.populations[item.population].set_rate()
        else:
            [(_, slot)] = item.writes
            self._mounted.drives[item.population, slot].update(lambda every: True)

    def _read(self, places) -> np.ndarray:
        return np.concatenate(
            [self._mounted.populations[name].view(variable)[self._replica] for name, variable in places]
        )

    def _write(self, places, state: np.ndarray):
        edges = np.cumsum([self._mounted.populations[name].size for name, _ in places])[:-1]
        for (name, variable), values in zip(places, np.split(state, edges), strict=True):
            self._mounted.populations[name].view(variable)[self._replica] = values

    def _kept(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Live buffers that are touched, and what they hold."""
        populations = self._mounted.populations
        places = {*self._carried, *self._mounted.drives}
        places |= {
            (name, shared) for name in populations for shared in (PACE, BETA, TAUGHT) if shared in populations[name]
        }
        views = [populations[name].view(variable) for name, variable in places]
        return [(view, view.copy()) for view in views]

    def _set_shared(self):
        for population in self._mounted.populations.values():
            taught = None if self._beta is None else float(self._beta != 0)
            for shared, value in ((PACE, 1.0), (BETA, self._beta), (TAUGHT, taught)):
                if shared in population and value is not None:
                    population.write(shared, value)

    @staticmethod
    def _restore(kept):
        for view, values in kept:
            view[...] = values


def _extreme(operator: LinearOperator, which: str) -> np.ndarray:
    if operator.shape[0] > _DENSE:
        start = np.random.default_rng(0).standard_normal(operator.shape[0])
        try:
            return eigs(operator, k=4, which=which, v0=start, ncv=60, tol=1e-6, return_eigenvectors=False)
        except (ArpackNoConvergence, ArpackError):
            pass
    return np.linalg.eigvals(operator @ np.eye(operator.shape[0]))
