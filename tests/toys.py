"""Toy stimuli and the command line that trains on them, for several test modules."""

import numpy as np


def stimuli(**changes):
    """Arrays of 60 stimuli of 6 inputs in 3 classes, with some keys replaced."""
    rng = np.random.default_rng(0)
    x = rng.uniform(size=(60, 6))
    return {"x": x, "y": np.argmax(x[:, :3] + x[:, 3:], axis=1), **changes}


def on_toys(path, *settings):
    """Words of a `train` command on toy stimuli."""
    own = (f"stimuli={path}", "architecture=[6,5,3]", "batch_size=5", "epochs=2", "target=numpy", *settings)
    return ["train", *(word for setting in own for word in ("--set", setting))]
