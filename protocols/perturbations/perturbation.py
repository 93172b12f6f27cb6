"""What perturbations are: data that say what is done to which cells or synapses, in which phases and when."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field

from ...errors import ParameterError, meant
from ...networks import Circuit, PopulationSpec
from ...parameters import Count, Number, plainly_shown, validated_fields
from ...ranges import listed
from .anatomy import compartments, perturbable
from .text import as_cells, as_names, as_period

Cells = Annotated[tuple[Annotated[int, Number, Field(ge=0)], ...] | None, BeforeValidator(as_cells)]
Names = Annotated[tuple[str, ...] | None, BeforeValidator(as_names)]


def data(cls):
    """Make a frozen dataclass whose arguments are checked, and named in messages."""
    return validated_fields(dataclass(frozen=True)(cls))


@data
class Period:
    """A stretch of training, both ends included.

    Parameters
    ----------
    first, last : int
        Counted from 1.
    unit : {"epochs", "batches"}
        Minibatches are counted through all epochs.
    """

    first: Count
    last: Count
    unit: Literal["epochs", "batches"] = "epochs"

    def __post_init__(self):
        if self.last < self.first:
            raise ParameterError(f"period {self}: ends before it begins")

    def __str__(self):
        return f"{self.unit} {self.first}-{self.last}"

    def batches(self, per_epoch: int) -> range:
        """Minibatches of the period, counted from 0 through all epochs."""
        scale = per_epoch if self.unit == "epochs" else 1
        return range((self.first - 1) * scale, self.last * scale)

    def check(self, epochs: int, per_epoch: int):
        """Raise a `ParameterError` if training ends earlier."""
        available = epochs if self.unit == "epochs" else epochs * per_epoch
        if self.last > available:
            raise ParameterError(f"period {self}: training has {self.unit} 1 to {available}")


@plainly_shown
@dataclass(frozen=True)
class Perturbation:
    """What all perturbations have in common.

    Parameters
    ----------
    period : Period or str, optional
        When in training, as ``"3-5"`` or ``"batches 1-200"``; always by default, and always in testing.
    """

    kind: ClassVar[str]
    period: Annotated[Period | None, BeforeValidator(as_period(Period))] = field(default=None, kw_only=True)

    def check(self, circuit: Circuit):
        """Raise a `ParameterError` if the circuit has not what is to be perturbed."""
        raise NotImplementedError

    def _when(self, phases: Sequence[str] | None = None) -> str:
        within = f" in phase {' and '.join(phases)}" if phases else ""
        return within + (f", {self.period}" if self.period else "")


@plainly_shown
@dataclass(frozen=True)
class CellPerturbation(Perturbation):
    """A perturbation of cells of one population.

    Parameters
    ----------
    cells : sequence of int, optional
        Which of them; all by default.
    phases : sequence of str, optional
        Phases in which it acts; all by default.
    """

    cells: Cells = field(default=None, kw_only=True)
    phases: Names = field(default=None, kw_only=True)

    def target(self, circuit: Circuit) -> str:
        """Name of the population."""
        return self.population  # type: ignore[attr-defined]

    def settings(self, circuit: Circuit) -> dict[str, float]:
        """Variables of the population, and what they are set to or held at."""
        raise NotImplementedError

    def check(self, circuit: Circuit):
        """Raise a `ParameterError` if the circuit has not these cells."""
        spec = self._spec(circuit)
        for cell in self.cells or ():
            if cell >= spec.size:
                raise ParameterError(f"{self}: {spec.name} has cells 0 to {spec.size - 1}")
        self.settings(circuit)

    def _spec(self, circuit: Circuit) -> PopulationSpec:
        name, there = self.target(circuit), perturbable(circuit)
        if name not in there:
            known = f"{meant(name, there)}there are {', '.join(there) or 'none'}"
            raise ParameterError(f"{self}: no population {name!r} to perturb; {known}")
        return there[name]

    def _lacks(self, circuit: Circuit, compartment: str, what: str) -> ParameterError:
        """Say that a population's cells have no such compartment, or that theirs lacks a gate or a current."""
        spec = self._spec(circuit)
        own = compartments(spec.cell)
        if compartment not in own:
            return ParameterError(f"{self}: compartments of {spec.name} are {', '.join(own) or 'none'}")
        return ParameterError(f"{self}: the {compartment} of {spec.name} ({type(spec.cell).__name__}) has no {what}")

    def _which(self) -> str:
        if self.cells is None:
            return ""
        return f"{'cells' if len(self.cells) > 1 else 'cell'} {listed(self.cells)} of "
