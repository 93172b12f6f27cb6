"""Try settings of five hidden layers on a part of MNIST, as depth_trials.toml lists them; depth.md has what they reach.

    python results/depth_trials.py

10,000 training stimuli, two epochs, judged by 6,000 others of the training part: the test part stays unseen. Rows are
added to ``depth_trials.csv`` as they come, and what is there is not tried again. The last rows are backpropagation
through the same network.
"""

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

import corinfomax
from corinfomax.analysis.files import replacing
from corinfomax.errors import CorInfoMaxError
from corinfomax.networks import Adam, LinearDecay, Progress
from corinfomax.networks.plasticity import DenseChange
from corinfomax.stimuli import Stimuli, load_stimuli
from corinfomax.toml import loads

HERE = Path(__file__).parent
LIST, TABLE = HERE / "depth_trials.toml", HERE / "depth_trials.csv"
TRAINING, JUDGING, EPOCHS, MINIBATCH = 10_000, 6_000, 2, 20
COLUMNS = ("setting", *(f"epoch {n}" for n in range(1, EPOCHS + 1)), "angles")
BACKPROPAGATION = "backpropagation through the same network, Adam, rate {:g}"


def stimuli() -> Stimuli:
    """A part of MNIST's training stimuli to learn from, and another one in the place of the test part."""
    whole = load_stimuli("mnist")
    rows = np.random.default_rng(100).permutation(len(whole.x_train))
    judging, training = rows[:JUDGING], rows[JUDGING : JUDGING + TRAINING]
    return Stimuli.from_labels(
        "mnist_part",
        whole.x_train[training],
        whole.labels_train[training],
        whole.x_train[judging],
        whole.labels_train[judging],
        classes=10,
    )


def tried(parts: Stimuli, keys: dict) -> list:
    """Train one setting; accuracy by epoch, and the angles of feedback at the end."""
    keys = keys | {"epochs": EPOCHS, "learning_rate_decay": {"linear": EPOCHS * TRAINING // MINIBATCH}}
    with tempfile.TemporaryDirectory() as folder:
        try:
            run = corinfomax.train("mnist_5hidden", stimuli=parts, out=Path(folder) / "run", progress=False, **keys)
        except CorInfoMaxError as error:
            return [*[""] * EPOCHS, str(error)]
        history = run.history
    angles = " ".join(f"{history[name].iloc[-1]:.0f}" for name in history if name.startswith("angle_"))
    return [*(f"{100 * accuracy:.2f}" for accuracy in history["test_accuracy"]), angles]


def backpropagated(parts: Stimuli, rate: float) -> list:
    """The same, of r_k = clip(a_k W_k r_{k-1}) with a_k as at equilibrium without feedback, by backpropagation.

    Cells at their bounds pass no error on, but in the output, where the teacher reaches them in the circuit, too.
    """
    circuit = corinfomax.protocols.runs.Configuration.read("mnist_5hidden").build_circuit()
    W = {k: W.copy(order="F") for k, W in circuit.weights["W_ff"].items()}
    g = [1 / epsilon for epsilon in circuit.parameters.epsilon]
    P = len(W)
    a = {k: g[k] / (g[k] + (g[k + 1] if k + 1 < P else 0)) for k in W}
    falls = LinearDecay(rate, EPOCHS * TRAINING // MINIBATCH)
    optimisers = {k: Adam(("W", k), array.shape, falls, epsilon=1e-12) for k, array in W.items()}
    rng, presented, reached = np.random.default_rng(0), 0, []
    for epoch in range(EPOCHS):
        for rows in rng.permutation(TRAINING).reshape(-1, MINIBATCH):
            r, inside = {0: parts.x_train[rows].astype(float)}, {}
            for k in W:
                z = a[k] * r[k] @ W[k].T
                r[k + 1], inside[k + 1] = np.clip(z, 0, 1), (z > 0) & (z < 1)
            error = parts.y_train[rows] - r[P]
            for k in reversed(range(P)):
                change = DenseChange(np.asfortranarray(error.T @ r[k]) / MINIBATCH)
                error = a[k] * error @ W[k] * inside.get(k, 1)
                optimisers[k].step({"W": W}, change, Progress(epoch, presented))
            presented += 1
        r = parts.x_test.astype(float)
        for k in W:
            r = np.clip(a[k] * r @ W[k].T, 0, 1)
        reached.append(f"{100 * np.mean(r.argmax(axis=1) == parts.labels_test):.2f}")
    return [*reached, ""]


def main():
    """Try what has not been tried yet."""
    rows = pd.read_csv(TABLE, dtype=str, keep_default_na=False).to_numpy().tolist() if TABLE.exists() else []
    parts, done = stimuli(), {row[0] for row in rows}
    trials = {name: (tried, keys) for name, keys in loads(LIST.read_text(encoding="utf-8")).items()}
    trials |= {BACKPROPAGATION.format(rate): (backpropagated, rate) for rate in (3e-4, 1e-3)}
    for name, (how, what) in trials.items():
        if name in done:
            continue
        rows.append([name, *how(parts, what)])
        with replacing(TABLE) as file:
            file.write(_as_csv(rows).encode())
        print(*rows[-1], sep=" | ", flush=True)


def _as_csv(rows: list[list]) -> str:
    return pd.DataFrame(rows, columns=list(COLUMNS)).to_csv(index=False)


if __name__ == "__main__":
    main()
