"""Mounting a circuit on a clock: populations, transmissions and operations, and where each stands in the schedule."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import brian2 as b2

from ...networks import Circuit, Population, PopulationSpec
from ...networks.projection import SynapticTransmission, Transmission
from .phases import Protocol

#: An operation, its slot in Brian2's schedule, and its order there.
Operation = tuple[Callable[[], object], str, int]


@dataclass(frozen=True)
class Mounted:
    """A circuit in Brian2.

    Parameters
    ----------
    network : Network
    populations : dict of str to Population
    transmissions : list of Transmission
        Calling them all computes the drives that a presentation begins with.
    add_operation : callable
        ``add_operation(name, function, slot, order)`` adds to what happens in each step.
    hold_place : callable
        ``hold_place(population, variable)``, slot and order right after a variable of a population is computed.
    """

    network: b2.Network
    populations: dict[str, Population]
    transmissions: list[Transmission]
    add_operation: Callable[[str, Callable[[], object], str, int], None]
    hold_place: Callable[[str, str], tuple[str, int]]


@dataclass(frozen=True)
class _Places:
    """Slot and order of what a layer does in a step, for either schedule.

    Ties within a slot are broken by name, so every place has an order. Cells that read a linked variable integrate
    after its owner, so that with τ_SST → 0 leaky interneurons become the instantaneous ones. In the
    sequential schedule layer k computes its drives, its u and its r in turn, before layer k + 1, and the cells that
    follow the layer do so after it. In the synchronous schedule the followers' new rates reach the thresholds of the
    layer before its own rates are computed, so that u, λ and r at the step's end belong to one instant.

    All orders are even: at the odd one after it, what was computed can be held at something else.

    Parameters
    ----------
    sequential : bool
    specs : mapping of str to PopulationSpec
    """

    sequential: bool
    specs: Mapping[str, PopulationSpec]

    def drives(self, source: PopulationSpec, target: PopulationSpec) -> tuple[str, int]:
        if self.sequential:
            return "groups", self._first(target) + (10 if target.follows else 0)
        return ("after_groups", 2) if source.follows else ("synapses", 0)

    def integration(self, spec: PopulationSpec) -> int:
        within = 12 if spec.follows else 2 + 2 * self._links_behind(spec)
        return (self._first(spec) if self.sequential else 0) + within

    def rate(self, spec: PopulationSpec) -> tuple[str, int]:
        if self.sequential:
            return "groups", self._first(spec) + (14 if spec.follows else 8)
        return "after_groups", 0 if spec.follows else 4

    @staticmethod
    def _first(spec: PopulationSpec) -> int:
        return 16 * spec.layer

    def _links_behind(self, spec: PopulationSpec, most: int = 2) -> int:
        """Length of the chain of links from a population to one that reads nothing of others, at most `most`."""
        if most == 0:  # longer chains, and circles, end somewhere
            return 0
        return max((1 + self._links_behind(self.specs[source], most - 1) for _, (source, _) in spec.links), default=0)


def mount(
    circuit: Circuit,
    replicas: int,
    dtype,
    protocol: Protocol,
    code_objects: type,
    operations: Mapping[str, Operation],
    due: Callable[[int], bool],
    guard: Callable[[Callable], Callable],
) -> Mounted:
    """Build the Brian2 network of a circuit.

    Parameters
    ----------
    circuit : Circuit
    replicas : int
    dtype : dtype
    protocol : Protocol
    code_objects : type of CodeObject
    operations : mapping of str to (callable, slot, order)
        What else is to happen in each step.
    due : callable
        Whether a drive that is updated every n-th step is to be updated now.
    guard : callable
        Wraps each operation.
    """
    specs = {spec.name: spec for spec in circuit.populations}
    places = _Places(circuit.schedule == "sequential", specs)
    clock = b2.Clock(protocol.step * circuit.tau, name="corinfomax_clock")
    populations = {
        spec.name: Population(
            spec,
            replicas,
            dtype,
            clock,
            protocol.method,
            code_objects,
            order=places.integration(spec),
        )
        for spec in circuit.populations
    }
    operations = dict(operations)
    for spec in circuit.populations:
        population = populations[spec.name]
        for variable, (source, source_variable) in spec.links:
            population.link(variable, populations[source], source_variable)
        if spec.cell.each_step:
            population.run_each_step("groups", places.integration(spec) - 1)
        if spec.cell.domain is not None:
            when, order = places.rate(spec)
            update = population.rate_update(when, order)
            if update is not None:
                operations[f"rate_{spec.name}"] = (update, when, order)

    transmissions: list[Transmission] = []
    stages: dict[tuple[str, int], list[Transmission]] = {}
    for projection in circuit.projections:
        source, target = populations[projection.source], populations[projection.target]
        when, order = places.drives(specs[projection.source], specs[projection.target])
        if projection.pattern == "synapses":
            transmission = SynapticTransmission(projection, source, target, circuit.weights, when, order, code_objects)
        else:
            transmission = Transmission(projection, source, target, circuit.weights)
            if not projection.constant:
                stages.setdefault((when, order), []).append(transmission)
        transmissions.append(transmission)
    for (when, order), stage in stages.items():
        operations[f"drives_{when}_{order}"] = (_transmitter(stage, due), when, order)

    network = b2.Network(
        *(population.group for population in populations.values()),
        *(item.synapses for item in transmissions if isinstance(item, SynapticTransmission)),
    )
    # Brian2 marks objects when a network first runs, and warns of each one that is deleted unmarked.
    for item in network.sorted_objects:
        item._network = network.id

    def add_operation(name, function, when, order):
        operation = b2.NetworkOperation(guard(function), clock=clock, when=when, order=order, name=name)
        network.add(operation)
        operation._network = network.id

    def hold_place(population, variable):
        spec = specs[population]
        if variable in spec.cell.drives:
            here = (population, variable)
            sources = [item.source for item in circuit.projections if (item.target, item.slot) == here]
            # The teacher's slot has no projection: it is written as a phase begins.
            when, order = places.drives(specs[sources[0]] if sources else spec, spec)
        else:
            when, order = places.rate(spec) if variable == "r" else ("groups", places.integration(spec))
        return when, order + 1

    for name, operation in operations.items():
        add_operation(name, *operation)
    return Mounted(network, populations, transmissions, add_operation, hold_place)


def _transmitter(stage: Sequence[Transmission], due: Callable[[int], bool]) -> Callable[[], None]:
    prompt = [transmission for transmission in stage if transmission.projection.every == 1]
    multirate = [transmission for transmission in stage if transmission.projection.every > 1]

    def transmit():
        for transmission in prompt:
            transmission()
        for transmission in multirate:
            if due(transmission.projection.every):
                transmission()

    return transmit
