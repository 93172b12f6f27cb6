"""What a report shows of a sweep: what was swept, how combinations did, what failed, and the figure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...summary import Table
from ..sweeps.folder import NAME, Sweep
from ..sweeps.plan import Range
from ..sweeps.task import text
from .picture import embedded

#: Combinations that are shown, the best, and characters of the values of a key.
_SHOWN, _LONGEST = 50, 300
#: What may have become of a run, in the order in which it is told.
_STATUSES = ("finished", "failed", "begun", "missing")


def is_sweep(path: Any) -> bool:
    """Whether a path is that of a sweep's folder."""
    return not hasattr(path, "folder") and (Path(path) / NAME).is_file()


def best_run(sweep: Sweep) -> Path | None:
    """Folder of a finished run of the best combination, its first seed; None if there is none."""
    finished = [task for task in sweep.tasks if sweep.outcome(task).status == "finished"]
    if not finished:
        return None
    best = sweep.summary().iloc[0]
    values = {key: best[key] for key in sweep.plan.parameters}
    chosen = [task for task in finished if {key: text(value) for key, value in task.values.items()} == values]
    return sweep.path / (chosen or finished)[0].folder


def sweep_part(sweep: Sweep, name: str) -> dict[str, Any]:
    """Collect what the page shows of a sweep.

    Parameters
    ----------
    sweep : Sweep
    name : str
    """
    plan, table, summary = sweep.plan, sweep.table(), sweep.summary()
    ends = table["status"].value_counts()
    told = ", ".join(
        f"{ends[status]} {status}" for status in ("finished", "failed", "begun", "missing") if status in ends
    )
    failed = table[table["status"] == "failed"]
    score = f" Combinations are judged by {sweep.score}." if sweep.score else ""
    tables = [
        _part("What was swept", Table(("key", "values"), [(key, _values(v)) for key, v in plan.parameters.items()])),
        _part("In all runs", _settings(sweep)),
        _part("Combinations", _table(summary.head(_SHOWN)), _left_out(len(summary))),
    ]
    if len(failed):
        tables.append(_part("Runs that failed", _table(failed[[*plan.parameters, "seed", "reason"]])))
    figure = sweep.path / "figures" / "marginals.png"
    if not figure.exists() and "finished" in ends:
        sweep.write()
    return {
        "name": name,
        "sentence": f"{plan.method.capitalize()} from {Path(plan.source).name}, {sweep.runs} runs: {told}.{score}",
        "tables": tables,
        "figures": [embedded(figure)] if figure.exists() else [],
    }


def _values(values: list | Range) -> str:
    if isinstance(values, Range):
        number = f", {values.number} values" if values.number else ""
        return f"{values.low:g} to {values.high:g}, {values.scale}{number}"
    shown = ", ".join(str(text(value)) for value in values)
    return shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]} …"


def _settings(sweep: Sweep) -> Table:
    seeds = ", ".join(map(str, sweep.plan.seeds))
    return Table(
        ("key", "value"),
        [*((key, str(text(value))) for key, value in sweep.plan.settings.items()), ("seeds", seeds)],
    )


def _table(frame) -> Table:
    rows = [[_cell(value) for value in row] for row in frame.itertuples(index=False)]
    return Table(tuple(map(str, frame.columns)), rows)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return "–" if value != value else f"{value:.4g}"
    return str(value)


def _left_out(count: int) -> str:
    return f"{count - _SHOWN} more are in runs.csv." if count > _SHOWN else ""


def _part(title: str, table: Table, told: str = "") -> dict[str, str]:
    return {"title": title, "text": told, "table": table.shown("html")}
