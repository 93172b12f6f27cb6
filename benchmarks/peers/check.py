"""Hold the PyTorch loops against archives of trajectories and weights, to 1e-9.

    python check.py ARCHIVE.npz…

An archive is one of `tests/golden`, of `tests/golden/rules` (``ep_*``), or one in their form that the simulator made.
Sparse archives are left out: the loops have no sparse layers.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from torch_loops import CorInfoMax, EquilibriumPropagation

TOLERANCE = 1e-9


def loop(archive):
    """The loop that an archive describes."""
    initial = {name[len("init/") :]: array for name, array in archive.items() if name.startswith("init/")}
    steps = {name: int(archive[name]) for name in ("free_steps", "nudge_steps")}
    if str(archive.get("rule")) == "ep":
        return EquilibriumPropagation(initial, rates=archive["alpha_W"], step=float(archive["step"]), **steps)
    return CorInfoMax(
        initial,
        rates_ff=archive["lr_ff"],
        rates_fb=archive["lr_fb"],
        forgetting=float(archive["lambda_r"]),
        three_phase=bool(archive["three_phase"]),
        step_rule=str(archive["step_rule"]),
        convention=str(archive.get("convention", "authors")),
        **{name: float(archive[name]) for name in ("epsilon", "g_leak", "step", "step_min", "step_decay")},
        **steps,
    )


def largest_difference(path):
    """Largest difference of any state or weight, and how many arrays were compared."""
    with np.load(path) as file:
        archive = dict(file)
    trained, largest, compared = loop(archive), 0.0, 0
    for batch, beta in enumerate(archive["betas"]):
        x, y = (torch.tensor(archive[f"batch{batch}/{name}"]) for name in "xy")
        history, found = trained.train(x, y, float(beta)), {}
        for phase, states in history.items():
            for k in range(1, len(archive["architecture"])):
                if states:
                    variable = "s" if isinstance(trained, EquilibriumPropagation) else "r"
                    found[f"batch{batch}/{phase}/{variable}/{k}"] = torch.stack([state[k - 1] for state in states])
        found |= {f"after{batch}/{name}": W for name, W in trained.weights.items()}
        for name, theory in archive.items():
            if name.startswith((f"batch{batch}/free", f"batch{batch}/nudge", f"after{batch}/")):
                largest = max(largest, float(np.abs(found[name].numpy() - theory).max()))
                compared += 1
    return largest, compared


def main(paths):
    """Compare all archives; exit with an error if one differs or compares nothing."""
    wrong = False
    for path in map(Path, paths):
        largest, compared = largest_difference(path)
        wrong |= not largest < TOLERANCE or not compared
        print(f"{path.name}: {compared} arrays, largest difference {largest:.1e}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main(sys.argv[1:])
