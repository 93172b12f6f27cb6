"""What `peers.py --check` does: hold peers that compute the simulator's rules against archives and against it."""

import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from corinfomax.networks import CorInfoMax, EquilibriumPropagation, PredictiveCoding, Trainable
from corinfomax.protocols.clockwork import Preparation, clamped, contrastive

HERE = Path(__file__).resolve().parent
GOLDEN = HERE.parent / "tests" / "golden"
ARCHITECTURE, BETAS = [30, 20, 10], (1.0, -1.0, -1.0, 1.0)


def check(python: Callable[[str], Path]):
    """Run the checks in the environments.

    Parameters
    ----------
    python : callable
        ``python(environment)``, its interpreter.

    Raises
    ------
    CalledProcessError
        If anything differs by more than its check allows.
    """
    dense = [GOLDEN / f"{name}.npz" for name in ("two_layer", "three_layer", "three_phase")]
    with tempfile.TemporaryDirectory() as folder:
        made = simulated(Path(folder))
        torch = [*dense, *sorted((GOLDEN / "rules").glob("ep_*.npz")), *made[:2]]
        subprocess.run([python("torch"), HERE / "peers" / "check.py", *torch], check=True)
        subprocess.run([python("pcx"), HERE / "peers" / "check_pcx.py", made[2]], check=True)


def simulated(folder: Path) -> list[Path]:
    """Archives, in the golden ones' form, of what the simulator computes in float64."""
    contrasted = {"step": 0.05, "step_min": 0.001, "step_decay": 0.01, "step_rule": "constant"}
    cases = {
        "simulator_corinfomax": (
            CorInfoMax(ARCHITECTURE, learning_rate_ff=[1.0, 0.7], learning_rate_fb=[0.15], sst_every=1),
            contrastive(),
            contrasted
            | {"free_steps": 30, "nudge_steps": 10, "epsilon": 0.15, "g_leak": 0.5, "lambda_r": 0.99999}
            | {"lr_ff": [1.0, 0.7], "lr_fb": [np.nan, 0.15], "three_phase": False, "convention": "normative"},
        ),
        "simulator_ep": (
            EquilibriumPropagation(ARCHITECTURE),
            contrastive(free_steps=20, nudge_steps=4, step=0.5),
            {"rule": "ep", "step": 0.5, "free_steps": 20, "nudge_steps": 4, "alpha_W": [0.1, 0.05]},
        ),
        "simulator_pc": (PredictiveCoding(ARCHITECTURE), clamped(), {}),
    }
    paths = []
    for name, (trainable, protocol, settings) in cases.items():
        archive = {"architecture": ARCHITECTURE, "betas": BETAS, **settings}
        archive |= {f"init/{key}": W.copy() for key, W in numbered(trainable).items()}
        preparation = Preparation(trainable, 20, dtype=np.float64, protocol=protocol)
        rng = np.random.default_rng(0)
        for batch, beta in enumerate(BETAS):
            x, y = rng.random((20, ARCHITECTURE[0])), np.eye(ARCHITECTURE[-1])[rng.integers(10, size=20)]
            preparation.present(x, y, beta=beta, learn=True)
            archive |= {f"batch{batch}/x": x, f"batch{batch}/y": y}
            archive |= {f"after{batch}/{key}": W.copy() for key, W in numbered(trainable).items()}
        paths.append(folder / f"{name}.npz")
        np.savez(paths[-1], **archive)
    return paths


def numbered(trainable: Trainable) -> dict[str, np.ndarray]:
    """Weights by the names that the loops give them: what belongs to layer k + 1 has the number k."""
    return {
        f"{key}/{k - (key in ('b', 'B'))}": np.ascontiguousarray(W)
        for key in ("W", "b", "W_ff", "W_fb", "B")
        for k, W in trainable.weights.get(key, {}).items()
    }
