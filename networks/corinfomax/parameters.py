"""Parameters of a CorInfoMax circuit: checked one by one and against each other, one value for each layer or pair."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import DTypeLike
from pydantic import BeforeValidator

from ...errors import ParameterError
from ...models import Generator
from ...models.domains import Domain, DomainChoice, domain_of
from ...models.noise import COMPARTMENTS
from ...parameters import (
    CellReference,
    Count,
    Deep,
    Factor,
    Finite,
    Fraction,
    Index,
    NonNegative,
    Positive,
    Seed,
    Switch,
    Time,
    TimeOrNone,
    validated,
)
from ..interval import Interval
from ..schedules import EpochDecay, LinearDecay, Schedule, check_pieces
from ..spikes import Spikes
from . import combinations
from .conventions import CONVENTIONS, Convention, ConventionName, ScheduleName


def _without_unused(rates: Any) -> Any:
    # W_fb^(0) does not exist: the paper's tables have a dash in its place.
    if isinstance(rates, Sequence | np.ndarray) and np.ndim(rates) == 1 and len(rates) and rates[0] != rates[0]:
        return list(rates[1:])
    return rates


FeedbackRates = Annotated[NonNegative | list[NonNegative], BeforeValidator(_without_unused)]
LearningRateDecay = Factor | list[tuple[Seed, Positive]] | dict[str, Any]
LateralRuleName = Literal["published", "regularised"]
LateralForm = Literal["inverse", "autapse"]
Enforcement = Literal["enforced", "as_published"]
Signed = Literal["W_ff", "W_fb", "O"]

#: dt/η_λ, in ms, of the published multipliers: 1e-6 in hidden layers, .01 in the output layer, steps of .5 ms.
_PUBLISHED_TAU = (5e5, 50.0)
#: What layers send each other, and how weights are applied to it.
Signal = Literal["rates", "spikes"]
ProjectionName = Literal["dense", "synapses"]
#: What SST cells see of layers that send spikes, and whether they spike themselves.
SSTSignal = Literal["rates", "trains", "spikes"]
#: What W_ff learns from: the error of a prediction, or the postsynaptic soma alone.
ForwardRuleName = Literal["error", "soma"]
#: How feedback begins: as random weights of its own, or as the transposed forward weights.
InitialFeedback = Literal["random", "transposed"]
Optimiser = Literal["descent", "adam"]
#: What learning compares: two phases, or a circuit with itself while its teacher oscillates.
Contrast = Literal["phases", "oscillation"]
#: When weights move by an oscillation: at a presentation's end, by running sums, or within it.
OscillationRuleName = Literal["running_sums", "moving", "moving_high_pass"]


@dataclass(frozen=True)
class Parameters:
    """What a CorInfoMax circuit is built from; `resolve` makes it from the constructor's keywords.

    Those of one number, and `dale`, `cell` and `cell_parameters`, are as in `CorInfoMax`; times are in ms.

    Parameters
    ----------
    architecture : tuple of int
        N_0, …, N_P.
    epsilon : tuple of P floats
        ``epsilon[k]`` of the pair k, k + 1.
    learning_rates, initial_gains : mapping of str to mapping of int to float
        By the weights that they belong to, as in ``learning_rates["W_fb"][1]``.
    learning_rate_decay : tuple of (int, float), or int
        Pieces (first epoch, factor), or the minibatches over which rates fall in a straight line.
    domains : mapping of int to Domain
        Of the layers 1, …, P.
    tau_multiplier : mapping of int to float
        Of the layers 1, …, P.
    sst_every : int or Interval
        Steps between two renewals of the SST input: an `Interval` where a calibration is to find them.
    noise : mapping of str to float
        σ by compartment, of those that have background input.
    spikes : Spikes, optional
        Of layers that send each other spike trains.
    delay : float
    spiking_sst : bool
        Whether SST cells spike.
    forward_rule : {"error", "soma"}
    contrast : {"phases", "oscillation"}
    gate_lag : int
    oscillation_rule : {"running_sums", "moving", "moving_high_pass"}
    tau_trace : float
    """

    architecture: tuple[int, ...]
    epsilon: tuple[float, ...]
    forgetting: float
    g_leak: float
    learning_rates: Mapping[str, Mapping[int, float]]
    learning_rate_decay: tuple[tuple[int, float], ...] | int
    weight_decay: float
    optimiser: Optimiser
    bias: bool
    convention: ConventionName
    schedule: ScheduleName
    entropy_gain: float
    lateral_rule: LateralRuleName
    lateral_refresh: int
    lateral_form: LateralForm
    sst_every: int | Interval
    sst_tolerance: float | None
    tau_u: float
    tau_SST: float
    tau_A: float
    tau_B: float
    noise: Mapping[str, float]
    tau_noise: float
    domains: Mapping[int, Domain]
    constraints: Enforcement
    tau_multiplier: Mapping[int, float]
    dale: tuple[Signed, ...]
    cell: str | Mapping[str, str] | None
    cell_parameters: Mapping[str, float]
    projection: ProjectionName
    initial_gains: Mapping[str, Mapping[int, float]]
    initial_feedback: InitialFeedback
    spikes: Spikes | None
    delay: float
    spiking_sst: bool
    forward_rule: ForwardRuleName
    contrast: Contrast
    gate_lag: int
    oscillation_rule: OscillationRuleName
    tau_trace: float
    seed: int

    @property
    def output(self) -> int:
        """Index P of the output layer."""
        return len(self.architecture) - 1

    @property
    def reading(self) -> Convention:
        """What the convention differs in."""
        return CONVENTIONS[self.convention]

    @property
    def gamma(self) -> float:
        """γ = (1 - λ)/λ."""
        return (1 - self.forgetting) / self.forgetting

    def scheduled(self, rate: float) -> Schedule:
        """Let a learning rate decay as `learning_rate_decay` says."""
        decay = self.learning_rate_decay
        return LinearDecay(rate, decay) if isinstance(decay, int) else EpochDecay(rate, decay)

    def lateral_gains(self, k: int) -> tuple[float, float]:
        """c and d of layer k's M = cB + dI: (2κγε_k, ε_k g_lk) if hidden; of its current: (κγ, g_lk) if output."""
        gain = self.entropy_gain * self.gamma
        if k == self.output:
            return gain, self.g_leak
        return 2 * gain * self.epsilon[k], self.epsilon[k] * self.g_leak


@validated(where="CorInfoMax")
def resolve(
    architecture: Deep,
    *,
    epsilon: Positive | list[Positive] = 0.15,
    forgetting: Fraction = 0.99999,
    g_leak: Positive = 0.5,
    learning_rate_ff: NonNegative | list[NonNegative] = 1.0,
    learning_rate_fb: FeedbackRates = 0.15,
    learning_rate_decay: LearningRateDecay = [(0, 0.95), (15, 0.9)],  # noqa: B006
    weight_decay: NonNegative = 0.0,
    optimiser: Optimiser = "descent",
    bias: Switch = False,
    convention: ConventionName = "normative",
    schedule: ScheduleName | None = None,
    entropy_gain: Finite = 1.0,
    lateral_rule: LateralRuleName = "published",
    lateral_refresh: Count = 100,
    lateral_form: LateralForm = "inverse",
    sst_every: Count | None = None,
    sst_tolerance: NonNegative | None = None,
    tau_u: Time = 10.0,
    tau_SST: TimeOrNone = 0.0,
    tau_A: TimeOrNone = 0.0,
    tau_B: TimeOrNone = 0.0,
    noise_soma: NonNegative = 0.0,
    noise_basal: NonNegative = 0.0,
    noise_apical: NonNegative = 0.0,
    noise_SST: NonNegative = 0.0,
    tau_noise: Time = 5.0,
    domain: DomainChoice = "B_inf_plus",
    constraints: Enforcement = "enforced",
    tau_multiplier: Time | list[Time] | None = None,
    dale: list[Signed] = [],  # noqa: B006
    cell: CellReference | dict[str, CellReference] | None = None,
    cell_parameters: dict[str, Finite] = {},  # noqa: B006
    projection: ProjectionName = "dense",
    initial_gain_ff: Positive | list[Positive] = 1.0,
    initial_gain_fb: Positive | list[Positive] = 1.0,
    initial_feedback: InitialFeedback = "random",
    signal: Signal = "rates",
    spike_generator: Generator = "coding",
    r_max: Positive = 200.0,
    tau_s: Time = 40.0,
    tau_ref: TimeOrNone = 2.0,
    cells_per_unit: Count = 1,
    sst_signal: SSTSignal = "rates",
    spikes_read: Count = 100,
    delay: TimeOrNone = 0.0,
    forward_rule: ForwardRuleName = "error",
    contrast: Contrast = "phases",
    gate_lag: Index = 4,
    oscillation_rule: OscillationRuleName = "running_sums",
    tau_trace: TimeOrNone = 0.0,
    seed: Seed = 0,
) -> Parameters:
    """Check the keywords of `CorInfoMax`, which describes them, and resolve them by layer and pair.

    Raises
    ------
    ParameterError
        For parameters out of range, or at odds with the architecture or with each other.
    """
    P = len(architecture) - 1
    epsilons = _each("epsilon", epsilon, P)
    domains = _domains(domain, architecture[1:])
    combinations.check_constraints(domains, domain, constraints, tau_multiplier)
    if constraints == "as_published":
        domains = _inhibited_by_current(domains)
    combinations.check_lateral_form(lateral_form, lateral_rule, entropy_gain, dale)
    if bias and projection == "synapses":
        raise ParameterError('bias = true needs projection = "dense"')
    check_tolerance(sst_tolerance, np.float64)
    schedule = schedule or CONVENTIONS[convention].schedule
    if signal == "spikes" and schedule != "synchronous":
        raise ParameterError(f'signal = "spikes" needs schedule = "synchronous", not "{schedule}"')
    rates = _by_pair("learning_rate", learning_rate_ff, _of_feedback(learning_rate_fb, P), P)
    combinations.check_optimiser(optimiser, rates, weight_decay, dale, oscillation_rule)
    combinations.check_moving(oscillation_rule, contrast, tau_trace, bias, weight_decay)
    if signal == "spikes" and cell is not None:
        raise ParameterError('signal = "spikes" needs the circuit\'s own cells; leave cell out')
    combinations.check_sst_signal(sst_signal, signal, tau_SST)
    spikes = Spikes(spike_generator, r_max, tau_s, tau_ref, spikes_read, cells_per_unit, sst_signal != "rates")
    if bias and forward_rule == "soma":
        raise ParameterError('bias = true needs forward_rule = "error"; there is no such rule of biases')
    sigmas = dict(zip(COMPARTMENTS, (noise_soma, noise_basal, noise_apical, noise_SST), strict=True))
    return Parameters(
        architecture=tuple(architecture),
        epsilon=epsilons,
        forgetting=forgetting,
        g_leak=g_leak,
        initial_gains=_by_pair("initial_gain", initial_gain_ff, initial_gain_fb, P),
        initial_feedback=initial_feedback,
        learning_rates=rates,
        learning_rate_decay=_decay_pieces(learning_rate_decay),
        weight_decay=weight_decay,
        optimiser=optimiser,
        bias=bias,
        convention=convention,
        schedule=schedule,
        entropy_gain=entropy_gain,
        lateral_rule=lateral_rule,
        lateral_refresh=lateral_refresh,
        lateral_form=lateral_form,
        sst_every=_interval(sst_every, sst_tolerance, projection),
        sst_tolerance=sst_tolerance,
        tau_u=tau_u,
        tau_SST=tau_SST,
        tau_A=tau_A,
        tau_B=tau_B,
        noise={compartment: sigma for compartment, sigma in sigmas.items() if sigma > 0},
        tau_noise=tau_noise,
        domains=domains,
        constraints=constraints,
        tau_multiplier=_multiplier_taus(tau_multiplier, constraints, P),
        dale=tuple(dale),
        cell=cell,
        cell_parameters=cell_parameters,
        projection=projection,
        spikes=spikes if signal == "spikes" else None,
        delay=delay,
        spiking_sst=sst_signal == "spikes",
        forward_rule=forward_rule,
        contrast=contrast,
        gate_lag=gate_lag,
        oscillation_rule=oscillation_rule,
        tau_trace=tau_trace,
        seed=seed,
    )


def check_tolerance(tolerance: float | None, dtype: DTypeLike):
    """Raise a `ParameterError` for a tolerance that lies below one rounding of the type, and is not 0."""
    rounding = float(np.finfo(dtype).eps)
    if tolerance is not None and 0 < tolerance < rounding:
        raise ParameterError(
            f"sst_tolerance = {tolerance:g}: below one rounding of {np.dtype(dtype)}, {rounding:.3g}; must be at least "
            "that, or 0 for the exact scheme"
        )


def _interval(every: int | None, tolerance: float | None, projection: str) -> int | Interval:
    """Steps between two renewals of the SST input: those stated, or what is to be found."""
    if projection == "synapses":
        if every is not None and every > 1:
            raise ParameterError('sst_every > 1 needs projection = "dense"')
        return 1
    if every is None:
        return 1 if tolerance == 0 else Interval("sst_every", tolerance)
    return every


def _each(key: str, value: float | Sequence[float], count: int) -> tuple[float, ...]:
    """One value for each of so many layers or pairs."""
    if not isinstance(value, Sequence):
        return (float(value),) * count
    if len(value) != count:
        raise ParameterError(f"{key} has {len(value)} values; this architecture needs one number or {count}")
    return tuple(float(item) for item in value)


def _by_pair(
    name: str, ff: float | Sequence[float], fb: float | Sequence[float], P: int
) -> dict[str, dict[int, float]]:
    """Values of W_ff^(0), …, W_ff^(P-1) and of W_fb^(1), …, W_fb^(P-1)."""
    return {
        "W_ff": dict(enumerate(_each(f"{name}_ff", ff, P))),
        "W_fb": dict(enumerate(_each(f"{name}_fb", fb, P - 1), start=1)),
    }


def _of_feedback(rates: float | Sequence[float], P: int) -> float | Sequence[float]:
    """Leave out the first of P rates: as the tables print them, it belongs to no weights."""
    return rates[1:] if isinstance(rates, Sequence) and len(rates) == P else rates


def _decay_pieces(decay: float | Sequence | Mapping[str, int]) -> tuple[tuple[int, float], ...] | int:
    if isinstance(decay, Mapping):
        minibatches = decay.get("linear")
        if set(decay) != {"linear"} or not isinstance(minibatches, int) or isinstance(minibatches, bool):
            raise ParameterError(
                f"learning_rate_decay = {dict(decay)}: a table must be {{linear = n}}, n a whole number of minibatches"
            )
        if minibatches < 1:
            raise ParameterError(f"learning_rate_decay = {dict(decay)}: linear must be at least 1")
        return minibatches
    if not isinstance(decay, Sequence):
        return ((0, float(decay)),)
    pieces = tuple((int(epoch), float(factor)) for epoch, factor in decay)
    check_pieces("learning_rate_decay", pieces)
    return pieces


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


def _inhibited_by_current(domains: Mapping[int, Domain]) -> dict[int, Domain]:
    """Make the domains of the published sparse circuits, whose constraints raise no threshold."""
    found = {}
    for k, domain in domains.items():
        try:
            found[k] = domain.inhibited_by_current() if domain.constraints else domain
        except ParameterError as error:
            raise ParameterError(f"layer {k}: {error}") from None
    return found


def _multiplier_taus(tau: float | Sequence[float] | None, constraints: Enforcement, P: int) -> dict[int, float]:
    hidden, output = _PUBLISHED_TAU if constraints == "as_published" else (combinations.ENFORCING_TAU,) * 2
    values = [hidden] * (P - 1) + [output] if tau is None else tau
    return dict(enumerate(_each("tau_multiplier", values, P), start=1))
