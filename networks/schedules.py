"""Schedules: a number, such as a learning rate, as a function of how far training has come."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field

from ..errors import ParameterError
from ..parameters import Count, Finite, Index, NonNegative, validated_fields


@dataclass(frozen=True)  # not validated: one is made for each minibatch
class Progress:
    """How far training has come.

    Parameters
    ----------
    epoch : int, default 0
        Epochs that are done.
    presentation : int, default 0
        Minibatches that have been learnt from, through all epochs.
    """

    epoch: int = 0
    presentation: int = 0


#: A number as a function of progress.
Schedule = Callable[[Progress], float]


@validated_fields
@dataclass(frozen=True)
class Constant:
    """The same value at all times.

    Parameters
    ----------
    value : float
    """

    value: Finite

    def __call__(self, progress: Progress) -> float:
        """Value at this point of training."""
        return self.value


@validated_fields
@dataclass(frozen=True)
class EpochDecay:
    """A value that decays by epoch: value · d_jᵉ from the epoch on at which piece j begins.

    Parameters
    ----------
    value : float
    decay : tuple of (int, float)
        Pieces (first epoch, d), in order. ((0, .95), (15, .9)) is the published schedule: .95ᵉ before epoch 15, then
        .9ᵉ, which is a drop.

    Raises
    ------
    ParameterError
        For pieces that do not begin with 0, or do not increase.
    """

    value: Finite
    decay: Annotated[tuple[tuple[Index, Finite], ...], Field(min_length=1)] = ((0, 1.0),)

    def __post_init__(self):
        check_pieces("EpochDecay", self.decay)

    def __call__(self, progress: Progress) -> float:
        """Value at this point of training."""
        factor = next(factor for first, factor in reversed(self.decay) if progress.epoch >= first)
        return self.value * factor**progress.epoch


@validated_fields
@dataclass(frozen=True)
class LinearDecay:
    """A value that falls in a straight line, minibatch by minibatch, and then stays: value · max(1 - t/T, floor).

    Parameters
    ----------
    value : float
    presentations : int
        T, the minibatches after which it would be 0. At least 1.
    floor : float, default .02
        Fraction of the value that remains.

    Raises
    ------
    ParameterError
        For another `presentations`.
    """

    value: Finite
    presentations: Count
    floor: NonNegative = 0.02

    @property
    def end(self) -> int:
        """Minibatches after which the value stays; a schedule that has such an end is judged by it."""
        return self.presentations

    def __call__(self, progress: Progress) -> float:
        """Value at this point of training."""
        return self.value * max(1 - progress.presentation / self.presentations, self.floor)


@validated_fields
@dataclass(frozen=True)
class Staircase:
    """A value that is multiplied by a factor every so many epochs or presentations.

    Parameters
    ----------
    value, factor : float
    every : int
        At least 1.
    unit : {"epochs", "presentations"}

    Raises
    ------
    ParameterError
        For another `every` or `unit`.
    """

    value: Finite
    factor: Finite
    every: Count
    unit: Literal["epochs", "presentations"] = "epochs"

    def __call__(self, progress: Progress) -> float:
        """Value at this point of training."""
        done = progress.epoch if self.unit == "epochs" else progress.presentation
        return self.value * self.factor ** (done // self.every)


@validated_fields
@dataclass(frozen=True)
class InverseTime:
    """value/(offset + t), t the presentations that are done: what stochastic approximation converges with.

    Parameters
    ----------
    value : float
    offset : float
        Above 0.

    Raises
    ------
    ParameterError
        For another `offset`.
    """

    value: Finite
    offset: Finite

    def __post_init__(self):
        if not self.offset > 0:
            raise ParameterError(f"InverseTime: offset = {self.offset}: must be above 0")

    def __call__(self, progress: Progress) -> float:
        """Value at this point of training."""
        return self.value / (self.offset + progress.presentation)


def check_pieces(what: str, decay: Sequence[tuple[int, float]]):
    """Raise a `ParameterError` unless the pieces of an `EpochDecay` begin with epoch 0 and follow each other.

    Parameters
    ----------
    what : str
        What errors call them.
    decay : sequence of (int, float)
    """
    firsts = [first for first, _ in decay]
    if firsts[:1] != [0] or any(a >= b for a, b in pairwise(firsts)):
        raise ParameterError(f"{what}: the pieces' first epochs must begin with 0 and increase")


def as_schedule(value: float | Schedule) -> Schedule:
    """Take a number for a constant schedule."""
    return value if callable(value) else Constant(value)
