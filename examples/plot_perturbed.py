"""
Clamped somata and cut feedback
===============================

What an intervention does to a trained circuit: the rates of its output cells, and how many test stimuli it recognises.
"""

# %%
import matplotlib.pyplot as plt
import numpy as np

from corinfomax import CorInfoMax, Preparation, Stimulus
from corinfomax.analysis.figures import publication_style
from corinfomax.analysis.figures.meanings import CONTROL, TESTED
from corinfomax.protocols.perturbations import Clamp, Cut, CutFeedback, Intervention, Lesion, Silence
from corinfomax.stimuli import batches, load_stimuli

rng = np.random.default_rng(1)
digits = load_stimuli("digits")
circuit = CorInfoMax([64, 128, 10], learning_rate_ff=[3.0, 2.1], learning_rate_fb=0.45, seed=1)
preparation = Preparation(circuit, replicas=20, dtype=np.float32)
for epoch in range(8):
    circuit.epoch = epoch
    preparation.run(
        Stimulus(digits.x_train[rows], digits.y_train[rows], beta=2.0 * rng.choice([-1.0, 1.0]), learn=True)
        for rows in batches(len(digits.x_train), 20, rng)
    )

# %%
# Each perturbation is in force within its ``with`` statement, and taken back after it, lesions included.
interventions = {
    "control": [],
    "SST cells of layer 1 silent": [Silence("SST_1")],
    "feedback cut": [CutFeedback(1)],
    "apical dendrites cut": [Cut("layer_1", "apical")],
    "a quarter of the somata at −60 mV": [Clamp("layer_1", "soma", "-60 mV", cells=range(32))],
    "half of $W_\\mathrm{ff}^{(1)}$ lesioned": [Lesion(("W_ff", 1), fraction=0.5)],
    "basal dendrites of layer 1 cut": [Cut("layer_1", "basal")],
}
correct = {}
for name, perturbations in interventions.items():
    with Intervention(preparation, perturbations):
        correct[name] = 100 * np.mean(preparation.predict(digits.x_test).argmax(axis=1) == digits.labels_test)
    print(f"{name:40} {correct[name]:5.1f} %")

with publication_style():
    figure, ax = plt.subplots(figsize=(6, 2.8), layout="constrained")
    colours = [CONTROL if name == "control" else TESTED for name in correct]
    ax.barh(list(correct)[::-1], list(correct.values())[::-1], color=colours[::-1])
    ax.axvline(correct["control"], color=CONTROL, linewidth=0.8, linestyle=":")
    ax.set(xlabel="Test accuracy (%)", xlim=(0, 100))
plt.show()
