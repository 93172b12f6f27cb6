"""``corinfomax perturb``."""

from __future__ import annotations

import os
import re
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..analysis.files import PERTURBATIONS, is_unused
from ..errors import ParameterError, RunError
from ..protocols import perturbations as experiments
from ..protocols import runs as all_runs
from ..ranges import counted, numbers
from .console import Trust, console, goes_on_with, progress_bar, warn
from .tables import show_commands, show_table, tell

if TYPE_CHECKING:
    from ..networks import Circuit
    from ..protocols.perturbations import Perturbation
    from ..protocols.runs import Configuration, Report

_Words = list[str] | None


def perturb(
    sources: Annotated[
        list[str],
        typer.Argument(metavar="RUN...|PRESET|FILE.toml", help="Trained runs; with --training one run, preset, file."),
    ],
    silence: Annotated[_Words, typer.Option(metavar="POPULATION", help="Hold cells at rest, rates at 0.")] = None,
    drive: Annotated[
        _Words, typer.Option(metavar="POPULATION[:COMPARTMENT]:CURRENT", help="Inject: 0.5 or 10mV; default: soma.")
    ] = None,
    cut: Annotated[
        _Words, typer.Option(metavar="POPULATION:COMPARTMENT", help="Cut all input of apical, basal or soma.")
    ] = None,
    cut_feedback: Annotated[_Words, typer.Option(metavar="LAYER", help="Cut the feedback weights' drive only.")] = None,
    clamp: Annotated[
        _Words, typer.Option(metavar="POPULATION:COMPARTMENT:POTENTIAL", help="Hold a potential: 0.5 or -60mV.")
    ] = None,
    freeze: Annotated[_Words, typer.Option(metavar="WEIGHTS", help="Stop one rule, as W_fb:1; in training.")] = None,
    lesion: Annotated[
        _Words, typer.Option(metavar="WEIGHTS[:FRACTION]", help="Remove synapses, as W_ff:0:0.3; default: all.")
    ] = None,
    mismatch: Annotated[
        _Words,
        typer.Option(metavar="POPULATION:OF:SPREAD", help="Let cells differ in threshold, gain or coupling."),
    ] = None,
    quantise: Annotated[
        _Words, typer.Option(metavar="WEIGHTS:BITS[:LARGEST]", help="Let weights have few bits, as W_ff:0:6.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option(help=f"Parameter file with tables [[perturbations]], as {PERTURBATIONS}.")
    ] = None,
    phase: Annotated[_Words, typer.Option(metavar="PHASE", help="Only in this phase; may be repeated.")] = None,
    cells: Annotated[
        _Words, typer.Option(metavar="LAYER:CELLS", help="Only these cells of a layer's populations, as 1:0,5,8-12.")
    ] = None,
    training: Annotated[bool, typer.Option("--training", help="Perturb training, not a trained circuit.")] = False,
    period: Annotated[
        str | None, typer.Option(metavar="PERIOD", help="Only in these epochs, as 3-5, or in 'batches 1-200'.")
    ] = None,
    seeds: Annotated[str | None, typer.Option(help="Seeds to train from, as 0-2; by default the source's own.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Epochs to train, as --set epochs=N.")] = None,
    settings: Annotated[
        _Words, typer.Option("--set", metavar="KEY=VALUE", help="Set one key otherwise, in training; may be repeated.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder; by default runs/NAME_perturbed, with a number.")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder with data files; else the source's own.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the experiment in --out, as it is.")] = False,
    trust: Trust = False,
) -> dict:
    """Perturb cells, synapses or plasticity, and report what changes against the control on the same seeds.

    Perturbations may be combined and repeated; --phase, --cells and --period hold for all of them that are given here,
    those of a --file have their own. Of a trained run the test stimuli are presented without and with them. With
    --training circuits are trained without and with them, and each is tested without and with them. The folder then
    holds report.md, table.csv, effects.png, perturbations.toml and config.toml, and with --training the run folders.

    Examples: `corinfomax perturb runs/digits --silence SST_1` ·
    `corinfomax perturb runs/digits --clamp layer_1:soma:-60mV --cells 1:0-9 --phase free` ·
    `corinfomax perturb digits --training --seeds 0-2 --epochs 5 --lesion W_ff:0:0.3 --period 3-5`
    """
    given = locals()
    words = [(kind, text) for kind in _KINDS for text in given[kind] or ()]
    if not training:
        for option in ("seeds", "epochs", "settings", "resume"):
            if given[option]:
                raise ParameterError(f"--{option.replace('settings', 'set')}: goes with --training")
    elif len(sources) > 1:
        raise ParameterError(f"{sources[1]}: --training takes one run, preset or file")
    runs = [all_runs.Run(source, trust) for source in sources if _is_run(source, training)]
    if not training and len(runs) < len(sources):
        source = next(source for source in sources if not _is_run(source, training))
        raise ParameterError(f"{source}: not a run folder (no config.toml); a preset or file needs --training")
    settings = [*(settings or []), *([f"epochs={epochs}"] if epochs is not None else [])]
    for run in runs:
        if data is not None:
            run.configuration.stimuli.data = str(data)
    if resume and out is None:
        raise ParameterError("--resume: name the folder with --out")
    folder = Path() if out is None else Path(os.path.expanduser(out))
    if resume and not (folder / PERTURBATIONS).exists():
        raise RunError(f"{folder}: no perturbation experiment to go on with (no {PERTURBATIONS})")
    if training:
        source = folder if resume else runs[0].folder.path if runs else None
        file_of = sources[0] if source is None else source / "config.toml"
        configuration = all_runs.Configuration.read(file_of, settings, trust, source)
        if data is not None:
            configuration.stimuli.data = str(data)
    else:
        configuration = runs[0].configuration
    configuration.check_dynamics("perturb")
    circuit = configuration.build_circuit() if training else runs[0].circuit
    if resume and not words and file is None:
        file = folder / PERTURBATIONS
    perturbations = _perturbations(words, file, phase, cells, period, circuit)
    if not perturbations:
        raise ParameterError(f"nothing to perturb; name a --{', --'.join(_KINDS).replace('_', '-')}, or a --file")
    name = f"{_name(sources[0])}_perturbed" if out is None else None
    if out is not None:
        _check_folder(folder, perturbations, configuration, resume)
    if training:
        begun = _begun(folder) if resume else []
        named = _seeds(seeds) if seeds is not None else [] if begun else [configuration.training.seed]
        experiment, folder = _train(configuration, perturbations, folder, name, sorted({*begun, *named}))
    else:
        with console.status("presenting test stimuli"):
            experiment = experiments.perturb_runs(runs, perturbations)
        folder = folder if name is None else all_runs.claim_folder(name)
    command = shlex.join(["corinfomax", *(word for word in sys.argv[1:] if word != "--resume")])
    failures = experiments.write_experiment(folder, experiment, configuration, command)
    rows = experiments.performance_rows(experiment.table, configuration.entry.quantities)
    show_table(rows, numbers=[name for name in rows[0] if name not in ("quantity", "meaning")] if rows else ())
    told = experiments.explanation(experiment, configuration, folder)
    if told is not None:
        tell(f"\n{told.title}", "bold")
        for paragraph in told.paragraphs:
            tell(f"\n{paragraph}")
        show_commands(told.commands)
    warn(failures)
    console.print(f"\n{folder / 'report.md'}")
    return {"folder": str(folder), "performance": experiment.table}


def _begun(folder: Path) -> list[int]:
    """Seeds of the controls in an experiment's folder; what else is called so is told and left alone."""
    from ..analysis.comparison import CONTROL  # with NumPy

    found = []
    for path in sorted((folder / CONTROL[0]).glob("seed_*")):
        if (matched := re.fullmatch(r"seed_(0|[1-9][0-9]*)", path.name, re.ASCII)) is not None:
            found.append(int(matched[1]))
        else:
            console.print(f"{path}: is no run of this experiment, which seed_0, seed_1, … are; it is left alone")
    return found


_KINDS = ("silence", "drive", "cut", "cut_feedback", "clamp", "freeze", "lesion", "mismatch", "quantise")


def _is_run(source: str, training: bool) -> bool:
    """Whether a run folder is meant; the name of a preset is one only where no training is perturbed."""
    return not (training and source in all_runs.presets()) and (Path(source) / "config.toml").exists()


def _name(source: str) -> str:
    path = Path(source)
    return path.stem if path.suffix == ".toml" else path.resolve().name


def _perturbations(
    words: list[tuple[str, str]],
    file: Path | None,
    phases: _Words,
    cells: _Words,
    period: str | None,
    circuit: Circuit,
) -> list[Perturbation]:
    found = []
    chosen = _cells(cells)
    unused = set(chosen)
    layers = {spec.name: spec.layer for spec in circuit.populations}
    for kind, text in words:
        item = experiments.from_words(kind, text, period=period)
        item.check(circuit)
        if isinstance(item, experiments.CellPerturbation):
            layer = layers[item.target(circuit)]
            unused.discard(layer)
            item = replace(item, phases=phases, cells=chosen.get(layer))
        found.append(item)
    if unused:
        raise ParameterError(f"--cells {min(unused)}:…: no cells of layer {min(unused)} are perturbed")
    if phases and not found:
        raise ParameterError("--phase: holds for what is given with it; perturbations of a --file have their own")
    if phases and not any(isinstance(item, experiments.CellPerturbation) for item in found):
        raise ParameterError("--phase: frozen rules, lesions and rounding last through all phases; leave it out")
    if period is not None and not found:
        raise ParameterError("--period: holds for what is given with it; perturbations of a --file have their own")
    return found + (experiments.read_perturbations(file) if file is not None else [])


def _cells(texts: _Words) -> dict[int, list[int]]:
    chosen: dict[int, list[int]] = {}
    for text in texts or ():
        layer, colon, numbered = text.partition(":")
        try:
            chosen.setdefault(int(layer), []).extend(numbers(numbered if colon else ""))
        except ValueError:
            raise ParameterError(f"--cells {text}: must be LAYER:CELLS, such as 1:0,5,8-12") from None
    return chosen


def _seeds(text: str) -> list[int]:
    try:
        return numbers(text)
    except ValueError as error:
        raise ParameterError(f"--seeds {text}: {error}") from None


def _check_folder(folder: Path, perturbations: list[Perturbation], configuration: Configuration, resume: bool):
    """Refuse a folder that holds anything, or when it is taken up again, another experiment."""
    path = folder / PERTURBATIONS
    if not resume:
        if is_unused(folder) or _is_only(folder / "config.toml", configuration):
            return
        advice = ", or go on with --training --resume" if path.exists() else ""
        what = "exists" if folder.is_dir() else "is no folder"
        raise RunError(f"{folder}: {what}; choose another folder with --out{advice}")
    if experiments.to_toml(experiments.read_perturbations(path)) != experiments.to_toml(perturbations):
        raise RunError(f"{path}: has other perturbations; --resume goes on with the same, --file {path}")


def _is_only(path: Path, configuration: Configuration) -> bool:
    """Whether a file is all that there is in its folder, and is what an experiment that was killed had written."""
    from ..protocols.runs.loading import KEPT  # with NumPy

    return (
        is_unused(path.parent, path.name, KEPT)
        and path.is_file()
        and path.read_bytes() == configuration.to_toml().encode()
    )


def _trusting(configuration: Configuration) -> str:
    return " --trust" if configuration.references else ""


def _shown(progress: Report) -> str:
    return "" if progress.score is None else f"{progress.score:.4f}"


def _train(
    configuration: Configuration, perturbations: list[Perturbation], folder: Path, name: str | None, seeds: list[int]
):
    """Train and test, in the folder, or in a new one of the name; return the experiment, and where it is."""
    begun = False
    with progress_bar() as bar:
        task = bar.add_task("training", total=2 * len(seeds) * configuration.training.epochs, score="")

        def report(seed: int, trained: str, progress: Report):
            runs = 2 * seeds.index(seed) + (trained == "perturbed")
            epochs = progress.epoch if progress.row else progress.epoch - 1 + progress.batch / progress.batches
            done = runs * configuration.training.epochs + epochs
            bar.update(task, completed=done, description=f"seed {seed}, {trained}", score=_shown(progress))
            if progress.row and progress.epoch == configuration.training.epochs:
                console.print(
                    f"seed {seed}, {trained}: test {_shown(progress)} after {counted(progress.epoch, 'epoch')}"
                )

        def begin():
            nonlocal begun, folder
            folder = folder if name is None else all_runs.claim_folder(name)
            experiments.write_inputs(folder, perturbations, configuration)
            begun = True
            return folder

        def again() -> str | None:
            return f"the same command, --out {folder} --resume{_trusting(configuration)}" if begun else None

        with goes_on_with(again):
            return experiments.perturb_training(configuration, perturbations, folder, seeds, report, begin), folder
