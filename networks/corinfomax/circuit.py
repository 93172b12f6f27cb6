"""The CorInfoMax circuit: layers of pyramidal cells and SST interneurons that maximise correlative information.

Layer k of N_k pyramidal cells, k = 1 … P, the stimulus being layer 0::

    layer k+1 ──W_fb^(k)──▶ apical ◀── i_SST = -O r ── SST_k ◀──O── layer k
                              │g_A = 1/ε_k      D r (autapse) ◀──── layer k
                             soma ──▶ r = σ(u)
                              │g_B = 1/ε_{k-1}
    layer k-1 ──W_ff^(k-1)─▶ basal

with D - O = M = ε_k(2γB + g_lk I), γ = (1-λ)/λ. In the output layer the apical dendrite receives the teacher, and
the lateral term γBr + g_lk r is a current of its own at the soma. A layer whose domain has constraints also has
multiplier cells, one for each, which sum up its rates and inhibit it.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import brian2 as b2
import numpy as np
from pydantic import BeforeValidator, Field

from ...errors import ParameterError
from ...models import Domain
from ...models.domains import DomainChoice, domain_of
from ...models.noise import COMPARTMENTS
from ...parameters import (
    Architecture,
    CellReference,
    Count,
    Finite,
    Fraction,
    NonNegative,
    Number,
    Positive,
    Seed,
    validated,
)
from .. import custom_cells
from ..circuit import Circuit
from ..optimisers import GradientStep
from ..plasticity import Plasticity
from ..schedules import EpochDecay
from . import anatomy, initial
from .conventions import CONVENTIONS, ConventionName
from .recursions import AutapseRecursion, InverseRecursion, RegularisedInverse
from .rules import CorrelationRule, FeedbackRule, ForwardRule, LateralRule


def _without_unused(rates: Any) -> Any:
    # W_fb^(0) does not exist: the paper's tables have a dash in its place.
    if isinstance(rates, Sequence | np.ndarray) and np.ndim(rates) == 1 and len(rates) and rates[0] != rates[0]:
        return list(rates[1:])
    return rates


Deep = Annotated[Architecture, Field(min_length=3)]
FeedbackRates = Annotated[NonNegative | list[NonNegative], BeforeValidator(_without_unused)]
LearningRateDecay = Annotated[float, Number, Field(gt=0, le=1)] | list[tuple[Seed, Positive]]


#: dt/η_λ, in ms, of the published multipliers: 1e-6 in hidden layers, .01 in the output layer, steps of .5 ms.
_PUBLISHED_TAU = (5e5, 50.0)
#: Slower multipliers, in ms, enforce nothing: free phases last 10 to 30 ms.
_SLOWEST_TAU = 10.0
#: Relative error of 1/λ - 1 that a floating-point type may have. B's unexcited directions grow by it.
_GROWTH_TOLERANCE = 0.01


class CorInfoMax(Circuit):
    """A supervised CorInfoMax circuit of any depth.

    Parameters
    ----------
    architecture : sequence of int
        Numbers of units: stimulus, hidden layers, output, such as ``[784, 500, 10]``. P = len - 1.
    epsilon : float or sequence of P floats, default .15
        ε_k of each projection k → k+1: the coupling conductances are 1/ε (A1).
    forgetting : float, default .99999
        Forgetting factor λ of the correlations (A2).
    g_leak : float, default .5
        Leak conductance g_lk (A2, MNIST setting 3).
    learning_rate_ff : float or sequence of P floats, default 1.0
        Rate of eq 26 for each W_ff^(k).
    learning_rate_fb : float or sequence of P - 1 floats, default .15
        Rate of eq 27 for each W_fb^(k), k ≥ 1. A sequence of P, as the paper's tables have it,
        loses its first, which may be NaN.
    learning_rate_decay : float or list of (epoch, factor), default [[0, .95], [15, .9]]
        Factor d of rate · dᵉ; with a list, each from its epoch on (A1).
    weight_decay : float, default 0
        The optional decay η ε W of W_ff and W_fb is ``weight_decay = ε``.
    convention : {"normative", "printed", "authors"}
        How eq 21 and the order of updates are read; see `conventions`.
    entropy_gain : float, default 1
        Multiplies γ wherever it enters the dynamics: 1 as published, 1/(1-λ) the weight that eq 6 implies.
    lateral_rule : {"published", "regularised"}
        Eq 28, or B = (R + εI)⁻¹ renewed every `lateral_refresh` presentations, and at first I/ε.
    lateral_refresh : int, default 100
        Presentations between two renewals of the regularised B.
    lateral_form : {"inverse", "autapse"}
        Whether B learns by eq 28 and D, O follow from it, or D and O learn by eqs 29, 30 and B follows from them.
    sst_every : int, default 1
        Update the SST input on every n-th step only (multirate integration); 1 is exact.
    tau_u : float, default 10
        Somatic time constant, in ms (not in the paper, which has no physical time).
    domain : str, dict or Domain, or a list of P of them, default "B_inf_plus"
        Domain of each layer 1 … P; see `corinfomax.models.domains`. Those with parameters are
        ``{"name": "polytope", "A": …, "b": …}``.
    constraints : {"enforced", "as_published"}
        Where the inhibition arrives that enforces a domain's constraints: in the threshold of r = σ(u), or as the
        current of the published sparse circuits, whose multipliers are too slow to enforce anything.
    tau_multiplier : float or sequence of P floats, optional
        Time constant of the multiplier cells, in ms: dt/η_λ in the paper's terms. By default .7, about that of the
        pyramidal cells; and as published 500 s in hidden layers, 50 ms in the output layer (A3, MNIST).
    tau_SST, tau_A, tau_B : float, default 0
        Time constants, in ms, of SST cells and of the apical and basal dendrites of pyramidal cells. 0 is the
        paper's: they follow their input at once.
    noise_soma, noise_basal, noise_apical, noise_SST : float, default 0
        Background input (Ornstein-Uhlenbeck currents) of this standard deviation into each pyramidal cell's
        compartments and each SST cell; 1 would move a compartment by 20 mV across a unit conductance. Not in the
        paper.
    tau_noise : float, default 5
        Correlation time of the background input, in ms; about that of synaptic currents.
    dale : list of {"W_ff", "W_fb", "O"}, default []
        Projections that obey Dale's law (in the paper, none does). W_ff, W_fb: pyramidal cells excite, weights begin
        as the moduli of the random ones and are kept from becoming negative. O: SST cells inhibit, those of their
        synapses that would excite are 0; `B` itself, which eq 28 moves, goes on with both signs.
    cell : str or dict of str to str, optional
        Cells of one's own, as ``"module:Class"`` or ``"path/module.py:Class"``: those of all hidden layers, or by
        population, ``{"layer_1": …, "SST_1": …}``.
    cell_parameters : dict of str to float
        Parameters of these cells that the circuit's own cells do not have; times in ms, potentials in mV.
    projection : {"dense", "synapses"}
        BLAS products, or Brian2 `Synapses`.
    initial_gain_ff, initial_gain_fb : float or sequence of P, P - 1 floats, default 1
        Multiply the random initial W_ff^(k), W_fb^(k): in deep circuits each layer else loses part of the signal.
    seed : int, default 0
        Seed of the initial weights.
    weights : mapping, optional
        Initial weights in place of the random ones, indexed as `weights`; see `initial.given`. D and O may stand
        beside B, from which they follow.

    Attributes
    ----------
    weights : dict
        ``W_ff[k]`` (N_{k+1}, N_k), k = 0 … P-1; ``W_fb[k]`` (N_k, N_{k+1}), k = 1 … P-1; ``B[k]``, ``O[k]``
        (N_{k+1}, N_{k+1}) and ``D[k]`` (N_{k+1},) of layer k + 1.

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
        epsilon: Positive | list[Positive] = 0.15,
        forgetting: Fraction = 0.99999,
        g_leak: Positive = 0.5,
        learning_rate_ff: NonNegative | list[NonNegative] = 1.0,
        learning_rate_fb: FeedbackRates = 0.15,
        learning_rate_decay: LearningRateDecay = [(0, 0.95), (15, 0.9)],  # noqa: B006
        weight_decay: NonNegative = 0.0,
        convention: ConventionName = "normative",
        entropy_gain: Finite = 1.0,
        lateral_rule: Literal["published", "regularised"] = "published",
        lateral_refresh: Count = 100,
        lateral_form: Literal["inverse", "autapse"] = "inverse",
        sst_every: Count = 1,
        tau_u: Positive = 10.0,
        tau_SST: NonNegative = 0.0,
        tau_A: NonNegative = 0.0,
        tau_B: NonNegative = 0.0,
        noise_soma: NonNegative = 0.0,
        noise_basal: NonNegative = 0.0,
        noise_apical: NonNegative = 0.0,
        noise_SST: NonNegative = 0.0,
        tau_noise: Positive = 5.0,
        domain: DomainChoice = "B_inf_plus",
        constraints: Literal["enforced", "as_published"] = "enforced",
        tau_multiplier: Positive | list[Positive] | None = None,
        dale: list[Literal["W_ff", "W_fb", "O"]] = [],  # noqa: B006
        cell: CellReference | dict[str, CellReference] | None = None,
        cell_parameters: dict[str, Finite] = {},  # noqa: B006
        projection: Literal["dense", "synapses"] = "dense",
        initial_gain_ff: Positive | list[Positive] = 1.0,
        initial_gain_fb: Positive | list[Positive] = 1.0,
        seed: Seed = 0,
        weights: Any = None,
    ):
        P = len(architecture) - 1
        self.architecture = tuple(architecture)
        self.epsilon = _per_projection("epsilon", epsilon, P)
        self.forgetting, self.g_leak, self.entropy_gain = forgetting, g_leak, entropy_gain
        self.convention, self.lateral_form = convention, lateral_form
        self.domains = _domains(domain, architecture[1:])
        self.constraints = constraints
        unused = "tau_multiplier" if tau_multiplier is not None else "constraints" * (constraints == "as_published")
        if unused and not any(found.constraints for found in self.domains.values()):
            raise ParameterError(f"{unused}: no layer's domain has constraints; domain = {domain!r}")
        if tau_multiplier is None:
            published = [_PUBLISHED_TAU[0]] * (P - 1) + [_PUBLISHED_TAU[1]]
            tau_multiplier = 0.7 if constraints == "enforced" else published
        elif constraints == "enforced" and np.max(tau_multiplier) > _SLOWEST_TAU:
            raise ParameterError(
                f"tau_multiplier = {tau_multiplier}: too slow to enforce anything within a presentation; with "
                f'constraints = "enforced" at most {_SLOWEST_TAU:g} ms, best about 0.7'
            )
        if constraints == "as_published":
            for k, found in self.domains.items():
                try:
                    self.domains[k] = found.inhibited_by_current() if found.constraints else found
                except ParameterError as error:
                    raise ParameterError(f"layer {k}: {error}") from None
        if lateral_form == "autapse" and lateral_rule == "regularised":
            raise ParameterError('lateral_form = "autapse" has rules (eqs 29, 30) for lateral_rule = "published" only')
        if lateral_form == "autapse" and entropy_gain == 0:
            raise ParameterError('lateral_form = "autapse" needs entropy_gain ≠ 0: its D and O carry γB')
        if lateral_form == "autapse" and "O" in dale:
            raise ParameterError('dale: "O" needs lateral_form = "inverse"; B would follow from O and be indefinite')
        if sst_every > 1 and projection == "synapses":
            raise ParameterError('sst_every > 1 needs projection = "dense"')

        arrays = initial.published(architecture, seed)
        initial.amplify(arrays["W_ff"], _per_projection("initial_gain_ff", initial_gain_ff, P))
        initial.amplify(arrays["W_fb"], _per_projection("initial_gain_fb", initial_gain_fb, P - 1))
        if lateral_rule == "regularised":
            arrays["B"] = {k: np.eye(len(B)) / self.epsilon[k] for k, B in arrays["B"].items()}
        self.dale = tuple(dale)
        excitatory = [key for key in ("W_ff", "W_fb") if key in dale]
        for W in (W for key in excitatory for W in arrays[key].values()):
            np.abs(W, out=W)
        if weights is not None:
            arrays = initial.given(weights, arrays, derived=("D", "O"))
        initial.check_excitatory(arrays, excitatory)
        arrays["O"] = {k: np.zeros_like(B) for k, B in arrays["B"].items()}
        arrays["D"] = {k: np.zeros(len(B)) for k, B in arrays["B"].items()}
        limits = {k - 1: found.constraints for k, found in self.domains.items() if found.constraints}
        arrays["A"] = {k: found.synapses for k, found in limits.items()}
        arrays["A_T"] = {k: A.T for k, A in arrays["A"].items()}
        arrays["shunts"] = {k: found.shunts for k, found in limits.items()}

        rate_ff = _per_projection("learning_rate_ff", learning_rate_ff, P)
        if isinstance(learning_rate_fb, Sequence) and len(learning_rate_fb) == P:
            learning_rate_fb = list(learning_rate_fb)[1:]
        rate_fb = _per_projection("learning_rate_fb", learning_rate_fb, P - 1)
        decay = _decay_pieces(learning_rate_decay)
        plasticity = [
            Plasticity(ForwardRule(k), GradientStep(("W_ff", k), EpochDecay(rate, decay), weight_decay, "W_ff" in dale))
            for k, rate in enumerate(rate_ff)
        ]
        plasticity += [
            Plasticity(
                FeedbackRule(k), GradientStep(("W_fb", k), EpochDecay(rate, decay), weight_decay, "W_fb" in dale)
            )
            for k, rate in enumerate(rate_fb, start=1)
        ]
        for k in range(P):
            if lateral_rule == "regularised":
                optimiser = RegularisedInverse(k, architecture[k + 1], forgetting, self.epsilon[k], lateral_refresh)
                plasticity.append(Plasticity(CorrelationRule(k), optimiser, reads=("plus",)))
            elif lateral_form == "autapse":
                optimiser = AutapseRecursion(k, forgetting, *self.lateral_gains(k + 1))
                plasticity.append(Plasticity(LateralRule(k), optimiser, reads=("plus",)))
            else:
                plasticity.append(Plasticity(LateralRule(k), InverseRecursion(k, forgetting), reads=("plus",)))

        self.tau_u, self.tau_SST, self.tau_A, self.tau_B, self.tau_noise = tau_u, tau_SST, tau_A, tau_B, tau_noise
        self.tau_multiplier = _per_projection("tau_multiplier", tau_multiplier, P)
        sigmas = dict(zip(COMPARTMENTS, (noise_soma, noise_basal, noise_apical, noise_SST), strict=True))
        self.noise = {compartment: sigma for compartment, sigma in sigmas.items() if sigma > 0}
        reading = CONVENTIONS[convention]
        super().__init__(
            populations=list(anatomy.populations(self)),
            projections=list(anatomy.projections(self, projection, sst_every)),
            plasticity=plasticity,
            weights=arrays,
            layers=["stimulus", *(f"layer_{k}" for k in range(1, P + 1))],
            teacher=(f"layer_{P}", "drive_apical"),
            tau=tau_u * b2.ms,
            schedule=reading.schedule,
            restart_from_rate=reading.restart_from_rate,
            double_precision=("D",) if lateral_form == "autapse" else (),
            derived=(*(("B",) if lateral_form == "autapse" else ("D", "O")), "A", "A_T", "shunts"),
        )
        if lateral_form == "autapse":
            self._follow_from_B()
        self.refresh()
        custom_cells.install(self, cell, cell_parameters)

    @property
    def gamma(self) -> float:
        """γ = (1 - λ)/λ."""
        return (1 - self.forgetting) / self.forgetting

    def lateral_gains(self, k: int) -> tuple[float, float]:
        """c and d of layer k's M = cB + dI: (2κγε_k, ε_k g_lk) if hidden; of its current: (κγ, g_lk) if output."""
        gain = self.entropy_gain * self.gamma
        if k == len(self.architecture) - 1:
            return gain, self.g_leak
        return 2 * gain * self.epsilon[k], self.epsilon[k] * self.g_leak

    def step_bound(self, beta: float) -> float:
        """Largest Euler step: η(g_lk + g_A + g_B) < 2 in every layer, the output's g_A as the convention has it.

        Leaky interneurons, leaky dendrites and multiplier cells have bounds of their own, η < 2 τ/tau_u. What an
        exchanged cell's equations have beside these parameters is not counted.
        """
        reading, bounds = CONVENTIONS[self.convention], []
        output_g_A = reading.stiffness_constant + reading.stiffness_per_beta * abs(beta)
        for values in (spec.cell.values for spec in self.populations):
            if "g_B" in values:
                bounds.append(2 / (values["g_lk"] + values.get("g_A", output_g_A) + values["g_B"]))
            own = [values[name] for name in ("tau_SST", "tau_A", "tau_B", "tau_lambda") if name in values]
            bounds += [2 * float(tau / self.tau) for tau in own]
        return min(bounds)

    def beta_bound(self) -> float:
        """Least β, above which the nudged output has an equilibrium, and below which it runs into its bounds.

        There the teacher's negative conductance undoes the basal coupling 1/ε_{P-1} and what the convention adds to it.
        """
        reading = CONVENTIONS[self.convention]
        return -(1 / self.epsilon[-1] + reading.stiffness_constant) / reading.stiffness_per_beta

    def astype(self, dtype):
        """Keep the weights in `dtype`, unless it is too coarse for 1/λ, the growth of eqs 28-30."""
        growth = 1 / self.forgetting - 1
        rounded = float(np.dtype(dtype).type(1 / self.forgetting)) - 1
        if abs(rounded - growth) > _GROWTH_TOLERANCE * growth:
            raise ParameterError(
                f"forgetting = {self.forgetting!r}: {np.dtype(dtype)} rounds 1/λ - 1, the growth of B, to "
                f"{rounded:.3g} in place of {growth:.3g}; take dtype = float64"
            )
        super().astype(dtype)

    @np.errstate(over="ignore")  # a presentation reports, by name, what is not finite
    def refresh(self):
        """Let D and O follow from B, or in the autapse form B from D and O."""
        if self.lateral_form == "inverse":
            self._follow_from_B()
            return
        for k, B in self.weights["B"].items():
            c, d = self.lateral_gains(k + 1)
            np.multiply(self.weights["O"][k], -1 / c, out=B)
            np.fill_diagonal(B, (self.weights["D"][k] - d) / c)

    def _follow_from_B(self):
        for k, B in self.weights["B"].items():
            c, d = self.lateral_gains(k + 1)
            O = self.weights["O"][k]
            np.multiply(B, -c, out=O)
            np.fill_diagonal(O, 0.0)
            if "O" in self.dale:
                np.maximum(O, 0, out=O)
            self.weights["D"][k][:] = c * np.diagonal(B).astype(self.weights["D"][k].dtype) + d


def _per_projection(key: str, value: float | Sequence[float], count: int) -> tuple[float, ...]:
    if not isinstance(value, Sequence):
        return (float(value),) * count
    if len(value) != count:
        raise ParameterError(f"{key} has {len(value)} values; this architecture needs one number or {count}")
    return tuple(float(item) for item in value)


def _domains(choice: DomainChoice | Sequence[DomainChoice], sizes: Sequence[int]) -> dict[int, Domain]:
    """Make the domains of the layers 1 … P."""
    choices = list(choice) if isinstance(choice, list | tuple) else [choice] * len(sizes)
    if len(choices) != len(sizes):
        raise ParameterError(f"domain has {len(choices)} entries; this architecture needs one or {len(sizes)}")
    domains = {}
    for k, (name, units) in enumerate(zip(choices, sizes, strict=True), start=1):
        try:
            domains[k] = domain_of(name, units)
        except ParameterError as error:
            raise ParameterError(f"domain of layer {k} ({units} cells): {error}") from None
    return domains


def _decay_pieces(decay: float | Sequence) -> tuple[tuple[int, float], ...]:
    if not isinstance(decay, Sequence):
        return ((0, float(decay)),)
    pieces = tuple((int(epoch), float(factor)) for epoch, factor in decay)
    if not pieces or pieces[0][0] != 0 or any(a >= b for (a, _), (b, _) in zip(pieces, pieces[1:], strict=False)):
        raise ParameterError("learning_rate_decay: the pieces' first epochs must begin with 0 and increase")
    return pieces
