"""What can be wrong with a CorInfoMax circuit alone: fading activity, constraints that do not hold, silent outputs."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from ...analysis import Finding
from ...networks.corinfomax.circuit import CorInfoMax
from ...networks.corinfomax.lifting import lifting_gain, spreading_gain, unlifted, why_not_applicable
from ...parameters import AUTO
from ...stimuli import Stimuli, Stimulus
from ..clockwork.calibration import calibrate
from ..clockwork.preparation import Preparation
from ..clockwork.protocol import Protocol
from .examined import STIMULI, Examined, phase_betas, spaced
from .levers import Influence, Levers

#: Spread of a hidden layer's rates over stimuli, relative to layer 1's. Published circuits with two hidden layers begin
#: at .3, circuits with three and equal ε at .1, and learn slowly.
_SPREAD = 0.2
#: Share of the stimuli that want an output cell above which it is said to be learnt late. With preset digits, seeds 0
#: to 4, the two classes of which nothing was recognised in the first epoch began with .72 and 1.
_UNLIFTED = 0.5
#: Above this share of the stimuli that want it an output cell is certain to be learnt late.
_CERTAIN = 0.8
#: Excess over a constraint that still counts as holding it.
_HELD = 0.01

#: Weight κγ of the entropy term at which results/entropy.md finds that it tells, and below which it does not.
_NOTICEABLE, _INERT = 0.3, 0.01

#: What advice speaks of.
LEVERS = Levers(
    weights="initial_gain_fb or initial_gain_ff, or entropy_gain",
    feedback="initial_gain_fb",
    rates="learning_rate_ff",
    unrest="where a domain has constraints, raise tau_multiplier; background input (noise_soma, …) moves it for ever",
)


def fading(examined: Examined) -> Iterator[Finding]:
    """Measure how much less than layer 1 a hidden layer tells stimuli apart."""
    circuit, (_, rates) = examined.circuit, examined.settled
    if circuit.output <= 2:
        return
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
    yield Finding(what, f"{ratio[weakest]:.2g} in layer {weakest}", f"above {_SPREAD:g}", advice)


def constraints(examined: Examined) -> Iterator[Finding]:
    """Measure how far the constraints of domains hold at the free phase's end, and ten times later."""
    circuit, protocol, (_, rates) = examined.circuit, examined.protocol, examined.settled
    steps = examined.free_steps
    for k, early in circuit.excess({k: r[min(steps, len(r)) - 1] for k, r in rates.items()}).items():
        late = circuit.excess({k: rates[k][-1]})[k].max()
        advice = ""
        if circuit.constraints == "as_published":
            advice = "" if early.max() <= _HELD else 'they are not held as published; constraints = "enforced" does'
        elif late > _HELD:
            advice = "they are not held however long the phase: raise tau_multiplier, or lower step"
        elif early.max() > _HELD:
            advice = f"lengthen phase {protocol.prediction[-1].name!r}"
        yield Finding(f"Constraints of layer {k}: worst excess", f"{early.max():.2g}, in the end {late:.2g}",
                      f"at most {_HELD:g}", advice)  # fmt: skip


def lifting(examined: Examined) -> Iterator[Finding]:
    """Find output cells that stay silent under the teacher, so that their weights do not learn."""
    circuit = examined.circuit
    x, y = examined.across
    if y is None or not any(phase.taught for phase in examined.protocol.phases):
        return
    what, wanted = "Output cells that the teacher cannot lift", f"none for over {100 * _UNLIFTED:.0f} %"
    if reason := why_not_applicable(circuit):
        yield Finding(what, f"not applicable: {reason}", "–")
        return
    r = examined.prepared(examined.protocol, min(STIMULI, len(x))).settle(x, ("r",)).r
    share = unlifted(circuit, r[circuit.output - 1], y, np.abs(examined.betas).max())
    if not share.any():
        yield Finding(what, "none", wanted)
        return
    late = np.flatnonzero(share > _UNLIFTED)
    shown = late if len(late) else [share.argmax()]
    plural = "s" * (len(shown) > 1)
    found = ", ".join(f"{cell} for {100 * share[cell]:.0f} %" for cell in shown)
    advice = ""
    if len(late):
        sure = "will" if share[late].min() > _CERTAIN else "may"
        advice = f"cell{plural} {', '.join(map(str, late))} {sure} be learnt late: lower the last entry of "
        gain = lifting_gain(circuit, r[circuit.output - 1], np.abs(examined.betas).max())
        advice += f'initial_gain_ff to {gain:g}, which "auto" in its place chooses, or raise beta'
    yield Finding(what, f"cell{plural} {found} of the stimuli that want it", wanted, advice)


def renewal(examined: Examined) -> Iterator[Finding]:
    """Measure how seldom the lateral current may be renewed, on the first stimuli, as an epoch's calibration does."""
    for interval in examined.circuit.intervals.values():
        steps, tolerance = interval.steps, interval.tolerance
        preparation = examined.prepared(examined.protocol)
        if tolerance is None:
            interval.tolerance = float(np.finfo(examined.dtype).eps)
        try:
            found = calibrate(preparation, Stimulus(examined.x, examined.y, float(np.abs(examined.betas).max())))
        finally:
            interval.steps, interval.tolerance = steps, tolerance
        (calibration,) = found.values()
        deviation = calibration.deviations.get(calibration.steps, 0.0)
        yield Finding(
            "Steps between renewals of the lateral current",
            f"{calibration.steps}, rates then deviate by {deviation:.2g}",
            f"at most {calibration.tolerance:.2g}",
        )


def initial_gains(circuit: CorInfoMax, protocol: Protocol, stimuli: Stimuli, given) -> list[float]:
    """Choose gains of W_ff by the stimuli at hand, where "auto" stands in their place.

    The first lets cells with biases respond nonlinearly, the last lets the teacher lift all output cells.

    Parameters
    ----------
    circuit : CorInfoMax
        With its initial weights, and the gain 1 wherever "auto" stands; its weights change.
    protocol : Protocol
        That of training.
    stimuli : Stimuli
    given : "auto" or list
        Numbers, and "auto" for those that are to be chosen.

    Returns
    -------
    list of float
        1 where nothing is known to be better: between first and last, without biases, and where output cells cannot
        stay silent.
    """
    gains = [given] * circuit.output if isinstance(given, str) else list(given)
    left_open = [gain == AUTO for gain in gains]
    gains = [1.0 if gain == AUTO else gain for gain in gains]
    x = stimuli.x_train[spaced(len(stimuli.x_train))]
    if left_open[0] and circuit.parameters.bias:
        gains[0] = spreading_gain(circuit, x)
        circuit.weights["W_ff"][0] *= gains[0]
        circuit.weights["b"][1] *= gains[0]
    if left_open[-1] and not why_not_applicable(circuit):
        preparation = Preparation(circuit, len(x), protocol=replace(protocol, allow_unstable=True), target="numpy")
        r = preparation.settle(x, ("r",)).r[circuit.output - 1]
        gains[-1] = lifting_gain(circuit, r, np.abs(phase_betas(protocol)).max())
    return gains


def unlifted_classes(
    circuit: CorInfoMax, learner, protocol: Protocol, stimuli: Stimuli, classes: Sequence[int], seed: int | None = None
) -> list[int]:
    """Pick those of some classes whose output cell the teacher cannot lift for most of their training stimuli.

    Parameters
    ----------
    circuit : CorInfoMax
    learner : Learner
        Presents the stimuli.
    protocol : Protocol
        That of training.
    stimuli : Stimuli
        Of a classification.
    classes : sequence of int
    seed : int, optional
        Of the background input, if the circuit has some.

    Returns
    -------
    list of int
        Empty also where the question does not apply.
    """
    if why_not_applicable(circuit):
        return []
    rows = np.flatnonzero(np.isin(stimuli.labels_train, classes))
    rows = rows[spaced(len(rows))]
    r = learner.settle(stimuli.x_train[rows], seed=seed).r[circuit.output - 1]
    share = unlifted(circuit, r, stimuli.y_train[rows], np.abs(phase_betas(protocol)).max())
    return [int(label) for label in classes if share[label] > _UNLIFTED]


def influences(circuit: CorInfoMax, form: str) -> list[Influence]:
    """Say what SST cells do: at the published settings next to nothing, for a reason.

    Parameters
    ----------
    circuit : CorInfoMax
    form : str
        Of the protocol.
    """
    known = {"role": "interneuron", "name": "SST cells", "potential": "V_SST"}
    gain, gamma = circuit.entropy_gain, circuit.gamma
    if abs(gain * gamma) >= _INERT:
        return [Influence(**known)]
    wanted, coupling = _NOTICEABLE / gamma, 1 / max(circuit.epsilon)
    reasons = (
        f"They carry −O r, the off-diagonal part of M = ε(2κγB + g_lk I). It weighs κγ = {gain * gamma:.2g}, with "
        f"γ = (1 − λ)/λ and κ = entropy_gain = {gain:g}, against the couplings 1/ε = {coupling:.3g}: on the error "
        "terms, eqs 10-12 lack the factor (1 − λ)/(1 − λᵗ) of eq 6, and the entropy term is left inert.",
        f"The parameter entropy_gain multiplies γ in the dynamics. 1/(1 − λ) = {1 / (1 - circuit.forgetting):.6g} is "
        f"the weight that eq 6 implies, at the edge of what is stable. κ = {wanted:.2g}, that is κγ = {_NOTICEABLE}, "
        "with a regularised B and phases long enough to settle, is a weight at which the term tells "
        "(results/entropy.md). To try it:",
    )
    settings = ["lateral_rule=regularised", f"entropy_gain={float(f'{wanted:.1g}'):g}"]
    if circuit.lateral_form != "inverse":
        settings.append("lateral_form=inverse")
    if form == "contrastive":
        settings += ["free_steps=80", "nudge_steps=30"]
    return [Influence(**known, reasons=reasons, settings=tuple(settings))]
