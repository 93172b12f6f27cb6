"""
Silencing the SST interneurons
==============================

A phase can set any gate or current of any population. Here ``course={"SST_1.gate_soma": 0}`` silences the SST cells of
the hidden layer in the middle of a presentation, as light does in an experiment.

The SST cells carry the off-diagonal part of the entropy term. At the published settings the term weighs 10⁻⁵ against
7, and silencing shows nothing. With ``entropy_gain`` it has weight, and then silencing shows.
"""

# %%
# Three phases: intact, silenced, intact again. A protocol without a teacher only looks.
import matplotlib.pyplot as plt
import numpy as np

from corinfomax import CorInfoMax, Phase, Preparation, Protocol, Stimulus, contrastive
from corinfomax.analysis.figures import publication_style
from corinfomax.analysis.figures.meanings import SST
from corinfomax.stimuli import batches, load_stimuli

digits = load_stimuli("digits")
experiment = Protocol(
    [Phase("before", 80), Phase("silenced", 60, course={"SST_1.gate_soma": 0}), Phase("after", 60)],
    plus="after",
    minus="before",
)

# %%
# Two circuits learn for three epochs: the published one, and one whose B = (R + εI)⁻¹ is kept regularised, with an
# entropy term of weight κγ = .3 (λ = .999, κ = 300) and phases long enough to settle. (For such short runs
# ``target="numpy"`` is faster than compiling.)
CIRCUITS = {
    "published": {},
    "entropy_gain = 300": {
        "entropy_gain": 300,
        "forgetting": 0.999,
        "lateral_rule": "regularised",
        "lateral_refresh": 20,
    },
}
shown = {}
for name, options in CIRCUITS.items():
    rng = np.random.default_rng(0)
    circuit = CorInfoMax([64, 64, 10], learning_rate_ff=[3.0, 2.1], learning_rate_fb=0.45, seed=0, **options)
    training = contrastive(free_steps=60, nudge_steps=20) if options else contrastive()
    preparation = Preparation(circuit, replicas=20, dtype=np.float32, protocol=training, target="numpy")
    for epoch in range(3):
        circuit.epoch = epoch
        preparation.run(
            Stimulus(digits.x_train[rows], digits.y_train[rows], beta=2.0 * rng.choice([-1.0, 1.0]), learn=True)
            for rows in batches(len(digits.x_train), 20, rng)
        )
    correct = np.mean(preparation.predict(digits.x_test).argmax(axis=1) == digits.labels_test)
    looking = Preparation(circuit, replicas=50, protocol=experiment, target="numpy")
    shown[name] = looking.present(digits.x_test[:50], variables=("rate",))
    print(f"{name:18}  {100 * correct:.1f} % of the test stimuli")

# %%
# By how much the rates of layer 1 differ from those at the end of the first phase. Drawn are the twelve cells that one
# stimulus moves most.
with publication_style():
    figure, axes = plt.subplots(1, 2, figsize=(8, 3), sharey=True)
    for ax, (name, presentation) in zip(axes, shown.items(), strict=True):
        time = 1e3 * np.concatenate([phase.t for phase in presentation.phases.values()])
        baseline = presentation.before.rate[1][-1]
        change = presentation.trace("rate", 1) - baseline
        moved = np.abs(presentation.silenced.rate[1][-1] - baseline)
        print(f"{name:18}  silencing changes rates of layer 1 by {moved.max():.2g} Hz at most")
        cells, late = np.argsort(-moved[0])[:12], time > 25
        ax.plot(time[late], change[late, 0][:, cells], linewidth=0.9, color=SST, alpha=0.8)
        start, stop = 1e3 * presentation.before.t[-1], 1e3 * presentation.silenced.t[-1]
        ax.axvspan(start, stop, color="0.92", zorder=0)
        ax.text((start + stop) / 2, 0.98, "SST silenced", transform=ax.get_xaxis_transform(), ha="center", va="top")
        ax.set(title=name, xlabel="Time (ms)")
        ax.margins(y=0.15)
    axes[0].set_ylabel("Change of rate (Hz)")
plt.show()
