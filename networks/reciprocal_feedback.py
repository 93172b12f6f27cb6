"""Reciprocal feedback (Cameron, Chen, Wagner & Sejnowski, poster): errors come down by learnt pseudoinverses.

Layers k and k + 1 are joined by a forward matrix A = W_k and a feedback matrix B = B_k of its own, ``W_fb[k]`` in the
code. In phases of noise they learn from activity that goes round between the two layers (*recirculation*):

    h = A x,  x̂ = B h,  ĥ = A x̂;   ΔB = ⟨(x - x̂)hᵀ⟩,   ΔA = ⟨(h - ĥ)xᵀ⟩,        x noise in the lower layer

so that B becomes the pseudoinverse A⁺ of a layer with fewer cells above than below. With noise in both layers,

    x₂ = B h₂,  h₃ = A x₂,  x₃ = B h₃;   ΔB += ⟨(x₂ - x₃)h₂ᵀ⟩,   ΔA += ⟨(h₂ - h₃)x₂ᵀ⟩,   h₂ noise in the upper layer

it does so for layers of any shape. While the teacher is there, the error e = h_L - h*_L comes down by the B,

    δ_L = e,   δ_k = f'(u_k) ⊙ B_k δ_{k+1};      ΔW_k = -⟨δ_{k+1} h_kᵀ⟩,   Δb_k = -⟨δ_k⟩

Layers 0 and 1 have no B, for nothing below layer 1 learns from an error. The poster leaves open f', the noise schedule,
rates and widths: what stands here is a choice. It prints hᵀ; its theory has h⁺ = hᵀ/‖h‖² (`presynaptic`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import brian2 as b2
import numpy as np

from ..errors import ParameterError
from ..models import ReciprocalOutput, ReciprocalPyramidal, StimulusCell
from ..models.domains import LINEAR
from ..models.reciprocal import RECTIFIED_OUTSIDE_OF_NOISE
from ..parameters import (
    Count,
    Deep,
    Factor,
    Index,
    NonNegative,
    Seed,
    Switch,
    Time,
    validated,
    validated_fields,
)
from .circuit import Circuit, layer_names
from .initial import InitialForward, generator, uniform_by_fan_in, with_orthogonal, with_users_weights, xavier_uniform
from .optimisers import Adam, GradientStep
from .plasticity import DenseChange, OuterProducts, Plasticity, Weights
from .population import Population, PopulationSpec
from .projection import Bias, Drive, Projection
from .schedules import Staircase
from .states import PhaseEnd

#: Slot that noise enters, and the shared variable that says what is going on in phases of noise.
NOISE, STAGE = "drive_noise", "stage"
#: Names of the phases of noise, by where noise arises, before the parity of the pairs' lower layers is appended.
BOTTOM = ("noise", "echo")
BOTH = ("below", "below_echo", "above", "above_echo")
PARITIES = ("even", "odd")
#: First stage of the phases of noise, by the parity of the pairs' lower layers.
FIRST_STAGE = {"odd": 1, "even": 5}


def phase_of_pair(name: str, k: int) -> str:
    """Name of the phase of noise of the pair k, k + 1: pairs of odd and of even k take turns."""
    return f"{name}_{PARITIES[k % 2]}"


@validated_fields
@dataclass(frozen=True)
class ReconstructionRule:
    """ΔB_k = ⟨(x - x̂)hᵀ⟩, with noise in both layers + ⟨(x₂ - x₃)h₂ᵀ⟩.

    Parameters
    ----------
    k : int
        Lower layer, 1 … P-1.
    """

    k: Index

    def __call__(self, weights: Weights, *ends: PhaseEnd) -> OuterProducts:
        """ΔB_k, (N_k, N_{k+1}), of the ends of `BOTTOM` or `BOTH`, the last first."""
        k = self.k
        *above, _, noise = ends
        post, pre = [noise.r[k] - noise.v_A[k]], [noise.r[k + 1]]
        if above:
            echo, noise_above = above
            post.append(noise_above.r[k] - echo.v_A[k])
            pre.append(noise_above.r[k + 1])
        return OuterProducts(np.concatenate(post), np.concatenate(pre), 1.0 / len(noise.r[k]))


@validated_fields
@dataclass(frozen=True)
class RecirculationRule:
    """ΔA_k = ⟨(h - ĥ)xᵀ⟩, with noise in both layers + ⟨(h₂ - h₃)x₂ᵀ⟩; A_k is W_k.

    Parameters
    ----------
    k : int
        Lower layer, 1 … P-1.
    """

    k: Index

    def __call__(self, weights: Weights, *ends: PhaseEnd) -> OuterProducts:
        """ΔA_k, (N_{k+1}, N_k), of the ends of `BOTTOM` or `BOTH`, the last first."""
        k = self.k
        *above, echo, noise = ends
        post, pre = [noise.r[k + 1] - echo.v_B[k + 1]], [noise.r[k]]
        if above:
            noise_above = above[1]
            post.append(noise_above.r[k + 1] - noise_above.v_B[k + 1])
            pre.append(noise_above.r[k])
        return OuterProducts(np.concatenate(post), np.concatenate(pre), 1.0 / len(noise.r[k]))


@validated_fields
@dataclass(frozen=True)
class ErrorRule:
    """ΔW_k = -⟨δ_{k+1} h_kᵀ⟩, or -⟨δ_{k+1} h_k⁺⟩, h⁺ = hᵀ/‖h‖².

    Parameters
    ----------
    k : int
        Projection, 0 … P-1.
    normalised : bool, default False
        Whether h⁺ stands for hᵀ; of a silent layer it is 0.
    """

    k: Index
    normalised: Switch = False

    def __call__(self, weights: Weights, error: PhaseEnd) -> OuterProducts:
        """ΔW_k, (N_{k+1}, N_k)."""
        h = error.r[self.k]
        if self.normalised:
            squares = np.sum(h * h, axis=1, keepdims=True)
            h = np.divide(h, squares, out=np.zeros_like(h), where=squares > 0)
        return OuterProducts(error.delta[self.k + 1], h, -1.0 / len(h))


@validated_fields
@dataclass(frozen=True)
class ErrorBiasRule:
    """Δb_k = -⟨δ_k⟩.

    Parameters
    ----------
    k : int
        Layer, 1 … P.
    """

    k: Index

    def __call__(self, weights: Weights, error: PhaseEnd) -> DenseChange:
        """Δb_k, (N_k,)."""
        return DenseChange(-error.delta[self.k].mean(axis=0))


class ReciprocalFeedback(Circuit):
    """A circuit of any depth whose errors come down by feedback that learns to invert the way up.

    Parameters
    ----------
    architecture : sequence of int
        Numbers of units: stimulus, hidden layers, output, such as ``[64, 100, 100, 100, 10]``. P = len - 1. Without a
        hidden layer there are no errors to be carried.
    nonlinearity : {"relu", "linear"}
        f of hidden layers. The output is linear.
    derivative : bool, default True
        Whether errors are multiplied by f'. Without it circuits with ReLU do not learn reliably.
    presynaptic : {"transpose", "pseudoinverse"}
        Whether ΔW_k has hᵀ, as the poster's rule, or h⁺ = hᵀ/‖h‖², as its theory; this takes a rate that falls.
    optimiser : {"adam", "descent"}
        What applies ΔW_k and Δb_k of the errors. Not in the poster.
    learning_rate : float, default .003
        η of the optimiser, for all weights and biases.
    learning_rate_factor : float, default .95
        Multiplies η every `learning_rate_every` epochs. At most 1, which keeps η.
    learning_rate_every : int, default 1
        Epochs.
    noise_rate : float, default .02
        η_B of B_k ← B_k + η_B ΔB_k in phases of noise.
    noise_rate_forward : float, default 1
        A_k's rate in phases of noise, in units of η_B. 0 holds A_k fixed there.
    initial_forward : {"uniform", "orthogonal"}
        W_k uniform within ±1/√N_k, and b too; or with orthonormal rows or columns, and b = 0.
    initial_feedback : {"random", "transposed", "pseudoinverse"}
        B_k Xavier-uniform; or W_kᵀ; or W_k⁺.
    initial_noise : int, default 300
        Presentations of noise alone that a training run begins with.
    tau : float, default 10
        Somatic time constant, in ms (not in the poster, which has no physical time).
    seed : int, default 0
        Seed of the initial weights; W and b are those of `Backpropagation` of the same seed where they are uniform.
    weights : mapping, optional
        Initial weights in place of these, indexed as `weights`.

    Attributes
    ----------
    weights : dict
        ``W[k]`` (N_{k+1}, N_k), k = 0 … P-1; ``b[k]`` (N_k,) of layer k = 1 … P; ``W_fb[k]`` (N_k, N_{k+1}),
        k = 1 … P-1: B_k.

    Raises
    ------
    ParameterError
        For parameters out of range.
    """

    starts_settled = True

    @validated
    def __init__(
        self,
        architecture: Deep,
        *,
        nonlinearity: Literal["relu", "linear"] = "relu",
        derivative: Switch = True,
        presynaptic: Literal["transpose", "pseudoinverse"] = "transpose",
        optimiser: Literal["adam", "descent"] = "adam",
        learning_rate: NonNegative = 0.003,
        learning_rate_factor: Factor = 0.95,
        learning_rate_every: Count = 1,
        noise_rate: NonNegative = 0.02,
        noise_rate_forward: NonNegative = 1.0,
        initial_forward: InitialForward = "uniform",
        initial_feedback: Literal["random", "transposed", "pseudoinverse"] = "random",
        initial_noise: Index = 300,
        tau: Time = 10.0,
        seed: Seed = 0,
        weights: Any = None,
    ):
        self.architecture = tuple(architecture)
        self.noise_rate, self.noise_rate_forward, self.initial_noise = noise_rate, noise_rate_forward, initial_noise
        arrays = initial_weights(self.architecture, initial_forward, initial_feedback, seed)
        if weights is not None:
            arrays = with_users_weights(weights, arrays)
        rate = Staircase(learning_rate, learning_rate_factor, learning_rate_every)

        def applied(key: str, k: int):
            place = (key, k)
            return Adam(place, arrays[key][k].shape, rate) if optimiser == "adam" else GradientStep(place, rate)

        normalised = presynaptic == "pseudoinverse"
        errors = [(ErrorRule(k, normalised), ("W", k)) for k in arrays["W"]]
        errors += [(ErrorBiasRule(k), ("b", k)) for k in arrays["b"]]
        layers = layer_names(architecture)
        pairs, output = list(arrays["W_fb"]), len(architecture) - 1
        super().__init__(
            populations=list(_populations(layers, self.architecture, nonlinearity, derivative, tau * b2.ms)),
            projections=list(_projections(layers)),
            plasticity=[
                *(Plasticity(rule, applied(*place), reads=("error",), optional=True) for rule, place in errors),
                *_noise_plasticity(pairs, noise_rate, noise_rate_forward),
            ],
            weights=arrays,
            layers=layers,
            teacher=(layers[-1], "drive_teacher"),
            tau=tau * b2.ms,
            signals={
                "v_A": {k: (layers[k], "v_A") for k in pairs},
                "v_B": {k + 1: (layers[k + 1], "v_B") for k in pairs},
                "delta": {k: (layers[k], "delta") for k in range(1, output + 1)},
            },
        )

    @property
    def pairs(self) -> list[int]:
        """Lower layers k of the pairs with feedback, 1 … P-1."""
        return list(self.weights["W_fb"])

    def initialise(self, populations: dict[str, Population], drives: dict[tuple[str, str], Drive]):
        """Let the soma of each layer be where its basal dendrite draws it, from layer 1 up: the forward pass."""
        for name in self.layers[1:]:
            drives[name, "drive_basal"].follow()
            here = populations[name]
            here.view("u")[...] = here.read("soma")
            here.set_rate()

    def step_bound(self, beta: float) -> float:
        """Largest Euler step, η < 2, of a soma that follows its dendrite; no phase has a loop."""
        return 2.0

    def noise_bound(self, k: int, vectors: int, covariance: np.ndarray, both: bool = False) -> float:
        """Largest η_B at which learning from noise keeps a finite mean square, near its fixed point.

        B_k learns as a linear predictor of x from h = A x does (LMS). With Gaussian noise and H = ⟨hhᵀ⟩ that takes
        η s(H) < 2, s(H) = λmax(H)(1 + 1/n) + Tr(H)/n, n the vectors. Where A_k learns, too, at ρη, both changes lessen
        one error, and η (s(H) + ρ s(⟨xxᵀ⟩)) < 2. An estimate: from far away about two thirds of it are stable then.

        Parameters
        ----------
        k : int
            Lower layer of the pair.
        vectors : int
            Of noise, in each phase.
        covariance : ndarray (N_k, N_k)
            Of the noise in the lower layer.
        both : bool, default False
            Whether there is white noise of the same mean variance in the upper layer, too.
        """
        A = self.weights["W"][k].astype(np.float64)
        H, C = A @ covariance @ A.T, np.array(covariance)
        if both:
            variance = np.trace(covariance) / len(covariance)
            H, C = H + variance * np.eye(len(H)), C + variance * self.weights["W_fb"][k] @ self.weights["W_fb"][k].T
        spread = _spread(H, vectors) + self.noise_rate_forward * _spread(C, vectors)
        return 2 / spread if spread > 0 else np.inf

    def noise_in(self, phases: Sequence) -> tuple[dict[int, np.ndarray], bool]:
        """Find covariances (N_k, N_k) of the noise in lower layers by pair k, and whether upper layers have noise, too.

        Parameters
        ----------
        phases : sequence of Phase
        """
        covariances = {}
        for phase in phases:
            for k in self.pairs:
                if phase.name in (phase_of_pair(BOTTOM[0], k), phase_of_pair(BOTH[0], k)):
                    slots = phase.sources[1]
                    noise = slots.get(f"{self.layers[k]}.{NOISE}", slots.get(NOISE))
                    if hasattr(noise, "covariance"):
                        covariances[k] = noise.covariance(self.sizes[k])
        return covariances, any(phase.name.startswith(BOTH[2]) for phase in phases)

    def check_phases(self, phases: Sequence, replicas: int):
        """Raise a `ParameterError` for a rate of noise learning beyond `noise_bound`, or that may run away."""
        covariances, both = self.noise_in(phases)
        if both and self.noise_rate > 0 and self.noise_rate_forward == 0:
            raise ParameterError(
                'noise_at = "both" with noise_rate_forward = 0: feedback can run away from fixed forward weights, as '
                'ḃ = (1 - ab)(a + b) does for b < -a; allowed are noise_rate_forward above 0, noise_at = "bottom", or '
                "allow_unstable = true"
            )
        for k, covariance in covariances.items():
            if self.noise_rate >= (bound := self.noise_bound(k, replicas, covariance, both)):
                raise ParameterError(
                    f"noise_rate = {self.noise_rate:g} is beyond the bound {bound:.3g} of W_fb[{k}] with {replicas} "
                    f"vector{'s' * (replicas > 1)} of noise: take a smaller rate or deviation, more replicas, or "
                    "allow_unstable = true"
                )


def _spread(covariance: np.ndarray, vectors: int) -> float:
    return float(np.linalg.eigvalsh(covariance)[-1] * (1 + 1 / vectors) + np.trace(covariance) / vectors)


def initial_weights(architecture: Sequence[int], forward: InitialForward, feedback: str, seed: int) -> Weights:
    """Draw W and b, and take B from W or draw it, as `ReciprocalFeedback` says."""
    rng = generator(seed)
    arrays = uniform_by_fan_in(rng, architecture)
    pairs = list(zip(architecture[1:-1], architecture[2:], strict=True))
    drawn = {k: xavier_uniform(rng, *pair) for k, pair in enumerate(pairs, start=1)}
    if forward == "orthogonal":
        arrays = with_orthogonal(rng, arrays)
    made: dict[str, Callable[[int], np.ndarray]] = {
        "random": lambda k: drawn[k],
        "transposed": lambda k: arrays["W"][k].T.copy(),
        "pseudoinverse": lambda k: np.linalg.pinv(arrays["W"][k]),
    }
    return {**arrays, "W_fb": {k: made[feedback](k) for k in drawn}}


def _populations(layers, sizes, nonlinearity: str, derivative: bool, tau) -> Iterator[PopulationSpec]:
    yield PopulationSpec(layers[0], StimulusCell(), sizes[0], layer=0)
    domain = RECTIFIED_OUTSIDE_OF_NOISE if nonlinearity == "relu" else LINEAR
    for k, name in enumerate(layers[1:], start=1):
        here, below = (FIRST_STAGE[PARITIES[layer % 2]] for layer in (k, k - 1))
        values = {"tau": tau, "as_lower": here, "as_upper": below}
        if name == layers[-1]:
            cell = ReciprocalOutput(**values)
        else:
            cell = ReciprocalPyramidal(domain=domain, derivative=derivative, **values)
        yield PopulationSpec(name, cell, sizes[k], layer=k)


def _projections(layers) -> Iterator[Projection | Bias]:
    for k, below in enumerate(layers[:-1]):
        above = layers[k + 1]
        yield Projection(below, above, "drive_basal", ("W", k), constant=k == 0)
        yield Bias(above, "drive_bias", ("b", k + 1))
        if k:
            yield Projection(above, below, "drive_apical", ("W_fb", k), output="feedback")


def _noise_plasticity(pairs: Sequence[int], rate: float, forward: float) -> Iterator[Plasticity]:
    """Rules of the phases of noise, for either place of it; those whose phases a protocol lacks rest."""
    for names in (BOTTOM, BOTH):
        for k in pairs:
            reads = tuple(phase_of_pair(name, k) for name in reversed(names))
            options: Mapping[str, Any] = {"reads": reads, "when": "phase", "optional": True}
            if rate > 0:
                yield Plasticity(ReconstructionRule(k), GradientStep(("W_fb", k), rate), **options)
            if rate * forward > 0:
                yield Plasticity(RecirculationRule(k), GradientStep(("W", k), rate * forward), **options)
