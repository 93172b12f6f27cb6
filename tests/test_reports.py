"""The page of a report: complete, and sound by itself."""

import base64
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest

import corinfomax
from corinfomax.errors import ParameterError

#: Elements that have no end.
VOID = {"meta", "img", "br"}


class Page(HTMLParser):
    """Checks that what is opened is closed, and collects text, resources and headings."""

    def __init__(self, text):
        super().__init__()
        self.opened, self.sources, self.text, self.tags = [], [], "", set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.sources += [value for name, value in attributes if name in ("src", "href")]
        if tag not in VOID:
            self.opened.append(tag)

    def handle_endtag(self, tag):
        assert self.opened.pop() == tag

    def handle_data(self, data):
        self.text += data + " "


@pytest.fixture(scope="module")
def page(trained, tmp_path_factory):
    """The page of one run."""
    path = corinfomax.report([trained[-1]], tmp_path_factory.mktemp("report") / "report.html")
    return Page(path.read_text(encoding="utf-8"))


def test_a_page_holds_all_it_shows(page):
    """HTML closes what it opens, has no script and no outside resource; its pictures are PNG."""
    assert page.opened == []
    assert "script" not in page.tags
    pictures = [source for source in page.sources if not source.startswith("#")]
    assert pictures
    for picture in pictures:
        kind, _, data = picture.partition(",")
        assert kind == "data:image/png;base64"
        assert base64.b64decode(data).startswith(b"\x89PNG")


def test_a_page_says_what_was_run_and_what_became_of_it(page, trained):
    """Oracle: the run. Its last score, changed parameters, versions, populations, findings and references are there."""
    run = corinfomax.Run(trained[-1])
    assert f"{run.history['test_accuracy'].iloc[-1]:.4g}" in page.text
    assert str(run.configuration.training.seed) in page.text
    for word in ("layer_1", "HiddenPyramidal", "brian2", "Euler step", "@", "Bozkurt2023", "Findings"):
        assert word in page.text


def test_runs_are_compared(trained, tmp_path):
    """Two runs: a row for each in the comparison, a part for each below; the same run twice is refused."""
    kept = shutil.copytree(Path(__file__).parents[1] / "examples" / "runs" / "digits", tmp_path / "digits")
    path = corinfomax.report([trained[-1], kept], tmp_path / "both.html")
    text = path.read_text(encoding="utf-8")
    assert re.findall(r'id="(run-\d)"', text) == ["run-1", "run-2"]
    comparison = Page(text[text.index("<h2>Comparison</h2>") : text.index('<h2 id="run-1">')]).text
    for run in (trained[-1], kept):
        assert f"{corinfomax.Run(run).history['test_accuracy'].iloc[-1]:.4g}" in comparison
    with pytest.raises(ParameterError, match="has seed 0 twice"):
        corinfomax.report([kept, kept], tmp_path / "twice.html")
    assert not (tmp_path / "twice.html").exists()


def test_only_a_report_is_replaced(trained, refused, tmp_path):
    """A file of the user's in the report's place stays as it is; an earlier report gives way."""
    own = tmp_path / "notes.html"
    own.write_text("<p>Mine.</p>")
    assert "notes.html: exists and is no report" in refused("report", trained[-1], "--out", own)
    assert own.read_text() == "<p>Mine.</p>"
    report = tmp_path / "report.html"
    report.write_text("<p>Made by corinfomax report. Of yesterday.</p>")
    corinfomax.report([trained[-1]], report)
    assert "yesterday" not in report.read_text(encoding="utf-8")


def test_what_is_no_run_is_refused(refused, tmp_path):
    """A folder without a run is one line, and no file is written; so is a report of nothing."""
    assert "no" in refused("report", tmp_path, "--out", tmp_path / "x.html")
    assert not (tmp_path / "x.html").exists()
    with pytest.raises(ParameterError, match="needs a run folder"):
        corinfomax.report([])
