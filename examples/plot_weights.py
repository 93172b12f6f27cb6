"""
Receptive fields and weights
============================

What hidden cells look for in a digit, and what learning did to the distribution of the weights.
"""

# %%
import matplotlib.pyplot as plt
import numpy as np

from corinfomax import CorInfoMax, Preparation, Stimulus
from corinfomax.analysis.figures import receptive_fields, weight_histogram
from corinfomax.stimuli import batches, load_stimuli

rng = np.random.default_rng(0)
digits = load_stimuli("digits")
circuit = CorInfoMax([64, 128, 10], learning_rate_ff=[3.0, 2.1], learning_rate_fb=0.45, seed=0)
before = {key: circuit.weights[key][1].copy() for key in ("W_ff", "W_fb")}
start = circuit.weights["W_ff"][0].copy()

preparation = Preparation(circuit, replicas=20, dtype=np.float32)
for epoch in range(5):
    circuit.epoch = epoch
    preparation.run(
        Stimulus(digits.x_train[rows], digits.y_train[rows], beta=2.0 * rng.choice([-1.0, 1.0]), learn=True)
        for rows in batches(len(digits.x_train), 20, rng)
    )

# %%
# Weights start random and small, so that a receptive field shows only after learning. The 25 cells whose fields changed
# most:
W = circuit.weights["W_ff"][0]
change = np.linalg.norm(W - start, axis=1) / np.linalg.norm(start, axis=1)
print(f"input weights of a cell changed by {100 * np.median(change):.0f} % of their norm (median)")
receptive_fields(W, digits.image_shape, cells=np.argsort(-change)[:25])
plt.show()

# %%
# The weights onto and from the output cells grow long tails; the bulk stays where it was.
_, axes = plt.subplots(2, 1, figsize=(5.6, 5), sharex=True, sharey=True, layout="constrained")
for ax, key, formula in zip(axes, before, (r"W_\mathrm{ff}^{(1)}", r"W_\mathrm{fb}^{(1)}"), strict=True):
    now = circuit.weights[key][1]
    weight_histogram({f"${formula}$ before": before[key], f"${formula}$ after": now}, ax=ax)
    print(f"{key}: standard deviation {before[key].std():.3f} before, {now.std():.3f} after 5 epochs")
axes[0].set_xlabel("")
plt.show()
