"""What the weights look like."""

import numpy as np

from ...errors import ParameterError
from .meanings import layer_colour, layer_line
from .style import legend_beside, logarithmic_in_plain_numbers, new_axis, outline, publication_style

MOST_FIELDS = 64


@publication_style()
def receptive_fields(W, image_shape, cells=None, ax=None, symbol=r"W_\mathrm{ff}^{(0)}"):
    """Draw the input weights of hidden cells, one image a cell.

    Colours are symmetric about zero and span the central 99.5 % of the weights drawn. Cells that see three channels are
    drawn in colour, each channel with its weights: grey is zero, a bright red a positive weight from the red channel.

    Parameters
    ----------
    W : array, (cells, pixels)
        Feedforward weights from the stimulus, W_ff^(0).
    image_shape : tuple of int
        (rows, columns), or with channels last or first. Of other than three channels the mean is drawn.
    cells : sequence of int, optional
        The cells to draw, by default the first; at most 64.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.
    symbol : str
        What the weights are called, for the colour bar; mathematics without the dollar signs.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ParameterError
        The images do not have as many pixels as there are weights, or a cell does not exist.
    """
    W, image_shape = np.asarray(W), tuple(int(size) for size in image_shape)
    if W.ndim != 2 or len(image_shape) not in (2, 3) or np.prod(image_shape) != W.shape[1]:
        raise ParameterError(f"receptive_fields: weights {W.shape} are no images of shape {image_shape}")
    chosen = np.arange(len(W)) if cells is None else np.asarray(cells)
    chosen = chosen[:MOST_FIELDS]
    if chosen.size == 0 or chosen.min() < 0 or chosen.max() >= len(W):
        raise ParameterError(f"receptive_fields: there are cells 0 to {len(W) - 1} to choose from")

    fields = W[chosen].reshape(-1, *image_shape)
    averaged = len(image_shape) == 3 and image_shape[_channel_axis(image_shape)] != 3
    if len(image_shape) == 3:
        fields = np.moveaxis(fields, 1 + _channel_axis(image_shape), -1)
    if averaged:
        fields = fields.mean(axis=-1)
    limit = np.quantile(np.abs(fields), 0.995) or 1.0
    mosaic = _mosaic(fields)
    ax = new_axis(4.6, 0.4 + 3.6 * mosaic.shape[0] / mosaic.shape[1]) if ax is None else ax
    if mosaic.ndim == 3:
        image = ax.imshow(_colours(mosaic, limit), cmap="gray", vmin=-limit, vmax=limit, interpolation="nearest")
    else:
        image = ax.imshow(mosaic, cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="nearest")
    ax.set_axis_off()
    ax.set_title(f"Receptive fields of {len(chosen)} of {len(W)} cells of layer 1")
    bar = ax.figure.colorbar(image, ax=ax, extend="both", aspect=30, pad=0.03)
    channels = ", mean of channels" if averaged else ", brightness of its channel" if mosaic.ndim == 3 else ""
    bar.set_label(f"Weight ${symbol}${channels}")
    bar.outline.set_linewidth(0.6)
    return ax


def _channel_axis(image_shape):
    """Which axis of an image is that of its channels: the shortest, and of equal ones the last."""
    return max(range(3), key=lambda axis: (-image_shape[axis], axis))


def _colours(weights, limit):
    """Turn weights of three channels into colours, white where there are none."""
    return np.nan_to_num(np.clip(0.5 + weights / (2 * limit), 0, 1), nan=1.0)


def _mosaic(fields):
    """Lay images side by side in a nearly square grid, NaN between them."""
    count, height, width, *channels = fields.shape
    columns = int(np.ceil(np.sqrt(count * height / width)))
    rows = -(-count // columns)
    gap = max(1, round(0.08 * max(height, width)))
    mosaic = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, *channels), np.nan)
    for n, image in enumerate(fields):
        top, left = n // columns * (height + gap), n % columns * (width + gap)
        mosaic[top : top + height, left : left + width] = image
    return mosaic


@publication_style()
def weight_histogram(weights, ax=None, bins=None, layers=None):
    """Draw the distribution of the weights of one or several matrices.

    Parameters
    ----------
    weights : dict of str to array
        The matrices by the label to give them.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.
    bins : int, optional
        Number of bins, shared by all matrices; by default the root of the smallest one's size, from 10 to 80.
    layers : sequence of int, optional
        Of which layer, or lower layer of a pair, each matrix is; that decides about its line. By default 0, 1, ….

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ParameterError
        There are no weights.
    """
    layers = range(len(weights)) if layers is None else layers
    if len(layers) != len(weights):
        raise ParameterError(f"weight_histogram: {len(layers)} layers for {len(weights)} matrices")
    looks = {
        label: {"color": layer_colour(k), "linestyle": layer_line(k), "label": label}
        for label, k in zip(weights, layers, strict=True)
    }
    weights = {label: np.ravel(W) for label, W in weights.items() if np.size(W)}
    if not weights:
        raise ParameterError("weight_histogram: there are no weights to draw")
    ax = new_axis() if ax is None else ax
    if bins is None:
        bins = int(np.clip(np.sqrt(min(W.size for W in weights.values())), 10, 80))
    edges = np.histogram_bin_edges(np.concatenate(list(weights.values())), bins=bins)
    for label, W in weights.items():
        outline(ax, edges, 100 * np.histogram(W, edges)[0] / W.size, **looks[label])
    # The matrices' bulk is at small weights; the tails, where learning shows, only on a logarithmic axis.
    logarithmic_in_plain_numbers(ax)
    ax.set_xlabel("Weight")
    ax.set_ylabel("Share (%)")
    legend_beside(ax)
    return ax
