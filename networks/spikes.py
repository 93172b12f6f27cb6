"""Circuits whose layers send each other spike trains in place of rates."""

from dataclasses import replace
from typing import Literal

import brian2 as b2

from ..errors import ParameterError
from ..models import spiking
from .circuit import Circuit
from .projection import Projection


def send_spikes(
    circuit: Circuit,
    generator: Literal["coding", "integrate_and_fire", "poisson"] = "coding",
    *,
    r_max: b2.Quantity = 200 * b2.Hz,
    tau_s: b2.Quantity = 40 * b2.ms,
    tau_ref: b2.Quantity = 2 * b2.ms,
):
    """Let the cells of all layers spike, those of the stimulus too, and projections between layers carry their trains.

    What a layer sends to itself or to its interneurons stays a rate, and so does what plasticity reads.

    Parameters
    ----------
    circuit : Circuit
        Changed in place, before it is mounted.
    generator : {"coding", "integrate_and_fire", "poisson"}
    r_max, tau_s, tau_ref : Quantity
        As in `corinfomax.models.spiking`.

    Raises
    ------
    ParameterError
        If a layer's cells have no rate or spike already, or the settings cannot code a rate; the circuit then is as it
        was. Or when it is mounted, if several spikes can fall into a step.
    """
    layer = {spec.name: spec.layer for spec in circuit.populations}
    values = {"r_max": r_max, "tau_s": tau_s, "tau_ref": tau_ref}
    before = circuit.populations, circuit.projections
    populations = tuple(
        replace(spec, cell=spiking(type(spec.cell), generator)(**spec.cell.arguments, **values))
        if spec.name in circuit.layers
        else spec
        for spec in circuit.populations
    )
    projections = tuple(
        replace(item, output="train", constant=False)
        if isinstance(item, Projection) and item.source in circuit.layers and layer[item.source] != layer[item.target]
        else item
        for item in circuit.projections
    )
    circuit.populations, circuit.projections = populations, projections
    try:
        circuit._check()
    except ParameterError:
        circuit.populations, circuit.projections = before
        raise
