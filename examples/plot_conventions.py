"""
Three readings of the output layer
==================================

Eqs 14 and 21 of the paper differ in what the teacher does to the output cells, and the published trajectories follow a
third reading. The same weights, the same stimulus, three conventions.

``"normative"`` is eq 14: an apical conductance β with the target as its potential. ``"printed"`` is eq 21 as it stands
in the paper, which subtracts a further βu. In ``"authors"`` the conductance is 1, in the free phase too, the layers
step one after the other, and the somata begin each phase at their rates.
"""

# %%
# For such short runs ``target="numpy"`` is faster than compiling each circuit.
import matplotlib.pyplot as plt
import numpy as np

from corinfomax import CorInfoMax, Preparation, Stimulus
from corinfomax.analysis.figures import publication_style
from corinfomax.analysis.figures.meanings import CATEGORIES
from corinfomax.stimuli import batches, load_stimuli

CONVENTIONS = dict(zip(("normative", "printed", "authors"), CATEGORIES, strict=False))
digits = load_stimuli("digits")


def trained(convention, epochs=3):
    """A circuit of a convention and the test accuracy that it has learnt, from the same initial weights."""
    rng = np.random.default_rng(1)
    rates = {"learning_rate_ff": [2.0, 1.4], "learning_rate_fb": 0.3}
    circuit = CorInfoMax([64, 64, 10], convention=convention, seed=1, **rates)
    preparation = Preparation(circuit, replicas=20, dtype=np.float32, target="numpy")
    for epoch in range(epochs):
        circuit.epoch = epoch
        preparation.run(
            Stimulus(digits.x_train[rows], digits.y_train[rows], beta=2.0 * rng.choice([-1.0, 1.0]), learn=True)
            for rows in batches(len(digits.x_train), 20, rng)
        )
    return circuit, np.mean(preparation.predict(digits.x_test).argmax(axis=1) == digits.labels_test)


circuits = {}
for convention in CONVENTIONS:
    circuits[convention], correct = trained(convention)
    print(f"{convention:9}  {100 * correct:.1f} % of the test stimuli after 3 epochs")

# %%
# Now the weights of the normative circuit in all three, and a stimulus that it leaves undecided, nudged with β = 1.
weights = {key: circuits["normative"].weights[key] for key in ("W_ff", "W_fb", "B")}
rates = Preparation(circuits["normative"], replicas=360, target="numpy").predict(digits.x_test)
stimulus = int(np.abs(rates[np.arange(len(rates)), digits.labels_test] - 0.5).argmin())
label = int(digits.labels_test[stimulus])
with publication_style():
    figure, axes = plt.subplots(1, 3, figsize=(9, 2.8))
    for convention, colour in CONVENTIONS.items():
        circuit = CorInfoMax([64, 64, 10], convention=convention, weights=weights)
        preparation = Preparation(circuit, target="numpy")
        shown = preparation.present(digits.x_test[stimulus], digits.y_test[stimulus], learn=False)
        time = 1e3 * np.concatenate([phase.t for phase in shown.phases.values()])
        for ax, variable in zip(axes, ("v_A", "u", "r"), strict=True):
            ax.plot(time, shown.trace(variable, 2)[:, 0, label], color=colour, label=convention)
    for ax, title in zip(axes, ("apical potential $v_A$", "soma $u$", "rate $r$"), strict=True):
        ax.axvline(1e3 * shown.free.t[-1], color="0.7", linewidth=0.8)
        ax.set(title=title, xlabel="Time (ms)")
    axes[0].set_ylabel(f"Output cell {label}, target (dimensionless)")
    axes[-1].legend(loc="upper left", bbox_to_anchor=(1, 1))
plt.show()

# %%
# The nudge begins at the grey line, and the target y = 1 is there from then on. Before it the apical potential has no
# effect in ``"normative"`` and ``"printed"``, since its conductance is β = 0. In ``"authors"`` the conductance of 1
# towards a potential of 0 is a further leak, so that the cell stays lower from the start.
#
# For the printed teacher this cell is where it should be: its pull is y − r − u, which is 0 at r = u = ½. The −βu that
# eq 14 does not have keeps the cell from its target.
