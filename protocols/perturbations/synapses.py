"""Perturbations of synapses and of their plasticity; they hold in all phases."""

from collections.abc import Sequence
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from ...errors import ParameterError
from ...networks import Circuit
from ...parameters import Finite, Number, Seed
from ...ranges import listed
from .perturbation import Cells, Perturbation, data

#: Place of weights in a circuit, such as ("W_fb", 1).
Place = tuple[str, Annotated[int, Number, Field(ge=0)]]


@data
class Freeze(Perturbation):
    """Let weights not learn: their rule rests, its memory included.

    Parameters
    ----------
    weights : (str, int)
        ``("W_fb", 1)``.
    period
        As in `Perturbation`.
    """

    weights: Place
    kind: ClassVar[str] = "freeze"

    def check(self, circuit: Circuit):
        """Raise a `ParameterError` if no rule moves these weights."""
        targets = circuit.targets
        if self.weights not in targets:
            raise ParameterError(f"{self}: no rule moves them; rules move {places(targets)}")

    def __str__(self):
        return f"freeze {places([self.weights])}{self._when()}"


@data
class Lesion(Perturbation):
    """Remove synapses: their weights are 0, and stay so through learning.

    After a `period` synapses begin to grow from 0 again; those that follow from others (O and D from B) are back.

    Parameters
    ----------
    weights : (str, int)
        ``("W_ff", 0)``; weights that a projection carries.
    fraction : float, default 1
        How many of the synapses, drawn at random.
    post, pre : sequence of int, optional
        Postsynaptic and presynaptic cells; all by default.
    seed : int, default 0
        Of the draw.
    period
        As in `Perturbation`.
    """

    weights: Place
    fraction: Annotated[Finite, Field(gt=0, le=1)] = 1.0
    post: Cells = None
    pre: Cells = None
    seed: Seed = 0
    kind: ClassVar[str] = "lesion"

    def check(self, circuit: Circuit):
        """Raise a `ParameterError` if there are no such synapses, or nothing settles without them."""
        lost = self.mask(circuit) | circuit.lesions.get(self.weights, False)
        try:
            circuit.check_lesioned({**circuit.lesions, self.weights: lost})
        except ParameterError as error:
            raise ParameterError(f"{self}: {error}") from None

    def mask(self, circuit: Circuit) -> np.ndarray:
        """Which synapses, in the shape of the weights: (post, pre), or (cells,) of one-to-one projections."""
        synapses = list(dict.fromkeys(item.weights for item in circuit.projections))
        if self.weights not in synapses:
            raise ParameterError(f"{self}: no projection has them; projections have {places(synapses)}")
        key, k = self.weights
        shape = np.shape(circuit.weights[key][k])
        if len(shape) == 1 and self.pre is not None:
            raise ParameterError(
                f"{self}: {key} has one axis, of biases or from each cell to itself; name the cells as post"
            )
        chosen = np.ones(shape, dtype=bool)
        for axis, (name, cells) in enumerate((("post", self.post), ("pre", self.pre))[: len(shape)]):
            if cells is None:
                continue
            if not cells or max(cells) >= shape[axis]:
                raise ParameterError(f"{self}: {name} = {listed(cells)}; there are cells 0 to {shape[axis] - 1}")
            inside = np.isin(np.arange(shape[axis]), cells)
            chosen &= inside.reshape((-1, 1)[: len(shape)] if axis == 0 else (1, -1))
        candidates = np.flatnonzero(chosen)
        number = round(self.fraction * len(candidates))
        if not number:
            raise ParameterError(f"{self}: that fraction of {len(candidates)} synapses is none")
        drawn = np.random.default_rng(self.seed).choice(candidates, number, replace=False)
        mask = np.zeros(shape, dtype=bool)
        mask.flat[drawn] = True
        return mask

    def __str__(self):
        share = "" if self.fraction == 1 else f"{100 * self.fraction:g} % of "
        sides = "".join(
            f", {name} {listed(cells)}" for name, cells in (("post", self.post), ("pre", self.pre)) if cells is not None
        )
        return f"lesion {share}{places([self.weights])}{sides}{self._when()}"


def places(weights: Sequence[tuple[str, int]]) -> str:
    """Weights as the command line has them."""
    return ", ".join(f"{key}:{k}" for key, k in weights)
