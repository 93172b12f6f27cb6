"""Write the evidence: our runs against the published numbers, as ``results/README.md`` and ``results/figures/``.

    python results/report.py

It reads what ``results/run.py`` keeps, ``published.toml``, ``claims.toml``, and explanations from ``experiments.toml``
(`note`, `notes`). Runs that are missing are said to be so. Written anew each time: change the sources, not the report.
"""

from pathlib import Path
from typing import Annotated

import matplotlib as mpl

mpl.use("Agg")
import claims
import plots
import tables
import typer
from evidence import Evidence, Published, read_published, short
from experiments import HERE, KEPT, LIST, Ablation, Experiments, read_experiments

from corinfomax.analysis.files import make_folder, replacing


def main(
    path: Annotated[Path, typer.Option("--experiments", help="List of experiments.")] = LIST,
    kept: Annotated[Path, typer.Option(help="Folder of what is kept of runs.")] = KEPT,
    out: Annotated[Path, typer.Option(help="Folder for README.md and figures/.")] = HERE,
):
    """Write report and figures."""
    text = report(read_experiments(path), read_published(), kept, out)
    with replacing(out / "README.md") as file:
        file.write(text.encode())
    typer.echo(f"{out / 'README.md'}")


def report(experiments: Experiments, published: Published, kept: Path, out: Path) -> str:
    """Draw the figures and return the report's text.

    Parameters
    ----------
    experiments : Experiments
    published : Published
    kept, out : Path
        Folder of what is kept of runs; folder in which ``figures/`` is made.
    """
    make_folder(out / "figures")
    found = {name: Evidence.read(experiment, kept) for name, experiment in experiments.alone.items()}
    compared = [evidence for evidence in found.values() if evidence.experiment.published]
    others = [evidence for evidence in found.values() if not evidence.experiment.published]
    claimed, still_open = claims.read_claims()
    return TEXT.format(
        claims=claims.table(claimed),
        open="\n".join(f"- {sentence}" for sentence in still_open),
        seeds=published.seeds,
        sources="\n".join(f"- {source}" for source in published.sources.values()),
        overview=tables.overview(published, compared),
        accuracies="\n\n".join(_accuracies(compared, published, out / "figures")),
        unpublished=tables.unpublished(others),
        unpublished_notes=_notes(others),
        sums=tables.sums(compared + others),
        angle=tables.angles(published, compared + others),
        angle_states=_states(compared + others),
        angle_figures=_angle_figures(compared, published, out / "figures"),
        ablations="\n\n".join(_ablations(experiments, found, published, kept, out / "figures")),
    )


def _accuracies(found: list[Evidence], published: Published, folder: Path) -> list[str]:
    parts = []
    for name, ours in _by_task(found).items():
        task = published.tasks[name]
        if any(evidence.histories for evidence in ours):
            plots.save(plots.accuracy(ours, task), folder / f"accuracy_{name}.png")
            parts.append(f"![Test accuracy against epoch, {task.title}](figures/accuracy_{name}.png)")
        for evidence in ours:
            lines = [f"### {evidence.experiment.title}", evidence.state.removesuffix(".") + "."]
            if evidence.histories:
                lines.append(tables.accuracies(evidence, task, published.seeds))
            if evidence.experiment.note:
                lines.append(evidence.experiment.note)
            parts.append("\n\n".join(lines))
    return parts


def _angle_figures(found: list[Evidence], published: Published, folder: Path) -> str:
    pictures = []
    for name, ours in _by_task(found).items():
        task = published.tasks[name]
        if any(evidence.angles for evidence in ours):
            plots.save(plots.angle(ours, task), folder / f"angle_{name}.png")
            pictures.append(f"![Angle against epoch, {task.title}](figures/angle_{name}.png)")
    return "\n\n".join(pictures)


def _ablations(experiments: Experiments, found, published: Published, kept: Path, folder: Path) -> list[str]:
    groups: dict[str, list[tuple[Ablation, dict[float, Evidence]]]] = {}
    for each in experiments.ablations.values():
        points = {
            x: found[point.name] if found.get(point.name) is not None else Evidence.read(point, kept)
            for x, point in each.points.items()
        }
        groups.setdefault(each.quantity, []).append((each, points))
    parts = []
    for quantity, group in groups.items():
        parts.append(f"### {quantity}")
        if any(_has_run(points) for _, points in group):
            name = f"ablation_{group[0][0].name.partition('_')[2]}.png"
            plots.save(plots.ablation(group, published), folder / name)
            parts.append(f"![Test accuracy against: {quantity}](figures/{name})")
        for each, points in group:
            parts += [f"{each.title[0].upper()}{each.title[1:]}: {_points_state(points)}"]
            parts += [tables.ablation(each, points, published)]
            parts += [each.note] if each.note else []
    return parts


def _has_run(points: dict[float, Evidence]) -> bool:
    return any(evidence.histories or evidence.failures for evidence in points.values())


def _points_state(points: dict[float, Evidence]) -> str:
    """Revisions of all points, since the table says which seeds took part."""
    if not _has_run(points):
        return f"{tables.NOT_RUN}."
    return f"code {_code(points.values())}."


def _states(found: list[Evidence]) -> str:
    return f"Code: {_code(found)}."


def _code(found) -> str:
    revisions = dict.fromkeys(revision for evidence in found for revision in evidence.revisions)
    return ", ".join(dict.fromkeys(map(short, revisions))) or "unknown"


def _notes(found: list[Evidence]) -> str:
    """Notes of experiments, each once, with the titles that it belongs to."""
    titles: dict[str, list[str]] = {}
    for experiment in (evidence.experiment for evidence in found if evidence.experiment.note):
        titles.setdefault(experiment.note, []).append(experiment.title)
    return "\n".join(f"- {'; '.join(of)}: {note}" for note, of in titles.items())


def _by_task(found: list[Evidence]) -> dict[str, list[Evidence]]:
    tasks: dict[str, list[Evidence]] = {}
    for evidence in found:
        tasks.setdefault(evidence.experiment.published, []).append(evidence)
    return tasks


TEXT = """# Evidence

What `corinfomax` reaches, and what proves it. Written by `python results/report.py` from the runs that
`python results/run.py` and `corinfomax compare` train and from what the benchmarks measure; do not change it by hand.

## What is claimed

Test accuracies are means over seeds ± sample standard deviation. Seconds are of one core of the machine that ran it,
often with other runs beside; they are no measurement. Times are ratios, measured by turns within one run.

{claims}

Pages of their own have what is no single number: [faults](reliability.md) (kills, full disks, damaged files),
[which parameters matter](sensitivity.md), [depth](depth.md), [noise and time constants](robustness.md),
[the entropy term](entropy.md), [rules side by side](rules.md), [reciprocal feedback](reciprocal.md),
[similarity matching](similarity_matching.md), [spikes](spikes.md), [learning without phases](oscillation.md) and
[small sets](small_sets.md).

### What is open

{open}

## Against the published numbers

Ours are mean ± sample standard deviation (ddof = 1) over the seeds named; of one seed, its number alone. A difference
is ours minus published. It agrees if it is within the tolerance 2 s √(1/{seeds} + 1/n), with s the published standard
deviation over {seeds} seeds and n our seeds, that is within two standard errors of the difference of two means. Of the
published curves only the standard deviation after the last epoch is known (for MNIST .12 %), and it is used at all
epochs; early in training the true one is larger, so that the comparison is too strict there. Published numbers:

{sources}

## All published tasks

Each of our experiments at the last epoch that all its seeds reached, and at the last that any reached, of the epochs
for which there is a published number; the others follow below.

{overview}

## Test accuracy

{accuracies}

### Circuits that are not published

{unpublished}

{unpublished_notes}

## Sums of rates in the sparse circuits

At the free phase's end, over the test stimuli. The domain B_1,+ asks for Σr ≤ 1.

{sums}

## Angle between W_ff and W_fbᵀ

In degrees. Ours are taken at the end of each epoch, the first after epoch 1, so that a minimum within an epoch is
missed; initial weights are drawn independently, 90° but for chance. The published minimum is that of the course over
iterations; its iteration is given as an epoch where it is known. Rows with the same circuit end at different epochs.

{angle}

{angle_states}

{angle_figures}

## Ablations

Test accuracy. The published ones are of circuits trained to the end; ours are compared among themselves, after the
epochs that each table names.

{ablations}
"""

if __name__ == "__main__":
    typer.run(main)
