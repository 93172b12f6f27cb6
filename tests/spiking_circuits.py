"""Small circuits of spiking cells, and what is recorded of them, for tests."""

import brian2 as b2
import numpy as np

from corinfomax.models import Cell, StimulusCell, spiking
from corinfomax.networks import Circuit, PopulationSpec, Projection
from corinfomax.protocols.clockwork import Phase, Preparation, Protocol

DT, R_MAX, TAU_S = 0.5, 200.0, 40.0  # ms, Hz, ms
QUANTUM = 1e3 / (R_MAX * TAU_S)
RATES = np.array([0.0, 0.05, 0.06, 0.07, 0.1, 0.2, 0.35, 0.5, 0.8, 1.0])


def values(r_max=R_MAX, tau_s=TAU_S, tau_ref=2.0):
    return {"r_max": r_max * b2.Hz, "tau_s": tau_s * b2.ms, "tau_ref": tau_ref * b2.ms}


class Rate(Cell):
    """r is the drive itself."""

    equations = "r = drive_soma : 1\ndrive_soma : 1\n"
    drives = ("drive_soma",)
    outputs = ("r",)


def stimulus(generator, size, **changed):
    return PopulationSpec("stimulus", spiking(StimulusCell, generator)(**values(**changed)), size, layer=0)


def circuit(*populations, projections, weights):
    return Circuit(
        populations=populations, projections=projections, plasticity=[], weights={"W": weights},
        layers=[spec.name for spec in populations], teacher=None, tau=10 * b2.ms,
    )  # fmt: skip


def rate_driven(generator, size, cells=1, **changed):
    """Spiking units whose r is the stimulus."""
    return {
        "populations": (
            PopulationSpec("stimulus", StimulusCell(), size, layer=0),
            PopulationSpec("layer_1", spiking(Rate, generator, cells)(**values(**changed)), size, layer=1),
        ),
        "projections": [Projection("stimulus", "layer_1", "drive_soma", ("W", 0), constant=True)],
        "weights": {0: np.eye(size)},
    }


def shown(populations, projections, weights, x, steps, dt=DT, variables=("train",)):
    """Records of a phase of so many steps."""
    protocol = Protocol([Phase("run", steps)], step=dt / 10, method="exponential_euler")
    parts = circuit(*populations, projections=projections, weights=weights)
    return Preparation(parts, len(x), protocol=protocol, dtype="float64").present(x, variables=variables).run


def trains(generator, rates=RATES, milliseconds=1000.0, replicas=1, dt=DT, **changed):
    """Filtered trains (steps, replicas, cells), and whether each cell spikes in each step."""
    x, steps = np.tile(rates, (replicas, 1)), round(milliseconds / dt)
    run = shown(**rate_driven(generator, len(rates), **changed), x=x, steps=steps, dt=dt)
    train = run.train[1].reshape(steps, replicas, len(rates))
    before = np.concatenate([np.zeros_like(train[:1]), train[:-1]])
    quantum = 1e3 / (changed.get("r_max", R_MAX) * changed.get("tau_s", TAU_S))
    return train, train - before * np.exp(-dt / changed.get("tau_s", TAU_S)) > quantum / 2
