"""What of a training step is no product: by the difference that further steps make, and operation by operation."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from baseline import Settings
from measure import Case
from threadpoolctl import threadpool_limits

from corinfomax.protocols.clockwork import Preparation
from corinfomax.stimuli import Stimulus

#: Steps by which the free phase of the longer of two presentations is longer.
FURTHER = 100


@dataclass(frozen=True)
class Overhead:
    """What of a minibatch is no product of a step.

    Parameters
    ----------
    step, products : float
        Microseconds of one step, and of its bare products: what a step costs that the free phase is longer by.
    presentation : float
        Milliseconds of a minibatch without its steps.
    minibatch : float
        Milliseconds of a minibatch.
    """

    step: float
    products: float
    presentation: float
    minibatch: float


def overhead(case: Case, settings: Settings, repeats: int) -> Overhead:
    """Measure what of a minibatch is no product of a step, by the difference that further steps make.

    Parameters
    ----------
    case : Case
        An exact one, whose every step has all its products.
    settings : Settings
    repeats : int
        Turns of short and long minibatches, and of bare products. Of each the least is taken, of minibatches the least
        tenth of a turn: what other processes take is no cost of a step, and would be larger than some differences.
    """
    longer = replace(settings, free_steps=settings.free_steps + FURTHER)
    minibatches = 8 if case.architecture[1] > 200 else 40
    found: dict[str, list[float]] = {"short": [], "long": [], "products": []}
    with threadpool_limits(case.threads):
        preparations = {"short": case.simulator(settings), "long": case.simulator(longer)}
        source = case.minibatches(settings)
        for turn in range(repeats + 1):
            for name, preparation in preparations.items():
                times = starts(preparation, [next(source) for _ in range(minibatches)])
                if turn:
                    found[name].append(float(np.quantile(np.diff(times), 0.1)))
            if turn:
                found["products"].append(_products(case))
    short, long, products = (min(found[name]) for name in ("short", "long", "products"))
    step = (long - short) / FURTHER
    return Overhead(1e6 * step, 1e6 * products, 1e3 * (short - settings.steps * step), 1e3 * short)


def starts(preparation: Preparation, stimuli: list[Stimulus]) -> list[float]:
    """When each minibatch of a run was asked for."""
    starts = []

    def stream():
        for stimulus in stimuli:
            starts.append(time.perf_counter())
            yield stimulus

    preparation.run(stream())
    return starts


def _products(case: Case, repeats: int = 50) -> float:
    """Seconds of the bare products of one step: O r and W r of both layers."""
    _, hidden, output = case.architecture
    r = {n: np.ones((case.batch, n), case.dtype) for n in (hidden, output)}
    shapes = [(hidden, hidden), (output, output), (output, hidden), (hidden, output)]
    operands = [(r[pre], np.ones((post, pre), case.dtype, order="F").T, np.empty_like(r[post])) for post, pre in shapes]
    start = time.perf_counter()
    for _ in range(repeats):
        for a, b, out in operands:
            np.dot(a, b, out=out)
    return (time.perf_counter() - start) / repeats


def operations(case: Case, settings: Settings, repeats: int = 300) -> dict[str, float]:
    """Microseconds of each operation of a step, called alone over and over: the least of seven turns.

    What is part of an integration is counted there. Their sum is less than a step, which also has Brian2's loop, and
    more, as what was used last lies in the cache.
    """
    with threadpool_limits(case.threads):
        preparation = case.simulator(settings)
        source = case.minibatches(settings)
        preparation.run([next(source) for _ in range(3)])
        mounted, found = preparation.mounted, {}
        for item in mounted.operations:
            if item not in mounted.within_integration:
                calls = [item.run] if item.run is not None else [each.run for each in item.brian_objects]
                found[item.name] = 1e6 * sum(_least(call, repeats) for call in calls)
    return found


def _least(call: Callable[[], object], repeats: int) -> float:
    least = np.inf
    for _ in range(7):
        start = time.perf_counter()
        for _ in range(repeats):
            call()
        least = min(least, (time.perf_counter() - start) / repeats)
    return least
