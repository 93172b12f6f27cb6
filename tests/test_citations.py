"""What to cite, by oracles: CITATION.cff as PyYAML reads it, BibTeX as pybtex reads it, and the circuits themselves."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from pybtex.database import parse_string

import corinfomax
from corinfomax.errors import ParameterError
from corinfomax.networks import Adam
from corinfomax.protocols.runs import Configuration, Run, presets
from corinfomax.protocols.runs.citations import PACKAGE, SIMULATOR, bibtex, cited, works
from corinfomax.protocols.systems import MODELS, model_named
from corinfomax.stimuli.registry import BUILT_IN, CITATIONS, register
from corinfomax.toml import loads

ROOT = Path(__file__).resolve().parents[1]
CFF = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))


def entries(text):
    """Entries of BibTeX by their keys; pybtex raises for what it cannot parse, and for keys that stand twice."""
    return parse_string(text, "bibtex").entries


def test_references_are_read_back_from_bibtex_as_they_stand_in_the_citation_file():
    """Every reference: persons, title, year, volume, pages and DOI are those of CITATION.cff, under its own key."""
    found = entries("\n".join(bibtex(cited_alone(key)) for key in works() if key != PACKAGE))
    assert len(found) == len(CFF["references"]) > 12
    for work in CFF["references"]:
        entry = found[f"{work['authors'][0]['family-names']}{work['year']}".replace("ö", "o").replace("á", "a")]
        people = [(" ".join(p.last_names), " ".join(p.first_names + p.middle_names)) for p in entry.persons["author"]]
        assert people == [(person["family-names"], person["given-names"]) for person in work["authors"]]
        assert entry.fields["title"] == "{" + work["title"] + "}"
        assert entry.fields["year"] == str(work["year"])
        for field, key in {"journal": "journal", "volume": "volume", "number": "issue", "url": "url"}.items():
            assert entry.fields.get(field) == work.get(key)
        assert entry.fields.get("pages", "").split("--") == [work.get("start", ""), *filter(None, [work.get("end")])]
        identifiers = [each["value"] for each in work.get("identifiers", ()) if each["type"] == "doi"]
        assert entry.fields.get("doi") == next(iter([work["doi"]] if "doi" in work else identifiers), None)


def cited_alone(key):
    """One reference, as a system that cites nothing else gives it."""
    from corinfomax.protocols.runs import citations

    return citations._entry(key, works()[key])


def test_every_preset_has_something_to_cite():
    """Each preset cites the package, its system, its stimuli, and Brian2 just if its system has dynamics."""
    for name, path in presets().items():
        values = loads(path.read_text(encoding="utf-8"))
        model, stimuli = model_named(values["circuit"]["model"]), values["stimuli"]["stimuli"]
        found = entries(corinfomax.cite(name))
        assert next(iter(found)) == PACKAGE, name
        for citations in (model.citations, CITATIONS[stimuli]):
            assert len(citations) > 0, name
            assert set(citations) <= set(found), name
        assert (SIMULATOR in found) == bool(model.protocols), name


def test_every_reference_is_cited_by_a_system_or_a_set():
    """The keys that systems and sets of stimuli name, and Brian2's, are the keys of CITATION.cff."""
    named = {key for name in MODELS for key in model_named(name).citations} | {SIMULATOR}
    named |= {key for name in BUILT_IN for key in CITATIONS[name]}
    assert named == set(works()) - {PACKAGE}


@pytest.mark.parametrize("name", sorted(name for name in presets() if name.startswith("digits")))
def test_adam_is_cited_where_it_is_used(name):
    """Adam's paper is cited just if an optimiser of the built circuit is Adam."""
    configuration = Configuration.read(name)
    optimisers = [plasticity.optimiser for plasticity in configuration.build_circuit().plasticity]
    assert ("Kingma2015" in cited(name)) == any(isinstance(optimiser, Adam) for optimiser in optimisers)


def test_the_package_is_cited_as_the_citation_file_has_it():
    """Without a source: the package with title and version of CITATION.cff, the paper of its circuits, and Brian2."""
    found = entries(corinfomax.cite())
    assert list(found) == [PACKAGE, "Bozkurt2023", "Stimberg2019"]
    assert found[PACKAGE].fields["title"] == "{" + CFF["title"] + "}"
    assert found[PACKAGE].fields["note"] == f"Version {CFF['version']}"
    assert found[PACKAGE].fields["year"] == str(CFF["date-released"].year)


def test_a_run_is_cited_with_the_version_it_was_begun_with(command, run):
    """`corinfomax cite RUN` and `cite(Run)` name the run's own version, if another than this one's without its year."""
    environment = json.loads((run / "environment.json").read_text(encoding="utf-8"))
    assert environment["versions"]["corinfomax"] == CFF["version"]
    environment["versions"]["corinfomax"] = "0.0.9"
    (run / "environment.json").write_text(json.dumps(environment), encoding="utf-8")
    code, out, err = command("cite", run)
    assert (code, err) == (0, "")
    package = entries(out)[PACKAGE]
    assert package.fields["note"] == "Version 0.0.9"
    assert "year" not in package.fields
    assert corinfomax.cite(Run(run)) == out
    (run / "environment.json").write_text("{", encoding="utf-8")
    assert entries(command("cite", run)[1])[PACKAGE].fields["note"] == f"Version {CFF['version']}"


def test_json_has_the_same_fields(command):
    """`--json` prints the entries' fields, which pybtex reads in the BibTeX, too."""
    code, out, _ = command("cite", "digits_fa_ce", "--json")
    assert code == 0
    for key, entry in entries(command("cite", "digits_fa_ce")[1]).items():
        printed = json.loads(out)[key]
        assert printed["type"] == entry.type
        assert {name: printed[name] for name in entry.fields} == dict(entry.fields)


def test_systems_and_stimuli_of_ones_own_bring_their_references(monkeypatch, tmp_path):
    """BibTeX of one's own is printed as it is, once; a key that does not exist is refused in one line that names it."""
    own = "@misc{Me2030,\n  title = {Mine},\n  year = {2030},\n}"
    mine = replace(model_named("equilibrium"), citations=(own, "Scellier2017"))
    monkeypatch.setitem(MODELS, "mine", mine)
    monkeypatch.setitem(CITATIONS, "bars", ())
    register("bars", lambda data: None, citations=[own])
    path = tmp_path / "mine.toml"
    path.write_text(
        '[circuit]\nmodel = "mine"\narchitecture = [4, 3, 2]\n[stimuli]\nstimuli = "bars"\n', encoding="utf-8"
    )
    found = entries(corinfomax.cite(path))
    assert list(found) == [PACKAGE, "Me2030", "Scellier2017", SIMULATOR]
    assert found["Me2030"].fields["year"] == "2030"
    monkeypatch.setitem(MODELS, "mine", replace(mine, citations=("Scelier2017",)))
    with pytest.raises(ParameterError, match=r"'Scelier2017' is not in CITATION.cff; did you mean 'Scellier2017'\?"):
        corinfomax.cite(path)


@pytest.mark.parametrize(
    ("source", "words"),
    [("digitss", "did you mean 'digits'"), ("runs/nothing", "not a run folder"), ("a.toml", "no such file")],
)
def test_what_does_not_exist_is_one_line(command, source, words):
    """A preset, run folder or file that does not exist: exit code 1 and one line that names it."""
    code, out, err = command("cite", source)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert source in err
    assert words in err


@pytest.mark.parametrize("ask", [corinfomax.cite, corinfomax.describe])
def test_what_is_no_source_is_refused(ask):
    """The line shows what was given, and tells what may be."""
    with pytest.raises(ParameterError, match="3: should be a preset, a parameter file, a run folder or a Run"):
        ask(3)
