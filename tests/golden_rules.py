"""Archives of learning rules, computed independently, under the package's numbers of layers.

An archive numbers what belongs to a pair of layers k, k + 1 by k, as the package does: ``W/k`` is ``W[k]``. It also
numbers by k what belongs to layer k + 1 alone, which the package numbers by that layer: ``b/k`` is ``b[k + 1]`` and
``M/k`` is ``M[k + 1]``. Activities and errors have their layer's number in both. What carries errors down, ``B/k``, is
``W_fb[k]`` in the package.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent / "golden" / "rules"

#: Weights of layer k + 1 that an archive calls k.
OF_THE_LAYER_ABOVE = ("b", "M")
#: Weights that the package calls otherwise.
NAMES = {"B": "W_fb"}


@dataclass(frozen=True)
class GoldenRule:
    """One archive.

    Parameters
    ----------
    arrays : dict of str to ndarray
        As they are stored.
    """

    arrays: dict

    def __getitem__(self, name):
        """A setting or an array by its name in the archive; numbers and texts as Python's own."""
        array = self.arrays[name]
        return array.item() if array.ndim == 0 else array

    @property
    def minibatches(self):
        """Number of minibatches."""
        return sum(name.endswith("/x") for name in self.arrays)

    def layers(self, place):
        """Arrays by layer, such as ``layers("batch0/h")[1]``."""
        return {k: array for (_, k), array in self._below(place).items()}

    def weights(self, place):
        """Weights, gradients or moments by (key, k), k numbered as in the package, such as those of "init"."""
        return {
            (NAMES.get(key, key), k + 1 if key in OF_THE_LAYER_ABOVE else k): array
            for (key, k), array in self._below(place).items()
            if len(key) == 1
        }

    def _below(self, place):
        found = {}
        for name, array in self.arrays.items():
            above, _, last = name.rpartition("/")
            if last.isdecimal() and above == place:
                found["", int(last)] = array
            elif last.isdecimal() and above.rpartition("/")[0] == place:
                found[above.rpartition("/")[2], int(last)] = array
        return found


def golden_archive(name):
    """Arrays of one archive, by the names that they have there."""
    with np.load(FOLDER / f"{name}.npz") as archive:
        return dict(archive)


def golden_rule(name):
    """Read one archive."""
    return GoldenRule(golden_archive(name))
