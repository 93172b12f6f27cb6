"""Contrastive similarity matching (Qin, Mudur & Pehlevan 2021)."""

from collections.abc import Iterator

from ...analysis import Finding
from ...networks.contrastive_matching import ContrastiveSimilarityMatching
from ...networks.states import Layers
from ...parameters import Switch, extends
from ...stimuli.stimuli import Stimuli
from ..clockwork.protocol import Protocol
from ..clockwork.protocol import contrastive as contrastive_of_any_sign
from ..examinations.examined import Examined
from .metrics import codes, norms, performance
from .model import Model
from .wiring import Wiring


@extends(contrastive_of_any_sign, without=("random_sign",))
def contrastive(*, random_sign: Switch = False, **stepping) -> Protocol:
    """Build the original protocol: a free and a nudge phase, β always positive.

    Parameters
    ----------
    random_sign : bool, default False
        Whether β keeps or flips its sign by a fair coin each minibatch, as in the runs that CorInfoMax was compared
        with. M then decays to about 0, since the Hebbian part of its rule has β's sign.
    **stepping
        As in `corinfomax.protocols.clockwork.contrastive`.

    Returns
    -------
    Protocol
    """
    return contrastive_of_any_sign(random_sign=random_sign, **stepping)


def metrics(circuit: ContrastiveSimilarityMatching, states: Layers, stimuli: Stimuli) -> dict[str, float]:
    """Columns of the history: accuracy or R², ``norm_W_k`` and ``norm_M_k``, and what the codes of layers are like.

    Parameters
    ----------
    circuit : ContrastiveSimilarityMatching
    states : Layers
        r of the layers k ≥ 1, in which the test stimuli leave it.
    stimuli : Stimuli
    """
    return {
        **performance(circuit.predicted(states), stimuli),
        **norms(circuit),
        **norms(circuit, "M"),
        **codes(states.r, circuit.bounds, ("sparsity", "saturation", "participation_ratio", "stuck")),
    }


def decaying(examined: Examined) -> Iterator[Finding]:
    """Say what becomes of M: where β's sign is random, nothing is left of it."""
    random = examined.protocol.random_sign
    advice = "M decays to about 0, and what learns is equilibrium propagation: take random_sign = false"
    yield Finding("Sign of β", "random" if random else "positive", "positive", advice if random else "")


MODEL = Model(
    trainable=ContrastiveSimilarityMatching,
    protocols={"contrastive": contrastive, "phases": Protocol},
    metrics=metrics,
    examinations=(decaying,),
    reads_like="contrastive similarity matching",
    citations=("Qin2021",),
    wiring=Wiring(
        transport=False,
        symmetric=True,
        local=True,
        why="ΔW is a product of two cells' rates, ΔM a product of rates, too",
    ),
)
