"""A word on inputs that are no rates, for those who make circuits by hand."""

import numpy as np

from ...errors import StimulusWarning, warn_caller
from ...networks.circuit import Circuit
from ...stimuli.scale import no_rates
from .provenance import provenance


class FirstLook:
    """Warns by a `StimulusWarning` if the first inputs that it is shown are no rates: negative, or far above 1.

    Circuits of parameter files are passed over, whose stimuli runs and the doctor look at, and those without a teacher,
    whose inputs may have either sign.

    Parameters
    ----------
    circuit : Circuit
        That they are presented to.
    """

    def __init__(self, circuit: Circuit):
        self._circuit, self._done = circuit, False

    def __call__(self, x: np.ndarray):
        """Look at inputs (n, inputs), unless some have been looked at already."""
        if self._done:
            return
        self._done, circuit = True, self._circuit
        if not provenance(circuit).parameters and circuit.teacher is not None and (found := no_rates(x)) is not None:
            warn_caller(f"The {found}: corinfomax.stimuli.scale.rates_of tells a scale for them.", StimulusWarning)
