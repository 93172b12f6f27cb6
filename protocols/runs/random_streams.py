"""The random numbers of a training run: a stream for each purpose, all spawned from the run's one seed.

So an epoch's order, signs, noise and jitter depend on seed and epoch alone, and an epoch can be taken up anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...stimuli.minibatches import batches
from ...stimuli.stimuli import Stimuli
from ...stimuli.stimulus import Stimulus

if TYPE_CHECKING:
    from ..clockwork.protocol import Protocol

#: Numbers of the streams; stream 0 draws the initial weights.
_ORDER, _SIGN, _NOISE, _JITTER, _TEST_NOISE = range(1, 6)


@dataclass(frozen=True)
class EpochPlan:
    """What an epoch presents, minibatch by minibatch.

    Parameters
    ----------
    rows : list of ndarray of int
        Training stimuli of each minibatch.
    betas : ndarray
        Signed nudging strength β of each.
    seeds : list of int
        Seeds of the background input.
    steps : list of (tuple of int or None)
        Steps of each phase, where they are jittered.
    """

    rows: list[np.ndarray]
    betas: np.ndarray
    seeds: list[int]
    steps: list[tuple[int, ...] | None]

    def __len__(self):
        return len(self.rows)

    def stimulus(self, batch: int, stimuli: Stimuli) -> Stimulus:
        """Give a minibatch to learn from."""
        rows, beta = self.rows[batch], float(self.betas[batch])
        y = None if stimuli.y_train is None else stimuli.y_train[rows]
        x = stimuli.x_train[rows]
        return Stimulus(x, y, beta, learn=True, rows=rows, seed=self.seeds[batch], steps=self.steps[batch])


def plan(seed: int, epoch: int, count: int, batch_size: int, protocol: Protocol | None = None) -> EpochPlan:
    """Draw what an epoch presents.

    Parameters
    ----------
    seed : int
        The run's.
    epoch : int
        Counted from 0.
    count : int
        Training stimuli.
    batch_size : int
    protocol : Protocol, optional
        Has the βs, and the jitter.
    """

    def stream(number: int) -> np.random.Generator:
        return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(number, epoch)))

    order = batches(count, batch_size, stream(_ORDER))
    jitter = stream(_JITTER)
    return EpochPlan(
        rows=order,
        betas=stream(_SIGN).choice((1.0,) if protocol is None else protocol.betas, len(order)),
        seeds=stream(_NOISE).integers(2**32, size=len(order)).tolist(),
        steps=[None if protocol is None else protocol.jittered(jitter) for _ in order],
    )


def seed_of_tests(seed: int) -> int:
    """Seed of the background input in tests of a run: the same each time, so that what differs is the circuit.

    Parameters
    ----------
    seed : int
        The run's.
    """
    return int(np.random.SeedSequence(seed, spawn_key=(_TEST_NOISE,)).generate_state(1)[0])
