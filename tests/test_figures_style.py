from collections.abc import Iterable

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from test_packaging import PROJECT

from corinfomax.analysis.figures import learning_curve, meanings, publication_style, save_figure
from corinfomax.analysis.figures.style import COLOURS, RC, place

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


@pytest.mark.parametrize("use", [lambda: plt.style.context(NAME), publication_style], ids=["dotted name", "function"])
def test_the_style_is_in_force_for_a_while(use):
    """By the dotted name as by `publication_style`: its settings inside, the user's own afterwards, exactly."""
    before = dict(matplotlib.rcParams)
    with use():
        assert {key: matplotlib.rcParams[key] for key in RC} == dict(RC)
    assert dict(matplotlib.rcParams) == before


def colours_in(value):
    """All colours in nested containers of them."""
    if isinstance(value, str):
        return [value.upper()] if value.startswith("#") else []
    if isinstance(value, dict):
        value = value.values()
    return [colour for each in value for colour in colours_in(each)] if isinstance(value, Iterable) else []


def test_no_colour_has_two_meanings():
    """All colours of `meanings`, by their hexadecimal values, occur once; layers take theirs in turn."""
    found = [each for name, value in vars(meanings).items() if name.isupper() and name != "COLOURS"
             for each in colours_in(value)]  # fmt: skip
    assert len(found) == len(set(found)) > 40
    assert [meanings.layer_colour(k) for k in (0, 1, 6)] == [meanings.LAYERS[k] for k in (0, 1, 0)]


def test_layers_are_told_apart_in_grey():
    """CIE's lightness L*, of sRGB's luminance, rises by 8 at least from layer to layer; lines differ."""
    shades = np.array([matplotlib.colors.to_rgb(colour) for colour in meanings.LAYERS])
    linear = np.where(shades <= 0.04045, shades / 12.92, ((shades + 0.055) / 1.055) ** 2.4)
    lightness = 116 * np.cbrt(linear @ (0.2126, 0.7152, 0.0722)) - 16
    assert np.diff(lightness).min() > 8
    assert np.diff(lightness)[:2].min() > 18  # most circuits have no more
    assert len({meanings.layer_line(k) for k in range(len(meanings.LAYERS))}) == len(meanings.LAYERS)


@pytest.mark.parametrize("number", [10, 100])
def test_categories_are_told_apart(number):
    """Of a hundred no two have colour and marker in common, of ten neither."""
    looks = [meanings.category_look(n) for n in range(number)]
    assert len({tuple(look.values()) for look in looks}) == number
    if number == 10:
        assert [len({look[key] for look in looks}) for key in ("color", "marker")] == [10, 10]


@pytest.mark.parametrize(
    "settings",
    [{"text.usetex": True}, {"font.family": "No Such Font"}, {"axes.prop_cycle": "cycler('color', ['r'])"}],
    ids=["LaTeX", "font", "colours"],
)
def test_the_user_s_settings_do_not_reach_figures(settings, tmp_path, caplog, recwarn):
    """With LaTeX, a font that is missing, other colours: no error, warning or log, and the picture is the same.

    The oracle is the picture at matplotlib's own settings, byte for byte.
    """
    history = pd.DataFrame({"epoch": [1, 2], "test_accuracy": [0.5, 0.6]})
    pictures = []
    for name, own in (("plain.png", {}), ("own.png", settings)):
        with matplotlib.rc_context(own):
            save_figure(learning_curve(history).figure, [tmp_path / name])
        pictures.append((tmp_path / name).read_bytes())
    assert pictures[0] == pictures[1]
    assert caplog.records == []
    assert list(recwarn) == []


def test_a_figure_is_laid_out_as_matplotlib_does(tmp_path, monkeypatch):
    """The picture is that of Matplotlib's own `savefig`, laid out for each file again, to 5 of 255 grey levels."""
    monkeypatch.setattr("corinfomax.analysis.figures.report.place", place)  # which other tests leave out
    monkeypatch.setitem(RC, "savefig.dpi", 50)  # as many as tests draw
    history = pd.DataFrame({"epoch": [1, 2], "test_accuracy": [0.5, 0.6]})
    with publication_style():
        learning_curve(history).figure.savefig(tmp_path / "theory.png")
    save_figure(learning_curve(history).figure, [tmp_path / "found.pdf", tmp_path / "found.png"])
    found, theory = (plt.imread(tmp_path / f"{name}.png") for name in ("found", "theory"))
    np.testing.assert_allclose(found, theory, rtol=0, atol=5 / 255)


def test_figures_need_no_display(tmp_path, monkeypatch):
    """Where pyplot's backend cannot be used, a figure is drawn and saved all the same."""

    def unusable(*words, **options):
        raise ImportError("cannot load backend")

    monkeypatch.setattr(plt, "figure", unusable)
    history = pd.DataFrame({"epoch": [1, 2], "test_accuracy": [0.5, 0.6]})
    (path,) = save_figure(learning_curve(history).figure, [tmp_path / "curve.png"])
    assert path.stat().st_size > 1000


def test_the_style_file_is_package_data():
    """pyproject.toml puts it into wheels."""
    assert "*.mplstyle" in PROJECT["tool"]["setuptools"]["package-data"]["corinfomax.analysis.figures"]
