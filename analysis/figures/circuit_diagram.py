"""A circuit's wiring as a picture, drawn from its description in plain values."""

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch
from matplotlib.path import Path

from ...errors import ParameterError
from .cell_shapes import Shape
from .label_places import Places, points_along
from .meanings import APICAL, AUTAPSE, BASAL, BIAS, ERROR, MULTIPLIER, NOISE, OTHERS, RECURRENT, SST, TEACHER
from .style import literal, new_axis, publication_style

#: Names of the package's own cells, as a reader of the paper calls them; other kinds keep their class's name.
KINDS = {
    "HiddenPyramidal": "pyramidal cells",
    "OutputPyramidal": "pyramidal cells",
    "SST": "SST cells",
    "LeakySST": "leaky SST cells",
    "MultiplierCell": "multiplier cells",
    "HiddenPoint": "point cells",
    "CompetingPoint": "point cells",
    "OutputPoint": "point cells",
    "LinearPoint": "linear cells",
    "ReciprocalPyramidal": "pyramidal cells",
    "ReciprocalOutput": "pyramidal cells",
    "ErrorCell": "error cells",
    "SigmoidValue": "value cells",
    "RectifiedValue": "value cells",
    "OutputValue": "value cells",
    "NudgedOutputValue": "value cells",
    "BackgroundInput": "background input",
    "StimulusCell": "fibres",
}

_MULTIPLIER = (MULTIPLIER, "multiplier cells (constraints)")
#: Colour and meaning by the key of the weights.
WEIGHTS = {
    "W_ff": (BASAL, r"feedforward $W_\mathrm{ff}$"),
    "W_fb": (APICAL, r"feedback $W_\mathrm{fb}$"),
    "W": (BASAL, "$W$"),
    "M": (RECURRENT, "recurrent $M$"),
    "b": (BIAS, "biases $b$"),
    "D": (AUTAPSE, "autapses $D$"),
    "O": (SST, "SST cells, afferents $O$"),
    "A": _MULTIPLIER,
    "shunts": _MULTIPLIER,
}
#: Colour of cells beside a layer by their role, and roles of the package's own where a description has none.
_ROLES = {"interneuron": SST, "error": ERROR, "multiplier": MULTIPLIER}
_FORMER_ROLES = {"SST": "interneuron", "LeakySST": "interneuron", "ErrorCell": "error", "MultiplierCell": "multiplier"}
_SYMBOLS = {"shunts": r"g_\mathrm{shunt}"}
_VARIABLES = {"i_SST": r"$i_\mathrm{SST}$"}

#: In units of the drawing, of which one is so many inches.
_PITCH, _STIMULUS_PITCH, _SIDE, _LEFT, _INCH = 4.1, 2.7, 3.7, -2.8, 0.5
_LEGEND_COLUMNS = 3


@publication_style()
def circuit_diagram(description, ax=None):
    """Draw the populations and projections of a circuit, a layer a row, the stimulus at the bottom.

    Each population is drawn as one cell, with its number of cells; each projection as an arrow to the compartment that
    it enters, with its weights and their shape, target × source. Bars are inhibition: inputs that the cells' equations
    take up with a minus sign. Cells without a basal and an apical dendrite are round. Weights that are carried from
    their postsynaptic to their presynaptic side bear a transposition sign, ⊤. A bias comes from a dot. Every arrow and
    label bears its name as `gid`, by which it is found in an SVG.

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
        ax = new_axis(_INCH * (right - left), _INCH * (top - bottom) + legend)
    diagram.draw(ax)
    return ax


class _Diagram:
    """Where everything stands, found from the description before anything is drawn."""

    def __init__(self, description):
        self.layers = list(description["layers"])
        self.populations = {item["name"]: item for item in description["populations"]}
        self.shapes, self.labels, self.arrows, self.dots, self.legend = {}, [], [], [], {}
        self.line_labels = []
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
                colour = NOISE if source else _colour_beside(self.populations[name])
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
        look = {"color": colour, "gid": item["name"]} | self._head(item)
        if item["source"] == item["target"]:
            self._loop(item, number, self.shapes[item["target"]], f"{text}\n{size}", look)
        elif item["source"] in self.layers and item["target"] in self.layers:
            self._between_layers(item, target["layer"] - source["layer"], number, f"{text}\n{size}", look)
        else:
            self._connect(item, number, f"{text}, {size}", look)

    def _head(self, item):
        """Draw a bar where the input inhibits; where the equations leave it open, interneurons are taken to inhibit."""
        between_kinds = item["source"] is not None and item["source"] not in self.layers
        sign = item.get("sign") or (-1 if between_kinds and item["source"] in self._driven else 1)
        return _BAR if sign < 0 else {}

    def _connect(self, item, number, text, look):
        """Connect a layer with cells beside it, or these with one another; of a pair, each way keeps to its side."""
        start, stop = self.shapes[item["source"]], self.shapes[item["target"]]
        source, target = self.populations[item["source"]], self.populations[item["target"]]
        outward = item["source"] in self.layers
        apical = item["compartment"] == "apical"
        if stop.form == "pyramidal":
            bend = 0.12 if "variable" in item else -0.42
        elif source["layer"] != target["layer"]:
            bend = -0.1 - 0.1 * number
        elif outward:
            bend = 0.12 if start.round else 0.06 if stop.y > start.y else (-0.15, 0.08, 0.24)[number % 3]
        else:
            bend = 0.12 if start.y > stop.y else -0.3
        a = (start.x, start.y) if start.round else start.port("soma", 1)
        b = stop.x, stop.y
        if not stop.round:
            x, y = stop.port("trunk" if apical and "variable" in item else item["compartment"], 1)
            b = (x + 0.06, y - 0.2) if "variable" not in item else (x, y) if apical else (x, y + 0.18)
        middle = _control(a, b, bend)
        a = start.towards(middle) if start.round else a
        b = stop.towards(middle, 0.05) if stop.round else b
        self._curve(a, b, bend, look)
        # Of a pair that bends apart each label stands outside; what comes from the stimulus has room on its right.
        level = abs(b[1] - a[1]) < abs(b[0] - a[0])
        self._label_line(text, 1 if source["layer"] == 0 or (level and (b[0] > a[0]) == (bend > 0)) else -1)

    def _bias(self, item):
        (key, _), shape = item["weights"], self.shapes[item["target"]]
        colour, meaning = self._look(key)
        self.legend[meaning] = colour
        taken = self._biases[item["target"]] = self._biases.get(item["target"], -1) + 1
        x, y = shape.port(item["compartment"], 1)
        if shape.round:
            x, y = shape.x + 0.18, shape.y - 0.31
        start = x + 0.3 + 0.6 * taken, y - 0.5 - 0.3 * taken
        look = {"color": colour, "gid": item["name"]} | self._head(item)
        self.arrows.append((Path([start, (x, y)]), look))
        self.dots.append((*start, colour))
        self.line_labels.append((start, look, f"{_symbol(key, None)}, {self.populations[item['target']]['size']}", 1))

    def _between_layers(self, item, rise, number, text, look):
        start, stop = self.shapes[item["source"]], self.shapes[item["target"]]
        side = -1 if rise > 0 else 1
        x = side * (2.3 + 0.6 * number + 0.9 * (abs(rise) - 1))
        a, b = start.port("out", side), stop.port(item["compartment"], side)
        handles = (0.5, -0.3) if rise > 0 else (-0.2, 0.9)
        if stop.round:  # its loops stand at its side
            b, handles = (stop.x, stop.y - np.sign(rise) * 0.35), (0.5 * rise, -0.9 * np.sign(rise))
        if start.round:
            a = start.towards((x, start.y + 1.3 * np.sign(rise)))
            handles = 1.1 * np.sign(rise), handles[1]
        self.arrows.append((Path([a, (x, a[1] + handles[0]), (x, b[1] + handles[1]), b], _CUBIC), look))
        self._label_line(text, side)

    def _loop(self, item, number, shape, text, look):
        reach = 1.1 + 0.45 * number
        a, b = shape.port("soma", -1), shape.port(item["compartment"], -1)
        if shape.round:
            a, b = shape.towards((shape.x - 1, shape.y + 0.25)), shape.towards((shape.x - 1, shape.y - 0.7), 0.05)
        elif item["compartment"] != "apical":
            a, b = (shape.x - 0.1, shape.y + 0.2), (shape.x - 0.3, shape.y - 0.2)
        x, lift = shape.x - reach, 0.25 if b[1] > a[1] else 0.35
        self.arrows.append((Path([a, (x, a[1] + lift), (x, b[1] - lift), b], _CUBIC), look))
        self._label_line(text, -1)

    def _link(self, item):
        start, stop = self.shapes[item["source"]], self.shapes[item["target"]]
        name = f"{item['source']}_to_{item['target']}_{item['slot']}"
        if item["source"] not in self._driven:
            look = {"color": NOISE, "gid": name, "linestyle": "--", "linewidth": 0.9, "zorder": 1}
            self.legend["background input"] = NOISE
            a = start.port(None, 1)
            if item["target"] in self.layers:
                self._curve(a, stop.port(item["compartment"], -1), 0.0, look)
            else:
                b = (stop.x, stop.y + 0.32)
                path = Path([a, (a[0] + 1.2, start.y + 1.0), (b[0] - 0.4, b[1] + 1.05), b], _CUBIC)
                self.arrows.append((path, look))
            return
        beside = item["target"] if item["source"] in self.layers else item["source"]
        colour = _colour_beside(self.populations[beside])
        variable = item["variable"]
        text = _VARIABLES.get(variable, f"${variable}$" if len(variable) == 1 else variable)
        self._connect(item, 0, text, {"color": colour, "gid": name} | self._head(item))

    def _teach(self, teacher):
        shape = self.shapes[teacher["population"]]
        x, y = shape.port(teacher["compartment"], 1)
        top = (shape.x, shape.y + 1.55) if teacher["compartment"] == "apical" else (x, y)
        if shape.form == "round":
            top = (shape.x, shape.y + 0.32)
        start = (top[0], max(top[1] + 0.75, shape.y + (1.2 if shape.form == "round" else 2.3)))
        look = {"color": TEACHER, "gid": "teacher"}
        self.arrows.append((Path([start, top]), look))
        self._label(start[0], start[1] + 0.08, "teacher $y$", "teacher", ha="center", va="bottom")
        self.top = max(self.top, start[1] + 0.45)

    def _curve(self, a, b, bend, look):
        """Bend a line to its right by a share of its length."""
        self.arrows.append((Path([a, _control(a, b, bend), b], [Path.MOVETO, Path.CURVE3, Path.CURVE3]), look))

    def _label_line(self, text, side):
        """Label the line that was drawn last."""
        self.line_labels.append((*self.arrows[-1], text, side))

    def _look(self, key):
        if key in WEIGHTS:
            return WEIGHTS[key]
        colour = self._other_colours.setdefault(key, OTHERS[len(self._other_colours) % len(OTHERS)])
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
        handles = [Line2D([], [], color=colour, label=meaning) for meaning, colour in self.legend.items()]
        if handles:
            ax.legend(
                handles=handles,
                loc="upper center",
                bbox_to_anchor=(0.5, 0.0),
                ncols=min(_LEGEND_COLUMNS, len(handles)),
                columnspacing=1.2,
            )
        self._write(ax)

    def _write(self, ax):
        """Write the labels: those of cells where they belong, those of lines where nothing lies."""
        paper = {"facecolor": "white", "edgecolor": "none", "pad": 0.8, "alpha": 0.9}
        look = {"va": "center", "fontsize": 7.5, "zorder": 5, "bbox": paper}
        ax.figure.canvas.figure.draw_without_rendering()  # sizes of labels are known where the layout is
        to_data = ax.transData.inverted()
        places = Places(self.extent)
        for shape in self.shapes.values():
            places.draw_points(shape.outline(), 2.0)
        for path, line_look in self.arrows:
            places.draw_points(points_along(path), 0.5 if line_look["color"] == NOISE else 1.0)
        for x, y, text, own in self.labels:
            label = ax.text(x, y, text, **(look | own))
            places.take(_box(label, to_data))
        for path, line_look, text, side in self.line_labels:
            own = {"ha": "center", "color": line_look["color"], "gid": f"label {line_look['gid']}"}
            label = ax.text(0, 0, text, **(look | own))
            left, right, bottom, top = _box(label, to_data)
            size = right - left, top - bottom
            if isinstance(path, Path):
                label.set_position(places.beside(points_along(path), size, side))
            else:
                label.set_position(places.around(path, size))


_CUBIC = [Path.MOVETO, Path.CURVE4, Path.CURVE4, Path.CURVE4]
#: Around labels, in pixels.
_MARGIN = 2.0
_BAR = {"arrowstyle": "|-|, widthA=0, widthB=0.5"}
_ARROW = {"arrowstyle": "-|>", "mutation_scale": 8, "linewidth": 1.4, "zorder": 4, "shrinkA": 0, "shrinkB": 0}


def _control(a, b, bend):
    """Middle vertex of a quadratic curve that bends to its right by a share of its length."""
    (ax, ay), (bx, by) = a, b
    return (ax + bx) / 2 + bend * (by - ay), (ay + by) / 2 - bend * (bx - ax)


def _box(label, to_data):
    """Left, right, bottom and top of a label and its margin, in data coordinates."""
    (left, bottom), (right, top) = to_data.transform(label.get_window_extent().padded(_MARGIN))
    return left, right, bottom, top


def _count(item):
    kind, size = KINDS.get(item["kind"], literal(item["kind"])), item["size"]
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


def _colour_beside(item):
    """Colour of cells beside a layer, by their role; older descriptions tell the kind alone."""
    role = item.get("role", _FORMER_ROLES.get(item["kind"], ""))
    return _ROLES.get(role, OTHERS[0])
