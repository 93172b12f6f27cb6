"""How a layer's responses lie to one another, in two dimensions."""

import numpy as np

from ...errors import ParameterError
from .meanings import category_look
from .style import legend_beside, new_axis, publication_style, short_literals

METHODS = ("pca", "tsne")
_MOST_IN_LEGEND = 20


@publication_style()
def embedding(r, labels=None, method="pca", ax=None, seed=0, targets=None, names=None):
    """Draw responses to many stimuli as points in a plane, told apart by the stimuli's classes or targets.

    Each of up to ten classes has a colour and a marker of its own; of a hundred no two have both in common.

    Parameters
    ----------
    r : array, (stimuli, units)
        Rates of one layer, dimensionless.
    labels : array, (stimuli,), optional
        The stimuli's classes.
    method : {"pca", "tsne"}
        The first two principal components (PC), whose share of the variance stands on the axes; or t-distributed
        stochastic neighbour embedding (van der Maaten & Hinton 2008), whose axes have no unit, of perplexity 30, with
        fewer than 91 stimuli a third of them.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.
    seed : int
        Of t-SNE.
    targets : array, (stimuli,), optional
        Where there are no classes, numbers to colour the points by; without them all points have one colour.
    names : sequence of str, optional
        Of the classes from 0, for the legend.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ParameterError
        The method is unknown, the rates do not span two dimensions, or labels or targets are not one a stimulus.
    """
    if method not in METHODS:
        raise ParameterError(f"embedding: unknown method {method!r}; known are {', '.join(METHODS)}")
    r = np.asarray(r, dtype=float)
    if not embeddable(r):
        raise ParameterError(f"embedding: rates of shape {r.shape} are not finite or do not span two dimensions")
    for kind, values in (("labels", labels), ("targets", targets)):
        if values is not None and np.shape(values) != (len(r),):
            raise ParameterError(
                f"embedding: {kind} have shape {np.shape(values)}, must be one for each of {len(r)} stimuli"
            )
    ax = new_axis(4.6, 3.4) if ax is None else ax
    points = _principal_components(r, ax) if method == "pca" else _neighbours(r, ax, seed)
    look = {"linewidth": 0, "alpha": 0.8, "rasterized": len(r) > 2000}
    if labels is not None:
        _draw_classes(ax, points, np.asarray(labels), names, look)
    elif targets is not None:
        shades = ax.scatter(*points.T, c=targets, s=12, cmap="viridis", **look)
        ax.figure.colorbar(shades, ax=ax, label="Target", aspect=30, pad=0.03).outline.set_linewidth(0.6)
    else:
        ax.scatter(*points.T, s=9, color="0.35", **look)
    return ax


def _draw_classes(ax, points, labels, names, look):
    classes, names = np.unique(labels), [] if names is None else short_literals(names)
    for n, label in enumerate(classes):
        name = names[label] if label < len(names) else str(label)
        ax.scatter(*points[labels == label].T, s=13, label=name, **category_look(n), **look)
    if len(classes) <= _MOST_IN_LEGEND:
        columns = 1 + (len(classes) > 12)
        legend_beside(ax, title="Class", markerscale=1.4, ncols=columns, handletextpad=0.2)


def embeddable(r):
    """Whether rates (stimuli, units) are finite and span two dimensions or more, as an embedding needs.

    Parameters
    ----------
    r : array
    """
    if r.ndim != 2 or min(r.shape) < 2 or len(r) < 4 or not np.isfinite(r).all():
        return False
    return np.linalg.matrix_rank(r - r.mean(axis=0)) >= 2


def _principal_components(r, ax):
    from sklearn.decomposition import PCA

    pca = PCA(n_components=2, svd_solver="full")
    points = pca.fit_transform(r)
    for axis, number, share in zip((ax.xaxis, ax.yaxis), (1, 2), pca.explained_variance_ratio_, strict=True):
        axis.set_label_text(f"PC {number} ({100 * share:.1f} % of variance)")
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
