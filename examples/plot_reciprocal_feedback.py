"""
Feedback that learns to invert
==============================

In reciprocal feedback noise goes up from a layer, comes down again and goes up once more. From that the feedback
weights B learn to invert the forward weights A.

After a few hundred presentations of noise the activity that comes down, x̂ = B A x, is the noise x itself, as far as a
layer of fewer cells can tell. ``corinfomax train digits_rf`` learns the digits with errors that come down by such
weights.
"""

# %%
# Layer 1 has eight cells, layer 2 five, so that A contracts. The stimulus has a single fibre, and is silent.
import matplotlib.pyplot as plt
import numpy as np

from corinfomax import Preparation, Stimulus
from corinfomax.analysis import inverse_error, penrose_residuals
from corinfomax.networks import ReciprocalFeedback
from corinfomax.protocols.clockwork import recirculating
from corinfomax.protocols.clockwork.recirculation import noise_alone

circuit = ReciprocalFeedback([1, 8, 5], noise_rate=0.05, seed=1)
protocol = recirculating()
preparation = Preparation(circuit, replicas=50, protocol=noise_alone(protocol), target="numpy")
distances = []


def note(moment, ends):
    """How far B is from the pseudoinverse of A."""
    distances.append(inverse_error(circuit.weights["W"][1], circuit.weights["W_fb"][1]))


preparation.on_presentation.append(note)
silence = np.zeros((50, 1))
preparation.run(Stimulus(silence, learn=True, seed=n) for n in range(300))
print(f"‖B − A⁺‖/‖A⁺‖ from {distances[0]:.2f} to {distances[-1]:.2f}")
residuals = penrose_residuals(circuit.weights["W"][1], circuit.weights["W_fb"][1])
print("what is missed of the four conditions of Penrose:", ", ".join(f"{each:.1e}" for each in residuals))

# %%
# A presentation of noise that is recorded: the soma of layer 1 is x in the first phase, and in the echo x̂, which its
# apical dendrite has got from layer 2.
shown = Preparation(circuit, replicas=50, protocol=protocol, target="numpy").present(
    silence, np.zeros((50, 5)), learn=False, seed=1
)
x, x_hat = shown.noise_odd.r[1][-1], shown.echo_odd.r[1][-1]
A, B = circuit.weights["W"][1], circuit.weights["W_fb"][1]
np.testing.assert_allclose(x_hat, x @ (B @ A).T, atol=1e-12)

figure, axes = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
axes[0].semilogy(range(1, 301), distances)
axes[0].set(xlabel="Presentations of noise", ylabel="‖B − A⁺‖/‖A⁺‖")
projected = x @ (np.linalg.pinv(A) @ A).T
axes[1].plot(projected.ravel(), x_hat.ravel(), ".", markersize=3)
axes[1].axline((0, 0), slope=1, color="0.5", linewidth=0.8)
axes[1].set(xlabel="A⁺A x: what layer 2 can tell of x", ylabel="x̂, in the apical dendrites of layer 1")
plt.show()
