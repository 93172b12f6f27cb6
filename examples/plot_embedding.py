"""
Responses in two dimensions
===========================

The hidden layer's responses to test stimuli before and after learning, in two dimensions by PCA and by t-SNE.
"""

# %%
import matplotlib.pyplot as plt
import numpy as np

from corinfomax import CorInfoMax, Preparation, Stimulus
from corinfomax.analysis import participation_ratio
from corinfomax.analysis.figures import embedding
from corinfomax.stimuli import batches, load_stimuli

rng = np.random.default_rng(1)
digits = load_stimuli("digits")
circuit = CorInfoMax([64, 128, 10], learning_rate_ff=[3.0, 2.1], learning_rate_fb=0.45, seed=1)
preparation = Preparation(circuit, replicas=20, dtype=np.float32)
before = preparation.settle(digits.x_test).r
for epoch in range(10):
    circuit.epoch = epoch
    preparation.run(
        Stimulus(digits.x_train[rows], digits.y_train[rows], beta=2.0 * rng.choice([-1.0, 1.0]), learn=True)
        for rows in batches(len(digits.x_train), 20, rng)
    )
after = preparation.settle(digits.x_test).r
for name, r in (("before learning", before), ("after 10 epochs", after)):
    print(f"{name}: participation ratio of the hidden layer {participation_ratio(r[1]):.1f}")

# %%
# Principal components: learning spreads the classes in the hidden layer.
figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
for ax, r, title in zip(axes, (before, after), ("before learning", "after 10 epochs"), strict=True):
    embedding(r[1], digits.labels_test, method="pca", ax=ax)
    ax.set_title(title)
axes[0].get_legend().remove()
plt.show()

# %%
# t-SNE shows neighbourhoods; distances between clusters mean little.
figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
for ax, r, title in zip(axes, (before, after), ("before learning", "after 10 epochs"), strict=True):
    embedding(r[1], digits.labels_test, method="tsne", ax=ax)
    ax.set_title(title)
axes[0].get_legend().remove()
plt.show()
