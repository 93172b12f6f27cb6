"""What a presentation costs, counted from what really travels: multiply-adds, synaptic events, plasticity."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ...networks.plasticity import OuterProducts
from ...networks.projection import Projection
from ...networks.trainable import Trainable
from ...stimuli.stimulus import Stimulus
from ..systems import Learner


@dataclass(frozen=True)
class Cost:
    """Of one training stimulus.

    Parameters
    ----------
    activity : float
        Multiply-adds of drives: each synapse that an output is carried through, in each step.
    plasticity : float
        Multiply-adds of weight changes: each synapse of each product of a presynaptic and a postsynaptic signal.
    events : float
        Those of the first kind in which the presynaptic output is other than 0: what a brain would pay for. Where a
        projection carries spike trains, an event is a spike that arrives at a synapse.
    spikes : float, default 0
        Those of the events that are spikes, which need no multiplication.
    """

    activity: float
    plasticity: float
    events: float
    spikes: float = 0.0


def cost_of(learner: Learner, trainable: Trainable, x: np.ndarray, y: np.ndarray, beta: float = 1.0) -> Cost:
    """Present a minibatch with its targets, learn from it, count, and put everything back.

    Parameters
    ----------
    learner : Learner
    trainable : Trainable
        That of the learner.
    x, y : ndarray (n, inputs) and (n, outputs)
        Training stimuli; what is sparse in them decides about events.
    beta : float, default 1
        As in training.
    """
    count = _Count(len(x))
    hooks = _hooks(learner, trainable, count)
    kept, progress, state = trainable.state_dict(), trainable.progress, learner.state_dict()
    for hook_list, hook in hooks:
        hook_list.append(hook)
    products: list[float] = []
    try:
        with _counted_learning(trainable, len(x), products):
            learner.run([Stimulus(x, y, beta, learn=True, seed=0)])
    finally:
        for hook_list, hook in hooks:
            hook_list.remove(hook)
        trainable.load_state_dict(kept)
        trainable.progress = progress
        learner.load_state_dict(state)
    return Cost(count.all, sum(products), count.events, count.spikes)


class _Count:
    """Sums over what is carried, per stimulus."""

    def __init__(self, stimuli: int):
        self._stimuli, self.all, self.events, self.spikes = stimuli, 0.0, 0.0, 0.0

    def add(self, signal: np.ndarray, targets: int):
        """Count outputs (n, cells) that are carried to so many cells each."""
        signal = signal[: self._stimuli]
        self.all += signal.shape[1] * targets
        self.events += np.count_nonzero(signal) * targets / self._stimuli

    def add_spikes(self, spiked: np.ndarray, cells: int, targets: int):
        """Count spikes of a step, by place among replicas and cells, that are carried to so many cells each."""
        arriving = np.count_nonzero(spiked < self._stimuli * cells) * targets / self._stimuli
        self.all += cells * targets
        self.events += arriving
        self.spikes += arriving


def _hooks(learner: Learner, trainable: Trainable, count: _Count) -> list:
    """What to call when, so that all that is carried is counted."""
    if not hasattr(learner, "on_step"):  # nothing happens in time

        def whole(moment, ends):
            for end in ends.values():
                for signal, targets in trainable.transmissions(end):
                    count.add(signal, targets)

        return [(learner.on_presentation, whole)]
    sizes = {spec.name: spec.size for spec in trainable.populations}
    carried = [item for item in trainable.projections if isinstance(item, Projection)]

    def add(item, moment):
        source, targets = moment.populations[item.source], 1 if item.pattern == "one_to_one" else sizes[item.target]
        if source.cell.threshold and item.output != "r":
            count.add_spikes(source.group.spikes, source.size, targets)
        else:
            count.add(source.output(item.output)(), targets)

    def once(moment):
        if moment.time == 0:
            for item in carried:
                if item.constant:
                    add(item, moment)

    def step(moment):
        for item in carried:
            if not item.constant and moment.step % item.interval == 0:
                add(item, moment)

    return [(learner.on_phase_start, once), (learner.on_step, step)]


@contextlib.contextmanager
def _counted_learning(trainable: Trainable, stimuli: int, products: list[float]) -> Iterator[None]:
    """Note the products of each rule each time it acts: several may move the same weights, at several moments."""
    learn = trainable.learn

    def counted(states, rules=None, *options):
        learn(states, rules, *options)
        for rule in trainable.plasticity if rules is None else rules:
            products.append(_products(trainable, rule.target, stimuli))

    trainable.learn = counted  # type: ignore[method-assign]
    try:
        yield
    finally:
        del trainable.learn


def _products(trainable: Trainable, target: tuple[str, int], stimuli: int) -> float:
    """Multiply-adds of a rule's change, per stimulus."""
    key, k = target
    change, size = trainable.changes[target], trainable.weights[key][k].size
    return size * (len(change.post) / stimuli if isinstance(change, OuterProducts) else 1.0)
