"""Reciprocal feedback (Cameron, Chen, Wagner & Sejnowski, poster): errors come down by learnt pseudoinverses."""

from collections.abc import Iterator

import numpy as np

from ...analysis import Finding, angle
from ...analysis.pseudoinverse import condition, inverse_error, penrose_residuals
from ...networks.reciprocal_feedback import STAGE, ReciprocalFeedback
from ...networks.states import Layers
from ...stimuli.stimuli import Stimuli
from ...stimuli.stimulus import Stimulus
from ..clockwork.calibration import as_it_was
from ..clockwork.preparation import Preparation
from ..clockwork.protocol import Protocol
from ..clockwork.recirculation import noise_alone, recirculating
from ..examinations.examined import Examined
from .metrics import codes, norms, performance
from .model import Model
from .wiring import Wiring

#: So much of the noise may not have arrived at a phase's end.
_ARRIVED = 0.01


def metrics(circuit: ReciprocalFeedback, states: Layers, stimuli: Stimuli) -> dict[str, float]:
    """Columns of the history: accuracy or R², and how near the feedback B_k = W_fb[k] is to inverting A_k = W[k].

    Parameters
    ----------
    circuit : ReciprocalFeedback
    states : Layers
        r of the layers k ≥ 1, in which the test stimuli leave it.
    stimuli : Stimuli

    Returns
    -------
    dict of str to float
        `angle_k` between W[k] and the transposed W_fb[k]; of each pair with feedback `inverse_error_k` = ‖B - A⁺‖/‖A⁺‖,
        `condition_k` of A and `penrose_1_k` to `penrose_4_k`, by how much the four conditions of Penrose are missed;
        `norm_W_k`; `stuck_k`.
    """
    up, down = circuit.weights["W"], circuit.weights["W_fb"]
    found = {f"angle_{k}": angle(up[k], down[k]) for k in down}
    found |= {f"inverse_error_{k}": inverse_error(up[k], down[k]) for k in down}
    found |= {f"condition_{k}": condition(up[k]) for k in down}
    for k in down:
        residuals = penrose_residuals(up[k], down[k])
        found |= {f"penrose_{number}_{k}": residual for number, residual in enumerate(residuals, start=1)}
    return {
        **performance(circuit.predicted(states), stimuli),
        **found,
        **norms(circuit),
        **codes(states.r, {}, ("stuck",)),
    }


def learn_from_noise(preparation: Preparation, presentations: int, stimulus: Stimulus | None = None):
    """Present noise alone, so that feedback learns before there is anything else to learn.

    Parameters
    ----------
    preparation : Preparation
        Of a `ReciprocalFeedback`. Its phases of noise are taken, or white noise at the bottom where it has none. Cells,
        hooks, protocol and progress are afterwards what they were.
    presentations : int
    stimulus : Stimulus, optional
        Its inputs, which are not shown, say of how many vectors; its seed fixes the noise.

    Raises
    ------
    DivergenceError
        If weights diverge.
    KeyboardInterrupt
        If the user ends it; weights are then what they were.
    """
    circuit, protocol = preparation.circuit, preparation.protocol
    if stimulus is None:
        stimulus = Stimulus(np.zeros((preparation.replicas, circuit.sizes[0])))
    weights, progress = circuit.state_dict(), circuit.progress
    seeds = np.random.SeedSequence(stimulus.seed or 0).generate_state(max(presentations, 1))
    preparation.exchange_protocol(noise_alone(protocol))
    try:
        with as_it_was(preparation):
            preparation.run_through(Stimulus(stimulus.x, learn=True, seed=int(seed)) for seed in seeds[:presentations])
    except BaseException:
        circuit.load_state_dict(weights)
        raise
    finally:
        circuit.progress = progress
        preparation.exchange_protocol(protocol)


def align(circuit: ReciprocalFeedback, learner: Preparation, stimulus: Stimulus) -> str | None:
    """Let the feedback of a new circuit learn from noise alone, and say so."""
    if circuit.progress.presentation or not circuit.initial_noise or circuit.noise_rate == 0:
        return None
    learn_from_noise(learner, circuit.initial_noise, stimulus)
    return f"Feedback has first learnt from {circuit.initial_noise} presentations of noise alone."


def recirculation(examined: Examined) -> Iterator[Finding]:
    """Compare the rate of learning from noise with its bound, and see whether noise gets through in its phases."""
    circuit, protocol = examined.circuit, examined.protocol
    covariances, both = circuit.noise_in(protocol.phases)
    if not covariances:
        yield Finding("Phases of noise", "none: feedback stays as it is", "–")
        return
    bounds = {k: circuit.noise_bound(k, examined.batch_size, C, both) for k, C in covariances.items()}
    tightest = min(bounds, key=lambda k: bounds[k])
    rate, bound = circuit.noise_rate, bounds[tightest]
    advice = (
        "" if rate < bound else f"take noise_rate = {bound / 2:.2g}, a smaller noise_deviation or a larger batch_size"
    )
    if both and rate > 0 and circuit.noise_rate_forward == 0:
        advice = 'feedback can run away: take noise_rate_forward above 0, or noise_at = "bottom"'
    yield Finding(f"Rate of learning from noise, W_fb[{tightest}]", f"{rate:.3g}", f"below {bound:.3g}", advice)
    left = max(_not_arrived(phase.steps, protocol.eta(phase).min(), phase.noisy) for phase in _of_noise(protocol))
    advice = "" if left <= _ARRIVED else "take step = 1, or raise noise_steps and echo_steps"
    yield Finding("Noise that has not arrived at a phase's end", f"{left:.2g}", f"at most {_ARRIVED:g}", advice)


def _of_noise(protocol: Protocol):
    return [phase for phase in protocol.phases if STAGE in phase.course]


def _not_arrived(steps: int, eta: float, through_two: bool) -> float:
    """What is missing of a step of 1 after so many Euler steps: of one soma, or of a second one that follows it."""
    first = second = 0.0
    for _ in range(steps):
        first, second = first + eta * (1 - first), second + eta * (first - second)
    return abs(1 - (second if through_two else first))


MODEL = Model(
    trainable=ReciprocalFeedback,
    protocols={"recirculating": recirculating, "phases": Protocol},
    metrics=metrics,
    examinations=(recirculation,),
    reads_like="reciprocal feedback",
    citations=("Cameron2025", "Kingma2015"),
    wiring=Wiring(
        transport=False,
        symmetric=False,
        local=True,
        why="B learns by what the apical dendrite misses of the soma, W by the apical potential; but an axon carries "
        "rates down at one time, errors at another",
    ),
    begin_epoch=align,
)
