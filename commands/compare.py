"""``corinfomax compare``."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .. import analysis
from ..analysis.files import check_unused, locked_folder, make_folder, replacing
from ..errors import ParameterError
from ..protocols import comparison as comparisons
from ..protocols import runs as trained
from .console import Trust, console, goes_on_with, progress_bar, warn
from .tables import show_table

if TYPE_CHECKING:  # pandas takes long to import, and what compares takes longer
    import pandas as pd

    from ..protocols.comparison import Comparison, Plan

#: Where a comparison stands if nothing is said.
_OUT = Path("comparisons")
#: What stands in the folder of a comparison of runs that exist, and what always does.
_WRITTEN = {"runs.csv", "comparison.csv", "comparison.md", "courses.csv", "figures"}
_KEPT = {"runs.csv", "comparison.csv", "comparison.md"}
#: Columns that a terminal has no room for.
_IN_THE_FILE = ("seconds", "network", "epochs")


def _listed(text: str | None) -> list[str] | None:
    return None if text is None else [part.strip() for part in text.split(",") if part.strip()]


def _numbers(text: str | None, option: str) -> list[int] | None:
    """Read ``0,2,5-9``."""
    if text is None:
        return None
    found: list[int] = []
    for part in _listed(text) or []:
        low, dash, high = part.partition("-")
        if not low.isdecimal() or (dash and not high.isdecimal()):
            raise ParameterError(f"{option} {text}: must be whole numbers and ranges, as 0,1,5-9")
        found += range(int(low), int(high if dash else low) + 1)
    return found


def _reals(text: str | None, option: str) -> list[float] | None:
    try:
        return None if text is None else [float(part) for part in _listed(text) or []]
    except ValueError:
        raise ParameterError(f"{option} {text}: must be numbers, as .5,1,2") from None


def compare(
    runs: Annotated[
        list[Path] | None, typer.Argument(metavar="[RUN]…", help="Runs that exist, in place of new ones.")
    ] = None,
    layout: Annotated[
        str | None, typer.Option(help="matched (default): one network and tuning for all; or published.")
    ] = None,
    rules: Annotated[
        str | None, typer.Option(metavar="A,B,…", help="Rules, or parameter files; by default all.")
    ] = None,
    stimuli: Annotated[str | None, typer.Option(metavar="A,B,…", help="Sets; by default digits.")] = None,
    seeds: Annotated[str | None, typer.Option(metavar="0,1,5-9", help="Seeds; by default 0-4.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Epochs of each run; by default those of the presets.")] = None,
    architecture: Annotated[
        str | None, typer.Option(metavar="N,N,…", help="Network of the matched layout; else the first rule's.")
    ] = None,
    factors: Annotated[
        str | None, typer.Option(metavar="A,B,…", help="Factors of the learning rates that tuning tries.")
    ] = None,
    tuning_seeds: Annotated[
        str | None, typer.Option(metavar="N,N,…", help="Seeds of the tuning; by default 100,101.")
    ] = None,
    validation: Annotated[
        float | None, typer.Option(help="Share of the training stimuli that tuning judges by.")
    ] = None,
    against: Annotated[str | None, typer.Option(help="Rule that differences are taken from; else the first.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Set a key in all runs; may be repeated.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder; by default comparisons/LAYOUT. One that exists is gone on with.")
    ] = None,
    energy: Annotated[
        str | None, typer.Option(help="Prices for a column of energy: float32, int8, loihi, or a TOML file.")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Runs at a time.")] = 1,
    data: Annotated[Path | None, typer.Option(help="Folder with data files; else CORINFOMAX_DATA.")] = None,
    trust: Trust = False,
) -> list[dict]:
    """Train rules on the same stimuli and seeds, and put them side by side in one table.

    In the layout `matched` all rules have one network, the same epochs, and the same budget for tuning: their learning
    rates are multiplied by each factor, and chosen on validation stimuli. In `published` each has its own network and
    settings, and the published number stands beside it. Ctrl-C keeps everything; the same command goes on. A run that
    fails is shown as failed; remove its folder to try it again.

    Examples: `corinfomax compare --rules ep,bp_ce --epochs 20` · `corinfomax compare --layout published --stimuli
    mnist --seeds 0,1` · `corinfomax compare runs/digits runs/digits_ep`
    """
    given = {
        "layout": layout,
        "rules": _listed(rules),
        "stimuli": _listed(stimuli),
        "seeds": _numbers(seeds, "--seeds"),
        "epochs": epochs,
        "architecture": _numbers(architecture, "--architecture"),
        "factors": _reals(factors, "--factors"),
        "tuning_seeds": _numbers(tuning_seeds, "--tuning-seeds"),
        "validation": validation,
        "settings": settings or None,
    }
    given = {name: value for name, value in given.items() if value is not None}
    if energy is not None:
        comparisons.prices(energy)  # what is wrong with it is said before anything is trained
    if runs:
        if given:
            raise ParameterError(f"compare: --{next(iter(given)).replace('_', '-')} is for new runs, not for RUN …")
        return _existing(runs, against, out, trust, energy).to_dict("records")
    if data is not None:
        given["data"] = str(data.resolve())
    out = _OUT / str(given.get("layout", "matched")) if out is None else out
    comparison = comparisons.Comparison(out, **given)
    if against is not None and against not in [Path(rule).stem for rule in comparison.plan.rules]:
        raise ParameterError(f"--against {against}: is none of {', '.join(comparison.plan.rules)}")
    comparison.create()
    with locked_folder(comparison.path, "runs this comparison"):
        try:
            _train(comparison, jobs)
        except BaseException:  # also if it is interrupted: what is done is written
            _write(comparison, against, energy)
            raise
        return _write(comparison, against, energy).to_dict("records")


def _train(comparison: Comparison, jobs: int):
    plan = comparison.plan
    tuning = f"{len(plan.tuning)} runs of tuning, " if plan.tuning else ""
    console.print(f"{tuning}{len(plan.compared)} runs to compare, in {comparison.path}")
    with progress_bar() as bar:
        cells = [*plan.tuning, *plan.compared]
        done = sum(comparison.outcome(cell).status in ("finished", "failed") for cell in cells)
        task = bar.add_task("comparing", total=len(cells), completed=done, score="")

        def report(cell, found):
            bar.advance(task)
            if found.status == "failed":
                console.print(f"{cell}: failed: {found.reason}")
                return
            part = "validation" if cell.factor is not None else "test"
            value, kind = found.measures[part], found.measures["score"]
            shown = f"{100 * value:.2f} %" if kind == "accuracy" else f"R² {value:.3f}"
            console.print(f"{cell}: {part} {shown}, {found.measures['seconds']:.0f} s")

        with goes_on_with(lambda: f"corinfomax compare --out {shlex.quote(str(comparison.path))}"):
            comparison.run(jobs, report)


def _write(comparison: Comparison, against: str | None, energy: str | None) -> pd.DataFrame:
    """Write tables and figures, and print the table."""
    import pandas as pd

    results, tuned = comparison.results(), comparison.tuned()
    reference = against or Path(comparison.plan.rules[0]).stem
    summary = analysis.summarise_learners(results, reference)
    if not tuned.empty:
        _save(tuned, comparison.path / "tuning.csv")
    _save(results, comparison.path / "runs.csv")
    courses_of = [
        history.assign(stimuli=cell.stimuli, rule=Path(cell.rule).stem, seed=cell.seed)
        for cell, history in comparison.courses()
    ]
    _finish(summary, reference, pd.concat(courses_of) if courses_of else None, comparison.path, comparison.plan, energy)
    return summary


def _existing(runs: list[Path], against: str | None, out: Path | None, trust: bool, energy: str | None) -> pd.DataFrame:
    """Compare runs that exist."""
    import pandas as pd

    out = out if out is not None else _OUT / "runs"
    if not (out.is_dir() and _KEPT <= {path.name for path in out.iterdir()} <= _WRITTEN):
        check_unused(out)
    opened = [trained.Run(path, trust) for path in runs]
    table = comparisons.measured(opened, lambda run: console.print(f"measuring {run.folder.path}"))
    histories = [
        analysis.read_history(run.folder.path).assign(stimuli=row.stimuli, rule=row.rule, seed=row.seed)
        for run, row in zip(opened, table.itertuples(), strict=True)
    ]
    summary = analysis.summarise_learners(table, against)
    make_folder(out)
    _save(table, out / "runs.csv")
    _finish(summary, against or table["rule"].iloc[0], pd.concat(histories), out, energy=energy)
    return summary


def _finish(
    summary: pd.DataFrame,
    reference: str,
    histories: pd.DataFrame | None,
    out: Path,
    plan: Plan | None = None,
    energy: str | None = None,
):
    from ..analysis.figures import Album, courses, differences  # with matplotlib
    from ..protocols.comparison.report import markdown, performance

    figures = out / "figures"
    make_folder(figures)
    _save(summary, out / "comparison.csv")
    with replacing(out / "comparison.md") as file:
        file.write(markdown(summary, reference, plan, comparisons.prices(energy) if energy else None).encode())
    album = Album()
    if histories is not None:
        first = ["stimuli", "rule", "seed"]
        _save(histories[[*first, *histories.columns.difference(first, sort=False)]], out / "courses.csv")
    for stimuli, runs in () if histories is None else histories.groupby("stimuli", sort=False):
        name = Path(str(stimuli)).stem
        column = next((each for each in ("test_accuracy", "test_r_squared") if each in runs), None)
        if column is not None:
            by_rule = {
                rule: [each for _, each in one.groupby("seed")] for rule, one in runs.groupby("rule", sort=False)
            }
            album.save([figures / f"courses_{name}.png"], courses, by_rule, column)
        part = summary[summary["stimuli"] == stimuli]
        if "difference" in part and part["pairs"].max() > 0 and len(part) > 1:
            album.save([figures / f"differences_{name}.png"], differences, part, reference)
    for stimuli, rows in summary.groupby("stimuli", sort=False):
        lines = performance(rows, reference, plan, str(stimuli))
        kept = [{name: line[name] for name in line if name not in _IN_THE_FILE} for line in lines]
        show_table(kept, str(stimuli), [name for name in kept[0] if name != "rule"])
    warn(album.failures)
    drawn = f"{len(album.written)} figures"
    console.print(f"comparison.md, comparison.csv, runs.csv, courses.csv and {drawn} in {out}")


def _save(table: pd.DataFrame, path: Path):
    with replacing(path) as file:
        file.write(table.to_csv(index=False).encode())
