"""``corinfomax sweep``."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from ..errors import ParameterError
from ..protocols import sweeps
from ..ranges import numbers
from .console import Trust, console, goes_on_with, output
from .tables import show_table

#: Combinations that are shown in the end, the best of all.
_SHOWN = 10


def sweep(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE.toml]", help="A sweep file; none goes on with the sweep in --out.")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Set a key in all runs; may be repeated.")
    ] = None,
    seeds: Annotated[str | None, typer.Option(metavar="0,1,5-9", help="Seeds; else those of the file.")] = None,
    trials: Annotated[int | None, typer.Option(min=1, help="Combinations that random and search try.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder; by default sweeps/NAME of the file. One that exists is gone on with.")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Runs at a time; by default one a core. With --slurm, jobs; by default 1.")
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="A scheduler of Dask with workers of its own, as tcp://host:8786."),
    ] = None,
    slurm: Annotated[
        bool, typer.Option("--slurm", help="Submit workers as jobs of SLURM; [slurm] of the file says how.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Run nothing; tell how many runs there are, and estimate time and disk.")
    ] = False,
    data: Annotated[Path | None, typer.Option(help="Folder with data files; else CORINFOMAX_DATA.")] = None,
    trust: Trust = False,
) -> list[dict]:
    """Train many runs that differ in some keys of a parameter file, on all cores or on a cluster.

    The file says which keys take which values, as a grid, drawn at random, or searched by Optuna, and with which seeds.
    The folder then holds a run folder for each, one table of all, runs.csv, and a figure of how the score depends on
    each key. Ctrl-C keeps everything; the same command goes on. A run that fails is shown as failed; remove its
    folder to try it again.

    Examples: `corinfomax sweep beta.toml --dry-run` · `corinfomax sweep beta.toml --seeds 0-4` · `corinfomax sweep
    beta.toml --scheduler tcp://node1:8786` · `corinfomax sweep --out sweeps/beta`
    """
    if scheduler is not None and slurm:
        raise ParameterError("sweep: --scheduler and --slurm exclude each other")
    if scheduler is not None and jobs is not None:
        raise ParameterError("sweep: --jobs is for processes of this machine, and --scheduler has its own workers")
    changes: dict = {"trials": trials, "seeds": _seeds(seeds)}
    changes = {name: value for name, value in changes.items() if value is not None}
    opened = sweeps.opened(file, out, settings or (), data, trust, **changes)
    if dry_run:
        return [_estimate(opened, jobs, slurm)]
    words = shlex.quote(str(opened.path)) + (" --trust" if trust else "")
    again = goes_on_with(lambda: f"corinfomax sweep --out {words}")
    with sweeps.written_in_the_end(opened, lambda: _tell(opened)), again:
        sweeps.train(opened, jobs, scheduler, slurm)
    return opened.table().to_dict("records")


def _seeds(text: str | None) -> list[int] | None:
    try:
        return None if text is None else numbers(text)
    except ValueError as error:
        raise ParameterError(f"--seeds {text}: {error}") from None


def _tell(opened):
    """Write tables and figure, and print the best combinations."""
    from ..protocols.sweeps.task import text

    files = [path.relative_to(opened.path).as_posix() for path in opened.write()]
    summary = opened.summary()
    accuracy = (opened.score or "").endswith("accuracy")
    rows = []
    for row in summary.head(_SHOWN).to_dict("records"):
        shown = {key: text(row[key]) for key in opened.plan.parameters}
        shown |= {"seeds": row["seeds"], "failed": row["failed"]}
        if "mean" in row:
            shown[opened.score] = _score(row["mean"], row["deviation"], accuracy)
        rows.append({name: f"{value:g}" if isinstance(value, float) else str(value) for name, value in shown.items()})
    show_table(rows, "", ["seeds", "failed"])
    if len(summary) > _SHOWN:
        output.print(f"… and {len(summary) - _SHOWN} more")
    console.print(f"{', '.join(files)} in {opened.path}")


def _score(mean: float, deviation: float, accuracy: bool) -> str:
    if mean != mean:
        return "–"
    scale, unit = (100, " %") if accuracy else (1, "")
    spread = "" if deviation != deviation else f" ± {scale * deviation:.2f}"
    return f"{scale * mean:.2f}{spread}{unit}" if accuracy else f"{mean:.4g}{spread and f' ± {deviation:.2g}'}"


def _estimate(opened, jobs: int | None, slurm: bool) -> dict:
    """Tell what the sweep will take, and with SLURM by which job script."""
    with console.status("estimating"):
        found = sweeps.estimate(opened)
    workers = sweeps.workers_of(opened, jobs, slurm)
    hours = found.seconds / workers
    output.print(
        f"{found.runs} runs, {found.done} of them done; the others: {_duration(hours)} with {workers} at a time, "
        f"{_size(found.bytes)} on disk (estimated from {found.basis})"
    )
    if slurm:
        output.print(sweeps.job_script(opened))
    return {"runs": found.runs, "done": found.done, "seconds": hours, "bytes": found.bytes, "workers": workers}


def _duration(seconds: float) -> str:
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} seconds"


def _size(count: float) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count / 1e3:.0f} kB"
