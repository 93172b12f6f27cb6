"""Spike-timing-dependent plasticity: rules that single spikes trigger."""

from dataclasses import dataclass

import numpy as np

from ..parameters import Finite, Index, validated_fields
from .plasticity import OuterProducts, Weights
from .states import PhaseEnd


@validated_fields
@dataclass(frozen=True)
class PairRule:
    """Pair-based spike-timing-dependent plasticity between two layers, for ``Plasticity(…, when="spike")``.

        at each spike of a postsynaptic cell i:    W_ij ← W_ij + A_plus x_j     for all j,
        at each spike of a presynaptic cell j:     W_ij ← W_ij - A_minus y_i    for all i,

    where x and y are traces of what the cells have sent, such as the filtered train: they jump at each spike and decay.
    All pairs of spikes count, and those that fall into the same step count in both terms. Over replicas it is a mean.

    Parameters
    ----------
    pre, post : int
        Layers; W is (post, pre).
    A_plus, A_minus : float
        Amplitudes, in units of the learning rate.
    trace_pre, trace_post : str, default "train"
        Signals of the circuit that the traces are, of which the layers' time constants may differ.

    References
    ----------
    Song, Miller & Abbott 2000, Nat. Neurosci. 3, 919; Morrison, Diesmann & Gerstner 2008, Biol. Cybern. 98, 459.
    """

    pre: Index
    post: Index
    A_plus: Finite
    A_minus: Finite
    trace_pre: str = "train"
    trace_post: str = "train"

    def __call__(self, weights: Weights, state: PhaseEnd) -> OuterProducts:
        """Find ΔW at the spikes of a step; only replicas in which one of the two layers spikes have a part in it."""
        pre, post = state.spikes[self.pre], state.spikes[self.post]
        fires = post.any(axis=1), pre.any(axis=1)
        x, y = getattr(state, self.trace_pre)[self.pre], getattr(state, self.trace_post)[self.post]
        up = post[fires[0]].astype(x.dtype), self.A_plus * x[fires[0]]
        down = -self.A_minus * y[fires[1]], pre[fires[1]].astype(x.dtype)
        return OuterProducts(np.concatenate([up[0], down[0]]), np.concatenate([up[1], down[1]]), 1 / len(pre))
