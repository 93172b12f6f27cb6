"""What a CorInfoMax circuit consists of: its populations and projections, layer by layer."""

from collections.abc import Iterator

import brian2 as b2

from ...models import (
    SST,
    BackgroundInput,
    HiddenPyramidal,
    LeakySST,
    MultiplierCell,
    OutputPyramidal,
    RateSST,
    StimulusCell,
)
from ...models.domains import INHIBITION
from ..circuit import layer_names
from ..population import PopulationSpec
from ..projection import Bias, Projection
from .parameters import Parameters


def layers(parameters: Parameters) -> list[str]:
    """Names of the principal populations: the stimulus and the pyramidal cells of the layers 1, …, P."""
    return layer_names(parameters.architecture)


def teacher(parameters: Parameters) -> tuple[str, str]:
    """Population and slot that the teacher enters: the apical dendrites of the output layer."""
    return layers(parameters)[-1], "drive_apical"


def signals(parameters: Parameters) -> dict[str, dict[int, tuple[str, str]]]:
    """What rules read beside what layers send: the rates σ(u) that postsynaptic cells know without spikes."""
    if parameters.forward_rule != "soma":
        return {}
    return {"soma": {k: (name, "r") for k, name in enumerate(layers(parameters)) if k}}


def populations(parameters: Parameters) -> Iterator[PopulationSpec]:
    """Give the populations of a circuit, in the order of its layers."""
    sizes, P = parameters.architecture, parameters.output
    yield PopulationSpec("stimulus", StimulusCell(), sizes[0], layer=0)
    for k in range(1, P + 1):
        if parameters.noise:
            noise = BackgroundInput(sigma=parameters.noise, tau_noise=parameters.tau_noise * b2.ms)
            yield PopulationSpec(f"noise_{k}", noise, sizes[k], layer=k)
        yield _interneurons(parameters, k)
        yield _pyramidal_cells(parameters, k, output=k == P)
        if constraints := parameters.domains[k].constraints:
            multiplier = MultiplierCell(constraints=constraints, tau_lambda=parameters.tau_multiplier[k] * b2.ms)
            yield PopulationSpec(f"multiplier_{k}", multiplier, len(constraints.b), layer=k)


def _interneurons(parameters: Parameters, k: int) -> PopulationSpec:
    noise, links = ((), ()) if "SST" not in parameters.noise else (("soma",), (_noise_link(k, "SST", "soma"),))
    leaky = {"tau_SST": parameters.tau_SST * b2.ms} if parameters.tau_SST > 0 else {}
    kind = RateSST if parameters.spiking_sst else LeakySST if leaky else SST
    cell = kind(noise=noise, **leaky)
    return PopulationSpec(f"SST_{k}", cell, parameters.architecture[k], layer=k, links=links)


def _pyramidal_cells(parameters: Parameters, k: int, output: bool) -> PopulationSpec:
    domain, reading = parameters.domains[k], parameters.reading
    noise = tuple(compartment for compartment in parameters.noise if compartment != "SST")
    options: dict = {"tau_u": parameters.tau_u * b2.ms, "g_lk": parameters.g_leak, "g_B": 1 / parameters.epsilon[k - 1]}
    options |= {"domain": domain, "noise": noise}
    options |= {
        name: tau * b2.ms for name, tau in (("tau_A", parameters.tau_A), ("tau_B", parameters.tau_B)) if tau > 0
    }
    if domain.constraints and parameters.constraints == "as_published":
        options["multiplier_current"] = True
    if output:
        cell = OutputPyramidal(g_A=reading.output_g_A, v_A=reading.output_v_A, **options)
    else:
        cell = HiddenPyramidal(g_A=1 / parameters.epsilon[k], **options)
    links = (("i_SST", (f"SST_{k}", "i_SST")), *(_noise_link(k, name, name) for name in noise))
    return PopulationSpec(f"layer_{k}", cell, parameters.architecture[k], layer=k, links=links)


def _noise_link(k: int, source: str, compartment: str) -> tuple[str, tuple[str, str]]:
    return f"noise_{compartment}", (f"noise_{k}", f"noise_{source}")


def projections(parameters: Parameters) -> Iterator[Projection | Bias]:
    """Give the projections between the populations, in the order of the layers that they enter."""
    P, names, pattern = parameters.output, layers(parameters), parameters.projection
    late = {"delay": parameters.delay} if parameters.delay else {}
    for k in range(1, P + 1):
        here, below = names[k], names[k - 1]
        yield Projection(
            below, here, "drive_basal", ("W_ff", k - 1), pattern, constant=k == 1, **(late if k > 1 else {})
        )
        if parameters.bias:
            yield Bias(here, "drive_basal", ("b", k))
        if k < P:
            yield Projection(names[k + 1], here, "drive_apical", ("W_fb", k), pattern, **late)
        yield Projection(here, here, "drive_autapse", ("D", k), "one_to_one")
        yield Projection(here, f"SST_{k}", "drive_soma", ("O", k), pattern, every=parameters.sst_every)
        if limits := parameters.domains[k].constraints:
            function = "abs" if limits.magnitude else ""
            yield Projection(here, f"multiplier_{k}", "drive_soma", ("A", k), pattern, function=function)
            if parameters.constraints == "enforced":
                shunts = ("shunts", k)
                yield Projection(here, f"multiplier_{k}", "drive_shunt", shunts, pattern, function="nonzero")
            yield Projection(f"multiplier_{k}", here, INHIBITION, ("A", k), pattern, transposed=True)
