"""Cells that spike: a cell with a rate r becomes one that sends a filtered spike train s in place of it.

    τ_s ds/dt = -s,   and at each spike   s += q,   q = 1/(r_max τ_s),

where s is `train` in the equations, for recordings call Ση_i `s`. Its time average is (spikes per second)/r_max, and
`spike_rate` is the same of all spikes since a presentation has begun. What decides when a cell spikes is its *spike
generator*:

    coding               r - s ≥ q/2: it spikes as soon as its train falls behind its rate
    integrate_and_fire   dv/dt = r_max r, v ≥ 1, then v -= 1; v(0) is uniform between 0 and 1
    poisson              with probability r_max r dt in each step (escape noise)
    leaky_integrate_and_fire   V_soma ≥ V_threshold, then V_soma = V_reset (see `leaky_soma`); r is then what s says

At a constant r the coding cell's s stays within q/2 of r, and its rate is 1/(τ_s ln((r + q/2)/(r - q/2))): on average
s is less than r, by about q²/(12 r), and below r = q/2 the cell is silent. The integrate-and-fire cell spikes at
r_max r, and never is off by a whole spike. Both are regular, the Poisson cell is not.

A unit may stand for m cells of the same r that share a train, the mean of theirs: each spike then adds q/m, and all m
cells may spike in one step. Coding cells and integrate-and-fire cells of a unit take turns, as one such cell that is
m times as fast; Poisson cells are independent.
"""

import functools
from dataclasses import dataclass
from numbers import Integral
from typing import Literal

import brian2 as b2

from ..errors import ParameterError, nearest
from . import leaky_soma
from .cell import Cell, Parameter, Recordable

#: Names of the spike generators.
Generator = Literal["coding", "integrate_and_fire", "poisson", "leaky_integrate_and_fire"]

_TRAIN = """
dtrain/dt = -train/tau_s : 1                               # filtered spike train, s above
spike_count : 1                                            # spikes since the presentation began
time_on : second (shared)                                  # how long it has lasted
spike_rate = spike_count/({m}r_max*time_on) : 1            # what they make of r
"""
#: The rate in Hz of cells without spikes, whose scale labels axes, and of cells with spikes.
_RATE = ("rate = rate_scale*r : Hz", "rate = r_max*r : Hz")
#: Of units of several cells: how many of these spike now.
_FIRED = "fired : 1\n"

_PARAMETERS = (
    Parameter("r_max", "hertz", "rate for which r = 1 stands", "not in the paper; 200 Hz here"),
    Parameter("tau_s", "second", "time constant of the filtered train", "not in the paper; 40 ms here"),
    Parameter("tau_ref", "second", "refractory time", "not in the paper; 2 ms here"),
)

_RECORDABLES = (
    Recordable("train", "1", "", "filtered spike train"),
    Recordable("spike_count", "1", "", "spikes since the presentation began", by_default=False),
    Recordable("spike_rate", "1", "", "these in each second, over r_max", by_default=False),
)


@dataclass(frozen=True)
class _Generator:
    """What decides when the m cells of a unit spike, with ``{m}`` in Brian2's strings.

    Parameters
    ----------
    threshold, reset, equations : str
        As Brian2 takes them; `reset` and `equations` beside those of the train.
    fired : str
        How many cells of a unit that has reached its threshold spike, where it has several.
    drawn : str
        Whether a cell spikes in a step, of generators whose cells draw that independently: in place of the threshold
        where a unit has several.
    state : tuple of str
        State variables beside those of the train.
    uniform : tuple of str
        Those of them that are uniform between 0 and 1 at rest.
    largest_quantum : float
        Largest q at which it codes its rate.
    jump : str
        What a spike does to the train.
    """

    threshold: str
    reset: str = ""
    equations: str = ""
    fired: str = ""
    drawn: str = ""
    state: tuple[str, ...] = ()
    uniform: tuple[str, ...] = ()
    largest_quantum: float = float("inf")
    jump: str = "train += 1/(r_max*tau_s)"

    def attributes(self, m: int) -> dict:
        """Equations, threshold, reset and refractory time of units of m cells."""
        draws = [f"fired += int({self.drawn})"] * m if m > 1 and self.drawn else []  # Brian2 takes one rand() a line
        fired = "1" if m == 1 else "fired"
        resets = [f"fired = {self.fired}" * (m > 1 and not self.drawn), self.reset.format(fired=fired)]
        resets += [f"train += {fired}/({m}*r_max*tau_s)" if m > 1 else self.jump]
        return {
            "equations": (_TRAIN + _FIRED * (m > 1) + self.equations).format(m=f"{m}*" * (m > 1)),
            "threshold": "fired > 0" if draws else self.threshold.format(m=f"{m}*" * (m > 1)),
            "reset": "\n".join(filter(None, (*resets, f"spike_count += {fired}"))).format(m=m),
            "refractory": f"tau_ref/{m}" if m > 1 else "tau_ref",
            "each_step": "\n".join(["fired = 0", *draws] if draws else []),
            "state": ("train", "spike_count", "time_on", *(("fired",) if m > 1 else ()), *self.state),
        }


#: The spike generators, by name.
GENERATORS = {
    "coding": _Generator(
        "r - train >= 0.5/({m}r_max*tau_s)",
        fired="clip(floor({m}*r_max*tau_s*(r - train) + 0.5), 1, {m})",
        largest_quantum=0.5,
    ),
    "integrate_and_fire": _Generator(
        "v >= 1", "v -= {fired}", "dv/dt = {m}r_max*r : 1\n", fired="floor(v)", state=("v",), uniform=("v",)
    ),
    "poisson": _Generator("rand() < r_max*r*dt", drawn="rand() < r_max*r*dt"),
    "leaky_integrate_and_fire": _Generator(
        "V_soma >= V_threshold", "u = (V_reset - V_rest)/V_scale", jump=leaky_soma.JUMP
    ),
}


class _Spiking:
    """What `spiking` adds to a kind of cell: bounds on its parameters and on the step, and pickling."""

    def __init__(self, **values):
        super().__init__(**values)
        name, generator = type(self).__name__, GENERATORS[self.generator]
        for row in _PARAMETERS:
            value, least = self.values[row.name], "at least 0" if row.name == "tau_ref" else "greater than 0"
            if float(value) < 0 or (float(value) == 0 and row.name != "tau_ref"):
                raise ParameterError(f"{name}: {row.name} = {value}: should be {least}")
        r_max, tau_ref = self.values["r_max"], self.values["tau_ref"]
        if self.quantum > generator.largest_quantum * (1 + 1e-12):
            what, total = ("", r_max) if self.cells == 1 else (f"{self.cells} ", self.cells * r_max)
            raise ParameterError(
                f"{name}: q = 1/({what}r_max tau_s) = {self.quantum:.3g}: should be at most "
                f"{generator.largest_quantum:g}, so tau_s at least "
                f"{1 / (generator.largest_quantum * total) / b2.ms:g} ms at r_max = {r_max}"
            )
        if float(r_max * tau_ref) > 1 + 1e-12:
            raise ParameterError(
                f"{name}: tau_ref = {tau_ref} caps the rate at {1 / tau_ref}, below r_max = {r_max}; "
                f"it should be at most {1 / r_max / b2.ms:g} ms"
            )
        if tau_ref == 0 and not self.saturates:
            self.refractory = ""  # nothing to be kept and compared in each step
        self.at_rest = {**self.at_rest, **dict.fromkeys(generator.uniform, (0.0, 1.0))}

    @property
    def quantum(self) -> float:
        """By how much a spike raises the train, unless that `saturates`."""
        return 1 / float(self.cells * self.values["r_max"] * self.values["tau_s"])

    def check_step(self, dt: b2.Quantity):
        """Raise a `ParameterError` if a cell could spike more than once in a step, of which all but one are lost."""
        r_max = self.values["r_max"]
        if float(r_max * dt) > 1 + 1e-12:
            raise ParameterError(
                f"{type(self).__name__}: r_max = {r_max}: several spikes in a step of {dt / b2.ms:g} ms would be lost; "
                f"r_max should be at most {1 / dt / b2.Hz:g} Hz, or the step at most {1 / r_max / b2.ms:g} ms"
            )

    def __reduce_ex__(self, protocol):
        return _unpickled, (self.rate_kind, self.generator, self.cells), self.__dict__


def spiking(kind: type[Cell], generator: Generator, cells: int = 1) -> type[Cell]:
    """Make the kind of cell that spikes as a spike generator has it, where a kind of cell has a rate.

    Parameters
    ----------
    kind : type of Cell
        Any with a rate `r`: of a hidden layer, of an output layer, or `StimulusCell` for inputs that spike.
    generator : {"coding", "integrate_and_fire", "poisson", "leaky_integrate_and_fire"}
        Of the last, cells without a somatic potential, such as those of the stimulus, integrate and fire.
    cells : int, default 1
        m, the cells that a unit stands for; a leaky soma is one cell.

    Returns
    -------
    type of Cell
        Its constructor takes what `kind` takes, and `r_max`, `tau_s` and `tau_ref` (0 for none); with a leaky soma also
        `V_threshold`, `V_reset` and `V_rest`, which have defaults. Its outputs are those of `kind` and the filtered
        train `train`, which a `Projection` carries with ``output="train"``.

    Raises
    ------
    ParameterError
        If there is no such generator, `cells` is no whole number from 1, or `kind` has no rate or spikes already. And
        when a cell is made: if r_max τ_s < 2 in a coding cell (q > ½), or the refractory time caps the rate below
        r_max.

    Notes
    -----
    Drives arrive where they do in `kind`; r = σ(u) is what the cell would send if it did not spike. A step sees the
    r that the step before has left. r < 0 gives no spikes. What a kind calls `sent`, r, becomes its train. With a leaky
    soma it is u that spikes and is reset; r is σ(s), what interneurons and readouts see of the cell.
    """
    if generator not in GENERATORS:
        raise ParameterError(f"no spike generator {generator!r}; {nearest(generator, GENERATORS)}")
    if kind.threshold:
        raise ParameterError(f"{kind.__name__} spikes already")
    if "r" not in kind.outputs:
        raise ParameterError(f"{kind.__name__} has no rate r that spikes could carry")
    if not isinstance(cells, Integral) or isinstance(cells, bool) or cells < 1:
        raise ParameterError(f"cells of a unit: {cells!r} must be a whole number from 1")
    if generator == "leaky_integrate_and_fire" and cells > 1:
        raise ParameterError(f"cells of a unit: {cells}: a leaky soma is one cell; take 1, or another spike generator")
    if generator == "leaky_integrate_and_fire" and not leaky_soma.has_soma(kind.equations):
        generator = "integrate_and_fire"
    return _made(kind, generator, int(cells))


@functools.cache
def _made(kind: type[Cell], generator: Generator, cells: int) -> type[Cell]:
    found, leaky = GENERATORS[generator].attributes(cells), generator == "leaky_integrate_and_fire"
    equations = leaky_soma.leaky(kind.equations) if leaky else kind.equations
    attributes = {
        "__doc__": f"{kind.__name__} that spikes ({generator}); see `spiking`.",
        "rate_kind": kind,
        "generator": generator,
        "cells": cells,
        "parameters": (*kind.parameters, *_PARAMETERS, *(leaky_soma.PARAMETERS if leaky else ())),
        "potential": "train" if leaky else kind.potential,
        "membrane": kind.potential if leaky else kind.membrane,
        "outputs": (*kind.outputs, "train"),
        "recordables": (*kind.recordables, *_RECORDABLES),
        "counts": ("spike_count", "time_on"),
        "saturates": leaky,
        **found,
        "equations": equations.replace("sent = r : 1", "sent = train : 1").replace(*_RATE) + found["equations"],
        "state": (*kind.state, *found["state"]),
    }
    bases = (leaky_soma.LeakySoma, _Spiking, kind) if leaky else (_Spiking, kind)
    return type(f"Spiking{kind.__name__}", bases, attributes)


def _unpickled(kind: type[Cell], generator: str, cells: int) -> Cell:
    found = _made(kind, generator, cells)
    return found.__new__(found)
