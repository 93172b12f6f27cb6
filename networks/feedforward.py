"""Networks without dynamics: a multilayer perceptron that learns by backpropagation, or by feedback alignment.

It knows no time, only layers: a forward pass gives their activity, a backward pass their errors. Backpropagation
carries the errors down by the transposed weights, feedback alignment by fixed random ones.

References
----------
.. [1] Rumelhart, Hinton & Williams (1986), Learning representations by back-propagating errors, Nature 323, 533-536.
.. [2] Lillicrap, Cownden, Tweed & Akerman (2016), Random synaptic feedback weights support error backpropagation for
   deep learning, Nature Communications 7, 13276.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ..errors import StimulusError
from ..parameters import Architecture, Count, Deep, Factor, Index, NonNegative, Seed, validated, validated_fields
from ..units import real_array
from . import initial
from .optimisers import Adam
from .plasticity import DenseChange, OuterProducts, Plasticity, Weights
from .schedules import Schedule, Staircase
from .states import PhaseEnd
from .trainable import Trainable

Arrays = Mapping[int, np.ndarray]


#: What the output is judged by: mean squared error, or cross-entropy of its softmax.
Loss = Literal["mse", "ce"]


def forward_pass(x: np.ndarray, W: Arrays, b: Arrays) -> dict[int, np.ndarray]:
    """Activity of all layers: h_k = relu(W_{k-1} h_{k-1} + b_k), of the output without relu; h_0 = x.

    Parameters
    ----------
    x : ndarray (n, N_0)
    W, b : mapping of int to ndarray
        ``W[k]`` (N_{k+1}, N_k), k = 0 … P-1; ``b[k]`` (N_k,), k = 1 … P.

    Returns
    -------
    dict
        ``h[k]`` (n, N_k), k = 0 … P.
    """
    h = {0: x}
    for k in range(len(W)):
        h[k + 1] = h[k] @ W[k].T
        h[k + 1] += b[k + 1]
        if k + 1 < len(W):
            np.maximum(h[k + 1], 0, out=h[k + 1])
    return h


def backward_pass(output_error: np.ndarray, h: Arrays, feedback: Arrays) -> dict[int, np.ndarray]:
    """Errors of all layers: δ_k = [h_k > 0] ⊙ W_fb^(k) δ_{k+1}, from the output's down.

    Parameters
    ----------
    output_error : ndarray (n, N_P)
        δ_P, of `output_error`.
    h : mapping of int to ndarray
        Of `forward_pass`.
    feedback : mapping of int to ndarray
        ``W_fb[k]`` (N_k, N_{k+1}), k = 1 … P-1: what carries the error of layer k + 1 to layer k. Backpropagation has
        W_fb^(k) = W_kᵀ.

    Returns
    -------
    dict
        ``delta[k]`` (n, N_k), k = 1 … P.
    """
    P = max(h)
    delta = {P: output_error}
    for k in range(P - 1, 0, -1):
        delta[k] = delta[k + 1] @ feedback[k].T
        delta[k] *= h[k] > 0
    return dict(sorted(delta.items()))


def loss_of(loss: Loss, output: np.ndarray, y: np.ndarray) -> float:
    """Loss of a linear output.

    Parameters
    ----------
    loss : {"mse", "ce"}
        Mean over stimuli *and* units of (h_P - y)²; or mean over stimuli of -Σ_i y_i ln softmax(h_P)_i.
    output, y : ndarray (n, N_P)
        h_P and the targets.
    """
    if loss == "mse":
        return float(np.mean(np.square(output - y)))
    z = output - output.max(axis=1, keepdims=True)
    log_softmax = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    return float(-np.sum(y * log_softmax) / len(y))


def output_error(loss: Loss, output: np.ndarray, y: np.ndarray) -> np.ndarray:
    """δ_P = ∂loss/∂h_P: 2(h_P - y)/(n N_P) of "mse", (softmax(h_P) - y)/n of "ce" with Σ_i y_i = 1.

    Parameters
    ----------
    loss, output, y
        As in `loss_of`.

    Returns
    -------
    ndarray (n, N_P)
        The mean over the n stimuli is in it.
    """
    if loss == "mse":
        return (output - y) * (2 / output.size)
    softmax = np.exp(output - output.max(axis=1, keepdims=True))  # the largest is 1: nothing overflows
    softmax /= softmax.sum(axis=1, keepdims=True)
    softmax -= y
    softmax /= len(y)
    return softmax


@validated_fields
@dataclass(frozen=True)
class ErrorRule:
    """ΔW^(k) = -Σ δ_{k+1} h_kᵀ over the minibatch: down the gradient, the mean being in δ.

    Parameters
    ----------
    k : int
        Projection, 0 … P-1.
    """

    k: Index

    def __call__(self, weights: Weights, forward: PhaseEnd) -> OuterProducts:
        """ΔW^(k), (N_{k+1}, N_k)."""
        return OuterProducts(forward.delta[self.k + 1], forward.r[self.k], -1.0)


@validated_fields
@dataclass(frozen=True)
class BiasRule:
    """Δb^(k) = -Σ δ_k over the minibatch.

    Parameters
    ----------
    k : int
        Layer, 1 … P.
    """

    k: Index

    def __call__(self, weights: Weights, forward: PhaseEnd) -> DenseChange:
        """Δb^(k), (N_k,)."""
        return DenseChange(-forward.delta[self.k].sum(axis=0))


class Perceptron(Trainable):
    """A multilayer perceptron with biases, ReLU and a linear output, which learns by errors and Adam.

    Parameters
    ----------
    architecture : sequence of int
    loss : {"mse", "ce"}
    rate : Schedule
        η of Adam, for all weights and biases.
    weights : dict
        ``W[k]`` and ``b[k]``, which learn, and others, which stay.
    """

    def __init__(self, architecture: Sequence[int], loss: Loss, rate: Schedule, weights: Weights):
        self.architecture, self.loss = tuple(architecture), loss
        rules = {("W", k): ErrorRule(k) for k in weights["W"]} | {("b", k): BiasRule(k) for k in weights["b"]}
        super().__init__(
            weights=weights,
            sizes=architecture,
            plasticity=[
                Plasticity(rule, Adam((key, k), weights[key][k].shape, rate), reads=("forward",))
                for (key, k), rule in rules.items()
            ],
        )

    @property
    def feedback(self) -> Arrays:
        """``W_fb[k]`` (N_k, N_{k+1}), k = 1 … P-1: what carries errors down, by default the transposed W."""
        return {k: self.weights["W"][k].T for k in range(1, self.output)}

    @np.errstate(over="ignore", invalid="ignore")  # `check_finite` reports, by name, what diverges
    def states(self, x: np.ndarray, y: np.ndarray | None = None) -> PhaseEnd:
        """Activity of all layers and, with targets, their errors.

        Parameters
        ----------
        x : ndarray (n, N_0)
        y : ndarray (n, N_P), optional
            Targets. With the loss "ce" they are probabilities, such as one-hot.

        Returns
        -------
        PhaseEnd
            ``r[k]`` (n, N_k), k = 0 … P, ``r[0]`` being x; with `y` also ``delta[k]`` (n, N_k), k = 1 … P: the
            derivatives of the loss with respect to what arrives at the layer. All in `dtype`.

        Raises
        ------
        StimulusError
            If x or y do not fit the network or each other, are not finite, or are no probabilities where they must be.
        """
        x = self._checked("x", x, 0)
        h = forward_pass(x, self.weights["W"], self.weights["b"])
        if y is None:
            return PhaseEnd(0.0, {"r": h})
        y = self._checked("y", y, self.output)
        if len(y) != len(x):
            raise StimulusError(f"y has {len(y)} stimuli, x {len(x)}")
        self.check_targets(y)
        error = output_error(self.loss, h[self.output], y)
        return PhaseEnd(0.0, {"r": h, "delta": backward_pass(error, h, self.feedback)})

    def check_targets(self, y: np.ndarray):
        """Raise a `StimulusError` for targets that are no probabilities, if the loss is the cross-entropy."""
        if self.loss == "ce" and (y.min() < 0 or np.abs(y.sum(axis=1) - 1).max() > 1e-3):
            raise StimulusError('y: targets of loss = "ce" must be probabilities, from 0 and with sum 1; take "mse"')

    def transmissions(self, states: PhaseEnd) -> list[tuple[np.ndarray, int]]:
        """What travels in a presentation: signals (n, cells), and how many units each of these cells sends to.

        Parameters
        ----------
        states : PhaseEnd
            Of `states`; errors go down only where there were targets.
        """
        up = [(states.r[k], self.sizes[k + 1]) for k in range(self.output)]
        delta = states.variables.get("delta", {})
        return up + [(delta[k + 1], self.sizes[k]) for k in range(1, self.output) if delta]

    def loss_of(self, output: np.ndarray, y: np.ndarray) -> float:
        """Loss of outputs.

        Parameters
        ----------
        output, y : ndarray (n, N_P)
            ``states(x).r[P]`` and the targets.

        Returns
        -------
        float
            Mean over stimuli and outputs of (output - y)², or mean over stimuli of -Σ_i y_i ln softmax(output)_i.
        """
        return loss_of(self.loss, np.asarray(output), np.asarray(y))

    def _checked(self, name: str, values: np.ndarray, layer: int) -> np.ndarray:
        units = self.sizes[layer]
        try:
            values = real_array(values)
        except ValueError as error:
            raise StimulusError(f"{name} {error}") from None
        if values.ndim != 2 or values.shape[1] != units or not len(values):
            raise StimulusError(f"{name} has shape {values.shape}, must be (n, {units}) for layer {layer}, n from 1")
        with np.errstate(over="ignore"):  # what is beyond the type becomes infinite, and is refused as such
            values = values.astype(self.dtype, copy=False)
        if not np.isfinite(values).all():
            raise StimulusError(f"{name} contains NaN or infinity")
        return values


class Backpropagation(Perceptron):
    """A multilayer perceptron with biases, ReLU and a linear output that learns by backpropagation and Adam.

    Learning rate and decay default to those published for MNIST with the mean squared error; cross-entropy had 1e-3
    × .95 every 10 epochs. For FashionMNIST it was 1e-3 × .9 every 10 with both losses, for CIFAR10 1e-4 with × .9
    every 15 ("mse") or 10 epochs ("ce").

    Parameters
    ----------
    architecture : sequence of int
        Numbers of units: stimulus, hidden layers, output, such as ``[784, 500, 10]``. P = len - 1.
    loss : {"mse", "ce"}
        Mean over stimuli and outputs of the squared error, or cross-entropy of the softmax of the output.
    learning_rate : float, default 1e-3
        η of Adam at first, for all weights and biases.
    learning_rate_factor : float, default .9
        Multiplies η every `learning_rate_every` epochs. At most 1, which keeps η.
    learning_rate_every : int, default 15
        Epochs.
    initial_forward : {"uniform", "orthogonal"}
        W_k and b uniform within ±1/√N_k, N_k the units of the layer below; or W_k with orthonormal rows or columns, and
        b = 0.
    seed : int, default 0
        Seed of the initial weights and biases.
    weights : mapping, optional
        Initial weights in place of the random ones, indexed as `weights`; see
        `corinfomax.networks.initial.with_users_weights`.

    Attributes
    ----------
    weights : dict
        ``W[k]`` (N_{k+1}, N_k), k = 0 … P-1; ``b[k]`` (N_k,) of layer k = 1 … P.

    Raises
    ------
    ParameterError
        For parameters out of range or at odds with the architecture.
    """

    @validated
    def __init__(
        self,
        architecture: Architecture,
        *,
        loss: Loss = "mse",
        learning_rate: NonNegative = 1e-3,
        learning_rate_factor: Factor = 0.9,
        learning_rate_every: Count = 15,
        initial_forward: initial.InitialForward = "uniform",
        seed: Seed = 0,
        weights: Any = None,
    ):
        rng = initial.generator(seed)
        arrays = initial.uniform_by_fan_in(rng, architecture)
        if initial_forward == "orthogonal":
            arrays = initial.with_orthogonal(rng, arrays)
        if weights is not None:
            arrays = initial.with_users_weights(weights, arrays)
        rate = Staircase(learning_rate, learning_rate_factor, learning_rate_every)
        super().__init__(architecture, loss, rate, arrays)


class FeedbackAlignment(Perceptron):
    """A multilayer perceptron as that of `Backpropagation`, whose errors come down by fixed random weights.

    Learning rate and decay default to those published for MNIST with the mean squared error, and for FashionMNIST;
    cross-entropy had 5e-4 × .95 every 25 epochs. CIFAR10 had 1e-4 and the same decays.

    Parameters
    ----------
    architecture : sequence of int
        Numbers of units: stimulus, hidden layers, output, such as ``[784, 500, 10]``. P = len - 1. Without a hidden
        layer there are no errors to be carried.
    loss : {"mse", "ce"}
        Mean over stimuli and outputs of the squared error, or cross-entropy of the softmax of the output.
    learning_rate : float, default 1e-3
        η of Adam at first, for all weights and biases.
    learning_rate_factor : float, default .9
        Multiplies η every `learning_rate_every` epochs. At most 1, which keeps η.
    learning_rate_every : int, default 10
        Epochs.
    initial_forward : {"uniform", "orthogonal"}
        As in `Backpropagation`.
    seed : int, default 0
        Seed of the initial weights and biases, which are those of `Backpropagation` of the same seed, and of the
        feedback, Xavier-uniform.
    weights : mapping, optional
        Initial weights in place of the random ones, indexed as `weights`; see
        `corinfomax.networks.initial.with_users_weights`.

    Attributes
    ----------
    weights : dict
        ``W[k]`` (N_{k+1}, N_k), k = 0 … P-1; ``b[k]`` (N_k,) of layer k = 1 … P; ``W_fb[k]`` (N_k, N_{k+1}),
        k = 1 … P-1, which no rule moves.

    Raises
    ------
    ParameterError
        For parameters out of range or at odds with the architecture.
    """

    @validated
    def __init__(
        self,
        architecture: Deep,
        *,
        loss: Loss = "mse",
        learning_rate: NonNegative = 1e-3,
        learning_rate_factor: Factor = 0.9,
        learning_rate_every: Count = 10,
        initial_forward: initial.InitialForward = "uniform",
        seed: Seed = 0,
        weights: Any = None,
    ):
        rng = initial.generator(seed)
        arrays = initial.uniform_by_fan_in(rng, architecture)
        pairs = list(zip(architecture[1:-1], architecture[2:], strict=True))
        arrays["W_fb"] = {k: initial.xavier_uniform(rng, *pair) for k, pair in enumerate(pairs, start=1)}
        if initial_forward == "orthogonal":
            arrays = initial.with_orthogonal(rng, arrays)
        if weights is not None:
            arrays = initial.with_users_weights(weights, arrays)
        rate = Staircase(learning_rate, learning_rate_factor, learning_rate_every)
        super().__init__(architecture, loss, rate, arrays)

    @property
    def feedback(self) -> Arrays:
        """``W_fb[k]`` (N_k, N_{k+1}), k = 1 … P-1, which stays as it was at first."""
        return self.weights["W_fb"]
