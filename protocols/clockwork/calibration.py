"""Calibration: how seldom drives may be renewed, measured on the circuit as it is."""

import contextlib
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from brian2.devices.device import runtime_device

from ...errors import DivergenceError
from ...networks.circuit import Circuit
from ...networks.interval import Interval
from ...stimuli.stimulus import Stimulus
from .moment import Hooks
from .preparation import Preparation


@dataclass(frozen=True)
class Calibration:
    """What a calibration found of an interval.

    Parameters
    ----------
    steps : int
        Of the interval from now on.
    longest : int
        Steps of the longest phase: an interval of so many is one renewal in each phase.
    tolerance : float
        What the deviation is kept to.
    deviations : dict of int to float
        Largest ``|Δr|`` at the end of any phase, by the interval that was tried; infinite where activity diverged.
        Empty where there was nothing to be measured, for all weights are 0 or no phase has a second step.
    """

    steps: int
    longest: int
    tolerance: float
    deviations: dict[int, float]


def calibrate(preparation: Preparation, stimulus: Stimulus) -> dict[str, Calibration]:
    """Set each `Interval` of a circuit to the longest that keeps rates at the phases' ends within its tolerance.

    The minibatch is presented without learning, first with a renewal in each step and then with longer intervals, and
    rates of all layers are compared. Tried are once a phase and, by bisection, intervals that differ in the number of
    renewals in the longest phase: deviations are taken to grow with the interval. What is chosen has been measured.
    States of cells, random generators and hooks are left as they were, and hooks are not called.

    Parameters
    ----------
    preparation : Preparation
    stimulus : Stimulus
        A minibatch, with targets for phases with the teacher.

    Returns
    -------
    dict of str to Calibration
        By the interval's name; empty for circuits without, where nothing is presented.

    Raises
    ------
    DivergenceError
        If activity diverges with a renewal in each step.
    KeyboardInterrupt
        If the user ends it; intervals are then what they were.
    """
    circuit, found = preparation.circuit, {}
    intervals = circuit.intervals
    before = {name: interval.steps for name, interval in intervals.items()}
    shown = _presentations(preparation, stimulus)
    try:
        for interval in intervals.values():
            interval.steps = 1
        for name, interval in intervals.items():
            found[name] = _calibrated(preparation, interval, shown)
            interval.steps = found[name].steps
    except BaseException:
        for name, interval in intervals.items():
            interval.steps = before[name]
        raise
    return found


def _presentations(preparation: Preparation, stimulus: Stimulus) -> list[Stimulus]:
    """Give what is presented to measure: the minibatch, and where prediction has a protocol of its own that, too."""
    seed = 0 if stimulus.seed is None else stimulus.seed
    shown = [replace(stimulus, learn=False, seed=seed)]
    if preparation.protocol.evaluation is not None and stimulus.y is not None:
        shown.append(replace(shown[0], y=None, steps=None))
    return shown


def _calibrated(preparation: Preparation, interval: Interval, shown: Sequence[Stimulus]) -> Calibration:
    """Measure one interval; it is left at what was tried last."""
    protocol = preparation.protocol
    phases = (*protocol.phases, *protocol.for_prediction.phases)
    longest = max(*(phase.steps for phase in phases), *(max(each.steps or (1,)) for each in shown))
    tolerance = float(np.finfo(preparation.dtype).eps) if interval.tolerance is None else interval.tolerance
    if longest == 1 or _silent(preparation.circuit, interval):
        return Calibration(1, longest, tolerance, {})
    deviations: dict[int, float] = {}
    with as_it_was(preparation) as rest:
        chosen = _longest_within(preparation, rest, interval, shown, _candidates(longest), tolerance, deviations)
    return Calibration(chosen, longest, tolerance, deviations)


def _silent(circuit: Circuit, interval: Interval) -> bool:
    """Whether nothing goes through the projections of an interval yet, so that it could not be told from any other."""
    places = [item.weights for item in circuit.projections if item.every is interval]
    return not any(circuit.weights[key][k].any() for key, k in places)


def _candidates(longest: int) -> list[int]:
    """Intervals from 1 up that differ in how often they renew in a phase of so many steps."""
    return sorted({math.ceil(longest / times) for times in range(1, longest + 1)})


def _longest_within(
    preparation: Preparation,
    rest: dict[str, np.ndarray],
    interval: Interval,
    shown: Sequence[Stimulus],
    candidates: Sequence[int],
    tolerance: float,
    deviations: dict[int, float],
) -> int:
    """Find the longest candidate within tolerance, each from states `rest`, in one run if nothing diverges."""
    ends: list[np.ndarray] = []

    def collect(moment, end):
        ends.extend(r.copy() for k, r in end.r.items() if k)

    def presented(steps: int) -> Iterator[Stimulus]:
        interval.steps = steps
        ends.clear()
        for stimulus in shown:
            preparation.load_state_dict(rest)
            yield stimulus

    def trials() -> Iterator[Stimulus]:
        nonlocal chosen
        yield from presented(1)
        exact = list(ends)
        low, high = 0, len(candidates)  # that at `low` keeps to the tolerance, that at `high` does not
        tried = high - 1
        while high - low > 1:
            yield from presented(candidates[tried])
            deviation = deviations[candidates[tried]] = _deviation(ends, exact)
            low, high = (tried, high) if deviation <= tolerance else (low, tried)
            tried = (low + high) // 2
        chosen = candidates[low]

    chosen, stimuli = 0, trials()
    while not chosen:
        try:
            # A run that fails closes the generator that it was given; through a chain this one goes on.
            preparation.run_through(itertools.chain(stimuli), on_phase_end=collect)
        except DivergenceError:
            if interval.steps == 1:
                raise
            ends.clear()
    return chosen


def _deviation(ends: Sequence[np.ndarray], exact: Sequence[np.ndarray]) -> float:
    if len(ends) < len(exact):
        return math.inf
    largest = max(float(np.abs(one - other).max()) for one, other in zip(ends, exact, strict=True))
    return largest if math.isfinite(largest) else math.inf


@contextlib.contextmanager
def as_it_was(preparation: Preparation) -> Iterator[dict[str, np.ndarray]]:
    """Make a context without hooks, after which states, which it gives, random generators and hooks are as before."""
    states, generators = preparation.state_dict(), runtime_device.get_random_state()
    hooks = [(called, list(called)) for called in (getattr(preparation, item.name) for item in fields(Hooks))]
    for called, _ in hooks:
        called.clear()
    try:
        yield states
    finally:
        for called, kept in hooks:
            called[:] = kept
        runtime_device.set_random_state(generators)
        preparation.load_state_dict(states)
