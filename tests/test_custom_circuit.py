"""The clockwork carries circuits that know nothing of CorInfoMax: here one that learns without a teacher."""

import brian2 as b2
import numpy as np
import pytest

from corinfomax.errors import ParameterError
from corinfomax.models import Cell, Domain, Parameter, StimulusCell
from corinfomax.networks import (
    Circuit,
    GradientStep,
    OuterProducts,
    Plasticity,
    PopulationSpec,
    Projection,
)
from corinfomax.protocols.clockwork import Phase, Preparation, Protocol
from corinfomax.stimuli import Stimulus

RATE, STEPS, ETA = 0.05, 12, 0.1


class LinearCell(Cell):
    """A cell whose rate is its potential: τ du/dt = W x - M y."""

    equations = """
    du/dt = pace*I_net/tau : 1
    I_net = drive_feedforward - drive_lateral : 1
    drive_feedforward : 1
    drive_lateral : 1
    r : 1
    pace : 1 (shared)
    """
    parameters = (Parameter("tau", "second", "time constant", "this test"),)
    drives = ("drive_feedforward", "drive_lateral")
    state = ("u", "r")


def feedforward(weights, response):
    """⟨y xᵀ⟩; the decay of `GradientStep` makes it ⟨y xᵀ⟩ - W."""
    x, y = response.r[0], response.r[1]
    return OuterProducts(y, x, 1 / len(x))


def lateral(weights, response):
    """⟨y yᵀ⟩ at the phase's end, where the circuit lets rules see I_net too."""
    y = response.r[1]
    assert response.I_net[1].shape == y.shape
    return OuterProducts(y, y, 1 / len(y))


@pytest.fixture
def circuit():
    """Similarity matching (Pehlevan, Sengupta & Chklovskii 2018) of 4 inputs by 2 cells."""
    rng = np.random.default_rng(0)
    tau = 10 * b2.ms
    return Circuit(
        populations=[
            PopulationSpec("stimulus", StimulusCell(), 4, layer=0),
            PopulationSpec("cells", LinearCell(Domain("R", "u"), tau=tau), 2, layer=1),
        ],
        projections=[
            Projection("stimulus", "cells", "drive_feedforward", ("W", 0), constant=True),
            Projection("cells", "cells", "drive_lateral", ("M", 1)),
        ],
        plasticity=[
            Plasticity(feedforward, GradientStep(("W", 0), 2 * RATE, weight_decay=1.0), reads=("response",)),
            Plasticity(lateral, GradientStep(("M", 1), RATE, weight_decay=1.0), reads=("response",)),
        ],
        weights={"W": {0: rng.standard_normal((2, 4))}, "M": {1: np.eye(2) + 0.3}},
        layers=["stimulus", "cells"],
        teacher=None,
        tau=tau,
        signals=("I_net",),
    )


@pytest.fixture
def protocol():
    return Protocol([Phase("response", STEPS)], step=ETA)


def test_similarity_matching_in_one_phase(circuit, protocol):
    """W, M and y of 20 minibatches equal du = η(Wx - Mu), W += 2η(⟨y xᵀ⟩ - W), M += η(⟨y yᵀ⟩ - M), to 1e-12."""
    W, M = circuit.weights["W"][0].copy(), circuit.weights["M"][1].copy()
    rng = np.random.default_rng(1)
    preparation = Preparation(circuit, replicas=3, protocol=protocol)
    minibatches = [rng.standard_normal((3, 4)) for _ in range(20)]
    shown = []
    preparation.on_presentation.append(lambda moment, ends: shown.append(ends["response"].r[1]))
    preparation.run(Stimulus(x, learn=True) for x in minibatches)
    for x, found in zip(minibatches, shown, strict=True):
        y = np.zeros((3, 2))
        for _ in range(STEPS):
            y = y + ETA * (x @ W.T - y @ M.T)
        np.testing.assert_allclose(found, y, rtol=0, atol=1e-12)
        W = W + 2 * RATE * (y.T @ x / 3 - W)
        M = M + RATE * (y.T @ y / 3 - M)
    np.testing.assert_allclose(circuit.weights["W"][0], W, rtol=0, atol=1e-12)
    np.testing.assert_allclose(circuit.weights["M"][1], M, rtol=0, atol=1e-12)


def test_signals_that_no_cell_has_are_named(circuit, protocol):
    """Rules that ask for a variable which the cells lack are refused when the circuit is mounted."""
    circuit.signals = {"v_C": {1: ("cells", "v_C")}}
    with pytest.raises(ParameterError, match="cells has no variable 'v_C'"):
        Preparation(circuit, protocol=protocol)


class Misspelt(LinearCell):
    """Cells that state a drive slot which their equations lack."""

    drives = ("drive_feedforward", "drive_latral")


CELLS = LinearCell(Domain("R", "u"), tau=10 * b2.ms)
BAD_CIRCUITS = {
    "schedule": ({"schedule": "parallel"}, "schedule = 'parallel': must be 'synchronous' or 'sequential'"),
    "layers": ({"layers": ["stimulus", "cell"]}, "layers: no population 'cell'; there are stimulus, cells"),
    "teacher": ({"teacher": ("cells", "target")}, "teacher = .*'target'.*must be a population and a drive slot"),
    "slots": (
        {"cells": [PopulationSpec("cells", Misspelt(Domain("R", "u"), tau=10 * b2.ms), 2, layer=1)]},
        "cells: Misspelt states the drive slot 'drive_latral', which its equations lack",
    ),
    "names": (
        {"cells": [PopulationSpec("cells", CELLS, 2, layer=1), PopulationSpec("cells", CELLS, 3, layer=1)]},
        "populations need names of their own",
    ),
    "source": (
        {"projections": [Projection("input", "cells", "drive_feedforward", ("W", 0))]},
        "no population 'input'; there are stimulus, cells",
    ),
}


@pytest.mark.parametrize(("changes", "told"), BAD_CIRCUITS.values(), ids=BAD_CIRCUITS)
def test_circuits_that_contradict_themselves_are_refused(changes, told):
    """A circuit that names what it does not have is refused when it is made, in one line that says what there is."""
    parts = {"cells": [PopulationSpec("cells", CELLS, 2, layer=1)], "layers": ["stimulus", "cells"], "teacher": None}
    parts |= {"projections": []} | changes
    with pytest.raises(ParameterError, match=told) as refusal:
        Circuit(
            populations=[PopulationSpec("stimulus", StimulusCell(), 4, layer=0), *parts.pop("cells")],
            plasticity=[],
            weights={"W": {0: np.ones((2, 4))}},
            tau=10 * b2.ms,
            **parts,
        )
    assert "\n" not in str(refusal.value)


def test_corinfomax_needs_two_phases(unsaturated_circuit, minibatch):
    """A protocol without a phase to contrast with is refused by CorInfoMax in one line; weights stay, exactly."""
    circuit = unsaturated_circuit()
    before = circuit.state_dict()
    protocol = Protocol([Phase("free", 3), Phase("nudge", 2, beta=1.0)], minus=None)
    with pytest.raises(
        ParameterError, match=r"rule of W_ff\[0\]: reads a phase \(minus = ''\) that the protocol lacks"
    ):
        Preparation(circuit, replicas=2, protocol=protocol).present(*minibatch(circuit))
    for name, weights in circuit.state_dict().items():
        np.testing.assert_array_equal(weights, before[name])
