"""Tables, plots and the written report of the benchmark of the training step."""

import csv
import os
import platform
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
    1: ("simulator", CATEGORIES[0], "-"),
    5: ("simulator, sst_every = 5", CATEGORIES[2], "-"),
}


def table(header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table, the first column to the left and all others to the right."""
    sides = ("left", *["right"] * (len(header) - 1))
    return tabulate(rows, header, tablefmt="pipe", disable_numparse=True, colalign=sides)


def timing_table(rows: list[dict]) -> str:
    """Medians, quartiles in brackets."""
    header = ["dtype, threads, sst_every", "simulator / ms", "NumPy loop / ms", "ratio"]
    header += ["of sgemm: simulator", "loop", "of square: simulator", "loop"]

    def quartiles(row, name, digits):
        return f"{row[name]:.{digits}f} [{row[f'{name}_q1']:.{digits}f}, {row[f'{name}_q3']:.{digits}f}]"

    return table(
        header,
        [
            [
                f"{row['dtype']}, {row['threads']}, {row['sst_every']}",
                quartiles(row, "simulator_ms", 2),
                quartiles(row, "baseline_ms", 2),
                quartiles(row, "ratio", 3),
                *(f"{row[f'{who}_of_{what}']:.0%}" for what in ("bare", "square") for who in ("simulator", "baseline")),
            ]
            for row in rows
        ],
    )


def profile_table(profiles: dict[int, dict[str, float]]) -> str:
    """Where the time goes, for each `sst_every`."""
    totals = {n: sum(spent.values()) for n, spent in profiles.items()}
    rows = [
        [kind, *(f"{spent[kind]:.2f} ms, {spent[kind] / totals[n]:4.0%}" for n, spent in profiles.items())]
        for kind in next(iter(profiles.values()))
    ]
    rows.append(["together", *(f"{total:.2f} ms      " for total in totals.values())])
    return table(["operation", *(f"sst_every = {n}" for n in profiles)], rows)


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
        exact, multirate = (
            next(row for row in rows if row[variable] == value and row["sst_every"] == n) for n in (1, 5)
        )
        times = [exact["simulator_ms"], multirate["simulator_ms"], exact["baseline_ms"]]
        cells.append([str(value), *(f"{ms:.2f}" for ms in times), f"{exact['ratio']:.3f}", f"{multirate['ratio']:.3f}"])
    header = [variable, "simulator / ms", "sst_every = 5 / ms", "NumPy loop / ms", "ratio", "ratio, sst_every = 5"]
    return table(header, cells)


@publication_style()
def plot_sweep(rows: list[dict], variable: str, label: str, path: Path):
    """Plot milliseconds per minibatch against width or batch, with quartiles, both axes logarithmic."""
    figure, ax = plt.subplots(figsize=(4.2, 3.0))
    for n, (name, colour, style) in LINES.items():
        who = "baseline_ms" if n == "baseline" else "simulator_ms"
        chosen = [row for row in rows if row["sst_every"] == (1 if n == "baseline" else n)]
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
