"""Examining a circuit before it is trained: step, stability, settling, and the nudge that reaches each layer."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ...analysis import Finding
from ...errors import DivergenceError, ParameterError
from ...models import MultiplierCell
from ...networks import Circuit, CorInfoMax
from ...networks.linearisation import Linearisation
from ...stimuli import Stimuli, Stimulus
from ..clockwork import Phase, Preparation, Protocol
from .lifting import UNLIFTED, phase_betas, spaced, unlifted, why_not_applicable

#: How many training stimuli are presented.
STIMULI = 10
#: At the states that so many of them lead to, the circuit is linearised.
_LINEARISED = 3
#: How many times longer than the protocol's own phases a layer may take to settle.
_LONGER = 10
#: Spread of a hidden layer's rates over stimuli, relative to layer 1's. Published circuits with two hidden layers begin
#: at .3, circuits with three and equal ε at .1, and learn slowly.
_SPREAD = 0.2
#: Above this share of the stimuli that want it an output cell is certain to be learnt late.
_CERTAIN = 0.8
#: A layer has settled when its rates stay within so much, of their norm, of what they become.
_SETTLED = 0.02
#: Excess over a constraint that still counts as holding it.
_HELD = 0.01
#: Of the nudge that a layer would get in equilibrium, so much should have arrived.
_ARRIVED = 0.2
#: The nudge that reaches a layer, in units of the drift that goes on without it.
_ABOVE_DRIFT = 3.0
#: The nudge that reaches a layer, in units of the rounding errors of its rates.
_ABOVE_ROUNDING = 100.0


def examine(
    circuit: Circuit,
    protocol: Protocol,
    stimuli: Stimuli,
    dtype: str = "float32",
    target: str = "auto",
    report: Callable[[str], object] = lambda what: None,
) -> list[Finding]:
    """Find out whether a circuit can learn by a protocol, before it is trained.

    Parameters
    ----------
    circuit : Circuit
        With the weights it is to begin with, or those of a trained one; they stay.
    protocol : Protocol
        That of training. It is also tried with phases ten times as long.
    stimuli : Stimuli
        The first ten training stimuli are presented; for 200 across the set the output cells are looked at.
    dtype : {"float32", "float64"}
        Type of the training; the examination is done in float64.
    target : {"auto", "cython", "numpy"}
    report : callable
        Told what is being done.

    Returns
    -------
    list of Finding
        In order: Euler step, spectral abscissa and Euler's radius with loops (`CorInfoMax` only), settling, activity
        that fades from layer to layer and output cells that the teacher cannot lift (`CorInfoMax` only), and for each
        layer the nudge that reaches it. Those that are well have no advice.
    """
    x, y = (rows[:STIMULI].astype(float) for rows in (stimuli.x_train, stimuli.y_train))
    across = spaced(len(stimuli.x_train))
    many = [rows[across].astype(float) for rows in (stimuli.x_train, stimuli.y_train)]
    kept = circuit.dtype
    circuit.astype(np.float64)
    try:
        tolerant = replace(protocol, allow_unstable=True)
        return list(_findings(circuit, tolerant, x, y, many, np.dtype(dtype), target, report))
    finally:
        circuit.astype(kept)


def _findings(circuit, protocol, x, y, many, dtype, target, report):
    step = max(protocol.eta(phase).max() for phase in protocol.phases)
    betas = phase_betas(protocol)
    if protocol.method == "euler" and circuit.step_bound(np.abs(betas).max()) < np.inf:
        yield _step(circuit, step, np.abs(betas).max())
    if (bound := circuit.beta_bound()) > -np.inf:
        too_low = f"take beta between {bound:.3g} and {-bound:.3g}" if betas.min() <= bound else ""
        yield Finding("Least β", f"{betas.min():.3g}", f"above {bound:.3g}", too_low)
    report("settling")
    try:
        rates, multipliers = _long_free_phase(circuit, protocol, x, target)
    except DivergenceError as error:
        yield Finding("Free phase", str(error), "a rest", "take a smaller step, or smaller initial weights")
        return
    if isinstance(circuit, CorInfoMax):
        report("linearising")
        try:
            yield from _linearised(circuit, protocol, rates, multipliers, step)
        except ParameterError as error:
            yield Finding("Spectral abscissa of the Jacobian", f"not examined ({error})", "below 0")
    yield _settling(rates, protocol)
    if isinstance(circuit, CorInfoMax) and circuit.output > 2:
        yield _fading(circuit, rates)
    yield from _constraints(circuit, rates, protocol)
    if protocol.minus is None or circuit.teacher is None or not any(phase.taught for phase in protocol.phases):
        yield Finding("Nudge of the layers", "not examined", "a contrast of phases with and without a teacher")
        return
    report("nudging")
    if isinstance(circuit, CorInfoMax):
        yield _lifting(circuit, protocol, *many, np.abs(betas).max(), target)
    yield from _nudges(circuit, protocol, x, y, dtype, target)


def _step(circuit: Circuit, step: float, beta: float) -> Finding:
    bound = circuit.step_bound(beta)
    advice = "" if step < bound else f'take step = {0.5 * bound:.2g}, or method = "exponential_euler"'
    return Finding("Euler step η, each layer alone", f"{step:.3g}", f"below {bound:.3g}", advice)


def _linearised(circuit: CorInfoMax, protocol: Protocol, rates, multipliers, step: float):
    """Stability at the states that the first stimuli lead to, when all has settled."""
    states = [
        Linearisation(circuit, {k: r[-1][row] for k, r in rates.items()}, {k: a[row] for k, a in multipliers.items()})
        for row in range(min(_LINEARISED, len(rates[1][-1])))
    ]
    abscissa = max(state.spectral_abscissa() for state in states)
    advice = "" if abscissa < 0 else "lower initial_gain_fb or initial_gain_ff, or entropy_gain"
    slowest = f", a mode of {-1 / abscissa:.3g} τ_u or {-1 / (abscissa * step):.3g} steps" if abscissa < 0 else ""
    yield Finding("Spectral abscissa of the Jacobian, in 1/τ_u", f"{abscissa:.3g}{slowest}", "below 0", advice)
    if protocol.method == "euler":
        radius = max(state.euler_radius(step) for state in states)
        advice = "" if radius < 1 or abscissa >= 0 else "the loops of W_ff and W_fb oscillate: take a smaller step"
        yield Finding("Euler step η, loops included: |1 + η·eigenvalue|", f"{radius:.4f}", "below 1", advice)


def _long_free_phase(circuit, protocol, x, target):
    """Rates of all layers step by step, and those of multiplier cells at the end, by layer."""
    *before, last = protocol.prediction
    longer = replace(protocol, phases=[*before, _lengthened(last)], jitter=0.0)
    preparation = Preparation(circuit, len(x), protocol=longer, target=target)
    rates: dict[int, list] = {k: [] for k in range(1, circuit.output + 1)}

    def note(moment):
        for k, rows in rates.items():
            rows.append(moment.layer(k).read("r").astype(np.float32))

    preparation.on_step.append(note)
    preparation.settle(x, ("r",))
    multipliers = {
        spec.layer: preparation.populations[spec.name].read("r")
        for spec in circuit.populations
        if isinstance(spec.cell, MultiplierCell)
    }
    return {k: np.stack(rows) for k, rows in rates.items()}, multipliers


def _settling(rates: dict[int, np.ndarray], protocol: Protocol) -> Finding:
    """Steps after which each layer stays where it is going, and how far from it the protocol's free phase ends."""
    steps = sum(phase.steps for phase in protocol.prediction)
    taken, left = {}, {}
    for k, r in rates.items():
        distance = np.linalg.norm(r - r[-1], axis=(1, 2)) / max(np.linalg.norm(r[-1]), np.finfo(np.float32).tiny)
        away = np.flatnonzero(distance > _SETTLED)
        taken[k], left[k] = (int(away[-1]) + 2 if len(away) else 1), float(distance[min(steps, len(r)) - 1])
    slowest = max(taken, key=lambda k: taken[k])
    if taken[slowest] >= 0.9 * len(rates[slowest]):
        found = f"layer {slowest} moves on for more than {len(rates[slowest])} steps"
        advice = "it oscillates or creeps: lower initial_gain_fb or initial_gain_ff, or step; where a domain has "
        advice += "constraints, raise tau_multiplier; background input (noise_soma, …) moves it for ever"
    else:
        found = f"layer {slowest} takes {taken[slowest]} steps; after {steps} it is {100 * left[slowest]:.2g} % away"
        phase = protocol.prediction[-1]
        needed = phase.steps + taken[slowest] - steps
        advice = "" if needed <= phase.steps else f"let phase {phase.name!r} last {needed} steps ({phase.name}_steps)"
    return Finding("Free phase: steps to settle within 2 %", found, f"at most {steps}", advice)


def _fading(circuit: CorInfoMax, rates: dict[int, np.ndarray]) -> Finding:
    """How much less than layer 1 a hidden layer tells stimuli apart."""
    spread = {k: float(np.sqrt(rates[k][-1].var(axis=0).mean())) for k in range(1, circuit.output)}
    ratio = {k: each / max(spread[1], np.finfo(np.float32).tiny) for k, each in spread.items() if k > 1}
    weakest = min(ratio, key=lambda k: ratio[k])
    # √2 makes up for the silent half of the cells, the rest for what feedback takes from bottom-up input.
    gains = [np.sqrt(2) * (1 + circuit.epsilon[k - 1] / circuit.epsilon[k]) for k in ratio]
    entries = f"entr{'ies' if len(gains) > 1 else 'y'} {', '.join(map(str, ratio))}"
    advice = (
        ""
        if ratio[weakest] > _SPREAD
        else f"activity fades on its way up: at first {', '.join(f'{gain:.3g}' for gain in gains)} would keep it as "
        f"{entries} of initial_gain_ff, with .3 as the last"
    )
    what = "Spread of rates over stimuli, relative to layer 1's"
    return Finding(what, f"{ratio[weakest]:.2g} in layer {weakest}", f"above {_SPREAD:g}", advice)


def _lifting(circuit: CorInfoMax, protocol: Protocol, x, y, beta: float, target) -> Finding:
    """Output cells that stay silent under the teacher, so that their weights do not learn."""
    what, wanted = "Output cells that the teacher cannot lift", f"none for over {100 * UNLIFTED:.0f} %"
    if reason := why_not_applicable(circuit):
        return Finding(what, f"not applicable: {reason}", "–")
    r = Preparation(circuit, min(STIMULI, len(x)), protocol=protocol, target=target).settle(x, ("r",)).r
    share = unlifted(circuit, r[circuit.output - 1], y, beta)
    if not share.any():
        return Finding(what, "none", wanted)
    late = np.flatnonzero(share > UNLIFTED)
    shown = late if len(late) else [share.argmax()]
    plural = "s" * (len(shown) > 1)
    found = ", ".join(f"{cell} for {100 * share[cell]:.0f} %" for cell in shown)
    advice = ""
    if len(late):
        sure = "will" if share[late].min() > _CERTAIN else "may"
        advice = f"cell{plural} {', '.join(map(str, late))} {sure} be learnt late: lower the last entry of "
        advice += "initial_gain_ff, to 0.3 say, or raise beta"
    return Finding(what, f"cell{plural} {found} of the stimuli that want it", wanted, advice)


def _nudges(circuit, protocol, x, y, dtype, target):
    """For each layer the nudge at the phase's end, against drift, rounding, and what equilibrium would give."""
    names = [phase.name for phase in protocol.phases]
    plus, minus = protocol.plus, protocol.minus
    short = _ends(Preparation(circuit, len(x), protocol=protocol, target=target), x, y, protocol.beta)
    try:
        lengthened = [
            _lengthened(phase) if phase.name == plus or phase in protocol.prediction else phase
            for phase in protocol.phases[: names.index(plus) + 1]
        ]
        long_protocol = replace(protocol, phases=lengthened, minus=protocol.prediction[-1].name, jitter=0.0)
        long = _ends(Preparation(circuit, len(x), protocol=long_protocol, target=target), x, y, protocol.beta)
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
    weakest = min(size, key=lambda k: size[k])
    if size[weakest] > 0:
        ratio = size[weakest] / size[output]
        advice = (
            ""
            if ratio > 1e-2
            else f"the nudge vanishes on its way down: raise initial_gain_fb, or make up for it by entry {weakest} of "
            f"learning_rate_ff, up to {1 / ratio:.1g} times the output's"
        )
        yield Finding(f"Nudge of layer {weakest}, relative to the output's", f"{ratio:.2g}", "above 0.01", advice)


def _constraints(circuit: Circuit, rates: dict[int, np.ndarray], protocol: Protocol):
    """How far the constraints of domains hold at the free phase's end, and ten times later."""
    steps = sum(phase.steps for phase in protocol.prediction)
    for k, early in circuit.excess({k: r[min(steps, len(r)) - 1] for k, r in rates.items()}).items():
        late = circuit.excess({k: rates[k][-1]})[k].max()
        advice = ""
        if getattr(circuit, "constraints", "enforced") == "as_published":
            advice = "" if early.max() <= _HELD else 'they are not held as published; constraints = "enforced" does'
        elif late > _HELD:
            advice = "they are not held however long the phase: raise tau_multiplier, or lower step"
        elif early.max() > _HELD:
            advice = f"lengthen phase {protocol.prediction[-1].name!r}"
        yield Finding(f"Constraints of layer {k}: worst excess", f"{early.max():.2g}, in the end {late:.2g}",
                      f"at most {_HELD:g}", advice)  # fmt: skip


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


def _ends(preparation: Preparation, x, y, beta: float) -> dict:
    """Phase ends of the same stimuli, and the same noise, with the teacher at β and with one that does not teach."""
    found = []
    stimuli = [Stimulus(x, y, beta, seed=0), Stimulus(x, y, 0.0, seed=0)]
    preparation.run_through(stimuli, on_presentation=lambda moment, ends: found.append(ends))
    return {"nudged": found[0], "free": found[1]}


def _lengthened(phase: Phase) -> Phase:
    """Make the phase longer, its last values going on."""

    def go_on(course):
        course = np.asarray(course, dtype=float)
        if course.ndim == 0 or len(course) == 1:
            return course
        return np.concatenate([course, np.repeat(course[-1:], (_LONGER - 1) * phase.steps, axis=0)])

    courses = {key: go_on(course) for key, course in phase.course.items()}
    return replace(phase, steps=_LONGER * phase.steps, beta=go_on(phase.beta), course=courses)
