"""What can be wrong with a learner without dynamics: units that do not respond, steps that lead nowhere."""

from collections.abc import Iterator

import numpy as np

from ...analysis import Finding, stuck
from ...networks.trainable import Trainable
from ...stimuli import Stimuli

#: Fraction of a layer's units that respond to all stimuli alike.
_STUCK = 0.5
#: How many training stimuli are looked at.
_STIMULI = 200


def examine_static(trainable: Trainable, stimuli: Stimuli, batch_size: int) -> Iterator[Finding]:
    """Find units that respond to all stimuli alike, and whether the first step of learning lowers the loss.

    Parameters
    ----------
    trainable : Trainable
        Without dynamics, with ``states(x, y)`` and, if wanted, ``loss_of(output, y)``; its weights stay.
    stimuli : Stimuli
    batch_size : int
    """
    rows = np.unique(np.linspace(0, len(stimuli.x_train) - 1, _STIMULI).astype(int))
    states = trainable.states(stimuli.x_train[rows])
    for k in range(1, trainable.output):
        share = stuck(states.r[k])
        advice = "" if share < _STUCK else "take other initial weights, or inputs of another scale"
        what = f"Units of layer {k} that respond to all stimuli alike"
        yield Finding(what, f"{100 * share:.0f} %", f"below {100 * _STUCK:.0f} %", advice)
    what = "Loss of the first minibatch, by one step of learning"
    if stimuli.y_train is None or not hasattr(trainable, "loss_of"):
        yield Finding(what, "not examined: the learner states no loss of these stimuli", "–")
        return
    x, y = stimuli.x_train[:batch_size], stimuli.y_train[:batch_size]
    kept, progress = trainable.state_dict(), trainable.progress
    before = trainable.loss_of(trainable.states(x).r[trainable.output], y)
    learnt = trainable.states(x, y)
    trainable.learn(lambda readout: learnt)
    after = trainable.loss_of(trainable.states(x).r[trainable.output], y)
    trainable.load_state_dict(kept)
    trainable.progress = progress
    advice = "" if after < before else "take a smaller learning_rate"
    found = f"from {before:.3g} to {after:.3g}"
    yield Finding(what, found, "less than before", advice)
