"""Which product is the fastest for each shape of a training step, and what of a few large steps is no product.

    python benchmarks/products.py [--data FOLDER]

Shapes are those of MNIST, 784-500-10, 20 stimuli, float32, one BLAS thread. Stimuli are MNIST's, for how many of their
inputs are silent decides. What the circuits do is timed by turns with what they might do instead; both give the same
numbers, to rounding. Last come the products that a minibatch of `mnist_fast` cannot do without, beside what it takes.

Written is ``products.md``.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import report
import typer
from scipy.linalg.blas import sgemm, ssymm
from scipy.sparse import csr_array
from threadpoolctl import threadpool_limits

from corinfomax.networks.plasticity import OuterProducts
from corinfomax.protocols.clockwork import Preparation
from corinfomax.protocols.runs import Configuration
from corinfomax.stimuli import Stimulus, load_stimuli

RESULTS = Path(__file__).parent / "results"
BATCH, INPUTS, HIDDEN, OUTPUTS = 20, 784, 500, 10
#: Turns, and calls in each.
TURNS, CALLS = 61, 20
Pair = tuple[str, Callable[[], np.ndarray], str, Callable[[], np.ndarray]]


def fortran(array: np.ndarray) -> np.ndarray:
    """In Fortran order, float32."""
    return np.asfortranarray(array, dtype=np.float32)


def pairs(x: np.ndarray) -> list[Pair]:
    """What circuits do, and what they might do instead."""
    rng = np.random.default_rng(0)
    W, dense_B = fortran(rng.normal(size=(HIDDEN, INPUTS))), rng.normal(size=(HIDDEN, HIDDEN))
    B, r = fortran(dense_B + dense_B.T), rng.random((BATCH, HIDDEN)).astype(np.float32)
    W_in_C, still, out = np.ascontiguousarray(W), fortran(W), np.empty((BATCH, HIDDEN), np.float32)
    rate, half = np.float32(1e-6), np.float32(0.5)
    silent_left_out = np.flatnonzero(x.any(axis=0))
    symmetric, full, O = fortran(B), fortran(B), fortran(B)

    def some_columns():
        there = x[:, silent_left_out]
        return there @ W[:, silent_left_out].T

    def change_some_columns():
        still[:, silent_left_out] += rate * (r.T @ x[:, silent_left_out])
        return still

    def change_all():
        OuterProducts(r, x, 1.0).add_to(W, rate)
        return W

    def triangle():
        OuterProducts(r, r, 1.0).add_to_symmetric(symmetric, rate)
        return symmetric

    def whole():
        return sgemm(rate, r.T, r.T, 1.0, full, trans_b=True, overwrite_c=True)

    def copied():
        np.multiply(B, -half, out=O)
        np.fill_diagonal(O, 0)
        return np.dot(r, O.T, out=out)

    def scaled():
        np.dot(r, B.T, out=out)
        out[...] -= r * np.diagonal(B)
        out[...] *= -half
        return out

    def product():
        return np.dot(x, W.T, out=out)

    return [
        ("x W_ffᵀ, W_ff in Fortran order", product, "in C order", lambda: np.dot(x, W_in_C.T, out=out)),
        ("x W_ffᵀ", product, "silent inputs left out", some_columns),
        ("x W_ffᵀ", product, "x as a sparse matrix", lambda: csr_array(x) @ still.T),
        ("ΔW_ff by gemm into W_ff", change_all, "silent inputs left out", change_some_columns),
        ("z = B r by gemm", lambda: np.dot(r, B.T, out=out), "by symm", lambda: ssymm(1.0, B, r.T).T),
        ("⟨z zᵀ⟩ by syrk, mirrored", triangle, "by gemm", whole),
        ("O r, with O = -cB kept", copied, "B r, scaled where it is used", scaled),
    ]


def by_turns(first: Callable, second: Callable) -> tuple[float, float, float]:
    """Median microseconds of both, and the median over turns of the second's over the first's."""
    times = []
    for _ in range(TURNS + 1):
        for call in (first, second):
            start = time.perf_counter()
            for _ in range(CALLS):
                call()
            times.append((time.perf_counter() - start) / CALLS)
    spent = 1e6 * np.reshape(times, (-1, 2))[1:]
    return *np.median(spent, axis=0), float(np.median(spent[:, 1] / spent[:, 0]))


def indispensable(batch: int) -> Callable[[], None]:
    """Products of a minibatch of `mnist_fast`: input, steps, lateral current and plasticity, operands in place."""
    rng = np.random.default_rng(0)
    layers = (batch, INPUTS), (batch, HIDDEN), (batch, OUTPUTS)
    x, r, top = (rng.random(shape).astype(np.float32) for shape in layers)
    W, V, B = (fortran(rng.normal(size=shape)) for shape in ((HIDDEN, INPUTS), (OUTPUTS, HIDDEN), (HIDDEN, HIDDEN)))
    of_hidden, of_output = np.empty_like(r), np.empty_like(top)

    def once():
        np.dot(x, W.T, out=of_hidden)
        for _ in range(7):  # 4 + 3 steps
            np.dot(r, V.T, out=of_output)
            np.dot(top, V, out=of_hidden)
        for _ in range(3):  # the lateral current, once a phase, and z
            np.dot(r, B.T, out=of_hidden)
        OuterProducts(r, x, 1.0).add_to(W, 1e-6)
        OuterProducts(r, r, 1.0).add_to_symmetric(B, 1e-6)

    return once


def minibatch(configuration: Configuration, x: np.ndarray) -> Callable[[], None]:
    """Minibatches x of a preset, on the clock."""
    learner, protocol = configuration.build_circuit(), configuration.build_protocol()
    preparation = Preparation(learner, len(x), dtype="float32", protocol=protocol)
    y = np.eye(OUTPUTS, dtype=np.float32)[np.arange(len(x)) % OUTPUTS]
    stimuli = [Stimulus(x, y, 1.0, learn=True)] * CALLS
    return lambda: preparation.run(stimuli)


def main(
    data: Annotated[Path | None, typer.Option(help="Folder with MNIST.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for the report.")] = RESULTS,
):
    """Write ``products.md``."""
    images = load_stimuli("mnist", data).x_train
    fast = Configuration.read("mnist_fast")
    batch, epochs = fast.training.batch_size, fast.training.epochs
    x = images[:BATCH].astype(np.float32)
    with threadpool_limits(1):
        rows = []
        for what, first, instead, second in pairs(x):
            mine, other, ratio = by_turns(first, second)
            rows.append([what, f"{mine:.0f}", instead, f"{other:.0f}", f"{ratio:.2f}"])
        products, whole = indispensable(batch), minibatch(fast, images[:batch].astype(np.float32))
        _, of_run, ratio = by_turns(lambda: [products() for _ in range(CALLS)], whole)
    milliseconds = 1e-3 * of_run / CALLS
    seconds = 1e-3 * milliseconds * epochs * len(images) / batch
    text = PAGE.format(
        system=report.environment(),
        silent=f"{1 - x.any(axis=0).mean():.0%}",
        table=report.table(["what circuits do", "µs", "instead", "µs", "ratio"], rows),
        minibatch=f"{milliseconds:.2f}",
        share=f"{1 / ratio:.0%}",
        batch=batch,
        epochs=epochs,
        seconds=f"{seconds:.0f}",
        floor=f"{seconds / ratio:.0f}",
    )
    (out / "products.md").write_text(text, encoding="utf-8")
    typer.echo(text)


PAGE = """# Products of a training step

    python benchmarks/products.py

{system}

784-500-10, 20 stimuli of MNIST, float32, one BLAS thread; of the inputs {silent} are silent in all 20. Medians, by
turns. The ratio is the other way's time over ours: below 1 the other way is faster. Minibatches of 20 are those of the
published presets; `mnist_fast`, below, has larger ones, for which this table says nothing.

{table}

- Leaving silent inputs out saves some of x W_ffᵀ, few per cent of a minibatch, and changes rounding, so that all
  evidence would have to be computed anew: not taken. In ΔW_ff it costs more than it saves, for columns are copied.
- symm saves about one per cent of a minibatch, and changes rounding: not taken.
- gemm for ⟨z zᵀ⟩ does not promise what is needed: that B stays symmetric to the last bit.
- O = -cB could be scaled where it is used. It is kept because O and D are the weights that SST cells and autapses have,
  which recordings, figures, lesions and Dale's law read and write. It is copied once a minibatch, not once a step.

A minibatch of `mnist_fast`, {batch} stimuli, takes {minibatch} ms, its {epochs} epochs {seconds} s. The products
that it cannot do without take {share} of that, {floor} s: input, steps, the lateral current once a phase, and
plasticity, as bare calls of BLAS.
"""

if __name__ == "__main__":
    typer.run(main)
