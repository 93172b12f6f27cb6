"""A word on inputs that are no rates, for those who make circuits by hand."""

import numpy as np

from ...errors import StimulusWarning, warn_caller
from ...networks.circuit import Circuit
from ...stimuli.scale import no_rates
from .provenance import provenance


def warn_of_inputs(circuit: Circuit, x: np.ndarray):
    """Warn if inputs are no rates.

    Circuits of parameter files are passed over, whose stimuli runs and the doctor look at, and those without a teacher,
    whose inputs may have either sign.

    Parameters
    ----------
    circuit : Circuit
    x : ndarray (n, inputs)

    Warns
    -----
    StimulusWarning
    """
    if not provenance(circuit).parameters and circuit.teacher is not None and (found := no_rates(x)) is not None:
        warn_caller(f"The {found}: corinfomax.stimuli.scale.rates_of tells a scale for them.", StimulusWarning)
