"""Domains P of layer activity: the set that a layer's rates are confined to (the paper's r ∈ P).

A domain brings the nonlinearity r = σ_P(u), and constraints A m(r) ≤ b, m(r) = r or |r|, for what a nonlinearity of
single cells cannot enforce. Each constraint has an inhibitory cell, whose rate is its Lagrange multiplier λ
(`interneurons.MultiplierCell`); its synapses onto the layer carry Aᵀ:

    domain       set                          σ, with θ = Aᵀλ                constraints
    B_inf        |r_i| ≤ 1                    clip(u, -1, 1)                 none
    B_inf_plus   0 ≤ r_i ≤ 1                  clip(u, 0, 1)                  none
    B_1          Σ|r_i| ≤ 1                   sign(u)·max(|u| - θ, 0)        Σ|r_i| ≤ 1
    B_1_plus     r_i ≥ 0, Σr_i ≤ 1            max(u - θ, 0)                  Σr_i ≤ 1
    simplex      r_i ≥ 0, Σr_i = 1            max(u - θ, 0), θ of any sign   Σr_i = 1
    features     r_i in [-1, 1] or [0, 1],    sign(u)·max(|u| - θ, 0),       one for each sparse group J
                 Σ_J|r_i| ≤ 1                 then clipped
    polytope     Ar ≤ b                       u - θ                          Ar ≤ b

(Bozkurt, Pehlevan & Erdogan 2023, arXiv:2306.04810; Bozkurt, Isfendiyaroglu, Pehlevan & Erdogan 2023, ICLR, for the
polytopes.) θ is an inhibition that raises the threshold, as that of perisomatic interneurons does. In equilibrium r is
then the point of P at which the layer's objective is extremal: where u = v without inhibition, the Euclidean
projection of v onto P.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from ..errors import ParameterError
from ..parameters import Count, Finite, Seed, Switch, validated, validated_fields

#: Slot in which the multiplier cells' inhibition Aᵀλ arrives.
INHIBITION = "drive_multiplier"


@validated_fields
@dataclass(frozen=True, eq=False)
class Constraints:
    """Linear constraints A m(r) ≤ b on the rates of a layer, or A m(r) = b.

    Parameters
    ----------
    A : ndarray (constraints, cells)
    b : ndarray (constraints,)
    magnitude : bool
        Whether ``m(r) = |r|``, not r.
    equality : bool
    lengths : ndarray (constraints,), default 1
        What the synapses and their multiplier cells divide each row by, so that all rows are enforced equally fast.
    """

    A: np.ndarray
    b: np.ndarray
    magnitude: Switch = False
    equality: Switch = False
    lengths: np.ndarray | float = 1.0

    @property
    def synapses(self) -> np.ndarray:
        """Weights from the layer to its multiplier cells; their transpose leads back, (constraints, cells)."""
        return self.A / np.reshape(self.lengths, (-1, 1))

    @property
    def shunts(self) -> np.ndarray:
        """Shunting conductance that each active cell opens in the multiplier cells, (constraints, cells).

        ``|a_i| Σ_j|a_j|``: summed over the active cells it bounds the gain of the loop through all constraints together
        (Gershgorin's bound of A Aᵀ), also of those that share cells.
        """
        magnitude = np.abs(self.synapses)
        return magnitude * magnitude.sum(axis=0)

    def excess(self, r: np.ndarray) -> np.ndarray:
        """By how much rates (stimuli, cells) break the constraint that they break most, (stimuli,); < 0 if none."""
        excess = np.asarray(np.abs(r) if self.magnitude else r, dtype=float) @ self.A.T - self.b
        return (np.abs(excess) if self.equality else excess).max(axis=1)


@validated_fields
@dataclass(frozen=True, eq=False)
class Domain:
    """A set of admissible rates: a nonlinearity, and constraints that inhibitory cells enforce.

    Parameters
    ----------
    name : str
        The set's name, as above.
    nonlinearity : str
        σ as a Brian2 expression in the cell's variables. This is the definition.
    in_place : callable, optional
        The same function in NumPy, ``in_place(*arguments, out=r)``: the hot path where it is given.
    bounds : (float, float), default (-∞, ∞)
        Between them a single rate can lie; a cell at either is saturated.
    arguments : tuple of str, default ("u",)
        Variables that σ reads.
    constraints : Constraints, optional
    per_cell : mapping of str to ndarray (cells,), optional
        Parameters of σ that differ from cell to cell; they become variables of the cells.
    selects : bool, default False
        σ gives u itself or a bound and computes nothing, so that it is the same in any precision, whoever evaluates it.
    """

    name: str
    nonlinearity: str
    in_place: Callable[..., object] | None = None
    bounds: tuple[float, float] = (-np.inf, np.inf)
    arguments: tuple[str, ...] = ("u",)
    constraints: Constraints | None = None
    per_cell: Mapping[str, np.ndarray] = field(default_factory=dict)
    selects: bool = False

    @property
    def lower(self) -> np.ndarray | float:
        """Least rate, of each cell where they differ."""
        return self.per_cell.get("r_min", self.bounds[0])

    def outside(self, r: np.ndarray) -> np.ndarray:
        """By how much rates (stimuli, cells) lie outside the set, (stimuli,); at most 0 inside."""
        r = np.asarray(r, dtype=float)
        beyond = np.maximum((self.lower - r).max(axis=1), (r - self.bounds[1]).max(axis=1))
        return beyond if self.constraints is None else np.maximum(beyond, self.constraints.excess(r))

    def active(self, r: np.ndarray) -> np.ndarray:
        """Which rates (…, cells) follow their cell's potential, σ' = 1; the others are silent or saturated."""
        active = (self.lower < r) & (r < self.bounds[1])
        soft = self.constraints is not None and self.constraints.magnitude
        return active & (r != 0) if soft else active

    def check(self, units: int):
        """Raise a `ParameterError` if the set is not one of so many cells."""
        sizes = {name: np.shape(values) for name, values in self.per_cell.items()}
        for name, shape in sizes.items():
            if shape not in ((), (units,)):
                raise ParameterError(f"{self.name}: {name} has shape {shape}, the layer {units} cells")
        if self.constraints is not None:
            A, b = np.shape(self.constraints.A), np.shape(self.constraints.b)
            if len(A) != 2 or A[1] != units or b != A[:1]:
                raise ParameterError(f"{self.name}: A has shape {A} and b {b}; the layer has {units} cells")

    def inhibited_by_current(self) -> "Domain":
        """The same set with the inhibition as a current and not in the threshold, as the sparse circuits published."""
        if self.name != "B_1_plus":
            raise ParameterError(f'constraints = "as_published" exists for the domain B_1_plus, not for {self.name}')
        return replace(self, nonlinearity=RECTIFIED.nonlinearity, in_place=_rectified, arguments=("u",))


def _clip_to_signed_unit_interval(u, out):
    u.clip(-1.0, 1.0, out=out)  # `np.clip` takes twice as long: it asks more


def _clip_to_unit_interval(u, out):
    u.clip(0.0, 1.0, out=out)


def _rectified(u, out):
    np.maximum(u, 0.0, out=out)


def _rectified_above(u, theta, out):
    np.subtract(u, theta, out=out)
    np.maximum(out, 0.0, out=out)


def _soft_threshold(u, theta, out):
    # u less its clipped part: ± what of |u| exceeds θ ≥ 0.
    np.subtract(u, np.clip(u, -theta, theta), out=out)


def _soft_threshold_clipped(u, theta, r_min, out):
    _soft_threshold(u, theta, out)
    np.clip(out, r_min, 1.0, out=out)


def _sigmoid(u, out):
    np.negative(u, out=out)
    np.exp(out, out=out)  # infinite at worst, and its inverse 0
    out += 1.0
    np.reciprocal(out, out=out)


#: Rates of multiplier cells: λ ≥ 0, and for equalities λ of either sign.
RECTIFIED = Domain("rectified", "clip(u, 0, inf)", _rectified, (0.0, np.inf), selects=True)
LINEAR = Domain("linear", "u", np.positive, selects=True)
#: Rates of predictive coding, which approach their bounds and never reach them.
SIGMOID = Domain("sigmoid", "1/(1 + exp(-u))", _sigmoid, (0.0, 1.0))
#: B_∞,+ = {r : 0 ≤ r_i ≤ 1}, the domain of the paper's main experiments.
NONNEGATIVE_UNIT_BOX = Domain("B_inf_plus", "clip(u, 0, 1)", _clip_to_unit_interval, (0.0, 1.0), selects=True)
#: B_∞ = {r : -1 ≤ r_i ≤ 1}.
UNIT_BOX = Domain("B_inf", "clip(u, -1, 1)", _clip_to_signed_unit_interval, (-1.0, 1.0), selects=True)


def _one_sum(units: int, **kind) -> Constraints:
    return Constraints(np.ones((1, units)), np.ones(1), **kind)


@validated
def unit_box(units: Count) -> Domain:
    """B_∞ = {r : |r_i| ≤ 1}."""
    return UNIT_BOX


@validated
def nonnegative_unit_box(units: Count) -> Domain:
    """B_∞,+ = {r : 0 ≤ r_i ≤ 1}."""
    return NONNEGATIVE_UNIT_BOX


@validated
def l1_ball(units: Count) -> Domain:
    """B_1 = {r : Σ|r_i| ≤ 1}."""
    return Domain(
        "B_1",
        f"sign(u)*clip(abs(u) - {INHIBITION}, 0, inf)",
        _soft_threshold,
        (-1.0, 1.0),
        ("u", INHIBITION),
        _one_sum(units, magnitude=True),
    )


@validated
def nonnegative_l1_ball(units: Count) -> Domain:
    """B_1,+ = {r : r_i ≥ 0, Σr_i ≤ 1}, the sparse circuits' domain."""
    return Domain(
        "B_1_plus",
        f"clip(u - {INHIBITION}, 0, inf)",
        _rectified_above,
        (0.0, np.inf),
        ("u", INHIBITION),
        _one_sum(units),
    )


@validated
def simplex(units: Count) -> Domain:
    """Unit simplex {r : r_i ≥ 0, Σr_i = 1}; its multiplier has either sign."""
    return replace(nonnegative_l1_ball(units), name="simplex", constraints=_one_sum(units, equality=True))


@validated
def features(
    units: Count,
    signed: list[Seed] = [],  # noqa: B006
    sparse: list[list[Seed]] = [],  # noqa: B006
) -> Domain:
    """Feature-based mixture: cells of either sign or nonnegative, and groups of which only few are active.

    Parameters
    ----------
    units : int
    signed : list of int
        Cells with rates in [-1, 1]; those of the others lie in [0, 1].
    sparse : list of list of int
        Groups J with Σ_J|r_i| ≤ 1. They may overlap: a cell gets the inhibition of all its groups.
    """
    _check_cells("signed", signed, units)
    for number, group in enumerate(sparse):
        _check_cells(f"sparse group {number}", group, units)
        if not group:
            raise ParameterError(f"features: sparse group {number} is empty")
    r_min = np.zeros(units)
    r_min[signed] = -1.0
    bounds = (float(r_min.min()), 1.0)
    if not sparse:
        return Domain("features", "clip(u, r_min, 1)", _clip_from, bounds, ("u", "r_min"), per_cell={"r_min": r_min})
    A = np.zeros((len(sparse), units))
    for row, group in zip(A, sparse, strict=True):
        row[group] = 1.0
    return Domain(
        "features",
        f"clip(sign(u)*clip(abs(u) - {INHIBITION}, 0, inf), r_min, 1)",
        _soft_threshold_clipped,
        bounds,
        ("u", INHIBITION, "r_min"),
        Constraints(A, np.ones(len(A)), magnitude=True),
        {"r_min": r_min},
    )


def _clip_from(u, r_min, out):
    np.clip(u, r_min, 1.0, out=out)


Row = Annotated[list[Finite], Field(min_length=1)]


@validated
def polytope(units: Count, A: Annotated[list[Row], Field(min_length=1)], b: Row) -> Domain:
    """General polytope {r : Ar ≤ b}.

    The more of its rows bear on the same cells, the longer it takes to settle.

    Parameters
    ----------
    units : int
    A : list of list of float, (constraints, units)
    b : list of float, (constraints,)
    """
    for number, row in enumerate(A):
        if len(row) != units:
            raise ParameterError(f"polytope: row {number} of A has {len(row)} numbers, the layer {units} cells")
        if not any(row):
            raise ParameterError(f"polytope: row {number} of A is zero")
    if len(b) != len(A):
        raise ParameterError(f"polytope: b has {len(b)} numbers for the {len(A)} rows of A")
    matrix, limits = np.array(A), np.array(b)
    largest = np.abs(matrix).max(axis=1)
    with np.errstate(all="ignore"):
        norms = largest * np.linalg.norm(matrix / largest[:, None], axis=1)
        scaled, bounded = matrix / norms[:, None], limits / norms
    usable = np.isfinite(norms) & np.isfinite(scaled).all(axis=1) & (np.abs(bounded) < 1e9)
    for number in np.flatnonzero(~usable):
        raise ParameterError(f"polytope: row {number} cannot be told from one without bound, or from zero; rescale it")
    from scipy.optimize import linprog  # takes long to import, and few domains need it

    found = linprog(np.zeros(units), scaled, bounded, bounds=(None, None))
    if found.status != 0:
        raise ParameterError(f"polytope: infeasible, no r fulfils all {len(b)} rows of Ar ≤ b")
    return Domain(
        "polytope",
        f"u - {INHIBITION}",
        np.subtract,
        arguments=("u", INHIBITION),
        constraints=Constraints(matrix, limits, lengths=norms),
    )


def _check_cells(what: str, cells: Sequence[int], units: int):
    for cell in cells:
        if not 0 <= cell < units:
            raise ParameterError(f"features: {what} has cell {cell}; the layer has cells 0 to {units - 1}")
    if len(set(cells)) < len(cells):
        raise ParameterError(f"features: {what} names a cell twice")


#: Domains by name: functions of the layer's number of cells, and of parameters that a set may have.
DOMAINS: dict[str, Callable[..., Domain]] = {
    "B_inf": unit_box,
    "B_inf_plus": nonnegative_unit_box,
    "B_1": l1_ball,
    "B_1_plus": nonnegative_l1_ball,
    "simplex": simplex,
    "features": features,
    "polytope": polytope,
}

#: What a circuit takes for a domain: a name, a table of a name and parameters, or a `Domain`. `domain_of` checks it.
DomainChoice = Any


def domain_of(choice: DomainChoice, units: int) -> Domain:
    """Make the domain of a layer.

    Parameters
    ----------
    choice : str, mapping or Domain
        ``"B_1_plus"``, or ``{"name": "polytope", "A": [[1, 1]], "b": [1]}``.
    units : int
        Cells of the layer.

    Raises
    ------
    ParameterError
        For an unknown name or parameter, or a domain that a layer of so many cells cannot have.
    """
    if isinstance(choice, Domain):
        choice.check(units)
        return choice
    options = dict(choice) if isinstance(choice, Mapping) else {"name": choice}
    name = options.pop("name", None)
    if not isinstance(name, str) or name not in DOMAINS:
        shown = choice if name is None else name
        raise ParameterError(f"{shown!r} is no domain; there are {', '.join(DOMAINS)}, and tables with such a name")
    allowed = [key for key in inspect.signature(DOMAINS[name]).parameters if key != "units"]
    for key in options:
        if key not in allowed:
            raise ParameterError(f"{name} has no parameter {key!r}; it has {', '.join(allowed) or 'none'}")
    return DOMAINS[name](units, **options)
