"""Places for the labels of a diagram: beside their lines, where nothing else lies."""

import numpy as np
from matplotlib.path import Path

#: Along a line, the shares of its length at which its label may stand, the best first.
_SHARES = (0.5, 0.42, 0.58, 0.34, 0.66, 0.27, 0.73, 0.2, 0.8, 0.13, 0.87)
_GAPS = (0.07, 0.16, 0.3, 0.5, 0.75)
#: Points on lines, so close to one another that no box slips through between them.
_SPACING = 0.04


def points_along(path):
    """Sample a line, a quadratic or a cubic curve.

    Parameters
    ----------
    path : matplotlib.path.Path
        Of two points, or one curve.

    Returns
    -------
    array (n, 2)
    """
    ends = path.vertices
    length = np.hypot(*np.diff(ends, axis=0).T).sum()
    t = np.linspace(0, 1, max(2, int(length / _SPACING) + 1))[:, None]
    while len(ends) > 1:  # de Casteljau
        ends = [(1 - t) * a + t * b for a, b in zip(ends[:-1], ends[1:], strict=True)]
    return ends[0]


def points_between(corners):
    """Sample a polygon's edges, its corners in order.

    Parameters
    ----------
    corners : sequence of (float, float)

    Returns
    -------
    array (n, 2)
    """
    return np.concatenate([points_along(Path(ends)) for ends in zip(corners[:-1], corners[1:], strict=True)])


class Places:
    """What is drawn already, so that labels find their places one after the other.

    Parameters
    ----------
    extent : (float, float, float, float)
        Left, right, bottom and top of the drawing.
    """

    def __init__(self, extent):
        self.extent = extent
        self._points, self._weights, self._boxes = [], [], []

    def draw_points(self, points, weight=1.0):
        """Keep labels off some points; the more, the greater their weight."""
        self._points.append(points)
        self._weights.append(np.full(len(points), weight))

    def take(self, box):
        """Keep labels off a box (left, right, bottom, top)."""
        self._boxes.append(box)

    def beside(self, line, size, side=1):
        """Take the best place beside a line.

        Parameters
        ----------
        line : array (n, 2)
            Points along it.
        size : (float, float)
            Width and height of the label.
        side : {1, -1}
            Where the label stands if it can: right (1) or left (-1) of the line, below (1) or above (-1) one that is
            rather level.

        Returns
        -------
        (float, float)
            The label's middle.
        """
        candidates = []
        for gap in _GAPS:
            for share in _SHARES:
                n = round(share * (len(line) - 1))
                tangent = line[min(n + 1, len(line) - 1)] - line[max(n - 1, 0)]
                normal = np.array([tangent[1], -tangent[0]]) / max(np.hypot(*tangent), 1e-9)
                outward = normal * (np.sign(normal[0]) if abs(normal[0]) > abs(normal[1]) else -np.sign(normal[1]))
                for way in (side, -side):
                    reach = gap + (np.abs(normal) * size).sum() / 2
                    candidates.append(line[n] + way * reach * outward)
        return self.first_free(candidates, size)

    def around(self, point, size):
        """Take the best place around a point: to its right, below it, to its left, above it.

        Parameters
        ----------
        point : (float, float)
        size : (float, float)
            Width and height of the label.

        Returns
        -------
        (float, float)
            The label's middle.
        """
        (x, y), (width, height) = point, size
        to_side, up = 0.1 + width / 2, 0.1 + height / 2
        return self.first_free([(x + to_side, y), (x, y - up), (x - to_side, y), (x, y + up)], size)

    def first_free(self, candidates, size):
        """Take the first of some places for a label's middle where nothing lies, or where the least does."""
        costs = [self._cost(_box(middle, size)) for middle in candidates]
        middle = candidates[int(np.argmin(costs))]
        self.take(_box(middle, size))
        return tuple(middle)

    def _cost(self, box):
        left, right, bottom, top = self.extent
        cost = 1000.0 * (box[0] < left or box[1] > right or box[2] < bottom or box[3] > top)
        cost += 100.0 * sum(
            box[0] < other[1] and other[0] < box[1] and box[2] < other[3] and other[2] < box[3] for other in self._boxes
        )
        points, weights = np.concatenate(self._points), np.concatenate(self._weights)
        x, y = points.T
        return cost + weights[(x > box[0]) & (x < box[1]) & (y > box[2]) & (y < box[3])].sum()


def _box(middle, size):
    (x, y), (width, height) = middle, size
    return x - width / 2, x + width / 2, y - height / 2, y + height / 2
