"""The page of the comparison `peers.py`."""

import platform
import textwrap

import numpy as np
import report


def page(rows: list[dict], groups: dict, extent, options: str) -> str:
    """All that was measured, whoever wins."""
    found = {(row["group"], row["system"], row["measure"]): row for row in rows}
    sections = []
    for group, (ours, *others) in groups.items():
        table = [timing(found, group, system, ours) for system in (ours, *others)]
        header = ["system", "minibatch, ms", "× corinfomax", "epoch, s"]
        header += [f"epoch {epoch}, %" for epoch in sorted({1, extent.epochs})]
        header += [f"{seconds:g} s, %" for seconds in extent.checkpoints]
        parts = [textwrap.fill(NOTES[group], 119), report.table(header, table), verdict(found, group, groups)]
        sections.append("\n\n".join([f"## {group}", *parts]))
    loads = [row["load"] for row in rows]
    missing = [group for group in NOTES if group not in groups]
    if missing:
        sections.append(f"## Not measured yet\n\n{', '.join(missing)}.")
    return TEXT.format(
        options=options,
        processors=f"{platform.system()} {platform.machine()}",
        kernels=kernels(rows),
        loads=f"{min(loads)} to {max(loads)}",
        stimuli=f"{extent.stimuli:,}",
        tested=f"{extent.tested:,}",
        minibatches=extent.stimuli // 20,
        portion=extent.portion,
        epochs=extent.epochs,
        turn=extent.turn,
        starts=extent.starts,
        sections="\n\n".join(sections),
        costs=report.table(
            ["system", "installed, MB", "start, s", "peak memory, MB"],
            [cost(found, group, system) for group, systems in groups.items() for system in systems],
        ),
        versions=versions(found, groups),
    )


def kernels(rows: list[dict]) -> str:
    """Say which instructions OpenBLAS was told to use, if it was."""
    chosen = sorted({row.get("coretype") or "" for row in rows} - {""})
    if not chosen:
        return ""
    return (
        f"\nOpenBLAS, which NumPy and SciPy use, was told to take the instructions of {', '.join(chosen)} "
        "(OPENBLAS_CORETYPE).\nPyTorch chooses its own.\n"
    )


def timing(found: dict, group: str, system, ours) -> list[str]:
    """Times, the ratio to the simulator over neighbouring portions with its quartiles, and accuracies."""
    epochs, seconds = (found[group, system.name, measure] for measure in ("epochs", "seconds"))
    low, ratio, high = ratios(found, group, system, ours)
    accuracies = epochs["accuracy"][:1] + epochs["accuracy"][1:][-1:]
    return [
        system.name,
        f"{np.median(epochs['minibatch_ms']):.2f}",
        "1" if system == ours else f"{ratio:.2f} [{low:.2f}, {high:.2f}]",
        f"{np.median(epochs['epoch_s']):.2f}",
        *(f"{100 * accuracy:.2f}" for accuracy in (*accuracies, *seconds["accuracy"])),
    ]


def ratios(found: dict, group: str, system, ours) -> np.ndarray:
    """Quartiles of a system's time over the simulator's, portion by portion."""
    theirs, own = (found[group, each.name, "epochs"]["minibatch_ms"] for each in (system, ours))
    return np.percentile(np.divide(theirs, own), [25, 50, 75])


def verdict(found: dict, group: str, groups: dict) -> str:
    """Who is faster, in a sentence each."""
    ours, *others = groups[group]
    sentences = []
    for other in others:
        low, ratio, high = ratios(found, group, other, ours)
        if low > 1:
            sentences.append(f"{other.name} takes {ratio:.2f} × the time of corinfomax")
        elif high < 1:
            sentences.append(f"**corinfomax takes {1 / ratio:.2f} × the time of {other.name}**")
        else:
            sentences.append(f"{other.name} and corinfomax cannot be told apart")
    return "; ".join(sentences) + "."


def cost(found: dict, group: str, system) -> list[str]:
    """What it takes to install, to start and to keep."""
    start, epochs = (found[group, system.name, measure] for measure in ("start", "epochs"))
    return [
        f"{group}: {system.name}",
        f"{start['installed_mb']:.0f}",
        f"{np.median(start['start_s']):.1f}",
        f"{epochs['peak_mb']:.0f}",
    ]


def versions(found: dict, groups: dict) -> str:
    """Versions in each environment, a line each."""
    lines = {}
    for group, systems in groups.items():
        for system in systems:
            lines.setdefault(system.environment, {}).update(found[group, system.name, "start"]["versions"])
    return "\n".join(
        f"- {name}: {', '.join(f'{package} {number}' for package, number in packages.items())}"
        for name, packages in lines.items()
    )


NOTES = {
    "CorInfoMax": (
        "Equations 14 to 28, 30 free and 10 nudged steps of .05, as in the preset `mnist`, with constant learning "
        "rates. By default the simulator renews the SST input only as often as float32 can tell; with `sst_every = 1` "
        "it makes all products that the loop makes. All begin with the same weights."
    ),
    "Equilibrium propagation": (
        "20 free and 4 nudged steps of .5, as in the preset `mnist_ep`; the same initial weights."
    ),
    "Predictive coding": (
        "Sigmoid cells, a clamped output, 50 steps of .1, Adam with a rate of .001. pcx has the simulator's own rule "
        "and initial weights. In fabricpc, values are those after the sigmoid, and initial weights are its own: its "
        "accuracy is another rule's, while steps cost as many products. Both differentiate the energy automatically."
    ),
    "Backpropagation": (
        "ReLU, cross-entropy, Adam with a rate of .001. PyTorch has the simulator's initial weights, scikit-learn its "
        "own; there a portion is one call of `partial_fit`, which makes the minibatches."
    ),
}
TEXT = """# Beside other libraries

    python benchmarks/peers.py --prepare
    python benchmarks/peers.py --check
    python benchmarks/peers.py {options}

{versions}

Each system trains 784-500-10 in minibatches of 20, in float32, in a process and an environment of its own. All are
confined to one and the same processor ({processors}), with one thread each. An epoch is the first {stimuli} stimuli of
MNIST's training set, {minibatches} minibatches, in the same order for all; accuracies are those on the first {tested}
of its test set. The processes of a rule take turns, {portion} minibatches each. Times are medians. The ratio is the
median over neighbouring turns, with its quartiles in brackets. The seconds of an epoch include the start and end of a
run. Load averages were {loads}: beyond 1, others computed beside, times are longer, and only ratios tell something.
{kernels}
Accuracies are taken after equal epochs, and after equal seconds of training in turns of {turn} s. What compiles does so
before. It is one seed, and differences below half a percent tell nothing.

The two PyTorch loops are this project's own, written from the equations (`benchmarks/peers/torch_loops.py`): batched,
without autograd. `--check` holds them against the golden archives of the tests, and against the simulator in float64,
to 1e-9. It also holds pcx against the simulator.

{sections}

## What else it takes

"Installed" is the size of all packages that come with it. "Start" is the time from the start of a process to the end
of its first minibatch, the median of {starts}. A library that compiles in each process does so here; the simulator's
compiled code is kept from the first time on. "Peak memory" is the largest resident memory in {epochs} epochs, stimuli
included.

{costs}
"""
