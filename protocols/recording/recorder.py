"""Recording in memory, through the step hook of a preparation."""

from collections.abc import Sequence

import numpy as np

from ...errors import ParameterError
from ...networks.population import Population
from .presentation import PhaseTrace, Presentation
from .recordables import checked, declared, named, recordables, spiking
from .spike_recorder import SpikeRecorder


class Recorder:
    """Collects variables of the layers' principal populations in every step of one presentation, and all spikes.

    Parameters
    ----------
    preparation : Preparation
    variables : sequence of str, optional
        State variables or subexpressions of the cells of every layer; or of the cells of one population, interneurons
        too, by names such as ``"multiplier_1.r"``. By default what all layers' cells declare to be recorded by default,
        without a unit.
    """

    def __init__(self, preparation, variables: Sequence[str] | None = None):
        self._populations = {k: preparation.layer(k) for k in range(1, preparation.circuit.output + 1)}
        if variables is None:
            variables = declared(self._populations, lambda item: item.by_default and item.unit == "1")
        self._others = {name: _owner(preparation, name) for name in named(variables) if "." in name}
        self._variables = checked(self._populations, [name for name in named(variables) if "." not in name])
        self._spikes = SpikeRecorder(preparation, spiking(preparation.populations))
        self._rows: dict[str, list] = {}
        self._taught: dict[str, bool] = {}

    def __call__(self, moment):
        """Record the present step."""
        presented = moment.presented
        values = {
            variable: {k: population.read(variable)[:presented] for k, population in self._populations.items()}
            for variable in self._variables
        }
        others = {
            name: population.read(name.rpartition(".")[2])[:presented] for name, population in self._others.items()
        }
        time = (moment.time, moment.s, moment.beta)
        self._rows.setdefault(moment.phase.name, []).append((time, values, others))
        self._taught[moment.phase.name] = moment.phase.taught and moment.stimulus.y is not None
        self._spikes(moment)

    def presentation(self) -> Presentation:
        """Return what was recorded."""
        phases = {}
        for name, rows in self._rows.items():
            t, s, beta = np.array([time for time, _, _ in rows]).T
            variables = {
                variable: {k: np.stack([values[variable][k] for _, values, _ in rows]) for k in self._populations}
                for variable in self._variables
            }
            others = {other: np.stack([row[other] for _, _, row in rows]) for other in self._others}
            phases[name] = PhaseTrace(variables, t, s, beta, others, self._taught[name], self._units())
        return Presentation(phases, self._spikes.trains())

    def _units(self) -> dict[str, str]:
        """Units of what is recorded, as the cells declare them."""
        recorded = [*self._populations.values(), *self._others.values()]
        names = {*self._variables, *(name.rpartition(".")[2] for name in self._others)}
        return {
            item.name: item.unit for population in recorded for item in recordables(population) if item.name in names
        }


def _owner(preparation, name: str) -> Population:
    owner, _, variable = name.rpartition(".")
    if owner not in preparation.populations:
        raise ParameterError(f"{name!r}: no population {owner!r}; there are {', '.join(preparation.populations)}")
    checked({owner: preparation.populations[owner]}, [variable])
    return preparation.populations[owner]
