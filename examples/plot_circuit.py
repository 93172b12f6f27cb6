"""
What a circuit consists of
==========================

Circuits describe themselves in plain values, and a diagram is drawn from that description.

A description lists populations with their compartments, projections with the compartment that they enter, links and the
teacher. It is JSON, stands in every run folder as ``circuit.json``, and holds no weights.
"""

# %%
import json

import matplotlib.pyplot as plt

from corinfomax import CorInfoMax
from corinfomax.analysis.figures import circuit_diagram

circuit_diagram(CorInfoMax([784, 500, 10]).description())
plt.show()

# %%
# Three hidden layers, with inhibitory multiplier cells that keep each within its domain, and background input.
circuit = CorInfoMax([64, 60, 40, 20, 10], domain="B_1_plus", noise_basal=0.1)
circuit_diagram(circuit.description())
plt.show()

# %%
# The description itself, of one population and one projection.
description = circuit.description()
for kind in ("populations", "projections"):
    print(json.dumps(description[kind][2], ensure_ascii=False))
