"""A model as journals want it described: tables of what it consists of, made from the circuit itself.

The sections are those of Nordlie, Gewaltig & Plesser (2009), whose tables most journals of the field ask for.
"""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from brian2.utils.stringtools import get_identifiers

from ...models import PHYSICAL_SCALE, Cell
from ...networks.circuit import Circuit
from ...networks.plasticity import Plasticity
from ...networks.trainable import Trainable
from ...summary import Table
from ..clockwork.protocol import Protocol
from ..runs.citations import opened
from ..runs.configuration import Configuration
from ..runs.run import Run
from ..runs.sections import CHOICES


@dataclass(frozen=True)
class Section:
    """One table of a description.

    Parameters
    ----------
    title : str
    table : Table
        Its columns and rows, all of them text.
    """

    title: str
    table: Table


def describe(source: str | os.PathLike[str] | Run, trust: bool = False) -> list[Section]:
    """Describe a model by the tables that journals ask for.

    Parameters
    ----------
    source : str, path-like or Run
        A preset, a parameter file, or a run folder.
    trust : bool, default False
        Whether code that a run folder holds or names may be imported.

    Returns
    -------
    list of Section
        Summary, populations, connectivity, a table for each kind of cell, plasticity, input, measurements, parameters.
        Systems without dynamics have no cells, connections or measurements. Weights are those that training begins
        with, and of a run those of its checkpoint.

    Raises
    ------
    RunError
        If a run or its checkpoint cannot be read, or its code is not trusted.
    ParameterError
        For an unknown preset, or a file that is none.

    Examples
    --------
    >>> import corinfomax
    >>> for section in corinfomax.describe("digits"):
    ...     print(section.title)
    """
    configuration, run = opened(source, trust)
    trained = run is not None and run.folder.has("checkpoint.npz")
    learnt = Run(run.folder.path, trust=True).circuit if trained else None  # the run was opened, its code trusted
    system, protocol = configuration.build_circuit(), configuration.build_protocol()
    circuit = system if isinstance(system, Circuit) else None
    return [
        _summary(configuration, system, protocol),
        *([] if circuit is None else [_populations(circuit), _connectivity(circuit), *_cells(circuit)]),
        _weights(system, "initial") if learnt is None else _weights(learnt, f"after epoch {learnt.progress.epoch}"),
        _plasticity(system),
        _input(configuration, system, protocol),
        *([] if circuit is None else [_measurements(circuit)]),
        _parameters(configuration),
    ]


#: Form → what tabulate calls it, and what stands around the tables.
FORMS = {
    "markdown": ("github", "{% for title, table in sections %}## {{ title }}\n\n{{ table }}\n\n{% endfor %}"),
    "latex": (
        "latex_booktabs",
        "% Greek letters need XeLaTeX or LuaLaTeX, and the package booktabs.\n"
        "{% for title, table in sections %}"
        r"{{ '\\subsection*{' ~ title | replace('_', '\\_') ~ '}' }}"
        "\n{{ table }}\n\n{% endfor %}",
    ),
    "html": (
        "html",
        '<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="utf-8"><title>Model description</title>\n<style>'
        "body{font:15px/1.4 sans-serif;max-width:70em;margin:2em auto;padding:0 1em}"
        "table{border-collapse:collapse;display:block;overflow-x:auto}"
        "td,th{border:1px solid #ccc;padding:.2em .5em;text-align:left;vertical-align:top}</style></head>\n<body>\n"
        "{% for title, table in sections %}<h2>{{ title | e }}</h2>\n{{ table }}\n{% endfor %}</body>\n</html>\n",
    ),
}


def written(sections: Sequence[Section], form: str = "markdown") -> str:
    """Write a description.

    Parameters
    ----------
    sections : sequence of Section
    form : {"markdown", "latex", "html"}
    """
    from jinja2 import Template

    style, template = FORMS[form]
    told = [(each.title, each.table.shown(style)) for each in sections]
    return Template(template, keep_trailing_newline=True).render(sections=told)


def _section(title: str, header: tuple[str, ...], rows) -> Section:
    return Section(title, Table(header, [tuple(map(str, row)) for row in rows]))


def _summary(configuration: Configuration, system: Trainable, protocol: Protocol | None) -> Section:
    rows = [
        ("Model", f"{type(system).__name__}: {_first_sentence(type(system))}"),
        ("Units by layer", " - ".join(map(str, system.sizes))),
        ("Stimuli", configuration.stimuli.stimuli),
    ]
    if isinstance(system, Circuit):
        kinds = dict.fromkeys(type(spec.cell).__name__ for spec in system.populations)
        rows += [
            ("Cells", ", ".join(kinds)),
            ("Connectivity", ", ".join(dict.fromkeys(item.pattern for item in system.projections))),
            ("Plasticity", ", ".join(dict.fromkeys(_name(each) for each in system.plasticity))),
            ("Order of a step", system.schedule),
        ]
    if protocol is not None:
        rows.append(("Integration", f"{protocol.method}, dt = {_quantity(protocol.step * system.tau)}"))
    return _section("Model summary", ("", ""), rows)


def _populations(circuit: Circuit) -> Section:
    rows = [
        (spec.name, spec.size, type(spec.cell).__name__, spec.layer, _domain(spec.cell), ", ".join(_links(spec)) or "–")
        for spec in circuit.populations
    ]
    return _section("Populations", ("name", "cells", "kind", "layer", "domain of r", "reads"), rows)


def _domain(cell: Cell) -> str:
    if cell.domain is None:
        return "–"
    reads = cell.potential if cell.potential != "r" else "u"
    nonlinearity = re.sub(r"\bu\b", reads, cell.domain.nonlinearity)
    return f"{cell.domain.name}, r = {nonlinearity}"


def _links(spec) -> Iterator[str]:
    for variable, (source, read) in spec.links:
        yield f"{variable} = {read} of {source}"


def _connectivity(circuit: Circuit) -> Section:
    signs = {1: "excitatory", -1: "inhibitory", 0: "either"}
    rows = []
    for item in circuit.description()["projections"]:
        key, k = item["weights"]
        transposed = "ᵀ" if item["transposed"] else ""
        where = item["slot"] if item["compartment"] is None else f"{item['compartment']} ({item['slot']})"
        rows.append(
            (item["source"] or "constant 1", item["target"], where, item["signal"], item["pattern"],
             f"{key}[{k}]{transposed}", signs[item["sign"]])
        )  # fmt: skip
    for spec in circuit.populations:
        for variable, (source, read) in spec.links:
            rows.append((source, spec.name, variable, read, "one_to_one", "–", "as the equations of the cell have it"))
    header = ("source", "target", "enters", "carries", "pattern", "weights", "effect at positive weights")
    return _section("Connectivity", header, rows)


def _cells(circuit: Circuit) -> Iterator[Section]:
    """A table for each kind of cell: equations, parameters with unit and origin, threshold and reset."""
    seen = set()
    for spec in circuit.populations:
        cell, kind = spec.cell, type(spec.cell).__name__
        told = _told(cell)
        if told in seen:
            continue
        seen.add(told)
        same = [each.name for each in circuit.populations if _told(each.cell) == told]
        rows = []
        for line in cell.equations.splitlines():
            equation, _, comment = line.partition("#")
            if " = " in equation:
                rows.append(("equation", equation.strip(), "", comment.strip() or "–"))
        for row in cell.parameters:
            value = f"{row.name} = {_quantity(cell.values[row.name])}"
            rows.append(("parameter", value, row.unit, f"{row.meaning}; {row.source}"))
        for name, value in PHYSICAL_SCALE.items():
            if name in get_identifiers(cell.equations) and name not in cell.values:
                acts = name in cell.threshold + cell.reset
                words = "volts of u = 1, in which the cell spikes" if acts else "labels axes; nothing depends on it"
                rows.append(("scale", f"{name} = {_quantity(value)}", "", words))
        for name in ("threshold", "reset", "refractory", "each_step"):
            if getattr(cell, name):
                rows.append((name, getattr(cell, name), "", "–"))
        if rows:
            yield _section(f"Cells: {kind} ({', '.join(same)})", ("what", "value", "unit", "meaning and origin"), rows)


def _told(cell: Cell) -> tuple[str, str, str]:
    """What tells a kind of cell from others."""
    return type(cell).__name__, cell.equations, str(cell.values)


def _weights(system: Trainable, since: str) -> Section:
    rows = []
    for key, arrays in system.weights.items():
        for k, array in arrays.items():
            if array.size:
                spread = f"{array.mean():.3g} ± {array.std():.3g}"
                origin = "follow from others" if key in system.derived else since
                between = f"{array.min():.3g} … {array.max():.3g}"
                rows.append((f"{key}[{k}]", " × ".join(map(str, array.shape)), spread, between, origin))
    return _section("Weights", ("name", "shape", "mean ± standard deviation", "range", "what they are"), rows)


def _plasticity(system: Trainable) -> Section:
    rows = []
    for each in system.plasticity:
        key, k = each.target
        reads = ", ".join(
            readout.phase if readout.last is None else f"{readout.phase}, mean over {readout.last} steps"
            for readout in each.readouts
        )
        says = _first_sentence(each.rule)
        rows.append((f"{key}[{k}]", _name(each), says, _optimiser(each.optimiser), reads, each.when))
    return _section("Plasticity", ("weights", "rule", "ΔW", "how far", "reads", "acts each"), rows)


def _name(each: Plasticity) -> str:
    return getattr(each.rule, "__name__", type(each.rule).__name__)


def _optimiser(optimiser) -> str:
    told = [
        f"{name} = {value}"
        for name, value in vars(optimiser).items()
        if not (name.startswith("_") or name in ("target", "k") or isinstance(value, np.ndarray)) and value
    ]
    return f"{type(optimiser).__name__}({', '.join(told)})"


def _input(configuration: Configuration, system: Trainable, protocol: Protocol | None) -> Section:
    section = configuration.stimuli.model_dump(exclude_none=True, exclude={"data"})
    rows = [("stimuli", key, value, "–") for key, value in section.items()]
    for phase in () if protocol is None else protocol.phases:
        lasts = phase.steps * protocol.step * system.tau
        beta = phase.beta if np.ndim(phase.beta) == 0 else "a course"
        shown = phase.input if isinstance(phase.input, str) else "given rates"
        shown += f", which fades in over {phase.fade} steps" if phase.fade else ""
        taught = "teacher on" if phase.taught else "no teacher"
        length = f"{phase.steps} steps, {_quantity(lasts)}"
        rows.append(("phase", phase.name, length, f"input {shown}, β × {beta}, {taught}"))
    return _section("Input", ("what", "name", "value", "further"), rows)


def _measurements(circuit: Circuit) -> Section:
    found = {}
    for spec in circuit.populations:
        for item in spec.cell.recordables:
            found.setdefault((item.name, item.unit, item.compartment or "–", item.meaning), []).append(spec.name)
    rows = [(*what, ", ".join(names)) for what, names in found.items()]
    return _section("Measurements", ("variable", "unit", "compartment", "meaning", "of"), rows)


def _parameters(configuration: Configuration) -> Section:
    """Every key of the parameter file, and whether it is the schema's default."""
    rows = []
    chosen = {key for _, key in CHOICES}
    for section, keys in configuration.to_dict().items():
        fields = type(getattr(configuration, section)).model_fields
        for key, value in keys.items():
            if key == "data":
                continue
            default = key not in chosen and not fields[key].is_required() and fields[key].default == value
            rows.append((f"[{section}]", key, value, "default" if default else configuration.source))
    return _section("Parameters", ("section", "key", "value", "origin"), rows)


def _first_sentence(thing) -> str:
    """First line of a docstring, without its full stop."""
    documented = thing if inspect.isclass(thing) or inspect.isroutine(thing) else type(thing)
    text = (inspect.getdoc(documented) or "").partition("\n\n")[0]
    return " ".join(text.split()).rstrip(".")


def _quantity(value) -> str:
    """A value with its unit, as Brian2 shows it, without needless digits and points."""
    return f"{value:.6g}" if isinstance(value, float) else str(value).replace(". ", " ")
