"""What a perturbation experiment leaves in its folder: a report, a table, a figure, and what makes it again."""

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import pandas as pd

from ...analysis.comparison import CONTROL, over_seeds, rms
from ...analysis.figures import Album, perturbation_effects, perturbed_learning, save_figure
from ...analysis.figures.perturbation import CONDITIONS
from ...analysis.files import PERTURBATIONS, make_folder, remove_remains, replacing
from ...analysis.quantities import Quantity, quantity
from ...models import PHYSICAL_SCALE
from ...ranges import counted
from ..examinations.levers import Influence
from ..runs.configuration import Configuration
from . import Perturbation, to_toml
from .experiment import Experiment, later_than, perturbed_role

#: Columns of the history that the report shows beside those of the whole circuit; all are in the table.
_SHOWN = ("test_", "predictions_changed", "angle_", "cmi_", "participation_ratio_", "sparsity_", "settling_residual")
#: Columns that tell how a circuit was computed, and nothing of what it does; in the table alone.
_COMPUTED = ("sst_every",)

_PICTURES = {
    "effects.png": "Performance, and changes of potentials",
    "learning.png": "Performance and angles while learning",
}


@dataclass(frozen=True)
class Explanation:
    """Why little or nothing changes.

    Parameters
    ----------
    title : str
    paragraphs : tuple of str
        In plain text.
    commands : tuple of str
        What to try.
    """

    title: str
    paragraphs: tuple[str, ...]
    commands: tuple[str, ...] = ()


def write_experiment(folder, experiment: Experiment, configuration: Configuration, command: str = ""):
    """Write what an experiment found: ``report.md``, ``table.csv``, figures, and what it was done with.

    Each file takes the place of an older one once it is complete, the report last. A figure that fails is left out.

    Parameters
    ----------
    folder : path-like
        Made if it is not there.
    experiment : Experiment
    configuration : Configuration
        Of the control.
    command : str, optional
        What was called, for the report.

    Returns
    -------
    list of str
        A line for each figure that failed.
    """
    folder = Path(folder)
    write_inputs(folder, experiment.perturbations, configuration)
    with replacing(folder / "table.csv") as file:
        experiment.table.to_csv(file, index=False)
    album, effects, learning = Album(), folder / "effects.png", folder / "learning.png"
    with album.attempt(effects):
        album.written += save_figure(perturbation_effects(experiment.table), [effects])
    if experiment.histories:
        histories = {place: pd.DataFrame(rows) for place, rows in experiment.histories.items()}
        with album.attempt(learning):
            album.written += save_figure(perturbed_learning(histories, _epochs(experiment)), [learning])
    with replacing(folder / "report.md") as file:
        file.write(report(experiment, configuration, folder, command, [path.name for path in album.written]).encode())
    return album.failures


def _epochs(experiment: Experiment) -> list[tuple[float, float]]:
    """From when to when there are perturbations, in epochs from the beginning of training."""
    per_epoch = experiment.batches
    spans = [item.period.batches(per_epoch) for item in experiment.perturbations if item.period is not None]
    return sorted({(span.start / per_epoch, span.stop / per_epoch) for span in spans})


def write_inputs(folder: Path, perturbations: Sequence[Perturbation], configuration: Configuration):
    """Write ``perturbations.toml``, and the control's parameters, ``config.toml``, with the stimuli that it keeps."""
    make_folder(folder)
    remove_remains(folder)
    configuration.loaded_from.save(lambda name, write: _write(folder / name, write))
    with replacing(folder / "config.toml") as file:
        file.write(configuration.to_toml().encode())
    with replacing(folder / PERTURBATIONS) as file:  # last: with it an experiment has begun
        file.write(to_toml(perturbations).encode())


def _write(path: Path, write: Callable[[IO[bytes]], object]):
    with replacing(path) as file:
        write(file)


def report(
    experiment: Experiment,
    configuration: Configuration,
    folder,
    command: str = "",
    pictures: Sequence[str] = ("effects.png", "learning.png"),
) -> str:
    """Write the report of an experiment, in Markdown.

    Parameters
    ----------
    experiment, configuration, command
        As in `write_experiment`.
    folder : path-like
        Where the experiment's parameters are or will be.
    pictures : sequence of str
        Files of the figures that there are.
    """
    table = experiment.table
    seeds = list(dict.fromkeys(table["seed"]))
    trained = bool(experiment.histories)
    epochs = f", {counted(configuration.training.epochs, 'epoch')}" if trained else ""
    what = "in training" if trained else "in testing, at the control's weights"
    lines = [
        "# Perturbed against control",
        "",
        f"{configuration.model} {'-'.join(map(str, experiment.circuit.sizes))} on {experiment.stimuli.name} "
        f"({len(experiment.stimuli.x_test)} test stimuli){epochs}, "
        f"{'seeds' if len(seeds) > 1 else 'seed'} {', '.join(map(str, seeds))}. Perturbed {what}:",
        "",
        *([f"- {item}" for item in experiment.perturbations] or ["- nothing"]),
        "",
        "Differences are from the control of the same seed"
        + ("; mean ± sample standard deviation over seeds." if len(seeds) > 1 else "."),
        "",
        performance_table(table, configuration.entry.quantities),
        "",
        *why_nothing_changes(experiment, configuration, folder),
        *(
            line
            for name, words in _PICTURES.items()
            if name in pictures and (trained or name != "learning.png")
            for line in (f"![{words}]({name})", "")
        ),
        "## Potentials and rates at the phases' ends",
        "",
        "Means over stimuli and cells, their change, and the root mean square of the changes (rms).",
        "",
        _potentials(table),
        "",
        f"All numbers are in `table.csv`; `{PERTURBATIONS}` and the control's `config.toml` are what makes them again"
        + (f". Called: `{command}`" if command else "."),
        "",
    ]
    return "\n".join(lines)


def performance_table(table: pd.DataFrame, own: Mapping[str, Quantity] | None = None) -> str:
    """Write `performance_rows` as a table in Markdown."""
    rows = [{name: cell.replace("|", r"\|") for name, cell in row.items()} for row in performance_rows(table, own)]
    return pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True)


def performance_rows(table: pd.DataFrame, own: Mapping[str, Quantity] | None = None) -> list[dict[str, str]]:
    """Accuracy, R² or other scores, information, angles and activity against the control: cells by their heading.

    Parameters
    ----------
    table : DataFrame
        Of an experiment.
    own : mapping of str to Quantity, optional
        What the model's own columns measure.

    Returns
    -------
    list of dict of str to str
        First the quantity with its unit, last its meaning.
    """
    of_layers = table["quantity"].str.contains(r"_\d+$")
    shown = table["quantity"].str.startswith(_SHOWN) | ~of_layers
    chosen = table[(table["phase"] == "") & shown & ~table["quantity"].isin(_COMPUTED)]
    statistics = over_seeds(chosen)
    rows: dict[str, dict[str, str]] = {}
    meanings: dict[str, str] = {}
    for row in statistics.itertuples():
        percent = row.quantity in ("test_accuracy", "predictions_changed")
        scale, digits = (100, 2) if percent else (1, 3)
        unit, meaning = quantity(row.quantity, own)
        unit, meaning = ("%", meaning.replace("fraction", "share")) if percent else (unit, meaning)
        name = row.quantity.replace("test_r_squared", "test_R²").replace("_", " ")
        name += f" ({unit})" if unit not in ("", "1") else ""
        meanings[name] = meaning
        entry = rows.setdefault(name, {"quantity": name})
        condition = (row.trained, row.tested)
        if condition == CONTROL:
            entry["control"] = _shown(scale * row.value_mean, scale * row.value_sd, digits)
        else:
            label = f"{CONDITIONS[condition][0]}: difference".replace("\n", " ")
            entry[label] = _shown(scale * row.difference_mean, scale * row.difference_sd, digits, sign=True)
    return [{**row, "meaning": meanings[name]} for name, row in rows.items()]


def _potentials(table: pd.DataFrame) -> str:
    statistics = over_seeds(table[table["phase"] != ""])
    rows: dict[tuple[str, int, str], dict[str, str]] = {}
    for row in statistics.itertuples():
        entry = rows.setdefault((row.phase, row.layer, row.quantity), {})
        condition = (row.trained, row.tested)
        if condition == CONTROL:
            entry["control"] = _with_unit(row.value_mean, row.value_sd, row.unit)
        else:
            label = CONDITIONS[condition][0].replace("\n", " ")
            still = row.rms_change_mean == 0
            change = _with_unit(row.difference_mean, row.difference_sd, row.unit, sign=True)
            entry[f"{label}: change"] = "unchanged" if still else change
            entry[f"{label}: rms"] = "–" if still else _with_unit(row.rms_change_mean, row.rms_change_sd, row.unit)
    frame = pd.DataFrame(
        [{"phase": phase, "layer": layer, "": name, **entry} for (phase, layer, name), entry in rows.items()]
    )
    return frame.to_markdown(index=False, disable_numparse=True)


def _shown(mean: float, sd: float, digits: int, sign: bool = False) -> str:
    """Write mean ± standard deviation; what these digits would hide is written as a power of ten."""

    def number(value: float, sign: bool) -> str:
        hidden = value != 0 and abs(value) < 10.0**-digits
        return f"{value:{'+' if sign and value else ''}{'.1e' if hidden else f'.{digits}f'}}"

    return number(mean, sign) + (f" ± {number(sd, False)}" if np.isfinite(sd) else "")


def why_nothing_changes(experiment: Experiment, configuration: Configuration, folder) -> list[str]:
    """Write the `explanation`, if there is one, as lines of Markdown."""
    found = explanation(experiment, configuration, folder)
    if found is None:
        return []
    paragraphs = [line for paragraph in found.paragraphs for line in (paragraph, "")]
    commands = ["```sh", *found.commands, "```", ""] if found.commands else []
    return [f"## {found.title}", "", *paragraphs, *commands]


def explanation(experiment: Experiment, configuration: Configuration, folder) -> Explanation | None:
    """Say why no prediction changes, with what the perturbed cells measure and what to do if it is they; else nothing.

    After training without cells that do nothing some predictions differ, as they do after any rounding; it is said
    then, too.

    Parameters
    ----------
    experiment, configuration, folder
        As in `report`.
    """
    circuit, conditions = experiment.circuit, [place for place in experiment.measured if place[1:] != CONTROL]
    changed = any(experiment.changed_predictions(*place) for place in conditions)
    predicting = [phase.name for phase in configuration.build_protocol().for_prediction.prediction]
    if conditions and not changed and not experiment.histories and later_than(experiment, predicting):
        phase = predicting[-1]
        said = f"Predictions are read at the end of phase {phase}, before anything is perturbed; later phases change."
        return Explanation("Why no prediction changes", (said,))
    role = perturbed_role(experiment, driven=not changed)
    influences = configuration.entry.influences(circuit, configuration.form) if role else ()
    influence = next((each for each in influences if each.role == role), None)
    if influence is None or (changed and not (experiment.histories and influence.reasons)):
        return None
    title = "Why so little can change" if changed else "Why no prediction changes"
    commands = _to_try(influence.settings, experiment, Path(folder)) if influence.settings else ()
    reasons = influence.reasons
    if not (changed or reasons):
        reasons = ("Rates change, but in each presentation the most active output cell stays the same.",)
    return Explanation(title, (_sizes(influence, experiment), *reasons), tuple(commands))


def _sizes(influence: Influence, experiment: Experiment) -> str:
    """Say how far cells beside the layers are from rest, and the cells of the layers."""
    controls = [found.ends for (_, *how), found in experiment.measured.items() if tuple(how) == CONTROL]
    phase = next(iter(controls[0]))[0]
    cells = {spec.name: spec.cell for spec in experiment.circuit.populations}
    sizes = []
    for k in range(1, experiment.circuit.output + 1):
        if (phase, k, influence.potential) not in controls[0]:
            continue
        own = cells[experiment.circuit.layers[k]]
        rests = {influence.potential: PHYSICAL_SCALE["V_rest"], "V_soma": own.in_volts("V_rest")}
        beside, soma = (
            np.mean([rms(ends[phase, k, variable] - 1e3 * float(rest)) for ends in controls])
            for variable, rest in rests.items()
        )
        sizes.append(f"layer {k} {_volts(beside)} (pyramidal somata {_volts(soma)})")
    name = influence.name
    return f"At the end of the {phase} phase the control's {name} are this far from rest (rms): {', '.join(sizes)}."


def _to_try(settings: Sequence[str], experiment: Experiment, folder: Path) -> list[str]:
    words = [word for setting in settings for word in ("--set", setting)]
    target = str(folder.with_name(f"{folder.name}_entropy"))
    if experiment.histories:
        seeds = ",".join(map(str, dict.fromkeys(seed for seed, _ in experiment.histories)))
        files = ["--file", str(folder / PERTURBATIONS), "--training", "--seeds", seeds, "--out", target]
        return [shlex.join(["corinfomax", "perturb", str(folder / "config.toml"), *words, *files])]
    return [
        shlex.join(["corinfomax", "train", str(folder / "config.toml"), *words, "--out", target]),
        shlex.join(["corinfomax", "perturb", target, "--file", str(folder / PERTURBATIONS)]),
    ]


def _volts(millivolts: float) -> str:
    return _with_unit(millivolts, np.nan, "mV")


def _with_unit(mean: float, sd: float, unit: str, sign: bool = False) -> str:
    """Write mean ± standard deviation, those given in mV or Hz in the unit that suits them."""
    units = {"mV": ("mV", "µV", "nV", "pV", "fV"), "Hz": ("Hz", "mHz", "µHz", "nHz", "pHz")}.get(unit)
    if units is None:
        return _shown(mean, sd, 3, sign) + f" {unit}" * bool(unit)
    sizes = [abs(value) for value in (mean, sd) if np.isfinite(value)]
    power = next((power for power in range(4) if 1e3**power * max(sizes) >= 0.1), 4) if any(sizes) else 0
    scale = 1e3**power
    digits = 2 if power == 0 else 1
    spread = f" ± {scale * sd:.{digits}f}" if np.isfinite(sd) else ""
    return f"{scale * mean:{'+' if sign and mean else ''}.{digits}f}{spread} {units[power]}"
