"""Does activity settle: the Euler step, β, the linearised circuit, and how long the free phase must be."""

from collections.abc import Iterator

import numpy as np

from ...analysis import Finding
from ..clockwork.linearisation import Linearisation
from .examined import Examined

#: At the states that so many stimuli lead to, the circuit is linearised.
_LINEARISED = 3
#: A layer has settled when its rates stay within so much, of their norm, of what they become.
_SETTLED = 0.02


def euler_step(examined: Examined) -> Iterator[Finding]:
    """Compare the step with the bound of each layer alone."""
    bound = examined.circuit.step_bound(np.abs(examined.betas).max())
    if examined.protocol.method != "euler" or bound == np.inf:
        return
    advice = "" if examined.step < bound else f'take step = {0.5 * bound:.2g}, or method = "exponential_euler"'
    yield Finding("Euler step η, each layer alone", f"{examined.step:.3g}", f"below {bound:.3g}", advice)


def least_beta(examined: Examined) -> Iterator[Finding]:
    """Compare the least β with the one at which the output runs into its bounds."""
    bound, least = examined.circuit.beta_bound(), examined.betas.min()
    if bound > -np.inf:
        too_low = f"take beta between {bound:.3g} and {-bound:.3g}" if least <= bound else ""
        yield Finding("Least β", f"{least:.3g}", f"above {bound:.3g}", too_low)


def stability(examined: Examined) -> Iterator[Finding]:
    """Find stability at the states that the first stimuli lead to, when all has settled."""
    preparation, _ = examined.settled
    examined.report("linearising")
    states = [Linearisation(preparation, row, beta=0.0) for row in range(min(_LINEARISED, len(examined.x)))]
    abscissa, step = max(state.spectral_abscissa() for state in states), examined.step
    advice = "" if abscissa < 0 else f"lower {examined.levers.weights}"
    slowest = f", a mode of {-1 / abscissa:.3g} τ or {-1 / (abscissa * step):.3g} steps" if abscissa < 0 else ""
    yield Finding("Spectral abscissa of the Jacobian, in 1/τ", f"{abscissa:.3g}{slowest}", "below 0", advice)
    if examined.protocol.method == "euler":
        radius = max(state.euler_radius(step) for state in states)
        advice = "" if radius < 1 or abscissa >= 0 else "the loops of its weights oscillate: take a smaller step"
        yield Finding("Euler step η, loops included: |1 + η·eigenvalue|", f"{radius:.4f}", "below 1", advice)


def settling(examined: Examined) -> Iterator[Finding]:
    """Count the steps after which each layer stays where it is going, and how far from it the free phase ends."""
    _, rates = examined.settled
    steps = examined.free_steps
    taken, left = {}, {}
    for k, r in rates.items():
        distance = np.linalg.norm(r - r[-1], axis=(1, 2)) / max(np.linalg.norm(r[-1]), np.finfo(np.float32).tiny)
        away = np.flatnonzero(distance > _SETTLED)
        taken[k], left[k] = (int(away[-1]) + 2 if len(away) else 1), float(distance[min(steps, len(r)) - 1])
    slowest = max(taken, key=lambda k: taken[k])
    if taken[slowest] >= 0.9 * len(rates[slowest]):
        found = f"layer {slowest} moves on for more than {len(rates[slowest])} steps"
        further = f"; {examined.levers.unrest}" if examined.levers.unrest else ""
        advice = f"it oscillates or creeps: lower {examined.levers.weights}, or step{further}"
    else:
        found = f"layer {slowest} takes {taken[slowest]} steps; after {steps} it is {100 * left[slowest]:.2g} % away"
        phase = examined.protocol.prediction[-1]
        needed, key = phase.steps + taken[slowest] - steps, examined.levers.duration.format(phase=phase.name)
        advice = "" if needed <= phase.steps else f"let phase {phase.name!r} last {needed} steps ({key})"
    yield Finding("Free phase: steps to settle within 2 %", found, f"at most {steps}", advice)
