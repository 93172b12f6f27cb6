"""
Spikes of a trained circuit
===========================

A circuit whose layers send each other spike trains, inputs too: who spikes when, and what the somata do meanwhile.

Each cell has its rate r as ever, and a coding spike generator turns it into spikes: a cell spikes as soon as the train
that it has sent falls behind its rate. Plasticity reads means of these trains. ``corinfomax record RUN`` draws the same
of a run that was trained with ``signal = "spikes"``, such as the preset ``digits_spiking``.
"""

# %%
# The circuit of the preset ``digits_spiking``, which has learnt for one epoch, with β of random sign.
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from corinfomax import CorInfoMax, Preparation, Stimulus
from corinfomax.analysis import read_recording
from corinfomax.analysis.figures import spike_raster
from corinfomax.protocols.clockwork import contrastive
from corinfomax.protocols.recording import record
from corinfomax.stimuli import batches, load_stimuli

rng = np.random.default_rng(0)
digits = load_stimuli("digits")
circuit = CorInfoMax(
    [64, 128, 10], signal="spikes", initial_gain_ff=[1.0, 0.3], learning_rate_ff=[2.0, 1.4], learning_rate_fb=0.3,
    sst_every=150,
)  # fmt: skip
protocol = contrastive(free_steps=150, nudge_steps=150, step=0.05)
preparation = Preparation(circuit, replicas=20, dtype=np.float32, protocol=protocol)
preparation.run(
    Stimulus(digits.x_train[rows], digits.y_train[rows], beta=2.0 * rng.choice([-1.0, 1.0]), learn=True)
    for rows in batches(len(digits.x_train), 20, rng)
)
accuracy = np.mean(preparation.predict(digits.x_test).argmax(axis=1) == digits.labels_test)
print(f"{100 * accuracy:.0f} % of the test stimuli are recognised")

# %%
# Twenty test stimuli at once, with the potentials of some cells and the spikes of all. Spikes come as events, by
# population, and with tables of rates and intervals.
arrays = record(preparation, digits, range(20), {1: range(0, 128, 4), 2: range(10)}, beta=2.0)
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "recording.npz"
    np.savez(path, **arrays)
    recording = read_recording(path)
for name, trains in recording.spikes.items():
    table = trains.statistics()
    active = table[table["spikes"] > 0]
    print(
        f"{name}: {len(active)} of {len(table)} cells spike, {active['spikes_per_presentation'].mean():.1f} times in a "
        f"presentation of 150 ms, {active['rate'].mean():.0f} Hz, CV of intervals {active['cv'].mean():.2f}"
    )

# %%
# The raster of one stimulus, and below it the somatic potentials of four cells. Inputs spike most when the stimulus
# comes on: their trains begin at 0 and have to rise to their rates.
spike_raster(recording, stimulus=3)
plt.show()
