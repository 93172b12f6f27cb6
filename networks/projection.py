"""Projections carry a population's signal r through weights to a drive slot of another population.

Dense weights are NumPy arrays (post, pre) shared by all replicas, and one BLAS product a step writes the drive into
the target's own buffer. `SynapticTransmission` does the same with real Brian2 `Synapses`, one copy of the weights for
each replica: some hundred times slower for dense weights, the oracle of the tests, and the choice for sparse circuits.
"""

from dataclasses import dataclass
from typing import Literal

import brian2 as b2
import numpy as np

from .population import Population

Pattern = Literal["dense", "one_to_one", "synapses"]
Signal = Literal["r", "abs(r)", "int(r != 0)"]
Weights = dict[str, dict[int, np.ndarray]]


_SIGNALS = {"r": np.asarray, "abs(r)": np.abs, "int(r != 0)": np.bool_}


@dataclass(frozen=True)
class Projection:
    """What a circuit declares of a projection.

    Parameters
    ----------
    source, target : str
        Populations.
    slot : str
        Drive slot of the target's cells. A slot has one projection.
    weights : (str, int)
        Place in the circuit's weights: (post, pre) for dense patterns, (cells,) for one-to-one.
    pattern : {"dense", "one_to_one", "synapses"}
    every : int
        Update the drive on every n-th step only, counted from each phase's start.
    constant : bool
        The source is held while a stimulus is on: one product a presentation.
    signal : {"r", "abs(r)", "int(r != 0)"}
        What of the source's rates is carried.
    """

    source: str
    target: str
    slot: str
    weights: tuple[str, int]
    pattern: Pattern = "dense"
    every: int = 1
    constant: bool = False
    signal: Signal = "r"

    @property
    def name(self) -> str:
        """Name of the Brian2 object that stands for this projection."""
        return f"{self.source}_to_{self.target}_{self.slot}"


class Transmission:
    """A dense or one-to-one projection between mounted populations; calling it refreshes the drive.

    Parameters
    ----------
    projection : Projection
    source, target : Population
    weights : dict
        The circuit's weights, looked up at each call so that the circuit may exchange arrays.
    """

    def __init__(self, projection: Projection, source: Population, target: Population, weights: Weights):
        self.projection = projection
        self.signal, self.drive = source.view("r"), target.view(projection.slot)
        self._key, self._index = projection.weights
        self._weights = weights
        self._carried = _SIGNALS[projection.signal]

    def __call__(self):
        """Compute the drive from the present signal."""
        weights = self._weights[self._key][self._index]
        signal = self._carried(self.signal)
        if self.projection.pattern == "one_to_one":
            np.multiply(signal, weights, out=self.drive)
        else:
            np.dot(signal, weights.T, out=self.drive)

    def begin(self):
        """Compute the drive that a presentation begins with; a silent source needs no product."""
        if self.signal.any():
            self()
        else:
            self.drive[...] = 0


class SynapticTransmission(Transmission):
    """A projection by Brian2 `Synapses`, each replica with its own copy of the weights.

    Brian2 sums up in each step; calling the transmission computes the drive that a presentation begins with.

    Parameters
    ----------
    projection, source, target, weights
        As in `Transmission`.
    when, order
        Place in Brian2's schedule at which the synapses sum up.
    code_object_class : type of CodeObject

    Attributes
    ----------
    synapses : Synapses
    """

    def __init__(
        self,
        projection: Projection,
        source: Population,
        target: Population,
        weights: Weights,
        when,
        order,
        code_object_class,
    ):
        super().__init__(projection, source, target, weights)
        self.synapses = b2.Synapses(
            source.group,
            target.group,
            f"w : 1\n{projection.slot}_post = w*{projection.signal.replace('r', 'r_pre')} : 1 (summed)",
            clock=target.group.clock,
            dtype=target.view(projection.slot).dtype,
            codeobj_class=code_object_class,
            name=projection.name,
        )
        post, pre = np.indices((target.size, source.size)).reshape(2, -1)
        replica = np.arange(source.replicas)[:, None]
        self.synapses.connect(
            i=(replica * source.size + pre).ravel(), j=(replica * target.size + post).ravel(), skip_if_invalid=False
        )
        self._replicas = source.replicas
        updater = self.synapses.summed_updaters[f"{projection.slot}_post"]
        updater.when, updater.order = when, order
        self.copy_weights()

    def copy_weights(self):
        """Take the circuit's present weights over into the synapses."""
        weights = self._weights[self._key][self._index]
        self.synapses.variables["w"].get_value()[:] = np.tile(weights.ravel(), self._replicas)
