"""Settings of a CorInfoMax circuit that do not go together, each refused in a line."""

from collections.abc import Mapping, Sequence

import numpy as np

from ...errors import ParameterError
from ...models.domains import Domain, DomainChoice

#: About that of the pyramidal cells, in ms.
ENFORCING_TAU = 0.7
#: Slower multipliers, in ms, enforce nothing: free phases last 10 to 30 ms.
_SLOWEST_TAU = 10.0

#: Of the size of initial weights.
_LARGEST_ADAM_RATE = 0.1


def check_moving(rule: str, contrast: str, tau_trace: float, bias: bool, weight_decay: float):
    """Refuse what weights that move within a presentation cannot be combined with, and traces without them."""
    if rule == "running_sums":
        if tau_trace:
            raise ParameterError(f'tau_trace = {tau_trace:g}: needs oscillation_rule = "moving" or "moving_high_pass"')
        return
    if contrast != "oscillation":
        raise ParameterError(f'oscillation_rule = "{rule}": needs contrast = "oscillation", not "{contrast}"')
    if bias:
        raise ParameterError(f'oscillation_rule = "{rule}": has no rule of biases; leave bias out')
    if weight_decay and tau_trace:
        raise ParameterError(f"weight_decay = {weight_decay:g}: weights that follow a trace have none; leave it out")


def check_optimiser(
    optimiser: str,
    rates: Mapping[str, Mapping[int, float]],
    weight_decay: float,
    dale: Sequence[str],
    oscillation_rule: str,
):
    """Refuse what Adam does not do: let weights decay, keep them positive, act within a presentation, or take leaps."""
    if optimiser == "descent":
        return
    for way, by_pair in (("ff", rates["W_ff"]), ("fb", rates["W_fb"])):
        if max(by_pair.values()) > _LARGEST_ADAM_RATE:
            raise ParameterError(
                f'learning_rate_{way} = {list(by_pair.values())}: with optimiser = "adam" each step is as large as the '
                f"rate; at most {_LARGEST_ADAM_RATE:g}, such as 1e-3"
            )
    for unmet, key in (
        (weight_decay, f"weight_decay = {weight_decay:g}"),
        (set(dale) & {"W_ff", "W_fb"}, f"dale = {list(dale)}"),
        (oscillation_rule != "running_sums", f'oscillation_rule = "{oscillation_rule}"'),
    ):
        if unmet:
            raise ParameterError(f'{key}: needs optimiser = "descent", not "{optimiser}"')


def check_constraints(
    domains: Mapping[int, Domain],
    domain: DomainChoice,
    constraints: str,
    tau_multiplier: float | Sequence[float] | None,
):
    """Refuse multipliers where no layer has constraints, and such as are too slow to enforce them."""
    unused = "tau_multiplier" if tau_multiplier is not None else "constraints" * (constraints == "as_published")
    if unused and not any(found.constraints for found in domains.values()):
        raise ParameterError(f"{unused}: no layer's domain has constraints; domain = {domain!r}")
    if tau_multiplier is not None and constraints == "enforced" and np.max(tau_multiplier) > _SLOWEST_TAU:
        raise ParameterError(
            f"tau_multiplier = {tau_multiplier}: too slow to enforce anything within a presentation; with "
            f'constraints = "enforced" at most {_SLOWEST_TAU:g} ms, best about {ENFORCING_TAU:g}'
        )


def check_lateral_form(form: str, rule: str, entropy_gain: float, dale: Sequence[str]):
    """Refuse what D and O cannot do where they learn by themselves."""
    if form == "inverse":
        return
    if rule == "regularised":
        raise ParameterError('lateral_form = "autapse" has rules (eqs 29, 30) for lateral_rule = "published" only')
    if entropy_gain == 0:
        raise ParameterError('lateral_form = "autapse" needs entropy_gain ≠ 0: its D and O carry γB')
    if "O" in dale:
        raise ParameterError('dale: "O" needs lateral_form = "inverse"; B would follow from O and be indefinite')


def check_sst_signal(sst_signal: str, signal: str, tau: float):
    """Refuse SST cells that see spikes which nobody sends, and such as spike without a membrane."""
    if sst_signal != "rates" and signal != "spikes":
        raise ParameterError(f'sst_signal = "{sst_signal}" needs signal = "spikes", not "{signal}"')
    if sst_signal == "spikes" and tau == 0:
        raise ParameterError('sst_signal = "spikes" needs tau_SST > 0: cells that spike have a membrane')
