"""
Learning without phases
=======================

A teacher that oscillates while the stimulus is on, and what a synapse sees of it.

There is no free phase to be remembered. β(t) goes up and down; the cells follow; and a synapse whose plasticity is
gated by the same oscillation adds up what follows, for what stands still is taken back in the other half of the cycle.
"""

# %%
# A circuit that has learnt digits for two epochs in this way.
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from corinfomax import CorInfoMax, Preparation, Stimulus
from corinfomax.analysis import read_recording
from corinfomax.analysis.figures import oscillation_cycle
from corinfomax.protocols.clockwork import oscillating
from corinfomax.protocols.recording import record
from corinfomax.stimuli import batches, load_stimuli

LAG = 4  # steps, 2 ms, by which the gate lags behind the teacher
rng = np.random.default_rng(1)
digits = load_stimuli("digits")
circuit = CorInfoMax(
    [64, 128, 10],
    initial_gain_ff=[1.0, 0.3],
    learning_rate_ff=[2.8, 1.96],
    learning_rate_fb=0.42,
    contrast="oscillation",
    gate_lag=LAG,
    seed=1,
)
protocol = oscillating(settle_steps=30, cycle_steps=40, beta=2.0)
preparation = Preparation(circuit, replicas=20, dtype=np.float32, protocol=protocol)
for epoch in range(2):
    circuit.epoch = epoch
    preparation.run(
        Stimulus(digits.x_train[rows], digits.y_train[rows], beta=2.0 * rng.choice([-1.0, 1.0]), learn=True)
        for rows in batches(len(digits.x_train), 20, rng)
    )

# %%
# A test stimulus that leaves the cell of its class undecided, and in layer 1 the cell that the teacher moves most.
rates = preparation.predict(digits.x_test)
label = digits.labels_test
print(f"{100 * np.mean(rates.argmax(axis=1) == label):.1f} % of the test stimuli are recognised")
stimulus = int(np.abs(rates[np.arange(len(rates)), label] - 0.5).argmin())
shown = preparation.present(digits.x_test[stimulus], digits.y_test[stimulus], 2.0, learn=False, variables=("r",))
hidden = int(np.ptp(shown.oscillation.r[1][:, 0], axis=0).argmax())
target = int(label[stimulus])
print(f"test stimulus {stimulus}, of class {target}: the teacher moves hidden cell {hidden} most")

# %%
# One cycle of 50 ms. Beneath the potentials: the teacher, and how fast the basal synapse would change if it changed at
# once. What it has at the end is what the cell has followed.
preparation.exchange_protocol(oscillating(settle_steps=30, cycle_steps=100, beta=2.0))
arrays = record(preparation, digits, [stimulus], {1: [hidden], 2: [target]}, beta=2.0)
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "recording.npz"
    np.savez(path, **arrays)
    recording = read_recording(path)
oscillation_cycle(recording, {1: hidden, 2: target}, presynaptic={2: hidden}, gate_lag=LAG)
plt.show()
