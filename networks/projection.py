"""Projections carry an output of a population through weights to a drive slot of another population.

Dense weights are NumPy arrays (post, pre) shared by all replicas, and one BLAS product a step writes the drive into
the target's own buffer. What several projections bring into one slot adds up. `SynapticTransmission` does the same with
real Brian2 `Synapses`, one copy of the weights for each replica: some hundred times slower for dense weights, the
oracle of the tests, and the choice for sparse circuits.
"""

import functools
import operator
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import brian2 as b2
import numpy as np

from ..errors import ParameterError
from ..models import Cell
from ..parameters import Index, NonNegative, Number, Switch, validated_fields
from .delays import DelayLine, steps_of
from .interval import Interval
from .plasticity import Weights
from .population import Population, PopulationSpec

Pattern = Literal["dense", "one_to_one", "synapses", "events"]
Function = Literal["", "abs", "nonzero"]

_FUNCTIONS = {"": np.positive, "abs": np.abs, "nonzero": np.bool_}
_EXPRESSIONS = {"": "{}", "abs": "abs({})", "nonzero": "int({} != 0)"}


@validated_fields
@dataclass(frozen=True)
class Projection:
    """What a circuit declares of a projection.

    Parameters
    ----------
    source, target : str
        Populations.
    slot : str
        Drive slot of the target's cells. What several projections bring into it adds up.
    weights : (str, int)
        Place in the circuit's weights: (post, pre) for dense patterns, (cells,) for one-to-one.
    pattern : {"dense", "one_to_one", "synapses", "events"}
        The last is for trains of spiking cells; see `synaptic_events`.
    every : int or Interval, default 1
        Update the drive on every n-th step only, counted from each phase's start. Of an `Interval` n may change.
    constant : bool, default False
        The source is held while an input is on: one product for each input.
    output : str, default "r"
        Which of the source's outputs is carried.
    function : {"", "abs", "nonzero"}
        What of the output is carried: itself, its modulus, or whether it is other than 0.
    transposed : bool, default False
        Whether the weights, which then are (pre, post), are carried from their postsynaptic to their presynaptic side.
    delay : float, default 0
        Time, in ms, that signals are on their way, rounded to whole steps. What is on its way is no part of a
        checkpoint; a presentation that begins at rest begins without.
    """

    source: str
    target: str
    slot: str
    weights: tuple[str, Index]
    pattern: Pattern = "dense"
    every: Annotated[int, Number] | Interval = 1
    constant: Switch = False
    output: str = "r"
    function: Function = ""
    transposed: Switch = False
    delay: NonNegative = 0.0

    @property
    def name(self) -> str:
        """Name of the Brian2 object that stands for this projection."""
        return f"{self.source}_to_{self.target}_{self.slot}"

    @property
    def interval(self) -> int:
        """Steps between two updates of the drive, at present."""
        return operator.index(self.every)

    @property
    def signal(self) -> str:
        """What is carried, as an expression: ``r``, ``abs(r)``, …."""
        return _EXPRESSIONS[self.function].format(self.output)

    def check(self, weights: Weights, specs: Mapping[str, PopulationSpec]):
        """Raise a `ParameterError` if output, slot or weights do not exist or do not fit."""
        source, target = specs[self.source], specs[self.target]
        if self.output not in source.cell.outputs:
            raise ParameterError(
                f"{self.name}: {type(source.cell).__name__} has no output {self.output!r}; "
                f"it has {', '.join(source.cell.outputs) or 'none'}"
            )
        if self.interval < 1:
            raise ParameterError(f"{self.name}: every = {self.every!r} must be a whole number from 1")
        if self.constant and _moves(source.cell):
            raise ParameterError(f"{self.name}: is constant, and {self.source} moves by itself or is driven")
        if self.delay and (self.constant or self.pattern == "synapses"):
            what = "is constant" if self.constant else "goes by Synapses, which sum up at once"
            raise ParameterError(f"{self.name}: delay = {self.delay:g}: {what}; leave the delay out")
        if self.pattern == "synapses" and self.every != 1:
            raise ParameterError(
                f"{self.name}: every = {self.every} needs another pattern; Synapses sum up in each step"
            )
        carried = (self.output, self.every, self.transposed, self.function, self.delay)
        if self.pattern == "events" and (carried != ("train", 1, False, "", 0) or source.cell.saturates):
            raise ParameterError(
                f"{self.name}: events carry a train in which all spikes are alike, in each step and without delay; "
                "take another pattern"
            )
        shape = (source.size, target.size) if self.transposed else (target.size, source.size)
        _check_entrance(self, weights, target, shape[:1] if self.pattern == "one_to_one" else shape)
        if self.pattern == "one_to_one" and source.size != target.size:
            raise ParameterError(f"{self.name}: one to one, from {source.size} to {target.size} cells")


@validated_fields
@dataclass(frozen=True)
class Bias:
    """What a circuit declares of a bias: a projection from a constant.

    Parameters
    ----------
    target : str
        Population.
    slot : str
        Drive slot of its cells.
    weights : (str, int)
        Place in the circuit's weights, (cells,).
    """

    target: str
    slot: str
    weights: tuple[str, Index]
    source = None
    pattern = "bias"
    every = 1
    interval = 1
    constant = True
    transposed = False
    signal = "1"

    @property
    def name(self) -> str:
        """Name for messages and descriptions."""
        return f"bias_of_{self.target}_{self.slot}"

    def check(self, weights: Weights, specs: Mapping[str, PopulationSpec]):
        """Raise a `ParameterError` if slot or weights do not exist or do not fit."""
        _check_entrance(self, weights, specs[self.target], (specs[self.target].size,))


def _moves(cell: Cell) -> bool:
    """Whether a cell's variables change while an input is on."""
    return bool(cell.drives or cell.each_step or cell.threshold or cell.parsed.diff_eq_names)


def _check_entrance(item: Projection | Bias, weights: Weights, target: PopulationSpec, shape: tuple[int, ...]):
    if item.slot not in target.cell.drives:
        raise ParameterError(
            f"{item.name}: {type(target.cell).__name__} has no drive slot {item.slot!r}; "
            f"it has {', '.join(target.cell.drives) or 'none'}"
        )
    key, k = item.weights
    if k not in weights.get(key, {}):
        there = ", ".join(f"{name}[{n}]" for name, arrays in weights.items() for n in arrays)
        raise ParameterError(f"{item.name}: no weights {key}[{k}]; this circuit has {there}")
    if np.shape(weights[key][k]) != shape:
        raise ParameterError(f"{item.name}: weights {key}[{k}] have shape {np.shape(weights[key][k])}, need {shape}")


class Transmission:
    """A projection or bias between mounted populations: what it brings into its slot.

    Parameters
    ----------
    projection : Projection or Bias
    source : Population or None
        None for a bias.
    target : Population
    weights : dict
        The circuit's weights, looked up at each call so that the circuit may exchange arrays.
    """

    def __init__(self, projection: Projection | Bias, source: Population | None, target: Population, weights: Weights):
        self.projection, self.source = projection, source
        self._weights = weights
        read = None if source is None else source.output(projection.output)
        if read is not None and projection.function:
            function = _FUNCTIONS[projection.function]
            self._read = lambda: function(read())
        else:
            self._read = read
        self.line = self._line()
        #: ``bring(out)`` computes what the signal brings that is there now, (replicas, cells), in place.
        self.bring = self._bringer()
        #: ``step(out)`` does so in a step of time, in which a signal that is delayed moves on.
        self.step = self.bring if self.line is None else self._move_on

    def _line(self) -> DelayLine | None:
        """What holds signals that are on their way, if there are any."""
        delay = getattr(self.projection, "delay", 0.0)
        if not delay:
            return None
        line = DelayLine(self._read, steps_of(delay, 1e3 * float(self.source.group.clock.dt), self.projection.source))
        self._read = line.read
        return line

    def _move_on(self, out: np.ndarray):
        self.line.take()
        self.bring(out)

    def _bringer(self) -> Callable[[np.ndarray], object]:
        """Make the function that is called in each step, with nothing left to decide."""
        weights, (key, k), read = self._weights, self.projection.weights, self._read
        if self.source is None:
            return lambda out: np.copyto(out, weights[key][k])
        if self.projection.pattern == "one_to_one":
            return lambda out: np.multiply(read(), weights[key][k], out=out)
        if self.projection.transposed:
            return lambda out: np.dot(read(), weights[key][k], out=out)
        return lambda out: np.dot(read(), weights[key][k].T, out=out)

    def weights(self) -> np.ndarray:
        """Present weights."""
        key, k = self.projection.weights
        return self._weights[key][k]

    def note_held(self, held: Collection[tuple[str, str]]):
        """Take note of the variables, by population and name, that are held from now on; here nothing follows."""

    def begin(self, out: np.ndarray):
        """Compute what a presentation begins with; a silent source needs no product."""
        if self.source is None or self._read().any():
            self.bring(out)
        else:
            out[...] = 0


class Drive:
    """A drive slot, and all that is brought into it.

    What does not change while an input is on is computed once and kept, the rest in each step.

    Parameters
    ----------
    target : Population
    slot : str
    transmissions : sequence of Transmission

    Attributes
    ----------
    varying : bool
        Whether anything is to be computed in a step.
    """

    def __init__(self, target: Population, slot: str, transmissions: Sequence[Transmission]):
        self.target, self.slot = target, slot
        self.transmissions = tuple(transmissions)
        self.drive = target.view(slot)
        self._constant = [item for item in transmissions if item.projection.constant]
        self._varying = [item for item in transmissions if not item.projection.constant]
        self.varying = bool(self._varying)
        self._kept = np.zeros_like(self.drive) if self._constant and self._varying else None
        self._alone = len(self._varying) == 1 and not self._constant
        self._parts = [self.drive if self._alone else np.zeros_like(self.drive) for _ in self._varying]

    @property
    def name(self) -> str:
        """Name for messages."""
        return f"{self.target.name}.{self.slot}"

    @property
    def is_autapse(self) -> bool:
        """Whether it holds w r, w the weights of cells with themselves, and nothing else, at any time."""
        if not self._alone:
            return False
        projection, transmission = self._varying[0].projection, self._varying[0]
        return (
            projection.pattern == "one_to_one"
            and transmission.source is self.target
            and (projection.signal, projection.every, projection.delay) == ("r", 1, 0)
        )

    def weights(self) -> np.ndarray:
        """Present weights of the only projection into this slot."""
        (transmission,) = self.transmissions
        return transmission.weights()

    def begin(self, within: bool = False):
        """Compute what stays as it is while an input is on; `within` a phase the rest stays what it was."""
        kept = self.drive if self._kept is None else self._kept
        for number, item in enumerate(self._constant):
            brought = kept if number == 0 else np.empty_like(kept)
            item.bring(brought)
            if number:
                kept += brought
        if within and self._kept is not None:
            self._sum()

    def follow(self):
        """Compute what varies from the present signals, as when they have been set anew."""
        if not self._varying:
            return
        for item, part in zip(self._varying, self._parts, strict=True):
            item.begin(part)
        self._sum()

    def compute(self):
        """Compute the drive from all signals, as when an input or weights have changed."""
        self.begin()
        self.follow()

    def update(self, due: Callable[[int], bool]):
        """Compute what varies from the present signals; ``due(n)`` tells whether every n-th step is now."""
        for item, part in zip(self._varying, self._parts, strict=True):
            every = item.projection.interval
            if every == 1 or due(every):
                item.step(part)
        self._sum()

    def forget(self):
        """Let signals that are on their way be those of the present."""
        for item in self._varying:
            if item.line is not None:
                item.line.forget()

    def updater(self, due: Callable[[int], bool]) -> Callable[[], object]:
        """Make what does `update` in each step, with nothing left to decide."""
        if not self._alone:
            return functools.partial(self.update, due)
        (item,) = self._varying
        at_once = functools.partial(item.step, self.drive)
        if item.projection.every == 1:  # an `Interval` never is, for it may change
            return at_once
        return lambda: at_once() if (every := item.projection.interval) == 1 or due(every) else None

    def _sum(self):
        if self._alone or not self._varying:
            return
        parts = self._parts if self._kept is None else [self._kept, *self._parts]
        np.copyto(self.drive, parts[0])
        for part in parts[1:]:
            np.add(self.drive, part, out=self.drive)


class SynapticTransmission(Transmission):
    """A projection by Brian2 `Synapses`, each replica with its own copy of the weights.

    Brian2 sums up in each step; `bring` computes the drive that a presentation begins with.

    Parameters
    ----------
    projection, source, target, weights
        As in `Transmission`.
    code_object_class : type of CodeObject

    Attributes
    ----------
    synapses : Synapses
    """

    def __init__(
        self, projection: Projection, source: Population, target: Population, weights: Weights, code_object_class
    ):
        super().__init__(projection, source, target, weights)
        signal = _EXPRESSIONS[projection.function].format(f"{projection.output}_pre")
        self.synapses = b2.Synapses(
            source.group,
            target.group,
            f"w : 1\n{projection.slot}_post = w*{signal} : 1 (summed)",
            clock=target.group.clock,
            dtype=target.view(projection.slot).dtype,
            codeobj_class=code_object_class,
            name=projection.name,
        )
        post, pre = np.indices((target.size, source.size)).reshape(2, -1)
        replica = np.arange(source.replicas)[:, None]
        self.synapses.connect(
            i=(replica * source.size + pre).ravel(), j=(replica * target.size + post).ravel(), skip_if_invalid=False
        )
        self._replicas = source.replicas
        if projection.constant:  # computed once for each input, as in the dense form
            self.synapses.contained_objects.remove(self.updater)
        self.copy_weights()

    @property
    def updater(self):
        """Brian2's object that sums up in each step."""
        return self.synapses.summed_updaters[f"{self.projection.slot}_post"]

    def copy_weights(self):
        """Take the circuit's present weights over into the synapses."""
        weights = self.weights().T if self.projection.transposed else self.weights()
        self.synapses.variables["w"].get_value()[:] = np.tile(weights.ravel(), self._replicas)
