"""
Domains and their multiplier cells
==================================

A layer can be confined to a set of rates. Here the hidden layer keeps Σr ≤ 1 and the output Σr = 1, both nonnegative,
by an inhibitory cell each, whose rate is the Lagrange multiplier λ of the constraint.

The cell gathers the rates of its layer and raises the thresholds of all its cells until the constraint holds.
"""

# %%
# Domains come by name; the multiplier cells are populations like others, and recorded like them.
import matplotlib.pyplot as plt
import numpy as np

from corinfomax import CorInfoMax, Preparation
from corinfomax.analysis.figures import publication_style
from corinfomax.analysis.figures.meanings import MULTIPLIER, layer_colour
from corinfomax.stimuli import load_stimuli

digits = load_stimuli("digits")
DOMAINS = {1: ("B_1_plus", "hidden layer, Σr ≤ 1"), 2: ("simplex", "output, Σr = 1")}
circuit = CorInfoMax([64, 128, 10], domain=[name for name, _ in DOMAINS.values()])
preparation = Preparation(circuit, replicas=20, target="numpy")  # compiling takes longer than one look
recorded = ("r", "multiplier_1.r", "multiplier_2.r")
free = preparation.present(digits.x_test[:20], variables=recorded).free
print("Σr at the end of the free phase, least and largest of 20 stimuli")
for k, (_, title) in DOMAINS.items():
    total = free.r[k][-1].sum(axis=1)
    print(f"{title:22} {total.min():.4f} to {total.max():.4f}, {np.mean(free.r[k][-1] > 0):.0%} of the cells active")

# %%
# λ rises as long as Σr is too large. Σr first overshoots, until the inhibition has built up. To Σr = 1 the output of
# this untrained circuit has to be lifted in the end: of an equality λ can be negative.
with publication_style():
    figure, axes = plt.subplots(2, 2, figsize=(7, 4.2), sharex=True)
    for column, (k, (_, title)) in zip(axes.T, DOMAINS.items(), strict=True):
        column[0].plot(1e3 * free.t, free.r[k].sum(axis=2), color=layer_colour(k), linewidth=0.7)
        column[0].axhline(1, color="0.5", linestyle=":", linewidth=1)
        column[1].plot(1e3 * free.t, free[f"multiplier_{k}.r"][:, :, 0], color=MULTIPLIER, linewidth=0.7)
        column[0].set_title(title)
        column[1].set_xlabel("Time (ms)")
    axes[0, 0].set_ylabel("Σr (dimensionless)")
    axes[1, 0].set_ylabel("λ (dimensionless)")
plt.show()

# %%
# One line a stimulus. With ``constraints="as_published"`` the multipliers are those of the published sparse circuits, a
# current that moves by a millionth of the excess each step: Σr stays where the unconstrained circuit has it.
published = CorInfoMax([64, 128, 10], domain="B_1_plus", constraints="as_published")
preparation = Preparation(published, replicas=20, target="numpy")
total = preparation.settle(digits.x_test[:20]).r[1].sum(axis=1)
print(f"as published: Σr of the hidden layer {total.min():.1f} to {total.max():.1f}")
