"""Plasticity: what a rule reads, when it acts, and the weight change that it finds.

A rule is a pure function of the weights and of what it reads of a presentation's phases; it returns ΔW. How far to go
along ΔW (learning rate, decay, forgetting) is no matter of the rule: that stands in `optimisers.py`.
"""

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from numbers import Integral
from typing import Any, Literal, Protocol

import numpy as np

from ..errors import ParameterError
from ..parameters import Index, Switch, validated_fields

Weights = dict[str, dict[int, np.ndarray]]

#: Least difference of contrasted βs, and least mean of an oscillating one, in units of the largest |β|.
LEAST_CONTRAST = 1e-6


class Change(Protocol):
    """A weight change ΔW, in whatever form is cheapest to apply."""

    def dense(self) -> np.ndarray:
        """ΔW as an array of the weights' shape."""

    def block(self, *cells) -> np.ndarray:
        """ΔW of chosen cells along each axis."""

    def norm(self) -> float:
        """Frobenius norm of ΔW."""

    def add_to(self, weights: np.ndarray, rate: float, keep: float = 1.0) -> None:
        """weights ← keep · weights + rate · ΔW; with keep = 0 whatever the weights are, even NaN."""

    def add_to_symmetric(self, weights: np.ndarray, rate: float, keep: float = 1.0) -> None:
        """As `add_to` for a symmetric ΔW, so that symmetry is exact, always."""


@dataclass(frozen=True)
class OuterProducts:
    """A weight change ΔW = scale · postᵀ pre.

    Parameters
    ----------
    post : ndarray (m, N_post)
    pre : ndarray (m, N_pre)
        Postsynaptic and presynaptic signals of m events.
    scale : float
    """

    post: np.ndarray
    pre: np.ndarray
    scale: float = 1.0

    @property
    def shape(self) -> tuple[int, ...]:
        """(N_post, N_pre)."""
        return (*self.post.shape[1:], *self.pre.shape[1:])

    def dense(self) -> np.ndarray:
        """ΔW as an array (N_post, N_pre)."""
        return self.block()

    def block(self, post=slice(None), pre=slice(None)) -> np.ndarray:
        """ΔW of the synapses between chosen cells, an array (post, pre)."""
        return self.scale * (self.post[:, post].T @ self.pre[:, pre])

    def norm(self) -> float:
        """Frobenius norm of ΔW, from products of events with events: small, where ΔW is large."""
        post, pre = self.post.astype(float), self.pre.astype(float)
        return abs(self.scale) * float(np.sqrt(max(np.vdot(post @ post.T, pre @ pre.T), 0.0)))

    def add_to(self, weights: np.ndarray, rate: float, keep: float = 1.0):
        """weights ← keep · weights + rate · ΔW, in one pass over the weights."""
        gemm = _blas("gemm", weights.dtype)
        updated = gemm(rate * self.scale, self.post.T, self.pre.T, keep, weights, trans_b=True, overwrite_c=True)
        _keep_in_place(weights, updated)

    def add_to_symmetric(self, weights: np.ndarray, rate: float, keep: float = 1.0, block: int = 64):
        """As `add_to` for post = pre: computes one triangle and mirrors it, so that symmetry is exact, always."""
        syrk = _blas("syrk", weights.dtype)
        updated = syrk(rate * self.scale, self.post.T, keep, weights, overwrite_c=True)
        _keep_in_place(weights, updated)
        for start in range(0, len(weights), block):
            stop = start + block
            weights[start:stop, :start] = weights[:start, start:stop].T
            corner = weights[start:stop, start:stop]
            np.copyto(corner, corner.T, where=_below_diagonal(len(corner)))


@functools.cache
def _below_diagonal(n: int) -> np.ndarray:
    return np.tri(n, k=-1, dtype=bool)


@functools.cache
def _blas(name: str, dtype: np.dtype) -> Callable:
    """BLAS' function of a name for a type."""
    from scipy.linalg.blas import get_blas_funcs

    return get_blas_funcs(name, dtype=dtype)


def add_scaled(weights: np.ndarray, rate: float, change: np.ndarray):
    """weights ← weights + rate · change, two arrays of one shape and type, in one pass over them."""
    flat = weights.ravel(order="K")
    if weights.strides != change.strides or not np.may_share_memory(flat, weights):
        weights += rate * change
        return
    _blas("axpy", weights.dtype)(change.ravel(order="K"), flat, a=rate)


def _keep_in_place(weights: np.ndarray, updated: np.ndarray):
    # BLAS updates a copy if an array that the user has put in place is not in Fortran order.
    if not np.may_share_memory(weights, updated):
        weights[...] = updated


@dataclass(frozen=True)
class DenseChange:
    """A weight change that is no sum of few outer products, such as one of biases.

    Parameters
    ----------
    change : ndarray
        ΔW.
    """

    change: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the weights."""
        return np.shape(self.change)

    def dense(self) -> np.ndarray:
        """ΔW."""
        return self.change

    def block(self, *cells) -> np.ndarray:
        """ΔW of chosen cells along each axis."""
        return self.change[np.ix_(*(np.arange(n)[axis] for axis, n in zip(cells, self.change.shape, strict=True)))]

    def norm(self) -> float:
        """Frobenius norm of ΔW."""
        return float(np.linalg.norm(self.change.astype(float)))

    def add_to(self, weights: np.ndarray, rate: float, keep: float = 1.0):
        """weights ← keep · weights + rate · ΔW."""
        if self.shape != weights.shape:
            raise ParameterError(f"a change of shape {self.shape} for weights {weights.shape}")
        if keep == 0:
            np.multiply(rate, self.change, out=weights)
            return
        if keep != 1:
            weights *= keep
        weights += rate * self.change

    def add_to_symmetric(self, weights: np.ndarray, rate: float, keep: float = 1.0):
        """As `add_to`, exactly symmetric."""
        self.add_to(weights, rate, keep)
        weights[...] = (weights + weights.T) / 2


@validated_fields
@dataclass(frozen=True)
class Readout:
    """What learning sees of a phase: signals at its end, their means over a part, or their lock-in to its teacher.

    Parameters
    ----------
    phase : str
        Name of a phase, or the part that a phase plays in its protocol: "plus" or "minus" of a contrast.
    last : int or "all", optional
        Steps at the phase's end over which to average, or all of a phase that is cut shorter; without it the state at
        the end is read.
    lock_in : int, optional
        Reads (2/T) Σ_i b(i - lock_in) x_i of a phase of T steps in which the teacher oscillates, β(i) = β b(i): by how
        much the signals x follow the teacher, this many steps behind it. A running sum, as a synapse could keep that
        sees the oscillation late. Where T is no whole number of cycles, b's own mean is taken away, so that what
        stands still adds nothing, and 2/T is 1/Σ (b - mean) b.

    In a rule that acts in every step, a mean is that of the phase's steps so far, and `lock_in` gives the present
    signals with the present weight of the sum, as their `gate`.
    """

    phase: str
    last: Any = None
    lock_in: Index | None = None

    def __post_init__(self):
        whole = isinstance(self.last, Integral) and not isinstance(self.last, bool)
        if self.last not in (None, "all") and not (whole and self.last >= 1):
            raise ParameterError(
                f'readout of phase {self.phase!r}: last = {self.last!r} must be a whole number from 1, or "all"'
            )
        if self.last is not None and self.lock_in is not None:
            raise ParameterError(f"readout of phase {self.phase!r}: takes last or lock_in, not both")

    @property
    def at_the_end(self) -> bool:
        """Whether it is the state at the phase's end."""
        return self.last is None and self.lock_in is None

    def weights(self, course: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        """Weights of a phase's steps in the sum that is read, those of their β, and what both sums are divided by.

        Parameters
        ----------
        course : ndarray (steps,)
            b, β in units of the presentation's.
        """
        steps = len(course)
        if self.lock_in is not None:
            gate = _gate(course)
            if gate is course:
                gate = 2 / steps * course
                return np.roll(gate, self.lock_in), gate, 1.0
            late = _gate(course[: steps - self.lock_in])
            return np.concatenate([np.zeros(self.lock_in), late / (late @ late)]), gate / (gate @ gate), 1.0
        last = steps if self.last == "all" else min(self.last, steps)
        chosen = np.repeat([0.0, 1.0], [steps - last, last])
        return chosen, chosen, float(last)


def _gate(course: np.ndarray) -> np.ndarray:
    """What of an oscillation is orthogonal to what stands still: all of it, in whole cycles."""
    mean = course.mean()
    return course if abs(mean) <= LEAST_CONTRAST * np.abs(course).max() else course - mean


@validated_fields
@dataclass(frozen=True)
class Plasticity:
    """A rule, what it reads, when it acts, and the optimiser that applies its ΔW.

    Parameters
    ----------
    rule : callable
        ``rule(weights, *states) -> Change``, with the `PhaseEnd` of each readout, in their order.
    optimiser : object
        Has a `target`, the weights that it moves; ``step(weights, change, progress, duration)``; `state_dict` and
        `load_state_dict`; and `in_steps`, whether it can act in every step.
    reads : tuple of str or Readout, default ("plus", "minus")
        Phases, or the parts that they play in the protocol. A name stands for the state at the phase's end.
    when : {"presentation", "phase", "step", "spike"}
        When ΔW is found and applied: at the end of a learning presentation; at the end of the phase that is read
        first; in each step of that phase, of which it then sees the present state; or in those of its steps in which a
        cell spikes. Then the state has also `spikes`, (replicas, cells) by layer, True of the cells that spike, and ΔW
        is applied whole, where in every step it is multiplied by the step.
    triggers : tuple of int, default ()
        Layers whose spikes a rule of ``when="spike"`` waits for, 0 for the stimulus; all that spike by default.
    optional : bool, default False
        Whether the rule rests under a protocol that lacks a phase which it reads; else such a protocol is refused.

    Raises
    ------
    ParameterError
        If nothing is read, the rule takes other arguments than it gets, or a rule that acts in every step has an
        optimiser that cannot.
    """

    rule: Callable[..., Change]
    optimiser: Any
    reads: str | Readout | tuple[str | Readout, ...] = ("plus", "minus")
    when: Literal["presentation", "phase", "step", "spike"] = "presentation"
    optional: Switch = False
    triggers: tuple[Index, ...] = ()
    readouts: tuple[Readout, ...] = field(init=False, repr=False)

    def __post_init__(self):
        reads = (self.reads,) if isinstance(self.reads, str | Readout) else self.reads
        readouts = tuple(read if isinstance(read, Readout) else Readout(read) for read in reads)
        object.__setattr__(self, "readouts", readouts)
        if self.when not in ("presentation", "phase", "step", "spike"):
            raise ParameterError(f"{self}: when = {self.when!r} must be 'presentation', 'phase', 'step' or 'spike'")
        if self.triggers and self.when != "spike":
            raise ParameterError(f"{self}: triggers = {self.triggers}: need when = 'spike', not {self.when!r}")
        if not hasattr(self.optimiser, "target"):
            raise ParameterError(f"Plasticity: optimiser = {self.optimiser!r}: should be one, such as GradientStep")
        if not readouts:
            raise ParameterError(f"{self}: reads no phase")
        self._check_arguments()
        often = {"step": "in every step", "spike": "at spikes"}.get(self.when)
        if often and not getattr(self.optimiser, "in_steps", False):
            raise ParameterError(
                f"{self}: acts {often}, which {type(self.optimiser).__name__} cannot; take GradientStep, or "
                "when = 'presentation'"
            )
        if often and (readouts[0].last is not None or (self.when == "spike" and not readouts[0].at_the_end)):
            raise ParameterError(f"{self}: acts {often} of phase {readouts[0].phase!r}, of which there is no mean")

    def _check_arguments(self):
        # An object's class may tell the signature of its constructor.
        plain = inspect.isroutine(self.rule) or isinstance(self.rule, functools.partial)
        try:
            arguments = inspect.signature(self.rule if plain else self.rule.__call__, follow_wrapped=False)
        except ValueError:
            return  # of what is compiled Python knows none
        try:
            arguments.bind(None, *self.readouts)
        except TypeError as error:
            read = ", ".join(readout.phase for readout in self.readouts)
            raise ParameterError(f"{self}: is called with the weights and the states of {read}; {error}") from None

    def change(self, weights: Weights, *states: Any) -> Change:
        """Find ΔW.

        Parameters
        ----------
        weights : dict
        *states : PhaseEnd
            Of each readout.

        Raises
        ------
        ParameterError
            If the rule gives no change, or one of another shape than the weights have.
        """
        change, (key, k) = self.rule(weights, *states), self.target
        if not hasattr(change, "add_to"):
            given = type(change).__name__
            raise ParameterError(f"{self}: gives {given}; should give a change, such as OuterProducts or DenseChange")
        shape = weights[key][k].shape
        if getattr(change, "shape", shape) != shape:
            order = ", (post, pre)" if len(shape) == 2 else ""
            raise ParameterError(f"{self}: gives a change of shape {change.shape}; the weights have {shape}{order}")
        return change

    @property
    def target(self) -> tuple[str, int]:
        """Which weights it moves."""
        return self.optimiser.target

    @property
    def moves(self) -> tuple[tuple[str, int], ...]:
        """All weights that change when it acts: what the optimiser moves beside its target, too."""
        return getattr(self.optimiser, "moves", (self.target,))

    def __str__(self):
        key, k = self.target
        return f"rule of {key}[{k}]"
