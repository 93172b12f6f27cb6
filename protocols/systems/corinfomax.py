"""The system of the paper: CorInfoMax circuits."""

from ...analysis import summarise
from ...networks.corinfomax import CorInfoMax
from ...networks.states import Layers
from ...stimuli.stimuli import Stimuli
from ...stimuli.stimulus import Stimulus
from ..clockwork.calibration import calibrate
from ..clockwork.oscillation import oscillating
from ..clockwork.preparation import Preparation
from ..clockwork.protocol import Protocol, contrastive
from ..examinations.corinfomax import (
    LEVERS,
    constraints,
    fading,
    influences,
    initial_gains,
    lifting,
    renewal,
    unlifted_classes,
)
from .learner import Learner
from .metrics import performance
from .model import Model
from .wiring import Wiring


def metrics(circuit: CorInfoMax, states: Layers, stimuli: Stimuli) -> dict[str, float]:
    """Columns of the history: accuracy or R² of the test stimuli, what `analysis.summarise` gives, and `sst_every`.

    Parameters
    ----------
    circuit : CorInfoMax
    states : Layers
        r, u and I_net = τ_u du/ds of the layers k ≥ 1, in which the test stimuli leave it.
    stimuli : Stimuli
    """
    return {
        **performance(circuit.predicted(states), stimuli),
        **summarise(
            {0: stimuli.x_test, **states.r},
            states.u,
            states.I_net,
            **{key: circuit.weights[key] for key in ("W_ff", "W_fb", "B", "O")},
            epsilon=circuit.epsilon,
            bounds=circuit.bounds,
            active=circuit.active(states.r),
            excess=circuit.excess(states.r),
        ),
        "sst_every": circuit.sst_every,
    }


def renew_sst(circuit: CorInfoMax, learner: Preparation, stimulus: Stimulus) -> str | None:
    """Calibrate how often the lateral current is renewed, and say so if each step needs it; see `calibrate`."""
    found = calibrate(learner, stimulus).get("sst_every")
    if found is None or not found.deviations or found.steps > 1:
        return None
    return f"Each step renews the lateral current: else rates would deviate by more than {found.tolerance:.2g}."


def why_unlearnt(
    circuit: CorInfoMax, learner: Learner, protocol: Protocol, stimuli: Stimuli, classes, seed: int | None = None
) -> tuple[list[int], str]:
    """Pick the classes whose output cell the teacher cannot lift, and say what to do; see `unlifted_classes`."""
    beyond = unlifted_classes(circuit, learner, protocol, stimuli, classes, seed)
    listed = ", ".join(stimuli.short_labels[k] for k in beyond)
    return beyond, (
        f"The teacher cannot lift the output cell of class {listed} yet: train longer, or take a larger "
        'beta, another seed, or "auto" as the last entry of initial_gain_ff.'
    )


MODEL = Model(
    trainable=CorInfoMax,
    tasks=("classification", "regression"),
    protocols={"contrastive": contrastive, "oscillating": oscillating, "phases": Protocol},
    metrics=metrics,
    settled=("r", "u", "I_net"),
    examinations=(fading, constraints, lifting, renewal),
    levers=LEVERS,
    rates=("learning_rate_ff", "learning_rate_fb"),
    reads_like="correlative information maximization",
    citations=("Bozkurt2023",),
    wiring=Wiring(
        transport=False,
        symmetric=False,
        local=True,
        why="W_fb is learnt on its own; ΔW is a product of a cell's rate and of what its dendrite misses",
    ),
    begin_epoch=renew_sst,
    choices={"initial_gain_ff": initial_gains},
    influences=influences,
    why_unlearnt=why_unlearnt,
)
