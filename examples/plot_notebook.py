"""
From training to a perturbed cell, in a notebook
================================================

Train a circuit, look at the voltages of a presentation, silence cells: each block of this page is a notebook's cell.
"""

# %%
# Train
# -----
# `corinfomax.train` does what ``corinfomax train`` does on the command line, to the same weights. A bar shows how far
# it is; the run folder keeps everything.
import matplotlib.pyplot as plt
import numpy as np

import corinfomax
from corinfomax.protocols.perturbations import Intervention, Silence

run = corinfomax.train("digits", epochs=4, architecture=[64, 64, 10])
print(run)

# %%
# The history is a DataFrame.
history = run.history
print(history[["epoch", "train_accuracy", "test_accuracy", "angle_1"]].round(3).to_string(index=False))

# %%
# Look
# ----
# A presentation holds every step of every phase, ``presentation.nudge.V_apical[1]`` the apical potentials of layer 1.
# Its phases and variables complete by tab.
x, y, labels = run.stimuli.x_test, run.stimuli.y_test, run.stimuli.labels_test
presentation = run.present(x[:1], y[:1], variables=("V_soma", "V_basal", "V_apical", "r"))
print(presentation)

# %%
# As a table, for pandas, seaborn and others: the cell of layer 1 that the nudge moves most.
table = presentation.to_dataframe(1)
moved = np.abs(presentation.nudge.V_soma[1][-1, 0] - presentation.free.V_soma[1][-1, 0])
cell = int(moved.argmax())
voltages = table[table["cell"] == cell].set_index("time")[["V_soma", "V_basal", "V_apical"]]
ax = (1e3 * voltages).set_axis(1e3 * voltages.index).plot(figsize=(6, 3))
ax.set(xlabel="Time (ms)", ylabel="Potential (mV)", title=f"Layer 1, cell {cell}")
ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
ax.figure.tight_layout()

# %%
# Perturb
# -------
# Silence more and more cells of layer 1, and see how many digits are still recognised. A preparation is a circuit on
# the clock; a perturbation is in force for as long as its ``with`` statement.
some = slice(0, 100)
preparation = run.preparation(replicas=100)


def recognised():
    """Fraction of the test stimuli that the circuit takes for what they are."""
    return np.mean(preparation.predict(x[some]).argmax(axis=1) == labels[some])


numbers, found = [0, 1, 4, 16, 32, 48, 60, 64], []
for number in numbers:
    with Intervention(preparation, [Silence("layer_1", cells=range(number))] if number else []):
        found.append(100 * recognised())
print(f"recognised: {found[0]:.0f} %, {found[1]:.0f} % without one cell, {found[-1]:.0f} % without any")

# %%
fig, ax = plt.subplots(figsize=(6, 3))
ax.plot(numbers, found, marker="o")
ax.set(xlabel="Silenced cells of layer 1", ylabel="Recognised (%)", ylim=(0, 100))
fig.tight_layout()
