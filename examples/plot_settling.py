"""
A circuit settles
=================

The compartments of a few cells through the free and the nudge phase of one test stimulus, as an animation.
"""

# %%
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from corinfomax import CorInfoMax, Preparation, Stimulus
from corinfomax.analysis import read_recording
from corinfomax.analysis.figures import settling_animation
from corinfomax.protocols.recording import record, representative_cells
from corinfomax.stimuli import batches, load_stimuli

rng = np.random.default_rng(1)
digits = load_stimuli("digits")
circuit = CorInfoMax([64, 128, 10], learning_rate_ff=[3.0, 2.1], learning_rate_fb=0.45, seed=1)
preparation = Preparation(circuit, replicas=20, dtype=np.float32)
for epoch in range(3):
    circuit.epoch = epoch
    preparation.run(
        Stimulus(digits.x_train[rows], digits.y_train[rows], beta=2.0 * rng.choice([-1.0, 1.0]), learn=True)
        for rows in batches(len(digits.x_train), 20, rng)
    )

# %%
# Of all test stimuli that one whose target cell is least decided in the free phase: there the nudge has most to do.
rates = preparation.predict(digits.x_test)[np.arange(len(digits.x_test)), digits.labels_test]
stimulus = int(np.abs(rates - 0.5).argmin())
cells = representative_cells(preparation, digits, stimulus)
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "recording.npz"
    np.savez(path, **record(preparation, digits, [stimulus], cells, beta=2.0))
    recording = read_recording(path)

label, rate = digits.labels_test[stimulus], 100 * rates[stimulus]
print(f"test stimulus {stimulus}, a {label}: its output cell fires at {rate:.0f} Hz")
print("cells shown, by layer:", cells)
animation = settling_animation(recording)
plt.show()
