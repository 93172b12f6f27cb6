import matplotlib
import matplotlib.pyplot as plt
import pytest
from test_packaging import PROJECT

from corinfomax.analysis.figures import publication_style
from corinfomax.analysis.figures.style import COLOURS, RC, layer_colour

matplotlib.use("Agg")

NAME = "corinfomax.analysis.figures.corinfomax"

#: What the style sets beside the colours.
SETTINGS = {
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 9,
    "axes.labelsize": 9,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "legend.title_fontsize": 8,
    "legend.frameon": False,
    "font.size": 9,
    "lines.linewidth": 1.4,
    "lines.markersize": 3.5,
    "figure.constrained_layout.use": True,
    "figure.dpi": 100,
    "savefig.dpi": 200,
    "savefig.facecolor": "white",
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
}
OKABE_ITO = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]


def test_the_style_file_sets_what_is_written_here_and_no_more():
    """Every setting and colour, exactly; the names of the colours go with Okabe & Ito's values."""
    found = dict(RC)
    assert found.pop("axes.prop_cycle").by_key() == {"color": OKABE_ITO}
    assert found == SETTINGS
    assert COLOURS["blue"] == "#0072B2"
    assert COLOURS["black"] == "#000000"
    assert [layer_colour(k) for k in (0, 1, 7)] == [OKABE_ITO[0], OKABE_ITO[1], OKABE_ITO[0]]


@pytest.mark.parametrize("use", [lambda: plt.style.context(NAME), publication_style], ids=["dotted name", "function"])
def test_the_style_is_in_force_for_a_while(use):
    """By the dotted name as by `publication_style`: its settings inside, the user's own afterwards, exactly."""
    before = dict(matplotlib.rcParams)
    with use():
        assert {key: matplotlib.rcParams[key] for key in RC} == dict(RC)
    assert dict(matplotlib.rcParams) == before


def test_the_style_file_is_package_data():
    """pyproject.toml puts it into wheels."""
    assert "*.mplstyle" in PROJECT["tool"]["setuptools"]["package-data"]["corinfomax.analysis.figures"]
