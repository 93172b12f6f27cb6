"""Circuits whose layers send each other spike trains in place of rates."""

from collections.abc import Collection
from dataclasses import dataclass, replace

import brian2 as b2
import numpy as np

from ..errors import ParameterError
from ..models import Generator, spiking
from .circuit import Circuit
from .plasticity import Weights
from .projection import Pattern, Projection

#: Weights from which on a spike costs less than its part of a dense product.
_MANY = 2**16


@dataclass(frozen=True)
class Spikes:
    """How layers send each other spike trains.

    Parameters
    ----------
    generator : {"coding", "integrate_and_fire", "poisson", "leaky_integrate_and_fire"}
    r_max : float
        Spikes per second for which r = 1 stands.
    tau_s, tau_ref : float
        Time constant of the filtered train, and refractory time, in ms.
    last : int
        Steps at the end of a phase over which plasticity averages the trains.
    cells : int
        Cells that a unit stands for.
    interneurons : bool
        Whether interneurons get trains, too.
    """

    generator: Generator
    r_max: float
    tau_s: float
    tau_ref: float
    last: int
    cells: int
    interneurons: bool


def send_spikes(
    circuit: Circuit,
    generator: Generator = "coding",
    *,
    r_max: b2.Quantity = 200 * b2.Hz,
    tau_s: b2.Quantity = 40 * b2.ms,
    tau_ref: b2.Quantity = 2 * b2.ms,
    cells: int = 1,
    interneurons: bool = False,
):
    """Let the cells of all layers spike, those of the stimulus too, and projections between layers carry their trains.

    Plasticity reads the trains, too. What a layer sends to itself stays a rate.

    Parameters
    ----------
    circuit : Circuit
        Changed in place, before it is mounted.
    generator : {"coding", "integrate_and_fire", "poisson", "leaky_integrate_and_fire"}
    r_max, tau_s, tau_ref : Quantity
        As in `corinfomax.models.spiking`.
    cells : int, default 1
        Cells that a unit stands for, whose mean train it sends.
    interneurons : bool, default False
        Whether layers send trains to their interneurons, too, and those of them spike that have a rate.

    Raises
    ------
    ParameterError
        If a layer's cells have no rate or spike already, or the settings cannot code a rate; the circuit then is as it
        was. Or when it is mounted, if several spikes can fall into a step.
    """
    layer = {spec.name: spec.layer for spec in circuit.populations}
    beside = {spec.name for spec in circuit.populations if interneurons and spec.cell.role == "interneuron"}
    sending = {
        *circuit.layers,
        *(spec.name for spec in circuit.populations if spec.name in beside and "r" in spec.cell.outputs),
    }
    for spec in circuit.populations:
        domain = spec.cell.domain if spec.name in sending else None
        if domain is not None and not (np.min(domain.lower) >= 0 and domain.bounds[1] <= 1):
            raise ParameterError(
                f"{spec.name}: spikes carry rates from 0 to 1; its domain {domain.name} goes from "
                f"{np.min(domain.lower):g} to {domain.bounds[1]:g}"
            )
    values = {"r_max": r_max, "tau_s": tau_s, "tau_ref": tau_ref}
    populations = tuple(
        replace(spec, cell=spiking(type(spec.cell), generator, cells)(**spec.cell.arguments, **values))
        if spec.name in sending
        else spec
        for spec in circuit.populations
    )
    saturating = {spec.name for spec in populations if spec.cell.saturates}
    projections = tuple(
        replace(item, output="train", constant=False, pattern=_pattern(item, circuit.weights, saturating))
        if isinstance(item, Projection)
        and item.source in circuit.layers
        and (layer[item.source] != layer[item.target] or item.target in beside)
        else item
        for item in circuit.projections
    )
    circuit.become(
        populations=populations,
        projections=projections,
        signals=circuit.signals | {"r": {k: (name, "train") for k, name in enumerate(circuit.layers)}},
        prediction="spike_rate",
    )


def _pattern(item: Projection, weights: Weights, saturating: Collection[str]) -> Pattern:
    """Events where weights are many, and each spike is as any other."""
    key, k = item.weights
    usual = item.pattern == "dense" and not item.transposed and item.every == 1 and not item.delay
    large = weights[key][k].size >= _MANY and item.source not in saturating
    return "events" if usual and large else item.pattern
