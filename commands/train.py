"""``corinfomax train``."""

from pathlib import Path
from typing import Annotated

import numpy as np
import tomli_w
import typer

from ..analysis import linear_regression_r_squared
from ..analysis.figures import draw_run
from ..protocols.clockwork import Preparation
from ..protocols.recording import record, representative_cells
from ..protocols.runs import (
    Configuration,
    Progress,
    RunFolder,
    Training,
    latest_folder,
    new_folder,
    seed_of_tests,
    unlifted_classes,
)
from ..protocols.runs.configuration import DEFAULT_PRESET
from .console import console, progress_bar

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
):
    """Train a circuit and draw what it has become.

    The run folder then holds config.toml, environment.json, history.csv, checkpoint.npz, recording.npz, activity.npz,
    circuit.json and figures/. Ctrl-C stops after the present minibatch and keeps everything; --resume goes on.

    Examples: `corinfomax train` · `corinfomax train mnist --set epochs=5` · `corinfomax train --out my_run --resume`
    """
    name = Path(source or DEFAULT_PRESET).stem
    settings = list(settings or [])
    if data is not None:
        settings.append(tomli_w.dumps({"data": str(data)}))
    if resume:
        folder = RunFolder(out if out is not None else latest_folder(name))
        configuration = folder.configuration()
        if source is not None or settings:
            base = source if source is not None else folder.path / "config.toml"
            configuration = Configuration.read(base, settings)
        training = Training(configuration, folder, resume=True)
    else:
        configuration = Configuration.read(source or DEFAULT_PRESET, settings)
        folder = RunFolder(out if out is not None else new_folder(name))
        # Whatever is wrong with the parameters or stimuli shows before a folder is made.
        training = Training(configuration, folder)
        folder.create(configuration)
    done = training.epoch
    _run(training)
    _finish(training, keep_recording=training.epoch == done)


def _run(training: Training):
    configuration, stimuli = training.configuration, training.stimuli
    epochs = configuration.training.epochs
    span = f"epoch {training.epoch + 1} to {epochs}" if training.epoch < epochs else f"all {epochs} epochs done"
    console.print(
        f"{configuration.model} {'-'.join(map(str, training.circuit.sizes))} on {stimuli.name} "
        f"({len(stimuli.x_train)} training, {len(stimuli.x_test)} test stimuli), "
        f"{span}, run folder {training.folder.path}"
    )
    if (outside := training.targets_out_of_reach()) is not None:
        console.print(outside)
    with progress_bar() as bar:
        task = bar.add_task("training", total=epochs, completed=training.epoch, score="")
        told: set[str] = set()

        def report(progress: Progress):
            if progress.row is None:
                done, word = progress.epoch - 1 + progress.batch / progress.batches, "train"
            else:
                done, word = progress.epoch, "test"
                _print_epoch(progress.row, epochs, training.score_name)
                for finding in progress.findings:
                    if finding.what not in told:
                        told.add(finding.what)
                        console.print(f"epoch {progress.epoch:4d}   {finding}.")
            bar.update(task, completed=done, score=f"{word} {_shown(training.score_name, progress.score)}")

        try:
            training.run(report)
        except KeyboardInterrupt:
            console.print(f"Stopped; go on with: corinfomax train --resume --out {training.folder.path}")
            raise


def _print_epoch(row: dict, epochs: int, score_name: str):
    # On a terminal the bar tells the rest; elsewhere a line for each tenth of the run is enough.
    epoch = int(row["epoch"])
    if epoch in (1, epochs) or epoch % max(1, epochs // 10) == 0:
        scores = "   ".join(f"{part} {_shown(score_name, row[f'{part}_{score_name}'])}" for part in ("train", "test"))
        angles = "  ".join(f"{value:.1f}°" for key, value in row.items() if key.startswith("angle_"))
        console.print(f"epoch {epoch:4d}   {scores}   angle {angles}   {row['seconds']:.1f} s")


def _shown(score_name: str, score: float) -> str:
    return f"{100 * score:.2f} %" if score_name == "accuracy" else f"R² {score:.3f}"


def _finish(training: Training, keep_recording: bool):
    """Record a presentation, keep test activity, draw, and say where it all is."""
    stimuli, folder = training.stimuli, training.folder
    configuration = training.configuration
    seed = seed_of_tests(configuration.training.seed)
    one = configuration.build_learner(training.circuit, 1, configuration.build_protocol())
    # Other learners have no compartments; and the user may have recorded of a finished run what is to stay.
    if isinstance(one, Preparation) and not (keep_recording and folder.has("recording.npz")):
        cells, beta = representative_cells(one, stimuli, 0, seed=seed), one.protocol.beta
        folder.write_arrays("recording.npz", record(one, stimuli, [0], cells, beta, seed))
    rates = training.evaluator.settle(stimuli.x_test[:_KEPT_STIMULI], seed=seed).r
    activity = {f"layer_{k}/r": r for k, r in rates.items()}
    if stimuli.task == "classification":
        activity["labels"] = stimuli.labels_test[:_KEPT_STIMULI]
    folder.write_arrays("activity.npz", activity)
    folder.write_json("circuit.json", training.circuit.description())
    if len(training.unlearnt):
        _tell_unlearnt(training, seed)
    drawn = draw_run(folder.path)
    seconds = sum(row["seconds"] for row in training.rows)
    score = _shown(training.score_name, training.rows[-1][f"test_{training.score_name}"])
    what = "Test accuracy" if training.score_name == "accuracy" else "Test"
    console.print(f"{what} {score} after {training.epoch} epochs, {seconds:.0f} s of training.")
    if stimuli.task == "regression":
        theirs = linear_regression_r_squared(stimuli.x_train, stimuli.y_train, stimuli.x_test, stimuli.y_test)
        console.print(f"Linear regression on the same split: R² {np.float64(theirs):.3f}.")
    console.print(f"{len(drawn)} figures in {folder.path / 'figures'}; compartment voltages: compartment_voltages.png")


def _tell_unlearnt(training: Training, seed: int):
    """Say which classes were not recognised, and why where that is known."""
    console.print(f"No training stimulus of class {_listed(training.unlearnt)} was recognised in the last epoch.")
    protocol = training.configuration.build_protocol()
    learner, stimuli = training.evaluator, training.stimuli
    beyond = unlifted_classes(training.circuit, learner, protocol, stimuli, training.unlearnt, seed)
    if beyond:
        console.print(
            f"The teacher cannot lift the output cell of class {_listed(beyond)} yet: train longer, or take a larger "
            "beta, a smaller last entry of initial_gain_ff or another seed."
        )
    if len(beyond) < len(training.unlearnt):
        console.print(f"What may be wrong with the circuit: corinfomax doctor {training.folder.path}")


def _listed(numbers) -> str:
    return ", ".join(map(str, numbers))
