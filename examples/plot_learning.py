"""
Learning curve and alignment
============================

How fast a circuit learns, and how its feedback weights turn towards the transposed forward weights meanwhile.

The paper's circuits start with feedback that has nothing to do with the forward weights, 90° away from W_ffᵀ. Eqs 26
and 27 are rules of their own for each, so that nothing forces the two together; they come closer all the same.
"""

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from corinfomax import CorInfoMax, Preparation, Stimulus
from corinfomax.analysis import accuracy, angle
from corinfomax.analysis.figures import alignment, learning_curve
from corinfomax.stimuli import batches, load_stimuli

rng = np.random.default_rng(0)
digits = load_stimuli("digits")
circuit = CorInfoMax([64, 128, 10], learning_rate_ff=[3.0, 2.1], learning_rate_fb=0.45, seed=0)
preparation = Preparation(circuit, replicas=20, dtype=np.float32)
looking = Preparation(circuit, replicas=360, dtype=np.float32)  # the same weights, more stimuli at once


def look(epoch):
    """One row of the history, as ``corinfomax train`` writes it to ``history.csv``."""
    return {
        "epoch": epoch,
        "train_accuracy": accuracy(looking.predict(digits.x_train), digits.labels_train),
        "test_accuracy": accuracy(looking.predict(digits.x_test), digits.labels_test),
        "angle_1": angle(circuit.weights["W_ff"][1], circuit.weights["W_fb"][1]),
    }


# %%
# Epoch 0 is the circuit before it has learnt anything.
rows_of_history = [look(0)]
for epoch in range(6):
    circuit.epoch = epoch
    preparation.run(
        Stimulus(digits.x_train[rows], digits.y_train[rows], beta=2.0 * rng.choice([-1.0, 1.0]), learn=True)
        for rows in batches(len(digits.x_train), 20, rng)
    )
    rows_of_history.append(look(epoch + 1))
history = pd.DataFrame(rows_of_history)
print(history.round(3).to_string(index=False))

# %%
learning_curve(history)
plt.show()

# %%
# The angle falls in the first epochs; where it comes to rest depends on the rates of eqs 26 and 27.
# ``corinfomax.analysis.figures.information`` draws the information between layers in the same way.
alignment(history)
plt.show()
