"""Whether inputs excite or inhibit, as cells' equations say."""

import pytest

from corinfomax.models import Cell
from corinfomax.models.domains import RECTIFIED
from corinfomax.networks import (
    ContrastiveSimilarityMatching,
    CorInfoMax,
    EquilibriumPropagation,
    NudgedPredictiveCoding,
    PredictiveCoding,
    SimilarityMatchingCircuit,
)
from corinfomax.networks.description import effect, polarity

#: By circuit, the slots that published equations subtract; SST cells send -O r, multipliers are subtracted as a
#: current or from the potential, and shunts divide.
CIRCUITS = [
    (PredictiveCoding((6, 5, 3)), {"drive_prediction", "drive_bias", "error_own"}),
    (NudgedPredictiveCoding((6, 5, 3)), {"drive_prediction", "drive_bias", "error_own"}),
    (EquilibriumPropagation((6, 5, 3)), set()),
    (ContrastiveSimilarityMatching((6, 5, 3)), {"drive_lateral"}),
    (SimilarityMatchingCircuit((6, 3)), {"drive_lateral"}),
    (CorInfoMax((6, 5, 3), noise_soma=0.1, noise_apical=0.1), {"i_SST"}),
    (CorInfoMax((6, 5, 3), tau_A=5.0, tau_B=5.0, tau_SST=5.0), {"i_SST"}),
    (CorInfoMax((6, 5, 3), domain="B_1_plus", constraints="as_published"), {"i_SST", "drive_multiplier"}),
    (CorInfoMax((6, 5, 3), domain=["B_1", "simplex"]), {"i_SST", "drive_multiplier", "drive_shunt"}),
]


@pytest.mark.parametrize(("circuit", "inhibiting"), CIRCUITS)
def test_signs_are_those_of_the_published_equations(circuit, inhibiting):
    """Of every projection and link, -1 for what is subtracted and 1 for the rest."""
    found = circuit.description()
    for item in (*found["projections"], *found["links"]):
        assert item["sign"] == (-1 if item["slot"] in inhibiting else 1), item


@pytest.mark.parametrize(
    ("current", "sign"),
    [
        ("a - drive", -1),
        ("-(a - drive)", 1),
        ("-2*g*(drive + a)", -1),
        ("drive*(1 - r)", 1),
        ("a/(1 + drive)", -1),
        ("-clip(-drive, 0, inf)", 1),
        ("drive*(E - u)", 0),
        ("drive - g*drive", 0),
        ("a*int(drive > 0)", 0),
        ("a", 0),
    ],
)
def test_signs_of_single_equations(current, sign):
    """By elementary calculus at positive variables; 0 where the sign depends on them, or nothing depends on the input.

    A conductance times the distance to a reversal potential may excite or inhibit.
    """

    class Example(Cell):
        equations = f"du/dt = (I - u)/ms : 1\nI = {current} : 1\n" + "".join(
            f"{name} : 1\n" for name in ("drive", "a", "g", "E", "r")
        )
        drives = ("drive",)

    assert effect(Example(), "drive") == sign


def test_what_a_cell_sends_may_fall_with_its_potential():
    """A rate and a copy of the potential rise with it, its negative falls; what is not computed from it is as it is."""

    class Example(Cell):
        equations = "du/dt = -u/ms : 1\ncopy = 2*u : 1\nless = 1 - copy : 1\nfree : 1\nr : 1"

    cell = Example(RECTIFIED)
    assert [polarity(cell, name) for name in ("u", "r", "copy", "less", "free")] == [1, 1, 1, -1, 1]
