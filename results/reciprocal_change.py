"""Digits whose classes are named anew again and again, kept in ``reciprocal_change.csv``.

    python results/reciprocal_change.py

The output cells change their meaning every few epochs, so that the weights never come to rest, and feedback that was
learnt once is further and further from them. What is there already is not computed again.
"""

import itertools
from pathlib import Path

import numpy as np
import pandas as pd

from corinfomax import Stimulus
from corinfomax.analysis import accuracy, angle
from corinfomax.analysis.files import replacing
from corinfomax.protocols.runs import Configuration
from corinfomax.protocols.systems.reciprocal_feedback import learn_from_noise
from corinfomax.stimuli import batches, load_stimuli

KEPT = Path(__file__).parent / "reciprocal_change.csv"
SEEDS = (0, 1, 2)
#: Number of tasks, and epochs of each.
PLANS = {"6 tasks of 5 epochs": (6, 5), "20 tasks of 2 epochs": (20, 2)}
_NET = ["architecture=[64,100,100,100,10]", "learning_rate=0.003", "learning_rate_factor=1.0", "learning_rate_every=1"]
#: Preset and settings of each rule: each with the initial weights that are best for it without change.
RULES = {
    "BP": ("digits_bp_mse", [*_NET, "initial_forward=orthogonal"]),
    "FA": ("digits_fa_mse", _NET),
    "RF (R2)": ("digits_rf", _NET),
    "RF, A fixed in noise": ("digits_rf", [*_NET, "noise_rate=0.1", "noise_rate_forward=0"]),
    "B learnt before, then frozen": ("digits_rf", [*_NET, "noise=false"]),
    "FA with B = W₀ᵀ": ("digits_rf", [*_NET, "noise=false", "initial_noise=0", "initial_feedback=transposed"]),
}


def course(plan: str, rule: str, seed: int) -> list[dict]:
    """Test accuracy after each epoch, through all tasks."""
    (preset, settings), (tasks, epochs) = RULES[rule], PLANS[plan]
    configuration = Configuration.read(preset, [*settings, f"seed={seed}"])
    digits, network = load_stimuli("digits"), configuration.build_circuit()
    protocol, mount = configuration.build_protocol(), configuration.entry.mount
    learning = mount(network, 20, protocol, dtype=np.float32)
    looking = mount(network, len(digits.x_test), protocol, dtype=np.float32)
    if getattr(network, "initial_noise", 0):
        learn_from_noise(learning, network.initial_noise)
    random = np.random.default_rng(seed)
    rows = []
    for task in range(tasks):
        names = random.permutation(10) if task else np.arange(10)
        y_train, y_test = digits.y_train[:, names], digits.y_test[:, names]
        for epoch in range(epochs):
            learning.run(
                Stimulus(digits.x_train[n], y_train[n], learn=True, seed=int(random.integers(2**32)))
                for n in batches(len(y_train), 20, random)
            )
            found = {"test_accuracy": accuracy(looking.predict(digits.x_test), y_test)}
            if "W_fb" in network.weights:
                found["angle_1"] = angle(network.weights["W"][1], network.weights["W_fb"][1])
            rows.append({"plan": plan, "rule": rule, "seed": seed, "task": task + 1, "epoch": epoch + 1, **found})
    return rows


def read() -> pd.DataFrame:
    """All rows that are kept."""
    return pd.read_csv(KEPT) if KEPT.exists() else pd.DataFrame(columns=["plan", "rule", "seed", "task", "epoch"])


def main():
    """Compute what is missing, and keep it after each course."""
    kept = read()
    for plan, seed, rule in itertools.product(PLANS, SEEDS, RULES):
        if len(kept[(kept["plan"] == plan) & (kept["rule"] == rule) & (kept["seed"] == seed)]):
            continue
        rows = pd.DataFrame(course(plan, rule, seed))
        kept = pd.concat([kept, rows]) if len(kept) else rows
        with replacing(KEPT) as file:
            file.write(kept.to_csv(index=False, float_format="%.6g").encode())
        print(plan, rule, seed, rows["test_accuracy"].iloc[-1], flush=True)


if __name__ == "__main__":
    main()
