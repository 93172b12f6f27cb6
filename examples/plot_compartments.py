"""
Compartment voltages in a free and a nudge phase
================================================

What dendrites, somata and interneurons do while a stimulus is on, first without and then with the teacher.

In the output layer the teacher sets the apical potential, and acts only while β ≠ 0. In layer 1 the nudge arrives by
way of the feedback weights: it moves the apical dendrites, these the somata, and the difference between the ends of
the two phases is what the synapses learn from.
"""

# %%
# A circuit that has learnt for three epochs, with β of random sign.
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from corinfomax import CorInfoMax, Preparation, Stimulus
from corinfomax.analysis import read_recording
from corinfomax.analysis.figures import compartment_voltages
from corinfomax.protocols.recording import record
from corinfomax.stimuli import batches, load_stimuli

rng = np.random.default_rng(1)
digits = load_stimuli("digits")
circuit = CorInfoMax([64, 128, 10], learning_rate_ff=[2.0, 1.4], learning_rate_fb=0.3, seed=1)
preparation = Preparation(circuit, replicas=20, dtype=np.float32)
for epoch in range(3):
    circuit.epoch = epoch
    preparation.run(
        Stimulus(digits.x_train[rows], digits.y_train[rows], beta=2.0 * rng.choice([-1.0, 1.0]), learn=True)
        for rows in batches(len(digits.x_train), 20, rng)
    )

# %%
# A test stimulus that leaves the cell of its class undecided: there the teacher has most to say.
rates = preparation.predict(digits.x_test)
target_rates = rates[np.arange(len(rates)), digits.labels_test]
stimulus = int(np.abs(target_rates - 0.5).argmin())
label = int(digits.labels_test[stimulus])
print(f"{100 * np.mean(rates.argmax(axis=1) == digits.labels_test):.1f} % of the test stimuli are recognised")
print(f"test stimulus {stimulus}, a {label}: output cell {label} fires at {100 * target_rates[stimulus]:.0f} Hz")

# %%
# The cells worth looking at: in the output that of the class and its strongest rival, in layer 1 the two whose somata
# the nudge moves most. ``corinfomax record`` does the same from the command line.
shown = preparation.present(digits.x_test[stimulus], digits.y_test[stimulus], beta=2.0, learn=False, variables=("u",))
moved = np.abs(shown.nudge.u[1][-1, 0] - shown.free.u[1][-1, 0])
rival = int(np.argsort(np.where(np.arange(10) == label, -1, rates[stimulus]))[-1])
cells = {1: np.argsort(-moved)[:2].tolist(), 2: [label, rival]}

arrays = record(preparation, digits, [stimulus], cells, beta=2.0)
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "recording.npz"
    np.savez(path, **arrays)
    recording = read_recording(path)
compartment_voltages(recording, cells=cells)
plt.show()
