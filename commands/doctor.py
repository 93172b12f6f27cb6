"""``corinfomax doctor``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .. import analysis
from ..errors import ParameterError, RunError
from ..protocols import runs
from .console import Trust, console
from .tables import show_table, tell

if TYPE_CHECKING:
    from ..analysis import Finding


def doctor(
    source: Annotated[
        str | None,
        typer.Argument(metavar="[PRESET|FILE.toml|RUN]", help="A preset, a parameter file, or a run folder."),
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Set one key otherwise; may be repeated.")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Folder with data files; else CORINFOMAX_DATA.")] = None,
    trust: Trust = False,
) -> list[dict]:
    """Examine a circuit before it is trained, or a trained one.

    Tells the bound of Euler's step, the spectral abscissa of the linearised circuit, how long activity takes to settle
    and how much of the nudge reaches each layer, each with what to change; of a learner without dynamics what its first
    step does; of a run folder also what went wrong in training, and which classes were not learnt.

    Examples: `corinfomax doctor mnist` · `corinfomax doctor --set free_steps=10` · `corinfomax doctor runs/digits`
    """
    findings: list[Finding] = []
    if source is not None and source not in runs.presets() and _is_folder(source):
        if settings:
            raise ParameterError("--set: a run keeps its parameters; examine its config.toml to try others")
        run = runs.Run(source, trust)
        configuration, circuit = run.configuration, run.circuit
        if data is not None:
            configuration.stimuli.data = str(data)
        findings += _unlearnt(run)
        findings += analysis.diagnose(run.folder.history())
    elif source is not None and _is_path(source):
        raise RunError(f"{source}: no such run folder")
    else:
        configuration = runs.Configuration.read(source, list(settings or []), trust)
        if data is not None:
            configuration.stimuli.data = str(data)
        circuit = configuration.build_circuit()
    with console.status("examining") as status:
        findings += runs.examine_configured(
            circuit, configuration, report=lambda what: status.update(f"examining: {what}")
        )
    _print(findings)
    return [
        {"quantity": each.what, "found": each.found, "should_be": each.wanted, "advice": each.advice}
        for each in findings
    ]


def _print(findings: list[Finding]):
    show_table(
        [
            {
                "": "!" if finding.advice else "ok",
                "quantity": finding.what,
                "found": finding.found,
                "should be": finding.wanted,
            }
            for finding in findings
        ]
    )
    advised = [finding for finding in findings if finding.advice]
    tell("")
    for finding in advised:
        tell(f"! {finding.what}: {finding.advice}.")
    if not advised:
        tell("Nothing known is wrong.")


def _is_folder(source: str) -> bool:
    return os.path.isdir(os.path.expanduser(source))


def _is_path(source: str) -> bool:
    """Whether it can be neither a preset's name nor that of a parameter file."""
    return Path(source).suffix != ".toml" and Path(source).name != source


def _unlearnt(run: runs.Run) -> list[Finding]:
    """Say which classes were not recognised in training, where the run tells."""
    if run.unlearnt is None:
        return []
    classes = ", ".join(run.stimuli.short_labels[label] for label in run.unlearnt)
    advice = "train longer, or see below what keeps the circuit from it" if classes else ""
    return [analysis.Finding("Classes never recognised in training's last epoch", classes or "none", "none", advice)]
