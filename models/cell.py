"""What every single cell is made of: equations, a parameter table, drive slots, and one map to physical units."""

import functools
import re
from dataclasses import dataclass
from typing import Any, ClassVar

import brian2 as b2
import numpy as np
from brian2.utils.stringtools import get_identifiers

from ..errors import ParameterError, reason_of
from ..parameters import Switch, validated_fields
from ..references import reference_to, resolve
from .domains import Domain

#: The one map between the paper's dimensionless variables and physical units: u = 0 is rest, u = 1 is 20 mV above it,
#: r = 1 is 100 Hz. It only labels axes; nothing in the dynamics depends on it.
#: `V_rest_SST` is the interneurons' rest. A layer's cells use it for V_SST, whatever their own rest is.
PHYSICAL_SCALE = {
    "V_rest": -70 * b2.mV,
    "V_rest_SST": -70 * b2.mV,
    "V_scale": 20 * b2.mV,
    "rate_scale": 100 * b2.Hz,
}


@validated_fields
@dataclass(frozen=True)
class Parameter:
    """One row of a cell's parameter table.

    Parameters
    ----------
    name, unit, meaning, source : str
        As they appear in the equations and in the literature; ``unit`` is "1" for dimensionless quantities.
    """

    name: str
    unit: str
    meaning: str
    source: str


@validated_fields
@dataclass(frozen=True)
class Recordable:
    """A variable that is worth recording: from these every recorder, table, file and figure takes its list.

    Parameters
    ----------
    name : str
        Variable or subexpression in the cell's equations.
    unit : str
        SI unit, "1" for dimensionless quantities.
    compartment : str
        What it is a quantity of: "soma", "basal", "apical", "SST", …; "" for the cell as a whole.
    meaning : str
        In words.
    by_default : bool, default True
        Whether it is recorded where nothing is chosen.
    """

    name: str
    unit: str
    compartment: str
    meaning: str
    by_default: Switch = True


#: What a cell states in Brian2's language.
_TEXTS = ("equations", "threshold", "reset", "refractory", "each_step")


class Cell:
    """A single cell as a Brian2 equation group.

    A subclass states, as class attributes, what the cell is; an instance holds the values of its parameters. A cell
    knows nothing of weights, stimuli or schedules: whatever reaches it arrives in its *drive slots*, per-cell
    variables that the engine writes.

    Parameters
    ----------
    domain : Domain, optional
        Domain of the cell's rate `r`; by default the `usual_domain` of its kind.
    **values : float or Quantity
        A value for each row of `parameters`, no more and no less.

    Attributes
    ----------
    equations : str
        Brian2 equations, in the paper's notation.
    parameters : tuple of Parameter
        The parameter table.
    drives : tuple of str
        Names of the drive slots in `equations`.
    links : tuple of str
        Names of variables that belong to another population and are read where they stand.
    state : tuple of str
        Variables that a reset to rest sets to zero, and that a checkpoint keeps.
    counts : tuple of str
        State variables that count from the beginning of a presentation, also where states are carried over.
    saturates : bool
        Whether a spike adds less to a train that is already high.
    outputs : tuple of str
        Names of variables that projections may carry.
    recordables : tuple of Recordable
        What is worth recording, in the order of tables and files.
    usual_domain : Domain or None
        None for cells that have no rate.
    potential : str
        Name of the variable that the domain's nonlinearity r = σ(u) reads for u. Where it is "r" itself, the rate is
        integrated and kept within its domain.
    membrane : str
        Name of the somatic potential, where that is not what the nonlinearity reads; "" where it is.
    threshold, reset, refractory : str
        Of cells that spike: Brian2's condition, statements, and refractory condition or time; "" for none.
    each_step : str
        Brian2 statements that are run once a step, for what no differential equation states; "" for none.
    role : str
        What the cells are to the layer that they stand beside, such as "interneuron", "error" or "multiplier"; "" of
        the layer's own cells. Reports and figures go by it.
    at_rest : dict of str to float or (float, float)
        Standard deviations of state variables that fluctuate about zero at rest, or the bounds between which they are
        uniform.
    per_cell : dict of str to ndarray (cells,)
        Values of variables that differ from cell to cell, written when a population is made.

    Raises
    ------
    ParameterError
        If a parameter is missing, unknown or of another unit, or a cell has a reset or a refractory time and no
        threshold. When a class is made that adds a parameter which none of its equations has, or that states anew what
        it inherits: then a replacement in an inherited text has found nothing.
    """

    equations: ClassVar[str]
    parameters: ClassVar[tuple[Parameter, ...]] = ()
    drives: ClassVar[tuple[str, ...]] = ()
    links: ClassVar[tuple[str, ...]] = ()
    state: ClassVar[tuple[str, ...]] = ()
    counts: ClassVar[tuple[str, ...]] = ()
    saturates: ClassVar[bool] = False
    outputs: ClassVar[tuple[str, ...]] = ("r",)
    recordables: ClassVar[tuple[Recordable, ...]] = ()
    usual_domain: ClassVar[Domain | None] = None
    potential: ClassVar[str] = "u"
    membrane: ClassVar[str] = ""
    threshold: ClassVar[str] = ""
    reset: ClassVar[str] = ""
    refractory: ClassVar[str] = ""
    each_step: ClassVar[str] = ""
    role: ClassVar[str] = ""

    def __init_subclass__(cls, **options):
        """Raise a `ParameterError` if nothing is new in what it states, or a parameter that it adds is not there."""
        super().__init_subclass__(**options)
        if "namespace" in cls.__dict__ or not hasattr(cls, "equations"):
            return
        for name in _TEXTS:
            own, theirs = cls.__dict__.get(name), getattr(super(cls, cls), name, None)
            if not isinstance(getattr(cls, name), str):
                raise ParameterError(f"{cls.__name__}: {name} = {getattr(cls, name)!r}: should be text, in quotes")
            # What a replacement finds nothing in is the same object; who writes "u = 0" again has written another.
            if own and (own == theirs if name == "equations" else own is theirs and not own.isidentifier()):
                raise ParameterError(
                    f"{cls.__name__}: states the {name} that it inherits; leave {name} out, or correct the "
                    "replacement, which found nothing to replace"
                )
        if "equations" in cls.__dict__:  # so that subclasses can add lines before and after, with line breaks or not
            cls.equations = f"\n{cls.equations.strip()}\n"
        inherited = {row.name for base in cls.__mro__[1:] for row in getattr(base, "parameters", ())}
        there = inherited | set(get_identifiers(" ".join(getattr(cls, name) for name in _TEXTS)))
        if unread := [row.name for row in cls.parameters if row.name not in there]:
            raise ParameterError(
                f"{cls.__name__}: its equations do not have the parameter {unread[0]}; a replacement leaves a text as "
                "it is where it finds nothing to replace"
            )

    def __init__(self, domain: Domain | None = None, **values):
        names = {parameter.name for parameter in self.parameters}
        if names != set(values):
            raise ParameterError(
                f"{type(self).__name__}: needs the parameters {', '.join(sorted(names)) or 'none'}; "
                f"got {', '.join(sorted(values)) or 'none'}"
            )
        if stray := [name for name in ("reset", "refractory") if getattr(self, name) and not self.threshold]:
            raise ParameterError(f"{type(self).__name__}: has a {stray[0]} and no threshold, so that it never spikes")
        domain = self.usual_domain if domain is None else domain
        if not isinstance(domain, Domain | None):
            raise ParameterError(f"{type(self).__name__}: domain = {domain!r}: should be a Domain; see domain_of")
        self._check_units(values)
        self.domain = domain
        self.values = values
        self.at_rest: dict[str, float | tuple[float, float]] = {}
        self.per_cell = {} if domain is None else dict(domain.per_cell)

    def _check_units(self, values: dict[str, Any]):
        """Raise a `ParameterError` if one of these values of parameters is of another unit than its row tells."""
        for row in self.parameters:
            if row.name in values and (allowed := _allowed(values[row.name], row.unit)):
                raise ParameterError(f"{type(self).__name__}: {row.name} = {values[row.name]!r}: should be {allowed}")

    def __reduce_ex__(self, protocol):
        """Pickle cells of a class from a file by the file's path, for their module has no name to be imported by."""
        reference = reference_to(type(self))
        return super().__reduce_ex__(protocol) if reference is None else (_unpickled, (reference,), self.__dict__)

    @property
    def parsed(self) -> b2.Equations:
        """Its `equations` as Brian2 reads them, or a `ParameterError`; those of one text are parsed once."""
        try:
            return _parsed(self.equations)
        except Exception as error:  # Brian2 does not say which there are
            raise ParameterError(f"Brian2 refuses {type(self).__name__}: {reason_of(error)}") from error

    @property
    def arguments(self) -> dict:
        """What the constructor was given, to build a cell of another kind in place of this one."""
        return {"domain": self.domain, **self.values}

    @property
    def namespace(self) -> dict:
        """Names that the equations use beside the cell's own variables, as Brian2 wants them."""
        return {**PHYSICAL_SCALE, **self.values}

    def in_volts(self, name: str) -> float:
        """V_rest or V_scale of this cell and its dendrites: the potential that u = 0 stands for, and what u = 1 adds.

        Parameters
        ----------
        name : {"V_rest", "V_scale"}
        """
        value = self.namespace.get(name)
        own = isinstance(value, b2.Quantity) and value.dim == b2.volt.dim
        return float(value if own else PHYSICAL_SCALE[name])

    @property
    def assigned(self) -> set[str]:
        """Variables that its statements, at spikes and in each step, assign to."""
        return set(re.findall(r"\b(\w+)\s*[-+*/%]{0,2}=(?!=)", f"{self.reset}\n{self.each_step}"))

    @property
    def spiking(self) -> dict[str, str]:
        """Threshold, reset and refractory condition, as Brian2's groups take them; empty for cells without spikes."""
        names = ("threshold", "reset", "refractory")
        return {name: getattr(self, name) for name in names if getattr(self, name)}

    def check_step(self, dt: b2.Quantity):
        """Raise a `ParameterError` if the cell cannot be simulated in steps of `dt`; most can."""


def _allowed(value: Any, unit: str) -> str:
    """Say what the value of a parameter in some unit should be, if it is not."""
    wanted = 1 if unit == "1" else getattr(b2, unit, None)
    if np.ndim(value):
        return "a single number, the same for all cells"
    if np.asarray(value).dtype.kind not in "iuf" or not np.isfinite(np.asarray(value)).all():
        return "a finite number" if unit == "1" else f"a finite number of the unit {unit}"
    if isinstance(wanted, int | b2.Quantity) and not b2.have_same_dimensions(value, wanted):
        return "a number without unit" if unit == "1" else f"of the unit {unit}, such as 10*brian2.{unit}"
    return ""


def _unpickled(reference: str) -> Cell:
    kind = resolve(reference, "cell")
    return kind.__new__(kind)


@functools.lru_cache(maxsize=64)
def _parsed(equations: str) -> b2.Equations:
    return b2.Equations(equations)  # takes milliseconds
