"""
Leaky dendrites
===============

In the paper dendritic potentials follow their input at once. With ``CorInfoMax(tau_B=…)`` the basal dendrites have a
time constant of their own, in ms, as do apical ones with ``tau_A`` and SST cells with ``tau_SST``.

A slow dendrite delays its soma, and what it adds up to: a free phase of 15 ms becomes too short.
"""

# %%
# The equilibrium is the same for all time constants, only the way to it differs.
import matplotlib.pyplot as plt
import numpy as np

from corinfomax import CorInfoMax, Preparation, contrastive
from corinfomax.analysis.figures import publication_style
from corinfomax.analysis.figures.meanings import CATEGORIES
from corinfomax.stimuli import load_stimuli

digits = load_stimuli("digits")
TAUS = dict(zip((0.0, 2.0, 5.0, 10.0), CATEGORIES, strict=False))  # in ms
long_phase = contrastive(free_steps=160)  # 80 ms
runs = {}
for tau in TAUS:
    circuit = CorInfoMax([64, 64, 10], tau_B=tau, seed=1)
    preparation = Preparation(circuit, replicas=50, protocol=long_phase, target="numpy")  # compiling takes longer
    runs[tau] = preparation.present(digits.x_test[:50], variables=("V_soma", "V_basal", "u")).free


def distance(free, k):
    """How far the somata of layer k are from where they end, relative to that: (steps,)."""
    u = free.u[k]
    return np.linalg.norm(u - runs[0.0].u[k][-1], axis=(1, 2)) / np.linalg.norm(runs[0.0].u[k][-1])


# %%
# After 15 ms, where the published free phase ends:
for tau, free in runs.items():
    left = ", ".join(f"layer {k} {100 * distance(free, k)[29]:.2g} %" for k in (1, 2))
    print(f"tau_B = {tau:4.1f} ms: distance from equilibrium {left}")

# %%
cell = int(runs[0.0].V_soma[1][-1, 0].argmax())
with publication_style():
    figure, axes = plt.subplots(1, 2, figsize=(8, 3))
    for tau, colour in TAUS.items():
        free = runs[tau]
        axes[0].plot(1e3 * free.t, 1e3 * free.V_soma[1][:, 0, cell], color=colour)
        axes[0].plot(1e3 * free.t, 1e3 * free.V_basal[1][:, 0, cell], color=colour, linestyle="--")
        axes[1].semilogy(1e3 * free.t, 100 * distance(free, 2), color=colour, label=f"{tau:g} ms")
    axes[0].set_xlim(0, 40)
    axes[0].set(title=f"layer 1, cell {cell}: soma, and basal dendrite (dashed)", ylabel="Potential (mV)")
    axes[1].axvline(15, color="0.7", linewidth=0.8)
    axes[1].set_ylim(1e-4, 200)
    axes[1].set(title="output: distance from equilibrium", ylabel="Distance of the somata (%)")
    axes[1].legend(title="tau_B", loc="upper left", bbox_to_anchor=(1, 1))
    for ax in axes:
        ax.set_xlabel("Time (ms)")
plt.show()

# %%
# The grey line is the end of the published free phase. ``corinfomax doctor`` tells how many steps a circuit needs.
