"""Recording through the preparation's step hook."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ...errors import ParameterError
from ...networks import Population
from .presentation import PhaseTrace, Presentation

#: What `Preparation.present` records of every layer.
DEFAULT_VARIABLES = ("u", "r", "v_A", "v_B", "i_SST")


class Recorder:
    """Collects variables of the layers' principal populations in every step of one presentation.

    Parameters
    ----------
    preparation : Preparation
    variables : sequence of str
        State variables or subexpressions of the cells of every layer; or of the cells of one population, interneurons
        too, by names such as ``"multiplier_1.r"``.
    """

    def __init__(self, preparation, variables: Sequence[str] = DEFAULT_VARIABLES):
        self._populations = {k: preparation.layer(k) for k in range(1, preparation.circuit.output + 1)}
        self._others = {name: _owner(preparation, name) for name in named(variables) if "." in name}
        self._variables = recordable(self._populations, [name for name in named(variables) if "." not in name])
        self._rows: dict[str, list] = {}

    def __call__(self, preparation):
        """Record the present step."""
        cycle = preparation.cycle
        values = {
            variable: {k: population.read(variable)[: cycle.presented] for k, population in self._populations.items()}
            for variable in self._variables
        }
        others = {
            name: population.read(name.rpartition(".")[2])[: cycle.presented]
            for name, population in self._others.items()
        }
        time = (cycle.time, cycle.s, cycle.beta)
        self._rows.setdefault(cycle.phase.name, []).append((time, values, others))

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
            phases[name] = PhaseTrace(variables, t, s, beta, others)
        return Presentation(phases)


def named(variables: Sequence[str]) -> tuple[str, ...]:
    """Return names of variables, or say that they are none."""
    sequence = isinstance(variables, Iterable) and not isinstance(variables, str)
    if not sequence or not all(isinstance(variable, str) for variable in variables):
        raise ParameterError(f"variables = {variables!r}: must be a sequence of names, such as ('u', 'r')")
    return tuple(variables)


def _owner(preparation, name: str) -> Population:
    owner, _, variable = name.rpartition(".")
    if owner not in preparation.populations:
        raise ParameterError(f"{name!r}: no population {owner!r}; there are {', '.join(preparation.populations)}")
    recordable({owner: preparation.populations[owner]}, [variable])
    return preparation.populations[owner]


def recordable(populations: Mapping[Any, Population], variables: Sequence[str]) -> tuple[str, ...]:
    """Return names of variables that all populations have, or say which one has not."""
    variables = named(variables)
    for variable in variables:
        for k, population in populations.items():
            if variable not in population:
                allowed = ", ".join(sorted(set(population.group.equations.names)))
                place = f"layer {k}" if isinstance(k, int) else k
                raise ParameterError(f"{place} has no variable {variable!r}; recordable: {allowed}")
    return variables
