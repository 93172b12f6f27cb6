"""What learning from a sample costs: `SimilarityMatching` beside a NumPy loop and scikit-learn's IncrementalPCA.

    python benchmarks/similarity_matching.py [--quick]

All three learn from the same blocks of samples in turns, in one process, with one BLAS thread. The loop is fast
similarity matching by hand, into arrays that are there already. Written are ``similarity_matching.md`` and ``.csv``.
"""

import os
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import report
import typer
from scipy.linalg.blas import dgemm
from sklearn.decomposition import IncrementalPCA
from threadpoolctl import threadpool_limits

from corinfomax import SimilarityMatching
from corinfomax.networks import SimilarityMatchingCircuit
from corinfomax.protocols.systems import StaticLearner
from corinfomax.stimuli import Stimulus

RESULTS = Path(__file__).parent / "results"
SIZES = ((256, 16), (784, 64))
BLOCK, TARGET = 256, 1.3


class MatchingLoop:
    """Fast similarity matching by hand: η = 1/(2t + 5), τ = ½."""

    def __init__(self, W: np.ndarray, inverse: np.ndarray):
        self.W, self.Q, self.t = W.copy(), inverse.copy(), 0
        self.driven, self.y, self.z = (np.empty(len(W)) for _ in range(3))
        self.outer = np.empty_like(self.Q)

    def train(self, x: np.ndarray):
        """Learn from samples (m, n), one after the other."""
        W, Q, transposed = self.W, self.Q, self.W.T
        for row in x:
            eta = 1 / (2 * self.t + 5)
            a = 2 * eta
            np.dot(W, row, out=self.driven)
            np.dot(Q, self.driven, out=self.y)
            dgemm(2 * eta, row[:, None], self.y[None], 1 - 2 * eta, transposed, overwrite_c=True)
            Q *= 1 / (1 - a)
            np.dot(Q, self.y, out=self.z)
            np.multiply.outer(self.z, self.z, out=self.outer)
            self.outer *= a / (1 + a * np.dot(self.y, self.z))
            Q -= self.outer
            self.t += 1


def compare(features: int, K: int, blocks: int) -> dict:
    """Microseconds per sample of each, medians over blocks, and ratios to the loop over neighbouring blocks."""
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.standard_normal((features, K)))[0]
    pool = (rng.standard_normal((8 * BLOCK, K)) * np.sqrt(np.linspace(1, 0.5, K))) @ basis.T
    pool += np.sqrt(0.002) * rng.standard_normal(pool.shape)
    pool /= np.sqrt(np.mean(np.sum(pool**2, axis=1)))
    made = SimilarityMatching(K, learning_rate=0.5, learning_rate_offset=2.5).partial_fit(pool[:BLOCK])
    start = SimilarityMatching(K, learning_rate=0.5, learning_rate_offset=2.5)
    start._begin(pool[:BLOCK])  # the same initial weights
    loop = MatchingLoop(start.matching_.W, np.linalg.inv(start.matching_.M))
    loop.train(pool[:BLOCK] / start.scale_)
    difference = float(np.abs(loop.W - made.W_).max())
    assert difference < 1e-10, f"loop and estimator differ by {difference:.1e}"
    pca = IncrementalPCA(K, batch_size=BLOCK).partial_fit(pool[:BLOCK])
    circuit = SimilarityMatchingCircuit((features, K), solver="inverse", learning_rate=0.5, learning_rate_offset=2.5)
    learner = StaticLearner(circuit, phase="settle")
    times: dict[str, list[float]] = {"loop": [], "estimator": [], "IncrementalPCA": [], "circuit": []}
    for n in range(blocks):
        x = pool[n % 8 * BLOCK : (n % 8 + 1) * BLOCK]
        scaled = x / made.scale_
        stimuli = [Stimulus(row[None], learn=True) for row in x]
        for name, learn in {
            "loop": lambda scaled=scaled: loop.train(scaled),
            "estimator": lambda x=x: made.partial_fit(x),
            "IncrementalPCA": lambda x=x: pca.partial_fit(x),
            "circuit": lambda stimuli=stimuli: learner.run(stimuli, progress=False),
        }.items():
            begun = time.perf_counter()
            learn()
            times[name].append(1e6 * (time.perf_counter() - begun) / BLOCK)
    row: dict = {"features": features, "components": K, "blocks": blocks, "difference": difference}
    for name, values in times.items():
        row[f"{name}_us"] = float(np.median(values))
        ratios = np.divide(values, times["loop"])
        row[f"{name}_ratio_q1"], row[f"{name}_ratio"], row[f"{name}_ratio_q3"] = map(
            float, np.percentile(ratios, [25, 50, 75])
        )
    return row


def main(
    quick: Annotated[bool, typer.Option("--quick", help="Few repetitions.")] = False,
    out: Annotated[Path, typer.Option(help="Folder for report and table.")] = RESULTS,
):
    """Measure and write the report."""
    with threadpool_limits(1):
        rows = [compare(*size, 7 if quick else 41) for size in SIZES]
    table = report.table(
        ["features, components", "what", "samples a second", "time over the loop's"],
        [
            [
                f"{row['features']}, {row['components']}",
                what,
                f"{1e6 / row[f'{name}_us']:,.0f}",
                f"{row[f'{name}_ratio']:.2f} [{row[f'{name}_ratio_q1']:.2f}, {row[f'{name}_ratio_q3']:.2f}]",
            ]
            for row in rows
            for name, what in NAMES.items()
        ],
    )
    largest = max(row["estimator_ratio"] for row in rows)
    text = TEXT.format(
        command=report.command(),
        environment=report.environment(),
        block=BLOCK,
        blocks=rows[0]["blocks"],
        difference=f"{max(row['difference'] for row in rows):.1e}",
        load=f"{os.getloadavg()[0]:.1f}",
        target=TARGET,
        verdict=f"The largest is {largest:.2f}" + (": met." if largest <= TARGET else ": **not met.**"),
        table=table,
    )
    typer.echo(text)
    out.mkdir(parents=True, exist_ok=True)
    report.write_csv(rows, out / "similarity_matching.csv")
    (out / "similarity_matching.md").write_text(text)


NAMES = {
    "loop": "NumPy loop",
    "estimator": "`SimilarityMatching.partial_fit`",
    "IncrementalPCA": "`IncrementalPCA.partial_fit`",
    "circuit": "circuit, sample by sample",
}
TEXT = """# What learning from a sample costs

    {command}

{environment}

`SimilarityMatching` learns from samples one after the other, as a plain NumPy loop of fast similarity matching does
(`benchmarks/similarity_matching.py`); scikit-learn's IncrementalPCA takes {block} at once, by a singular value
decomposition. float64, one BLAS thread. After the first block weights of loop and estimator differ by {difference}.

All learn in turns from the same blocks of {block} samples, {blocks} times. Samples a second are of the median block;
the ratio is the median over blocks, its quartiles in brackets. The machine's load was {load}: beyond its processors
others compute beside, and only ratios tell something.

The target for the estimator is a ratio of at most {target}. {verdict}

{table}

The circuit goes through a learner, which checks each stimulus, and through rules and optimisers of its own; it takes
minibatches, too, which share that cost.
"""

if __name__ == "__main__":
    typer.run(main)
