"""``corinfomax train``."""

import shlex
from pathlib import Path
from typing import Annotated

import numpy as np
import tomli_w
import typer

from ..analysis import linear_regression_r_squared
from ..analysis.figures import draw_run
from ..protocols.runs import (
    Configuration,
    Report,
    Run,
    RunFolder,
    Training,
    claim_folder,
    latest_folder,
    new_folder,
    seed_of_tests,
)
from ..protocols.runs.fitting import targets_out_of_reach, too_short
from ..protocols.runs.reading import DEFAULT_PRESET
from .console import Trust, console, goes_on_with, progress_bar

#: Test stimuli whose rates are kept for histograms and embeddings.
_KEPT_STIMULI = 1000


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
):
    """Train a circuit and draw what it has become.

    The run folder then holds config.toml, environment.json, history.csv, checkpoint.npz, activity.npz and figures/; of
    circuits with dynamics also recording.npz and circuit.json. Ctrl-C stops after the present minibatch and keeps
    everything; --resume goes on.

    Examples: `corinfomax train` · `corinfomax train mnist --set epochs=5` · `corinfomax train --out my_run --resume`
    """
    name = Path(source or DEFAULT_PRESET).stem
    settings = list(settings or [])
    if data is not None:
        settings.append(tomli_w.dumps({"data": str(data)}))
    if resume:
        folder = RunFolder(out if out is not None else latest_folder(name))
        if source is not None:
            configuration = Configuration.read(source, settings, trust)
        else:
            configuration = Run(folder.path, trust).configuration
            if settings:
                configuration = Configuration.read(folder.path / "config.toml", settings, trust, folder.path)
        training = Training(configuration, folder, resume=True)
    else:
        configuration = Configuration.read(source or DEFAULT_PRESET, settings, trust)
        folder = RunFolder(out if out is not None else new_folder(name))
        # Whatever is wrong with the parameters or stimuli shows before a folder is made.
        training = Training(configuration, folder)
        if out is None:
            folder.path = claim_folder(name)
        folder.create(configuration)
    done = training.epoch
    _run(training)
    _finish(training, keep_recording=training.epoch == done)


def _run(training: Training):
    configuration, stimuli = training.configuration, training.stimuli
    epochs = configuration.training.epochs
    span = f"epoch {training.epoch + 1} to {epochs}" if training.epoch < epochs else f"all {epochs} epochs done"
    words = {"train": "training", "validation": "validation", "test": "test"}
    parts = ", ".join(f"{len(getattr(stimuli, f'x_{part}'))} {words[part]}" for part in stimuli.parts)
    console.print(
        f"{configuration.model} {'-'.join(map(str, training.circuit.sizes))} on {stimuli.name} ({parts} stimuli), "
        f"{span}, run folder {training.folder.path}"
    )
    protocol = configuration.build_protocol()
    for warning in (targets_out_of_reach(training.circuit, stimuli), too_short(training.circuit, protocol)):
        if warning is not None:
            console.print(warning)
    with progress_bar() as bar:
        task = bar.add_task("training", total=epochs, completed=training.epoch, score="")
        told: set[str] = set()

        def report(progress: Report):
            if progress.row is None:
                done, word = progress.epoch - 1 + progress.batch / progress.batches, "train"
            else:
                done, word = progress.epoch, "test" if (progress.column or "").startswith("test_") else ""
                _print_epoch(progress.row, epochs, training.score)
                for finding in progress.findings:
                    if finding.what not in told:
                        told.add(finding.what)
                        console.print(f"epoch {progress.epoch:4d}   {finding}.")
            shown = "" if progress.score is None else f"{word} {_shown(progress.column, progress.score)}".lstrip()
            bar.update(task, completed=done, score=shown)

        trusting = " --trust" if configuration.references else ""
        with goes_on_with(
            lambda: f"corinfomax train --resume --out {shlex.quote(str(training.folder.path))}{trusting}"
        ):
            training.run(report)


def _print_epoch(row: dict, epochs: int, score: str | None):
    # On a terminal the bar tells the rest; elsewhere a line for each tenth of the run is enough.
    epoch = int(row["epoch"])
    if epoch in (1, epochs) or epoch % max(1, epochs // 10) == 0:
        judged = ("train_", "validation_", "test_")
        scores = [
            f"{column.partition('_')[0]} {_shown(column, value)}"
            for column, value in row.items()
            if column.startswith(judged)
        ]
        if score is not None and not score.startswith(judged):
            scores.append(_shown(score, row[score]))
        angles = [f"{value:.1f}°" for key, value in row.items() if key.startswith("angle_")]
        parts = [*scores, *([f"angle {'  '.join(angles)}"] if angles else []), f"{row['seconds']:.1f} s"]
        console.print(f"epoch {epoch:4d}   {'   '.join(parts)}")


def _shown(column: str, score: float) -> str:
    """Write a column's value, with what it is."""
    if column.endswith("accuracy"):
        return f"{100 * score:.2f} %"
    return f"R² {score:.3f}" if column.endswith("r_squared") else f"{column} {score:.4g}"


def _finish(training: Training, keep_recording: bool):
    """Record a presentation, keep test activity, draw, and say where it all is."""
    stimuli, folder = training.stimuli, training.folder
    seed = seed_of_tests(training.configuration.training.seed)
    # The user may have recorded of a finished run what is to stay.
    if not (keep_recording and folder.has("recording.npz")):
        _record(training, seed)
    rates = training.evaluator.settle(stimuli.x_test[:_KEPT_STIMULI], ("r",), seed).r
    activity = {f"layer_{k}/r": r for k, r in rates.items()}
    if stimuli.labels_test is not None:
        activity["labels"] = stimuli.labels_test[:_KEPT_STIMULI]
    folder.write_arrays("activity.npz", activity)
    if hasattr(training.circuit, "description"):
        folder.write_json("circuit.json", training.circuit.description())
    if len(training.unlearnt):
        _tell_unlearnt(training, seed)
    drawn = draw_run(folder.path)
    _print_score(training)
    if stimuli.task == "regression":
        theirs = linear_regression_r_squared(stimuli.x_train, stimuli.y_train, stimuli.x_test, stimuli.y_test)
        console.print(f"Linear regression on the same split: R² {np.float64(theirs):.3f}.")
    voltages = next((path.name for path in drawn if path.stem == "compartment_voltages"), None)
    recorded = "" if voltages is None else f"; compartment voltages: {voltages}"
    console.print(f"{len(drawn)} figures in {folder.path / 'figures'}{recorded}")


def _record(training: Training, seed: int):
    """Record the presentation of a test stimulus, where there are dynamics to be recorded."""
    configuration, stimuli = training.configuration, training.stimuli
    if not configuration.entry.protocols:
        return
    from ..protocols.clockwork import Preparation  # it imports Brian2
    from ..protocols.recording import record, representative_cells

    one = configuration.build_learner(training.circuit, 1, configuration.build_protocol())
    if isinstance(one, Preparation):
        cells, beta = representative_cells(one, stimuli, 0, seed=seed), one.protocol.beta
        training.folder.write_arrays("recording.npz", record(one, stimuli, [0], cells, beta, seed))


def _print_score(training: Training):
    seconds = sum(row["seconds"] for row in training.rows)
    after = f"after {training.epoch} epochs, {seconds:.0f} s of training."
    if training.score is None:
        console.print(f"Trained: {after.removeprefix('after ')}")
        return
    of_tests = "Test" if training.score.startswith("test_") else "Score:"
    what = "Test accuracy" if training.score == "test_accuracy" else of_tests
    console.print(f"{what} {_shown(training.score, training.rows[-1][training.score])} {after}")


def _tell_unlearnt(training: Training, seed: int):
    """Say which classes were not recognised, and why where that is known."""
    console.print(f"No training stimulus of class {_listed(training.unlearnt)} was recognised in the last epoch.")
    explain, explained = training.configuration.entry.why_unlearnt, []
    if explain is not None:
        protocol = training.configuration.build_protocol()
        explained, reason = explain(
            training.circuit, training.evaluator, protocol, training.stimuli, training.unlearnt, seed
        )
        if explained:
            console.print(reason)
    if len(explained) < len(training.unlearnt):
        console.print(f"What may be wrong with the circuit: corinfomax doctor {training.folder.path}")


def _listed(numbers) -> str:
    return ", ".join(map(str, numbers))
