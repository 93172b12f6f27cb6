"""Shapes of cells for circuit diagrams, and the points where arrows reach and leave them."""

from dataclasses import dataclass

import numpy as np
from matplotlib.patches import Circle, Polygon

from .label_places import points_between

#: Where an arrow meets a pyramidal cell, from the middle of its soma: (x on the side it comes from, y).
_PYRAMIDAL = {
    "apical": (0.42, 1.45),
    "trunk": (0.05, 0.85),
    "soma": (0.24, 0.0),
    "basal": (0.55, -0.88),
    "out": (0.34, -0.3),
}
_TREES = (
    ((0, 0.3), (0, 1.0), (-0.42, 1.45)),
    ((0, 1.0), (0.42, 1.45)),
    ((0, 1.0), (0, 1.5)),
    ((-0.2, -0.3), (-0.55, -0.88)),
    ((-0.24, -0.38), (-0.18, -0.85)),
    ((0.2, -0.3), (0.55, -0.88)),
    ((0.24, -0.38), (0.18, -0.85)),
)
_SOMA = ((-0.36, -0.36), (0.36, -0.36), (0, 0.42), (-0.36, -0.36))
_FIBRES = (-0.5, -0.25, 0.0, 0.25, 0.5)
_RADIUS = 0.32


@dataclass(frozen=True)
class Shape:
    """A population in a diagram, drawn as one cell.

    Parameters
    ----------
    form : {"pyramidal", "round", "fibres", "source"}
        Pyramidal cell, any other cell, the fibres of a stimulus, background input.
    x, y : float
        Its middle; of a pyramidal cell that of the soma.
    colour : str
    name : str
        Given to its patches as `gid`, which stands in an SVG.
    """

    form: str
    x: float
    y: float
    colour: str
    name: str

    def port(self, compartment, side):
        """Find the point where an arrow meets the cell.

        Parameters
        ----------
        compartment : {"apical", "trunk", "soma", "basal", "out"} or None
            What it enters, or "out" where it begins. None is the soma.
        side : {-1, 1}
            From the left or from the right.
        """
        if self.form == "pyramidal":
            dx, dy = _PYRAMIDAL.get(compartment, _PYRAMIDAL["soma"])
        elif self.form == "fibres":
            dx, dy = 0.5, 0.3
        else:
            dx, dy = _RADIUS, 0.0
        return self.x + side * dx, self.y + dy

    def towards(self, place, gap=0.0):
        """Find the point of a round cell's edge that faces a place, or so much outside of it.

        Parameters
        ----------
        place : (float, float)
        gap : float, default 0
        """
        dx, dy = place[0] - self.x, place[1] - self.y
        share = (_RADIUS + gap) / np.hypot(dx, dy)
        return self.x + share * dx, self.y + share * dy

    @property
    def round(self):
        """Whether it is drawn as a circle."""
        return self.form in ("round", "source")

    def outline(self):
        """Sample what it covers, (points, 2)."""
        if self.round:
            angles = np.linspace(0, 2 * np.pi, 48)
            rings = [np.c_[np.cos(angles), np.sin(angles)] * radius for radius in (0.5 * _RADIUS, _RADIUS)]
            return np.concatenate(rings) + np.array([self.x, self.y])
        lines = _TREES if self.form == "pyramidal" else [((dx, -0.3), (dx, 0.3)) for dx in _FIBRES]
        lines = [*lines, _SOMA] if self.form == "pyramidal" else lines
        return np.concatenate([points_between(line) for line in lines]) + np.array([self.x, self.y])

    def draw(self, ax):
        """Draw it on an axis in whose coordinates it was placed."""
        getattr(self, f"_draw_{self.form}")(ax)

    def _draw_pyramidal(self, ax):
        for line in _TREES:
            x, y = zip(*line, strict=True)
            ax.plot([self.x + dx for dx in x], [self.y + dy for dy in y], color="0.25", linewidth=2.2, zorder=2)
        corners = [(self.x + dx, self.y + dy) for dx, dy in _SOMA[:-1]]
        look = {"facecolor": self.colour, "edgecolor": "0.25", "linewidth": 1.2, "joinstyle": "round"}
        ax.add_patch(Polygon(corners, closed=True, zorder=3, gid=self.name, **look))

    def _draw_round(self, ax):
        look = {"facecolor": self.colour, "edgecolor": "0.25", "linewidth": 1.2}
        ax.add_patch(Circle((self.x, self.y), _RADIUS, zorder=3, gid=self.name, **look))

    def _draw_source(self, ax):
        look = {"facecolor": "white", "edgecolor": self.colour, "linewidth": 1.0, "linestyle": "--"}
        ax.add_patch(Circle((self.x, self.y), _RADIUS, zorder=3, gid=self.name, **look))
        steps = [-0.2, -0.15, -0.09, -0.03, 0.02, 0.08, 0.14, 0.2]
        jitter = [0.0, 0.13, -0.1, 0.06, -0.14, 0.12, -0.05, 0.02]
        points = [self.x + dx for dx in steps], [self.y + dy for dy in jitter]
        ax.plot(*points, color=self.colour, linewidth=0.9, zorder=4)

    def _draw_fibres(self, ax):
        for dx in _FIBRES:
            ax.plot([self.x + dx] * 2, [self.y - 0.3, self.y + 0.3], color="0.25", linewidth=2.2, zorder=2)
