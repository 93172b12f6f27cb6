"""Perturbations in parameter files and as words of the command line."""

from collections.abc import Iterable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import tomli_w

from ...analysis.archives import read_archive
from ...analysis.files import PERTURBATIONS
from ...analysis.former import FIRST_VERSION, by_layer, numbered_by_projection
from ...errors import ParameterError, RunError
from ...toml import tables as read_tables
from ..runs.checkpoint import NAME
from .cells import Clamp, Cut, CutFeedback, Drive, Silence
from .hardware import Mismatch, Quantise
from .perturbation import Period, Perturbation
from .synapses import Freeze, Lesion

#: Perturbations by the name that parameter files and the command line have for them.
_CLASSES = (Silence, Drive, Cut, CutFeedback, Clamp, Mismatch, Freeze, Lesion, Quantise)
KINDS: dict[str, Any] = {cls.kind: cls for cls in _CLASSES}

#: Arguments that are numbers.
_CONVERTED = (
    *((name, int) for name in ("layer", "index", "bits")),
    *((name, float) for name in ("fraction", "spread", "largest")),
)
#: Words of the command line by kind: the arguments that the parts between colons stand for.
FORMS: dict[str, tuple[tuple[str, ...], ...]] = {
    "silence": (("population",),),
    "drive": (("population", "current"), ("population", "compartment", "current")),
    "cut": (("population", "compartment"),),
    "cut_feedback": (("layer",),),
    "clamp": (("population", "compartment", "potential"),),
    "freeze": (("weights", "index"),),
    "lesion": (("weights", "index"), ("weights", "index", "fraction")),
    "mismatch": (("population", "of", "spread"),),
    "quantise": (("weights", "index", "bits"), ("weights", "index", "bits", "largest")),
}


def from_words(kind: str, text: str, **common) -> Perturbation:
    """Read a perturbation as the command line has it, such as ``clamp`` and ``layer_1:soma:-60mV``.

    Parameters
    ----------
    kind : str
        Key of `KINDS`.
    text : str
        Its arguments, separated by colons.
    **common
        Further arguments.

    Raises
    ------
    ParameterError
        In one line that names the option.
    """
    option = f"--{kind.replace('_', '-')} {text}"
    parts = [part.strip() for part in text.split(":")]
    form = next((form for form in FORMS[kind] if len(form) == len(parts)), None)
    if form is None or not all(parts):
        allowed = " or ".join(":".join(name.upper() for name in form) for form in FORMS[kind])
        raise ParameterError(f"{option}: must be {allowed}")
    values: dict[str, Any] = dict(zip(form, parts, strict=True))
    for name, convert in _CONVERTED:
        if name in values:
            try:
                values[name] = convert(values[name])
            except ValueError:
                raise ParameterError(f"{option}: {name} = {values[name]!r} should be a number") from None
    if "index" in values:
        values["weights"] = (values["weights"], values.pop("index"))
    try:
        return KINDS[kind](**values, **common)
    except ParameterError as error:
        raise ParameterError(f"{option}: {_without_class(error)}") from None


def to_toml(perturbations: Iterable[Perturbation]) -> str:
    """Write perturbations as a parameter file: a table ``[[perturbations]]`` for each."""
    tables = []
    for item in perturbations:
        table: dict[str, Any] = {"kind": item.kind}
        for name in sorted((field.name for field in fields(item)), key=_place):
            value = getattr(item, name)
            if value is not None:
                table[name] = str(value) if isinstance(value, Period) else value
        tables.append(table)
    return tomli_w.dumps({"perturbations": tables})


def from_toml(text: str, source: str = "perturbations") -> list[Perturbation]:
    """Read what `to_toml` gave, or a file in this form.

    Raises
    ------
    ParameterError
        In one line that names the file and the number of the perturbation, counted from 1.
    """
    tables = read_tables(text, source)
    entries = tables.get("perturbations")
    if set(tables) != {"perturbations"} or not isinstance(entries, list):
        raise ParameterError(f"{source}: must consist of tables [[perturbations]]")
    found = []
    for number, entry in enumerate(entries, start=1):
        where = f"{source}, perturbation {number}"
        values = dict(entry) if isinstance(entry, dict) else {}
        kind = values.pop("kind", None)
        if not isinstance(kind, str) or kind not in KINDS:
            raise ParameterError(f"{where}: kind = {kind!r}: must be one of {', '.join(KINDS)}")
        try:
            found.append(KINDS[kind](**values))
        except ParameterError as error:
            raise ParameterError(f"{where}: {_without_class(error)}") from None
    return found


def read_perturbations(path) -> list[Perturbation]:
    """Read perturbations from a file.

    Raises
    ------
    ParameterError
        In one line, for a file that cannot be read.
    RunError
        If it is the file of a run or an experiment that version 0.1.0 trained, and names weights of one layer: these
        were numbered by projection then.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ParameterError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ParameterError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from None
    found = from_toml(text, str(path))
    _check_numbers(Path(path), found)
    return found


def _check_numbers(path: Path, perturbations: Sequence[Perturbation]):
    """Refuse numbers by projection, by the checkpoints of the run or experiment whose file this is."""
    places = {item.weights for item in perturbations if isinstance(item, Freeze | Lesion | Quantise)}
    moved = sorted(place for place in places if by_layer(*place) != place)
    if not moved or path.name != PERTURBATIONS:
        return
    for checkpoint in [path.with_name(NAME), *sorted(path.parent.glob(f"*/seed_*/{NAME}"))]:
        if checkpoint.exists() and numbered_by_projection(read_archive(checkpoint), checkpoint):
            (key, k), (_, layer) = moved[0], by_layer(*moved[0])
            raise RunError(
                f"{path}: {key}:{k} is numbered as version {FIRST_VERSION} did; finish the experiment with that "
                f"version, or begin a new one with the layer's number, {key}:{layer}"
            )


_NAMES: Sequence[str] = ("population", "layer", "weights", "compartment", "potential", "current", "cells", "phases")


def _place(name: str) -> int:
    return _NAMES.index(name) if name in _NAMES else len(_NAMES)


def _without_class(error: ParameterError) -> str:
    name, colon, rest = str(error).partition(": ")
    return rest if colon and name in {cls.__name__ for cls in KINDS.values()} else str(error)
