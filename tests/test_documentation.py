import ast
import importlib
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
import typer
from jinja2 import Environment

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
PACKAGES = (
    "corinfomax",
    "corinfomax.models",
    "corinfomax.networks",
    "corinfomax.protocols.clockwork",
    "corinfomax.protocols.comparison",
    "corinfomax.protocols.perturbations",
    "corinfomax.protocols.recording",
    "corinfomax.protocols.runs",
    "corinfomax.protocols.sweeps",
    "corinfomax.protocols.systems",
    "corinfomax.stimuli",
    "corinfomax.analysis",
    "corinfomax.analysis.figures",
)


@pytest.fixture
def docs(monkeypatch):
    """Import a module that conf.py uses."""
    monkeypatch.syspath_prepend(DOCS)

    def load(name):
        monkeypatch.delitem(sys.modules, name, raising=False)
        return importlib.import_module(name)

    return load


def gallery_settings():
    """What conf.py sets for the gallery, read and not executed, which would change this session's preferences."""
    for node in ast.parse((DOCS / "conf.py").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "sphinx_gallery_conf":
            return ast.literal_eval(node.value)
    raise AssertionError("conf.py has no sphinx_gallery_conf")


def inclusions():
    """What pages include: (page, file, text to start after or None, text to end before or None)."""
    for page in sorted(DOCS.glob("*.md")):
        for block in re.findall(
            r"^```\{include\} (.+?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
        ):
            file, *options = block.splitlines()
            given = dict(re.fullmatch(r':([\w-]+): "(.*)"', option).groups() for option in options)
            yield page.name, file, given.get("start-after"), given.get("end-before")


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_example_stands_in_the_gallery(path):
    """An example begins with a title, underlined as long as it is, and text; and the gallery's pattern takes it."""
    lines = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))).splitlines()
    assert re.fullmatch("=+", lines[1])
    assert len(lines[1]) >= len(lines[0])
    assert lines[2] == ""
    assert len(" ".join(lines[3:])) > 40
    gallery = gallery_settings()
    assert (DOCS / gallery["examples_dirs"]).resolve() == path.parent
    assert re.search(gallery["filename_pattern"], str(path))


def test_gallery_order_names_examples_once(docs):
    """Sorted as the gallery does, examples come each once, the first look first, a custom cell and rule last."""
    order = docs("order")
    names = [name.removesuffix(".py") for name in sorted((path.name for path in EXAMPLES), key=order.Order(""))]
    assert names[0] == "train_and_look"
    assert names[-3:] == ["custom_cell", "custom_rule", "custom_learner"]
    assert len(set(names)) == len(EXAMPLES)


def test_reference_lists_the_packages(docs):
    """The reference's first page lists the public packages, and so does what its pages are made from."""
    page = (DOCS / "api.rst").read_text(encoding="utf-8")
    assert tuple(re.findall(r"^   (corinfomax[\w.]*)$", page, flags=re.MULTILINE)) == PACKAGES
    assert docs("reference").PACKAGES == PACKAGES


@pytest.mark.parametrize("package", PACKAGES)
def test_public_names_are_in_the_reference(docs, package):
    """A package's page, made from its template, names each of `__all__` but packages, as the same thing elsewhere."""
    template = Environment()
    template.filters["underline"] = str
    source = (DOCS / "_templates/autosummary/module.rst").read_text(encoding="utf-8")
    homes = docs("reference").homes()
    page = template.from_string(source).render(fullname=package, homes=homes)
    listed = re.findall(r"^   ~?([\w.]+)$", page, flags=re.MULTILINE)
    public = importlib.import_module(package)
    names = [name for name in public.__all__ if not isinstance(getattr(public, name), ModuleType)]
    assert sorted(name.rpartition(".")[2] for name in listed) == sorted(names)
    for name, home in homes[package].items():
        owner, _, described = home.rpartition(".")
        assert owner in PACKAGES
        assert getattr(importlib.import_module(owner), described) is getattr(public, name)


def test_included_text_exists():
    """Each file that a page includes exists, and so do, in this order, the texts between which it is included."""
    found = list(inclusions())
    assert len(found) > 10
    for page, file, start, end in found:
        text = (DOCS / file).read_text(encoding="utf-8")
        begin = text.index(start) + len(start) if start else 0
        assert end is None or text.index(end, begin) > begin, page


def test_every_page_is_in_a_table_of_contents():
    """Each page of docs/ stands once in a toctree of the index; the README leads to those that a newcomer needs."""
    index = (DOCS / "index.md").read_text(encoding="utf-8")
    tables = re.findall(r"```\{toctree\}\n(.*?)```", index, re.DOTALL)
    listed = [name for table in tables for name in table.split("\n\n")[-1].split() if "/" not in name]
    assert sorted([*listed, "index"]) == sorted([*(path.stem for path in DOCS.glob("*.md")), "api"])
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    caption = index.partition(":caption: Begin here\n\n")[2].partition("```")[0].split()
    assert [name for name in caption if "/" not in name and f"](docs/{name}.md)" not in readme] == []


def test_readme_is_short_and_has_each_system():
    """The README has at most 130 lines; its table of systems has a command for each entry of the registry."""
    from corinfomax.protocols.runs import presets
    from corinfomax.protocols.systems import MODELS
    from corinfomax.toml import loads

    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert readme.count("\n") <= 130
    table = readme.partition("## Systems")[2].partition("\n## ")[0]
    named = re.findall(r"\| `corinfomax train (\w+)` \|$", table, re.MULTILINE)
    models = {loads(presets()[name].read_text(encoding="utf-8"))["circuit"]["model"] for name in named}
    own = {name for name, entry in MODELS.items() if isinstance(entry, str)}  # examples of other tests enter theirs
    assert models == own


def commands_in(text):
    """Words of each command that a text names: code that begins with `corinfomax`, up to a comment or a pipe."""
    code = [line for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]
    for line in code + re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL)):
        if line.startswith("corinfomax "):
            yield re.split(r"\s+(?:#|>|&&|\|)", line)[0].split()[1:]


@pytest.mark.parametrize("document", ["README.md", *(f"docs/{path.name}" for path in sorted(DOCS.glob("*.md")))])
def test_documented_commands_exist(document):
    """Each command line that a document prints names a command, presets and options that exist, by typer's account."""
    from corinfomax.commands.names import ANYWHERE, COMMANDS
    from corinfomax.protocols.runs import presets

    for words in commands_in((ROOT / document).read_text(encoding="utf-8")):
        if words[0].startswith("--") or words[0] == "COMMAND":
            continue
        assert words[0] in COMMANDS, words
        called = typer.Typer()
        called.command(words[0])(getattr(importlib.import_module(f"corinfomax.commands.{words[0]}"), words[0]))
        options = {name for item in typer.main.get_command(called).params for name in item.opts}
        given = {word.partition("=")[0] for word in words if word.startswith("--")}
        assert given <= {*options, *ANYWHERE, "--help"}, words
        if words[0] in ("train", "doctor", "cite") and words[1:] and re.fullmatch(r"[a-z]\w*", words[1]):
            assert words[1] in presets(), words


@pytest.mark.parametrize(
    "document",
    [
        *(
            "README.md",
            "results/README.md",
            "results/depth.md",
            "results/entropy.md",
            "results/robustness.md",
            "results/oscillation.md",
            "results/sensitivity.md",
        ),
        *(f"docs/{path.name}" for path in sorted(DOCS.glob("*.md")) if "](" in path.read_text(encoding="utf-8")),
    ],
)
def test_links_of_included_text_lead_somewhere(docs, document):
    """Relative links of an included document lead, from the site, to files or to pages of the gallery."""
    links = docs("links")
    path = ROOT / document
    text = links.relinked(path.read_text(encoding="utf-8"), path.parent)
    targets = [target for target in re.findall(r"\]\(([^)#\s]+)(?:#[\w-]+)?\)", text) if "://" not in target]
    assert targets
    for target in targets:
        made = re.fullmatch(r"gallery/(\w+)\.rst", target)
        sources = {path.stem for path in EXAMPLES} | {"index"}
        assert made.group(1) in sources if made else (DOCS / target).is_file(), target


def test_rules_have_pages_with_figures_and_presets_that_exist():
    """The overview of the rules leads to a page for each, with its figure; presets and rules they name exist."""
    pages = {path.stem: path.read_text(encoding="utf-8") for path in (DOCS / "rules").glob("*.md")}
    overview = pages.pop("index")
    assert len(pages) == 6
    for name, page in pages.items():
        assert f"]({name}.md)" in overview
        assert f"]({name}.png)" in page
        assert (DOCS / "rules" / f"{name}.png").stat().st_size < 120_000
    text = overview + "".join(pages.values())
    there = {path.stem for path in (ROOT / "protocols" / "presets").glob("*.toml")}
    named = set(re.findall(r"\b(?:digits|mnist|fashion_mnist|cifar10)_(?:ep|csm|pc|fa|bp)(?:_nudge|_mse|_ce)?\b", text))
    assert len(named) > 15
    assert named <= there
    for listed in re.findall(r"--rules ([\w,]+)", text):
        assert set(listed.split(",")) - {"mine"} <= set(
            importlib.import_module("corinfomax.protocols.comparison").RULES
        )


def test_links_without_a_page(docs):
    """A link elsewhere stays, one to a folder or document without a page becomes its text, an anchor is kept."""
    links = docs("links")
    text = "[a](https://b.c/d) [e](nowhere.md) [tests](tests) [g](results/entropy_notes.md) [f](docs/conventions.md#h)"
    expected = "[a](https://b.c/d) [e](nowhere.md) tests g [f](conventions.md#h)"
    assert links.relinked(text, ROOT) == expected


def test_built_pages_are_not_shipped():
    """What a build writes is ignored by git and pruned from the sdist."""
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").split()
    manifest = (ROOT / "MANIFEST.in").read_text(encoding="utf-8")
    for folder in ("docs/_build", "docs/api", "docs/gallery"):
        assert f"/{folder}/" in ignored
        assert f"prune {folder}\n" in manifest
