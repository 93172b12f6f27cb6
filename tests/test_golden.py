"""Trajectories computed independently with the published scheme (convention "authors")."""

from pathlib import Path

import numpy as np
import pytest
from golden_weights import by_layer, initial_weights

from corinfomax.networks import CorInfoMax
from corinfomax.protocols.clockwork import Preparation, contrastive

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(params=["two_layer", "three_layer", "three_phase", "sparse"])
def golden(request):
    """One archive as a dictionary."""
    with np.load(GOLDEN / f"{request.param}.npz") as archive:
        return dict(archive)


@pytest.fixture
def preparation(golden):
    """The circuit and the protocol that an archive describes."""
    layers = range(1, len(golden["architecture"]))
    sparse = golden.get("sparse_layers", ())
    multipliers = {}
    if len(sparse):
        tau = [10 * float(golden["step"]) / rate for rate in golden["sparse_rates"]]
        multipliers = {"constraints": "as_published", "tau_multiplier": tau}
    circuit = CorInfoMax(
        golden["architecture"],
        domain=["B_1_plus" if k in sparse else "B_inf_plus" for k in layers],
        **multipliers,
        epsilon=float(golden["epsilon"]),
        forgetting=float(golden["lambda_r"]),
        g_leak=float(golden["g_leak"]),
        convention="authors",
        learning_rate_ff=golden["lr_ff"],
        learning_rate_fb=golden["lr_fb"],
        learning_rate_decay=1.0,
        weights=initial_weights(golden),
    )
    protocol = contrastive(
        free_steps=int(golden["free_steps"]),
        nudge_steps=int(golden["nudge_steps"]),
        three_phase=bool(golden["three_phase"]),
        step=float(golden["step"]),
        step_rule=str(golden["step_rule"]),
        step_decay=float(golden["step_decay"]),
        step_min=float(golden["step_min"]),
    )
    return Preparation(circuit, replicas=len(golden["batch0/x"]), protocol=protocol)


def test_trajectories_and_weights(golden, preparation):
    """Every recorded rate of every batch, and all weights after it, equal the archive to 1e-9 (they reach 1e-15)."""
    circuit = preparation.circuit
    compared = 0
    for batch, beta in enumerate(golden["betas"]):
        shown = preparation.present(golden[f"batch{batch}/x"], golden[f"batch{batch}/y"], beta=float(beta))
        for name, theory in golden.items():
            place, *rest = name.split("/")
            if place == f"batch{batch}" and rest[0] in ("free", "nudge"):
                phase, variable, k = rest
                np.testing.assert_allclose(getattr(getattr(shown, phase), variable)[int(k)], theory, rtol=0, atol=1e-9)
            elif place == f"after{batch}":
                key, k = rest
                np.testing.assert_allclose(circuit.weights[key][by_layer(key, int(k))], theory, rtol=0, atol=1e-9)
            else:
                continue
            compared += 1
    layers = len(golden["architecture"]) - 1
    assert compared == len(golden["betas"]) * (2 * layers + layers + (layers - 1) + layers)


def test_lateral_weights_stay_symmetric(golden, preparation):
    """B equals its transpose exactly, entry by entry, after learning."""
    for batch, beta in enumerate(golden["betas"]):
        preparation.present(golden[f"batch{batch}/x"], golden[f"batch{batch}/y"], beta=float(beta))
        for B in preparation.circuit.weights["B"].values():
            np.testing.assert_array_equal(B, B.T)
