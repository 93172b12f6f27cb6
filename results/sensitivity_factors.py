"""Factors of the sensitivity analysis: parameters that are varied, their ranges, and the settings that values make."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from corinfomax.protocols.runs import Configuration

Value = float | int | str | bool
#: Sections of a parameter file.
Settings = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Factor:
    """A parameter that is varied.

    Parameters
    ----------
    name : str
        Column of the rows.
    symbol, meaning : str
        In figures and in tables.
    low, high : float
        Limits of its range; of a factor that is `relative`, multiples of the preset's value.
    scale : {"log", "linear", "choice"}
    choices : tuple, optional
        The two values of a choice, in place of limits.
    whole, relative : bool, default False
        Whether values are whole numbers; whether limits are multiples.
    """

    name: str
    symbol: str
    meaning: str
    low: float = 0.0
    high: float = 1.0
    scale: str = "log"
    choices: tuple[Value, Value] | None = None
    whole: bool = False
    relative: bool = False

    def limits(self, centre: Value) -> tuple[float, float]:
        """Lowest and highest value around that of a preset."""
        return (self.low * centre, self.high * centre) if self.relative else (self.low, self.high)

    def value(self, u: float, centre: Value = 1.0) -> Value:
        """Value at a place in the range.

        Parameters
        ----------
        u : float
            From 0, the lowest, to 1, the highest; of a choice, below ½ for the first value.
        centre : float
            The preset's value.
        """
        if self.choices is not None:
            return self.choices[int(u >= 0.5)]
        low, high = self.limits(centre)
        found = low + u * (high - low) if self.scale == "linear" else low * (high / low) ** u
        return round(found) if self.whole else float(f"{found:.6g}")

    def place(self, value: Value, centre: Value = 1.0) -> float:
        """Place of a value in the range, from 0 to 1; of a choice 0 or 1."""
        if self.choices is not None:
            return float(self.choices.index(value))
        low, high = self.limits(centre)
        if self.scale == "linear":
            return (value - low) / (high - low)
        return math.log(value / low) / math.log(high / low)

    def range_text(self, centre: Value) -> str:
        """The range, for a table."""
        if self.choices is not None:
            return " or ".join(shown(each) for each in self.choices)
        low, high = self.limits(centre)
        return f"{low:.3g} to {high:.3g}{', log' if self.scale == 'log' else ''}"


def shown(value: Value) -> str:
    """A value, for a table."""
    if isinstance(value, bool):
        return "random" if value else "positive"
    if isinstance(value, str):
        return "slow" if value == "divide_by_slow_loop_index" else value
    return f"{value:.3g}"


_COMMON = (
    Factor("rate_decay", "d", "decay d of the rates, each epoch", 0.85, 1.0, "linear"),
    Factor(
        "step_rule", "step rule", "rule of the step", choices=("constant", "divide_by_slow_loop_index"), scale="choice"
    ),
    Factor("beta", "β", "nudging strength β", 0.4, 4.0),
    Factor("random_sign", "sign of β", "sign of β", choices=(False, True), scale="choice"),
    Factor("hidden", "$N_1$", "hidden cells", 0.25, 2.0, whole=True, relative=True),
    Factor("batch_size", "batch", "stimuli of a minibatch", 0.5, 4.0, whole=True, relative=True),
)
#: A factor without any meaning: what it does is what another seed does.
SEED = Factor("seed", "seed", "seed: chance alone", choices=(0, 1), scale="choice")

CORINFOMAX = (
    Factor("rate_ff", r"$\eta_\mathrm{ff}$", "rate of W_ff^(0); W_ff^(1) follows", 1 / 3, 3.0, relative=True),
    Factor(
        "rate_ratio", r"$\eta_\mathrm{ff}$ ratio", "rate of W_ff^(1) over that of W_ff^(0)", 1 / 3, 3.0, relative=True
    ),
    Factor("rate_fb", r"$\eta_\mathrm{fb}$", "rate of W_fb^(1)", 1 / 3, 3.0, relative=True),
    Factor("step", "η", "step η = dt/τ_u", 0.02, 0.1),
    Factor("free_steps", r"$T_\mathrm{free}$", "free steps", 15, 60, whole=True),
    Factor("nudge_steps", r"$T_\mathrm{nudge}$", "nudge steps", 4, 20, whole=True),
    Factor("g_leak", r"$g_\mathrm{lk}$", "leak conductance", 0.1, 1.0),
    Factor("forgetting", "1 - λ", "1 - λ", 1e-5, 1e-2),
    Factor("epsilon", "ε", "ε", 0.075, 0.45),
    Factor("gain_ff_0", "gain $W_\\mathrm{ff}^{(0)}$", "initial gain of W_ff^(0)", 1 / 3, 3.0),
    Factor("gain_ff_1", "gain $W_\\mathrm{ff}^{(1)}$", "initial gain of W_ff^(1)", 0.1, 1.0),
    Factor("gain_fb_1", "gain $W_\\mathrm{fb}^{(1)}$", "initial gain of W_fb^(1)", 1 / 3, 3.0),
    *_COMMON,
)

EQUILIBRIUM = (
    Factor("rate", "α", "rate of W_0; that of W_1 follows", 1 / 3, 3.0, relative=True),
    Factor("rate_ratio", "α ratio", "rate of W_1 over that of W_0", 1 / 3, 3.0, relative=True),
    Factor("step", "η", "step η = dt/τ", 0.2, 0.9),
    Factor("free_steps", r"$T_\mathrm{free}$", "free steps", 8, 60, whole=True),
    Factor("nudge_steps", r"$T_\mathrm{nudge}$", "nudge steps", 2, 12, whole=True),
    *_COMMON,
)


def _protocol_settings(values: Mapping[str, Value]) -> dict[str, Any]:
    keys = ("beta", "random_sign", "step", "step_rule", "free_steps", "nudge_steps")
    return {key: values[key] for key in keys}


def _corinfomax_settings(values: Mapping[str, Value], inputs: int, outputs: int) -> Settings:
    circuit = {
        "architecture": [inputs, values["hidden"], outputs],
        "epsilon": values["epsilon"],
        "forgetting": 1 - values["forgetting"],
        "g_leak": values["g_leak"],
        "initial_gain_ff": [values["gain_ff_0"], values["gain_ff_1"]],
        "initial_gain_fb": [values["gain_fb_1"]],
        "learning_rate_ff": [values["rate_ff"], values["rate_ff"] * values["rate_ratio"]],
        "learning_rate_fb": [values["rate_fb"]],
        "learning_rate_decay": values["rate_decay"],
    }
    return {"circuit": circuit, "protocol": _protocol_settings(values), "training": _training_settings(values)}


def _equilibrium_settings(values: Mapping[str, Value], inputs: int, outputs: int) -> Settings:
    circuit = {
        "architecture": [inputs, values["hidden"], outputs],
        "learning_rate": [values["rate"], values["rate"] * values["rate_ratio"]],
        "learning_rate_factor": values["rate_decay"],
        "learning_rate_every": 1,
    }
    return {"circuit": circuit, "protocol": _protocol_settings(values), "training": _training_settings(values)}


def _training_settings(values: Mapping[str, Value]) -> dict[str, Any]:
    return {"batch_size": values["batch_size"], "seed": values["seed"]}


def _first(value: Any) -> float:
    """A value for each layer or pair: the first."""
    return value[0] if isinstance(value, list) else value


def _last(value: Any) -> float:
    return value[-1] if isinstance(value, list) else value


def _common_values(configuration: Configuration) -> dict[str, Value]:
    protocol, training = configuration.protocol, configuration.training
    keys = ("beta", "random_sign", "step", "step_rule", "free_steps", "nudge_steps")
    return {
        **{key: getattr(protocol, key) for key in keys},
        "hidden": configuration.circuit.architecture[1],
        "batch_size": training.batch_size,
        "seed": training.seed,
    }


def _corinfomax_values(configuration: Configuration) -> dict[str, Value]:
    circuit = configuration.circuit
    decay = circuit.learning_rate_decay
    return {
        **_common_values(configuration),
        "epsilon": _first(circuit.epsilon),
        "forgetting": round(1 - circuit.forgetting, 12),
        "g_leak": circuit.g_leak,
        "gain_ff_0": _first(circuit.initial_gain_ff),
        "gain_ff_1": _last(circuit.initial_gain_ff),
        "gain_fb_1": _first(circuit.initial_gain_fb),
        "rate_ff": _first(circuit.learning_rate_ff),
        "rate_ratio": _last(circuit.learning_rate_ff) / _first(circuit.learning_rate_ff),
        "rate_fb": _first(circuit.learning_rate_fb),
        "rate_decay": decay if isinstance(decay, float) else decay[0][1],
    }


def _equilibrium_values(configuration: Configuration) -> dict[str, Value]:
    circuit = configuration.circuit
    rates = circuit.learning_rate
    return {
        **_common_values(configuration),
        "rate": _first(rates),
        "rate_ratio": _last(rates) / _first(rates),
        "rate_decay": round(circuit.learning_rate_factor ** (1 / circuit.learning_rate_every), 4),
    }


@dataclass(frozen=True)
class Space:
    """The factors of a model, and how they stand in its parameter files.

    Parameters
    ----------
    factors : tuple of Factor
        Without the seed.
    settings : callable
        Of values by name and the numbers of inputs and outputs: sections of a parameter file.
    values : callable
        Of a configuration: its values by name.
    """

    factors: tuple[Factor, ...]
    settings: Callable[[Mapping[str, Value], int, int], Settings]
    values: Callable[[Configuration], dict[str, Value]]

    @property
    def with_seed(self) -> tuple[Factor, ...]:
        """All factors, and beside them the seed."""
        return (*self.factors, SEED)

    def named(self, names: list[str]) -> tuple[Factor, ...]:
        """Factors of these names, in this order."""
        by_name = {factor.name: factor for factor in self.with_seed}
        return tuple(by_name[name] for name in names)


#: By the name of the model.
SPACES = {
    "corinfomax": Space(CORINFOMAX, _corinfomax_settings, _corinfomax_values),
    "equilibrium": Space(EQUILIBRIUM, _equilibrium_settings, _equilibrium_values),
}
