"""Protocols of reciprocal feedback: phases of noise, in which feedback learns, and a prediction with its error."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Literal

from ...networks.reciprocal_feedback import BOTH, BOTTOM, FIRST_STAGE, NOISE, PARITIES, STAGE
from ...parameters import Positive, Steps, Switch, extends
from .phases import Phase
from .protocol import Protocol
from .sources import Noise

NoiseAt = Literal["bottom", "both"]


def noise_phases(
    noise_at: NoiseAt = "bottom",
    noise: Noise | Mapping[str, Noise] | None = None,
    noise_steps: int = 2,
    echo_steps: int = 1,
) -> Iterator[Phase]:
    """Give the phases of noise of a presentation: those of pairs 1-2, 3-4, … of layers, then of 2-3, 4-5, ….

    Parameters
    ----------
    noise_at : {"bottom", "both"}
        Whether noise arises in the lower layer of each pair, or in the lower and then in the upper one.
    noise : Noise, or mapping of str to Noise, optional
        White, of unit variance by default; by slot, such as ``{"layer_1.drive_noise": Noise(mixing=L)}``, where layers
        differ.
    noise_steps, echo_steps : int, default 2, 1
        Steps of a phase of noise, in which activity goes from the origin to the other layer; and of its echo.
    """
    names = {"bottom": BOTTOM, "both": BOTH}[noise_at]
    entering = noise if isinstance(noise, Mapping) else {NOISE: Noise() if noise is None else noise}
    for parity, first in FIRST_STAGE.items():
        for number, name in enumerate(names):
            echo = number % 2
            yield Phase(
                f"{name}_{parity}",
                echo_steps if echo else noise_steps,
                course={STAGE: float(first + number)},
                input="none" if echo else entering,
            )


_LEFT_OUT = ("phases", "plus", "minus", "predicts", "beta", "random_sign", "step", "jitter", "evaluation")


@extends(Protocol, without=_LEFT_OUT)
def recirculating(
    *,
    noise: Switch = True,
    noise_at: NoiseAt = "bottom",
    noise_deviation: Positive = 1.0,
    noise_steps: Steps = 2,
    echo_steps: Steps = 1,
    step: Positive = 1.0,
    **stepping,
) -> Protocol:
    """Build the protocol of reciprocal feedback: phases of noise, then a prediction, then its error.

    Parameters
    ----------
    noise : bool, default True
        Whether a presentation begins with phases of noise. Without them feedback stays what it is.
    noise_at : {"bottom", "both"}
        Where noise arises, in the lower layer of each pair, or in both, one after the other.
    noise_deviation : float, default 1
        Standard deviation of the noise, which is white.
    noise_steps, echo_steps : int, default 2, 1
        Steps of a phase of noise, and of its echo. With smaller steps it takes more of them.
    step : float, default 1
        Euler step η₀ = dt/τ: with 1 activity goes on by a layer in each step, as in the poster's equations.
    **stepping
        `step_rule`, `step_decay`, `step_min`, `method`, `reset` and `allow_unstable`, as in `Protocol`. There is no
        jitter: noise would not get through phases that are cut short.

    Returns
    -------
    Protocol
        With the phases ``noise_odd``, ``echo_odd``, ``noise_even``, ``echo_even`` (with noise in both layers
        ``below_…``, ``below_echo_…``, ``above_…``, ``above_echo_…`` for each parity); ``forward``, of one step, for
        somata begin where they are to be; and ``error``, with the teacher.
    """
    first = list(noise_phases(noise_at, Noise(noise_deviation), noise_steps, echo_steps)) if noise else []
    phases = [*first, Phase("forward", 1), Phase("error", 1, teacher=True)]
    protocol = Protocol(phases, plus="error", minus="", predicts="forward", step=step, random_sign=False, **stepping)
    return replace(protocol, evaluation=replace(protocol, phases=[Phase("forward", 1)], plus=""))


def noise_alone(protocol: Protocol) -> Protocol:
    """Leave of a protocol only its phases of noise, or take the default ones where it has none.

    Parameters
    ----------
    protocol : Protocol
    """
    names = {f"{name}_{parity}" for name in (*BOTTOM, *BOTH) for parity in PARITIES}
    phases = [phase for phase in protocol.phases if phase.name in names] or list(noise_phases())
    return replace(protocol, phases=phases, plus="", predicts=phases[-1].name, jitter=0.0, evaluation=None)
