"""Tables, plots and the written report of the benchmark of the training step."""

import csv
import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter
from tabulate import tabulate
from threadpoolctl import threadpool_info

from corinfomax.analysis.figures import publication_style
from corinfomax.analysis.figures.meanings import CATEGORIES, REFERENCE

LINES = {
    "baseline": ("NumPy loop", REFERENCE, "--"),
    "exact": ("simulator, exact", CATEGORIES[0], "-"),
    "default": ("simulator, default", CATEGORIES[2], "-"),
}


def command() -> str:
    """How the script was called, and the processor's instructions that OpenBLAS uses, where they were chosen."""
    coretype = os.environ.get("OPENBLAS_CORETYPE")
    chosen = [f"OPENBLAS_CORETYPE={coretype}"] if coretype else []
    return " ".join([*chosen, "python", f"benchmarks/{Path(sys.argv[0]).name}", *sys.argv[1:]])


def table(header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table, the first column to the left and all others to the right."""
    sides = ("left", *["right"] * (len(header) - 1))
    return tabulate(rows, header, tablefmt="pipe", disable_numparse=True, colalign=sides)


def timing_table(rows: list[dict]) -> str:
    """Medians, quartiles in brackets."""
    header = ["dtype, threads, scheme", "sst_every", "simulator / ms", "NumPy loop / ms", "ratio"]
    header += ["of sgemm: simulator", "loop", "of square: simulator", "loop"]

    def quartiles(row, name, digits):
        return f"{row[name]:.{digits}f} [{row[f'{name}_q1']:.{digits}f}, {row[f'{name}_q3']:.{digits}f}]"

    return table(
        header,
        [
            [
                f"{row['dtype']}, {row['threads']}, {row['scheme']}",
                str(row["sst_every"]),
                quartiles(row, "simulator_ms", 2),
                quartiles(row, "baseline_ms", 2),
                quartiles(row, "ratio", 3),
                *(f"{row[f'{who}_of_{what}']:.0%}" for what in ("bare", "square") for who in ("simulator", "baseline")),
            ]
            for row in rows
        ],
    )


def operations_table(found: dict[str, dict[str, float]]) -> str:
    """Microseconds of each operation of a step, by architecture."""
    names = list(next(iter(found.values())))
    rows = [[name, *(f"{spent[name]:.1f}" for spent in found.values())] for name in names]
    rows.append(["together", *(f"{sum(spent.values()):.1f}" for spent in found.values())])
    return table(["operation", *(f"{architecture} / µs" for architecture in found)], rows)


def interval_table(rows: list[dict]) -> str:
    """What calibrations found at the start of each epoch."""
    header = ["entropy_gain, schedule", "sst_every at the start of each epoch", "max Δr, measured", "tolerance"]
    return table(
        header,
        [
            [
                f"{row['entropy_gain']}, {row['schedule']}",
                ", ".join(map(str, row["intervals"])),
                f"{row['deviation']:.1e}",
                f"{row['tolerance']:.1e}",
            ]
            for row in rows
        ],
    )


def deviation_table(rows: list[dict]) -> str:
    """Deviation of the rates, and test accuracies."""
    header = ["entropy_gain, sst_every", "max Δr, free", "rms", "max Δr, nudge", "rms", "predictions changed"]
    header.append("test accuracy")
    return table(
        header,
        [
            [
                f"{row['entropy_gain']}, {row['sst_every']}",
                *(f"{row[f'{phase}_{what}']:.1e}" for phase in ("free", "nudge") for what in ("max", "rms")),
                f"{row['predictions_changed']:.1%}",
                f"{row['test_accuracy']:.1%}",
            ]
            for row in rows
        ],
    )


def sweep_table(rows: list[dict], variable: str) -> str:
    """Milliseconds per minibatch against width or batch."""
    values = sorted({row[variable] for row in rows})
    cells = []
    for value in values:
        exact, default = (
            next(row for row in rows if row[variable] == value and row["scheme"] == scheme)
            for scheme in ("exact", "default")
        )
        times = [exact["simulator_ms"], default["simulator_ms"], exact["baseline_ms"]]
        ratios = [f"{exact['ratio']:.3f}", f"{default['ratio']:.3f}"]
        cells.append([str(value), *(f"{ms:.2f}" for ms in times), *ratios, str(default["sst_every"])])
    header = [variable, "exact / ms", "default / ms", "NumPy loop / ms", "ratio, exact", "ratio, default", "sst_every"]
    return table(header, cells)


@publication_style()
def plot_sweep(rows: list[dict], variable: str, label: str, path: Path):
    """Plot milliseconds per minibatch against width or batch, with quartiles, both axes logarithmic."""
    figure, ax = plt.subplots(figsize=(4.2, 3.0))
    for scheme, (name, colour, style) in LINES.items():
        who = "baseline_ms" if scheme == "baseline" else "simulator_ms"
        chosen = [row for row in rows if row["scheme"] == ("exact" if scheme == "baseline" else scheme)]
        x, median = [row[variable] for row in chosen], [row[who] for row in chosen]
        ax.plot(x, median, style, marker="o", color=colour, label=name)
        ax.fill_between(
            x, [row[f"{who}_q1"] for row in chosen], [row[f"{who}_q3"] for row in chosen], color=colour, alpha=0.2, lw=0
        )
    ax.set(xscale="log", yscale="log", xlabel=label, ylabel="training step (ms per minibatch)")
    ax.set_xticks(sorted({row[variable] for row in rows}))
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(ScalarFormatter())
        axis.set_minor_formatter(NullFormatter())
    ax.legend()
    figure.savefig(path)
    plt.close(figure)


def write_csv(rows: list[dict], path: Path):
    """All timings, one row a configuration."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({key: f"{value:.5g}" if isinstance(value, float) else value for key, value in row.items()})


def environment() -> str:
    """Versions and processors, one line."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("corinfomax", "brian2", "numpy", "scipy"))
    blas = {
        f"{library['internal_api']} {library['version']} ({library.get('architecture', 'unknown')})"
        for library in threadpool_info()
        if library["user_api"] == "blas"
    }
    return (
        f"Python {platform.python_version()}, {packages}; {', '.join(sorted(blas))}; {platform.system()} "
        f"{platform.machine()}, {os.cpu_count()} processors"
    )
