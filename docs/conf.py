"""Settings of the documentation: ``sphinx-build -W --keep-going -b html docs docs/_build/html``."""

import sys
from importlib.metadata import version as version_of
from pathlib import Path

import brian2 as b2
import matplotlib as mpl

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS))
from links import relinked  # noqa: E402
from reference import homes  # noqa: E402

# The examples draw into files, and run for so short a time that compiling their cells would take longer.
mpl.use("Agg")
b2.prefs.codegen.target = "numpy"

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
    "filename_pattern": r"\.py$",  # all of them are run, not only plot_*.py
    "within_subsection_order": "order.Order",
    "image_srcset": ["2x"],
    "remove_config_comments": True,
    "download_all_examples": False,
    "show_memory": False,
    "matplotlib_animations": True,
}


def relink(app, path, parent, text):
    """Mend the links of a document when it is included."""
    text[0] = relinked(text[0], (DOCS / path).resolve().parent)


def relink_page(app, name, source):
    """Mend the links of a page of this folder, which lead to documents elsewhere in the repository."""
    if "/" not in name:
        source[0] = relinked(source[0], DOCS)


def skip_requests(app, what, name, member, skip, options):
    """Leave out what scikit-learn gives estimators for its metadata routing: its words refer to its own pages."""
    return True if name.startswith("set_") and name.endswith("_request") else None


def setup(app):
    """Hook into what Sphinx reads."""
    app.connect("autodoc-skip-member", skip_requests)
    app.connect("source-read", relink_page)
    app.connect("include-read", relink)
