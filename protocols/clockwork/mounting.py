"""Mounting a circuit on a clock: its populations, drives and operations, and where each stands in a step."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence

import brian2 as b2
from brian2.codegen.translation import analyse_identifiers
from brian2.equations.unitcheck import check_units_statements

from ...errors import CorInfoMaxError, ParameterError, reason_of
from ...networks.circuit import Circuit
from ...networks.foreseen_spikes import ForeseenSpikes, can_be_foreseen
from ...networks.population import Population, PopulationSpec
from ...networks.projection import Drive, SynapticTransmission, Transmission
from ...networks.synaptic_events import EventTransmission
from ..memory import check_memory, make_room
from .network import CircuitNetwork
from .order import Operation, Place, in_order
from .protocol import Protocol
from .target import CodeObjects


class MountedCircuit:
    """A circuit in Brian2.

    In each step Brian2 does what it does by itself, integration foremost, and calls what is ours: one call for each
    stretch between. The last stretch ends the step.

    Parameters
    ----------
    circuit : Circuit
    replicas : int
    dtype : dtype
    protocol : Protocol
        Of which step and method are taken.
    code_objects : CodeObjects
    end_step : callable
        What ends a step, after all that is computed in it.
    due : callable
        ``due(n)``, whether a drive that is updated every n-th step is to be updated now.
    guard : callable
        Makes one call, for Brian2, of several.

    Attributes
    ----------
    network : Network
    populations : dict of str to Population
    layers : list of Population
        The principal population of layer 0, 1, …
    drives : dict of (str, str) to Drive
        By population and slot.
    operations : list of Operation
        In the order of a step.
    unread : list of Operation
        Rates that nothing in a step reads, as of a clamped output: whoever looks at them calls `compute_unread` first.
    foreseen : dict of str to ForeseenSpikes
        By population, of input cells whose spikes may be known in advance.
    within_integration : set of Operation
        Those of them that are part of their population's integration: one pass over the cells does both.

    Raises
    ------
    ParameterError
        In one line, for cells that Brian2 refuses, for projections that a slot cannot add, for loops that no
        integration breaks, and for more replicas than there is memory for.
    """

    def __init__(
        self,
        circuit: Circuit,
        replicas: int,
        dtype,
        protocol: Protocol,
        code_objects: CodeObjects,
        end_step: Callable[[], None],
        due: Callable[[int], bool],
        guard: Callable[[Sequence[Callable]], Callable],
    ):
        numbers = replicas * sum(spec.numbers for spec in circuit.populations)
        make_room(self, numbers * dtype.itemsize)
        check_memory(numbers * dtype.itemsize, f"{replicas} replicas of {circuit.sizes}; take fewer")
        self._circuit, self._guard, self._end_step, self._due = circuit, guard, end_step, due
        self._clock = b2.Clock(protocol.step * circuit.tau, name="corinfomax_clock")
        self.populations: dict[str, Population] = {}
        try:
            for spec in circuit.populations:
                with _refusals_of(spec):
                    cells = code_objects.for_cells(spec.cell)
                    self.populations[spec.name] = Population(spec, replicas, dtype, self._clock, protocol.method, cells)
            self._integrating = [each for each in self.populations.values() if each.integrated]
            self._link()
            self.layers = [self.populations[name] for name in circuit.layers]
            self.drives = {
                (drive.target.name, drive.slot): drive for drive in _drives(circuit, self.populations, code_objects)
            }
            for spec in circuit.populations:
                with _refusals_of(spec):
                    _let_brian2_read(self.populations[spec.name])
            self.operations = in_order(list(self._operations()), circuit.schedule, list(self.populations))
        except ParameterError:
            _mark((each for population in self.populations.values() for each in population.objects), "refused")
            raise
        # When an input comes on, drives are computed in this order, too: errors are outputs that depend on drives.
        turn = {place: number for number, item in enumerate(self.operations) for place in item.writes}
        self.drives = dict(sorted(self.drives.items(), key=lambda item: turn.get(item[0], -1)))
        self.synapses = [
            item for drive in self.drives.values() for item in drive.transmissions if hasattr(item, "synapses")
        ]
        self.network = CircuitNetwork(
            *(population.group for population in self.populations.values()),
            *(item.synapses for item in self.synapses),
        )
        _mark(self.network.sorted_objects, self.network.id)
        self._called: list[b2.NetworkOperation] = []
        self._held: dict[Place, Callable[[], object]] = {}
        self._place()
        self.foreseen = {
            name: ForeseenSpikes(population)
            for name, population in self.populations.items()
            if can_be_foreseen(population)
        }
        for drive in self.drives.values():
            for item in drive.transmissions:
                if isinstance(item, EventTransmission):
                    item.foreseen = self.foreseen.get(item.source.name)

    def hold(self, holds: Mapping[Place, Callable[[], object]]):
        """Call these in each step right after the variable is computed that stands at the place.

        Parameters
        ----------
        holds : mapping of (str, str) to callable
            By population and variable.
        """
        self._held |= holds
        for drive in self.drives.values():
            for item in drive.transmissions:
                item.note_held(self._held)
        self._place()

    def renew(self):
        """Let integration follow what phases have set and rules have moved."""
        for population in self.populations.values():
            population.renew()

    def follow_input(self, moves: bool):
        """Compute within a phase what constant projections bring of an input that moves."""
        if not moves:
            return
        for drive in self.drives.values():
            drive.begin(within=True)
        for hold in self._held.values():
            hold()

    def look_ahead(self, steps: int):
        """Look up what is known in advance of a phase that begins: spikes of input cells.

        Parameters
        ----------
        steps : int
            Of the phase; 0 if somebody looks on, or weights move.
        """
        own = len(self.populations) + len(self.synapses) + len(self._called)
        alone = len(self.network.objects) == own  # none of the user's, such as monitors
        held = {population for population, _ in self._held}
        for name, foreseen in self.foreseen.items():
            foreseen.expect(steps if alone and name not in held else 0)

    def compute_unread(self):
        """Compute what nothing in a step reads."""
        for item in self.unread:
            item.run()

    def copy_weights_to_synapses(self):
        """Let Brian2's synapses, where there are some, have the circuit's weights."""
        for item in self.synapses:
            item.copy_weights()

    def _link(self):
        """Let populations read each other's variables: stored ones first, for others are computed of them."""
        links = [(spec.name, *link) for spec in self._circuit.populations for link in spec.links]
        for name, variable, (source, read) in sorted(
            links, key=lambda link: self.populations[link[2][0]].computes(link[2][1])
        ):
            self.populations[name].link(variable, self.populations[source], read)

    def _operations(self) -> Iterator[Operation]:
        """What is computed in a step, population by population: first what Brian2 does by itself."""
        specs = {spec.name: spec for spec in self._circuit.populations}
        for name, population in self.populations.items():
            group, cell = population.group, population.cell
            if cell.each_step:
                objects = (population.statements,)
                writes = frozenset((name, variable) for variable in cell.state)
                yield Operation(f"statements of {name}", name, "statements", writes, writes, brian_objects=objects)
            if population.integrated:
                writes = frozenset((name, variable) for variable in population.integrated)
                needed = {
                    identifier
                    for equation in group.equations.values()
                    if equation.varname in population.integrated
                    for identifier in equation.identifiers
                }
                reads = self._reads(specs[name], needed)
                objects = (group.state_updater,)
                yield Operation(f"integration of {name}", name, "integration", reads, writes, brian_objects=objects)
            if cell.threshold:
                objects = (*group.thresholder.values(), *group.resetter.values())
                everything = frozenset((name, variable) for variable in group.equations.names)
                yield Operation(f"spikes of {name}", name, "spikes", everything, everything, brian_objects=objects)
        for name, population in self.populations.items():
            if population.cell.domain is not None:
                update = population.rate_update()
                ours = callable(update) and not isinstance(update, b2.core.base.BrianObject)
                reads = self._reads(specs[name], population.arguments)
                done = {"run": update} if ours else {"brian_objects": (update,)}
                yield Operation(f"rate of {name}", name, "rate", reads, frozenset({(name, "r")}), **done)
        for (name, slot), drive in self.drives.items():
            if not drive.varying:
                continue
            reads = frozenset().union(
                *(
                    self._reads(specs[item.projection.source], (item.projection.output,))
                    for item in drive.transmissions
                    if not item.projection.constant
                )
            )
            writes = frozenset({(name, slot)})
            if isinstance(drive.transmissions[0], SynapticTransmission):
                done = {"brian_objects": (drive.transmissions[0].updater,)}
            else:
                done = {"run": drive.updater(self._due)}
            yield Operation(f"drive {drive.name}", name, "drive", reads, writes, **done)

    def _reads(self, spec, variables) -> frozenset[Place]:
        """Stored variables, of this and of linked populations, that variables depend on."""
        links, places = dict(spec.links), set()
        population = self.populations[spec.name]
        for variable in variables:
            for identifier in population.identifiers(variable):
                if identifier in links:
                    source, source_variable = links[identifier]
                    owner = next(each for each in self._circuit.populations if each.name == source)
                    places |= self._reads(owner, (source_variable,))
                else:
                    places.add((spec.name, identifier))
        return frozenset(places)

    def _place(self):
        """Give everything its place: Brian2's own objects an order, and each stretch of ours one call."""
        self.network.remove(*self._called)
        self._called = []
        slot, stretch = "groups", []
        rates = self._rates_within_integration()
        autapses = self._autapses_within_integration(rates)
        read = frozenset().union(*(item.reads for item in self.operations)) | self._held.keys()
        self.unread = [item for item in self.operations if item.kind == "rate" and item.run and not item.writes & read]
        with_rate = [item for item in self.operations if item.kind == "rate" and item.population in rates]
        self.within_integration = {*with_rate, *autapses}
        for population in self._integrating:
            own = {drive.slot: drive.weights for drive in autapses.values() if drive.target is population}
            population.integrate(with_rate=population.name in rates, autapses=own)

        def call(number):
            if stretch:
                self._call(f"corinfomax_stretch_{number}", tuple(stretch), slot, 2 * number + 1)
                stretch.clear()

        for number, item in enumerate(self.operations):
            if item in self.within_integration or item in self.unread:
                continue
            if item.run is not None:
                stretch.append(item.run)
            else:
                call(number - 1)
                slot = self._place_of_brian(item, slot, 2 * number)
            stretch += [hold for place, hold in self._held.items() if place in item.writes]
        written = {place for item in self.operations for place in item.writes}
        stretch += [hold for place, hold in self._held.items() if place not in written]  # the teacher's slot, constants
        self._call("corinfomax_end_of_step", (*stretch, self._end_step), "end", 0)

    def _rates_within_integration(self) -> set[str]:
        """Populations whose r = σ(u) is computed in the same pass over the cells as their integration.

        That is earlier than its place, which changes nothing where between the two nothing reads or writes r, or
        writes what σ reads, and nothing is held.
        """
        found = set()
        for rate in self.operations:
            name = rate.population
            if rate.kind == "rate" and self.populations[name].rate_fits_integration and self._can_come_earlier(rate):
                found.add(name)
        return found

    def _autapses_within_integration(self, rates: set[str]) -> dict[Operation, Drive]:
        """What cells bring to themselves, one to one, where their rates are computed in that pass, too."""
        found = {}
        for item in self.operations if self._circuit.schedule == "synchronous" else ():
            drive = self.drives[next(iter(item.writes))] if item.kind == "drive" else None
            if drive is not None and item.population in rates and drive.is_autapse and self._can_come_earlier(item):
                found[item] = drive
        return found

    def _can_come_earlier(self, later: Operation) -> bool:
        """Whether an operation may be part of its population's integration: nothing between the two can tell.

        Nothing between reads or writes what it writes, but for the rate that comes with it; nothing writes what it
        reads; and nothing is held.
        """
        name, last = later.population, self.operations.index(later)
        own_rate = frozenset({(name, "r")})
        first = next(
            n for n, item in enumerate(self.operations) if item.kind == "integration" and item.population == name
        )
        for item in self.operations[first + 1 : last]:
            comes_along = item.kind == "rate" and item.population == name
            if later.writes & (item.reads | item.writes) or (later.reads & item.writes and not comes_along):
                return False
        return not (later.reads | later.writes | own_rate) & self._held.keys()

    def _place_of_brian(self, item: Operation, slot: str, order: int) -> str:
        if item.kind == "spikes":
            for each, name in zip(item.brian_objects, ("thresholds", "resets"), strict=False):
                each.when, each.order = name, order
            return "after_resets"
        for each in item.brian_objects:
            each.when, each.order = slot, order
        return slot

    def _call(self, name: str, functions: Sequence[Callable], when: str, order: int):
        operation = b2.NetworkOperation(
            self._guard(functions),
            clock=self._clock,
            when=when,
            order=order,
            name=name,
        )
        self.network.add(operation)
        _mark([operation], self.network.id)
        self._called.append(operation)


def _drives(circuit: Circuit, populations: Mapping[str, Population], code_objects: CodeObjects) -> Iterator[Drive]:
    """Slot by slot, what is brought into it."""
    entering: dict[Place, list] = {}
    for item in circuit.projections:
        entering.setdefault((item.target, item.slot), []).append(item)
    for (name, slot), items in entering.items():
        if len(items) > 1 and (single := [item for item in items if item.pattern == "synapses"]):
            raise ParameterError(
                f"{single[0].name}: Synapses write {name}.{slot} whole, so nothing can be added to it; "
                f"{', '.join(item.name for item in items if item is not single[0])} needs another slot, "
                'or pattern = "dense"'
            )
        transmissions = []
        for item in items:
            source = None if item.source is None else populations[item.source]
            further = (code_objects.others,) if item.pattern == "synapses" else ()
            kind = {"synapses": SynapticTransmission, "events": EventTransmission}.get(item.pattern, Transmission)
            transmissions.append(kind(item, source, populations[name], circuit.weights, *further))
        yield Drive(populations[name], slot, transmissions)


@contextlib.contextmanager
def _refusals_of(spec: PopulationSpec) -> Iterator[None]:
    """Turn what Brian2 says of a cell into a `ParameterError` of one line that names the cell and its population."""
    try:
        yield
    except (CorInfoMaxError, MemoryError):
        raise
    except Exception as error:  # Brian2 does not say which there are
        kind = type(spec.cell).__name__
        raise ParameterError(f"{spec.name}: Brian2 refuses {kind}: {reason_of(error)}") from error


def _let_brian2_read(population: Population):
    """Have units, names and method of all that a cell states checked, which Brian2 would do in a run."""
    group = population.group
    group.equations.check_units(group, run_namespace={})
    stated = [population.statements] if population.cell.each_step else []
    for part in {id(each): each for each in (*group.contained_objects, *stated)}.values():
        part.update_abstract_code(run_namespace={})
        if not part.check_units:
            continue  # Brian2 wrote it itself, of equations that are checked
        code = part.abstract_code
        _, *others = analyse_identifiers(code, group.variables, recursive=True)
        check_units_statements(code, group.resolve_all(sorted(set().union(*others)), run_namespace={}))


def _mark(objects, network: str):
    # Brian2 marks objects when a network first runs, and warns of each one that is deleted unmarked.
    for item in objects:
        item._network = network
