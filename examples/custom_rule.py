"""
A custom learning rule
======================

Kolen and Pollack's rule, by which feedback learns with the transposed forward change.

In place of eq 27 each feedback projection takes the transpose of eq 26's ΔW, at the same rate and with the same
weight decay, so that W_fb turns towards the transpose of W_ff. Run: ``python examples/custom_rule.py``
"""

from dataclasses import dataclass

import numpy as np

from corinfomax import CorInfoMax, Preparation, Stimulus
from corinfomax.analysis import angle
from corinfomax.networks import EpochDecay, ForwardRule, GradientStep, OuterProducts, Plasticity
from corinfomax.stimuli import batches, load_stimuli

EPOCHS = 5
BETA = 2.0  # twice the paper's: output cells that begin silent would otherwise stay so for many epochs


@dataclass(frozen=True)
class KolenPollackRule:
    """ΔW_fb^(k) = (ΔW_ff^(k))ᵀ."""

    k: int

    def __call__(self, weights, plus, minus):
        """ΔW_fb^(k), (N_k, N_{k+1})."""
        forward = ForwardRule(self.k)(weights, plus, minus)
        return OuterProducts(post=forward.pre, pre=forward.post, scale=forward.scale)


def kolen_pollack(circuit, rate, weight_decay):
    """Exchange the feedback rules of a circuit of one hidden layer."""
    decaying = EpochDecay(rate, ((0, 0.95), (15, 0.9)))  # as the rate of W_ff does by default
    plasticity = Plasticity(KolenPollackRule(1), GradientStep(("W_fb", 1), decaying, weight_decay))
    circuit.exchange_plasticity(("W_fb", 1), plasticity)
    return circuit


digits = load_stimuli("digits")
options = {"learning_rate_ff": 1.0, "learning_rate_fb": 0.3, "weight_decay": 0.005, "seed": 1}
circuits = {
    "eq 27": CorInfoMax([64, 128, 10], **options),
    "Kolen-Pollack": kolen_pollack(CorInfoMax([64, 128, 10], **options), rate=1.0, weight_decay=0.005),
}
for name, circuit in circuits.items():
    rng = np.random.default_rng(1)
    preparation = Preparation(circuit, replicas=20, dtype=np.float32)
    for epoch in range(EPOCHS):
        circuit.epoch = epoch
        preparation.run(
            Stimulus(digits.x_train[rows], digits.y_train[rows], beta=BETA * rng.choice([-1.0, 1.0]), learn=True)
            for rows in batches(len(digits.x_train), 20, rng)
        )
    correct = np.mean(preparation.predict(digits.x_test).argmax(axis=1) == digits.labels_test)
    degrees = angle(circuit.weights["W_ff"][1], circuit.weights["W_fb"][1])
    print(f"{name:14} after {EPOCHS} epochs: {100 * correct:.1f} % of test stimuli, angle {degrees:.1f}°")
