"""Settings of the documentation: ``sphinx-build -W --keep-going -b html docs docs/_build/html``."""

import importlib
import os
import re
import sys
from importlib.metadata import version as version_of
from pathlib import Path

import matplotlib as mpl

# Examples are for one core, and their figures for files.
os.environ.setdefault("OMP_NUM_THREADS", "1")
mpl.use("Agg")

DOCS = Path(__file__).parent
ROOT = DOCS.parent
sys.path.insert(0, str(DOCS))  # for the order of the gallery

project = "corinfomax"
author = "The corinfomax developers"
copyright = f"2026, {author}"
version = release = version_of("corinfomax")

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "numpydoc",
    "myst_parser",
    "sphinx_gallery.gen_gallery",
]
templates_path = ["_templates"]
exclude_patterns = ["_build", "**/sg_execution_times.rst", "sg_execution_times.rst"]
default_role = "py:obj"  # `Preparation` in a docstring is a link where there is such a thing, else code

html_theme = "furo"
html_title = f"corinfomax {version}"
html_show_sourcelink = False

myst_heading_anchors = 3

#: The packages whose `__all__` is documented. What several offer is described where it comes first.
PACKAGES = (
    "corinfomax",
    "corinfomax.models",
    "corinfomax.networks",
    "corinfomax.protocols.clockwork",
    "corinfomax.protocols.runs",
    "corinfomax.protocols.stimuli",
    "corinfomax.analysis",
    "corinfomax.analysis.figures",
)


def homes() -> dict[str, dict[str, str]]:
    """Where each package's public names are described: package → name → full name."""
    found, described = {}, {}
    for package in PACKAGES:
        module = importlib.import_module(package)
        names = {}
        for name in module.__all__:
            thing = getattr(module, name)
            is_constant = not (isinstance(thing, type) or callable(thing))
            key = f"{package}.{name}" if is_constant else id(thing)
            names[name] = described.setdefault(key, f"{package}.{name}")
        found[package] = names
    return found


autosummary_generate = True
autosummary_ignore_module_all = False
autosummary_imported_members = True
autosummary_context = {"homes": homes()}
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # types stand in the docstrings
numpydoc_show_class_members = False

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"\.py$",  # all of them are run
    "within_subsection_order": "gallery_order.Order",
    "image_srcset": ["2x"],
    "remove_config_comments": True,
    "download_all_examples": False,
    "show_memory": False,
    "abort_on_example_error": False,
}

#: Documents of the repository that are included in a page here.
PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "docs/conventions.md": "conventions.md",
    "results/README.md": "results.md",
    "results/depth.md": "depth.md",
    "results/entropy.md": "entropy.md",
    "examples": "gallery/index.rst",
    "examples/own_cell.py": "gallery/own_cell.rst",
    "examples/own_rule.py": "gallery/own_rule.rst",
}


def relink(app, path, parent, text):
    """Let the links of an included document lead where they lead from its own folder.

    To a page here if there is one, to the file itself otherwise; a link to a folder that has no page becomes its text.
    A link that leads nowhere stays, and the build complains.
    """
    folder = (DOCS / path).resolve().parent

    def replaced(match):
        label, target, anchor = match.groups()
        place = (folder / target).resolve()
        if "://" in target or not place.exists():
            return match.group()
        name = place.relative_to(ROOT).as_posix()
        if name not in PAGES and place.is_dir():
            return label.strip("[]")
        return f"{label}({PAGES.get(name) or os.path.relpath(place, DOCS)}{anchor or ''})"

    text[0] = re.sub(r"(\[[^\]]*\])\(([^)#\s]+)(#[^)\s]+)?\)", replaced, text[0])


def setup(app):
    """Hook into what Sphinx reads."""
    app.connect("include-read", relink)
