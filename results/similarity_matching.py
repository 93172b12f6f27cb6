"""What similarity matching reaches: errors, thresholds, spiked covariance, nonnegative features, whitening.

    python results/similarity_matching.py [--data FOLDER]

Numbers are kept in ``results/similarity_matching/``, one file for each part, and computed where the file is missing: an
interrupted script goes on with the next part, and a part is renewed by deleting its file. Then figures and
``results/similarity_matching.md`` are written; their words are those of ``similarity_matching_notes.md``. The part
"patches" needs MNIST in FOLDER, and is left as it is kept without it.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import matplotlib as mpl

mpl.use("Agg")
import numpy as np
import pandas as pd
import typer
from matching_figures import draw_convergence, draw_features, draw_thresholds, draw_whitening
from matplotlib import pyplot as plt
from sklearn.decomposition import PCA, IncrementalPCA
from tables import markdown

from corinfomax import SimilarityMatching
from corinfomax.analysis.files import make_folder, replacing
from corinfomax.analysis.subspaces import covariance, principal_directions, relative_subspace_error, similarity_error
from corinfomax.errors import DivergenceError
from corinfomax.networks import NonnegativeSimilarityMatching, SimilarityMatchingCircuit
from corinfomax.networks.similarity_matching import OnlineMatching, growth_rates, initial_weights, largest_ratio
from corinfomax.protocols.systems import StaticLearner
from corinfomax.stimuli import Stimulus, load_stimuli
from corinfomax.stimuli.synthetic import principal_subspace

HERE = Path(__file__).parent
KEPT = HERE / "similarity_matching"
#: τ of each objective.
RATIOS = {"psp": (0.1, 0.5, 1.0, 2.0), "psw": (0.1, 0.2, 0.3, 0.5)}
SEEDS = range(10)
EXPONENTS = {"psp": 2.0, "psw": 1.0}


def learnt_at_once(circuit, minibatches, after=lambda: None):
    """Let a circuit learn at its fixed points, and call `after` each minibatch."""
    learner = StaticLearner(circuit, max(map(len, minibatches)), phase="settle")
    learner.on_presentation.append(lambda moment, ends: after())
    learner.run((Stimulus(x, learn=True) for x in minibatches), progress=False)


def error_of(F: np.ndarray, C: np.ndarray, objective: str) -> float:
    """‖FᵀF - UUᵀ‖ (psp) or ‖FᵀF - UΛ⁻¹Uᵀ‖ (psw)."""
    values, U = principal_directions(C, len(F))
    return float(np.linalg.norm(F.T @ F - (U * values ** (EXPONENTS[objective] - 2)) @ U.T))


def convergence() -> dict[str, np.ndarray]:
    """Errors against iterations, (seeds, times), by learning, objective and τ; infinite once M is not definite."""
    found = {}
    online = np.unique(np.geomspace(1, 20000, 60).astype(int))
    offline = np.unique(np.geomspace(1, 2000, 60).astype(int))
    found |= {"times/online": online, "times/offline": offline}
    for objective, ratios in RATIOS.items():
        for ratio in ratios:
            rows = {"online": [], "offline": []}
            for seed in SEEDS:
                x = principal_subspace(seed=seed).x_train
                C = covariance(x)
                rows["online"].append(_online(x, C, objective, ratio, seed, online))
                rows["offline"].append(
                    _offline(principal_subspace(seed=seed, T=40).x_train, objective, ratio, seed, offline)
                )
            found |= {f"{kind}/{objective}/{ratio:g}": np.array(errors) for kind, errors in rows.items()}
    return found


def _online(x, C, objective, ratio, seed, times) -> np.ndarray:
    start = initial_weights(10, 3, seed)
    matching = OnlineMatching(
        start["W_ff"][0],
        start["M"][1],
        objective=objective,
        ratio=ratio,
        learning_rate=1.0,
        learning_rate_offset=1000.0,
    )
    order = np.concatenate([np.random.default_rng((seed, epoch)).permutation(len(x)) for epoch in range(10)])
    errors = np.full(len(times), np.inf)
    for n, (before, now) in enumerate(zip([0, *times[:-1]], times, strict=True)):
        try:
            matching.learn(x[order[before:now]])
        except DivergenceError:
            break
        errors[n] = error_of(matching.filters, C, objective)
    return errors


def _offline(x, objective, ratio, seed, times, rate=0.02) -> np.ndarray:
    circuit = SimilarityMatchingCircuit(
        (10, 3), objective=objective, ratio=ratio, learning_rate=rate, learning_rate_offset=None, seed=seed
    )
    errors = []
    C = covariance(x)
    try:
        learnt_at_once(circuit, [x] * times[-1], lambda: errors.append(error_of(circuit.filters, C, objective)))
    except DivergenceError:
        errors = [*errors, *[np.inf] * (times[-1] - len(errors))]
    return np.array(errors)[times - 1]


def thresholds() -> dict[str, np.ndarray]:
    """How many of five random starts arrive, and the largest growth rate, against τ over its limit; λ = 3, 2, 1."""
    fractions = np.array([0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.05, 1.1, 1.2, 1.5])
    found = {"fractions": fractions}
    for objective, p in EXPONENTS.items():
        limit = largest_ratio([3, 2, 1], 3, p)
        arrived, rates = [], []
        for fraction in fractions:
            ends = [_arrived(objective, fraction * limit, seed) for seed in range(5)]
            arrived.append(np.mean(ends))
            rates.append(growth_rates([3, 2, 1], 3, p, fraction * limit).real.max())
        found |= {f"{objective}/arrived": np.array(arrived), f"{objective}/rate": np.array(rates)}
        found[f"{objective}/limit"] = np.array(limit)
    return found


def _arrived(objective: str, ratio: float, seed: int) -> bool:
    """Whether learning from all stimuli at once comes within .01 of the fixed point."""
    rate, iterations = {"psp": (0.1, 1500), "psw": (0.04, 3000)}[objective]
    x = principal_subspace(seed=seed, T=40).x_train
    circuit = SimilarityMatchingCircuit(
        (10, 3), objective=objective, ratio=ratio, learning_rate=rate, learning_rate_offset=None, seed=seed
    )
    try:
        learnt_at_once(circuit, [x] * iterations)
    except DivergenceError:
        return False
    return error_of(circuit.filters, covariance(x), objective) < 0.01


def spiked() -> dict[str, np.ndarray]:
    """Distances (seeds, 2) from the population's subspace, and from that of batch PCA of the same samples."""
    D, K, N = 256, 16, 6000
    found: dict[str, list] = {}
    for seed in range(3):
        rng = np.random.default_rng(seed)
        U = np.linalg.qr(rng.standard_normal((D, K)))[0]
        x = (rng.standard_normal((N, K)) * np.sqrt(np.linspace(1, 0.5, K))) @ U.T
        x += np.sqrt(0.002) * rng.standard_normal((N, D))
        x /= np.sqrt(np.mean(np.sum(x**2, axis=1)))
        batch = np.linalg.svd(x, full_matrices=False)[2][:K].T
        directions = {"batch, not centred": batch.T, "PCA": PCA(K).fit(x).components_}
        directions["IncrementalPCA"] = IncrementalPCA(K, batch_size=100).fit(x).components_
        for gamma in (0.6, 1.5, 2.0):
            made = SimilarityMatching(K, learning_rate=1 / gamma, learning_rate_offset=5 / gamma)
            for start in range(0, N, 100):
                made.partial_fit(x[start : start + 100])
            directions[f"SimilarityMatching, η = 1/({gamma:g}t + 5)"] = made.components_
        for name, F in directions.items():
            row = [relative_subspace_error(F, U), relative_subspace_error(F, batch)]
            found.setdefault(name, []).append(row)
    return {name: np.array(rows) for name, rows in found.items()}


def digits() -> dict[str, np.ndarray]:
    """Feedforward weights of rectified cells on the bundled digits, centred."""
    stimuli = load_stimuli("digits")
    mean = stimuli.x_train.mean(axis=0)
    return _rectified(stimuli.x_train - mean, stimuli.x_test - mean, 36, epochs=12)


def patches(data: Path) -> dict[str, np.ndarray]:
    """Feedforward weights of rectified cells on patches of 12 × 12 pixels from MNIST, those that have ink, centred."""
    images = load_stimuli("mnist", data=data).x_train.reshape(-1, 28, 28)
    rng = np.random.default_rng(0)
    rows, y, x = rng.integers(len(images), size=24000), *rng.integers(4, 13, size=(2, 24000))
    cut = np.array([images[n, i : i + 12, j : j + 12].ravel() for n, i, j in zip(rows, y, x, strict=True)])
    cut = cut[cut.sum(axis=1) > 5][:12000]
    cut = cut - cut[:10000].mean(axis=0)
    return _rectified(cut[:8000], cut[10000:], 36, epochs=2)


def _rectified(x: np.ndarray, x_test: np.ndarray, cells: int, epochs: int) -> dict[str, np.ndarray]:
    begin = x[
        np.random.default_rng(1).choice(len(x), cells, replace=False)
    ]  # a cell that answers to nothing never learns
    circuit = NonnegativeSimilarityMatching(
        (x.shape[1], cells),
        learning_rate=3.0,
        learning_rate_offset=100.0,
        solver="fixed_point",
        weights={"W_ff": {0: begin}},
    )
    rng = np.random.default_rng(0)
    learnt_at_once(
        circuit, [part for _ in range(epochs) for part in np.array_split(x[rng.permutation(len(x))], len(x) // 50)]
    )
    y = circuit.states(x_test).r[1]
    _, U = principal_directions(covariance(x), cells)
    return {
        "W": circuit.weights["W_ff"][0],
        "error": np.array(similarity_error(x_test, y)),
        "least": np.array(similarity_error(x_test, x_test @ U)),
        "active": np.mean(y > 1e-6),
    }


def whitening() -> dict[str, np.ndarray]:
    """Variances of the outputs along their principal axes, centred digits, 8 cells of each objective."""
    x = load_stimuli("digits").x_train
    x = x - x.mean(axis=0)
    found = {"inputs": np.linalg.eigvalsh(covariance(x))[::-1][:8]}
    for objective in EXPONENTS:
        made = SimilarityMatching(8, objective=objective, max_epochs=60, tol=3e-3, random_state=0).fit(x)
        found[objective] = np.linalg.eigvalsh(covariance(made.transform(x)))[::-1]
    return found


def keep(name: str, compute: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Compute a part, or read what is kept of it."""
    path = KEPT / f"{name}.npz"
    if not path.exists():
        typer.echo(f"computing {name}", err=True)
        found = compute()
        make_folder(KEPT)
        with replacing(path) as file:
            np.savez_compressed(file, **found)
    with np.load(path) as kept:
        return dict(kept)


def main(data: Annotated[Path | None, typer.Option(help="Folder with MNIST, for the part of patches.")] = None):
    """Compute what is missing, and write page and figures."""
    found = {part.__name__: keep(part.__name__, part) for part in (convergence, spiked, whitening, thresholds, digits)}
    if data is not None or (KEPT / "patches.npz").exists():
        found["patches"] = keep("patches", lambda: patches(data))
    make_folder(HERE / "figures")
    pictures = {
        "convergence": draw_convergence(found["convergence"], RATIOS),
        "thresholds": draw_thresholds(found["thresholds"]),
        "features": draw_features({name: found[name]["W"] for name in ("digits", "patches") if name in found}),
        "whitening": draw_whitening(found["whitening"]),
    }
    for name, figure in pictures.items():
        figure.savefig(HERE / "figures" / f"matching_{name}.png")
        plt.close(figure)
    text = (HERE / "similarity_matching_notes.md").read_text(encoding="utf-8")
    for place, table in tables_of(found).items():
        text = text.replace(f"<!-- {place} -->", table)
    with replacing(HERE / "similarity_matching.md") as file:
        file.write(text.encode())
    typer.echo(f"{HERE / 'similarity_matching.md'}")


def tables_of(found: dict) -> dict[str, str]:
    """Tables by their places in the notes."""
    last = [
        [key.split("/")[1], key.split("/")[2], key.split("/")[0], _spread(errors[:, -1])]
        for key, errors in found["convergence"].items()
        if not key.startswith("times")
    ]
    arrived = pd.DataFrame({
        "τ / limit": found["thresholds"]["fractions"],
        **{
            f"{name}, {what}": found["thresholds"][f"{name}/{what}"]
            for name in EXPONENTS
            for what in ("rate", "arrived")
        },
    })  # fmt: skip
    spikes = [[name, *(f"{value:.2e}" for value in rows.mean(axis=0))] for name, rows in found["spiked"].items()]
    rectified = [
        [
            name,
            f"{float(found[name]['error']):.3f}",
            f"{float(found[name]['least']):.3f}",
            f"{100 * float(found[name]['active']):.0f} %",
        ]
        for name in ("digits", "patches")
        if name in found
    ]
    return {
        "convergence": markdown(["objective", "τ", "learning", "error at the end: median, least to largest"], last),
        "thresholds": markdown(list(arrived.columns), [[_short(value) for value in row] for row in arrived.to_numpy()]),
        "spiked": markdown(["what", "from the population's subspace", "from batch PCA"], spikes),
        "rectified": markdown(
            ["stimuli", "similarities missed", "by as many principal components", "cells active"], rectified
        ),
    }


def _short(value: float) -> str:
    return f"{value:.3g}"


def _spread(values: np.ndarray) -> str:
    return f"{np.median(values):.1e}, {values.min():.1e} to {values.max():.1e}"


if __name__ == "__main__":
    typer.run(main)
