"""
How active the layers are
=========================

The distribution of rates over all cells and test stimuli, before and after learning.

Rates of the domain B_∞,+ lie between 0 and 1, and cells whose potential is negative are silent: about half of the
hidden layer before learning. The output comes to be nearly one-hot.
"""

# %%
import matplotlib.pyplot as plt
import numpy as np

from corinfomax import CorInfoMax, Preparation, Stimulus
from corinfomax.analysis import participation_ratio, treves_rolls_sparsity
from corinfomax.analysis.figures import activity_histogram
from corinfomax.stimuli import batches, load_stimuli

rng = np.random.default_rng(0)
digits = load_stimuli("digits")
circuit = CorInfoMax([64, 128, 10], learning_rate_ff=[3.0, 2.1], learning_rate_fb=0.45, seed=0)
preparation = Preparation(circuit, replicas=20, dtype=np.float32)
before = preparation.settle(digits.x_test).r
for epoch in range(5):
    circuit.epoch = epoch
    preparation.run(
        Stimulus(digits.x_train[rows], digits.y_train[rows], beta=2.0 * rng.choice([-1.0, 1.0]), learn=True)
        for rows in batches(len(digits.x_train), 20, rng)
    )
after = preparation.settle(digits.x_test).r

# %%
# ``settle`` gives the variables of all layers at the end of the free phase.
_, axes = plt.subplots(2, 1, figsize=(5.6, 5), sharex=True, sharey=True, layout="constrained")
for ax, r, title in zip(axes, (before, after), ("before learning", "after 5 epochs"), strict=True):
    activity_histogram(r, ax=ax)
    ax.set_title(title)
axes[0].set_xlabel("")
plt.show()

# %%
# Two numbers of the same, as in the history of a run.
for title, r in (("before learning", before), ("after 5 epochs", after)):
    for k in (1, 2):
        sparsity, ratio = treves_rolls_sparsity(r[k]), participation_ratio(r[k])
        print(f"{title:15}  layer {k}: sparsity {sparsity:.2f}, participation ratio {ratio:4.1f}")
