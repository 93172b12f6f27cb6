"""Presentations as they come out of the clockwork."""

import numpy as np

from ...errors import ParameterError
from ...networks import Layers


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
    """

    def __init__(self, variables, t, s, beta, others=None, taught=False):
        super().__init__(variables)
        self.t, self.s, self.beta, self.taught = t, s, beta, taught
        self.others = dict(others or {})

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self.others:
            raise ParameterError(f"{name!r} was not recorded; recorded: {', '.join(self.others) or 'layers only'}")
        return self.others[name]


class Presentation:
    """Recording of one presentation: each phase's `PhaseTrace` under the phase's name.

    Parameters
    ----------
    phases : dict of str to PhaseTrace

    Attributes
    ----------
    free, nudge, … : PhaseTrace
    """

    def __init__(self, phases: dict[str, PhaseTrace]):
        self.phases = phases

    def __getattr__(self, name: str) -> PhaseTrace:
        if name.startswith("__") or name not in self.__dict__.get("phases", {}):
            raise AttributeError(f"no phase {name!r}; phases: {', '.join(self.__dict__.get('phases', {}))}")
        return self.phases[name]

    def __repr__(self):
        return f"Presentation({', '.join(f'{name}: {len(trace.t)} steps' for name, trace in self.phases.items())})"

    def trace(self, variable: str, k: int) -> np.ndarray:
        """One variable of layer k through all phases, (steps, replicas, units)."""
        if any(variable not in phase.variables or k not in phase.variables[variable] for phase in self.phases.values()):
            raise ParameterError(f"{variable} of layer {k} was not recorded")
        return np.concatenate([phase.variables[variable][k] for phase in self.phases.values()])
