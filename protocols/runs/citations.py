"""What to cite: references to what a run used, as BibTeX. Each reference stands once, in ``CITATION.cff``."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from ...errors import ParameterError, nearest
from ...stimuli.registry import citations_of
from ..systems import MODELS, model_named
from .configuration import Configuration
from .reading import presets
from .run import Run

#: Key of the package itself, and of what integrates circuits.
PACKAGE, SIMULATOR = "corinfomax", "Stimberg2019"
#: Key of the paper of an optimiser that some systems may choose.
_ADAM = "Kingma2015"

#: Types of BibTeX, by those of the Citation File Format; others are "misc".
_TYPES = {"article": "article", "conference-paper": "inproceedings", "report": "techreport"}
#: Fields of BibTeX that CFF calls otherwise.
_FIELDS = {
    "author": lambda work: " and ".join(map(_person, work["authors"])),
    "title": lambda work: "{" + _escaped(work["title"]) + "}",  # capitals stay
    "booktitle": lambda work: _escaped(work.get("collection-title")),
    "journal": lambda work: _escaped(work.get("journal")),
    "volume": lambda work: work.get("volume"),
    "number": lambda work: work.get("issue"),
    "pages": lambda work: "--".join(str(work[key]) for key in ("start", "end") if key in work),
    "institution": lambda work: _escaped(work.get("institution", {}).get("name")),
    "publisher": lambda work: _escaped(work.get("publisher", {}).get("name")),
    "year": lambda work: work.get("year") or getattr(work.get("date-released"), "year", None),
    "note": lambda work: f"Version {work['version']}" if "version" in work else None,
    "doi": lambda work: work.get("doi") or _identifier(work, "doi"),
    "url": lambda work: work.get("repository-code") or work.get("url"),
}


def cite(source: str | os.PathLike[str] | Run | None = None, trust: bool = False) -> str:
    """Give the references to what a run or a preset uses, as BibTeX: the package, its rule, Brian2, its stimuli.

    Parameters
    ----------
    source : str, path-like or Run, optional
        A preset, a parameter file that ends in ``.toml``, a run folder or a run. By default the package itself, with
        the circuits that it is named after.
    trust : bool, default False
        Whether code may be imported that a run folder holds or names, as in `Run`.

    Returns
    -------
    str
        BibTeX entries.

    Raises
    ------
    ParameterError
        For a preset that does not exist, or a system that cites what is not in ``CITATION.cff``.
    RunError
        For a folder that is not a run's.

    Examples
    --------
    >>> print(corinfomax.cite("digits_ep"))
    """
    return "\n".join(bibtex(entry) for entry in cited(source, trust).values())


def cited(source: str | os.PathLike[str] | Run | None = None, trust: bool = False) -> dict[str, dict[str, str] | str]:
    """Give the same by keys, each as fields of BibTeX beside its type; see `cite`.

    Returns
    -------
    dict of str to dict or str
        Entries that a system of one's own brings as BibTeX stay text.
    """
    known, package = works(), works()[PACKAGE]
    if source is None:
        names = (*model_named(next(iter(MODELS))).citations, SIMULATOR)
    else:
        configuration, run = opened(source, trust)
        version = None if run is None else run.folder.versions().get(PACKAGE)
        names = keys_of(configuration)
        if version not in (None, package["version"]):  # released in another year, maybe
            package = {key: value for key, value in package.items() if key != "date-released"} | {"version": version}
    found: dict[str, dict[str, str] | str] = {PACKAGE: _entry(PACKAGE, package)}
    for name in names:
        if name.lstrip().startswith("@"):
            found[name.partition("{")[2].partition(",")[0].strip()] = name.strip() + "\n"
        elif name not in known:
            raise ParameterError(f"citations: {name!r} is not in CITATION.cff; {nearest(name, known)}")
        else:
            found[name] = _entry(name, known[name])
    return found


def keys_of(configuration: Configuration) -> tuple[str, ...]:
    """Give the keys of what a configuration uses beside the package: its system, its stimuli, and Brian2 for circuits.

    Parameters
    ----------
    configuration : Configuration
    """
    entry = configuration.entry
    simulator = (SIMULATOR,) if entry.protocols else ()
    chosen = (_ADAM,) if getattr(configuration.circuit, "optimiser", "") == "adam" else ()
    return tuple(dict.fromkeys((*entry.citations, *chosen, *simulator, *citations_of(configuration.stimuli.stimuli))))


@cache
def works() -> dict[str, dict[str, Any]]:
    """Read ``CITATION.cff``: the package, and all references by the first author's family name and the year."""
    import yaml

    text = (resources.files(__package__.partition(".")[0]) / "CITATION.cff").read_text(encoding="utf-8")
    package = yaml.safe_load(text)
    return {PACKAGE: package, **{_key(work): work for work in package["references"]}}


def bibtex(entry: Mapping[str, str] | str) -> str:
    """Write an entry of `cited` as BibTeX."""
    if isinstance(entry, str):
        return entry
    fields = [f"  {name} = {{{value}}},\n" for name, value in entry.items() if name not in ("type", "key")]
    return f"@{entry['type']}{{{entry['key']},\n{''.join(fields)}}}\n"


def opened(source: str | os.PathLike[str] | Run, trust: bool) -> tuple[Configuration, Run | None]:
    """Give the configuration of a preset, a parameter file or a run, and the run if it is one."""
    if not isinstance(source, Run):
        if not isinstance(source, str | os.PathLike):
            raise ParameterError(f"{source!r}: should be a preset, a parameter file, a run folder or a Run")
        path = Path(os.path.expanduser(source))
        if path.suffix == ".toml" or str(source) in presets() or not (path.is_dir() or path.name != str(source)):
            return Configuration.read(source, trust=trust), None
        source = Run(path, trust)
    return source.configuration, source


def _key(work: Mapping[str, Any]) -> str:
    name = unicodedata.normalize("NFKD", work["authors"][0]["family-names"])  # BibTeX wants keys in ASCII
    return f"{name.encode('ascii', 'ignore').decode().replace(' ', '')}{work['year']}"


def _entry(key: str, work: Mapping[str, Any]) -> dict[str, str]:
    fields = {name: str(value) for name, read in _FIELDS.items() if (value := read(work))}
    return {"type": _TYPES.get(work["type"], "misc"), "key": key, **fields}


def _person(person: Mapping[str, str]) -> str:
    if "name" in person:  # of a group
        return "{" + _escaped(person["name"]) + "}"
    return f"{_escaped(person['family-names'])}, {_escaped(person['given-names'])}"


def _identifier(work: Mapping[str, Any], kind: str) -> str | None:
    return next((each["value"] for each in work.get("identifiers", ()) if each["type"] == kind), None)


def _escaped(text: str | None) -> str | None:
    """Let what LaTeX reads as its own stand for itself."""
    return None if text is None else re.sub(r"([&%$#_])", r"\\\1", text)
