"""Perturbations of cells; they become courses of a protocol's phases."""

from typing import Annotated, ClassVar

from pydantic import BeforeValidator, Field

from ...errors import ParameterError
from ...networks import Circuit
from ...parameters import Count
from ...ranges import listed
from .anatomy import current, feedback_slots, gate, membrane
from .perturbation import CellPerturbation, data
from .text import across_unit_conductance, as_current, as_potential, potential_in

#: "soma", "basal", "apical", or what else a circuit's cells have.
Compartment = str
Potential = Annotated[float | str, BeforeValidator(as_potential)]
Current = Annotated[float, BeforeValidator(as_current), Field(allow_inf_nan=False)]


@data
class Silence(CellPerturbation):
    """Silence cells: the soma is held at rest (u = 0), and its rate at 0.

    Parameters
    ----------
    population : str
        ``"SST_1"``, ``"layer_2"``, …
    cells, phases, period
        As in `CellPerturbation` and `Perturbation`.
    """

    population: str
    kind: ClassVar[str] = "silence"

    def settings(self, circuit: Circuit) -> dict[str, float]:
        """Input and current are 0, and where there is a membrane or a rate these are held at 0."""
        cell, settings = self._spec(circuit).cell, {}
        injected, potential, soma = current(cell, "soma"), membrane(cell, "soma"), gate(cell, "soma")
        if injected is not None:
            settings[injected] = 0.0
        if potential is not None:
            settings[potential] = 0.0
        elif soma is not None:
            settings[soma] = 0.0
        if cell.domain is not None:
            settings["r"] = 0.0
        elif potential is None and soma is None:
            raise self._lacks(circuit, "soma", "membrane, gate or rate to hold")
        return settings

    def __str__(self):
        return f"silence {self._which()}{self.population}{self._when(self.phases)}"


@data
class Drive(CellPerturbation):
    """Inject a current.

    Parameters
    ----------
    population : str
    current : float, str or Quantity
        In units of the potential that it would cause across a unit conductance: u = 1 is 20 mV, and ``"10 mV"`` is .5.
        In a dendrite, and in an SST cell, it is the change of the potential itself.
    compartment : str
        "soma", "basal", "apical", or another that the cells have.
    cells, phases, period
        As in `CellPerturbation` and `Perturbation`.
    """

    population: str
    current: Current
    compartment: Compartment = "soma"
    kind: ClassVar[str] = "drive"

    def settings(self, circuit: Circuit) -> dict[str, float]:
        """The compartment's injected current."""
        variable = current(self._spec(circuit).cell, self.compartment)
        if variable is None:
            raise self._lacks(circuit, self.compartment, "injected current")
        return {variable: self.current}

    def __str__(self):
        into = f"{self._which()}{self.population}, {self.compartment}"
        return (
            f"drive {into}, by {self.current:g} ({across_unit_conductance(self.current)} across unit conductance)"
            f"{self._when(self.phases)}"
        )


@data
class Cut(CellPerturbation):
    """Cut all synaptic input of a compartment; a dendrite then is at rest and stays coupled to the soma.

    The apical input of hidden cells is feedback, autapse and SST inhibition, that of output cells the teacher. To cut
    the feedback alone there is `CutFeedback`.

    Parameters
    ----------
    population : str
    compartment : str
        "apical", "basal", "soma", or another that the cells have. "soma": what reaches the soma, its dendrites
        included, which leaves it to its leak.
    cells, phases, period
        As in `CellPerturbation` and `Perturbation`.
    """

    population: str
    compartment: Compartment
    kind: ClassVar[str] = "cut"

    def settings(self, circuit: Circuit) -> dict[str, float]:
        """The compartment's gate."""
        variable = gate(self._spec(circuit).cell, self.compartment)
        if variable is None:
            raise self._lacks(circuit, self.compartment, "gate that would cut its input")
        return {variable: 0.0}

    def __str__(self):
        return f"cut {self.compartment} input of {self._which()}{self.population}{self._when(self.phases)}"


@data
class CutFeedback(CellPerturbation):
    """Cut the feedback W_fb^(k) r^(k+1) into layer k, and nothing else: as with W_fb^(k) = 0 in these phases.

    Parameters
    ----------
    layer : int
        k, 1 … P-1, of a circuit with feedback into apical compartments.
    cells, phases, period
        As in `CellPerturbation` and `Perturbation`.
    """

    layer: Count
    kind: ClassVar[str] = "cut_feedback"

    def target(self, circuit: Circuit) -> str:
        """Principal population of the layer."""
        slots = feedback_slots(circuit)
        if not slots:
            raise ParameterError(f"{self}: this circuit has no feedback into an apical compartment")
        if self.layer not in slots:
            raise ParameterError(f"{self}: feedback reaches layer {listed(slots)}")
        return circuit.layers[self.layer]

    def settings(self, circuit: Circuit) -> dict[str, float]:
        """The drive that the feedback projection writes."""
        slot, population = feedback_slots(circuit)[self.layer], circuit.layers[self.layer]
        sources = [item.source for item in circuit.projections if (item.target, item.slot) == (population, slot)]
        if any(source not in circuit.layers[self.layer + 1 :] for source in sources):
            raise ParameterError(f"{self}: {population}.{slot} carries other input than feedback, too")
        return {slot: 0.0}

    def __str__(self):
        return f"cut feedback into {self._which()}layer {self.layer}{self._when(self.phases)}"


@data
class Clamp(CellPerturbation):
    """Clamp a compartment's potential.

    A soma is at it from the first step of each phase on, and its rate is σ of it. A dendrite's synaptic input is
    replaced by it.

    Parameters
    ----------
    population : str
    compartment : str
        "soma", "basal", "apical", or another that the cells have.
    potential : float, str or Quantity
        Dimensionless (0 is rest, 1 lies 20 mV above it), or a voltage such as ``"-60 mV"``. Rest is at -70 mV, or
        where a leaky soma has its own.
    cells, phases, period
        As in `CellPerturbation` and `Perturbation`.
    """

    population: str
    compartment: Compartment
    potential: Potential
    kind: ClassVar[str] = "clamp"

    def settings(self, circuit: Circuit) -> dict[str, float]:
        """The membrane is held; where there is none, the current takes the place of the input."""
        cell = self._spec(circuit).cell
        potential, closed, injected = (find(cell, self.compartment) for find in (membrane, gate, current))
        held = potential_in(cell, self.potential)
        if potential is not None:
            return {potential: held} | ({} if injected is None else {injected: 0.0})
        if closed is None or injected is None:
            raise self._lacks(circuit, self.compartment, "membrane to hold")
        return {closed: 0.0, injected: held}

    def __str__(self):
        of = f"{self.compartment} of {self._which()}{self.population}"
        at = self.potential if isinstance(self.potential, str) else f"u = {self.potential:g}"
        return f"clamp {of} at {at}{self._when(self.phases)}"
