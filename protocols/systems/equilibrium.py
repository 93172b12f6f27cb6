"""Equilibrium propagation (Scellier & Bengio 2017)."""

from ...networks.equilibrium import EquilibriumPropagation
from ...networks.states import Layers
from ...stimuli.stimuli import Stimuli
from ..clockwork.protocol import Protocol, contrastive
from .metrics import codes, norms, performance
from .model import Model
from .wiring import Wiring


def metrics(circuit: EquilibriumPropagation, states: Layers, stimuli: Stimuli) -> dict[str, float]:
    """Columns of the history: accuracy or R², ``norm_W_k``, and what the codes of the layers are like.

    Parameters
    ----------
    circuit : EquilibriumPropagation
    states : Layers
        r of the layers k ≥ 1, in which the test stimuli leave it.
    stimuli : Stimuli
    """
    return {
        **performance(circuit.predicted(states), stimuli),
        **norms(circuit),
        **codes(states.r, circuit.bounds, ("sparsity", "saturation", "participation_ratio", "stuck")),
    }


MODEL = Model(
    trainable=EquilibriumPropagation,
    tasks=("classification", "regression"),
    protocols={"contrastive": contrastive, "phases": Protocol},
    metrics=metrics,
    reads_like="equilibrium propagation",
    citations=("Scellier2017",),
    wiring=Wiring(transport=False, symmetric=True, local=True, why="ΔW is a product of two cells' rates"),
)
