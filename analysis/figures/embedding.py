"""How a layer's responses lie to one another, in two dimensions."""

import numpy as np
from matplotlib import colormaps

from ...errors import ParameterError
from .style import COLOURS, legend_beside, new_axis, publication_style

METHODS = ("pca", "tsne")
_MOST_IN_LEGEND = 20


@publication_style()
def embedding(r, labels=None, method="pca", ax=None, seed=0):
    """Draw responses to many stimuli as points in a plane, coloured by the stimuli's classes.

    Parameters
    ----------
    r : array, (stimuli, units)
        Rates of one layer, dimensionless.
    labels : array, (stimuli,), optional
        The stimuli's classes; without them all points have one colour.
    method : {"pca", "tsne"}
        The first two principal components, whose share of the variance stands on the axes; or t-distributed stochastic
        neighbour embedding (van der Maaten & Hinton 2008), whose axes have no unit, of perplexity 30, with fewer than
        91 stimuli a third of them.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.
    seed : int
        Of t-SNE.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ParameterError
        The method is unknown, the rates do not span two dimensions, or labels are not one a stimulus.
    """
    if method not in METHODS:
        raise ParameterError(f"embedding: unknown method {method!r}; known are {', '.join(METHODS)}")
    r = np.asarray(r, dtype=float)
    if not embeddable(r):
        raise ParameterError(f"embedding: rates of shape {r.shape} are not finite or do not span two dimensions")
    labels = None if labels is None else np.asarray(labels)
    if labels is not None and labels.shape != (len(r),):
        raise ParameterError(f"embedding: labels have shape {labels.shape}, must be one for each of {len(r)} stimuli")
    ax = new_axis(4.6, 3.4) if ax is None else ax
    points = _principal_components(r, ax) if method == "pca" else _neighbours(r, ax, seed)
    look = {"s": 9, "linewidth": 0, "alpha": 0.8, "rasterized": len(r) > 2000}
    if labels is None:
        ax.scatter(*points.T, color=COLOURS["blue"], **look)
        return ax
    classes = np.unique(labels)
    colours = class_colours(len(classes))
    for number, (label, colour) in enumerate(zip(classes, colours, strict=True)):
        chosen = points[labels == label]
        # Colours alone do not tell many classes apart.
        ax.scatter(*chosen.T, color=[colour], marker="os^vD"[number * 5 // max(len(classes), 5)], label=label, **look)
    if len(classes) <= _MOST_IN_LEGEND:
        legend_beside(ax, title="Class", markerscale=1.6, ncols=1 + (len(classes) > 12), handletextpad=0.2)
    return ax


def embeddable(r):
    """Whether rates (stimuli, units) are finite and span two dimensions or more, as an embedding needs.

    Parameters
    ----------
    r : array
    """
    if r.ndim != 2 or min(r.shape) < 2 or len(r) < 4 or not np.isfinite(r).all():
        return False
    return np.linalg.matrix_rank(r - r.mean(axis=0)) >= 2


def class_colours(number):
    """Give so many colours, told apart as well as that number allows.

    Parameters
    ----------
    number : int

    Returns
    -------
    array, (number, 4) or list of str
    """
    if number <= len(COLOURS):
        return list(COLOURS.values())[:number]
    for name in ("tab10", "tab20"):
        if number <= colormaps[name].N:
            return colormaps[name](np.arange(number))
    return colormaps["turbo"](np.linspace(0, 1, number))


def _principal_components(r, ax):
    from sklearn.decomposition import PCA

    pca = PCA(n_components=2, svd_solver="full")
    points = pca.fit_transform(r)
    for axis, number, share in zip((ax.xaxis, ax.yaxis), (1, 2), pca.explained_variance_ratio_, strict=True):
        axis.set_label_text(f"Principal component {number} ({100 * share:.1f} % of variance)")
    return points


def _neighbours(r, ax, seed):
    from sklearn.manifold import TSNE

    perplexity = min(30.0, len(r) / 3)
    points = TSNE(n_components=2, perplexity=perplexity, init="pca", random_state=seed).fit_transform(r)
    ax.set_xlabel("t-SNE 1")
    ax.set_ylabel("t-SNE 2")
    ax.set_xticks([])
    ax.set_yticks([])
    return points
