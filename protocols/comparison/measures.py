"""What a finished run has come to, in the numbers that comparisons need."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...analysis import angle, cmi_joint, read_history
from ...networks.trainable import Trainable
from ..runs import Run, seed_of_tests
from ..runs.loading import KEPT
from ..systems import Learner
from ..systems.metrics import score_of
from .cost import cost_of
from .naming import names_of

if TYPE_CHECKING:
    import pandas as pd

#: ε of the correlative mutual information, the same for all rules: that of the published CorInfoMax circuits.
EPSILON = 0.15
#: What `measure` gives.
MEASURED = (
    *("model", "stimuli", "seed", "epochs", "architecture", "score", "test", "train", "validation", "seconds"),
    *("activity", "plasticity", "events", "phases", "transport", "symmetric", "local", "angle", "cmi"),
)
#: Test stimuli that it is measured on.
_STIMULI = 1000
#: Training stimuli that costs are counted on.
_COUNTED = 20


def measured(runs: Sequence[Run], tell: Callable[[Run], object] = lambda run: None) -> pd.DataFrame:
    """Measure runs that exist, a row for each: what `measure` gives, `rule` (see `names_of`) and `status`.

    Parameters
    ----------
    runs : sequence of Run
    tell : callable
        Told each run before it is measured.
    """
    import pandas as pd

    rows = []
    for run, rule in zip(runs, names_of(runs), strict=True):
        tell(run)
        rows.append({**measure(run), "rule": rule, "status": "finished"})
    return pd.DataFrame(rows)


def measure(run: Run) -> dict[str, Any]:
    """Measure a run.

    Parameters
    ----------
    run : Run

    Returns
    -------
    dict
        `model`, `stimuli`, `seed`, `epochs`, `architecture`; `score`, "accuracy" or "r_squared", and `test`, `train`,
        `validation`, of the last epoch; `seconds` of training; `activity`, `plasticity`, `events` and `spikes` (see
        `Cost`); `phases`; `transport`, `symmetric`, `local` (see `Wiring`), None where the model does not say; `angle`,
        degrees between the way up and the transposed way down, mean over hidden layers; `cmi`, correlative mutual
        information of output layer and layer below, ε = .15. NaN or None stands for what there is not.
    """
    configuration, history = run.configuration, read_history(run.folder.path)
    circuit, stimuli, entry = run.circuit, run.stimuli, configuration.entry
    judged, last = score_of(stimuli), history.iloc[-1]
    replicas = max(_COUNTED, min(configuration.training.test_replicas, len(stimuli.x_test)))
    learner = run.learner(replicas)  # mounted once, for both of what is measured below
    parts = {part: float(last.get(f"{part}_{judged[0]}", np.nan)) if judged else np.nan for part in
             ("test", "train", "validation")}  # fmt: skip
    wiring = entry.wiring
    return {
        "model": configuration.model,
        "stimuli": stimuli.name if configuration.stimuli.stimuli == KEPT else configuration.stimuli.stimuli,
        "seed": configuration.training.seed,
        "epochs": int(last["epoch"]),
        "architecture": "-".join(map(str, circuit.sizes)),
        "score": judged[0] if judged else None,
        **parts,
        "seconds": float(history["seconds"].sum()),
        **_costs(run, learner),
        "phases": "–" if run.protocol is None else ", ".join(phase.name for phase in run.protocol.phases),
        **{name: None if wiring is None else getattr(wiring, name) for name in ("transport", "symmetric", "local")},
        "angle": _angle(circuit, symmetric=wiring is not None and wiring.symmetric),
        "cmi": _information(run, learner),
    }


def _costs(run: Run, learner: Learner) -> dict[str, float]:
    x, y = run.stimuli.x_train[:_COUNTED], run.stimuli.y_train
    beta = 1.0 if run.protocol is None else run.protocol.beta
    cost = cost_of(learner, run.circuit, x, None if y is None else y[: len(x)], beta)
    return {"activity": cost.activity, "plasticity": cost.plasticity, "events": cost.events, "spikes": cost.spikes}


def _angle(circuit: Trainable, symmetric: bool) -> float:
    """Mean angle between the way up and the way down; 0 where they are the same, NaN where there is no way down."""
    if symmetric:
        return 0.0
    down = circuit.weights.get("W_fb", {})
    up = circuit.weights.get("W_ff", circuit.weights.get("W", {}))
    return float(np.mean([angle(up[k], down[k]) for k in down])) if down else np.nan


def _information(run: Run, learner: Learner) -> float:
    """Correlative mutual information of the output layer and the one below."""
    circuit, x = run.circuit, run.stimuli.x_test[:_STIMULI]
    r = {0: x, **learner.settle(x, ("r",), seed_of_tests(run.configuration.training.seed)).r}
    return cmi_joint(r[circuit.output - 1], r[circuit.output], EPSILON)
