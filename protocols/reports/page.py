"""A report of runs: one HTML file that holds all it shows, for a browser, a phone or a printer."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from ...analysis import Finding, diagnose
from ...analysis.files import replacing
from ...errors import CorInfoMaxError, FigureError, ParameterError, RunError
from ...ranges import counted
from ...summary import Table
from ..comparison.naming import shortest
from ..runs.citations import cite
from ..runs.examination import examine_configured
from ..runs.run import Run
from ..sweeps.folder import Sweep
from .model_description import describe
from .picture import embedded
from .sweep_part import best_run, is_sweep, sweep_part

#: By these words a report is known, which a new one may take the place of.
_GENERATOR = "corinfomax report"
#: Of a file, how many bytes tell whether it is a report. Those of earlier versions say so in their first paragraph.
_HEAD = 2**12
_SIGNS = (f'<meta name="generator" content="{_GENERATOR}">', f"<p>Made by {_GENERATOR}.")
#: Rows of the history that are shown: the first, and the last.
_FIRST, _LAST = 3, 5
#: Tables of a model's description that are shown where there are such things.
_PARTS = ("Populations", "Connectivity", "Plasticity")


def report(
    runs: str | os.PathLike[str] | Run | Sequence[str | os.PathLike[str] | Run],
    out: str | os.PathLike[str] = "report.html",
    trust: bool = False,
    tell: Callable[[str], object] = lambda what: None,
) -> Path:
    """Write one file that shows what runs were, and what has become of them.

    Of a sweep: what was swept, the combinations, what failed, how the score depends on each key, and its best run.

    Of each run: what was run, the parameters that differ from the defaults, versions, the course of training, what the
    doctor finds, all figures, and what to cite. Figures that are missing are drawn into the run's folder first. Of
    several runs also a table that compares them.

    Parameters
    ----------
    runs : str, path-like or Run, or sequence of them
        Run folders, and folders of sweeps.
    out : path-like, default "report.html"
        A report that is there already is replaced.
    trust : bool, default False
        Whether code that run folders hold or name may be imported.
    tell : callable
        Told what is being done.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    ParameterError
        Without a run.
    RunError
        For a folder that is none of a run, code that is not trusted, or a file in the place that is no report.
    """
    path = Path(out)
    _check_replaceable(path)
    from jinja2 import Template

    runs = [runs] if isinstance(runs, str | os.PathLike | Run) else runs
    sweeps = [Sweep(run, trust=trust) for run in runs if is_sweep(run)]
    best = [path for path in map(best_run, sweeps) if path is not None]
    given = [*(run for run in runs if not is_sweep(run)), *best]
    opened = [run if isinstance(run, Run) else Run(run, trust) for run in given]
    if not opened and not sweeps:
        raise ParameterError("report: needs a run folder at least")
    names = shortest([run.folder.path.resolve() for run in opened])
    titles = shortest([sweep.path.resolve() for sweep in sweeps])
    parts = [_part(run, name, trust, tell) for run, name in zip(opened, names, strict=True)]
    template = Template((resources.files(__package__) / "page.html").read_text(encoding="utf-8"))
    page = template.render(
        title=f"Report of {', '.join([*titles, *names])}",
        generator=_GENERATOR,
        subtitle=f"Made by {_GENERATOR}. The file holds all it shows.",
        sweeps=[sweep_part(sweep, title) for sweep, title in zip(sweeps, titles, strict=True)],
        runs=parts,
        comparison=_comparison(opened, tell) if len(opened) > 1 else "",
    )
    with replacing(path) as file:
        file.write(page.encode())
    return path


def _check_replaceable(path: Path):
    """Raise a `RunError` if no report can be here, for there is no folder, or something other than a report."""
    try:
        if not path.parent.is_dir():
            raise RunError(f"{path}: there is no folder {path.parent}")
        if not path.exists():
            return
        if not path.is_file():
            raise RunError(f"{path}: is no file; choose another name")
        with path.open("rb") as file:
            head = file.read(_HEAD).decode(errors="replace")
    except OSError as error:
        raise RunError(f"{path}: cannot be read ({error.strerror}); choose another name") from None
    if head and not (head.startswith("<!DOCTYPE html>") and any(sign in head for sign in _SIGNS)):
        raise RunError(f"{path}: exists and is no report; choose another name")


def _part(run: Run, name: str, trust: bool, tell: Callable[[str], object]) -> dict[str, Any]:
    folder = run.folder.path
    tell(f"{folder}: describing")
    sections = {each.title: each.table for each in describe(run, trust)}
    parameters = sections["Parameters"]
    other = Table(parameters.headings[:-1], [row[:-1] for row in parameters.rows if row[-1] != "default"])
    tables = [
        _shown("What was run", sections["Model summary"]),
        _shown("Parameters that differ from the defaults", other),
        _shown("Versions", _versions(run)),
        _shown("Course of training", *_course(run)),
        *(_shown(title, sections[title]) for title in _PARTS if title in sections),
    ]
    configuration = run.configuration
    return {
        "name": name,
        "sentence": f"{configuration.model} on {configuration.stimuli.stimuli}, {counted(len(run.history), 'epoch')}, "
        f"seed {configuration.training.seed}.",
        "tables": tables,
        "findings": _findings(run, tell),
        "figures": _figures(run, tell),
        "bibtex": cite(run),
    }


def _shown(title: str, table: Table, text: str = "") -> dict[str, str]:
    return {"title": title, "text": text, "table": table.shown("html")}


def _versions(run: Run) -> Table:
    rows = list(run.folder.versions().items())
    return Table(("package", "version"), rows or [("unknown", "environment.json is missing or damaged")])


def _course(run: Run) -> tuple[Table, str]:
    """The history's first and last epochs, and how many there are between."""
    history = run.history
    kept = history.index[:_FIRST].union(history.index[-_LAST:])
    rows = [
        [f"{value:.4g}" if isinstance(value, float) else str(value) for value in row]
        for row in history.loc[kept].to_numpy()
    ]
    between = len(history) - len(kept)
    return Table(tuple(history.columns), rows), f"{between} epochs between are left out." if between else ""


def _findings(run: Run, tell: Callable[[str], object]) -> list[Finding]:
    tell(f"{run.folder.path}: examining")
    try:
        examined = examine_configured(run.circuit, run.configuration)
    except CorInfoMaxError as error:  # as where the stimuli are not on this machine
        examined = [Finding("Examination", f"not done: {error}", "")]
    return [*diagnose(run.folder.history()), *examined]


def _figures(run: Run, tell: Callable[[str], object]) -> list[dict[str, str]]:
    """All figures of the folder, drawn first if there are none."""
    folder = run.folder.path / "figures"
    if not any(folder.glob("*.png")):
        from ...analysis.figures import draw_run  # with matplotlib

        tell(f"{run.folder.path}: drawing")
        try:
            draw_run(run.folder.path)
        except FigureError as error:
            for line in error.failures:
                tell(line)
    return [embedded(path) for path in sorted(folder.glob("*.png"))]


def _comparison(runs: Sequence[Run], tell: Callable[[str], object]) -> str:
    """A table of all kinds of run, over their seeds, with paired differences from the first one."""
    from ...analysis import summarise_learners
    from ..comparison import measured

    table = measured(runs, lambda run: tell(f"{run.folder.path}: measuring"))
    summary = summarise_learners(table, table["rule"].iloc[0])
    return summary.to_html(index=False, float_format=lambda value: f"{value:.4g}", na_rep="–", border=0)
