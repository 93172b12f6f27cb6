"""
Similarity matching
===================

A layer learns the principal subspace of its stimuli without a teacher, by Hebbian feedforward and anti-Hebbian lateral
synapses. Rectified cells, with the same rules, learn parts in place of rotated axes.
"""

# %%
# The cells settle at y = M⁻¹Wx, and a training run may take that point at once: `solver` says so for runs, and here a
# `StaticLearner` does it. Stimuli are those of the paper: ten inputs, three principal components.
import matplotlib.pyplot as plt
import numpy as np

from corinfomax import Preparation, Stimulus
from corinfomax.analysis.figures import publication_style
from corinfomax.analysis.figures.meanings import CATEGORIES
from corinfomax.analysis.subspaces import covariance, subspace_error
from corinfomax.networks import NonnegativeSimilarityMatching, SimilarityMatchingCircuit
from corinfomax.protocols.clockwork import settling
from corinfomax.protocols.systems import StaticLearner
from corinfomax.stimuli import load_stimuli, principal_subspace

x = principal_subspace().x_train
circuit = SimilarityMatchingCircuit((10, 3), objective="psp", learning_rate=1.0, learning_rate_offset=100.0)
C, errors = covariance(x), []
learner = StaticLearner(circuit, phase="settle")
learner.on_presentation.append(
    lambda moment, ends: errors.append(subspace_error(circuit.weights["W_ff"][0], circuit.weights["M"][1], C))
)
learner.run(Stimulus(row[None], learn=True) for row in x)
print(f"‖FᵀF - UUᵀ‖ after {len(errors)} stimuli: {errors[-1]:.3f}")

# %%
# The circuit integrates all the same: its cells settle where the fixed point is.
presentation = Preparation(circuit, protocol=settling(steps=60, step=0.15), target="numpy").present(x[0], learn=False)
fixed_point = circuit.states(x[:1]).r[1][0]
print("largest distance from the fixed point:", np.abs(presentation.settle.r[1][-1, 0] - fixed_point).max())

# %%
# Rectified cells on handwritten digits, centred. Their weights begin as digits: a cell that answers to nothing never
# learns.
digits = load_stimuli("digits").x_train
digits = digits - digits.mean(axis=0)
rectified = NonnegativeSimilarityMatching(
    (64, 12), learning_rate=3.0, learning_rate_offset=100.0, weights={"W_ff": {0: digits[:12]}}
)
minibatches = [part for _ in range(5) for part in np.array_split(digits, len(digits) // 20)]
StaticLearner(rectified, 30, phase="settle").run(Stimulus(part, learn=True) for part in minibatches)

with publication_style():
    figure = plt.figure(figsize=(8.4, 2.9))
    left, middle, right = figure.subfigures(1, 3)
    ax = left.subplots()
    ax.loglog(1 + np.arange(len(errors)), errors, color=CATEGORIES[0])
    ax.set(xlabel="Stimuli", ylabel=r"$\Vert F^\top F - UU^\top\Vert$")
    ax = middle.subplots()
    ax.plot(1e3 * presentation.settle.t, presentation.settle.r[1][:, 0], color=CATEGORIES[0])
    for y in fixed_point:
        ax.axhline(y, color="0.5", linestyle=":", linewidth=1)
    ax.set(xlabel="Time (ms)", ylabel="Outputs y (dimensionless)")
    for ax, row in zip(right.subplots(3, 4).flat, rectified.weights["W_ff"][0], strict=True):
        ax.imshow(row.reshape(8, 8), cmap="RdBu_r", vmin=-np.abs(row).max(), vmax=np.abs(row).max())
        ax.set_axis_off()
plt.show()

# %%
# Left: the error falls with the stimuli. Middle: cells settle at M⁻¹Wx, dotted. Right: feedforward weights of rectified
# cells, each to its own scale.
