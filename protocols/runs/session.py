"""Training from beginning to end, as the command line and Python both do it: begin, watch, complete."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...progress import progress_bar, shared_console
from ...ranges import counted
from .configuration import Configuration
from .fitting import warnings_about
from .folder import RunFolder, claim_folder, latest_folder, new_folder
from .random_streams import seed_of_tests
from .reading import preset_of, settings_of
from .run import Run
from .training import Report, Training

#: Test stimuli whose rates are kept for histograms and embeddings; outputs are kept of all.
_KEPT_STIMULI = 1000
#: Share of training before the end of which rates that have fallen to their least are told.
_EARLY = 0.9
#: What the parts of a set of stimuli are called, by the columns of the history that concern them.
_PARTS = {"train": "training", "validation": "validation", "test": "test"}


def train(
    source: str | Path | None = None,
    *,
    out: str | Path | None = None,
    data: str | Path | None = None,
    resume: bool = False,
    progress: bool = True,
    trust: bool = False,
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
    trust : bool, default False
        Whether code that a run folder holds or names may be imported, as of custom cells.
    **settings
        Keys of the parameter file to be set otherwise, as ``epochs=3, architecture=[64, 32, 10]``. `stimuli` may also
        be a `Stimuli`, or arrays by key, ``{"x": x, "y": y}`` (see `corinfomax.stimuli.from_arrays`); the run folder
        then keeps them. Where they are one's own, the preset is "own".

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
    training = begin(source, settings, out, resume, trust)
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
        for line in last_lines(training):
            shared_console().print(line)
    run = Run(training.folder.path, trust=True)
    run.stimuli = training.stimuli  # as they are: some sets take long to load
    return run


def begin(
    source: str | Path | None,
    settings: Sequence[str] | dict[str, Any],
    out: str | Path | None,
    resume: bool,
    trust: bool = False,
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
    trust : bool, default False
        Whether code that a run folder holds or names may be imported.
    """
    _, name = preset_of(source, settings_of(settings))
    if resume:
        folder = RunFolder(out if out is not None else latest_folder(name))
        if source is not None:
            configuration = Configuration.read(source, settings, trust)
        else:
            configuration = Run(folder.path, trust).configuration
            if settings:
                configuration = Configuration.read(folder.path / "config.toml", settings, trust, folder.path)
        return Training(configuration, folder, resume=True)
    configuration = Configuration.read(source, settings, trust)
    folder = RunFolder(out if out is not None else new_folder(name))
    # Whatever is wrong with the parameters or stimuli shows before a folder is made.
    training = Training(configuration, folder)
    if out is None:
        folder.path = claim_folder(name)
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
    for line in (training.stimuli.remark, *training.configuration.choices, *_warnings(training)):
        if line:
            say(line)
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
                lines = {finding.what: f"{finding}." for finding in progress.findings}
                if progress.remark is not None:
                    lines[progress.remark] = progress.remark
                for what in lines.keys() - told:
                    told.add(what)
                    say(f"epoch {progress.epoch:4d}   {lines[what]}")
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


def _warnings(training: Training) -> list[str]:
    """Say what stands in the way of learning from the start: stimuli that do not suit the circuit, rates that end."""
    found = warnings_about(training.circuit, training.stimuli, training.protocol)
    configuration = training.configuration
    minibatches = configuration.training.epochs * training.batches
    rates = [getattr(each.optimiser, "learning_rate", None) for each in training.circuit.plasticity]
    ends = [rate.end for rate in rates if hasattr(rate, "end")]
    if ends and min(ends) < _EARLY * minibatches:
        advice = "a longer fall lets all of them learn"
        if training.epoch:
            advice = "a run keeps its rates, so train anew for more epochs"
        elif hasattr(configuration.circuit, "learning_rate_decay"):
            advice = f"learning_rate_decay = {{linear = {minibatches}}} spreads their fall over all of them"
        found.append(
            f"Learning rates have fallen to their least after {min(ends):,g} of {minibatches:,} minibatches: {advice}."
        )
    return found


def _disappoints(training: Training) -> bool:
    """Whether a run came less than half way from guessing to perfection, so that its warnings bear repeating."""
    if not training.rows or training.stimuli.y_train is None:
        return False
    score = next((value for key, value in training.rows[-1].items() if key in ("test_accuracy", "test_r_squared")), 1.0)
    labels = training.stimuli.labels_train
    guessed = 0.0 if labels is None else np.unique(labels, return_counts=True)[1].max() / len(labels)
    return not score >= (1 + guessed) / 2


def last_lines(training: Training) -> list[str]:
    """Say how well it went and how long it took, and where that is bad, once more what stands in the way."""
    return [_outcome(training), *(_warnings(training) if _disappoints(training) else ())]


def _outcome(training: Training) -> str:
    seconds = sum(row["seconds"] for row in training.rows)
    after = f"after {counted(training.epoch, 'epoch')}, {seconds:.0f} s of training."
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
    if column.endswith("r_squared"):
        return f"R² {score:.3f}" if np.isfinite(score) else "R² not defined"
    return f"{column} {score:.4g}"


def complete(training: Training, keep_recording: bool):
    """Record a presentation, keep test activity and the circuit's description: what figures are drawn of.

    Parameters
    ----------
    training : Training
        That is done.
    keep_recording : bool
        Whether a recording that is there stays: the user may have recorded of a finished run what is to stay.
    """
    folder, seed = training.folder, seed_of_tests(training.configuration.training.seed)
    if not (keep_recording and folder.has("recording.npz")):
        _record(training, seed)
    training.evaluator.load_state_dict(training.rest)  # so that it does not matter what was presented while training
    folder.write_arrays("activity.npz", _activity(training, seed))
    if hasattr(training.circuit, "description"):
        folder.write_json("circuit.json", training.circuit.description())


def _activity(training: Training, seed: int) -> dict[str, np.ndarray]:
    """Rates that some test stimuli lead to, and outputs for all of them, with what they stand for."""
    stimuli = training.stimuli
    rates = training.evaluator.settle(stimuli.x_test, ("r",), seed).r
    kept = {f"layer_{k}/r": r[:_KEPT_STIMULI] for k, r in rates.items()}
    if stimuli.class_names is not None:
        kept["class_names"] = np.array(stimuli.class_names, dtype=str)
    told = {"labels": stimuli.labels_test, "targets": stimuli.y_test if stimuli.task == "regression" else None}
    for name, values in told.items():
        if values is not None:
            kept[name] = values[:_KEPT_STIMULI]
            if stimuli.task != "none":
                kept |= {f"outputs/{name}": values, "outputs/r": rates[training.circuit.output]}
    for key in ("outputs/r", "outputs/targets") if stimuli.task == "regression" else ():
        kept[key] = training.configuration.stimuli.unscaled(kept[key])
    return kept


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
