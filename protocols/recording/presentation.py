"""Presentations as they come out of the clockwork."""

import numpy as np

from ...analysis.spikes import SpikeTrains
from ...errors import ParameterError
from ...networks import Layers
from ...summary import Summarised, Summary, Table, by_layer, shape_of, shown_unit


class PhaseTrace(Layers):
    """Recording of one phase; every variable is (steps, replicas, units).

    Parameters
    ----------
    variables : dict of str to dict of int to ndarray
        Layer k ≥ 1 → trace. Row i is the state after step i.
    t : ndarray (steps,)
        Seconds since the presentation's start.
    s : ndarray (steps,)
        Integration variable Σ η_i since the presentation's start.
    beta : ndarray (steps,)
        β.
    taught : bool, default False
        Whether targets reached the circuit.
    others : dict of str to ndarray (steps, replicas, cells), optional
        Traces of other populations, by names such as ``"multiplier_1.r"``: ``trace["multiplier_1.r"]``.
    units : dict of str to str, optional
        SI unit of each variable, "1" if it has none.
    """

    def __init__(self, variables, t, s, beta, others=None, taught=False, units=None):
        super().__init__(variables)
        self.t, self.s, self.beta, self.taught = t, s, beta, taught
        self.others = dict(others or {})
        self.units = dict(units or {})

    def _summary(self) -> Summary:
        """Show time, β, and of each variable unit and shape."""
        taught = ", with the teacher" if self.taught else ""
        heading = (
            f"PhaseTrace: {len(self.t)} steps, {1e3 * self.t[0]:.4g} to {1e3 * self.t[-1]:.4g} ms, "
            f"β = {self.beta[-1]:g}{taught}"
        )
        return Summary(heading, [*self._tables()])

    def _tables(self) -> list[Table]:
        """Shapes and units of the layers' variables, and of other populations'."""
        layers = by_layer(self.variables, self.units, "steps × stimuli × cells")
        rows = [
            (name, shown_unit(self.units.get(name, "1")), population, shape_of(trace))
            for (population, _, name), trace in ((key.rpartition("."), each) for key, each in self.others.items())
        ]
        return [Table(layers.headings, [*layers.rows, *rows])]

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self.others:
            raise ParameterError(f"{name!r} was not recorded; recorded: {', '.join(self.others) or 'layers only'}")
        return self.others[name]


class Presentation(Summarised):
    """Recording of one presentation: each phase's `PhaseTrace` under the phase's name.

    Parameters
    ----------
    phases : dict of str to PhaseTrace
    spikes : dict of str to SpikeTrains, optional
        Spikes by population, of cells that spike.

    Attributes
    ----------
    free, nudge, … : PhaseTrace
    """

    def __init__(self, phases: dict[str, PhaseTrace], spikes: dict[str, SpikeTrains] | None = None):
        self.phases = phases
        self._spikes = dict(spikes or {})

    @property
    def spikes(self) -> dict[str, SpikeTrains]:
        """Spikes by population, `SpikeTrains`; a `ParameterError` where no cell of the circuit spikes."""
        if not self._spikes:
            raise ParameterError('no cell of this circuit spikes: they send rates, unless signal = "spikes"')
        return self._spikes

    def __getattr__(self, name: str) -> PhaseTrace:
        if name.startswith("__") or name not in self.__dict__.get("phases", {}):
            raise AttributeError(f"no phase {name!r}; phases: {', '.join(self.__dict__.get('phases', {}))}")
        return self.phases[name]

    def __dir__(self):
        own = [name for name in super().__dir__() if name != "spikes" or self._spikes]
        return [*own, *self.phases]

    def __getstate__(self):
        return self.__dict__

    def __setstate__(self, state):
        self.__dict__.update(state)

    def _summary(self) -> Summary:
        """Show phases, and of what was recorded in the last one units and shapes."""
        rows = [
            (name, len(trace.t), f"{1e3 * trace.t[0]:.4g} to {1e3 * trace.t[-1]:.4g} ms", f"{trace.beta[-1]:g}",
             "teacher" if trace.taught else "")
            for name, trace in self.phases.items()
        ]  # fmt: skip
        phases = Table(("phase", "steps", "time", "β", ""), rows)
        last = next(reversed(self.phases.values()), None)
        heading = f"Presentation: {', '.join(f'{name} {len(trace.t)} steps' for name, trace in self.phases.items())}"
        spikes = [(name, len(trains.cells), len(trains)) for name, trains in self._spikes.items()]
        tables = [Table(("population", "cells", "spikes"), spikes)] if spikes else []
        return Summary(heading, [phases, *([] if last is None else last._tables()), *tables])

    def to_dataframe(self, layer: int):
        """Give what was recorded of a layer as a tidy table of pandas.

        Parameters
        ----------
        layer : int
            Layer k ≥ 1.

        Returns
        -------
        pandas.DataFrame
            A row for each step, stimulus and cell, with the columns time (s), phase, beta, stimulus, counted within the
            minibatch, layer and cell, and one for each variable, in the paper's or in SI units.

        Raises
        ------
        ParameterError
            If nothing was recorded of this layer.
        """
        import pandas as pd

        names = [name for name, layers in next(iter(self.phases.values())).variables.items() if layer in layers]
        if not names:
            raise ParameterError(f"layer {layer} was not recorded")
        traces = {name: self.trace(name, layer) for name in names}
        steps, stimuli, cells = np.indices(traces[names[0]].shape).reshape(3, -1)
        phases = list(self.phases.values())
        phase = np.repeat(np.arange(len(phases)), [len(each.t) for each in phases])
        columns = {
            "time": np.concatenate([each.t for each in phases])[steps],
            "phase": pd.Categorical.from_codes(phase[steps], list(self.phases)),
            "beta": np.concatenate([each.beta for each in phases])[steps],
            "stimulus": stimuli,
            "layer": layer,
            "cell": cells,
        }
        return pd.DataFrame(columns | {name: trace.ravel() for name, trace in traces.items()})

    def trace(self, variable: str, k: int) -> np.ndarray:
        """One variable of layer k through all phases, (steps, replicas, units)."""
        if any(variable not in phase.variables or k not in phase.variables[variable] for phase in self.phases.values()):
            raise ParameterError(f"{variable} of layer {k} was not recorded")
        return np.concatenate([phase.variables[variable][k] for phase in self.phases.values()])
