"""What colours mean: one thing each, the same in all figures.

Of things that have an order, such as layers, the colours go from dark to light.
"""

from .style import COLOURS

#: Compartments, SST cells, and the weights that lead into each of them.
SOMA, BASAL, APICAL, SST = (COLOURS[name] for name in ("black", "blue", "vermillion", "green"))
#: Other cells beside those of a layer, whatever else has no colour of its own, and background input.
ERROR, MULTIPLIER, OTHERS, NOISE = COLOURS["orange"], "#A39000", (COLOURS["sky"], "#7F7F00", "#8C564B"), "#8C8C8C"
#: Lateral weights beside O, as shades of its green; and biases.
AUTAPSE, RECURRENT, BIAS = "#7FBF3F", "#00563F", "#6C7A89"
#: The teacher, also as a band behind the phases in which it acts, and phases in which it does not.
TEACHER, TAUGHT, UNTAUGHT = "#9A6A00", ("#FBE6C2", "#F3D08F"), ("#F2F2F2", "#E0E0E0")
#: Parts of a set of stimuli.
PARTS = {"train": "#C49A6C", "validation": "#8F6B3D", "test": "#5B3A1E"}
#: Circuits that are not perturbed, and perturbed ones by when they are: in testing, in training, in both.
CONTROL, TESTED, TRAINED, BOTH = "#595959", "#5FC4D0", "#1F8A99", "#0B4F5C"
#: What ours is compared with: published numbers, and loops written by hand.
REFERENCE = "#1A1A1A"
#: Layers from the stimulus upwards, dark to light, so that they are told apart in grey too; and what goes with them.
LAYERS = ("#1F0A52", "#7A1FA2", "#CB4B9B", "#EE8580", "#F2AE78", "#F3D29A")
_LAYER_MARKERS = "os^Dv*"
_LAYER_LINES = ("-", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)), (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)), (0, (2, 2)))
#: What has no order, such as classes or rules; ten colours that the colour-blind can tell apart (Petroff 2021).
CATEGORIES = (
    "#3F90DA", "#FFA90E", "#BD1F01", "#94A4A2", "#832DB6", "#A96B59", "#E76300", "#B9AC70", "#717581", "#92DADD",
)  # fmt: skip
_CATEGORY_MARKERS = "os^vDP*X<>"


def layer_colour(k):
    """Give the colour of layer or projection k, the same in all figures."""
    return LAYERS[k % len(LAYERS)]


def layer_marker(k):
    """Give the marker of layer or projection k, the same in all figures."""
    return _LAYER_MARKERS[k % len(_LAYER_MARKERS)]


def layer_line(k):
    """Give the style of lines without markers that belong to layer or projection k, the same in all figures."""
    return _LAYER_LINES[k % len(_LAYER_LINES)]


def category_look(n):
    """Give colour and marker of the n-th of some classes or rules; of the first hundred none is like another.

    The first ten differ in both.
    """
    tens = n // len(CATEGORIES)
    return {
        "color": CATEGORIES[n % len(CATEGORIES)],
        "marker": _CATEGORY_MARKERS[(n + tens) % len(_CATEGORY_MARKERS)],
    }
