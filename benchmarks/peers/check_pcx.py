"""Hold pcx's predictive coding against an archive that the simulator made, in float32.

python check_pcx.py ARCHIVE.npz
"""

import sys

import numpy as np
from pcx_systems import PredictiveCoding

#: Adam's first steps are nearly the gradient's sign: a weight whose gradient is rounding may move by its whole rate.
RATE, SHARE = 1e-3, 0.01


def main(path):
    """Compare all weights after each minibatch; exit with an error if they differ."""
    with np.load(path) as file:
        archive = dict(file)
    initial = {name[len("init/") :]: W.astype(np.float32) for name, W in archive.items() if name.startswith("init/")}
    system, wrong = PredictiveCoding(initial), False
    for batch in range(len(archive["betas"])):
        x, y = (archive[f"batch{batch}/{name}"].astype(np.float32)[None] for name in "xy")
        system.run([(x, y, np.ones(1))])
        found = dict(system.weights())
        differences = np.concatenate([np.abs(W - archive[f"after{batch}/{name}"]).ravel() for name, W in found.items()])
        far = np.mean(differences > SHARE * RATE)
        wrong |= far > SHARE
        print(f"pcx, minibatch {batch}: largest difference {differences.max():.1e}, {far:.2%} of weights beyond 1e-5")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main(sys.argv[1])
