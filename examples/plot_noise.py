"""
Noise in one compartment
========================

Background input, an Ornstein-Uhlenbeck current, into the basal dendrites: ``CorInfoMax(noise_basal=σ)``. Its standard
deviation σ is in the units of the potential, 1 being 20 mV, and its correlation time 5 ms. The paper has no noise.

Any compartment can have some: ``noise_soma``, ``noise_basal``, ``noise_apical``, ``noise_SST``.
"""

# %%
# A circuit learns without noise.
import matplotlib.pyplot as plt
import numpy as np

from corinfomax import CorInfoMax, Preparation, Stimulus
from corinfomax.analysis.figures import publication_style
from corinfomax.analysis.figures.meanings import APICAL, BASAL, SOMA
from corinfomax.stimuli import batches, load_stimuli

rng = np.random.default_rng(1)
digits = load_stimuli("digits")
quiet = CorInfoMax([64, 64, 10], learning_rate_ff=[2.0, 1.4], learning_rate_fb=0.3, seed=1)
preparation = Preparation(quiet, replicas=20, dtype=np.float32, target="numpy")
for epoch in range(4):
    quiet.epoch = epoch
    preparation.run(
        Stimulus(digits.x_train[rows], digits.y_train[rows], beta=2.0 * rng.choice([-1.0, 1.0]), learn=True)
        for rows in batches(len(digits.x_train), 20, rng)
    )

# %%
# Its weights go into circuits with noise in each of the compartments in turn. ``seed`` fixes the noise. (Each σ is a
# circuit of its own: ``target="numpy"`` is faster here than compiling them all.)
weights = {key: quiet.weights[key] for key in ("W_ff", "W_fb", "B")}
SIGMAS = (0.1, 0.3, 1.0, 3.0)
KINDS = {"noise_soma": SOMA, "noise_basal": BASAL, "noise_apical": APICAL}
without = 100 * np.mean(preparation.predict(digits.x_test).argmax(axis=1) == digits.labels_test)
print(f"without noise {without:.1f} % of the test stimuli")
correct = {kind: [] for kind in KINDS}
for kind, fractions in correct.items():
    for sigma in SIGMAS:
        noisy = CorInfoMax([64, 64, 10], weights=weights, **{kind: sigma})
        rates = Preparation(noisy, replicas=360, target="numpy").settle(digits.x_test, ("r",), seed=1).r[2]
        fractions.append(100 * np.mean(rates.argmax(axis=1) == digits.labels_test))
    print(f"{kind:12}", "  ".join(f"σ {s:g}: {c:.1f} %" for s, c in zip(SIGMAS, fractions, strict=True)))

# %%
# The soma has a large conductance towards its dendrites, 1/ε on each side, and a current of the same size moves it
# less. On the left one cell of layer 1 through the free phase, in five presentations of one stimulus.
noisy = CorInfoMax([64, 64, 10], weights=weights, noise_basal=0.3)
preparation = Preparation(noisy, replicas=5, target="numpy")
free = preparation.present(np.tile(digits.x_test[0], (5, 1)), variables=("V_soma", "V_basal"), seed=0).free
cell = int(free.V_soma[1][-1].mean(axis=0).argmax())
with publication_style():
    figure, axes = plt.subplots(1, 2, figsize=(8, 3))
    for variable, colour in (("V_basal", BASAL), ("V_soma", SOMA)):
        lines = axes[0].plot(1e3 * free.t, 1e3 * getattr(free, variable)[1][:, :, cell], color=colour, linewidth=0.8)
        lines[0].set_label({"V_soma": "soma", "V_basal": "basal dendrite"}[variable])
    axes[0].set(title=f"layer 1, cell {cell}, noise_basal = 0.3", xlabel="Time (ms)", ylabel="Potential (mV)")
    axes[0].set_ylim(bottom=-75)
    axes[0].legend(loc="lower right")
    for kind, colour in KINDS.items():
        axes[1].plot(SIGMAS, correct[kind], "o-", color=colour, label=kind.removeprefix("noise_"))
    axes[1].axhline(without, color="0.5", linestyle=":", linewidth=1, label="no noise")
    axes[1].set_xscale("log")
    axes[1].set_xticks(SIGMAS, [f"{sigma:g}" for sigma in SIGMAS])
    axes[1].set(title="noise in testing only", xlabel="σ (1 = 20 mV)", ylabel="Test stimuli recognised (%)")
    axes[1].legend(title="noise into")
plt.show()
