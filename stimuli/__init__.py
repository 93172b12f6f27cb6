"""Stimulus sets: what is presented to a circuit, and the targets, if any, that it is nudged towards.

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
`load_stimuli("mine.npz")` (see `load_npz`). A set may have no targets, and `Stimuli.with_validation` sets some of its
training stimuli apart, on which parameters are chosen.
"""

import lazy_loader as lazy

# Names are imported when they are first used: none of them is worth waiting for the others.
__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "bundled": ["diabetes", "digits"],
        "cifar": ["cifar10", "cifar100"],
        "idx": ["read_idx"],
        "idx_sets": ["fashion_mnist", "mnist"],
        "minibatches": ["batches"],
        "npz": ["from_arrays", "load_npz", "save_npz"],
        "registry": ["available", "load_stimuli", "register"],
        "split": ["train_test_rows"],
        "stimuli": ["Stimuli", "one_hot"],
        "stimulus": ["Stimulus"],
        "synthetic": ["principal_subspace", "subspace"],
    },
)
