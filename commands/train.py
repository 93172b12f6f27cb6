"""``corinfomax train``."""

import shlex
from pathlib import Path
from typing import Annotated

import tomli_w
import typer

from ..errors import FigureError
from ..protocols import runs
from .console import Trust, console, goes_on_with, warn


def train(
    source: Annotated[
        str | None, typer.Argument(metavar="[PRESET|FILE.toml]", help="A preset (default: digits) or a parameter file.")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Set one key otherwise; may be repeated.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Run folder; by default runs/NAME, with a number if taken.")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder with data files; else CORINFOMAX_DATA.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the run folder's last checkpoint.")] = False,
    trust: Trust = False,
) -> dict:
    """Train a circuit and draw what it has become.

    The run folder then holds config.toml, environment.json, history.csv, checkpoint.npz, activity.npz and figures/; of
    circuits with dynamics also recording.npz and circuit.json. Ctrl-C stops after the present minibatch and keeps
    everything; --resume goes on.

    Examples: `corinfomax train` · `corinfomax train mnist --set epochs=5` · `corinfomax train --out my_run --resume`
    """
    settings = list(settings or [])
    if data is not None:
        settings.append(tomli_w.dumps({"data": str(data)}))
    training = runs.begin(source, settings, out, resume, trust)
    done = training.epoch
    trusting = " --trust" if training.configuration.references else ""
    with goes_on_with(lambda: f"corinfomax train --resume --out {shlex.quote(str(training.folder.path))}{trusting}"):
        runs.watch(training)
    _finish(training, keep_recording=training.epoch == done)
    return {"run": str(training.folder.path), **(training.rows[-1] if training.rows else {})}


def _finish(training, keep_recording: bool):
    """Keep what figures are drawn of, draw them, and say where it all is."""
    from ..analysis.figures import draw_run  # with matplotlib
    from ..analysis.performance import linear_regression_r_squared

    stimuli, folder = training.stimuli, training.folder
    runs.complete(training, keep_recording)
    if len(training.unlearnt):
        _tell_unlearnt(training)
    try:
        drawn = draw_run(folder.path)
    except FigureError as error:
        drawn = error.written
        warn(error.failures)
    for line in runs.last_lines(training):
        console.print(line)
    if stimuli.task == "regression":
        theirs = linear_regression_r_squared(stimuli.x_train, stimuli.y_train, stimuli.x_test, stimuli.y_test)
        console.print(f"Linear regression on the same split: R² {theirs:.3f}.")
    voltages = next((path.name for path in drawn if path.stem == "compartment_voltages"), None)
    recorded = "" if voltages is None else f"; compartment voltages: {voltages}"
    console.print(f"{len(drawn)} figures in {folder.path / 'figures'}{recorded}")


def _tell_unlearnt(training):
    """Say which classes were not recognised, and why where that is known."""
    unlearnt = ", ".join(training.stimuli.short_labels[k] for k in training.unlearnt)
    console.print(f"No training stimulus of class {unlearnt} was recognised in the last epoch.")
    explain, explained = training.configuration.entry.why_unlearnt, []
    if explain is not None:
        protocol = training.configuration.build_protocol()
        seed = runs.seed_of_tests(training.configuration.training.seed)
        explained, reason = explain(
            training.circuit, training.evaluator, protocol, training.stimuli, training.unlearnt, seed
        )
        if explained:
            console.print(reason)
    if len(explained) < len(training.unlearnt):
        console.print(f"What may be wrong with the circuit: corinfomax doctor {training.folder.path}")
