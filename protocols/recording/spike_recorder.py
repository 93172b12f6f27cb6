"""Spikes of one presentation, in memory, through the step hook of a preparation."""

from collections.abc import Mapping

import numpy as np

from ...analysis.spikes import SpikeTrains
from ...networks.population import Population


class SpikeRecorder:
    """Collects the spikes of some populations in every step of one presentation.

    Parameters
    ----------
    preparation : Preparation
    populations : mapping of str to Population
        Of cells that spike.
    """

    def __init__(self, preparation, populations: Mapping[str, Population]):
        self._populations = populations
        self._layers = {spec.name: spec.layer for spec in preparation.circuit.populations}
        self._dt = float(preparation.protocol.step * preparation.circuit.tau)
        self._events: dict[str, list] = {name: [] for name in populations}
        self._phases: list[list] = []  # name, start, stop
        self._rows = np.zeros(0, int)
        self._steps = 0

    def __call__(self, moment):
        """Take down the spikes of the present step."""
        if not self._populations:
            return
        if not self._steps:
            rows = moment.stimulus.rows
            self._rows = np.full(moment.presented, -1) if rows is None else np.asarray(rows)
        if moment.step == 0:
            self._phases.append([moment.phase.name, self._steps * self._dt, 0.0])
        self._steps += 1
        self._phases[-1][2] = self._steps * self._dt
        for name, population in self._populations.items():
            replicas, cells = population.spikes
            kept = replicas < moment.presented
            if kept.any():
                self._events[name].append((self._steps, len(self._phases) - 1, replicas[kept], cells[kept]))

    def trains(self) -> dict[str, SpikeTrains]:
        """Return what was taken down, by population."""
        import pandas as pd

        count, phases = len(self._rows), len(self._phases)
        trials = pd.DataFrame(
            {
                "trial": 0,
                "replica": np.arange(count),
                "stimulus": self._rows,
                "label": -1,
                "class_name": "",
                "start": 0.0,
                "stop": self._steps * self._dt,
            }
        )
        names, starts, stops = zip(*self._phases, strict=True) if phases else ((), (), ())
        table = pd.DataFrame(
            {
                "row": np.repeat(np.arange(count), phases),
                "name": np.tile(np.array(names, dtype=object), count),
                "start": np.tile(np.array(starts, float), count),
                "stop": np.tile(np.array(stops, float), count),
            }
        )
        found = {}
        for name, events in self._events.items():
            numbers = [len(cells) for *_, cells in events]
            steps = np.repeat([step for step, *_ in events], numbers).astype(float)
            phase = np.repeat([phase for _, phase, *_ in events], numbers).astype(np.int64)
            replica = np.concatenate([np.zeros(0, np.int64), *(replicas for _, _, replicas, _ in events)])
            cell = np.concatenate([np.zeros(0, np.int64), *(cells for *_, cells in events)])
            population = self._populations[name]
            found[name] = SpikeTrains(
                name, self._layers[name], type(population.cell).__name__, np.arange(population.size),
                steps * self._dt, cell, replica * phases + phase, trials, table, self._dt,
            )  # fmt: skip
        return found
