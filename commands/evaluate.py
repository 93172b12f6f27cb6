"""``corinfomax evaluate``."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import ParameterError
from ..ranges import counted
from .console import Trust

if TYPE_CHECKING:
    from ..protocols.runs import Training
    from ..protocols.systems.evaluation import Evaluation

#: Confusions that are listed where the matrix has no room.
_LISTED = 15


def evaluate(
    context: typer.Context,
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    data: Annotated[Path | None, typer.Option(help="Folder with data files; else the run's own.")] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print a table of comma-separated values.")] = False,
    trust: Trust = False,
) -> dict:
    """Present the test stimuli to a trained circuit and print every column of the history.

    Each number stands with its unit and its meaning. Of a classification the confusion matrix and the recall of each
    class follow, of a regression R² and the deviation of each output. --json and --csv have the same, every digit.

    Examples: `corinfomax evaluate runs/digits` · `corinfomax evaluate runs/digits --json > digits.json`
    """
    if as_csv and (context.obj or {}).get("--json"):
        raise ParameterError("--csv: goes not with --json; take one of them")
    from ..protocols.runs import Run, Training, seed_of_tests
    from ..protocols.runs.checkpoint import checkpoint_path
    from ..protocols.systems.evaluation import evaluate as measure

    opened = Run(run, trust)
    checkpoint_path(opened.folder)  # without one a resumed training would begin anew
    configuration = opened.configuration
    if data is not None:
        configuration.stimuli.data = str(data)
    training = Training(configuration, opened.folder, resume=True)
    seed = seed_of_tests(configuration.training.seed)
    measured = training.circuit, training.evaluator, training.stimuli, configuration.entry, seed
    found = measure(*measured, unscaled=configuration.stimuli.unscaled)
    if as_csv:
        print(_tidy(training, found), end="")
    else:
        _show(run, training, found)
    return _values(run, training, found)


def _quantities(training: "Training", found: "Evaluation"):
    from ..analysis.quantities import quantity

    own = training.configuration.entry.quantities
    return {name: (value, *quantity(name, own)) for name, value in found.columns.items()}


def _values(run: Path, training: "Training", found: "Evaluation") -> dict:
    """All that was found, as plain values; what is not finite is null."""
    stimuli = training.stimuli
    values = {
        "run": str(run),
        "model": training.configuration.model,
        "architecture": [int(size) for size in training.circuit.sizes],
        "epochs": training.epoch,
        "stimuli": {"name": stimuli.name, "task": stimuli.task, "test": len(stimuli.x_test)},
        "quantities": {
            name: {"value": _finite(value), "unit": unit, "meaning": meaning}
            for name, (value, unit, meaning) in _quantities(training, found).items()
        },
    }
    if found.confusion is not None:
        values["classes"] = stimuli.class_labels
        values["confusion"] = found.confusion.tolist()
        values["recall"] = [_finite(each) for each in found.recall]
    if found.r_squared is not None:
        values["outputs"] = [
            {"r_squared": _finite(score), "root_mean_square_deviation": _finite(deviation)}
            for score, deviation in zip(found.r_squared, found.deviation, strict=True)
        ]
    return values


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _tidy(training: "Training", found: "Evaluation") -> str:
    """A row for each number: of which class it is and, of confusions, which class was predicted."""
    import pandas as pd

    from ..analysis.quantities import QUANTITIES

    columns = ["quantity", "class", "predicted", "output", "value", "unit", "meaning"]
    rows: list[dict] = [
        {"quantity": name, "value": value, "unit": unit, "meaning": meaning}
        for name, (value, unit, meaning) in _quantities(training, found).items()
    ]
    names = training.stimuli.class_labels
    if found.confusion is not None:
        for name, value in zip(names, found.recall, strict=True):
            rows.append({"quantity": "recall", "class": name, "value": value, **QUANTITIES["recall"]._asdict()})
        for name, counts in zip(names, found.confusion, strict=True):
            for predicted, count in zip(names, counts, strict=True):
                place = {"quantity": "confusion", "class": name, "predicted": predicted}
                rows.append({**place, "value": int(count), **QUANTITIES["confusion"]._asdict()})
    if found.r_squared is not None:
        for n, pair in enumerate(zip(found.r_squared, found.deviation, strict=True)):
            for (name, meaning), value in zip(_OF_OUTPUTS.items(), pair, strict=True):
                unit = "1" if name == "r_squared" else ""
                rows.append({"quantity": name, "output": n, "value": value, "unit": unit, "meaning": meaning})
    table = pd.DataFrame(rows, columns=columns, dtype=object)
    return table.to_csv(index=False, na_rep="", lineterminator="\n")


#: What is told of each output of a regression.
_OF_OUTPUTS = {
    "r_squared": "coefficient of determination R² of an output",
    "root_mean_square_deviation": "root mean square deviation of an output from its targets, in their unit",
}


def _show(run: Path, training: "Training", found: "Evaluation"):
    from .tables import show_table, tell

    stimuli = training.stimuli
    kind = f"{training.configuration.model} {'-'.join(map(str, training.circuit.sizes))} on {stimuli.name}"
    rows = [
        {"quantity": name, "value": f"{value:.6g}", "unit": unit, "meaning": meaning}
        for name, (value, unit, meaning) in _quantities(training, found).items()
    ]
    show_table(
        rows, f"{run}: {kind}, {counted(training.epoch, 'epoch')}, {len(stimuli.x_test)} test stimuli", ("value",)
    )
    if found.confusion is not None:
        tell("")
        _show_classes(found)
    if found.r_squared is not None:
        rows = [
            {"output": str(n), "R²": f"{score:.4g}", "root mean square deviation": f"{deviation:.4g}"}
            for n, (score, deviation) in enumerate(zip(found.r_squared, found.deviation, strict=True))
        ]
        tell("")
        show_table(
            rows,
            "Outputs, and by how much they miss their targets, in the unit of these",
            ("R²", "root mean square deviation"),
        )


def _show_classes(found: "Evaluation"):
    """Show the confusion matrix with recalls; where it has no room, recalls and the most frequent confusions."""
    from numpy import ndenumerate

    from .tables import fits, show_table, tell

    names, counts = found.stimuli.short_labels, found.confusion
    recalls = ["–" if math.isnan(each) else f"{100 * each:.1f} %" for each in found.recall]
    cells = [{f" {other}": str(n or "·") for other, n in zip(names, row, strict=True)} for row in counts]
    matrix = [{"true": name, **row, "recall": seen} for name, row, seen in zip(names, cells, recalls, strict=True)]
    numbers = [*(f" {name}" for name in names), "recall"]
    if fits(matrix, numbers):
        title = "Test stimuli by true class (rows) and predicted class, and recall of each class"
        show_table(matrix, title, numbers)
        return
    rows = [
        {"class": name, "recall": seen, "test stimuli": str(sum(row))}
        for name, row, seen in zip(names, counts, recalls, strict=True)
    ]
    show_table(rows, "Recall of each class", ("recall", "test stimuli"))
    missed = [(int(n), *place) for place, n in ndenumerate(counts) if n and place[0] != place[1]]
    missed.sort(key=lambda each: -each[0])
    if missed:
        tell("")
        rows = [
            {"true": names[true], "predicted": names[predicted], "stimuli": str(n)}
            for n, true, predicted in missed[:_LISTED]
        ]
        more = f", {_LISTED} of {len(missed)}" if len(missed) > _LISTED else ""
        show_table(rows, f"Most frequent confusions{more}", ("stimuli",))
