"""A circuit's wiring as a picture, drawn from its description in plain values."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch
from matplotlib.path import Path

from ...errors import ParameterError
from .cell_shapes import Shape
from .style import COLOURS, publication_style

#: Names of the package's own cells, as a reader of the paper calls them; other kinds keep their class's name.
KINDS = {
    "HiddenPyramidal": "pyramidal cells",
    "OutputPyramidal": "pyramidal cells",
    "SST": "SST cells",
    "LeakySST": "leaky SST cells",
    "MultiplierCell": "multiplier cells",
    "BackgroundInput": "background input",
    "StimulusCell": "fibres",
}

_MULTIPLIER = (COLOURS["orange"], "multiplier cells (constraints)")
#: Colour and meaning by the key of the weights.
WEIGHTS = {
    "W_ff": (COLOURS["blue"], r"feedforward $W_\mathrm{ff}$"),
    "W_fb": (COLOURS["vermillion"], r"feedback $W_\mathrm{fb}$"),
    "W": (COLOURS["blue"], "$W$"),
    "M": (COLOURS["green"], "recurrent $M$"),
    "b": (COLOURS["purple"], "biases $b$"),
    "D": (COLOURS["purple"], "autapses $D$"),
    "O": (COLOURS["green"], "SST cells, afferents $O$"),
    "A": _MULTIPLIER,
    "shunts": _MULTIPLIER,
}
_SYMBOLS = {"shunts": r"g_\mathrm{shunt}"}
_OTHER_COLOURS = (COLOURS["sky"], COLOURS["black"], "#7F4F24", "#8A8A00")
_NOISE, _TEACHER = "0.55", COLOURS["black"]

#: In units of the drawing, of which one is so many inches.
_PITCH, _STIMULUS_PITCH, _SIDE, _LEFT, _INCH = 4.1, 2.7, 3.7, -2.8, 0.5
_LEGEND_COLUMNS = 3


@publication_style()
def circuit_diagram(description, ax=None):
    """Draw the populations and projections of a circuit, a layer a row, the stimulus at the bottom.

    Each population is drawn as one cell, with its number of cells; each projection as an arrow to the compartment that
    it enters, with its weights and their shape, target × source. Bars are inhibition by interneurons. Cells without a
    basal and an apical dendrite are round. Weights that are carried from their postsynaptic to their presynaptic side
    bear a transposition sign, ⊤. A bias comes from a dot. Every arrow and label bears its name as `gid`, by which it is
    found in an SVG.

    Parameters
    ----------
    description : dict
        What `Circuit.description()` gives, or `circuit.json` of a run folder holds.
    ax : matplotlib.axes.Axes, optional
        Where to draw, about 3.5 by 1.9 inches a layer; a new figure of fitting size by default.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ParameterError
        The description lacks something.
    """
    try:
        diagram = _Diagram(description)
    except (KeyError, TypeError, IndexError, ValueError) as error:
        reason = f"has no {error}" if isinstance(error, KeyError) else f"is damaged ({error})"
        raise ParameterError(f"circuit_diagram: the description {reason}") from None
    if ax is None:
        left, right, bottom, top = diagram.extent
        legend = 0.4 + 0.2 * -(-len(diagram.legend) // _LEGEND_COLUMNS)
        ax = plt.subplots(figsize=(_INCH * (right - left), _INCH * (top - bottom) + legend))[1]
    diagram.draw(ax)
    return ax


class _Diagram:
    """Where everything stands, found from the description before anything is drawn."""

    def __init__(self, description):
        self.layers = list(description["layers"])
        self.populations = {item["name"]: item for item in description["populations"]}
        self.shapes, self.labels, self.arrows, self.dots, self.legend = {}, [], [], [], {}
        self._biases = {}
        self._other_colours = {}
        links, projections = description["links"], description["projections"]
        self._driven = {item["target"] for item in (*links, *projections) if item["source"] is not None}
        self._place()
        seen = {}
        for item in projections:
            if item["source"] is None:
                self._bias(item)
                continue
            pair = item["source"], item["target"]
            seen[pair] = seen.get(pair, -1) + 1
            self._project(item, seen[pair])
        for item in links:
            self._link(item)
        if description["teacher"] is not None:
            self._teach(description["teacher"])

    @property
    def extent(self):
        heights = [shape.y for shape in self.shapes.values()]
        right = 6.9 if any(shape.x == _SIDE for shape in self.shapes.values()) else 4.2
        return -5.4, right, min(heights) - 0.9, self.top

    def _place(self):
        heights = {k: _STIMULUS_PITCH + _PITCH * (k - 1) if k else 0.0 for k in range(len(self.layers))}
        beside = {}
        for name, item in self.populations.items():
            if name not in self.layers:
                source = name not in self._driven
                beside.setdefault((item["layer"], source), []).append(name)
        for k, name in enumerate(self.layers):
            item, y = self.populations[name], heights[k]
            form = "pyramidal" if {"basal", "apical"} <= set(item["compartments"]) else "round" if k else "fibres"
            self.shapes[name] = Shape(form, 0.0, y, "0.8", name)
            title = f"Layer {k}" if k else "Stimulus"
            title = "Output layer" if 0 < k == len(self.layers) - 1 else title
            self._label(-2.2, y, f"{title}\n{_count(item)}", name, ha="right", weight="bold")
        for (k, source), names in beside.items():
            offsets = [1.0] if source else [0.6, -1.0]
            offsets = offsets if len(names) <= len(offsets) else np.linspace(1.0, -1.1, len(names))
            for name, dy in zip(names, offsets, strict=False):
                x, y = (_LEFT if source else _SIDE), heights[k] + dy
                kind = self.populations[name]["kind"]
                colour = _NOISE if source else _interneuron_colour(kind)
                self.shapes[name] = Shape("source" if source else "round", x, y, colour, name)
                side = -1 if source else 1
                text = (
                    _count(self.populations[name]).replace(" ", "\n", 1) if source else _count(self.populations[name])
                )
                self._label(x + 0.45 * side, y, text, name, ha="right" if source else "left")
        self.top = max(heights.values()) + (2.0 if form == "pyramidal" else 0.9)

    def _label(self, x, y, text, name, **look):
        self.labels.append((x, y, text, {"gid": f"label {name}", **look}))

    def _project(self, item, number):
        source, target = self.populations[item["source"]], self.populations[item["target"]]
        key, k = item["weights"]
        colour, meaning = self._look(key)
        self.legend[meaning] = colour
        between = source["layer"] != target["layer"]
        text = _symbol(key, k if between else None, item.get("transposed", False))
        size = f"{target['size']}" if item["pattern"] == "one_to_one" else f"{target['size']} × {source['size']}"
        start, stop = self.shapes[item["source"]], self.shapes[item["target"]]
        look = {"color": colour, "gid": item["name"]}
        if item["source"] == item["target"]:
            self._loop(item, number, stop, f"{text}, {size}", look)
        elif item["source"] in self.layers and item["target"] in self.layers:
            self._between_layers(item, target["layer"] - source["layer"], number, f"{text}\n{size}", look)
        elif item["source"] in self.layers:
            bend = 0.06 if stop.y > start.y else (-0.15, 0.08, 0.24)[number % 3]
            self._curve(start.port("soma", 1), stop.port(None, -1), bend, look, f"{text}, {size}")
        else:
            (x, y), (to_x, to_y) = start.port(None, -1), stop.port(item["compartment"], 1)
            bar = _BAR if item["source"] in self._driven else {}
            self._curve((x + 0.06, y - 0.14), (to_x + 0.06, to_y - 0.2), -0.42, look | bar, f"{text}, {size}", 0.26)

    def _bias(self, item):
        (key, _), shape = item["weights"], self.shapes[item["target"]]
        colour, meaning = self._look(key)
        self.legend[meaning] = colour
        taken = self._biases[item["target"]] = self._biases.get(item["target"], -1) + 1
        x, y = shape.port(item["compartment"], 1)
        if shape.form == "round":
            x, y = shape.x + 0.16, shape.y - 0.28
        start = x + 0.3 + 0.6 * taken, y - 0.5 - 0.3 * taken
        look = {"color": colour, "gid": item["name"]}
        self.arrows.append((Path([start, (x, y)]), look))
        self.dots.append((*start, colour))
        size = self.populations[item["target"]]["size"]
        self._label(start[0] + 0.14, start[1], f"{_symbol(key, None)}, {size}", item["name"], ha="left", color=colour)

    def _between_layers(self, item, rise, number, text, look):
        start, stop = self.shapes[item["source"]], self.shapes[item["target"]]
        side = -1 if rise > 0 else 1
        x = side * (2.3 + 0.6 * number + 0.9 * (abs(rise) - 1))
        a, b = start.port("out", side), stop.port(item["compartment"], side)
        handles = (0.5, -0.3) if rise > 0 else (-0.2, 0.9)
        if stop.form == "round":  # its loops stand at its side
            b, handles = (stop.x, stop.y - np.sign(rise) * 0.32), (0.5 * rise, -0.9 * np.sign(rise))
        self.arrows.append((Path([a, (x, a[1] + handles[0]), (x, b[1] + handles[1]), b], _CUBIC), look))
        # Where neither the layer's own labels nor those of its interneurons stand.
        y = stop.y - 1.45 if rise > 0 else stop.y + 2.1
        place = {"ha": "right" if side < 0 else "left", "color": look["color"]}
        self._label(0.75 * x + 0.22 * side, y, text, look["gid"], **place)

    def _loop(self, item, number, shape, text, look):
        reach = 1.1 + 0.45 * number
        a, b = shape.port("soma", -1), shape.port(item["compartment"], -1)
        if shape.form == "round":
            a, b = (shape.x - 0.16, shape.y + 0.28), (shape.x - 0.16, shape.y - 0.28)
        elif item["compartment"] != "apical":
            a, b = (shape.x - 0.1, shape.y + 0.2), (shape.x - 0.3, shape.y - 0.2)
        x, lift = shape.x - reach, 0.25 if b[1] > a[1] else 0.35
        self.arrows.append((Path([a, (x, a[1] + lift), (x, b[1] - lift), b], _CUBIC), look))
        # A cubic with both handles at x is flattest there, at a quarter of its ends' x and three quarters of x.
        edge = (a[0] + b[0]) / 8 + 0.75 * x
        y = (a[1] + b[1]) / 2 + (0.8 * number if shape.form == "round" else 0.0)
        self._label(edge - 0.14, y, text.replace(", ", "\n"), look["gid"], ha="right", color=look["color"])

    def _link(self, item):
        start, stop = self.shapes[item["source"]], self.shapes[item["target"]]
        name = f"{item['source']}_to_{item['target']}_{item['slot']}"
        if item["source"] not in self._driven:
            look = {"color": _NOISE, "gid": name, "linestyle": "--", "linewidth": 0.9, "zorder": 1}
            self.legend["background input"] = _NOISE
            a = start.port(None, 1)
            if item["target"] in self.layers:
                self._curve(a, stop.port(item["compartment"], -1), 0.0, look)
            else:
                b = (stop.x, stop.y + 0.32)
                path = Path([a, (a[0] + 1.2, start.y + 1.0), (b[0] - 0.4, b[1] + 1.05), b], _CUBIC)
                self.arrows.append((path, look))
            return
        colour = _interneuron_colour(self.populations[item["source"]]["kind"])
        look = {"color": colour, "gid": name, **_BAR}
        a, b = start.port(None, -1), stop.port("trunk" if item["compartment"] == "apical" else item["compartment"], 1)
        a = (a[0] + 0.06, a[1] + 0.14)
        b = b if item["compartment"] == "apical" else (b[0], b[1] + 0.18)
        variable = r"$i_\mathrm{SST}$" if item["variable"] == "i_SST" else item["variable"]
        self._curve(a, b, 0.12, look, variable)

    def _teach(self, teacher):
        shape = self.shapes[teacher["population"]]
        x, y = shape.port(teacher["compartment"], 1)
        top = (shape.x, shape.y + 1.55) if teacher["compartment"] == "apical" else (x, y)
        if shape.form == "round":
            top = (shape.x, shape.y + 0.32)
        start = (top[0], max(top[1] + 0.75, shape.y + (1.2 if shape.form == "round" else 2.3)))
        look = {"color": _TEACHER, "gid": "teacher"}
        self.arrows.append((Path([start, top]), look))
        self._label(start[0], start[1] + 0.08, "teacher $y$", "teacher", ha="center", va="bottom")
        self.top = max(self.top, start[1] + 0.45)

    def _curve(self, a, b, bend, look, text=None, t=0.5):
        """Bend a line to its right by a share of its length, and put its label upon it, at t of 0 to 1."""
        (ax, ay), (bx, by) = a, b
        control = ((ax + bx) / 2 + bend * (by - ay), (ay + by) / 2 - bend * (bx - ax))
        self.arrows.append((Path([a, control, b], [Path.MOVETO, Path.CURVE3, Path.CURVE3]), look))
        if text is not None:
            shares = (1 - t) ** 2, 2 * t * (1 - t), t**2
            x, y = (sum(np.multiply(shares, points)) for points in zip(a, control, b, strict=True))
            self._label(x, y, text, look["gid"], ha="center", color=look["color"])

    def _look(self, key):
        if key in WEIGHTS:
            return WEIGHTS[key]
        colour = self._other_colours.setdefault(key, _OTHER_COLOURS[len(self._other_colours) % len(_OTHER_COLOURS)])
        return colour, _symbol(key, None)

    def draw(self, ax):
        left, right, bottom, top = self.extent
        ax.set_xlim(left, right)
        ax.set_ylim(bottom, top)
        ax.set_aspect("equal")
        ax.set_axis_off()
        for shape in self.shapes.values():
            shape.draw(ax)
        for path, look in self.arrows:
            ax.add_patch(FancyArrowPatch(path=path, **(_ARROW | look)))
        for x, y, colour in self.dots:
            ax.plot(x, y, "o", color=colour, markersize=3.5, zorder=4)
        paper = {"facecolor": "white", "edgecolor": "none", "pad": 0.8, "alpha": 0.9}
        for x, y, text, look in self.labels:
            ax.text(x, y, text, **({"va": "center", "fontsize": 7.5, "zorder": 5, "bbox": paper} | look))
        handles = [Line2D([], [], color=colour, label=meaning) for meaning, colour in self.legend.items()]
        if handles:
            ax.legend(
                handles=handles,
                loc="upper center",
                bbox_to_anchor=(0.5, 0.0),
                ncols=min(_LEGEND_COLUMNS, len(handles)),
                columnspacing=1.2,
            )


_CUBIC = [Path.MOVETO, Path.CURVE4, Path.CURVE4, Path.CURVE4]
_BAR = {"arrowstyle": "|-|, widthA=0, widthB=0.5"}
_ARROW = {"arrowstyle": "-|>", "mutation_scale": 8, "linewidth": 1.4, "zorder": 4, "shrinkA": 0, "shrinkB": 0}


def _count(item):
    kind, size = KINDS.get(item["kind"], item["kind"]), item["size"]
    if item["kind"] == "BackgroundInput":
        return kind
    return f"{size} {kind.removesuffix('s') if size == 1 else kind}"


def _symbol(key, k, transposed=False):
    head, _, tail = key.partition("_")
    symbol = head if len(head) == 1 else rf"\mathrm{{{head}}}"
    symbol += rf"_\mathrm{{{tail.replace('_', ' ')}}}" if tail else ""
    symbol = _SYMBOLS.get(key, symbol)
    number = "" if k is None else f"({k})"
    above = number + (r"\top" if transposed else "")
    return f"${symbol}^{{{above}}}$" if above else f"${symbol}$"


def _interneuron_colour(kind):
    return COLOURS["orange"] if "Multiplier" in kind else COLOURS["green"]
