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
ax.figure.tight_layout()

# %%
# Perturb
# -------
# Silence cells of layer 1 one at a time, and see how often the digits are still recognised. A preparation is a circuit
# on the clock; a perturbation is in force for as long as its ``with`` statement.
some = slice(0, 100)
preparation = run.preparation(replicas=100)


def recognised():
    """Fraction of the test stimuli that the circuit takes for what they are."""
    return np.mean(preparation.predict(x[some]).argmax(axis=1) == labels[some])


control, cells = recognised(), range(0, 64, 8)
silenced = []
for n in cells:
    with Intervention(preparation, [Silence("layer_1", cells=[n])]):
        silenced.append(recognised())
print(f"recognised: {100 * control:.0f} %, at worst {100 * min(silenced):.0f} % without one of its cells")

# %%
fig, ax = plt.subplots(figsize=(6, 3))
ax.bar(range(len(silenced)), 100 * (np.array(silenced) - control), tick_label=list(cells))
ax.axhline(0, color="black", linewidth=0.8)
ax.set(xlabel="Silenced cell of layer 1", ylabel="Change (% of stimuli)")
fig.tight_layout()
