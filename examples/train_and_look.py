"""
Train a circuit and look at it
==============================

Train a small circuit on the bundled digits, then look at its compartments while a test stimulus is on.

Run: ``python examples/train_and_look.py [PICTURE.png]``
"""

import sys

import matplotlib.pyplot as plt
import numpy as np

from corinfomax import CorInfoMax, Preparation, Stimulus
from corinfomax.analysis import angle
from corinfomax.analysis.figures import COMPARTMENTS, publication_style
from corinfomax.stimuli import batches, load_stimuli

EPOCHS = 5
BETA = 2.0  # twice the paper's: output cells that begin silent would otherwise stay so for many epochs

rng = np.random.default_rng(1)
digits = load_stimuli("digits")
circuit = CorInfoMax([64, 128, 10], learning_rate_ff=[2.0, 1.4], learning_rate_fb=0.3, seed=1)
preparation = Preparation(circuit, replicas=20, dtype=np.float32)


def minibatches():
    """One epoch of shuffled stimuli, each minibatch nudged with a β of random sign."""
    for rows in batches(len(digits.x_train), 20, rng):
        yield Stimulus(digits.x_train[rows], digits.y_train[rows], beta=BETA * rng.choice([-1.0, 1.0]), learn=True)


for epoch in range(EPOCHS):
    circuit.epoch = epoch
    preparation.run(minibatches())
    correct = np.mean(preparation.predict(digits.x_test).argmax(axis=1) == digits.labels_test)
    degrees = angle(circuit.weights["W_ff"][1], circuit.weights["W_fb"][1])
    print(f"epoch {epoch + 1}: {100 * correct:.1f} % of test stimuli, W_fb at {degrees:.1f}° to the transpose of W_ff")

# A test stimulus that leaves its target cell undecided: there the teacher has most to say.
target_rates = preparation.predict(digits.x_test)[np.arange(len(digits.x_test)), digits.labels_test]
stimulus = int(np.abs(target_rates - 0.5).argmin())
presentation = preparation.present(
    digits.x_test[stimulus],
    digits.y_test[stimulus],
    beta=BETA,
    learn=False,
    variables=("V_soma", "V_basal", "V_apical", "rate"),
)
time = 1e3 * np.concatenate([phase.t for phase in presentation.phases.values()])
free, nudge = presentation.free, presentation.nudge
label = digits.labels_test[stimulus]
print(f"test stimulus {stimulus}, a {label}: rate of output cell {label} at the end of each phase")
print(f"  free {free.rate[2][-1, 0, label]:6.1f} Hz    nudge {nudge.rate[2][-1, 0, label]:6.1f} Hz")
moved = np.abs(nudge.V_soma[1][-1, 0] - free.V_soma[1][-1, 0])
cell = int(moved.argmax())
print(f"the nudge moves the somata of layer 1 by up to {1e3 * moved[cell]:.2f} mV (cell {cell})")

with publication_style():
    figure, axes = plt.subplots(1, 2, figsize=(7, 2.8))
    for ax, k, n, title in zip(axes, (1, 2), (cell, label), ("layer 1", "output"), strict=True):
        for variable, (name, colour) in COMPARTMENTS.items():
            ax.plot(time, 1e3 * presentation.trace(variable, k)[:, 0, n], color=colour, label=name)
        ax.axvline(1e3 * free.t[-1], color="0.7", linewidth=0.8)
        ax.set(title=f"{title}, cell {n}", xlabel="Time (ms)", ylabel="Potential (mV)")
    axes[1].legend(loc="upper left", bbox_to_anchor=(1, 1))
    if len(sys.argv) > 1:
        figure.savefig(sys.argv[1])
plt.show()
