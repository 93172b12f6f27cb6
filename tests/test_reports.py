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
    kept = shutil.copytree(Path(__file__).parent / "runs" / "digits", tmp_path / "digits")
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
    """A file of the user's stays as it is, also one that quotes a report or is large; a report and nothing give way."""
    page = Path("page.html")
    for text in ("Mine.", "<p>Made by corinfomax report. My notes.</p>", "<!DOCTYPE html>\n<p>Mine.</p>"):
        page.write_text(text)
        assert "page.html: exists and is no report; choose another" in refused("report", trained[-1], "--out", page)
        assert page.read_text() == text
    with open("large.h5", "wb") as file:
        file.truncate(2**36)  # more than memory holds; the disk holds nothing of it
    assert "large.h5: exists and is no report" in refused("report", trained[-1], "--out", "large.h5")
    Path("folder").mkdir()
    assert "folder: is no file" in refused("report", trained[-1], "--out", "folder")
    assert "there is no folder nowhere" in refused("report", trained[-1], "--out", "nowhere/x.html")
    page.write_text("")
    for _ in range(2):
        corinfomax.report([trained[-1]], page)
        theory = page.read_text(encoding="utf-8")
        page.write_text(theory + "yesterday", encoding="utf-8")
    corinfomax.report([trained[-1]], page)
    assert page.read_text(encoding="utf-8") == theory


def test_what_is_no_run_is_refused(refused, tmp_path):
    """A folder without a run is one line, and no file is written; so is a report of nothing."""
    assert "no" in refused("report", tmp_path, "--out", tmp_path / "x.html")
    assert not (tmp_path / "x.html").exists()
    with pytest.raises(ParameterError, match="needs a run folder"):
        corinfomax.report([])
