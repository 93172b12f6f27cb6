"""
Two rules on the same seeds
===========================

Equilibrium propagation and feedback alignment learn the digits with networks of one size, on the same stimuli in the
same order, with three seeds each.

The one is a circuit in time, with a free and a nudge phase. The other is a network without time, whose errors come
down by fixed random weights. ``corinfomax compare --rules ep,fa_mse`` does this at scale, and chooses the learning
rates on validation stimuli; here they are those of the presets.
"""

# %%
# What a rule needs: how a network is made from a seed, and what presents stimuli to it, so many at once.
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from corinfomax import Preparation, Stimulus, contrastive
from corinfomax.analysis import accuracy, angle, paired_difference
from corinfomax.analysis.figures import courses
from corinfomax.networks import EquilibriumPropagation, FeedbackAlignment
from corinfomax.protocols.systems import StaticLearner
from corinfomax.stimuli import batches, load_stimuli

SEEDS, EPOCHS = (0, 1, 2), 4
digits = load_stimuli("digits")


def equilibrium(seed):
    """The circuit of preset ``digits_ep``, and how it is mounted on the clock."""
    circuit = EquilibriumPropagation([64, 128, 10], learning_rate=[0.8, 0.4], seed=seed)
    protocol = contrastive(free_steps=20, nudge_steps=4, step=0.5)
    timing = {"protocol": protocol, "target": "numpy"}  # compiling takes longer
    return circuit, lambda replicas: Preparation(circuit, replicas, dtype=np.float32, **timing)


def alignment(seed):
    """The network of preset ``digits_fa_mse``, which has no clock."""
    network = FeedbackAlignment([64, 128, 10], learning_rate=0.01, seed=seed)
    return network, lambda replicas: StaticLearner(network, replicas)


# %%
# A seed decides about initial weights, the order of the stimuli and the signs of β, which feedback alignment ignores.
def course(make, seed):
    """History of one run: test accuracy after each epoch, and the angle between W and the feedback if there is some."""
    network, mount = make(seed)
    learning, looking = mount(20), mount(len(digits.x_test))
    rng = np.random.default_rng(seed)
    rows = []
    for epoch in range(EPOCHS):
        network.epoch = epoch
        learning.run(
            Stimulus(digits.x_train[n], digits.y_train[n], beta=rng.choice([-1.0, 1.0]), learn=True)
            for n in batches(len(digits.x_train), 20, rng)
        )
        row = {"epoch": epoch + 1, "test_accuracy": accuracy(looking.predict(digits.x_test), digits.labels_test)}
        if "W_fb" in network.weights:
            row["angle_1"] = angle(network.weights["W"][1], network.weights["W_fb"][1])
        rows.append(row)
    return pd.DataFrame(rows)


histories = {
    "equilibrium propagation": [course(equilibrium, seed) for seed in SEEDS],
    "feedback alignment": [course(alignment, seed) for seed in SEEDS],
}

# %%
# The difference is taken seed by seed. Three seeds and four epochs rank nothing: at these high rates equilibrium
# propagation differs by percents from one epoch to the next, and after a fifth epoch the two are alike.
last = {rule: pd.Series([each["test_accuracy"].iloc[-1] for each in runs], SEEDS) for rule, runs in histories.items()}
for rule, scores in last.items():
    print(f"{rule}: {100 * scores.mean():.1f} ± {100 * scores.std():.1f} %")
found = paired_difference(last["feedback alignment"], last["equilibrium propagation"])
print(f"feedback alignment less equilibrium propagation: {100 * found['difference']:+.1f} percentage points, ", end="")
print(f"95 % interval {100 * found['low']:+.1f} to {100 * found['high']:+.1f}")

courses(histories)
plt.show()

# %%
# The forward weights turn towards the random feedback, from right angles. In equilibrium propagation there is no such
# angle: the way down is the way up, transposed.
ax = courses({"feedback alignment": histories["feedback alignment"]}, "angle_1")
ax.set_ylabel("Angle between W and the feedback (°)")
plt.show()
