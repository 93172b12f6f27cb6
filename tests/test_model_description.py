"""Tables that describe a model: complete, made from the circuit itself, and sound in each form."""

from html.parser import HTMLParser

import pytest

from corinfomax import describe, train
from corinfomax.networks import Circuit
from corinfomax.protocols.reports import written
from corinfomax.protocols.runs import Configuration

SOURCES = ("digits", "sparse_mnist", "digits_pc", "digits_psp", "mnist_bp_ce")


@pytest.fixture(params=SOURCES)
def described(request):
    """A preset, and its tables by title."""
    configuration = Configuration.read(request.param)
    return configuration, {each.title: each for each in describe(request.param)}


def rows_of(sections, begins):
    return [row for title, each in sections.items() if title.startswith(begins) for row in each.table.records()]


def test_tables_are_complete(described):
    """Oracle: the circuit. Each population, projection, parameter of a cell, weight, rule, phase and key has a row."""
    configuration, sections = described
    system, protocol = configuration.build_circuit(), configuration.build_protocol()
    weights = {row["name"] for row in rows_of(sections, "Weights")}
    assert weights == {f"{key}[{k}]" for key, arrays in system.weights.items() for k, W in arrays.items() if W.size}
    assert [row["weights"] for row in rows_of(sections, "Plasticity")] == [f"{key}[{k}]" for key, k in system.targets]
    keys = {(row["section"], row["key"]) for row in rows_of(sections, "Parameters")}
    there = configuration.to_dict()
    assert keys == {(f"[{section}]", key) for section, values in there.items() for key in values if key != "data"}
    if not isinstance(system, Circuit):
        assert not rows_of(sections, "Populations")
        return
    assert [row["name"] for row in rows_of(sections, "Populations")] == [spec.name for spec in system.populations]
    links = [(source, spec.name) for spec in system.populations for _, (source, _) in spec.links]
    connected = [(row["source"], row["target"]) for row in rows_of(sections, "Connectivity")]
    assert len(connected) == len(system.projections) + len(links)
    assert set(links) <= set(connected)
    told = {(row["value"].partition(" ")[0], row["meaning and origin"]) for row in rows_of(sections, "Cells")}
    for spec in system.populations:
        for row in spec.cell.parameters:
            assert (row.name, f"{row.meaning}; {row.source}") in told
    phases = [row["name"] for row in rows_of(sections, "Input") if row["what"] == "phase"]
    assert phases == [phase.name for phase in protocol.phases]


def test_values_have_units_and_origins():
    """Theory, of digits: 1/ε = 6.67, τ_u = 10 ms, eq 15; 30 steps of .05 τ_u are 15 ms; a default is told as such."""
    sections = {each.title: each for each in describe("digits")}
    cells = {row["value"]: row for row in rows_of(sections, "Cells: HiddenPyramidal")}
    assert cells["tau_u = 10 ms"]["unit"] == "second"
    assert "eq 15" in cells["g_A = 6.66667"]["meaning and origin"]
    assert "30 steps, 15 ms" in [row["value"] for row in rows_of(sections, "Input")]
    origin = {row["key"]: row["origin"] for row in rows_of(sections, "Parameters")}
    assert (origin["epsilon"], origin["beta"]) == ("default", "digits")


def test_weights_of_a_run_are_those_it_has_learnt(tmp_path):
    """Oracle: the checkpoint. Mean and deviation of all that learns, and the epoch; of the preset the initial ones."""
    run = train("digits_bp_ce", out=tmp_path / "run", epochs=2, architecture=[64, 8, 10], progress=False)
    rows = rows_of({each.title: each for each in describe(run.folder.path)}, "Weights")
    weights = run.circuit.weights
    for row in rows:
        key, k = row["name"].rstrip("]").split("[")
        W = weights[key][int(k)]
        assert row["mean ± standard deviation"] == f"{W.mean():.3g} ± {W.std():.3g}"
        assert row["what they are"] == "after epoch 2"
    initial = rows_of({each.title: each for each in describe("digits_bp_ce")}, "Weights")
    assert {row["what they are"] for row in initial} == {"initial"}


def test_each_form_is_sound():
    """HTML closes what it opens; LaTeX has a table for each title, and no bare underscore; Markdown has all titles."""
    sections = describe("digits")

    class Balance(HTMLParser):
        def __init__(self):
            super().__init__()
            self.open = []

        def handle_starttag(self, tag, attributes):
            if tag != "meta":
                self.open.append(tag)

        def handle_endtag(self, tag):
            assert self.open.pop() == tag

    balance = Balance()
    balance.feed(written(sections, "html"))
    assert balance.open == []
    latex = written(sections, "latex")
    assert latex.count("\\subsection*{") == latex.count("\\begin{tabular}") == len(sections)
    assert "_" not in latex.replace("\\_", "")
    markdown = written(sections)
    assert [line.removeprefix("## ") for line in markdown.splitlines() if line.startswith("## ")] == [
        each.title for each in sections
    ]


def test_the_command_prints_them(command, refused):
    """`describe` prints Markdown, in other forms as asked; an unknown preset is one line."""
    code, printed, _ = command("describe", "digits")
    assert (code, printed) == (0, written(describe("digits")))
    assert command("describe", "digits", "--format", "latex")[1].startswith("% ")
    assert "no such preset" in refused("describe", "digitz")
