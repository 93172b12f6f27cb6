"""Two toy circuits of cells without dendrites, which share nothing with CorInfoMax, for several test modules."""

import brian2 as b2
import numpy as np

from corinfomax.models import Cell, Parameter, Recordable, StimulusCell
from corinfomax.models.domains import LINEAR, NONNEGATIVE_UNIT_BOX
from corinfomax.networks import (
    Bias,
    Circuit,
    DenseChange,
    GradientStep,
    OuterProducts,
    Plasticity,
    PopulationSpec,
    Projection,
    contrast,
)
from corinfomax.protocols.clockwork import Phase, Protocol, contrastive
from corinfomax.stimuli import Stimuli

SHORT = contrastive(free_steps=6, nudge_steps=4, step=0.1)
TAU = 10 * b2.ms
_TAU = (Parameter("tau", "second", "time constant", "these tests"),)
_POINT = (
    Recordable("r", "1", "", "rate, r = σ(u)"),
    Recordable("V_soma", "V", "soma", "potential"),
    Recordable("rate", "Hz", "", "rate"),
)


class PointCell(Cell):
    """A cell without compartments or gates: τ du/dt = -u + W r + b."""

    equations = """
    du/dt = pace*(drive - u)/tau : 1
    drive : 1
    r : 1
    V_soma = V_rest + V_scale*u : volt
    rate = rate_scale*r : Hz
    pace : 1 (shared)
    """
    parameters, recordables = _TAU, _POINT
    drives = ("drive",)
    state = ("u", "r")


class NudgedCell(PointCell):
    """The same, nudged at its soma: τ du/dt = -u + W r + b + β(y - r)."""

    equations = PointCell.equations.replace("drive - u", "drive - u + beta*(drive_teacher - r)") + (
        "drive_teacher : 1\nbeta : 1 (shared)\n"
    )
    drives = ("drive", "drive_teacher")


class RecurrentCell(Cell):
    """A linear cell of a layer that inhibits itself: τ du/dt = W x - M r."""

    equations = """
    du/dt = pace*(drive - drive_lateral)/tau : 1
    drive : 1
    drive_lateral : 1
    r : 1
    V_soma = V_rest + V_scale*u : volt
    rate = rate_scale*r : Hz
    pace : 1 (shared)
    """
    parameters, recordables = _TAU, _POINT
    drives = ("drive", "drive_lateral")
    state = ("u", "r")


def symmetric_circuit(sizes=(6, 5, 3), seed=0):
    """Layers joined in both directions by one array W[k] each, with biases b[k] and a teacher at the soma."""
    rng = np.random.default_rng(seed)
    names = ["stimulus", *(f"layer_{k}" for k in range(1, len(sizes)))]
    kinds = [*[PointCell] * (len(sizes) - 2), NudgedCell]
    cells = [StimulusCell(), *(kind(NONNEGATIVE_UNIT_BOX, tau=TAU) for kind in kinds)]
    projections = []
    for k in range(1, len(sizes)):
        here, below = names[k], names[k - 1]
        projections.append(Projection(below, here, "drive", ("W", k - 1), constant=k == 1))
        if k > 1:
            projections.append(Projection(here, below, "drive", ("W", k - 1), transposed=True))
        projections.append(Bias(here, "drive", ("b", k)))

    def pairs(k):
        def rule(weights, plus, minus):
            scale = contrast(plus, minus)
            change = sum(sign * end.r[k + 1].T @ end.r[k] for sign, end in ((scale, plus), (-scale, minus)))
            return DenseChange(change)

        return rule

    def biases(k):
        def rule(weights, plus, minus):
            return DenseChange(contrast(plus, minus) * (plus.r[k] - minus.r[k]).sum(axis=0))

        return rule

    W = {k: (0.3 * rng.standard_normal((sizes[k + 1], sizes[k])) + 0.2) for k in range(len(sizes) - 1)}
    return Circuit(
        populations=[
            PopulationSpec(name, cell, size, layer=k)
            for k, (name, cell, size) in enumerate(zip(names, cells, sizes, strict=True))
        ],
        projections=projections,
        plasticity=[
            *(Plasticity(pairs(k), GradientStep(("W", k), 0.05)) for k in W),
            *(Plasticity(biases(k), GradientStep(("b", k), 0.05)) for k in range(1, len(sizes))),
        ],
        weights={"W": W, "b": {k: 0.1 * rng.standard_normal(sizes[k]) for k in range(1, len(sizes))}},
        layers=names,
        teacher=(names[-1], "drive_teacher"),
        tau=TAU,
    )


def recurrent_circuit(sizes=(6, 3), seed=0):
    """One layer with recurrent inhibition M that learns without a teacher, as similarity matching does."""
    rng = np.random.default_rng(seed)

    def feedforward(weights, response):
        return OuterProducts(response.r[1], response.r[0], 1 / len(response.r[0]))

    def lateral(weights, response):
        return OuterProducts(response.r[1], response.r[1], 1 / len(response.r[0]))

    return Circuit(
        populations=[
            PopulationSpec("stimulus", StimulusCell(), sizes[0], layer=0),
            PopulationSpec("layer_1", RecurrentCell(LINEAR, tau=TAU), sizes[1], layer=1),
        ],
        projections=[
            Projection("stimulus", "layer_1", "drive", ("W", 0), constant=True),
            Projection("layer_1", "layer_1", "drive_lateral", ("M", 1)),
        ],
        plasticity=[
            Plasticity(feedforward, GradientStep(("W", 0), 0.1, weight_decay=1.0), reads=("response",)),
            Plasticity(lateral, GradientStep(("M", 1), 0.05, weight_decay=1.0), reads=("response",)),
        ],
        weights={"W": {0: rng.standard_normal((sizes[1], sizes[0]))}, "M": {1: np.eye(sizes[1]) + 0.2}},
        layers=["stimulus", "layer_1"],
        teacher=None,
        tau=TAU,
    )


RESPONSE = Protocol([Phase("response", 8)], plus="response", minus="", step=0.1)


def stimuli(task="classification", n=12, inputs=6, classes=3):
    """Draw stimuli with labels and targets, or of the task "none" without."""
    rng = np.random.default_rng(1)
    x, labels = rng.random((2 * n, inputs)), rng.integers(classes, size=2 * n)
    targets = {"y_train": np.eye(classes)[labels[:n]], "y_test": np.eye(classes)[labels[n:]]}
    targets |= {"labels_train": labels[:n], "labels_test": labels[n:]}
    return Stimuli(name="points", x_train=x[:n], x_test=x[n:], task=task, **(targets if task != "none" else {}))


def symmetric_loop(circuit, x, y=None, beta=1.0, steps=(6, 4), step=0.1, held=()):
    """Integrate `symmetric_circuit` by hand; return u and r after each step, by layer; held: (layer, cell) -> u."""
    W, b, P = circuit.weights["W"], circuit.weights["b"], circuit.output
    u = {k: np.zeros((len(x), size)) for k, size in enumerate(circuit.sizes) if k}
    r = {0: x, **{k: values.copy() for k, values in u.items()}}
    found = {name: {k: [] for k in u} for name in ("u", "r")}
    for n in range(sum(steps) if y is not None else steps[0]):
        before = dict(r)
        for k in u:
            drive = before[k - 1] @ W[k - 1].T + b[k] + (before[k + 1] @ W[k] if k < P else 0)
            nudge = beta * (y - before[k]) if k == P and n >= steps[0] else 0
            u[k] = u[k] + step * (drive - u[k] + nudge)
            for (layer, cell), value in dict(held).items():
                if layer == k:
                    u[k][:, cell] = value
            r[k] = np.clip(u[k], 0, 1)
            found["u"][k].append(u[k].copy())
            found["r"][k].append(r[k])
    return {name: {k: np.array(rows) for k, rows in layers.items()} for name, layers in found.items()}


def recurrent_loop(circuit, x, steps=8, step=0.1):
    """Integrate `recurrent_circuit` by hand; return r after each step."""
    W, M, r, found = circuit.weights["W"][0], circuit.weights["M"][1], np.zeros((len(x), circuit.sizes[1])), []
    for _ in range(steps):
        r = r + step * (x @ W.T - r @ M.T)
        found.append(r)
    return np.array(found)
