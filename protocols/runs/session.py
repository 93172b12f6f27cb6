"""Training from beginning to end, as the command line and Python both do it: begin, watch, complete."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...progress import progress_bar, shared_console
from .configuration import Configuration
from .fitting import targets_out_of_reach
from .folder import RunFolder, latest_folder, new_folder
from .random_streams import seed_of_tests
from .reading import DEFAULT_PRESET
from .run import Run
from .training import Report, Training

#: Test stimuli whose rates are kept for histograms and embeddings.
_KEPT_STIMULI = 1000
#: What the parts of a set of stimuli are called, by the columns of the history that concern them.
_PARTS = {"train": "training", "validation": "validation", "test": "test"}


def train(
    source: str | Path | None = None,
    *,
    out: str | Path | None = None,
    data: str | Path | None = None,
    resume: bool = False,
    progress: bool = True,
    **settings: Any,
) -> Run:
    """Train a circuit, as ``corinfomax train`` does, to the same weights, bit for bit.

    Ctrl-C, or a notebook's stop button, ends it after the present minibatch; ``resume=True`` goes on.

    Parameters
    ----------
    source : str or path-like, optional
        A preset, such as ``"digits"``, the default, or a parameter file that ends in ``.toml``.
    out : path-like, optional
        Run folder; by default ``runs/NAME``, with a number if that is taken.
    data : path-like, optional
        Folder with data files; by default the environment variable CORINFOMAX_DATA.
    resume : bool, default False
        Go on from the last checkpoint of the run folder `out`, or of the latest run of this name.
    progress : bool, default True
        Whether to tell how it goes: by a bar in a terminal or in Jupyter, and by a line for each tenth of the run.
    **settings
        Keys of the parameter file to be set otherwise, as ``epochs=3, architecture=[64, 32, 10]``.

    Returns
    -------
    Run
        The trained circuit and what belongs to it: ``run.history``, ``run.predict(x)``, ``run.present(x, y)``,
        ``run.record("traces.h5")``, ``run.figures()``.

    Raises
    ------
    ParameterError
        In one line, for a preset or key that does not exist, or a value that is not allowed.
    StimulusError
        For stimuli that cannot be read.
    RunError
        For a run folder that holds something else.
    DivergenceError
        If activity or weights left the finite numbers; the last checkpoint stays.
    KeyboardInterrupt
        If it was interrupted; the checkpoint then holds all that was done.

    Examples
    --------
    >>> run = corinfomax.train("digits", epochs=3)
    >>> run.history.plot(x="epoch", y="test_accuracy")
    """
    if data is not None:
        settings["data"] = str(data)
    training = begin(source, settings, out, resume)
    done = training.epoch
    try:
        watch(training, progress)
    except KeyboardInterrupt:
        if progress:
            shared_console().print(
                f"Stopped; go on with: corinfomax.train(resume=True, out={str(training.folder.path)!r})"
            )
        raise
    complete(training, keep_recording=training.epoch == done)
    if progress:
        shared_console().print(last_line(training))
    run = Run(training.folder.path)
    run.stimuli = training.stimuli  # as they are: some sets take long to load
    return run


def begin(
    source: str | Path | None, settings: Sequence[str] | dict[str, Any], out: str | Path | None, resume: bool
) -> Training:
    """Make the run folder, or find the one to go on with.

    Parameters
    ----------
    source : str or path-like or None
        A preset or parameter file; None for the default, or for what a resumed run has.
    settings : sequence of str, or dict
        Keys set otherwise, as ``key=value`` or by key.
    out : path-like or None
    resume : bool
    """
    name = Path(source or DEFAULT_PRESET).stem
    if resume:
        folder = RunFolder(out if out is not None else latest_folder(name))
        configuration = folder.configuration()
        if source is not None or settings:
            base = source if source is not None else folder.path / "config.toml"
            configuration = Configuration.read(base, settings)
        return Training(configuration, folder, resume=True)
    configuration = Configuration.read(source or DEFAULT_PRESET, settings)
    folder = RunFolder(out if out is not None else new_folder(name))
    # Whatever is wrong with the parameters or stimuli shows before a folder is made.
    training = Training(configuration, folder)
    folder.create(configuration)
    return training


def watch(training: Training, progress: bool = True):
    """Train to the last epoch, and tell how it goes.

    Parameters
    ----------
    training : Training
    progress : bool, default True
        False tells nothing.
    """
    say = shared_console().print if progress else lambda line: None
    epochs = training.configuration.training.epochs
    say(first_line(training))
    if (outside := targets_out_of_reach(training.circuit, training.stimuli)) is not None:
        say(outside)
    with progress_bar(progress) as bar:
        task = bar.add_task("training", total=epochs, completed=training.epoch, score="")
        told: set[str] = set()

        def report(progress: Report):
            if progress.row is None:
                done, word = progress.epoch - 1 + progress.batch / progress.batches, "train"
            else:
                done, word = progress.epoch, "test" if (progress.column or "").startswith("test_") else ""
                # On a terminal the bar tells the rest; elsewhere a line for each tenth of the run is enough.
                if done in (1, epochs) or done % max(1, epochs // 10) == 0:
                    say(_line(progress.row, training.score))
                for finding in progress.findings:
                    if finding.what not in told:
                        told.add(finding.what)
                        say(f"epoch {progress.epoch:4d}   {finding}.")
            shown = "" if progress.score is None else f"{word} {_shown(progress.column, progress.score)}".lstrip()
            bar.update(task, completed=done, score=shown)

        training.run(report)


def first_line(training: Training) -> str:
    """Say what is to be trained, on what, for how long, and where it is kept."""
    configuration, stimuli = training.configuration, training.stimuli
    epochs = configuration.training.epochs
    span = f"epoch {training.epoch + 1} to {epochs}" if training.epoch < epochs else f"all {epochs} epochs done"
    parts = ", ".join(f"{len(getattr(stimuli, f'x_{part}'))} {_PARTS[part]}" for part in stimuli.parts)
    return (
        f"{configuration.model} {'-'.join(map(str, training.circuit.sizes))} on {stimuli.name} ({parts} stimuli), "
        f"{span}, run folder {training.folder.path}"
    )


def last_line(training: Training) -> str:
    """Say how well it went, and how long it took."""
    seconds = sum(row["seconds"] for row in training.rows)
    after = f"after {training.epoch} epochs, {seconds:.0f} s of training."
    if training.score is None:
        return f"Trained: {after.removeprefix('after ')}"
    of_tests = "Test" if training.score.startswith("test_") else "Score:"
    what = "Test accuracy" if training.score == "test_accuracy" else of_tests
    return f"{what} {_shown(training.score, training.rows[-1][training.score])} {after}"


def _line(row: dict, score: str | None) -> str:
    judged = tuple(f"{part}_" for part in _PARTS)
    scores = [
        f"{column.partition('_')[0]} {_shown(column, value)}"
        for column, value in row.items()
        if column.startswith(judged)
    ]
    if score is not None and not score.startswith(judged):
        scores.append(_shown(score, row[score]))
    angles = [f"{value:.1f}°" for key, value in row.items() if key.startswith("angle_")]
    parts = [*scores, *([f"angle {'  '.join(angles)}"] if angles else []), f"{row['seconds']:.1f} s"]
    return f"epoch {int(row['epoch']):4d}   {'   '.join(parts)}"


def _shown(column: str, score: float) -> str:
    """Write a column's value, with what it is."""
    if column.endswith("accuracy"):
        return f"{100 * score:.2f} %"
    return f"R² {score:.3f}" if column.endswith("r_squared") else f"{column} {score:.4g}"


def complete(training: Training, keep_recording: bool):
    """Record a presentation, keep test activity and the circuit's description: what figures are drawn of.

    Parameters
    ----------
    training : Training
        That is done.
    keep_recording : bool
        Whether a recording that is there stays: the user may have recorded of a finished run what is to stay.
    """
    stimuli, folder = training.stimuli, training.folder
    seed = seed_of_tests(training.configuration.training.seed)
    if not (keep_recording and folder.has("recording.npz")):
        _record(training, seed)
    rates = training.evaluator.settle(stimuli.x_test[:_KEPT_STIMULI], ("r",), seed).r
    activity = {f"layer_{k}/r": r for k, r in rates.items()}
    if stimuli.labels_test is not None:
        activity["labels"] = stimuli.labels_test[:_KEPT_STIMULI]
    folder.write_arrays("activity.npz", activity)
    if hasattr(training.circuit, "description"):
        folder.write_json("circuit.json", training.circuit.description())


def _record(training: Training, seed: int):
    """Record the presentation of a test stimulus, where there are dynamics to be recorded."""
    configuration, stimuli = training.configuration, training.stimuli
    if not configuration.entry.protocols:
        return
    from ..clockwork.preparation import Preparation  # it imports Brian2
    from ..recording import record, representative_cells

    one = configuration.build_learner(training.circuit, 1, configuration.build_protocol())
    if isinstance(one, Preparation):
        cells, beta = representative_cells(one, stimuli, 0, seed=seed), one.protocol.beta
        training.folder.write_arrays("recording.npz", record(one, stimuli, [0], cells, beta, seed))
