"""What can be recorded of a population: what its cells declare."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from brian2.equations.equations import SUBEXPRESSION

from ...errors import ParameterError
from ...models import Recordable
from ...networks.description import compartments
from ...networks.population import Population

#: What spikes are called where variables are named; they are events, and no variable.
SPIKES = "spikes"
#: What cells that declare nothing have all the same, if they have a rate.
_RATE = (Recordable("r", "1", "", "rate"),)


def recordables(population: Population) -> tuple[Recordable, ...]:
    """What a population's cells declare and have; of cells that declare nothing, their rate.

    Parameters
    ----------
    population : Population
    """
    return tuple(item for item in population.cell.recordables or _RATE if item.name in population)


def by_default(population: Population) -> tuple[Recordable, ...]:
    """What is recorded of a population where nothing is chosen.

    Parameters
    ----------
    population : Population
    """
    return tuple(item for item in recordables(population) if item.by_default)


def physical(population: Population) -> tuple[Recordable, ...]:
    """Of what is recorded by default, potentials and rates in physical units; all of it if nothing has a unit.

    Parameters
    ----------
    population : Population
    """
    chosen = by_default(population)
    return tuple(item for item in chosen if item.unit != "1") or chosen


def own(population: Population) -> tuple[Recordable, ...]:
    """Of what is `physical`, what belongs to these cells, and is not that of cells which they are linked to.

    Parameters
    ----------
    population : Population
    """
    return tuple(item for item in physical(population) if not _of_others(population, item.name))


def _of_others(population: Population, variable: str) -> bool:
    equations = population.group.equations
    stored = {
        name for name in population.identifiers(variable) if name in equations and equations[name].type != SUBEXPRESSION
    }
    return bool(stored) and stored <= set(population.cell.links)


def spiking(populations: Mapping[str, Population]) -> dict[str, Population]:
    """Pick the populations whose cells spike, be it those of the stimulus.

    Parameters
    ----------
    populations : mapping of str to Population
    """
    return {name: population for name, population in populations.items() if population.cell.threshold}


def compartment_of(population: Population, variable: str) -> str:
    """Name the compartment that a variable is of: "soma", "basal", …; "axon" of what the cell sends; else "".

    Parameters
    ----------
    population : Population
    variable : str
    """
    found = next((item for item in population.cell.recordables if item.name == variable), None)
    if found is not None and found.compartment:
        return found.compartment
    if variable in population.cell.outputs or (found is not None and found.unit == "Hz"):
        return "axon"
    last = variable.rpartition("_")[2]
    return last if last in compartments(population.cell) else ""


def meaning_of(population: Population, variable: str) -> str:
    """Tell in words what a variable is, as its cell declares it; "" if it does not.

    Parameters
    ----------
    population : Population
    variable : str
    """
    return next((item.meaning for item in population.cell.recordables if item.name == variable), "")


def names(given: str | Sequence[str], what: str) -> tuple[str, ...]:
    """Return names, which may also stand in a text with commas between them, or say that they are none."""
    return named([name.strip() for name in given.split(",")] if isinstance(given, str) else given, what)


def named(given: Sequence[str], what: str = "variables") -> tuple[str, ...]:
    """Return names of variables, or of what else they are, or say that they are none."""
    sequence = isinstance(given, Iterable) and not isinstance(given, str)
    if not sequence or not all(isinstance(name, str) for name in given):
        example = " such as ('u', 'r')" if what == "variables" else " as text"
        raise ParameterError(f"{what} = {given!r}: must be a sequence of names,{example}")
    return tuple(given)


def checked(populations: Mapping[Any, Population], variables: Sequence[str]) -> tuple[str, ...]:
    """Return names of variables that all populations have, or say which one has not."""
    variables = named(variables)
    for variable in variables:
        for k, population in populations.items():
            if variable not in population:
                place = f"layer {k}" if isinstance(k, int) else k
                has = next((other.name for other in populations.values() if variable in other), None)
                alone = f'"{has}.{variable}" is that of {has} alone; ' if has else ""
                raise ParameterError(f"{place} has no variable {variable!r}; {alone}recordable: {listed([population])}")
    return variables


def declared(populations: Mapping[Any, Population], chosen: Callable[[Recordable], bool]) -> tuple[str, ...]:
    """Name what the cells of all populations declare to be recordable; rates if they have nothing in common.

    Parameters
    ----------
    populations : mapping to Population
    chosen : callable
        ``chosen(recordable) -> bool``.
    """
    names = [[item.name for item in recordables(population) if chosen(item)] for population in populations.values()]
    return tuple(name for name in names[0] if all(name in others for others in names)) or ("r",)


def listed(populations: Iterable[Population]) -> str:
    """Name what the cells of some populations declare, for messages."""
    populations = list(populations)
    names = dict.fromkeys(item.name for population in populations for item in recordables(population))
    return ", ".join(names) or ", ".join(
        dict.fromkeys(name for population in populations for name in sorted(population.group.equations.names))
    )
