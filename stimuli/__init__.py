"""Stimulus sets: what is presented to a circuit, and the targets it is nudged towards.

>>> from corinfomax.stimuli import load_stimuli
>>> load_stimuli("digits")
<Stimuli digits: classification, inputs 64, outputs 10, train 1437, test 360>

A set is a `Stimuli`, and a *loader* is a function that takes the data folder (a `pathlib.Path`, or None if the user
gave none) and returns one. To add a set of your own in a script or notebook, register its loader:

>>> from corinfomax.stimuli import Stimuli, register, train_test_rows
>>> def gratings(data):
...     x, labels = ...  # (n, inputs) in [0, 1] and (n,) integers
...     train, test = train_test_rows(len(x), labels)
...     return Stimuli.from_labels("gratings", x[train], labels[train], x[test], labels[test])
>>> register("gratings", gratings)

To add one to the package, write its loader in a module here and enter it in `BUILT_IN` of `registry.py`. Sets in the
IDX format need only an `IdxSet` (see `idx_sets.py`). Arrays that are already saved need no code:
`load_stimuli("mine.npz")` (see `load_npz`).
"""

from .batches import batches
from .bundled import diabetes, digits
from .cifar import cifar10, cifar100
from .idx import read_idx
from .idx_sets import fashion_mnist, mnist
from .npz import load_npz
from .registry import available, load_stimuli, register
from .split import train_test_rows
from .stimuli import Stimuli, one_hot
from .stimulus import Stimulus

__all__ = [
    "Stimuli",
    "Stimulus",
    "available",
    "batches",
    "cifar10",
    "cifar100",
    "diabetes",
    "digits",
    "fashion_mnist",
    "load_npz",
    "load_stimuli",
    "mnist",
    "one_hot",
    "read_idx",
    "register",
    "train_test_rows",
]
