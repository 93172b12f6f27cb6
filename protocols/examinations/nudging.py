"""How much of the teacher's nudge reaches each layer."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from ...analysis import Finding
from ...errors import DivergenceError
from ...networks.optimisers import Adam
from ...stimuli import Stimulus
from ..clockwork.phases import Phase
from ..clockwork.protocol import Protocol
from .examined import Examined, lengthened

#: Of the nudge that a layer would get in equilibrium, so much should have arrived.
_ARRIVED = 0.2
#: The nudge that reaches a layer, in units of the drift that goes on without it.
_ABOVE_DRIFT = 3.0
#: The nudge that reaches a layer, in units of the rounding errors of its rates.
_ABOVE_ROUNDING = 100.0


def nudges(examined: Examined) -> Iterator[Finding]:
    """Compare each layer's nudge at the phase's end with drift, rounding, and what equilibrium would give."""
    circuit, protocol, dtype = examined.circuit, examined.protocol, examined.dtype
    names = [phase.name for phase in protocol.phases]
    plus, minus = protocol.plus, protocol.minus
    contrasted = {plus, minus} <= set(names) and any(phase.taught for phase in protocol.phases)
    if circuit.teacher is None or examined.y is None or not contrasted:
        yield Finding("Nudge of the layers", "not examined", "a contrast of phases with and without a teacher")
        return
    examined.report("nudging")
    short = _ends(examined, protocol)
    missed = short["free"][plus].r[circuit.output] - examined.y
    if np.abs(missed).max() < np.finfo(np.float32).eps:
        yield Finding("Nudge of the layers", "none: the outputs are at their targets", "–")
        return
    try:
        phases = [
            lengthened(phase) if phase.name == plus or phase in protocol.prediction else phase
            for phase in protocol.phases[: names.index(plus) + 1]
        ]
        long = _ends(examined, replace(protocol, phases=phases, jitter=0.0))
    except DivergenceError:
        long = None
    output = circuit.output
    size = {}
    for k in range(1, output + 1):
        nudged, unnudged = short["nudged"][plus].r[k], short["free"][plus].r[k]
        effect = float(np.linalg.norm(nudged - unnudged))
        drift = float(np.linalg.norm(unnudged - short["free"][minus].r[k]))
        rounding = float(np.finfo(dtype).eps * np.linalg.norm(unnudged))
        size[k] = effect
        arrived = np.nan
        if long is not None and (full := np.linalg.norm(long["nudged"][plus].r[k] - long["free"][plus].r[k])) > 0:
            arrived = effect / full
        yield _nudge(k, effect, drift, rounding, arrived, protocol.phases[names.index(plus)])
    hidden = [k for k in size if k < output]
    weakest = min(hidden, key=lambda k: size[k], default=output)
    if hidden and size[weakest] > 0 and size[output] > 0:
        ratio, advice = size[weakest] / size[output], ""
        scaled = any(isinstance(each.optimiser, Adam) for each in circuit.plasticity)  # each weight's steps, by Adam
        if ratio <= 1e-2 and not scaled:
            advice = (
                f"the nudge vanishes on its way down: raise {examined.levers.feedback}, or make up for it by entry "
                f"{weakest} of {examined.levers.rates}, up to {1 / ratio:.1g} times the output's"
            )
        yield Finding(f"Nudge of layer {weakest}, relative to the output's", f"{ratio:.2g}", "above 0.01", advice)


def _nudge(k: int, effect: float, drift: float, rounding: float, arrived: float, phase: Phase) -> Finding:
    """Judge the nudge of one layer; what it should be is the criterion that failed, if one did."""
    wanted, advice, noise = f"above {_ABOVE_DRIFT:g} × drift", "", f"drift {drift:.2g}"
    if effect == 0:
        wanted, advice = "above 0", "nothing reaches it: its feedback is silent, or its cells are dead or saturated"
    elif effect < _ABOVE_ROUNDING * rounding:
        noise = f"rounding {rounding:.2g}, {noise}"
        wanted, advice = f"above {_ABOVE_ROUNDING:g} × rounding", 'it drowns in rounding: take dtype = "float64"'
    elif effect < _ABOVE_DRIFT * drift:
        advice = "learning would take the free phase's drift for it: lengthen that phase, or raise beta"
    elif arrived < _ARRIVED:
        wanted = f"at least {100 * _ARRIVED:.0f} % of that in equilibrium"
        advice = f"little of it has arrived: lengthen phase {phase.name!r}, now {phase.steps} steps"
    share = "" if np.isnan(arrived) else f", {100 * min(arrived, 1):.0f} % of the nudge in equilibrium"
    return Finding(f"Nudge of layer {k}: change of its rates", f"{effect:.2g}, {noise}{share}", wanted, advice)


def _ends(examined: Examined, protocol: Protocol) -> dict:
    """Phase ends of the same stimuli, and the same noise, with the teacher at β and with one that does not teach."""
    preparation, found = examined.prepared(protocol), []
    x, y = examined.x, examined.y
    stimuli = [Stimulus(x, y, protocol.beta, seed=0), Stimulus(x, y, 0.0, seed=0)]
    preparation.run_through(stimuli, on_presentation=lambda moment, ends: found.append(ends))
    return {"nudged": found[0], "free": found[1]}
