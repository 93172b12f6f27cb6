"""What a CorInfoMax circuit consists of: its populations and projections, layer by layer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import brian2 as b2

from ...models import SST, BackgroundInput, HiddenPyramidal, LeakySST, MultiplierCell, OutputPyramidal, StimulusCell
from ...models.domains import INHIBITION
from ..population import PopulationSpec
from ..projection import Pattern, Projection
from .conventions import CONVENTIONS

if TYPE_CHECKING:
    from .circuit import CorInfoMax


def populations(circuit: CorInfoMax) -> Iterator[PopulationSpec]:
    """Give the populations of a circuit, in the order of its layers.

    Parameters
    ----------
    circuit : CorInfoMax
        With its parameters set.
    """
    sizes, P = circuit.architecture, len(circuit.architecture) - 1
    yield PopulationSpec("stimulus", StimulusCell(), sizes[0], layer=0)
    for k in range(1, P + 1):
        if circuit.noise:
            noise = BackgroundInput(sigma=circuit.noise, tau_noise=circuit.tau_noise * b2.ms)
            yield PopulationSpec(f"noise_{k}", noise, sizes[k], layer=k)
        yield _interneurons(circuit, k)
        yield _pyramidal_cells(circuit, k, output=k == P)
        if constraints := circuit.domains[k].constraints:
            multiplier = MultiplierCell(constraints=constraints, tau_lambda=circuit.tau_multiplier[k - 1] * b2.ms)
            yield PopulationSpec(f"multiplier_{k}", multiplier, len(constraints.b), layer=k)


def _interneurons(circuit: CorInfoMax, k: int) -> PopulationSpec:
    noise, links = ((), ()) if "SST" not in circuit.noise else (("soma",), (_noise_link(k, "SST", "soma"),))
    leaky = {"tau_SST": circuit.tau_SST * b2.ms} if circuit.tau_SST > 0 else {}
    cell = (LeakySST if leaky else SST)(noise=noise, **leaky)
    return PopulationSpec(f"SST_{k}", cell, circuit.architecture[k], layer=k, links=links)


def _pyramidal_cells(circuit: CorInfoMax, k: int, output: bool) -> PopulationSpec:
    domain, reading = circuit.domains[k], CONVENTIONS[circuit.convention]
    noise = tuple(compartment for compartment in circuit.noise if compartment != "SST")
    options: dict = {"tau_u": circuit.tau_u * b2.ms, "g_lk": circuit.g_leak, "g_B": 1 / circuit.epsilon[k - 1]}
    options |= {"domain": domain, "noise": noise}
    options |= {name: tau * b2.ms for name, tau in (("tau_A", circuit.tau_A), ("tau_B", circuit.tau_B)) if tau > 0}
    if domain.constraints and circuit.constraints == "as_published":
        options["multiplier_current"] = True
    if output:
        cell = OutputPyramidal(g_A=reading.output_g_A, v_A=reading.output_v_A, **options)
    else:
        cell = HiddenPyramidal(g_A=1 / circuit.epsilon[k], **options)
    links = (("i_SST", (f"SST_{k}", "i_SST")), *(_noise_link(k, name, name) for name in noise))
    return PopulationSpec(f"layer_{k}", cell, circuit.architecture[k], layer=k, links=links)


def _noise_link(k: int, source: str, compartment: str) -> tuple[str, tuple[str, str]]:
    return f"noise_{compartment}", (f"noise_{k}", f"noise_{source}")


def projections(circuit: CorInfoMax, pattern: Pattern, sst_every: int) -> Iterator[Projection]:
    """Give the projections between the populations.

    Parameters
    ----------
    circuit : CorInfoMax
    pattern : {"dense", "synapses"}
    sst_every : int
        Steps between two updates of the SST cells' input.
    """
    P = len(circuit.architecture) - 1
    names = ["stimulus", *(f"layer_{k}" for k in range(1, P + 1))]
    for k in range(1, P + 1):
        here, below = names[k], names[k - 1]
        yield Projection(below, here, "drive_basal", ("W_ff", k - 1), pattern, constant=k == 1)
        if k < P:
            yield Projection(names[k + 1], here, "drive_apical", ("W_fb", k), pattern)
        yield Projection(here, here, "drive_autapse", ("D", k - 1), "one_to_one")
        yield Projection(here, f"SST_{k}", "drive_soma", ("O", k - 1), pattern, every=sst_every)
        if limits := circuit.domains[k].constraints:
            function = "abs" if limits.magnitude else ""
            yield Projection(here, f"multiplier_{k}", "drive_soma", ("A", k - 1), pattern, function=function)
            if circuit.constraints == "enforced":
                shunts = ("shunts", k - 1)
                yield Projection(here, f"multiplier_{k}", "drive_shunt", shunts, pattern, function="nonzero")
            yield Projection(f"multiplier_{k}", here, INHIBITION, ("A_T", k - 1), pattern)
