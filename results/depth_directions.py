"""How near a deep circuit's weight changes come to the gradient, layer by layer, told by depth.md.

    python results/depth_directions.py RUN

The gradient is that of ½‖y - r_P‖² at the free equilibrium, by the adjoint of the circuit linearised there without the
cells at their bounds; the change is that of eq 26, of phases as they are named in each row. RUN is the folder of a
trained circuit with rates in [0, 1], such as ``runs/results/depth_adam_seed0``.
"""

import sys
from dataclasses import dataclass

import numpy as np
import pandas as pd

import corinfomax
from corinfomax import CorInfoMax, Preparation, contrastive
from corinfomax.networks import ForwardRule, PhaseEnd

#: Stimuli, the first of the test part.
_STIMULI = 40
#: Steps of both phases after which nothing moves any more.
_SETTLED = 400


@dataclass(frozen=True)
class Setting:
    """How the phases are run that a change is found from."""

    name: str
    dtype: str = "float64"
    steps: tuple[int, int] = (_SETTLED, _SETTLED)
    beta: float = 2.0
    transposed: bool = False
    sst_every: int = 1


SETTINGS = (
    Setting("settled, β = 2"),
    Setting("settled, β = .05", beta=0.05),
    Setting("settled, β = 1", beta=1.0),
    Setting("settled, β = −1", beta=-1.0),
    Setting("settled, β = 2, W_fb replaced by the gain times W_ffᵀ", transposed=True),
    Setting("30 + 15 steps, β = 2", steps=(30, 15)),
    Setting("20 + 10 steps, β = 2", steps=(20, 10)),
    Setting("30 + 15 steps, β = 2, float32", steps=(30, 15), dtype="float32"),
    Setting("settled, β = 2, float32", dtype="float32"),
    Setting("30 + 15 steps, β = 2, lateral current renewed every 50 steps", steps=(30, 15), sst_every=50),
)


def weights_of(circuit, transposed: bool) -> dict:
    """Give W_ff, W_fb and B, the feedback perhaps as the initial gain times the transposed forward weights."""
    weights = {key: {k: W.astype(float) for k, W in circuit.weights[key].items()} for key in ("W_ff", "W_fb", "B")}
    if transposed:
        gains = circuit.parameters.initial_gains["W_fb"]
        weights["W_fb"] = {k: gain * weights["W_ff"][k].T for k, gain in gains.items()}
    return weights


def ends_of(run, weights, setting: Setting, x, y) -> list[PhaseEnd]:
    """Present stimuli without learning; give the rates at both phases' ends."""
    given = run.configuration.circuit
    circuit = CorInfoMax(
        list(given.architecture),
        epsilon=given.epsilon,
        g_leak=given.g_leak,
        weights=weights,
        schedule=given.schedule,
        sst_every=setting.sst_every,
    )
    free, nudge = setting.steps
    protocol = contrastive(free_steps=free, nudge_steps=nudge, step=run.protocol.step, method=run.protocol.method)
    preparation = Preparation(circuit, len(x), dtype=np.dtype(setting.dtype), protocol=protocol)
    shown = preparation.present(x, y, setting.beta, learn=False, variables=("r",))
    stimulus = {0: np.asarray(x, setting.dtype)}  # one array, by which the rule knows that it is clamped
    return [
        PhaseEnd(beta, {"r": stimulus | {k: values[-1] for k, values in phase.r.items()}})
        for phase, beta in ((shown.free, 0.0), (shown.nudge, setting.beta))
    ]


def gradients(epsilon, g_leak: float, weights, r: dict, y) -> dict:
    """-∂½‖y - r_P‖²/∂W_ff^(k) at a free equilibrium, summed over stimuli, by the linearised circuit's adjoint."""
    P = len(r) - 1
    g = {k: 1 / epsilon[k] for k in range(P)}
    inside = {k: ((r[k] > 1e-6) & (r[k] < 1 - 1e-6)).astype(float) for k in range(1, P + 1)}
    places = np.cumsum([0, *(r[k].shape[1] for k in range(1, P + 1))])
    at = {k: slice(places[k - 1], places[k]) for k in range(1, P + 1)}
    adjoints = {k: np.zeros_like(r[k]) for k in range(1, P + 1)}
    for n in range(len(y)):
        J = np.zeros((places[-1], places[-1]))
        for k in range(1, P + 1):
            apical = g[k] if k < P else 0.0
            whole = g[k - 1] + apical + g_leak
            gate = inside[k][n][:, None]
            if k > 1:
                J[at[k], at[k - 1]] = gate * weights["W_ff"][k - 1] * g[k - 1] / whole
            if k < P:
                J[at[k], at[k + 1]] = gate * weights["W_fb"][k] * apical / whole
        error = np.zeros(places[-1])
        error[at[P]] = y[n] - r[P][n]
        adjoint = np.linalg.solve((np.eye(places[-1]) - J).T, error)
        for k in adjoints:
            adjoints[k][n] = adjoint[at[k]] * inside[k][n]
    return {k - 1: adjoints[k].T @ r[k - 1] for k in range(1, P + 1)}


def cosine(one, other) -> float:
    """Cosine of the angle between two arrays."""
    return float(np.vdot(one, other) / np.linalg.norm(one) / np.linalg.norm(other))


def directions(run, learning) -> pd.DataFrame:
    """Cosine of each layer's ΔW_ff with the gradient, a row for each setting; `learning` is the circuit at a time."""
    x, y = (np.asarray(each[:_STIMULI], float) for each in (run.stimuli.x_test, run.stimuli.y_test))
    rows, feedback, parameters = {}, {}, learning.parameters
    for transposed in (False, True):
        weights = weights_of(learning, transposed)
        free, _ = ends_of(run, weights, Setting("at rest"), x, y)
        feedback[transposed] = weights, gradients(parameters.epsilon, parameters.g_leak, weights, free.r, y)
    for setting in SETTINGS:
        weights, theory = feedback[setting.transposed]
        minus, plus = ends_of(run, weights, setting, x, y)
        found = {k: ForwardRule(k)(weights, plus, minus).dense() for k in theory}
        names = [*(f"layer {k}" for k in range(1, len(theory))), "output"]
        rows[setting.name] = {name: cosine(found[k], theory[k]) for name, k in zip(names, theory, strict=True)}
    return pd.DataFrame(rows).T


if __name__ == "__main__":
    trained = corinfomax.Run(sys.argv[1])
    for title, circuit in (("before", trained.configuration.build_circuit()), ("after", trained.circuit)):
        print(f"\n{title} learning\n")
        print(directions(trained, circuit).to_markdown(floatfmt=".2f"), flush=True)
