"""Which rule and which optimiser move which weights."""

from ..optimisers import Adam, GradientStep, SynapticTrace
from ..plasticity import Plasticity, Readout
from .parameters import Parameters
from .recursions import AutapseRecursion, InverseRecursion, RegularisedInverse
from .rules import (
    BiasRule,
    CorrelationRule,
    FeedbackRule,
    ForwardRule,
    LateralRule,
    MovingOscillationRule,
    OscillationBiasRule,
    OscillationRule,
    OscillationSomaRule,
    SomaRule,
)

#: Adam's ε. The ΔW of layers far below the output are as small as 1e-9, which the usual 1e-8 would drown.
_ADAM_EPSILON = 1e-12


def plasticity(parameters: Parameters) -> list[Plasticity]:
    """Give the plasticity of a circuit: eqs 26 and 27 by pair, then that of the lateral weights by layer."""
    layers = range(1, parameters.output + 1)
    return [
        *(_contrastive(parameters, "W_ff", k) for k in parameters.learning_rates["W_ff"]),
        *(_contrastive(parameters, "b", k) for k in layers if parameters.bias),
        *(_contrastive(parameters, "W_fb", k) for k in parameters.learning_rates["W_fb"]),
        *(_lateral(parameters, k) for k in layers),
    ]


def _contrastive(parameters: Parameters, key: str, k: int) -> Plasticity:
    if parameters.oscillation_rule != "running_sums":
        return _moving(parameters, key, k)
    oscillation = parameters.contrast == "oscillation"
    if key == "W_ff" and parameters.forward_rule == "soma":
        rule = OscillationSomaRule(k) if oscillation else SomaRule(k)
    elif oscillation:
        rule = OscillationBiasRule(k) if key == "b" else OscillationRule(key, k)
    else:
        rule = {"W_ff": ForwardRule, "b": BiasRule, "W_fb": FeedbackRule}[key](k)
    rates = parameters.learning_rates
    rate = parameters.scheduled(rates["W_ff"][k - 1] if key == "b" else rates[key][k])
    optimiser: Adam | GradientStep
    if parameters.optimiser == "adam":
        optimiser = Adam((key, k), _shape(parameters, key, k), rate, epsilon=_ADAM_EPSILON)
    else:
        optimiser = GradientStep((key, k), rate, parameters.weight_decay, excitatory=key in parameters.dale)
    return Plasticity(rule, optimiser, reads=_readouts(parameters))


def _moving(parameters: Parameters, key: str, k: int) -> Plasticity:
    """Let weights move while the teacher oscillates, at once or through a trace."""
    rate = parameters.scheduled(parameters.learning_rates[key][k])
    excitatory = key in parameters.dale
    optimiser: GradientStep | SynapticTrace
    if parameters.tau_trace:
        tau = parameters.tau_trace / parameters.tau_u
        optimiser = SynapticTrace((key, k), _shape(parameters, key, k), rate, tau, excitatory)
    else:
        optimiser = GradientStep((key, k), rate, parameters.weight_decay, excitatory=excitatory)
    now, mean = Readout("plus", lock_in=parameters.gate_lag), Readout("plus", last="all")
    reads = (now, mean) if parameters.oscillation_rule == "moving_high_pass" else (now,)
    return Plasticity(MovingOscillationRule(key, k), optimiser, reads=reads, when="step")


def _shape(parameters: Parameters, key: str, k: int) -> tuple[int, ...]:
    N = parameters.architecture
    if key == "b":
        return (N[k],)
    return (N[k + 1], N[k]) if key == "W_ff" else (N[k], N[k + 1])


def _readouts(parameters: Parameters) -> tuple[Readout, ...]:
    """The phases of a contrast: rates as they end, trains as means over their last parts. Or one oscillation."""
    if parameters.contrast == "oscillation":
        return Readout("plus", last="all"), Readout("plus", lock_in=parameters.gate_lag)
    last = None if parameters.spikes is None else parameters.spikes.last
    return Readout("plus", last=last), Readout("minus", last=last)


def _lateral(parameters: Parameters, k: int) -> Plasticity:
    forgetting, rule = parameters.forgetting, LateralRule(k)
    if parameters.lateral_rule == "regularised":
        units, epsilon, every = parameters.architecture[k], parameters.epsilon[k - 1], parameters.lateral_refresh
        rule, optimiser = CorrelationRule(k), RegularisedInverse(k, units, forgetting, epsilon, every)
    elif parameters.lateral_form == "autapse":
        optimiser = AutapseRecursion(k, forgetting, *parameters.lateral_gains(k))
    else:
        optimiser = InverseRecursion(k, forgetting)
    return Plasticity(rule, optimiser, reads=_readouts(parameters)[:1])
