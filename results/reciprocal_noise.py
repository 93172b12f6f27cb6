"""What circuits of two layers learn from noise alone, kept in ``reciprocal_noise.csv``.

    python results/reciprocal_noise.py

What is there already is not computed again, so that it can be stopped and started at any time. Rows tell, of one
circuit and seed, the values of quantities after so many presentations of noise.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from corinfomax import Preparation, Stimulus
from corinfomax.analysis import condition, inverse_error, penrose_residuals
from corinfomax.analysis.files import replacing
from corinfomax.errors import DivergenceError
from corinfomax.networks import ReciprocalFeedback
from corinfomax.protocols.clockwork import Noise, Protocol
from corinfomax.protocols.clockwork.recirculation import noise_phases

KEPT = Path(__file__).parent / "reciprocal_noise.csv"
SEEDS = (0, 1, 2)
#: Presentations after which curves are told.
MOMENTS = (0, 3, 10, 30, 100, 300, 1000)
#: Units below and above, by how a layer is called.
SHAPES = {"contracting": (10, 6), "square": (8, 8), "expanding": (6, 10)}
#: Starts b of feedback to a forward weight 1 that is held fixed, and steps of its rate.
STARTS, RUNAWAY_RATE = (-1.3, -1.1, -0.9, -0.5, 0.3, 1.7), 0.02


def pair(n: int, m: int, seed: int, B=None, **options) -> ReciprocalFeedback:
    """A (n, m) with entries of variance 1/m from layer 1 to 2, and B back, a tenth of that by default."""
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((n, m)) / np.sqrt(m)
    B = 0.1 * rng.standard_normal((m, n)) if B is None else B(A)
    return ReciprocalFeedback([1, m, n], weights={"W": {1: A}, "W_fb": {1: B}}, **options)


def learnt(circuit: ReciprocalFeedback, vectors: int, count: int, noise_at="bottom", noise=None, seed=0) -> Iterator:
    """A and B before learning and after each presentation of so many vectors; they end where weights diverge."""
    phases = [phase for phase in noise_phases(noise_at, noise) if phase.name.endswith("odd")]
    protocol = Protocol(phases, plus="", minus="", step=1.0, random_sign=False, allow_unstable=True)
    preparation = Preparation(circuit, vectors, protocol=protocol, target="numpy")
    found = [(circuit.weights["W"][1].copy(), circuit.weights["W_fb"][1].copy())]
    preparation.on_presentation.append(
        lambda moment, ends: found.append((circuit.weights["W"][1].copy(), circuit.weights["W_fb"][1].copy()))
    )
    x = np.zeros((vectors, 1))
    with contextlib.suppress(DivergenceError):
        preparation.run((Stimulus(x, learn=True, seed=seed if t == 0 else None) for t in range(count)), progress=False)
    return iter(found)


def shapes(name: str, noise_at: str, rate: float, seed: int) -> list[dict]:
    """Distance from A⁺ and Penrose's residuals, A and B learning from 20 vectors a presentation."""
    m, n = SHAPES[name]
    rows, A_0 = [], None
    for t, (A, B) in enumerate(learnt(pair(n, m, seed, noise_rate=rate), 20, MOMENTS[-1], noise_at, seed=seed)):
        A_0 = A if A_0 is None else A_0
        if t in MOMENTS:
            values = {f"penrose_{k}": residual for k, residual in enumerate(penrose_residuals(A, B), start=1)}
            values |= {"inverse_error": inverse_error(A, B), "condition": condition(A)}
            values["changed"] = np.linalg.norm(A - A_0) / np.linalg.norm(A_0)
            rows += [{"t": t, "quantity": key, "value": value} for key, value in values.items()]
    return rows


def root(rate: float, vectors: int, seed: int) -> list[dict]:
    """Root mean square distance from A⁺, of 4 × 8, over 800 presentations that begin there; A is held fixed."""
    circuit = pair(4, 8, seed, np.linalg.pinv, noise_rate=rate, noise_rate_forward=0.0)
    pairs = list(learnt(circuit, vectors, 1000, seed=seed))[200:]
    errors = [inverse_error(A, B) for A, B in pairs[::10]]
    return [{"t": 1000, "quantity": "distance", "value": float(np.sqrt(np.mean(np.square(errors))))}]


def limit(units: int, scaled: float, seed: int) -> list[dict]:
    """Whether a square pair of so many units learns from single vectors at the rate scaled/units: 1 or 0."""
    found = list(learnt(pair(units, units, seed, noise_rate=scaled / units), 1, 1500, seed=seed))
    A, B = found[-1]
    stays = len(found) > 1500 and np.linalg.norm(A @ B @ A - A) < np.linalg.norm(A)
    return [{"t": 1500, "quantity": "stays", "value": float(stays)}]


def coloured(seed: int) -> list[dict]:
    """Distances of B from CAᵀ(ACAᵀ)⁻¹ and from A⁺, A of 3 × 6 held fixed, noise of covariance C."""
    mixing = np.random.default_rng(100 + seed).standard_normal((6, 6)) / np.sqrt(6)
    noise = Noise(mixing=mixing)
    C, rows = noise.covariance(6), []
    circuit = pair(3, 6, seed, noise_rate=0.05, noise_rate_forward=0.0)
    for t, (A, B) in enumerate(learnt(circuit, 100, MOMENTS[-1], noise={"layer_1.drive_noise": noise}, seed=seed)):
        if t in MOMENTS:
            theory = C @ A.T @ np.linalg.inv(A @ C @ A.T)
            rows.append({"t": t, "quantity": "to theory", "value": np.linalg.norm(B - theory) / np.linalg.norm(theory)})
            rows.append({"t": t, "quantity": "to A⁺", "value": inverse_error(A, B)})
    return rows


def runaway(start: float, seed: int) -> list[dict]:
    """Feedback b to a forward weight a = 1 that is held fixed, 100 vectors of noise in both layers."""
    weights = {"W": {1: np.ones((1, 1))}, "W_fb": {1: np.full((1, 1), start)}}
    circuit = ReciprocalFeedback([1, 1, 1], weights=weights, noise_rate=RUNAWAY_RATE, noise_rate_forward=0.0)
    found = learnt(circuit, 100, 200, "both", seed=seed)
    return [{"t": t, "quantity": "b", "value": float(B[0, 0])} for t, (_, B) in enumerate(found) if abs(B[0, 0]) < 50]


def experiments() -> Iterator[tuple[str, str, int, list[dict]]]:
    """Name, circuit and seed of each, with what computes its rows."""
    for seed in SEEDS:
        for name in SHAPES:
            for noise_at in ("bottom", "both"):
                for rate in (0.04, 0.01):
                    yield "shape", f"{name}, {noise_at}, {rate:g}", seed, (shapes, name, noise_at, rate)
        yield "coloured", "", seed, (coloured,)
        for rate in (0.005, 0.02, 0.08):
            for vectors in (5, 20, 80):
                yield "root", f"{rate:g}, {vectors}", seed, (root, rate, vectors)
        for units in (4, 8, 16):
            for scaled in (0.2, 0.3, 0.4, 0.5, 0.7, 1.0, 1.5):
                yield "limit", f"{units}, {scaled:g}", seed, (limit, units, scaled)
    for start in STARTS:
        yield "runaway", f"{start:g}", 0, (runaway, start)


def read() -> pd.DataFrame:
    """All rows that are kept."""
    if not KEPT.exists():
        return pd.DataFrame(columns=["experiment", "circuit", "seed", "t", "quantity", "value"])
    return pd.read_csv(KEPT, keep_default_na=False, dtype={"circuit": str})


def main():
    """Compute what is missing, and keep it after each circuit."""
    kept = read()
    there = set(zip(kept["experiment"], kept["circuit"], kept["seed"], strict=True))
    for name, circuit, seed, (function, *arguments) in experiments():
        if (name, circuit, seed) in there:
            continue
        rows = [{"experiment": name, "circuit": circuit, "seed": seed, **row} for row in function(*arguments, seed)]
        kept = pd.concat([kept, pd.DataFrame(rows)]) if len(kept) else pd.DataFrame(rows)
        with replacing(KEPT) as file:
            file.write(kept.to_csv(index=False, float_format="%.5g").encode())
        print(name, circuit, seed, flush=True)


if __name__ == "__main__":
    main()
